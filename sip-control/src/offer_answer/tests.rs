//! Offers and answers, as literal descriptions.

mod fuzz;
mod middlebox;

use mailbox::{Chatroom, Direction, NextHop, NicknamePolicy, PeerMedia, RoomPolicy, Setup};
use msrp::UriBuf;

use proptest::prelude::*;

use super::{Cema, MediaOffer, Names, Origin, RoomMedia, Shape, Unacceptable};
use crate::sdp::Description;

/// The offer of TV-01.
const OFFER: &str = "v=0\r\n\
    o=- 3900000001 1 IN IP4 192.0.2.21\r\n\
    s=-\r\n\
    c=IN IP4 192.0.2.21\r\n\
    t=0 0\r\n\
    m=message 9 TCP/MSRP *\r\n\
    a=accept-types:message/cpim application/im-iscomposing+xml\r\n\
    a=accept-wrapped-types:text/plain message/imdn+xml\r\n\
    a=setup:active\r\n\
    a=path:msrp://192.0.2.21:9/k3Zq8vT1wY6uPb2nLx;tcp\r\n\
    a=chatroom:nickname private-messages\r\n\
    a=sendrecv\r\n";

fn room() -> RoomMedia {
    RoomMedia {
        wrapped_types: vec!["text/plain".to_owned(), "message/imdn+xml".to_owned()],
        size_max: 1_048_576,
        policy: RoomPolicy::default(),
        accept_sbc_rewrite: false,
        cema: Cema::On,
        allow_active: true,
    }
}

fn read(offer: &str) -> Result<MediaOffer, Unacceptable> {
    read_for(offer, &room())
}

fn read_for(offer: &str, room: &RoomMedia) -> Result<MediaOffer, Unacceptable> {
    MediaOffer::read(offer.as_bytes(), room, &Names::default())
}

fn read_answer(answer: &str) -> Result<PeerMedia, Unacceptable> {
    let answer = room().read_answer(&Shape::default(), answer.as_bytes(), &Names::default());
    answer.map(|answer| answer.peer)
}

fn read_with(line: &str, other: &str) -> Result<MediaOffer, Unacceptable> {
    assert!(OFFER.contains(line), "{line:?}");
    read(&OFFER.replace(line, other))
}

/// The offer of a peer that has a port of its own, with this `a=setup`.
fn reachable(setup: &str) -> String {
    let offer = OFFER.replace("m=message 9", "m=message 7654").replace(":9/", ":7654/");
    offer.replace("a=setup:active\r\n", setup)
}

/// We connect, to there.
fn to(host: &str, port: u16, is_anchored: bool) -> Setup {
    Setup::Active(NextHop { host: host.into(), port, is_anchored })
}

fn fault(offer: Result<MediaOffer, Unacceptable>) -> (u16, &'static str) {
    let fault = offer.expect_err("an offer that no answer fits");
    (fault.warn_code(), fault.warn_text())
}

fn answer(offer: &MediaOffer, room: &RoomMedia) -> String {
    let path = UriBuf::parse(b"msrp://198.51.100.5:2855/Qf7sX0aM4rJ9dK2yHc;tcp").unwrap();
    offer.answer(room, Origin { session: 4_100_000_001, version: 1 }, &path)
}

/// FOC-19, FOC-26, FOC-29, SDP-15, SDP-16, SDP-18, SDP-19, msrp/SDP-01, msrp/SDP-03, msrp/SDP-09,
/// msrp/SDP-10, msrp/SDP-15, msrp/SDP-25, msrp/SDP-26, msrp/SETUP-05: the answer to TV-01, line by
/// line, in a room that allows neither nicknames nor private messages.
#[test]
fn the_answer_accepts_the_chat_line_as_the_room_runs_it() {
    let expected = "v=0\r\n\
        o=- 4100000001 1 IN IP4 198.51.100.5\r\n\
        s=-\r\n\
        c=IN IP4 198.51.100.5\r\n\
        t=0 0\r\n\
        m=message 2855 TCP/MSRP *\r\n\
        a=accept-types:message/cpim\r\n\
        a=accept-wrapped-types:text/plain message/imdn+xml\r\n\
        a=setup:passive\r\n\
        a=path:msrp://198.51.100.5:2855/Qf7sX0aM4rJ9dK2yHc;tcp\r\n\
        a=max-size:1048576\r\n\
        a=chatroom\r\n\
        a=sendrecv\r\n";
    assert_eq!(answer(&read(OFFER).unwrap(), &room()), expected);
}

