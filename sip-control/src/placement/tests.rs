//! Placement between orders on one side and mailboxes on the other.

use mailbox::{
    Command, CoreSet, Direction, Doorbell, Epoch, Event, FailureCause, InstallRefusal, NextHop,
    ParticipantId, PeerMedia, Receiver, Rights, RoomId, RoomPolicy, Sender, SessionId, Setup, ring,
};
use msrp::{AcceptTypes, AddressBuf, PathBuf, UriBuf};

use super::{CoreLink, Found, Placement};
use crate::{
    config::Deal,
    focus::{Member, Order, Report},
};

const ROOM: RoomId = RoomId(7);

/// The other ends.
struct Cores(Vec<(Receiver<Command>, Sender<Event>)>);

impl Cores {
    /// What core `number` was told, oldest first.
    fn told(&mut self, number: usize) -> Vec<Command> {
        let commands = &mut self.0[number].0;
        std::iter::from_fn(|| commands.pop()).collect()
    }

    fn names(&mut self, number: usize) -> Vec<&'static str> {
        self.told(number).iter().map(name).collect()
    }

    fn says(&self, number: usize, event: Event) {
        self.0[number].1.push(event).unwrap();
    }
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Install { .. } => "Install",
        Command::Activate { .. } => "Activate",
        Command::Connect { .. } => "Connect",
        Command::Policy { .. } => "Policy",
        Command::Remove { .. } => "Remove",
        Command::Close { .. } => "Close",
        Command::Spread { .. } => "Spread",
        Command::Inquire { .. } => "Inquire",
        Command::Forsake { .. } => "Forsake",
        Command::Drain => "Drain",
    }
}

fn epoch(command: &Command) -> Epoch {
    match command {
        Command::Install { epoch, .. }
        | Command::Activate { epoch, .. }
        | Command::Connect { epoch, .. }
        | Command::Policy { epoch, .. }
        | Command::Remove { epoch, .. }
        | Command::Close { epoch, .. }
        | Command::Spread { epoch, .. } => *epoch,
        Command::Inquire { .. } | Command::Forsake { .. } | Command::Drain => Epoch(0),
    }
}

/// Placement over `count` cores with rings of `capacity`, and a room, whose home is core 0.
fn placement(count: usize, capacity: usize, deal: Deal) -> (Placement, Cores) {
    let (mut links, mut cores) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let bell = Doorbell::new().unwrap();
        let (commands, to_core) = ring(capacity, &bell);
        let (to_focus, events) = ring(64, &bell);
        links.push(CoreLink { commands, events });
        cores.push((to_core, to_focus));
    }
    let mut placement = Placement::new(links, deal);
    let addresses = [AddressBuf::parse(b"sip:garden@im.example.com").unwrap()];
    let (addresses, policy) = (addresses.into(), RoomPolicy::default());
    placement.handle_order(Order::Open { room: ROOM, addresses, size_max: 100, policy });
    (placement, Cores(cores))
}

fn peer() -> PeerMedia {
    PeerMedia {
        path: PathBuf::parse(b"msrp://192.0.2.21:9/k3Zq8vT1wY6uPb2nLx;tcp").unwrap(),
        accept_wrapped: AcceptTypes::any(),
        size_max: Some(50),
        direction: Direction::SendReceive,
        setup: mailbox::Setup::Passive,
        chatroom: None,
    }
}

fn install(placement: &mut Placement, session: u64) {
    let member = Member {
        participant: ParticipantId(session),
        identities: [AddressBuf::parse(b"sip:alice@example.com").unwrap()].into(),
        is_anonymous: false,
        may_whisper: true,
        nickname: None,
        peer: Some(peer()),
    };
    let session = SessionId(session);
    placement.handle_order(Order::Install { session, room: ROOM, member: Box::new(member) });
}

fn path(session: u64) -> UriBuf {
    UriBuf::parse(format!("msrp://198.51.100.5:2855/{session};tcp").as_bytes()).unwrap()
}

fn installed(session: u64, epoch: Epoch) -> Event {
    Event::Installed { session: SessionId(session), epoch, path: path(session) }
}

fn reports(placement: &mut Placement) -> Vec<Report> {
    placement.handle_events();
    std::iter::from_fn(|| placement.poll_report()).collect()
}

/// FOC-23: the path that the core minted is what is reported, once.
#[test]
fn an_install_is_answered_by_the_core_that_has_it() {
    let (mut placement, mut cores) = placement(2, 8, Deal::Together);
    install(&mut placement, 1);
    let commands = cores.told(0);
    let [Command::Install { session, epoch, route }] = &commands[..] else {
        panic!("{commands:?}")
    };
    let size_max = route.peer.as_ref().and_then(|peer| peer.size_max);
    assert_eq!((*session, size_max, route.room.size_max), (SessionId(1), Some(50), 100));
    assert_eq!((route.room.id, route.room.home.index()), (ROOM, 0));
    assert!(reports(&mut placement).is_empty());
    cores.says(0, installed(1, *epoch));
    let expected = [Report::Installed { session: SessionId(1), path: path(1) }];
    assert_eq!(reports(&mut placement), expected);
    cores.says(0, installed(1, *epoch));
    assert!(reports(&mut placement).is_empty(), "a repeated answer says nothing new");
}

