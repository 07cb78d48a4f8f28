//! Messages written as the RFC has them: order, spelling and spacing of headers are exact here,
//! whatever is tolerated from others (WIRE-04 to WIRE-07).
//!
//! Values are written as given. They come from views and types of this crate, or were made by us.

use super::{
    end_line::{DASHES, DASHES_FINDER},
    field,
    head::uris,
    ident::{FailureReport, Flag, TransactionId},
    progress::SMALL_BODY_SIZE_MAX,
    range::{ByteRange, write_number},
};
use crate::nickname;

/// Writes a response: always whole, never with a body (WIRE-24, WIRE-27, RESP-04).
///
/// `to_path` is [`Head::response_path`](crate::Head::response_path) of the request, `from_path` the
/// one URI of the responder.
pub fn write_response(
    out: &mut Vec<u8>,
    transaction: &TransactionId,
    status: u16,
    comment: &str,
    to_path: &[u8],
    from_path: &[u8],
) {
    out.extend_from_slice(b"MSRP ");
    out.extend_from_slice(transaction.as_bytes());
    out.push(b' ');
    write_code(out, status);
    if !comment.is_empty() {
        out.push(b' ');
        out.extend_from_slice(comment.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    write_paths(out, to_path, from_path);
    write_end(out, transaction, Flag::End, false);
}

/// The head of a SEND, to be followed by its body, if it has one, and by [`write_end`].
#[derive(Clone, Copy, Debug)]
pub struct SendHead<'a> {
    /// Its transaction.
    pub transaction: &'a TransactionId,
    /// The peer's complete path (URI-19).
    pub to_path: &'a [u8],
    /// Our one URI of the session (URI-19).
    pub from_path: &'a [u8],
    /// The same in all chunks of the message (SEND-01).
    pub message_id: &'a [u8],
    /// Always sent (CHUNK-02).
    pub range: ByteRange,
    /// Whether a success report is wanted; `no` is left out (SEND-06).
    pub success_report: bool,
    /// Which failures are to be told; `yes` is left out (SEND-06).
    pub failure_report: FailureReport,
    /// Whole lines, `Content-Type` last, as [`Head::content_headers`](crate::Head::content_headers)
    /// has them. Empty is a SEND without body (WIRE-10).
    pub content_headers: &'a [u8],
}

impl SendHead<'_> {
    /// Writes it, with the blank line before the body if there is one.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_request_line(out, self.transaction, "SEND");
        write_paths(out, self.to_path, self.from_path);
        field::write(out, b"Message-ID", self.message_id);
        write_range(out, self.range);
        if self.success_report {
            out.extend_from_slice(b"Success-Report: yes\r\n");
        }
        if self.failure_report != FailureReport::Yes {
            field::write(out, b"Failure-Report", self.failure_report.as_str().as_bytes());
        }
        write_content_headers(out, self.content_headers);
    }
}

/// A REPORT (RPT-01 to RPT-03).
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Its transaction.
    pub transaction: &'a TransactionId,
    /// The complete `From-Path` of the SEND reported on.
    pub to_path: &'a [u8],
    /// The reporter's own URI.
    pub from_path: &'a [u8],
    /// Of the message reported on.
    pub message_id: &'a [u8],
    /// What part of it is reported on; the end counts what arrived (RPT-08).
    pub range: ByteRange,
    /// What became of it. The namespace is always `000` (RPT-02).
    pub status: u16,
    /// Free text.
    pub comment: &'a str,
    /// As in [`SendHead`]; empty is a REPORT without body.
    pub content_headers: &'a [u8],
    /// At most [`SMALL_BODY_SIZE_MAX`] octets (WIRE-26); empty without `content_headers`.
    pub body: &'a [u8],
}

