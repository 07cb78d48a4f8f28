//! A SIP client made of a socket and literal messages.

use std::{fmt::Write as _, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

/// Long enough for anything that works. Reaching it is a failure, never a measurement.
const PATIENCE: Duration = Duration::from_secs(30);

pub const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\n\
    a=setup:active\r\na=path:msrp://127.0.0.1:9/cX2vB5nM8kL1jH4gFd;tcp\r\n";

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

pub struct Peer {
    name: &'static str,
    socket: Socket,
    local: SocketAddr,
    /// Octets that came and were not looked at.
    received: Vec<u8>,
    /// Messages that came while another was waited for.
    passed_over: Vec<String>,
    cseq: u32,
    /// The 200 to the INVITE.
    ok: String,
}

impl Peer {
    pub async fn udp(name: &'static str, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(server).await.unwrap();
        let local = socket.local_addr().unwrap();
        Self::new(name, Socket::Udp(socket), local)
    }

    pub async fn tcp(name: &'static str, server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).await.unwrap();
        let local = stream.local_addr().unwrap();
        Self::new(name, Socket::Tcp(stream), local)
    }

    fn new(name: &'static str, socket: Socket, local: SocketAddr) -> Self {
        let (received, passed_over) = (Vec::new(), Vec::new());
        Self { name, socket, local, received, passed_over, cseq: 0, ok: String::new() }
    }

    /// The session's identity, as Contact gave it.
    pub fn identity(&self) -> &str {
        header(&self.ok, "Contact").split(['<', '>']).nth(1).unwrap()
    }

    pub async fn join(&mut self, room: &str) {
        self.join_with(room, OFFER).await;
    }

    /// Joins with this offer.
    pub async fn join_with(&mut self, room: &str, offer: &str) {
        self.offer(room, offer).await;
        self.ok = self.expect("SIP/2.0 200").await;
        let (uri, to) = (self.identity().to_owned(), header(&self.ok, "To").to_owned());
        self.cseq -= 1;
        self.request("ACK", &uri, &to, "invite", "Content-Length: 0\r\n\r\n").await;
    }

    /// The Warning of the 488 to this offer.
    pub async fn refused(&mut self, room: &str, offer: &str) -> String {
        self.offer(room, offer).await;
        header(&self.expect("SIP/2.0 488").await, "Warning").to_owned()
    }

    async fn offer(&mut self, room: &str, offer: &str) {
        let body = format!(
            "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
            offer.len()
        );
        self.request("INVITE", room, &format!("<{room}>"), "invite", &body).await;
    }

    pub async fn subscribe(&mut self) {
        let uri = self.identity().to_owned();
        let rest = "Event: conference\r\nContent-Length: 0\r\n\r\n";
        self.request("SUBSCRIBE", &uri, &format!("<{uri}>"), "watch", rest).await;
        self.expect("SIP/2.0 200").await;
    }

    pub async fn bye(&mut self) {
        let (uri, to) = (self.identity().to_owned(), header(&self.ok, "To").to_owned());
        self.request("BYE", &uri, &to, "invite", "Content-Length: 0\r\n\r\n").await;
        self.expect("SIP/2.0 200").await;
    }

    /// The next NOTIFY, answered.
    pub async fn notified(&mut self) -> String {
        self.served("NOTIFY").await
    }

    /// The users of the first roster that has so many connected.
    pub async fn notified_of(&mut self, count: usize) -> Vec<String> {
        loop {
            let users = connected(&self.notified().await);
            if users.len() == count {
                return users;
            }
        }
    }

    /// The Reason of the BYE that ends the call, which is answered.
    pub async fn ended(&mut self) -> String {
        let bye = self.served("BYE").await;
        header(&bye, "Reason").to_owned()
    }

    async fn served(&mut self, method: &str) -> String {
        let request = self.expect(method).await;
        let mut answer = "SIP/2.0 200 OK\r\n".to_owned();
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            write!(answer, "{name}: {}\r\n", header(&request, name)).unwrap();
        }
        self.send(&(answer + "Content-Length: 0\r\n\r\n")).await;
        request
    }

    async fn request(&mut self, method: &str, uri: &str, to: &str, call: &str, rest: &str) {
        self.cseq += 1;
        let (name, local, cseq) = (self.name, self.local, self.cseq);
        let transport = match self.socket {
            Socket::Udp(_) => "UDP",
            Socket::Tcp(_) => "TCP",
        };
        let text = format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {local};branch=z9hG4bK{name}{method}{cseq};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{name}@example.org>;tag={name}\r\n\
             To: {to}\r\n\
             Call-ID: {call}-{name}\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:{name}@{local};transport={}>\r\n\
             {rest}",
            transport.to_ascii_lowercase()
        );
        self.send(&text).await;
    }

    async fn send(&mut self, text: &str) {
        match &mut self.socket {
            Socket::Udp(socket) => drop(socket.send(text.as_bytes()).await.unwrap()),
            Socket::Tcp(stream) => stream.write_all(text.as_bytes()).await.unwrap(),
        }
    }

    /// The next message whose start line starts so. Provisional answers are nothing to wait for.
    async fn expect(&mut self, start: &str) -> String {
        let known = self.passed_over.iter().position(|message| message.starts_with(start));
        if let Some(known) = known {
            return self.passed_over.remove(known);
        }
        loop {
            let message = timeout(PATIENCE, self.receive()).await;
            let message = message.unwrap_or_else(|_| panic!("{} waits for {start}", self.name));
            if message.starts_with(start) {
                return message;
            }
            if !message.starts_with("SIP/2.0 1") {
                self.passed_over.push(message);
            }
        }
    }

    async fn receive(&mut self) -> String {
        let mut buffer = vec![0; 65_536];
        loop {
            if let Some(message) = self.whole_message() {
                return message;
            }
            let len = match &mut self.socket {
                Socket::Udp(socket) => socket.recv(&mut buffer).await.unwrap(),
                Socket::Tcp(stream) => stream.read(&mut buffer).await.unwrap(),
            };
            assert_ne!(len, 0, "{} was hung up on", self.name);
            self.received.extend_from_slice(&buffer[..len]);
        }
    }

    fn whole_message(&mut self) -> Option<String> {
        let text = std::str::from_utf8(&self.received).unwrap();
        let head = text.find("\r\n\r\n")? + 4;
        let size = head + header(text, "Content-Length").parse::<usize>().unwrap();
        let message = text.get(..size)?.to_owned();
        self.received.drain(..size);
        Some(message)
    }
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let mut lines = message.lines().take_while(|line| !line.is_empty());
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_else(|| {
        panic!("no {name} in\n{message}");
    })
}

/// The users a roster shows as connected.
pub fn connected(notify: &str) -> Vec<String> {
    let users = notify.split("<user entity=\"").skip(1);
    let connected = users.filter(|user| user.contains("<status>connected</status>"));
    connected.map(|user| user.split('"').next().unwrap().to_owned()).collect()
}
