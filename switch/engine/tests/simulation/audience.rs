//! Who is to get which message, as it can be known from outside of the cores.
//!
//! The recipients of a message are those who are due at each core when the message opens there. Where
//! that happens by a relay it is seen. Where sender and home are the same core it is not, and the set
//! is that of everybody who was due there at any time between the message's first octet and its last.

use std::collections::{HashMap, HashSet};

use crate::message::Name;

/// A message, and who may hear it.
pub struct Said {
    pub text: Vec<u8>,
    pub sender: u64,
    /// The one participant that it is for, if it is private.
    pub to: Option<u64>,
    /// The peer that said it.
    pub by: usize,
    /// Those who were due when its first octet had not left yet: who of them stays gets it.
    pub promised: Vec<usize>,
    /// Whether all of it comes, in time, and as it is said to.
    pub is_sound: bool,
    /// Those whom it may have been opened for.
    may_hear: HashSet<usize>,
    /// The cores it has opened on, as far as that was seen.
    opened: HashSet<usize>,
}

#[derive(Default)]
pub struct Audiences(HashMap<Name, Said>);

impl Audiences {
    #[expect(clippy::too_many_arguments, reason = "a record, filled in once")]
    pub fn say(
        &mut self,
        name: Name,
        text: Vec<u8>,
        sender: u64,
        to: Option<u64>,
        by: usize,
        promised: Vec<usize>,
        is_sound: bool,
    ) {
        let (may_hear, opened) = (HashSet::new(), HashSet::new());
        let said = Said { text, sender, to, by, promised, is_sound, may_hear, opened };
        self.0.insert(name, said);
    }

    pub fn get(&self, name: Name) -> Option<&Said> {
        self.0.get(&name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Name, &Said)> {
        self.0.iter().map(|(&name, said)| (name, said))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Name, &mut Said)> {
        self.0.iter_mut().map(|(&name, said)| (name, said))
    }

    /// The message opens on a core, or may do so now; `due` are those who are due there.
    pub fn open(&mut self, name: Name, core: usize, due: &[(usize, u64)], is_seen: bool) {
        let Some(said) = self.0.get_mut(&name) else { return };
        if said.opened.contains(&core) {
            return;
        }
        let is_for = |participant: u64| match said.to {
            Some(to) => participant == to,
            None => participant != said.sender,
        };
        said.may_hear.extend(due.iter().filter(|(_, it)| is_for(*it)).map(|(peer, _)| peer));
        if is_seen {
            said.opened.insert(core);
        }
    }

    /// A peer has heard so much of a message.
    pub fn check(&self, name: Name, peer: usize, text: &[u8]) {
        let said = self.0.get(&name).expect("somebody said it");
        assert!(said.may_hear.contains(&peer), "{name:?} is not for peer {peer}");
        assert!(said.text.starts_with(text), "octet for octet");
    }

    /// A peer has heard all of a message.
    pub fn check_whole(&self, name: Name, text: &[u8]) {
        assert_eq!(self.0[&name].text, text, "only what is whole ends with a dollar");
    }
}
