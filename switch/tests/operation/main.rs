//! The node as its operator meets it.

mod attach;
mod caller;
mod challenged;
mod client;
mod figures;
mod node;
mod orders;
mod ports;
mod reload;
mod start;
mod stranger;
mod survival;
mod xcap;
