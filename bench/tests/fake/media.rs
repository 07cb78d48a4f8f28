//! The MSRP side of the fake: a thread per connection, one lock around everything, so that all
//! recipients see one order.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread;

/// Which copy of the run goes wrong. Early enough for any test, late enough to be in mid-run.
const VICTIM: usize = 20;
/// Copies that a recipient may leave unanswered before it is cut, where it is.
const PATIENCE: usize = 20;

/// What the switch does wrong, once in a run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mischief {
    /// Nothing.
    #[default]
    None,
    /// A copy is not sent.
    Lose,
    /// A copy is sent twice.
    Duplicate,
    /// A copy is sent behind the next one of the same sender.
    Reorder,
    /// A copy is sent behind the next one of another sender, to one recipient only.
    Discord,
    /// One octet of the text changes.
    CorruptText,
    /// One octet of the stamp changes.
    CorruptStamp,
    /// A copy is labelled as other content.
    Relabel,
    /// A copy says that it comes from another session.
    Misaddress,
    /// A copy goes to somebody in another room, too.
    CrossRooms,
    /// The sender gets a copy, too.
    Echo,
    /// A copy is given up in the middle.
    Abort,
    /// A message is refused.
    Refuse,
    /// A message is distributed but never answered.
    KeepSilent,
    /// A recipient's connection is closed.
    Disconnect,
    /// A recipient gets an answer to nothing.
    Babble,
    /// Every copy comes in two chunks.
    Chunk,
    /// Nothing: the focus ends the dialogs of those that answer no copies, as it should.
    CutSlow,
}

/// A session.
pub struct Leg {
    room: String,
    user: String,
    path: String,
    call_id: String,
    stream: Option<TcpStream>,
    /// Copies that it has not answered.
    owed: usize,
}

impl Leg {
    /// A session that is to be bound.
    pub fn new(room: &str, user: &str, path: &str, call_id: &str) -> Self {
        let owned = |text: &str| text.to_owned();
        let (room, user, path, call_id) = (owned(room), owned(user), owned(path), owned(call_id));
        Self { room, user, path, call_id, stream: None, owed: 0 }
    }
}

/// The running media side.
pub struct Media {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    mischief: Mischief,
    /// By session-id.
    legs: HashMap<String, Leg>,
    /// Copies so far.
    copies: usize,
    requests: usize,
    /// A copy that is held back: its recipient, its sender, the frame.
    held: Option<(String, String, Vec<u8>)>,
    done: bool,
    /// What follows of a message in chunks is refused, too.
    refused: bool,
    /// Who gets no more of a message in chunks.
    given_up: Option<String>,
    /// Where Call-IDs go of those that are cut.
    cuts: Option<Sender<String>>,
}

impl Media {
    /// Starts to listen. The Call-IDs of sessions that are cut go to `cuts`.
    pub fn start(mischief: Mischief, cuts: Sender<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { mischief, cuts: Some(cuts), ..State::default() }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.unwrap(), Arc::clone(&shared));
                stream.set_nodelay(true).unwrap();
                thread::spawn(move || serve(stream, port, &state));
            }
        });
        Self { port, state }
    }

    /// A session is to be expected. A repeated INVITE gets the session it had.
    pub fn install(&self, leg: Leg) -> (u16, String) {
        let mut state = self.state.lock().unwrap();
        let known = state.legs.iter().find(|(_, known)| known.call_id == leg.call_id);
        let session = known.map(|(session, _)| session.clone());
        let session = session.unwrap_or_else(|| format!("s{}", state.legs.len()));
        state.legs.entry(session.clone()).or_insert(leg);
        (self.port, session)
    }
}

fn serve(mut stream: TcpStream, port: u16, state: &Mutex<State>) {
    let mut received = Vec::new();
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        received.extend_from_slice(&buffer[..length]);
        while let Some(frame) = cut(&mut received) {
            state.lock().unwrap().handle(&frame, &stream, port);
        }
    }
}

/// Takes one message off a stream: up to the end-line that repeats the transaction identifier.
fn cut(received: &mut Vec<u8>) -> Option<Vec<u8>> {
    let line = received.windows(2).position(|two| two == b"\r\n")?;
    let start = String::from_utf8_lossy(&received[..line]).into_owned();
    let end_line = format!("\r\n-------{}", start.split(' ').nth(1).unwrap());
    let end = received.windows(end_line.len()).position(|at| at == end_line.as_bytes())?;
    let length = end + end_line.len() + "$\r\n".len();
    (received.len() >= length).then(|| received.drain(..length).collect())
}