/// FOC-21: what an answer says goes to the core that has the session, before it is activated there.
#[test]
fn a_peer_is_described_to_the_core_of_its_session() {
    let (mut placement, mut cores) = placement(2, 8, Deal::Spread);
    install(&mut placement, 1);
    let session = SessionId(1);
    let others = cores.told(0);
    assert!(others.iter().all(|command| name(command) == "Spread"), "{others:?}");
    cores.told(1);
    placement.handle_order(Order::Describe { session, peer: Box::new(peer()) });
    placement.handle_order(Order::Activate { session });
    let commands = cores.told(1);
    let [policy @ Command::Policy { rights: Rights::Peer(described, media), .. }, activate] =
        &commands[..]
    else {
        panic!("{commands:?}")
    };
    assert_eq!((*described, &media.path), (session, &peer().path));
    assert!(name(activate) == "Activate" && epoch(activate) > epoch(policy));
}

/// The commands about a room are numbered in rising order, whichever core they go to.
/// FOC-32: so an old one can never undo a newer one.
#[test]
fn epochs_of_a_room_only_grow() {
    let (mut placement, mut cores) = placement(3, 64, Deal::Spread);
    for session in 1..=3 {
        install(&mut placement, session);
        placement.handle_order(Order::Activate { session: SessionId(session) });
        placement.handle_order(Order::Remove { session: SessionId(session) });
    }
    placement.handle_order(Order::Close { room: ROOM });
    let mut epochs = Vec::new();
    for number in 0..3 {
        let of_core: Vec<u64> = cores.told(number).iter().map(|told| epoch(told).0).collect();
        assert!(of_core.is_sorted(), "core {number}: {of_core:?}");
        epochs.extend(of_core);
    }
    epochs.sort_unstable();
    assert!(epochs.windows(2).all(|pair| pair[0] < pair[1]), "{epochs:?}");
}

/// FOC-23, FOC-32: a session away from home is installed when the home relays to its core, too.
#[test]
fn a_session_away_from_home_waits_for_the_home() {
    for home_first in [true, false] {
        let (mut placement, mut cores) = placement(3, 8, Deal::Spread);
        install(&mut placement, 1);
        let (at_home, away) = (cores.told(0), cores.told(1));
        let [Command::Spread { room, epoch: spread, cores: members }] = &at_home[..] else {
            panic!("{at_home:?}")
        };
        assert_eq!(members.iter().map(mailbox::CoreId::index).collect::<Vec<_>>(), [1]);
        let answers = [
            (0, Event::Spread { room: room.id, epoch: *spread }),
            (1, installed(1, epoch(&away[0]))),
        ];
        let [first, second] = if home_first { [0, 1] } else { [1, 0] };
        cores.says(answers[first].0, answers[first].1.clone());
        assert!(reports(&mut placement).is_empty(), "home first: {home_first}");
        cores.says(answers[second].0, answers[second].1.clone());
        assert_eq!(reports(&mut placement).len(), 1, "home first: {home_first}");
    }
}

/// The home is told once of a core with members, and again when the last of them has gone.
#[test]
fn the_home_knows_where_the_members_are() {
    let (mut placement, mut cores) = placement(2, 8, Deal::Spread);
    let spreads = |cores: &mut Cores| -> Vec<CoreSet> {
        let told = cores.told(0).into_iter();
        told.filter_map(|c| if let Command::Spread { cores, .. } = c { Some(cores) } else { None })
            .collect()
    };
    install(&mut placement, 1);
    install(&mut placement, 2);
    install(&mut placement, 3);
    assert_eq!(spreads(&mut cores).len(), 1, "sessions 1 and 3 are away, session 2 is at home");
    for session in [1, 3] {
        placement.handle_order(Order::Remove { session: SessionId(session) });
        assert_eq!(spreads(&mut cores), [], "the core still delivers what is queued");
        cores.says(1, Event::Removed { session: SessionId(session), epoch: Epoch(9) });
        placement.handle_events();
    }
    assert_eq!(spreads(&mut cores), [CoreSet::EMPTY]);
}

