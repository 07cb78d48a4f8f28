//! What holds for any octets.

use msrp::{
    AcceptTypes, AddressBuf, ByteRange, FailureReport, Flag, Path, PathBuf, SendHead,
    TransactionId, Uri, collides, cpim, parse_nickname, write_end,
};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::reader::read;

/// Octets that are nearly messages: words of the protocol, in any order.
fn near_messages() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => select(vec![
            &b"MSRP abcd SEND\r\n"[..],
            b"MSRP abcd REPORT\r\n",
            b"MSRP abcd 200 OK\r\n",
            b"To-Path: msrp://h:1/a;tcp\r\n",
            b"From-Path: msrp://h:2/b;tcp\r\n",
            b"Message-ID: m\r\n",
            b"Content-Type: a/b\r\n",
            b"Content-ID: <1>\r\n",
            b"Byte-Range: 1-*/*\r\n",
            b"Failure-Report: no\r\n",
            b"\r\n-------abcd$\r\n",
            b"-------abcd$\r\n",
            b"-------abcd+\r\n",
            b"\r\n-------",
            b"abcd",
            b"\r\n",
            b"$",
            b"\r",
            b"\n",
            b"-",
            b" ",
            b":",
        ]).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 1..20),
        1 => (any::<u8>(), 1..5000usize).prop_map(|(octet, count)| vec![octet; count]),
    ];
    let message = vec(word, 0..30).prop_map(|words| words.concat());
    (any::<bool>(), message).prop_map(|(begins_well, rest)| {
        let start: &[u8] = if begins_well {
            b"MSRP abcd SEND\r\nTo-Path: msrp://h:1/a;tcp\r\nFrom-Path: msrp://h:2/b;tcp\r\n"
        } else {
            b""
        };
        [start, &rest].concat()
    })
}

/// Cuts `octets` at these places, in order.
fn cut<'o>(octets: &'o [u8], places: &[prop::sample::Index]) -> Vec<&'o [u8]> {
    let mut places: Vec<_> = places.iter().map(|place| place.index(octets.len() + 1)).collect();
    places.sort_unstable();
    let mut reads = Vec::new();
    let mut from = 0;
    for place in places {
        reads.push(&octets[from..place]);
        from = place;
    }
    reads.push(&octets[from..]);
    reads
}

/// Bodies full of what end-lines are made of.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        select(vec![&b"\r\n-------"[..], b"\r\n", b"-------", b"-", b"Tx9f", b"$", b"\r", b"\n"])
            .prop_map(<[u8]>::to_vec),
        vec(any::<u8>(), 0..300),
    ];
    vec(word, 0..40).prop_map(|words| words.concat())
}

fn flags() -> impl Strategy<Value = Flag> {
    select(vec![Flag::End, Flag::More, Flag::Abort])
}

