//! What becomes of a private message: delivered piece by piece, refused, or lost on the way.

use std::time::Duration;

use engine::Limits;

use super::common::{
    Member, Node,
    lobby::{ALICE, BOB, Fixture, alice, bob, carol},
    masked,
};
use super::{impatient_rooms, on, open_policy, private, psst, send, wrapped};

/// PRIV-13, RPT-07: if it is lost after its 200, its sender is told so once, unless it did not want to
/// know; and not if any copy got through.
#[test]
fn a_private_message_lost_after_its_200_is_reported_once() {
    for (failure_report, reported) in
        [("", 1), ("Failure-Report: partial\r\n", 1), ("Failure-Report: no\r\n", 0)]
    {
        let mut node = Node::under(2, open_policy());
        let (bob_peer, _, session) = node.bound_as(&private(on(1, bob())));
        let mut room = Fixture::of(node, &[alice(), carol(), carol()]);
        room.node.hold_relays(true);
        room.say(&send("g0ne0000", failure_report, &psst("sip:bob@example.net")));
        room.heard();
        room.node.remove(1, session);
        room.node.hold_relays(false);
        let [alice, ..] = room.heard();
        assert_eq!(alice.matches("REPORT").count(), reported, "{failure_report:?}");
        if reported == 1 {
            let (text, _, _) = masked(&alice);
            let expected = format!(
                "MSRP {{tid}} REPORT\r\nTo-Path: {ALICE}\r\nFrom-Path: {}\r\nMessage-ID: {{mid}}\r\n\
                Byte-Range: 1-92/92\r\nStatus: 000 481 Session does not exist\r\n-------{{tid}}$\r\n",
                room.alice.1
            );
            assert_eq!(text, expected);
        }
        assert_eq!(room.node.output(bob_peer), "");
    }
    // One of two devices is left, and gets it.
    let mut node = Node::under(3, open_policy());
    let (_, _, session) = node.bound_as(&private(on(1, bob())));
    let (other, _) = node.bound(&private(on(2, bob())));
    let mut room = Fixture::of(node, &[alice(), carol(), carol()]);
    room.node.hold_relays(true);
    room.say(&send("g0ne0000", "", &psst("sip:bob@example.net")));
    room.node.remove(1, session);
    room.node.hold_relays(false);
    assert!(!room.heard()[0].contains("REPORT"));
    assert_eq!(room.node.output(other).matches("Psst").count(), 1);
}

/// PRIV-13, RPT-15: a recipient that has just declared to take none is told of in a wrapper that says
/// who wrote to whom.
#[test]
fn a_report_of_missing_support_names_sender_and_recipient() {
    let mut node = Node::under(2, open_policy());
    let (_, _, session) = node.bound_as(&private(on(1, bob())));
    let mut room = Fixture::of(node, &[alice(), carol(), carol()]);
    room.node.hold_relays(true);
    let body = psst("sip:bob@example.net").replace("From: <", "From: \"A\" <");
    room.say(&send("n0more00", "", &body));
    room.node.describe(&on(1, bob()), session);
    room.heard();
    room.node.hold_relays(false);
    let expected = format!(
        "MSRP {{tid}} REPORT\r\nTo-Path: {ALICE}\r\nFrom-Path: {}\r\nMessage-ID: {{mid}}\r\n\
        Byte-Range: 1-96/96\r\nStatus: 000 428 Private messages not supported\r\n\
        Content-Type: message/cpim\r\n\r\n\
        From: \"A\" <sip:alice@example.org>\r\nTo: <sip:bob@example.net>\r\n\r\n\
        Content-Type: text/plain\r\n\r\n\r\n-------{{tid}}$\r\n",
        room.alice.1
    );
    assert_eq!(masked(&room.heard()[0]).0, expected);
}

/// PRIV-13, FLOW-04: a queue without room refuses the message; the answer tells where it can, a report
/// where it is too late for that.
#[test]
fn a_private_message_that_finds_no_room_is_413() {
    for core in [0, 1] {
        let limits = Limits { connection_queue_bytes_max: 400, ..Limits::default() };
        let mut node = Node::with(2, &limits, 10_485_760);
        std::sync::Arc::make_mut(&mut node.terms).policy = open_policy();
        let members = [alice(), private(on(core, bob())), carol()];
        let mut room = Fixture::of(node, &members);
        room.say(&send("b1g00000", "", &(psst("sip:bob@example.net") + &"x".repeat(400))));
        let [alice, bob, _] = room.heard();
        assert_eq!(bob, "");
        if core == 0 {
            assert!(
                alice.starts_with("MSRP b1g00000 413 ") && !alice.contains("REPORT"),
                "{alice}"
            );
        } else {
            assert!(alice.contains("MSRP b1g00000 200 "), "{alice}");
            assert_eq!(alice.matches("Status: 000 413 ").count(), 1);
        }
    }
}

