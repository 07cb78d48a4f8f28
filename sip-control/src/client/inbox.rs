//! Messages on their way in: chunks under one Message-ID until the last of them (RFC 4975 section
//! 7.3.1).

use std::collections::HashMap;

use msrp::{ByteRange, status};

/// Messages that may be unfinished at once, as a count. A room interleaves as many as it has writers
/// of large messages.
const PARTIALS_MAX: usize = 1024;
/// Octets of all unfinished messages together, in messages of the largest size.
const PARTIALS_SIZE_FACTOR: usize = 8;

/// The unfinished messages of one session. Memory is bounded by what we said we take.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Keyed with a hash the peer cannot predict, for the peer chooses the keys.
    partials: HashMap<Box<[u8]>, Partial>,
    /// Octets of all of them.
    size: usize,
    /// Octets of the largest message.
    message_size_max: usize,
}

/// One message, as far as it came.
#[derive(Debug)]
pub(super) struct Partial {
    /// The type of the whole, in lower case.
    pub(super) content_type: String,
    /// The octets from the first on.
    pub(super) body: Vec<u8>,
}

impl Inbox {
    pub(super) fn new(message_size_max: usize) -> Self {
        Self { partials: HashMap::new(), size: 0, message_size_max }
    }

    /// A chunk begins. What it overlaps is replaced, as the later octets count (RFC 4975 section
    /// 7.3.1). On one connection chunks come in order, so a gap will never be filled. The error is a
    /// status, and the end of the message.
    pub(super) fn begin(
        &mut self,
        message_id: &[u8],
        content_type: &str,
        range: ByteRange,
    ) -> Result<(), u16> {
        let too_large = range.total.is_some_and(|total| total > self.message_size_max as u64);
        if !self.partials.contains_key(message_id) {
            if too_large || self.partials.len() == PARTIALS_MAX {
                return Err(status::STOP);
            }
            let partial = Partial { content_type: content_type.to_owned(), body: Vec::new() };
            self.partials.insert(message_id.into(), partial);
        }
        let before = range.start.saturating_sub(1);
        let body = self.partials.get_mut(message_id).map(|partial| &mut partial.body);
        let Some(body) = body.filter(|body| before <= body.len() as u64) else {
            self.forget(message_id);
            return Err(status::STOP);
        };
        self.size -= body.len() - before as usize;
        body.truncate(before as usize);
        Ok(())
    }

    /// More octets of the chunk.
    pub(super) fn extend(&mut self, message_id: &[u8], octets: &[u8]) -> Result<(), u16> {
        let room = self.message_size_max * PARTIALS_SIZE_FACTOR - self.size;
        let Some(partial) = self.partials.get_mut(message_id) else {
            return Err(status::STOP);
        };
        if octets.len() > (self.message_size_max - partial.body.len()).min(room) {
            self.forget(message_id);
            return Err(status::STOP);
        }
        partial.body.extend_from_slice(octets);
        self.size += octets.len();
        Ok(())
    }

    /// The message is whole.
    pub(super) fn take(&mut self, message_id: &[u8]) -> Option<Partial> {
        let partial = self.partials.remove(message_id)?;
        self.size -= partial.body.len();
        Some(partial)
    }

    /// The message will never be whole.
    pub(super) fn forget(&mut self, message_id: &[u8]) {
        self.take(message_id);
    }
}
