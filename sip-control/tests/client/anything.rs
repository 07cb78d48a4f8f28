//! Whatever happens, in whatever order: nothing panics, and nothing is left when all is over.

use std::time::Duration;

use proptest::prelude::*;
use sip_control::client::{Config, Credentials, Event, LegId, MediaEvent, Privacy};
use sip_control::message::Message;

use super::media::session_with;
use super::peer::*;

/// What may happen next. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Join,
    Rejoin,
    RejoinSoon,
    Leave(usize),
    Abandon(usize),
    Answer { request: usize, status: usize, tag: bool },
    Ask { of: usize, method: usize, is_late: bool, document: usize },
    Lose(usize),
    Pass(u64),
}

const ANSWERS: [(&str, &str); 19] = [
    ("200 OK", "Expires: 3600\n"),
    ("100 Trying", ""),
    ("183 Session Progress", ""),
    ("183 Session Progress", "Require: 100rel\nRSeq: 1\n"),
    ("180 Ringing", "Require: 100rel\nRSeq: 2\n"),
    ("200 OK", "Session-Expires: 90;refresher=uac\nAllow: UPDATE\nExpires: 60\n"),
    ("200 OK", "Session-Expires: 90;refresher=uas\n"),
    ("202 Accepted", "Expires: 0\n"),
    ("302 Moved", "Contact: <sip:elsewhere@203.0.113.5>\n"),
    ("401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", stale=true\n"),
    ("407 Proxy", "Proxy-Authenticate: Digest realm=\"p\", nonce=\"n\", qop=\"auth\"\n"),
    ("403 Forbidden", "Warning: 399 f \"127 Service not authorised\"\n"),
    ("408 Request Timeout", ""),
    ("422 Too Small", "Min-SE: 2000\n"),
    ("423 Too Brief", "Min-Expires: 5000\n"),
    ("481 No Such Dialog", ""),
    ("487 Request Terminated", ""),
    ("491 Request Pending", ""),
    ("503 Unavailable", "Retry-After: 3\n"),
];

const METHODS: [&str; 10] = [
    "INVITE",
    "ACK",
    "BYE",
    "NOTIFY",
    "OPTIONS",
    "UPDATE",
    "CANCEL",
    "SUBSCRIBE",
    "NOTIFY",
    "NOTIFY",
];

const DOCUMENTS: [&str; 5] = [
    "",
    "<conference-info",
    "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" version=\"1\"/>",
    "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" version=\"9\" \
     state=\"partial\"/>",
    "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" version=\"9\" \
     state=\"deleted\"/>",
];

fn step() -> impl Strategy<Value = Step> {
    let which = 0..64_usize;
    prop_oneof![
        1 => Just(Step::Join),
        1 => Just(Step::Rejoin),
        1 => Just(Step::RejoinSoon),
        1 => which.clone().prop_map(Step::Leave),
        1 => which.clone().prop_map(Step::Abandon),
        10 => (0..4_usize, 0..ANSWERS.len(), prop::bool::weighted(0.9))
            .prop_map(|(request, status, tag)| Step::Answer { request, status, tag }),
        10 => (0..4_usize).prop_map(|request| Step::Answer { request, status: 0, tag: true }),
        10 => (0..3_usize, 0..METHODS.len(), prop::bool::weighted(0.1), 0..DOCUMENTS.len()).prop_map(
            |(of, method, is_late, document)| Step::Ask { of, method, is_late, document }
        ),
        1 => which.prop_map(Step::Lose),
        2 => (1..100_000_u64).prop_map(Step::Pass),
    ]
}

/// A client, what it has sent, and the legs that are not over.
struct Play {
    scene: Scene,
    sent: Vec<Message>,
    tickets: Vec<sip_control::transport::Ticket>,
    legs: Vec<LegId>,
    /// Requests of the focus so far.
    asked: u32,
}

impl Play {
    fn act(&mut self, step: &Step) {
        let conversation = sip_control::client::Conversation {
            identity: Some(IDENTITY.to_owned()),
            ..sip_control::client::Conversation::of_public(ROOM)
        };
        let scene = &mut self.scene;
        let (client, now) = (&mut scene.client, scene.now);
        match *step {
            Step::Join => self.legs.extend(client.join(now, ROOM, Privacy::None)),
            Step::Rejoin => self.legs.extend(client.rejoin(now, conversation, Privacy::None)),
            Step::RejoinSoon => {
                self.legs.extend(client.rejoin_soon(now, conversation, Privacy::Anonymous));
            }
            Step::Leave(leg) => drop(pick(&self.legs, leg).map(|leg| client.leave(now, *leg))),
            Step::Abandon(leg) => {
                if let Some(&leg) = pick(&self.legs, leg) {
                    client.abandon(leg);
                    self.legs.retain(|other| *other != leg);
                }
            }
            Step::Answer { request, status, tag } => {
                if let Some(request) = pick(&self.sent, request) {
                    let (status, lines) = ANSWERS[status];
                    let lines = format!("Contact: <{IDENTITY}>\n{lines}");
                    let tag = if tag { "f9c1" } else { "f9c2" };
                    let text = if status.starts_with("200") && request.method_text() == "INVITE" {
                        ok_with(request, tag, &lines, ANSWER)
                    } else {
                        answer(request, status, &lines)
                    };
                    scene.receive(&text);
                }
            }
            Step::Ask { of, method, is_late, document } => {
                self.asked += 1;
                let method = METHODS[method];
                let maker = if method == "NOTIFY" { "SUBSCRIBE" } else { "INVITE" };
                let makers: Vec<_> =
                    self.sent.iter().filter(|sent| sent.method_text() == maker).collect();
                if let Some(of) = pick(&makers, of) {
                    let mut lines = format!("Contact: <{IDENTITY}>\n");
                    let mut body = "";
                    if method == "NOTIFY" {
                        lines += "Event: conference\nSubscription-State: active\n\
                                  Content-Type: application/conference-info+xml\n";
                        body = DOCUMENTS[document];
                    }
                    let sequence = if is_late { 1 } else { self.asked };
                    let text = request(of, method, sequence, &lines, body);
                    let own = format!("branch=z9hG4bK-{}-", self.asked);
                    scene.receive(&text.replace("branch=z9hG4bK-", &own));
                }
            }
            Step::Lose(ticket) => {
                if let Some(&ticket) = pick(&self.tickets, ticket) {
                    client.handle_undelivered(now, ticket);
                }
            }
            Step::Pass(milliseconds) => scene.pass(Duration::from_millis(milliseconds)),
        }
        self.drain();
    }

    fn drain(&mut self) {
        let client = &mut self.scene.client;
        while let Some(transmit) = client.poll_transmit() {
            let message = Message::from_datagram(transmit.bytes).unwrap();
            assert_eq!(message.fault(), None);
            self.tickets.extend(transmit.ticket);
            if message.is_request() && message.method_text() != "ACK" {
                self.sent.push(message);
            }
        }
        while let Some(event) = client.poll_event() {
            if let Event::Failed { leg, .. } | Event::Ended { leg, .. } = event {
                assert!(self.legs.contains(&leg), "it was over before");
                self.legs.retain(|other| *other != leg);
            }
        }
        assert_eq!(client.legs(), self.legs.len());
    }
}

fn pick<T>(among: &[T], number: usize) -> Option<&T> {
    (!among.is_empty()).then(|| &among[among.len() - 1 - number % among.len()])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// DLG-06, JOIN-11, SUB-04: each leg ends once, and when all have been left nothing remains: no
    /// dialog, no subscription, no timer.
    #[test]
    fn nothing_is_left_when_all_is_over(steps in prop::collection::vec(step(), 1..80)) {
        let who = Credentials::new("u", "p");
        let config = Config { watches: true, credentials: Some(who), ..config() };
        let scene = Scene::with(config);
        let (sent, tickets, legs) = (Vec::new(), Vec::new(), Vec::new());
        let mut play = Play { scene, sent, tickets, legs, asked: 0 };
        let yes = Step::Answer { request: 0, status: 0, tag: true };
        let tell = Step::Ask { of: 0, method: 3, is_late: false, document: 2 };
        for step in [Step::Join, yes.clone(), yes, tell].iter().chain(&steps) {
            play.act(step);
        }
        for leg in play.legs.clone() {
            play.scene.client.leave(play.scene.now, leg);
            play.drain();
        }
        for _ in 0..20 {
            play.act(&Step::Pass(60_000));
        }
        prop_assert!(play.legs.is_empty());
        prop_assert!(play.scene.client.is_idle());
        prop_assert_eq!(play.scene.client.poll_timeout(), None);
    }

    /// Octets of a hostile switch can end a session, and do nothing worse.
    #[test]
    fn any_octets_may_come(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..64),
                Just(b"MSRP abcd SEND\r\nTo-Path: msrp://a:1/b;tcp\r\n".to_vec()),
                Just(b"From-Path: msrp://a:1/b;tcp\r\nMessage-ID: x\r\n".to_vec()),
                Just(b"Content-Type: message/cpim\r\n\r\n".to_vec()),
                Just(b"\r\n-------abcd+\r\n".to_vec()),
                Just(b"MSRP abcd 200 OK\r\n-------abcd$\r\n".to_vec()),
            ],
            0..20,
        )
    ) {
        let (mut session, _, now) = session_with(&config(), "", "");
        session.handle_connected(now);
        let mut is_lost = false;
        for piece in pieces {
            session.handle_received(&piece);
            while let Some(event) = session.poll_event() {
                prop_assert!(!is_lost, "{event:?} after the end");
                is_lost = matches!(event, MediaEvent::Lost);
            }
        }
    }
}
