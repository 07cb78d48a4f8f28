//! The ring itself: operations in, completions out, one system call a turn.
//!
//! ```text
//! push ... push --> enter: submit all, sleep --> reap
//! ```

use std::{io, time::Duration};

use io_uring::{
    EnterFlags, IoUring, cqueue, opcode, squeue,
    types::{CancelBuilder, SubmitArgs, Timespec},
};
use rustix::io::Errno;

use super::{
    buffers::{BUFFERS, Buffers, Lent},
    staging::Staging,
};
use crate::io::Payload;

/// Operations that one enter takes; a turn with more of them needs another enter. 64 octets each.
/// Few in unit tests, so that they all see it overflow.
pub const SUBMISSIONS: u32 = if cfg!(test) { 32 } else { 1024 };

/// Completions that fit before the kernel has to put some aside. 16 octets each.
pub const COMPLETIONS: u32 = 4 * SUBMISSIONS;

/// Pieces of work that the kernel does for completions in one enter (`IO_LOCAL_TW_DEFAULT_MAX`,
/// since Linux 6.13; before, all of it). After as many there may be more.
const WORK_MAX: usize = 20;

/// Completions handled together at most. Below the number of receive buffers, which they hold.
const GATHERED_MAX: usize = BUFFERS as usize / 2;

/// How often, and how long each time, a dying ring is waited for.
const LETTING_GO_ROUNDS: u32 = 100;
const LETTING_GO_SLEEP: Duration = Duration::from_millis(50);

/// An operation has come to its end, or, with `more`, has something to say and goes on.
#[derive(Debug)]
pub struct Completed {
    /// Which operation.
    pub user_data: u64,
    /// What it returned: a count or a descriptor.
    pub result: Result<u32, Errno>,
    /// Whether the kernel still holds the operation.
    pub more: bool,
    /// The buffer it filled. Has to be recycled.
    pub lent: Option<Lent>,
}

/// An io_uring, and how many operations the kernel holds.
pub struct Ring {
    /// First, so that it goes first: the kernel knows where the buffers are.
    uring: IoUring,
    /// What receives are answered with.
    pub buffers: Buffers,
    in_flight: usize,
    staging: Staging,
    /// Why the ring is of no use any more.
    fault: Option<io::Error>,
}

impl Ring {
    /// Takes a ring that has nothing under way.
    pub fn new(uring: IoUring, buffers: Buffers) -> Self {
        Self { uring, buffers, in_flight: 0, staging: Staging::new(), fault: None }
    }

    /// Puts in an operation, to be started by the next [`Ring::enter`].
    ///
    /// # Safety
    ///
    /// What the operation names, descriptors and memory, must stay as it is until its last
    /// completion has been reaped. The kernel would otherwise work on another socket that got the
    /// same descriptor, or on memory that is somebody else's.
    pub unsafe fn push(&mut self, operation: &squeue::Entry) {
        if self.uring.submission().is_full() {
            self.submit();
        }
        // SAFETY: passed on to the caller.
        match unsafe { self.uring.submission().push(operation) } {
            Ok(()) => self.in_flight += 1,
            Err(full) => self.fault = Some(io::Error::other(full)),
        }
    }

    /// Puts in a send of all of `payload` that one send takes.
    ///
    /// # Safety
    ///
    /// `payload` must neither move nor change, and the socket must stay open, until the completion
    /// has been reaped.
    pub unsafe fn push_send(&mut self, socket: i32, payload: &impl Payload, user_data: u64) {
        if self.staging.is_full() || self.uring.submission().is_full() {
            self.submit();
        }
        if self.fault.is_some() {
            return;
        }
        let send = self.staging.stage(socket, payload).user_data(user_data);
        // SAFETY: the socket and the octets by the promise of the caller. What is staged has to
        // live only until the kernel has taken the operation in (see `Staging`), and it is cleared
        // by nothing but `clear_staging`, which asks for that.
        unsafe { self.push(&send) };
    }

    /// Starts what was pushed without sleeping: there is more of it than fits.
    fn submit(&mut self) {
        if let Err(error) = tolerate(self.uring.submit()) {
            self.fault = Some(error);
        }
        self.clear_staging();
    }

    /// Starts what was pushed, and sleeps until there is a completion, or for `sleep`.
    pub fn enter(&mut self, sleep: Option<Duration>) -> io::Result<()> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let entered = match sleep {
            None => self.uring.submit_and_wait(1),
            Some(sleep) => {
                let sleep = Timespec::from(sleep);
                self.uring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&sleep))
            }
        };
        self.clear_staging();
        tolerate(entered)
    }

    fn clear_staging(&mut self) {
        if self.uring.submission().is_empty() {
            self.staging.clear();
        }
    }

    /// Appends all completions there are, those included for which the kernel has work left to do.
    /// What is handled together goes out together: a connection that gets ten messages from one
    /// batch is sent to once.
    pub fn gather(&mut self, completed: &mut Vec<Completed>) -> io::Result<()> {
        loop {
            let before = completed.len();
            self.reap(completed);
            if completed.len() - before < WORK_MAX || completed.len() >= GATHERED_MAX {
                return Ok(());
            }
            let flags = EnterFlags::GETEVENTS.bits();
            // SAFETY: nothing is submitted and no argument given, so the kernel reads no memory.
            let entered =
                unsafe { self.uring.submitter().enter::<libc::sigset_t>(0, 0, flags, None) };
            tolerate(entered)?;
        }
    }

    /// Appends all completions that are there already.
    fn reap(&mut self, completed: &mut Vec<Completed>) {
        for entry in self.uring.completion() {
            let (result, flags) = (entry.result(), entry.flags());
            let lent = cqueue::buffer_select(flags).map(|id| {
                // SAFETY: this is what the kernel said, and this loop sees each completion once.
                unsafe { Lent::named_by_kernel(id, result.max(0).unsigned_abs() as usize) }
            });
            let more = cqueue::more(flags);
            self.in_flight -= usize::from(!more);
            completed.push(Completed {
                user_data: entry.user_data(),
                result: u32::try_from(result).map_err(|_| Errno::from_raw_os_error(-result)),
                more,
                lent,
            });
        }
    }

    /// Cancels everything and waits until the kernel holds nothing any more, so that descriptors
    /// and memory may go. What still completes is handed to `last`.
    pub fn let_go(&mut self, mut last: impl FnMut(Completed)) {
        self.fault = None;
        let cancel = opcode::AsyncCancel2::new(CancelBuilder::any()).build();
        // SAFETY: a cancellation names no memory and no descriptor.
        unsafe { self.push(&cancel) };
        let mut completed = Vec::new();
        for _ in 0..LETTING_GO_ROUNDS {
            self.reap(&mut completed);
            completed.drain(..).for_each(&mut last);
            if self.in_flight == 0 {
                return;
            }
            if self.enter(Some(LETTING_GO_SLEEP)).is_err() {
                break;
            }
        }
        // There is nobody to tell, and going on would free what the kernel may still write to.
        std::process::abort();
    }
}

/// Whether an enter may be followed by another: time was up, a signal came, or completions have to
/// be reaped first (BUSY, AGAIN; what was pushed is kept).
fn tolerate(entered: io::Result<usize>) -> io::Result<()> {
    let Err(error) = entered else { return Ok(()) };
    match Errno::from_io_error(&error) {
        Some(Errno::TIME | Errno::INTR | Errno::BUSY | Errno::AGAIN) => Ok(()),
        _ => Err(error),
    }
}
