//! In which order a turn does what it does, seen by a backend that decides what happens when.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    time::Instant,
};

use engine::{Batch, Core, CoreConfig, Limits};
use mailbox::{Command, CoreId, Doorbell, Epoch, Event, SessionId};
use rustix::io::Errno;

use super::{ALICE, BOB, Link, PATIENCE, Runtime, listen, mesh, route, terms};
use crate::io::{Backend, Completion, Payload, Token};

const ALICE_ID: SessionId = SessionId(1);
const BOB_ID: SessionId = SessionId(2);

/// Leads a core through the moment at which Bob comes: his first request and the `Activate` meet in
/// the same turn, and Alice talks all the time.
struct Script<'a> {
    link: Link,
    turn: usize,
    /// Whether the core has taken all commands.
    is_heard: &'a dyn Fn(&Link) -> bool,
    uris: Vec<String>,
    tokens: Vec<Token>,
    sending: Vec<(Token, Batch)>,
    /// What Bob is sent, and whether all commands had been taken by then.
    sent: &'a mut Vec<(String, bool)>,
    /// What keeps the connections there.
    peers: Vec<TcpStream>,
}

impl Script<'_> {
    fn received<'b>(&self, who: usize, text: &'b str) -> Completion<'b, Batch> {
        Completion::Received { token: self.tokens[who], bytes: text.as_bytes() }
    }

    fn request(&self, who: usize, id: &str, rest: &str) -> String {
        let from = [ALICE, BOB][who];
        let uri = &self.uris[who];
        format!("MSRP {id} SEND\r\nTo-Path: {uri}\r\nFrom-Path: {from}\r\n{rest}-------{id}$\r\n")
    }

    fn says(&self, id: &str, words: &str) -> String {
        let wrapped = format!(
            "From: <sip:alice@example.org>\r\nTo: <sip:lobby@chat.example.com>\r\n\r\n\
             Content-Type: text/plain\r\n\r\n{words}"
        );
        let size = wrapped.len();
        let head = "Content-Type: message/cpim\r\n";
        let rest =
            format!("Message-ID: {id}\r\nByte-Range: 1-{size}/{size}\r\n{head}\r\n{wrapped}\r\n");
        self.request(0, id, &rest)
    }
}

impl Backend<Batch> for Script<'_> {
    fn listen(&mut self, _: OwnedFd) {}

    fn accept_again(&mut self) {}

    fn stop_listening(&mut self) {}

    fn attach(&mut self, token: Token, _: OwnedFd) {
        self.tokens.push(token);
    }

    fn connect(&mut self, _: Token, _: OwnedFd, _: SocketAddr) {
        unreachable!("both peers connect");
    }

    fn send(&mut self, token: Token, batch: Batch) {
        if self.tokens.get(1) == Some(&token) {
            let octets = Payload::slices(&batch).collect::<Vec<_>>().concat();
            let text = String::from_utf8(octets).unwrap();
            self.sent.push((text, (self.is_heard)(&self.link)));
        }
        self.sending.push((token, batch));
    }

    fn finish(&mut self, _: Token) -> bool {
        false
    }

    fn detach(&mut self, _: Token) {}

    fn close(&mut self, _: Token) {}

    fn wait(
        &mut self,
        _: Option<Instant>,
        sink: &mut impl FnMut(Completion<'_, Batch>),
    ) -> io::Result<()> {
        for (token, payload) in self.sending.drain(..) {
            let octets = Payload::slices(&payload).map(<[u8]>::len).sum();
            sink(Completion::Sent { token, payload, result: Ok(octets) });
        }
        self.turn += 1;
        match self.turn {
            1 => {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                for _ in 0..2 {
                    while let Some(event) = self.link.events.pop() {
                        if let Event::Installed { path, .. } = event {
                            self.uris.push(String::from_utf8(path.as_bytes().to_vec()).unwrap());
                        }
                    }
                    self.peers.push(TcpStream::connect(listener.local_addr()?)?);
                    sink(Completion::Accepted { socket: listener.accept()?.0.into() });
                }
            }
            2 => sink(self.received(0, &self.request(0, "alice001", ""))),
            3 => {
                sink(self.received(1, &self.request(1, "bob00001", "")));
                let activate = Command::Activate { session: BOB_ID, epoch: Epoch(9) };
                self.link.commands.send(activate).unwrap();
                sink(self.received(0, &self.says("alice002", "as he comes")));
            }
            4 => sink(self.received(0, &self.says("alice003", "now that he is here"))),
            5 => {}
            _ => return Err(Errno::BADFD.into()),
        }
        Ok(())
    }
}

/// CTRL-03, sip/FOC-32: the answer that tells a peer that it is bound leaves when the `Activate` of
/// its session, if it is in the mailbox by then, has been carried out. So whatever is said by anybody
/// who can know that it is there is due to it.
#[test]
fn who_hears_that_it_is_bound_hears_what_is_said_then() {
    let bell = Doorbell::new().unwrap();
    let id = CoreId::new(0).unwrap();
    let (mut ends, mut links) = mesh(&[id], &bell).unwrap();
    let (ends, link) = (ends.remove(0), links.remove(0));
    let capacity = link.commands.room();
    let terms = terms(id);
    for (session, address, path) in
        [(ALICE_ID, "sip:alice@example.org", ALICE), (BOB_ID, "sip:bob@example.org", BOB)]
    {
        let (epoch, route) = (Epoch(session.0), Box::new(route(&terms, session.0, address, path)));
        link.commands.send(Command::Install { session, epoch, route }).unwrap();
    }
    let activate = Command::Activate { session: ALICE_ID, epoch: Epoch(3) };
    link.commands.send(activate).unwrap();
    let config = CoreConfig { id, cores: 1, authority: "sw.example.com:2855".to_owned() };
    let core = Core::new(config, Limits::default(), [7; 32]);
    let mut sent = Vec::new();
    let script = Script {
        link,
        turn: 0,
        is_heard: &|link| link.commands.room() == capacity,
        uris: Vec::new(),
        tokens: Vec::new(),
        sending: Vec::new(),
        sent: &mut sent,
        peers: Vec::new(),
    };
    let any = "127.0.0.1:0".parse().unwrap();
    let (mut listeners, _) = listen(any, 1, PATIENCE).unwrap();
    assert!(Runtime::new(core, script, ends, listeners.remove(0)).run().is_err());
    let (bound, is_heard) = &sent[0];
    assert!(bound.starts_with("MSRP bob00001 200 "), "{bound}");
    assert!(is_heard, "the command waits, and he is told that he is there");
    assert!(sent[1].0.contains("now that he is here"), "{sent:?}");
}