proptest! {
    /// WIRE-21: any octets, in any split, make the same messages, and no panic.
    #[test]
    fn no_split_changes_anything(
        octets in near_messages(),
        places in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let whole = read([&octets[..]]);
        prop_assert_eq!(&read(cut(&octets, &places)), &whole);
        prop_assert_eq!(&read(octets.chunks(1)), &whole);
    }

    /// WIRE-09, WIRE-16, WIRE-17, WIRE-20: whatever body does not collide with its transaction comes
    /// through as it is, and so do the message before it and the one behind it.
    #[test]
    fn what_is_written_is_read(
        bodies in vec((bodies(), flags()), 1..4),
        places in vec(any::<prop::sample::Index>(), 0..12),
        failure_report in select(vec![FailureReport::Yes, FailureReport::No, FailureReport::Partial]),
        start in 1..u64::MAX / 2,
        size in 0..u64::MAX / 2,
    ) {
        let mut octets = Vec::new();
        let mut expected = Vec::new();
        let range = ByteRange { start, end: Some(start - 1 + size), total: None };
        for (index, (body, flag)) in bodies.iter().enumerate() {
            let transaction = TransactionId::parse(format!("Tx9f{index}").as_bytes()).unwrap();
            if collides(body, transaction.as_bytes()) {
                continue;
            }
            SendHead {
                transaction: &transaction,
                to_path: b"msrp://h:1/a;tcp",
                from_path: b"msrp://h:2/b;tcp",
                message_id: b"m1",
                range,
                success_report: false,
                failure_report,
                content_headers: b"Content-Type: a/b\r\n",
            }
            .write(&mut octets);
            octets.extend_from_slice(body);
            write_end(&mut octets, &transaction, *flag, true);
            expected.push((transaction.to_string(), body.clone(), Some(*flag)));
        }
        let outcome = read(cut(&octets, &places));
        prop_assert_eq!(outcome.stream, Ok(()));
        for message in &outcome.messages {
            prop_assert_eq!(message.fault, None);
            prop_assert_eq!(message.byte_range, Some(range));
            prop_assert_eq!(message.failure_report, failure_report);
        }
        let came: Vec<_> = outcome
            .messages
            .into_iter()
            .map(|message| (message.transaction, message.body, message.end))
            .collect();
        prop_assert_eq!(came, expected);
    }

    /// WIRE-17: a body collides exactly if the forbidden string is in it.
    #[test]
    fn collisions_are_occurrences(body in bodies()) {
        let forbidden = b"-------Tx9f";
        let occurs = body.windows(forbidden.len()).any(|window| window == forbidden);
        prop_assert_eq!(collides(&body, b"Tx9f"), occurs);
    }

    /// CPIM-14: a wrapper is the same as soon as its headers are there, and until then it is either
    /// incomplete or already wrong.
    #[test]
    fn wrappers_are_stable(words in vec(select(vec![
        "From: <sip:a@b>", "To: <sip:c@d>", "To: \"x<y\" <sip:c@d>", "NS: p <urn:ietf:params:cpim-headers:>",
        "NS: <urn:other>", "p.To: <sip:e@f>", "Content-Type: text/plain", " folded", "\r\n", "\r\n", "\r\n",
        "\r\n\r\n", ";", "\n", "\u{e9}",
    ]), 0..16)) {
        let body = words.concat();
        let whole = cpim::Wrapper::parse(body.as_bytes());
        for size in 0..body.len() {
            let part = cpim::Wrapper::parse(&body.as_bytes()[..size]);
            match (&part, &whole) {
                (Ok(None), _) => {}
                (Ok(Some(part)), Ok(Some(whole))) => {
                    prop_assert_eq!(part.head_len, whole.head_len);
                    prop_assert_eq!(part.to_count, whole.to_count);
                }
                (Err(part), Err(whole)) => prop_assert_eq!(part, whole),
                _ => prop_assert!(false, "{:?} became {:?}", part, whole),
            }
        }
    }

    /// CHUNK-23, WIRE-36: a range is sound, or there is none.
    #[test]
    fn ranges_are_sound(value in "[0-9*]{0,22}[-/ ]{0,2}[0-9*]{1,3}[-/]{0,2}[0-9*]{0,21}") {
        if let Some(range) = ByteRange::parse(value.as_bytes()) {
            prop_assert!(range.start >= 1);
            prop_assert!(range.end.is_none_or(|end| end >= range.start - 1));
            prop_assert!(range.total.is_none_or(|total| range.start - 1 <= total));
            prop_assert!(range.size_max() <= range.total.or(range.end).or(Some(u64::MAX)));
        }
    }

    /// CHAT-07: the normal form of an address is an address, and its own normal form.
    #[test]
    fn normal_addresses_are_normal(text in "(sip|SIPS|im|tel|Urn):[a-zA-Z0-9%@:;.?=+\\[\\]-]{0,24}") {
        if let Some(address) = AddressBuf::parse(text.as_bytes()) {
            let again = AddressBuf::parse(address.as_str().as_bytes());
            prop_assert_eq!(again.as_ref(), Some(&address));
            prop_assert_eq!(&msrp::Address::parse(text.as_bytes()).unwrap(), &address);
        }
    }

    /// URI-01: whatever parses has its parts where it says, and nothing makes a parser panic.
    #[test]
    fn no_octets_make_a_parser_panic(octets in vec(any::<u8>(), 0..200), text in "msrps?://[a-z0-9@:/;.=%\\[\\]~+-]{0,60}") {
        for octets in [&octets[..], text.as_bytes()] {
            let _ = (Path::parse(octets), PathBuf::parse(octets), AddressBuf::parse(octets));
            let _ = (AcceptTypes::parse(octets), ByteRange::parse(octets), parse_nickname(octets));
            let _ = cpim::Wrapper::parse(octets);
            let _ = read([octets]);
            if let Some(uri) = Uri::parse(octets) {
                prop_assert_eq!(uri, uri);
                prop_assert!(uri.as_str().contains(uri.transport()));
                let id = uri.session_id().map(|id| format!("/{id};"));
                prop_assert!(id.is_none_or(|id| uri.as_str().contains(&id)));
            }
        }
    }
}
