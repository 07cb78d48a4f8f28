//! One member of a room: SIP towards the focus, MSRP towards the switch.

pub mod link;
pub mod msrp;
pub mod sdp;
pub mod sip;
