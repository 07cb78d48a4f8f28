//! Messages as octets: framing, heads, and how they are written (RFC 4975 sections 7 and 9).

mod emit;
mod end_line;
mod field;
mod framer;
mod head;
mod ident;
mod lines;
mod outline;
mod progress;
mod range;
mod start_line;

pub use emit::{
    NicknameRequest, Report, SendHead, collides, has_hyphens, write_end, write_response,
};
pub use field::Field;
pub use framer::{Frame, Framer, Piece};
pub use head::{Fault, Head, MESSAGE_ID_SIZE_MAX, PATH_URIS_MAX, Path, Status, URI_SIZE_MAX};
pub use ident::{FailureReport, Flag, Method, Start, TRANSACTION_ID_SIZE_MAX, TransactionId};
pub use lines::{HEAD_LINE_SIZE_MAX, HEAD_SIZE_MAX};
pub use outline::HEAD_FIELDS_MAX;
pub use progress::{PIECE_SIZE_MIN, SMALL_BODY_SIZE_MAX};
pub use range::ByteRange;
pub use start_line::Unframable;

pub(crate) use field::is_token;
pub(crate) use head::uris;
