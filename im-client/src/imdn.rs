//! "Delivered" (RFC 5438): telling the author of a message that it has arrived, and hearing the same
//! of ours.

use quick_xml::{Reader, escape::escape, events::Event};

/// The type of a notification.
pub const CONTENT_TYPE: &str = "message/imdn+xml";
/// What marks it as one (RFC 5438 section 9).
pub const DISPOSITION: &str = "notification";

/// What a notification says of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notification {
    /// The name that its author gave it.
    pub message_id: String,
    /// Whether it was delivered; everything else that can be said of it is not told here.
    pub is_delivered: bool,
}

impl Notification {
    /// Reads a document of RFC 5438 section 11; `None` if it is none.
    pub fn read(document: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_reader(document);
        let mut elements: Vec<String> = Vec::new();
        let (mut message_id, mut is_delivered) = (String::new(), false);
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => elements.push(start.local_name().as_ref().to_owned()),
                Event::Empty(empty) => {
                    let inside = ["delivery-notification", "status"];
                    is_delivered |=
                        elements.iter().rev().take(2).rev().map(String::as_str).eq(inside)
                            && empty.local_name().as_ref() == "delivered";
                }
                Event::End(_) => drop(elements.pop()),
                Event::Text(text) if elements.last().is_some_and(|it| it == "message-id") => {
                    message_id.push_str(text.xml10_content().trim());
                }
                Event::DocType(_) => return None,
                Event::Eof => break,
                _ => {}
            }
        }
        (!message_id.is_empty()).then_some(Self { message_id, is_delivered })
    }
}

/// The document that tells the author of `message_id` that it was delivered to `recipient` at
/// `date_time` (RFC 3339).
pub fn delivered(message_id: &str, recipient: &str, date_time: &str) -> String {
    let [message_id, recipient, date_time] = [message_id, recipient, date_time].map(escape);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <imdn xmlns=\"urn:ietf:params:xml:ns:imdn\"><message-id>{message_id}</message-id>\
         <datetime>{date_time}</datetime><recipient-uri>{recipient}</recipient-uri>\
         <delivery-notification><status><delivered/></status></delivery-notification></imdn>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5438 section 7.2.1.1: the example there, in our own words.
    #[test]
    fn delivery_is_told_and_understood() {
        let document = delivered("34jk", "sip:bob@example.com", "2026-01-15T10:00:00Z");
        let read = Notification::read(document.as_bytes());
        assert_eq!(read, Some(Notification { message_id: "34jk".to_owned(), is_delivered: true }));
        let displayed = document.replace("delivery-notification", "display-notification");
        let read = Notification::read(displayed.as_bytes()).unwrap();
        assert!(!read.is_delivered);
        let failed = document.replace("<delivered/>", "<failed/>");
        assert!(!Notification::read(failed.as_bytes()).unwrap().is_delivered);
        for document in ["<imdn/>", "x", "<!DOCTYPE x><message-id>1</message-id>", "<a><b></a>"] {
            assert_eq!(Notification::read(document.as_bytes()), None, "{document}");
        }
    }

    #[test]
    fn what_others_chose_cannot_leave_its_element() {
        let document = delivered("<&>", "sip:bob@example.com", "");
        assert!(document.contains("<message-id>&lt;&amp;&gt;</message-id>"));
    }
}
