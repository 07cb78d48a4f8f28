//! Connections, one task each.
//!
//! ```text
//!             Arrival           +-- accept
//! Transport <---------- inbox <-+-- reader: Framer <-- socket
//!     |                               | ping, and waits while much is unwritten
//!     +-- Queue (bounded in octets) --+--> writer -----> socket
//! ```
//!
//! A peer that asks faster than it reads the answers is read no further until it has read some: what it
//! is owed must not be what there is no room for.
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
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::counters::Tally;
use super::peer::{ConnectionId, Protocol, Source, Ticket};
use crate::message::{Frame, Framer, Message};

/// How much is read at once. It is on the stack: an idle connection holds no buffer.
const READ_SIZE: usize = 8 * 1024;
/// Of the octets that may be queued, the part above which nothing more is read. The rest is for answers
/// to what was read before.
const UNREAD_SHARE: usize = 4;
/// Messages written at once, when so many wait.
const WRITTEN_MAX: usize = 64;
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
    backlog: Arc<Backlog>,
}

/// How much waits to be written.
#[derive(Debug)]
struct Backlog {
    /// Octets in the channel, and in the writer's hands.
    octets: AtomicUsize,
    octets_max: usize,
    /// It became less.
    written: Notify,
}

impl Backlog {
    fn add(&self, octets: usize) {
        self.octets.fetch_add(octets, Ordering::Relaxed);
    }

    fn take(&self, octets: usize) {
        self.octets.fetch_sub(octets, Ordering::Relaxed);
        self.written.notify_one();
    }

    fn octets(&self) -> usize {
        self.octets.load(Ordering::Relaxed)
    }

    fn is_long(&self) -> bool {
        self.octets() > self.octets_max / UNREAD_SHARE
    }
}

#[derive(Debug)]
struct Queued {
    bytes: Bytes,
    ticket: Option<Ticket>,
}

impl Queue {
    fn new(octets_max: usize) -> (Self, mpsc::UnboundedReceiver<Queued>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let backlog = Backlog { octets: AtomicUsize::new(0), octets_max, written: Notify::new() };
        (Self { sender, backlog: Arc::new(backlog) }, receiver)
    }

    /// Whether nobody writes any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// False when there is no room, or nobody to write it. Only the transport adds, so the test
    /// cannot be overtaken by another.
    pub(super) fn push(&self, bytes: Bytes, ticket: Option<Ticket>) -> bool {
        if self.backlog.octets() + bytes.len() > self.backlog.octets_max {
            return false;
        }
        self.backlog.add(bytes.len());
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
    backlog: Arc<Backlog>,
    /// For pongs. Weak, so that the queue ends when the transport lets go of it.
    pongs: mpsc::WeakUnboundedSender<Queued>,
    context: Context,
}

impl Line {
    fn new(id: ConnectionId, queue: &Queue, context: Context) -> Self {
        let pongs = queue.sender.downgrade();
        Self { id, backlog: queue.backlog.clone(), pongs, context }
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
        self.give_up(&[], queued).await;
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
            while self.backlog.is_long() {
                self.backlog.written.notified().await;
                begun = begun.map(|_| Instant::now());
            }
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
        if self.backlog.octets() > 0 {
            return;
        }
        if let Some(pongs) = self.pongs.upgrade() {
            self.backlog.add(PONG.len());
            let _ = pongs.send(Queued { bytes: PONG, ticket: None });
        }
    }

    /// Writes what is queued, as much of it at once as there is.
    async fn write(&self, mut write: OwnedWriteHalf, mut queued: mpsc::UnboundedReceiver<Queued>) {
        let mut batch = Vec::new();
        while queued.recv_many(&mut batch, WRITTEN_MAX).await > 0 {
            let gathered;
            let octets = if let [only] = &batch[..] {
                &only.bytes
            } else {
                gathered = batch.iter().map(|it| &it.bytes[..]).collect::<Vec<_>>().concat();
                &gathered[..]
            };
            match timeout(self.context.stall_max, write.write_all(octets)).await {
                Ok(Ok(())) => self.backlog.take(octets.len()),
                failed => {
                    if failed.is_err() {
                        self.context.tally.connection_broken();
                    }
                    return self.give_up(&batch, queued).await;
                }
            }
            batch.clear();
        }
    }

    /// Says of all that is queued that it will not be sent.
    async fn give_up(&self, unsent: &[Queued], mut queued: mpsc::UnboundedReceiver<Queued>) {
        queued.close();
        for ticket in unsent.iter().filter_map(|it| it.ticket) {
            let _ = self.context.arrivals.send(Arrival::Undelivered(ticket)).await;
        }
        while let Some(next) = queued.recv().await {
            if let Some(ticket) = next.ticket {
                let _ = self.context.arrivals.send(Arrival::Undelivered(ticket)).await;
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
