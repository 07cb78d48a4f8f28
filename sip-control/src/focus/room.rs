//! One running session of a room: who is in it, who holds a seat, who watches.

mod document;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Instant,
};

use mailbox::{ParticipantId, PeerMedia, RoomId, SessionId};
use msrp::AddressBuf;

use super::{
    Utc, WallClock,
    conference_info::{Disconnection, Joining, Progress},
    expiry::Expiry,
    invite::Gathering,
    members::Members,
    order::Member,
    participant::{Absence, Originator, Participant, Seat, Standing},
    policy::Snapshot,
    roster::Roster,
    subscription::SubscriptionId,
    summons,
    user::UserKey,
    venue::Venue,
};
use crate::{config::Limits, message::Marks};

pub use self::document::Watcher;

/// A session of a room (RFC 4353: a conference). It is made with its first seat and is over with
/// its last one, so an INVITE that is refused leaves none behind (PUB-04).
#[derive(Debug)]
pub struct Room {
    /// Which one.
    pub id: RoomId,
    /// The IM Session Identity (PUB-08).
    pub identity: String,
    /// Where it is held.
    pub venue: Arc<Venue>,
    /// Who watches.
    pub watchers: Vec<SubscriptionId>,
    /// Some of them are still to be told of a change.
    pub has_tidings: bool,
    /// When it is asked when it was last spoken in, for the sake of members who are not there.
    pub asks_at: Option<Instant>,
    /// How long it waits for somebody to come back, since it was left by all (LEAVE-06).
    pub lingers_until: Option<Instant>,
    /// How long it waits for one of those to come back without whom it is over (LEAVE-07).
    pub forsaken_until: Option<Instant>,
    /// How long it may last besides.
    pub expiry: Expiry,
    /// Whom to invite as soon as it has begun.
    pub gathering: Option<Gathering>,
    /// What tells its conversation from others, for INVITEs (RCS-01).
    pub marks: Marks,
    /// Whoever is lost stays in the roster, and may come back as a member (RCS-03).
    pub keeps_members: bool,
    roster: Roster,
    /// Those who were called into it, and those who were in it (PUB-14).
    members: Members,
    /// Those who were removed from it (REF-06).
    expelled: HashSet<UserKey>,
    /// By id, so in the order in which they came.
    participants: BTreeMap<ParticipantId, Participant>,
    /// Aliases given out so far. None is given twice (ID-07).
    aliases: u64,
    /// Whether anybody was ever in it.
    has_begun: bool,
}

impl Room {
    /// A session in which nobody is yet.
    pub fn new(id: RoomId, identity: String, venue: Arc<Venue>) -> Self {
        Self {
            id,
            identity,
            venue,
            watchers: Vec::new(),
            has_tidings: false,
            asks_at: None,
            lingers_until: None,
            forsaken_until: None,
            expiry: Expiry::default(),
            gathering: None,
            marks: Marks::default(),
            keeps_members: false,
            members: Members::default(),
            expelled: HashSet::new(),
            roster: Roster::default(),
            participants: BTreeMap::new(),
            aliases: 0,
            has_begun: false,
        }
    }

    /// A session of the process before, which waits for its users until then.
    pub fn restored(
        id: RoomId,
        identity: String,
        venue: Arc<Venue>,
        aliases: u64,
        until: Instant,
    ) -> Self {
        let lingers_until = Some(until);
        Self { aliases, lingers_until, has_begun: true, ..Self::new(id, identity, venue) }
    }

    /// How many aliases were given out.
    pub fn aliases(&self) -> u64 {
        self.aliases
    }

    /// Who has that leg.
    pub fn holder_of(&self, leg: SessionId) -> Option<&Participant> {
        self.participants.get(&self.holder(leg)?)
    }

