//! What is asked for on the command line, and the checked scenario that the rest works from.
//! Nothing downstream checks again.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;

use crate::{content, joins};

/// The largest body whose order over a whole room is promised: a chunk that nobody may interrupt
/// (RFC 4975 section 7.1.1, CHAT-31 of the media-plane catalogue).
const SINGLE_CHUNK_SIZE_MAX: usize = 2048;

/// Octets of the largest message that a member puts together: above what most rooms allow.
const KEPT_SIZE_MAX: usize = 16 << 20;
/// The same where one large message is sent: what is larger than a notice of the room.
const NOTICE_SIZE_MAX: usize = 64 * 1024;

/// Loads an MSRP switch by real SIP joins, and checks every delivery.
///
/// Exit status: 0 when everything asked for was delivered once, in order and unharmed; 1 when
/// anything was not, or when somebody could not join; 2 for a command line that makes no sense.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "msrp-bench",
    version,
    args_override_self = true,
    args_conflicts_with_subcommands = true
)]
pub struct Options {
    /// Something else than messages.
    #[command(subcommand)]
    pub mode: Option<Mode>,
    /// Rooms to fill.
    #[arg(long, default_value_t = 1)]
    pub rooms: u32,
    /// Members of each room.
    #[arg(long, default_value_t = 2)]
    pub members: u32,
    /// Members of each room that send. None keeps the sessions idle.
    #[arg(long, default_value_t = 1)]
    pub senders: u32,
    /// Length of the measured window, in seconds.
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Load before the window opens, in seconds.
    #[arg(long, default_value_t = 1.0)]
    pub warmup: f64,
    /// Closed loop: messages in flight per sender. One is done when every recipient has it.
    #[arg(long, conflicts_with = "rate", default_value_t = 1)]
    pub window: u32,
    /// Open loop: messages per second over all rooms, timed from when each was due.
    #[arg(long)]
    pub rate: Option<f64>,
    /// What is due is lost when nothing at all has come for so many seconds.
    #[arg(long, default_value_t = 5.0)]
    pub patience: f64,
    /// Octets of a message, CPIM wrapper included.
    #[arg(long, default_value_t = 430)]
    pub size: usize,
    /// Where the focus listens.
    #[arg(long, default_value = "127.0.0.1:5060")]
    pub sip: SocketAddr,
    /// Transport towards the focus.
    #[arg(long, value_enum, default_value_t = SipTransport::Udp)]
    pub sip_transport: SipTransport,
    /// Host part of room and user addresses.
    #[arg(long, default_value = "chat.localhost")]
    pub host: String,
    /// User part of room addresses; the number of the room is put behind it.
    #[arg(long, default_value = "room")]
    pub room: String,
    /// Play the same messages to a bare fan-out server at this address, without SIP: the limit that
    /// the switch is held against (the example `bare_fanout` of package msrp-switch).
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["rejoin", "sip"])]
    pub bare: Option<SocketAddr>,
    /// Process id of the switch, to account its processor time and memory.
    #[arg(long)]
    pub pid: Option<u32>,
    /// In mid-run, cut the connection of one listener per room, without a BYE, and rejoin it.
    #[arg(long)]
    pub rejoin: bool,
    /// Members of each room that stop reading as soon as they have bound. The others get what is
    /// theirs, and are timed; of these the report says how many were cut, and after what time.
    #[arg(long, default_value_t = 0, conflicts_with_all = ["rejoin", "bare"])]
    pub stalled: u32,
    /// Instead of a load: each sender sends one message of so many octets, CPIM wrapper included.
    #[arg(long, value_name = "OCTETS",
          conflicts_with_all = ["rate", "window", "size", "rejoin", "bare", "stalled"])]
    pub message_bytes: Option<u64>,
    /// Octets in each chunk of that message.
    #[arg(long, value_name = "OCTETS", default_value_t = 65536, requires = "message_bytes")]
    pub chunk_bytes: u32,
    /// Members of each room that read no faster than --slow-bytes-per-second.
    #[arg(long, default_value_t = 0, requires_all = ["message_bytes", "slow_bytes_per_second"])]
    pub slow: u32,
    /// What a slow member reads.
    #[arg(long, value_name = "OCTETS", requires = "slow")]
    pub slow_bytes_per_second: Option<f64>,
    /// Joins begun per second.
    #[arg(long, default_value_t = 500.0)]
    pub join_rate: f64,
    /// Decides texts and the order in which rooms send: the same seed, the same load.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
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

