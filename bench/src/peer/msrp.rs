//! One MSRP session as octets see it: answers what arrives, writes what is sent. No socket, no
//! clock (RFC 4975 sections 5.4, 7.1 and 7.2).
//!
//! Everything written is laid out once per session; a message only fills in its numbers.

use sha2::{Digest as _, Sha256};

use msrp::{ByteRange, Flag, Frame, Framer, Head, Method, Piece, Start, TransactionId, Unframable};

use crate::content::{read_hex, write_hex};

/// Hexadecimal digits of a message's number, in the transaction identifier and in the Message-ID.
const NUMBER_DIGITS: usize = 12;
/// The transaction that binds a session to its connection.
const BINDING: &str = "b000000000000";
/// Messages of which only a part is there yet. The tool sends whole messages, so a switch that
/// keeps more of them open at one recipient has lost count.
const PARTIAL_MAX: usize = 64;
/// The SHA-256 of a message.
pub type Digest = [u8; 32];

/// Something that arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Incoming<'a> {
    /// A complete message.
    Message {
        /// Its content, from the first octet to the last.
        body: &'a [u8],
        /// Its paths are those of this session.
        addressed: bool,
        /// It is message/cpim, and its chunks fit together as they came.
        sound: bool,
    },
    /// A complete message that was too large to be kept.
    Large {
        /// Octets of its content.
        size: u64,
        /// What they hash to.
        digest: Digest,
        /// Its paths are those of this session.
        addressed: bool,
        /// It is message/cpim, and its chunks fit together as they came.
        sound: bool,
    },
    /// A message that the switch gave up on the way.
    Aborted,
    /// The answer to a message of ours.
    Answer {
        /// The number of the message.
        sequence: u64,
        /// The status code.
        status: u16,
        /// Its paths are those of this session.
        addressed: bool,
    },
    /// The answer to the binding.
    Bound {
        /// The status code.
        status: u16,
    },
    /// Nothing that belongs here.
    Stray,
}

/// The receiving side of a session.
#[derive(Debug)]
pub struct Session {
    framer: Framer,
    terms: Terms,
    /// The chunk that is arriving, when it was not whole at once.
    chunk: Option<Chunk>,
    partial: Vec<Partial>,
    /// Octets of the largest message that is put together. A larger one is hashed as it comes.
    kept_size_max: usize,
}

/// What every frame of a session is held against, and what every answer says.
#[derive(Debug)]
struct Terms {
    own: Vec<u8>,
    switch: Vec<u8>,
    /// Everything between the transaction identifiers of a 200.
    answer: Vec<u8>,
}

/// A chunk of which the end-line is still to come.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    transaction: TransactionId,
    answered: bool,
    has_body: bool,
}

/// A message of which chunks are still to come.
#[derive(Debug)]
struct Partial {
    message_id: Vec<u8>,
    size: u64,
    /// What is kept of it: all, or nothing once it is hashed.
    body: Vec<u8>,
    hash: Option<Sha256>,
    addressed: bool,
    sound: bool,
}

impl Session {
    /// A session between our URI and the path that the switch answered. Messages of more than
    /// `kept_size_max` octets are hashed as they come.
    pub fn new(own: &str, switch: &str, kept_size_max: usize) -> Self {
        let back = switch.split(' ').next().unwrap_or_default();
        let answer = format!(" 200 OK\r\nTo-Path: {back}\r\nFrom-Path: {own}\r\n-------");
        let terms = Terms {
            own: own.as_bytes().to_vec(),
            switch: switch.as_bytes().to_vec(),
            answer: answer.into_bytes(),
        };
        Self { framer: Framer::new(), terms, chunk: None, partial: Vec::new(), kept_size_max }
    }

