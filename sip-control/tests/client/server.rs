//! The client against the control plane of this very crate, with only the cores made up.

use std::net::SocketAddr;
use std::time::Duration;

use mailbox::{Command, Doorbell, Event, Receiver, Sender, ring};
use msrp::UriBuf;
use sip_control::client::{
    CallError, CannotRefer, Conversation, Ending, Failure, Happening, NotReferred, Privacy,
    Referred, Refusal, Session,
};
use sip_control::config::{self, Listen, Users};
use sip_control::focus::Duty;
use sip_control::message::Message;
use sip_control::placement::CoreLink;
use sip_control::server::{Cores, bind};
use sip_control::transport::{Protocol, Target};

use super::dns::Zone;
use super::peer::answer;
use super::running::{run, user};
use super::switch::Switch;

const ROOM: &str = "sip:lobby@chat.localhost";

/// Starts a control plane whose cores send everybody to this switch.
pub async fn focus(
    switch: SocketAddr,
    change: impl FnOnce(&mut config::Config),
) -> [SocketAddr; 2] {
    let any = "127.0.0.1:0".parse().unwrap();
    let listen = Listen { udp: vec![any], tcp: vec![any] };
    let mut config = config::Config { listen, ..config::Config::default() };
    change(&mut config);
    let bound = bind(config).await.unwrap();
    let addresses = [bound.udp_addresses()[0], bound.tcp_addresses()[0]];
    let doorbell = Doorbell::new().unwrap();
    let (commands, to_core) = ring(64, &Doorbell::new().unwrap());
    let (to_focus, events) = ring(64, &doorbell);
    let cores =
        Cores { links: vec![CoreLink { commands, events }], doorbell, listeners: Vec::new() };
    tokio::task::spawn_local(async move {
        let (_serving, duty) = tokio::sync::watch::channel(Duty::Serving);
        bound.serve(cores, duty).await;
    });
    tokio::task::spawn_local(obliging_core(to_core, to_focus, switch));
    addresses
}

