//! Pre-defined Groups, as their documents describe them (`urn:oma:xml:poc:list-service`, the rules
//! of RFC 4745 inside).
//!
//! Octets become a checked [`GroupDocument`] once; nothing downstream looks at XML. What a group
//! grants to whom is a pure function of the document, the user and the time of day
//! ([`Group::ask`]). A [`Library`] is a directory of documents and an [`Xcap`] those of an XCAP
//! server: they know files and HTTP, nothing of sessions, and hand out whole snapshots of [`Groups`].
//!
//! A [`Resolver`] puts both together, and in whom lists name that are elsewhere. Lists and documents
//! are fetched by one client, and what is known of either has one shape.
//!
//! Whatever is not understood denies: a rule with an unknown condition does not match, a list that
//! has not come has no members.

mod date_time;
mod demand;
mod document;
mod fetch;
mod groups;
mod library;
mod list;
mod read;
mod remote;
mod resolver;
mod rule;
mod schedule;
mod sources;
mod watch;
mod xcap;
mod xml;

pub(crate) use self::fetch::is_root;
pub(crate) use self::xml::{Element, Namespace};
pub use self::{
    demand::Demand,
    document::{Fault, Group, GroupDocument, Inquiry, Reason, Remark, Verdict},
    fetch::{FetchError, Fetched, Fetcher, Kind},
    groups::{Groups, Source},
    library::{Library, LibraryError},
    list::List,
    remote::{Counters, Patience, Round, Tally},
    resolver::Resolver,
    rule::Right,
    schedule::Schedule,
    sources::Sources,
    watch::Watch,
    xcap::Xcap,
};