impl Report<'_> {
    /// Writes all of it.
    pub fn write(&self, out: &mut Vec<u8>) {
        debug_assert!(self.body.len() <= SMALL_BODY_SIZE_MAX, "WIRE-26");
        write_request_line(out, self.transaction, "REPORT");
        write_paths(out, self.to_path, self.from_path);
        field::write(out, b"Message-ID", self.message_id);
        write_range(out, self.range);
        out.extend_from_slice(b"Status: 000 ");
        write_code(out, self.status);
        if !self.comment.is_empty() {
            out.push(b' ');
            out.extend_from_slice(self.comment.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        write_content_headers(out, self.content_headers);
        out.extend_from_slice(self.body);
        write_end(out, self.transaction, Flag::End, !self.content_headers.is_empty());
    }
}

/// A NICKNAME request, as a client sends it (NICK-01).
#[derive(Clone, Copy, Debug)]
pub struct NicknameRequest<'a> {
    /// Its transaction.
    pub transaction: &'a TransactionId,
    /// The switch's URI of the session.
    pub to_path: &'a [u8],
    /// The client's complete path.
    pub from_path: &'a [u8],
    /// The nickname asked for, without quotes; empty gives back the one there is (NICK-05).
    pub nickname: &'a str,
}

impl NicknameRequest<'_> {
    /// Writes all of it.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_request_line(out, self.transaction, "NICKNAME");
        write_paths(out, self.to_path, self.from_path);
        out.extend_from_slice(b"Use-Nickname: ");
        nickname::write_quoted(out, self.nickname);
        out.extend_from_slice(b"\r\n");
        write_end(out, self.transaction, Flag::End, false);
    }
}

/// Writes an end-line, after a body with the CRLF that belongs to it (WIRE-09, WIRE-10). The CRLF
/// counts for nothing (JC-02).
pub fn write_end(out: &mut Vec<u8>, transaction: &TransactionId, flag: Flag, had_body: bool) {
    if had_body {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(DASHES);
    out.extend_from_slice(transaction.as_bytes());
    out.push(flag.octet());
    out.extend_from_slice(b"\r\n");
}

/// Whether seven hyphens stand together anywhere. A body without them goes out under any
/// transaction identifier (WIRE-17).
pub fn has_hyphens(body: &[u8]) -> bool {
    DASHES_FINDER.find(body).is_some()
}

/// Whether seven hyphens and `prefix` stand together anywhere. If not, the body goes out under any
/// transaction identifier that starts so (WIRE-17, WIRE-19).
pub fn collides(body: &[u8], prefix: &[u8]) -> bool {
    let mut rest = body;
    while let Some(at) = DASHES_FINDER.find(rest) {
        rest = &rest[at + DASHES.len()..];
        // Of more than seven hyphens, the last seven count as well as the first.
        let run = rest.iter().take_while(|&&octet| octet == b'-').count();
        if rest[run..].starts_with(prefix) {
            return true;
        }
        rest = &rest[run..];
    }
    false
}

fn write_request_line(out: &mut Vec<u8>, transaction: &TransactionId, method: &str) {
    out.extend_from_slice(b"MSRP ");
    out.extend_from_slice(transaction.as_bytes());
    out.push(b' ');
    out.extend_from_slice(method.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn write_paths(out: &mut Vec<u8>, to_path: &[u8], from_path: &[u8]) {
    for (name, path) in [(b"To-Path:".as_slice(), to_path), (b"From-Path:", from_path)] {
        out.extend_from_slice(name);
        // A path may have come with more than one space between its URIs (WIRE-05, WIRE-07).
        for uri in uris(path) {
            out.push(b' ');
            out.extend_from_slice(uri);
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn write_range(out: &mut Vec<u8>, range: ByteRange) {
    out.extend_from_slice(b"Byte-Range: ");
    range.write(out);
    out.extend_from_slice(b"\r\n");
}

fn write_content_headers(out: &mut Vec<u8>, content_headers: &[u8]) {
    if !content_headers.is_empty() {
        out.extend_from_slice(content_headers);
        out.extend_from_slice(b"\r\n");
    }
}

/// Three digits.
fn write_code(out: &mut Vec<u8>, code: u16) {
    debug_assert!((100..1000).contains(&code), "a status code has three digits");
    write_number(out, u64::from(code));
}
