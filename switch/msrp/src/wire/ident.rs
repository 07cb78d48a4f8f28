//! The small words of a start line, an end-line and the reporting headers.

use std::fmt;

/// Octets of the longest transaction identifier.
pub const TRANSACTION_ID_SIZE_MAX: usize = 32;

/// Octets of the shortest transaction identifier.
const TRANSACTION_ID_SIZE_MIN: usize = 4;

/// A transaction identifier: 4 to 32 octets, compared octet for octet (WIRE-02, RFC 4975
/// section 9). Held inline, so that whoever waits for a response can key a table by it.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct TransactionId {
    /// Zero beyond `size`, which is what lets equality be derived.
    octets: [u8; TRANSACTION_ID_SIZE_MAX],
    size: u8,
}

impl TransactionId {
    /// Reads one; `None` when it is not an identifier. Nothing with a wrong one can be framed.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (&first, rest) = text.split_first()?;
        let size = text.len();
        if !(TRANSACTION_ID_SIZE_MIN..=TRANSACTION_ID_SIZE_MAX).contains(&size)
            || !first.is_ascii_alphanumeric()
            || !rest.iter().all(|&octet| is_ident(octet))
        {
            return None;
        }
        let mut octets = [0; TRANSACTION_ID_SIZE_MAX];
        octets[..size].copy_from_slice(text);
        Some(Self { octets, size: size as u8 })
    }

    /// The identifier as it is written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.size)]
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactionId({self})")
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|&octet| write!(f, "{}", char::from(octet)))
    }
}

/// `ident-char` of RFC 4975 section 9.
fn is_ident(octet: u8) -> bool {
    const IDENT: [bool; 256] = {
        let mut table = [false; 256];
        let mut octet = 0u8;
        while octet < 128 {
            table[octet as usize] =
                octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'+' | b'%' | b'=');
            octet += 1;
        }
        table
    };
    IDENT[usize::from(octet)]
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// Content, or a sign of life (RFC 4975 section 7.1).
    Send,
    /// What became of content (RFC 4975 section 7.1.2). Never answered.
    Report,
    /// A nickname is asked for or given back (RFC 7701 section 7).
    Nickname,
    /// A client asks a relay to serve it (RFC 4976 section 4).
    Auth,
    /// Anything else. Not an error here: the session must answer it with 501 (WIRE-30).
    Other,
}

impl Method {
    /// Reads a method name; case counts, and there is no method in lower case (WIRE-01).
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        match name {
            b"SEND" => Some(Self::Send),
            b"REPORT" => Some(Self::Report),
            b"NICKNAME" => Some(Self::Nickname),
            b"AUTH" => Some(Self::Auth),
            [] => None,
            other => other.iter().all(u8::is_ascii_uppercase).then_some(Self::Other),
        }
    }
}

/// What a start line opens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Start {
    /// A request.
    Request(Method),
    /// A response with its status code; 0 when the code could not be read, which is a
    /// [`Fault`](crate::Fault) and never a code.
    Response(u16),
}

/// The last octet of an end-line before its CRLF: what becomes of the message (WIRE-23).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flag {
    /// `$`: this chunk ends the message.
    End,
    /// `+`: more chunks follow.
    More,
    /// `#`: the sender gives the message up.
    Abort,
}

impl Flag {
    /// The flag an octet stands for.
    pub(crate) fn parse(octet: u8) -> Option<Self> {
        match octet {
            b'$' => Some(Self::End),
            b'+' => Some(Self::More),
            b'#' => Some(Self::Abort),
            _ => None,
        }
    }

    /// The octet that stands for it.
    pub fn octet(self) -> u8 {
        match self {
            Self::End => b'$',
            Self::More => b'+',
            Self::Abort => b'#',
        }
    }
}

/// Which answers a sender wants (RFC 4975 section 7.1.4).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FailureReport {
    /// Every answer. What a missing header means (SEND-06).
    #[default]
    Yes,
    /// None at all, not even to an error (RESP-03).
    No,
    /// Errors only (RESP-02).
    Partial,
}

impl FailureReport {
    /// Reads the value of the header, whatever its case (WIRE-37).
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        [(&b"yes"[..], Self::Yes), (b"no", Self::No), (b"partial", Self::Partial)]
            .into_iter()
            .find_map(|(name, report)| value.eq_ignore_ascii_case(name).then_some(report))
    }

    /// The value as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Partial => "partial",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WIRE-02: 4 to 32 octets, first a letter or digit, then `.` `-` `+` `%` `=` too.
    #[test]
    fn transaction_ids_are_idents() {
        for good in [&b"abcd"[..], b"9.-+%=", &[b'a'; 32]] {
            assert_eq!(TransactionId::parse(good).unwrap().as_bytes(), good);
        }
        for bad in [&b""[..], b"abc", &[b'a'; 33], b"-abc", b"abc_d", b"abc d", b"abcd\xe9"] {
            assert_eq!(TransactionId::parse(bad), None, "{}", bad.escape_ascii());
        }
    }

    /// WIRE-02: identifiers that differ in case are two identifiers.
    #[test]
    fn transaction_ids_compare_octet_for_octet() {
        assert_ne!(TransactionId::parse(b"abcd"), TransactionId::parse(b"abcD"));
        assert_eq!(TransactionId::parse(b"abcd"), TransactionId::parse(b"abcd"));
    }
}
