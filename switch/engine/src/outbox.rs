//! What waits to go out of one connection.
//!
//! ```text
//! response, REPORT ----------------------------> next ---take---> in the kernel
//! chunk --- nothing waits, or little of its like -^  ^
//!       \-- everything else --> lanes --- its turn ---/
//! ```
//!
//! A connection that keeps up has no lanes: what is due to it is written once, where the kernel will
//! read it.

use std::{fmt, sync::Arc};

use mailbox::Class;

use crate::{
    Batch,
    batch::Change,
    branch::FOREIGN,
    chunk::{CopyHead, Due},
    lanes::{Lanes, Next},
    limits::{
        BATCH_SIZE_MAX, CHUNK_BODY_DEFINITE_MAX, CHUNK_BODY_MIN, DIRECT_SIZE_MAX, SPARE_BYTES_MAX,
        TURN_SIZE,
    },
    route::SessionKey,
    transactions::Numbering,
};

/// What waits for the kernel to be ready for it.
#[derive(Default)]
pub(crate) struct Outbox {
    /// Goes with the next send.
    next: Option<Batch>,
    /// How urgent the chunks in `next` are, if there are any.
    class: Option<Class>,
    /// What goes with those after it.
    lanes: Option<Box<Lanes>>,
}

/// Emptied batches, kept for reuse: as many as so many octets of memory allow.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    batches: Vec<Batch>,
    octets: usize,
}

impl Spares {
    fn take(&mut self) -> Batch {
        let Some(batch) = self.batches.pop() else { return Batch::default() };
        self.octets -= batch.capacity();
        batch
    }

