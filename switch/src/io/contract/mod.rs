//! What every backend promises, run on each of them and on each of them behind a faulty wrapper.

mod connecting;

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::fd::OwnedFd,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use mailbox::Doorbell;
use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

use self::connecting::{
    a_connect_may_be_lost_at_once, a_refused_connect_is_told_as_an_end,
    close_ends_a_connect_under_way, connects_to_a_peer,
};
use super::{
    Backend, Completion, Payload, Readiness, SLICES_MAX, Token, Uring,
    faulty::{Cut, Faults, Faulty},
    socket::{PATIENCE, listen, outgoing},
};

/// A test that is not done by then never will be.
const HOPELESS: Duration = Duration::from_secs(30);

/// A payload of slices.
#[derive(Debug, Default)]
pub struct Slices(Vec<Vec<u8>>);

impl Payload for Slices {
    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice).filter(|slice| !slice.is_empty()).take(SLICES_MAX)
    }
}

impl Slices {
    fn one(octets: &[u8]) -> Self {
        Self(vec![octets.to_vec()])
    }

    fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// What is left when the kernel has taken `sent` octets.
    fn after(self, sent: usize) -> Self {
        Self::one(&self.0.concat()[sent..])
    }
}

/// All that was said of one connection.
#[derive(Default)]
struct Seen {
    connected: bool,
    received: Vec<u8>,
    disconnected: bool,
    sent: Vec<(Slices, Result<usize, Errno>)>,
    sends_under_way: usize,
    detached: Option<OwnedFd>,
    closed: bool,
}

/// A backend, and what it said.
struct Host<B> {
    backend: B,
    doorbell: Doorbell,
    address: SocketAddr,
    accepted: Vec<OwnedFd>,
    /// Whether the host ran short of descriptors.
    stopped: bool,
    seen: BTreeMap<Token, Seen>,
    /// Tenancy of each place, and whether it is taken.
    places: Vec<(u32, bool)>,
}

impl<B: Backend<Slices>> Host<B> {
    fn new(make: impl FnOnce(Doorbell) -> B) -> Self {
        let doorbell = Doorbell::new().unwrap();
        let mut backend = make(doorbell.clone());
        let any = "127.0.0.1:0".parse().unwrap();
        let (mut listeners, address) = listen(any, 1, PATIENCE).unwrap();
        backend.listen(listeners.remove(0));
        let (accepted, seen, places) = Default::default();
        Self { backend, doorbell, address, accepted, stopped: false, seen, places }
    }

    fn turn(&mut self, deadline: Option<Instant>) {
        let Self { backend, accepted, stopped, seen, places, .. } = self;
        let mut of = |token: Token, seen: &mut BTreeMap<Token, Seen>, end: bool| {
            let one = seen.get_mut(&token).expect("a token that was attached");
            assert!(!one.closed && one.detached.is_none(), "nothing after the end");
            if end {
                assert_eq!(one.sends_under_way, 0, "every send is answered before the end");
                places[token.place()].1 = false;
            }
        };
        backend
            .wait(deadline, &mut |completion| match completion {
                Completion::Accepted { socket } => accepted.push(socket),
                Completion::AcceptStopped => *stopped = true,
                Completion::Connected { token } => {
                    of(token, seen, false);
                    let seen = seen.get_mut(&token).unwrap();
                    assert!(!seen.disconnected && seen.received.is_empty(), "first of all");
                    assert!(!std::mem::replace(&mut seen.connected, true), "said once");
                }
                Completion::Received { token, bytes } => {
                    of(token, seen, false);
                    assert!(!bytes.is_empty());
                    let seen = seen.get_mut(&token).unwrap();
                    assert!(!seen.disconnected, "octets after the end of the stream");
                    seen.received.extend_from_slice(bytes);
                }
                Completion::Disconnected { token } => {
                    of(token, seen, false);
                    let seen = seen.get_mut(&token).unwrap();
                    assert!(!std::mem::replace(&mut seen.disconnected, true), "said once");
                }
                Completion::Sent { token, payload, result } => {
                    of(token, seen, false);
                    let seen = seen.get_mut(&token).unwrap();
                    seen.sends_under_way -= 1;
                    seen.sent.push((payload, result));
                }
                Completion::Detached { token, socket } => {
                    of(token, seen, true);
                    seen.get_mut(&token).unwrap().detached = Some(socket);
                }
                Completion::Closed { token } => {
                    of(token, seen, true);
                    seen.get_mut(&token).unwrap().closed = true;
                }
            })
            .expect("the backend lives");
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let hopeless = Instant::now() + HOPELESS;
        while !done(self) {
            assert!(Instant::now() < hopeless, "still waiting for: {what}");
            self.turn(Some(Instant::now() + Duration::from_millis(20)));
        }
    }

