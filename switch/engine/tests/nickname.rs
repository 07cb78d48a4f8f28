//! NICKNAME: the vectors of the catalogue and what follows from them, on literal bytes through the real
//! engine, decided on the spot and by another core.

mod common;

use std::time::Duration;

use common::{
    Member, Node, Peer,
    lobby::{BOB, Fixture, RELAYED, alice, bob, carol},
};
use mailbox::{Event, NicknamePolicy, RoomPolicy, SessionId};

fn policy_with(reserved: &[&str]) -> RoomPolicy {
    let reserved = reserved.iter().map(|&word| word.into()).collect();
    let nicknames = Some(NicknamePolicy { reserved, ..NicknamePolicy::default() });
    RoomPolicy { nicknames, ..RoomPolicy::default() }
}

/// The home is core 0; the member is there, or on the other core.
fn nodes() -> [(Node, usize); 2] {
    [(Node::under(1, policy_with(&[])), 0), (Node::under(2, policy_with(&[])), 1)]
}

/// A member and the connection of one of its sessions.
struct Chatter {
    peer: Peer,
    uri: String,
    path: String,
    session: SessionId,
}

fn enter(node: &mut Node, core: usize, member: Member<'static>) -> Chatter {
    let (peer, uri, session) = node.bound_as(&Member { core, ..member });
    Chatter { peer, uri, path: member.path.to_owned(), session }
}

/// Another session of a member.
fn again(node: &mut Node, core: usize, member: Member<'static>) -> Chatter {
    enter(node, core, member)
}

impl Chatter {
    fn request(&self, header: &str) -> String {
        let Self { uri, path, .. } = self;
        format!(
            "MSRP n1ck00aaaabbbbcc NICKNAME\r\nTo-Path: {uri}\r\nFrom-Path: {path}\r\n{header}\
            -------n1ck00aaaabbbbcc$\r\n"
        )
    }

    /// The status of the answer to a request with this header.
    fn asks(&self, node: &mut Node, header: &str) -> String {
        node.feed(self.peer, self.request(header).as_bytes());
        let answer = node.output(self.peer);
        assert_eq!(answer.matches("MSRP ").count(), 1, "{answer}");
        answer.strip_prefix("MSRP n1ck00aaaabbbbcc ").expect("an answer")[..3].to_owned()
    }

    fn takes(&self, node: &mut Node, nickname: &str) -> String {
        self.asks(node, &format!("Use-Nickname: \"{nickname}\"\r\n"))
    }
}

/// What the focus has been told of nicknames since the last time.
fn told(node: &mut Node) -> Vec<(SessionId, Option<String>)> {
    let events = std::mem::take(&mut node.events);
    let named = events.into_iter().filter_map(|event| match event {
        Event::Nickname { session, nickname } => Some((session, nickname.map(String::from))),
        _ => None,
    });
    named.collect()
}

/// TV-32, NICK-01, NICK-14, RESP-06: the answer goes the whole way back, that to a SEND to the previous
/// hop; and no report ever follows.
#[test]
fn a_nickname_is_given_through_a_relay() {
    for (mut node, core) in nodes() {
        let carol = enter(&mut node, core, carol());
        let request = format!(
            "MSRP n1ck32aaaabbbbcc NICKNAME\r\n\
            To-Path: {}\r\n\
            From-Path: msrp://relay.example.net:2855/rC1k6Ty8Zq;tcp msrp://carol.example.com:5000/cA2r9Ol4Mn;tcp\r\n\
            Use-Nickname: \"Carol the \\\"Cat\\\"\"\r\n\
            -------n1ck32aaaabbbbcc$\r\n",
            carol.uri
        );
        node.feed(carol.peer, request.as_bytes());
        let expected = format!(
            "MSRP n1ck32aaaabbbbcc 200 OK\r\nTo-Path: {RELAYED}\r\nFrom-Path: {}\r\n\
            -------n1ck32aaaabbbbcc$\r\n",
            carol.uri
        );
        assert_eq!(node.output(carol.peer), expected);
        assert_eq!(told(&mut node), [(carol.session, Some("Carol the \"Cat\"".to_owned()))]);
        let send = request
            .replace(" NICKNAME\r\n", " SEND\r\n")
            .replace("Use-Nickname: \"Carol the \\\"Cat\\\"\"\r\n", "");
        node.feed(carol.peer, send.as_bytes());
        let answer = node.output(carol.peer);
        assert!(answer.contains("To-Path: msrp://relay.example.net:2855/rC1k6Ty8Zq;tcp\r\n"));
        for _ in 0..60 {
            node.advance(Duration::from_secs(1));
        }
        assert_eq!(node.output(carol.peer), "");
    }
}

