//! One server transaction (RFC 3261 section 17.2, RFC 6026 section 7.1).
//!
//! ```text
//!                 1xx, 100 after 200 ms
//! INVITE  ---->  Proceeding  -- 2xx -->    Accepted   -- 64*T1 -->  gone
//!                    |                       ^  | 2xx again until ACK
//!                    |                       +--+
//!                    +-- 300..699 -->  Completed  -- ACK -->  Confirmed  -- T4 -->  gone
//! other   ---->  Proceeding  -- 200..699 -->  Answered  -- 64*T1, on a stream T4 -->  gone
//! ```

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::key::{self, Key};
use super::timer::{Resend, Timers};
use super::{Event, Outbox, ServerId};
use crate::message::{Method, Reply, Request};
use crate::transport::{Source, Target};

/// One request of a peer, until nothing of it can come any more.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) id: ServerId,
    /// Under which retransmissions find it.
    pub(super) key: Key,
    /// Under which copies by other paths find it.
    pub(super) merge: Option<Key>,
    /// The To tag of all its answers.
    pub(super) tag: String,
    /// The time it has in the queue.
    pub(super) armed: Option<Instant>,
    source: Source,
    target: Target,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No final answer yet. `trying_at` is when a 100 is owed.
    Proceeding { request: Request, provisional: Option<Bytes>, trying_at: Option<Instant> },
    /// An INVITE was refused: the answer goes out again until its ACK comes. On a stream once.
    Completed { answer: Bytes, resend: Option<Resend>, until: Instant },
    /// The refusal was acknowledged. More ACKs may come, and mean nothing.
    Confirmed { until: Instant },
    /// An INVITE was accepted. The answer goes out again, on any transport, until it is acknowledged
    /// (RFC 3261 section 13.3.1.4); of what is acknowledged nothing is kept but that it was.
    Accepted { awaited: Option<Awaited>, until: Instant },
    /// Another request was answered. Each copy of it gets the same answer.
    Answered { answer: Bytes, until: Instant },
}

/// An ACK that has to come.
#[derive(Debug)]
struct Awaited {
    answer: Bytes,
    resend: Resend,
    key: Key,
}

impl Server {
    pub(super) fn new(
        id: ServerId,
        key: Key,
        request: Request,
        source: Source,
        tag: String,
        trying_at: Option<Instant>,
    ) -> Self {
        let merge = key::merge(&request);
        let target = source.reply_target(&request);
        let state = State::Proceeding { request, provisional: None, trying_at };
        Self { id, key, merge, tag, armed: None, source, target, state }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.state {
            State::Proceeding { trying_at, .. } => *trying_at,
            State::Completed { resend, until, .. } => {
                Some(resend.map_or(*until, |resend| resend.at.min(*until)))
            }
            State::Accepted { awaited, until, .. } => {
                Some(awaited.as_ref().map_or(*until, |awaited| awaited.resend.at.min(*until)))
            }
            State::Confirmed { until } | State::Answered { until, .. } => Some(*until),
        }
    }

    /// Whether a final answer is still owed.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// Under which an ACK for the 2xx would find it.
    pub(super) fn awaited_ack(&self) -> Option<&Key> {
        match &self.state {
            State::Accepted { awaited: Some(awaited), .. } => Some(&awaited.key),
            _ => None,
        }
    }

    /// The same request again.
    pub(super) fn handle_retransmission(&self, out: &mut Outbox) {
        match &self.state {
            State::Proceeding { provisional: Some(answer), .. }
            | State::Completed { answer, .. }
            | State::Answered { answer, .. } => self.transmit(answer, out),
            // In Accepted the answer has a pace of its own.
            State::Proceeding { .. } | State::Confirmed { .. } | State::Accepted { .. } => {}
        }
    }

    /// An ACK with the branch of the INVITE.
    pub(super) fn handle_ack(&mut self, now: Instant, timers: &Timers) {
        if let State::Completed { .. } = self.state {
            let linger = if self.is_reliable() { Duration::ZERO } else { timers.t4 };
            self.state = State::Confirmed { until: now + linger };
        }
    }

    /// An ACK of the dialog that the 2xx made. True when it was the first.
    pub(super) fn handle_acknowledged(&mut self) -> bool {
        match &mut self.state {
            State::Accepted { awaited, .. } => awaited.take().is_some(),
            _ => false,
        }
    }

    /// Answers. False when that has been done before.
    pub(super) fn respond(
        &mut self,
        now: Instant,
        timers: &Timers,
        reply: &Reply,
        out: &mut Outbox,
    ) -> bool {
        let State::Proceeding { request, provisional, trying_at } = &mut self.state else {
            return false;
        };
        let answer = reply.complete(request, self.source.remote, &self.tag).as_bytes().clone();
        let until = now + timers.patience();
        let is_invite = request.method() == Method::Invite;
        let is_reliable = self.source.protocol.is_reliable();
        let next = match reply.status() {
            ..200 => {
                *provisional = Some(answer.clone());
                *trying_at = None;
                None
            }
            200..300 if is_invite => {
                let to_tag = request.to_tag().unwrap_or(&self.tag);
                let key = key::acknowledged(request, to_tag);
                let (answer, resend) = (answer.clone(), Resend::new(now, timers));
                Some(State::Accepted { awaited: Some(Awaited { answer, resend, key }), until })
            }
            _ if is_invite => {
                let resend = (!is_reliable).then(|| Resend::new(now, timers));
                Some(State::Completed { answer: answer.clone(), resend, until })
            }
            _ => {
                // Nothing is repeated on a stream. What may come is a copy by another way.
                let until = if is_reliable { now + timers.t4 } else { until };
                Some(State::Answered { answer: answer.clone(), until })
            }
        };
        if let Some(next) = next {
            self.state = next;
        }
        self.transmit(&answer, out);
        true
    }

    /// Does what is due. False when the transaction is over.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        timers: &Timers,
        out: &mut Outbox,
    ) -> bool {
        match &mut self.state {
            State::Proceeding { trying_at: Some(at), .. } if *at <= now => {
                self.respond(now, timers, &Reply::new(100), out);
            }
            State::Completed { until, .. }
            | State::Confirmed { until }
            | State::Answered { until, .. }
                if *until <= now =>
            {
                return false;
            }
            State::Accepted { awaited, until, .. } if *until <= now => {
                if awaited.is_some() {
                    out.events.push_back(Event::Unacknowledged { transaction: self.id });
                }
                return false;
            }
            State::Completed { answer, resend: Some(resend), .. }
            | State::Accepted { awaited: Some(Awaited { answer, resend, .. }), .. }
                if resend.at <= now =>
            {
                resend.again(now, timers.t2);
                let answer = answer.clone();
                self.transmit(&answer, out);
            }
            _ => {}
        }
        true
    }

    fn is_reliable(&self) -> bool {
        self.source.protocol.is_reliable()
    }

    fn transmit(&self, answer: &Bytes, out: &mut Outbox) {
        out.transmit(self.target, answer.clone());
    }
}
