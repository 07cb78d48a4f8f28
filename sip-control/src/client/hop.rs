//! Where the requests of a client go (RFC 3261 section 8.1.2, RFC 3263): said by whoever configured it,
//! or looked up by whoever runs it.

use std::time::Instant;

use super::{Client, NextHop, Purpose};
use crate::{
    dialog::Dialog,
    locate::{Destination, prefer},
    message::{NameAddr, Response},
    transaction::{ClientId, Failure},
    transport::{Protocol, Target},
};

/// Places that are remembered for the dialogs there are, as a count. A user has a few.
const PLACES_MAX: usize = 64;

/// Where a request goes.
#[derive(Clone, Debug)]
pub(super) enum Hop {
    /// There, and if that is of no use to the next.
    Known(Vec<Target>),
    /// To where this leads, which is looked up first.
    Unknown(Destination),
}

/// What waits until a place is known.
#[derive(Debug)]
pub(super) enum Waiting {
    /// A request of ours.
    Request(ClientId),
    /// A 2xx to an INVITE of ours, whose ACK goes to another place than the INVITE.
    Accepted(ClientId, Response),
}

impl Client {
    /// The next place to be looked up. The answer is for [`handle_located`](Self::handle_located).
    pub fn poll_lookup(&mut self) -> Option<Destination> {
        self.lookups.pop_front()
    }

    /// What [`poll_lookup`](Self::poll_lookup) asked for is at these targets, the first to be tried
    /// first (DLG-21); nowhere if there are none.
    pub fn handle_located(&mut self, now: Instant, destination: &Destination, targets: &[Target]) {
        for waiting in self.waiting.remove(destination).unwrap_or_default() {
            match waiting {
                Waiting::Request(transaction) => self.go(now, transaction, targets),
                Waiting::Accepted(transaction, ok) => {
                    // A name that leads nowhere is at least where its owner was met.
                    let met = self.transactions.target(transaction);
                    let known = if targets.is_empty() { met.as_slice() } else { targets };
                    self.remember(destination, known);
                    self.answered(now, transaction, &ok);
                }
            }
        }
        if !targets.is_empty() {
            self.remember(destination, targets);
        }
        self.settle(now);
    }

    /// Where a request outside of any dialog goes. What has a name is looked up anew every time: the way
    /// is what the network says today (REJ-08).
    pub(super) fn first_hop(&self, request_uri: &str) -> Hop {
        let uri = match &self.config.next_hop {
            NextHop::At(target) => return Hop::Known(vec![*target]),
            NextHop::Proxy(uri) => uri,
            NextHop::Located => self.first_route().unwrap_or(request_uri),
        };
        leads(uri, None)
    }

    /// Where a REGISTER goes: by the proxies that it takes, and not by those which it is to find out.
    pub(super) fn first_hop_of_register(&self, uri: &str) -> Hop {
        let route = self.config.registrar.as_ref().and_then(|registrar| registrar.route.first());
        let route = route.and_then(|route| NameAddr::parse(route));
        match (&self.config.next_hop, &route) {
            (NextHop::Located, Some(route)) => leads(route.uri(), None),
            (NextHop::Located, None) => leads(uri, None),
            (NextHop::At(_) | NextHop::Proxy(_), _) => self.first_hop(uri),
        }
    }

    /// Where the next request of a dialog goes.
    pub(super) fn hop_of(&self, dialog: &Dialog) -> Hop {
        self.hop(dialog.next_hop())
    }

    /// Where a URI leads: a number there, and a name where it led before in its dialog. Where a next hop
    /// is configured, that one is asked for names, as for everything that is outside of dialogs.
    pub(super) fn hop(&self, uri: &str) -> Hop {
        let usual = match self.config.next_hop {
            NextHop::At(target) => Some(target.protocol),
            NextHop::Proxy(_) | NextHop::Located => None,
        };
        match (leads(uri, usual), &self.config.next_hop) {
            (Hop::Unknown(_), NextHop::At(target)) => Hop::Known(vec![*target]),
            (Hop::Unknown(_), NextHop::Proxy(proxy)) => self.recalled(leads(proxy, None)),
            (hop, _) => self.recalled(hop),
        }
    }

    fn first_route(&self) -> Option<&str> {
        let route = self.config.route.first()?;
        NameAddr::parse(route).map(|route| route.uri())
    }

    fn recalled(&self, hop: Hop) -> Hop {
        match hop {
            Hop::Unknown(destination) => match self.places.get(&destination) {
                Some(targets) => Hop::Known(targets.clone()),
                None => Hop::Unknown(destination),
            },
            known @ Hop::Known(_) => known,
        }
    }

    fn remember(&mut self, destination: &Destination, targets: &[Target]) {
        if self.places.len() >= PLACES_MAX && !self.places.contains_key(destination) {
            // They are asked for again.
            self.places.clear();
        }
        self.places.insert(destination.clone(), targets.to_vec());
    }

    /// Somebody has answered from there, and is asked first from now on.
    pub(super) fn met(&mut self, target: Target) {
        for targets in self.places.values_mut() {
            prefer(targets, target);
        }
    }

    /// Where the ACK of a 2xx goes, if that is known. If not, the 2xx has to wait: nobody connects before
    /// the ACK is out (REJ-11).
    pub(super) fn awaits_place(&mut self, transaction: ClientId, ok: &Response) -> bool {
        let sent = self.requests.get(&transaction);
        let Some(Purpose::Invite { request_uri, .. }) = sent.map(|sent| &sent.purpose) else {
            return false;
        };
        let dialog = Dialog::begin(request_uri, ok);
        let Some(Hop::Unknown(destination)) = dialog.map(|dialog| self.hop_of(&dialog)) else {
            return false;
        };
        self.look_up(destination, Waiting::Accepted(transaction, ok.clone()));
        true
    }

    /// Has something wait for a place.
    pub(super) fn look_up(&mut self, destination: Destination, waiting: Waiting) {
        let all = self.waiting.entry(destination.clone()).or_default();
        all.push(waiting);
        if all.len() == 1 {
            self.lookups.push_back(destination);
        }
    }

    /// Withdraws a request that waits for a place.
    pub(super) fn call_off(&mut self, now: Instant, transaction: ClientId) {
        let mut is_waiting = false;
        for all in self.waiting.values_mut() {
            all.retain(|waiting| {
                let is_it = matches!(waiting, Waiting::Request(of) if *of == transaction);
                is_waiting |= is_it;
                !is_it
            });
        }
        if is_waiting {
            self.unanswered(now, transaction, Failure::Unreachable);
        }
    }
}

/// Where a URI leads as it stands, by `usual` if it does not say by what.
fn leads(uri: &str, usual: Option<Protocol>) -> Hop {
    let Ok(destination) = Destination::parse(uri) else { return Hop::Known(Vec::new()) };
    match destination.address() {
        Some(remote) => {
            let protocol = destination.protocol().or(usual).unwrap_or(Protocol::Udp);
            Hop::Known(vec![Target::new(protocol, remote)])
        }
        None => Hop::Unknown(destination),
    }
}
