//! A node that is killed, and the one after it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{
    caller::{Answer, Caller},
    node::{ANYWHERE, Node},
};

/// Seats of each room.
const SEATS: usize = 8;
const ROOMS: usize = 3;
const CALLERS: usize = SEATS * ROOMS;

fn keeping(store: &Path, sip: &str) -> String {
    let udp = "listen_udp = [\"";
    let listen = ANYWHERE.replace(&format!("{udp}127.0.0.1:0"), &format!("{udp}{sip}"));
    format!(
        "{listen}persist_sessions = \"{}\"\n[rooms.any]\nmax_participants = {SEATS}\n",
        store.display()
    )
}

fn store(test: &str) -> PathBuf {
    let name = format!("survival-{}-{test}.redb", std::process::id());
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Left behind by a run that was stopped.
    let _ = std::fs::remove_file(&path);
    path
}

fn room(of: usize) -> String {
    format!("sip:room{}@chat.localhost", of % ROOMS)
}

/// The node is killed under a stream of joins, each time when another number of them is answered.
/// Whoever was told to be in a session finds it again by its identity and by its room, which both
/// name one session; and a room has as many seats as before, neither one more nor one less.
#[test]
fn no_seat_is_lost_or_doubled_by_a_kill_in_mid_join() {
    for answered in [1, CALLERS / 3, CALLERS - 1] {
        let store = store(&format!("kill-{answered}"));
        let node = Node::start(&keeping(&store, "127.0.0.1:0"), &[]);
        let sip = node.sip();
        let mut callers: Vec<Caller> =
            (0..CALLERS).map(|of| Caller::new(&format!("user{of}"), sip)).collect();
        for (of, caller) in callers.iter_mut().enumerate() {
            caller.send_invite(&room(of));
        }
        let mut told: Vec<Option<Answer>> =
            callers[..answered].iter().map(|caller| Some(caller.answer())).collect();
        node.signal(Signal::KILL);
        node.end();
        told.extend(callers[answered..].iter().map(Caller::answer_so_far));

        let node = Node::start(&keeping(&store, &sip.to_string()), &[]);
        assert_eq!(node.sip(), sip);
        let mut identities: HashMap<String, String> = HashMap::new();
        for (of, caller) in callers.iter_mut().enumerate() {
            // Who was not told anything asks as before.
            let identity = told[of].as_ref().map(|answer| answer.identity().to_owned());
            let answer = caller.invite(identity.as_deref().unwrap_or(&room(of)));
            assert_eq!(answer.status(), 200, "user{of} of {answered}: {identity:?}");
            let one = identities.entry(room(of)).or_insert(answer.identity().to_owned());
            assert_eq!(one, answer.identity(), "one session in a room");
            assert!(identity.is_none_or(|identity| identity == answer.identity()));
        }
        for of in 0..ROOMS {
            let mut late = Caller::new(&format!("late{of}"), sip);
            assert_eq!(late.invite(&room(of)).status(), 486, "all seats are taken");
        }
        drop(node);
        std::fs::remove_file(store).unwrap();
    }
}

/// Users of a stream of joins, and how many of them have asked when the node is killed.
const STREAM: usize = 400;
const STREAM_KILLED_AT: usize = 300;
/// Between two joins of that stream: a thousand a second.
const STREAM_PACE: Duration = Duration::from_millis(1);

