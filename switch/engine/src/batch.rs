//! Octets on their way out of one connection, in the order they go.

use std::fmt;

use msrp::Flag;

use crate::{
    chunk::{Due, write_end, write_start},
    limits::{BATCH_CAPACITY_KEPT_MAX, BODY_COPIED_MAX, CHUNK_BODY_MIN},
    mint::PREFIX_LEN,
    route::SessionKey,
    transactions::Numbering,
};

/// Slices one vectored send takes at most. What is beyond goes with the next.
pub const BATCH_SLICES_MAX: usize = 64;

/// Octets of one send: responses, REPORTs, and chunks of copies. Heads, end-lines and small bodies
/// are written one after the other; large bodies are shared among all their recipients and cut in
/// where they belong.
///
/// ```text
/// responses | reports | written: head end-line head body end-line head end-line
///                       cuts:        ^ body                           ^ body
///                       ends:                 ^                  ^             ^ a chunk
/// ```
///
/// In a place of its own: it goes from hand to hand, and an idle connection has none.
#[derive(Default)]
pub struct Batch(Box<Parts>);

#[derive(Default)]
struct Parts {
    /// Before them stands what was left of a chunk that they have interrupted.
    responses: Vec<u8>,
    reports: Vec<u8>,
    written: Vec<u8>,
    cuts: Vec<Cut>,
    /// Where each chunk ends.
    ends: Vec<Written>,
    /// Octets of all the cuts together.
    shared: usize,
    /// Octets of the whole that the kernel has taken.
    sent: usize,
    /// Chunks that it has taken to their end.
    gone: usize,
    /// The number of the chunk that was interrupted: it ends among the responses.
    interrupted: Option<u32>,
}

/// A flag and the line's end, behind an end-line's transaction id.
const FLAG_LEN: usize = "$\r\n".len();

struct Cut {
    /// Octets of `written` that go before it.
    at: usize,
    /// Octets of the path headers in its head.
    paths: usize,
    due: Due,
}

/// One chunk, from the end of the one before it.
#[derive(Clone, Copy)]
struct Written {
    session: SessionKey,
    /// What its transaction id ends with.
    number: u32,
    /// Where it ends in `written`.
    own_end: usize,
    /// Octets shared by it and those before it.
    shared_end: usize,
}

/// That there is more and less on its way to a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Change {
    pub(crate) session: SessionKey,
    /// Octets that have come to it.
    pub(crate) more: usize,
    /// Octets that are gone.
    pub(crate) less: usize,
}

/// What the kernel has taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Taken {
    /// Octets of a chunk.
    Part(Change),
    /// The last octet of the chunk whose transaction id ends with this.
    All { number: u32 },
}

impl Batch {
    /// Octets not yet taken by the kernel.
    pub fn len(&self) -> usize {
        self.urgent() + self.chunks() - self.0.sent
    }

