//! Connections that are done, and whose peer may not be.
//!
//! Closing a socket with unread octets in it makes the kernel send a reset, which may overtake and
//! destroy the last thing we said: the 400 to a stream that cannot be framed (WIRE-33), most of
//! all. So our side ends first, and the peer is given some time to end its own.

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use crate::io::Token;

/// How long a peer that was told our end may go on sending.
const LINGER: Duration = Duration::from_secs(1);

/// Those that wait for their peer.
#[derive(Debug, Default)]
pub struct Lingering {
    /// In the order they time out. What has ended early is still in here, and not in `tokens`.
    deadlines: VecDeque<(Instant, Token)>,
    tokens: HashSet<Token>,
    /// Ended by their peer.
    ended: Vec<Token>,
}

impl Lingering {
    /// Our side has ended.
    pub fn add(&mut self, now: Instant, token: Token) {
        self.tokens.insert(token);
        self.deadlines.push_back((now + LINGER, token));
    }

    /// Whether what comes on this connection is to be ignored.
    pub fn has(&self, token: Token) -> bool {
        !self.tokens.is_empty() && self.tokens.contains(&token)
    }

    /// The peer has ended too.
    pub fn end_early(&mut self, token: Token) {
        if self.tokens.remove(&token) {
            self.ended.push(token);
        }
    }

    /// One that is to be closed now, and is out of here.
    pub fn expired(&mut self, now: Instant) -> Option<Token> {
        if let Some(token) = self.ended.pop() {
            return Some(token);
        }
        while let Some((deadline, token)) = self.deadlines.front().copied() {
            if deadline > now && self.tokens.contains(&token) {
                return None;
            }
            self.deadlines.pop_front();
            if self.tokens.remove(&token) {
                return Some(token);
            }
        }
        None
    }

    /// When [`Lingering::expired`] will have one.
    pub fn next(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{LINGER, Lingering};
    use crate::io::Token;

    #[test]
    fn a_connection_is_closed_when_its_peer_ends_or_the_time_is_up() {
        let (mut lingering, start) = (Lingering::default(), Instant::now());
        lingering.add(start, Token(1));
        lingering.add(start, Token(2));
        assert!(lingering.has(Token(1)) && !lingering.has(Token(3)));
        assert_eq!(lingering.expired(start), None);
        lingering.end_early(Token(1));
        assert_eq!(lingering.expired(start), Some(Token(1)));
        assert!(!lingering.has(Token(1)));
        assert_eq!(lingering.expired(start), None);
        assert_eq!(lingering.next(), Some(start + LINGER));
        assert_eq!(lingering.expired(start + LINGER), Some(Token(2)));
        assert_eq!(lingering.expired(start + LINGER), None);
        assert_eq!(lingering.next(), None);
    }
}
