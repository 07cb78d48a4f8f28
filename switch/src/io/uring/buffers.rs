//! The receive buffers of one core, shared by all its connections. An idle connection holds none:
//! the kernel takes one when octets have come, and gets it back as soon as they are handled.
//!
//! ```text
//! kernel --(completion)--> Lent, octets() --> recycle() --(tail moves on)--> kernel
//! ```

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    io,
    ptr::NonNull,
    sync::atomic::{AtomicU16, Ordering},
};

use io_uring::{IoUring, types::BufRingEntry};

/// Octets of one buffer. Larger buffers make fewer completions of a bulk transfer; 16 KiB is the
/// largest head that is taken (LIM-01).
pub const BUFFER_SIZE: usize = 16 * 1024;

/// Buffers of one core, a power of two. When they are all lent at once, receives end with ENOBUFS
/// and are started again: a batch of completions is never larger than what is handled next.
/// Few in unit tests, so that they all see them run out.
pub const BUFFERS: u16 = if cfg!(test) { 8 } else { 512 };

/// The ring's only buffer group.
pub const GROUP: u16 = 0;

const PAGE_SIZE: usize = 4096;
const _: () = assert!(BUFFERS.is_power_of_two());

/// A buffer that the kernel has filled, and that is ours until it is recycled. There is never more
/// than one for the same buffer.
#[derive(Debug)]
pub struct Lent {
    id: u16,
    len: usize,
}

impl Lent {
    /// The buffer that a completion named as the one it has filled with `len` octets.
    ///
    /// # Safety
    ///
    /// To be called once per completion, with what the kernel said in it: from then on nobody but
    /// the caller may believe the buffer to be his.
    pub unsafe fn named_by_kernel(id: u16, len: usize) -> Self {
        assert!(id < BUFFERS && len <= BUFFER_SIZE, "the kernel named a buffer that is not ours");
        Self { id, len }
    }
}

/// The buffers, and the ring through which the kernel is given them.
#[derive(Debug)]
pub struct Buffers {
    /// One entry per buffer; the kernel reads them between its head and our tail.
    ring: NonNull<BufRingEntry>,
    bytes: NonNull<u8>,
    /// Counts the buffers ever given to the kernel. Wraps.
    tail: u16,
}

impl Buffers {
    fn ring_layout() -> Layout {
        let size = usize::from(BUFFERS) * size_of::<BufRingEntry>();
        Layout::from_size_align(size, PAGE_SIZE).expect("a small constant")
    }

    fn bytes_layout() -> Layout {
        Layout::from_size_align(usize::from(BUFFERS) * BUFFER_SIZE, PAGE_SIZE)
            .expect("a small constant")
    }

    /// Allocates the buffers and gives them all to the kernel.
    pub fn new(uring: &IoUring) -> io::Result<Self> {
        let mut buffers = Self {
            ring: allocate(Self::ring_layout()).cast(),
            bytes: allocate(Self::bytes_layout()),
            tail: 0,
        };
        let address = buffers.ring.as_ptr() as u64;
        // SAFETY: the entries are page-aligned, `BUFFERS` long, and freed only in `drop`, which the
        // owner (`Ring`) runs after the kernel has let go of every operation and the ring is gone.
        unsafe { uring.submitter().register_buf_ring_with_flags(address, BUFFERS, GROUP, 0) }?;
        for id in 0..BUFFERS {
            buffers.provide(id);
        }
        Ok(buffers)
    }

    /// The octets received into a lent buffer.
    pub fn octets(&self, lent: &Lent) -> &[u8] {
        // SAFETY: the buffer's number is below `BUFFERS`, so this is within the allocation.
        let start = unsafe { self.bytes.add(usize::from(lent.id) * BUFFER_SIZE) };
        // SAFETY: within the allocation, zeroed there and then written by the kernel. While there
        // is a `Lent` the kernel does not write, and `recycle`, which ends it, takes `&mut self`.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), lent.len) }
    }

    /// Gives a buffer back to the kernel.
    #[expect(clippy::needless_pass_by_value, reason = "nobody may use what was given back")]
    pub fn recycle(&mut self, lent: Lent) {
        self.provide(lent.id);
    }

    fn provide(&mut self, id: u16) {
        // SAFETY: the buffer's number is below `BUFFERS`, so this is within the allocation.
        let buffer = unsafe { self.bytes.add(usize::from(id) * BUFFER_SIZE) };
        // SAFETY: the index is below `BUFFERS`, the length of the ring.
        let mut entry = unsafe { self.ring.add(usize::from(self.tail % BUFFERS)) };
        // SAFETY: the kernel has at most `BUFFERS` buffers, so it does not read the entry at our
        // tail before the tail has moved; nobody else writes here.
        let entry = unsafe { entry.as_mut() };
        entry.set_addr(buffer.as_ptr() as u64);
        entry.set_len(BUFFER_SIZE as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        self.publish();
    }

    /// Shows the kernel how far it may read. The entry must be written before the tail is.
    fn publish(&self) {
        // SAFETY: the tail lies in the first entry of a ring that is alive.
        let tail = unsafe { BufRingEntry::tail(self.ring.as_ptr()) };
        // SAFETY: aligned, alive, and apart from the kernel's reads only touched here.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout, and by the promise there out of use.
        unsafe { dealloc(self.ring.as_ptr().cast(), Self::ring_layout()) };
        // SAFETY: as above.
        unsafe { dealloc(self.bytes.as_ptr(), Self::bytes_layout()) };
    }
}

/// Zeroed memory, given back by nobody but the caller.
fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: no layout here has size zero.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}