/// msrp/LIM-03: a room of which nothing else is said takes messages of 10 MiB, and says so.
#[test]
fn the_largest_message_is_announced_and_has_a_default() {
    let room = RoomMedia { size_max: crate::config::Media::default().size_max, ..room() };
    assert!(answer(&read(OFFER).unwrap(), &room).contains("\r\na=max-size:10485760\r\n"));
}

/// msrp/SDP-27, SDP-19: the tokens are the room's own, whatever the peer declared.
#[test]
fn chatroom_tokens_of_the_answer_are_the_rooms() {
    let offer = read_with("a=chatroom:nickname private-messages\r\n", "").unwrap();
    assert_eq!(offer.peer().chatroom, None);
    for (nickname, private_messages, line) in [
        (true, true, "a=chatroom:nickname private-messages\r\n"),
        (true, false, "a=chatroom:nickname\r\n"),
        (false, true, "a=chatroom:private-messages\r\n"),
    ] {
        let nicknames = nickname.then(NicknamePolicy::default);
        let policy = RoomPolicy { nicknames, private_messages, ..RoomPolicy::default() };
        let room = RoomMedia { policy, ..room() };
        assert!(answer(&offer, &room).contains(line), "{line}");
    }
}

/// SDP-17, msrp/SDP-05, msrp/SDP-12, msrp/SDP-16: what the peer said of itself is kept whole.
#[test]
fn what_rules_the_forwarding_to_the_peer_is_kept_unreduced() {
    let path = "msrp://relay.example.com:2855/a;tcp msrp://192.0.2.21:9/k3Zq8vT1wY6uPb2nLx;tcp";
    let offer = OFFER
        .replace("a=path:msrp://192.0.2.21:9/k3Zq8vT1wY6uPb2nLx;tcp", &format!("a=path:{path}"))
        .replace("a=sendrecv", "a=max-size:4000");
    let offer = read(&offer).unwrap();
    assert_eq!(offer.peer().path.as_str(), path);
    assert_eq!(offer.peer().size_max, Some(4000));
    let accepts = |media_type: &str| offer.peer().accept_wrapped.accepts(media_type.as_bytes());
    assert!(accepts("text/plain") && accepts("message/imdn+xml"));
    assert!(accepts("application/im-iscomposing+xml") && !accepts("text/html"));
}

/// SDP-12, msrp/SDP-13: plain text is understood where nothing but wrappers is named.
#[test]
fn plain_text_is_assumed_of_a_peer_that_names_only_wrappers() {
    let line = "a=accept-wrapped-types:text/plain message/imdn+xml\r\n";
    for lists in ["", "a=accept-wrapped-types:multipart/mixed\r\n"] {
        let offer = OFFER.replace(line, lists).replace(" application/im-iscomposing+xml", "");
        let offer = read(&offer).unwrap();
        assert!(offer.peer().accept_wrapped.accepts(b"text/plain"));
        assert!(answer(&offer, &room()).contains("a=accept-wrapped-types:text/plain\r\n"));
    }
}

/// msrp/TV-38, msrp/SDP-11: an offer is for a room only if it takes the wrapper, in whatever words, and is
/// one of MSRP in all its parts.
#[test]
fn an_offer_without_the_wrapper_is_refused() {
    const TV_38: &str = "v=0\r\n\
        o=dave 1 1 IN IP4 203.0.113.5\r\n\
        s=-\r\n\
        c=IN IP4 203.0.113.5\r\n\
        t=0 0\r\n\
        m=message 7777 TCP/MSRP *\r\n\
        a=setup:actpass\r\n\
        a=accept-types:text/plain text/html\r\n\
        a=path:msrp://203.0.113.5:7777/dA3v5E8x;tcp\r\n";
    const TYPES: &str = "a=accept-types:text/plain text/html\r\n";
    const PATH: &str = "a=path:msrp://203.0.113.5:7777/dA3v5E8x;tcp\r\n";
    assert!(read(TV_38).is_err());
    for types in ["*", "text/plain message/*"] {
        let offer = TV_38.replace(TYPES, &format!("a=accept-types:{types}\r\n"));
        let answer = answer(&read(&offer).expect(types), &room());
        assert!(answer.contains("m=message 2855 TCP/MSRP *\r\na=accept-types:message/cpim\r\n"));
    }
    let taken = TV_38.replace(TYPES, "a=accept-types:*\r\n");
    for (line, other) in [
        (PATH, ""),
        ("a=accept-types:*\r\n", ""),
        ("TCP/MSRP *", "TCP/MSRP text/plain"),
        (PATH, "a=path:msrps://203.0.113.5:7777/dA3v5E8x;tcp\r\n"),
    ] {
        assert!(taken.contains(line) && read(&taken.replace(line, other)).is_err(), "{line}");
    }
}

