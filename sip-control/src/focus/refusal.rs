//! Every way in which the focus says no: the status, the Warning, what else the answer carries, and
//! which check said it.

use std::{borrow::Cow, time::Duration};

use super::policy::Denial;
use crate::{
    config::{Profile, Timers},
    digest::Rejection,
    group::Reason,
    message::Header,
    offer_answer::Unacceptable,
};

/// A request that is not served. The checks are named after the stages of the catalogue: A before
/// the change request's steps, B those steps, C what the change request does not know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// A: a field that must be there is not, or does not parse.
    Malformed(Header),
    /// A: nobody we trust vouches for the sender (ID-03).
    NoIdentity,
    /// A: nobody vouches for the sender, who has not proved who it is either (AUTH-01). These are
    /// the challenges.
    Unauthorized(Vec<String>),
    /// A: the sender has been wrong about who it is too often (AUTH-02).
    Barred,
    /// A: another focus wants in (IMS-09).
    Cascade,
    /// A: the sender does not ask for the service that there is (IMS-04).
    Service,
    /// A: a method we know of and do not serve (DLG-18).
    MethodNotAllowed,
    /// A: a method nobody knows.
    MethodUnknown,
    /// A: a Request-URI that is neither sip, sips nor tel (PUB-02).
    Scheme,
    /// A: another copy of the request came by another path, and is being served (DLG-08).
    Merged,
    /// A: these extensions are required and not understood (IMS-10).
    Extensions(Vec<String>),
    /// A: a body of a kind we do not read.
    MediaType,
    /// A: a body in an encoding we do not read.
    Encoding,
    /// A: a body that is not made as it says.
    BodyMalformed,
    /// A: a body of more parts, or a list of more entries, than are read (OPS-04).
    BodyTooLarge,
    /// A: the list of recipients that is required is not there (PUB-12).
    NoList,
    /// A: nobody on the list of recipients can be called (PUB-15).
    NoRecipient,
    /// A: there are as many sessions, legs or subscriptions as there may be (OPS-03).
    Exhausted,
    /// A: the focus is on its way out. C: it begins no more sessions, for it will be (OPS-02).
    Draining,
    /// A: there is more to do than can be done; ask again then (OPS-01).
    Overloaded(Duration),
    /// A: the source or the user asks too often (OPS-07).
    TooOften,
    /// The URI names nothing here (PUB-01).
    NotFound,
    /// B, step 1 (FOC-05).
    NoSession,
    /// B, steps 2 to 4 (FOC-08, FOC-12, FOC-17).
    Denied(Denial),
    /// B, step 5 (FOC-20).
    Media(Unacceptable),
    /// C: the session interval is too short; this is the shortest (TMR-02).
    Interval(Duration),
    /// C: what has to be reserved first can only be told to who acknowledges being told (IMS-08).
    Unreliable,
    /// C: what had to be reserved first was not in time (IMS-08).
    Precondition,
    /// C: that we were ready was never acknowledged (IMS-07).
    Unacknowledged,
    /// C: the media plane did not take the session in time (FOC-22).
    MediaPlane,
    /// C: the user has as many legs here as one may have (OPS-03).
    TooManyLegs,
    /// The request is for a dialog that is not there (DLG-10).
    NoDialog,
    /// A request of the dialog came before one that was sent earlier (DLG-10).
    OutOfOrder,
    /// An offer of ours is not answered yet (DLG-11).
    Glare,
    /// An offer of the peer is not answered yet; this many seconds are worth waiting (DLG-11).
    Unfinished(u32),
    /// The request was withdrawn (DLG-15), or its dialog ended (DLG-14).
    Terminated,
    /// REFER by somebody who is not in the session (REF-02).
    NotParticipant,
    /// REFER that asks for another request than one to join or to leave (REF-02).
    ReferMethod,
    /// REFER to more users than are called at once, or to none that can be (REF-08).
    ReferTargets,
    /// REFER that adds by somebody who may not (REF-03).
    NotAdding,
    /// REFER that removes by somebody who may not (REF-05).
    NotRemoving,
    /// REFER that removes somebody who is not there (REF-05).
    NotThere,
    /// SUBSCRIBE to another package, or to none that is named (SUB-05).
    Event,
    /// SUBSCRIBE by somebody who takes no document that we write (SUB-05).
    NotAcceptable,
    /// SUBSCRIBE for less time than is granted; this is the least (SUB-06).
    Brief(Duration),
    /// SUBSCRIBE by somebody who may not look (SUB-05), or looks often enough (SUB-09).
    NotWatching,
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Challenged(challenges) => Self::Unauthorized(challenges),
            Rejection::Malformed => Self::Malformed(Header::Authorization),
            Rejection::Barred => Self::Barred,
        }
    }
}

