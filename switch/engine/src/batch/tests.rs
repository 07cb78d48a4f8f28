use std::sync::Arc;

use bytes::Bytes;
use mailbox::{Class, ParticipantId, SessionId};
use msrp::Flag;

use super::{BATCH_SLICES_MAX, Batch, Change, Taken};
use crate::{
    chunk::{CopyHead, Due},
    mint::Mint,
    route::SessionKey,
    transactions::{Numbering, Outstanding, Transactions},
};

const PATHS: &[u8] = b"To-Path: msrp://bob.example.net:4923/b;tcp\r\n\
    From-Path: msrp://sw.example.com:2855/s;tcp\r\nMessage-ID: 7";

fn session() -> SessionKey {
    SessionKey::from_token(7)
}

fn due(at: u64, body: &[u8], flag: Flag) -> Due {
    let head = Arc::new(CopyHead {
        message_id: *b"mmmmmmmmmmmmmmmmmmm",
        total: Some(9000),
        content_headers: (*b"Content-Type: message/cpim\r\n").into(),
        sender: ParticipantId(1),
        class: Class::Room,
        wrapped_type: "text/plain".into(),
        flight: (SessionId(1), 1),
    });
    Due { head, at, body: Bytes::copy_from_slice(body), flag, hyphens: false, whole: false }
}

/// The chunk that [`due`] becomes under the transaction id `aaaaaaaaaaaaaa0`.
fn chunk(tid: &str, range: &str, body: &[u8], flag: char) -> Vec<u8> {
    let paths = std::str::from_utf8(PATHS).unwrap();
    let head = format!(
        "MSRP {tid} SEND\r\n{paths}mmmmmmmmmmmmmmmmmmm\r\nByte-Range: {range}\r\n\
        Content-Type: message/cpim\r\n\r\n"
    );
    [head.as_bytes(), body, format!("\r\n-------{tid}{flag}\r\n").as_bytes()].concat()
}

fn write(batch: &mut Batch, due: Due) -> usize {
    batch.write(session(), PATHS, (b"aaaaaaaaaaaaaa", 0), due)
}

fn octets(batch: &Batch) -> Vec<u8> {
    batch.slices().collect::<Vec<_>>().concat()
}

fn batch() -> Batch {
    let mut batch = Batch::default();
    batch.reports().extend_from_slice(b"report");
    write(&mut batch, due(1, b"small", Flag::More));
    write(&mut batch, due(6, &[b'x'; 5000], Flag::More));
    write(&mut batch, due(5006, b"end", Flag::End));
    batch.responses().extend_from_slice(b"response");
    batch
}

/// What [`batch`] says, after what is urgent.
fn said() -> [Vec<u8>; 3] {
    let tid = "aaaaaaaaaaaaaa0";
    [
        chunk(tid, "1-*/9000", b"small", '+'),
        chunk(tid, "6-*/9000", &[b'x'; 5000], '+'),
        chunk(tid, "5006-5008/9000", b"end", '$'),
    ]
}

/// What the kernel has taken: octets of chunks, and chunks to their last octet.
#[derive(Default)]
struct Tally {
    octets: usize,
    chunks: usize,
}

impl Tally {
    fn hear(&mut self, taken: Taken) {
        match taken {
            Taken::Part(part) => {
                assert_eq!(part.session, session());
                self.octets += part.less;
            }
            Taken::All { .. } => self.chunks += 1,
        }
    }
}

// Part of FLOW-06: responses first, then REPORTs, then the rest, whenever they were written.
#[test]
fn slices_resume_wherever_the_kernel_stopped() {
    let whole = [&b"responsereport"[..], &said().concat()].concat();
    for sent in 0..=whole.len() {
        let (mut batch, mut taken) = (batch(), Tally::default());
        batch.advance(sent / 2, |it| taken.hear(it));
        batch.advance(sent - sent / 2, |it| taken.hear(it));
        assert_eq!(octets(&batch), whole[sent..], "after {sent}");
        assert_eq!(batch.len(), whole.len() - sent);
        assert!(batch.slices().all(|slice| !slice.is_empty()));
        let chunks = sent.saturating_sub("responsereport".len());
        let [first, second, third] = said().map(|chunk| chunk.len());
        let ends = [first, first + second, first + second + third];
        let ended = ends.iter().filter(|&&end| end <= chunks).count();
        assert_eq!((taken.octets, taken.chunks), (chunks, ended));
    }
}