    /// Takes back a batch that is done with.
    pub(crate) fn keep(&mut self, mut batch: Batch) {
        batch.clear();
        let octets = batch.capacity();
        if self.octets + octets <= SPARE_BYTES_MAX {
            self.octets += octets;
            self.batches.push(batch);
        }
    }
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.next.as_ref().is_none_or(Batch::is_empty) && self.lanes.is_none()
    }

    /// Octets that wait here.
    pub(crate) fn octets(&self) -> usize {
        self.next.as_ref().map_or(0, Batch::len)
            + self.lanes.as_ref().map_or(0, |lanes| lanes.octets())
    }

    /// Octets of responses and REPORTs that wait here.
    pub(crate) fn urgent(&self) -> usize {
        self.next.as_ref().map_or(0, Batch::urgent)
    }

    /// Octets of memory that what waits takes, shared bodies left out.
    pub(crate) fn own(&self) -> usize {
        self.next.as_ref().map_or(0, Batch::own)
            + self.lanes.as_ref().map_or(0, |lanes| lanes.own())
    }

    /// Where to write a response. An idle connection holds no memory for it: it comes from `spares`.
    pub(crate) fn responses(&mut self, spares: &mut Spares) -> &mut Vec<u8> {
        self.writer(spares).responses()
    }

    /// Where to write a REPORT, or another request without content.
    pub(crate) fn reports(&mut self, spares: &mut Spares) -> &mut Vec<u8> {
        self.writer(spares).reports()
    }

    /// Takes in whole messages of a branch (CONN-09). They wait for nothing: there is never more of
    /// a branch here than one send.
    pub(crate) fn pass(&mut self, spares: &mut Spares, octets: &[u8]) {
        let batch = self.writer(spares);
        batch.writer().extend_from_slice(octets);
        // Of no session here, and no transaction.
        batch.end_chunk(SessionKey::from_token(u64::MAX), FOREIGN);
    }

    fn writer(&mut self, spares: &mut Spares) -> &mut Batch {
        self.next.get_or_insert_with(|| spares.take())
    }

    /// Where to write a chunk with a body of this size, if it has nothing to wait for. `sole`: the
    /// connection carries no other session. `sending`: the kernel has something of it already.
    pub(crate) fn direct(
        &mut self,
        spares: &mut Spares,
        class: Class,
        body: usize,
        sole: bool,
        sending: bool,
    ) -> Option<&mut Batch> {
        // A newer composing status may take the place of one that waits (COMP-04).
        if self.lanes.is_some() || (sending && class == Class::Composing) {
            return None;
        }
        match self.class {
            // As much as one turn may bring goes without taking turns, and so do the whole messages
            // of one session.
            Some(waiting) => {
                let most = if sole { DIRECT_SIZE_MAX } else { TURN_SIZE };
                let like = waiting == class && class != Class::Composing;
                let waits = self.next.as_ref().map_or(0, Batch::chunks);
                let small = body <= CHUNK_BODY_DEFINITE_MAX && waits + body <= most;
                if !like || !small {
                    return None;
                }
            }
            None if !sole && body >= TURN_SIZE + CHUNK_BODY_MIN => return None,
            None => self.class = Some(class),
        }
        Some(self.writer(spares))
    }

    /// Has a part of a copy wait for its turn.
    pub(crate) fn wait(&mut self, session: SessionKey, paths: &Arc<[u8]>, due: Due) -> Change {
        self.lanes.get_or_insert_default().push(session, paths, due)
    }

    /// Whether a session has got the beginning of a message that nothing may come between (PEER-02).
    pub(crate) fn is_within_message(&self, session: SessionKey) -> bool {
        self.lanes.as_ref().is_some_and(|lanes| lanes.has_begun(session))
    }

    /// Takes back what waits of a message for a session and may be taken back. Returns the position
    /// from which on nothing has been sent, and how many octets less wait, if anything did.
    pub(crate) fn take_back(
        &mut self,
        session: SessionKey,
        head: &CopyHead,
    ) -> Option<(u64, usize)> {
        let taken = self.lanes.as_mut()?.take_back(session, head);
        self.drop_empty_lanes();
        taken
    }

    /// Nothing more is to be said to a session.
    pub(crate) fn forget(&mut self, session: SessionKey) {
        if let Some(lanes) = &mut self.lanes {
            lanes.forget(session);
            self.drop_empty_lanes();
        }
    }

    /// What goes with the next send: what is urgent, and a bounded amount of the rest, so that what
    /// is urgent next need not wait long. `changed` hears what that changes for a session.
    pub(crate) fn take(
        &mut self,
        numbering: &mut Numbering<'_>,
        spares: &mut Spares,
        mut changed: impl FnMut(Change),
    ) -> Batch {
        let written = self.class.take();
        let mut batch = self.next.take().unwrap_or_else(|| spares.take());
        let Some(lanes) = &mut self.lanes else { return batch };
        if let Some(class) = written
            && lanes.has_before(class)
        {
            let mut later = spares.take();
            later.append_chunks(&mut batch);
            while lanes.has_before(class)
                && let Some(change) = write_next(lanes, &mut batch, numbering)
            {
                changed(change);
            }
            batch.append_chunks(&mut later);
            spares.keep(later);
        }
        while let Some(change) = write_next(lanes, &mut batch, numbering) {
            changed(change);
        }
        self.drop_empty_lanes();
        batch
    }

    /// Lets responses and REPORTs into what the kernel has taken a part of, and says what that
    /// changes for a session.
    pub(crate) fn let_in(
        &mut self,
        batch: &mut Batch,
        numbering: &mut Numbering<'_>,
        spares: &mut Spares,
    ) -> Option<Change> {
        let next = self.next.as_mut().filter(|it| it.urgent() > 0)?;
        let change = batch.let_in(next, numbering);
        if let Some(empty) = self.next.take_if(|it| it.is_empty()) {
            spares.keep(empty);
        }
        change
    }

    fn drop_empty_lanes(&mut self) {
        self.lanes.take_if(|lanes| lanes.is_empty());
    }
}

/// Says how much there is, and nothing of what it says (SEC-01).
impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("octets", &self.octets()).finish_non_exhaustive()
    }
}

/// Writes the chunk whose turn it is, unless the batch is full.
fn write_next(
    lanes: &mut Lanes,
    batch: &mut Batch,
    numbering: &mut Numbering<'_>,
) -> Option<Change> {
    if batch.chunks() >= BATCH_SIZE_MAX || !batch.has_slices() {
        return None;
    }
    let (Next { session, path_headers, due }, less) = lanes.next()?;
    let (prefix, number) = numbering.number(session, &due);
    let more = batch.write(session, &path_headers, (&prefix, number), due);
    Some(Change { session, more, less })
}