/// TV-33, NICK-07, NICK-08, NICK-09, NICK-10, CODE-10: a nickname has one user; who is refused keeps the
/// one it has; another session of the same user may have it, if it asks.
#[test]
fn a_nickname_has_one_user() {
    for (mut node, core) in nodes() {
        let alice_first = enter(&mut node, 0, alice());
        let bob = enter(&mut node, core, bob());
        assert_eq!(alice_first.takes(&mut node, "Dopey Donkey"), "200");
        assert_eq!(bob.takes(&mut node, "Bobby"), "200");
        told(&mut node);
        let request = format!(
            "MSRP n1ck33aaaabbbbcc NICKNAME\r\nTo-Path: {}\r\nFrom-Path: {BOB}\r\n\
            Use-Nickname: \"  dopey   DONKEY \"\r\n-------n1ck33aaaabbbbcc$\r\n",
            bob.uri
        );
        node.feed(bob.peer, request.as_bytes());
        let expected = format!(
            "MSRP n1ck33aaaabbbbcc 425 Nickname reserved or already in use\r\nTo-Path: {BOB}\r\n\
            From-Path: {}\r\n-------n1ck33aaaabbbbcc$\r\n",
            bob.uri
        );
        assert_eq!(node.output(bob.peer), expected);
        assert_eq!(told(&mut node), [], "refused, so he is still Bobby");
        assert_eq!(alice_first.takes(&mut node, "bobby"), "425");
        let second = again(&mut node, core, alice());
        assert_eq!(told(&mut node), [], "it has none before it asks");
        assert_eq!(second.takes(&mut node, "Dopey Donkey"), "200");
        assert_eq!(told(&mut node), [(second.session, Some("Dopey Donkey".to_owned()))]);
        assert_eq!(bob.takes(&mut node, "D0pey Donkey"), "200");
        assert_eq!(told(&mut node), [(bob.session, Some("D0pey Donkey".to_owned()))]);
    }
}

/// TV-34, NICK-03, NICK-04, NICK-06, NICK-13, PEER-07, CODE-10: what a nickname may be.
#[test]
fn malformed_nicknames_are_told_from_others() {
    let long = |size: usize| format!("Use-Nickname: \"{}\"\r\n", "a".repeat(size));
    let umlauts = format!("Use-Nickname: \"{}a\"\r\n", "\u{e9}".repeat(511));
    for (mut node, core) in nodes() {
        let bob = enter(&mut node, core, bob());
        for (header, status) in [
            ("Use-Nickname: Bob\r\n", "200"),
            ("Use-Nickname: \"Bob\r\n", "424"),
            ("Use-Nickname: \"a\\nb\"\r\n", "424"),
            (long(1024).as_str(), "424"),
            (long(1023).as_str(), "200"),
            (umlauts.as_str(), "200"),
            ("Use-Nickname: \"   \"\r\n", "424"),
            ("Use-Nickname: \"a\u{e000}b\"\r\n", "424"),
            ("", "400"),
            ("Use-Nickname: \"Bob\"\r\nFailure-Report: no\r\n", "200"),
            ("Use-Nickname: \"Bobby\"\r\nSuccess-Report: yes\r\n", "200"),
        ] {
            assert_eq!(bob.asks(&mut node, header), status, "{header:?}");
            node.advance(Duration::from_secs(13));
        }
        told(&mut node);
        let mut invalid = bob.request("Use-Nickname: \"??\"\r\n").into_bytes();
        let at = invalid.iter().position(|&octet| octet == b'?').expect("two of them");
        invalid[at..at + 2].copy_from_slice(b"\xff\xfe");
        node.feed(bob.peer, &invalid);
        assert!(node.output(bob.peer).starts_with("MSRP n1ck00aaaabbbbcc 424 "));
        assert_eq!(told(&mut node), [], "nothing malformed changes or removes anything");
    }
    let mut node = Node::new(1);
    let bob = enter(&mut node, 0, bob());
    for header in ["Use-Nickname: \"Bob\"\r\n", "Use-Nickname: \"\"\r\n", "Use-Nickname: \"Bob\r\n"]
    {
        assert_eq!(bob.asks(&mut node, header), "403", "a room without nicknames");
    }
}