/// What is measured instead of messages.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Mode {
    /// Rejoins and refreshes of sessions.
    Joins(joins::Options),
}

/// How SIP travels.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum SipTransport {
    /// Datagrams, with retransmission (RFC 3261 section 17).
    Udp,
    /// One stream for all members, like a trunk from a proxy.
    Tcp,
}

/// When the next message is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// Nobody sends.
    Idle,
    /// When an earlier one is done: so many in flight per sender.
    Closed {
        /// Messages in flight per sender.
        window: u32,
    },
    /// When it is due, whatever happened to the earlier ones.
    Open {
        /// Messages per second over all rooms.
        rate: f64,
    },
    /// Once, in chunks.
    Transfer {
        /// Octets of the message.
        octets: u64,
        /// Octets of a chunk.
        chunk: usize,
    },
}

/// A scenario that makes sense.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Rooms to fill.
    pub rooms: usize,
    /// Members of each room.
    pub members: usize,
    /// The first so many members of each room send.
    pub senders: usize,
    /// When they send.
    pub load: Load,
    /// The measured window.
    pub window: Duration,
    /// Load before it.
    pub warmup: Duration,
    /// What is due is lost when nothing at all has come for so long.
    pub patience: Duration,
    /// Octets of a message, CPIM wrapper included.
    pub size: usize,
    /// Where the focus listens.
    pub sip: SocketAddr,
    /// How SIP travels.
    pub sip_transport: SipTransport,
    /// Host part of every address.
    pub host: String,
    /// User part of a room's address, without its number.
    pub room: String,
    /// The bare server that takes the place of focus and switch.
    pub bare: Option<SocketAddr>,
    /// The switch, when its costs are to be accounted.
    pub pid: Option<u32>,
    /// Whether one listener per room is cut off and rejoins.
    pub rejoin: bool,
    /// The last so many members of each room stop reading once they have bound.
    pub stalled: usize,
    /// The last so many members of each room read no more octets per second than the number.
    pub slow: (usize, f64),
    /// Between the beginnings of two joins.
    pub join_interval: Duration,
    /// Decides texts and the order in which rooms send.
    pub seed: u64,
}

