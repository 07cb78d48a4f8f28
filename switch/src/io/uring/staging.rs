//! Where the kernel reads what a send consists of: message headers and slice lists.
//!
//! They have to stand still only until the kernel has taken the operation in: a kernel with
//! `IORING_FEAT_SUBMIT_STABLE` (asked for at start) copies them then. The octets they point to are
//! another matter: they belong to the payload, which its connection keeps until the completion.

use io_uring::{opcode, squeue, types::Fd};

use super::ring::SUBMISSIONS;
use crate::io::{Payload, SLICES_MAX};

/// Sends staged between two submissions.
const HEADERS: usize = SUBMISSIONS as usize;

/// Slices of all of them: room for many small sends or some large ones.
const SLICES: usize = 4 * HEADERS;

const _: () = assert!(SLICES >= SLICES_MAX);

/// Headers and slices of the sends not yet submitted.
pub struct Staging {
    /// Neither grows above the capacity it is made with, so nothing in it ever moves.
    headers: Vec<libc::msghdr>,
    slices: Vec<libc::iovec>,
}

impl Staging {
    /// With room for [`HEADERS`] sends of [`SLICES`] slices together.
    pub fn new() -> Self {
        Self { headers: Vec::with_capacity(HEADERS), slices: Vec::with_capacity(SLICES) }
    }

    /// Whether the next send might not fit.
    pub fn is_full(&self) -> bool {
        self.headers.len() == HEADERS || self.slices.len() + SLICES_MAX > SLICES
    }

    /// Forgets everything. The kernel must have taken in every operation that was staged.
    pub fn clear(&mut self) {
        self.headers.clear();
        self.slices.clear();
    }

    /// A send of what `payload` has to go. A peer that is gone is an error, not a signal.
    pub fn stage(&mut self, socket: i32, payload: &impl Payload) -> squeue::Entry {
        assert!(!self.is_full(), "what is staged must not move");
        let first = self.slices.len();
        for slice in payload.slices().take(SLICES_MAX) {
            let iov_base = slice.as_ptr().cast_mut().cast();
            self.slices.push(libc::iovec { iov_base, iov_len: slice.len() });
        }
        let slices = &mut self.slices[first..];
        if let [only] = slices {
            let len = u32::try_from(only.iov_len).unwrap_or(u32::MAX);
            return opcode::Send::new(Fd(socket), only.iov_base.cast(), len)
                .flags(libc::MSG_NOSIGNAL)
                .build();
        }
        // SAFETY: all-zero is a header without address, slices and control data.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = slices.as_mut_ptr();
        header.msg_iovlen = slices.len();
        self.headers.push(header);
        let header = self.headers.last().expect("just pushed");
        opcode::SendMsg::new(Fd(socket), header).flags(libc::MSG_NOSIGNAL as u32).build()
    }
}
