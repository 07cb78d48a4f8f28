//! Lists of recipients (RFC 5363, RFC 4826) with what they say of copies (RFC 5364), read and
//! written.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::{refusal::Refusal, user::UserKey};
use crate::group::{Element, Namespace};

/// Entries that are read of one list (OPS-04).
const ENTRIES_MAX: usize = 1000;

/// Somebody on a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recipient {
    /// The URI as it is written.
    pub uri: String,
    /// Who that is.
    pub key: UserKey,
    /// What the others may learn of it.
    pub copy: Copy,
    /// Whether its URI is kept from the others.
    pub is_anonymized: bool,
}

/// What kind of copy somebody gets, as mail has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Copy {
    /// It is addressed.
    To,
    /// It is told.
    Cc,
    /// It is told, and nobody is told that it is.
    Bcc,
}

impl Recipient {
    /// Whether nobody may learn that it was called.
    pub fn is_hidden(&self) -> bool {
        self.copy == Copy::Bcc || self.is_anonymized
    }
}

/// Everybody on a list, each once, and `sender` never: the entries of the list itself, but not what
/// is nested in it or elsewhere (PUB-12). An address of a kind that nobody has is passed over.
pub fn read(document: &[u8], sender: &[UserKey]) -> Result<Vec<Recipient>, Refusal> {
    let root = Element::parse(document).map_err(|_| Refusal::BodyMalformed)?;
    if !root.is(Namespace::ResourceLists, "resource-lists") {
        return Err(Refusal::BodyMalformed);
    }
    let lists = root.children.iter().filter(|list| list.is(Namespace::ResourceLists, "list"));
    let entries = lists.flat_map(|list| &list.children);
    let entries = entries.filter(|entry| entry.is(Namespace::ResourceLists, "entry"));
    let mut recipients: Vec<Recipient> = Vec::new();
    for (count, entry) in entries.enumerate() {
        if count == ENTRIES_MAX {
            return Err(Refusal::BodyTooLarge);
        }
        let uri = entry.required("uri").map_err(|_| Refusal::BodyMalformed)?;
        let Some(key) = UserKey::of(uri) else { continue };
        if sender.contains(&key) || recipients.iter().any(|known| known.key == key) {
            continue;
        }
        let said = entry.attribute_of_any_namespace("copyControl").unwrap_or_default();
        recipients.push(Recipient {
            uri: uri.to_owned(),
            key,
            copy: match said {
                "cc" => Copy::Cc,
                "bcc" => Copy::Bcc,
                _ => Copy::To,
            },
            is_anonymized: entry.attribute_of_any_namespace("anonymize") == Some("true"),
        });
    }
    Ok(recipients)
}

/// What those who are called are told of who else is (RFC 5364 section 6). `None` when there is
/// nobody that they may be told of.
pub fn history(recipients: &[Recipient]) -> Option<String> {
    let told = |recipient: &&Recipient| recipient.copy != Copy::Bcc;
    let mut entries = String::new();
    for recipient in recipients.iter().filter(told).filter(|told| !told.is_anonymized) {
        write_entry(&mut entries, &recipient.uri, recipient.copy, "");
    }
    for copy in [Copy::To, Copy::Cc] {
        let hidden = recipients.iter().filter(|them| them.copy == copy && them.is_anonymized);
        let hidden = hidden.count();
        if hidden > 0 {
            write_entry(&mut entries, ANONYMOUS, copy, &format!(" cp:count=\"{hidden}\""));
        }
    }
    (!entries.is_empty()).then(|| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
             <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" \
             xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\">\r\n<list>\r\n{entries}</list>\r\n\
             </resource-lists>\r\n"
        )
    })
}

/// Who stands for those whose URI is kept back (RFC 5364 section 5.1).
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

fn write_entry(entries: &mut String, uri: &str, copy: Copy, more: &str) {
    let copy = if copy == Copy::Cc { "cc" } else { "to" };
    // Writing to a String cannot fail.
    let _ = write!(entries, "<entry uri=\"{}\" cp:copyControl=\"{copy}\"{more}/>\r\n", escape(uri));
}

