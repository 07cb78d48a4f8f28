//! The slower way, where there is no io_uring: epoll says what is ready, and every receive and send
//! is a system call of its own.
//!
//! Sends are tried when the core waits, not when it asks for them, so that their completions come
//! out where all others do.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    net::SocketAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use mailbox::Doorbell;
use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, EventData, EventFlags},
    },
    io::Errno,
    net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketFlags, sockopt},
};

use super::{Backend, Completion, Payload, Purpose, SLICES_MAX, Stage, Token, is_shortage, sleep};

/// Octets received with one call. A connection with more is ready again at once.
const RECEIVE_SIZE: usize = 64 * 1024;

/// Events taken with one call.
const EVENTS_MAX: usize = 1024;

/// Connections accepted in a row, before those that are there already get their turn.
const ACCEPTS_MAX: usize = 64;

/// What stands in an event for the listening socket and the doorbell. Neither is a token: no
/// table has that many places.
const LISTENER: u64 = u64::MAX;
const DOORBELL: u64 = u64::MAX - 1;

/// One core's sockets on epoll.
pub struct Readiness<P> {
    epoll: OwnedFd,
    /// Kept so that its descriptor stays open while epoll watches it.
    _doorbell: Doorbell,
    listener: Option<OwnedFd>,
    /// By the place in a connection's token.
    tenants: Vec<Option<Tenant<P>>>,
    /// Connections with something to do that no event will tell of: a new send, or an end.
    due: VecDeque<Token>,
    events: Vec<epoll::Event>,
    received: Box<[u8]>,
    /// Why the backend is of no use any more.
    fault: Option<Errno>,
}

struct Tenant<P> {
    tenancy: u32,
    socket: OwnedFd,
    /// What epoll watches it for; nothing means that epoll does not know it.
    watched: EventFlags,
    stage: Stage,
    /// From when it is connected until the peer's end of stream.
    receiving: bool,
    outgoing: Option<P>,
    purpose: Purpose,
}