/// A core that does whatever it is asked to.
async fn obliging_core(mut commands: Receiver<Command>, events: Sender<Event>, switch: SocketAddr) {
    loop {
        while let Some(command) = commands.pop() {
            let event = match command {
                Command::Install { session, epoch, .. } => {
                    let path = format!("msrp://{switch}/core-{};tcp", session.0);
                    let path = UriBuf::parse(path.as_bytes()).unwrap();
                    Event::Installed { session, epoch, path }
                }
                Command::Activate { session, .. } => Event::Bound { session },
                Command::Remove { session, epoch } => Event::Removed { session, epoch },
                Command::Close { room, epoch } => Event::Closed { room, epoch },
                _ => continue,
            };
            events.send(event).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The next thing but a roster.
async fn next(session: &mut Session) -> Happening {
    loop {
        match session.receive().await.unwrap() {
            Happening::Roster(_) => {}
            other => return other,
        }
    }
}

/// The first roster that has so many connected.
async fn roster_of(session: &mut Session, count: usize) -> Vec<String> {
    loop {
        if let Happening::Roster(roster) = session.receive().await.unwrap() {
            let users = roster.users().iter().filter(|(_, member)| member.is_connected());
            let users: Vec<_> = users.map(|(entity, _)| entity.clone()).collect();
            if users.len() == count {
                return users;
            }
        }
    }
}

pub fn run_local(scenario: impl Future<Output = ()>) {
    let local = tokio::task::LocalSet::new();
    run(local.run_until(scenario));
}

/// JOIN-02, JOIN-07, REJ-04, REJ-10, LEAVE-11: users join by the public URI and meet in one session;
/// whoever rejoins at its identity is dismissed from the leg he had before.
#[test]
fn users_meet_and_come_back() {
    run_local(async {
        let mut switch = Switch::answering("200 OK").await;
        let [udp, tcp] = focus(switch.address, |_| {}).await;
        let alice = user("alice", Target::new(Protocol::Udp, udp), true).await;
        let bob = user("bob", Target::new(Protocol::Tcp, tcp), true).await;

        let mut at_alices = alice.join(ROOM, Privacy::None).await.unwrap();
        switch.next().await;
        let mut at_bobs = bob.join(ROOM, Privacy::None).await.unwrap();
        switch.next().await;
        let known = at_alices.conversation().clone();
        assert!(known.is_focus && known.allow.iter().any(|method| method == "UPDATE"));
        let identity = known.identity.clone().unwrap();
        assert!(identity.starts_with("sip:s-") && identity.ends_with(";gr"), "{identity}");
        assert_eq!(at_bobs.conversation().identity, known.identity);
        assert_eq!((at_alices.peer_fault(), at_bobs.peer_fault()), (None, None));

        at_alices.send("text/plain", "Grüße".as_bytes()).await.unwrap();
        let Happening::Heard(heard) = next(&mut at_bobs).await else { panic!() };
        assert_eq!(&heard.content[..], "Grüße".as_bytes());
        assert_eq!(heard.sender.unwrap().from, "sip:alice@example.com");

        let back = alice.rejoin(known, Privacy::None).await.unwrap();
        assert_eq!(back.conversation().identity, Some(identity));
        let Happening::Ended { ending, .. } = next(&mut at_alices).await else { panic!() };
        assert_eq!(ending, Ending::Dismissed { cause: Some(200) });
        let left = back.leave().await;
        assert_eq!(left.public_uri.as_deref(), Some(ROOM));
        at_bobs.leave().await;

        // With the last user the session went, so there is nothing to rejoin.
        let Err(CallError::Failed(failed)) = alice.rejoin(left, Privacy::None).await else {
            panic!()
        };
        let Failure::Refused(refused) = failed.failure else { panic!() };
        assert_eq!(refused.refusal, Refusal::Forbidden);
        assert_eq!(refused.warnings[0].text, "IM Session does not exist");
    });
}

/// REJ-12, JOIN-09, SUB-04: whoever is in a room sees who comes and goes, and nobody is told anything
/// any more who has left.
#[test]
fn users_see_each_other_come_and_go() {
    run_local(async {
        let switch = Switch::answering("200 OK").await;
        let [udp, tcp] = focus(switch.address, |config| {
            config.timers.notify_min_interval = Duration::from_millis(10);
        })
        .await;
        let alice = user("alice", Target::new(Protocol::Udp, udp), true).await;
        let bob = user("bob", Target::new(Protocol::Tcp, tcp), true).await;
        let mut at_alices = alice.join(ROOM, Privacy::None).await.unwrap();
        assert_eq!(roster_of(&mut at_alices, 1).await, ["sip:alice@example.com"]);
        let mut at_bobs = bob.join(ROOM, Privacy::None).await.unwrap();
        let both = ["sip:alice@example.com", "sip:bob@example.com"];
        assert_eq!(roster_of(&mut at_alices, 2).await, both);
        assert_eq!(roster_of(&mut at_bobs, 2).await, both);
        at_bobs.leave().await;
        assert_eq!(roster_of(&mut at_alices, 1).await, ["sip:alice@example.com"]);
        at_alices.leave().await;
    });
}

/// REJ-14, ID-10: the refusals of a real focus are what they are meant to be.
#[test]
fn a_focus_refuses_in_words_that_are_understood() {
    run_local(async {
        let switch = Switch::answering("200 OK").await;
        let [udp, _] = focus(switch.address, |config| {
            config.any_room.as_mut().unwrap().max_participants = Some(1);
            config.identity_from_from_header = true;
        })
        .await;
        let alice = user("alice", Target::new(Protocol::Udp, udp), true).await;
        let bob = user("bob", Target::new(Protocol::Udp, udp), true).await;
        let session = alice.join(ROOM, Privacy::None).await.unwrap();
        let refusal = |result: Result<_, CallError>| match result {
            Err(CallError::Failed(failed)) => match failed.failure {
                Failure::Refused(refused) => (refused.refusal, refused.status),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        assert_eq!(refusal(bob.join(ROOM, Privacy::None).await), (Refusal::Full, 486));
        let nobody = bob.join(ROOM, Privacy::Anonymous).await;
        assert_eq!(refusal(nobody), (Refusal::Forbidden, 403));
        let elsewhere = bob.join("sip:lobby@elsewhere.example", Privacy::None).await;
        assert_eq!(refusal(elsewhere), (Refusal::NotFound, 404));
        let dead = Conversation {
            identity: Some("sip:s-00000000000000000000000000000000@chat.localhost;gr".to_owned()),
            ..Conversation::default()
        };
        assert_eq!(refusal(bob.rejoin(dead, Privacy::None).await), (Refusal::Forbidden, 403));
        session.leave().await;
    });
}

/// DLG-21, REF-01, REF-03, REF-07: somebody is called in whose device the DNS alone knows, and who asked
/// for it hears what becomes of it; so does who asks for what it may not.
#[test]
fn who_asks_for_somebody_hears_what_becomes_of_it() {
    run_local(async {
        let switch = Switch::answering("200 OK").await;
        let carol = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = carol.local_addr().unwrap().port();
        let zone = Zone::default()
            .server("_sip._udp.sea.test", 1, port, b"\x05phone\x03sea\x04test\0")
            .host("phone.sea.test");
        let name_server = zone.serve().await;
        let [udp, _] = focus(switch.address, |config| {
            config.any_room.as_mut().unwrap().inviters = Users::Everyone;
            config.dns_servers = vec![name_server];
        })
        .await;
        tokio::task::spawn_local(async move {
            let mut buffer = [0; 4096];
            loop {
                let (size, from) = carol.recv_from(&mut buffer).await.unwrap();
                let message = Message::from_datagram(buffer[..size].to_vec().into()).unwrap();
                if message.method_text() == "INVITE" {
                    let no = answer(&message, "603 Decline", "").replace('\n', "\r\n");
                    carol.send_to(no.as_bytes(), from).await.unwrap();
                }
            }
        });
        let alice = user("alice", Target::new(Protocol::Udp, udp), true).await;
        let session = alice.join(ROOM, Privacy::None).await.unwrap();
        let asks = session.referrer();
        assert_eq!(asks.add("sip:carol@sea.test").await, Ok(Referred::Failed(603)));
        assert_eq!(asks.add("sip:carol@nowhere.test").await, Ok(Referred::Failed(503)));
        assert_eq!(asks.expel("sip:eve@example.com").await, Ok(Referred::Refused(403)));
        let nobody = Err(NotReferred::Cannot(CannotRefer::NoTarget));
        assert_eq!(asks.add("carol").await, nobody);
        session.leave().await;
        let gone = Err(NotReferred::Cannot(CannotRefer::NotJoined));
        assert_eq!(asks.add("sip:carol@sea.test").await, gone);
    });
}
