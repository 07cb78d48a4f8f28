//! The least that a fan-out server can do on this kernel: what one connection of a group says is
//! copied to the others, and not looked at. It is what `bench/compare` holds the switch against, and
//! no switch: it answers nobody, checks nothing and bounds nothing.
//!
//! It stands on the switch's own backend, so both start their operations and handle their batches in
//! the same way: one ring on one thread (`SINGLE_ISSUER`, `DEFER_TASKRUN`), multishot accept and
//! receive, one ring of provided buffers, one send in flight per connection, all sends of a batch of
//! completions submitted together. What the comparison shows is thus what the switch does above its
//! backend: to parse, to judge, to rewrite every head, to answer the sender, to remember.
//!
//! The first octets of a connection are the SEND without body that would bind an MSRP session; they
//! alone are parsed. The session-id in their To-Path names a group and a side of it: what comes to
//! `NAME-tell` leaves by every connection that has bound to `NAME-hear`. What recipients say, their
//! 200s, is received and dropped.

#![deny(unsafe_code)]

// The node is a program and not a library; its backend is taken as it stands, of which a program
// that neither detaches nor finishes needs less.
#[allow(dead_code, unused_imports)]
#[path = "../src/io/mod.rs"]
mod io;

use std::{
    io::{Error, Write as _},
    iter,
    net::SocketAddr,
    os::fd::OwnedFd,
};

use clap::Parser;
use mailbox::Doorbell;
use msrp::{Frame, Framer};

use crate::io::{Backend as _, Completion, Payload, Token, Uring, socket};

/// Copies what one connection of a group says to the others, and does nothing else.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// Octets on their way out, and how many of them are gone already.
struct Outgoing {
    octets: Vec<u8>,
    sent: usize,
}

impl Payload for Outgoing {
    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        iter::once(&self.octets[self.sent..])
    }
}

/// What a connection has said that it is.
enum Role {
    /// Nothing yet; what it said so far.
    Unbound(Vec<u8>),
    /// What it says goes to the listeners of this group.
    Speaker { group: usize },
    /// It gets what the speaker of its group says; what it says itself is dropped.
    Listener,
}

struct Connection {
    token: Token,
    role: Role,
    /// What is due to it and not in the kernel's hands.
    queue: Vec<u8>,
    /// The vector that the last send came back with.
    spare: Vec<u8>,
    sending: bool,
    /// Whether it is among the [`Server::due`].
    is_due: bool,
}

/// A group: its name, and the places of those who listen.
struct Group {
    name: Vec<u8>,
    listeners: Vec<usize>,
}

#[derive(Default)]
struct Server {
    /// By place; a place whose connection is gone is used again under the next tenancy.
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    tenancies: u32,
    groups: Vec<Group>,
    /// Places with something to send, of this batch.
    due: Vec<usize>,
    accepted: Vec<OwnedFd>,
    /// Connections that have ended, of this batch.
    ended: Vec<Token>,
}

impl Server {
    fn handle(&mut self, completion: Completion<'_, Outgoing>) {
        match completion {
            Completion::Accepted { socket } => self.accepted.push(socket),
            Completion::Received { token, bytes } => self.handle_received(token, bytes),
            Completion::Sent { token, payload, result: Ok(octets) } => {
                self.handle_sent(token, payload, octets);
            }
            Completion::Disconnected { token } => self.ended.push(token),
            Completion::Closed { token } => self.forget(token),
            // That a connection is broken is said to who receives on it, too.
            Completion::Sent { result: Err(_), .. }
            | Completion::AcceptStopped
            | Completion::Connected { .. }
            | Completion::Detached { .. } => {}
        }
    }

    /// The place for a new connection, and its token.
    fn seat(&mut self) -> Token {
        let place = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        self.tenancies += 1;
        let token = Token(u64::from(self.tenancies) << 32 | place as u64);
        self.connections[place] = Some(Connection {
            token,
            role: Role::Unbound(Vec::new()),
            queue: Vec::new(),
            spare: Vec::new(),
            sending: false,
            is_due: false,
        });
        token
    }

    fn handle_received(&mut self, token: Token, bytes: &[u8]) {
        let Some(connection) = &mut self.connections[place(token)] else { return };
        match &mut connection.role {
            Role::Listener => {}
            Role::Speaker { group } => {
                let group = *group;
                self.copy(group, bytes);
            }
            Role::Unbound(said) => {
                said.extend_from_slice(bytes);
                let said = std::mem::take(said);
                self.bind(token, said);
            }
        }
    }

