//! Ad-hoc groups: an INVITE to the Factory URI makes a session, and says whom to call into it
//! (RFC 5366).

use std::{sync::Arc, time::Instant};

use super::{
    Focus, Incoming,
    content::Content,
    invite::{Gathering, Invitation, Invitee},
    leg::Installing,
    participant::Originator,
    policy::{Company, Petition, Policy, Snapshot},
    recipients::{self, Recipient},
    refusal::Refusal,
    screen,
    user::UserKey,
    venue::Venue,
    way::Way,
};
use crate::{
    config::Profile,
    message::{Header, Request},
};

/// Octets of a Subject that are kept (IMS-03).
const SUBJECT_SIZE_MAX: usize = 255;

impl Focus {
    /// An INVITE to the Factory URI. The steps are those of a join, in the same order, so that the
    /// same fault has the same answer; the session that it makes has room for all who are called.
    pub(super) fn create(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        originator: &Originator,
        content: &Content,
    ) -> Result<(), Refusal> {
        let request = &incoming.request;
        let rules = self.config.ad_hoc.as_ref().ok_or(Refusal::NotFound)?;
        screen::contact(request)?;
        screen::service(&self.config, request)?;
        let link = self.link(incoming)?;
        let recipients = self.recipients(request, originator, content)?;

        let policy = Arc::new(Policy::AdHoc(Box::new(Company::of(&originator.keys, rules))));
        let is_anonymous = request.privacy().id;
        let at = self.clock.utc(now);
        let petition = Petition { user: &originator.keys, anonymous: is_anonymous, at };
        let nobody = Snapshot::of_nobody(&self.config.limits);
        let snapshot = Snapshot { is_guest: true, others: recipients.len(), ..nobody };
        policy.admit(petition, snapshot).map_err(Refusal::Denied)?;
        let media = Arc::clone(self.directory.media());
        let offer = self.read_offer(request, content, &media)?;
        if self.has_to_ask(now, offer.as_ref(), incoming, originator, content) {
            return Ok(());
        }
        let timer = self.agree_terms(request, offer.as_ref())?;

        let identity = self.session_identity();
        // The session is held nowhere but in itself.
        let uri = identity.clone();
        let venue = Arc::new(Venue { uri, subject: subject(request), policy, media });
        let room_id = self.open_session(identity, venue, request)?;
        let guests: Vec<UserKey> = recipients.iter().map(|guest| guest.key.clone()).collect();
        self.record_founded(room_id, originator, &guests);
        let deadline = now + self.config.timers.install;
        let (transaction, request) = (incoming.transaction, request.clone());
        let early = None;
        let installing = Installing { transaction, request, link, offer, timer, deadline, early };
        self.install(now, room_id, originator, is_anonymous, installing);

        let Some(room) = self.rooms.get_mut(&room_id) else { return Ok(()) };
        let creator = room.participants_of(&originator.keys).next();
        let referred_by = creator.map(|creator| creator.entity.clone());
        let invitation = Invitation { referred_by, history: recipients::history(&recipients) };
        room.welcome(&originator.keys);
        for guest in guests {
            room.welcome(&[guest]);
        }
        let invitees = recipients.iter().filter_map(Invitee::listed).collect();
        room.gathering = Some(Gathering { invitees, invitation: Arc::new(invitation) });
        Ok(())
    }

    /// Who is to be called: everybody on the list who can be (PUB-12, PUB-15).
    fn recipients(
        &self,
        request: &Request,
        originator: &Originator,
        content: &Content,
    ) -> Result<Vec<Recipient>, Refusal> {
        let is_announced = request.has_token(Header::Require, "recipient-list-invite");
        let mut recipients = match &content.list {
            Some(list) => recipients::read(&list.document, &originator.keys)?,
            None if is_announced => return Err(Refusal::NoList),
            None => Vec::new(),
        };
        if content.list.is_some() && !is_announced {
            tracing::info!(call_id = request.call_id(), "a list that Require does not announce");
        }
        recipients.retain(|recipient| self.is_callable(&recipient.uri));
        if recipients.is_empty() && self.config.profile == Profile::Rcs {
            return Err(Refusal::NoRecipient);
        }
        Ok(recipients)
    }

    /// Whether the URI is of somebody whom an INVITE could reach, and not one of our own.
    pub(super) fn is_callable(&self, uri: &str) -> bool {
        Way::is_spoken(uri, &self.config) && !self.directory.is_ours(uri)
    }
}

/// What the session is about, cut to what others have to take.
fn subject(request: &Request) -> Option<String> {
    let subject = request.header(Header::Subject)?;
    let end = subject.floor_char_boundary(SUBJECT_SIZE_MAX);
    Some(subject[..end].to_owned()).filter(|subject| !subject.is_empty())
}
