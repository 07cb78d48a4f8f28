//! What one core counts. Plain numbers, read by the node between turns; a new one is one line here.

use mailbox::figures;

figures! {
    /// Counts since start.
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct Counters {
        /// Connections accepted.
        pub connections_accepted: u64,
        /// Connections refused, for whatever reason.
        pub connections_refused: u64,
        /// Those of them whose address had too many that were not bound (LIM-07).
        pub connections_refused_address: u64,
        /// Attempts to connect to a peer, one for each address.
        pub connects_tried: u64,
        /// Branches of connections on other cores (CONN-09).
        pub branches_opened: u64,
        /// Connections handed to the core that serves their session.
        pub connections_handed_over: u64,
        /// Connections whose bytes could not be framed (WIRE-32, WIRE-33).
        pub connections_unframable: u64,
        /// Connections closed because their reader was too slow (FLOW-07).
        pub connections_stalled: u64,
        /// Sessions bound by their first request.
        pub sessions_bound: u64,
        /// Sessions failed, whatever the cause.
        pub sessions_failed: u64,
        /// Complete room messages accepted from senders here.
        pub messages_accepted: u64,
        /// Messages whose sender gave up, vanished, or was refused midway.
        pub messages_aborted: u64,
        /// Messages that had been received on an earlier session of their sender, and go no further
        /// (CHAT-30).
        pub messages_repeated: u64,
        /// Messages given up because what was missing of them did not come in time (CHAT-25,
        /// CHUNK-21).
        pub messages_timed_out: u64,
        /// Messages refused because too much was queued and half received (FLOW-09).
        pub messages_refused_memory: u64,
        /// Messages refused, and composing statuses ignored, because their session says too much
        /// (LIM-06, COMP-05).
        pub messages_too_frequent: u64,
        /// Complete messages queued for a recipient: one for each copy.
        pub copies_delivered: u64,
        /// Copies not begun because the recipient does not accept the type (CHAT-17).
        pub copies_skipped_type: u64,
        /// Copies not begun because the message is too large for the recipient (CHAT-19).
        pub copies_skipped_size: u64,
        /// Copies not begun because the recipient was congested (FLOW-03).
        pub copies_skipped_congested: u64,
        /// Times a session became congested (FLOW-02).
        pub sessions_congested: u64,
        /// Copies not begun or ended with `#` because the recipient's queue was full (FLOW-04,
        /// FLOW-05).
        pub copies_shed: u64,
        /// Relays dropped because the backlog for another core was full.
        pub relays_shed: u64,
        /// Requests answered with an error, by status.
        pub refusals: Refusals,
        /// Copies, or parts of them, that recipients refused in a response or a report.
        pub copies_refused_by_peer: u64,
        /// Copies, or parts of them, that recipients did not answer in time (RESP-12, RESP-14).
        pub copies_unanswered: u64,
        /// Copies, or parts of them, whose answers are not waited for, because too many are.
        pub copies_unsupervised: u64,
        /// Responses to nothing that was waited for (RESP-11).
        pub answers_unknown: u64,
        /// Commands ignored because they were older than what had been applied.
        pub commands_stale: u64,
    }
}

figures! {
    /// Requests answered with an error, or that would have been, had the sender wanted to know.
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct Refusals {
        /// 400: cannot be understood.
        pub bad_request: u64,
        /// 403: not allowed.
        pub forbidden: u64,
        /// 404: no such participant.
        pub no_recipient: u64,
        /// 413: stop sending this message.
        pub stop_sending: u64,
        /// 415: content type.
        pub unsupported_type: u64,
        /// 424: no nickname can be like this.
        pub bad_nickname: u64,
        /// 425: the nickname is another's.
        pub nickname_in_use: u64,
        /// 428: the participant takes no private messages.
        pub no_private_messages: u64,
        /// 481: no such session.
        pub no_session: u64,
        /// 501: unknown method.
        pub unknown_method: u64,
        /// 506: session in use elsewhere.
        pub session_in_use: u64,
    }
}

figures! {
    /// What there is at this moment.
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct Gauges {
        /// Connections of peers.
        pub connections: u64,
        /// Sessions, installed or bound.
        pub sessions: u64,
        /// Rooms known to this core.
        pub rooms: u64,
    }
}