    /// Reads what a connection delivered. Answers go to `out`, everything else to `sink`. An error
    /// means that nothing after it can be read.
    pub fn handle_received(
        &mut self,
        mut input: &[u8],
        out: &mut Vec<u8>,
        mut sink: impl FnMut(Incoming<'_>),
    ) -> Result<(), Unframable> {
        let Self { framer, terms, chunk, partial, kept_size_max } = self;
        while let Some(frame) = framer.next(&mut input)? {
            let piece = match frame {
                Frame::Body(piece) => piece,
                Frame::Head { head, piece } => match head.start {
                    Start::Response(status) => {
                        sink(terms.read_answer(&head, status));
                        continue;
                    }
                    Start::Request(Method::Send) if head.fault.is_none() => {
                        if is_whole(&head, &piece, partial) {
                            terms.answer(&head, out);
                            if head.content_type.is_some() {
                                let addressed = terms.is_addressed(&head);
                                let sound = is_cpim(&head);
                                sink(Incoming::Message { body: piece.body, addressed, sound });
                            }
                            continue;
                        }
                        *chunk = Some(begin(&head, terms, partial));
                        piece
                    }
                    Start::Request(_) => {
                        sink(Incoming::Stray);
                        continue;
                    }
                },
            };
            let Some(open) = *chunk else {
                sink(Incoming::Stray);
                continue;
            };
            if open.has_body {
                add(partial, piece, *kept_size_max, &mut sink);
            }
            if piece.end.is_some() {
                *chunk = None;
                if open.answered {
                    terms.write_answer(&open.transaction, out);
                }
            }
        }
        Ok(())
    }
}

impl Terms {
    fn is_addressed(&self, head: &Head<'_>) -> bool {
        head.to_path.is_some_and(|path| path.raw() == self.own)
            && head.from_path.is_some_and(|path| path.raw() == self.switch)
    }