/// TV-35, NICK-05, NICK-12, NICK-15: given back, it is nobody's on this session, and its user's alone for
/// 300 s.
#[test]
fn a_nickname_that_is_given_back_is_kept_for_its_user() {
    for (mut node, core) in nodes() {
        let alice = enter(&mut node, 0, alice());
        let bob = enter(&mut node, core, bob());
        assert_eq!(bob.takes(&mut node, "Bobby"), "200");
        told(&mut node);
        for expected in [vec![(bob.session, None)], vec![]] {
            assert_eq!(bob.takes(&mut node, ""), "200");
            assert_eq!(told(&mut node), expected);
        }
        assert_eq!(alice.takes(&mut node, "BOBBY"), "425");
        assert_eq!(bob.takes(&mut node, "bobby"), "200", "it is still his");
        assert_eq!(bob.takes(&mut node, ""), "200");
        node.advance(Duration::from_secs(299));
        assert_eq!(alice.takes(&mut node, "BOBBY"), "425");
        node.advance(Duration::from_secs(1));
        assert_eq!(alice.takes(&mut node, "BOBBY"), "200");
        assert_eq!(bob.takes(&mut node, "bobby"), "425");
    }
}

/// NICK-08, NICK-11, NICK-12: a nickname stays as long as any session of its user has it, and with the
/// user who left for 300 s: with the same address, not with the same participant.
#[test]
fn a_nickname_outlives_the_session_of_its_user() {
    for (mut node, core) in nodes() {
        let alice = enter(&mut node, 0, alice());
        let first = enter(&mut node, core, bob());
        let second = again(&mut node, 0, bob());
        assert_eq!(first.takes(&mut node, "Bobby"), "200");
        assert_eq!(second.takes(&mut node, "Bobby"), "200");
        node.disconnect(first.peer);
        node.advance(Duration::from_secs(301));
        assert_eq!(alice.takes(&mut node, "Bobby"), "425", "the other one has it still");
        node.remove(0, second.session);
        node.advance(Duration::from_secs(200));
        assert_eq!(alice.takes(&mut node, "Bobby"), "425");
        let back = enter(&mut node, core, Member { participant: 22, ..bob() });
        assert_eq!(back.takes(&mut node, "Bobby"), "200", "he is the same user");
        node.remove(core, back.session);
        node.advance(Duration::from_secs(300));
        assert_eq!(alice.takes(&mut node, "Bobby"), "200");
    }
}

/// NICK-11: an anonymous user is whom its alias says, and nobody else.
#[test]
fn the_nickname_of_an_anonymous_user_belongs_to_its_alias() {
    let (mut node, _) = nodes().into_iter().next().expect("two of them");
    let hidden = |address| Member { address, is_anonymous: true, ..bob() };
    let first = enter(&mut node, 0, hidden("sip:anonymous1@anonymous.invalid"));
    assert_eq!(first.takes(&mut node, "Ghost"), "200");
    node.remove(0, first.session);
    let second = enter(&mut node, 0, hidden("sip:anonymous2@anonymous.invalid"));
    assert_eq!(second.takes(&mut node, "Ghost"), "425");
}

