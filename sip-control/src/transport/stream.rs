//! Connections, one task each.
//!
//! ```text
//!             Arrival           +-- accept
//! Transport <---------- inbox <-+-- reader: Framer <-- socket
//!     |                               | ping
//!     +-- Queue (bounded in octets) --+--> writer -----> socket
//! ```
//!
//! The entry in [`Transport`](super::Transport) owns the connection, because it owns the queue: when
//! it goes, the writer ends with what is queued, and the reader with the writer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::counters::Tally;
use super::peer::{ConnectionId, Protocol, Source, Ticket};
use crate::message::{Frame, Framer, Message};

/// How much is read at once. It is on the stack: an idle connection holds no buffer.
const READ_SIZE: usize = 8 * 1024;
/// How long a connection stays open after the message that broke it, for its answer.
const LAST_WORD_MAX: Duration = Duration::from_secs(2);
/// How long to leave the listener alone when the host has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The answer to a ping (RFC 5626 section 3.5.1).
const PONG: Bytes = Bytes::from_static(b"\r\n");

/// What the tasks tell the transport.
#[derive(Debug)]
pub(super) enum Arrival {
    Message { message: Message, source: Source, read_at: std::time::Instant },
    Accepted { stream: TcpStream, local: SocketAddr, remote: SocketAddr },
    Undelivered(Ticket),
    Closed(ConnectionId),
}

/// What a connection's task is given.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) arrivals: mpsc::Sender<Arrival>,
    pub(super) tally: Arc<Tally>,
    pub(super) queue_size_max: usize,
    pub(super) stall_max: Duration,
    pub(super) idle_max: Duration,
}

/// The transport's end of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) remote: SocketAddr,
    /// Whether the peer opened it.
    pub(super) is_accepted: bool,
    pub(super) queue: Queue,
}

/// What waits to be written to one connection.
#[derive(Debug)]
pub(super) struct Queue {
    sender: mpsc::UnboundedSender<Queued>,
    /// Octets in the channel, and in the writer's hands.
    size: Arc<AtomicUsize>,
    size_max: usize,
}

#[derive(Debug)]
struct Queued {
    bytes: Bytes,
    ticket: Option<Ticket>,
}

impl Queue {
    fn new(size_max: usize) -> (Self, mpsc::UnboundedReceiver<Queued>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender, size: Arc::default(), size_max }, receiver)
    }

    /// Whether nobody writes any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// False when there is no room, or nobody to write it. Only the transport adds, so the test
    /// cannot be overtaken by another.
    pub(super) fn push(&self, bytes: Bytes, ticket: Option<Ticket>) -> bool {
        let len = bytes.len();
        if self.size.load(Ordering::Relaxed) + len > self.size_max {
            return false;
        }
        self.size.fetch_add(len, Ordering::Relaxed);
        self.sender.send(Queued { bytes, ticket }).is_ok()
    }
}

impl Connection {
    /// A connection that a peer opened.
    pub(super) fn of_accepted(
        id: ConnectionId,
        stream: TcpStream,
        local: SocketAddr,
        remote: SocketAddr,
        context: Context,
    ) -> Self {
        let (queue, queued) = Queue::new(context.queue_size_max);
        let line = Line::new(id, &queue, context);
        tokio::spawn(line.run(stream, local, remote, queued));
        Self { remote, is_accepted: true, queue }
    }

    /// A connection that we open. What is queued waits until it is.
    pub(super) fn to(id: ConnectionId, remote: SocketAddr, context: Context) -> Self {
        let (queue, queued) = Queue::new(context.queue_size_max);
        let line = Line::new(id, &queue, context);
        tokio::spawn(line.connect(remote, queued));
        Self { remote, is_accepted: false, queue }
    }
}

