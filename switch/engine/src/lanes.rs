//! Copies that have to wait, in the order in which they will be served (FLOW-06, CHUNK-08).
//!
//! ```text
//! private      session, session     the class first, then the sessions by turns of 16 KiB;
//! room         session, session       in a session, what is whole and what is long by turns:
//! disposition  session                  whole messages in the order they came,
//! composing    session                  long ones of each sender from when they reach the front
//! ```
//!
//! What one sender says stays in its order (CHAT-31): who has a line of its own, because of a long
//! message, stands there with all that it says next, until the line is empty.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use mailbox::Class;

use crate::{
    batch::Change,
    chunk::{CopyHead, Due},
    limits::{CHUNK_BODY_MIN, TURN_SIZE},
    route::SessionKey,
};

/// What waits for one connection.
#[derive(Default)]
pub(crate) struct Lanes {
    /// By [`Class`].
    classes: [Lane; 4],
    /// Octets of all that waits, with heads.
    octets: usize,
    /// How many parts there are.
    parts: usize,
}

/// What waits of one class.
#[derive(Default)]
struct Lane {
    /// The sessions with something in it; the first has its turn.
    turns: VecDeque<SessionKey>,
    queues: HashMap<SessionKey, Queue>,
    /// Octets of bodies that the first has had in this turn.
    had: usize,
}

/// What waits of one class for one session.
struct Queue {
    path_headers: Arc<[u8]>,
    /// Whole messages. Of the first some chunks may have gone.
    whole: VecDeque<Due>,
    /// How many whole messages have been served.
    served: u64,
    /// A line for each sender of a message that is passed on as it comes, none of them empty.
    long: VecDeque<Line>,
    /// Whether it is the turn of the long ones.
    long_turn: bool,
}

/// What one sender has said since it began a long message.
struct Line {
    /// How many whole messages are to be served before it.
    after: u64,
    parts: VecDeque<Due>,
}

/// A chunk that is to be written now.
pub(crate) struct Next {
    pub(crate) session: SessionKey,
    pub(crate) path_headers: Arc<[u8]>,
    pub(crate) due: Due,
}

impl Lanes {
    /// Octets of all that waits.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// Memory that it takes beside the bodies, about.
    pub(crate) fn own(&self) -> usize {
        self.parts * size_of::<Due>()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts == 0
    }

    /// Whether a session has got the beginning of a message that is not to be interrupted.
    pub(crate) fn has_begun(&self, session: SessionKey) -> bool {
        self.classes.iter().any(|lane| lane.has_begun(session))
    }

    /// Whether something is served before what is of this class.
    pub(crate) fn has_before(&self, class: Class) -> bool {
        self.classes[..class as usize].iter().any(|lane| !lane.turns.is_empty())
    }

    /// Puts a part of a copy behind what waits for the same session, or in the place of something.
    pub(crate) fn push(
        &mut self,
        session: SessionKey,
        path_headers: &Arc<[u8]>,
        due: Due,
    ) -> Change {
        let more = due.size_max(path_headers.len());
        let queue = self.classes[due.head.class as usize].queue(session, path_headers);
        let replaced = match due.head.class {
            Class::Composing if due.is_whole() => queue.replace(due),
            _ => {
                queue.push(due);
                None
            }
        };
        let less = replaced.as_ref().map_or(0, |old| old.size_max(path_headers.len()));
        self.octets = self.octets + more - less;
        self.parts += usize::from(replaced.is_none());
        Change { session, more, less }
    }

    /// Takes back what waits of a message that has begun, or of a long one, for a session: it is given
    /// up there. Returns the
    /// position from which on nothing has been sent, and how many octets less wait, if anything did.
    pub(crate) fn take_back(
        &mut self,
        session: SessionKey,
        head: &CopyHead,
    ) -> Option<(u64, usize)> {
        let lane = &mut self.classes[head.class as usize];
        let queue = lane.queues.get_mut(&session)?;
        let paths = queue.path_headers.len();
        let (mut from, mut less, mut parts) = (None, 0, 0);
        for line in &mut queue.long {
            line.parts.retain(|due| {
                let others = due.head.message_id != head.message_id;
                if !others {
                    from = from.or(Some(due.at));
                    (less, parts) = (less + due.size_max(paths), parts + 1);
                }
                others
            });
        }
        queue.long.retain(|line| !line.parts.is_empty());
        let is_it =
            |due: &mut Due| due.is_whole_under_way() && due.head.message_id == head.message_id;
        if let Some(due) = queue.whole.pop_front_if(is_it) {
            queue.served += 1;
            (from, less, parts) = (Some(due.at), due.size_max(paths), 1);
        }
        if queue.is_empty() {
            lane.remove(session);
        }
        (self.octets, self.parts) = (self.octets - less, self.parts - parts);
        Some((from?, less))
    }

    /// Forgets all that waits for a session.
    pub(crate) fn forget(&mut self, session: SessionKey) {
        for lane in &mut self.classes {
            let Some(queue) = lane.remove(session) else { continue };
            let paths = queue.path_headers.len();
            for due in queue.whole.iter().chain(queue.long.iter().flat_map(|line| &line.parts)) {
                self.octets -= due.size_max(paths);
                self.parts -= 1;
            }
        }
    }

    /// The chunk whose turn it is, and by how many octets less waits for its session.
    pub(crate) fn next(&mut self) -> Option<(Next, usize)> {
        let class = self.classes.iter().position(|lane| !lane.turns.is_empty())?;
        let session = *self.classes[class].turns.front()?;
        // What has begun is finished before anything more urgent begins for the same session, but
        // others may have their turn meanwhile (PEER-02).
        let is_begun = |lane: &&mut Lane| lane.has_begun(session);
        let (next, whole) = match self.classes[class + 1..].iter_mut().find(is_begun) {
            Some(lane) => {
                let next = lane.next_of(session)?;
                self.classes[class].turns.rotate_left(1);
                next
            }
            None => self.classes[class].next()?,
        };
        let paths = next.path_headers.len();
        let size = if whole { next.due.size_max(paths) } else { next.due.body.len() };
        self.octets -= size;
        self.parts -= usize::from(whole);
        Some((next, size))
    }
}

