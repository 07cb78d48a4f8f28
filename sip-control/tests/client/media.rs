//! The MSRP side of a leg, octet for octet.

use std::time::{Duration, Instant};

use sip_control::client::{
    Agreement, CannotSend, Config, MediaEvent, MediaSession, Received, SENDS_MAX, Saying,
};

use super::peer::*;

const PEER: &str = "msrp://198.51.100.5:2855/Qf7sX0aM4rJ9dK2yHc;tcp";

/// A session as TV-02 agrees to it, with this change of the answer.
pub fn session_with(config: &Config, from: &str, to: &str) -> (MediaSession, String, Instant) {
    let mut scene = Scene::with(config.clone());
    scene.join();
    let invite = scene.sent();
    let answer = ANSWER.replace(from, to);
    scene.receive(&ok_with(&invite, "f9c1", &contact(IDENTITY), &answer));
    let Some(sip_control::client::Event::Joined { joined, .. }) = scene.event() else { panic!() };
    let local = attribute(&invite, "path");
    let agreement: Agreement = joined.agreement;
    let session =
        MediaSession::new(agreement, &config.media, "sip:alice@example.com", IDENTITY, [9; 32]);
    (session, local, scene.now)
}

fn session() -> (MediaSession, String, Instant) {
    session_with(&config(), "", "")
}

fn out(session: &mut MediaSession) -> String {
    String::from_utf8(session.poll_transmit().unwrap_or_default()).unwrap()
}

/// The transaction of the one request in `text`.
fn transaction(text: &str) -> String {
    text.split(' ').nth(1).unwrap().to_owned()
}

fn line<'a>(text: &'a str, name: &str) -> &'a str {
    let mut lines = text.split("\r\n");
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

fn answer(session: &mut MediaSession, transaction: &str, local: &str, status: &str) {
    let text = format!(
        "MSRP {transaction} {status}\r\nTo-Path: {local}\r\nFrom-Path: {PEER}\r\n\
         -------{transaction}$\r\n"
    );
    session.handle_received(text.as_bytes());
}

/// A SEND of the room.
fn send(local: &str, id: &str, range: &str, content_type: &str, body: &str, flag: char) -> String {
    format!(
        "MSRP d93k{id} SEND\r\nTo-Path: {local}\r\nFrom-Path: {PEER}\r\nMessage-ID: m{id}\r\n\
         Byte-Range: {range}\r\nContent-Type: {content_type}\r\n\r\n{body}\r\n-------d93k{id}{flag}\r\n"
    )
}

const HELLO: &str = "From: \"Bob R\\.\" <sip:bob@example.com>\r\n\
    To: <sip:s-91be77d20c5a4e0fa6d3b1c2e4f50617@im.example.com;gr>\r\n\
    DateTime: 2026-11-23T11:00:00Z\r\n\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\r\nHello";

fn received(session: &mut MediaSession) -> Received {
    match session.poll_event() {
        Some(MediaEvent::Received(received)) => received,
        other => panic!("{other:?}"),
    }
}

/// REJ-11: the first thing on the connection is a SEND without body, to the path of the answer; when
/// it is answered the session is bound.
#[test]
fn a_connection_is_bound_at_once() {
    let (mut session, local, now) = session();
    assert_eq!(session.peer().unwrap().as_str(), PEER);
    session.handle_connected(now);
    let text = out(&mut session);
    let (id, message) = (transaction(&text), line(&text, "Message-ID").to_owned());
    assert_eq!(
        text,
        format!(
            "MSRP {id} SEND\r\nTo-Path: {PEER}\r\nFrom-Path: {local}\r\nMessage-ID: {message}\r\n\
             Byte-Range: 1-0/0\r\n-------{id}$\r\n"
        )
    );
    assert!(session.poll_event().is_none());
    answer(&mut session, &id, &local, "200 OK");
    assert!(matches!(session.poll_event(), Some(MediaEvent::Bound)));
    assert_eq!(session.poll_timeout(), None);
}