/// SDP-06: 399 for what is no session description at all.
#[test]
fn a_malformed_description_is_told_as_such() {
    let malformed = (399, "Malformed session description");
    assert_eq!(fault(read("")), malformed);
    assert_eq!(fault(read("hello")), malformed);
    assert_eq!(fault(read_with("c=IN IP4 192.0.2.21\r\n", "")), malformed);
    assert_eq!(fault(read_with("o=- 3900000001 1 IN IP4 192.0.2.21\r\n", "")), malformed);
}

/// SDP-07, SDP-20, msrp/FILE-02: other media, file transfers and lines with port 0 are not offers
/// of chat.
#[test]
fn a_description_without_chat_is_304() {
    let none = (304, "Media type not available");
    let audio = "v=0\r\no=- 1 1 IN IP4 192.0.2.22\r\ns=-\r\nc=IN IP4 192.0.2.22\r\nt=0 0\r\n\
                 m=audio 4000 RTP/AVP 0 8\r\n";
    assert_eq!(fault(read(audio)), none);
    assert_eq!(fault(read_with("m=message 9", "m=message 0")), none);
    assert_eq!(fault(read_with("a=sendrecv", "a=file-selector:name:\"a\"")), none);
}

/// FOC-26, SDP-07, msrp/SDP-21: all lines but the chosen one get port 0, in the order of the offer.
#[test]
fn lines_not_taken_are_answered_with_port_0() {
    let head = OFFER.find("m=").unwrap();
    let (session, chat) = OFFER.split_at(head);
    let offer = format!(
        "{session}m=audio 4000 RTP/AVP 0 8\r\n\
         m=message 5000 TCP/MSRP *\r\na=file-selector:name:\"x\"\r\n{chat}m=message 0 TCP/MSRP *\r\n"
    );
    let answer = answer(&read(&offer).unwrap(), &room());
    let lines: Vec<&str> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    let expected = [
        "m=audio 0 RTP/AVP 0 8",
        "m=message 0 TCP/MSRP *",
        "m=message 2855 TCP/MSRP *",
        "m=message 0 TCP/MSRP *",
    ];
    assert_eq!(lines, expected);
}

/// msrp/FILE-03: a file that is refused is told by the words it was offered with.
#[test]
fn a_refused_file_is_told_which_it_was() {
    let head = OFFER.find("m=").unwrap();
    let (session, chat) = OFFER.split_at(head);
    let file = "a=file-selector:name:\"My cool picture.jpg\" type:image/jpeg size:32349\r\n\
                a=file-transfer-id:vBnG916bdberum2fFEABR1FR3ExZMUrd\r\n";
    let line = "m=message 7654 TCP/MSRP *\r\n";
    let offer = format!("{session}{line}a=sendonly\r\na=accept-types:*\r\n{file}{chat}");
    let answer = answer(&read(&offer).unwrap(), &room());
    assert!(
        answer.contains(&format!("m=message 0 TCP/MSRP *\r\n{file}m=message 2855 ")),
        "{answer}"
    );
    let evil = offer.replace("image/jpeg", "image/jpeg\ra=path:evil");
    if let Ok(read) = read(&evil) {
        assert!(!self::answer(&read, &room()).contains("evil"));
    }
}