/// The same in a stream of a thousand joins a second, with answers, commits and new INVITEs under way at
/// once: whoever was told to be in a session is in it, a room has one session and its seats, and who was
/// not told can still come.
#[test]
fn no_seat_is_lost_or_doubled_by_a_kill_in_a_stream_of_joins() {
    let store = store("stream");
    // However slow the disk is, nobody is refused for that, nor put out before the end.
    let media = "[msrp]\nsession_unbound_max = \"10m\"\n";
    let patient = "[sip.limits]\nmedia_load = 100\n\
                   [sip.timers]\nqueue_delay_max = \"60s\"\nbinding = \"10m\"\n";
    let config = |sip: &str| keeping(&store, sip).replace("[msrp]\n", media) + patient;
    let room = |of: usize| format!("sip:room{}@chat.localhost", of / SEATS);
    let node = Node::start(&config("127.0.0.1:0"), &[]);
    let sip = node.sip();
    let named = |of: usize| Caller::new(&format!("user{of}"), sip);
    let mut callers: Vec<Caller> = (0..STREAM).map(named).collect();
    let begun = Instant::now();
    for (of, caller) in callers.iter_mut().enumerate() {
        std::thread::sleep((STREAM_PACE * of as u32).saturating_sub(begun.elapsed()));
        caller.send_invite(&room(of));
        if of == STREAM_KILLED_AT {
            node.signal(Signal::KILL);
        }
    }
    node.end();
    let told: Vec<Option<Answer>> = callers.iter().map(Caller::answer_so_far).collect();
    let count = told.iter().flatten().count();
    assert!(0 < count && count < STREAM, "{count} answered: killed in mid-stream");

    let node = Node::start(&config(&sip.to_string()), &[]);
    let mut identities: HashMap<String, String> = HashMap::new();
    let identity = |of: usize| told[of].as_ref().map(|answer| answer.identity().to_owned());
    let target = |of: usize| identity(of).unwrap_or_else(|| room(of));
    // In the sockets of before is what was sent before. They stay open, or their ports, and with them the
    // names of transactions, might be used again.
    let mut again: Vec<Caller> = (0..STREAM).map(named).collect();
    for (of_room, users) in again.chunks_mut(SEATS).enumerate() {
        let first = of_room * SEATS;
        for (seat, caller) in users.iter_mut().enumerate() {
            caller.send_invite(&target(first + seat));
        }
        for (seat, caller) in users.iter().enumerate() {
            let of = first + seat;
            let answer = caller.answer();
            caller.ack(&answer, &target(of));
            assert_eq!(answer.status(), 200, "user{of}: {:?}", identity(of));
            let one = identities.entry(room(of)).or_insert(answer.identity().to_owned());
            assert_eq!(one, answer.identity(), "one session in a room");
            assert!(identity(of).is_none_or(|identity| identity == answer.identity()));
        }
    }
    for of in (0..STREAM).step_by(SEATS) {
        let mut late = Caller::new(&format!("late{of}"), sip);
        assert_eq!(late.invite(&room(of)).status(), 486, "all seats are taken");
        again.push(late);
    }
    drop(node);
    std::fs::remove_file(store).unwrap();
}

/// A node that is told to end says good-bye, and keeps its sessions for the next one all the same.
#[test]
fn a_rejoin_after_a_restart_succeeds() {
    let store = store("restart");
    let node = Node::start(&keeping(&store, "127.0.0.1:0"), &[]);
    let sip = node.sip();
    let mut alice = Caller::new("alice", sip);
    let identity = alice.invite(&room(0)).identity().to_owned();
    node.signal(Signal::TERM);
    assert_eq!(node.end().0, Some(0));

    let node = Node::start(&keeping(&store, &sip.to_string()), &[]);
    let mut alice = Caller::new("alice", sip);
    let answer = alice.invite(&identity);
    assert_eq!((answer.status(), answer.identity()), (200, &*identity));
    assert_eq!(alice.bye(&answer).status(), 200);
    drop(node);

    // Without a store there is nothing to come back to.
    let forgetful = keeping(&store, &sip.to_string()).replace("persist_sessions", "# ");
    let _node = Node::start(&forgetful, &[]);
    assert_eq!(alice.invite(&identity).status(), 403);
    std::fs::remove_file(store).unwrap();
}

#[test]
fn a_store_that_cannot_be_used_is_said_in_one_line() {
    let config = keeping(Path::new("/nonexistent/sessions.redb"), "127.0.0.1:0");
    let line = super::start::refusal(&super::start::with_config(&config));
    assert!(line.contains("sip.persist_sessions") && line.contains("/nonexistent/"), "{line}");
}
