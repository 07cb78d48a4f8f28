//! Each machine over virtual time, by the bytes it sends.

mod client;
mod elsewhere;
mod server;

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::message::Draft;
use crate::transport::Protocol;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// One layer and its clock.
struct Bench {
    layer: Transactions,
    start: Instant,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            timers: Timers::default(),
            sent_by_udp: "im.example.com:5060".to_owned(),
            sent_by_tcp: "im.example.com:5061".to_owned(),
            servers_max: 1000,
        };
        change(&mut config);
        let now = Instant::now();
        Self { layer: Transactions::new(config, [7; 32]), start: now, now }
    }

    fn receive(&mut self, protocol: Protocol, text: &str) {
        let message = Message::from_datagram(Bytes::from(text.replace('\n', "\r\n"))).unwrap();
        self.layer.handle_message(self.now, source(protocol), message);
    }

    fn udp(&mut self, text: &str) {
        self.receive(Protocol::Udp, text);
    }

    fn tcp(&mut self, text: &str) {
        self.receive(Protocol::Tcp, text);
    }

    /// The messages to be sent now.
    fn sent(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.layer.poll_transmit())
            .map(|transmit| String::from_utf8(transmit.bytes.to_vec()).unwrap())
            .collect()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.layer.poll_event()).collect()
    }

    /// The one new request.
    fn request(&mut self) -> ServerId {
        match self.events().as_slice() {
            [Event::Request { transaction, .. }] => *transaction,
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass, and says when after the start, in ms, how much was sent.
    fn pass(&mut self, span: Duration) -> Vec<(u128, usize)> {
        let end = self.now + span;
        let mut sent = Vec::new();
        while let Some(at) = self.layer.poll_timeout().filter(|&at| at <= end) {
            self.now = at;
            self.layer.handle_timeout(at);
            let count = self.sent().len();
            if count > 0 {
                sent.push(((at - self.start).as_millis(), count));
            }
        }
        self.now = end;
        sent
    }

    fn is_empty(&self) -> bool {
        self.layer.len() == (0, 0)
    }
}

fn source(protocol: Protocol) -> Source {
    Source {
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "192.0.2.21:5060".parse().unwrap(),
        protocol,
        connection: None,
    }
}

fn status(message: &str) -> &str {
    message.split(' ').nth(1).unwrap()
}

/// The value of a header line.
fn line<'a>(message: &'a str, name: &str) -> &'a str {
    message
        .split("\r\n")
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("no {name} in {message}"))
}
