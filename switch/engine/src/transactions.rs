//! What we have sent and their peers have not answered yet (RFC 4975 section 7.1.1).
//!
//! The transaction id of a copy ends with the number of its entry in one table of the core, so that
//! matching a response is an index, and an entry that is answered serves the next copy: nothing is
//! allocated for a copy, and nothing is held for a connection to which nothing is outstanding.
//!
//! ```text
//! k3v9q0x7c2m1zt | 4fk          begin ---> unsent --kernel has taken it--> unanswered --answer-> free
//! shared by the  | number        32 octets    \-------- connection gone -------/------ 30 s ---/
//! chunk's copies | of the entry
//! ```
//!
//! Each connection threads its entries into two lists, the unanswered ones by the time the kernel
//! took them, so that one timer for the first of them times them all.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    chunk::{CopyHead, Due},
    limits::{CONNECTION_TRANSACTIONS_MAX, TRANSACTIONS_MAX},
    mint::{Mint, PREFIX_LEN, number_in},
    route::SessionKey,
};

/// No entry.
const NONE: u32 = u32::MAX;

/// The `check` of what has been answered.
const ANSWERED: u32 = 0;

/// When what has not been taken was.
const NEVER: u64 = 0;

/// Every request of a core that waits for its response.
#[derive(Debug)]
pub(crate) struct Transactions {
    entries: Vec<Entry>,
    /// The first free entry; each names the next in `after`.
    vacant: u32,
    subjects: Subjects,
    /// When time begins here: with the first request taken.
    origin: Option<Instant>,
    /// Counts the requests sent without an entry.
    untracked: u32,
}

/// One request.
#[derive(Debug)]
struct Entry {
    session: SessionKey,
    /// What it is a part of, as long as it is not answered: the number of a subject.
    about: u32,
    /// What tells its transaction id from others with the same number.
    check: u32,
    /// Nanoseconds since `origin` when the kernel took the last of it.
    taken: u64,
    /// Its neighbours in the list of its connection.
    before: u32,
    after: u32,
}

/// What requests are parts of. All copies of a message mostly come one after the other, and hold one
/// subject together: they are counted here, where nobody else counts.
#[derive(Debug, Default)]
struct Subjects {
    places: Vec<Subject>,
    vacant: Vec<u32>,
    /// Held last.
    latest: u32,
}

#[derive(Debug)]
struct Subject {
    head: Option<Arc<CopyHead>>,
    /// Those that are not answered.
    requests: u32,
}

/// The requests of one connection.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    unsent: Chain,
    unanswered: Chain,
    count: u32,
}

#[derive(Clone, Copy, Debug)]
struct Chain {
    first: u32,
    last: u32,
}

impl Default for Chain {
    fn default() -> Self {
        Self { first: NONE, last: NONE }
    }
}

/// A request that was not answered, and what it was about.
#[derive(Debug)]
pub(crate) struct Concluded {
    pub(crate) session: SessionKey,
    pub(crate) about: Arc<CopyHead>,
}

/// Where requests to one connection are numbered.
pub(crate) struct Numbering<'a> {
    pub(crate) mint: &'a mut Mint,
    pub(crate) transactions: &'a mut Transactions,
    pub(crate) outstanding: &'a mut Outstanding,
}

impl Numbering<'_> {
    /// Both parts of the transaction id of one chunk.
    pub(crate) fn number(&mut self, session: SessionKey, due: &Due) -> ([u8; PREFIX_LEN], u32) {
        let prefix = due.prefix(self.mint);
        let number = self.transactions.begin(self.outstanding, session, &due.head, &prefix);
        (prefix, number)
    }
}

impl Outstanding {
    /// Whether an answer is waited for.
    pub(crate) fn is_awaited(&self) -> bool {
        self.unanswered.first != NONE
    }
}

impl Subjects {
    /// One more request is about this.
    fn hold(&mut self, head: &Arc<CopyHead>) -> u32 {
        let is_same = |it: &Subject| it.head.as_ref().is_some_and(|it| Arc::ptr_eq(it, head));
        if let Some(latest) = self.places.get_mut(self.latest as usize).filter(|it| is_same(it)) {
            latest.requests += 1;
            return self.latest;
        }
        let subject = Subject { head: Some(Arc::clone(head)), requests: 1 };
        self.latest = if let Some(vacant) = self.vacant.pop() {
            self.places[vacant as usize] = subject;
            vacant
        } else {
            self.places.push(subject);
            self.places.len() as u32 - 1
        };
        self.latest
    }