    fn attach(&mut self, socket: OwnedFd) -> Token {
        let token = self.token();
        self.backend.attach(token, socket);
        token
    }

    /// Begins to connect to somebody.
    fn reach(&mut self, address: SocketAddr) -> Token {
        let token = self.token();
        self.backend.connect(token, outgoing(address).unwrap(), address);
        token
    }

    fn token(&mut self) -> Token {
        let vacant = self.places.iter().position(|(_, taken)| !taken);
        let place = vacant.unwrap_or_else(|| {
            self.places.push((0, false));
            self.places.len() - 1
        });
        let (tenancy, taken) = &mut self.places[place];
        (*tenancy, *taken) = (*tenancy + 1, true);
        let token = Token::new(place, *tenancy);
        self.seen.insert(token, Seen::default());
        token
    }

    /// A peer, and the connection to it.
    fn connect(&mut self) -> (TcpStream, Token) {
        let peer = TcpStream::connect(self.address).unwrap();
        self.until("the connection", |host| !host.accepted.is_empty());
        let socket = self.accepted.remove(0);
        let token = self.attach(socket);
        (peer, token)
    }

    fn send(&mut self, token: Token, payload: Slices) {
        self.seen.get_mut(&token).unwrap().sends_under_way += 1;
        self.backend.send(token, payload);
    }

    fn seen(&self, token: Token) -> &Seen {
        &self.seen[&token]
    }

    /// Sends all of it, however often the kernel takes only a part.
    fn send_all(&mut self, token: Token, payload: Slices) {
        let mut rest = payload;
        while rest.len() > 0 {
            let before = self.seen(token).sent.len();
            self.send(token, rest);
            self.until("a send", |host| host.seen(token).sent.len() > before);
            let (payload, result) = self.seen.get_mut(&token).unwrap().sent.pop().unwrap();
            let octets = result.expect("the peer is there");
            assert!(0 < octets && octets <= payload.len());
            rest = payload.after(octets);
        }
    }

    fn close(&mut self, token: Token) {
        self.backend.close(token);
        self.until("the close", |host| host.seen(token).closed);
    }
}

/// Octets that tell their place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).flat_map(u32::to_be_bytes).take(len).collect()
}

fn echoes_many_sizes<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    let (peer, token) = host.connect();
    for len in [1, 2, 100, 1460, 4096, 16_383, 16_384, 16_385, 100_000, 1_000_000] {
        let expected = pattern(len);
        let (mut writer, octets) = (peer.try_clone().unwrap(), expected.clone());
        let writing = thread::spawn(move || writer.write_all(&octets).unwrap());
        host.until("all octets", |host| host.seen(token).received.len() >= len);
        writing.join().unwrap();
        let received = std::mem::take(&mut host.seen.get_mut(&token).unwrap().received);
        assert!(received == expected, "{len} octets arrive as they were");
        let mut reader = peer.try_clone().unwrap();
        let reading = thread::spawn(move || {
            let mut back = vec![0; len];
            reader.read_exact(&mut back).unwrap();
            back
        });
        host.send_all(token, Slices(vec![received]));
        assert!(reading.join().unwrap() == expected, "{len} octets go back as they were");
    }
    drop(peer);
    host.until("the end", |host| host.seen(token).disconnected);
    host.close(token);
}

fn slices_go_out_in_order<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    let (mut peer, token) = host.connect();
    let slices: Vec<Vec<u8>> = (0..SLICES_MAX).map(|at| pattern(at * 7 + 1)).collect();
    let expected = slices.concat();
    host.send_all(token, Slices(slices));
    let mut back = vec![0; expected.len()];
    peer.read_exact(&mut back).unwrap();
    assert!(back == expected);
}