/// msrp/TV-38: what an offer must hold to be one of a chat room.
#[test]
fn an_offer_for_no_room_is_refused_whatever_is_wrong() {
    let offer = "v=0\r\no=dave 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n\
        m=message 7777 TCP/MSRP *\r\na=setup:actpass\r\n\
        a=accept-types:text/plain text/html\r\na=path:msrp://203.0.113.5:7777/dA3v5E8x;tcp\r\n";
    assert_eq!(read(offer).unwrap_err(), Unacceptable::Types);
    let types = |types: &str| offer.replace("text/plain text/html", types);
    let others = format!("{}{}", types("*"), offer[offer.find("m=").unwrap()..].to_owned());
    let lines = answer(&read(&others).unwrap(), &room());
    assert!(lines.contains("m=message 2855 ") && lines.contains("m=message 0 TCP/MSRP *\r\n"));
    for accepted in ["*", "text/plain message/*"] {
        assert!(read(&types(accepted)).is_ok(), "{accepted}");
    }
    let good = types("*");
    for (line, instead) in [
        ("a=path:msrp://203.0.113.5:7777/dA3v5E8x;tcp\r\n", ""),
        ("a=accept-types:*\r\n", ""),
        ("TCP/MSRP *", "TCP/MSRP text/plain"),
        ("a=path:msrp:", "a=path:msrps:"),
    ] {
        assert!(good.contains(line) && read(&good.replace(line, instead)).is_err(), "{line}");
    }
}

/// SDP-07: the first line that fits is taken; one that does not is passed over.
#[test]
fn an_unusable_chat_line_does_not_spoil_a_usable_one() {
    let head = OFFER.find("m=").unwrap();
    let (session, chat) = OFFER.split_at(head);
    let tls = "m=message 7000 TCP/TLS/MSRP *\r\na=path:msrps://192.0.2.21:7000/x;tcp\r\n";
    let answer = answer(&read(&format!("{session}{tls}{chat}")).unwrap(), &room());
    assert!(answer.contains("m=message 0 TCP/TLS/MSRP *\r\n"), "{answer}");
    assert!(answer.contains("m=message 2855 TCP/MSRP *\r\n"), "{answer}");
}

/// SDP-08, SDP-20: a transport that is not served is 302.
#[test]
fn other_transports_are_302() {
    for transport in ["TCP/TLS/MSRP", "UDP", "TCP/WSS/MSRP"] {
        let offer = read_with("TCP/MSRP", transport);
        assert_eq!(fault(offer), (302, "Incompatible transport protocol"), "{transport}");
    }
}

/// SDP-09, msrp/SDP-01: the format is `*` and nothing else; port 9 is for those who connect.
#[test]
fn the_media_line_has_to_be_one_of_msrp() {
    for formats in ["* *", "0", "**"] {
        let offer = read_with("TCP/MSRP *", &format!("TCP/MSRP {formats}"));
        assert_eq!(fault(offer).0, 399, "{formats}");
    }
    assert_eq!(read_with("setup:active", "setup:actpass").unwrap_err(), Unacceptable::DiscardPort);
    assert_eq!(read_with("a=setup:active\r\n", "").unwrap_err(), Unacceptable::DiscardPort);
}

/// SDP-10, SDP-20, msrp/SDP-02, msrp/SDP-06: no port is taken for granted, and any fault of the path is 306.
#[test]
fn an_unusable_path_is_306() {
    let line = "a=path:msrp://192.0.2.21:9/k3Zq8vT1wY6uPb2nLx;tcp\r\n";
    let nine = "msrp://192.0.2.21:9/k;tcp ".repeat(9);
    let long = format!("msrp://192.0.2.21:9/{};tcp ", "k".repeat(500)).repeat(5);
    for paths in [
        "",
        "a=path:\r\n",
        "a=path:msrp://192.0.2.21/k;tcp\r\n",
        "a=path:msrp://192.0.2.21:9;tcp\r\n",
        "a=path:msrps://192.0.2.21:9/k;tcp\r\n",
        "a=path:msrp://192.0.2.21:9/k\r\n",
        "a=path:msrp://192.0.2.21:9/k;tcp\r\na=path:msrp://192.0.2.21:9/l;tcp\r\n",
        &format!("a=path:{}\r\n", nine.trim()),
        &format!("a=path:{}\r\n", long.trim()),
    ] {
        let offer = read_with(line, paths);
        assert_eq!(fault(offer), (306, "Attribute not understood: path"), "{paths}");
    }
    let eight = "msrp://192.0.2.21:9/k;tcp ".repeat(8);
    assert!(read_with(line, &format!("a=path:{}\r\n", eight.trim())).is_ok());
}

