//! Why a description was refused, as the Warning of the 488 tells it.

/// An offer that no answer fits: 488 with exactly one Warning (SDP-20, RFC 3261 section 20.43). Or an
/// answer that does not fit our offer, which ends the leg (FOC-21).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unacceptable {
    /// There is no description where there has to be an answer.
    Missing,
    /// Not a session description (SDP-06).
    Malformed,
    /// Lines of the description before it are missing (RFC 3264 section 8).
    LinesMissing,
    /// No line offers chat (SDP-07).
    NoChatLine,
    /// A transport that is not served (SDP-08).
    Transport,
    /// A format list that is not `*` (SDP-09).
    Format,
    /// An address family that we lack.
    AddressFamily,
    /// Port 9, but the peer does not connect (SDP-09).
    DiscardPort,
    /// `path` is missing, doubled or unusable (SDP-10).
    Path,
    /// `accept-types` is missing or unreadable (SDP-12).
    AcceptTypes,
    /// `accept-wrapped-types` is unreadable.
    AcceptWrappedTypes,
    /// No type in common (SDP-12).
    Types,
    /// We would have to connect, and do not (SDP-13).
    Setup,
    /// We would have to connect, and it does not say where to (msrp/SETUP-06).
    Unreachable,
    /// The address of `c=` and `m=` is not that of `path` (SDP-11).
    AddressesDiffer,
}

impl Unacceptable {
    /// The warn-code.
    pub fn warn_code(self) -> u16 {
        match self {
            Self::AddressFamily => 301,
            Self::Transport => 302,
            Self::NoChatLine => 304,
            Self::Types => 305,
            Self::Path | Self::AcceptTypes | Self::AcceptWrappedTypes => 306,
            Self::Missing
            | Self::Malformed
            | Self::LinesMissing
            | Self::Format
            | Self::DiscardPort
            | Self::Setup
            | Self::Unreachable
            | Self::AddressesDiffer => 399,
        }
    }

    /// The warn-text, without its quotes.
    pub fn warn_text(self) -> &'static str {
        match self {
            Self::Missing => "Session description missing",
            Self::LinesMissing => "Media lines are missing",
            Self::Malformed => "Malformed session description",
            Self::NoChatLine => "Media type not available",
            Self::Transport => "Incompatible transport protocol",
            Self::Format => "Format list is not *",
            Self::AddressFamily => "Incompatible network address formats",
            Self::DiscardPort => "Port 9 needs setup:active",
            Self::Path => "Attribute not understood: path",
            Self::AcceptTypes => "Attribute not understood: accept-types",
            Self::AcceptWrappedTypes => "Attribute not understood: accept-wrapped-types",
            Self::Types => "Incompatible media format",
            Self::Setup => "The focus does not connect",
            Self::Unreachable => "Path cannot be connected to",
            Self::AddressesDiffer => "Path and connection address differ",
        }
    }
}