fn a_slow_reader_gets_all_in_parts<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    let (mut peer, token) = host.connect();
    let (mut slow, slow_token) = host.connect();
    // More than the socket buffers of both sides can hold, so that the kernel takes it in parts.
    let expected = pattern(12 << 20);
    host.send(slow_token, Slices(expected.chunks(1 << 20).map(<[u8]>::to_vec).collect()));
    host.send_all(token, Slices::one(b"others are served meanwhile"));
    peer.read_exact(&mut [0; 27]).unwrap();
    let reading = thread::spawn(move || {
        let mut back = vec![0; 12 << 20];
        slow.read_exact(&mut back).unwrap();
        back
    });
    let mut parts = 0;
    loop {
        host.until("a part", |host| !host.seen(slow_token).sent.is_empty());
        let (payload, result) = host.seen.get_mut(&slow_token).unwrap().sent.remove(0);
        let rest = payload.after(result.unwrap());
        parts += 1;
        if rest.len() == 0 {
            break;
        }
        host.send(slow_token, rest);
    }
    assert!(parts > 1, "12 MiB never fit at once");
    assert!(reading.join().unwrap() == expected);
}

fn close_ends_a_send_under_way<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    let (mut peer, token) = host.connect();
    // The kernel's buffers are filled first, so that the last send cannot come to its end.
    let filling = |host: &mut Host<B>| {
        host.send(token, Slices(vec![vec![0; 4 << 20]]));
        for _ in 0..20 {
            host.turn(Some(Instant::now() + Duration::from_millis(5)));
        }
        host.seen(token).sends_under_way == 0
    };
    while filling(&mut host) {}
    host.close(token);
    let (payload, result) = host.seen(token).sent.last().unwrap();
    assert!(result.is_err(), "the kernel took nothing of the last");
    assert_eq!(payload.len(), 4 << 20, "the payload came back");
    peer.set_read_timeout(Some(HOPELESS)).unwrap();
    let end = peer.read_to_end(&mut Vec::new());
    assert!(end.is_ok() || end.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset));
}

fn detach_hands_over_every_octet<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(&make);
    let mut other = Host::new(&make);
    let (peer, token) = host.connect();
    let expected = pattern(3 << 20);
    let (mut writer, octets) = (peer.try_clone().unwrap(), expected.clone());
    let writing = thread::spawn(move || writer.write_all(&octets).unwrap());
    host.until("the first octets", |host| !host.seen(token).received.is_empty());
    host.send_all(token, Slices::one(b"half way"));
    host.send(token, Slices::one(b" and under way"));
    host.backend.detach(token);
    host.until("the socket", |host| host.seen(token).detached.is_some());
    let seen = host.seen.get_mut(&token).unwrap();
    let socket = seen.detached.take().unwrap();
    seen.closed = true;
    let mut received = std::mem::take(&mut seen.received);
    let rest = seen.sent.pop().map(|(payload, sent)| payload.after(sent.unwrap())).unwrap();

    let token = other.attach(socket);
    other.send_all(token, rest);
    other.until("the rest", |other| {
        received.append(&mut other.seen.get_mut(&token).unwrap().received);
        received.len() >= expected.len()
    });
    writing.join().unwrap();
    assert!(received == expected, "no octet lost, none twice");
    let mut back = [0; 22];
    let mut peer = peer;
    peer.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"half way and under way");
}

fn the_doorbell_wakes<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    for _ in 0..20 {
        let doorbell = host.doorbell.clone();
        host.doorbell.announce_sleep();
        let ringer = thread::spawn(move || doorbell.ring());
        // Without a deadline: only the bell can end this.
        host.turn(None);
        host.doorbell.awake();
        ringer.join().unwrap();
    }
}

fn a_bell_rung_before_the_sleep_is_heard<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    for _ in 0..20 {
        host.doorbell.announce_sleep();
        host.doorbell.ring();
        host.turn(None);
        host.doorbell.awake();
    }
}

