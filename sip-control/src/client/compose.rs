//! The requests of a client as the change request wants them: 7.1.1.1 "General", and what each
//! procedure adds (REJ-02 to REJ-06, JOIN-01 to JOIN-04, ID-10).

use super::config::Config;
use super::list::{LIST, resource_list};
use crate::message::{Draft, Header, Marks, Method, join_parts, quote};

/// The methods we serve. None is listed that is not (REJ-03): a REFER is declined, for we are nobody's
/// to send elsewhere, and a PRACK finds no response that waits for it.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, REFER, PRACK, UPDATE";
/// The extension that all requests and answers are told of.
pub(super) const SUPPORTED: &str = "timer";
/// What is said before the answer to an INVITE may have to be acknowledged (RFC 3262).
pub(super) const RELIABLE: &str = "100rel";
/// Something may have to be reserved before a session begins (RFC 3312).
const PRECONDITION: &str = "precondition";
/// What marks a client, and asks for a server, of this service (IMS-01).
pub(super) const FEATURE: &str = "+g.oma.sip-im";

/// How much the others may learn of the user (ID-10).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Privacy {
    /// Everything.
    #[default]
    None,
    /// An alias, if the network knows how to give one.
    Anonymous,
    /// An alias, or rather no leg at all.
    AnonymousOrNothing,
}

/// An INVITE that makes a leg. It may go out several times: once more after a 422, and once for every
/// place a 3xx names. What changes then is a field; what does not is who we are and what we offer.
#[derive(Clone, Debug)]
pub(super) struct Invitation {
    /// Whom it goes to.
    pub request_uri: String,
    /// Whom it was meant for.
    pub to: String,
    pub call_id: String,
    pub from_tag: String,
    /// The number of the last one that went out.
    pub sequence: u32,
    pub privacy: Privacy,
    /// In seconds.
    pub session_interval: u32,
    /// The least that a 422 asked for.
    pub min_se: Option<u32>,
    /// What the conversation is known by, if it is at all (RCS-01).
    pub marks: Marks,
    /// The group that it makes, if it makes one.
    pub group: Option<Group>,
}

/// What an INVITE says of a group that it makes (RFC 5366).
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Whom to call.
    pub members: Vec<String>,
    pub subject: Option<String>,
    /// What stands between the offer and the list of members: nothing that is in either.
    pub boundary: String,
}

impl Config {
    /// The INVITE, which never goes without an offer (JOIN-04).
    pub(super) fn invite(&self, invitation: &Invitation, offer: &str) -> Draft {
        let mut draft = self.outside(
            Method::Invite,
            &Names {
                request_uri: &invitation.request_uri,
                to: &invitation.to,
                call_id: &invitation.call_id,
                from_tag: &invitation.from_tag,
                sequence: invitation.sequence,
                privacy: invitation.privacy,
            },
        );
        draft = draft
            .header(Header::Allow, ALLOW)
            .header(Header::Supported, &self.extensions())
            .header(Header::SessionExpires, &invitation.session_interval.to_string());
        if let Some(min_se) = invitation.min_se {
            draft = draft.header(Header::MinSe, &min_se.to_string());
        }
        if self.requires_100rel {
            draft = draft.header(Header::Require, RELIABLE);
        }
        draft = invitation.marks.put(draft);
        match &invitation.group {
            Some(group) => group.put(draft, offer),
            None => draft.body(SDP, offer.to_owned()),
        }
    }

    /// What a peer may make use of in its answer to an INVITE.
    fn extensions(&self) -> String {
        let all = [SUPPORTED, RELIABLE, PRECONDITION];
        all[..if self.preconditions { 3 } else { 2 }].join(", ")
    }

    /// A request outside of any dialog, by the General rules.
    pub(super) fn outside(&self, method: Method, names: &Names<'_>) -> Draft {
        let mut draft = Draft::new(method, names.request_uri);
        for route in &self.route {
            draft = draft.header(Header::Route, route);
        }
        let user = self.user_address();
        let is_hidden = names.privacy != Privacy::None;
        let from = if is_hidden { ANONYMOUS } else { &user };
        draft = draft
            .header(Header::From, &format!("{from};tag={}", names.from_tag))
            .header(Header::To, &format!("<{}>", names.to))
            .header(Header::CallId, names.call_id)
            .header(Header::CSeq, &format!("{} {}", names.sequence, method.name()))
            .header(Header::Contact, &self.contact_address())
            .header(Header::AcceptContact, &format!("*;{FEATURE}"));
        if self.is_hop_trusted {
            draft = draft.header(Header::PPreferredIdentity, &user);
        }
        if self.marks_service && matches!(method, Method::Invite | Method::Subscribe) {
            draft = draft.header(Header::PPreferredService, CPM_GROUP_SESSION);
        }
        match names.privacy {
            Privacy::None => {}
            Privacy::Anonymous => draft = draft.header(Header::Privacy, "id"),
            Privacy::AnonymousOrNothing => draft = draft.header(Header::Privacy, "id;critical"),
        }
        draft.header(Header::UserAgent, &self.user_agent())
    }

    /// Contact, with what this client can (IMS-01).
    pub(super) fn contact_address(&self) -> String {
        let instance = self.instance.as_ref();
        let instance = instance.map(|urn| format!(";+sip.instance=\"<{urn}>\""));
        format!("<{}>;{FEATURE}{}", self.contact, instance.unwrap_or_default())
    }

    /// What this client is called (IMS-02).
    pub(super) fn user_agent(&self) -> String {
        format!("IM-client/OMA1.0 {}", self.product)
    }

    fn user_address(&self) -> String {
        match &self.display_name {
            Some(name) => format!("{} <{}>", quote(name), self.user),
            None => format!("<{}>", self.user),
        }
    }
}

impl Group {
    fn put(&self, mut draft: Draft, offer: &str) -> Draft {
        if let Some(subject) = &self.subject {
            draft = draft.header(Header::Subject, subject);
        }
        let list = resource_list(self.members.iter().map(String::as_str));
        let parts = [(SDP_FIELDS, offer.as_bytes()), (LIST_FIELDS, list.as_bytes())];
        draft.header(Header::Require, "recipient-list-invite").body(
            &format!("multipart/mixed;boundary={}", self.boundary),
            join_parts(&self.boundary, parts),
        )
    }
}

/// The type of our offers.
const SDP: &str = "application/sdp";
/// What is said of an offer that is not alone.
const SDP_FIELDS: &[(Header, &str)] = &[(Header::ContentType, SDP)];
/// What is said of a list of those to be called (RFC 5366 section 4).
const LIST_FIELDS: &[(Header, &str)] =
    &[(Header::ContentType, LIST), (Header::ContentDisposition, "recipient-list")];

/// The service that a chat is, for GSMA networks (RCS-02).
const CPM_GROUP_SESSION: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session.group";

/// Who writes when nobody shall know (RFC 3323 section 4.1.1.3).
const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

/// What a request outside of a dialog is called, and to whom it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    pub request_uri: &'a str,
    pub to: &'a str,
    pub call_id: &'a str,
    pub from_tag: &'a str,
    pub sequence: u32,
    pub privacy: Privacy,
}
