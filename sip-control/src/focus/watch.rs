//! Watching a session: SUBSCRIBE and NOTIFY of the conference event package.

use std::time::{Duration, Instant};

use mailbox::RoomId;

use super::{
    Focus, Incoming, Purpose, Subject, conference_info,
    directory::Place,
    participant::Originator,
    refusal::Refusal,
    room::{Room, Watcher},
    subscription::{Due, Ending, Owed, Subscription, SubscriptionId, View},
    user::UserKey,
};
use crate::{
    config::Profile,
    dialog::DialogId,
    message::{Event, Header, MediaType, Method, Request, Response, limits::BODY_SIZE_MAX},
};

/// The one package there is.
const PACKAGE: &str = "conference";
/// How long after a refusal without Retry-After a document is sent again.
const RETRY: Duration = Duration::from_secs(5);
/// Its documents.
const DOCUMENT: &str = "application/conference-info+xml";

impl Focus {
    /// A SUBSCRIBE outside of a dialog, checked in the order of SUB-05.
    pub(super) fn subscribe(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        originator: &Originator,
    ) -> Result<(), Refusal> {
        let request = &incoming.request;
        let link = self.link(incoming)?;
        let event_id = event_of(request)?;
        takes_document(request)?;
        let room_id = match self.directory.find(request.request_uri()) {
            Place::Session(room) => Some(room),
            Place::Venue(venue) => self.directory.session_of(&venue),
            Place::NoSession | Place::Factory | Place::Focus | Place::Nowhere => None,
        };
        let room_id = room_id.ok_or(Refusal::NotFound)?;
        let granted = self.may_watch(now, request, room_id, &originator.keys)?;
        let dialog = link.id().clone();
        self.dialogs.begin(link);
        self.watch(now, incoming, (room_id, &originator.keys), dialog, event_id, granted);
        Ok(())
    }

