//! What an idle member takes of the media plane's memory, all its parts together: the engine, the
//! runtime and its backend, the rings, and placement's books. The focus' leg is another matter.
//!
//! The allocator counts for a whole process, so the measurement has one of its own: the test starts its
//! own executable again, for the one test that measures.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use engine::{Core, CoreConfig, Limits};
use mailbox::{
    Chatroom, CoreId, Direction, Doorbell, ParticipantId, PeerMedia, RoomId, RoomPolicy, SessionId,
    Setup,
};
use msrp::{AcceptTypes, AddressBuf, PathBuf};
use sip_control::{
    config::Deal,
    focus::{Member, Order, Report},
    placement::{CoreLink, Placement},
};
use stats_alloc::Region;

use super::{Link, Runtime, mesh};
use crate::{
    ALLOCATOR,
    io::{
        Backend, Readiness, Uring,
        socket::{PATIENCE, listen},
    },
};

/// Octets of memory that an idle connection and its session may take.
const IDLE_MAX: usize = 2048;

/// As many as fill a hash table: what is measured is no table that has just been doubled.
const MEMBERS: u64 = 448;

/// A test that is not done by then never will be.
const HOPELESS: Duration = Duration::from_secs(60);

const ROOM: RoomId = RoomId(1);

/// A core on a thread, and what the focus has of it.
struct Plane {
    placement: Placement,
    address: std::net::SocketAddr,
}

impl Plane {
    fn start<B: Backend<engine::Batch> + 'static>(make: fn(Doorbell) -> B) -> Self {
        let id = CoreId::new(0).unwrap();
        let (mut ends, links) = mesh(&[id], &Doorbell::new().unwrap()).unwrap();
        let link = |Link { commands, events, .. }| CoreLink { commands, events };
        let links = links.into_iter().map(link).collect();
        let (mut listeners, address) = listen("127.0.0.1:0".parse().unwrap(), 1, PATIENCE).unwrap();
        let ends = ends.remove(0);
        std::thread::spawn(move || {
            let config = CoreConfig { id, cores: 1, authority: address.to_string() };
            let limits = Limits { address_unbound_max: 0, ..Limits::default() };
            let core = Core::new(config, limits, [1; 32]);
            let backend = make(ends.doorbell.clone());
            Runtime::new(core, backend, ends, listeners.remove(0)).run()
        });
        let mut placement = Placement::new(links, Deal::Together);
        let addresses = [AddressBuf::parse(b"sip:lobby@chat.example.com").unwrap()].into();
        let policy = RoomPolicy::default();
        placement.handle_order(Order::Open { room: ROOM, addresses, size_max: 10_485_760, policy });
        Self { placement, address }
    }

    fn report(&mut self) -> Report {
        let hopeless = Instant::now() + HOPELESS;
        loop {
            self.placement.handle_events();
            if let Some(report) = self.placement.poll_report() {
                return report;
            }
            assert!(Instant::now() < hopeless, "the core says nothing");
            std::thread::yield_now();
        }
    }

    /// One more member joins and binds, as clients do: its connection.
    fn join(&mut self, number: u64) -> TcpStream {
        let session = SessionId(number);
        let own = format!("msrp://192.0.2.77:49152/u{number:026};tcp");
        let identity = format!("sip:user{number:04}@chat.example.com");
        let member = Box::new(Member {
            participant: ParticipantId(number),
            identities: [AddressBuf::parse(identity.as_bytes()).unwrap()].into(),
            is_anonymous: false,
            may_whisper: true,
            nickname: None,
            peer: Some(PeerMedia {
                path: PathBuf::parse(own.as_bytes()).unwrap(),
                accept_wrapped: AcceptTypes::parse(b"text/plain message/imdn+xml").unwrap(),
                size_max: None,
                direction: Direction::SendReceive,
                setup: Setup::Passive,
                chatroom: Some(Chatroom::default()),
            }),
        });
        self.placement.handle_order(Order::Install { session, room: ROOM, member });
        let Report::Installed { path, .. } = self.report() else { panic!("not installed") };
        self.placement.handle_order(Order::Activate { session });
        let mut peer = TcpStream::connect(self.address).unwrap();
        write!(
            peer,
            "MSRP t1d00000 SEND\r\nTo-Path: {path}\r\nFrom-Path: {own}\r\nMessage-ID: m{number}\r\n\
             Byte-Range: 1-0/0\r\n-------t1d00000$\r\n",
            path = path.as_str(),
        )
        .unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"-------t1d00000$\r\n") {
            let mut octets = [0; 512];
            let count = peer.read(&mut octets).unwrap();
            assert!(count > 0, "the switch has hung up");
            heard.extend_from_slice(&octets[..count]);
        }
        assert!(heard.starts_with(b"MSRP t1d00000 200 OK\r\n"));
        assert_eq!(self.report(), Report::Bound { session });
        peer
    }
}

/// Octets for each of [`MEMBERS`].
fn measured<B: Backend<engine::Batch> + 'static>(make: fn(Doorbell) -> B) -> usize {
    let mut plane = Plane::start(make);
    let mut peers = Vec::with_capacity(MEMBERS as usize + 1);
    // What is there once for all comes with the first of them.
    peers.push(plane.join(0));
    let region = Region::new(ALLOCATOR);
    for number in 1..=MEMBERS {
        peers.push(plane.join(number));
    }
    let change = region.change();
    (change.bytes_allocated - change.bytes_deallocated) / MEMBERS as usize
}

#[test]
#[ignore = "counts for the whole process: the test below runs it in one of its own"]
fn idle_members_are_counted() {
    let slow = measured(|doorbell| Readiness::new(doorbell).unwrap());
    println!("epoll: {slow} octets for an idle member");
    assert!(slow <= IDLE_MAX, "{slow} octets");
    if crate::io::uring::probe().is_ok() {
        let fast = measured(|doorbell| Uring::new(doorbell).unwrap());
        println!("io_uring: {fast} octets for an idle member");
        assert!(fast <= IDLE_MAX, "{fast} octets");
    }
}

/// An idle member takes no more than 2 KiB of the media plane.
#[test]
fn an_idle_member_takes_little() {
    let this = std::env::current_exe().unwrap();
    let name = "runtime::footprint::idle_members_are_counted";
    let run =
        Command::new(this).args(["--exact", name, "--ignored", "--nocapture"]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}
