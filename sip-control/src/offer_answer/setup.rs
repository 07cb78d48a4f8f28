//! Who connects, and to which address: RFC 6135, and RFC 6714 where middleboxes anchor the media.

use mailbox::NextHop;
use msrp::{Host, PathBuf};

use super::{
    Names, RoomMedia, Unacceptable, Unresolved,
    offer::Role,
    place::{self, Elsewhere},
};
use crate::sdp::{Attributes, Media};

/// The port of a peer that only connects (RFC 6135 section 4.2.2).
pub(super) const DISCARD_PORT: u16 = 9;

/// What is made of middleboxes that put their own address into `c=` and `m=` (RFC 6714).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Cema {
    /// They are not reckoned with.
    Off,
    /// They are, and a peer that connects by itself may say there what it likes (msrp/JC-12).
    #[default]
    On,
    /// To the letter: nobody may.
    Strict,
}

/// What was found out.
pub(super) struct Arrangement {
    /// Who connects.
    pub setup: mailbox::Setup,
    /// Both sides know of RFC 6714, and do as it says.
    pub is_anchored: bool,
    /// What has to be known before it is certain that the peer may say so.
    pub unresolved: Unresolved,
}

impl Arrangement {
    /// Reads it off one chat line of the peer.
    pub fn read(
        media: &Media,
        session: &Attributes,
        path: &PathBuf,
        room: &RoomMedia,
        names: &Names,
        peer_is: Role,
    ) -> Result<Self, Unacceptable> {
        let of = &media.attributes;
        let said = Said::read(of.first("setup").or_else(|| session.first("setup")));
        if said != Said::Active && media.port == DISCARD_PORT {
            return Err(Unacceptable::DiscardPort);
        }
        let is_relayed = path.uris().count() > 1;
        let knows = room.cema != Cema::Off && of.has("msrp-cema");
        // Only if we connect can a middlebox stand before the peer's relay (msrp/CEMA-10).
        let is_ours = knows && is_relayed && said == Said::ActPass && peer_is == Role::Offerer;
        let we_connect = is_ours || !said.connects(peer_is);
        // A peer that connects goes by its relay, where nobody looks at c= and m= (msrp/CEMA-03).
        let is_anchored = knows && (we_connect || !is_relayed);
        // How many of its URIs, from the first on, the peer may mean with c= and m=.
        let candidates = match (peer_is, we_connect) {
            _ if knows => 0,
            // Where we connect it is to the path, whatever else is said; but in front of a relay
            // somebody may have to be met (msrp/CEMA-07, msrp/CEMA-08).
            (Role::Answerer, true) if !is_relayed => 0,
            (Role::Answerer, true) => usize::MAX,
            (_, false) if room.accept_sbc_rewrite => 0,
            (Role::Offerer, false) if said == Said::Active && room.cema != Cema::Strict => 0,
            (Role::Offerer, _) | (Role::Answerer, false) => 1,
        };
        let unresolved = match candidates {
            0 => Unresolved::default(),
            _ => place::meet(media, path.uris().take(candidates), names)
                .map_err(|Elsewhere| Unacceptable::AddressesDiffer)?,
        };
        let setup = match (we_connect, room.allow_active) {
            (false, _) => mailbox::Setup::Passive,
            (true, false) => return Err(Unacceptable::Setup),
            (true, true) => {
                let next_hop = if is_anchored { anchor(media) } else { first_of(path) };
                mailbox::Setup::Active(next_hop.ok_or(Unacceptable::Unreachable)?)
            }
        };
        Ok(Self { setup, is_anchored, unresolved })
    }
}

/// Where the middlebox in front of the peer is (msrp/CEMA-05).
fn anchor(media: &Media) -> Option<NextHop> {
    let host = media.connection.address.to_ascii_lowercase().into();
    let is_usable = !matches!(media.port, 0 | DISCARD_PORT);
    is_usable.then_some(NextHop { host, port: media.port, is_anchored: true })
}

/// Where the first URI of the path is, if it can be connected to (msrp/SDP-04): browsers have no
/// address of their own, and no port is taken for granted (msrp/URI-18).
fn first_of(path: &PathBuf) -> Option<NextHop> {
    let uri = path.uris().next()?;
    let host = match uri.host() {
        Host::Name(name) => name.to_ascii_lowercase(),
        Host::V4(address) => address.to_string(),
        Host::V6(address) => address.to_string(),
    };
    let port = uri.port().filter(|port| !matches!(port, 0 | &DISCARD_PORT))?;
    let is_usable = uri.transport().eq_ignore_ascii_case("tcp") && !host.ends_with(".invalid");
    is_usable.then_some(NextHop { host: host.into(), port, is_anchored: false })
}

/// An `a=setup` (RFC 4145, RFC 6135).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Said {
    Active,
    Passive,
    ActPass,
    /// Not said, or said in a way that means nothing for MSRP: the offerer connects (SDP-13).
    Nothing,
}

impl Said {
    fn read(value: Option<&str>) -> Self {
        match value.map(|value| value.trim().to_ascii_lowercase()).as_deref() {
            Some("active") => Self::Active,
            Some("passive") => Self::Passive,
            Some("actpass") => Self::ActPass,
            _ => Self::Nothing,
        }
    }

    /// Whether the peer who says so connects: that is for the offerer to do, unless one of them says
    /// something else (SDP-13, msrp/SETUP-07). What does not know `setup` at all and answers, waits.
    fn connects(self, peer_is: Role) -> bool {
        match self {
            Self::Active => true,
            Self::Passive => false,
            Self::ActPass | Self::Nothing => peer_is == Role::Offerer,
        }
    }
}
