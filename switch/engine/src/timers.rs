//! Every kind of timer a core has: whose it is, how long it is, and how it is called when it has expired.

use std::time::Instant;

use crate::{
    Limits, connection::Connection, deadlines::Deadlines, limits::MISSED_TOLD, message::Message,
    nickname::QUARANTINE, room::Room, route::Session, slots::Key,
};

macro_rules! timers {
    (
        $limits:ident;
        $($tenant:ty, $forget:ident {
            $($(#[$doc:meta])* $name:ident = $length:expr => $expired:ident,)*
        })*
    ) => {
        /// The timers of one core: of each kind at most one for each tenant.
        pub(crate) struct Timers {
            $($($(#[$doc])* pub(crate) $name: Deadlines<$tenant>,)*)*
        }

        /// A timer that has expired.
        #[derive(Clone, Copy)]
        pub(crate) enum Expired {
            $($($(#[$doc])* $expired(Key<$tenant>),)*)*
        }

        impl Timers {
            /// None is set.
            pub(crate) fn new($limits: &Limits) -> Self {
                Self { $($($name: Deadlines::new($length),)*)* }
            }

            /// When to look at them.
            pub(crate) fn next(&self) -> Option<Instant> {
                [$($(self.$name.next(),)*)*].into_iter().flatten().min()
            }

            /// One that has expired.
            pub(crate) fn expired(&mut self, now: Instant) -> Option<Expired> {
                None$($(.or_else(|| self.$name.expired(now).map(Expired::$expired)))*)*
            }

            $(
                /// Takes back all that are set for a tenant.
                pub(crate) fn $forget(&mut self, key: Key<$tenant>) {
                    $(self.$name.clear(key);)*
                }
            )*
        }
    };
}

timers! {
    limits;
    Connection, forget_connection {
        /// It has not bound a session (CONN-15).
        unbound_connections = limits.connection_unbound_max => UnboundConnection,
        /// Its last session has ended (CONN-16).
        idle_connections = limits.connection_idle_max => IdleConnection,
        /// We try to open it (LIM-08).
        opening_connections = limits.connect_attempt_max => OpeningConnection,
        /// It is in the middle of a chunk, with octets of it that are too few to be passed on
        /// (CHUNK-14).
        pausing_connections = limits.chunk_pause_max => PausingConnection,
        /// The kernel has something of it, and takes nothing (FLOW-07).
        stalled_connections = limits.send_stall_max => StalledConnection,
        /// Something was sent on it that may not have been answered: the timer is for the oldest
        /// (RESP-12).
        unanswered_connections = limits.answer_max => UnansweredConnection,
    }
    Session, forget_session {
        /// Nobody has come for it (LIM-08).
        unbound_sessions = limits.session_unbound_max => UnboundSession,
        /// It waits for a connection of ours (LIM-08).
        reaching_sessions = limits.connect_max => ReachingSession,
        /// Its binding SEND is not answered (RESP-12).
        unanswered_sessions = limits.binding_answer_max => UnansweredSession,
        /// It has been told what it missed, and may be told again then (FLOW-08).
        told_sessions = MISSED_TOLD => ToldSession,
    }
    Message, forget_message {
        /// Octets of it are held that are too few to be passed on (CHUNK-06, CHUNK-14).
        pausing_messages = limits.chunk_pause_max => PausingMessage,
        /// Nothing new of it has come (CHAT-24).
        silent_messages = limits.message_silence_max => SilentMessage,
        /// It holds octets before their turn (CHUNK-21).
        gaping_messages = limits.message_gap_max => GapingMessage,
    }
    Room, forget_room {
        /// It keeps nicknames for those who gave them up (NICK-12).
        quarantines = QUARANTINE => Quarantine,
    }
}