/// FOC-22: a full ring refuses an install at once.
#[test]
fn an_install_that_does_not_fit_is_refused() {
    let (mut placement, mut cores) = placement(1, 1, Deal::Together);
    install(&mut placement, 1);
    install(&mut placement, 2);
    assert_eq!(reports(&mut placement), [Report::Refused { session: SessionId(2) }]);
    assert_eq!(cores.names(0), ["Install"]);
    install(&mut placement, 3);
    assert_eq!(reports(&mut placement), []);
}

/// FOC-22: nor is a session installed away from home when the home cannot be told.
#[test]
fn an_install_whose_spread_does_not_fit_is_refused() {
    let (mut placement, mut cores) = placement(2, 1, Deal::Spread);
    cores.0[0].0.pop();
    install(&mut placement, 1);
    placement.handle_order(Order::Remove { session: SessionId(1) });
    cores.says(1, Event::Removed { session: SessionId(1), epoch: Epoch(9) });
    placement.handle_events();
    assert_eq!(cores.names(1), ["Install"]);
    install(&mut placement, 2);
    assert_eq!(reports(&mut placement), [Report::Refused { session: SessionId(2) }], "at home");
}

/// What completes or ends something is kept while a ring is full, in order, and nothing passes it.
/// FOC-13, FOC-32: so no seat and no session is ever lost to a full ring.
#[test]
fn what_does_not_fit_is_kept_in_order() {
    let (mut placement, mut cores) = placement(1, 1, Deal::Together);
    install(&mut placement, 1);
    placement.handle_order(Order::Activate { session: SessionId(1) });
    placement.handle_order(Order::Remove { session: SessionId(1) });
    placement.handle_order(Order::Close { room: ROOM });
    assert!(placement.keeps_commands());
    install(&mut placement, 2);
    assert_eq!(reports(&mut placement), [Report::Refused { session: SessionId(2) }]);
    let mut told = cores.names(0);
    for _ in 0..3 {
        placement.handle_events();
        told.extend(cores.names(0));
    }
    assert_eq!(told, ["Install", "Activate", "Remove", "Close"]);
    assert!(!placement.keeps_commands());
}

/// DLG-15: what was under way about a session that is given up is not reported.
#[test]
fn a_removed_session_is_not_reported() {
    let (mut placement, mut cores) = placement(1, 8, Deal::Together);
    for session in 1..=3 {
        install(&mut placement, session);
        placement.handle_order(Order::Remove { session: SessionId(session) });
    }
    cores.told(0);
    let reason = InstallRefusal::Full;
    cores.says(0, installed(1, Epoch(1)));
    cores.says(0, Event::Refused { session: SessionId(2), epoch: Epoch(3), reason });
    cores.says(0, Event::Failed { session: SessionId(3), cause: FailureCause::Unbound });
    assert_eq!(reports(&mut placement), []);
    assert_eq!(cores.told(0).len(), 0, "and nothing more is asked");
}

/// FOC-22: a core without a slot.
#[test]
fn a_refusal_of_the_core_is_reported() {
    let (mut placement, mut cores) = placement(1, 8, Deal::Together);
    install(&mut placement, 1);
    cores.told(0);
    let (session, reason) = (SessionId(1), InstallRefusal::Full);
    cores.says(0, Event::Refused { session, epoch: Epoch(1), reason });
    assert_eq!(reports(&mut placement), [Report::Refused { session }]);
    placement.handle_order(Order::Remove { session });
    assert_eq!(cores.told(0).len(), 0, "nothing of it is left to be removed");
}

/// LEAVE-09: every core that has heard of the room is told that it is over, and then all of it is
/// forgotten.
#[test]
fn a_closed_room_is_closed_everywhere() {
    let (mut placement, mut cores) = placement(3, 8, Deal::Spread);
    install(&mut placement, 1);
    let installed_at = epoch(&cores.told(1)[0]);
    cores.says(1, installed(1, installed_at));
    placement.handle_order(Order::Close { room: ROOM });
    assert_eq!(cores.names(0), ["Spread", "Close"]);
    assert_eq!(cores.names(1), ["Close"]);
    assert_eq!(cores.names(2), [""; 0]);
    install(&mut placement, 2);
    assert_eq!(reports(&mut placement), [Report::Refused { session: SessionId(2) }]);
    for number in [0, 1] {
        cores.says(number, Event::Closed { room: ROOM, epoch: Epoch(9) });
    }
    placement.handle_events();
    assert!(placement.rooms.is_empty() && placement.sessions.is_empty());
}

/// Rooms are dealt to cores in turn, and with them their sessions.
#[test]
fn rooms_have_their_homes_in_turn() {
    let (mut placement, mut cores) = placement(2, 8, Deal::Together);
    let room = RoomId(8);
    let policy = RoomPolicy::default();
    placement.handle_order(Order::Open { room, addresses: Box::new([]), size_max: 1, policy });
    install(&mut placement, 1);
    assert_eq!((cores.names(0).len(), cores.names(1).len()), (1, 0));
    assert_eq!(placement.rooms[&room].terms.home.index(), 1);
}

