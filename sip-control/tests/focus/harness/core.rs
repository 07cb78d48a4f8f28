//! Cores that do as they are told, and what was asked of them as one reads it.

use std::time::Instant;

use mailbox::{
    Command, Epoch, Event, InstallRefusal, PeerMedia, Receiver, Rights, RoomId, Sender, SessionId,
};
use msrp::UriBuf;

/// What a core does with an `Install`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Core {
    /// Answers at once.
    Quick,
    /// Does not answer, until it is told.
    Silent,
    /// Has no slot.
    Full,
}

pub(super) struct FakeCore {
    pub(super) commands: Receiver<Command>,
    pub(super) events: Sender<Event>,
    pub(super) installed: Vec<(SessionId, Epoch)>,
}

impl FakeCore {
    pub(super) fn react(
        &mut self,
        command: Command,
        mood: Core,
        heard: Option<Instant>,
    ) -> Option<Event> {
        match command {
            Command::Install { session, epoch, .. } => match mood {
                Core::Quick => Some(Event::Installed { session, epoch, path: path_of(session) }),
                Core::Silent => {
                    self.installed.push((session, epoch));
                    None
                }
                Core::Full => Some(Event::Refused { session, epoch, reason: InstallRefusal::Full }),
            },
            Command::Remove { session, epoch } => Some(Event::Removed { session, epoch }),
            Command::Spread { room, epoch, .. } => Some(Event::Spread { room: room.id, epoch }),
            Command::Close { room, epoch } => Some(Event::Closed { room, epoch }),
            Command::Inquire { room } => Some(Event::Heard { room, last: heard }),
            Command::Drain => Some(Event::Drained),
            Command::Activate { .. }
            | Command::Connect { .. }
            | Command::Policy { .. }
            | Command::Forsake { .. } => None,
        }
    }
}

/// What a core would call the session.
pub fn path_of(session: SessionId) -> UriBuf {
    UriBuf::parse(format!("msrp://198.51.100.5:2855/core-{};tcp", session.0).as_bytes()).unwrap()
}

pub(super) fn named(command: &Command) -> String {
    match command {
        Command::Install { route, .. } => {
            let identities: Vec<String> =
                route.identities.iter().map(ToString::to_string).collect();
            let whose = if route.peer.is_some() { "" } else { "without media " };
            format!("Install {whose}{}", identities.join(" "))
        }
        Command::Activate { .. } => "Activate".to_owned(),
        Command::Connect { remote, .. } => format!("Connect {:?}", remote.addresses),
        Command::Remove { .. } => "Remove".to_owned(),
        Command::Close { room: RoomId(_), .. } => "Close".to_owned(),
        Command::Spread { .. } => "Spread".to_owned(),
        Command::Policy { rights: Rights::Peer(_, peer), .. } => {
            format!("Policy {}", peer.path.as_str())
        }
        Command::Policy { .. } => "Policy".to_owned(),
        Command::Inquire { .. } => "Inquire".to_owned(),
        Command::Forsake { core } => format!("Forsake {}", core.index()),
        Command::Drain => "Drain".to_owned(),
    }
}

/// What is asked about one session.
pub(super) fn detailed(command: &Command) -> Option<String> {
    let terms = |peer: &PeerMedia| {
        let path = peer.path.as_str();
        format!("{path} {:?} {:?} {:?}", peer.direction, peer.size_max, peer.chatroom)
    };
    Some(match command {
        Command::Install { session, route, .. } => {
            let peer = route.peer.as_ref().map_or("no peer".to_owned(), terms);
            format!("Install {} {peer}", session.0)
        }
        Command::Policy { rights: Rights::Peer(session, peer), .. } => {
            format!("Policy {} {}", session.0, terms(peer))
        }
        Command::Activate { session, .. } => format!("Activate {}", session.0),
        Command::Remove { session, .. } => format!("Remove {}", session.0),
        Command::Policy { rights: Rights::Terms(terms), .. } => {
            let (size_max, policy) = (terms.size_max, &terms.policy);
            let (private, named) = (policy.private_messages, policy.nicknames.is_some());
            format!("Terms {size_max} private={private} nicknames={named}")
        }
        _ => return None,
    })
}
