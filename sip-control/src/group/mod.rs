//! Pre-defined Groups, as their documents describe them (`urn:oma:xml:poc:list-service`, the rules
//! of RFC 4745 inside).
//!
//! Octets become a checked [`GroupDocument`] once; nothing downstream looks at XML. What a group
//! grants to whom is a pure function of the document, the user and the time of day
//! ([`Group::ask`]). A [`Library`] is a directory of documents: it knows files and nothing of
//! sessions, and hands out whole snapshots of [`Groups`].
//!
//! A [`Resolver`] puts in whom lists name that are elsewhere.
//!
//! Whatever is not understood denies: a rule with an unknown condition does not match, a list that
//! has not come has no members.

mod date_time;
mod document;
mod fetch;
mod library;
mod list;
mod read;
mod resolver;
mod rule;
mod schedule;
mod xml;

pub(crate) use self::xml::{Element, Namespace};
pub use self::{
    document::{Fault, Group, GroupDocument, Inquiry, Reason, Remark, Verdict},
    fetch::{FetchError, Fetched, Fetcher},
    library::{Groups, Library, LibraryError, Watch, watch},
    list::List,
    resolver::{Patience, Resolver, Resolving, resolve},
    rule::Right,
    schedule::Schedule,
};
