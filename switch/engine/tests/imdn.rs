//! Disposition notifications (RFC 5438), composing statuses (RFC 3994) and signs of life in a room.

mod common;

use common::{
    Member, Node, fresh_id,
    lobby::{ALICE, BOB, Fixture, alice, bob, carol},
    masked,
};
use mailbox::{Chatroom, Direction, RoomPolicy};

const DELIVERED: &str = "<imdn><message-id>34jk324j</message-id><datetime>2026-01-15T10:00:00Z\
    </datetime><delivery-notification><status><delivered/></status></delivery-notification></imdn>";

/// A notification to somebody: its type, its disposition, its content.
fn notification(to: &str, content_type: &str, disposition: &str) -> String {
    format!(
        "From: <sip:alice@example.org>\r\nTo: <{to}>\r\n\
        NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 834jf4k\r\n\r\n\
        Content-Type: {content_type}\r\nContent-Disposition: {disposition}\r\n\r\n{DELIVERED}"
    )
}

fn imdn(to: &str) -> String {
    notification(to, "message/imdn+xml", "notification")
}

fn composing(to: &str) -> String {
    format!(
        "From: <sip:alice@example.org>\r\nTo: <{to}>\r\n\r\n\
        Content-Type: application/im-iscomposing+xml\r\n\r\n\
        <isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>active</state>\
        </isComposing>"
    )
}

fn send(tid: &str, body: &str) -> String {
    let mid = fresh_id();
    format!(
        "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: {mid}\r\n\
        Content-Type: message/cpim\r\n\r\n{body}\r\n-------{tid}$\r\n"
    )
}

/// The status Alice is answered, and nothing else.
fn status(room: &mut Fixture, body: &str) -> String {
    room.say(&send("n0t1fy00", body));
    let answer = room.node.output(room.alice.0);
    assert_eq!(answer.matches("MSRP ").count(), 1, "{answer}");
    answer.strip_prefix("MSRP n0t1fy00 ").expect("an answer")[..3].to_owned()
}

