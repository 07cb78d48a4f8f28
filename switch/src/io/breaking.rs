//! A backend that wraps any other and is at its end when a test says so, as one whose ring the kernel
//! does not serve any more.

use std::{
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use rustix::io::Errno;

use super::{Backend, Completion, Payload, Token};

/// The wrapper.
pub struct Breaking<B> {
    inner: B,
    is_broken: Arc<AtomicBool>,
}

impl<B> Breaking<B> {
    /// Wraps `inner`, which works as long as `is_broken` is not set.
    pub fn new(inner: B, is_broken: Arc<AtomicBool>) -> Self {
        Self { inner, is_broken }
    }
}

impl<B: Backend<P>, P: Payload> Backend<P> for Breaking<B> {
    fn listen(&mut self, listener: OwnedFd) {
        self.inner.listen(listener);
    }

    fn accept_again(&mut self) {
        self.inner.accept_again();
    }

    fn stop_listening(&mut self) {
        self.inner.stop_listening();
    }

    fn attach(&mut self, token: Token, socket: OwnedFd) {
        self.inner.attach(token, socket);
    }

    fn connect(&mut self, token: Token, socket: OwnedFd, address: SocketAddr) {
        self.inner.connect(token, socket, address);
    }

    fn send(&mut self, token: Token, payload: P) {
        self.inner.send(token, payload);
    }

    fn finish(&mut self, token: Token) -> bool {
        self.inner.finish(token)
    }

    fn detach(&mut self, token: Token) {
        self.inner.detach(token);
    }

    fn close(&mut self, token: Token) {
        self.inner.close(token);
    }

    fn wait(
        &mut self,
        deadline: Option<Instant>,
        sink: &mut impl FnMut(Completion<'_, P>),
    ) -> io::Result<()> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(Errno::BADFD.into());
        }
        self.inner.wait(deadline, sink)
    }
}
