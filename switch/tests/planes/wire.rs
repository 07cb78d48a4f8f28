//! The MSRP side of one leg: a session that connects, or waits to be connected to.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use engine::ConnectionId;
use sip_control::client::{Agreement, Media, MediaEvent, MediaSession, Saying};

/// Whose session it is, and which of its.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key {
    pub peer: usize,
    pub session: u64,
}

/// A connection, as its core knows it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Link {
    pub core: usize,
    pub id: ConnectionId,
}

/// What a peer wants of its media.
pub enum Wish {
    /// Its SIP side has agreed to a session.
    Connect { key: Key, call: Box<Call> },
    /// The session is over.
    Close { key: Key },
}

/// What SIP has agreed to.
#[derive(Clone, Debug)]
pub struct Call {
    pub agreement: Agreement,
    /// The user's own address.
    pub from: String,
    /// The address of the room.
    pub to: String,
    pub is_anonymous: bool,
    /// Where the peer waits to be connected to, if it does.
    pub waits_at: Option<SocketAddr>,
}

/// One session, and the way to the switch if there is one.
pub struct Wire {
    pub session: MediaSession,
    pub call: Call,
    pub link: Option<Link>,
    /// What is on its way to the switch.
    pub out: VecDeque<u8>,
    /// It will never come.
    pub is_idle: bool,
    pub is_bound: bool,
    pub is_lost: bool,
    /// What it has heard, none of it twice.
    pub heard: HashSet<String>,
}

impl Wire {
    pub fn new(call: Call, media: &Media, seed: [u8; 32], is_idle: bool) -> Self {
        let session = MediaSession::new(call.agreement.clone(), media, &call.from, &call.to, seed);
        Self {
            session,
            call,
            link: None,
            out: VecDeque::new(),
            is_idle,
            is_bound: false,
            is_lost: false,
            heard: HashSet::new(),
        }
    }

    /// The connection stands.
    pub fn connected(&mut self, now: Instant, link: Link) {
        self.link = Some(link);
        if self.call.waits_at.is_none() {
            self.session.handle_connected(now);
        }
        self.drain();
    }

    pub fn closed(&mut self) {
        self.link = None;
        self.out.clear();
        self.is_lost = true;
        self.session.handle_closed();
        self.drain();
    }

    pub fn hear(&mut self, octets: &[u8]) {
        self.session.handle_received(octets);
        // Whoever waits is bound by the first request that comes.
        self.is_bound |= self.call.waits_at.is_some();
        self.drain();
    }

    /// Says something to the room that nobody else says, if it may. What it was.
    pub fn say(&mut self, now: Instant, said: &mut u64) -> Option<String> {
        if !self.is_bound || self.is_lost || self.call.is_anonymous {
            return None;
        }
        *said += 1;
        let words = format!("message {said}");
        let said = self.session.send(now, &Saying::to_room("text/plain", words.as_bytes()));
        self.drain();
        said.ok().map(|_| words)
    }

    /// Asks to be called like this, or by no nickname any more.
    pub fn take_nickname(&mut self, now: Instant, nickname: &str) {
        if self.is_bound && !self.is_lost {
            // The room may have none, and there may be too much that is not answered.
            let _ = self.session.request_nickname(now, nickname);
            self.drain();
        }
    }

    /// Takes in what has happened.
    pub fn drain(&mut self) {
        while let Some(octets) = self.session.poll_transmit() {
            self.out.extend(octets);
        }
        while let Some(event) = self.session.poll_event() {
            match event {
                MediaEvent::Bound => self.is_bound = true,
                MediaEvent::Lost => self.is_lost = true,
                MediaEvent::Received(received) => {
                    let words = String::from_utf8(received.content.to_vec()).unwrap();
                    if words.starts_with("message ") {
                        assert!(self.is_bound, "{words:?} came before anybody was here");
                        assert!(self.heard.insert(words.clone()), "{words:?} twice");
                    }
                }
                MediaEvent::Taken(_) | MediaEvent::NotTaken { .. } => {}
            }
        }
    }
}
