//! Every bound of this plane.

/// Bounds (OPS-03).
#[derive(Clone, Debug)]
pub struct Limits {
    /// Sessions at one time.
    pub sessions: usize,
    /// Users of one room at one time, whatever its rules say.
    pub users_per_room: usize,
    /// Legs at one time.
    pub legs: usize,
    /// Legs of one user in one room.
    pub legs_per_user: usize,
    /// Subscriptions at one time.
    pub subscriptions: usize,
    /// Subscriptions of one user to one session (SUB-09).
    pub subscriptions_per_user: usize,
    /// Legs lost with one core from which on none is moved to another, and all are ended (OPS-09).
    pub moved_legs: usize,
    /// Percent of the media plane's CPUs in use, above which nothing new is begun (OPS-01).
    pub media_load: u8,
    /// Requests that start something, of one source that nobody vouches for, in a second (OPS-07).
    pub source_requests: u32,
    /// Refusals of those above that are answered, if they came by UDP (OPS-07).
    pub source_refusals: u32,
    /// INVITEs of one user in a second (OPS-07).
    pub user_invites: u32,
    /// SUBSCRIBEs of one user in a minute (OPS-07).
    pub user_subscribes: u32,
    /// Users whom a roster lists one by one. Who begins to watch a session of more is told their
    /// number only (EVT-14).
    pub roster: usize,
    /// Wrong credentials of one source, within [`super::Timers::digest_window`], that are too many
    /// (AUTH-02).
    pub digest_failures: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 100_000,
            users_per_room: 1_000,
            legs: 500_000,
            legs_per_user: 4,
            subscriptions: 500_000,
            subscriptions_per_user: 4,
            moved_legs: 1_000,
            media_load: 90,
            source_requests: 50,
            source_refusals: 10,
            user_invites: 5,
            user_subscribes: 20,
            roster: 200,
            digest_failures: 10,
        }
    }
}