/// The methods we serve, as Allow has them.
pub const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, SUBSCRIBE, NOTIFY, REFER, PRACK, UPDATE";
/// The bodies we read.
pub const ACCEPT: &str = "application/sdp, multipart/mixed, application/resource-lists+xml";

impl Refusal {
    /// The status of the answer.
    pub fn status(&self, profile: Profile) -> u16 {
        match self {
            Self::Malformed(_) | Self::BodyMalformed | Self::NoList => 400,
            Self::Unauthorized(_) => 401,
            Self::NoSession if profile == Profile::Rcs => 404, // judgement J-01
            Self::NoSession
            | Self::NoIdentity
            | Self::Barred
            | Self::Service
            | Self::Cascade
            | Self::NotWatching
            | Self::NoRecipient
            | Self::NotParticipant
            | Self::ReferMethod
            | Self::ReferTargets
            | Self::NotAdding
            | Self::NotRemoving
            | Self::Denied(
                Denial::Initiation
                | Denial::NotMember
                | Denial::Blocked
                | Denial::NotGranted
                | Denial::Service
                | Denial::Schedule
                | Denial::Unavailable
                | Denial::Expelled
                | Denial::Departed
                | Denial::KeyAbsent
                | Denial::Anonymity,
            ) => 403,
            Self::NotFound | Self::NotThere => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::BodyTooLarge => 413,
            Self::MediaType | Self::Encoding => 415,
            Self::Scheme => 416,
            Self::Extensions(_) => 420,
            Self::Unreliable => 421,
            Self::Interval(_) => 422,
            Self::Brief(_) => 423,
            Self::NoDialog => 481,
            Self::Merged => 482,
            Self::Denied(Denial::Full) => 486,
            Self::Terminated => 487,
            Self::Media(_) => 488,
            Self::Event => 489,
            Self::Glare => 491,
            Self::OutOfOrder | Self::Unfinished(_) => 500,
            Self::MethodUnknown => 501,
            Self::Unacknowledged => 504,
            Self::Precondition => 580,
            Self::Exhausted
            | Self::Overloaded(_)
            | Self::TooOften
            | Self::Draining
            | Self::MediaPlane
            | Self::TooManyLegs => 503,
        }
    }

    /// warn-code and warn-text, where the refusal has a Warning.
    pub fn warning(&self) -> Option<(u16, &'static str)> {
        let text = match self {
            Self::Media(fault) => return Some((fault.warn_code(), fault.warn_text())),
            Self::NoIdentity => "No asserted identity",
            Self::Cascade => "Cascading not allowed",
            Self::Service => "Service not supported",
            Self::NoSession => "IM Session does not exist",
            Self::Denied(Denial::Initiation) => "Not allowed to initiate",
            Self::Denied(Denial::KeyAbsent) => "Key participant not present",
            Self::Denied(
                Denial::NotMember
                | Denial::Blocked
                | Denial::NotGranted
                | Denial::Service
                | Denial::Schedule
                | Denial::Unavailable
                | Denial::Expelled
                | Denial::Departed,
            ) => "Not allowed to join",
            Self::Denied(Denial::Full) => "Too many participants",
            Self::Denied(Denial::Anonymity) => "Anonymity not allowed",
            Self::NotWatching => "Not allowed to subscribe",
            Self::NoList => "Missing recipient list",
            Self::NoRecipient => "No valid recipient",
            Self::NotParticipant => "Not a participant",
            Self::ReferMethod => "Method not allowed in Refer-To",
            Self::ReferTargets => "No valid target",
            Self::NotAdding => "Not allowed to add users",
            Self::NotRemoving => "Not allowed to remove users",
            _ => return None,
        };
        Some((399, text))
    }

    /// What else the answer must carry for the peer to do better.
    pub fn fields(&self, timers: &Timers) -> Vec<(Header, Cow<'_, str>)> {
        let seconds = |time: &Duration| Cow::from(time.as_secs().to_string());
        let field = match self {
            Self::Unauthorized(challenges) => {
                let challenges = challenges.iter().map(|value| Cow::from(value.as_str()));
                return challenges.map(|value| (Header::WwwAuthenticate, value)).collect();
            }
            Self::MethodNotAllowed => (Header::Allow, ALLOW.into()),
            Self::MediaType => (Header::Accept, ACCEPT.into()),
            Self::Encoding => (Header::AcceptEncoding, "identity".into()),
            Self::Extensions(tokens) => (Header::Unsupported, tokens.join(", ").into()),
            Self::Unreliable => (Header::Require, "100rel".into()),
            Self::Interval(shortest) => (Header::MinSe, seconds(shortest)),
            Self::Brief(shortest) => (Header::MinExpires, seconds(shortest)),
            Self::Event => (Header::AllowEvents, "conference".into()),
            Self::Unfinished(after) => (Header::RetryAfter, after.to_string().into()),
            Self::MediaPlane | Self::TooManyLegs => {
                (Header::RetryAfter, seconds(&timers.media_retry))
            }
            Self::Overloaded(respite) => (Header::RetryAfter, seconds(respite)),
            Self::TooOften => (Header::RetryAfter, seconds(&timers.rate_retry)),
            Self::Draining => (Header::RetryAfter, seconds(&timers.drain_retry)),
            Self::Exhausted => (Header::RetryAfter, seconds(&timers.full_retry)),
            _ => return Vec::new(),
        };
        vec![field]
    }

