//! Two cores on threads of their own, real sockets, and the focus played by hand.

mod order;

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use engine::{Core, CoreConfig, Counters, Limits};
use mailbox::{
    Chatroom, Command, CoreId, CoreSet, Direction, Doorbell, Epoch, Event, FailureCause,
    ParticipantId, PeerMedia, Receiver, RoomId, RoomPolicy, RoomTerms, Route, Sender, SessionId,
};
use msrp::{AcceptTypes, AddressBuf, PathBuf};

use super::{Link, Runtime, mesh};
use crate::io::{
    Backend, Readiness, Uring,
    faulty::{Cut, Faults, Faulty},
    socket::{PATIENCE, listen},
};

/// A test that is not done by then never will be.
const HOPELESS: Duration = Duration::from_secs(30);

const FAULTS: Faults = Faults { short_sends: 30, delays: 30, splits: 50, resets: 0 };

/// Two cores, and the focus' ends of them.
struct Node {
    links: Vec<(Sender<Command>, Receiver<Event>)>,
    bell: Doorbell,
    addresses: Vec<SocketAddr>,
    threads: Vec<JoinHandle<std::io::Result<Counters>>>,
    terms: Arc<RoomTerms>,
    epoch: u64,
}

impl Node {
    fn start<B: Backend<engine::Batch> + 'static>(make: fn(Doorbell) -> B) -> Self {
        Self::start_each(move |_, doorbell| make(doorbell))
    }

    /// With a backend for each core by its number.
    fn start_each<B: Backend<engine::Batch> + 'static>(
        make: impl Fn(usize, Doorbell) -> B + Clone + Send + 'static,
    ) -> Self {
        let bell = Doorbell::new().unwrap();
        let ids: Vec<CoreId> = (0..2).filter_map(CoreId::new).collect();
        let (ends, links) = mesh(&ids, &bell).unwrap();
        let (mut threads, mut addresses) = (Vec::new(), Vec::new());
        for (id, ends) in ids.iter().copied().zip(ends) {
            // A port each, so that a test can say which core accepts.
            let any = "127.0.0.1:0".parse().unwrap();
            let (mut listeners, address) = listen(any, 1, PATIENCE).unwrap();
            addresses.push(address);
            let config = CoreConfig { id, cores: 2, authority: "sw.example.com:2855".to_owned() };
            let make = make.clone();
            threads.push(std::thread::spawn(move || {
                let core = Core::new(config, Limits::default(), [id.index() as u8; 32]);
                let backend = make(id.index(), ends.doorbell.clone());
                Runtime::new(core, backend, ends, listeners.remove(0)).run()
            }));
        }
        let terms = terms(ids[0]);
        let links = links.into_iter().map(|Link { commands, events, .. }| (commands, events));
        Self { links: links.collect(), bell, addresses, threads, terms, epoch: 0 }
    }

    /// What a core says next, slept for as a focus would. How busy it is does not count.
    fn event(&mut self, core: usize) -> Event {
        let hopeless = std::time::Instant::now() + HOPELESS;
        loop {
            self.bell.announce_sleep();
            let next = self.links[core].1.pop();
            if matches!(next, Some(Event::Load { .. })) {
                self.bell.awake();
                continue;
            }
            if let Some(event) = next {
                self.bell.awake();
                return event;
            }
            let mut rung = [rustix::event::PollFd::new(&self.bell, rustix::event::PollFlags::IN)];
            let pause = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
            rustix::event::poll(&mut rung, Some(&pause)).unwrap();
            self.bell.silence();
            assert!(std::time::Instant::now() < hopeless, "core {core} says nothing");
        }
    }

    fn command(&mut self, core: usize, command: impl FnOnce(Epoch) -> Command) {
        self.epoch += 1;
        self.links[core].0.send(command(Epoch(self.epoch))).unwrap();
    }

    /// Installs and activates a session; returns the URI minted for it.
    fn join(&mut self, core: usize, session: u64, address: &str, path: &str) -> String {
        let route = Box::new(route(&self.terms, session, address, path));
        let session = SessionId(session);
        self.command(core, |epoch| Command::Install { session, epoch, route });
        let Event::Installed { path, .. } = self.event(core) else { panic!("not installed") };
        if core != 0 {
            let room = Arc::clone(&self.terms);
            let cores = CoreSet::EMPTY.with(CoreId::new(core).unwrap());
            self.command(0, |epoch| Command::Spread { room, epoch, cores });
            assert!(matches!(self.event(0), Event::Spread { .. }));
        }
        self.command(core, |epoch| Command::Activate { session, epoch });
        String::from_utf8(path.as_bytes().to_vec()).unwrap()
    }

    fn connect(&self, core: usize) -> TcpStream {
        let peer = TcpStream::connect(self.addresses[core]).unwrap();
        peer.set_read_timeout(Some(HOPELESS)).unwrap();
        peer
    }

    /// Drains every core; each says so, and its thread ends.
    fn stop(mut self) {
        for core in 0..2 {
            self.command(core, |_| Command::Drain);
        }
        for core in 0..2 {
            while self.event(core) != Event::Drained {}
        }
        for thread in self.threads {
            thread.join().unwrap().unwrap();
        }
    }
}

