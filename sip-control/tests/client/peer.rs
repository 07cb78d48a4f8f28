//! The other side of a client: a network of literal octets, and a clock that only the test moves.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_control::client::{Client, Config, Event, Joined, LegId, Privacy};
use sip_control::message::{Header, Message};
use sip_control::transport::{Protocol, Source, Target};

pub const ROOM: &str = "sip:garden-open@im.example.com";
pub const IDENTITY: &str = "sip:s-91be77d20c5a4e0fa6d3b1c2e4f50617@im.example.com;gr";
pub const FOCUS: &str = "198.51.100.5:5060";

/// What a focus answers in TV-02.
pub const ANSWER: &str = "v=0
o=- 4100000001 1 IN IP4 198.51.100.5
s=-
c=IN IP4 198.51.100.5
t=0 0
m=message 2855 TCP/MSRP *
a=accept-types:message/cpim
a=accept-wrapped-types:text/plain message/imdn+xml
a=setup:passive
a=path:msrp://198.51.100.5:2855/Qf7sX0aM4rJ9dK2yHc;tcp
a=max-size:1048576
a=sendrecv
";

pub fn config() -> Config {
    let contact: SocketAddr = "192.0.2.21:5062".parse().unwrap();
    let mut config = Config::new(
        "sip:alice@example.com",
        contact,
        Target::new(Protocol::Udp, FOCUS.parse().unwrap()),
    );
    config.watches = false;
    config.display_name = Some("Alice".to_owned());
    config.instance = Some("urn:uuid:00000000-0000-4000-8000-000000000001".to_owned());
    "demo/0.1".clone_into(&mut config.product);
    config
}

/// A client, and what it sends.
pub struct Scene {
    pub client: Client,
    pub now: Instant,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: Config) -> Self {
        Self { client: Client::new(config, [7; 32]), now: Instant::now() }
    }

    pub fn join(&mut self) -> LegId {
        self.client.join(self.now, ROOM, Privacy::None).unwrap()
    }

    /// Joins, and lets the focus say yes with these lines on top of the usual.
    pub fn joined(&mut self, lines: &str) -> (LegId, Box<Joined>) {
        let leg = self.join();
        let invite = self.sent();
        self.receive(&ok(&invite, &format!("{}{lines}", contact(IDENTITY))));
        match self.event() {
            Some(Event::Joined { leg: joined_leg, joined }) if joined_leg == leg => {
                assert_eq!(self.sent().method_text(), "ACK");
                (leg, joined)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Gives the client a message; lines end in LF here and in CRLF on the wire.
    pub fn receive(&mut self, text: &str) {
        let message = Message::from_datagram(text.replace('\n', "\r\n").into()).unwrap();
        let source = Source {
            local: "192.0.2.21:5062".parse().unwrap(),
            remote: FOCUS.parse().unwrap(),
            protocol: Protocol::Udp,
            connection: None,
        };
        self.client.handle_message(self.now, source, message);
    }

    /// The next message the client sends. There has to be one.
    pub fn sent(&mut self) -> Message {
        self.sent_to().0
    }

    pub fn sent_to(&mut self) -> (Message, SocketAddr) {
        let transmit = self.client.poll_transmit().expect("a message");
        let message = Message::from_datagram(transmit.bytes).unwrap();
        assert_eq!(message.fault(), None);
        (message, transmit.target.remote)
    }

    pub fn assert_silent(&mut self) {
        assert!(self.client.poll_transmit().is_none_or(|transmit| {
            panic!("{}", String::from_utf8_lossy(&transmit.bytes));
        }));
    }

    pub fn event(&mut self) -> Option<Event> {
        self.client.poll_event()
    }

    /// Lets time pass, and does what falls due on the way, each when it is due.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.client.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now);
        }
        self.now = until;
    }
}

pub fn contact(uri: &str) -> String {
    format!("Contact: <{uri}>;isfocus;automata;message;+g.oma.sip-im\n")
}

/// The fields that an answer repeats, with a To tag.
fn repeated(request: &Message, tag: &str) -> String {
    let to = request.header(Header::To).unwrap();
    let tag =
        if to.contains(";tag=") || tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    format!(
        "Via: {}\nFrom: {}\nTo: {to}{tag}\nCall-ID: {}\nCSeq: {}\n",
        request.header(Header::Via).unwrap(),
        request.header(Header::From).unwrap(),
        request.header(Header::CallId).unwrap(),
        request.header(Header::CSeq).unwrap(),
    )
}

/// A 200 to an INVITE, with the usual answer.
pub fn ok(invite: &Message, lines: &str) -> String {
    ok_with(invite, "f9c1", lines, ANSWER)
}

pub fn ok_with(invite: &Message, tag: &str, lines: &str, answer: &str) -> String {
    format!(
        "SIP/2.0 200 OK\n{}{lines}Content-Type: application/sdp\nContent-Length: {}\n\n{answer}",
        repeated(invite, tag),
        answer.replace('\n', "\r\n").len(),
    )
}

/// Any answer without a body.
pub fn answer(request: &Message, status: &str, lines: &str) -> String {
    format!("SIP/2.0 {status}\n{}{lines}Content-Length: 0\n\n", repeated(request, "f9c1"))
}

/// A request of the focus in the dialog that its 200 to `invite` made.
pub fn request(invite: &Message, method: &str, sequence: u32, lines: &str, body: &str) -> String {
    format!(
        "{method} sip:alice@192.0.2.21:5062 SIP/2.0\n\
         Via: SIP/2.0/UDP 198.51.100.5:5060;branch=z9hG4bK-{method}-{sequence};rport\n\
         Max-Forwards: 70\n\
         From: {};tag=f9c1\nTo: {}\nCall-ID: {}\nCSeq: {sequence} {method}\n{lines}\
         Content-Length: {}\n\n{body}",
        invite.header(Header::To).unwrap(),
        invite.header(Header::From).unwrap(),
        invite.header(Header::CallId).unwrap(),
        body.replace('\n', "\r\n").len(),
    )
}

pub fn text(message: &Message) -> String {
    String::from_utf8(message.as_bytes().to_vec()).unwrap()
}

pub fn body(message: &Message) -> String {
    String::from_utf8(message.body().to_vec()).unwrap()
}

/// The value of an SDP attribute of the body.
pub fn attribute(message: &Message, name: &str) -> String {
    let body = body(message);
    let prefix = format!("a={name}:");
    let mut lines = body.lines().filter_map(|line| line.strip_prefix(&prefix));
    let value = lines.next().unwrap_or_else(|| panic!("no {name} in {body}"));
    assert_eq!(lines.next(), None, "{body}");
    value.to_owned()
}
