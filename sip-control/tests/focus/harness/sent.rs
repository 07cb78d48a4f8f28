//! What goes over the wire: what the focus said, and how it is answered.

use std::{
    fmt::Write as _,
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// A message the focus sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub text: String,
    /// Where it went: `UDP 192.0.2.1:5060`.
    pub target: String,
}

impl Sent {
    /// The start line.
    pub fn start(&self) -> &str {
        self.text.lines().next().unwrap()
    }

    /// The value of the only line with this name.
    pub fn header(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no {name} in\n{}", self.text))
    }

    /// The value of the line with this name, if there is one.
    pub fn find(&self, name: &str) -> Option<&str> {
        let mut lines = self.text.lines().take_while(|line| !line.is_empty());
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        assert!(!lines.any(|line| line.starts_with(&format!("{name}: "))), "{name} twice");
        value
    }

    pub fn status(&self) -> u16 {
        self.start().split(' ').nth(1).unwrap().parse().unwrap_or(0)
    }

    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").unwrap().1
    }

    /// The tag of To.
    pub fn to_tag(&self) -> &str {
        self.header("To").split_once(";tag=").unwrap().1
    }

    /// The URI of Contact.
    pub fn contact(&self) -> &str {
        let contact = self.header("Contact").strip_prefix('<').unwrap();
        contact.split_once('>').unwrap().0
    }

    /// Status and Warning, as the decision table has them.
    pub fn verdict(&self) -> (u16, Option<&str>) {
        (self.status(), self.find("Warning"))
    }
}

/// An answer to a request of the focus.
pub(super) fn answer_to(request: &Sent, status: &str, lines: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\n");
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        writeln!(text, "{name}: {}", request.header(name)).unwrap();
    }
    format!("{text}{lines}Content-Length: ?\n\n{body}")
}

/// Leaves the document of a NOTIFY where `ROSTER_DOCUMENTS` says, if it says anything: another tool
/// holds all that are told in any test against the schema.
pub(super) fn show(sent: &Sent) {
    static SHELF: OnceLock<Option<PathBuf>> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let shelf = SHELF.get_or_init(|| std::env::var_os("ROSTER_DOCUMENTS").map(PathBuf::from));
    // The family of clients that wants this attribute has a schema of its own; and what became of a
    // REFER is told in no XML at all.
    let is_roster =
        || sent.body().contains("<conference-info") && !sent.body().contains(" yourown=");
    if let Some(shelf) = shelf
        && sent.start().starts_with("NOTIFY ")
        && is_roster()
    {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        std::fs::write(shelf.join(format!("{number}.xml")), sent.body()).unwrap();
    }
}

/// A message as it is on the wire: lines end in CRLF, and `Content-Length: ?` is counted.
pub(super) fn wire(text: &str) -> Vec<u8> {
    let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    let length = text.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
    text.replace("Content-Length: ?", &format!("Content-Length: {length}")).into_bytes()
}
