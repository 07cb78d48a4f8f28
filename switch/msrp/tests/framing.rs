//! Whole messages as literal octets, in any split into reads.

use msrp::{FailureReport, Fault, Flag, Frame, Framer, Method, Start, Unframable};

/// A message as a caller puts it together from its frames.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Message {
    transaction: String,
    start: Start,
    has_content_type: bool,
    body: Vec<u8>,
    end: Option<Flag>,
    fault: Option<Fault>,
    close_after: bool,
    failure_report: FailureReport,
}

/// What comes out of a framer that is given these reads.
fn messages<'r>(
    reads: impl IntoIterator<Item = &'r [u8]>,
) -> (Vec<Message>, Result<(), Unframable>) {
    let mut framer = Framer::new();
    let mut messages: Vec<Message> = Vec::new();
    for mut input in reads {
        loop {
            match framer.next(&mut input) {
                Err(unframable) => return (messages, Err(unframable)),
                Ok(None) => break,
                Ok(Some(Frame::Head { head, piece })) => messages.push(Message {
                    transaction: head.transaction.to_string(),
                    start: head.start,
                    has_content_type: head.content_type.is_some(),
                    body: piece.body.to_vec(),
                    end: piece.end,
                    fault: head.fault,
                    close_after: head.close_after,
                    failure_report: head.failure_report,
                }),
                Ok(Some(Frame::Body(piece))) => {
                    let message = messages.last_mut().expect("a body follows a head");
                    message.body.extend_from_slice(piece.body);
                    message.end = piece.end;
                }
            }
        }
        assert!(input.is_empty(), "all of the input is taken");
    }
    (messages, Ok(()))
}

const CRLF_BODY: &[u8] = b"MSRP crlf0010aaaabbbb SEND\r\n\
    To-Path: msrp://sw.example.com:2855/sA9x2Lk7Qw3ZpT6mR8;tcp\r\n\
    From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
    Message-ID: crlf0001\r\n\
    Byte-Range: 1-4/4\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    hi\r\n\
    \r\n\
    -------crlf0010aaaabbbb$\r\n";

/// WIRE-09, WIRE-21, TV-10: the last CRLF before the end-line is not body, however it is split.
#[test]
fn split_at_any_octet_yields_the_same_message() {
    let whole = messages([CRLF_BODY]);
    assert_eq!(whole.0.len(), 1);
    assert_eq!(whole.0[0].body, b"hi\r\n");
    assert_eq!(whole.0[0].start, Start::Request(Method::Send));
    for at in 1..CRLF_BODY.len() {
        let (head, tail) = CRLF_BODY.split_at(at);
        assert_eq!(messages([head, tail]), whole, "split at octet {at}");
    }
    assert_eq!(messages(CRLF_BODY.chunks(1)), whole, "octet by octet");
}