    /// What policy has to know when this user asks (FOC-11).
    pub fn snapshot(&self, keys: &[UserKey], at: Utc, limits: &Limits) -> Snapshot {
        let others = self.seated().filter(|them| !them.is(keys));
        Snapshot {
            is_running: true,
            has_key_participant: self.key_participants(at).any(Participant::is_connected),
            is_guest: self.members.holds(keys) || self.participants_of(keys).next().is_some(),
            is_expelled: keys.iter().any(|key| self.expelled.contains(key)),
            has_departed: self.members.has_departed(keys),
            others: others.count(),
            users_max: limits.users_per_room,
        }
    }

    /// Who holds a seat, each user once: while one changes between name and alias it is two
    /// participants.
    pub fn seated(&self) -> impl Iterator<Item = &Participant> {
        let is_doubled = |participant: &Participant| {
            let old = participant.succeeds.and_then(|old| self.participants.get(&old));
            old.is_some_and(Participant::is_seated)
        };
        let seated = self.participants.values().filter(|them| them.is_seated());
        seated.filter(move |them| !is_doubled(them))
    }

    /// Everybody who holds a seat, or is invited.
    pub fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.participants.values()
    }

    /// Those without whom there is no session, as far as they are here (POL-15).
    pub fn key_participants(&self, at: Utc) -> impl Iterator<Item = &Participant> {
        let has_any = self.venue.policy.has_key_participants();
        let users = self.participants.values().filter(move |_| has_any);
        users.filter(move |user| self.venue.policy.is_key_participant(&user.keys, at))
    }

    /// Whether it has begun, and goes on only with one of those who have all gone (LEAVE-07). One
    /// who is just coming back is not gone.
    pub fn is_forsaken(&self, at: Utc) -> bool {
        self.has_begun
            && self.venue.policy.has_key_participants()
            && !self.key_participants(at).any(Participant::is_seated)
    }

    /// Somebody has come: it need not wait any longer if that is one it waited for.
    pub fn note_return(&mut self, at: Utc) {
        if !self.is_forsaken(at) {
            self.forsaken_until = None;
        }
    }

    /// It is held under these rules from now on (POL-18).
    pub fn set_venue(&mut self, venue: Arc<Venue>) {
        let shown = |venue: &Venue| (venue.subject.clone(), venue.policy.max_participants());
        if shown(&self.venue) != shown(&venue) {
            self.roster.note_other();
        }
        self.venue = venue;
    }

    /// Something else than users is shown otherwise from now on.
    pub fn note_other(&mut self) {
        self.roster.note_other();
    }

    /// The participants this user has here: one, or two while its name changes.
    pub fn participants_of(&self, keys: &[UserKey]) -> impl Iterator<Item = &Participant> {
        self.participants.values().filter(|participant| participant.is(keys))
    }

    /// One participant.
    pub fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.participants.get(&id)
    }

    /// A leg of a participant, as the cores have to know it.
    pub fn member(
        &self,
        id: ParticipantId,
        leg: SessionId,
        peer: Option<PeerMedia>,
        at: Utc,
    ) -> Option<Member> {
        let participant = self.participants.get(&id)?;
        let may_whisper = self.venue.policy.may_whisper(&participant.keys, at);
        Some(participant.member(leg, peer, may_whisper))
    }

    /// Who goes by that address here, which for an anonymous user is the alias.
    pub fn named(&self, uri: &str) -> Option<&Participant> {
        let key = UserKey::of(uri)?;
        let mut named = self.participants.values().filter(|participant| {
            let own = UserKey::of(&participant.entity);
            own.as_ref() == Some(&key)
                || !participant.is_anonymous && participant.keys.contains(&key)
        });
        named.next()
    }

    /// The user may join, and come back (PUB-14).
    pub fn welcome(&mut self, keys: &[UserKey]) {
        self.members.admit(keys);
    }

    /// The user may come back though it was removed, or left for good (REF-06, RCS-04). The key it was
    /// known by, if it was.
    pub fn readmit(&mut self, keys: &[UserKey]) -> Option<UserKey> {
        let departed = self.members.readmit(keys);
        let mut known = keys.iter().filter_map(|key| self.expelled.take(key));
        let first = known.next();
        known.for_each(drop);
        first.or(departed)
    }

    /// The user may not come back until it is welcome again (REF-06).
    pub fn expel(&mut self, keys: &[UserKey]) {
        self.members.dismiss(keys);
        self.expelled.extend(keys.iter().cloned());
    }

    /// The user leaves for good with that leg, unless it is there by another one, too: it is no member
    /// any more, and may not come back by itself (RCS-04).
    pub fn resign(&mut self, leg: SessionId) {
        let Some(keys) = self.holder_of(leg).map(|user| user.keys.clone()) else { return };
        let others = self.participants_of(&keys).flat_map(|them| &them.legs);
        if others.filter(|seat| seat.leg != leg).all(|seat| !seat.is_connected()) {
            self.members.depart(&keys);
        }
    }

    /// The user is one who left for good.
    pub fn forget_member(&mut self, keys: &[UserKey]) {
        self.members.depart(keys);
    }

    /// Whether the user has left for good.
    pub fn has_departed(&self, keys: &[UserKey]) -> bool {
        self.members.has_departed(keys)
    }

    /// The user is waited for no longer, under any name but the one of `except`. Whether the roster
    /// has changed.
    pub fn forget_absence(
        &mut self,
        keys: &[UserKey],
        except: Option<ParticipantId>,
        how: &Disconnection,
        now: Instant,
        clock: &WallClock,
    ) -> bool {
        let is_meant = |them: &&mut Participant| them.is(keys) && Some(them.id) != except;
        let mut gone = Vec::new();
        for participant in self.participants.values_mut().filter(is_meant) {
            let Some(absence) = participant.absence.take() else { continue };
            if !participant.is_shown(now) {
                gone.push(participant.user_gone(absence.leg, how.clone(), now, clock));
            }
        }
        self.participants.retain(|_, them| !them.legs.is_empty() || them.absence.is_some());
        let has_changed = !gone.is_empty();
        for user in gone {
            self.roster.note_departure(user);
        }
        has_changed
    }

    /// A member of the session before: it is not here, and may come back. `fresh` is who it is here,
    /// and `leg` names what it was here by; both are new.
    pub fn miss(
        &mut self,
        fresh: ParticipantId,
        leg: SessionId,
        user: &Originator,
        now: Instant,
        clock: &WallClock,
    ) {
        let absence = Absence::new(leg, Disconnection::Away, now, clock);
        let participant = Participant::visible(fresh, user, None);
        self.participants.insert(fresh, Participant { absence: Some(absence), ..participant });
    }

    /// The members who are to be called when something is said (RCS-08).
    pub fn missing(&self) -> impl Iterator<Item = &Participant> {
        self.participants.values().filter(|them| summons::is_missing(them))
    }

    /// As [`missing`](Self::missing).
    pub fn missing_mut(&mut self) -> impl Iterator<Item = &mut Participant> {
        self.participants.values_mut().filter(|them| summons::is_missing(them))
    }

    /// Whether the user, who had a leg, is not in it any more, nor will be by itself.
    pub fn has_lost(&self, keys: &[UserKey]) -> bool {
        if self.keeps_members {
            !self.members.holds(keys)
        } else {
            self.participants_of(keys).next().is_none()
        }
    }

    /// Whether that leg is one that was answered.
    pub fn is_connected_by(&self, leg: SessionId) -> bool {
        let seat = self.holder_of(leg).and_then(|user| user.seat(leg));
        seat.is_some_and(Seat::is_connected)
    }

    /// How many are left of it: its members where those are kept, else who is in it, or invited
    /// (LEAVE-05).
    pub fn remaining(&self) -> usize {
        if self.keeps_members { self.members.count() } else { self.participants.len() }
    }

    /// Whether the user has joined (SUB-05).
    pub fn is_connected(&self, keys: &[UserKey]) -> bool {
        self.participants_of(keys).any(Participant::is_connected)
    }

    /// Whether the user is here, on the way, or invited.
    pub fn is_awaited(&self, keys: &[UserKey]) -> bool {
        self.participants_of(keys).any(|participant| !participant.legs.is_empty())
    }

    /// How many legs the user has or is about to have (OPS-03).
    pub fn legs_of(&self, keys: &[UserKey]) -> usize {
        self.participants_of(keys).map(|participant| participant.legs.len()).sum()
    }

    /// Whether nobody has a seat any more, nor is invited (LEAVE-05).
    pub fn is_empty(&self) -> bool {
        self.participants.values().all(|participant| participant.legs.is_empty())
    }

    /// Whether somebody was in it, who may come back.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether nobody has come back to it in the time there was (LEAVE-06).
    pub fn is_abandoned(&self, now: Instant) -> bool {
        self.is_empty() && self.lingers_until.is_some_and(|until| until <= now)
    }

    /// Takes a seat for `leg` (FOC-13): with the participant the user is already, or with a new
    /// one, which is `fresh` then.
    pub fn take_seat(
        &mut self,
        fresh: ParticipantId,
        leg: SessionId,
        originator: &Originator,
        is_anonymous: bool,
    ) -> &Participant {
        let same = self.participants_of(&originator.keys).find(|p| p.is_anonymous == is_anonymous);
        let id = same.map_or(fresh, |same| same.id);
        if id == fresh {
            let succeeds = self.participants_of(&originator.keys).map(|other| other.id).last();
            let newcomer = if is_anonymous {
                self.aliases += 1;
                Participant::anonymous(fresh, originator, succeeds, self.aliases)
            } else {
                Participant::visible(fresh, originator, succeeds)
            };
            self.participants.insert(fresh, newcomer);
        }
        let participant = self.participants.get_mut(&id).expect("found or put in above");
        participant.legs.push(Seat::new(leg, Standing::Seated));
        participant
    }

    /// Expects `user` to answer an INVITE, by which `leg` is to be its: with the participant it is
    /// already, or with a new one, which is `fresh` then.
    pub fn expect(
        &mut self,
        fresh: ParticipantId,
        leg: SessionId,
        user: &Originator,
        shown: Option<Progress>,
    ) -> &Participant {
        let same = self.participants_of(&user.keys).find(|known| !known.is_anonymous);
        let id = same.map_or(fresh, |same| same.id);
        let participant =
            self.participants.entry(id).or_insert_with(|| Participant::visible(fresh, user, None));
        participant.legs.push(Seat::new(leg, Standing::Invited { shown }));
        if shown.is_some() {
            self.roster.note_change(&participant.entity);
        }
        participant
    }

    /// An invitation is as far as that. Whether the roster has changed.
    pub fn progress(&mut self, leg: SessionId, progress: Progress) -> bool {
        let Some(seat) = self.seat_mut(leg) else { return false };
        let Standing::Invited { shown: Some(shown) } = &mut seat.standing else { return false };
        let has_changed = *shown != progress;
        *shown = progress;
        if let Some(participant) = self.holder_of(leg).filter(|_| has_changed) {
            let entity = participant.entity.clone();
            self.roster.note_change(&entity);
        }
        has_changed
    }

    /// The leg goes by this nickname from now on. Whether the roster has changed.
    pub fn rename(&mut self, leg: SessionId, nickname: Option<&str>, now: Instant) -> bool {
        let Some(participant) = self.holder(leg).and_then(|id| self.participants.get_mut(&id))
        else {
            return false;
        };
        let before = participant.nickname().map(str::to_owned);
        for seat in participant.legs.iter_mut().filter(|seat| seat.leg == leg) {
            seat.nickname = nickname.map(Into::into);
        }
        let has_changed = participant.nickname() != before.as_deref() && participant.is_shown(now);
        if has_changed {
            self.roster.note_change(&participant.entity);
        }
        has_changed
    }

    /// The leg is connected from now on. A user who has just changed its name by that is kept out
    /// of the roster until `hidden_until`, so that nobody can tell who it was (ID-06). Whether that
    /// is so.
    pub fn connect(&mut self, leg: SessionId, now: Instant, hidden_until: Instant) -> bool {
        let Some(id) = self.holder(leg) else { return false };
        let was_invited = self.seat_mut(leg).is_some_and(|seat| !seat.is_taken());
        let joining = if was_invited { Joining::DialedOut } else { Joining::DialedIn };
        let former = self.participants.get(&id).and_then(|participant| participant.succeeds);
        let has_new_name = former.is_some_and(|former| self.participants.contains_key(&former));
        let Some(participant) = self.participants.get_mut(&id) else { return false };
        self.has_begun = true;
        self.expiry.begin(now);
        self.members.admit(&participant.keys);
        participant.succeeds = None;
        participant.absence = None;
        if has_new_name {
            participant.hidden_until = Some(hidden_until);
        }
        for seat in participant.legs.iter_mut().filter(|seat| seat.leg == leg) {
            seat.standing = Standing::Connected { joining, since: now };
        }
        if participant.is_shown(now) {
            self.roster.note_change(&participant.entity);
        }
        has_new_name
    }

    /// The leg is no more, and its seat is free. Whether the roster has changed.
    pub fn vacate(
        &mut self,
        leg: SessionId,
        how: Disconnection,
        now: Instant,
        clock: &WallClock,
    ) -> bool {
        let Some(id) = self.holder(leg) else { return false };
        let Some(participant) = self.participants.get_mut(&id) else { return false };
        let was_shown = participant.is_shown(now);
        let seat = participant.seat(leg);
        let was_told = seat.is_some_and(Seat::is_told);
        let was_connected = seat.is_some_and(Seat::is_connected);
        participant.legs.retain(|seat| seat.leg != leg);
        if was_connected && self.keeps_members && how.is_loss() && !participant.is_connected() {
            participant.absence = Some(Absence::new(leg, how.clone(), now, clock));
        }
        let is_shown = participant.is_shown(now);
        let gone = participant.user_gone(leg, how, now, clock);
        if participant.legs.is_empty() && participant.absence.is_none() {
            self.participants.remove(&id);
        }
        match (was_shown, is_shown) {
            (true, true) if was_told => self.roster.note_change(&gone.entity),
            (true, false) => self.roster.note_departure(gone),
            _ => return false,
        }
        true
    }

    /// Somebody's time of hiding may be over: whether the roster has changed by that.
    pub fn unhide(&mut self, now: Instant) -> bool {
        let mut has_changed = false;
        for participant in self.participants.values_mut() {
            if participant.hidden_until.is_some_and(|until| until <= now) {
                participant.hidden_until = None;
                if participant.is_shown(now) {
                    self.roster.note_change(&participant.entity);
                    has_changed = true;
                }
            }
        }
        has_changed
    }

    /// The number of the last change of the roster.
    pub fn change(&self) -> u64 {
        self.roster.change()
    }

    /// The departures that all watchers know of need not be kept.
    pub fn forget_departures(&mut self, told_to_all: u64) {
        self.roster.forget_until(told_to_all);
    }

    /// How many users are connected.
    pub fn users(&self) -> usize {
        self.participants.values().filter(|participant| participant.is_connected()).count()
    }

    /// The addresses that mean the whole room.
    pub fn addresses(&self) -> Box<[AddressBuf]> {
        [&self.venue.uri, &self.identity]
            .into_iter()
            .filter_map(|uri| AddressBuf::parse(uri.as_bytes()))
            .collect()
    }

    /// Every leg that holds a seat, or is invited.
    pub fn legs(&self) -> impl Iterator<Item = SessionId> {
        self.participants.values().flat_map(|participant| participant.legs.iter().map(|s| s.leg))
    }

    fn seat_mut(&mut self, leg: SessionId) -> Option<&mut Seat> {
        let mut seats = self.participants.values_mut().flat_map(|them| &mut them.legs);
        seats.find(|seat| seat.leg == leg)
    }

    fn holder(&self, leg: SessionId) -> Option<ParticipantId> {
        let holds = |participant: &&Participant| participant.seat(leg).is_some();
        self.participants.values().find(holds).map(|participant| participant.id)
    }
}