    /// Whether the kernel has taken all of it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The octets not yet taken, in order: at most [`BATCH_SLICES_MAX`] slices, none of them empty.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces().take(BATCH_SLICES_MAX)
    }

    /// All octets not yet taken, in order and in any number of slices.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut skip = self.0.sent;
        let mut from = 0;
        let cuts = self.0.cuts.iter().map(|cut| (cut.at, &cut.due.body[..]));
        let chunks = cuts.chain([(self.0.written.len(), &[][..])]).flat_map(move |(at, body)| {
            let own = &self.0.written[from..at];
            from = at;
            [own, body]
        });
        [&self.0.responses[..], &self.0.reports].into_iter().chain(chunks).filter_map(
            move |slice| {
                let skipped = skip.min(slice.len());
                skip -= skipped;
                let rest = &slice[skipped..];
                (!rest.is_empty()).then_some(rest)
            },
        )
    }

    /// Octets of responses and REPORTs.
    pub(crate) fn urgent(&self) -> usize {
        self.0.responses.len() + self.0.reports.len()
    }

    /// Octets of chunks.
    pub(crate) fn chunks(&self) -> usize {
        self.0.written.len() + self.0.shared
    }

    /// Octets in memory of its own.
    pub(crate) fn own(&self) -> usize {
        self.urgent() + self.0.written.len()
    }

    /// Octets of memory that it keeps for its next use.
    pub(crate) fn capacity(&self) -> usize {
        let Parts { responses, reports, written, cuts, ends, .. } = &*self.0;
        size_of::<Parts>()
            + responses.capacity()
            + reports.capacity()
            + written.capacity()
            + cuts.capacity() * size_of::<Cut>()
            + ends.capacity() * size_of::<Written>()
    }

    /// Whether there is room for one more chunk in one send.
    pub(crate) fn has_slices(&self) -> bool {
        // Responses, REPORTs, what is written before each body and behind the last, a body each.
        2 + 2 * (self.0.cuts.len() + 1) < BATCH_SLICES_MAX
    }

    /// Where to write a response.
    pub(crate) fn responses(&mut self) -> &mut Vec<u8> {
        &mut self.0.responses
    }

    /// Where to write a REPORT, or another request without content.
    pub(crate) fn reports(&mut self) -> &mut Vec<u8> {
        &mut self.0.reports
    }

    /// Where to write a chunk, as far as it is worth copying. [`Batch::end_chunk`] says when it is
    /// all there.
    pub(crate) fn writer(&mut self) -> &mut Vec<u8> {
        &mut self.0.written
    }

    /// Writes a chunk for a session, with a transaction id of these parts. Returns its octets.
    pub(crate) fn write(
        &mut self,
        session: SessionKey,
        path_headers: &[u8],
        (prefix, number): (&[u8; PREFIX_LEN], u32),
        due: Due,
    ) -> usize {
        write_start(&mut self.0.written, prefix, number, path_headers);
        due.write_middle(&mut self.0.written);
        let flag = due.flag;
        if due.body.len() <= BODY_COPIED_MAX {
            self.0.written.extend_from_slice(&due.body);
        } else {
            self.share(due, path_headers.len());
        }
        write_end(&mut self.0.written, prefix, number, flag);
        self.end_chunk(session, number)
    }

    /// Cuts in a body that is shared with other connections. Its head has been written, with path
    /// headers of this length.
    pub(crate) fn share(&mut self, due: Due, paths: usize) {
        self.0.shared += due.body.len();
        self.0.cuts.push(Cut { at: self.0.written.len(), paths, due });
    }

    /// All that was written and shared since the last call is one chunk. Returns its octets.
    pub(crate) fn end_chunk(&mut self, session: SessionKey, number: u32) -> usize {
        let end =
            Written { session, number, own_end: self.0.written.len(), shared_end: self.0.shared };
        let before = self.0.ends.last().map_or(0, Written::end);
        self.0.ends.push(end);
        end.end() - before
    }

    /// Puts the chunks of another batch, of which nothing is sent, behind its own.
    pub(crate) fn append_chunks(&mut self, other: &mut Self) {
        let (own, shared) = (self.0.written.len(), self.0.shared);
        self.0.written.append(&mut other.0.written);
        self.0.shared += std::mem::take(&mut other.0.shared);
        self.0.cuts.extend(other.0.cuts.drain(..).map(|cut| Cut { at: cut.at + own, ..cut }));
        self.0.ends.extend(other.0.ends.drain(..).map(|end| Written {
            own_end: end.own_end + own,
            shared_end: end.shared_end + shared,
            ..end
        }));
    }

    /// The kernel took `octets` more. Tells what that was of each chunk, and which of them it has taken
    /// to their last octet.
    pub(crate) fn advance(&mut self, octets: usize, mut taken: impl FnMut(Taken)) {
        debug_assert!(octets <= self.len());
        let urgent = self.urgent();
        let mut from = self.0.sent.saturating_sub(urgent);
        self.0.sent += octets;
        let to = self.0.sent.saturating_sub(urgent);
        if let Some(number) = self.0.interrupted.take_if(|_| self.0.sent >= urgent) {
            taken(Taken::All { number });
        }
        while let Some(chunk) = self.0.ends.get(self.0.gone)
            && from < to
        {
            let until = chunk.end().min(to);
            taken(Taken::Part(Change { session: chunk.session, more: 0, less: until - from }));
            if until == chunk.end() {
                taken(Taken::All { number: chunk.number });
                self.0.gone += 1;
            }
            from = until;
        }
    }

    /// Lets in what is urgent, when the kernel has taken a part of the batch: before every chunk that
    /// has not begun, and into the middle of one that may be interrupted (CHUNK-07). What is left
    /// of that one follows, under a head of its own (CHUNK-09). Returns by how much that changes
    /// what there is for its session.
    pub(crate) fn let_in(
        &mut self,
        urgent: &mut Self,
        numbering: &mut Numbering<'_>,
    ) -> Option<Change> {
        let Some(sent) = self.0.sent.checked_sub(self.urgent()) else {
            self.0.reports.append(&mut urgent.0.responses);
            self.0.reports.append(&mut urgent.0.reports);
            return None;
        };
        let mut old = std::mem::take(self);
        let (own_start, start) = old.end_of(old.0.gone);
        let broken = old.0.ends.get(old.0.gone).filter(|_| sent > start).copied();
        let gone = old.0.gone + usize::from(broken.is_some());
        let (own_end, end) = old.end_of(gone);
        let passed = old.0.cuts.iter().take_while(|cut| cut.at < own_end).count();
        let mut change = None;
        if let Some(Written { session, number, .. }) = broken {
            self.0.interrupted = Some(number);
            let chunk = &old.0.written[own_start..own_end];
            let cut = old.0.cuts[..passed].last().filter(|cut| cut.at >= own_start);
            let rest = finish(&mut self.0.responses, chunk, sent - start, own_start, cut);
            let less = end - sent;
            let more = rest.map_or(0, |(paths, due)| {
                let (prefix, number) = numbering.number(session, &due);
                self.write(session, paths, (&prefix, number), due)
            });
            change = Some(Change { session, more, less });
        }
        self.0.responses.append(&mut urgent.0.responses);
        self.0.reports.append(&mut urgent.0.reports);
        let shared_end = end - own_end;
        old.0.written.drain(..own_end);
        old.0.cuts.drain(..passed);
        old.0.ends.drain(..gone);
        old.0.cuts.iter_mut().for_each(|cut| cut.at -= own_end);
        for it in &mut old.0.ends {
            (it.own_end, it.shared_end) = (it.own_end - own_end, it.shared_end - shared_end);
        }
        old.0.shared -= shared_end;
        self.append_chunks(&mut old);
        change
    }

    /// Where the first so many chunks end: in `written`, and with what is shared.
    fn end_of(&self, chunks: usize) -> (usize, usize) {
        let last = chunks.checked_sub(1).and_then(|last| self.0.ends.get(last));
        last.map_or((0, 0), |it| (it.own_end, it.end()))
    }

    /// Makes it as good as new, and keeps what memory is worth keeping.
    pub(crate) fn clear(&mut self) {
        self.0.cuts.clear();
        self.0.ends.clear();
        for octets in [&mut self.0.responses, &mut self.0.reports, &mut self.0.written] {
            octets.clear();
            octets.shrink_to(BATCH_CAPACITY_KEPT_MAX);
        }
        (self.0.shared, self.0.sent, self.0.gone, self.0.interrupted) = (0, 0, 0, None);
    }
}