/// PRIV-13, CHAT-26, CHUNK-25, RPT-08: if the recipient leaves in the middle, the sender is told, and
/// the rest is refused; and what the recipient had got does not look complete.
#[test]
fn a_recipient_that_leaves_in_the_middle_stops_the_sender() {
    for core in [0, 1] {
        let mut node = Node::under(2, open_policy());
        let (bob_peer, _, session) = node.bound_as(&private(on(core, bob())));
        let mut room = Fixture::of(node, &[alice(), carol(), carol()]);
        let part = |tid: &str, range: &str, body: &str, flag: &str| {
            format!(
                "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: long\r\n\
                Byte-Range: {range}\r\nContent-Type: message/cpim\r\n\r\n{body}\r\n-------{tid}{flag}\r\n"
            )
        };
        room.say(&part("part0001", "1-92/96", &psst("sip:bob@example.net"), "+"));
        assert!(room.heard()[0].starts_with("MSRP part0001 200 "));
        room.node.pause();
        assert!(room.node.output(bob_peer).contains("Psst"));
        room.node.remove(core, session);
        let end = room.node.output(bob_peer);
        assert!(end.ends_with("#\r\n"), "{end}");
        let report = room.heard()[0].clone();
        assert!(report.contains("Byte-Range: 1-92/96\r\nStatus: 000 481 "), "{report}");
        room.say(&part("part0002", "93-94/96", "..", "+"));
        assert!(room.heard()[0].starts_with("MSRP part0002 404 "));
        room.say(&part("part0003", "95-96/96", "..", "$"));
        assert!(room.heard()[0].starts_with("MSRP part0003 404 "));
        assert_eq!(room.node.output(bob_peer), "");
    }
}

/// One chunk of Alice's long message.
fn chunk(mid: &str, tid: &str, headers: &str, body: &str, flag: &str) -> String {
    format!(
        "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: {mid}\r\n\
        {headers}Content-Disposition: render\r\nContent-Type: message/cpim;charset=utf-8\r\n\r\n\
        {body}\r\n-------{tid}{flag}\r\n"
    )
}

/// PRIV-09: chunks of a private message are passed on as they come, with a Message-ID of the switch's own,
/// the content headers and positions of the sender, to those sessions that were there at the beginning,
/// and end with `#` if its sender gives up, falls silent, or says more than the recipient takes.
#[test]
fn a_private_message_is_passed_on_like_any_other() {
    for (mut room, core) in impatient_rooms().into_iter().zip([0, 2]) {
        let wrapper = psst("sip:bob@example.net");
        room.say(&chunk("l0ng", "part0001", "Byte-Range: 1-92/95\r\n", &wrapper, "+"));
        room.node.pause();
        let (first, tid, mid) = masked(&room.heard()[1]);
        let expected = format!(
            "MSRP {{tid}} SEND\r\nTo-Path: {BOB}\r\nFrom-Path: {}\r\nMessage-ID: {{mid}}\r\n\
            Byte-Range: 1-*/95\r\nContent-Disposition: render\r\n\
            Content-Type: message/cpim;charset=utf-8\r\n\r\n{wrapper}\r\n-------{{tid}}+\r\n",
            room.bob.1
        );
        assert_eq!(first, expected, "before there is more of it");
        let (late, _) = room.node.bound(&private(on(core, bob())));
        room.say(&chunk("l0ng", "part0002", "Byte-Range: 93-95/95\r\n", "...", "$"));
        let [alice, bob, _] = room.heard();
        assert!(!alice.contains("REPORT"), "nothing is lost: {alice}");
        let (last, other_tid, same_mid) = masked(&bob);
        assert!(
            last.contains("Byte-Range: 93-95/95\r\n")
                && last.ends_with("\r\n...\r\n-------{tid}$\r\n")
        );
        assert!(mid == same_mid && mid != "l0ng" && tid != other_tid);
        assert_eq!(room.node.output(late), "", "it came in the middle");

        room.say(&chunk("giv3n", "part0003", "Byte-Range: 1-92/95\r\n", &wrapper, "+"));
        room.node.pause();
        room.say(&chunk("giv3n", "part0004", "Byte-Range: 93-*/95\r\n", "", "#"));
        assert!(room.heard()[1].ends_with("#\r\n"));
        room.say(&chunk("s1lent", "part0005", "Byte-Range: 1-92/95\r\n", &wrapper, "+"));
        room.node.pause();
        assert!(room.heard()[1].ends_with("+\r\n"));
        room.node.output(late);
        room.node.advance(Duration::from_secs(6));
        assert!(room.heard()[1].ends_with("#\r\n"));
    }
    let small = Member { size_max: Some(100), ..private(bob()) };
    let mut room = Fixture::of(Node::under(1, open_policy()), &[alice(), small, carol()]);
    let wrapper = psst("sip:bob@example.net");
    room.say(&chunk("l0ng", "part0001", "Byte-Range: 1-*/*\r\n", &wrapper, "+"));
    room.node.pause();
    room.say(&chunk("l0ng", "part0002", "Byte-Range: 93-*/*\r\n", &"x".repeat(2048), "+"));
    let [alice, bob, _] = room.heard();
    assert!(alice.contains("MSRP part0001 200 ") && alice.contains("MSRP part0002 413 "));
    assert!(bob.ends_with("#\r\n"));
}