    /// A SUBSCRIBE inside a dialog: a refresh of the subscription with that `id`, or another one
    /// beside it, and beside the leg if there is one (SUB-08).
    pub(super) fn subscribe_within(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        dialog: &DialogId,
    ) -> Result<(), Refusal> {
        let request = &incoming.request;
        let event_id = event_of(request)?;
        let usages = self.dialogs.get(dialog).ok_or(Refusal::NoDialog)?;
        let known: Vec<(SubscriptionId, &Subscription)> = usages
            .subscriptions
            .iter()
            .filter_map(|id| Some((*id, self.subscriptions.get(id)?)))
            .collect();
        let same = known.iter().find(|(_, subscription)| subscription.event_id == event_id);
        let of_leg = || {
            let leg = self.legs.get(&usages.leg?)?;
            let participant = self.rooms.get(&leg.room)?.participant(leg.participant)?;
            Some((leg.room, participant.keys.clone()))
        };
        let of_watcher = || known.first().map(|(_, other)| (other.room, other.keys.clone()));
        let watcher = of_leg().or_else(of_watcher);
        // Its last NOTIFY only waits for the one before: nothing of it can go on (NTF-06).
        if same.is_some_and(|(_, known)| matches!(known.owed, Some(Owed::Last(_)))) {
            return Err(Refusal::NoDialog);
        }
        let same = same.map(|(id, _)| *id);
        usages.link.clone().refresh(request)?;
        let granted = match (same, &watcher) {
            (Some(_), _) => self.granted(request)?,
            (None, Some(_)) if self.subscriptions.len() >= self.config.limits.subscriptions => {
                return Err(Refusal::Exhausted);
            }
            (None, Some((room, keys))) => {
                takes_document(request)?;
                self.may_watch(now, request, *room, keys)?
            }
            (None, None) => return Err(Refusal::NoDialog),
        };
        if let Some(link) = self.dialogs.link_mut(dialog) {
            link.refresh(request)?;
        }
        match (same, watcher) {
            (Some(id), _) => self.accept_subscription(now, incoming, id, granted),
            (None, Some((room, keys))) => {
                self.watch(now, incoming, (room, &keys), dialog.clone(), event_id, granted);
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Whether this user may watch that session, and for how long (SUB-05, SUB-06, SUB-09).
    fn may_watch(
        &self,
        now: Instant,
        request: &Request,
        room_id: RoomId,
        keys: &[UserKey],
    ) -> Result<Duration, Refusal> {
        let room = self.rooms.get(&room_id).ok_or(Refusal::NotFound)?;
        let may_watch =
            room.is_connected(keys) || room.venue.policy.may_watch(keys, self.clock.utc(now));
        if !may_watch || self.watchers_of(room, keys) >= self.config.limits.subscriptions_per_user {
            return Err(Refusal::NotWatching);
        }
        self.granted(request)
    }

    /// A subscription begins in a dialog.
    fn watch(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        (room_id, keys): (RoomId, &[UserKey]),
        dialog: DialogId,
        event_id: Option<String>,
        granted: Duration,
    ) {
        let id = SubscriptionId(self.next_id());
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        let is_large = room.users() > self.config.limits.roster;
        let view = if is_large { View::Itself } else { View::Everybody };
        room.watchers.push(id);
        self.dialogs.add(&dialog, id);
        let subscription = Subscription {
            room: room_id,
            identity: room.identity.clone(),
            keys: keys.to_vec(),
            dialog,
            event_id,
            view,
            expires: now + granted,
            version: 0,
            told: 0,
            told_before: 0,
            in_flight: None,
            owed: None,
            quiet_until: None,
            is_waiting: false,
            alarm: None,
        };
        self.subscriptions.insert(id, subscription);
        self.counters.subscriptions += 1;
        self.accept_subscription(now, incoming, id, granted);
    }

    /// The answer to a SUBSCRIBE, and the state that follows it at once (SUB-07).
    fn accept_subscription(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        id: SubscriptionId,
        granted: Duration,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.expires = now + granted;
        let is_over = granted.is_zero();
        subscription.owed = Some(if is_over { Owed::Last(Ending::Timeout) } else { Owed::State });
        let contact = format!("<{}>", subscription.identity);
        let reply = self
            .plain_reply(200)
            .header(Header::Contact, &contact)
            .header(Header::Expires, &granted.as_secs().to_string());
        self.reply(incoming.transaction, reply);
        self.plan_subscription(id, now + granted);
        self.tell(now, id);
    }

    /// How long a subscription may last (SUB-06). Nought ends it.
    fn granted(&self, request: &Request) -> Result<Duration, Refusal> {
        let timers = &self.config.timers;
        let asked = request.seconds(Header::Expires).map(|s| Duration::from_secs(s.into()));
        match asked {
            None => Ok(timers.subscription_max),
            Some(asked) if !asked.is_zero() && asked < timers.subscription_min => {
                Err(Refusal::Brief(timers.subscription_min))
            }
            Some(asked) => Ok(asked.min(timers.subscription_max)),
        }
    }

    fn watchers_of(&self, room: &Room, keys: &[UserKey]) -> usize {
        let watchers = room.watchers.iter().filter_map(|id| self.subscriptions.get(id));
        watchers.filter(|watcher| watcher.keys.iter().any(|k| keys.contains(k))).count()
    }

    /// A participant whose name has changed may be shown now, or nobody has come back.
    pub(super) fn look_at_room(&mut self, now: Instant, room_id: RoomId) {
        let at = self.clock.utc(now);
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        room.note_return(at);
        let is_forsaken = room.forsaken_until.is_some_and(|until| until <= now);
        if is_forsaken || room.is_abandoned(now) {
            return self.end_room(now, room_id, Ending::NoResource);
        }
        if room.unhide(now) {
            self.notify_watchers(now, room_id);
        }
        if self.is_to_ask(now, room_id) {
            self.inquire(room_id);
        }
        self.check_expiry(now, room_id);
    }

    /// The time of a subscription has come: to be told more, or to end.
    pub(super) fn look_at_subscription(&mut self, now: Instant, id: SubscriptionId) {
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.alarm = subscription.alarm.filter(|alarm| *alarm > now);
            let expires = subscription.expires;
            self.notify_in_turn(now, id);
            // If it is over already, the answer to the NOTIFY under way says when it can be ended.
            if expires > now {
                self.plan_subscription(id, expires);
            }
        }
    }

    /// Plans to look at a subscription at that time, unless it is looked at before that anyway: then it
    /// is planned anew. However often it is refreshed, it is planned for once.
    fn plan_subscription(&mut self, id: SubscriptionId, at: Instant) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        if subscription.alarm.is_none_or(|alarm| at < alarm) {
            subscription.alarm = Some(at);
            self.agenda.add(at, Subject::Subscription(id));
        }
    }

    /// What is watched is over.
    pub(super) fn end_subscription(&mut self, now: Instant, id: SubscriptionId, ending: Ending) {
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.owed = Some(Owed::Last(ending));
            self.notify_in_turn(now, id);
        }
    }

    /// Tells a watcher what it may be told now.
    pub(super) fn tell(&mut self, now: Instant, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let change = self.rooms.get(&subscription.room).map_or(subscription.told, Room::change);
        match subscription.due(now, change) {
            Due::Nothing => {}
            Due::At(at) => self.plan_subscription(id, at),
            Due::State => self.tell_state(now, id),
            Due::Last(ending) => self.tell_last(now, id, ending),
        }
    }

