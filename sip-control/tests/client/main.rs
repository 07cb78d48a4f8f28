//! The IM Client: against literal octets, against a scripted focus, and against the focus of this
//! crate.

mod anything;
mod calling;
mod dns;
mod gsma;
mod invite;
mod locating;
mod media;
mod peer;
mod proving;
mod referring;
mod registering;
mod reliably;
mod running;
mod server;
mod staying;
mod switch;
mod vectors;
mod watching;
