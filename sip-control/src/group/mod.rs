//! Pre-defined Groups, as their documents describe them (`urn:oma:xml:poc:list-service`, the rules
//! of RFC 4745 inside).
//!
//! Octets become a checked [`GroupDocument`] once; nothing downstream looks at XML. What a group
//! grants to whom is a pure function of the document, the user and the time of day
//! ([`Group::ask`]). A [`Library`] is a directory of documents: it knows files and nothing of
//! sessions, and hands out whole snapshots of [`Groups`].
//!
//! Whatever is not understood denies: a rule with an unknown condition does not match, a list that
//! is elsewhere has no members.

mod date_time;
mod document;
mod library;
mod read;
mod rule;
mod xml;

pub use self::{
    document::{Fault, Group, GroupDocument, Inquiry, Reason, Remark, Verdict},
    library::{Groups, Library, LibraryError, Watch, watch},
    rule::Right,
};
