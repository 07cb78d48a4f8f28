//! Every bound of one core: unit and reason. Memory at the limit is a sum one can read.

use std::time::Duration;

/// Octets of a body up to which a copy per recipient is cheaper than one more slice in its send.
pub(crate) const BODY_COPIED_MAX: usize = 2048;

/// Body octets of one outbound chunk up to which its range names its end; above it is
/// interruptible and says `*` (CHUNK-05).
pub(crate) const CHUNK_BODY_DEFINITE_MAX: usize = 2048;

/// Body octets below which no chunk is made that is neither the last of its message nor cut short
/// for a reason (CHUNK-06).
pub(crate) const CHUNK_BODY_MIN: usize = 2048;

/// Octets of the longest message that is held until it is whole, so that nothing comes between its
/// chunks (PEER-02). Counted in the memory of what is half received.
pub(crate) const WHOLE_MESSAGE_MAX: usize = 64 * 1024;

/// Body octets that a session, or a message among those of its session, sends before others that
/// share its connection have their turn (CHUNK-08).
pub(crate) const TURN_SIZE: usize = 16 * 1024;
const _: () = assert!(TURN_SIZE >= CHUNK_BODY_MIN);

/// Octets of the small messages of a connection's only session that are written one after the other
/// without being put into their lanes first.
pub(crate) const DIRECT_SIZE_MAX: usize = 64 * 1024;

/// Octets of chunks after which a send takes no more: what is urgent waits for no more than that.
pub(crate) const BATCH_SIZE_MAX: usize = 128 * 1024;

/// Octets that each part of an emptied batch may keep allocated for its next use.
pub(crate) const BATCH_CAPACITY_KEPT_MAX: usize = 64 * 1024;

/// Octets that all emptied batches of a core may keep together: a busy turn of a thousand ordinary
/// sends.
pub(crate) const SPARE_BYTES_MAX: usize = 4 << 20;

/// Octets of responses, REPORTs and ends of copies that may be queued for a connection when there is
/// no room for copies any more. Who leaves more than that unread is cut.
pub(crate) const URGENT_SIZE_MAX: usize = 1 << 20;

/// The same while memory is exhausted (FLOW-09): some hundred answers. They are what a refused sender can
/// still have us keep, so who goes on without reading them is cut.
pub(crate) const URGENT_EXHAUSTED_MAX: usize = 64 * 1024;

/// Octets of a message above which none is begun for a session that is congested (FLOW-03).
pub(crate) const CONGESTED_SIZE_MAX: u64 = 16 * 1024;

/// How often at most a session is told that it missed messages (FLOW-08).
pub(crate) const MISSED_TOLD: Duration = Duration::from_secs(60);

/// Octets of one message held because others before them are missing (CHUNK-21).
pub(crate) const AHEAD_SIZE_MAX: usize = 64 * 1024;

/// Pieces they may be in: with gaps between them each costs an allocation and a look at every new
/// chunk. Eight times as many as a sender of ordinary chunks needs to fill [`AHEAD_SIZE_MAX`].
pub(crate) const AHEAD_PIECES_MAX: usize = 8 * AHEAD_SIZE_MAX / 2048;

/// Message-IDs of one session that are remembered because their messages ended badly: twice as many
/// as may be unfinished at once (CHUNK-25).
pub(crate) const ENDED_MAX: usize = 16;

/// How long they are (CHUNK-25).
pub(crate) const ENDED_REMEMBERED: Duration = Duration::from_secs(60);

/// NICKNAME requests of one session within [`NICKNAMES_WINDOW`] (LIM-06).
pub(crate) const NICKNAMES_MAX: usize = 5;

/// See [`NICKNAMES_MAX`].
pub(crate) const NICKNAMES_WINDOW: Duration = Duration::from_secs(60);

/// Nicknames of one room kept for those who gave them up (NICK-12): more than a thousand users can
/// give up within the quarantine. The longest kept are free before their time when there are more.
pub(crate) const QUARANTINED_MAX: usize = 4096;