/// REJ-11: a session that the room does not know is dead; so is one that it never answers.
#[test]
fn a_connection_that_is_not_bound_is_lost() {
    let (mut session, local, now) = session();
    session.handle_connected(now);
    let id = transaction(&out(&mut session));
    answer(&mut session, &id, &local, "481 Session does not exist");
    assert!(matches!(session.poll_event(), Some(MediaEvent::Lost)));
    assert_eq!(session.send(now, &Saying::to_room("text/plain", b"x")), Err(CannotSend::Over));

    let (mut session, _, now) = self::session();
    session.handle_connected(now);
    assert_eq!(session.poll_timeout(), Some(now + Duration::from_secs(30)));
    session.handle_timeout(now + Duration::from_secs(30));
    assert!(matches!(session.poll_event(), Some(MediaEvent::Lost)));
}

/// What is said to the room goes in one chunk, in a wrapper from the user to the conference.
#[test]
fn a_message_goes_in_a_wrapper_and_in_one_chunk() {
    let (mut session, local, now) = session();
    let number = session.send(now, &Saying::to_room("text/plain", b"Hi, all\r\n")).unwrap();
    let text = out(&mut session);
    let (id, message) = (transaction(&text), line(&text, "Message-ID").to_owned());
    let body = format!(
        "From: <sip:alice@example.com>\r\nTo: <{IDENTITY}>\r\n\r\n\
         Content-Type: text/plain\r\n\r\nHi, all\r\n"
    );
    let size = body.len();
    assert_eq!(
        text,
        format!(
            "MSRP {id} SEND\r\nTo-Path: {PEER}\r\nFrom-Path: {local}\r\nMessage-ID: {message}\r\n\
             Byte-Range: 1-{size}/{size}\r\nContent-Type: message/cpim\r\n\r\n{body}\r\n-------{id}$\r\n"
        )
    );
    answer(&mut session, &id, &local, "200 OK");
    assert!(matches!(session.poll_event(), Some(MediaEvent::Taken(taken)) if taken == number));
    answer(&mut session, &id, &local, "200 OK");
    assert!(session.poll_event().is_none());
}

/// After a rename the wrapper names the alias.
#[test]
fn an_alias_is_spoken_under() {
    let (mut session, _, now) = session();
    session.rename("sip:anonymous1@anonymous.invalid");
    session.send(now, &Saying::to_room("text/plain", b"x")).unwrap();
    let text = out(&mut session);
    assert!(text.contains("\r\n\r\nFrom: <sip:anonymous1@anonymous.invalid>\r\nTo: "), "{text}");
}

/// Nothing is sent that the answer does not allow for.
#[test]
fn what_the_room_does_not_take_is_not_sent() {
    let (mut session, _, now) = session();
    assert_eq!(session.send(now, &Saying::to_room("image/png", b"x")), Err(CannotSend::Type));
    assert_eq!(
        session.send(now, &Saying::to_room("text/plain\r\nEvil: 1", b"x")),
        Err(CannotSend::Type)
    );
    assert_eq!(
        session.send(now, &Saying::to_room("text/plain", &vec![b'x'; 1_048_576])),
        Err(CannotSend::TooLarge)
    );
    for direction in ["a=sendonly", "a=inactive"] {
        let (mut session, _, now) = session_with(&config(), "a=sendrecv", direction);
        assert_eq!(session.send(now, &Saying::to_room("text/plain", b"x")), Err(CannotSend::Muted));
    }
    assert_eq!(out(&mut session), "");
}

/// A room that never answers is not written to without end, and each message it keeps silent
/// about is given up after 30 s.
#[test]
fn unanswered_messages_are_few_and_given_up() {
    let (mut session, local, now) = session();
    let first = session.send(now, &Saying::to_room("text/plain", b"x")).unwrap();
    let id = transaction(&out(&mut session));
    let later = now + Duration::from_secs(1);
    for _ in 1..SENDS_MAX {
        session.send(later, &Saying::to_room("text/plain", b"x")).unwrap();
    }
    assert_eq!(session.send(later, &Saying::to_room("text/plain", b"x")), Err(CannotSend::Busy));
    assert_eq!(session.poll_timeout(), Some(now + Duration::from_secs(30)));
    session.handle_timeout(now + Duration::from_secs(30));
    let Some(MediaEvent::NotTaken { message, status: 408 }) = session.poll_event() else {
        panic!()
    };
    assert_eq!(message, first);
    assert!(session.poll_event().is_none());
    answer(&mut session, &id, &local, "200 OK");
    assert!(session.poll_event().is_none());
    session.send(later, &Saying::to_room("text/plain", b"x")).unwrap();
}

