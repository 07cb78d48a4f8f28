//! A whole node in this process, one of whose cores breaks: no host can be asked to have that happen.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use sip_control::server;
use tracing_subscriber::fmt::MakeWriter;

use super::{Node, Seat};
use crate::{
    config::{Config, Ports},
    host,
    io::{
        Readiness,
        faulty::{Cut, Faults, Faulty},
    },
};

/// A test that is not done by then never will be.
const HOPELESS: Duration = Duration::from_secs(60);

const GARDEN: &str = "sip:garden@chat.localhost";
const POND: &str = "sip:pond@chat.localhost";

/// What the node says to its log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A node of two cores, each with a port of its own, the second of which works as long as it may.
struct Subject {
    sip: SocketAddr,
    ports: Vec<u16>,
    metrics: String,
    log: Log,
    is_broken: Arc<AtomicBool>,
    stop: tokio::sync::mpsc::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Subject {
    fn start() -> Self {
        let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let cpu = host::cpus().unwrap()[0];
        let mut config = Config {
            cores: Some(vec![cpu; 2]),
            listen: anywhere,
            ports: Ports::PerCore,
            metrics: Some(anywhere),
            ..Config::default()
        };
        config.limits.connections_max = 100;
        config.sip.listen.udp = vec![anywhere];
        config.sip.listen.tcp = Vec::new();
        config.sip.timers.shutdown = Duration::from_millis(1);
        let (log, is_broken) = (Log::default(), Arc::new(AtomicBool::new(false)));
        let (stop, told) = tokio::sync::mpsc::channel(1);
        let (say, said) = mpsc::channel();
        let (writes, breaks) = (log.clone(), Arc::clone(&is_broken));
        let thread = thread::spawn(move || {
            let log = tracing_subscriber::fmt().with_writer(writes).with_ansi(false).finish();
            let _log = tracing::subscriber::set_default(log);
            let control = tokio::runtime::Builder::new_current_thread().enable_all().build();
            control.unwrap().block_on(async {
                let sip = server::bind(config.sip.clone()).await.unwrap();
                let node = Node::start_with(&config, serving(breaks)).unwrap();
                let say = |line: &str| say.send(line.to_owned()).unwrap();
                Box::pin(crate::serve(&config, sip, node, say, told)).await.unwrap();
            });
        });
        let ready = said.recv_timeout(HOPELESS).expect("it is ready");
        let value = |key: &str| {
            let mut values = ready.split(' ').filter_map(|word| word.split_once('='));
            values.find(|(name, _)| *name == key).expect(key).1
        };
        let port = |address: &str| address.parse::<SocketAddr>().unwrap().port();
        Self {
            sip: value("sip").strip_prefix("udp:").unwrap().parse().unwrap(),
            ports: value("msrp").split(',').map(port).collect(),
            metrics: value("metrics").to_owned(),
            log,
            is_broken,
            stop,
            thread,
        }
    }

    /// A page of figures.
    fn page(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.metrics).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }

    /// Ends it, as one that serves to the end. What it has logged.
    fn end(self) -> String {
        self.stop.blocking_send(()).unwrap();
        self.thread.join().expect("it has served to the end");
        String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap()
    }
}

/// What the threads of the cores do: the second one breaks when it is time.
fn serving(
    breaks: Arc<AtomicBool>,
) -> impl Fn(Seat, &super::Started) -> Option<std::io::Result<engine::Counters>> + Clone + Send {
    move |seat, started| {
        let is_broken =
            if seat.core.id.index() == 1 { Arc::clone(&breaks) } else { Arc::default() };
        let backend = Readiness::<Cut<_>>::new(seat.ends.doorbell.clone()).unwrap();
        let backend = Faulty::new(backend, Faults::NONE, 0).until(is_broken);
        seat.run(backend, [7; 32], started)
    }
}