impl<P: Payload> Readiness<P> {
    /// Woken by `doorbell`. Fails when the process is out of descriptors.
    pub fn new(doorbell: Doorbell) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        // Edge-triggered: every ring says so once, whether or not the counter was read before.
        let rung = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &doorbell, EventData::new_u64(DOORBELL), rung)?;
        Ok(Self {
            epoll,
            _doorbell: doorbell,
            listener: None,
            tenants: Vec::new(),
            due: VecDeque::new(),
            events: Vec::with_capacity(EVENTS_MAX),
            received: vec![0; RECEIVE_SIZE].into_boxed_slice(),
            fault: None,
        })
    }

    /// Moves a connection in. Its place must have been reported free.
    fn admit(&mut self, token: Token, socket: OwnedFd, stage: Stage) {
        let place = token.place();
        if place >= self.tenants.len() {
            self.tenants.resize_with(place + 1, || None);
        }
        assert!(self.tenants[place].is_none(), "the place is taken until it is reported free");
        self.tenants[place] = Some(Tenant {
            tenancy: token.tenancy(),
            socket,
            watched: EventFlags::empty(),
            stage,
            receiving: stage == Stage::Connected,
            outgoing: None,
            purpose: Purpose::Serving,
        });
        self.due.push_back(token);
    }

    fn tenant(&mut self, token: Token) -> Option<&mut Tenant<P>> {
        let tenant = self.tenants.get_mut(token.place())?.as_mut()?;
        (tenant.tenancy == token.tenancy()).then_some(tenant)
    }

    /// Sends what can be sent, ends what is to end, and has epoll watch for the rest.
    fn advance(&mut self, token: Token, sink: &mut impl FnMut(Completion<'_, P>)) {
        let Some(tenant) = self.tenants.get_mut(token.place()).and_then(Option::as_mut) else {
            return;
        };
        if tenant.tenancy != token.tenancy() {
            return;
        }
        if tenant.stage == (Stage::Refused { told: false }) && tenant.purpose == Purpose::Serving {
            tenant.stage = Stage::Refused { told: true };
            sink(Completion::Disconnected { token });
        }
        if let Some((payload, result)) = tenant.send() {
            sink(Completion::Sent { token, payload, result });
        }
        let blocked = tenant.outgoing.is_some();
        if tenant.purpose == Purpose::Serving || blocked {
            if tenant.watch(&self.epoll, token, blocked).is_err() && tenant.is_alive() {
                (tenant.receiving, tenant.stage) = (false, Stage::Refused { told: true });
                sink(Completion::Disconnected { token });
            }
            return;
        }
        let Some(mut tenant) = self.tenants[token.place()].take() else { return };
        // A socket that epoll does not know any more is what is wanted.
        let _ = tenant.unwatch(&self.epoll);
        match tenant.purpose {
            Purpose::Departing => {
                sink(Completion::Detached { token, socket: tenant.socket });
            }
            Purpose::Serving | Purpose::Closing => {
                drop(tenant);
                sink(Completion::Closed { token });
            }
        }
    }

    /// Receives once. A connection with more is ready again at once.
    fn receive(&mut self, token: Token, sink: &mut impl FnMut(Completion<'_, P>)) {
        let Some(tenant) = self.tenants.get_mut(token.place()).and_then(Option::as_mut) else {
            return;
        };
        if tenant.tenancy != token.tenancy() || !tenant.receiving {
            return;
        }
        match rustix::net::recv(&tenant.socket, &mut self.received[..], RecvFlags::DONTWAIT) {
            Ok((octets @ 1.., _)) => {
                sink(Completion::Received { token, bytes: &self.received[..octets] });
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok((0, _)) | Err(_) => {
                tenant.receiving = false;
                sink(Completion::Disconnected { token });
            }
        }
    }

    /// A connection that is being made has something to tell: that it is made, or will not be.
    fn handle_connect(&mut self, token: Token, sink: &mut impl FnMut(Completion<'_, P>)) {
        let Some(tenant) = self.tenant(token).filter(|it| it.stage == Stage::Connecting) else {
            return;
        };
        if matches!(sockopt::socket_error(&tenant.socket), Ok(Ok(()))) {
            (tenant.receiving, tenant.stage) = (true, Stage::Connected);
            sink(Completion::Connected { token });
        } else {
            tenant.stage = Stage::Refused { told: false };
        }
        self.due.push_back(token);
    }

    fn accept(&mut self, sink: &mut impl FnMut(Completion<'_, P>)) {
        for _ in 0..ACCEPTS_MAX {
            let Some(listener) = &self.listener else { return };
            match rustix::net::accept_with(listener, SocketFlags::CLOEXEC) {
                Ok(socket) => sink(Completion::Accepted { socket }),
                Err(Errno::AGAIN) => return,
                Err(error) if is_shortage(error) => {
                    self.fault = epoll::delete(&self.epoll, listener).err();
                    return sink(Completion::AcceptStopped);
                }
                // What went wrong with one connection is no reason not to take the next.
                Err(_) => {}
            }
        }
    }

    fn handle(&mut self, event: epoll::Event, sink: &mut impl FnMut(Completion<'_, P>)) {
        let (data, flags) = (event.data, event.flags);
        match data.u64() {
            DOORBELL => {}
            LISTENER => self.accept(sink),
            token => {
                let token = Token(token);
                if self.tenant(token).is_some_and(|tenant| tenant.stage != Stage::Connected) {
                    return self.handle_connect(token, sink);
                }
                // A hang-up or an error comes without being asked for; receiving tells which.
                if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                    self.receive(token, sink);
                }
                self.advance(token, sink);
            }
        }
    }
}

impl<P: Payload> Tenant<P> {
    /// Whether its end is still to be told.
    fn is_alive(&self) -> bool {
        self.receiving || self.stage == Stage::Connecting
    }

    /// Tries to send, and says what came of it: nothing while the kernel's buffer is full.
    fn send(&mut self) -> Option<(P, Result<usize, Errno>)> {
        let payload = self.outgoing.take()?;
        if self.purpose == Purpose::Closing {
            return Some((payload, Err(Errno::CANCELED)));
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut used = 0;
        for (slot, slice) in slices.iter_mut().zip(payload.slices()) {
            *slot = IoSlice::new(slice);
            used += 1;
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let control = &mut SendAncillaryBuffer::default();
        match rustix::net::sendmsg(&self.socket, &slices[..used], control, flags) {
            Err(Errno::AGAIN | Errno::INTR) => {
                self.outgoing = Some(payload);
                None
            }
            result => Some((payload, result)),
        }
    }

    /// Has epoll watch for what the connection waits for now.
    fn watch(&mut self, epoll: &OwnedFd, token: Token, blocked: bool) -> rustix::io::Result<()> {
        let mut wanted = EventFlags::empty();
        wanted.set(EventFlags::IN, self.receiving);
        wanted.set(EventFlags::OUT, blocked || self.stage == Stage::Connecting);
        if wanted == self.watched {
            return Ok(());
        }
        // Left watched for nothing, it would still report that the peer hung up, for ever.
        if wanted.is_empty() {
            return self.unwatch(epoll);
        }
        let data = EventData::new_u64(token.0);
        if self.watched.is_empty() {
            epoll::add(epoll, &self.socket, data, wanted)?;
        } else {
            epoll::modify(epoll, &self.socket, data, wanted)?;
        }
        self.watched = wanted;
        Ok(())
    }

    fn unwatch(&mut self, epoll: &OwnedFd) -> rustix::io::Result<()> {
        if std::mem::replace(&mut self.watched, EventFlags::empty()).is_empty() {
            return Ok(());
        }
        epoll::delete(epoll, &self.socket)
    }
}

impl<P: Payload> Backend<P> for Readiness<P> {
    fn listen(&mut self, listener: OwnedFd) {
        let listening = rustix::io::ioctl_fionbio(&listener, true);
        self.listener = Some(listener);
        match listening {
            Ok(()) => self.accept_again(),
            Err(error) => self.fault = Some(error),
        }
    }

    fn accept_again(&mut self) {
        if let Some(listener) = &self.listener {
            let data = EventData::new_u64(LISTENER);
            self.fault = epoll::add(&self.epoll, listener, data, EventFlags::IN).err();
        }
    }

    fn stop_listening(&mut self) {
        // Closing the only descriptor of a socket takes it out of epoll too.
        self.listener = None;
    }

    fn attach(&mut self, token: Token, socket: OwnedFd) {
        self.admit(token, socket, Stage::Connected);
    }

    fn connect(&mut self, token: Token, socket: OwnedFd, address: SocketAddr) {
        // A connect that came to its end at once is told of as any other is: by epoll.
        let begun = rustix::io::ioctl_fionbio(&socket, true)
            .and_then(|()| rustix::net::connect(&socket, &address));
        let stage = match begun {
            Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Stage::Connecting,
            Err(_) => Stage::Refused { told: false },
        };
        self.admit(token, socket, stage);
    }

    fn send(&mut self, token: Token, payload: P) {
        let Some(tenant) = self.tenant(token) else { return };
        assert!(tenant.outgoing.is_none(), "one send at a time");
        tenant.outgoing = Some(payload);
        self.due.push_back(token);
    }

    fn finish(&mut self, token: Token) -> bool {
        self.tenant(token).is_some_and(|tenant| {
            tenant.receiving
                && tenant.outgoing.is_none()
                && rustix::net::shutdown(&tenant.socket, Shutdown::Write).is_ok()
        })
    }

    fn detach(&mut self, token: Token) {
        if let Some(tenant) = self.tenant(token) {
            tenant.purpose = Purpose::Departing;
            tenant.receiving = false;
            self.due.push_back(token);
        }
    }

    fn close(&mut self, token: Token) {
        if let Some(tenant) = self.tenant(token) {
            tenant.purpose = Purpose::Closing;
            tenant.receiving = false;
            self.due.push_back(token);
        }
    }

    fn wait(
        &mut self,
        deadline: Option<Instant>,
        sink: &mut impl FnMut(Completion<'_, P>),
    ) -> io::Result<()> {
        if let Some(fault) = self.fault.take() {
            return Err(fault.into());
        }
        let sleep = if self.due.is_empty() { sleep(deadline) } else { Some(Duration::ZERO) };
        while let Some(token) = self.due.pop_front() {
            self.advance(token, sink);
        }
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let sleep = sleep.map(|sleep| Timespec::try_from(sleep).unwrap_or(Timespec::default()));
        match epoll::wait(&self.epoll, spare_capacity(&mut events), sleep.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            self.handle(event, sink);
        }
        self.events = events;
        Ok(())
    }
}
