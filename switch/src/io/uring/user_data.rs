//! What an operation is called in the ring, so that its completions find their way home.
//!
//! ```text
//! 63          32 31  28 27         0
//! |   tenancy   | kind |   place   |
//! ```

use crate::io::Token;

/// Places that user data can name.
pub const PLACES_MAX: usize = 1 << 28;

const KIND_SHIFT: u32 = 28;

/// An operation in the kernel's hands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Accepting, until it is stopped.
    Accept,
    /// Watching the doorbell, for ever.
    Doorbell,
    /// Ending other operations.
    Cancel,
    /// Receiving on a connection.
    Receive(Token),
    /// Sending on a connection.
    Send(Token),
    /// Connecting.
    Connect(Token),
}

impl Operation {
    /// The user data of the operation.
    pub fn encode(self) -> u64 {
        let (kind, token) = match self {
            Self::Accept => (1, Token(0)),
            Self::Doorbell => (2, Token(0)),
            Self::Cancel => (3, Token(0)),
            Self::Receive(token) => (4, token),
            Self::Send(token) => (5, token),
            Self::Connect(token) => (6, token),
        };
        debug_assert!(token.place() < PLACES_MAX);
        token.0 | kind << KIND_SHIFT
    }

    /// The operation of this user data; `None` for what [`Operation::encode`] never made.
    pub fn decode(user_data: u64) -> Option<Self> {
        let kind = user_data as u32 >> KIND_SHIFT;
        let token = Token(user_data & !(0xf << KIND_SHIFT));
        match kind {
            1 => Some(Self::Accept),
            2 => Some(Self::Doorbell),
            3 => Some(Self::Cancel),
            4 => Some(Self::Receive(token)),
            5 => Some(Self::Send(token)),
            6 => Some(Self::Connect(token)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation, PLACES_MAX};
    use crate::io::Token;

    #[test]
    fn an_operation_is_recognised_by_its_user_data() {
        let last = Token::new(PLACES_MAX - 1, u32::MAX);
        for token in [Token::new(0, 0), Token::new(7, 3), last] {
            let of = [Operation::Receive, Operation::Send, Operation::Connect];
            for operation in of.map(|of| of(token)) {
                assert_eq!(Operation::decode(operation.encode()), Some(operation));
            }
        }
        for operation in [Operation::Accept, Operation::Doorbell, Operation::Cancel] {
            assert_eq!(Operation::decode(operation.encode()), Some(operation));
        }
        assert_eq!(Operation::decode(0), None);
    }
}
