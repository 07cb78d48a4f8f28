//! How much of a message is read (OPS-04). Sizes are octets unless the name says otherwise.

/// A whole message on a stream. Reached only through its parts: see the assertion below.
pub const MESSAGE_SIZE_MAX: usize = 256 * 1024;
/// Start line, header lines and the blank line.
pub const HEAD_SIZE_MAX: usize = 64 * 1024;
/// One header line with its folds. The start line is bounded by [`REQUEST_URI_SIZE_MAX`].
pub const LINE_SIZE_MAX: usize = 8 * 1024;
/// Header lines in one message, as a count.
pub const LINES_MAX: usize = 256;
/// Via values over all lines, as a count. Max-Forwards starts at 70, so no honest path is longer.
pub const VIAS_MAX: usize = 70;
/// Route, and again Record-Route, values over all lines, as a count.
pub const ROUTES_MAX: usize = 32;
/// The Request-URI.
pub const REQUEST_URI_SIZE_MAX: usize = 2 * 1024;
/// The body.
pub const BODY_SIZE_MAX: usize = 128 * 1024;
/// Parts of a body, as a count, those of parts that have parts themselves among them.
pub const PARTS_MAX: usize = 32;
/// Bodies of parts inside one another.
pub const PART_DEPTH_MAX: usize = 3;
/// A request larger than this goes by a stream even where a datagram was meant, for its answer may
/// be larger still and must fit the path (RFC 3261 section 18.1.1, NTF-02).
pub const DATAGRAM_REQUEST_SIZE_MAX: usize = 1300;

const _: () = assert!(HEAD_SIZE_MAX + BODY_SIZE_MAX <= MESSAGE_SIZE_MAX);
