//! The line that begins a message, and decides whether anything after it can be framed.

use super::{
    head::Fault,
    ident::{Method, Start, TransactionId},
    lines::{Lines, Next},
};

const KEYWORD: &[u8] = b"MSRP ";

/// A start line was expected and what came can only be the middle of something else: nothing after
/// it can be framed. Nothing is sent; the connection is closed and its sessions fail (WIRE-32).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unframable {
    /// It does not start with `MSRP` and a space.
    NotMsrp,
    /// There is no valid transaction identifier.
    TransactionId,
    /// The start line has no end where one could be.
    StartLine,
}

/// What a start line says.
#[derive(Clone, Copy, Debug)]
pub(super) struct StartLine {
    pub(super) transaction: TransactionId,
    pub(super) start: Start,
    /// What is wrong with it after the transaction identifier.
    pub(super) fault: Option<Fault>,
}

impl StartLine {
    /// Reads the first of `lines`; `None` when it has not all come.
    pub(super) fn read(lines: &mut Lines, bytes: &[u8]) -> Result<Option<Self>, Unframable> {
        match lines.next(bytes) {
            Next::Whole(range) => Self::parse(&bytes[range]).map(Some),
            // What is not MSRP may have no lines at all (TLS on a plain port): do not wait for one.
            _ if !bytes.iter().zip(KEYWORD).all(|(octet, expected)| octet == expected) => {
                Err(Unframable::NotMsrp)
            }
            Next::Cut => Ok(None),
            Next::TooLong | Next::BareBreak => Err(Unframable::StartLine),
        }
    }

    /// Parses `MSRP tid METHOD` or `MSRP tid 200 comment`, given without its CRLF (WIRE-01). An
    /// unknown method is not an error here: the session must answer it with 501.
    fn parse(line: &[u8]) -> Result<Self, Unframable> {
        let rest = line.strip_prefix(KEYWORD).ok_or(Unframable::NotMsrp)?;
        let space = rest.iter().position(|&octet| octet == b' ').unwrap_or(rest.len());
        let transaction = TransactionId::parse(&rest[..space]).ok_or(Unframable::TransactionId)?;
        let (start, fault) = match rest.get(space + 1..).unwrap_or_default() {
            code @ [b'0'..=b'9', ..] => match parse_code_and_comment(code) {
                Some(code) => (Start::Response(code), None),
                None => (Start::Response(0), Some(Fault::StartLine)),
            },
            method => match Method::parse(method) {
                Some(method) => (Start::Request(method), None),
                None => (Start::Request(Method::Other), Some(Fault::StartLine)),
            },
        };
        Ok(Self { transaction, start, fault })
    }
}

/// Three digits, then nothing or a space and any comment (WIRE-01).
pub(super) fn parse_code_and_comment(text: &[u8]) -> Option<u16> {
    let (digits, comment) = text.split_at_checked(3)?;
    matches!(comment, [] | [b' ', ..]).then(|| parse_code(digits))?
}

/// Three digits.
pub(super) fn parse_code(digits: &[u8]) -> Option<u16> {
    match digits {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            let digit = |octet: &u8| u16::from(octet - b'0');
            Some(digit(a) * 100 + digit(b) * 10 + digit(c))
        }
        _ => None,
    }
}
