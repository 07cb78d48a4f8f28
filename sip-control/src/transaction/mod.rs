//! SIP transactions (RFC 3261 section 17, RFC 6026): what is sent again, what is the same again,
//! and which answer belongs to which request.
//!
//! [`Transactions`] owns no socket and reads no clock. Requests and responses that a codec has
//! admitted come in; the transaction user sees each request once, and each of its own requests
//! ends in a final response or in [`Event::Failed`].

mod client;
mod key;
mod request;
mod server;
mod spares;
mod timer;
mod token;

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use mailbox::figures;

use self::client::Client;
use self::key::Key;
use self::server::Server;
use self::timer::TimerQueue;
pub use self::timer::Timers;
pub use self::token::Tokens;
use crate::message::{Admission, Header, Message, Method, Reply, Request, Response, admit};
use crate::transport::{Source, Target, Ticket, Transmit};

/// A request of a peer that we answer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ServerId(u64);

/// A request of ours that a peer answers.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClientId(u64);

/// What the layer has to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The base timers.
    pub timers: Timers,
    /// Our `host:port` in the Via of requests that go by UDP.
    pub sent_by_udp: String,
    /// Our `host:port` in the Via of requests that go by TCP.
    pub sent_by_tcp: String,
    /// Transactions of peers at once, as a count. Each lives at least 32 s after its answer. More
    /// are refused with 503, so memory is bounded by this times the largest answer.
    pub servers_max: usize,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A new request, not an ACK and not a CANCEL: answer it with [`Transactions::respond`].
    Request {
        /// By what it is answered.
        transaction: ServerId,
        /// The request.
        request: Request,
        /// Where it came from.
        source: Source,
        /// The tag that To gets in all answers, if it has none.
        tag: String,
        /// Another copy of it is being served, which came by another path: to be refused with 482
        /// at its place in the order of checks (RFC 3261 section 8.2.2.2).
        is_merged: bool,
    },
    /// Our 2xx to this INVITE was acknowledged, for the first time.
    Acknowledged {
        /// The INVITE.
        transaction: ServerId,
        /// The ACK.
        ack: Request,
    },
    /// Our 2xx to this INVITE was not acknowledged for 64*T1. The dialog has to be ended with BYE
    /// (RFC 3261 section 13.3.1.4).
    Unacknowledged {
        /// The INVITE, which is gone.
        transaction: ServerId,
    },
    /// The peer no longer wants an answer to this INVITE, and there is none yet. It still has to be
    /// given: 487.
    Cancelled {
        /// The INVITE.
        transaction: ServerId,
    },
    /// A provisional response, the final one, or, to an INVITE, a 2xx of one more dialog. A 2xx to
    /// an INVITE is to be acknowledged with [`Transactions::acknowledge`].
    Response {
        /// The request.
        transaction: ClientId,
        /// The response.
        response: Response,
    },
    /// No final response will come.
    Failed {
        /// The request, which is gone.
        transaction: ClientId,
        /// Why.
        failure: Failure,
    },
    /// Our INVITE was accepted, and no fork can accept it any more.
    Settled {
        /// The INVITE, which is gone.
        transaction: ClientId,
    },
}

/// Why there is no final response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The peer does not answer: to be treated as 408 (RFC 3261 section 8.1.3.1).
    Timeout,
    /// The request could not be sent: to be treated as 503.
    Unreachable,
}

figures! {
    /// How often something happened that no event tells.
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct Counters {
        /// Requests that came again and were absorbed.
        pub retransmissions: u64,
        /// ACKs that no INVITE of ours waits for.
        pub stray_acks: u64,
        /// Responses to nothing we asked.
        pub stray_responses: u64,
        /// Requests refused because there are too many transactions.
        pub refused: u64,
        /// Requests at fault that were answered so.
        pub faulty_answered: u64,
        /// Messages at fault that could not or must not be answered.
        pub faulty_dropped: u64,
    }
}