#[cfg(test)]
mod tests {
    use super::{Copy, history, read};
    use crate::focus::{refusal::Refusal, user::UserKey};

    const OPEN: &str = "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" \
                        xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\">";

    fn list(inside: &str) -> String {
        format!("{OPEN}{inside}</resource-lists>")
    }

    fn recipients(inside: &str) -> Result<Vec<(String, Copy, bool)>, Refusal> {
        let alice = [UserKey::of("sip:alice@example.com").unwrap()];
        let read = read(list(inside).as_bytes(), &alice)?;
        Ok(read.into_iter().map(|them| (them.uri, them.copy, them.is_anonymized)).collect())
    }

    /// PUB-12: a flat list, each user once and the sender never, with what it says of copies.
    #[test]
    fn lists_are_read_flat_and_without_doubles() {
        let inside = "<list><entry uri=\"sip:bob@example.com\" cp:copyControl=\"to\"/>\
             <entry uri=\"sip:bob@EXAMPLE.com;transport=tcp\" cp:copyControl=\"bcc\"/>\
             <entry uri=\"sip:alice@example.com\"/>\
             <entry uri=\"sip:carol@example.com\" cp:copyControl=\"bcc\"/>\
             <entry uri=\"tel:+12125550147\" cp:copyControl=\"cc\" cp:anonymize=\"true\"/>\
             <entry uri=\"mailto:eve@example.com\"/>\
             <list><entry uri=\"sip:nested@example.com\"/></list>\
             <entry-ref ref=\"x\"/><external anchor=\"http://example.com\"/></list>";
        assert_eq!(
            recipients(inside).unwrap(),
            [
                ("sip:bob@example.com".to_owned(), Copy::To, false),
                ("sip:carol@example.com".to_owned(), Copy::Bcc, false),
                ("tel:+12125550147".to_owned(), Copy::Cc, true),
            ]
        );
        assert_eq!(recipients("<list/>").unwrap(), []);
    }

    /// PUB-12, OPS-04: what is no list is malformed, and a list has an end.
    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(recipients("<list><entry/></list>"), Err(Refusal::BodyMalformed));
        assert_eq!(recipients("<list>"), Err(Refusal::BodyMalformed));
        assert_eq!(read(b"<list/>", &[]), Err(Refusal::BodyMalformed));
        let entries = |count| {
            let entry = |n| format!("<entry uri=\"sip:u{n}@example.com\"/>");
            format!("<list>{}</list>", (0..count).map(entry).collect::<String>())
        };
        assert_eq!(recipients(&entries(1000)).unwrap().len(), 1000);
        assert_eq!(recipients(&entries(1001)), Err(Refusal::BodyTooLarge));
    }

    /// PUB-12: nobody learns of blind copies, nor the URI of who is anonymized.
    #[test]
    fn the_history_names_only_those_it_may() {
        let read = |inside: &str| read(list(inside).as_bytes(), &[]).unwrap();
        let told = read(
            "<list><entry uri=\"sip:a&amp;b@example.com\"/>\
             <entry uri=\"sip:carol@example.com\" cp:copyControl=\"bcc\"/>\
             <entry uri=\"sip:x@example.com\" cp:anonymize=\"true\"/>\
             <entry uri=\"sip:y@example.com\" cp:anonymize=\"true\"/></list>",
        );
        let expected = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n{OPEN}\r\n<list>\r\n\
             <entry uri=\"sip:a&amp;b@example.com\" cp:copyControl=\"to\"/>\r\n\
             <entry uri=\"sip:anonymous@anonymous.invalid\" cp:copyControl=\"to\" cp:count=\"2\"/>\
             \r\n</list>\r\n</resource-lists>\r\n"
        );
        assert_eq!(history(&told), Some(expected));
        let blind = "<list><entry uri=\"sip:carol@example.com\" cp:copyControl=\"bcc\"/></list>";
        assert_eq!(history(&read(blind)), None);
    }
}
