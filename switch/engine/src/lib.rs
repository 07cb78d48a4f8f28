//! Everything one core of the MSRP switch knows, with no socket and no clock.
//!
//! A [`Core`] is fed completions, commands and relays, and is drained of operations, events and
//! relays. It owns connections, sessions and rooms in bounded tables; the runtime owns sockets and
//! time. See [`Core`] for the order of calls.
//!
//! ```text
//! bytes -> request (481, 506, 501) -> send (400, 413, 415, 403) -> fanout -> a queue per recipient
//!                                                                    \-> a relay per other core
//! ```
#![forbid(unsafe_code)]

mod audience;
mod backlog;
mod batch;
mod branch;
mod chunk;
mod commands;
mod commons;
mod connection;
mod copy;
mod core;
mod counters;
mod deadlines;
mod directory;
mod ending;
mod fanout;
mod greeting;
mod lanes;
mod limits;
mod loss;
mod message;
mod mint;
mod nickname;
mod operation;
mod outbox;
mod outcome;
mod presence;
mod private;
mod rate;
mod reach;
mod recent;
mod reception;
mod replays;
mod report;
mod request;
mod room;
mod route;
mod said;
mod send;
mod slots;
mod strangers;
mod timers;
mod transactions;

pub use batch::{BATCH_SLICES_MAX, Batch};
pub use commons::Commons;
pub use connection::{Connection, ConnectionId};
pub use core::{Core, CoreConfig, Match};
pub use counters::{Counters, Gauges, Refusals};
pub use limits::Limits;
pub use operation::{Departure, Operation, SendFailed};
pub use slots::Key;
