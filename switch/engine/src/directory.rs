//! Who is in a room, on all its cores, as each of them knows it: so that whoever writes to one
//! participant is answered at once.
//!
//! A core lists its own sessions and tells the room's home of their coming and going; the home tells
//! the other cores. What is listed of a session is shared by all cores. Besides, each core pays for
//! two entries of its own per member: about 150 octets.

use std::{collections::HashMap, sync::Arc};

use mailbox::{ParticipantId, Presence, SessionId};
use msrp::AddressBuf;

/// The sessions of a room that are due what is said in it.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Each participant's, in the order they came.
    sessions: HashMap<ParticipantId, Vec<Arc<Presence>>>,
    participants: HashMap<AddressBuf, ParticipantId>,
}

impl Directory {
    /// Lists a session, or what is new of it.
    pub(crate) fn set(&mut self, presence: Arc<Presence>) {
        for address in presence.addresses.iter() {
            self.participants.insert(address.clone(), presence.participant);
        }
        // Nearly everybody has one session.
        let sessions =
            self.sessions.entry(presence.participant).or_insert_with(|| Vec::with_capacity(1));
        match sessions.iter_mut().find(|it| it.session == presence.session) {
            Some(known) => *known = presence,
            None => sessions.push(presence),
        }
    }

    /// Strikes a session out.
    pub(crate) fn remove(&mut self, participant: ParticipantId, session: SessionId) {
        let Some(sessions) = self.sessions.get_mut(&participant) else { return };
        let Some(at) = sessions.iter().position(|it| it.session == session) else { return };
        let gone = sessions.remove(at);
        for address in gone.addresses.iter() {
            let is_left = sessions.iter().any(|it| it.addresses.contains(address));
            if !is_left && self.participants.get(address) == Some(&participant) {
                self.participants.remove(address);
            }
        }
        if sessions.is_empty() {
            self.sessions.remove(&participant);
        }
    }

    /// The sessions of the participant with this address; none when nobody has it.
    pub(crate) fn find(&self, address: &AddressBuf) -> &[Arc<Presence>] {
        self.participants.get(address).map_or(&[], |participant| self.of(*participant))
    }

    /// The sessions of a participant.
    pub(crate) fn of(&self, participant: ParticipantId) -> &[Arc<Presence>] {
        self.sessions.get(&participant).map_or(&[], Vec::as_slice)
    }

    /// All of it, in the order in which the sessions were made.
    pub(crate) fn all(&self) -> Vec<Arc<Presence>> {
        let mut all: Vec<_> = self.sessions.values().flatten().cloned().collect();
        all.sort_unstable_by_key(|it| it.session);
        all
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mailbox::{CoreId, ParticipantId, Presence, SessionId};
    use msrp::{AcceptTypes, AddressBuf};

    use super::Directory;

    fn address(text: &str) -> AddressBuf {
        AddressBuf::parse(text.as_bytes()).unwrap()
    }

    fn presence(session: u64, participant: u64, addresses: &[&str]) -> Arc<Presence> {
        Arc::new(Presence {
            session: SessionId(session),
            participant: ParticipantId(participant),
            core: CoreId::new(0).unwrap(),
            addresses: addresses.iter().copied().map(address).collect(),
            takes_private: true,
            accept_wrapped: AcceptTypes::any(),
            size_max: None,
        })
    }

    fn sessions(directory: &Directory, text: &str) -> Vec<u64> {
        directory.find(&address(text)).iter().map(|it| it.session.0).collect()
    }

    /// PRIV-02, PRIV-06: an address is known while a session with it is there, and means all of them.
    #[test]
    fn an_address_is_known_as_long_as_a_session_has_it() {
        let mut directory = Directory::default();
        directory.set(presence(1, 7, &["sip:bob@h", "tel:+1"]));
        directory.set(presence(2, 7, &["sip:bob@h"]));
        directory.set(presence(2, 7, &["sip:bob@h"]));
        assert_eq!(sessions(&directory, "sip:bob@H;x"), [1, 2]);
        assert_eq!(sessions(&directory, "tel:+1"), [1, 2], "it means the participant");
        directory.remove(ParticipantId(7), SessionId(1));
        assert_eq!(sessions(&directory, "sip:bob@h"), [2]);
        assert_eq!(sessions(&directory, "tel:+1"), [0; 0]);
        directory.remove(ParticipantId(7), SessionId(1));
        directory.remove(ParticipantId(7), SessionId(2));
        assert!(directory.all().is_empty() && directory.participants.is_empty());
    }

    #[test]
    fn an_address_that_went_over_to_another_is_not_lost_with_the_first() {
        let mut directory = Directory::default();
        directory.set(presence(1, 7, &["sip:bob@h"]));
        directory.set(presence(2, 8, &["sip:bob@h"]));
        directory.remove(ParticipantId(7), SessionId(1));
        assert_eq!(sessions(&directory, "sip:bob@h"), [2]);
    }
}
