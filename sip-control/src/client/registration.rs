//! Registering with a network that knows where its users are (RFC 3261 section 10, 3GPP TS 24.229
//! section 5.1.1).
//!
//! ```text
//!             2xx                      its time is here
//! Asking ------------>  Registered  -------------------->  Asking
//!   |  ^                    |
//!   |  +-- 401, 423, 494    +-- deregister -->  Leaving  --any answer-->  gone
//!   |
//!   +-- 408, 5xx, silence -->  Waiting  --its time is here-->  Asking
//!   +-- anything else -->  gone
//! ```

use std::time::{Duration, Instant};

use super::config::{Config, Registrar};
use crate::message::{Draft, Header, List, Method, NameAddr, Response, SipUri, quote};
use crate::transaction::{ClientId, Tokens};

/// Where a registration is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// The network knows where the user is, for so long.
    Registered {
        /// Until it has to be told again, which happens by itself.
        expires: Duration,
        /// The identities that the user has there, the default one first (RFC 7315 section 4.1).
        identities: Vec<String>,
    },
    /// It does not know for now, and will be told again then.
    Waiting {
        /// When.
        until: Instant,
        /// What it said last; `None` if it said nothing.
        status: Option<u16>,
    },
    /// It does not want to know, and this is its status.
    Refused(u16),
    /// It has been told to forget.
    Gone,
}

/// The network is told again so long before it forgets, where that is less than half the time (TS
/// 24.229 section 5.1.1.4.1).
const LEAD: Duration = Duration::from_secs(600);
/// What a second try waits for at most, and what any does (RFC 5626 section 4.5).
const WAIT_MAX: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(1800));

/// The extension by which both sides agree on protection (RFC 3329).
const AGREEMENT: &str = "sec-agree";

/// One registration of one contact.
#[derive(Debug)]
pub(super) struct Registration {
    registrar: Registrar,
    call_id: String,
    from_tag: String,
    sequence: u32,
    /// Seconds to ask for.
    expires: u32,
    /// Tries in vain, one after the other.
    failures: u32,
    /// What the network can do for our protection, as it said (RFC 3329).
    security: Vec<String>,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// A REGISTER is out.
    Asking(ClientId),
    /// The network knows.
    Registered { refresh_at: Instant },
    /// A new REGISTER goes out then.
    Waiting { until: Instant },
    /// The last REGISTER is out.
    Leaving(ClientId),
    /// Nothing more will happen.
    Gone,
}

/// What follows from the answer to a REGISTER.
#[derive(Debug)]
pub(super) enum Next {
    /// The user is to be told, and requests take this route from now on.
    Tell { standing: Standing, service_route: Option<Vec<String>> },
    /// Another REGISTER is to go out, with what was asked for.
    Again,
}

impl Registration {
    pub(super) fn new(registrar: Registrar, tokens: &mut Tokens) -> Self {
        Self {
            call_id: tokens.token(),
            from_tag: tokens.token(),
            sequence: 0,
            expires: registrar.expires,
            failures: 0,
            security: Vec::new(),
            state: State::Gone,
            registrar,
        }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.state {
            State::Registered { refresh_at } => Some(refresh_at),
            State::Waiting { until } => Some(until),
            State::Asking(_) | State::Leaving(_) | State::Gone => None,
        }
    }

