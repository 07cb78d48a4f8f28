//! Stage A, as far as the message alone decides it (DLG-01, steps 1 to 3).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::ops::Deref;

use super::address::NameAddr;
use super::build::Reply;
use super::fault::Fault;
use super::fields::{CSeq, Event, MediaType, RAck, SessionExpires, SubscriptionState};
use super::header::Header;
use super::lexis;
use super::limits;
use super::method::Method;
use super::read::Message;
use super::via::Via;

/// A request that is sound as far as the codec can tell. Its Via values, From, To, Call-ID and
/// CSeq are there and parse, as do all fields it has that this stack has a view for.
#[derive(Clone, Debug)]
pub struct Request(Message);

/// A response whose Via values, From, To, Call-ID and CSeq are there and parse. Of its other fields
/// nothing is promised: who asked is better served by an answer with a fault than by none.
#[derive(Clone, Debug)]
pub struct Response(Message);

/// What becomes of a message.
#[derive(Clone, Debug)]
pub enum Admission {
    /// To the transactions.
    Request(Request),
    /// To the transactions.
    Response(Response),
    /// The request is refused without a transaction: send the answer to where it came from.
    Refused {
        /// Why.
        fault: Fault,
        /// The answer.
        answer: Message,
    },
    /// Nothing can or may be answered: a response, an ACK, or a request that does not say to whom.
    Dropped(Fault),
}

/// Checks a message as it came from `remote`. Faults are weighed in the order of DLG-01: framing
/// and sizes, start line and version, header fields.
pub fn admit(message: Message, remote: SocketAddr) -> Admission {
    let fault = match message.status() {
        Some(_) => {
            message.fault().filter(|fault| !fault.is_of_fields()).or_else(|| mandatory(&message))
        }
        None => message.fault().or_else(|| inspect(&message)),
    };
    let Some(fault) = fault else {
        return match message.status() {
            Some(_) => Admission::Response(Response(message)),
            None => Admission::Request(Request(message)),
        };
    };
    if !is_answerable(&message, fault) {
        return Admission::Dropped(fault);
    }
    let answer = Reply::new(fault.status()).complete(&message, remote, &stateless_tag(&message));
    Admission::Refused { fault, answer }
}

/// Whether a faulty message says enough to be answered. Only the Via is needed to send an answer;
/// a message too large is answered only when all is there that a client matches by (OPS-04).
fn is_answerable(message: &Message, fault: Fault) -> bool {
    let says_whither = message
        .header(Header::Via)
        .is_some_and(|via| via.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/")));
    says_whither
        && message.status().is_none()
        && message.method() != Method::Ack
        && (fault.status() != 513 || message.names_transaction())
}

/// The To tag of an answer without a transaction: the same for each retransmission of the request
/// (RFC 3261 section 8.2.7).
fn stateless_tag(message: &Message) -> String {
    let mut hasher = DefaultHasher::new();
    for header in [Header::Via, Header::From, Header::CallId, Header::CSeq] {
        message.header(header).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

fn inspect(message: &Message) -> Option<Fault> {
    mandatory(message).or_else(|| repeated(message)).or_else(|| optional(message)).or_else(|| {
        [
            (Header::Via, limits::VIAS_MAX),
            (Header::Route, limits::ROUTES_MAX),
            (Header::RecordRoute, limits::ROUTES_MAX),
        ]
        .into_iter()
        .find(|&(header, max)| message.list(header).nth(max).is_some())
        .map(|(header, _)| Fault::TooMany(header))
    })
}

fn mandatory(message: &Message) -> Option<Fault> {
    let is_via_sound =
        |values: &str| lexis::List::new(values).all(|value| Via::parse(value).is_some());
    if message.header(Header::Via).is_none() {
        return Some(Fault::Missing(Header::Via));
    }
    if !message.lines(Header::Via).all(is_via_sound) {
        return Some(Fault::Malformed(Header::Via));
    }
    for header in [Header::From, Header::To, Header::CallId, Header::CSeq] {
        let Some(value) = message.header(header) else {
            return Some(Fault::Missing(header));
        };
        let is_sound = match header {
            Header::CallId => lexis::is_call_id(value),
            Header::CSeq => CSeq::parse(value).is_some(),
            _ => NameAddr::parse(value)
                .is_some_and(|address| address.params().get("tag").is_none_or(lexis::is_token)),
        };
        if !is_sound {
            return Some(Fault::Malformed(header));
        }
    }
    let is_mismatch = message.is_request()
        && message.cseq().is_none_or(|cseq| cseq.method != message.method_text());
    is_mismatch.then_some(Fault::MethodMismatch)
}

fn repeated(message: &Message) -> Option<Fault> {
    // At most LINES_MAX lines, and few distinct single fields: bounded without a table.
    message.headers().enumerate().find_map(|(nth, header)| {
        let is_again = header.is_single() && message.headers().take(nth).any(|h| h == header);
        is_again.then_some(Fault::Repeated(header))
    })
}

/// Fields that may be absent, but if they are there must parse.
fn optional(message: &Message) -> Option<Fault> {
    let is_seconds = |value: &str| lexis::seconds(value).is_some();
    message
        .fields()
        .find(|&(header, value)| !match header {
            Header::MaxForwards => lexis::number(value, 255).is_some(),
            Header::Contact if value == "*" => true,
            Header::Contact | Header::Route | Header::RecordRoute | Header::PAssertedIdentity => {
                lexis::List::new(value).all(|value| NameAddr::parse(value).is_some())
            }
            Header::ReferTo | Header::ReferredBy => NameAddr::parse(value).is_some(),
            Header::ContentType => MediaType::parse(value).is_some(),
            Header::Expires | Header::MinExpires => is_seconds(value),
            Header::MinSe => {
                lexis::Params::split(value).is_some_and(|(value, _)| is_seconds(value))
            }
            Header::SessionExpires => SessionExpires::parse(value).is_some(),
            Header::Event => Event::parse(value).is_some(),
            Header::SubscriptionState => SubscriptionState::parse(value).is_some(),
            Header::RAck => RAck::parse(value).is_some(),
            _ => true,
        })
        .map(|(header, _)| Fault::Malformed(header))
}

impl Deref for Request {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.0
    }
}

impl Deref for Response {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.0
    }
}

impl Request {
    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        self.header(Header::CallId).unwrap_or_default()
    }

    /// The tag of From. A client that follows RFC 2543 may have none.
    pub fn from_tag(&self) -> Option<&str> {
        self.from().and_then(|from| from.tag())
    }

    /// The tag of To: present in requests inside a dialog.
    pub fn to_tag(&self) -> Option<&str> {
        self.to().and_then(|to| to.tag())
    }

    /// The number of CSeq.
    pub fn sequence(&self) -> u32 {
        self.cseq().map_or(0, |cseq| cseq.number)
    }
}

impl Response {
    /// The status code.
    pub fn code(&self) -> u16 {
        self.status().unwrap_or_default()
    }

    /// The method of the request that is answered.
    pub fn cseq_method(&self) -> Method {
        self.cseq().map_or(Method::Other, |cseq| cseq.method())
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        self.header(Header::CallId).unwrap_or_default()
    }

    /// The tag of From, which is the client's.
    pub fn from_tag(&self) -> Option<&str> {
        self.from().and_then(|from| from.tag())
    }

    /// The tag of To, which is the server's.
    pub fn to_tag(&self) -> Option<&str> {
        self.to().and_then(|to| to.tag())
    }

    /// The number of CSeq.
    pub fn sequence(&self) -> u32 {
        self.cseq().map_or(0, |cseq| cseq.number)
    }
}