fn a_deadline_ends_the_sleep<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    for sleep in [Duration::ZERO, Duration::from_micros(300), Duration::from_millis(7)] {
        let deadline = Instant::now() + sleep;
        // A turn may end early; what counts is that it ends, and that time is not made up.
        while Instant::now() < deadline {
            host.turn(Some(deadline));
        }
        host.turn(Some(deadline));
    }
}

fn many_connections_at_once<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    let mut peers: Vec<_> = (0..300).map(|_| host.connect()).collect();
    for (at, (peer, _)) in peers.iter_mut().enumerate() {
        peer.write_all(&pattern(at + 1)).unwrap();
    }
    let tokens: Vec<Token> = peers.iter().map(|(_, token)| *token).collect();
    host.until("everybody's octets", |host| {
        tokens.iter().enumerate().all(|(at, token)| host.seen(*token).received.len() == at + 1)
    });
    for (at, (peer, token)) in peers.iter_mut().enumerate() {
        assert_eq!(host.seen(*token).received, pattern(at + 1));
        peer.shutdown(Shutdown::Write).unwrap();
    }
    host.until("everybody's end", |host| tokens.iter().all(|token| host.seen(*token).disconnected));
    // All of it in one turn: in a unit test that is more than a ring takes at once.
    for token in &tokens {
        host.send(*token, Slices::one(b"bye"));
    }
    host.until("the byes", |host| tokens.iter().all(|t| host.seen(*t).sends_under_way == 0));
    for token in &tokens {
        host.backend.close(*token);
    }
    host.until("the closes", |host| tokens.iter().all(|token| host.seen(*token).closed));
}

fn a_place_reused_never_delivers_to_the_newcomer<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    for round in 0..40_u32 {
        let (mut peer, token) = host.connect();
        assert_eq!((token.place(), token.tenancy()), (0, round + 1), "one place, used again");
        peer.write_all(&round.to_be_bytes()).unwrap();
        // Closed with octets on their way, half of the time before they were seen.
        if round % 2 == 0 {
            host.until("own octets", |host| host.seen(token).received.len() == 4);
        }
        host.close(token);
        let received = &host.seen(token).received;
        assert!(round.to_be_bytes().starts_with(received), "only its own: {received:?}");
    }
}

fn finish_lets_the_peer_read_to_the_end<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    let (mut peer, token) = host.connect();
    host.send_all(token, Slices::one(b"last words"));
    // What we do not read any more must not make the kernel answer with a reset.
    peer.write_all(b"not heard").unwrap();
    assert!(host.backend.finish(token));
    let mut words = Vec::new();
    peer.read_to_end(&mut words).unwrap();
    assert_eq!(words, b"last words");
    drop(peer);
    host.until("the peer's end", |host| host.seen(token).disconnected);
    assert!(!host.backend.finish(token), "the peer has ended too");
    host.close(token);
}

fn stop_listening_refuses_newcomers<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    let (mut peer, token) = host.connect();
    host.backend.stop_listening();
    host.until("the refusal", |host| TcpStream::connect(host.address).is_err());
    host.send_all(token, Slices::one(b"still here"));
    peer.read_exact(&mut [0; 10]).unwrap();
}

/// To be run in a process of its own: descriptors are short for all of it.
fn accepting_goes_on_when_there_are_descriptors_again<B: Backend<Slices>>(
    make: impl Fn(Doorbell) -> B,
) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).unwrap();
    let mut host = Host::new(make);
    let (mut served, token) = host.connect();
    let mut hoard = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hoard.push(file);
    }
    hoard.pop();
    let mut waiting = TcpStream::connect(host.address).unwrap();
    host.until("the shortage", |host| host.stopped);
    // Nobody spins on it meanwhile, and who is there already is served.
    host.send_all(token, Slices::one(b"served"));
    served.read_exact(&mut [0; 6]).unwrap();
    assert!(host.accepted.is_empty());
    drop(hoard);
    host.backend.accept_again();
    host.until("the connection", |host| !host.accepted.is_empty());
    let socket = host.accepted.remove(0);
    let token = host.attach(socket);
    host.send_all(token, Slices::one(b"after all"));
    waiting.read_exact(&mut [0; 9]).unwrap();
}

