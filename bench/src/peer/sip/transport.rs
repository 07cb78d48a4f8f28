//! SIP over one socket for all members, the way a proxy in front of the focus would do it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::scenario::SipTransport;

/// The largest datagram there is.
const DATAGRAM_SIZE_MAX: usize = 65_535;
/// The largest message taken from a stream. A focus that says more than this of one member is
/// broken.
const MESSAGE_SIZE_MAX: usize = 256 * 1024;
/// Messages that wait for the stream. Those who send more wait themselves.
const OUTGOING_MAX: usize = 1024;

/// The end that sends.
#[derive(Debug)]
pub struct Sender {
    local: SocketAddr,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Udp(Rc<UdpSocket>),
    Tcp(mpsc::Sender<Vec<u8>>),
}

/// The end that receives.
#[derive(Debug)]
pub enum Receiver {
    /// A message is a datagram.
    Udp(Rc<UdpSocket>, Vec<u8>),
    /// Messages are cut out of the stream.
    Tcp(OwnedReadHalf, Stream),
}

/// Opens the way to the focus.
pub async fn open(focus: SocketAddr, transport: SipTransport) -> io::Result<(Sender, Receiver)> {
    match transport {
        SipTransport::Udp => {
            let any: IpAddr = if focus.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
            let socket = UdpSocket::bind((any, 0)).await?;
            // Connected: it has one local address to name in Via and Contact, and it hears at
            // once when nobody listens.
            socket.connect(focus).await?;
            let socket = Rc::new(socket);
            let sender = Sender { local: socket.local_addr()?, way: Way::Udp(Rc::clone(&socket)) };
            Ok((sender, Receiver::Udp(socket, vec![0; DATAGRAM_SIZE_MAX])))
        }
        SipTransport::Tcp => {
            let stream = TcpStream::connect(focus).await?;
            stream.set_nodelay(true)?;
            let local = stream.local_addr()?;
            let (reader, writer) = stream.into_split();
            let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
            tokio::task::spawn_local(drain(queue, writer));
            Ok((
                Sender { local, way: Way::Tcp(outgoing) },
                Receiver::Tcp(reader, Stream::default()),
            ))
        }
    }
}

async fn drain(mut queue: mpsc::Receiver<Vec<u8>>, mut writer: OwnedWriteHalf) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, OUTGOING_MAX).await > 0 {
        // What came meanwhile goes in one write.
        if writer.write_all(&waiting.concat()).await.is_err() {
            return;
        }
        waiting.clear();
    }
}

impl Sender {
    /// The address to name in Via and Contact.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether what is sent arrives, or the connection fails.
    pub fn is_reliable(&self) -> bool {
        matches!(self.way, Way::Tcp(_))
    }

    /// Sends one message.
    pub async fn send(&self, message: &[u8]) -> io::Result<()> {
        match &self.way {
            Way::Udp(socket) => socket.send(message).await.map(drop),
            Way::Tcp(outgoing) => outgoing
                .send(message.to_vec())
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe)),
        }
    }

    /// Sends a message that whoever reads has to send. That waits for nobody: the focus reads no more
    /// while we do not read, and each would wait for the other. If it cannot be sent, whoever asked will
    /// ask again, or has gone.
    pub fn reply(&self, message: Vec<u8>) {
        match &self.way {
            Way::Udp(socket) => drop(socket.try_send(&message)),
            Way::Tcp(outgoing) => {
                if let Err(TrySendError::Full(message)) = outgoing.try_send(message) {
                    let outgoing = outgoing.clone();
                    tokio::task::spawn_local(async move { outgoing.send(message).await });
                }
            }
        }
    }
}

impl Receiver {
    /// The next message. An error ends a stream. On datagrams it is news of an earlier one that
    /// could not be delivered, and there may be more to receive.
    pub async fn receive(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Udp(socket, buffer) => {
                let length = socket.recv(buffer).await?;
                Ok(buffer[..length].to_vec())
            }
            Self::Tcp(reader, stream) => loop {
                if let Some(message) = stream.pop()? {
                    return Ok(message);
                }
                if reader.read_buf(&mut stream.received).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            },
        }
    }
}

/// Cuts messages out of a stream by their Content-Length (RFC 3261 section 18.3).
#[derive(Debug, Default)]
pub struct Stream {
    received: Vec<u8>,
}

impl Stream {
    fn pop(&mut self) -> io::Result<Option<Vec<u8>>> {
        let blank = self.received.iter().take_while(|&&octet| matches!(octet, b'\r' | b'\n'));
        let blank = blank.count();
        self.received.drain(..blank);
        if self.received.len() > MESSAGE_SIZE_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message without an end"));
        }
        let Some(head) = self.received.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let body = content_length(&self.received[..head]).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "a message without a Content-Length")
        })?;
        let length = head + 4 + body;
        if length > self.received.len() {
            return Ok(None);
        }
        let rest = self.received.split_off(length);
        Ok(Some(std::mem::replace(&mut self.received, rest)))
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    head.split(|&octet| octet == b'\n').find_map(|line| {
        let colon = line.iter().position(|&octet| octet == b':')?;
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        let named = [&b"content-length"[..], b"l"];
        if !named.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            return None;
        }
        std::str::from_utf8(value).ok()?.parse().ok().filter(|&length| length <= MESSAGE_SIZE_MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::Stream;

    const FIRST: &[u8] = b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nContent-Length: 3\r\n\r\nv=0";
    const SECOND: &[u8] = b"BYE sip:u1@h SIP/2.0\r\nl : 0\r\n\r\n";

    #[test]
    fn messages_are_cut_by_their_length_wherever_the_stream_was_cut() {
        let whole = [b"\r\n\r\n", FIRST, SECOND].concat();
        for at in 0..whole.len() {
            let mut stream = Stream::default();
            let mut messages = Vec::new();
            for part in [&whole[..at], &whole[at..]] {
                stream.received.extend_from_slice(part);
                while let Some(message) = stream.pop().unwrap() {
                    messages.push(message);
                }
            }
            assert_eq!(messages, [FIRST, SECOND], "cut at {at}");
        }
    }

    #[test]
    fn a_message_without_a_length_breaks_the_stream() {
        let mut stream = Stream { received: b"BYE sip:u1@h SIP/2.0\r\nA: b\r\n\r\n".to_vec() };
        assert!(stream.pop().is_err());
        let mut stream = Stream { received: b"A: b\r\nContent-Length: -1\r\n\r\n".to_vec() };
        assert!(stream.pop().is_err());
    }
}