/// What is not taken is told by its status; 481 and 506 end the session.
#[test]
fn refusals_of_the_room_are_told() {
    for (code, is_fatal) in [(403, false), (413, false), (481, true), (506, true)] {
        let (mut session, local, now) = session();
        let number = session.send(now, &Saying::to_room("text/plain", b"x")).unwrap();
        let id = transaction(&out(&mut session));
        answer(&mut session, &id, &local, &format!("{code} No"));
        let Some(MediaEvent::NotTaken { message, status }) = session.poll_event() else { panic!() };
        assert_eq!((message, status), (number, code));
        assert_eq!(matches!(session.poll_event(), Some(MediaEvent::Lost)), is_fatal);
    }
}

/// What others say is delivered with who says it and answered 200,
/// however TCP cut it.
#[test]
fn what_others_say_is_delivered_and_answered() {
    let (_, local, _) = session();
    let text = send(&local, "aaaa", &format!("1-{0}/{0}", HELLO.len()), "message/cpim", HELLO, '$');
    for at in 0..text.len() {
        let (mut session, ..) = session();
        let (head, tail) = text.split_at(at);
        session.handle_received(head.as_bytes());
        session.handle_received(tail.as_bytes());
        let received = received(&mut session);
        let sender = received.sender.unwrap();
        assert_eq!(
            (&*sender.from, sender.name.as_deref()),
            ("sip:bob@example.com", Some("Bob R."))
        );
        assert_eq!(sender.date_time.as_deref(), Some("2026-11-23T11:00:00Z"));
        assert_eq!((&*received.content_type, &received.content[..]), ("text/plain", &b"Hello"[..]));
        assert_eq!(
            out(&mut session),
            format!(
                "MSRP d93kaaaa 200 OK\r\nTo-Path: {PEER}\r\nFrom-Path: {local}\r\n-------d93kaaaa$\r\n"
            )
        );
    }
}

/// Chunks of several messages may interleave; each is put together by its
/// Message-ID, and of an overlap the later octets count.
#[test]
fn chunks_are_put_together_by_message() {
    let (mut session, local, _) = session();
    let (first, rest) = HELLO.split_at(30);
    let other = HELLO.replace("Hello", "Bye");
    let total = HELLO.len();
    let chunk = |id: &str, message: &str, range: String, body: &str, flag| {
        let text = send(&local, id, &range, "message/cpim", body, flag);
        text.replace(&format!("Message-ID: m{id}"), &format!("Message-ID: {message}"))
    };
    let wire = [
        chunk("aaaa", "one", format!("1-*/{total}"), first, '+'),
        chunk("bbbb", "two", "1-*/*".to_owned(), &other[..50], '+'),
        chunk("cccc", "one", format!("31-{total}/{total}"), "garbage", '+'),
        chunk("dddd", "one", format!("31-{total}/{total}"), rest, '$'),
        chunk("eeee", "two", "51-*/*".to_owned(), &other[50..], '$'),
    ]
    .concat();
    session.handle_received(wire.as_bytes());
    assert_eq!(&received(&mut session).content[..], b"Hello");
    assert_eq!(&received(&mut session).content[..], b"Bye");
    assert!(session.poll_event().is_none());
    assert_eq!(out(&mut session).matches(" 200 OK\r\n").count(), 5);
}

/// What is given up halfway is not delivered, and its name is free again.
#[test]
fn an_aborted_message_is_not_delivered() {
    let (mut session, local, _) = session();
    let total = HELLO.len();
    let cut = send(&local, "aaaa", &format!("1-*/{total}"), "message/cpim", &HELLO[..30], '#');
    session.handle_received(cut.as_bytes());
    assert!(session.poll_event().is_none());
    let whole = send(&local, "aaaa", &format!("1-{total}/{total}"), "message/cpim", HELLO, '$');
    session.handle_received(whole.as_bytes());
    assert_eq!(&received(&mut session).content[..], b"Hello");
}