    fn read_answer(&self, head: &Head<'_>, status: u16) -> Incoming<'static> {
        let transaction = head.transaction.as_bytes();
        if transaction == BINDING.as_bytes() {
            return Incoming::Bound { status };
        }
        let number = transaction.strip_prefix(b"s").filter(|digits| digits.len() == NUMBER_DIGITS);
        match number.and_then(read_hex) {
            Some(sequence) => {
                Incoming::Answer { sequence, status, addressed: self.is_addressed(head) }
            }
            None => Incoming::Stray,
        }
    }

    fn answer(&self, head: &Head<'_>, out: &mut Vec<u8>) {
        if head.owes_response(msrp::status::OK) {
            self.write_answer(&head.transaction, out);
        }
    }

    fn write_answer(&self, transaction: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(b"MSRP ");
        out.extend_from_slice(transaction.as_bytes());
        out.extend_from_slice(&self.answer);
        out.extend_from_slice(transaction.as_bytes());
        out.extend_from_slice(b"$\r\n");
    }
}

/// Whether a message lies complete in one frame, as nearly all do.
fn is_whole(head: &Head<'_>, piece: &Piece<'_>, partial: &[Partial]) -> bool {
    piece.end == Some(Flag::End)
        && head.byte_range.is_none_or(|range| range.start == 1)
        && !partial.iter().any(|partial| head.message_id == Some(&partial.message_id))
}

fn is_cpim(head: &Head<'_>) -> bool {
    head.content_type.is_some_and(|value| value.eq_ignore_ascii_case(b"message/cpim"))
}

/// A chunk begins. The message that it belongs to moves to the end of the list.
fn begin(head: &Head<'_>, terms: &Terms, partial: &mut Vec<Partial>) -> Chunk {
    let chunk = Chunk {
        transaction: head.transaction,
        answered: head.owes_response(msrp::status::OK),
        has_body: head.content_type.is_some(),
    };
    if !chunk.has_body {
        return chunk;
    }
    let message_id = head.message_id.unwrap_or_default();
    let known = partial.iter().position(|partial| partial.message_id == message_id);
    let mut message = match known {
        Some(place) => partial.remove(place),
        None => Partial {
            message_id: message_id.to_vec(),
            size: 0,
            body: Vec::new(),
            hash: None,
            addressed: true,
            sound: partial.len() < PARTIAL_MAX,
        },
    };
    let start = head.byte_range.unwrap_or(ByteRange::EMPTY).start;
    message.addressed &= terms.is_addressed(head);
    message.sound &= is_cpim(head) && start == message.size + 1;
    partial.push(message);
    if partial.len() > PARTIAL_MAX {
        partial.remove(0);
    }
    chunk
}

/// A piece of the chunk that is arriving, and maybe the end of its message.
fn add(
    partial: &mut Vec<Partial>,
    piece: Piece<'_>,
    kept_size_max: usize,
    sink: &mut impl FnMut(Incoming<'_>),
) {
    let Some(message) = partial.last_mut() else { return };
    message.size += piece.body.len() as u64;
    if message.hash.is_none() && message.size > kept_size_max as u64 {
        message.hash = Some(Sha256::new_with_prefix(std::mem::take(&mut message.body)));
    }
    match &mut message.hash {
        Some(hash) => hash.update(piece.body),
        None => message.body.extend_from_slice(piece.body),
    }
    match piece.end {
        None | Some(Flag::More) => return,
        Some(Flag::Abort) => sink(Incoming::Aborted),
        Some(Flag::End) => {
            let Partial { size, body, hash, addressed, sound, .. } = message;
            let (size, addressed, sound) = (*size, *addressed, *sound);
            sink(match hash.take() {
                Some(hash) => {
                    Incoming::Large { size, digest: hash.finalize().into(), addressed, sound }
                }
                None => Incoming::Message { body, addressed, sound },
            });
        }
    }
    partial.pop();
}

/// The bodiless SEND that binds a session to the connection it is sent on (RFC 4975 section 5.4).
pub fn binding(own: &str, switch: &str, message_id: &str) -> Vec<u8> {
    format!(
        "MSRP {BINDING} SEND\r\nTo-Path: {switch}\r\nFrom-Path: {own}\r\n\
         Message-ID: {message_id}\r\nByte-Range: 1-0/0\r\n-------{BINDING}$\r\n"
    )
    .into_bytes()
}

/// The SEND of one sender, laid out but for its numbers and its body.
#[derive(Clone, Debug)]
pub struct SendForm {
    head: Vec<u8>,
    /// Where the number stands in the transaction identifier, and where in the Message-ID.
    numbers: [usize; 2],
    /// Where the headers begin that differ between chunks of one message.
    varying: usize,
}

impl SendForm {
    /// For messages of `size` octets under Message-IDs that begin with `message_id`, a token that
    /// nobody else uses.
    pub fn new(own: &str, switch: &str, message_id: &str, size: usize) -> Self {
        // A chunk above 2048 octets must be interruptible (RFC 4975 section 7.1.1).
        let end = if size > 2048 { "*".into() } else { size.to_string() };
        let zeros = "0".repeat(NUMBER_DIGITS);
        let start = "MSRP s";
        let middle =
            format!(" SEND\r\nTo-Path: {switch}\r\nFrom-Path: {own}\r\nMessage-ID: {message_id}");
        let tail = format!("\r\nByte-Range: 1-{end}/{size}\r\nContent-Type: message/cpim\r\n\r\n");
        let numbers = [start.len(), start.len() + NUMBER_DIGITS + middle.len()];
        let varying = numbers[1] + NUMBER_DIGITS;
        let head = [start, &zeros, &middle, &zeros, &tail].concat().into_bytes();
        Self { head, numbers, varying }
    }

    /// Appends a chunk of message 0 under a transaction of that number. The chunk's first octet is
    /// octet `start`, from 1, of a message of `total`.
    pub fn write_chunk(&self, number: u64, start: u64, total: u64, body: &[u8], out: &mut Vec<u8>) {
        let mut digits = Vec::with_capacity(NUMBER_DIGITS);
        write_hex(number, NUMBER_DIGITS, &mut digits);
        let (begun, at) = (out.len(), self.numbers[0]);
        out.extend_from_slice(&self.head[..self.varying]);
        out[begun + at..begun + at + NUMBER_DIGITS].copy_from_slice(&digits);
        let headers =
            format!("\r\nByte-Range: {start}-*/{total}\r\nContent-Type: message/cpim\r\n\r\n");
        out.extend_from_slice(headers.as_bytes());
        out.extend_from_slice(body);
        out.extend_from_slice(b"\r\n-------s");
        out.extend_from_slice(&digits);
        let is_last = start - 1 + body.len() as u64 == total;
        out.extend_from_slice(if is_last { b"$\r\n" } else { b"+\r\n" });
    }

    /// Appends the message of that number, its body written by `body`.
    pub fn write(&self, sequence: u64, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
        let mut number = Vec::with_capacity(NUMBER_DIGITS);
        write_hex(sequence, NUMBER_DIGITS, &mut number);
        let start = out.len();
        out.extend_from_slice(&self.head);
        for at in self.numbers {
            out[start + at..start + at + NUMBER_DIGITS].copy_from_slice(&number);
        }
        body(out);
        out.extend_from_slice(b"\r\n-------s");
        out.extend_from_slice(&number);
        out.extend_from_slice(b"$\r\n");
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::{Incoming, SendForm, Session, binding};

    const OWN: &str = "msrp://127.0.0.1:9/own;tcp";
    const SWITCH: &str = "msrp://127.0.0.1:2855/sw;tcp";

    /// What arrived, with its bodies copied, and what was answered; the input cut at `at`.
    fn receive(input: &str, at: usize) -> (Vec<String>, String) {
        let mut session = Session::new(OWN, SWITCH, 16);
        let (mut seen, mut out) = (Vec::new(), Vec::new());
        let (head, tail) = input.as_bytes().split_at(at);
        for part in [head, tail] {
            session
                .handle_received(part, &mut out, |incoming| {
                    seen.push(match incoming {
                        Incoming::Message { body, addressed, sound } => {
                            format!("{} {addressed} {sound}", body.escape_ascii())
                        }
                        other => format!("{other:?}"),
                    });
                })
                .unwrap();
        }
        (seen, String::from_utf8(out).unwrap())
    }

    fn copy(transaction: &str, headers: &str, body: &str, flag: char) -> String {
        format!(
            "MSRP {transaction} SEND\r\nTo-Path: {OWN}\r\nFrom-Path: {SWITCH}\r\n\
             Message-ID: 4711\r\n{headers}Content-Type: message/cpim\r\n\r\n{body}\r\n\
             -------{transaction}{flag}\r\n"
        )
    }

    fn ok(transaction: &str) -> String {
        format!(
            "MSRP {transaction} 200 OK\r\nTo-Path: {SWITCH}\r\nFrom-Path: {OWN}\r\n\
             -------{transaction}$\r\n"
        )
    }

    #[test]
    fn a_copy_is_answered_and_handed_on_however_it_was_cut() {
        let input = copy("abcd", "Byte-Range: 1-5/5\r\n", "Hello", '$');
        for at in 0..input.len() {
            let (seen, out) = receive(&input, at);
            assert_eq!(seen, ["Hello true true"], "cut at {at}");
            assert_eq!(out, ok("abcd"), "cut at {at}");
        }
    }

    #[test]
    fn chunks_make_one_message_and_each_is_answered() {
        let input = copy("abc1", "Byte-Range: 1-*/10\r\n", "Hello", '+')
            + &copy("abc2", "Byte-Range: 6-10/10\r\n", "World", '$');
        for at in 0..input.len() {
            let (seen, out) = receive(&input, at);
            assert_eq!(seen, ["HelloWorld true true"], "cut at {at}");
            assert_eq!(out, ok("abc1") + &ok("abc2"), "cut at {at}");
        }
    }

    #[test]
    fn what_is_too_large_to_keep_is_hashed_however_it_was_cut() {
        let input = copy("abc1", "Byte-Range: 1-*/20\r\n", "The roses ", '+')
            + &copy("abc2", "Byte-Range: 11-20/20\r\n", "are in blo", '$');
        let digest: super::Digest = Sha256::digest(b"The roses are in blo").into();
        let large = Incoming::Large { size: 20, digest, addressed: true, sound: true };
        for at in 0..input.len() {
            assert_eq!(receive(&input, at).0, [format!("{large:?}")], "cut at {at}");
        }
    }

    #[test]
    fn chunks_with_a_gap_between_them_are_not_sound() {
        let input = copy("abc1", "Byte-Range: 1-*/10\r\n", "Hello", '+')
            + &copy("abc2", "Byte-Range: 7-10/10\r\n", "orld", '$');
        assert_eq!(receive(&input, 0).0, ["Helloorld true false"]);
    }

    #[test]
    fn a_message_that_is_given_up_is_answered_and_reported() {
        let input = copy("abc1", "Byte-Range: 1-*/10\r\n", "Hello", '+')
            + &copy("abc2", "Byte-Range: 6-*/10\r\n", "W", '#');
        let (seen, out) = receive(&input, 0);
        assert_eq!(seen, ["Aborted"]);
        assert_eq!(out, ok("abc1") + &ok("abc2"));
    }

    #[test]
    fn no_answer_is_given_where_none_is_asked_for() {
        for report in ["no", "partial"] {
            let headers = format!("Byte-Range: 1-5/5\r\nFailure-Report: {report}\r\n");
            let (seen, out) = receive(&copy("abcd", &headers, "Hello", '$'), 0);
            assert_eq!((seen.len(), out.as_str()), (1, ""), "{report}");
        }
    }

    #[test]
    fn paths_of_another_session_are_noticed() {
        for (path, instead) in [(OWN, "msrp://127.0.0.1:9/other;tcp"), (SWITCH, OWN)] {
            let input = copy("abcd", "Byte-Range: 1-5/5\r\n", "Hello", '$').replace(path, instead);
            assert_eq!(receive(&input, 0).0, ["Hello false true"]);
        }
    }

    #[test]
    fn other_content_is_not_sound_and_no_content_is_no_message() {
        let input = copy("abcd", "Byte-Range: 1-5/5\r\n", "Hello", '$');
        assert_eq!(
            receive(&input.replace("message/cpim", "text/plain"), 0).0,
            ["Hello true false"]
        );
        let empty = format!(
            "MSRP abcd SEND\r\nTo-Path: {OWN}\r\nFrom-Path: {SWITCH}\r\nMessage-ID: 4711\r\n\
             Byte-Range: 1-0/0\r\n-------abcd$\r\n"
        );
        assert_eq!(receive(&empty, 0), (vec![], ok("abcd")));
    }

    #[test]
    fn answers_are_told_apart_by_their_transaction() {
        let answer = |transaction: &str, status: &str| {
            format!(
                "MSRP {transaction} {status}\r\nTo-Path: {OWN}\r\nFrom-Path: {SWITCH}\r\n\
                 -------{transaction}$\r\n"
            )
        };
        let input = answer("b000000000000", "200 OK")
            + &answer("s00000000001f", "413 Stop")
            + &answer("s001f", "200 OK");
        let (seen, out) = receive(&input, 0);
        assert_eq!(
            seen,
            [
                "Bound { status: 200 }",
                "Answer { sequence: 31, status: 413, addressed: true }",
                "Stray"
            ]
        );
        assert_eq!(out, "");
    }

    #[test]
    fn a_form_is_filled_in_with_number_and_body() {
        let form = SendForm::new(OWN, SWITCH, "run1", 5);
        let mut out = b"before".to_vec();
        form.write(0x1f, &mut out, |out| out.extend_from_slice(b"Hello"));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(
                "beforeMSRP s00000000001f SEND\r\nTo-Path: {SWITCH}\r\nFrom-Path: {OWN}\r\n\
                 Message-ID: run100000000001f\r\nByte-Range: 1-5/5\r\n\
                 Content-Type: message/cpim\r\n\r\nHello\r\n-------s00000000001f$\r\n"
            )
        );
    }

    #[test]
    fn chunks_of_one_message_share_its_id_and_the_last_one_ends_it() {
        let form = SendForm::new(OWN, SWITCH, "run1", 5);
        let mut out = Vec::new();
        form.write_chunk(0, 1, 8, b"Hello", &mut out);
        form.write_chunk(1, 6, 8, b"you", &mut out);
        let chunk = |number: u64, start: u64, body: &str, flag: char| {
            format!(
                "MSRP s00000000000{number} SEND\r\nTo-Path: {SWITCH}\r\nFrom-Path: {OWN}\r\n\
                 Message-ID: run1000000000000\r\nByte-Range: {start}-*/8\r\n\
                 Content-Type: message/cpim\r\n\r\n{body}\r\n-------s00000000000{number}{flag}\r\n"
            )
        };
        let expected = chunk(0, 1, "Hello", '+') + &chunk(1, 6, "you", '$');
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_long_message_says_that_it_may_be_interrupted() {
        let form = SendForm::new(OWN, SWITCH, "run1", 2049);
        let mut out = Vec::new();
        form.write(0, &mut out, |_| {});
        assert!(String::from_utf8(out).unwrap().contains("Byte-Range: 1-*/2049\r\n"));
    }

    #[test]
    fn a_binding_has_neither_content_nor_a_blank_line() {
        assert_eq!(
            String::from_utf8(binding(OWN, SWITCH, "bind1")).unwrap(),
            format!(
                "MSRP b000000000000 SEND\r\nTo-Path: {SWITCH}\r\nFrom-Path: {OWN}\r\n\
                 Message-ID: bind1\r\nByte-Range: 1-0/0\r\n-------b000000000000$\r\n"
            )
        );
    }
}
