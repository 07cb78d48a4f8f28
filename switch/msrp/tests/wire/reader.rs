//! A caller of the framer that puts messages together again, so that they can be compared.

use msrp::{
    ByteRange, FailureReport, Fault, Flag, Frame, Framer, Head, PIECE_SIZE_MIN, Piece, Start,
    Unframable,
};

/// A message as its caller knows it in the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    pub transaction: String,
    pub start: Start,
    pub to_path: Option<String>,
    pub from_path: Option<String>,
    pub id: Option<String>,
    pub byte_range: Option<ByteRange>,
    pub failure_report: FailureReport,
    pub content_type: Option<String>,
    pub content_headers: String,
    pub body: Vec<u8>,
    pub end: Option<Flag>,
    pub fault: Option<Fault>,
    pub close_after: bool,
}

impl Message {
    fn begin(head: &Head<'_>, piece: Piece<'_>) -> Self {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        Self {
            transaction: head.transaction.to_string(),
            start: head.start,
            to_path: head.to_path.map(|path| text(path.raw())),
            from_path: head.from_path.map(|path| text(path.raw())),
            id: head.message_id.map(text),
            byte_range: head.byte_range,
            failure_report: head.failure_report,
            content_type: head.content_type.map(text),
            content_headers: text(&head.content_headers()),
            body: piece.body.to_vec(),
            end: piece.end,
            fault: head.fault,
            close_after: head.close_after,
        }
    }
}

/// Messages in their order, and what became of the stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    pub messages: Vec<Message>,
    pub stream: Result<(), Unframable>,
}

/// What comes of these reads, with everything flushed at the end.
pub fn read<'r>(reads: impl IntoIterator<Item = &'r [u8]>) -> Outcome {
    let mut framer = Framer::new();
    let mut messages = Vec::new();
    for mut input in reads {
        loop {
            match framer.next(&mut input) {
                Ok(Some(frame)) => add(&mut messages, frame),
                Ok(None) => break,
                Err(unframable) => return Outcome { messages, stream: Err(unframable) },
            }
        }
        assert!(input.is_empty(), "the framer leaves nothing of its input");
    }
    let can_flush = framer.can_flush();
    let flushed = framer.flush();
    assert_eq!(flushed.is_some(), can_flush);
    if let Some(piece) = flushed {
        messages.last_mut().expect("what is flushed has a head").body.extend(piece.body);
    }
    Outcome { messages, stream: Ok(()) }
}

fn add(messages: &mut Vec<Message>, frame: Frame<'_>) {
    let piece = match frame {
        Frame::Head { head, piece } => {
            messages.push(Message::begin(&head, piece));
            let is_worth_it = piece.end.is_some() || piece.body.is_empty();
            assert!(is_worth_it || piece.body.len() >= PIECE_SIZE_MIN);
            return;
        }
        Frame::Body(piece) => piece,
    };
    assert!(piece.end.is_some() || piece.body.len() >= PIECE_SIZE_MIN);
    let message = messages.last_mut().expect("a body has a head");
    assert_eq!(message.end, None, "nothing follows the end");
    message.body.extend(piece.body);
    message.end = piece.end;
}

/// What comes of these octets whole, having made sure that it is the same for every cut in two, and
/// octet by octet.
pub fn read_any_split(octets: &[u8]) -> Outcome {
    let whole = read([octets]);
    for at in 1..octets.len() {
        let (before, after) = octets.split_at(at);
        assert_eq!(read([before, after]), whole, "cut at octet {at}");
    }
    assert_eq!(read(octets.chunks(1)), whole, "octet by octet");
    whole
}

/// The one message in these octets.
pub fn read_one(octets: &[u8]) -> Message {
    let Outcome { mut messages, stream } = read_any_split(octets);
    assert_eq!(stream, Ok(()));
    assert_eq!(messages.len(), 1, "{}", octets.escape_ascii());
    messages.remove(0)
}

/// The messages in these octets, none of which is left unfinished.
pub fn read_all(octets: &[u8]) -> Vec<Message> {
    let Outcome { messages, stream } = read_any_split(octets);
    assert_eq!(stream, Ok(()));
    assert!(messages.iter().all(|message| message.end.is_some()));
    messages
}

/// A request with paths, given the line that begins it and everything after the paths.
pub fn request(start_line: &str, rest: &str) -> Vec<u8> {
    format!(
        "{start_line}\r\n\
         To-Path: msrp://sw.example.com:2855/sA9x2Lk7Qw3ZpT6mR8;tcp\r\n\
         From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
         {rest}"
    )
    .into_bytes()
}