    /// The check that said no, for logs (OPS-08): a stage, or a step of the change request.
    pub fn check(&self) -> &'static str {
        match self {
            Self::NoSession => "step 1",
            Self::Denied(Denial::Full) => "step 3",
            Self::Denied(Denial::Anonymity) => "step 4",
            Self::Denied(_) => "step 2",
            Self::Media(_) => "step 5",
            Self::Interval(_)
            | Self::Unreliable
            | Self::Precondition
            | Self::Unacknowledged
            | Self::MediaPlane
            | Self::TooManyLegs => "stage C",
            Self::NoDialog
            | Self::OutOfOrder
            | Self::Glare
            | Self::Unfinished(_)
            | Self::Terminated => "dialog",
            Self::NotFound => "dispatch",
            Self::NotParticipant
            | Self::ReferMethod
            | Self::ReferTargets
            | Self::NotAdding
            | Self::NotRemoving
            | Self::NotThere => "referral",
            Self::Event | Self::NotAcceptable | Self::Brief(_) | Self::NotWatching => {
                "subscription"
            }
            _ => "stage A",
        }
    }

    /// The machine-readable reason, for logs and metric labels (POL-20). It says more than the
    /// Warning does, and never goes on the wire.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::NoIdentity => "no_identity",
            Self::Unauthorized(_) => "unauthorized",
            Self::Barred => "barred",
            Self::Cascade => "cascade",
            Self::Service => "service",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::MethodUnknown => "method_unknown",
            Self::Scheme => "scheme",
            Self::Merged => "merged",
            Self::Extensions(_) => "extension",
            Self::MediaType => "media_type",
            Self::Encoding => "encoding",
            Self::Exhausted => "exhausted",
            Self::Draining => "draining",
            Self::Overloaded(_) => "overloaded",
            Self::TooOften => "too_often",
            Self::NotFound => "not_found",
            Self::NoSession => "no_session",
            Self::Denied(Denial::Initiation) => "no_initiator",
            Self::Denied(Denial::NotMember) => Reason::NotMember.name(),
            Self::Denied(Denial::Blocked) => "blocked",
            Self::Denied(Denial::NotGranted) => Reason::Blocked.name(),
            Self::Denied(Denial::Service) => Reason::ServiceNotSupported.name(),
            Self::Denied(Denial::Schedule) => Reason::Schedule.name(),
            Self::Denied(Denial::Unavailable) => Reason::DocumentUnavailable.name(),
            Self::Denied(Denial::Expelled) => "expelled",
            Self::Denied(Denial::Departed) => "departed",
            Self::Denied(Denial::KeyAbsent) => "key_participant_absent",
            Self::Denied(Denial::Full) => "full",
            Self::Denied(Denial::Anonymity) => "anonymity",
            Self::Media(_) => "media",
            Self::Interval(_) => "session_interval",
            Self::Unreliable => "unreliable",
            Self::Precondition => "precondition",
            Self::Unacknowledged => "unacknowledged",
            Self::MediaPlane => "media_plane",
            Self::TooManyLegs => "too_many_legs",
            Self::NoDialog => "no_dialog",
            Self::OutOfOrder => "out_of_order",
            Self::Glare => "glare",
            Self::Unfinished(_) => "unfinished",
            Self::Terminated => "terminated",
            Self::BodyMalformed => "body_malformed",
            Self::BodyTooLarge => "body_too_large",
            Self::NoList => "no_list",
            Self::NoRecipient => "no_recipient",
            Self::NotParticipant => "not_participant",
            Self::ReferMethod => "refer_method",
            Self::ReferTargets => "refer_targets",
            Self::NotAdding => "not_adding",
            Self::NotRemoving => "not_removing",
            Self::NotThere => "not_there",
            Self::Event => "event_package",
            Self::NotAcceptable => "not_acceptable",
            Self::Brief(_) => "subscription_brief",
            Self::NotWatching => "not_watching",
        }
    }
}
