//! RFC 3264 and RFC 4975 section 8 for a chat room: an offer becomes a [`MediaOffer`] or a 488,
//! and a `MediaOffer` becomes the text of an answer. Where the peer makes no offer, a [`RoomMedia`]
//! makes one and reads the answer.
//!
//! The switch waits to be connected to: an offer that asks it to connect is refused (SDP-13 with
//! `allow_active` off), and so is TLS (SDP-08 with `plain_only`).

mod describe;
mod later;
mod offer;
#[cfg(test)]
mod tests;
mod types;
mod unacceptable;

pub use describe::Origin;
pub use later::{Hold, LaterOffer, Shape};
pub use offer::{MediaOffer, RoomMedia};
pub use unacceptable::Unacceptable;
