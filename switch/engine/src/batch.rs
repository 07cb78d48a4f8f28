//! Octets on their way out of one connection, in the order they go.

use bytes::Bytes;

/// Slices one vectored send takes at most. What is beyond goes with the next.
pub const BATCH_SLICES_MAX: usize = 64;

/// Octets an emptied batch may keep allocated for its next use.
const CAPACITY_KEPT_MAX: usize = 256 * 1024;

/// Octets waiting for one connection: heads, end-lines and small bodies written one after the
/// other, large bodies shared among all their recipients and cut in where they belong.
///
/// ```text
/// written: head | end-line head body end-line head | end-line
/// cuts:         ^ body                             ^ body        each at an offset of `written`
/// ```
#[derive(Debug, Default)]
pub struct Batch {
    written: Vec<u8>,
    cuts: Vec<Cut>,
    /// Octets of all the cuts together.
    shared: usize,
    /// Octets of the whole that the kernel has taken.
    sent: usize,
}

#[derive(Debug)]
struct Cut {
    /// Octets of `written` that go before it.
    at: usize,
    body: Bytes,
}

impl Batch {
    /// Octets not yet taken by the kernel.
    pub fn len(&self) -> usize {
        self.written.len() + self.shared - self.sent
    }

    /// Whether the kernel has taken all of it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The octets not yet taken, in order: at most [`BATCH_SLICES_MAX`] slices, none of them empty.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let mut skip = self.sent;
        let mut from = 0;
        let cuts = self.cuts.iter().map(|cut| (cut.at, &cut.body[..]));
        cuts.chain([(self.written.len(), &[][..])])
            .flat_map(move |(at, body)| {
                let own = &self.written[from..at];
                from = at;
                [own, body]
            })
            .filter_map(move |slice| {
                let skipped = skip.min(slice.len());
                skip -= skipped;
                let rest = &slice[skipped..];
                (!rest.is_empty()).then_some(rest)
            })
            .take(BATCH_SLICES_MAX)
    }

    /// Where to write what comes next, if it is worth copying.
    pub(crate) fn writer(&mut self) -> &mut Vec<u8> {
        &mut self.written
    }

    /// Cuts in a body that is shared with other connections.
    pub(crate) fn share(&mut self, body: Bytes) {
        self.shared += body.len();
        self.cuts.push(Cut { at: self.written.len(), body });
    }

    /// The kernel took `octets` more.
    pub(crate) fn advance(&mut self, octets: usize) {
        debug_assert!(octets <= self.len());
        self.sent += octets;
    }

    /// Makes it as good as new, and keeps what memory is worth keeping.
    pub(crate) fn clear(&mut self) {
        self.cuts.clear();
        self.written.clear();
        self.written.shrink_to(CAPACITY_KEPT_MAX);
        (self.sent, self.shared) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{BATCH_SLICES_MAX, Batch};

    fn batch() -> Batch {
        let mut batch = Batch::default();
        batch.writer().extend_from_slice(b"head");
        batch.share(Bytes::from_static(b"body"));
        batch.writer().extend_from_slice(b"end");
        batch.share(Bytes::from_static(b"BODY"));
        batch
    }

    #[test]
    fn slices_resume_wherever_the_kernel_stopped() {
        let whole = b"headbodyendBODY";
        for sent in 0..=whole.len() {
            let mut batch = batch();
            batch.advance(sent);
            assert_eq!(batch.slices().collect::<Vec<_>>().concat(), whole[sent..], "after {sent}");
            assert_eq!(batch.len(), whole.len() - sent);
            assert!(batch.slices().all(|slice| !slice.is_empty()));
        }
    }

    #[test]
    fn a_send_never_takes_more_slices_than_the_kernel_was_promised() {
        let mut batch = Batch::default();
        for _ in 0..BATCH_SLICES_MAX {
            batch.writer().push(b'.');
            batch.share(Bytes::from_static(b"-"));
        }
        assert_eq!(batch.slices().count(), BATCH_SLICES_MAX);
        batch.advance(BATCH_SLICES_MAX);
        assert_eq!(batch.slices().count(), BATCH_SLICES_MAX);
        batch.advance(BATCH_SLICES_MAX);
        assert!(batch.is_empty());
        batch.clear();
        assert_eq!(batch.slices().count(), 0);
    }
}
