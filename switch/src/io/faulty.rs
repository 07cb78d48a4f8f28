//! A backend that wraps any other and lets happen what a network and a kernel may do: sends taken
//! in part, completions late and in another order between connections, octets in odd pieces,
//! connections reset. And that it is at its end when a test says so, as one whose ring the kernel does
//! not serve any more.
//!
//! All but that is drawn from a seed, which is printed when a test fails. What the contract promises
//! for one connection still holds.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
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

/// How often something goes wrong, in percent of the occasions.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// A send takes only a part.
    pub short_sends: u32,
    /// A completion is kept back for another turn.
    pub delays: u32,
    /// What was received is delivered in two pieces, and each of them again.
    pub splits: u32,
    /// Instead of the octets received comes the end of the connection.
    pub resets: u32,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Self = Self { short_sends: 0, delays: 0, splits: 0, resets: 0 };
}

/// The wrapper.
pub struct Faulty<B, P> {
    inner: B,
    faults: Faults,
    random: Random,
    /// What connections have to say, each in its order.
    held: BTreeMap<Token, VecDeque<Held<P>>>,
    accepted: VecDeque<OwnedFd>,
    /// Broken as far as their owner knows.
    reset: BTreeSet<Token>,
    is_broken: Arc<AtomicBool>,
}

/// A completion that is kept back.
enum Held<P> {
    Connected,
    Received(Vec<u8>),
    Disconnected,
    Sent(P, Result<usize, Errno>),
    Detached(OwnedFd),
    Closed,
}

/// The first octets of a payload.
pub struct Cut<P> {
    payload: P,
    len: usize,
}

impl<P: Payload> Payload for Cut<P> {
    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.payload.slices().scan(self.len, |left, slice| {
            let taken = slice.len().min(*left);
            *left -= taken;
            (taken > 0).then_some(&slice[..taken])
        })
    }
}

/// SplitMix64: small, and the same everywhere.
struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn happens(&mut self, percent: u32) -> bool {
        self.below(100) < percent as usize
    }
}

impl<B: Backend<Cut<P>>, P: Payload> Faulty<B, P> {
    /// Wraps `inner`.
    pub fn new(inner: B, faults: Faults, seed: u64) -> Self {
        Self {
            inner,
            faults,
            random: Random { seed, state: seed },
            held: BTreeMap::new(),
            accepted: VecDeque::new(),
            reset: BTreeSet::new(),
            is_broken: Arc::default(),
        }
    }

    /// The same, which works as long as `is_broken` is not set.
    pub fn until(self, is_broken: Arc<AtomicBool>) -> Self {
        Self { is_broken, ..self }
    }

    /// Cuts what was received where nobody would expect it.
    fn split(&mut self, token: Token, mut bytes: Vec<u8>) {
        while bytes.len() > 1 && self.random.happens(self.faults.splits) {
            let rest = bytes.split_off(1 + self.random.below(bytes.len() - 1));
            self.held.entry(token).or_default().push_back(Held::Received(bytes));
            bytes = rest;
        }
        self.held.entry(token).or_default().push_back(Held::Received(bytes));
    }

    /// Takes in one completion of the inner backend.
    fn hold(&mut self, completion: Told<P>) {
        let (token, held) = match completion {
            Told::Of(token, _) if self.reset.contains(&token) => {
                return self.hold_reset(completion);
            }
            Told::Of(token, Held::Received(bytes)) => {
                if !self.random.happens(self.faults.resets) {
                    return self.split(token, bytes);
                }
                self.reset.insert(token);
                (token, Held::Disconnected)
            }
            Told::Of(token, Held::Connected) if self.random.happens(self.faults.resets) => {
                self.reset.insert(token);
                (token, Held::Disconnected)
            }
            Told::Of(token, held) => (token, held),
            Told::Accepted(socket) => return self.accepted.push_back(socket),
        };
        self.held.entry(token).or_default().push_back(held);
    }

