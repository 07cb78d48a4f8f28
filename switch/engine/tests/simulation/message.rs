//! What peers say: true messages in odd pieces, and lies.

use msrp::{ByteRange, FailureReport, Flag, SendHead, TransactionId};

use crate::dice::Dice;

pub const ROOM: &str = "sip:lobby@chat.example.com";

/// A message: the session that said it, and the how manieth of that session it was.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name {
    pub session: u64,
    pub number: u64,
}

impl Name {
    /// The name that a text begins with; `None` when not so much of it is there.
    pub fn of(text: &[u8]) -> Option<Self> {
        let line = text.strip_prefix(b"Subject: ")?;
        let line = &line[..line.iter().position(|&octet| octet == b'\r')?];
        let (session, number) = std::str::from_utf8(line).ok()?.split_once('.')?;
        Some(Self { session: session.parse().ok()?, number: number.parse().ok()? })
    }
}

/// Which way a peer cuts what it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cut {
    Whole,
    /// Anywhere.
    Halves,
    /// Into pieces of a few octets, some of them said twice.
    Crumbs,
}

/// What is not true about a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lie {
    /// A chunk says that it ends before it does.
    EndsEarlier,
    /// The total is less than what comes.
    IsSmaller,
    /// One chunk never comes.
    Gap,
    /// The first octet has position 0.
    FromNothing,
    /// A chunk is where no message can be.
    FarOut,
    /// It is given up in the middle, and goes on all the same.
    ComesBack,
}

pub const LIES: [Lie; 6] =
    [Lie::EndsEarlier, Lie::IsSmaller, Lie::Gap, Lie::FromNothing, Lie::FarOut, Lie::ComesBack];

/// The text of a message, with much in it that looks like framing.
pub fn text(name: Name, from: u64, to: &str, size: usize, dice: &mut Dice) -> Vec<u8> {
    let mut text = format!(
        "Subject: {}.{}\r\nTo: <{to}>\r\nFrom: <{}>\r\n\r\nContent-Type: text/plain\r\n\r\n",
        name.session,
        name.number,
        address(from)
    )
    .into_bytes();
    for _ in 0..size {
        text.push(dice.one_of(b"-\r\nax$+#"));
    }
    text
}

pub fn address(participant: u64) -> String {
    format!("sip:u{participant}@example.com")
}

/// The path of every client of this participant.
pub fn own_path(participant: u64) -> String {
    format!("msrp://client.example.org:7654/u{participant}x;tcp")
}

/// Where the chunks of one message go.
pub struct Envelope<'a> {
    pub uri: &'a str,
    pub own: &'a str,
    pub name: Name,
}

/// One chunk as it is to be: where it begins, what it holds, what it says of its end and of the whole.
struct Part<'t> {
    start: u64,
    end: Option<u64>,
    total: Option<u64>,
    body: &'t [u8],
    flag: Flag,
}

/// The chunks of a text in order, each with the transaction that is to be answered.
pub fn chunks(
    envelope: &Envelope<'_>,
    text: &[u8],
    cut: Cut,
    lie: Option<Lie>,
    dice: &mut Dice,
) -> Vec<(TransactionId, Vec<u8>)> {
    let mut parts = Vec::new();
    let mut start = 0;
    let says_total = dice.chance(50);
    while start < text.len() {
        let rest = text.len() - start;
        let take = match cut {
            Cut::Whole => rest,
            Cut::Halves if dice.chance(50) => rest,
            Cut::Halves => 1 + dice.below(rest),
            Cut::Crumbs => rest.min(1 + dice.below(1 + text.len() / 8)),
        };
        let (body, last) = (&text[start..start + take], start + take == text.len());
        let part = |at: usize, body, flag| Part {
            start: at as u64 + 1,
            end: None,
            total: says_total.then_some(text.len() as u64),
            body,
            flag,
        };
        parts.push(part(start, body, if last { Flag::End } else { Flag::More }));
        if cut == Cut::Crumbs && !last && dice.chance(10) {
            // Said twice, and in part: what is there already is passed over.
            let again = dice.below(start + take);
            parts.push(part(again, &text[again..start + take], Flag::More));
        }
        start += take;
    }
    if let Some(lie) = lie {
        tell(lie, &mut parts, text.len() as u64, dice);
    }
    parts.iter().map(|part| chunk(envelope, part, dice)).collect()
}

fn tell(lie: Lie, parts: &mut Vec<Part<'_>>, size: u64, dice: &mut Dice) {
    let at = dice.below(parts.len());
    match lie {
        Lie::EndsEarlier => parts[at].end = Some(parts[at].start + parts[at].body.len() as u64 / 2),
        Lie::IsSmaller => parts.iter_mut().for_each(|part| part.total = Some(size / 2)),
        Lie::Gap => drop(parts.remove(at)),
        Lie::FromNothing => parts[at].start = 0,
        Lie::FarOut => parts[at].start = u64::MAX - 3,
        Lie::ComesBack => parts[at].flag = Flag::Abort,
    }
}

fn chunk(envelope: &Envelope<'_>, part: &Part<'_>, dice: &mut Dice) -> (TransactionId, Vec<u8>) {
    let transaction = loop {
        let name = format!("t{:016x}", dice.roll());
        if !msrp::collides(part.body, name.as_bytes()) {
            break TransactionId::parse(name.as_bytes()).unwrap();
        }
    };
    let mut chunk = Vec::new();
    SendHead {
        transaction: &transaction,
        to_path: envelope.uri.as_bytes(),
        from_path: envelope.own.as_bytes(),
        // A name that an earlier session of the same participant had used would be a repetition (CHAT-30).
        message_id: format!("m{}.{}", envelope.name.session, envelope.name.number).as_bytes(),
        range: ByteRange { start: part.start, end: part.end, total: part.total },
        success_report: false,
        failure_report: FailureReport::Yes,
        content_headers: b"Content-Type: message/cpim\r\n",
    }
    .write(&mut chunk);
    chunk.extend_from_slice(part.body);
    msrp::write_end(&mut chunk, &transaction, part.flag, true);
    (transaction, chunk)
}

/// The transaction of every binding.
pub const BINDING: &str = "bind0001";

/// The SEND that binds a session.
pub fn binding(uri: &str, own: &str) -> Vec<u8> {
    let transaction = TransactionId::parse(BINDING.as_bytes()).unwrap();
    let mut bind = Vec::new();
    SendHead {
        transaction: &transaction,
        to_path: uri.as_bytes(),
        from_path: own.as_bytes(),
        message_id: b"bind",
        range: ByteRange { start: 1, end: Some(0), total: Some(0) },
        success_report: false,
        failure_report: FailureReport::Yes,
        content_headers: &[],
    }
    .write(&mut bind);
    msrp::write_end(&mut bind, &transaction, Flag::End, false);
    bind
}