/// Accepts for as long as anybody listens.
pub(super) async fn accept(listener: TcpListener, arrivals: mpsc::Sender<Arrival>) {
    while !arrivals.is_closed() {
        let accepted = listener.accept().await.and_then(|(stream, remote)| {
            let local = stream.local_addr()?;
            Ok(Arrival::Accepted { stream, local, remote })
        });
        match accepted {
            Ok(accepted) => {
                let _ = arrivals.send(accepted).await;
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// The task's end of a connection.
struct Line {
    id: ConnectionId,
    size: Arc<AtomicUsize>,
    /// For pongs. Weak, so that the queue ends when the transport lets go of it.
    pongs: mpsc::WeakUnboundedSender<Queued>,
    context: Context,
}

impl Line {
    fn new(id: ConnectionId, queue: &Queue, context: Context) -> Self {
        let pongs = queue.sender.downgrade();
        Self { id, size: queue.size.clone(), pongs, context }
    }

    async fn connect(self, remote: SocketAddr, queued: mpsc::UnboundedReceiver<Queued>) {
        let connected = timeout(self.context.stall_max, TcpStream::connect(remote)).await;
        let Ok(stream) = connected else {
            // Silence is no refusal: the timers of who sent it know what that means (DLG-21).
            return self.close().await;
        };
        if let Ok((local, stream)) = stream.and_then(|stream| Ok((stream.local_addr()?, stream))) {
            return self.run(stream, local, remote, queued).await;
        }
        self.close().await;
        self.give_up(None, queued).await;
    }

    /// Reads and writes until either ends. When the peer says no more, what is queued is still
    /// written; when we say no more, what the peer says is of no use.
    async fn run(
        self,
        stream: TcpStream,
        local: SocketAddr,
        remote: SocketAddr,
        queued: mpsc::UnboundedReceiver<Queued>,
    ) {
        // Messages are whole when they are written: nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        let connection = Some(self.id);
        let source = Source { local, remote, protocol: Protocol::Tcp, connection };
        let mut writing = std::pin::pin!(self.write(write, queued));
        tokio::select! {
            () = self.read(read, source) => {
                self.close().await;
                writing.await;
            }
            () = &mut writing => self.close().await,
        }
    }

    async fn close(&self) {
        let _ = self.context.arrivals.send(Arrival::Closed(self.id)).await;
    }

    async fn read(&self, read: OwnedReadHalf, source: Source) {
        let Context { arrivals, tally, stall_max, idle_max, .. } = &self.context;
        let mut framer = Framer::default();
        let mut begun: Option<Instant> = None;
        loop {
            let deadline = begun.map_or_else(|| Instant::now() + *idle_max, |at| at + *stall_max);
            match timeout_at(deadline, read.readable()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    if begun.is_some() {
                        tally.connection_broken();
                    }
                    return;
                }
            }
            match read_into(&mut framer, &read) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => return,
            }
            while let Some(frame) = framer.poll_frame() {
                match frame {
                    Frame::Ping => self.pong(),
                    Frame::Message(message) => {
                        begun = None;
                        tally.received();
                        let read_at = std::time::Instant::now();
                        let arrival = Arrival::Message { message, source, read_at };
                        if arrivals.send(arrival).await.is_err() {
                            return;
                        }
                    }
                }
            }
            if framer.is_broken() {
                tally.connection_broken();
                return sleep(LAST_WORD_MAX).await;
            }
            let is_begun = framer.is_partial();
            begun = is_begun.then(|| begun.unwrap_or_else(Instant::now));
        }
    }

    /// Answers a ping, unless nothing we wrote has been read since the last: a peer that only asks
    /// must not fill the queue.
    fn pong(&self) {
        if self.size.load(Ordering::Relaxed) > 0 {
            return;
        }
        if let Some(pongs) = self.pongs.upgrade() {
            self.size.fetch_add(PONG.len(), Ordering::Relaxed);
            let _ = pongs.send(Queued { bytes: PONG, ticket: None });
        }
    }

    async fn write(&self, mut write: OwnedWriteHalf, mut queued: mpsc::UnboundedReceiver<Queued>) {
        while let Some(Queued { bytes, ticket }) = queued.recv().await {
            match timeout(self.context.stall_max, write.write_all(&bytes)).await {
                Ok(Ok(())) => {
                    self.size.fetch_sub(bytes.len(), Ordering::Relaxed);
                }
                failed => {
                    if failed.is_err() {
                        self.context.tally.connection_broken();
                    }
                    return self.give_up(ticket, queued).await;
                }
            }
        }
    }

    /// Says of all that is queued that it will not be sent.
    async fn give_up(&self, first: Option<Ticket>, mut queued: mpsc::UnboundedReceiver<Queued>) {
        queued.close();
        let mut ticket = first;
        loop {
            if let Some(ticket) = ticket {
                let _ = self.context.arrivals.send(Arrival::Undelivered(ticket)).await;
            }
            match queued.recv().await {
                Some(next) => ticket = next.ticket,
                None => return,
            }
        }
    }
}

/// Reads what is there, once.
fn read_into(framer: &mut Framer, read: &OwnedReadHalf) -> io::Result<usize> {
    let mut buffer = [0; READ_SIZE];
    let len = read.try_read(&mut buffer)?;
    framer.push(&buffer[..len]);
    Ok(len)
}
