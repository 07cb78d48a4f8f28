//! The SIP control plane: the conference focus of MSRP chat rooms, and the IM Client.
#![forbid(unsafe_code)]

pub mod message;