    /// One request less is.
    fn release(&mut self, number: u32) {
        let Some(subject) = self.places.get_mut(number as usize) else { return };
        subject.requests -= 1;
        if subject.requests == 0 {
            subject.head = None;
            self.vacant.push(number);
        }
    }

    fn get(&self, number: u32) -> Option<&Arc<CopyHead>> {
        self.places.get(number as usize)?.head.as_ref()
    }
}

impl Transactions {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            vacant: NONE,
            subjects: Subjects::default(),
            origin: None,
            untracked: 0,
        }
    }

    /// A request is about to be written. Returns the number that its transaction id ends with. From
    /// [`TRANSACTIONS_MAX`] on the answer will not be recognised: there may be more outstanding than
    /// is good for anybody, and then what goes out unsupervised costs nobody a delivery.
    pub(crate) fn begin(
        &mut self,
        of: &mut Outstanding,
        session: SessionKey,
        about: &Arc<CopyHead>,
        prefix: &[u8; PREFIX_LEN],
    ) -> u32 {
        let full = self.vacant == NONE && self.entries.len() >= TRANSACTIONS_MAX as usize;
        if full || of.count >= CONNECTION_TRANSACTIONS_MAX {
            self.untracked = self.untracked.wrapping_add(1) % (NONE - TRANSACTIONS_MAX);
            return TRANSACTIONS_MAX + self.untracked;
        }
        let (about, check) = (self.subjects.hold(about), digest(prefix));
        let entry = Entry { session, about, check, taken: NEVER, before: NONE, after: NONE };
        let vacant = self.vacant;
        let number = if let Some(place) = self.entries.get_mut(vacant as usize) {
            self.vacant = std::mem::replace(place, entry).after;
            vacant
        } else {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        };
        of.count += 1;
        self.append(&mut of.unsent, number);
        number
    }

    /// The kernel has taken the last octet of a request: from now on its answer is waited for
    /// (RESP-12, RESP-13), if it has not come already.
    pub(crate) fn taken(&mut self, of: &mut Outstanding, number: u32, now: Instant) {
        let origin = *self.origin.get_or_insert(now);
        let Some(entry) = self.entries.get_mut(number as usize) else { return };
        entry.taken = NEVER + 1 + now.saturating_duration_since(origin).as_nanos() as u64;
        let answered = entry.check == ANSWERED;
        self.unlink(&mut of.unsent, number);
        if answered {
            self.free(of, number);
        } else {
            self.append(&mut of.unanswered, number);
        }
    }

    /// What a transaction id is about: the number of its request and its session, if it is
    /// outstanding. The session tells on which connection (RESP-10).
    pub(crate) fn find(&self, transaction: &[u8]) -> Option<(u32, SessionKey)> {
        let (prefix, number) = number_in(transaction)?;
        let Entry { session, check, .. } = self.entries.get(number as usize)?;
        (*check == digest(prefix)).then_some((number, *session))
    }

    /// What an outstanding request is about.
    pub(crate) fn about(&self, number: u32) -> Option<&Arc<CopyHead>> {
        self.subjects.get(self.entries.get(number as usize)?.about)
    }

    /// It is over with a request of this connection, although what carried it may not yet be known to
    /// be taken. Returns whose it was.
    pub(crate) fn conclude(&mut self, of: &mut Outstanding, number: u32) -> Option<SessionKey> {
        let entry = self.entries.get_mut(number as usize).filter(|it| it.about != NONE)?;
        entry.check = ANSWERED;
        let session = entry.session;
        self.subjects.release(std::mem::replace(&mut entry.about, NONE));
        // Its number must not be another's as long as a send bears it.
        if entry.taken != NEVER {
            self.unlink(&mut of.unanswered, number);
            self.free(of, number);
        }
        Some(session)
    }

    /// Since when the oldest request has been without an answer.
    pub(crate) fn oldest(&self, of: &Outstanding) -> Option<Instant> {
        let entry = self.entries.get(of.unanswered.first as usize)?;
        Some(self.origin? + Duration::from_nanos(entry.taken - NEVER - 1))
    }

    /// The oldest request, if the kernel has had it for so long.
    pub(crate) fn expire(
        &mut self,
        of: &mut Outstanding,
        now: Instant,
        age: Duration,
    ) -> Option<Concluded> {
        self.oldest(of).filter(|&since| now.saturating_duration_since(since) >= age)?;
        let about = self.about(of.unanswered.first)?.clone();
        let session = self.conclude(of, of.unanswered.first)?;
        Some(Concluded { session, about })
    }

    /// Gives up all requests of a connection that is gone.
    pub(crate) fn forget(&mut self, of: &mut Outstanding) {
        for mut chain in [std::mem::take(&mut of.unsent), std::mem::take(&mut of.unanswered)] {
            while let Some(entry) = self.entries.get_mut(chain.first as usize) {
                self.subjects.release(std::mem::replace(&mut entry.about, NONE));
                let number = chain.first;
                self.unlink(&mut chain, number);
                self.free(of, number);
            }
        }
    }

    fn append(&mut self, chain: &mut Chain, number: u32) {
        let entry = &mut self.entries[number as usize];
        (entry.before, entry.after) = (chain.last, NONE);
        match self.entries.get_mut(chain.last as usize) {
            Some(last) => last.after = number,
            None => chain.first = number,
        }
        chain.last = number;
    }

    fn unlink(&mut self, chain: &mut Chain, number: u32) {
        let Entry { before, after, .. } = self.entries[number as usize];
        match self.entries.get_mut(before as usize) {
            Some(entry) => entry.after = after,
            None => chain.first = after,
        }
        match self.entries.get_mut(after as usize) {
            Some(entry) => entry.before = before,
            None => chain.last = before,
        }
    }

    fn free(&mut self, of: &mut Outstanding, number: u32) {
        of.count -= 1;
        let vacant = std::mem::replace(&mut self.vacant, number);
        let entry = &mut self.entries[number as usize];
        (entry.after, entry.check) = (vacant, ANSWERED);
    }
}