/// What goes out, and what happened, in order.
#[derive(Debug, Default)]
struct Outbox {
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

impl Outbox {
    fn transmit(&mut self, target: Target, bytes: Bytes) {
        self.transmits.push_back(Transmit { target, bytes, ticket: None });
    }
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Id {
    Server(ServerId),
    Client(ClientId),
}

/// All transactions of one control plane.
///
/// After any `handle_*`, [`respond`](Self::respond), [`request`](Self::request),
/// [`cancel`](Self::cancel) or [`acknowledge`](Self::acknowledge), drain `poll_transmit` and
/// `poll_event` until both return `None`, then arm `poll_timeout`. Time never runs backwards.
#[derive(Debug)]
pub struct Transactions {
    config: Config,
    tokens: Tokens,
    /// Ids are never given twice: a stale one finds nothing.
    last_id: u64,
    servers: HashMap<ServerId, Server>,
    servers_by_key: HashMap<Key, ServerId>,
    /// Those whose 2xx waits for its ACK.
    servers_by_ack: HashMap<Key, ServerId>,
    /// How many copies of a request there are, over different paths.
    copies: HashMap<Key, u32>,
    clients: HashMap<ClientId, Client>,
    clients_by_key: HashMap<Key, ClientId>,
    /// Requests that were sent elsewhere since, by the name that the user has for them.
    moved: HashMap<ClientId, ClientId>,
    timers: TimerQueue<Id>,
    out: Outbox,
    counters: Counters,
}

impl Transactions {
    /// None yet. The seed is as secret as tags and branches shall be.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            config,
            tokens: Tokens::new(seed),
            last_id: 0,
            servers: HashMap::new(),
            servers_by_key: HashMap::new(),
            servers_by_ack: HashMap::new(),
            copies: HashMap::new(),
            clients: HashMap::new(),
            clients_by_key: HashMap::new(),
            moved: HashMap::new(),
            timers: TimerQueue::new(),
            out: Outbox::default(),
            counters: Counters::default(),
        }
    }

    /// A message as it came from the transport. One that is at fault is answered here, as far as it
    /// may be answered (DLG-01, steps 1 to 3).
    pub fn handle_message(&mut self, now: Instant, source: Source, message: Message) {
        let target = source.reply_target(&message);
        match admit(message, source.remote) {
            Admission::Request(request) => self.handle_request(now, source, request),
            Admission::Response(response) => self.handle_response(now, response),
            Admission::Refused { answer, .. } => {
                self.counters.faulty_answered += 1;
                self.out.transmit(target, answer.as_bytes().clone());
            }
            Admission::Dropped(_) => self.counters.faulty_dropped += 1,
        }
    }

    /// A request that has been admitted.
    pub fn handle_request(&mut self, now: Instant, source: Source, request: Request) {
        match request.method() {
            Method::Ack => self.handle_ack(now, request),
            Method::Cancel => self.handle_cancel(now, source, request),
            _ => {
                let key = key::server(&request, request.method_text());
                if self.absorbs(&key) || self.refuses(source, &request) {
                    return;
                }
                let is_merged = key::merge(&request)
                    .is_some_and(|merge| self.copies.get(&merge).is_some_and(|&n| n > 0));
                let trying_at =
                    (request.method() == Method::Invite).then(|| now + self.config.timers.trying);
                let tag = self.tokens.token();
                let transaction =
                    self.insert_server(key, request.clone(), source, tag.clone(), trying_at);
                self.out.events.push_back(Event::Request {
                    transaction,
                    request,
                    source,
                    tag,
                    is_merged,
                });
            }
        }
    }