    fn tell_state(&mut self, now: Instant, id: SubscriptionId) {
        let interval = self.config.timers.notify_min_interval;
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let Some(room) = self.rooms.get_mut(&subscription.room) else { return };
        // Whoever asks is told everything (SUB-07).
        let takes_partial = self.config.partial_rosters && subscription.owed.is_none();
        let (known, view) = (subscription.known(), subscription.view);
        let version = subscription.tell(now, room.change(), interval);
        let sees_itself = self.config.profile == Profile::Rcs;
        let watcher = Watcher { keys: &subscription.keys, view, known, takes_partial, sees_itself };
        let document = room.document(version, watcher, now, &self.clock, &self.config.limits);
        if document.len() > BODY_SIZE_MAX {
            // It grew while it was watched. Who watches it anew is told less (EVT-14).
            return self.tell_last(now, id, Ending::Deactivated);
        }
        let left = subscription.expires.saturating_duration_since(now).as_secs();
        self.notify(id, &format!("active;expires={left}"), document);
    }

    /// The last NOTIFY: how things stand if it was the watcher who left, and that they stand no more
    /// if they do not (NTF-06).
    fn tell_last(&mut self, now: Instant, id: SubscriptionId, ending: Ending) {
        let interval = self.config.timers.notify_min_interval;
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let known = subscription.known();
        let view = if ending == Ending::Timeout { subscription.view } else { View::Itself };
        let document = match self.rooms.get_mut(&subscription.room) {
            Some(room) => {
                let version = subscription.tell(now, room.change(), interval);
                let (keys, sees_itself) = (&*subscription.keys, false);
                let watcher = Watcher { keys, view, known, takes_partial: false, sees_itself };
                room.document(version, watcher, now, &self.clock, &self.config.limits)
            }
            None => conference_info::deleted(&subscription.identity, subscription.version + 1),
        };
        self.notify(id, &format!("terminated;reason={}", ending.reason()), document);
        self.forget_subscription(id);
    }

    fn notify(&mut self, id: SubscriptionId, state: &str, document: String) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let event = match &subscription.event_id {
            Some(event_id) => format!("{PACKAGE};id={event_id}"),
            None => PACKAGE.to_owned(),
        };
        let contact = format!("<{}>", subscription.identity);
        let request = self.dialogs.request(&subscription.dialog, Method::Notify);
        let Some((draft, target)) = request else { return };
        let draft = draft
            .header(Header::Contact, &contact)
            .header(Header::Event, &event)
            .header(Header::SubscriptionState, state)
            .body(DOCUMENT, document);
        self.counters.notifies += 1;
        let request = self.send(draft, target, Purpose::Notify(id));
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.in_flight = Some(request);
        }
    }

    /// A NOTIFY has its answer, or will never have one (NTF-07).
    pub(super) fn notified(&mut self, now: Instant, id: SubscriptionId, answer: Option<&Response>) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.in_flight = None;
        let is_lost = match answer.map(Response::code) {
            None => true,
            Some(code) => matches!(code, 404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604),
        };
        if is_lost {
            return self.forget_subscription(id);
        }
        // Whoever cannot read this document cannot read it the next time either; but whoever is busy
        // can, and then has to be told all of it again.
        if let Some(answer) = answer.filter(|answer| matches!(answer.code(), 500..=599)) {
            let wait =
                answer.seconds(Header::RetryAfter).map_or(RETRY, |s| Duration::from_secs(s.into()));
            subscription.told = 0;
            subscription.quiet_until = Some(now + wait);
        }
        self.tell(now, id);
    }

    fn forget_subscription(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.remove(&id) else { return };
        self.dialogs.end_subscription(&subscription.dialog, id);
        if let Some(room) = self.rooms.get_mut(&subscription.room) {
            room.watchers.retain(|watcher| *watcher != id);
            self.forget_departures(subscription.room);
        }
    }

    /// Departures that everybody has been told of need not be kept.
    pub(super) fn forget_departures(&mut self, room_id: RoomId) {
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        let watchers = room.watchers.iter().filter_map(|id| self.subscriptions.get(id));
        let told = watchers.map(|subscription| subscription.told_before).min();
        room.forget_departures(told.unwrap_or(room.change()));
    }
}

/// Whether the sender takes the documents that we write.
fn takes_document(request: &Request) -> Result<(), Refusal> {
    let takes = |range: &str| MediaType::parse(range).is_some_and(|range| range.covers(DOCUMENT));
    let mut accepted = request.list(Header::Accept).peekable();
    if accepted.peek().is_some() && !accepted.any(takes) {
        return Err(Refusal::NotAcceptable);
    }
    Ok(())
}

/// What tells a subscription from others in its dialog, if it is to our package at all.
fn event_of(request: &Request) -> Result<Option<String>, Refusal> {
    let event = request.header(Header::Event).and_then(Event::parse);
    let event = event.ok_or(Refusal::Malformed(Header::Event))?;
    if event.package != PACKAGE {
        return Err(Refusal::Event);
    }
    Ok(event.id.map(str::to_owned))
}