/// PRIV-13, FLOW-05: of a message whose last part finds no room its sender is told that it is lost, and
/// the recipient that it is not whole.
#[test]
fn a_private_message_whose_end_finds_no_room_is_lost() {
    for core in [0, 1] {
        let limits = Limits { connection_queue_bytes_max: 2000, ..Limits::default() };
        let mut node = Node::with(2, &limits, 10_485_760);
        std::sync::Arc::make_mut(&mut node.terms).policy = open_policy();
        let mut room = Fixture::of(node, &[alice(), private(on(core, bob())), carol()]);
        let wrapper = psst("sip:bob@example.net");
        room.say(&chunk("l0ng", "part0001", "Byte-Range: 1-92/3092\r\n", &wrapper, "+"));
        room.node.pause();
        assert!(room.heard()[1].contains("Psst"));
        room.say(&chunk(
            "l0ng",
            "part0002",
            "Byte-Range: 93-3092/3092\r\n",
            &"x".repeat(3000),
            "$",
        ));
        let [alice, bob, _] = room.heard();
        assert!(bob.ends_with("#\r\n") && !bob.contains("xx"));
        let told = ["MSRP part0002 413 ", "Status: 000 413 "].map(|it| alice.matches(it).count());
        assert_eq!(told.iter().sum::<usize>(), 1, "{alice}");
    }
}

/// RPT-06: the success report says that the whole message is queued for whoever it is for, be it nobody;
/// it is not sent for what is refused, given up, or not finished in time.
#[test]
fn a_success_report_means_that_the_message_is_queued() {
    let wants = "Success-Report: yes\r\n";
    for mut room in impatient_rooms() {
        room.say(&send("5uccess0", wants, &psst("sip:bob@example.net")));
        let [alice, bob, _] = room.heard();
        assert!(alice.contains("Status: 000 200 OK") && bob.contains("Psst"));
        room.say(&send("5uccess1", wants, &wrapped("sip:lobby@chat.example.com", "a/b\r\n\r\nx")));
        assert!(room.heard()[0].contains("Status: 000 200 OK"), "nobody reads that");
        room.say(&send("fa1lure0", wants, &psst("sip:carol@example.com")));
        room.say(&send("fa1lure1", wants, &psst("sip:nobody@example.com")));
        let begun = format!("{wants}Byte-Range: 1-92/95\r\n");
        for to in ["sip:bob@example.net", "sip:lobby@chat.example.com"] {
            let ids = if to.starts_with("sip:bob") {
                ["giv3n000", "s1lent00"]
            } else {
                ["giv3n001", "s1lent01"]
            };
            for mid in ids {
                room.say(&chunk(mid, "part0001", &begun, &psst(to), "+"));
            }
            room.say(&chunk(ids[0], "part0002", "Byte-Range: 93-*/95\r\n", "", "#"));
        }
        room.node.advance(Duration::from_secs(6));
        let alice = &room.heard()[0];
        assert!(!alice.contains("Status: 000 200"), "{alice}");
    }
}