/// SEC-03, NICK-07: of two requests for the same nickname that are under way at the same time exactly one
/// is granted, wherever they come from.
#[test]
fn of_two_requests_at_once_one_is_granted() {
    for alice_first in [true, false] {
        let mut node = Node::under(3, policy_with(&[]));
        let alice = enter(&mut node, 1, alice());
        let bob = enter(&mut node, 2, bob());
        let carol = enter(&mut node, 0, carol());
        node.hold_relays(true);
        let mut asking = [&alice, &bob];
        if !alice_first {
            asking.reverse();
        }
        for chatter in asking {
            node.feed(chatter.peer, chatter.request("Use-Nickname: \"Ann\"\r\n").as_bytes());
        }
        assert_eq!(
            node.output(alice.peer) + &node.output(bob.peer),
            "",
            "the home has not decided"
        );
        node.hold_relays(false);
        let answers = [alice, bob].map(|it| node.output(it.peer));
        assert_eq!(answers.iter().filter(|it| it.contains(" 200 ")).count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|it| it.contains(" 425 ")).count(), 1, "{answers:?}");
        assert_eq!(told(&mut node).len(), 1);
        assert_eq!(carol.takes(&mut node, "ann"), "425");
    }
}

/// NICK-14: a request is answered even if its session ends before it is decided, and what was granted
/// in vain is not lost.
#[test]
fn a_session_that_ends_in_between_is_answered() {
    let mut node = Node::under(2, policy_with(&[]));
    let alice = enter(&mut node, 0, alice());
    let bob = enter(&mut node, 1, bob());
    node.hold_relays(true);
    node.feed(bob.peer, bob.request("Use-Nickname: \"Bobby\"\r\n").as_bytes());
    node.remove(1, bob.session);
    assert!(node.output(bob.peer).starts_with("MSRP n1ck00aaaabbbbcc 481 "));
    node.hold_relays(false);
    assert_eq!((node.output(bob.peer).as_str(), told(&mut node).len()), ("", 0));
    assert_eq!(alice.takes(&mut node, "Bobby"), "425");
    node.advance(Duration::from_secs(300));
    assert_eq!(alice.takes(&mut node, "Bobby"), "200");
}

/// NICK-07: words that the room has reserved are nobody's, however they are spelt.
#[test]
fn reserved_words_are_nobodys() {
    let mut node = Node::under(1, policy_with(&["Moderator", "the room"]));
    let alice = enter(&mut node, 0, alice());
    assert_eq!(alice.takes(&mut node, " moderator"), "425");
    assert_eq!(alice.takes(&mut node, "The  Room"), "425");
    assert_eq!(alice.takes(&mut node, "Moderators"), "200");
}

/// NICK-16: looking like another's is no reason to be refused, unless the room says so.
#[test]
fn confusable_nicknames_are_a_matter_of_the_room() {
    for refuse_confusable in [false, true] {
        let nicknames = Some(NicknamePolicy { refuse_confusable, ..NicknamePolicy::default() });
        let mut node = Node::under(1, RoomPolicy { nicknames, ..RoomPolicy::default() });
        let (alice, bob) = (enter(&mut node, 0, alice()), enter(&mut node, 0, bob()));
        assert_eq!(alice.takes(&mut node, "BOY"), "200");
        let status = bob.takes(&mut node, "B0Y");
        assert_eq!(status, if refuse_confusable { "425" } else { "200" });
    }
}

