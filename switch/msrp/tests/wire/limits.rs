//! How much of a head is read.

use msrp::{Fault, HEAD_FIELDS_MAX, HEAD_LINE_SIZE_MAX, HEAD_SIZE_MAX, Unframable};

use crate::reader::{Message, Outcome, read, request};

/// The outcome, the same whole, in pieces of some sizes, and octet by octet.
fn outcome(octets: &[u8]) -> Outcome {
    let whole = read([octets]);
    for size in [1, 100, 1000, 4096, 8192, 16_383, 16_384, 16_385] {
        assert_eq!(read(octets.chunks(size)), whole, "in reads of {size} octets");
    }
    whole
}

fn only(octets: &[u8]) -> Message {
    let Outcome { mut messages, stream } = outcome(octets);
    assert_eq!((messages.len(), stream), (1, Ok(())));
    messages.remove(0)
}

fn assert_too_large(octets: &[u8]) {
    let message = only(octets);
    assert_eq!(message.fault, Some(Fault::HeadTooLarge));
    assert!(message.close_after, "it is not read on");
    assert!(message.from_path.is_some(), "there is somewhere to answer");
}

/// LIM-01: a head has at most 64 header fields.
#[test]
fn fields_are_counted() {
    let head = |fields: usize| {
        let more = "X-Any: 1\r\n".repeat(fields - 2);
        request("MSRP abcd1234 SEND", &format!("{more}-------abcd1234$\r\n"))
    };
    assert_eq!(only(&head(HEAD_FIELDS_MAX)).fault, None);
    assert_too_large(&head(HEAD_FIELDS_MAX + 1));
}

/// LIM-01: a line has at most 8 KiB, whatever it says, and one of 8 KiB is served.
#[test]
fn lines_are_measured() {
    let head = |size: usize| {
        let line = format!("X-Any: {}", "a".repeat(size - 7));
        request("MSRP abcd1234 SEND", &format!("{line}\r\n-------abcd1234$\r\n"))
    };
    assert_eq!(only(&head(HEAD_LINE_SIZE_MAX)).fault, None);
    assert_too_large(&head(HEAD_LINE_SIZE_MAX + 1));
    assert_too_large(&head(3 * HEAD_LINE_SIZE_MAX));
}

/// LIM-01: a head has at most 16 KiB, its last line included.
#[test]
fn heads_are_measured() {
    let head = |size: usize| {
        let end = "-------abcd1234$\r\n";
        let two_lines = format!("X-Any: {}\r\n", "a".repeat(7000)).repeat(2);
        let filled = request("MSRP abcd1234 SEND", &two_lines).len() + end.len();
        let filler = "a".repeat(size - filled - "X-Any: \r\n".len());
        request("MSRP abcd1234 SEND", &format!("{two_lines}X-Any: {filler}\r\n{end}"))
    };
    assert_eq!(head(HEAD_SIZE_MAX).len(), HEAD_SIZE_MAX);
    assert_eq!(only(&head(HEAD_SIZE_MAX)).fault, None);
    assert_too_large(&head(HEAD_SIZE_MAX + 1));
    assert_too_large(&head(HEAD_SIZE_MAX + 5000));
}

/// LIM-01: a head that does not end is given up as soon as a line of it, or the whole, is too long.
#[test]
fn endless_heads_are_given_up_in_time() {
    let line = request("MSRP abcd1234 SEND", &format!("X-Any: {}", "a".repeat(HEAD_LINE_SIZE_MAX)));
    assert!(line.len() < HEAD_SIZE_MAX);
    assert_too_large(&line);
    let mut lines = request("MSRP abcd1234 SEND", &"X-Any: aaaaaaa\r\n".repeat(60));
    lines.extend(format!("X-Any: {}\r\nX-Any: ", "a".repeat(8000)).bytes());
    lines.resize(HEAD_SIZE_MAX, b'a');
    assert_too_large(&lines);
    lines.pop();
    assert_eq!(outcome(&lines), Outcome { messages: Vec::new(), stream: Ok(()) });
}

/// WIRE-32: a start line that does not end cannot be framed.
#[test]
fn an_endless_start_line_is_refused() {
    let endless = [b"MSRP abcd1234 200 ".as_slice(), &vec![b'x'; 3 * HEAD_LINE_SIZE_MAX]].concat();
    let refused = Outcome { messages: Vec::new(), stream: Err(Unframable::StartLine) };
    assert_eq!(outcome(&endless), refused);
}
