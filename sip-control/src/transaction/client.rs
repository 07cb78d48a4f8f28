//! One client transaction (RFC 3261 section 17.1, RFC 6026 section 7.2).
//!
//! ```text
//! INVITE  ---->  Calling  -- 1xx -->  Proceeding
//!                   |                     |
//!                   +---------------------+-- 2xx -->      Accepted   -- 64*T1 -->  gone
//!                   +---------------------+-- 300..699 --> Completed  -- 32 s -->   gone
//! other   ---->  Calling  -- 1xx -->  Proceeding  -- 200..699 -->  Completed  -- T4 -->  gone
//! ```

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::key::Key;
use super::spares::Spares;
use super::timer::{Resend, Timers};
use super::{ClientId, Event, Failure, Outbox};
use crate::message::{Draft, Header, Message, Method, NameAddr, Response};
use crate::transport::{Target, Ticket, Transmit};

/// How long the answer to an INVITE may come again after the ACK (Timer D on UDP).
const TIMER_D: Duration = Duration::from_secs(32);

/// What is said by who cannot serve now, and perhaps another can (RFC 3263 section 4.3).
const SERVICE_UNAVAILABLE: u16 = 503;

/// Answers kept for one INVITE, one for each dialog its forks made. More than a few is an attack.
const ANSWERS_MAX: usize = 16;

/// One request of ours, until nothing of it can come any more.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: ClientId,
    /// Under which responses find it.
    pub(super) key: Key,
    /// The time it has in the queue.
    pub(super) armed: Option<Instant>,
    request: Message,
    target: Target,
    /// The request as it goes if the target cannot be reached by stream.
    fallback: Option<(Message, Target)>,
    /// Where else it may go, if this target is of no use.
    spares: Option<Box<Spares>>,
    pub(super) audience: Audience,
    state: State,
}

/// Who is told of what happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Audience {
    /// The transaction user, who knows the request by this name.
    User(ClientId),
    /// Nobody: the layer made the request itself, to withdraw another.
    Nobody,
}

#[derive(Debug)]
enum State {
    /// Nothing came back. A CANCEL may not go out yet (RFC 3261 section 9.1).
    Calling { resend: Option<Resend>, until: Instant, withdrawal: Withdrawal },
    /// A provisional response came.
    Proceeding { resend: Option<Resend>, until: Instant, withdrawal: Withdrawal },
    /// A final response came. Copies of it are answered with `ack`, if it was an INVITE.
    Completed { ack: Option<Bytes>, until: Instant },
    /// A 2xx to an INVITE came, and more may come from other forks.
    Accepted { answers: Vec<Answer>, until: Instant },
}

/// Whether an INVITE is still wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Withdrawal {
    None,
    /// The CANCEL waits for a provisional response.
    Wanted,
    /// The CANCEL is out.
    Sent,
}

/// One 2xx that was told of. Its ACK goes out again whenever it comes again; before there is one, as
/// long as the user takes for it, its copies are nobody's business.
#[derive(Debug)]
struct Answer {
    to_tag: String,
    ack: Option<(Target, Bytes)>,
}

impl Answer {
    fn of(response: &Response) -> Self {
        Self { to_tag: response.to_tag().unwrap_or_default().to_owned(), ack: None }
    }
}

/// What follows from an input, beyond what the transaction can do alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Nothing.
    Stay,
    /// It is over.
    End,
    /// The CANCEL is to be sent now.
    Cancel,
    /// The target is of no use, and there are others.
    Elsewhere,
}

/// What a client transaction is about.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: ClientId,
    pub(super) key: Key,
    pub(super) request: Message,
    pub(super) target: Target,
    pub(super) fallback: Option<(Message, Target)>,
    pub(super) spares: Option<Box<Spares>>,
    pub(super) audience: Audience,
}

