//! What was said lately: what is needed when a recipient reports on its copy after having answered
//! for it (RPT-14).

use std::sync::Arc;

use crate::{chunk::CopyHead, limits::SAID_KEPT_MAX, mint::MESSAGE_ID_LEN};

/// Messages whose copies have gone out from this core: at most [`SAID_KEPT_MAX`], the newest of those
/// whose names fall together.
#[derive(Debug)]
pub(crate) struct Said {
    by_message_id: Box<[Option<Arc<CopyHead>>]>,
}

impl Said {
    pub(crate) fn new() -> Self {
        Self { by_message_id: vec![None; SAID_KEPT_MAX].into_boxed_slice() }
    }

    /// Copies of a message begin to go out.
    pub(crate) fn note(&mut self, head: &Arc<CopyHead>) {
        self.by_message_id[place_of(&head.message_id)] = Some(Arc::clone(head));
    }

    /// The message that a recipient calls by this name, if it is still known (RPT-11).
    pub(crate) fn find(&self, message_id: &[u8]) -> Option<&Arc<CopyHead>> {
        // Before what all copies have in common stands the recipient's session (PEER-12).
        let message_id = message_id.last_chunk()?;
        let head = self.by_message_id[place_of(message_id)].as_ref()?;
        (head.message_id == *message_id).then_some(head)
    }
}

/// Message-IDs are random: some of their octets serve as well as a hash of all.
fn place_of(message_id: &[u8; MESSAGE_ID_LEN]) -> usize {
    let octets = message_id.first_chunk().copied().unwrap_or_default();
    let mixed = u64::from_le_bytes(octets).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) as usize % SAID_KEPT_MAX
}
