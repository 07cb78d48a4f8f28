//! Datagrams in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::counters::Tally;
use super::peer::{Protocol, Source};
use super::stream::Arrival;
use crate::message::Message;

/// No UDP datagram is larger.
const DATAGRAM_SIZE_MAX: usize = 65_535;

/// How long to leave a socket alone that has an error to tell.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// Reads one socket for as long as anybody listens. A full inbox loses datagrams: the peer sends
/// again what matters, and what it sends meanwhile must not pile up here.
pub(super) async fn receive(
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    arrivals: mpsc::Sender<Arrival>,
    tally: Arc<Tally>,
) {
    let mut buffer = vec![0; DATAGRAM_SIZE_MAX];
    while !arrivals.is_closed() {
        // An error belongs to some earlier datagram of ours that did not arrive, not to the socket.
        let Ok((len, remote)) = socket.recv_from(&mut buffer).await else {
            tokio::time::sleep(ERROR_PAUSE).await;
            continue;
        };
        let Some(message) = Message::from_datagram(Bytes::copy_from_slice(&buffer[..len])) else {
            continue;
        };
        let source = Source { local, remote, protocol: Protocol::Udp, connection: None };
        match arrivals.try_send(Arrival::Message {
            message,
            source,
            read_at: std::time::Instant::now(),
        }) {
            Ok(()) => tally.received(),
            Err(_) => tally.datagram_lost(),
        }
    }
}