impl Lane {
    fn queue(&mut self, session: SessionKey, path_headers: &Arc<[u8]>) -> &mut Queue {
        let Self { turns, queues, .. } = self;
        queues.entry(session).or_insert_with(|| {
            turns.push_back(session);
            Queue {
                path_headers: Arc::clone(path_headers),
                whole: VecDeque::new(),
                served: 0,
                long: VecDeque::new(),
                long_turn: false,
            }
        })
    }

    /// Nothing of the session waits any more.
    fn remove(&mut self, session: SessionKey) -> Option<Queue> {
        if self.turns.front() == Some(&session) {
            self.had = 0;
        }
        self.turns.retain(|&it| it != session);
        self.queues.remove(&session)
    }

    /// The next chunk, and whether nothing is left of the part that it is of.
    fn next(&mut self) -> Option<(Next, bool)> {
        loop {
            let session = *self.turns.front()?;
            let queue = self.queues.get_mut(&session)?;
            let room = TURN_SIZE.saturating_sub(self.had);
            let size = queue.front()?.body.len();
            // What would not be worth a chunk goes along with what is before it (CHUNK-06).
            let fits = size < room + CHUNK_BODY_MIN;
            if self.had > 0 && !fits && room < CHUNK_BODY_MIN {
                self.end_turn();
                continue;
            }
            let due = queue.take(if fits { size } else { room })?;
            let path_headers = Arc::clone(&queue.path_headers);
            self.had += due.body.len();
            if queue.is_empty() {
                self.remove(session);
            } else if self.had >= TURN_SIZE {
                self.end_turn();
            }
            return Some((Next { session, path_headers, due }, fits));
        }
    }

    /// Whether a session has got the beginning of a message that is not to be interrupted.
    fn has_begun(&self, session: SessionKey) -> bool {
        self.queues.get(&session).and_then(|it| it.whole.front()).is_some_and(Due::is_unbroken)
    }

    /// The next chunk of that message, and whether nothing is left of it.
    fn next_of(&mut self, session: SessionKey) -> Option<(Next, bool)> {
        let queue = self.queues.get_mut(&session)?;
        let due = queue.whole.front_mut()?;
        let fits = due.body.len() < TURN_SIZE + CHUNK_BODY_MIN;
        let due = if fits {
            queue.served += 1;
            queue.whole.pop_front()?
        } else {
            due.split_to(TURN_SIZE)
        };
        let path_headers = Arc::clone(&queue.path_headers);
        if queue.is_empty() {
            self.remove(session);
        }
        Some((Next { session, path_headers, due }, fits))
    }

    /// The next session has its turn.
    fn end_turn(&mut self) {
        self.had = 0;
        if let Some(session) = self.turns.pop_front() {
            self.turns.push_back(session);
            if let Some(queue) = self.queues.get_mut(&session) {
                queue.end_turn();
            }
        }
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.long.is_empty()
    }

    fn push(&mut self, due: Due) {
        let of_sender = |line: &&mut Line| {
            line.parts.front().is_some_and(|it| it.head.sender == due.head.sender)
        };
        if let Some(line) = self.long.iter_mut().find(of_sender) {
            line.parts.push_back(due);
        } else if due.is_whole() {
            self.whole.push_back(due);
        } else {
            let after = self.served + self.whole.len() as u64;
            self.long.push_back(Line { after, parts: [due].into() });
        }
    }

    /// In the place of what the same sender has said of the same kind, unless it is half gone
    /// (COMP-04).
    fn replace(&mut self, due: Due) -> Option<Due> {
        let same = |it: &&mut Due| it.is_whole() && it.head.sender == due.head.sender;
        if let Some(old) = self.whole.iter_mut().find(same) {
            return Some(std::mem::replace(old, due));
        }
        self.push(due);
        None
    }

    /// The long line that may have a turn.
    fn line(&self) -> Option<usize> {
        self.long.iter().position(|line| line.after <= self.served)
    }

    /// The line whose turn it is; `None` is that of the whole messages.
    fn serving(&self) -> Option<usize> {
        self.line().filter(|_| self.long_turn || self.whole.is_empty())
    }

    /// The part whose turn it is.
    fn front(&self) -> Option<&Due> {
        match self.serving() {
            Some(line) => self.long[line].parts.front(),
            None => self.whole.front(),
        }
    }

    /// Takes so many octets of it.
    fn take(&mut self, octets: usize) -> Option<Due> {
        let serving = self.serving();
        let parts = match serving {
            Some(line) => &mut self.long[line].parts,
            None => &mut self.whole,
        };
        if octets < parts.front()?.body.len() {
            return Some(parts.front_mut()?.split_to(octets));
        }
        let due = parts.pop_front()?;
        match serving {
            Some(line) if parts.is_empty() => drop(self.long.remove(line)),
            Some(_) => {}
            None => self.served += 1,
        }
        Some(due)
    }

    /// The other kind has its turn, unless a whole message is under way, between whose chunks
    /// nothing is to come (PEER-02).
    fn end_turn(&mut self) {
        if self.front().is_some_and(Due::is_whole_under_way) {
            return;
        }
        if let Some(line) = self.serving()
            && let Some(line) = self.long.remove(line)
        {
            self.long.push_back(line);
        }
        self.long_turn = !self.long_turn;
    }
}