/// Reads notifications and statuses.
fn wide(member: Member<'static>) -> Member<'static> {
    let wrapped = "text/plain message/imdn+xml multipart/mixed application/im-iscomposing+xml";
    Member { wrapped, ..member }
}

/// Alice, Bob who reads everything, Carol who reads text: on one core, and each on one of three.
fn rooms_under(policy: &RoomPolicy, bob: Member<'static>) -> [Fixture; 2] {
    let apart = |core, member| Member { core, ..member };
    let [first, second] = [bob, bob];
    [
        Fixture::of(Node::under(1, policy.clone()), &[alice(), first, carol()]),
        Fixture::of(
            Node::under(3, policy.clone()),
            &[apart(1, alice()), apart(2, second), carol()],
        ),
    ]
}

fn rooms() -> [Fixture; 2] {
    rooms_under(&RoomPolicy::default(), wide(bob()))
}

/// IMDN-01, IMDN-03, IMDN-04, IMDN-06, SDP-23: a notification goes by its To to the one who reads it,
/// whatever room or recipient say of private messages and of direction, and not an octet of it is
/// changed, added or obeyed.
#[test]
fn a_notification_reaches_its_participant_unchanged() {
    let deaf = Member { direction: Direction::FromPeer, ..wide(bob()) };
    for mut room in rooms().into_iter().chain(rooms_under(&RoomPolicy::default(), deaf)) {
        let routed = imdn("sip:bob@example.net").replace(
            "imdn.Message-ID",
            "imdn.IMDN-Route: <sip:carol@example.com>\r\nimdn.Message-ID",
        );
        assert_eq!(status(&mut room, &routed), "200");
        let [_, bob, carol] = room.heard();
        let size = routed.len();
        let expected = format!(
            "MSRP {{tid}} SEND\r\nTo-Path: {BOB}\r\nFrom-Path: {}\r\nMessage-ID: {{mid}}\r\n\
            Byte-Range: 1-{size}/*\r\nContent-Type: message/cpim\r\n\r\n{routed}\r\n\
            -------{{tid}}$\r\n",
            room.bob.1
        );
        assert_eq!(masked(&bob).0, expected);
        assert_eq!(carol, "");
        let aggregate =
            notification("sip:bob@example.net", "multipart/mixed;boundary=x", "Notification;a=b");
        assert_eq!(status(&mut room, &aggregate), "200");
        assert!(room.heard()[1].contains("delivered/"));
    }
}

/// IMDN-03: without the disposition it is a message like any other.
#[test]
fn what_is_not_declared_a_notification_is_none() {
    for mut room in rooms() {
        for disposition in ["render", "notifications"] {
            let other = notification("sip:bob@example.net", "message/imdn+xml", disposition);
            assert_eq!(status(&mut room, &other), "403", "no private messages here");
        }
        let text = notification("sip:bob@example.net", "text/plain", "notification");
        assert_eq!(status(&mut room, &text), "403");
        let to_room = notification("sip:lobby@chat.example.com", "message/imdn+xml", "render");
        assert_eq!(status(&mut room, &to_room), "200");
        assert!(room.heard()[1].contains("delivered/"));
    }
}

/// IMDN-04: what nobody there reads is dropped, and that is no fault of its sender; all other checks
/// are those of a private message.
#[test]
fn a_notification_that_nobody_reads_is_dropped() {
    for mut room in rooms() {
        assert_eq!(status(&mut room, &imdn("sip:carol@example.com")), "200");
        assert_eq!(status(&mut room, &imdn("sip:nobody@example.com")), "404");
        let forged = imdn("sip:bob@example.net").replace("<sip:alice@", "<sip:mallory@");
        assert_eq!(status(&mut room, &forged), "403");
        assert_eq!(room.heard(), ["", "", ""]);
    }
}

/// IMDN-05: the room as a whole is never notified.
#[test]
fn a_notification_to_the_room_is_refused() {
    for mut room in rooms() {
        assert_eq!(status(&mut room, &imdn("sip:lobby@chat.example.com")), "403");
        assert_eq!(room.heard(), ["", "", ""]);
    }
}

/// IMDN-07: what an anonymous participant's client notifies may name it, so it is dropped unless the
/// room allows it.
#[test]
fn notifications_of_the_anonymous_are_dropped_unless_allowed() {
    for anonymous_notifications in [false, true] {
        let policy = RoomPolicy { anonymous_notifications, ..RoomPolicy::default() };
        let hidden = Member { is_anonymous: true, ..alice() };
        let mut room = Fixture::of(Node::under(1, policy), &[hidden, wide(bob()), carol()]);
        assert_eq!(status(&mut room, &imdn("sip:bob@example.net")), "200");
        assert_eq!(room.heard()[1].contains("delivered/"), anonymous_notifications);
    }
}

/// IMDN-01, IMDN-02, IMDN-08: whoever asks for notifications asks the recipients: the switch forwards
/// the question and answers it never, whether in a message or in a notification.
#[test]
fn the_switch_creates_no_notification() {
    let asking = "imdn.Disposition-Notification: positive-delivery, display, processing";
    for mut room in rooms() {
        let ask =
            |body: String| body.replace("imdn.Message-ID", &format!("{asking}\r\nimdn.Message-ID"));
        let question = ask(notification("sip:lobby@chat.example.com", "text/plain", "render"));
        let answered = ask(imdn("sip:bob@example.net"));
        let unread = ask(imdn("sip:carol@example.com"));
        for (body, is_heard) in [(question, true), (answered, true), (unread, false)] {
            assert_eq!(status(&mut room, &body), "200");
            assert_eq!(room.heard()[1].contains(asking), is_heard);
            room.node.advance(std::time::Duration::from_secs(20));
            assert_eq!(room.heard()[0], "");
        }
    }
}

/// COMP-01, COMP-02, COMP-03: a status is checked and goes where any message would, as it came, to
/// those who read such; nobody is told that others do not, and nothing is added to it.
#[test]
fn a_composing_status_is_routed_like_a_message() {
    let private = Chatroom { private_messages: true, ..Chatroom::default() };
    let policy = RoomPolicy { private_messages: true, ..RoomPolicy::default() };
    for mut room in rooms_under(&policy, Member { chatroom: Some(private), ..wide(bob()) }) {
        for to in ["sip:lobby@chat.example.com", "sip:bob@example.net"] {
            let body = composing(to);
            assert_eq!(status(&mut room, &body), "200");
            let [alice, bob, carol] = room.heard();
            assert!(bob.contains(&body), "{bob}");
            assert_eq!((alice.as_str(), carol.as_str()), ("", ""), "carol does not read it");
            room.node.advance(std::time::Duration::from_secs(25));
            assert_eq!(room.heard(), ["", "", ""]);
        }
        assert_eq!(status(&mut room, &composing("sip:carol@example.com")), "428");
        let unread = Member {
            chatroom: Some(private),
            wrapped: "text/plain",
            participant: 4,
            address: "sip:dave@example.com",
            ..carol()
        };
        let (dave, _) = room.node.bound(&unread);
        assert_eq!(status(&mut room, &composing("sip:dave@example.com")), "200");
        assert_eq!(room.node.output(dave), "");
        let forged = composing("sip:bob@example.net").replace("<sip:alice@", "<sip:mallory@");
        assert_eq!(status(&mut room, &forged), "403");
    }
}

/// COMP-05: of more than two statuses in a second the others are dropped, and answered as if they were
/// not; messages are none of them.
#[test]
fn composing_statuses_that_come_too_thick_are_dropped() {
    let to = "sip:lobby@chat.example.com";
    for mut room in rooms() {
        for _ in 0..3 {
            let mut heard = Vec::new();
            for _ in 0..4 {
                assert_eq!(status(&mut room, &composing(to)), "200");
                heard.push(room.heard()[1].contains("isComposing"));
            }
            assert_eq!(heard, [true, true, false, false]);
            let text = composing(to).replace("application/im-iscomposing+xml", "text/plain");
            assert_eq!(status(&mut room, &text), "200");
            assert!(room.heard()[1].contains("isComposing"));
            room.node.advance(std::time::Duration::from_secs(1));
        }
    }
}

/// PEER-05: a sign of life is answered and goes nowhere, wrapped or not, whole or in parts.
#[test]
fn a_heartbeat_is_answered_and_goes_nowhere() {
    let mut room = Fixture::new();
    let bare = "MSRP hb000001 SEND\r\nTo-Path: {alice}\r\n\
        From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\nMessage-ID: hb1\r\n\
        Byte-Range: 1-4/4\r\nContent-Type: text/x-msrp-heartbeat\r\n\r\nbeat\r\n-------hb000001$\r\n";
    room.say(bare);
    assert!(room.heard()[0].starts_with("MSRP hb000001 200 "));
    room.say(&bare.replace("1-4/4", "1-4/8").replace("-------hb000001$", "-------hb000001+"));
    assert!(room.heard()[0].starts_with("MSRP hb000001 200 "));
    room.say(
        &bare.replace("1-4/4", "5-8/8").replace("Message-ID", "Success-Report: yes\r\nMessage-ID"),
    );
    assert!(room.heard()[0].starts_with("MSRP hb000001 200 "));
    for to in ["sip:lobby@chat.example.com", "sip:bob@example.net", "sip:nobody@example.net"] {
        let wrapped = format!(
            "From: <sip:alice@example.org>\r\nTo: <{to}>\r\n\r\n\
            Content-Type: text/x-msrp-heartbeat\r\n\r\nbeat"
        );
        assert_eq!(status(&mut room, &wrapped), "200", "{to}");
    }
    assert_eq!(room.heard(), ["", "", ""]);
    assert_eq!(room.node.counters(0).copies_delivered, 0);
}

/// PEER-06, PEER-09: an empty SEND is answered with whatever headers it comes, and a report it asks for
/// does no harm.
#[test]
fn an_empty_send_is_answered_whatever_its_headers() {
    let mut room = Fixture::new();
    for headers in [
        "",
        "Keep-Alive: yes\r\n",
        "Message-ID: ka1\r\n",
        "Byte-Range: 1-0/0\r\n",
        "Message-ID: ka1\r\nByte-Range: 1-0/0\r\nKeep-Alive: yes\r\n",
        "Message-ID: ka1\r\nByte-Range: 1-0/0\r\nSuccess-Report: yes\r\n",
        "Success-Report: yes\r\n",
    ] {
        room.say(&format!(
            "MSRP keepa11v SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\n{headers}\
            -------keepa11v$\r\n"
        ));
        let [alice, bob, carol] = room.heard();
        assert!(alice.starts_with("MSRP keepa11v 200 OK\r\n"), "{headers}{alice}");
        assert_eq!((bob, carol), (String::new(), String::new()));
    }
    assert_eq!(status(&mut room, &imdn("sip:nobody@example.com")), "404", "it serves on");
}

/// SDP-14: whatever is said, to whomever and by whomever, a session is sent nothing but message/cpim,
/// and in it nothing but the types it accepts there. The room's own words are no exception.
#[test]
fn nothing_is_sent_that_was_not_accepted() {
    const DAVE: &str = "sip:dave@example.com";
    let private = Chatroom { private_messages: true, ..Chatroom::default() };
    let policy = RoomPolicy { private_messages: true, greeting: true, ..RoomPolicy::default() };
    for chatroom in [None, Some(private)] {
        for mut room in rooms_under(&policy, bob()) {
            let reads_pictures = Member {
                chatroom,
                wrapped: "message/cpim image/png",
                participant: 4,
                address: DAVE,
                ..carol()
            };
            // `bound` holds the binding to be answered first; a greeting would come behind it.
            let (dave, _) = room.node.bound(&reads_pictures);
            assert_eq!(room.node.output(dave), "");
            let said = |to: &str, content_type: &str| {
                format!(
                    "From: <sip:alice@example.org>\r\nTo: <{to}>\r\n\r\n\
                     Content-Type: {content_type}\r\n\r\nx"
                )
            };
            let lobby = "sip:lobby@chat.example.com";
            for refused in ["text/plain", "image/gif", "image/pngx", "multipart/mixed"] {
                assert_eq!(status(&mut room, &said(lobby, refused)), "200");
                let answer = if chatroom.is_some() { "415" } else { "428" };
                assert_eq!(status(&mut room, &said(DAVE, refused)), answer);
            }
            assert_eq!(status(&mut room, &composing(lobby)), "200");
            assert_eq!(status(&mut room, &imdn(DAVE)), "200");
            assert_eq!(room.node.output(dave), "");
            let picture = said(lobby, "Image/PNG;x=y");
            assert_eq!(status(&mut room, &picture), "200");
            let heard = room.node.output(dave);
            let wire = format!("\r\nContent-Type: message/cpim\r\n\r\n{picture}\r\n-------");
            assert_eq!(
                (heard.matches("MSRP ").count(), heard.contains(&wire)),
                (1, true),
                "{heard}"
            );
        }
    }
}
