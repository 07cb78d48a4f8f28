//! Lines of a head, each found once however it arrives.

use std::ops::Range;

use memchr::memchr2;

/// Octets of start line, headers and what ends them (LIM-01).
pub const HEAD_SIZE_MAX: usize = 16 * 1024;

/// Octets of one line, its CRLF not counted (LIM-01).
pub const HEAD_LINE_SIZE_MAX: usize = 8 * 1024;

/// Where reading a head has come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines {
    /// Where the first line begins that has not been read.
    line: usize,
    /// No line break lies between `line` and here.
    looked: usize,
}

/// The next line.
pub(super) enum Next {
    /// Here it is, without its CRLF.
    Whole(Range<usize>),
    /// Its end has not come.
    Cut,
    /// Wherever its end is, that is too far (LIM-01).
    TooLong,
    /// It has a CR or LF that is not half of a CRLF (WIRE-33).
    BareBreak,
}

impl Lines {
    /// Octets of the lines read.
    pub(super) fn read(self) -> usize {
        self.line
    }

    /// Reads a line. `bytes` begins with the first line, and holds all that was there before.
    ///
    /// Limits are judged by where octets stand, never by how many are there, so that the verdict is
    /// the same for any split into reads.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Next {
        let Some(offset) = memchr2(b'\r', b'\n', &bytes[self.looked..]) else {
            self.looked = bytes.len();
            let is_too_long =
                bytes.len() - self.line > HEAD_LINE_SIZE_MAX || bytes.len() >= HEAD_SIZE_MAX;
            return if is_too_long { Next::TooLong } else { Next::Cut };
        };
        let end = self.looked + offset;
        self.looked = end;
        if end - self.line > HEAD_LINE_SIZE_MAX || end + 2 > HEAD_SIZE_MAX {
            return Next::TooLong;
        }
        match bytes[end..] {
            [b'\r'] => Next::Cut,
            [b'\r', b'\n', ..] => {
                let line = self.line..end;
                self.line = end + 2;
                self.looked = self.line;
                Next::Whole(line)
            }
            _ => Next::BareBreak,
        }
    }
}
