//! The IM Client: against literal octets, against a scripted focus, and against the focus of this
//! crate.

mod anything;
mod calling;
mod gsma;
mod invite;
mod media;
mod peer;
mod proving;
mod referring;
mod running;
mod server;
mod staying;
mod switch;
mod watching;