/// No more is held than was said to be taken, whatever was announced.
#[test]
fn a_message_that_is_too_large_is_stopped() {
    let mut small = config();
    small.media.size_max = 4096;
    let status = |wire: &str| {
        let (mut session, local, _) = session_with(&small, "", "");
        session.handle_received(wire.replace("LOCAL", &local).as_bytes());
        assert!(session.poll_event().is_none());
        out(&mut session).lines().next().unwrap().to_owned()
    };
    let large = "x".repeat(5000);
    let announced = send("LOCAL", "aaaa", "1-5000/5000", "message/cpim", &large, '$');
    assert_eq!(status(&announced), "MSRP d93kaaaa 413 Stop sending");
    let concealed = send("LOCAL", "aaaa", "1-*/*", "message/cpim", &large, '$');
    assert_eq!(status(&concealed), "MSRP d93kaaaa 413 Stop sending");
    let gap = send("LOCAL", "aaaa", "100-*/*", "message/cpim", HELLO, '$');
    assert_eq!(status(&gap), "MSRP d93kaaaa 413 Stop sending");
}

/// Unfinished messages are bounded together, and finished ones make room again.
#[test]
fn unfinished_messages_are_bounded_together() {
    let mut small = config();
    small.media.size_max = 1000;
    let (mut session, local, _) = session_with(&small, "", "");
    let begin = |number: usize| {
        let id = format!("{number:04}");
        send(&local, &id, "1-*/1000", "message/cpim", &"x".repeat(900), '+')
    };
    let mut statuses = Vec::new();
    for number in 0..10 {
        session.handle_received(begin(number).as_bytes());
        let text = out(&mut session);
        statuses.push(text.split(' ').nth(2).unwrap().to_owned());
    }
    assert_eq!(statuses[..8], ["200"; 8]);
    assert_eq!(statuses[8..], ["413"; 2]);
    let abort = send(&local, "0003", "901-*/1000", "message/cpim", "", '#');
    session.handle_received(abort.as_bytes());
    out(&mut session);
    session.handle_received(begin(11).as_bytes());
    assert!(out(&mut session).contains(" 200 OK\r\n"));
}

/// SDP-03: content without a wrapper is refused, but for typing indications that were asked for.
#[test]
fn content_without_a_wrapper_is_refused() {
    let typing = "application/im-iscomposing+xml";
    let mut wants_typing = config();
    wants_typing.media.takes_bare_typing = true;
    let types = "a=accept-types:message/cpim application/im-iscomposing+xml";
    for (config, content_type, status) in [
        (config(), "text/plain", "415"),
        (config(), typing, "415"),
        (wants_typing.clone(), "text/plain", "415"),
        (wants_typing, typing, "200"),
    ] {
        let to = if status == "200" { types } else { "a=accept-types:message/cpim" };
        let (mut session, local, _) = session_with(&config, "a=accept-types:message/cpim", to);
        session.handle_received(send(&local, "aaaa", "1-1/1", content_type, "x", '$').as_bytes());
        assert_eq!(out(&mut session).split(' ').nth(2), Some(status));
        match session.poll_event() {
            Some(MediaEvent::Received(received)) => {
                assert_eq!((received.sender, &*received.content_type), (None, typing));
                assert_eq!(status, "200");
            }
            other => assert!(other.is_none() && status == "415", "{other:?}"),
        }
    }
}