    fn handle_ack(&mut self, now: Instant, ack: Request) {
        let timers = self.config.timers;
        // A refusal's ACK has the branch of the INVITE, a 2xx's has its own: it is of the dialog.
        let by_branch = self.servers_by_key.get(&key::server(&ack, Method::Invite.name()));
        let by_branch = by_branch.copied().or_else(|| {
            let id = *self.servers_by_key.get(&key::server_before_tag(&ack)?)?;
            (self.servers.get(&id)?.tag == ack.to_tag()?).then_some(id)
        });
        if let Some(server) = by_branch.and_then(|id| self.servers.get_mut(&id)) {
            server.handle_ack(now, &timers);
            let id = server.id;
            self.arm_server(id);
        }
        let awaited = key::acknowledged(&ack, ack.to_tag().unwrap_or_default());
        let Some(transaction) = self.servers_by_ack.remove(&awaited) else {
            if by_branch.is_none() {
                self.counters.stray_acks += 1;
            }
            return;
        };
        if let Some(server) = self.servers.get_mut(&transaction)
            && server.handle_acknowledged()
        {
            self.arm_server(transaction);
            self.out.events.push_back(Event::Acknowledged { transaction, ack });
        }
    }

    fn handle_cancel(&mut self, now: Instant, source: Source, cancel: Request) {
        let key = key::server(&cancel, cancel.method_text());
        if self.absorbs(&key) || self.refuses(source, &cancel) {
            return;
        }
        let invite = self.servers_by_key.get(&key::server(&cancel, Method::Invite.name())).copied();
        let invite = invite.and_then(|id| self.servers.get(&id));
        let status = if invite.is_some() { 200 } else { 481 };
        // Both answers come from the same place, so they have the same tag (section 9.2).
        let tag = invite.map_or_else(|| self.tokens.token(), |invite| invite.tag.clone());
        let open = invite.filter(|invite| invite.is_open()).map(|invite| invite.id);
        let transaction = self.insert_server(key, cancel, source, tag, None);
        self.respond(now, transaction, &Reply::new(status));
        if let Some(transaction) = open {
            self.out.events.push_back(Event::Cancelled { transaction });
        }
    }

    /// Whether the request came before.
    fn absorbs(&mut self, key: &Key) -> bool {
        let Some(server) = self.servers_by_key.get(key).and_then(|id| self.servers.get(id)) else {
            return false;
        };
        self.counters.retransmissions += 1;
        server.handle_retransmission(&mut self.out);
        true
    }

    /// Whether there is no room for one more. It is told so without being remembered.
    fn refuses(&mut self, source: Source, request: &Request) -> bool {
        if self.servers.len() < self.config.servers_max {
            return false;
        }
        self.counters.refused += 1;
        let after = (2 + self.tokens.below(9)).to_string();
        let tag = self.tokens.token();
        let answer = Reply::new(503).header(Header::RetryAfter, &after).complete(
            request,
            source.remote,
            &tag,
        );
        self.out.transmit(source.reply_target(request), answer.as_bytes().clone());
        true
    }

    fn insert_server(
        &mut self,
        key: Key,
        request: Request,
        source: Source,
        tag: String,
        trying_at: Option<Instant>,
    ) -> ServerId {
        self.last_id += 1;
        let id = ServerId(self.last_id);
        let server = Server::new(id, key.clone(), request, source, tag, trying_at);
        if let Some(merge) = &server.merge {
            *self.copies.entry(merge.clone()).or_default() += 1;
        }
        self.servers_by_key.insert(key, id);
        self.servers.insert(id, server);
        self.arm_server(id);
        id
    }

    fn remove_server(&mut self, id: ServerId) {
        let Some(server) = self.servers.remove(&id) else {
            return;
        };
        self.servers_by_key.remove(&server.key);
        if let Some(awaited) = server.awaited_ack() {
            self.servers_by_ack.remove(awaited);
        }
        if let Some(merge) = server.merge
            && let Some(count) = self.copies.get_mut(&merge)
        {
            *count -= 1;
            if *count == 0 {
                self.copies.remove(&merge);
            }
        }
    }