impl Client {
    /// Sends the request.
    pub(super) fn start(call: Call, now: Instant, timers: &Timers, out: &mut Outbox) -> Self {
        let Call { id, key, request, target, fallback, spares, audience } = call;
        let state = State::calling(now, timers, &target);
        let armed = None;
        let client = Self { id, key, armed, request, target, fallback, spares, audience, state };
        client.transmit_request(out);
        client
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Instant {
        match &self.state {
            State::Calling { resend, until, .. } | State::Proceeding { resend, until, .. } => {
                resend.map_or(*until, |resend| resend.at.min(*until))
            }
            State::Completed { until, .. } | State::Accepted { until, .. } => *until,
        }
    }

    /// A response with our branch.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        timers: &Timers,
        response: Response,
        out: &mut Outbox,
    ) -> Next {
        let is_invite = self.is_invite();
        let is_busy = response.code() == SERVICE_UNAVAILABLE && self.may_go_elsewhere();
        let linger = |udp| if self.target.protocol.is_reliable() { Duration::ZERO } else { udp };
        match &mut self.state {
            State::Calling { until, withdrawal, .. }
            | State::Proceeding { until, withdrawal, .. } => {
                let (until, withdrawal) = (*until, *withdrawal);
                let mut next = Next::Stay;
                self.state = match response.code() {
                    ..200 => {
                        let (until, withdrawal) = match withdrawal {
                            Withdrawal::Wanted => {
                                next = Next::Cancel;
                                (now + timers.patience(), Withdrawal::Sent)
                            }
                            Withdrawal::None if is_invite => {
                                (now + timers.proceeding_max, withdrawal)
                            }
                            _ => (until, withdrawal),
                        };
                        let is_repeated = !is_invite && !self.target.protocol.is_reliable();
                        let resend = is_repeated.then(|| Resend::slow(now, timers));
                        State::Proceeding { resend, until, withdrawal }
                    }
                    200..300 if is_invite => {
                        let answers = vec![Answer::of(&response)];
                        State::Accepted { answers, until: now + timers.patience() }
                    }
                    _ if is_invite => {
                        let ack = self.follow_up(Method::Ack, response.header(Header::To));
                        let bytes = ack.as_bytes().clone();
                        out.transmit(self.target, bytes.clone());
                        State::Completed { ack: Some(bytes), until: now + linger(TIMER_D) }
                    }
                    _ => State::Completed { ack: None, until: now + linger(timers.t4) },
                };
                if is_busy {
                    return Next::Elsewhere;
                }
                self.tell(out, |transaction| Event::Response { transaction, response });
                next
            }
            State::Completed { ack: Some(ack), .. } if response.code() >= 300 => {
                out.transmit(self.target, ack.clone());
                Next::Stay
            }
            State::Accepted { answers, .. } if matches!(response.code(), 200..300) => {
                let answer = Answer::of(&response);
                match answers.iter().find(|known| known.to_tag == answer.to_tag) {
                    Some(Answer { ack: Some((target, bytes)), .. }) => {
                        out.transmit(*target, bytes.clone());
                    }
                    Some(Answer { ack: None, .. }) => {}
                    None => {
                        if answers.len() < ANSWERS_MAX {
                            answers.push(answer);
                        }
                        self.tell(out, |transaction| Event::Response { transaction, response });
                    }
                }
                Next::Stay
            }
            _ => Next::Stay,
        }
    }

    /// The request is no longer wanted.
    pub(super) fn cancel(&mut self, now: Instant, timers: &Timers) -> Next {
        match &mut self.state {
            State::Calling { withdrawal, .. } => {
                *withdrawal = Withdrawal::Wanted;
                Next::Stay
            }
            State::Proceeding { withdrawal, until, .. } if *withdrawal == Withdrawal::None => {
                *withdrawal = Withdrawal::Sent;
                // A peer that does not answer the INVITE by then never will (section 9.1).
                *until = now + timers.patience();
                Next::Cancel
            }
            _ => Next::Stay,
        }
    }

    /// The CANCEL of this INVITE: the same branch, for it follows the same path.
    pub(super) fn cancellation(&self) -> (Message, Target) {
        (self.follow_up(Method::Cancel, self.request.header(Header::To)), self.target)
    }

    /// The credentials of the request, which the ACK of a 2xx repeats (RFC 3261 section 22.1).
    pub(super) fn credentials(&self) -> impl Iterator<Item = (Header, &str)> {
        let fields = [Header::Authorization, Header::ProxyAuthorization];
        fields.into_iter().flat_map(|field| self.request.lines(field).map(move |it| (field, it)))
    }