/// SDP-12, SDP-20, msrp/SDP-07: types are needed, and some in common.
#[test]
fn types_have_to_be_named_and_shared() {
    let line = "a=accept-types:message/cpim application/im-iscomposing+xml\r\n";
    assert_eq!(fault(read_with(line, "")), (306, "Attribute not understood: accept-types"));
    for types in ["text/html image/png", "text/plain", "message/sip"] {
        let offer = read_with(line, &format!("a=accept-types:{types}\r\n"));
        assert_eq!(fault(offer), (305, "Incompatible media format"), "{types}");
    }
    let wrapped = "accept-wrapped-types:text/plain message/imdn+xml";
    let offer = read_with(wrapped, "accept-wrapped-types:image/png");
    assert_eq!(fault(offer), (305, "Incompatible media format"), "nothing in common inside");
}

/// SDP-12, FOC-27, msrp/SDP-08, msrp/SDP-11: wildcards, parameters and the case of letters.
#[test]
fn the_wrapper_may_be_offered_in_many_ways() {
    let line = "accept-types:message/cpim application/im-iscomposing+xml";
    for types in ["*", "message/*", "MESSAGE/CPIM", "message/cpim;x=\"a b\" text/html"] {
        let offer = read_with(line, &format!("accept-types:{types}")).unwrap();
        let answer = answer(&offer, &room());
        assert!(answer.contains("a=accept-types:message/cpim\r\n"), "{types}");
        assert!(
            answer.contains("a=accept-wrapped-types:text/plain message/imdn+xml\r\n"),
            "{types}"
        );
    }
}

/// FOC-27, FOC-28: a room for everything selects what the offer names, and the wrapper is no choice.
#[test]
fn a_room_for_all_types_selects_from_the_offer() {
    let any = RoomMedia { wrapped_types: vec!["*".to_owned()], ..room() };
    let offer = read_for(OFFER, &any).unwrap();
    let line =
        "a=accept-wrapped-types:application/im-iscomposing+xml message/imdn+xml text/plain\r\n";
    assert!(answer(&offer, &any).contains(line), "{}", answer(&offer, &any));
    let offer = OFFER.replace("text/plain message/imdn+xml", "*");
    let offer = read_for(&offer, &any).unwrap();
    assert!(answer(&offer, &any).contains("a=accept-wrapped-types:* application/"));
}

/// SDP-13, SDP-16, msrp/SETUP-02, msrp/SETUP-04, msrp/SETUP-07: we wait, whatever the offer says but passive.
#[test]
fn the_answer_is_passive_to_all_who_can_connect() {
    for setup in ["a=setup:actpass\r\n", "a=setup:active\r\n", "a=setup:holdconn\r\n", ""] {
        let offer = read(&reachable(setup)).unwrap();
        assert_eq!(offer.peer().setup, Setup::Passive);
        assert!(answer(&offer, &room()).contains("a=setup:passive\r\n"), "{setup:?}");
    }
}

/// SDP-11: c= and m= name the next hop of the path, unless CEMA or an operator says otherwise.
#[test]
fn an_address_that_is_not_the_paths_needs_a_reason() {
    let differ = (399, "Path and connection address differ");
    let offer = reachable("a=setup:actpass\r\n");
    let moved = offer.replace("c=IN IP4 192.0.2.21", "c=IN IP4 203.0.113.1");
    assert_eq!(fault(read(&moved)), differ);
    assert_eq!(fault(read(&offer.replace("m=message 7654", "m=message 7000"))), differ);
    let other_family = offer.replace("c=IN IP4 192.0.2.21", "c=IN IP6 2001:db8::1");
    assert_eq!(fault(read(&other_family)), differ);
    let cema = read(&moved.replace("a=sendrecv", "a=msrp-cema")).unwrap();
    assert!(answer(&cema, &room()).contains("a=msrp-cema\r\n"));
    assert!(!answer(&read(OFFER).unwrap(), &room()).contains("cema"));
    let tolerant = RoomMedia { accept_sbc_rewrite: true, ..room() };
    assert!(read_for(&moved, &tolerant).is_ok());
    let named = OFFER.replace("a=path:msrp://192.0.2.21:9", "a=path:msrp://alice.example.com:9");
    assert!(read(&named).is_ok(), "a name is not compared with a number");
}

