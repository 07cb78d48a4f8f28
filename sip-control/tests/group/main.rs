//! Pre-defined Groups from documents: literal XML in, groups and what they grant out.

#[path = "../common/captured.rs"]
mod captured;
mod document;
mod library;
mod lists;
mod rules;
mod server;
mod xcap;

use sip_control::{
    focus::{UserKey, Utc},
    group::{Group, GroupDocument, Inquiry, Right},
};

/// The minimal document, as the catalogue has it (section 5.1).
pub fn minimal() -> &'static str {
    let catalogue = include_str!("../../spec/sip-control.md");
    let section = catalogue.split_once("### 5.1 ").expect("a section 5.1").1;
    section.split("```\n").nth(1).expect("a document")
}

/// A document of one group: what is in its `<list-service>`.
pub fn document(content: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n\
         <group xmlns=\"urn:oma:xml:poc:list-service\" \
         xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\" \
         xmlns:ocp=\"urn:oma:xml:xdm:common-policy\" \
         xmlns:oxe=\"urn:oma:xml:xdm:extensions\">\n\
         <list-service uri=\"sip:team@example.com\">\n{content}\n</list-service></group>\n"
    )
}

/// The one group of a document.
pub fn group(document: &str) -> Group {
    let mut read = GroupDocument::parse(document.as_bytes()).unwrap_or_else(|fault| {
        panic!("{fault} in\n{document}");
    });
    assert_eq!(read.groups.len(), 1);
    read.groups.remove(0)
}

/// A known user who asks under its own name, some time in 2026.
pub const NOW: Utc = Utc(1_774_742_400);

/// Whether the group grants it to this user.
pub fn grants(group: &Group, right: Right, user: &str) -> bool {
    let keys = [UserKey::of(user).unwrap()];
    group.grants(right, &Inquiry { user: Some(&keys), is_anonymous: false, at: NOW })
}
