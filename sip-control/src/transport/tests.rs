use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

use super::*;

/// Runs on one thread. A test that hangs is stopped by whoever runs the tests.
fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn listening(change: impl FnOnce(&mut Config)) -> Transport {
    let mut config = Config { udp: vec![any()], tcp: vec![any()], ..Config::default() };
    change(&mut config);
    Transport::bind(config).await.unwrap()
}

async fn connected(transport: &Transport) -> TcpStream {
    TcpStream::connect(transport.tcp_addresses().next().unwrap()).await.unwrap()
}

async fn message(transport: &mut Transport) -> (Message, Source) {
    match transport.receive().await {
        Incoming::Message { message, source, .. } => (message, source),
        Incoming::Undelivered(ticket) => panic!("{ticket:?}"),
    }
}

async fn read(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

const OPTIONS: &[u8] = b"OPTIONS sip:a@b SIP/2.0\r\n\
    Via: SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bKa\r\n\
    Content-Length: 2\r\n\r\nhi";

fn transmit(target: Target, ticket: Option<Ticket>) -> Transmit {
    Transmit { target, bytes: OPTIONS.into(), ticket }
}

/// DLG-03: over UDP, the answer comes from the port the request went to.
#[test]
fn a_datagram_is_answered_from_where_it_came_to() {
    run(async {
        let mut transport = listening(|config| config.udp = vec![any(), any()]).await;
        let second = transport.udp_addresses().nth(1).unwrap();
        let peer = UdpSocket::bind(any()).await.unwrap();
        peer.send_to(OPTIONS, second).await.unwrap();
        let (message, source) = message(&mut transport).await;
        assert_eq!(&message.as_bytes()[..], OPTIONS);
        assert_eq!((source.local, source.remote), (second, peer.local_addr().unwrap()));
        let target = Target { remote: source.remote, ..source.reply_target(&message) };
        transport.send(transmit(target, None));
        let mut buffer = [0; 1500];
        let (len, from) = peer.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..len], from), (OPTIONS, second));
    });
}

/// DLG-03: over TCP, the answer goes back on the connection, whatever the Via says.
#[test]
fn a_stream_is_answered_on_its_connection() {
    run(async {
        let mut transport = listening(|_| {}).await;
        let mut peer = connected(&transport).await;
        peer.write_all(OPTIONS).await.unwrap();
        let (message, source) = message(&mut transport).await;
        transport.send(transmit(source.reply_target(&message), None));
        assert_eq!(read(&mut peer, OPTIONS.len()).await, OPTIONS);
        assert_eq!(transport.counters().connections_opened, 0);
    });
}

/// DLG-03: when the connection is gone, the answer opens a new one.
#[test]
fn an_answer_without_its_connection_opens_another() {
    run(async {
        let mut transport = listening(|_| {}).await;
        let listener = TcpListener::bind(any()).await.unwrap();
        let remote = listener.local_addr().unwrap();
        let gone = Some(ConnectionId(999));
        let target = Target { connection: gone, ..Target::new(Protocol::Tcp, remote) };
        transport.send(transmit(target, None));
        let (mut peer, _) = listener.accept().await.unwrap();
        assert_eq!(read(&mut peer, OPTIONS.len()).await, OPTIONS);
    });
}

/// A connection that is there is used again, not opened again.
#[test]
fn a_connection_of_ours_is_used_again_and_brings_answers() {
    run(async {
        let mut transport = listening(|_| {}).await;
        let listener = TcpListener::bind(any()).await.unwrap();
        let target = Target::new(Protocol::Tcp, listener.local_addr().unwrap());
        transport.send(transmit(target, None));
        transport.send(transmit(target, None));
        let (mut peer, _) = listener.accept().await.unwrap();
        assert_eq!(read(&mut peer, 2 * OPTIONS.len()).await, [OPTIONS, OPTIONS].concat());
        peer.write_all(OPTIONS).await.unwrap();
        let (_, source) = message(&mut transport).await;
        assert_eq!(source.remote, target.remote);
        assert_eq!(transport.counters().connections_opened, 1);
    });
}

/// Who asked is told that nobody listens there.
#[test]
fn a_refused_connection_is_told_by_ticket() {
    run(async {
        let mut transport = listening(|_| {}).await;
        let remote = TcpListener::bind(any()).await.unwrap().local_addr().unwrap();
        transport.send(transmit(Target::new(Protocol::Tcp, remote), Some(Ticket(4))));
        assert!(matches!(transport.receive().await, Incoming::Undelivered(Ticket(4))));
    });
}

/// RFC 5626 section 3.5.1: a ping is answered with CRLF, and is no message.
#[test]
fn a_ping_is_answered() {
    run(async {
        let mut transport = listening(|_| {}).await;
        let mut peer = connected(&transport).await;
        peer.write_all(b"\r\n\r\n").await.unwrap();
        let ponged = async {
            assert_eq!(read(&mut peer, 2).await, b"\r\n");
            peer.write_all(OPTIONS).await.unwrap();
        };
        let ((), received) = tokio::join!(ponged, message(&mut transport));
        assert_eq!(&received.0.as_bytes()[..], OPTIONS);
    });
}

