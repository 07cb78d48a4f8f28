//! RFC 3264 and RFC 4975 section 8 for a chat room: an offer becomes a [`MediaOffer`] or a 488,
//! and a `MediaOffer` becomes the text of an answer. Where the peer makes no offer, a [`RoomMedia`]
//! makes one and reads the answer.
//!
//! The switch would rather wait to be connected to, and connects where the peer waits (SDP-13). TLS
//! is refused (SDP-08 with `plain_only`).

mod describe;
mod later;
mod offer;
mod place;
mod precondition;
mod setup;
#[cfg(test)]
mod tests;
mod types;
mod unacceptable;

pub use describe::Origin;
pub use later::{Hold, LaterOffer, Shape};
pub use offer::{MediaAnswer, MediaOffer, RoomMedia};
pub use place::{Names, Unresolved};
pub use setup::Cema;
pub use unacceptable::Unacceptable;
