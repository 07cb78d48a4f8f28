//! Following the roster of a conference: SUBSCRIBE, and the NOTIFYs that come of it (RFC 6665, CR
//! 7.1.1.11).
//!
//! ```text
//! leg joined --> SUBSCRIBE --> NOTIFY full, NOTIFY partial ... --> leg over: SUBSCRIBE Expires 0
//!                    ^                   |            |                      |
//!                    +-- before expiry --+            |                      v
//!                    +-- terminated, and worth it ----+               NOTIFY terminated --> gone
//! ```

mod document;
mod roster;

use std::time::{Duration, Instant};

use self::roster::Applied;
pub use self::roster::{Member, Roster};
use super::compose::{Names, Privacy};
use super::event::{Event, LegId, Unwatched};
use super::{Client, Purpose, Usage, referral};
use crate::dialog::{Dialog, DialogId};
use crate::message::{self, Header, Method, Reply, Response, SubscriptionState};
use crate::transaction::ClientId;

const PACKAGE: &str = "conference";
const DOCUMENT: &str = "application/conference-info+xml";
/// What a subscription asks for, in seconds (SUB-01).
const EXPIRES: u32 = 3600;
/// A longer subscription is refreshed so long before its end, a shorter one at half its time
/// (SUB-03).
const LEAD: Duration = Duration::from_secs(600);
/// How long a focus is let be before it is asked once more, if it does not say itself: what made us
/// ask may happen again at once.
const PAUSE: Duration = Duration::from_secs(10);

/// One subscription, from the first SUBSCRIBE to the last NOTIFY.
#[derive(Debug)]
pub(super) struct Watch {
    identity: String,
    privacy: Privacy,
    call_id: String,
    from_tag: String,
    /// The number of the last SUBSCRIBE that went out before there was a dialog.
    sequence: u32,
    /// `None` until the focus has said anything.
    dialog: Option<Dialog>,
    /// A SUBSCRIBE that is not answered, and for how long it asks.
    asking: Option<(ClientId, u32)>,
    asked_at: Instant,
    /// Timer N: a NOTIFY has to come by then.
    notify_by: Option<Instant>,
    expires_at: Option<Instant>,
    /// When to ask again, for more time or for the whole roster.
    ask_at: Option<Instant>,
    roster: Roster,
    /// What is to come is its end.
    is_ending: bool,
}

impl Watch {
    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.notify_by, self.expires_at, self.ask_at].into_iter().flatten().min()
    }

    /// What a grant of so many seconds means.
    fn grant(&mut self, now: Instant, seconds: u32) {
        let granted = Duration::from_secs(seconds.into());
        let lead = if granted > 2 * LEAD { LEAD } else { granted / 2 };
        self.expires_at = Some(now + granted);
        self.ask_at = Some(now + granted.saturating_sub(lead));
    }

    /// The SUBSCRIBE went out again, as another request and with another number.
    pub(super) fn follow(&mut self, (old, new): (ClientId, ClientId), sequence: u32) {
        if let Some((asking, _)) = self.asking.as_mut().filter(|(asking, _)| *asking == old) {
            *asking = new;
        }
        match &mut self.dialog {
            Some(dialog) => dialog.continue_from(sequence),
            None => self.sequence = sequence,
        }
    }

    fn is_named(&self, dialog: &DialogId) -> bool {
        self.call_id == dialog.call_id && self.from_tag == dialog.local_tag
    }
}

impl Client {
    /// Subscribes at the IM Session Identity, in a dialog of its own (REJ-12, JOIN-09, SUB-01).
    pub(super) fn watch(&mut self, now: Instant, id: LegId, identity: &str, privacy: Privacy) {
        let watch = Watch {
            identity: identity.to_owned(),
            privacy,
            call_id: self.tokens.token(),
            from_tag: self.tokens.token(),
            sequence: 0,
            dialog: None,
            asking: None,
            asked_at: now,
            notify_by: None,
            expires_at: None,
            ask_at: None,
            roster: Roster::default(),
            is_ending: false,
        };
        self.watches.insert(id, watch);
        self.ask(now, id, EXPIRES);
    }

    /// Ends the subscription of a leg that is over, because the BYE does not (SUB-04).
    pub(super) fn unwatch(&mut self, now: Instant, id: LegId) {
        let Some(watch) = self.watches.get_mut(&id).filter(|watch| !watch.is_ending) else {
            return;
        };
        watch.is_ending = true;
        (watch.expires_at, watch.ask_at) = (None, None);
        match (&watch.dialog, watch.notify_by) {
            (Some(_), _) => self.ask(now, id, 0),
            // Until the dialog is known there is nowhere to say so.
            (None, Some(_)) => {}
            (None, None) => self.drop_watch(id),
        }
    }

    /// Forgets a subscription without a word.
    pub(super) fn drop_watch(&mut self, id: LegId) {
        self.watches.remove(&id);
        self.dialogs.retain(|_, usage| *usage != Usage::Watch(id));
    }

