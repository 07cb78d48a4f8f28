//! What can be wrong with a message by itself.

use super::header::Header;

/// A fault of a message, found without knowing anything but the message. Of several, the one that
/// the checks of stage A meet first answers (DLG-01).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The head exceeds [`HEAD_SIZE_MAX`](super::limits::HEAD_SIZE_MAX).
    HeadTooLarge,
    /// There are more than [`LINES_MAX`](super::limits::LINES_MAX) header lines.
    TooManyLines,
    /// A header line exceeds [`LINE_SIZE_MAX`](super::limits::LINE_SIZE_MAX).
    LineTooLong,
    /// The body exceeds [`BODY_SIZE_MAX`](super::limits::BODY_SIZE_MAX).
    BodyTooLarge,
    /// No blank line ends the head.
    HeadCut,
    /// A stream message without Content-Length.
    LengthMissing,
    /// Content-Length is no number below 2^31, or there are several.
    LengthBad,
    /// The datagram ends before the body does.
    BodyCut,
    /// CR or LF stands alone.
    LineEnding,
    /// The Request-URI exceeds [`REQUEST_URI_SIZE_MAX`](super::limits::REQUEST_URI_SIZE_MAX).
    UriTooLong,
    /// The start line is neither that of a request nor that of a response.
    StartLine,
    /// The message speaks another version of SIP.
    Version,
    /// A header line has no name.
    HeaderLine,
    /// A field has octets that are not UTF-8.
    NotUtf8(Header),
    /// There are more values of Via, Route or Record-Route than any honest path makes.
    TooMany(Header),
    /// A mandatory field is missing.
    Missing(Header),
    /// A field stands twice that may stand once.
    Repeated(Header),
    /// A field does not parse.
    Malformed(Header),
    /// The method of CSeq is not that of the request.
    MethodMismatch,
}

impl Fault {
    /// The status a request with this fault is answered with (DLG-01, OPS-04).
    pub const fn status(self) -> u16 {
        match self {
            Self::HeadTooLarge | Self::TooManyLines | Self::LineTooLong | Self::TooMany(_) => 513,
            Self::BodyTooLarge => 413,
            Self::UriTooLong => 414,
            Self::Version => 505,
            _ => 400,
        }
    }

    /// Whether framing and start line are sound, and it is the fields that are not.
    pub(super) const fn is_of_fields(self) -> bool {
        self.stage() == 3
    }

    /// The place in the order of checks: framing and size, start line, headers.
    pub(super) const fn stage(self) -> u8 {
        match self {
            Self::HeadTooLarge
            | Self::TooManyLines
            | Self::LineTooLong
            | Self::BodyTooLarge
            | Self::HeadCut
            | Self::LengthMissing
            | Self::LengthBad
            | Self::BodyCut
            | Self::LineEnding => 1,
            Self::UriTooLong | Self::StartLine | Self::Version => 2,
            _ => 3,
        }
    }
}
