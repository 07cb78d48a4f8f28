//! What is asked for on the command line.

use std::net::SocketAddr;

use clap::Args;

use crate::scenario::SipTransport;

/// Measures how fast a focus takes users in again, and how many sessions it can keep alive.
///
/// Every attempt goes by the whole procedure: INVITE to the IM Session Identity, ACK, a new MSRP
/// connection, the binding SEND, SUBSCRIBE and the first NOTIFY. The connection that the user had
/// before is cut without a word first, as by a device that lost its network.
///
/// Exit status: 0 when every attempt came to its end; 1 when one did not; 2 for a command line that
/// makes no sense.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Rejoins begun per second, in an open loop. None with 0.
    #[arg(long, default_value_t = 500.0)]
    pub rate: f64,
    /// Refreshes of sessions (UPDATE) begun per second, in an open loop. None with 0.
    #[arg(long, default_value_t = 0.0)]
    pub refreshes: f64,
    /// Length of the measured window, in seconds.
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Between the last first join and the window, in seconds.
    #[arg(long, default_value_t = 6.0)]
    pub settle: f64,
    /// Rooms to fill.
    #[arg(long, default_value_t = 500)]
    pub rooms: usize,
    /// Users of each room. They rejoin one after the other, all rooms in turn.
    #[arg(long, default_value_t = 10)]
    pub members: usize,
    /// Nobody subscribes to the conferences.
    #[arg(long)]
    pub no_watch: bool,
    /// Users who join one more room, which nobody rejoins, and subscribe to it: their number must not
    /// matter to the others (NTF-09).
    #[arg(long, default_value_t = 0)]
    pub crowd: usize,
    /// First joins begun per second.
    #[arg(long, default_value_t = 500.0)]
    pub join_rate: f64,
    /// Write one line per attempt to this file: when it was due, and how much later each step was
    /// done.
    #[arg(long, value_name = "FILE")]
    pub attempts: Option<String>,
    /// Where the focus listens.
    #[arg(long, default_value = "127.0.0.1:5060")]
    pub sip: SocketAddr,
    /// Transport towards the focus.
    #[arg(long, value_enum, default_value_t = SipTransport::Tcp)]
    pub sip_transport: SipTransport,
    /// Host part of room and user addresses.
    #[arg(long, default_value = "chat.localhost")]
    pub host: String,
    /// User part of room addresses; the number of the room is put behind it.
    #[arg(long, default_value = "room")]
    pub room: String,
    /// Process id of the switch, to account its processor time and memory.
    #[arg(long)]
    pub pid: Option<u32>,
    /// Pin this tool to one processor.
    #[arg(long)]
    pub cpu: Option<usize>,
    /// Report as one JSON object on standard output.
    #[arg(long)]
    pub json: bool,
    /// No progress bar.
    #[arg(long)]
    pub quiet: bool,
}

impl Options {
    /// Why this makes no sense, if it does not.
    pub fn check(&self) -> Result<(), String> {
        let is_sound = |value: f64| value.is_finite() && value >= 0.0;
        for (name, value) in
            [("rate", self.rate), ("refreshes", self.refreshes), ("settle", self.settle)]
        {
            if !is_sound(value) {
                return Err(format!("--{name} must not be below 0"));
            }
        }
        for (name, value) in [("seconds", self.seconds), ("join-rate", self.join_rate)] {
            if !is_sound(value) || value == 0.0 {
                return Err(format!("--{name} must be above 0"));
            }
        }
        if self.rooms == 0 || self.members == 0 {
            return Err("there must be a room, and somebody in it".into());
        }
        Ok(())
    }

    /// Those who rejoin and refresh, and the crowd behind them.
    pub fn users(&self) -> usize {
        self.rooms * self.members + self.crowd
    }

    /// Whether the user is one of the crowd.
    pub fn is_in_crowd(&self, user: usize) -> bool {
        user >= self.rooms * self.members
    }

    /// The address of the room that the user joins first.
    pub fn room_uri(&self, user: usize) -> String {
        let room = if self.is_in_crowd(user) { self.rooms } else { user % self.rooms };
        format!("sip:{}{}@{}", self.room, room + 1, self.host)
    }

    /// The address of the user.
    pub fn user_uri(&self, user: usize) -> String {
        format!("sip:u{}@{}", user + 1, self.host)
    }
}