fn terms(home: CoreId) -> Arc<RoomTerms> {
    let address = AddressBuf::parse(b"sip:lobby@chat.example.com").unwrap();
    Arc::new(RoomTerms {
        id: RoomId(1),
        addresses: [address].into(),
        home,
        size_max: 10_485_760,
        policy: RoomPolicy::default(),
    })
}

fn route(terms: &Arc<RoomTerms>, session: u64, address: &str, path: &str) -> Route {
    Route {
        room: Arc::clone(terms),
        participant: ParticipantId(session),
        identities: [AddressBuf::parse(address.as_bytes()).unwrap()].into(),
        is_anonymous: false,
        may_whisper: true,
        nickname: None,
        peer: Some(PeerMedia {
            path: PathBuf::parse(path.as_bytes()).unwrap(),
            accept_wrapped: AcceptTypes::parse(b"*").unwrap(),
            size_max: None,
            direction: Direction::SendReceive,
            setup: mailbox::Setup::Passive,
            chatroom: Some(Chatroom::default()),
        }),
    }
}

/// sip/OPS-09: a core whose backend breaks ends, with its sockets. The other serves on, and nobody is
/// sent to the one that is gone.
#[test]
fn a_core_that_breaks_leaves_the_other() {
    let is_broken = Arc::new(AtomicBool::new(false));
    let breaks = Arc::clone(&is_broken);
    let mut node = Node::start_each(move |core, doorbell| {
        let never = Arc::default();
        let is_broken = if core == 1 { Arc::clone(&breaks) } else { never };
        Faulty::new(Uring::<Cut<_>>::new(doorbell).unwrap(), Faults::NONE, 0).until(is_broken)
    });
    let for_alice = node.join(0, 1, "sip:alice@example.org", ALICE);
    let for_bob = node.join(1, 2, "sip:bob@example.org", BOB);
    let (mut alice, mut bob) = (node.connect(0), node.connect(1));
    bind(&mut alice, &for_alice, ALICE);
    bind(&mut bob, &for_bob, BOB);
    is_broken.store(true, Ordering::SeqCst);
    // It has to wake up to find out.
    node.command(1, |epoch| Command::Activate { session: SessionId(2), epoch });
    let broken = node.threads.remove(1).join().unwrap();
    assert!(broken.is_err());
    let end = bob.read(&mut [0; 1]).map_err(|error| error.kind());
    assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
    assert!(TcpStream::connect(node.addresses[1]).is_err(), "nobody listens there any more");

    node.command(0, |_| Command::Forsake { core: CoreId::new(1).unwrap() });
    say(&mut alice, &for_alice, ALICE, "is anybody there?");
    let mut late = node.connect(0);
    let request = format!(
        "MSRP 8cA1late SEND\r\nTo-Path: {for_bob}\r\nFrom-Path: {BOB}\r\nMessage-ID: 1\r\n\
         Byte-Range: 1-0/0\r\n-------8cA1late$\r\n"
    );
    late.write_all(request.as_bytes()).unwrap();
    let answer = read_until(&mut late, "-------8cA1late$\r\n");
    assert!(answer.starts_with("MSRP 8cA1late 481"), "{answer}");
    node.command(0, |_| Command::Drain);
    while node.event(0) != Event::Drained {}
    node.threads.remove(0).join().unwrap().unwrap();
}

const ALICE: &str = "msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp";
const BOB: &str = "msrp://bob.example.org:7654/bO3d9Wm2Zz1C;tcp";

/// Reads until `end` has come.
fn read_until(peer: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let mut octets = [0; 4096];
        let count = peer.read(&mut octets).unwrap();
        assert!(count > 0, "the connection ended after: {text}");
        text.push_str(std::str::from_utf8(&octets[..count]).unwrap());
    }
    text
}

/// Names the session, so that the connection is bound to it.
fn bind(peer: &mut TcpStream, to: &str, from: &str) {
    let request = format!(
        "MSRP 8cA1bind SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: 1\r\n\
         Byte-Range: 1-0/0\r\n-------8cA1bind$\r\n"
    );
    peer.write_all(request.as_bytes()).unwrap();
    let answer = read_until(peer, "-------8cA1bind$\r\n");
    assert!(answer.starts_with("MSRP 8cA1bind 200"), "{answer}");
}