/// Runs a test in a process of its own: `name` is what the harness calls it.
fn alone(name: &str, test: impl FnOnce()) {
    const CHILD: &str = "CONTRACT_TEST_ALONE";
    if std::env::var_os(CHILD).is_some() {
        return test();
    }
    let own = std::env::current_exe().unwrap();
    let run = Command::new(own).args(["--exact", name]).env(CHILD, "1").output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn shortage_on_uring() {
    let test = || accepting_goes_on_when_there_are_descriptors_again(uring);
    alone("io::contract::shortage_on_uring", test);
}

#[test]
fn shortage_on_readiness() {
    let test = || accepting_goes_on_when_there_are_descriptors_again(readiness);
    alone("io::contract::shortage_on_readiness", test);
}

fn everything_can_be_dropped_at_any_time<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    let (_idle, _) = host.connect();
    let (_slow, token) = host.connect();
    host.send(token, Slices(vec![vec![0; 32 << 20]]));
    host.turn(Some(Instant::now()));
    drop(host);
}

fn a_reset_connection_ends_and_its_sends_fail<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    let (mut peer, token) = host.connect();
    peer.write_all(b"lost").unwrap();
    host.until("the reset", |host| host.seen(token).disconnected);
    assert_eq!(host.seen(token).received, b"");
    host.send(token, Slices::one(b"too late"));
    host.until("the send", |host| host.seen(token).sends_under_way == 0);
    assert_eq!(host.seen(token).sent[0].1, Err(Errno::CONNRESET));
    host.close(token);
}

fn uring<P: Payload>(doorbell: Doorbell) -> Uring<P> {
    Uring::new(doorbell).expect("the host of the tests has io_uring")
}

fn readiness<P: Payload>(doorbell: Doorbell) -> Readiness<P> {
    Readiness::new(doorbell).unwrap()
}

/// All that goes wrong while connections hold.
const FAULTS: Faults = Faults { short_sends: 50, delays: 40, splits: 60, resets: 0 };
const RESETS: Faults = Faults { resets: 100, ..FAULTS };
const SEEDS: std::ops::Range<u64> = 0..3;

/// `behaviour` behind a faulty wrapper, once per seed.
macro_rules! with_faults {
    ($behaviour:ident, $backend:ident, $faults:expr) => {
        for seed in SEEDS {
            $behaviour(|doorbell| Faulty::new($backend::<Cut<Slices>>(doorbell), $faults, seed));
        }
    };
}

#[test]
fn resets_on_uring() {
    with_faults!(a_reset_connection_ends_and_its_sends_fail, uring, RESETS);
    with_faults!(a_connect_may_be_lost_at_once, uring, RESETS);
}

#[test]
fn resets_on_readiness() {
    with_faults!(a_reset_connection_ends_and_its_sends_fail, readiness, RESETS);
    with_faults!(a_connect_may_be_lost_at_once, readiness, RESETS);
}

macro_rules! every_backend {
    ($($behaviour:ident),* $(,)?) => {
        mod on_uring {
            $(#[test] fn $behaviour() { super::$behaviour(super::uring) })*
        }
        mod on_readiness {
            $(#[test] fn $behaviour() { super::$behaviour(super::readiness) })*
        }
        mod on_faulty_uring {
            use super::*;
            $(#[test] fn $behaviour() {
                use super::$behaviour;
                with_faults!($behaviour, uring, FAULTS);
            })*
        }
        mod on_faulty_readiness {
            use super::*;
            $(#[test] fn $behaviour() {
                use super::$behaviour;
                with_faults!($behaviour, readiness, FAULTS);
            })*
        }
    };
}

every_backend!(
    connects_to_a_peer,
    a_refused_connect_is_told_as_an_end,
    close_ends_a_connect_under_way,
    echoes_many_sizes,
    slices_go_out_in_order,
    a_slow_reader_gets_all_in_parts,
    close_ends_a_send_under_way,
    detach_hands_over_every_octet,
    the_doorbell_wakes,
    a_bell_rung_before_the_sleep_is_heard,
    a_deadline_ends_the_sleep,
    many_connections_at_once,
    a_place_reused_never_delivers_to_the_newcomer,
    finish_lets_the_peer_read_to_the_end,
    stop_listening_refuses_newcomers,
    everything_can_be_dropped_at_any_time,
);