/// SDP-13, SDP-16, msrp/SETUP-06: we connect to who waits, and say so with our real
/// port; who waits where nobody can go is refused, and so are all where we do not connect.
#[test]
fn a_passive_offer_is_answered_active_if_there_is_somewhere_to_go() {
    let passive = reachable("a=setup:passive\r\n");
    let offer = read(&passive).unwrap();
    assert_eq!(offer.peer().setup, to("192.0.2.21", 7654, false));
    let said = answer(&offer, &room());
    assert!(said.contains("a=setup:active\r\n") && said.contains("m=message 2855 "), "{said}");
    let named = passive.replace("msrp://192.0.2.21:", "msrp://Alice.example.com:");
    assert_eq!(read(&named).unwrap().peer().setup, to("alice.example.com", 7654, false));
    let six = passive
        .replace("IP4 192.0.2.21", "IP6 2001:db8::21")
        .replace("192.0.2.21", "[2001:DB8::21]");
    assert_eq!(read(&six).unwrap().peer().setup, to("2001:db8::21", 7654, false));
    for nowhere in [
        passive.replace("msrp://192.0.2.21:", "msrp://df7jal23ls0d.invalid:"),
        passive.replace(";tcp", ";ws"),
        passive.replace(":7654/", ":9/"),
        passive.replace(":7654/", ":0/"),
    ] {
        let offer = nowhere.replace("m=message 7654", "m=message 7000");
        let offer = if nowhere.contains(":7654/") {
            nowhere
        } else {
            offer.replace("a=s", "a=msrp-cema\r\na=s")
        };
        let offer = read_for(&offer, &RoomMedia { cema: Cema::Off, ..room() });
        assert!(matches!(offer, Err(Unacceptable::Unreachable | Unacceptable::AddressesDiffer)));
    }
    let waiting = RoomMedia { allow_active: false, ..room() };
    let refused = read_for(&passive, &waiting);
    assert_eq!(refused.unwrap_err(), Unacceptable::Setup);
    // One that fits is taken instead: port 0 for the other.
    let (session, chat) = passive.split_at(passive.find("m=").unwrap());
    let lost = chat.replace(";tcp", ";ws");
    let two = read(&format!("{session}{lost}{chat}")).unwrap();
    let lines = answer(&two, &room());
    assert!(lines.contains("m=message 0 ") && lines.contains("m=message 2855 "), "{lines}");
}

/// msrp/SETUP-09: `a=connection` means nothing here, and we never say it.
#[test]
fn the_connection_attribute_is_ignored() {
    for connection in ["existing", "new", "what"] {
        let offer =
            OFFER.replace("a=sendrecv", &format!("a=connection:{connection}\r\na=sendrecv"));
        let offer = read(&offer).unwrap();
        assert_eq!(answer(&offer, &room()), answer(&read(OFFER).unwrap(), &room()));
    }
    let path = UriBuf::parse(b"msrp://198.51.100.5:2855/x;tcp").unwrap();
    let ours = room().offer(&Shape::default(), Origin { session: 1, version: 1 }, &path);
    assert!(!ours.contains("a=connection"));
}

/// msrp/PEER-13: browsers do not know their address, and need none to connect.
#[test]
fn a_browser_is_accepted() {
    let path = "msrp://df7jal23ls0d.invalid:2855/98cjs;ws";
    let offer = reachable("a=setup:active\r\n");
    let offer = offer.replace("msrp://192.0.2.21:7654/k3Zq8vT1wY6uPb2nLx;tcp", path);
    let offer = read(&offer).unwrap();
    assert_eq!((offer.peer().path.as_str(), &offer.peer().setup), (path, &Setup::Passive));
}

/// SDP-20: an address family that we lack is 301.
#[test]
fn a_foreign_address_family_is_301() {
    assert_eq!(fault(read_with("c=IN IP4 192.0.2.21", "c=TN RFC2543 +12125550147")).0, 301);
}