/// 32 bits of a prefix, and never [`ANSWERED`]. No attack is worth anything: a peer answers for
/// itself alone.
fn digest(prefix: &[u8; PREFIX_LEN]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let [first, last] = [0, PREFIX_LEN - 8].map(|at| {
        let octets = prefix[at..].first_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(octets)
    });
    let mixed = (first ^ last.rotate_left(23)).wrapping_mul(FACTOR);
    (mixed >> 32) as u32 | 1
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use mailbox::{Class, ParticipantId, SessionId};

    use super::*;
    use crate::{
        mint::{MESSAGE_ID_LEN, write_transaction},
        slots::Key,
    };

    const PREFIXES: [&[u8; PREFIX_LEN]; 2] = [b"k3v9q0x7c2m1zt", b"k3v9q0x7c2m1zu"];
    fn about() -> Arc<CopyHead> {
        Arc::new(CopyHead {
            message_id: [b'm'; MESSAGE_ID_LEN],
            total: None,
            content_headers: [].into(),
            sender: ParticipantId(1),
            class: Class::Room,
            wrapped_type: "text/plain".into(),
            flight: (SessionId(1), 1),
        })
    }

    fn session(number: u64) -> SessionKey {
        Key::from_token(number)
    }

    fn id(prefix: &[u8; PREFIX_LEN], number: u32) -> Vec<u8> {
        let mut id = Vec::new();
        write_transaction(&mut id, prefix, number);
        id
    }

    /// WIRE-03, RESP-10, RESP-11: no two requests that are outstanding have the same id; an answer finds
    /// what it answers, once, and nothing else.
    #[test]
    fn an_answer_finds_its_request_once() {
        let now = Instant::now();
        let mut transactions = Transactions::new();
        let mut of = Outstanding::default();
        let [one, two] = [1, 2]
            .map(|number| transactions.begin(&mut of, session(number), &about(), PREFIXES[0]));
        assert_ne!(one, two);
        let found = transactions.find(&id(PREFIXES[0], two)).map(|(_, it)| it);
        assert_eq!(found, Some(session(2)));
        for stranger in [
            id(PREFIXES[1], two),
            id(PREFIXES[0], 77),
            [&id(PREFIXES[0], two)[..], b"0"].concat(),
            [&PREFIXES[0][..], b"01"].concat(),
            PREFIXES[0].to_vec(),
            b"bind0001".to_vec(),
            [&PREFIXES[0][..], b"zzzzzzzzzzzzzz"].concat(),
        ] {
            assert_eq!(transactions.find(&stranger), None);
        }
        transactions.taken(&mut of, one, now);
        transactions.taken(&mut of, two, now);
        transactions.conclude(&mut of, two);
        assert_eq!(transactions.find(&id(PREFIXES[0], two)), None);
        assert_eq!(of.count, 1);
        let again = transactions.begin(&mut of, session(3), &about(), PREFIXES[1]);
        assert_eq!(again, two, "its entry serves the next");
        assert_eq!(transactions.find(&id(PREFIXES[0], two)), None);
        assert!(transactions.find(&id(PREFIXES[1], two)).is_some());
        assert!(size_of::<Entry>() <= 32);
    }

    /// RESP-12, RESP-13: the time runs from when the kernel has taken a request, in whatever order it
    /// takes them and whoever answers meanwhile.
    #[test]
    fn what_is_not_answered_expires_by_the_time_it_was_taken() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut transactions = Transactions::new();
        let mut of = Outstanding::default();
        let [one, two, three, four] = [1, 2, 3, 4]
            .map(|number| transactions.begin(&mut of, session(number), &about(), PREFIXES[0]));
        assert_eq!(transactions.oldest(&of), None);
        transactions.taken(&mut of, three, start + second);
        transactions.taken(&mut of, one, start + 2 * second);
        transactions.conclude(&mut of, two);
        transactions.taken(&mut of, four, start + 3 * second);
        assert_eq!(transactions.oldest(&of), Some(start + second));
        let mut expire = |of: &mut _, at: u32| {
            transactions.expire(of, start + at * second, 30 * second).map(|it| it.session)
        };
        assert_eq!(expire(&mut of, 30), None);
        assert_eq!(expire(&mut of, 31), Some(session(3)));
        assert_eq!(expire(&mut of, 31), None);
        assert_eq!(expire(&mut of, 40), Some(session(1)));
        assert_eq!(expire(&mut of, 40), Some(session(4)));
        assert_eq!(expire(&mut of, 100), None);
        assert_eq!(of.count, 1, "what was answered early keeps its number until it is taken");
        transactions.taken(&mut of, two, start + 101 * second);
        assert_eq!((of.count, transactions.oldest(&of)), (0, None));
    }

    /// What is outstanding is bounded for each connection; what is beyond has an id of its own, and goes
    /// out unsupervised. Nothing is left of a connection that is gone.
    #[test]
    fn what_is_outstanding_is_bounded_and_leaves_nothing() {
        let mut transactions = Transactions::new();
        let mut of = Outstanding::default();
        let head = about();
        let begin = |transactions: &mut Transactions, of: &mut _| {
            transactions.begin(of, session(1), &head, PREFIXES[0])
        };
        let tracked = (0..CONNECTION_TRANSACTIONS_MAX)
            .filter(|_| begin(&mut transactions, &mut of) < TRANSACTIONS_MAX)
            .count();
        assert_eq!(tracked, CONNECTION_TRANSACTIONS_MAX as usize);
        let (first, second) =
            (begin(&mut transactions, &mut of), begin(&mut transactions, &mut of));
        assert!(first >= TRANSACTIONS_MAX && second >= TRANSACTIONS_MAX && first != second);
        assert_eq!(transactions.find(&id(PREFIXES[0], first)), None);
        transactions.taken(&mut of, 5, Instant::now());
        transactions.conclude(&mut of, 6);
        transactions.forget(&mut of);
        assert_eq!((of.count, Arc::strong_count(&head)), (0, 1));
        let entries = transactions.entries.len();
        assert!(begin(&mut transactions, &mut of) < TRANSACTIONS_MAX);
        assert_eq!(transactions.entries.len(), entries);
    }
}