impl State {
    fn handle(&mut self, frame: &[u8], stream: &TcpStream, port: u16) {
        let text = String::from_utf8_lossy(frame);
        let mut start = text.split("\r\n").next().unwrap().split(' ');
        let (_, transaction, method) = (start.next(), start.next().unwrap(), start.next().unwrap());
        let header = |name: &str| {
            text.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let to_path = header("To-Path").unwrap();
        let session = to_path.rsplit_once('/').unwrap().1.strip_suffix(";tcp").unwrap().to_owned();
        if method != "SEND" {
            assert_eq!(method, "200", "recipients answer and ask for nothing");
            let leg = self.legs.get_mut(&session).expect("a session that was installed");
            leg.owed = leg.owed.saturating_sub(1);
            return;
        }
        let from_path = header("From-Path").unwrap();
        let content_type = header("Content-Type");
        let answer = |status: &str| {
            format!(
                "MSRP {transaction} {status}\r\nTo-Path: {from_path}\r\nFrom-Path: {to_path}\r\n\
                 -------{transaction}$\r\n"
            )
        };
        let leg = self.legs.get_mut(&session).expect("a session that was installed");
        assert_eq!(leg.path, from_path);
        leg.stream.get_or_insert_with(|| stream.try_clone().unwrap());
        if content_type.is_none() {
            write(stream, answer("200 OK").as_bytes());
            return;
        }
        assert_eq!(content_type, Some("message/cpim"));
        self.requests += 1;
        let is_victim = self.requests == VICTIM;
        let range = header("Byte-Range").unwrap();
        let flag = frame[frame.len() - 3] as char;
        let is_part = flag == '+' || !range.starts_with("1-");
        if is_victim && self.mischief == Mischief::Refuse || is_part && self.refused {
            self.refused |= is_part;
            write(stream, answer("413 Stop").as_bytes());
            return;
        }
        if !(is_victim && self.mischief == Mischief::KeepSilent) {
            write(stream, answer("200 OK").as_bytes());
        }
        let body = text.split_once("\r\n\r\n").unwrap().1;
        let body = body.rsplit_once("\r\n-------").unwrap().0;
        if is_part {
            self.forward(&session, body, range, flag, port);
        } else {
            self.distribute(&session, body, port);
        }
    }

    /// Passes on a chunk as it is. The copy that is given up is that of the last user.
    fn forward(&mut self, sender: &str, body: &str, range: &str, flag: char, port: u16) {
        let mut recipients = self.recipients(sender);
        recipients.sort_by_key(|session| self.legs[session].user.clone());
        let last = recipients.last().unwrap().clone();
        for recipient in recipients {
            self.copies += 1;
            let is_victim = self.copies >= VICTIM && !self.done;
            let (mut flag, mut text) = (flag, body.to_owned());
            match self.mischief {
                _ if self.given_up.as_ref() == Some(&recipient) => continue,
                Mischief::Abort if recipient == last => {
                    self.given_up = Some(recipient.clone());
                    flag = '#';
                }
                Mischief::Lose if is_victim => {
                    self.done = true;
                    continue;
                }
                Mischief::CorruptText if is_victim => {
                    self.done = true;
                    text.replace_range(..1, "!");
                }
                _ => {}
            }
            let path = &self.legs[&recipient].path;
            let transaction = format!("c{:07}", self.copies);
            let frame = format!(
                "MSRP {transaction} SEND\r\nTo-Path: {path}\r\n\
                 From-Path: msrp://127.0.0.1:{port}/{recipient};tcp\r\nMessage-ID: large\r\n\
                 Byte-Range: {range}\r\nContent-Type: message/cpim\r\n\r\n\
                 {text}\r\n-------{transaction}{flag}\r\n"
            );
            self.send(&recipient, frame.as_bytes());
        }
    }

    /// Who is in the room beside this one.
    fn recipients(&self, sender: &str) -> Vec<String> {
        let Leg { room, user, .. } = &self.legs[sender];
        self.legs
            .iter()
            .filter(|(_, leg)| leg.room == *room && leg.user != *user && leg.stream.is_some())
            .map(|(session, _)| session.clone())
            .collect()
    }

    fn distribute(&mut self, sender: &str, body: &str, port: u16) {
        let mut recipients = self.recipients(sender);
        recipients.sort();
        for recipient in recipients {
            self.copies += 1;
            let leg = self.legs.get_mut(&recipient).unwrap();
            leg.owed += 1;
            if self.mischief == Mischief::CutSlow && leg.owed > PATIENCE {
                leg.stream = None;
                self.cuts.as_ref().unwrap().send(leg.call_id.clone()).unwrap();
                continue;
            }
            self.copy(&recipient, sender, body, port);
        }
    }

    fn copy(&mut self, recipient: &str, sender: &str, body: &str, port: u16) {
        let is_victim = self.copies >= VICTIM && !self.done;
        if self.mischief == Mischief::Chunk {
            let (head, tail) = body.split_at(body.len() / 2);
            self.send(recipient, &self.frame(recipient, head, 1, body.len(), '+', port));
            let rest = self.frame(recipient, tail, head.len() + 1, body.len(), '$', port);
            self.send(recipient, &rest);
            return;
        }
        let frame = self.frame(recipient, body, 1, body.len(), '$', port);
        if let Some((held_for, held_from, held)) = self.held.take() {
            let wanted = match self.mischief {
                Mischief::Reorder => held_from == sender,
                _ => held_from != sender,
            };
            if held_for != recipient {
                self.held = Some((held_for, held_from, held));
            } else if wanted {
                self.done = true;
                self.send(recipient, &frame);
                self.send(recipient, &held);
                return;
            } else {
                self.send(recipient, &held);
            }
        }
        if !is_victim {
            self.send(recipient, &frame);
            return;
        }
        let changed = |part: &str, instead: &str| {
            let text = String::from_utf8(frame.clone()).unwrap();
            assert!(text.contains(part));
            text.replacen(part, instead, 1).into_bytes()
        };
        if matches!(self.mischief, Mischief::Reorder | Mischief::Discord) {
            if self.held.is_none() {
                self.held = Some((recipient.into(), sender.into(), frame));
            } else {
                self.send(recipient, &frame);
            }
            return;
        }
        self.done = true;
        let instead = match self.mischief {
            Mischief::Lose => return,
            Mischief::Duplicate => [frame.clone(), frame].concat(),
            Mischief::CorruptText => {
                let text = body.rfind("\r\n\r\n").unwrap() + 4;
                changed(&body[text..], &format!("!{}", &body[text + 1..]))
            }
            Mischief::CorruptStamp => {
                let (text, digit) = body.split_at(body.len() - 1);
                changed(body, &format!("{text}{}", if digit == "0" { "1" } else { "0" }))
            }
            Mischief::Relabel => changed("message/cpim", "message/cpix"),
            Mischief::Misaddress => {
                let path = format!("From-Path: msrp://127.0.0.1:{port}/{recipient};tcp");
                changed(&path, &format!("From-Path: msrp://127.0.0.1:{port}/x{recipient};tcp"))
            }
            Mischief::Abort => self.frame(recipient, body, 1, body.len(), '#', port),
            Mischief::Babble => {
                let babble = format!(
                    "MSRP babble 200 OK\r\nTo-Path: {}\r\nFrom-Path: \
                     msrp://127.0.0.1:{port}/{recipient};tcp\r\n-------babble$\r\n",
                    self.legs[recipient].path
                );
                [babble.as_bytes(), &frame].concat()
            }
            Mischief::Echo => {
                let echo = self.frame(sender, body, 1, body.len(), '$', port);
                self.send(sender, &echo);
                frame
            }
            Mischief::CrossRooms => {
                let room = &self.legs[recipient].room;
                let stranger = self.legs.iter().find(|(_, leg)| leg.room != *room).unwrap();
                let stranger = stranger.0.clone();
                let copy = self.frame(&stranger, body, 1, body.len(), '$', port);
                self.send(&stranger, &copy);
                frame
            }
            Mischief::Disconnect => {
                let stream = self.legs[recipient].stream.as_ref().unwrap();
                stream.shutdown(Shutdown::Both).unwrap();
                return;
            }
            _ => frame,
        };
        self.send(recipient, &instead);
    }

    fn frame(
        &self,
        recipient: &str,
        body: &str,
        start: usize,
        total: usize,
        flag: char,
        port: u16,
    ) -> Vec<u8> {
        let (path, copies) = (&self.legs[recipient].path, self.copies);
        let transaction = format!("f{copies:07}{start}");
        let end = start + body.len() - 1;
        format!(
            "MSRP {transaction} SEND\r\nTo-Path: {path}\r\n\
             From-Path: msrp://127.0.0.1:{port}/{recipient};tcp\r\nMessage-ID: m{copies}\r\n\
             Byte-Range: {start}-{end}/{total}\r\nContent-Type: message/cpim\r\n\r\n\
             {body}\r\n-------{transaction}{flag}\r\n"
        )
        .into_bytes()
    }

    fn send(&self, recipient: &str, frame: &[u8]) {
        if let Some(stream) = &self.legs[recipient].stream {
            write(stream, frame);
        }
    }
}

/// A peer that is gone has cut its connection; nothing of it is missed.
fn write(mut stream: &TcpStream, frame: &[u8]) {
    let _ = stream.write_all(frame);
}