/// A node that stops tells every core, and knows when all have finished.
#[test]
fn all_cores_are_drained() {
    let (mut placement, mut cores) = placement(2, 8, Deal::Together);
    placement.drain();
    for number in [0, 1] {
        assert!(!placement.is_drained());
        assert_eq!(cores.names(number), ["Drain"]);
        cores.says(number, Event::Drained);
        placement.handle_events();
    }
    assert!(placement.is_drained());
}

/// Installs and activates a session of this participant whose peer waits at this host.
fn passive(placement: &mut Placement, session: u64, participant: u64, host: &str) {
    let next_hop = NextHop { host: host.into(), port: 7654, is_anchored: false };
    let member = Member {
        participant: ParticipantId(participant),
        identities: [AddressBuf::parse(b"sip:alice@example.com").unwrap()].into(),
        is_anonymous: false,
        may_whisper: true,
        nickname: None,
        peer: Some(PeerMedia { setup: Setup::Active(next_hop), ..peer() }),
    };
    let session = SessionId(session);
    placement.handle_order(Order::Install { session, room: ROOM, member: Box::new(member) });
    placement.handle_order(Order::Activate { session });
}

fn lookups(placement: &mut Placement) -> Vec<(u64, String)> {
    let asked = std::iter::from_fn(|| placement.poll_lookup());
    asked.map(|it| (it.session.0, format!("{}:{}", it.host, it.port))).collect()
}

fn found() -> Found {
    Found::Addresses(["192.0.2.7:7654".parse().unwrap()].into())
}

/// msrp/CONN-10: a peer that waits is looked up when its session is activated, and connected to
/// under the name that it gave itself.
#[test]
fn a_peer_that_waits_is_looked_up_and_connected_to() {
    let (mut placement, mut cores) = placement(1, 8, Deal::Together);
    passive(&mut placement, 1, 1, "alice.example.com");
    assert_eq!(lookups(&mut placement), [(1, "alice.example.com:7654".to_owned())]);
    assert_eq!(cores.names(0), ["Install", "Activate"]);
    placement.handle_found(SessionId(1), found());
    let told = cores.told(0);
    let [Command::Connect { session: SessionId(1), remote, .. }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(remote.shared_as.as_deref(), Some("alice.example.com:7654"));
    assert_eq!(*remote.addresses, ["192.0.2.7:7654".parse().unwrap()]);
    placement.handle_order(Order::Activate { session: SessionId(1) });
    assert_eq!(lookups(&mut placement), [], "once is enough");
}

/// msrp/SEC-02: one connect per participant at a time, in the order they were asked for, however
/// each of them ends.
#[test]
fn a_participant_is_connected_to_once_at_a_time() {
    let (mut placement, cores) = placement(2, 32, Deal::Spread);
    for session in 1..=4 {
        passive(&mut placement, session, 7, "victim.example.com");
    }
    passive(&mut placement, 5, 8, "other.example.com");
    let asked = |placement: &mut Placement| -> Vec<u64> {
        lookups(placement).into_iter().map(|(session, _)| session).collect()
    };
    assert_eq!(asked(&mut placement), [1, 5]);
    placement.handle_found(SessionId(1), found());
    assert_eq!(asked(&mut placement), []);
    cores.says(0, Event::Bound { session: SessionId(1) });
    assert_eq!(reports(&mut placement).len(), 1);
    assert_eq!(asked(&mut placement), [2]);
    placement.handle_order(Order::Remove { session: SessionId(2) });
    assert_eq!(asked(&mut placement), [3]);
    placement.handle_found(SessionId(2), found());
    cores.says(0, Event::Failed { session: SessionId(3), cause: FailureCause::ConnectFailed });
    reports(&mut placement);
    assert_eq!(asked(&mut placement), [4]);
}

/// What cannot be connected to fails at once, is told once, and is gone from its core.
#[test]
fn a_peer_without_an_address_fails() {
    for (found, cause) in [
        (Found::Nothing, FailureCause::Unresolvable),
        (Found::Forbidden, FailureCause::ConnectForbidden),
    ] {
        let (mut placement, mut cores) = placement(1, 8, Deal::Together);
        passive(&mut placement, 1, 1, "nobody.invalid");
        lookups(&mut placement);
        placement.handle_found(SessionId(1), found);
        let failed = Report::Failed { session: SessionId(1), cause };
        assert_eq!(reports(&mut placement), [failed]);
        assert_eq!(cores.names(0), ["Install", "Activate", "Remove"]);
        cores.says(0, Event::Failed { session: SessionId(1), cause: FailureCause::Unbound });
        assert_eq!(reports(&mut placement), []);
    }
}
