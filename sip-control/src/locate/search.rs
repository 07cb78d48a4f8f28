//! The rules of RFC 3263 section 4, one question at a time.
//!
//! ```text
//! name, no port, no transport:  NAPTR --found--> SRV of the replacement --found--> A, AAAA of each
//!                                 | none          | none
//!                                 v               +--> A, AAAA of the name
//!                               SRV of each transport of ours --none--> A, AAAA, by UDP
//! name, no port, transport:     SRV of that transport --none--> A, AAAA of the name
//! name, port:                   A, AAAA of the name
//! number:                       nothing to ask
//! ```

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
};

use super::{
    Destination, Host,
    records::{Naptr, Srv, arranged, preferred},
};
use crate::{
    transaction::Tokens,
    transport::{DEFAULT_PORT, Protocol, Target},
};

/// Addresses that a search yields at most, as a count. Whoever has tried so many in vain has waited
/// for minutes.
pub const TARGETS_MAX: usize = 16;

/// What the DNS is to be asked. Names have no dot at their end, and are whole: nothing is to be
/// appended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// The NAPTR records of this name.
    Naptr(String),
    /// The SRV records of this name.
    Srv(String),
    /// The A and AAAA records of this name.
    Addresses(String),
}

/// What it said. No records and no answer are the same: nothing to go by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// To [`Question::Naptr`].
    Naptr(Vec<Naptr>),
    /// To [`Question::Srv`].
    Srv(Vec<Srv>),
    /// To [`Question::Addresses`], in the order in which they are to be tried.
    Addresses(Vec<IpAddr>),
}

/// One search for the addresses behind a [`Destination`].
///
/// While [`poll_question`](Self::poll_question) yields one, its answer is to be given to
/// [`handle_answer`](Self::handle_answer). Then [`into_targets`](Self::into_targets) has what was found.
#[derive(Debug)]
pub struct Search {
    name: String,
    /// The transports that are spoken, the one to begin with first.
    ours: Vec<Protocol>,
    lots: Tokens,
    steps: VecDeque<Step>,
    found: Vec<Target>,
}

/// What is still to be done.
#[derive(Debug)]
enum Step {
    Naptr,
    Srv {
        protocol: Protocol,
        service: String,
    },
    Addresses {
        protocol: Protocol,
        host: String,
        port: u16,
    },
    /// If there are no servers for it, the name itself has to do.
    LastResort {
        protocol: Protocol,
    },
}

impl Search {
    /// Begins a search. `ours` are the transports that are spoken, the one preferred first; `seed`
    /// decides between servers of one priority.
    pub fn new(destination: &Destination, ours: &[Protocol], seed: [u8; 32]) -> Self {
        let mut search = Self {
            name: String::new(),
            ours: ours.to_vec(),
            lots: Tokens::new(seed),
            steps: VecDeque::new(),
            found: destination.target().into_iter().collect(),
        };
        let Host::Name(name) = &destination.host else { return search };
        search.name.clone_from(name);
        let host = name.clone();
        match (destination.port, destination.protocol) {
            (Some(port), protocol) => {
                let protocol = protocol.unwrap_or(Protocol::Udp);
                search.steps.push_back(Step::Addresses { protocol, host, port });
            }
            (None, Some(protocol)) => search.ask_services(&[protocol], protocol),
            (None, None) => search.steps.push_back(Step::Naptr),
        }
        search
    }

    /// What to ask next; `None` when there is nothing left to ask.
    pub fn poll_question(&mut self) -> Option<Question> {
        while self.found.len() < TARGETS_MAX {
            match self.steps.front()? {
                Step::Naptr => return Some(Question::Naptr(self.name.clone())),
                Step::Srv { service, .. } => return Some(Question::Srv(service.clone())),
                Step::Addresses { host, .. } => return Some(Question::Addresses(host.clone())),
                &Step::LastResort { protocol } => {
                    let (host, port) = (self.name.clone(), DEFAULT_PORT);
                    self.steps.pop_front();
                    self.steps.push_back(Step::Addresses { protocol, host, port });
                }
            }
        }
        None
    }

    /// Takes in the answer to the question that was asked last. One to another question is no answer.
    pub fn handle_answer(&mut self, answer: Answer) {
        match (self.steps.pop_front(), answer) {
            (Some(Step::Naptr), Answer::Naptr(rules)) => match preferred(rules, &self.ours) {
                Some((protocol, service)) => {
                    self.steps.push_back(Step::Srv { protocol, service });
                    self.steps.push_back(Step::LastResort { protocol });
                }
                None => self.ask_services(&self.ours.clone(), Protocol::Udp),
            },
            (Some(Step::Srv { protocol, .. }), Answer::Srv(servers)) => {
                if !servers.is_empty() {
                    // Even if all they say is that there is no such service (RFC 2782).
                    self.steps.retain(|step| !matches!(step, Step::LastResort { .. }));
                }
                let servers = arranged(servers, &mut self.lots);
                for Srv { host, port, .. } in servers.into_iter().take(TARGETS_MAX).rev() {
                    self.steps.push_front(Step::Addresses { protocol, host, port });
                }
            }
            (Some(Step::Addresses { protocol, port, .. }), Answer::Addresses(addresses)) => {
                for address in addresses {
                    let target = Target::new(protocol, SocketAddr::new(address, port));
                    if self.found.len() < TARGETS_MAX && !self.found.contains(&target) {
                        self.found.push(target);
                    }
                }
            }
            _ => {}
        }
    }

    /// Where to go, in this order. Nothing if the name leads nowhere.
    pub fn into_targets(self) -> Vec<Target> {
        self.found
    }

    /// Looks for servers of these transports; without any, the name is tried by `otherwise`.
    fn ask_services(&mut self, protocols: &[Protocol], otherwise: Protocol) {
        for &protocol in protocols {
            let label = protocol.name().to_ascii_lowercase();
            let service = format!("_sip._{label}.{}", self.name);
            self.steps.push_back(Step::Srv { protocol, service });
        }
        self.steps.push_back(Step::LastResort { protocol: otherwise });
    }
}