impl Written {
    /// Octets of all chunks up to its end.
    fn end(&self) -> usize {
        self.own_end + self.shared_end
    }
}

/// Writes the rest of a chunk of which `begun` octets are gone: all of it, or, if it has a shared
/// body, so much that both its parts are worth a chunk (CHUNK-06). Then it hands back the other and
/// the path headers for it.
fn finish<'a>(
    out: &mut Vec<u8>,
    chunk: &'a [u8],
    begun: usize,
    own_start: usize,
    cut: Option<&Cut>,
) -> Option<(&'a [u8], Due)> {
    let Some(cut) = cut else {
        out.extend_from_slice(&chunk[begun..]);
        return None;
    };
    let (head, end_line) = chunk.split_at(cut.at - own_start);
    let body = &cut.due.body;
    out.extend_from_slice(&head[begun.min(head.len())..]);
    let gone = begun.saturating_sub(head.len());
    let kept = gone.max(CHUNK_BODY_MIN);
    if body.len() < kept + CHUNK_BODY_MIN {
        let in_body = gone.min(body.len());
        out.extend_from_slice(&body[in_body..]);
        out.extend_from_slice(&end_line[gone - in_body..]);
        return None;
    }
    out.extend_from_slice(&body[gone..kept]);
    let (before, flag) = end_line.split_at(end_line.len() - FLAG_LEN);
    out.extend_from_slice(before);
    out.push(Flag::More.octet());
    out.extend_from_slice(&flag[1..]);
    let mut rest = cut.due.clone();
    rest.split_to(kept);
    let start_line = head.iter().position(|&octet| octet == b'\n')? + 1;
    Some((&head[start_line..start_line + cut.paths], rest))
}

/// Says how much there is, and nothing of what it says (SEC-01).
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("octets", &(self.urgent() + self.chunks()))
            .field("sent", &self.0.sent)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