    /// Keeps and sends the ACK of a 2xx.
    pub(super) fn acknowledge(&mut self, ack: &Message, target: Target, out: &mut Outbox) {
        let State::Accepted { answers, .. } = &mut self.state else {
            return;
        };
        let to = ack.to();
        let to_tag = to.as_ref().and_then(NameAddr::tag).unwrap_or_default();
        let bytes = ack.as_bytes().clone();
        out.transmit(target, bytes.clone());
        if let Some(answer) = answers.iter_mut().find(|answer| answer.to_tag == to_tag) {
            answer.ack = Some((target, bytes));
        }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        timers: &Timers,
        out: &mut Outbox,
    ) -> Next {
        let is_invite = self.is_invite();
        let has_spares = self.may_go_elsewhere();
        match &mut self.state {
            // Who has said something is there, and is not given up for another.
            State::Calling { until, .. } if *until <= now && has_spares => Next::Elsewhere,
            State::Calling { until, .. } | State::Proceeding { until, .. } if *until <= now => {
                let failure = Failure::Timeout;
                self.tell(out, |transaction| Event::Failed { transaction, failure });
                Next::End
            }
            State::Completed { until, .. } if *until <= now => Next::End,
            State::Accepted { until, .. } if *until <= now => {
                self.tell(out, |transaction| Event::Settled { transaction });
                Next::End
            }
            State::Calling { resend: Some(resend), .. }
            | State::Proceeding { resend: Some(resend), .. }
                if resend.at <= now =>
            {
                // Timer A has no cap but its end, Timer E has T2 (sections 17.1.1.2, 17.1.2.2).
                resend.again(now, if is_invite { timers.patience() } else { timers.t2 });
                self.transmit_request(out);
                Next::Stay
            }
            _ => Next::Stay,
        }
    }

    /// The request could not be sent.
    pub(super) fn handle_undelivered(
        &mut self,
        now: Instant,
        timers: &Timers,
        out: &mut Outbox,
    ) -> Next {
        if !matches!(self.state, State::Calling { .. }) {
            return Next::Stay;
        }
        if let Some((request, target)) = self.fallback.take() {
            (self.request, self.target) = (request, target);
            self.state = State::calling(now, timers, &self.target);
            self.transmit_request(out);
            return Next::Stay;
        }
        if self.may_go_elsewhere() {
            return Next::Elsewhere;
        }
        let failure = Failure::Unreachable;
        self.tell(out, |transaction| Event::Failed { transaction, failure });
        Next::End
    }

    /// Where it was sent, before anything was made of its size.
    pub(super) fn addressed(&self) -> Target {
        self.fallback.as_ref().map_or(self.target, |(_, target)| *target)
    }

    /// Lets another transaction go on with the request. What is still to come of this one is nobody's
    /// business.
    pub(super) fn hand_over(&mut self) -> Option<(ClientId, Box<Spares>)> {
        let Audience::User(name) = self.audience else { return None };
        self.audience = Audience::Nobody;
        Some((name, self.spares.take()?))
    }

    /// Whether its final response is here, and only copies of that can come.
    pub(super) fn is_completed(&self) -> bool {
        matches!(self.state, State::Completed { .. })
    }

    fn may_go_elsewhere(&self) -> bool {
        let withdrawal = match &self.state {
            State::Calling { withdrawal, .. } | State::Proceeding { withdrawal, .. } => *withdrawal,
            State::Completed { .. } | State::Accepted { .. } => return false,
        };
        withdrawal == Withdrawal::None && self.spares.is_some()
    }

    fn is_invite(&self) -> bool {
        self.request.method() == Method::Invite
    }

    fn transmit_request(&self, out: &mut Outbox) {
        out.transmits.push_back(Transmit {
            target: self.target,
            bytes: self.request.as_bytes().clone(),
            ticket: Some(Ticket(self.id.0)),
        });
    }

    fn tell(&self, out: &mut Outbox, event: impl FnOnce(ClientId) -> Event) {
        if let Audience::User(name) = self.audience {
            out.events.push_back(event(name));
        }
    }

    /// The ACK of a refusal, or the CANCEL: what belongs to an INVITE, hop by hop (RFC 3261 sections
    /// 17.1.1.3 and 9.1).
    fn follow_up(&self, method: Method, to: Option<&str>) -> Message {
        let invite = &self.request;
        let mut draft = Draft::new(method, invite.request_uri());
        for route in invite.lines(Header::Route) {
            draft = draft.header(Header::Route, route);
        }
        let sequence = invite.cseq().map_or(0, |cseq| cseq.number);
        draft
            .header(Header::From, invite.header(Header::From).unwrap_or_default())
            .header(Header::To, to.unwrap_or_default())
            .header(Header::CallId, invite.header(Header::CallId).unwrap_or_default())
            .header(Header::CSeq, &format!("{sequence} {}", method.name()))
            .complete(invite.header(Header::Via).unwrap_or_default())
    }
}

impl State {
    fn calling(now: Instant, timers: &Timers, target: &Target) -> Self {
        let resend = (!target.protocol.is_reliable()).then(|| Resend::new(now, timers));
        Self::Calling { resend, until: now + timers.patience(), withdrawal: Withdrawal::None }
    }
}