/// A user in a room: a SIP socket, and an MSRP connection.
struct User {
    name: &'static str,
    room: &'static str,
    socket: UdpSocket,
    switch: SocketAddr,
    stream: Option<TcpStream>,
    /// Its session at the switch.
    path: String,
    said: u32,
}

impl User {
    /// Joins, connects and binds.
    fn join(name: &'static str, room: &'static str, switch: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(HOPELESS)).unwrap();
        let (stream, path) = (None, String::new());
        let mut user = Self { name, room, socket, switch, stream, path, said: 0 };
        let sdp = user.sdp();
        let (head, contact) = (user.head("INVITE", room, ""), user.contact());
        user.send(&format!(
            "{head}{contact}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        ));
        let ok = user.hear("SIP/2.0 200 ");
        let tag = header(&ok, "To").split_once(";tag=").unwrap().1;
        let target = header(&ok, "Contact").split(['<', '>']).nth(1).unwrap();
        user.send(&format!("{}Content-Length: 0\r\n\r\n", user.head("ACK", target, tag)));
        user.come(&ok);
        user
    }

    fn head(&self, method: &str, uri: &str, tag: &str) -> String {
        let (name, room, local) = (self.name, self.room, self.socket.local_addr().unwrap());
        let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@example.com>;tag=1\r\nTo: <{room}>{tag}\r\n\
             Call-ID: {name}@{local}\r\nCSeq: 1 {method}\r\n"
        )
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:{}@{}>\r\n", self.name, self.socket.local_addr().unwrap())
    }

    fn own_path(&self) -> String {
        format!("msrp://127.0.0.1:9/{}8kL1jH4gFd;tcp", self.name)
    }

    fn sdp(&self) -> String {
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\n\
             a=accept-wrapped-types:text/plain\r\na=setup:active\r\na=path:{}\r\n",
            self.own_path()
        )
    }

    fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.switch).unwrap();
    }

    /// The next message that begins like this.
    fn hear(&self, start: &str) -> String {
        loop {
            let mut datagram = [0; 8192];
            let count = self.socket.recv(&mut datagram).expect(start);
            let text = String::from_utf8(datagram[..count].to_vec()).unwrap();
            if text.starts_with(start) {
                return text;
            }
        }
    }

    /// Answers a request of the focus.
    fn answer(&self, request: &str, status: &str, rest: &str) {
        let mut answer = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            answer = format!("{answer}{name}: {}\r\n", header(request, name));
        }
        self.send(&format!("{answer}{rest}"));
    }

    /// Takes the path that a description names, and binds.
    fn come(&mut self, described: &str) {
        let path = described.lines().find_map(|line| line.strip_prefix("a=path:"));
        self.path = path.expect("a path").to_owned();
        let stream = TcpStream::connect(("127.0.0.1", self.port())).unwrap();
        stream.set_read_timeout(Some(HOPELESS)).unwrap();
        self.stream = Some(stream);
        self.request("Byte-Range: 1-0/0\r\n", "");
    }

    /// The port of its core.
    fn port(&self) -> u16 {
        let authority = self.path.split('/').nth(2).unwrap();
        authority.rsplit(':').next().unwrap().parse().unwrap()
    }

    fn say(&mut self, words: &str) {
        let (name, room) = (self.name, self.room);
        let wrapped = format!(
            "From: <sip:{name}@example.com>\r\nTo: <{room}>\r\n\r\n\
             Content-Type: text/plain\r\n\r\n{words}"
        );
        let size = wrapped.len();
        let rest = format!("Byte-Range: 1-{size}/{size}\r\nContent-Type: message/cpim\r\n");
        self.request(&rest, &format!("\r\n{wrapped}\r\n"));
    }

    /// A SEND, which is answered 200. What comes before that is passed over.
    fn request(&mut self, rest: &str, body: &str) {
        self.said += 1;
        let id = format!("8cA1{}{:04}", self.name, self.said);
        let request = format!(
            "MSRP {id} SEND\r\nTo-Path: {}\r\nFrom-Path: {}\r\nMessage-ID: {}\r\n{rest}{body}\
             -------{id}$\r\n",
            self.path,
            self.own_path(),
            self.said
        );
        let stream = self.stream.as_mut().unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let answer = self.read_until(&format!("-------{id}$\r\n"));
        assert!(answer.contains(&format!("MSRP {id} 200")), "{answer}");
    }

    /// Reads until `end` has come.
    fn read_until(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.contains(end) {
            let mut octets = [0; 4096];
            let count = self.stream.as_mut().unwrap().read(&mut octets).unwrap();
            assert!(count > 0, "the connection ended after: {text}");
            text.push_str(std::str::from_utf8(&octets[..count]).unwrap());
        }
        text
    }

    /// Sees its connection end.
    fn see_end(&mut self) {
        let stream = self.stream.as_mut().unwrap();
        let end = stream.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        assert!(matches!(end, Ok(_) | Err(ErrorKind::ConnectionReset)), "{end:?}");
    }
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let mut lines = message.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).expect(name)
}

