//! One user's client, from its join to the end of its session: what it has to say, and what it makes
//! of the octets it gets.

use std::collections::{HashMap, HashSet, VecDeque};

use engine::ConnectionId;
use mailbox::SessionId;
use msrp::{FailureReport, Flag, Frame, Framer, Head, Method, Start, TransactionId};

use crate::{
    audience::Audiences,
    message::{BINDING, Cut, Name, own_path},
};

/// What sort of client it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Temper {
    Steady,
    /// Takes what it is sent in small pieces, and late.
    Slow,
    /// Cuts its messages and its writes into crumbs, and repeats some.
    Choppy,
    /// Says many things before the first is answered.
    Flooding,
    /// Loses its network often, and comes back.
    Mortal,
    /// Says of its chunks what is not true.
    Lying,
}

pub const TEMPERS: [Temper; 6] =
    [Temper::Steady, Temper::Slow, Temper::Choppy, Temper::Flooding, Temper::Mortal, Temper::Lying];

/// A connection, as its core knows it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Link {
    pub core: usize,
    pub id: ConnectionId,
}

/// How far the session of a peer has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Life {
    /// It is not both bound and active.
    Arriving,
    /// What is said in the room is due to it.
    Recipient,
    /// It has left, or was lost.
    Gone,
}

pub struct Peer {
    pub participant: u64,
    pub temper: Temper,
    /// The core that serves its session.
    pub core: usize,
    pub session: SessionId,
    pub uri: String,
    pub own: String,
    pub link: Option<Link>,
    pub is_active: bool,
    pub is_bound: bool,
    /// It has left or was lost.
    pub is_gone: bool,
    /// The focus has ended its session.
    pub is_removed: bool,
    /// Octets that have arrived at the switch.
    pub carried: usize,
    /// Octets on their way to the switch.
    pub outbox: VecDeque<u8>,
    /// Chunks that it has not sent yet, of one message at a time.
    pub unsent: Vec<Vec<u8>>,
    pub said: u64,
    /// Requests that are not answered, and the message each is a chunk of.
    pub asked: HashMap<TransactionId, Name>,
    framer: Framer,
    /// Messages of which the end has not come, by the switch's Message-ID.
    incoming: HashMap<Vec<u8>, Vec<u8>>,
    /// The Message-ID of the chunk whose end has not come.
    current: Option<(Vec<u8>, TransactionId)>,
    /// In the order in which they were complete.
    pub heard: Vec<Name>,
    heard_once: HashSet<Name>,
}

impl Peer {
    pub fn new(participant: u64, temper: Temper, core: usize, session: SessionId) -> Self {
        Self {
            participant,
            temper,
            core,
            session,
            uri: String::new(),
            own: own_path(participant),
            link: None,
            is_active: false,
            is_bound: false,
            is_gone: false,
            is_removed: false,
            carried: 0,
            outbox: VecDeque::new(),
            unsent: Vec::new(),
            said: 0,
            asked: HashMap::new(),
            framer: Framer::new(),
            incoming: HashMap::new(),
            current: None,
            heard: Vec::new(),
            heard_once: HashSet::new(),
        }
    }

    pub fn life(&self) -> Life {
        match (self.is_gone, self.is_active && self.is_bound) {
            (true, _) => Life::Gone,
            (false, true) => Life::Recipient,
            (false, false) => Life::Arriving,
        }
    }

    pub fn has_more_to_say(&self) -> bool {
        self.link.is_some() && !(self.outbox.is_empty() && self.unsent.is_empty())
    }

    pub fn cut(&self, may_be_large: bool) -> Cut {
        match self.temper {
            Temper::Choppy => Cut::Crumbs,
            Temper::Flooding => Cut::Whole,
            _ if may_be_large => Cut::Halves,
            _ => Cut::Whole,
        }
    }

    pub fn has_heard(&self, name: Name) -> bool {
        self.heard_once.contains(&name)
    }

    /// Messages that have begun and not ended.
    pub fn unfinished(&self) -> usize {
        self.incoming.len()
    }

    /// Reads, checks and answers what the switch sent.
    pub fn hear(&mut self, mut input: &[u8], audiences: &Audiences, me: usize) {
        let mut framer = std::mem::take(&mut self.framer);
        while let Some(frame) = framer.next(&mut input).expect("the switch frames well") {
            let piece = match frame {
                Frame::Head { head, piece } => {
                    self.begin(&head, audiences);
                    piece
                }
                Frame::Body(piece) => piece,
            };
            self.take(piece.body, piece.end, audiences, me);
        }
        self.framer = framer;
    }

    fn begin(&mut self, head: &Head<'_>, audiences: &Audiences) {
        assert_eq!(head.fault, None, "what is sent is well formed");
        assert_eq!(head.to_path.unwrap().raw(), self.own.as_bytes());
        assert_eq!(head.from_path.unwrap().raw(), self.uri.as_bytes());
        match head.start {
            Start::Response(status) => {
                if head.transaction.as_bytes() == BINDING.as_bytes() {
                    assert!(status == 200 || self.is_removed);
                    return;
                }
                let name = self.asked.remove(&head.transaction).expect("one answer a request");
                let said = audiences.get(name).expect("said");
                let may_be_refused = said.to.is_some() || !said.is_sound || self.is_removed;
                assert!(status == 200 || may_be_refused, "{name:?} is refused with {status}");
            }
            // What the switch has to say itself: that messages were missed.
            Start::Request(Method::Send) if head.failure_report == FailureReport::No => {}
            Start::Request(Method::Send) => {
                let id = head.message_id.unwrap().to_vec();
                let so_far = self.incoming.entry(id.clone()).or_default();
                assert_eq!(
                    head.byte_range.unwrap().start,
                    so_far.len() as u64 + 1,
                    "no gap, no overlap"
                );
                self.current = Some((id, head.transaction));
            }
            // What became of its own messages.
            Start::Request(method) => assert_eq!(method, Method::Report),
        }
    }

    fn take(&mut self, body: &[u8], end: Option<Flag>, audiences: &Audiences, me: usize) {
        let Some((id, transaction)) = &self.current else { return };
        let text = self.incoming.get_mut(id).unwrap();
        text.extend_from_slice(body);
        // The first chunk of a copy holds all of the wrapper, so its name is there with its first
        // piece, unless nothing of the body is.
        if let Some(name) = Name::of(text) {
            audiences.check(name, me, text);
        }
        let Some(end) = end else { return };
        let mut answer = Vec::new();
        let (to, from) = (self.uri.as_bytes(), self.own.as_bytes());
        msrp::write_response(&mut answer, transaction, 200, "OK", to, from);
        self.outbox.extend(answer);
        match end {
            Flag::More => {}
            Flag::Abort => drop(self.incoming.remove(id)),
            Flag::End => {
                let text = self.incoming.remove(id).unwrap();
                let name = Name::of(&text).expect("a whole message");
                audiences.check_whole(name, &text);
                assert!(self.heard_once.insert(name), "exactly once");
                self.heard.push(name);
            }
        }
        self.current = None;
    }
}
