//! What the control plane and the cores say to each other, and the bounded ring they say it
//! through.
//!
//! The focus owns intent, a core owns sockets: a [`Command`] says what shall be, an [`Event`] says
//! what happened, a [`Relay`] goes from core to core. Every command is idempotent, carries the
//! epoch of its room, and is answered where its author has to wait for it.
//!
//! What either plane counts is declared by [`figures!`], and published by who knows neither.
//!
//! This crate knows no socket, no SIP and no policy.
#![forbid(unsafe_code)]

mod branch;
mod command;
mod doorbell;
mod event;
mod figures;
mod id;
mod relay;
mod remote;
mod ring;
mod route;
mod utc;

pub use branch::{BranchRelay, BranchStep};
pub use command::{Command, Rights};
pub use doorbell::{Doorbell, Sleeper};
pub use event::{Event, FailureCause, InstallRefusal};
pub use figures::{Figure, Figures, Value, first_sentence};
pub use id::{CORES_MAX, CoreId, CoreSet, Epoch, ParticipantId, RoomId, SessionId};
pub use relay::{
    Addressee, Audience, Class, DirectoryRelay, News, NicknameAnswer, NicknameRelay,
    NicknameRequest, Opening, Outcome, OutcomeRelay, Piece, Presence, Relay, RoomRelay, Stage,
};
pub use remote::{NextHop, Remote, Setup};
pub use ring::{Full, Receiver, Sender, ring};
pub use route::{Chatroom, Direction, NicknamePolicy, PeerMedia, RoomPolicy, RoomTerms, Route};
pub use utc::{Utc, WallClock};
