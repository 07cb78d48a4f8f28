//! Requests of ours: sent, sent elsewhere, withdrawn, acknowledged.

use std::time::Instant;

use super::{
    ClientId, Event, Failure, Id, Transactions,
    client::{Audience, Call, Client, Next},
    key,
    spares::Spares,
};
use crate::{
    message::{BRANCH_COOKIE, Draft, limits},
    transport::{Protocol, Target},
};

impl Transactions {
    /// Sends a request. One that is too large for a datagram goes by TCP to the same place, and by
    /// UDP after all when nobody listens there (RFC 3261 section 18.1.1).
    pub fn request(&mut self, now: Instant, draft: &Draft, target: Target) -> ClientId {
        let name = self.reserve();
        self.begin(now, name, draft, &[target]);
        name
    }

    /// A name for a request that is yet to be sent.
    pub fn reserve(&mut self) -> ClientId {
        self.last_id += 1;
        ClientId(self.last_id)
    }

    /// Sends a request to the first of these places; to the next, in a transaction of its own, whenever
    /// one cannot be reached, does not answer, or says 503 (RFC 3263 section 4.3). The user hears only
    /// of the last one. Without a place it fails.
    pub fn begin(&mut self, now: Instant, name: ClientId, draft: &Draft, targets: &[Target]) {
        let Some((&target, others)) = targets.split_first() else {
            let failure = Failure::Unreachable;
            return self.out.events.push_back(Event::Failed { transaction: name, failure });
        };
        self.attempt(now, name, name, draft, target, Spares::new(draft, others));
    }

    fn attempt(
        &mut self,
        now: Instant,
        id: ClientId,
        name: ClientId,
        draft: &Draft,
        target: Target,
        spares: Option<Box<Spares>>,
    ) {
        let branch = self.branch();
        let mut request = draft.complete(&self.via(target.protocol, &branch));
        let mut target = target;
        let mut fallback = None;
        let is_large = request.as_bytes().len() > limits::DATAGRAM_REQUEST_SIZE_MAX;
        if is_large && target.protocol == Protocol::Udp {
            fallback = Some((request, target));
            target = Target::new(Protocol::Tcp, target.remote);
            request = draft.complete(&self.via(Protocol::Tcp, &branch));
        }
        let key = key::client(&branch, request.method_text());
        let audience = Audience::User(name);
        self.start_client(now, Call { id, key, request, target, fallback, spares, audience });
    }

    /// Gives up the place that a request was sent to for the next.
    fn go_elsewhere(&mut self, now: Instant, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let spares = client.hand_over();
        // What was answered has to be acknowledged once more when the answer comes again.
        if client.is_completed() {
            self.arm_client(id);
        } else {
            self.remove_client(id);
        }
        let next = spares.and_then(|(name, spares)| Some((name, spares.next()?)));
        let Some((name, (draft, target, spares))) = next else { return };
        let id = self.reserve();
        self.moved.insert(name, id);
        self.attempt(now, id, name, &draft, target, spares);
    }

    /// Where a request of ours is, as it was addressed: one that was sent to several places is at the
    /// last of them. `None` when it is over.
    pub fn target(&self, transaction: ClientId) -> Option<Target> {
        self.clients.get(&self.current(transaction)).map(Client::addressed)
    }

    /// The transaction that a request of ours is in.
    fn current(&self, name: ClientId) -> ClientId {
        self.moved.get(&name).copied().unwrap_or(name)
    }

    /// Withdraws an INVITE that has no final response (RFC 3261 section 9.1). Until a provisional
    /// one comes, the CANCEL waits. A 2xx may still come: then acknowledge it and send BYE.
    pub fn cancel(&mut self, now: Instant, transaction: ClientId) {
        let transaction = self.current(transaction);
        if let Some(client) = self.clients.get_mut(&transaction) {
            let next = client.cancel(now, &self.config.timers);
            self.follow(now, Some(transaction), next);
        }
    }

    /// Sends the ACK of a 2xx with the credentials of its INVITE, and sends it again whenever that 2xx
    /// comes again.
    pub fn acknowledge(&mut self, transaction: ClientId, ack: &Draft, target: Target) {
        let branch = self.branch();
        let via = self.via(target.protocol, &branch);
        let transaction = self.current(transaction);
        if let Some(client) = self.clients.get_mut(&transaction) {
            let add = |draft: Draft, (header, value)| draft.header(header, value);
            let ack = client.credentials().fold(ack.clone(), add).complete(&via);
            client.acknowledge(&ack, target, &mut self.out);
        }
    }

    fn start_client(&mut self, now: Instant, call: Call) {
        let (id, key) = (call.id, call.key.clone());
        let client = Client::start(call, now, &self.config.timers, &mut self.out);
        self.clients_by_key.insert(key, id);
        self.clients.insert(id, client);
        self.arm_client(id);
    }

    fn remove_client(&mut self, id: ClientId) {
        if let Some(client) = self.clients.remove(&id) {
            self.clients_by_key.remove(&client.key);
            if let Audience::User(name) = client.audience {
                self.moved.remove(&name);
            }
        }
    }

    pub(super) fn follow(&mut self, now: Instant, id: Option<ClientId>, next: Next) {
        let Some((id, client)) = id.and_then(|id| Some((id, self.clients.get(&id)?))) else {
            return;
        };
        match next {
            Next::Stay => {}
            Next::End => return self.remove_client(id),
            Next::Elsewhere => return self.go_elsewhere(now, id),
            Next::Cancel => {
                let (request, target) = client.cancellation();
                let branch = request.top_via().and_then(|via| via.branch().map(str::to_owned));
                let key = key::client(&branch.unwrap_or_default(), request.method_text());
                let (id, audience) = (self.reserve(), Audience::Nobody);
                let (fallback, spares) = (None, None);
                self.start_client(
                    now,
                    Call { id, key, request, target, fallback, spares, audience },
                );
            }
        }
        self.arm_client(id);
    }

    fn branch(&mut self) -> String {
        format!("{BRANCH_COOKIE}{}", self.tokens.token())
    }

    fn via(&self, protocol: Protocol, branch: &str) -> String {
        let sent_by = match protocol {
            Protocol::Udp => &self.config.sent_by_udp,
            Protocol::Tcp => &self.config.sent_by_tcp,
        };
        format!("SIP/2.0/{} {sent_by};branch={branch};rport", protocol.name())
    }

    fn arm_client(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id) {
            let due = client.due();
            if client.armed != Some(due) {
                self.timers.push(due, Id::Client(id));
            }
            client.armed = Some(due);
        }
    }
}
