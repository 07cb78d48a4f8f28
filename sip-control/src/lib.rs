//! The SIP control plane: the conference focus of MSRP chat rooms, and the IM Client.
#![forbid(unsafe_code)]

pub mod client;
pub mod config;
pub mod dialog;
pub mod digest;
pub mod focus;
pub mod group;
pub mod locate;
pub mod message;
pub mod offer_answer;
pub mod placement;
pub mod sdp;
pub mod server;
pub mod store;
pub mod transaction;
pub mod transport;