    /// The same for a connection whose owner was told that it is broken.
    fn hold_reset(&mut self, completion: Told<P>) {
        let Told::Of(token, held) = completion else { return };
        let held = match held {
            Held::Connected | Held::Received(_) | Held::Disconnected => return,
            Held::Sent(payload, _) => Held::Sent(payload, Err(Errno::CONNRESET)),
            Held::Detached(_) | Held::Closed => {
                self.reset.remove(&token);
                held
            }
        };
        self.held.entry(token).or_default().push_back(held);
    }

    /// Tells some of what is held, connection by connection in an order of its own.
    fn tell(&mut self, sink: &mut impl FnMut(Completion<'_, P>)) {
        while !self.accepted.is_empty() && !self.random.happens(self.faults.delays) {
            if let Some(socket) = self.accepted.pop_front() {
                sink(Completion::Accepted { socket });
            }
        }
        let mut tokens: Vec<Token> = self.held.keys().copied().collect();
        while !tokens.is_empty() {
            let token = tokens.swap_remove(self.random.below(tokens.len()));
            let Some(mut queue) = self.held.remove(&token) else { continue };
            while !queue.is_empty() && !self.random.happens(self.faults.delays) {
                match queue.pop_front() {
                    Some(Held::Connected) => sink(Completion::Connected { token }),
                    Some(Held::Received(bytes)) => {
                        sink(Completion::Received { token, bytes: &bytes });
                    }
                    Some(Held::Disconnected) => sink(Completion::Disconnected { token }),
                    Some(Held::Sent(payload, result)) => {
                        sink(Completion::Sent { token, payload, result });
                    }
                    Some(Held::Detached(socket)) => sink(Completion::Detached { token, socket }),
                    Some(Held::Closed) => sink(Completion::Closed { token }),
                    None => {}
                }
            }
            if !queue.is_empty() {
                self.held.insert(token, queue);
            }
        }
    }
}

/// A completion that owns what it tells.
enum Told<P> {
    Of(Token, Held<P>),
    Accepted(OwnedFd),
}

impl<B: Backend<Cut<P>>, P: Payload> Backend<P> for Faulty<B, P> {
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
        let whole: usize = payload.slices().map(<[u8]>::len).sum();
        let short = whole > 1 && self.random.happens(self.faults.short_sends);
        let len = if short { 1 + self.random.below(whole - 1) } else { whole };
        self.inner.send(token, Cut { payload, len });
    }

    fn finish(&mut self, token: Token) -> bool {
        !self.reset.contains(&token) && self.inner.finish(token)
    }

    fn detach(&mut self, token: Token) {
        self.inner.detach(token);
    }

    fn close(&mut self, token: Token) {
        // From now on only the answer to a send may still be told.
        if let Some(queue) = self.held.get_mut(&token) {
            queue.retain(|held| matches!(held, Held::Sent(..)));
        }
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
        let nothing_held = self.held.is_empty() && self.accepted.is_empty();
        let deadline = if nothing_held { deadline } else { Some(Instant::now()) };
        let mut told = Vec::new();
        let mut stopped = false;
        self.inner.wait(deadline, &mut |completion| match completion {
            Completion::Accepted { socket } => told.push(Told::Accepted(socket)),
            Completion::AcceptStopped => stopped = true,
            Completion::Connected { token } => told.push(Told::Of(token, Held::Connected)),
            Completion::Received { token, bytes } => {
                told.push(Told::Of(token, Held::Received(bytes.to_vec())));
            }
            Completion::Disconnected { token } => told.push(Told::Of(token, Held::Disconnected)),
            Completion::Sent { token, payload: Cut { payload, .. }, result } => {
                told.push(Told::Of(token, Held::Sent(payload, result)));
            }
            Completion::Detached { token, socket } => {
                told.push(Told::Of(token, Held::Detached(socket)));
            }
            Completion::Closed { token } => told.push(Told::Of(token, Held::Closed)),
        })?;
        if stopped {
            sink(Completion::AcceptStopped);
        }
        for completion in told {
            self.hold(completion);
        }
        self.tell(sink);
        Ok(())
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("faults were drawn from seed {}", self.seed);
        }
    }
}