    /// Whether the network knows the contact, or may come to.
    pub(super) fn is_alive(&self) -> bool {
        self.state != State::Gone
    }

    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.state, State::Leaving(_))
    }

    /// Has a request ask every hop, and the other end, to keep to what was agreed for protection (RFC
    /// 3329 section 2.2): whatever it is where there is an agreement, and a REGISTER also where there is
    /// to be one.
    pub(super) fn protect(&self, draft: Draft) -> Draft {
        let asks = draft.method() == Method::Register && !self.registrar.security.is_empty();
        if self.security.is_empty() && !asks {
            return draft;
        }
        let all = self.security.iter();
        let draft = all.fold(draft, |draft, it| draft.header(Header::SecurityVerify, it));
        draft.header(Header::Require, AGREEMENT).header(Header::ProxyRequire, AGREEMENT)
    }

    /// The next REGISTER. The contact is taken away by the last one.
    pub(super) fn draft(&mut self, config: &Config, is_last: bool) -> Draft {
        self.sequence += 1;
        let user = format!("<{}>", config.user);
        let expires = if is_last { 0 } else { self.expires };
        let mut draft = Draft::new(Method::Register, &self.registrar.uri);
        for route in &self.registrar.route {
            draft = draft.header(Header::Route, route);
        }
        draft = draft
            .header(Header::From, &format!("{user};tag={}", self.from_tag))
            .header(Header::To, &user)
            .header(Header::CallId, &self.call_id)
            .header(Header::CSeq, &format!("{} REGISTER", self.sequence))
            .header(Header::Contact, &config.contact_address())
            .header(Header::Expires, &expires.to_string())
            .header(Header::Supported, "path");
        if !self.registrar.security.is_empty() {
            draft = draft.header(Header::SecurityClient, &self.registrar.security.join(", "));
        }
        draft.header(Header::UserAgent, &config.user_agent())
    }

    /// Credentials without a proof, by which the network finds out whose registration it is (TS 24.229
    /// section 5.1.1.2): for the first REGISTER, before anything was asked.
    pub(super) fn introduction(&self, config: &Config) -> Option<String> {
        let who = config.credentials.as_ref()?;
        let home = SipUri::parse(&self.registrar.uri)?.host().to_owned();
        let realm = who.realm.as_deref().unwrap_or(&home);
        Some(format!(
            "Digest username={}, realm={}, nonce=\"\", uri={}, response=\"\"",
            quote(&who.username),
            quote(realm),
            quote(&self.registrar.uri),
        ))
    }

    /// A REGISTER is on its way.
    pub(super) fn sent(&mut self, transaction: ClientId, is_last: bool) {
        self.state = if is_last { State::Leaving(transaction) } else { State::Asking(transaction) };
    }

    /// It goes out once more, with credentials, under that number.
    pub(super) fn follow(&mut self, (old, new): (ClientId, ClientId), sequence: u32) {
        match &mut self.state {
            State::Asking(transaction) | State::Leaving(transaction) if *transaction == old => {
                *transaction = new;
                self.sequence = sequence;
            }
            _ => {}
        }
    }

    /// The final answer to a REGISTER, or none at all.
    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        config: &Config,
        transaction: ClientId,
        answer: Option<&Response>,
        tokens: &mut Tokens,
    ) -> Option<Next> {
        match self.state {
            State::Asking(asking) if asking == transaction => {}
            State::Leaving(leaving) if leaving == transaction => {
                return Some(self.end(Standing::Gone));
            }
            _ => return None,
        }
        let Some(answer) = answer else { return Some(self.wait(now, None, tokens)) };
        match answer.code() {
            ..300 => Some(self.accepted(now, config, answer, tokens)),
            423 => {
                let least = answer.seconds(Header::MinExpires);
                let Some(least) = least.filter(|least| *least > self.expires) else {
                    return Some(self.end(Standing::Refused(423)));
                };
                self.expires = least;
                Some(Next::Again)
            }
            status @ 494 => {
                let is_new = self.security.is_empty() && self.agree(answer);
                Some(if is_new { Next::Again } else { self.end(Standing::Refused(status)) })
            }
            408 | 480 | 500..=599 => Some(self.wait(now, Some(answer), tokens)),
            status => Some(self.end(Standing::Refused(status))),
        }
    }

    /// Takes note of what the network can do for our protection, if one of it is what we can (RFC 3329
    /// section 2.3.1). It comes with a challenge, or with a 494.
    pub(super) fn agree(&mut self, answer: &Response) -> bool {
        let name =
            |value: &str| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let ours: Vec<String> = self.registrar.security.iter().map(|value| name(value)).collect();
        let offered: Vec<&str> = answer.lines(Header::SecurityServer).flat_map(List::new).collect();
        if !offered.iter().any(|value| ours.contains(&name(value))) {
            return false;
        }
        self.security = offered.into_iter().map(str::to_owned).collect();
        true
    }

    fn accepted(
        &mut self,
        now: Instant,
        config: &Config,
        ok: &Response,
        tokens: &mut Tokens,
    ) -> Next {
        let contacts = ok.addresses(Header::Contact).flatten();
        let ours = contacts.into_iter().find(|contact| is_same(contact.uri(), &config.contact));
        let Some(ours) = ours else {
            // It answers for others, and has nothing of us.
            return self.wait(now, Some(ok), tokens);
        };
        let seconds = ours.params().get("expires").and_then(|value| value.parse().ok());
        let seconds = seconds.or_else(|| ok.seconds(Header::Expires)).unwrap_or(self.expires);
        let expires = Duration::from_secs(seconds.into());
        self.failures = 0;
        self.state =
            State::Registered { refresh_at: now + expires.saturating_sub((expires / 2).min(LEAD)) };
        let identities = ok.addresses(Header::PAssociatedUri).flatten();
        let identities = identities.map(|identity: NameAddr<'_>| identity.uri().to_owned());
        let service = ok.list(Header::ServiceRoute).map(str::to_owned);
        let route = self.registrar.route.iter().cloned().chain(service).collect();
        Next::Tell {
            standing: Standing::Registered { expires, identities: identities.collect() },
            service_route: Some(route),
        }
    }

    fn wait(&mut self, now: Instant, answer: Option<&Response>, tokens: &mut Tokens) -> Next {
        let (first, most) = WAIT_MAX;
        let longest = first.saturating_mul(1 << self.failures.min(6)).min(most);
        self.failures += 1;
        // Between half of it and all of it, so that not everybody comes back at once.
        let half = longest / 2;
        let random = Duration::from_millis(tokens.below(half.as_millis() as u32).into());
        let told = answer.and_then(|answer| answer.seconds(Header::RetryAfter));
        let told = told.map(|seconds| Duration::from_secs(seconds.into()));
        let until = now + told.unwrap_or(half + random);
        self.state = State::Waiting { until };
        let status = answer.map(Response::code);
        Next::Tell { standing: Standing::Waiting { until, status }, service_route: None }
    }

    fn end(&mut self, standing: Standing) -> Next {
        self.state = State::Gone;
        Next::Tell { standing, service_route: Some(self.registrar.route.clone()) }
    }
}

fn is_same(one: &str, other: &str) -> bool {
    match (SipUri::parse(one), SipUri::parse(other)) {
        (Some(one), Some(other)) => one.matches(&other),
        _ => false,
    }
}