fn say(peer: &mut TcpStream, to: &str, from: &str, words: &str) {
    let wrapped = format!(
        "From: <sip:alice@example.org>\r\nTo: <sip:lobby@chat.example.com>\r\n\r\n\
         Content-Type: text/plain\r\n\r\n{words}"
    );
    let request = format!(
        "MSRP 8cA1says SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: 2\r\n\
         Byte-Range: 1-{len}/{len}\r\nContent-Type: message/cpim\r\n\r\n{wrapped}\r\n\
         -------8cA1says$\r\n",
        len = wrapped.len(),
    );
    peer.write_all(request.as_bytes()).unwrap();
    let answer = read_until(peer, "-------8cA1says$\r\n");
    assert!(answer.starts_with("MSRP 8cA1says 200"), "{answer}");
}

/// Two members on two cores, one of them connected to the wrong one.
fn a_message_crosses_cores<B: Backend<engine::Batch> + 'static>(make: fn(Doorbell) -> B) {
    let mut node = Node::start(make);
    let for_alice = node.join(0, 1, "sip:alice@example.org", ALICE);
    let for_bob = node.join(1, 2, "sip:bob@example.org", BOB);
    let (mut alice, mut bob) = (node.connect(0), node.connect(0));
    bind(&mut alice, &for_alice, ALICE);
    assert_eq!(node.event(0), Event::Bound { session: SessionId(1) });
    bind(&mut bob, &for_bob, BOB);
    assert_eq!(node.event(1), Event::Bound { session: SessionId(2) }, "bob was handed over");
    // Small enough to be one chunk, however it comes in (CHUNK-06).
    let words = "hello ".repeat(100);
    say(&mut alice, &for_alice, ALICE, &words);
    assert!(read_until(&mut bob, &words).contains(BOB));
    drop(bob);
    let (session, cause) = (SessionId(2), FailureCause::ConnectionLost);
    assert_eq!(node.event(1), Event::Failed { session, cause });
    node.stop();
}

/// The answer to what cannot be framed gets there before the connection is closed, however much
/// the peer has sent behind it (WIRE-33).
fn a_refusal_is_read_before_the_end<B: Backend<engine::Batch> + 'static>(make: fn(Doorbell) -> B) {
    let mut node = Node::start(make);
    let for_alice = node.join(0, 1, "sip:alice@example.org", ALICE);
    let mut alice = node.connect(0);
    bind(&mut alice, &for_alice, ALICE);
    let broken = format!(
        "MSRP 8cA1torn SEND\r\nTo-Path: {for_alice}\r\nFrom-Path: {ALICE}\r\n\
         Message-ID: 3\nSubject: torn\r\n"
    );
    alice.write_all(broken.as_bytes()).unwrap();
    alice.write_all(&vec![b'x'; 100_000]).unwrap();
    let mut answer = String::new();
    alice.read_to_string(&mut answer).expect("an end of stream, not a reset");
    assert!(answer.starts_with("MSRP 8cA1torn 400"), "{answer}");
    drop(alice);
    node.stop();
}

/// Connections that say nothing are closed by a drain too, and their peers are told.
fn a_drain_closes_everything<B: Backend<engine::Batch> + 'static>(make: fn(Doorbell) -> B) {
    let node = Node::start(make);
    let mut idle: Vec<TcpStream> = (0..20).map(|at| node.connect(at % 2)).collect();
    let addresses = node.addresses.clone();
    let readers = std::thread::spawn(move || {
        for peer in &mut idle {
            // Reset, if nobody had accepted it yet.
            let end = peer.read(&mut [0; 1]).map_err(|error| error.kind());
            assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
        }
    });
    node.stop();
    readers.join().unwrap();
    for address in addresses {
        assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    }
}

macro_rules! on_every_backend {
    ($($behaviour:ident),* $(,)?) => {
        mod on_uring {
            $(#[test] fn $behaviour() {
                super::$behaviour(|doorbell| super::Uring::new(doorbell).unwrap());
            })*
        }
        mod on_readiness {
            $(#[test] fn $behaviour() {
                super::$behaviour(|doorbell| super::Readiness::new(doorbell).unwrap());
            })*
        }
        mod on_faulty_uring {
            use super::*;
            $(#[test] fn $behaviour() {
                super::$behaviour(|doorbell| {
                    Faulty::new(Uring::<Cut<_>>::new(doorbell).unwrap(), FAULTS, 7)
                });
            })*
        }
    };
}

on_every_backend!(
    a_message_crosses_cores,
    a_refusal_is_read_before_the_end,
    a_drain_closes_everything,
);
