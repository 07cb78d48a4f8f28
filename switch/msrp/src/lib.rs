//! MSRP on the wire: what octets mean, and how messages are written as octets.
//!
//! Sans-IO: nothing here owns a socket or reads a clock. Octets of a connection go through a
//! [`Framer`] and come out as [`Frame`]s that borrow from them; whoever keeps one pays for the copy.
//! Views over octets ([`Uri`], [`Path`], [`Address`], [`cpim::Wrapper`]) have owned twins
//! ([`UriBuf`], [`PathBuf`], [`AddressBuf`]) for what lives longer than a receive buffer.
//!
//! What it refuses to know: sessions, rooms, who may do what, and time. It says that a message is
//! malformed; what follows from that is decided elsewhere.
//!
//! Ids such as `WIRE-16` are rows of `switch/spec/msrp.md`, `PEER-07` of `switch/spec/interop.md`.

#![forbid(unsafe_code)]

mod address;
pub mod cpim;
mod media_type;
mod nickname;
pub mod status;
mod uri;
mod wire;

pub use address::{Address, AddressBuf};
pub use media_type::{AcceptTypes, MalformedTypes, MediaType};
pub use nickname::{NICKNAME_SIZE_MAX, parse_nickname};
pub use uri::{Host, PathBuf, Scheme, Uri, UriBuf};
pub use wire::{
    ByteRange, FailureReport, Fault, Field, Flag, Frame, Framer, HEAD_FIELDS_MAX,
    HEAD_LINE_SIZE_MAX, HEAD_SIZE_MAX, Head, MESSAGE_ID_SIZE_MAX, Method, NicknameRequest,
    PATH_URIS_MAX, PIECE_SIZE_MIN, Path, Piece, Report, SMALL_BODY_SIZE_MAX, SendHead, Start,
    Status, TRANSACTION_ID_SIZE_MAX, TransactionId, URI_SIZE_MAX, Unframable, collides,
    has_hyphens, write_end, write_response,
};
