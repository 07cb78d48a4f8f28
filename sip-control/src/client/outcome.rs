//! How attempts fail and legs end.

use std::time::Duration;

use super::conversation::Conversation;
use super::media::Unusable;
use crate::message::{Header, List, Reason, Request, Response, unquote};

/// An attempt that did not become a leg.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Why.
    pub failure: Failure,
    /// What is known of the conference after all.
    pub conversation: Conversation,
}

/// Why an attempt did not become a leg.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The focus, or a proxy before it, said no.
    Refused(Refused),
    /// Nobody answered in time.
    Timeout,
    /// The request could not be sent.
    Unreachable,
    /// The focus said yes, and gave an answer that cannot be used. The leg was ended (SDP-23).
    Unusable(Unusable),
    /// The user changed his mind (JOIN-11).
    Withdrawn,
}

/// A final response other than 2xx.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// What it means.
    pub refusal: Refusal,
    /// The status code.
    pub status: u16,
    /// What it says in so many words; for display only (REJ-14).
    pub warnings: Vec<Warning>,
    /// When to try again, if it says so.
    pub retry_after: Option<Duration>,
}

/// What a refusal means to who asked (REJ-14).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// 403: not this user, or not in this way; or, from a focus that follows the change request to
    /// the letter, the session is gone, where its words for that are not believed.
    Forbidden,
    /// 403 with the words of RCS-06: not this user, ever. Starting anew would end the same way.
    NotAuthorised,
    /// 404 to a rejoin, or a 403 with the words for it where they are believed: the session is gone, and
    /// could be started anew (RCS-05).
    SessionGone,
    /// 404 to a join: there is no such conference.
    NotFound,
    /// 486: there are as many in it as there may be.
    Full,
    /// 488: no media in common.
    MediaUnacceptable,
    /// 420, 421: an extension that one side has and the other needs.
    Extension,
    /// 422: the session interval is too short, also after it was raised.
    Interval,
    /// 401, 407: credentials are asked for.
    CredentialsWanted,
    /// 3xx: it leads nowhere that was not tried.
    Redirected,
    /// 503: not now.
    Unavailable,
    /// Any other 5xx.
    ServerFault,
    /// Anything else.
    Other,
}

/// The words of RCS-06.
const NOT_AUTHORISED: &str = "127 Service not authorised";
/// The words of a focus that says 403 where a session is gone (judgement J-01).
const GONE: &str = "IM Session does not exist";

impl Refused {
    /// Reads a final response to an INVITE.
    pub(super) fn read(response: &Response, is_rejoin: bool, is_gone_by_words: bool) -> Self {
        let warnings: Vec<Warning> =
            response.lines(Header::Warning).flat_map(List::new).filter_map(Warning::read).collect();
        let says_never = || warnings.iter().any(|warning| warning.text.contains(NOT_AUTHORISED));
        let says_gone = || warnings.iter().any(|warning| warning.text.contains(GONE));
        let refusal = match response.code() {
            300..=399 => Refusal::Redirected,
            401 | 407 => Refusal::CredentialsWanted,
            403 if says_never() => Refusal::NotAuthorised,
            403 if is_rejoin && is_gone_by_words && says_gone() => Refusal::SessionGone,
            403 => Refusal::Forbidden,
            404 if is_rejoin => Refusal::SessionGone,
            404 => Refusal::NotFound,
            420 | 421 => Refusal::Extension,
            422 => Refusal::Interval,
            486 => Refusal::Full,
            488 => Refusal::MediaUnacceptable,
            503 => Refusal::Unavailable,
            500..600 => Refusal::ServerFault,
            _ => Refusal::Other,
        };
        let retry_after = response.seconds(Header::RetryAfter);
        Self {
            refusal,
            status: response.code(),
            warnings,
            retry_after: retry_after.map(|seconds| Duration::from_secs(seconds.into())),
        }
    }
}

/// One value of Warning (RFC 3261 section 20.43).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// The warn-code.
    pub code: u16,
    /// Who warns.
    pub agent: String,
    /// What it says, verbatim but for the quotes.
    pub text: String,
}

impl Warning {
    fn read(value: &str) -> Option<Self> {
        let (code, rest) = value.split_once(' ')?;
        let (agent, text) = rest.trim_start().split_once(' ')?;
        let text = unquote(text.trim()).into_owned();
        Some(Self { code: code.parse().ok()?, agent: agent.to_owned(), text })
    }
}

/// How a leg ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// We left (LEAVE-01).
    Left,
    /// BYE with cause 410: the chat is over, and there is nothing to come back to.
    Over,
    /// BYE with cause 403: somebody with the right to do so removed us.
    Removed,
    /// BYE with another cause, or none: coming back is worth a try.
    Dismissed {
        /// The cause, if one was given.
        cause: Option<u16>,
    },
    /// The dialog is gone on the other side, or was not kept alive. Coming back is worth a try.
    Lost,
}

impl Ending {
    /// What a BYE of the focus means (LEAVE-11).
    pub(super) fn read(bye: &Request) -> Self {
        let mut reasons = bye.list(Header::Reason).filter_map(Reason::parse);
        match reasons.find_map(|reason| reason.sip_cause()) {
            Some(410) => Self::Over,
            Some(403) => Self::Removed,
            cause => Self::Dismissed { cause },
        }
    }

    /// Whether a rejoin is worth a try.
    pub fn may_rejoin(self) -> bool {
        matches!(self, Self::Left | Self::Dismissed { .. } | Self::Lost)
    }
}
