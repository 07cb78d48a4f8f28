//! One MSRP connection on the ring. The only place that knows the ring runtime.
//!
//! Two rules of that runtime shape this: a read in flight is never dropped, because it would eat
//! the octets of the next one; and nothing is submitted until every task has gone to sleep, so all
//! that one batch of completions causes goes to the kernel together, one write per connection.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_uring::net::TcpStream;

/// Octets taken by one read.
const READ_SIZE: usize = 64 * 1024;
/// Octets that may wait to be written. A sender that is this far ahead of its connection is not
/// timing the switch any more.
const OUTBOX_SIZE_MAX: usize = 64 << 20;
/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What a vector of a written batch may keep for the next one.
const SPARE_SIZE_MAX: usize = 256 * 1024;

/// One connection.
pub struct Link {
    stream: TcpStream,
    outbox: RefCell<Vec<u8>>,
    /// There is something in the outbox, or nothing will be again.
    ready: Notify,
    /// What was in the outbox is being written.
    taken: Notify,
    cut: Cell<bool>,
}

impl Link {
    /// Connects, and begins to write what is put into the outbox.
    pub async fn connect(address: SocketAddr) -> io::Result<Rc<Self>> {
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        let link = Rc::new(Self {
            stream,
            outbox: RefCell::default(),
            ready: Notify::new(),
            taken: Notify::new(),
            cut: Cell::new(false),
        });
        tokio_uring::spawn(Rc::clone(&link).write_all());
        Ok(link)
    }

    /// Lets `write` append to what is to be written, unless too much waits already or the
    /// connection is gone.
    pub fn push(&self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut outbox = self.outbox.borrow_mut();
        if self.cut.get() || outbox.len() > OUTBOX_SIZE_MAX {
            return false;
        }
        write(&mut outbox);
        if !outbox.is_empty() {
            self.ready.notify_one();
        }
        true
    }

    /// Ends the connection, as a device that loses its network does: without a word.
    pub fn cut(&self) {
        self.cut.set(true);
        self.ready.notify_one();
        self.taken.notify_one();
        // A connection that is gone already needs no cutting.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Whether we have ended it.
    pub fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// Waits until the outbox is empty: what was in it is on its way.
    pub async fn taken(&self) {
        while !self.cut.get() && !self.outbox.borrow().is_empty() {
            self.taken.notified().await;
        }
    }

    /// Hands over what arrives until the connection ends, or until `handle` has had enough. With a
    /// `rate` it takes no more octets per second than that.
    pub async fn read_all(&self, rate: Option<f64>, mut handle: impl FnMut(&[u8]) -> bool) {
        let mut buffer = Vec::with_capacity(READ_SIZE);
        let mut due = Instant::now();
        loop {
            let (read, filled) = self.stream.read(buffer).await;
            buffer = filled;
            match read {
                Ok(1..) if !self.cut.get() && handle(&buffer) => {}
                _ => return,
            }
            if let Some(rate) = rate {
                // What was not taken while nothing came is not made up for.
                due = due.max(Instant::now()) + Duration::from_secs_f64(buffer.len() as f64 / rate);
                sleep_until(due).await;
            }
            buffer.clear();
        }
    }

    async fn write_all(self: Rc<Self>) {
        let mut spare = Vec::new();
        while !self.cut.get() {
            let batch = self.outbox.replace(spare);
            if batch.is_empty() {
                spare = batch;
                self.ready.notified().await;
                continue;
            }
            self.taken.notify_one();
            let (written, batch) = self.stream.write_all(batch).await;
            if written.is_err() {
                // The reader learns of it too, and is the one to tell; it also cuts the link, which
                // is what ends the wait for an outbox that nobody empties any more.
                let _ = self.stream.shutdown(Shutdown::Both);
                return;
            }
            spare = batch;
            spare.clear();
            spare.shrink_to(SPARE_SIZE_MAX);
        }
    }
}