#[test]
fn a_send_never_takes_more_slices_than_the_kernel_was_promised() {
    let mut batch = Batch::default();
    for _ in 0..BATCH_SLICES_MAX {
        write(&mut batch, due(1, &[b'x'; 3000], Flag::End));
    }
    assert_eq!(batch.slices().count(), BATCH_SLICES_MAX);
    batch.advance(batch.slices().map(<[u8]>::len).sum(), |_| {});
    assert_eq!(batch.slices().count(), BATCH_SLICES_MAX);
    batch.clear();
    assert_eq!(batch.slices().count(), 0);
    let mut batch = Batch::default();
    while batch.has_slices() {
        write(&mut batch, due(1, &[b'x'; 3000], Flag::End));
    }
    batch.responses().push(b'.');
    batch.reports().push(b'.');
    assert_eq!(octets(&batch).len(), batch.len(), "all of it goes with one send");
}

/// CHUNK-07, CHUNK-09: wherever the kernel has stopped, what is urgent is let in before the
/// next chunk, and into one that has 2048 octets and more on either side; what is left of that
/// follows under a head of its own.
#[test]
fn what_is_urgent_waits_for_no_long_chunk() {
    let prefix = b"response".len() + b"report".len();
    let said = said();
    let (first, second) = (said[0].len(), said[1].len());
    let head = said[1].windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    for sent in 1..prefix + said.concat().len() {
        let whole = [&b"responsereport"[..], &said.concat()].concat();
        let mut batch = batch();
        let mut begun = Tally::default();
        batch.advance(sent, |it| begun.hear(it));
        let mut urgent = Batch::default();
        urgent.responses().extend_from_slice(b"<urgent>");
        urgent.reports().extend_from_slice(b"<report>");
        let mut numbering = Numbering {
            mint: &mut Mint::new([9; 32]),
            transactions: &mut Transactions::new(),
            outstanding: &mut Outstanding::default(),
        };
        let change = batch.let_in(&mut urgent, &mut numbering);
        assert_eq!(urgent.urgent(), 0);
        let left = octets(&batch);
        let at = left.windows(16).position(|it| it == b"<urgent><report>").expect("let in");
        let (before, after) = (&left[..at], &left[at + 16..]);
        let heard = [&whole[..sent], before].concat();
        let place = sent.saturating_sub(prefix);
        if place > first && place < first + second {
            let gone = (place - first).saturating_sub(head);
            let kept = gone.max(2048);
            if kept + 2048 <= 5000 {
                let range = format!("{}-*/9000", 6 + kept);
                let (one, rest) = ([b'x'; 5000], vec![b'x'; 5000 - kept]);
                let cut = chunk("aaaaaaaaaaaaaa0", "6-*/9000", &one[..kept], '+');
                assert!(heard.ends_with(&cut), "cut after {sent}");
                let line = after.split(|&octet| octet == b' ').nth(1).expect("a start line");
                let tid = std::str::from_utf8(line).unwrap();
                let resumed = chunk(tid, &range, &rest, '+');
                assert!(after.starts_with(&resumed), "resumed after {sent}");
                assert_eq!(after[resumed.len()..], said[2]);
                let less = second - (place - first);
                let expected = Change { session: session(), more: resumed.len(), less };
                assert_eq!(change, Some(expected));
                let mut taken = Tally::default();
                batch.advance(before.len() - 1, |it| taken.hear(it));
                assert_eq!(taken.chunks, 0, "the interrupted one is not over before its end-line");
                batch.advance(batch.len(), |it| taken.hear(it));
                assert_eq!(taken.octets, resumed.len() + said[2].len());
                assert_eq!(begun.chunks + taken.chunks, 4);
                continue;
            }
        }
        assert_eq!([&heard[..], after].concat(), whole, "nothing else moves, {sent}");
        let ends = [0, first, first + second, first + second + said[2].len()];
        let between = heard.len() == prefix || ends.contains(&(heard.len() - prefix));
        assert!(between && before.len() <= 4096 + 400, "at a boundary, and soon: {sent}");
        batch.advance(batch.len(), |it| begun.hear(it));
        assert_eq!(begun.chunks, 3);
    }
}