/// Of five requests in a minute the sixth is refused, and changes nothing (LIM-06).
#[test]
fn nicknames_are_not_asked_for_without_end() {
    for (mut node, core) in nodes() {
        let bob = enter(&mut node, core, bob());
        for name in ["a", "b", "c", "", "d"] {
            assert_eq!(bob.takes(&mut node, name), "200");
            node.advance(Duration::from_secs(1));
        }
        told(&mut node);
        assert_eq!(bob.takes(&mut node, "e"), "403");
        assert_eq!(told(&mut node), []);
        node.advance(Duration::from_secs(55));
        assert_eq!(bob.takes(&mut node, "e"), "200");
        assert_eq!(bob.takes(&mut node, "f"), "403");
    }
}

/// SEC-04: who one is, the focus says. A nickname, in content or of one's own, or a display name, makes no
/// From valid.
#[test]
fn no_name_makes_a_from_valid() {
    let mut room = Fixture::of(Node::under(1, policy_with(&[])), &[alice(), bob(), carol()]);
    let alice = Chatter {
        peer: room.alice.0,
        uri: room.alice.1.clone(),
        path: alice().path.to_owned(),
        session: SessionId(1),
    };
    assert_eq!(alice.takes(&mut room.node, "sip:bob@example.net"), "200");
    for from in [
        "\"sip:alice@example.org\" <sip:bob@example.net>",
        "alice@example.org <sip:dave@example.net>",
        "<sip:alice@example.org.example.net>",
        "<sip:bob@example.net>",
    ] {
        let mid = common::fresh_id();
        let body = format!(
            "To: <sip:lobby@chat.example.com>\r\nFrom: {from}\r\nNickname: alice\r\n\r\n\
            Content-Type: text/plain\r\n\r\nIt is me"
        );
        room.say(&format!(
            "MSRP f0rged00 SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {}\r\nMessage-ID: {mid}\r\n\
            Content-Type: message/cpim\r\n\r\n{body}\r\n-------f0rged00$\r\n",
            alice.path
        ));
        let [own, bob, carol] = room.heard();
        assert!(own.starts_with("MSRP f0rged00 403 "), "{from}");
        assert_eq!(bob + &carol, "");
    }
}

/// NICK-09, NICK-11: what takes the place of a session has its nickname as soon as it is activated, without
/// asking; and where the home has given it to somebody else meanwhile, the focus hears that it is gone.
#[test]
fn a_session_in_the_place_of_another_keeps_its_nickname() {
    for (mut node, core) in nodes() {
        let moved = Member { nickname: Some("Bobby"), ..bob() };
        let first = enter(&mut node, core, moved);
        assert_eq!(told(&mut node), [], "the focus knows");
        let alice = enter(&mut node, 0, alice());
        assert_eq!(alice.takes(&mut node, "bobby"), "425");
        // It is his to give back.
        assert_eq!(first.takes(&mut node, ""), "200");
        assert_eq!(told(&mut node), [(first.session, None)]);
        node.advance(Duration::from_secs(300));
        assert_eq!(alice.takes(&mut node, "bobby"), "200");
        told(&mut node);
        let second = enter(&mut node, core, moved);
        assert_eq!(told(&mut node), [(second.session, None)], "somebody else was faster");
        assert_eq!(alice.takes(&mut node, "Alice"), "200");
    }
}

/// NICK-11: whoever asks for something else before it is activated gets that, and not what the session
/// before had.
#[test]
fn what_is_asked_for_comes_after_what_was_kept() {
    for (mut node, core) in nodes() {
        let member = Member { core, nickname: Some("Bobby"), ..bob() };
        let (session, uri) = node.install(&member);
        let peer = node.connect(core);
        let bob = Chatter { peer, uri, path: member.path.to_owned(), session };
        assert_eq!(bob.takes(&mut node, "Rob"), "200");
        assert_eq!(told(&mut node), [(session, Some("Rob".to_owned()))]);
        node.activate(core, session);
        assert_eq!(told(&mut node), []);
        assert_eq!(bob.takes(&mut node, "Bobby"), "200");
    }
}