/// DLG-02: a message left incomplete closes its connection, and nothing is said.
#[test]
fn an_incomplete_message_closes_its_connection() {
    run(async {
        let mut transport = listening(|config| config.stall_max = Duration::from_millis(20)).await;
        let mut peer = connected(&transport).await;
        peer.write_all(&OPTIONS[..OPTIONS.len() - 1]).await.unwrap();
        let mut rest = Vec::new();
        tokio::select! {
            ended = peer.read_to_end(&mut rest) => assert_eq!(ended.unwrap(), 0),
            incoming = transport.receive() => panic!("{incoming:?}"),
        }
        assert_eq!(transport.counters().connections_broken, 1);
        assert_eq!(transport.connections(), 0);
    });
}

/// DLG-02: without Content-Length the message can be answered, and the connection is closed.
#[test]
fn a_stream_that_cannot_be_framed_is_closed_after_the_answer() {
    run(async {
        let mut transport = listening(|_| {}).await;
        let mut peer = connected(&transport).await;
        peer.write_all(b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n\r\n").await.unwrap();
        let (faulty, source) = message(&mut transport).await;
        assert!(faulty.fault().is_some());
        transport.send(transmit(source.reply_target(&faulty), None));
        let mut rest = Vec::new();
        tokio::select! {
            ended = peer.read_to_end(&mut rest) => assert_eq!(ended.unwrap(), OPTIONS.len()),
            incoming = transport.receive() => panic!("{incoming:?}"),
        }
    });
}

/// Connections are bounded, per peer too.
#[test]
fn one_peer_opens_only_so_many_connections() {
    run(async {
        let mut transport = listening(|config| config.connections_per_peer_max = 1).await;
        let mut first = connected(&transport).await;
        let mut second = connected(&transport).await;
        let mut rest = Vec::new();
        tokio::select! {
            ended = second.read_to_end(&mut rest) => assert_eq!(ended.unwrap(), 0),
            incoming = transport.receive() => panic!("{incoming:?}"),
        }
        first.write_all(OPTIONS).await.unwrap();
        message(&mut transport).await;
        assert_eq!(transport.counters().connections_refused, 1);
    });
}

#[test]
fn a_connection_that_does_not_read_gets_only_so_much() {
    run(async {
        let mut transport = listening(|config| config.queue_size_max = OPTIONS.len()).await;
        let listener = TcpListener::bind(any()).await.unwrap();
        let target = Target::new(Protocol::Tcp, listener.local_addr().unwrap());
        transport.send(transmit(target, Some(Ticket(1))));
        transport.send(transmit(target, Some(Ticket(2))));
        assert!(matches!(transport.receive().await, Incoming::Undelivered(Ticket(2))));
    });
}

/// Whoever asks and does not read is read no further, and loses no answer: one by one they come, when
/// it reads.
#[test]
fn a_peer_that_asks_faster_than_it_reads_gets_every_answer() {
    const ASKED: usize = 100_000;
    run(async {
        let few = |config: &mut Config| {
            config.inbox_max = 64;
            config.queue_size_max = 256 * OPTIONS.len();
        };
        let mut transport = listening(few).await;
        // The kernel is to keep little for it.
        let peer = TcpSocket::new_v4().unwrap();
        peer.set_recv_buffer_size(4096).unwrap();
        let peer = peer.connect(transport.tcp_addresses().next().unwrap()).await.unwrap();
        let (mut reads, mut writes) = peer.into_split();
        let answered = Cell::new(0);
        let served = async {
            for number in 1..=ASKED {
                let (message, source) = message(&mut transport).await;
                transport.send(transmit(source.reply_target(&message), None));
                assert_eq!(transport.counters().undelivered, 0, "of {number}");
                answered.set(number);
            }
            // The transport writes while it is asked for more.
            transport.receive().await
        };
        let asked = async {
            let all = OPTIONS.repeat(ASKED);
            writes.write_all(&all).await.unwrap();
        };
        let heard = async {
            // It reads nothing before all has come to a stop.
            let mut before = ASKED;
            while before != answered.get() {
                before = answered.get();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let mut answers = vec![0; ASKED * OPTIONS.len()];
            reads.read_exact(&mut answers).await.unwrap();
            assert!(answers.chunks(OPTIONS.len()).all(|answer| answer == OPTIONS));
        };
        tokio::select! {
            _ = async { tokio::join!(asked, heard) } => {}
            incoming = served => panic!("{incoming:?}"),
        }
    });
}

#[test]
fn the_error_of_a_taken_address_names_it() {
    run(async {
        let transport = listening(|_| {}).await;
        let taken = transport.tcp_addresses().next().unwrap();
        let config = Config { tcp: vec![taken], ..Config::default() };
        let error = Transport::bind(config).await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&taken.to_string()), "{error}");
    });
}
