//! Views of the smaller header fields.

use super::lexis::{self, Params};
use super::method::Method;

/// CSeq (RFC 3261 section 20.16).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CSeq<'a> {
    /// Less than 2^31.
    pub number: u32,
    /// The method, in its own letters.
    pub method: &'a str,
}

impl<'a> CSeq<'a> {
    /// Parses `314159 INVITE`.
    pub fn parse(value: &'a str) -> Option<Self> {
        let (number, method) = lexis::split_at_space(value)?;
        let number = lexis::number(number, (1 << 31) - 1)?;
        lexis::is_token(method).then_some(Self { number, method })
    }

    /// The method by name.
    pub fn method(&self) -> Method {
        Method::parse(self.method)
    }
}

/// RAck (RFC 3262 section 7.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RAck<'a> {
    /// The RSeq of the response that is acknowledged.
    pub response: u32,
    /// Its CSeq.
    pub cseq: CSeq<'a>,
}

impl<'a> RAck<'a> {
    /// Parses `776656 1 INVITE`.
    pub fn parse(value: &'a str) -> Option<Self> {
        let (response, cseq) = lexis::split_at_space(value)?;
        Some(Self { response: lexis::number(response, u32::MAX)?, cseq: CSeq::parse(cseq)? })
    }
}

/// Event (RFC 6665 section 8.2.1).
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The package, with its templates.
    pub package: &'a str,
    /// What tells subscriptions of one dialog apart.
    pub id: Option<&'a str>,
}

impl<'a> Event<'a> {
    /// Parses `conference;id=1`.
    pub fn parse(value: &'a str) -> Option<Self> {
        let (package, params) = Params::split(value)?;
        lexis::is_token(package).then(|| Self { package, id: params.get("id") })
    }
}

/// Subscription-State (RFC 6665 section 8.2.3).
#[derive(Clone, Copy, Debug)]
pub struct SubscriptionState<'a> {
    /// `active`, `pending`, `terminated`, or an extension.
    pub state: &'a str,
    /// Seconds left.
    pub expires: Option<u32>,
    /// Why it ended.
    pub reason: Option<&'a str>,
    /// Seconds before another try.
    pub retry_after: Option<u32>,
}

impl<'a> SubscriptionState<'a> {
    /// Parses `terminated;reason=noresource`.
    pub fn parse(value: &'a str) -> Option<Self> {
        let (state, params) = Params::split(value)?;
        lexis::is_token(state).then(|| Self {
            state,
            expires: params.get("expires").and_then(lexis::seconds),
            reason: params.get("reason"),
            retry_after: params.get("retry-after").and_then(lexis::seconds),
        })
    }
}

/// One value of Reason (RFC 3326 section 2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reason<'a> {
    /// In whose terms the cause is: `SIP`, `Q.850`, ...
    pub protocol: &'a str,
    /// The cause, if it is told and a number of three digits at most.
    pub cause: Option<u16>,
}

impl<'a> Reason<'a> {
    /// Parses `SIP;cause=200;text="Call completed"`.
    pub fn parse(value: &'a str) -> Option<Self> {
        let (protocol, params) = Params::split(value)?;
        let cause = params.get("cause").and_then(|cause| lexis::number(cause, 999));
        lexis::is_token(protocol).then(|| Self { protocol, cause: cause.map(|cause| cause as u16) })
    }

    /// The cause in terms of SIP.
    pub fn sip_cause(&self) -> Option<u16> {
        self.cause.filter(|_| self.protocol.eq_ignore_ascii_case("SIP"))
    }
}

/// Content-Type and Accept values (RFC 3261 section 20.15).
#[derive(Clone, Copy, Debug)]
pub struct MediaType<'a> {
    /// `application/sdp`, without parameters, in the case it came in.
    pub essence: &'a str,
    /// The parameters, such as `boundary`.
    pub params: Params<'a>,
}

impl<'a> MediaType<'a> {
    /// Parses `multipart/mixed;boundary=x`.
    pub fn parse(value: &'a str) -> Option<Self> {
        let (essence, params) = Params::split(value)?;
        let (kind, subtype) = essence.split_once('/')?;
        let is_sound = lexis::is_token(kind) && lexis::is_token(subtype);
        is_sound.then_some(Self { essence, params })
    }

    /// Whether it is that type; parameters do not count.
    pub fn is(&self, essence: &str) -> bool {
        self.essence.eq_ignore_ascii_case(essence)
    }

    /// Whether it, as a range of Accept, covers that type.
    pub fn covers(&self, essence: &str) -> bool {
        match self.essence.strip_suffix("/*") {
            Some("*") => true,
            Some(kind) => {
                essence.split_once('/').is_some_and(|(other, _)| other.eq_ignore_ascii_case(kind))
            }
            None => self.is(essence),
        }
    }
}

