//! What refusals and failures leave in the log.

#[path = "common/captured.rs"]
mod captured;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use captured::Log;
use mailbox::{Command, Doorbell, Event, FailureCause, Receiver, Sender, ring};
use msrp::UriBuf;
use sip_control::{
    config::{Config, Rules, Users},
    focus::WallClock,
    message::Message,
    placement::CoreLink,
    server::{Agent, LocalNames},
    transport::{Protocol, Source},
};

/// An INVITE, but for what it offers.
const INVITE: &str = "INVITE sip:lobby@chat.localhost SIP/2.0\r\n\
    Via: SIP/2.0/UDP 127.0.0.1:50300;branch=z9hG4bK1\r\n\
    From: <sip:mallory@example.net>;tag=1\r\n\
    To: <sip:lobby@chat.localhost>\r\n\
    Call-ID: call-1@127.0.0.1\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:mallory@127.0.0.1:50300>\r\n\
    Content-Type: application/sdp\r\n\
    \r\n";

const AUDIO: &str = "v=0\r\nm=audio 4000 RTP 0\r\n";

const CHAT: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.22\r\ns=-\r\nc=IN IP4 192.0.2.22\r\nt=0 0\r\n\
    m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=setup:active\r\n\
    a=path:msrp://192.0.2.22:9/cX2vB5nM8kL1jH4gFd;tcp\r\n";

/// An agent with one core, which is the other ends of its mailbox.
struct World {
    agent: Agent,
    commands: Receiver<Command>,
    events: Sender<Event>,
    now: Instant,
}

impl World {
    fn new(rules: Rules) -> Self {
        let config = Config { any_room: Some(rules), ..Config::default() };
        let names = LocalNames {
            sent_by_udp: "127.0.0.1:5060".to_owned(),
            sent_by_tcp: "127.0.0.1:5060".to_owned(),
            port: None,
        };
        let bell = Doorbell::new().unwrap();
        let (to_core, commands) = ring(16, &bell);
        let (events, to_focus) = ring(16, &bell);
        let links = vec![CoreLink { commands: to_core, events: to_focus }];
        let now = Instant::now();
        let clock = WallClock::new(now, SystemTime::UNIX_EPOCH);
        let agent = Agent::new(Arc::new(config), names, links, [[1; 32], [2; 32]], clock);
        Self { agent, commands, events, now }
    }

    /// Somebody says this; what is said to them comes back.
    fn hear(&mut self, text: &str) -> String {
        let source = Source {
            local: "127.0.0.1:5060".parse().unwrap(),
            remote: "127.0.0.1:50300".parse().unwrap(),
            protocol: Protocol::Udp,
            connection: None,
        };
        let message = Message::from_datagram(text.to_owned().into()).unwrap();
        self.agent.handle_message(self.now, source, message);
        self.say()
    }

    fn say(&mut self) -> String {
        let mut said = String::new();
        while let Some(sent) = self.agent.poll_transmit(self.now) {
            said += std::str::from_utf8(&sent.bytes).unwrap();
        }
        said
    }

    fn report(&mut self, event: Event) -> String {
        self.events.push(event).unwrap();
        self.agent.handle_events();
        self.say()
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.agent.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.agent.handle_timeout(self.now);
            self.say();
        }
    }
}

/// OPS-08, POL-20: one line per refusal, with the check and a reason that says more than the
/// Warning; of the sender and of what it said, nothing.
#[test]
fn a_refusal_is_one_line_without_content() {
    let (log, _guard) = Log::begin();
    let mut world = World::new(Rules { admitted: Users::nobody(), ..Rules::default() });
    let answer = world.hear(&format!("{INVITE}{AUDIO}"));
    assert!(answer.starts_with("SIP/2.0 403 Forbidden\r\n"));

    let log = log.text();
    assert_eq!(log.lines().count(), 1, "{log}");
    for part in ["call-1@127.0.0.1", "step 2", "status=403", "not_member", "Not allowed to join"] {
        assert!(log.contains(part), "{part} in {log}");
    }
    for part in ["mallory", "m=audio", ":50300"] {
        assert!(!log.contains(part), "{part} in {log}");
    }
}

/// msrp/PEER-15: one line per leg that failed, with one reason, however much later it is over; of whose
/// it was and where, nothing. Who is refused by policy has its line, too.
#[test]
fn a_failed_leg_is_one_line_with_one_reason() {
    for (cause, reason) in [
        (FailureCause::Unbound, "unbound"),
        (FailureCause::ConnectFailed, "connect_failed"),
        (FailureCause::Unresolvable, "unresolvable"),
        (FailureCause::ConnectForbidden, "connect_forbidden"),
        (FailureCause::BindingUnanswered, "binding_unanswered"),
        (FailureCause::ConnectionLost, "connection_lost"),
        (FailureCause::Unframable, "unframable"),
        (FailureCause::RefusedByPeer, "refused_by_peer"),
        (FailureCause::Unresponsive, "unresponsive"),
        (FailureCause::SlowReader, "slow_reader"),
    ] {
        let (log, _guard) = Log::begin();
        let mut world = World::new(Rules::default());
        world.hear(&format!("{INVITE}{CHAT}"));
        let Some(Command::Install { session, epoch, .. }) = world.commands.pop() else { panic!() };
        let path = UriBuf::parse(b"msrp://198.51.100.5:2855/core;tcp").unwrap();
        let ok = world.report(Event::Installed { session, epoch, path });
        assert!(ok.starts_with("SIP/2.0 200 OK\r\n"), "{ok}");
        let to = ok.lines().find(|line| line.starts_with("To: ")).unwrap();
        let ack = INVITE.replace("INVITE", "ACK").replace("To: <sip:lobby@chat.localhost>", to);
        world.hear(&ack.replace("z9hG4bK1", "z9hG4bK2"));
        if cause != FailureCause::Unbound {
            world.report(Event::Bound { session });
        }
        assert_eq!(log.text(), "", "nothing is wrong");
        world.report(Event::Failed { session, cause });
        world.wait(Duration::from_secs(300));

        let log = log.text();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("leg failed")).collect();
        let [line] = lines[..] else { panic!("{log}") };
        assert!(line.ends_with(&format!(" reason=\"{reason}\"")), "{line}");
        assert_eq!(log.matches("reason=").count(), 1, "{log}");
        for part in ["mallory", "cX2vB5nM8kL1jH4gFd", ":50300", "core;tcp"] {
            assert!(!log.contains(part), "{part} in {log}");
        }
    }

    let (log, _guard) = Log::begin();
    let mut world = World::new(Rules { admitted: Users::nobody(), ..Rules::default() });
    world.hear(&format!("{INVITE}{CHAT}"));
    let log = log.text();
    assert!(log.lines().count() == 1 && log.contains("not_member"), "{log}");
}