/// Faults are answered as faults and hurt nobody; a wrapper that cannot be read is 400.
#[test]
fn faulty_requests_are_answered() {
    let (mut session, local, _) = session();
    for (text, status) in [
        (send(&local, "aaaa", "1-3/3", "message/cpim", "x\r\n", '$'), "400"),
        (send("msrp://192.0.2.21:9/other;tcp", "aaaa", "1-1/1", "message/cpim", "x", '$'), "481"),
        (
            send(&format!("{local} msrp://a:1/b;tcp"), "aaaa", "1-1/1", "message/cpim", "x", '$'),
            "481",
        ),
        (send(&local, "aaaa", "0-1/1", "message/cpim", "x", '$'), "400"),
        (
            format!(
                "MSRP aaaa NICKNAME\r\nTo-Path: {local}\r\nFrom-Path: {PEER}\r\n\
                 Use-Nickname: \"x\"\r\n-------aaaa$\r\n"
            ),
            "501",
        ),
    ] {
        session.handle_received(text.as_bytes());
        assert_eq!(out(&mut session).split(' ').nth(2), Some(status), "{text}");
        assert!(session.poll_event().is_none(), "{text}");
    }
    session.handle_received(send(&local, "bbbb", "1-*/*", "message/cpim", HELLO, '$').as_bytes());
    assert_eq!(&received(&mut session).content[..], b"Hello");
    session.handle_received(b"GET / HTTP/1.1\r\n\r\n");
    assert!(matches!(session.poll_event(), Some(MediaEvent::Lost)));
    session.handle_received(send(&local, "cccc", "1-*/*", "message/cpim", HELLO, '$').as_bytes());
    assert!(session.poll_event().is_none());
}

/// Who wants no answer gets none, and who wants to know that a message
/// arrived whole is told.
#[test]
fn reports_are_made_as_they_are_asked_for() {
    let (mut session, local, _) = session();
    let text = send(&local, "aaaa", "1-*/*", "message/cpim", HELLO, '$');
    let quiet = text.replace("Byte-Range", "Failure-Report: no\r\nByte-Range");
    session.handle_received(quiet.as_bytes());
    assert_eq!(out(&mut session), "");
    let keen = quiet.replace("Byte-Range", "Success-Report: yes\r\nByte-Range");
    session.handle_received(keen.as_bytes());
    let report = out(&mut session);
    let id = transaction(&report);
    let size = HELLO.len();
    assert_eq!(
        report,
        format!(
            "MSRP {id} REPORT\r\nTo-Path: {PEER}\r\nFrom-Path: {local}\r\nMessage-ID: maaaa\r\n\
             Byte-Range: 1-{size}/{size}\r\nStatus: 000 200 OK\r\n-------{id}$\r\n"
        )
    );
}

/// No end-line of ours can be found inside what is said.
#[test]
fn content_cannot_end_its_chunk() {
    // The transactions of one seed are the same every time, so the first can be known beforehand.
    let (mut session, ..) = session();
    let (mut twin, _, now) = self::session();
    twin.send(now, &Saying::to_room("text/plain", b"x")).unwrap();
    let foreseen = transaction(&out(&mut twin));
    let content = format!("-------{foreseen}$\r\n");
    session.send(now, &Saying::to_room("text/plain", content.as_bytes())).unwrap();
    assert_ne!(transaction(&out(&mut session)), foreseen);
}

const ALLOWS_ALL: &str = "a=chatroom:nickname private-messages\na=sendrecv";

/// msrp/PRIV-01: a private message names its one reader in `To`, and is never written in a room that
/// passes none on.
#[test]
fn private_messages_go_to_one_member() {
    let (mut session, _, now) = session_with(&config(), "a=sendrecv", ALLOWS_ALL);
    let to =
        |to: &str| Saying { to: Some(to.to_owned()), ..Saying::to_room("text/plain", b"Psst") };
    session.send(now, &to("sip:bob@example.com")).unwrap();
    let body = "From: <sip:alice@example.com>\r\nTo: <sip:bob@example.com>\r\n\r\n\
                Content-Type: text/plain\r\n\r\nPsst";
    assert!(out(&mut session).contains(&format!("\r\n\r\n{body}\r\n-------")));
    for malformed in
        ["bob", "sip:bob@example.com>\r\nTo: <sip:eve@example.com", "sip:b@c> <sip:e@c"]
    {
        assert_eq!(session.send(now, &to(malformed)), Err(CannotSend::Malformed), "{malformed}");
    }
    let (mut session, _, now) = self::session();
    let private = to("sip:bob@example.com");
    assert_eq!(session.send(now, &private), Err(CannotSend::NoPrivateMessages));
    // A notification is no private message (msrp/IMDN-04).
    let disposition = Some("notification".to_owned());
    let content_type = "message/imdn+xml".to_owned();
    session.send(now, &Saying { disposition, content_type, ..private }).unwrap();
    assert!(out(&mut session).contains("\r\nContent-Disposition: notification\r\n\r\nPsst\r\n"));
}

