//! Another configuration for a focus that serves (OPS-12).

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use mailbox::RoomId;

use super::{Focus, authenticator, directory::Place, venue::Venue};
use crate::config::{Config, Digest};

impl Focus {
    /// Goes by `config` from now on, all of it at once. Nobody who is in a session is put out of
    /// it: its rules count for the next who asks, and for the next message. A room that is not provisioned any more is no
    /// room that anybody could begin a session of; one that runs there goes on as it is.
    pub fn handle_config(&mut self, now: Instant, config: Arc<Config>) {
        let before = mem::replace(&mut self.config, config);
        self.directory.reconfigure(&self.config);
        // Nonces of before are stale then, which asks nobody for a password again.
        if proofs(&before) != proofs(&self.config) {
            let start = self.clock.start();
            self.authenticator = authenticator(&self.config, start, &mut self.tokens);
        }
        let ceiling_moved = before.limits.users_per_room != self.config.limits.users_per_room;
        let mut rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        rooms.sort_unstable();
        for id in rooms {
            let Some(room) = self.rooms.get_mut(&id) else { continue };
            let venue = match self.directory.find(&room.venue.uri) {
                Place::Venue(venue) => venue,
                // An ad-hoc group is held in itself, by the rules it was made under.
                Place::Session(_) => {
                    let media = Arc::clone(self.directory.media());
                    Arc::new(Venue { media, ..Venue::clone(&room.venue) })
                }
                _ => Arc::clone(&room.venue),
            };
            if ceiling_moved {
                room.note_other();
            }
            self.rehouse(now, id, venue);
        }
    }
}

/// All that it depends on who can prove what.
fn proofs(config: &Config) -> (Option<&Digest>, [Duration; 3], usize) {
    let timers = &config.timers;
    let times = [timers.digest_nonce, timers.digest_window, timers.digest_penalty];
    (config.digest.as_ref(), times, config.limits.digest_failures)
}
