//! Where sessions are held: a public room or a Pre-defined Group, as it is provisioned.

use std::sync::Arc;

use super::policy::Policy;
use crate::{config::Limits, offer_answer::RoomMedia};

/// A room that can be joined by its own URI, whether or not a session of it runs.
#[derive(Clone, Debug)]
pub struct Venue {
    /// Its URI.
    pub uri: String,
    /// What it is about.
    pub subject: Option<String>,
    /// Who may do what in it.
    pub policy: Arc<Policy>,
    /// What its media is like.
    pub media: Arc<RoomMedia>,
}

impl Venue {
    /// The limit in force, as rosters tell it (EVT-04).
    pub fn maximum_user_count(&self, limits: &Limits) -> Option<usize> {
        self.policy.max_participants().map(|own| own.min(limits.users_per_room))
    }
}
