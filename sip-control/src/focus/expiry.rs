//! How long a session lasts, beside its users' wish: until nobody has said anything for too long,
//! until its group's time is up, or until the operator has had enough of it (LEAVE-08).
//!
//! What is said in a room passes its home core and nobody else, and no core tells of it unasked. The
//! focus asks when a session would be over if nothing had been said, so what it costs does not depend
//! on how much is said.

use std::time::{Duration, Instant};

use mailbox::RoomId;

use super::{
    Focus, Subject, Utc, directory::Place, leg::Farewell, order::Order, room::Room,
    subscription::Ending,
};

/// The times of one session.
#[derive(Debug, Default)]
pub struct Expiry {
    /// When the first one was in it.
    began: Option<Instant>,
    /// When it was last spoken in, as far as is known.
    heard: Option<Instant>,
    /// The media plane was asked for that, and has not answered.
    is_asked: bool,
    /// When it is planned to be looked at.
    alarm: Option<Instant>,
}

/// What bounds a session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// How long it may be silent.
    pub idle: Option<Duration>,
    /// How long it may last.
    pub duration: Option<Duration>,
    /// When its group's time is up.
    pub end: Option<Instant>,
}

/// What to do about a session now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Due {
    /// Nothing before then, if ever.
    At(Option<Instant>),
    /// Ask when it was last spoken in.
    Inquiry,
    /// End it.
    End,
}

impl Expiry {
    /// Somebody is in the session. Its times run from the first one on.
    pub fn begin(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    /// Whoever knew when it was last spoken in is gone.
    pub fn note_loss(&mut self, now: Instant) {
        (self.is_asked, self.heard) = (false, Some(now));
    }

    /// Whether nothing was said for too long.
    fn is_idle(&self, now: Instant, bounds: &Bounds) -> bool {
        self.idle_at(bounds).is_some_and(|at| at <= now)
    }

    fn idle_at(&self, bounds: &Bounds) -> Option<Instant> {
        self.heard.max(self.began)?.checked_add(bounds.idle?)
    }

    fn due(&self, now: Instant, bounds: &Bounds) -> Due {
        let Some(began) = self.began else { return Due::At(None) };
        let over = [bounds.duration.and_then(|duration| began.checked_add(duration)), bounds.end];
        let over = over.into_iter().flatten().min();
        if over.is_some_and(|at| at <= now) {
            return Due::End;
        }
        let idle_at = self.idle_at(bounds).filter(|_| !self.is_asked);
        if idle_at.is_some_and(|at| at <= now) {
            return Due::Inquiry;
        }
        Due::At([over, idle_at].into_iter().flatten().min())
    }
}

impl Focus {
    /// Ends the session whose time is up, asks about one that may be idle, and plans to look at any
    /// other when the next of its times comes.
    pub(super) fn check_expiry(&mut self, now: Instant, id: RoomId) {
        let Some(room) = self.rooms.get(&id) else { return };
        let bounds = self.bounds(now, room);
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let expiry = &mut room.expiry;
        expiry.alarm = expiry.alarm.filter(|alarm| *alarm > now);
        match expiry.due(now, &bounds) {
            Due::End => self.end_room(now, id, Ending::NoResource),
            Due::Inquiry => self.inquire(id),
            Due::At(at) => {
                let at = at.filter(|at| expiry.alarm.is_none_or(|alarm| *at < alarm));
                if let Some(at) = at {
                    expiry.alarm = Some(at);
                    self.agenda.add(at, Subject::Room(id));
                }
            }
        }
    }

    /// Asks when a room was last spoken in, unless that is asked already.
    pub(super) fn inquire(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if !std::mem::replace(&mut room.expiry.is_asked, true) {
            self.order(Order::Inquire { room: id });
        }
    }

    /// The media plane says when a room was last spoken in. Whoever is sent away because that was too
    /// long ago may come back: to this room, or to a new session of it.
    pub(super) fn heard(&mut self, now: Instant, id: RoomId, last: Option<Instant>) {
        let Some(room) = self.rooms.get(&id) else { return };
        let bounds = self.bounds(now, room);
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.expiry.is_asked = false;
        room.expiry.heard = room.expiry.heard.max(last);
        if room.expiry.is_idle(now, &bounds) {
            self.end_room_saying(now, id, Farewell::Idle, Ending::NoResource);
        } else {
            self.check_expiry(now, id);
            self.recall_members(now, id, last);
        }
    }

    /// The operator wants the session of this room, or of this identity, to end. Whether there is one.
    pub fn handle_end(&mut self, now: Instant, uri: &str) -> bool {
        let running = match self.directory.find(uri) {
            Place::Session(room) => Some(room),
            Place::Venue(venue) => self.directory.session_of(&venue),
            _ => None,
        };
        if let Some(room) = running {
            tracing::info!(room = room.0, "session ended by the operator");
            self.end_room(now, room, Ending::NoResource);
        }
        running.is_some()
    }

    fn bounds(&self, now: Instant, room: &Room) -> Bounds {
        let (policy, at) = (&room.venue.policy, self.clock.utc(now));
        // What lies beyond the end of time is no end.
        let until = |end: Utc| now.checked_add(Duration::from_secs(end.0.saturating_sub(at.0)));
        Bounds {
            idle: self.config.idle_timeout(),
            duration: policy.duration_max(),
            end: policy.ends_at(at).and_then(until),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Bounds, Due, Expiry};

    #[test]
    fn the_first_of_its_times_ends_a_session() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let bounds = Bounds {
            idle: Some(Duration::from_secs(5)),
            duration: Some(Duration::from_secs(20)),
            end: Some(at(12)),
        };
        let mut expiry = Expiry::default();
        assert_eq!(expiry.due(at(30), &bounds), Due::At(None), "nobody was ever in it");
        expiry.begin(start);
        expiry.begin(at(1));
        assert_eq!(expiry.due(at(4), &bounds), Due::At(Some(at(5))));
        assert_eq!(expiry.due(at(5), &bounds), Due::Inquiry);
        expiry.is_asked = true;
        assert_eq!(expiry.due(at(6), &bounds), Due::At(Some(at(12))), "it is asked once");
        expiry.is_asked = false;
        expiry.heard = Some(at(8));
        assert_eq!(expiry.due(at(6), &bounds), Due::At(Some(at(12))));
        assert_eq!(expiry.due(at(12), &bounds), Due::End);
        let bounds = Bounds { end: None, ..bounds };
        assert_eq!(expiry.due(at(20), &bounds), Due::End);
        assert_eq!(expiry.due(at(99), &Bounds::default()), Due::At(None));
    }
}