/// msrp/NICK-01, msrp/NICK-05: asking for a nickname, giving it back, and what the room answers.
#[test]
fn nicknames_are_asked_for_and_given_back() {
    let (mut session, local, now) = session_with(&config(), "a=sendrecv", ALLOWS_ALL);
    let number = session.request_nickname(now, r#"Al "the" \ice"#).unwrap();
    let request = out(&mut session);
    let transaction = transaction(&request);
    let expected = format!(
        "MSRP {transaction} NICKNAME\r\nTo-Path: {PEER}\r\nFrom-Path: {local}\r\n\
         Use-Nickname: \"Al \\\"the\\\" \\\\ice\"\r\n-------{transaction}$\r\n"
    );
    assert_eq!(request, expected);
    answer(&mut session, &transaction, &local, "425 Nickname reserved or already in use");
    let event = session.poll_event().unwrap();
    assert!(matches!(event, MediaEvent::NotTaken { message, status: 425 } if message == number));
    session.request_nickname(now, "").unwrap();
    assert!(out(&mut session).contains("\r\nUse-Nickname: \"\"\r\n"));
    assert_eq!(session.request_nickname(now, "a\nb"), Err(CannotSend::Malformed));
    let (mut session, _, now) = self::session();
    assert_eq!(session.request_nickname(now, "Al"), Err(CannotSend::NoNicknames));
}

/// RFC 5438 section 7.1: who wants to hear of delivery names the message, and who reads one that
/// asks for it is told so.
#[test]
fn delivery_is_asked_for_by_name() {
    let (mut session, local, now) = session();
    let asking = Saying {
        imdn_id: Some("34jk".to_owned()),
        date_time: Some("2026-01-15T10:00:00Z".to_owned()),
        ..Saying::to_room("text/plain", b"Hi")
    };
    session.send(now, &asking).unwrap();
    let body = format!(
        "From: <sip:alice@example.com>\r\nTo: <{IDENTITY}>\r\nDateTime: 2026-01-15T10:00:00Z\r\n\
         NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 34jk\r\n\
         imdn.Disposition-Notification: positive-delivery\r\n\r\n\
         Content-Type: text/plain\r\n\r\nHi"
    );
    assert!(out(&mut session).contains(&format!("\r\n\r\n{body}\r\n-------")));
    let range = format!("1-{0}/{0}", body.len());
    session.handle_received(send(&local, "aaaa", &range, "message/cpim", &body, '$').as_bytes());
    let heard = received(&mut session);
    assert_eq!((heard.imdn_id.as_deref(), heard.wants_delivery), (Some("34jk"), true));
    let forged = Saying { imdn_id: Some("x\r\nTo: <sip:eve@example.com>".to_owned()), ..asking };
    assert_eq!(session.send(now, &forged), Err(CannotSend::Malformed));
}

/// RFC 4975 section 7.1: a session is asked whether it lives, and is lost when nobody answers.
#[test]
fn a_session_that_answers_nothing_is_lost() {
    let mut config = config();
    config.media.keep_alive = Some(Duration::from_secs(15));
    let (mut session, local, now) = session_with(&config, "", "");
    session.handle_connected(now);
    let binding = transaction(&out(&mut session));
    answer(&mut session, &binding, &local, "200 OK");
    assert!(matches!(session.poll_event(), Some(MediaEvent::Bound)));
    let second = Duration::from_secs(1);
    session.handle_timeout(now + 14 * second);
    assert_eq!(session.poll_transmit(), None);
    assert_eq!(session.poll_timeout(), Some(now + 15 * second));
    session.handle_timeout(now + 15 * second);
    let asked = out(&mut session);
    assert!(asked.contains("\r\nByte-Range: 1-0/0\r\n-------"), "{asked}");
    answer(&mut session, &transaction(&asked), &local, "200 OK");
    session.handle_timeout(now + 30 * second);
    assert!(!out(&mut session).is_empty());
    session.handle_timeout(now + 45 * second);
    assert!(matches!(session.poll_event(), Some(MediaEvent::Lost)));
    session.poll_transmit();
    session.handle_timeout(now + 90 * second);
    assert_eq!((session.poll_transmit(), session.poll_timeout()), (None, None));
}
