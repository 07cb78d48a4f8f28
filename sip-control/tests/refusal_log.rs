//! What a refusal leaves in the log. Alone in its process, because who is listening to a log is
//! decided for the whole of one.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Instant, SystemTime},
};

use mailbox::{Doorbell, ring};
use sip_control::{
    config::{Config, Rules, Users},
    focus::WallClock,
    message::Message,
    placement::CoreLink,
    server::{Agent, LocalNames},
    transport::{Protocol, Source},
};

const INVITE: &str = "INVITE sip:lobby@chat.localhost SIP/2.0\r\n\
    Via: SIP/2.0/UDP 127.0.0.1:50300;branch=z9hG4bK1\r\n\
    From: <sip:mallory@example.net>;tag=1\r\n\
    To: <sip:lobby@chat.localhost>\r\n\
    Call-ID: call-1@127.0.0.1\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:mallory@127.0.0.1:50300>\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 25\r\n\
    \r\n\
    v=0\r\nm=audio 4000 RTP 0\r\n";

/// A log that is kept for the test to read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// OPS-08, POL-20: one line per refusal, with the check and a reason that says more than the
/// Warning; of the sender and of what it said, nothing.
#[test]
fn a_refusal_is_one_line_without_content() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();

    let rules = Rules { admitted: Users::nobody(), ..Rules::default() };
    let config = Config { any_room: Some(rules), ..Config::default() };
    let names = LocalNames {
        sent_by_udp: "127.0.0.1:5060".to_owned(),
        sent_by_tcp: "127.0.0.1:5060".to_owned(),
        port: None,
    };
    let bell = Doorbell::new().unwrap();
    let (commands, _to_core) = ring(1, &bell);
    let (_to_focus, events) = ring(1, &bell);
    let links = vec![CoreLink { commands, events }];
    let now = Instant::now();
    let clock = WallClock::new(now, SystemTime::UNIX_EPOCH);
    let mut agent = Agent::new(Arc::new(config), names, links, [[1; 32], [2; 32]], clock);
    let source = Source {
        local: "127.0.0.1:5060".parse().unwrap(),
        remote: "127.0.0.1:50300".parse().unwrap(),
        protocol: Protocol::Udp,
        connection: None,
    };
    agent.handle_message(now, source, Message::from_datagram(INVITE.into()).unwrap());
    let answer = agent.poll_transmit(now).unwrap();
    assert!(answer.bytes.starts_with(b"SIP/2.0 403 Forbidden\r\n"));

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    for part in ["call-1@127.0.0.1", "step 2", "status=403", "not_member", "Not allowed to join"] {
        assert!(log.contains(part), "{part} in {log}");
    }
    for part in ["mallory", "m=audio", ":50300"] {
        assert!(!log.contains(part), "{part} in {log}");
    }
}