/// Members of a room that a newcomer is told one by one (CHAT-32): a text of a few screens.
pub(crate) const GREETING_NAMES_MAX: usize = 100;

/// Private messages of one session of which it is not known yet what became of them on another core.
/// That takes no longer than a relay there and back, so hardly ever more than one is; of the oldest
/// beyond them the sender will not be told.
pub(crate) const PRIVATE_AWAITED_MAX: usize = 64;

/// Messages completely received on a session that are remembered should it fail (CHAT-30): 24 octets
/// each. Who comes back repeats what it was not told had arrived, which is not much.
pub(crate) const REPLAYS_MAX: usize = 32;

/// How long they are.
pub(crate) const REPLAY_REMEMBERED: Duration = Duration::from_secs(600);

/// Participants of whom they are: less than 16 MiB for all.
pub(crate) const REPLAY_PARTICIPANTS_MAX: usize = 16_384;

/// Requests to peers that wait for their responses, of all connections of a core: 32 octets each.
/// What is beyond goes out without its answer being waited for.
pub(crate) const TRANSACTIONS_MAX: u32 = 1 << 20;

/// The same of one connection: what a recipient that reads and never answers can take up. As many
/// small copies fit into the path of a fast and distant peer (100 MB/s, 100 ms).
pub(crate) const CONNECTION_TRANSACTIONS_MAX: u32 = 1 << 14;

/// Messages of which it is remembered what they were, should a recipient report on its copy after it
/// has answered for it (RPT-14): some 300 octets each.
pub(crate) const SAID_KEPT_MAX: usize = 4096;

/// Chunks without an answer, one after the other, that fail a session (RESP-15).
pub(crate) const UNANSWERED_MAX: u32 = 3;

/// A connection of which the kernel takes nothing for this long is stalled: its reader reads nothing, so
/// it cannot answer either (RESP-15).
pub(crate) const STALL_MIN: Duration = Duration::from_secs(1);

/// Types that one session has refused with 415 and is sent no more of (SEND-14). One that accepts
/// anything may forget the oldest.
pub(crate) const REFUSED_TYPES_MAX: usize = 16;

/// Types refused by a session that had named them, after which it takes nothing (JC-13).
pub(crate) const NAMED_TYPES_REFUSED_MAX: usize = 3;

/// Refused requests on a connection without a session, after which it is closed (LIM-07).
pub(crate) const STRAY_REQUESTS_MAX: u32 = 5;

/// Malformed requests within [`MALFORMED_WINDOW`] after which a connection is closed (WIRE-34).
pub(crate) const MALFORMED_MAX: u32 = 10;

/// See [`MALFORMED_MAX`].
pub(crate) const MALFORMED_WINDOW: Duration = Duration::from_secs(60);

/// Octets kept from a connection that has not finished its first head, so that another core can
/// be given all of them. Above the framer's own limit for a head, so that the framer decides.
pub(crate) const FIRST_HEAD_SIZE_MAX: usize = 32 * 1024;