impl Options {
    /// The scenario asked for, or why it makes no sense.
    pub fn check(&self) -> Result<Scenario, String> {
        let positive = |name: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                Ok(value)
            } else {
                Err(format!("--{name} must be above 0"))
            }
        };
        if self.rooms == 0 || self.members == 0 {
            return Err("there must be a room, and somebody in it".into());
        }
        if self.senders > self.members {
            return Err("--senders exceeds --members".into());
        }
        if self.senders > 0 && self.members < 2 {
            return Err("a sender needs a recipient: --members 2".into());
        }
        if self.bare.is_some() && self.senders > 1 {
            return Err(
                "a bare server copies octets, not messages: those of two senders would mix; \
                        --senders 1"
                    .into(),
            );
        }
        if self.rejoin && self.members < self.senders + 2 {
            return Err("--rejoin needs two listeners in each room: one to cut off, \
                        one to see that nobody else was disturbed"
                .into());
        }
        let quiet = self.stalled.max(self.slow);
        if quiet > 0 && self.members.saturating_sub(self.senders) <= quiet {
            return Err("somebody who listens must be left: more --members, \
                        or less of --stalled and --slow"
                .into());
        }
        if self.message_bytes.is_some() && self.senders != 1 {
            return Err("--message-bytes is for one sender in each room: --senders 1".into());
        }
        if self.message_bytes.is_some_and(|octets| octets <= NOTICE_SIZE_MAX as u64) {
            return Err(format!(
                "--message-bytes must be above {NOTICE_SIZE_MAX}; --size is below"
            ));
        }
        if self.chunk_bytes == 0 {
            return Err("--chunk-bytes must be above 0".into());
        }
        if self.window == 0 {
            return Err("--window must be above 0".into());
        }
        let load = match (self.message_bytes, self.rate) {
            _ if self.senders == 0 => Load::Idle,
            (Some(octets), _) => Load::Transfer { octets, chunk: self.chunk_bytes as usize },
            (None, Some(rate)) => Load::Open { rate: positive("rate", rate)? },
            (None, None) => Load::Closed { window: self.window },
        };
        let scenario = Scenario {
            rooms: self.rooms as usize,
            members: self.members as usize,
            senders: self.senders as usize,
            load,
            window: Duration::try_from_secs_f64(positive("seconds", self.seconds)?)
                .map_err(|_| "--seconds is out of range")?,
            warmup: Duration::try_from_secs_f64(self.warmup)
                .map_err(|_| "--warmup is out of range")?,
            patience: Duration::try_from_secs_f64(positive("patience", self.patience)?)
                .map_err(|_| "--patience is out of range")?,
            size: self.size,
            sip: self.sip,
            sip_transport: self.sip_transport,
            host: self.host.clone(),
            room: self.room.clone(),
            bare: self.bare,
            pid: self.pid,
            rejoin: self.rejoin,
            stalled: self.stalled as usize,
            slow: (
                self.slow as usize,
                positive("slow-bytes-per-second", self.slow_bytes_per_second.unwrap_or(f64::MAX))?,
            ),
            join_interval: Duration::try_from_secs_f64(
                positive("join-rate", self.join_rate)?.recip(),
            )
            .map_err(|_| "--join-rate is out of range")?,
            seed: self.seed,
        };
        let head = scenario.cpim_head(scenario.rooms - 1, scenario.members - 1).len();
        if self.size < head + content::STAMP_SIZE {
            return Err(format!("--size must be at least {}", head + content::STAMP_SIZE));
        }
        Ok(scenario)
    }
}

impl Scenario {
    /// The address of a room.
    pub fn room_uri(&self, room: usize) -> String {
        format!("sip:{}{}@{}", self.room, room + 1, self.host)
    }

    /// The address of a member. No two rooms share one.
    pub fn member_uri(&self, room: usize, member: usize) -> String {
        format!("sip:u{}@{}", room * self.members + member + 1, self.host)
    }

    /// The CPIM wrapper of everything that this member says to its room, up to and with the blank
    /// line before the text (RFC 3862 section 2). One second fits all messages of a run: the true
    /// time of each is in its stamp.
    pub fn cpim_head(&self, room: usize, member: usize) -> Vec<u8> {
        format!(
            "From: <{}>\r\nTo: <{}>\r\nDateTime: 2026-01-15T10:00:00Z\r\n\r\n\
             Content-Type: text/plain;charset=UTF-8\r\n\r\n",
            self.member_uri(room, member),
            self.room_uri(room),
        )
        .into_bytes()
    }

    /// Whether this member stops reading.
    pub fn is_stalled(&self, member: usize) -> bool {
        member >= self.members - self.stalled
    }

    /// Whether this member reads no faster than it was told to.
    pub fn is_slow(&self, member: usize) -> bool {
        member >= self.members - self.slow.0
    }

    /// Octets per second that this member reads, where that is bounded.
    pub fn reading_rate(&self, member: usize) -> Option<f64> {
        self.is_slow(member).then_some(self.slow.1)
    }

