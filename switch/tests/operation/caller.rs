//! A SIP client made of a socket and literal messages.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

/// Long enough for anything that works. Reaching it is a failure, never a measurement.
const PATIENCE: Duration = Duration::from_secs(30);

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\n\
    a=setup:active\r\na=path:msrp://127.0.0.1:9/cX2vB5nM8kL1jH4gFd;tcp\r\n";

/// One user with one socket.
pub struct Caller {
    name: String,
    socket: UdpSocket,
    switch: SocketAddr,
    calls: u32,
}

/// An answer to a request.
#[derive(Clone, Debug)]
pub struct Answer(pub String);

impl Answer {
    pub fn status(&self) -> u16 {
        self.0.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The value of a header, if there is one.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn header(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no {name} in\n{}", self.0))
    }

    /// What it says behind these words, to the end of the line.
    pub fn line(&self, words: &str) -> &str {
        self.0.lines().find_map(|line| line.strip_prefix(words)).expect(words)
    }

    /// The URI of Contact: the identity of the session joined.
    pub fn identity(&self) -> &str {
        let contact = self.header("Contact").strip_prefix('<').unwrap();
        contact.split_once('>').unwrap().0
    }
}

impl Caller {
    pub fn new(name: &str, switch: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { name: name.to_owned(), socket, switch, calls: 0 }
    }

    /// Asks to join a room or a session, and acknowledges whatever the answer is.
    pub fn invite(&mut self, uri: &str) -> Answer {
        self.send_invite(uri);
        let answer = self.answer();
        self.ack(&answer, uri);
        answer
    }

    /// Makes a group of itself and somebody else.
    pub fn create(&mut self, factory: &str, member: &str) -> Answer {
        let body = format!(
            "--x\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n\
             --x\r\nContent-Type: application/resource-lists+xml\r\n\
             Content-Disposition: recipient-list\r\n\r\n\
             <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>\
             <entry uri=\"{member}\"/></list></resource-lists>\r\n--x--\r\n"
        );
        let kind = "multipart/mixed;boundary=x\r\nRequire: recipient-list-invite";
        self.send_invite_with(factory, kind, &body);
        let answer = self.answer();
        self.ack(&answer, factory);
        answer
    }

    /// The INVITE alone.
    pub fn send_invite(&mut self, uri: &str) {
        self.send_invite_with(uri, "application/sdp", OFFER);
    }

    fn send_invite_with(&mut self, uri: &str, kind: &str, body: &str) {
        self.calls += 1;
        let size = body.len();
        let text = format!(
            "{}Contact: <sip:{}@{}>\r\nContent-Type: {kind}\r\n\
             Content-Length: {size}\r\n\r\n{body}",
            self.head("INVITE", uri, "", 1),
            self.name,
            self.local(),
        );
        self.send(&text);
    }

    /// Leaves, and waits for the answer to that.
    pub fn bye(&mut self, joined: &Answer) -> Answer {
        let tag = joined.header("To").split_once(";tag=").unwrap().1;
        let head = self.head("BYE", joined.identity(), &format!(";tag={tag}"), 2);
        self.send(&format!("{head}Content-Length: 0\r\n\r\n"));
        self.answer()
    }

    /// The next answer that is final.
    pub fn answer(&self) -> Answer {
        loop {
            let mut datagram = [0; 4096];
            let count = self.socket.recv(&mut datagram).expect("an answer");
            let text = String::from_utf8(datagram[..count].to_vec()).unwrap();
            if text.starts_with("SIP/2.0 ") && !text.starts_with("SIP/2.0 1") {
                return Answer(text);
            }
        }
    }

    /// Waits for a request of that method, which is not answered.
    pub fn asked(&self, method: &str) {
        let mut datagram = [0; 4096];
        while !datagram.starts_with(format!("{method} ").as_bytes()) {
            self.socket.recv(&mut datagram).expect("a request");
        }
    }

    /// The final answer, if it is here already.
    pub fn answer_so_far(&self) -> Option<Answer> {
        self.socket.set_nonblocking(true).unwrap();
        let mut datagram = [0; 4096];
        let mut received = std::iter::from_fn(|| {
            self.socket
                .recv(&mut datagram)
                .ok()
                .map(|count| String::from_utf8(datagram[..count].to_vec()).unwrap())
        });
        let answer = received.find(|text| !text.starts_with("SIP/2.0 1"));
        self.socket.set_nonblocking(false).unwrap();
        answer.map(Answer)
    }

    /// Acknowledges the answer to the last INVITE.
    pub fn ack(&self, answer: &Answer, uri: &str) {
        let tag = answer.header("To").split_once(";tag=").unwrap().1;
        let uri = if answer.status() == 200 { answer.identity() } else { uri };
        let head = self.head("ACK", uri, &format!(";tag={tag}"), 1);
        self.send(&format!("{head}Content-Length: 0\r\n\r\n"));
    }

    fn head(&self, method: &str, uri: &str, to_tag: &str, cseq: u32) -> String {
        let (name, local, call) = (&self.name, self.local(), self.calls);
        let branch = if method == "ACK" { "INVITE" } else { method };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{branch}{call}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@example.com>;tag={call}\r\n\
             To: <sip:chat.localhost>{to_tag}\r\nCall-ID: {call}-{name}@{local}\r\n\
             CSeq: {cseq} {method}\r\nP-Asserted-Identity: <sip:{name}@example.com>\r\n"
        )
    }

    fn local(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.switch).unwrap();
    }
}