/// Who keeps a session alive (RFC 4028 section 7.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refresher {
    /// The side that sent the request the parameter is about.
    Uac,
    /// The side that answers it.
    Uas,
}

/// Session-Expires (RFC 4028 section 4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionExpires {
    /// The session interval in seconds.
    pub interval: u32,
    /// Who refreshes, if it is said.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Parses `1800;refresher=uac`.
    pub fn parse(value: &str) -> Option<Self> {
        let (interval, params) = Params::split(value)?;
        let refresher = match params.get("refresher") {
            Some(side) if side.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(side) if side.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            Some(_) => return None,
            None => None,
        };
        Some(Self { interval: lexis::seconds(interval)?, refresher })
    }
}

/// What a user asks to have kept private (RFC 3323 section 4.2, RFC 3325 section 9.3).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Privacy {
    /// `id`: the asserted identity.
    pub id: bool,
    /// `header`: headers that tell of the network.
    pub header: bool,
    /// `session`: the media addresses.
    pub session: bool,
    /// `user`: what the user agent itself wrote.
    pub user: bool,
    /// `none`: nothing, and nobody may add any.
    pub none: bool,
    /// `critical`: rather fail than disclose.
    pub critical: bool,
}

impl Privacy {
    /// Gathers the tokens of all occurrences; unknown ones are ignored.
    pub(super) fn gather<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut privacy = Self::default();
        // The separator is a semicolon; a comma is what careless senders write.
        for token in values.flat_map(|value| value.split([';', ','])).map(lexis::trim) {
            let asked = match token.to_ascii_lowercase().as_str() {
                "id" => &mut privacy.id,
                "header" => &mut privacy.header,
                "session" => &mut privacy.session,
                "user" => &mut privacy.user,
                "none" => &mut privacy.none,
                "critical" => &mut privacy.critical,
                _ => continue,
            };
            *asked = true;
        }
        privacy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DLG-01: a CSeq number has 31 bits, and its white space may be any.
    #[test]
    fn cseq_numbers_are_bounded() {
        assert_eq!(CSeq::parse("0009   INVITE"), Some(CSeq { number: 9, method: "INVITE" }));
        assert_eq!(CSeq::parse("2147483647 BYE").map(|cseq| cseq.number), Some(2_147_483_647));
        for value in
            ["2147483648 BYE", "4294967296 INVITE", "-1 BYE", "1", "1 ", " INVITE", "1 A B"]
        {
            assert!(CSeq::parse(value).is_none(), "{value}");
        }
    }

    /// FOC-15: all occurrences count, in any case.
    #[test]
    fn privacy_tokens_are_gathered_from_all_occurrences() {
        let privacy = Privacy::gather(["Header; ID", "critical"].into_iter());
        assert_eq!(
            privacy,
            Privacy { header: true, id: true, critical: true, ..Privacy::default() }
        );
        assert!(!Privacy::gather(["header;none", "identity"].into_iter()).id);
    }

    /// LEAVE-11: only a cause in terms of SIP says why a leg ended, and no text can pretend to one.
    #[test]
    fn reasons_tell_their_cause() {
        let cause = |value| Reason::parse(value).and_then(|reason| reason.sip_cause());
        assert_eq!(cause("SIP ;cause=410 ;text=\"Gone\""), Some(410));
        assert_eq!(cause("sip;text=\"a;cause=410\";cause=200"), Some(200));
        assert_eq!(cause("Q.850;cause=16"), None);
        assert_eq!(cause("SIP;cause=4100"), None);
        assert_eq!(cause("SIP"), None);
    }

    #[test]
    fn media_ranges_cover_what_they_name() {
        let covers = |range: &str| MediaType::parse(range).unwrap().covers("application/sdp");
        assert!(covers("*/*") && covers("Application/*;q=0.1") && covers("application/SDP"));
        assert!(!covers("text/*") && !covers("application/sdpx"));
        assert!(MediaType::parse("sdp").is_none());
    }

    #[test]
    fn session_expires_and_subscription_state_carry_their_parameters() {
        assert_eq!(
            SessionExpires::parse("1800 ;Refresher=UAC"),
            Some(SessionExpires { interval: 1800, refresher: Some(Refresher::Uac) })
        );
        assert!(SessionExpires::parse("soon").is_none());
        let state = SubscriptionState::parse("terminated;reason=noresource;retry-after=5").unwrap();
        assert_eq!((state.state, state.reason), ("terminated", Some("noresource")));
        assert_eq!((state.expires, state.retry_after), (None, Some(5)));
        let event = Event::parse("conference; id=7").unwrap();
        assert_eq!((event.package, event.id), ("conference", Some("7")));
        assert_eq!(RAck::parse("776656 1 INVITE").unwrap().cseq.method(), Method::Invite);
    }
}
