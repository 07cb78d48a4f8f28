//! What peers say, and how each can tell whether it got all of it.

use std::sync::LazyLock;

use msrp::UriBuf;

/// Where the parts of a message in parts begin, and where the last of them ends. The wrapper is cut
/// twice; the last part takes more than one read.
const PARTS: [usize; 5] = [0, 40, 90, 700, 3600];

/// Octets of the longest text.
const TEXT_SIZE_MAX: usize = 4096;

/// Every octet depends on its position, and much looks like framing.
static FILLING: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..TEXT_SIZE_MAX).map(|at| b"-------\r\n+$#abcdef"[(at * at / 7 + at) % 18]).collect()
});

/// The text that session `session` says under the name `name`.
fn text(session: u8, name: &str, size: usize) -> Vec<u8> {
    let mut text = format!(
        "Subject: {session} {name} {size}\r\nTo: <sip:room@example.com>\r\n\
        From: <sip:u{session}@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\n"
    )
    .into_bytes();
    text.extend_from_slice(FILLING.get(text.len()..size).unwrap_or_default());
    text
}

/// Whether this is all of something that was said.
pub fn is_whole(body: &[u8]) -> bool {
    let line = body.split(|&octet| octet == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let fields: Vec<&str> = line.split(' ').collect();
    let ["Subject:", session, name, size] = fields[..] else { return false };
    let (session, size) = (session.parse().expect("a number"), size.parse().expect("a number"));
    let whole = text(session, name, size);
    let may_end =
        if name == "whole" { body.len() == whole.len() } else { PARTS.contains(&body.len()) };
    may_end && whole.starts_with(body)
}

/// Whose words these are.
pub fn speaker(text: &[u8]) -> Option<u8> {
    let rest = text.strip_prefix(b"Subject: ")?;
    let digits = rest.split(|&octet| octet == b' ').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The path of every client of this session.
pub fn own_path(session: u8) -> String {
    format!("msrp://client.example.org:7654/u{session};tcp")
}

/// Something that a peer says, right or wrong.
#[derive(Clone, Debug)]
pub enum Said {
    /// A SEND without content.
    Bind,
    /// A message in one chunk.
    Whole {
        size: usize,
    },
    /// Part of a message in parts.
    Chunk {
        message: u8,
        part: u8,
        flag: char,
    },
    /// All parts of it, forwards or backwards, the last of them with this flag.
    Parts {
        message: u8,
        backwards: bool,
        flag: char,
    },
    /// This code to the first request that is not answered.
    Answer {
        code: u16,
    },
    /// This code about the last message, in a report.
    Report {
        code: u16,
    },
    /// What only relays serve.
    Auth,
    /// A method nobody knows.
    Ping,
    Nickname,
    /// To a session that nobody installed.
    Guess,
    Malformed,
    MalformedResponse,
    /// A head that cannot be read to its end.
    BareLineBreak,
    /// No MSRP at all.
    Garbage,
}

impl Said {
    /// Taken apart into single requests.
    pub fn apart(&self) -> Vec<Self> {
        let &Self::Parts { message, backwards, flag } = self else { return vec![self.clone()] };
        let mut parts = [0, 1, 2, 3];
        if backwards {
            parts.reverse();
        }
        let chunk = |part| Self::Chunk { message, part, flag: if part == 3 { flag } else { '+' } };
        parts.map(chunk).into()
    }

    pub fn is_owed_an_answer(&self) -> bool {
        !matches!(
            self,
            Self::Answer { .. }
                | Self::Report { .. }
                | Self::MalformedResponse
                | Self::BareLineBreak
                | Self::Garbage
        )
    }

    /// Its octets, for the session with this URI.
    pub fn octets(&self, tid: &str, session: u8, uri: &UriBuf) -> Vec<u8> {
        let own = own_path(session);
        let paths = format!("To-Path: {uri}\r\nFrom-Path: {own}\r\n");
        let content = |name: &str, start: usize, body: &[u8], flag: char| {
            let head = format!(
                "MSRP {tid} SEND\r\n{paths}Message-ID: {name}\r\nByte-Range: {start}-*/*\r\n\
                Content-Type: message/cpim\r\n\r\n"
            );
            [head.as_bytes(), body, format!("\r\n-------{tid}{flag}\r\n").as_bytes()].concat()
        };
        let text = match *self {
            Self::Whole { size } => return content(tid, 1, &text(session, "whole", size), '$'),
            Self::Chunk { message, part, flag } => {
                let name = format!("parts{message}");
                let whole = text(session, &name, PARTS[4]);
                let (from, to) = (PARTS[usize::from(part)], PARTS[usize::from(part) + 1]);
                return content(&name, from + 1, &whole[from..to], flag);
            }
            Self::Parts { .. } => unreachable!("it is taken apart first"),
            Self::Bind => format!("MSRP {tid} SEND\r\n{paths}-------{tid}$\r\n"),
            Self::Ping => format!("MSRP {tid} PING\r\n{paths}-------{tid}$\r\n"),
            Self::Nickname => {
                format!("MSRP {tid} NICKNAME\r\n{paths}Use-Nickname: \"u\"\r\n-------{tid}$\r\n")
            }
            Self::Guess => format!(
                "MSRP {tid} SEND\r\nTo-Path: msrp://sw.example.com:2855/{:02x}{};tcp\r\n\
                From-Path: {own}\r\n-------{tid}$\r\n",
                tid.len() % 4,
                "g".repeat(26)
            ),
            Self::Malformed => format!(
                "MSRP {tid} SEND\r\n{paths}Message-ID: m\r\n folded\r\n\r\nbody\r\n\
                -------{tid}$\r\n"
            ),
            Self::Answer { .. } | Self::Report { .. } => unreachable!("they are about something"),
            Self::Auth => format!("MSRP {tid} AUTH\r\n{paths}-------{tid}$\r\n"),
            Self::MalformedResponse => format!("MSRP {tid} 2OO\r\n-------{tid}$\r\n"),
            Self::BareLineBreak => format!("MSRP {tid} 200 OK\r\nTo-Path: a\nb\r\n"),
            Self::Garbage => "GET / HTTP/1.1\r\n\r\n".to_owned(),
        };
        text.into_bytes()
    }
}