/// SDP-22, msrp/SDP-22: directions are mirrored; a line's own goes before the session's.
#[test]
fn directions_are_mirrored() {
    for (offered, direction, answered) in [
        ("a=sendrecv", Direction::SendReceive, "a=sendrecv\r\n"),
        ("a=sendonly", Direction::FromPeer, "a=recvonly\r\n"),
        ("a=recvonly", Direction::ToPeer, "a=sendonly\r\n"),
        ("a=inactive", Direction::Inactive, "a=inactive\r\n"),
        ("a=x", Direction::SendReceive, "a=sendrecv\r\n"),
    ] {
        let offer = read_with("a=sendrecv", offered).unwrap();
        assert_eq!(offer.peer().direction, direction, "{offered}");
        assert!(answer(&offer, &room()).ends_with(answered), "{offered}");
    }
    let session = OFFER.replace("t=0 0", "t=0 0\r\na=inactive");
    assert_eq!(read(&session).unwrap().peer().direction, Direction::SendReceive);
    let session = session.replace("a=sendrecv\r\n", "");
    assert_eq!(read(&session).unwrap().peer().direction, Direction::Inactive);
}

/// SDP-18: what is no limit sets none.
#[test]
fn only_a_positive_number_limits_the_size() {
    for (value, limit) in [("4000", Some(4000)), ("0", None), ("many", None), ("-1", None)] {
        let offer = read_with("a=sendrecv", &format!("a=max-size:{value}")).unwrap();
        assert_eq!(offer.peer().size_max, limit, "{value}");
    }
}

/// msrp/SDP-28: a common slip is understood; repeated and unknown tokens mean nothing.
#[test]
fn chatroom_tokens_are_read_generously() {
    let tokens = |value: &str| {
        read_with("a=chatroom:nickname private-messages", value).unwrap().peer().chatroom
    };
    let both = Chatroom { nickname: true, private_messages: true };
    assert_eq!(tokens("a=chatroom:nicknames private-messages x x"), Some(both));
    assert_eq!(tokens("a=chatroom"), Some(Chatroom::default()));
    assert_eq!(tokens("a=nothing"), None);
}

/// FOC-21, msrp/CONN-01, msrp/SETUP-07: an answer of the peer is read as an offer would be, but for who
/// connects: only a peer that says so does.
#[test]
fn an_answer_to_our_offer_is_held_to_the_rules_of_offers() {
    let peer = read_answer(OFFER).unwrap();
    assert_eq!(peer.path.as_str(), "msrp://192.0.2.21:9/k3Zq8vT1wY6uPb2nLx;tcp");
    assert!(peer.accept_wrapped.accepts(b"text/plain") && !peer.accept_wrapped.accepts(b"text/x"));
    for setup in ["", "a=setup:passive\r\n", "a=setup:actpass\r\n", "a=setup:holdconn\r\n"] {
        let waits = read_answer(&reachable(setup)).unwrap();
        assert_eq!(waits.setup, to("192.0.2.21", 7654, false), "{setup:?}");
    }
    for (answer, fault) in [
        (format!("{OFFER}m=audio 4000 RTP/AVP 0\r\n"), Unacceptable::Malformed),
        (OFFER[..OFFER.find("m=").unwrap()].to_owned(), Unacceptable::Malformed),
        (OFFER.replace("m=message 9", "m=message 0"), Unacceptable::NoChatLine),
        (OFFER.replace("message/cpim", "text/plain"), Unacceptable::Types),
    ] {
        assert_eq!(read_answer(&answer).unwrap_err(), fault);
    }
    let quiet = read_answer(&OFFER.replace("sendrecv", "recvonly\r\na=max-size:4000")).unwrap();
    assert_eq!((quiet.direction, quiet.size_max), (Direction::ToPeer, Some(4000)));
}

proptest! {
    /// OPS-05, OPS-06, FOC-26: whatever an offer is made of, its answer is a description with the
    /// same lines, and one of them ours.
    #[test]
    fn any_offer_is_answered_line_by_line_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut offer = format!("{OFFER}m=audio 4000 RTP/AVP 0 8\r\n").into_bytes();
        for (at, octet) in changes {
            let at = at.index(offer.len());
            offer[at] = octet;
        }
        if let Ok(read) = MediaOffer::read(&offer, &room(), &Names::default()) {
            let answer = Description::parse(answer(&read, &room()).as_bytes()).unwrap();
            let offer = Description::parse(&offer).unwrap();
            prop_assert_eq!(answer.media.len(), offer.media.len());
            prop_assert_eq!(answer.media.iter().filter(|line| line.port == 2855).count(), 1);
            for (ours, theirs) in answer.media.iter().zip(&offer.media) {
                prop_assert_eq!(&ours.transport, &theirs.transport);
            }
        }
    }
}
