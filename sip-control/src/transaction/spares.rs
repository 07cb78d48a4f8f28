//! Where else a request may go (RFC 3263 section 4.3).

use std::collections::VecDeque;

use crate::{message::Draft, transport::Target};

/// A request that has been sent, and the places that have not been tried with it.
#[derive(Debug)]
pub(super) struct Spares {
    pub(super) draft: Draft,
    targets: VecDeque<Target>,
}

impl Spares {
    /// `None` when there are no such places.
    pub(super) fn new(draft: &Draft, targets: &[Target]) -> Option<Box<Self>> {
        let targets: VecDeque<Target> = targets.iter().copied().collect();
        (!targets.is_empty()).then(|| Box::new(Self { draft: draft.clone(), targets }))
    }

    /// The next place, and what is left.
    pub(super) fn next(mut self: Box<Self>) -> Option<(Draft, Target, Option<Box<Self>>)> {
        let target = self.targets.pop_front()?;
        if self.targets.is_empty() {
            return Some((self.draft, target, None));
        }
        Some((self.draft.clone(), target, Some(self)))
    }
}
