//! The SIP codec: bytes kept as they came, views parsed from them, messages built from values.
//!
//! [`Message`] owns one message and an index of its header lines; views such as [`NameAddr`] borrow
//! from it. Nothing is normalised on the way in but folds, which no view shows. [`Message::from_datagram`]
//! and [`Framer`] cut messages out of what a transport delivers; [`admit`] makes the checks that need
//! nothing but the message itself, and yields a [`Request`] or [`Response`] whose mandatory fields
//! need no second look. [`Draft`] and [`Reply`] build what goes out.
//!
//! This module knows no socket, no transaction and no dialog.

mod address;
mod admit;
mod build;
mod fault;
mod fields;
mod frame;
mod header;
mod lexis;
pub mod limits;
mod marks;
mod method;
mod multipart;
mod read;
pub mod status;
mod uri;
mod via;

pub use address::{NameAddr, quote};
pub use admit::{Admission, Request, Response, admit};
pub use build::{Draft, Reply};
pub use fault::Fault;
pub use fields::{
    CSeq, Event, MediaType, Privacy, RAck, Reason, Refresher, SessionExpires, SubscriptionState,
};
pub use frame::{Frame, Framer};
pub use header::Header;
pub use lexis::{List, Params, unquote};
pub use marks::Marks;
pub use method::Method;
pub use multipart::{Part, PartsFault, join_parts};
pub use read::Message;
pub use uri::{SipUri, scheme};
pub use via::{BRANCH_COOKIE, Via};