/// sip/OPS-09: when a core breaks, each of its members is offered another path, or sent away if it does
/// not take that; rooms on other cores lose nothing; figures and log say so, and the node goes on to
/// serve.
#[test]
fn a_node_goes_on_without_a_core_that_breaks() {
    let node = Subject::start();
    let mut users: Vec<User> =
        [("alice", GARDEN), ("bob", GARDEN), ("carol", POND), ("dave", POND)]
            .map(|(name, room)| User::join(name, room, node.sip))
            .into();
    let is_hit = |user: &User| user.port() == node.ports[1];
    users.sort_by_key(|user| !is_hit(user));
    let [moved, gone, speaker, hearer] = &mut users[..] else { panic!("four of them") };
    assert_eq!([&*moved, gone, speaker, hearer].map(is_hit), [true, true, false, false]);

    for number in 0..10 {
        speaker.say(&format!("before {number}."));
    }
    node.is_broken.store(true, Ordering::SeqCst);
    // It has to wake up to find out.
    moved.stream.as_mut().unwrap().write_all(b"MSRP ").unwrap();
    for number in 0..10 {
        speaker.say(&format!("after {number}."));
    }
    moved.see_end();
    gone.see_end();

    let offer = moved.hear("INVITE ");
    let sdp = moved.sdp();
    let contact = moved.contact();
    moved.answer(
        &offer,
        "200 OK",
        &format!(
            "{contact}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        ),
    );
    moved.hear("ACK ");
    moved.come(&offer);
    assert_eq!(moved.port(), node.ports[0]);
    let mut late = User::join("erin", moved.room, node.sip);
    late.say("is anybody there?");
    moved.read_until("is anybody there?");

    let offer = gone.hear("INVITE ");
    gone.answer(&offer, "488 Not Acceptable Here", "Content-Length: 0\r\n\r\n");
    let bye = gone.hear("BYE ");
    assert!(header(&bye, "Reason").starts_with("SIP;cause=503"), "{bye}");
    gone.answer(&bye, "200 OK", "Content-Length: 0\r\n\r\n");

    for number in 0..10 {
        speaker.say(&format!("later {number}."));
    }
    let heard = hearer.read_until("later 9.");
    let numbers = |when: &str| (0..10).map(|it| format!("{when} {it}.")).collect::<Vec<_>>();
    let mut rest = &*heard;
    for words in ["before", "after", "later"].map(numbers).concat() {
        rest = rest.split_once(&words).unwrap_or_else(|| panic!("{words} in {heard}")).1;
    }

    let figures = node.page("/metrics");
    assert!(figures.contains("\nmsrp_switch_focus_cores_lost_total 1\n"), "{figures}");
    assert!(node.page("/ready").starts_with("HTTP/1.1 200 "));
    let log = node.end();
    assert!(log.contains("core 1 does not serve any more: "), "{log}");
    assert!(log.contains("a media core is lost legs=2 may_move=true"), "{log}");
}