    /// Octets of the largest message that is put together and not only hashed.
    pub fn kept_size_max(&self) -> usize {
        if matches!(self.load, Load::Transfer { .. }) { NOTICE_SIZE_MAX } else { KEPT_SIZE_MAX }
    }

    /// Octets of each message.
    pub fn octets(&self) -> u64 {
        match self.load {
            Load::Transfer { octets, .. } => octets,
            _ => self.size as u64,
        }
    }

    /// Members over all rooms.
    pub fn sessions(&self) -> usize {
        self.rooms * self.members
    }

    /// Whether every recipient of a room must see the room's messages in one order.
    pub fn one_order(&self) -> bool {
        self.senders > 1 && self.size <= SINGLE_CHUNK_SIZE_MAX
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Load, Options};

    fn options(line: &str) -> Options {
        Options::try_parse_from(std::iter::once("msrp-bench").chain(line.split_whitespace()))
            .unwrap()
    }

    #[test]
    fn a_closed_loop_of_one_is_what_nothing_asked_for_means() {
        let scenario = options("").check().unwrap();
        assert_eq!(scenario.load, Load::Closed { window: 1 });
        assert_eq!(scenario.room_uri(0), "sip:room1@chat.localhost");
        assert_eq!(scenario.member_uri(0, 1), "sip:u2@chat.localhost");
    }

    #[test]
    fn a_rate_makes_it_an_open_loop_and_no_sender_an_idle_one() {
        assert_eq!(options("--rate 50").check().unwrap().load, Load::Open { rate: 50.0 });
        assert_eq!(options("--senders 0").check().unwrap().load, Load::Idle);
        assert!(Options::try_parse_from(["b", "--rate", "5", "--window", "2"]).is_err());
    }

    #[test]
    fn the_last_members_of_a_room_are_those_that_do_not_read_or_read_slowly() {
        let stalled = options("--members 5 --stalled 2").check().unwrap();
        let those = |is: &dyn Fn(usize) -> bool| (0..5).filter(|&member| is(member)).count();
        assert_eq!(those(&|member| stalled.is_stalled(member)), 2);
        assert!(stalled.is_stalled(4) && stalled.reading_rate(4).is_none());
        let slow = "--members 5 --message-bytes 100000 --slow 1 --slow-bytes-per-second 1000";
        let slow = options(slow).check().unwrap();
        assert_eq!((slow.reading_rate(4), slow.reading_rate(3)), (Some(1000.0), None));
        assert_eq!(slow.load, Load::Transfer { octets: 100_000, chunk: 65_536 });
    }

    #[test]
    fn no_two_members_of_any_rooms_share_an_address() {
        let scenario = options("--rooms 3 --members 4").check().unwrap();
        let mut uris: Vec<_> = (0..3)
            .flat_map(|room| (0..4).map(move |member| (room, member)))
            .map(|(room, member)| scenario.member_uri(room, member))
            .collect();
        uris.sort();
        uris.dedup();
        assert_eq!(uris.len(), scenario.sessions());
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anybody_joins() {
        for line in [
            "--rooms 0",
            "--members 1",
            "--members 2 --senders 3",
            "--members 3 --senders 2 --rejoin",
            "--members 3 --senders 2 --bare 127.0.0.1:2855",
            "--window 0",
            "--rate 0",
            "--seconds 0",
            "--warmup=-1",
            "--join-rate 0",
            "--size 100",
            "--members 4 --stalled 3",
            "--members 4 --slow 3 --slow-bytes-per-second 9 --message-bytes 100000",
            "--members 4 --slow 1 --slow-bytes-per-second 0 --message-bytes 100000",
            "--members 4 --senders 2 --message-bytes 100000",
            "--message-bytes 65536",
            "--message-bytes 100000 --chunk-bytes 0",
        ] {
            assert!(options(line).check().is_err(), "{line}");
        }
    }
}
