//! The backend on io_uring: one ring per core, no system call but the ring's.
//!
//! A [`Tenant`] owns what the kernel works on. It goes only when the kernel holds no operation of
//! it, so no completion can outlive it, no descriptor is closed under an operation, and no payload
//! is freed under a send. That a completion names its tenant's tenancy is the second fence.

mod buffers;
mod ring;
mod setup;
mod staging;
mod user_data;

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    time::{Duration, Instant},
};

use io_uring::{opcode, types::Fd};
use mailbox::Doorbell;
use rustix::{
    io::Errno,
    net::{Shutdown, SocketAddrAny},
};
pub use setup::{Unusable, probe};

use self::{
    buffers::{GROUP, Lent},
    ring::{Completed, Ring},
    user_data::{Operation, PLACES_MAX},
};
use super::{Backend, Completion, Payload, Purpose, Stage, Token, is_shortage, sleep};

/// One core's sockets on one io_uring. Lives and dies on the thread that made it.
pub struct Uring<P> {
    ring: Ring,
    /// By the place in a connection's token.
    tenants: Vec<Option<Box<Tenant<P>>>>,
    listener: Listener,
    doorbell: Doorbell,
    /// Connections whose end was asked for when the kernel held nothing of them any more.
    settled: Vec<Token>,
    completed: Vec<Completed>,
}

/// One connection. Boxed, so that what the kernel reads stands still while it may.
struct Tenant<P> {
    tenancy: u32,
    socket: OwnedFd,
    /// While it is `Connecting` the kernel holds the connect.
    stage: Stage,
    /// Where the kernel is to connect it to, if it was not accepted.
    address: Option<Box<SocketAddrAny>>,
    /// Whether the kernel holds the receive.
    receiving: bool,
    /// What the kernel is sending.
    outgoing: Option<P>,
    purpose: Purpose,
}

/// The listening socket, and whether the kernel accepts on it.
enum Listener {
    None,
    Accepting(OwnedFd),
    Paused(OwnedFd),
    /// To be closed when the kernel has let go of it.
    Closing(OwnedFd),
}

impl<P> Tenant<P> {
    /// Whether the kernel holds nothing of it.
    fn is_released(&self) -> bool {
        !self.receiving && self.outgoing.is_none() && self.stage != Stage::Connecting
    }
}

impl<P: Payload> Uring<P> {
    /// A ring for the calling thread, woken by `doorbell`.
    pub fn new(doorbell: Doorbell) -> Result<Self, Unusable> {
        let mut backend = Self {
            ring: setup::build()?.ring,
            tenants: Vec::new(),
            listener: Listener::None,
            doorbell,
            settled: Vec::new(),
            completed: Vec::new(),
        };
        backend.watch_doorbell();
        Ok(backend)
    }

    /// Every write to the eventfd says so once, whether or not it was read before.
    fn watch_doorbell(&mut self) {
        let doorbell = Fd(self.doorbell.as_fd().as_raw_fd());
        let poll = opcode::PollAdd::new(doorbell, libc::POLLIN as u32)
            .multi(true)
            .build()
            .user_data(Operation::Doorbell.encode());
        // SAFETY: `self` keeps the doorbell until `drop` has made the ring let go.
        unsafe { self.ring.push(&poll) };
    }

    fn accept(&mut self, listener: OwnedFd) {
        let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build()
            .user_data(Operation::Accept.encode());
        self.listener = Listener::Accepting(listener);
        // SAFETY: `self.listener` keeps the socket until the last completion of this operation:
        // only `handle_accept` lets go of it.
        unsafe { self.ring.push(&accept) };
    }

    fn receive(ring: &mut Ring, token: Token, tenant: &mut Tenant<P>) {
        let receive = opcode::RecvMulti::new(Fd(tenant.socket.as_raw_fd()), GROUP)
            .build()
            .user_data(Operation::Receive(token).encode());
        tenant.receiving = true;
        // SAFETY: the tenant keeps the socket while `receiving`, which only the last completion of
        // this operation takes back. The memory is the ring's own.
        unsafe { ring.push(&receive) };
    }

    /// Moves a connection in. Its place must have been reported free.
    fn admit(
        tenants: &mut Vec<Option<Box<Tenant<P>>>>,
        token: Token,
        socket: OwnedFd,
        stage: Stage,
    ) -> &mut Tenant<P> {
        let place = token.place();
        assert!(place < PLACES_MAX, "a place that no user data can name");
        if place >= tenants.len() {
            tenants.resize_with(place + 1, || None);
        }
        assert!(tenants[place].is_none(), "the kernel may hold operations of this tenant");
        tenants[place].insert(Box::new(Tenant {
            tenancy: token.tenancy(),
            socket,
            stage,
            address: None,
            receiving: false,
            outgoing: None,
            purpose: Purpose::Serving,
        }))
    }

