//! The IM Client, against literal octets and a scripted focus.

mod calling;
mod invite;
mod media;
mod peer;
mod staying;
