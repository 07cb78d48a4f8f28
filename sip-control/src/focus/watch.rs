//! Watching a session: SUBSCRIBE and NOTIFY of the conference event package.

use std::time::{Duration, Instant};

use mailbox::RoomId;

use super::{
    Focus, Incoming, Purpose, Subject, Usage, conference_info,
    directory::Place,
    link::Link,
    participant::Originator,
    refusal::Refusal,
    room::{Room, Watcher},
    subscription::{Due, Ending, Owed, Subscription, SubscriptionId, View},
};
use crate::{
    config::Profile,
    message::{Event, Header, MediaType, Method, Reply, Request, Response, limits::BODY_SIZE_MAX},
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
        let link = Link::accept(request, &incoming.tag, incoming.source)?;
        let event_id = event_of(request)?;
        let takes_document =
            |range: &str| MediaType::parse(range).is_some_and(|range| range.covers(DOCUMENT));
        let mut accepted = request.list(Header::Accept).peekable();
        if accepted.peek().is_some() && !accepted.any(takes_document) {
            return Err(Refusal::NotAcceptable);
        }
        let room_id = match self.directory.find(request.request_uri()) {
            Place::Session(room) => Some(room),
            Place::Venue(venue) => self.directory.session_of(&venue),
            Place::NoSession | Place::Focus | Place::Nowhere => None,
        };
        let room = room_id.and_then(|id| self.rooms.get(&id)).ok_or(Refusal::NotFound)?;
        let (room_id, identity) = (room.id, room.identity.clone());
        let policy = &room.venue.policy;
        let may_watch = room.is_connected(&originator.keys)
            || policy.may_watch(&originator.keys, self.clock.utc(now));
        if !may_watch
            || self.watchers_of(room, originator) >= self.config.limits.subscriptions_per_user
        {
            return Err(Refusal::NotWatching);
        }
        let granted = self.granted(request)?;
        let is_large = room.users() > self.config.limits.roster;
        let view = if is_large { View::Itself } else { View::Everybody };

        let id = SubscriptionId(self.next_id());
        self.dialogs.insert(link.id().clone(), Usage::Subscription(id));
        self.subscriptions.insert(
            id,
            Subscription {
                room: room_id,
                identity,
                keys: originator.keys.clone(),
                link,
                event_id,
                view,
                expires: now + granted,
                version: 0,
                told: 0,
                told_before: 0,
                in_flight: None,
                owed: None,
                quiet_until: None,
                alarm: None,
            },
        );
        if let Some(room) = self.rooms.get_mut(&room_id) {
            room.watchers.push(id);
        }
        self.counters.subscriptions += 1;
        self.accept_subscription(now, incoming, id, granted);
        Ok(())
    }

    /// A request in the dialog of a subscription.
    pub(super) fn serve_subscription(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        id: SubscriptionId,
    ) -> Result<(), Refusal> {
        let request = &incoming.request;
        let subscription = self.subscriptions.get_mut(&id).ok_or(Refusal::NoDialog)?;
        subscription.link.handle_request(request, incoming.source)?;
        match request.method() {
            Method::Subscribe => {
                subscription.link.refresh(request)?;
                event_of(request)?;
                let granted = self.granted(request)?;
                self.accept_subscription(now, incoming, id, granted);
                Ok(())
            }
            Method::Options => {
                self.reply(incoming.transaction, self.capabilities(Reply::new(200)));
                Ok(())
            }
            _ => Err(Refusal::NoDialog),
        }
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
        self.agenda.add(now + granted, Subject::Subscription(id));
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

    fn watchers_of(&self, room: &Room, originator: &Originator) -> usize {
        let watchers = room.watchers.iter().filter_map(|id| self.subscriptions.get(id));
        watchers.filter(|watcher| watcher.keys.iter().any(|k| originator.keys.contains(k))).count()
    }

    /// The roster has changed: everybody who watches is told, now or as soon as may be (FOC-34).
    pub(super) fn notify_watchers(&mut self, now: Instant, room_id: RoomId) {
        let Some(room) = self.rooms.get(&room_id) else { return };
        for watcher in room.watchers.clone() {
            self.tell(now, watcher);
        }
        self.forget_departures(room_id);
    }

    /// A participant whose name has changed may be shown now, or nobody has come back.
    pub(super) fn look_at_room(&mut self, now: Instant, room_id: RoomId) {
        if self.rooms.get(&room_id).is_some_and(|room| room.is_abandoned(now)) {
            return self.end_room(now, room_id, Ending::NoResource);
        }
        if self.rooms.get_mut(&room_id).is_some_and(|room| room.unhide(now)) {
            self.notify_watchers(now, room_id);
        }
    }

    /// The time of a subscription has come: to be told more, or to end.
    pub(super) fn look_at_subscription(&mut self, now: Instant, id: SubscriptionId) {
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.alarm = subscription.alarm.filter(|alarm| *alarm > now);
            self.tell(now, id);
        }
    }

    /// What is watched is over.
    pub(super) fn end_subscription(&mut self, now: Instant, id: SubscriptionId, ending: Ending) {
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.owed = Some(Owed::Last(ending));
            self.tell(now, id);
        }
    }

    /// Tells a watcher what it may be told now.
    fn tell(&mut self, now: Instant, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let change = self.rooms.get(&subscription.room).map_or(subscription.told, Room::change);
        match subscription.due(now, change) {
            Due::Nothing => {}
            Due::At(at) if subscription.alarm == Some(at) => {}
            Due::At(at) => {
                subscription.alarm = Some(at);
                self.agenda.add(at, Subject::Subscription(id));
            }
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
        let (draft, target) = subscription.link.request(Method::Notify);
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
        self.dialogs.remove(subscription.link.id());
        if let Some(room) = self.rooms.get_mut(&subscription.room) {
            room.watchers.retain(|watcher| *watcher != id);
            self.forget_departures(subscription.room);
        }
    }

    /// Departures that everybody has been told of need not be kept.
    fn forget_departures(&mut self, room_id: RoomId) {
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        let watchers = room.watchers.iter().filter_map(|id| self.subscriptions.get(id));
        let told = watchers.map(|subscription| subscription.told_before).min();
        room.forget_departures(told.unwrap_or(room.change()));
    }
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
