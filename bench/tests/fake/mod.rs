//! A small switch that misbehaves on request: SIP and MSRP by hand, so that the load tool is not
//! checked against code of its own.

mod media;

use std::collections::{HashMap, HashSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

pub use self::media::Mischief;
use self::media::{Leg, Media};

/// What the focus does wrong, or not at once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Whim {
    /// Nothing.
    #[default]
    None,
    /// The first copy of each INVITE is lost, and the first ACK of each dialog.
    LossyNetwork,
    /// The third INVITE is refused.
    RoomFull,
    /// The answers refuse the media.
    NoMedia,
    /// The third dialog to be acknowledged is ended at once.
    Dismissal,
    /// No BYE finds its dialog.
    Amnesia,
    /// The first dialog to be acknowledged is asked everything a focus may ask in one, and then something else.
    Curiosity,
}

/// A running fake. Its threads end with the test process.
pub struct Fake {
    /// Where SIP is listened for, on UDP and on TCP.
    pub sip: SocketAddr,
    focus: Arc<Mutex<Focus>>,
}

impl Fake {
    /// Starts one.
    pub fn start(whim: Whim, mischief: Mischief) -> Self {
        let (cuts, to_end) = mpsc::channel::<String>();
        let media = Media::start(mischief, cuts);
        let (tcp, udp) = sockets();
        let sip = udp.local_addr().unwrap();
        let focus = Arc::new(Mutex::new(Focus {
            whim,
            media,
            invites: 0,
            acks: 0,
            answers: Vec::new(),
            requests: Vec::new(),
            seen: HashSet::new(),
            unacknowledged: HashMap::new(),
            dialogs: HashMap::new(),
        }));
        let (of_media, unasked) = (Arc::clone(&focus), udp.try_clone().unwrap());
        thread::spawn(move || {
            while let Ok(call_id) = to_end.recv() {
                let dialog = of_media.lock().unwrap().dialogs.remove(&call_id).unwrap();
                let bye = dialog.ask("BYE", &call_id, 1);
                unasked.send_to(bye.as_bytes(), dialog.address()).unwrap();
            }
        });
        let on_udp = Arc::clone(&focus);
        thread::spawn(move || {
            let mut buffer = vec![0; 65_535];
            while let Ok((length, peer)) = udp.recv_from(&mut buffer) {
                let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
                for reply in on_udp.lock().unwrap().handle(&message) {
                    udp.send_to(reply.as_bytes(), peer).unwrap();
                }
            }
        });
        let on_tcp = Arc::clone(&focus);
        thread::spawn(move || {
            for stream in tcp.incoming() {
                let (mut stream, focus) = (stream.unwrap(), Arc::clone(&on_tcp));
                thread::spawn(move || {
                    let mut received = Vec::new();
                    let mut buffer = vec![0; 65_535];
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        received.extend_from_slice(&buffer[..length]);
                        while let Some(message) = cut(&mut received) {
                            for reply in focus.lock().unwrap().handle(&message) {
                                stream.write_all(reply.as_bytes()).unwrap();
                            }
                        }
                    }
                });
            }
        });
        Self { sip, focus }
    }

    /// INVITEs seen, copies included.
    pub fn invites(&self) -> usize {
        self.focus.lock().unwrap().invites
    }

    /// ACKs seen.
    pub fn acks(&self) -> usize {
        self.focus.lock().unwrap().acks
    }

    /// The answers to what the focus asked: the method, then the first line.
    pub fn answers(&self) -> Vec<String> {
        self.focus.lock().unwrap().answers.clone()
    }

    /// What was asked, in order: method and target.
    pub fn requests(&self) -> Vec<String> {
        self.focus.lock().unwrap().requests.clone()
    }

    /// Dialogs that are still up.
    pub fn dialogs(&self) -> usize {
        self.focus.lock().unwrap().dialogs.len()
    }
}

/// One port that is free on both transports.
fn sockets() -> (TcpListener, UdpSocket) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            return (tcp, udp);
        }
    }
}

/// Takes one message off a stream.
fn cut(received: &mut Vec<u8>) -> Option<String> {
    let head = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&received[..head]).into_owned();
    let length = head + header(&text, "Content-Length")?.parse::<usize>().unwrap();
    (received.len() >= length)
        .then(|| String::from_utf8(received.drain(..length).collect()).unwrap())
}

struct Focus {
    whim: Whim,
    media: Media,
    invites: usize,
    acks: usize,
    answers: Vec<String>,
    /// Method and target of everything that was asked.
    requests: Vec<String>,
    /// Branches of INVITEs seen.
    seen: HashSet<String>,
    /// The 200s that no ACK has come for, by Call-ID.
    unacknowledged: HashMap<String, String>,
    /// By Call-ID.
    dialogs: HashMap<String, Dialog>,
}

struct Dialog {
    user: String,
    contact: String,
    from: String,
    to: String,
}