    /// Does what is due for a subscription.
    pub(super) fn look_after(&mut self, now: Instant, id: LegId) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        if is_due(watch.notify_by) {
            self.end_watch(id, Unwatched::Silence);
        } else if is_due(watch.expires_at) {
            self.end_watch(id, Unwatched::Expired);
        } else if is_due(watch.ask_at) {
            watch.ask_at = None;
            self.ask(now, id, EXPIRES);
        }
    }

    /// Sends a SUBSCRIBE: the first, one for more time or the whole roster, or the last.
    fn ask(&mut self, now: Instant, id: LegId, expires: u32) {
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        let (draft, hop) = if let Some(dialog) = &mut watch.dialog {
            let draft = dialog
                .request(Method::Subscribe)
                .header(Header::Contact, &self.config.contact_address())
                .header(Header::UserAgent, &self.config.user_agent());
            let dialog = dialog.clone();
            (draft, self.hop_of(&dialog))
        } else {
            watch.sequence += 1;
            let names = Names {
                request_uri: &watch.identity,
                to: &watch.identity,
                call_id: &watch.call_id,
                from_tag: &watch.from_tag,
                sequence: watch.sequence,
                privacy: watch.privacy,
            };
            let draft = self.config.outside(Method::Subscribe, &names);
            let identity = watch.identity.clone();
            (draft, self.first_hop(&identity))
        };
        let draft = draft
            .header(Header::Event, PACKAGE)
            .header(Header::Accept, DOCUMENT)
            .header(Header::Expires, &expires.to_string());
        let transaction = self.send(now, draft, hop, Purpose::Subscribe { leg: id });
        let notify_by = now + self.config.patience();
        if let Some(watch) = self.watches.get_mut(&id) {
            watch.asking = Some((transaction, expires));
            watch.asked_at = now;
            watch.notify_by = Some(notify_by);
        }
    }

    /// A final response to a SUBSCRIBE.
    pub(super) fn subscribed(
        &mut self,
        now: Instant,
        id: LegId,
        transaction: ClientId,
        response: &Response,
    ) {
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        let Some((_, asked)) = watch.asking.take_if(|(asking, _)| *asking == transaction) else {
            return;
        };
        match response.code() {
            ..300 => {
                let granted = response.seconds(Header::Expires).unwrap_or(asked).min(asked);
                if watch.dialog.is_none() {
                    watch.dialog = Dialog::begin(&watch.identity, response);
                    let name = watch.dialog.as_ref().map(|dialog| dialog.id().clone());
                    self.dialogs.extend(name.map(|name| (name, Usage::Watch(id))));
                } else if let Some(dialog) = &mut watch.dialog {
                    // A Contact that is no good moves nothing.
                    let _ = dialog.refresh(response);
                }
                if !watch.is_ending {
                    watch.grant(now, granted);
                } else if asked > 0 {
                    self.ask(now, id, 0);
                }
            }
            423 if !watch.is_ending => match response.seconds(Header::MinExpires) {
                Some(least) if least > asked => self.ask(now, id, least),
                _ => self.end_watch(id, Unwatched::Refused(423)),
            },
            status if watch.dialog.is_none() || watch.is_ending || is_fatal(status) => {
                self.end_watch(id, Unwatched::Refused(status));
            }
            // It lives on to its expiry, and nobody else will tell us anything (SUB-03).
            _ => watch.notify_by = None,
        }
    }

    /// A NOTIFY (NTF-08). It is answered before anybody looks into its body.
    pub(super) fn notified(&mut self, now: Instant, notify: &message::Request) -> Reply {
        let event = notify.header(Header::Event).and_then(message::Event::parse);
        let state = notify.header(Header::SubscriptionState).and_then(SubscriptionState::parse);
        let (Some(event), Some(state)) = (event, state) else {
            return Reply::new(400);
        };
        if event.package.eq_ignore_ascii_case(referral::PACKAGE) {
            return self.reported(notify, &event, &state);
        }
        if !event.package.eq_ignore_ascii_case(PACKAGE) {
            return Reply::new(489);
        }
        let Some(id) = self.watch_of(notify).filter(|_| event.id.is_none()) else {
            return Reply::new(481);
        };
        let Some(watch) = self.watches.get_mut(&id) else {
            return Reply::new(481);
        };
        let dialog = if let Some(dialog) = &mut watch.dialog {
            dialog
        } else {
            // It has overtaken the 200, and makes the dialog (SUB-02).
            let Ok(mut dialog) = Dialog::accept(notify, "") else {
                return Reply::new(400);
            };
            dialog.continue_from(watch.sequence);
            self.dialogs.insert(dialog.id().clone(), Usage::Watch(id));
            watch.dialog.insert(dialog)
        };
        if dialog.handle_request(notify).is_err() {
            return Reply::new(500);
        }
        if dialog.refresh(notify).is_err() {
            return Reply::new(400);
        }
        if !watch.is_ending {
            // Of one that ends, only its last NOTIFY is waited for.
            watch.notify_by = None;
        }
        let is_over = state.state.eq_ignore_ascii_case("terminated");
        if let Some(seconds) = state.expires.filter(|_| !is_over && !watch.is_ending) {
            watch.grant(now, seconds);
        }
        let is_document = notify.content_type().is_some_and(|kind| kind.is(DOCUMENT));
        if is_document && !notify.body().is_empty() {
            self.take_document(now, id, &notify.body(), is_over);
        }
        if is_over {
            self.terminated(now, id, &state);
        }
        Reply::new(200)
    }

    /// The subscription that a NOTIFY is of: that of its dialog, or the one that has none yet.
    fn watch_of(&self, notify: &message::Request) -> Option<LegId> {
        let name = DialogId::of_request(notify)?;
        match self.dialogs.get(&name) {
            Some(Usage::Watch(id)) => Some(*id),
            Some(Usage::Leg(_) | Usage::Early(_)) => None,
            None => {
                let mut open = self.watches.iter().filter(|(_, watch)| watch.dialog.is_none());
                open.find(|(_, watch)| watch.is_named(&name)).map(|(&id, _)| id)
            }
        }
    }

    fn take_document(&mut self, now: Instant, id: LegId, document: &[u8], is_over: bool) {
        let Some(watch) = self.watches.get_mut(&id).filter(|watch| !watch.is_ending) else {
            return;
        };
        match watch.roster.apply(document) {
            Ok(Applied::Stale) => {}
            Ok(Applied::Fresh) => {
                let roster = Box::new(watch.roster.clone());
                if let Some(leg) = self.legs.get_mut(&id).filter(|_| self.config.factory.is_some())
                {
                    leg.conversation.take_roster(&roster, &self.config.user);
                }
                self.events.push_back(Event::Roster { leg: id, roster });
            }
            Ok(Applied::Gone) => {
                let why = Unwatched::Gone;
                self.events.push_back(Event::Unwatched { leg: id, why });
                if is_over {
                    watch.is_ending = true;
                } else {
                    self.unwatch(now, id);
                }
            }
            // EVT-12, EVT-13: ask for the whole. A focus that goes on like this is not asked
            // faster than it can be bothered.
            Ok(Applied::Incoherent) | Err(_) => {
                let at = if watch.asking.is_some() || now < watch.asked_at + PAUSE {
                    watch.asked_at + PAUSE
                } else {
                    now
                };
                watch.ask_at = Some(watch.ask_at.map_or(at, |planned| planned.min(at)));
            }
        }
    }

    /// The focus has ended the subscription. Whether another is worth a try depends on why.
    fn terminated(&mut self, now: Instant, id: LegId, state: &SubscriptionState<'_>) {
        let Some(watch) = self.watches.get(&id) else {
            return;
        };
        let told = state.retry_after.map(|seconds| Duration::from_secs(seconds.into()));
        let again = match state.reason.map(str::to_ascii_lowercase).as_deref() {
            _ if watch.is_ending => None,
            Some("deactivated" | "timeout") => Some(watch.asked_at + PAUSE),
            Some("probation" | "giveup") => Some(now + told.unwrap_or(PAUSE)),
            _ => None,
        };
        let Some(again) = again else {
            let reason = state.reason.unwrap_or_default().to_owned();
            return self.end_watch(id, Unwatched::Terminated(reason));
        };
        self.dialogs.retain(|_, usage| *usage != Usage::Watch(id));
        let (call_id, from_tag) = (self.tokens.token(), self.tokens.token());
        if let Some(watch) = self.watches.get_mut(&id) {
            (watch.call_id, watch.from_tag, watch.sequence) = (call_id, from_tag, 0);
            (watch.dialog, watch.asking, watch.expires_at) = (None, None, None);
            watch.roster = Roster::default();
            watch.ask_at = Some(again.max(now));
        }
    }

    /// The subscription is over, and the user hears of it if he did not end it himself.
    fn end_watch(&mut self, id: LegId, why: Unwatched) {
        if self.watches.get(&id).is_some_and(|watch| !watch.is_ending) {
            self.events.push_back(Event::Unwatched { leg: id, why });
        }
        self.drop_watch(id);
    }

    /// No response to a SUBSCRIBE will come.
    pub(super) fn unsubscribed(&mut self, id: LegId, transaction: ClientId) {
        let watch = self.watches.get_mut(&id);
        let is_current = watch.is_some_and(|watch| {
            watch.asking.take_if(|(asking, _)| *asking == transaction).is_some()
        });
        if is_current {
            self.end_watch(id, Unwatched::Silence);
        }
    }
}

/// Whether a refused refresh is the end of its subscription (SUB-03).
fn is_fatal(status: u16) -> bool {
    matches!(status, 404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604)
}
