//! A socket as its runtime knows it, and the peer at its far end.

use std::collections::VecDeque;

use engine::{Batch, ConnectionId};

use super::client::Client;

/// What the core has been promised of a socket, and has promised.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// The switch is to connect it.
    Opening,
    Open,
    Detaching,
    Closing,
    Gone,
}

pub struct Socket {
    pub core: usize,
    pub id: ConnectionId,
    pub state: State,
    /// With the kernel.
    pub sending: Option<Batch>,
    /// Said, and not yet arrived.
    pub outbox: VecDeque<u8>,
    /// Octets that were written and that have arrived, from the beginning.
    pub written: usize,
    pub arrived: usize,
    /// Transactions that are owed an answer once so many octets have arrived.
    pub asked: Vec<(String, usize)>,
    pub ended: bool,
    /// Which URI its peer speaks to.
    pub voice: usize,
    pub client: Client,
}

impl Socket {
    pub fn new(core: usize, id: ConnectionId, state: State, voice: usize) -> Self {
        Self {
            core,
            id,
            state,
            sending: None,
            outbox: VecDeque::new(),
            written: 0,
            arrived: 0,
            asked: Vec::new(),
            ended: false,
            voice,
            client: Client::default(),
        }
    }

    /// What needs no answer.
    pub fn say(&mut self, octets: &[u8]) {
        self.written += octets.len();
        self.outbox.extend(octets);
    }

    pub fn has_something_to_say(&self) -> bool {
        !(self.outbox.is_empty() && self.client.unanswered.is_empty())
    }
}