impl Focus {
    fn handle(&mut self, message: &str) -> Vec<String> {
        let call_id = header(message, "Call-ID").unwrap().to_owned();
        if let Some((request, _)) = message.split_once(" SIP/2.0\r\n") {
            self.requests.push(request.to_owned());
        }
        match message.split(' ').next().unwrap() {
            "INVITE" => self.invite(message, call_id),
            "ACK" => {
                self.acks += 1;
                let lost = self.unacknowledged.remove(&call_id);
                if self.whim == Whim::LossyNetwork {
                    return lost.into_iter().collect();
                }
                match self.whim {
                    Whim::Dismissal if self.acks == 3 => {
                        let dialog = self.dialogs.remove(&call_id).unwrap();
                        vec![dialog.ask("BYE", &call_id, 1)]
                    }
                    Whim::Curiosity if self.acks == 1 => {
                        let dialog = &self.dialogs[&call_id];
                        let methods = ["OPTIONS", "NOTIFY", "UPDATE", "INVITE", "INFO"];
                        let mut asked: Vec<_> = (1..)
                            .zip(methods)
                            .map(|(number, method)| dialog.ask(method, &call_id, number))
                            .collect();
                        asked.push(dialog.ask("BYE", "another-dialog", 1));
                        asked
                    }
                    _ => vec![],
                }
            }
            "SIP/2.0" => {
                let method = header(message, "CSeq").unwrap().split(' ').nth(1).unwrap();
                let status = message.split(' ').nth(1).unwrap();
                self.answers.push(format!("{method} {status}"));
                assert_eq!(method == "INVITE", attribute(message, "path").is_some());
                vec![]
            }
            "SUBSCRIBE" => {
                let subscription = Dialog::of(message);
                let accepted = reply(message, "200 OK", "Expires: 3600\r\n", "");
                vec![accepted, subscription.ask("NOTIFY", &call_id, 1)]
            }
            "UPDATE" => vec![reply(message, "200 OK", "", "")],
            "BYE" if self.whim == Whim::Amnesia => {
                vec![reply(message, "481 Call/Transaction Does Not Exist", "", "")]
            }
            "BYE" => {
                self.dialogs.remove(&call_id);
                vec![reply(message, "200 OK", "", "")]
            }
            _ => vec![],
        }
    }

    fn invite(&mut self, message: &str, call_id: String) -> Vec<String> {
        self.invites += 1;
        let first = self.seen.insert(header(message, "Via").unwrap().to_owned());
        if self.whim == Whim::LossyNetwork && first {
            return vec![];
        }
        let trying = reply(message, "100 Trying", "", "");
        if self.whim == Whim::RoomFull && self.dialogs.len() == 2 {
            let warning = "Warning: 399 chat.localhost \"Too many participants\"\r\n";
            return vec![trying, reply(message, "486 Busy Here", warning, "")];
        }
        let target = message.split(' ').nth(1).unwrap();
        let room = target.strip_prefix("sip:").unwrap();
        let room = room.strip_prefix("s-").unwrap_or(room).split('@').next().unwrap();
        let user = uri(header(message, "P-Asserted-Identity").unwrap()).to_owned();
        assert_eq!(user, uri(header(message, "From").unwrap()));
        let path = attribute(message, "path").unwrap();
        let (port, session) = self.media.install(Leg::new(room, &user, path, &call_id));
        let port_offered = if self.whim == Whim::NoMedia { 0 } else { port };
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=message {port_offered} TCP/MSRP *\r\na=accept-types:message/cpim\r\n\
             a=accept-wrapped-types:*\r\na=path:msrp://127.0.0.1:{port}/{session};tcp\r\n\
             a=setup:passive\r\na=chatroom\r\n"
        );
        let contact = format!("Contact: <sip:s-{room}@chat.localhost;gr>;isfocus\r\n");
        let dialog = Dialog::of(message);
        let ok = reply(message, "200 OK", &contact, &sdp);
        let replaced: Vec<_> = self
            .dialogs
            .iter()
            .filter(|(_, old)| old.user == user)
            .map(|(old, _)| old.clone())
            .collect();
        self.dialogs.insert(call_id.clone(), dialog);
        let mut replies = vec![trying, ok.clone()];
        self.unacknowledged.insert(call_id, ok);
        for old in replaced {
            let dialog = self.dialogs.remove(&old).unwrap();
            replies.push(dialog.ask("BYE", &old, 1));
        }
        replies
    }
}

impl Dialog {
    /// The one that this request makes.
    fn of(request: &str) -> Self {
        Self {
            user: uri(header(request, "P-Asserted-Identity").unwrap()).to_owned(),
            contact: uri(header(request, "Contact").unwrap()).into(),
            from: format!("{};tag=focus", header(request, "To").unwrap()),
            to: header(request, "From").unwrap().into(),
        }
    }

    /// Where the user listens, by its Contact.
    fn address(&self) -> SocketAddr {
        let address = self.contact.split_once('@').unwrap().1;
        address.split(';').next().unwrap().parse().unwrap()
    }

    fn ask(&self, method: &str, call_id: &str, number: u32) -> String {
        let Self { contact, from, to, .. } = self;
        format!(
            "{method} {contact} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{number}{call_id}\r\nFrom: {from}\r\n\
             To: {to}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\n\
             Content-Length: 0\r\n\r\n"
        )
    }
}

fn reply(request: &str, status: &str, headers: &str, sdp: &str) -> String {
    let copied = ["Via", "From", "Call-ID", "CSeq"]
        .map(|name| format!("{name}: {}\r\n", header(request, name).unwrap()))
        .concat();
    let to = header(request, "To").unwrap();
    let tag = if to.contains(";tag=") { "" } else { ";tag=focus" };
    let length = sdp.len();
    format!(
        "SIP/2.0 {status}\r\n{copied}To: {to}{tag}\r\n{headers}Content-Type: application/sdp\r\n\
         Content-Length: {length}\r\n\r\n{sdp}"
    )
}

fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn attribute<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message
        .split("\r\n")
        .find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
}

fn uri(value: &str) -> &str {
    value.split_once('<').unwrap().1.split_once('>').unwrap().0
}