    fn tenant(&mut self, token: Token) -> Option<&mut Tenant<P>> {
        let tenant = self.tenants.get_mut(token.place())?.as_deref_mut()?;
        (tenant.tenancy == token.tenancy()).then_some(tenant)
    }

    /// Cancels an operation. What becomes of it is told by its own completion.
    fn cancel(&mut self, operation: Operation) {
        let cancel = opcode::AsyncCancel::new(operation.encode())
            .build()
            .user_data(Operation::Cancel.encode());
        // SAFETY: a cancellation names no memory and no descriptor.
        unsafe { self.ring.push(&cancel) };
    }

    /// Takes leave of a connection if that was asked for and the kernel holds nothing of it.
    fn settle(&mut self, token: Token, sink: &mut impl FnMut(Completion<'_, P>)) {
        let Some(tenant) = self.tenant(token) else { return };
        if tenant.purpose == Purpose::Serving || !tenant.is_released() {
            return;
        }
        let Some(tenant) = self.tenants[token.place()].take() else { return };
        let Tenant { socket, purpose, .. } = *tenant;
        sink(match purpose {
            Purpose::Departing => Completion::Detached { token, socket },
            Purpose::Serving | Purpose::Closing => {
                drop(socket);
                Completion::Closed { token }
            }
        });
    }

    fn handle(&mut self, completed: Completed, sink: &mut impl FnMut(Completion<'_, P>)) {
        let Completed { user_data, result, more, lent } = completed;
        match Operation::decode(user_data) {
            Some(Operation::Receive(token)) => {
                self.handle_receive(token, result, more, lent, sink);
            }
            Some(Operation::Send(token)) => self.handle_send(token, result, sink),
            Some(Operation::Connect(token)) => self.handle_connect(token, result, sink),
            Some(Operation::Accept) => self.handle_accept(result, more, sink),
            Some(Operation::Doorbell) if !more => self.watch_doorbell(),
            Some(Operation::Doorbell | Operation::Cancel) | None => {}
        }
    }

    fn handle_receive(
        &mut self,
        token: Token,
        result: Result<u32, Errno>,
        more: bool,
        lent: Option<Lent>,
        sink: &mut impl FnMut(Completion<'_, P>),
    ) {
        let purpose = self.tenant(token).map(|tenant| tenant.purpose);
        if let Some(lent) = lent {
            let bytes = self.ring.buffers.octets(&lent);
            if !bytes.is_empty() && matches!(purpose, Some(Purpose::Serving | Purpose::Departing)) {
                sink(Completion::Received { token, bytes });
            }
            self.ring.buffers.recycle(lent);
        }
        if more {
            return;
        }
        let Some(tenant) = self.tenants.get_mut(token.place()).and_then(Option::as_deref_mut)
        else {
            return;
        };
        tenant.receiving = false;
        if tenant.purpose == Purpose::Serving {
            match result {
                // The kernel ends a receive that found no buffer or no room for its completion.
                // By the time it is started again there are both.
                Ok(1..) | Err(Errno::NOBUFS | Errno::INTR) => {
                    Self::receive(&mut self.ring, token, tenant);
                }
                Ok(0) | Err(_) => sink(Completion::Disconnected { token }),
            }
        }
        self.settle(token, sink);
    }

    fn handle_send(
        &mut self,
        token: Token,
        result: Result<u32, Errno>,
        sink: &mut impl FnMut(Completion<'_, P>),
    ) {
        let Some(payload) = self.tenant(token).and_then(|tenant| tenant.outgoing.take()) else {
            return;
        };
        let result = result.map(|octets| octets as usize);
        sink(Completion::Sent { token, payload, result });
        self.settle(token, sink);
    }

    fn handle_connect(
        &mut self,
        token: Token,
        result: Result<u32, Errno>,
        sink: &mut impl FnMut(Completion<'_, P>),
    ) {
        let Some(tenant) = self.tenants.get_mut(token.place()).and_then(Option::as_deref_mut)
        else {
            return;
        };
        tenant.stage =
            if result.is_ok() { Stage::Connected } else { Stage::Refused { told: true } };
        match (tenant.purpose, tenant.stage) {
            (Purpose::Serving, Stage::Connected) => {
                Self::receive(&mut self.ring, token, tenant);
                sink(Completion::Connected { token });
            }
            (Purpose::Serving, _) => sink(Completion::Disconnected { token }),
            (Purpose::Departing | Purpose::Closing, _) => self.settle(token, sink),
        }
    }

    fn handle_accept(
        &mut self,
        result: Result<u32, Errno>,
        more: bool,
        sink: &mut impl FnMut(Completion<'_, P>),
    ) {
        if let Ok(descriptor) = result {
            sink(Completion::Accepted { socket: accepted(descriptor) });
        }
        if more {
            return;
        }
        self.listener = match std::mem::replace(&mut self.listener, Listener::None) {
            Listener::Accepting(listener) => match result {
                Err(error) if is_shortage(error) => {
                    sink(Completion::AcceptStopped);
                    Listener::Paused(listener)
                }
                // What went wrong with one connection is no reason not to take the next.
                Ok(_) | Err(_) => return self.accept(listener),
            },
            Listener::Closing(listener) => {
                drop(listener);
                Listener::None
            }
            other => other,
        };
    }
}

/// The socket that an accept has completed with. To be called once per completion.
fn accepted(descriptor: u32) -> OwnedFd {
    // SAFETY: the kernel has made this descriptor for us; its completion, consumed by the callers,
    // was the only one to name it.
    unsafe { OwnedFd::from_raw_fd(descriptor.cast_signed()) }
}

impl<P: Payload> Backend<P> for Uring<P> {
    fn listen(&mut self, listener: OwnedFd) {
        self.accept(listener);
    }

    fn accept_again(&mut self) {
        match std::mem::replace(&mut self.listener, Listener::None) {
            Listener::Paused(listener) => self.accept(listener),
            other => self.listener = other,
        }
    }

    fn stop_listening(&mut self) {
        self.listener = match std::mem::replace(&mut self.listener, Listener::None) {
            Listener::Accepting(listener) => {
                self.cancel(Operation::Accept);
                Listener::Closing(listener)
            }
            closing @ Listener::Closing(_) => closing,
            Listener::None | Listener::Paused(_) => Listener::None,
        };
    }

    fn attach(&mut self, token: Token, socket: OwnedFd) {
        let tenant = Self::admit(&mut self.tenants, token, socket, Stage::Connected);
        Self::receive(&mut self.ring, token, tenant);
    }

    fn connect(&mut self, token: Token, socket: OwnedFd, address: SocketAddr) {
        let tenant = Self::admit(&mut self.tenants, token, socket, Stage::Connecting);
        let socket = Fd(tenant.socket.as_raw_fd());
        let address = tenant.address.insert(Box::new(address.into()));
        let connect = opcode::Connect::new(socket, address.as_ptr().cast(), address.addr_len())
            .build()
            .user_data(Operation::Connect(token).encode());
        // SAFETY: the tenant is boxed and keeps socket and address, neither of which changes, as
        // long as it is `Connecting`, which only the completion of this operation ends.
        unsafe { self.ring.push(&connect) };
    }

    fn send(&mut self, token: Token, payload: P) {
        let Some(tenant) = self.tenants.get_mut(token.place()).and_then(Option::as_deref_mut)
        else {
            return;
        };
        assert!(tenant.outgoing.is_none(), "one send at a time");
        let (socket, payload) = (tenant.socket.as_raw_fd(), tenant.outgoing.insert(payload));
        let user_data = Operation::Send(token).encode();
        // SAFETY: the tenant is boxed and keeps socket and payload while there is one, which only
        // the completion of this operation takes. Nobody else is given the payload until then.
        unsafe { self.ring.push_send(socket, payload, user_data) };
    }

    fn finish(&mut self, token: Token) -> bool {
        self.tenant(token).is_some_and(|tenant| {
            tenant.receiving
                && tenant.outgoing.is_none()
                && rustix::net::shutdown(&tenant.socket, Shutdown::Write).is_ok()
        })
    }

    fn detach(&mut self, token: Token) {
        let Some(tenant) = self.tenant(token) else { return };
        tenant.purpose = Purpose::Departing;
        if tenant.receiving {
            self.cancel(Operation::Receive(token));
        } else {
            self.settled.push(token);
        }
    }

    fn close(&mut self, token: Token) {
        let Some(tenant) = self.tenant(token) else { return };
        tenant.purpose = Purpose::Closing;
        let (receiving, sending) = (tenant.receiving, tenant.outgoing.is_some());
        let connecting = tenant.stage == Stage::Connecting;
        if receiving {
            self.cancel(Operation::Receive(token));
        }
        if sending {
            self.cancel(Operation::Send(token));
        }
        if connecting {
            self.cancel(Operation::Connect(token));
        }
        if !receiving && !sending && !connecting {
            self.settled.push(token);
        }
    }

    fn wait(
        &mut self,
        deadline: Option<Instant>,
        sink: &mut impl FnMut(Completion<'_, P>),
    ) -> io::Result<()> {
        let settled = std::mem::take(&mut self.settled);
        self.ring.enter(if settled.is_empty() { sleep(deadline) } else { Some(Duration::ZERO) })?;
        let mut completed = std::mem::take(&mut self.completed);
        self.ring.gather(&mut completed)?;
        for completed in completed.drain(..) {
            self.handle(completed, sink);
        }
        self.completed = completed;
        for token in settled {
            self.settle(token, sink);
        }
        Ok(())
    }
}

impl<P> Drop for Uring<P> {
    fn drop(&mut self) {
        self.ring.let_go(|completed| {
            if let Some(Operation::Accept) = Operation::decode(completed.user_data)
                && let Ok(descriptor) = completed.result
            {
                drop(accepted(descriptor));
            }
        });
    }
}
