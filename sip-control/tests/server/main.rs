//! The control plane as it runs: real sockets on loopback, with only the cores made up.

mod peer;

use std::{future::Future, net::SocketAddr, time::Duration};

use mailbox::{Command, Doorbell, Event, Receiver, Sender, ring};
use msrp::UriBuf;
use sip_control::{
    config::{Config, Listen},
    focus::{Counters, Duty},
    placement::CoreLink,
    server::{Cores, bind},
};
use tokio::sync::watch;

use peer::{OFFER, Peer, connected};

const ROOM: &str = "sip:lobby@chat.localhost";

/// A control plane to talk to, and the way to stop it.
struct Server {
    udp: SocketAddr,
    tcp: SocketAddr,
    duty: watch::Sender<Duty>,
}

/// Runs a scenario against the built-in configuration, on ports that the host chooses, and yields
/// what was counted. The control plane stops when the scenario says so.
fn run<F: Future<Output = ()>>(scenario: impl FnOnce(Server) -> F) -> Counters {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let any = "127.0.0.1:0".parse().unwrap();
        let listen = Listen { udp: vec![any], tcp: vec![any] };
        let mut config = Config { listen, ..Config::default() };
        config.timers.notify_min_interval = Duration::from_millis(10);
        // So that every document tells who is there.
        config.partial_rosters = false;
        config.timers.shutdown = Duration::from_millis(500);
        let bound = bind(config).await.unwrap();
        let (tell, duty) = watch::channel(Duty::Serving);
        let (udp, tcp) = (bound.udp_addresses()[0], bound.tcp_addresses()[0]);
        let server = Server { udp, tcp, duty: tell };
        let doorbell = Doorbell::new().unwrap();
        let (commands, to_core) = ring(64, &Doorbell::new().unwrap());
        let (to_focus, events) = ring(64, &doorbell);
        let cores =
            Cores { links: vec![CoreLink { commands, events }], doorbell, listeners: Vec::new() };
        let served = bound.serve(cores, duty);
        tokio::select! {
            (counters, ()) = async { tokio::join!(served, scenario(server)) } => counters,
            () = obliging_core(to_core, to_focus) => unreachable!("it never ends"),
        }
    })
}

/// A core that does whatever it is asked to.
async fn obliging_core(mut commands: Receiver<Command>, events: Sender<Event>) {
    loop {
        while let Some(command) = commands.pop() {
            let event = match command {
                Command::Install { session, epoch, .. } => {
                    let path = format!("msrp://127.0.0.1:2855/core-{};tcp", session.0);
                    let path = UriBuf::parse(path.as_bytes()).unwrap();
                    Event::Installed { session, epoch, path }
                }
                Command::Remove { session, epoch } => Event::Removed { session, epoch },
                Command::Close { room, epoch } => Event::Closed { room, epoch },
                Command::Drain => Event::Drained,
                _ => continue,
            };
            events.send(event).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// PUB-03, LEAVE-02, FOC-34: three users join over UDP and TCP, one leaves, and those who stay are
/// told.
#[test]
fn three_users_meet_and_one_leaves() {
    let counters = run(async |server| {
        let mut alice = Peer::tcp("alice", server.tcp).await;
        let mut bob = Peer::udp("bob", server.udp).await;
        let mut carol = Peer::udp("carol", server.udp).await;

        alice.join(ROOM).await;
        alice.subscribe().await;
        assert_eq!(connected(&alice.notified().await), ["sip:alice@example.org"]);
        bob.join(ROOM).await;
        assert_eq!(alice.notified_of(2).await, ["sip:alice@example.org", "sip:bob@example.org"]);
        assert_eq!(bob.identity(), alice.identity(), "one session");
        bob.subscribe().await;
        assert_eq!(connected(&bob.notified().await).len(), 2);
        carol.join(ROOM).await;
        assert_eq!(bob.notified_of(3).await.len(), 3);

        alice.bye().await;
        assert_eq!(bob.notified_of(2).await, ["sip:bob@example.org", "sip:carol@example.org"]);
        server.duty.send_replace(Duty::Stopping);
        let reason = bob.ended().await;
        assert!(reason.contains("cause=503"), "{reason}");
        carol.ended().await;
    });
    assert_eq!((counters.joins, counters.leaves), (3, 1));
    assert_eq!(counters.farewells.get("stopping"), Some(&2));
}

/// msrp/CEMA-09: names in an offer are looked up where this host looks up names.
#[test]
fn names_are_looked_up_by_the_host() {
    let named = OFFER.replace("a=setup:active\r\n", "").replace("m=message 9", "m=message 7654");
    let named = named.replace("127.0.0.1:9/", "localhost:7654/");
    run(async |server| {
        let mut alice = Peer::udp("alice", server.udp).await;
        alice.join_with(ROOM, &named).await;
        let mut bob = Peer::udp("bob", server.udp).await;
        let elsewhere = named.replace("c=IN IP4 127.0.0.1", "c=IN IP4 127.0.0.2");
        let warning = bob.refused(ROOM, &elsewhere).await;
        assert!(warning.ends_with("\"Path and connection address differ\""), "{warning}");
        server.duty.send_replace(Duty::Stopping);
        alice.ended().await;
    });
}

/// OPS-02: a peer that does not answer cannot keep the process from stopping.
#[test]
fn stopping_does_not_wait_for_the_silent() {
    let counters = run(async |server| {
        let mut alice = Peer::udp("alice", server.udp).await;
        alice.join(ROOM).await;
        server.duty.send_replace(Duty::Stopping);
    });
    assert_eq!(counters.farewells.get("stopping"), Some(&1));
}