    fn copy(&mut self, group: usize, bytes: &[u8]) {
        let listeners = std::mem::take(&mut self.groups[group].listeners);
        for &listener in &listeners {
            self.queue(listener, |queue| queue.extend_from_slice(bytes));
        }
        self.groups[group].listeners = listeners;
    }

    /// Finds out what a connection is, once all of its binding is there.
    fn bind(&mut self, token: Token, said: Vec<u8>) {
        let (mut framer, mut rest) = (Framer::new(), said.as_slice());
        let Ok(Some(Frame::Head { head, piece })) = framer.next(&mut rest) else {
            self.set_role(token, Role::Unbound(said));
            return;
        };
        let (Some(to), Some(from), Some(_)) = (head.to_path, head.from_path, piece.end) else {
            self.ended.push(token);
            return;
        };
        let mut answer = Vec::new();
        msrp::write_response(&mut answer, &head.transaction, 200, "OK", from.raw(), to.raw());
        let session = to.raw().rsplit(|&octet| octet == b'/').next().unwrap_or_default();
        let session = session.strip_suffix(b";tcp").unwrap_or(session);
        let role = if let Some(name) = session.strip_suffix(b"-tell") {
            Role::Speaker { group: self.group(name) }
        } else if let Some(name) = session.strip_suffix(b"-hear") {
            let group = self.group(name);
            self.groups[group].listeners.push(place(token));
            Role::Listener
        } else {
            self.ended.push(token);
            return;
        };
        self.set_role(token, role);
        self.queue(place(token), |queue| queue.extend_from_slice(&answer));
    }

    fn set_role(&mut self, token: Token, role: Role) {
        if let Some(connection) = &mut self.connections[place(token)] {
            connection.role = role;
        }
    }

    fn group(&mut self, name: &[u8]) -> usize {
        self.groups.iter().position(|group| group.name == name).unwrap_or_else(|| {
            self.groups.push(Group { name: name.to_vec(), listeners: Vec::new() });
            self.groups.len() - 1
        })
    }

    fn queue(&mut self, place: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(connection) = &mut self.connections[place] else { return };
        write(&mut connection.queue);
        if !std::mem::replace(&mut connection.is_due, true) {
            self.due.push(place);
        }
    }

    fn handle_sent(&mut self, token: Token, mut payload: Outgoing, octets: usize) {
        let place = place(token);
        let Some(connection) = &mut self.connections[place] else { return };
        connection.sending = false;
        payload.sent += octets;
        if payload.sent < payload.octets.len() {
            // What is left goes first.
            payload.octets.drain(..payload.sent);
            payload.octets.append(&mut connection.queue);
            std::mem::swap(&mut connection.queue, &mut payload.octets);
        }
        payload.octets.clear();
        connection.spare = payload.octets;
        if !connection.queue.is_empty() && !std::mem::replace(&mut connection.is_due, true) {
            self.due.push(place);
        }
    }

    fn forget(&mut self, token: Token) {
        let place = place(token);
        self.connections[place] = None;
        self.free.push(place);
        for group in &mut self.groups {
            group.listeners.retain(|&listener| listener != place);
        }
    }

    /// Starts all that the last batch has led to.
    fn carry_out(&mut self, backend: &mut Uring<Outgoing>) {
        for socket in std::mem::take(&mut self.accepted) {
            let token = self.seat();
            backend.attach(token, socket);
        }
        for token in self.ended.drain(..) {
            backend.close(token);
        }
        for place in self.due.drain(..) {
            let Some(connection) = &mut self.connections[place] else { continue };
            connection.is_due = false;
            if connection.sending || connection.queue.is_empty() {
                continue;
            }
            connection.sending = true;
            let spare = std::mem::take(&mut connection.spare);
            let octets = std::mem::replace(&mut connection.queue, spare);
            backend.send(connection.token, Outgoing { octets, sent: 0 });
        }
    }
}

fn place(token: Token) -> usize {
    token.0 as u32 as usize
}

fn main() -> Result<(), Error> {
    let Arguments { listen } = Arguments::parse();
    let (mut listeners, address) = socket::listen(listen, 1, socket::PATIENCE)?;
    let mut backend = Uring::new(Doorbell::new()?).map_err(|why| Error::other(why.to_string()))?;
    if let Some(listener) = listeners.pop() {
        backend.listen(listener);
    }
    println!("ready bare={address}");
    std::io::stdout().flush()?;
    let mut server = Server::default();
    loop {
        backend.wait(None, &mut |completion| server.handle(completion))?;
        server.carry_out(&mut backend);
    }
}