/// What one core may hold. Checked by the configuration; defaults are the catalogue's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections at once. Each costs a slot of about 300 octets, more only while data is held.
    pub connections_max: u32,
    /// Sessions at once, installed or bound.
    pub sessions_max: u32,
    /// Rooms with members here at once.
    pub rooms_max: u32,
    /// Sessions that may share one connection (LIM-04).
    pub connection_sessions_max: usize,
    /// Connections of one source address that have not bound a session yet (LIM-07); 0 is no limit.
    pub address_unbound_max: u32,
    /// Octets on their way to one session above which it is congested, as FLOW-02 has it. As many
    /// and the largest message of its room are the most there may be (FLOW-01).
    pub session_queue_bytes_soft: usize,
    /// Octets queued for one connection, above which copies are shed (FLOW-01, FLOW-04).
    pub connection_queue_bytes_max: usize,
    /// A session that stays congested for this long has its connection closed (FLOW-07).
    pub congestion_max: Duration,
    /// Octets of memory for what is queued, half received and half read, on all cores together. Above
    /// it new messages are refused with 413, and an eighth above it what is being received, too
    /// (FLOW-09).
    pub memory_bytes_max: usize,
    /// Sessions of one room on a core (LIM-04).
    pub room_sessions_max: usize,
    /// Sessions of one participant in one room on a core (LIM-04).
    pub participant_sessions_max: usize,
    /// Messages that one session may begin in a second (LIM-06); 0 is no limit.
    pub message_rate_max: u32,
    /// How many of them at once, when it was silent before.
    pub message_burst_max: u32,
    /// Composing statuses of one session in a second (COMP-05); 0 is no limit.
    pub composing_rate_max: u32,
    /// Unfinished incoming messages of one session (LIM-05).
    pub session_messages_max: usize,
    /// An unfinished message of which nothing new comes for this long is given up (CHAT-24).
    pub message_silence_max: Duration,
    /// A message whose missing octets do not come for this long, while later ones are held, is
    /// refused (CHUNK-21).
    pub message_gap_max: Duration,
    /// Octets of a message that its sender does not go on with for this long are passed on, however
    /// few they are (CHUNK-14).
    pub chunk_pause_max: Duration,
    /// Relays waiting for one other core. Above it new messages are refused with 413.
    pub relay_backlog_max: usize,
    /// An accepted connection must bind a session within this time (CONN-15).
    pub connection_unbound_max: Duration,
    /// An installed session must be bound within this time (LIM-08).
    pub session_unbound_max: Duration,
    /// One attempt to connect to one address of a peer (LIM-08).
    pub connect_attempt_max: Duration,
    /// All attempts to connect to one peer (LIM-08).
    pub connect_max: Duration,
    /// The peer must have answered our first request within this time (RESP-12).
    pub binding_answer_max: Duration,
    /// A connection whose last session has ended is kept this long (CONN-16).
    pub connection_idle_max: Duration,
    /// A chunk whose peer has not answered it for this long, from when the kernel has taken it, has
    /// failed (RESP-12).
    pub answer_max: Duration,
    /// A session of which no chunk is answered for this long has failed (RESP-15).
    pub unanswered_max: Duration,
    /// Data is queued and the kernel takes none of it for this long: the reader is too slow
    /// (FLOW-07).
    pub send_stall_max: Duration,
}

impl Limits {
    /// Octets of memory above which nothing is taken in any more: see
    /// [`memory_bytes_max`](Self::memory_bytes_max).
    pub(crate) fn memory_exhausted(&self) -> usize {
        self.memory_bytes_max.saturating_add(self.memory_bytes_max / 8)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 131_072,
            sessions_max: 131_072,
            rooms_max: 65_536,
            connection_sessions_max: 1000,
            address_unbound_max: 64,
            session_queue_bytes_soft: 1 << 20,
            connection_queue_bytes_max: 64 << 20,
            congestion_max: Duration::from_secs(180),
            memory_bytes_max: 1 << 30,
            room_sessions_max: 1000,
            participant_sessions_max: 8,
            message_rate_max: 20,
            message_burst_max: 60,
            composing_rate_max: 2,
            session_messages_max: 8,
            message_silence_max: Duration::from_secs(540),
            message_gap_max: Duration::from_secs(30),
            chunk_pause_max: Duration::from_millis(200),
            relay_backlog_max: 4096,
            connection_unbound_max: Duration::from_secs(30),
            session_unbound_max: Duration::from_secs(60),
            connect_attempt_max: Duration::from_secs(5),
            connect_max: Duration::from_secs(20),
            binding_answer_max: Duration::from_secs(30),
            connection_idle_max: Duration::from_secs(60),
            answer_max: Duration::from_secs(30),
            unanswered_max: Duration::from_secs(60),
            send_stall_max: Duration::from_secs(60),
        }
    }
}