    /// A response that has been admitted.
    pub fn handle_response(&mut self, now: Instant, response: Response) {
        let id = key::answered(&response).and_then(|key| self.clients_by_key.get(&key).copied());
        let Some(client) = id.and_then(|id| self.clients.get_mut(&id)) else {
            self.counters.stray_responses += 1;
            return;
        };
        let next = client.handle_response(now, &self.config.timers, response, &mut self.out);
        self.follow(now, id, next);
    }

    /// A message with this ticket could not be sent.
    pub fn handle_undelivered(&mut self, now: Instant, ticket: Ticket) {
        let id = ClientId(ticket.0);
        if let Some(client) = self.clients.get_mut(&id) {
            let next = client.handle_undelivered(now, &self.config.timers, &mut self.out);
            self.follow(now, Some(id), next);
        }
    }

    /// Does all that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let timers = self.config.timers;
        while let Some((at, id)) = self.timers.pop_due(now) {
            match id {
                Id::Server(id) => {
                    let server =
                        self.servers.get_mut(&id).filter(|server| server.armed == Some(at));
                    let Some(server) = server else {
                        continue;
                    };
                    server.armed = None;
                    if server.handle_timeout(now, &timers, &mut self.out) {
                        self.arm_server(id);
                    } else {
                        self.remove_server(id);
                    }
                }
                Id::Client(id) => {
                    let client =
                        self.clients.get_mut(&id).filter(|client| client.armed == Some(at));
                    let Some(client) = client else {
                        continue;
                    };
                    client.armed = None;
                    let next = client.handle_timeout(now, &timers, &mut self.out);
                    self.follow(now, Some(id), next);
                }
            }
        }
    }

    /// Answers a request. The transaction repeats what has to be repeated of it; a 2xx to an INVITE
    /// is sent again until its ACK comes (FOC-30). False when the request was answered before, or
    /// is gone.
    pub fn respond(&mut self, now: Instant, transaction: ServerId, reply: &Reply) -> bool {
        let Some(server) = self.servers.get_mut(&transaction) else {
            return false;
        };
        let is_done = server.respond(now, &self.config.timers, reply, &mut self.out);
        if let Some(awaited) = server.awaited_ack().cloned() {
            self.servers_by_ack.insert(awaited, transaction);
        }
        self.arm_server(transaction);
        is_done
    }

    fn arm_server(&mut self, id: ServerId) {
        if let Some(server) = self.servers.get_mut(&id) {
            let due = server.due();
            if let Some(due) = due.filter(|_| due != server.armed) {
                self.timers.push(due, Id::Server(id));
            }
            server.armed = due;
        }
    }

    /// A random name, for Call-IDs and tags of requests.
    pub fn token(&mut self) -> String {
        self.tokens.token()
    }

    /// What is to be sent next.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.transmits.pop_front()
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// How often things happened.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Holds the books against one another: transactions and what finds them.
    ///
    /// # Panics
    ///
    /// When two of them disagree. The message says which.
    pub fn audit(&self) {
        assert_eq!(self.servers_by_key.len(), self.servers.len(), "servers by their keys");
        assert_eq!(self.clients_by_key.len(), self.clients.len(), "clients by their keys");
        let awaiting = self.servers.values().filter(|server| server.awaited_ack().is_some());
        assert_eq!(self.servers_by_ack.len(), awaiting.count(), "servers by their ACKs");
        let merging = self.servers.values().filter(|server| server.merge.is_some()).count();
        assert_eq!(self.copies.values().sum::<u32>() as usize, merging, "copies of requests");
    }

    /// How many entries there are in each of the books, by their names.
    pub(crate) fn holdings(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("servers", self.servers.len()),
            ("clients", self.clients.len()),
            ("clients moved", self.moved.len()),
            ("timers", self.timers.len()),
        ]
    }

    /// Requests of peers that are remembered, and requests of ours.
    pub fn len(&self) -> (usize, usize) {
        (self.servers.len(), self.clients.len())
    }
}

#[cfg(test)]
mod tests;
