//! A client as it runs: real sockets on loopback, a scripted focus, and a switch of a few lines.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use sip_control::client::{
    CallError, CannotCall, CannotSend, Config, Conversation, Ending, Failure, Happening, NotSaid,
    Privacy, Refusal, SessionError, User, listen, start,
};
use sip_control::message::{Header, Message};
use sip_control::transport::{Protocol, Target};
use tokio::net::UdpSocket;

use super::peer::*;
use super::switch::Switch;

/// Long enough for anything that works. Reaching it is a failure, never a measurement.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a scenario, which has to come to its end.
pub fn run<F: Future<Output = ()>>(scenario: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = async { tokio::time::timeout(PATIENCE, scenario).await.expect("an end") };
    runtime.block_on(done);
}

pub async fn user(name: &str, focus: Target, watches: bool) -> User {
    let (transport, contact) = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let user = format!("sip:{name}@example.com");
    let config = Config { watches, ..Config::new(&user, contact, focus) };
    start(config, transport).unwrap()
}

/// A focus that does what the test says.
struct Focus {
    socket: UdpSocket,
    client: Option<SocketAddr>,
}

impl Focus {
    async fn new() -> Self {
        Self { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), client: None }
    }

    async fn user(&self) -> User {
        let focus = Target::new(Protocol::Udp, self.socket.local_addr().unwrap());
        user("alice", focus, false).await
    }

    /// The next message, which has to be of this method, or an answer if that is empty.
    async fn expect(&mut self, method: &str) -> Message {
        let mut buffer = [0; 4096];
        let (size, from) = self.socket.recv_from(&mut buffer).await.unwrap();
        self.client = Some(from);
        let message = Message::from_datagram(buffer[..size].to_vec().into()).unwrap();
        assert_eq!(message.method_text(), method, "{}", text(&message));
        message
    }

    async fn say(&self, text: &str) {
        let text = text.replace('\n', "\r\n");
        self.socket.send_to(text.as_bytes(), self.client.unwrap()).await.unwrap();
    }

    /// Takes one INVITE in, as a focus in front of this switch does. Its own address is in Contact,
    /// so that what belongs to the dialog comes back here.
    async fn accept(&mut self, switch: &Switch) -> Message {
        let invite = self.expect("INVITE").await;
        self.say(&answer(&invite, "100 Trying", "")).await;
        let answer = ANSWER.replace("198.51.100.5:2855", &switch.address.to_string());
        let contact = contact(&self.identity());
        self.say(&ok_with(&invite, "f9c1", &contact, &answer)).await;
        invite
    }

    fn identity(&self) -> String {
        format!("sip:s-1@{};gr", self.socket.local_addr().unwrap())
    }
}

/// IMS-11: the answer may come before the 200, when it has to be acknowledged: then it is to where that said that
/// the user connects, once there is a 200.
#[test]
fn a_user_joins_where_the_answer_comes_early() {
    run(async {
        let (mut focus, mut switch) = (Focus::new().await, Switch::answering("200 OK").await);
        let user = focus.user().await;
        let call = tokio::spawn(async move { user.join(ROOM, Privacy::None).await });
        let invite = focus.expect("INVITE").await;
        let early = ANSWER.replace("198.51.100.5:2855", &switch.address.to_string());
        let contact = contact(&focus.identity());
        let lines = format!("Require: 100rel\nRSeq: 4711\n{contact}");
        let progress = ok_with(&invite, "f9c1", &lines, &early);
        focus.say(&progress.replacen("200 OK", "183 Session Progress", 1)).await;
        let prack = focus.expect("PRACK").await;
        assert_eq!(prack.header(Header::RAck), Some("4711 1 INVITE"));
        focus.say(&answer(&prack, "200 OK", "")).await;
        focus.say(&answer(&invite, "200 OK", &contact)).await;
        focus.expect("ACK").await;
        let binding = switch.next().await;
        assert_eq!(&*binding.from_path, &*attribute(&invite, "path"));
        let session = call.await.unwrap().unwrap();
        let leaving = tokio::spawn(session.leave());
        let bye = focus.expect("BYE").await;
        assert_eq!(bye.header(Header::CSeq), Some("3 BYE"));
        focus.say(&answer(&bye, "200 OK", "")).await;
        leaving.await.unwrap();
    });
}

fn heard(happening: Option<Happening>) -> (String, String) {
    match happening {
        Some(Happening::Heard(received)) => {
            let content = String::from_utf8(received.content.to_vec()).unwrap();
            (received.sender.unwrap().from, content)
        }
        other => panic!("{other:?}"),
    }
}

/// REJ-11, JOIN-02: a user joins, binds, speaks, hears and leaves. The ACK is out before the switch
/// is connected to, and the connection stays until the BYE is answered.
#[test]
fn a_user_joins_speaks_hears_and_leaves() {
    run(async {
        let (mut focus, mut switch) = (Focus::new().await, Switch::answering("200 OK").await);
        let user = focus.user().await;
        let call = tokio::spawn(async move { user.join(ROOM, Privacy::None).await });
        let invite = focus.accept(&switch).await;
        assert_eq!(invite.request_uri(), ROOM);
        let binding = switch.next().await;
        assert_eq!((&*binding.body, &*binding.from_path), ("", &*attribute(&invite, "path")));
        // It is here already: datagrams on loopback arrive as they are sent.
        let mut buffer = [0; 4096];
        let (size, _) = focus.socket.try_recv_from(&mut buffer).expect("the ACK");
        assert!(buffer[..size].starts_with(b"ACK "));

        let mut session = call.await.unwrap().unwrap();
        let identity = focus.identity();
        assert_eq!(session.conversation().identity.as_deref(), Some(&*identity));
        session.send("text/plain", b"Hi").await.unwrap();
        let said = switch.next().await;
        let expected = format!(
            "From: <sip:alice@example.com>\r\nTo: <{identity}>\r\n\r\n\
             Content-Type: text/plain\r\n\r\nHi"
        );
        assert_eq!(said.body, expected);
        let cannot = session.send("image/png", b"x").await;
        assert_eq!(cannot, Err(NotSaid::Cannot(CannotSend::Type)));

        focus.say(&request(&invite, "OPTIONS", 1, "", "")).await;
        assert_eq!(focus.expect("").await.status(), Some(200));

        let leaving = tokio::spawn(async move {
            let nothing = tokio::time::timeout(Duration::from_millis(1), session.receive()).await;
            assert!(nothing.is_err());
            session.leave().await
        });
        let bye = focus.expect("BYE").await;
        focus.say(&answer(&bye, "200 OK", "")).await;
        assert_eq!(leaving.await.unwrap().identity, Some(identity));
    });
}

/// JOIN-11: an attempt that nobody waits for any more is withdrawn.
#[test]
fn a_dropped_attempt_is_withdrawn() {
    run(async {
        let mut focus = Focus::new().await;
        let user = focus.user().await;
        let call = tokio::spawn(async move { user.join(ROOM, Privacy::None).await });
        let invite = focus.expect("INVITE").await;
        focus.say(&answer(&invite, "180 Ringing", "")).await;
        call.abort();
        let cancel = focus.expect("CANCEL").await;
        focus.say(&answer(&cancel, "200 OK", "")).await;
        focus.say(&answer(&invite, "487 Request Terminated", "")).await;
        focus.expect("ACK").await;
    });
}

/// REJ-14, REJ-05: refusals reach the user, and what cannot be called is not.
#[test]
fn refusals_reach_the_user() {
    run(async {
        let mut focus = Focus::new().await;
        let user = focus.user().await;
        let nothing = user.rejoin(Conversation::default(), Privacy::None).await;
        assert!(matches!(nothing, Err(CallError::Cannot(CannotCall::NoIdentity))));
        let call = tokio::spawn(async move { user.join(ROOM, Privacy::None).await });
        let invite = focus.expect("INVITE").await;
        focus.say(&answer(&invite, "486 Busy Here", "")).await;
        focus.expect("ACK").await;
        let Err(CallError::Failed(failed)) = call.await.unwrap() else { panic!() };
        assert!(matches!(failed.failure, Failure::Refused(why) if why.refusal == Refusal::Full));
    });
}

/// REJ-11: a leg whose session the switch does not know, or whose switch nobody reaches, is left.
#[test]
fn a_leg_without_media_is_left() {
    run(async {
        let mut focus = Focus::new().await;
        let mut nowhere = Switch::answering("200 OK").await;
        nowhere.address.set_port(1);
        for switch in [Switch::answering("481 No such session").await, nowhere] {
            let user = focus.user().await;
            let call = tokio::spawn(async move { user.join(ROOM, Privacy::None).await });
            focus.accept(&switch).await;
            focus.expect("ACK").await;
            let bye = focus.expect("BYE").await;
            focus.say(&answer(&bye, "200 OK", "")).await;
            let Err(CallError::Media(why)) = call.await.unwrap() else { panic!() };
            assert!(matches!(why, SessionError::NotBound | SessionError::Connect(_)));
        }
    });
}

/// LEAVE-11: a user who is sent away hears how, and has what a rejoin needs. A session that is dropped
/// is left.
#[test]
fn a_leg_ends_from_either_side() {
    run(async {
        let (mut focus, switch) = (Focus::new().await, Switch::answering("200 OK").await);
        let user = focus.user().await;
        let caller = user.clone();
        let call = tokio::spawn(async move { caller.join(ROOM, Privacy::None).await });
        let invite = focus.accept(&switch).await;
        focus.expect("ACK").await;
        let mut session = call.await.unwrap().unwrap();
        focus.say(&request(&invite, "BYE", 1, "Reason: SIP;cause=480\n", "")).await;
        assert_eq!(focus.expect("").await.status(), Some(200));
        let Some(Happening::Ended { ending, conversation }) = session.receive().await else {
            panic!()
        };
        assert_eq!(ending, Ending::Dismissed { cause: Some(480) });
        assert!(session.receive().await.is_none());
        drop(session);

        let call = tokio::spawn(async move { user.rejoin(conversation, Privacy::None).await });
        let again = focus.accept(&switch).await;
        assert_eq!(again.request_uri(), focus.identity());
        assert_ne!(attribute(&again, "path"), attribute(&invite, "path"));
        focus.expect("ACK").await;
        drop(call.await.unwrap().unwrap());
        focus.expect("BYE").await;
    });
}

/// LEAVE-01: when the connection goes, the leg stays as it is until the user rejoins.
#[test]
fn a_lost_connection_is_told_and_sends_nothing() {
    run(async {
        let mut focus = Focus::new().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut switch = Switch::answering("200 OK").await;
        switch.address = listener.local_addr().unwrap();
        let user = focus.user().await;
        let call = tokio::spawn(async move { user.join(ROOM, Privacy::None).await });
        focus.accept(&switch).await;
        focus.expect("ACK").await;
        let (mut stream, _) = listener.accept().await.unwrap();
        bind_one(&mut stream).await;
        let mut session = call.await.unwrap().unwrap();
        drop(stream);
        assert!(matches!(session.receive().await, Some(Happening::MediaLost)));
        assert_eq!(session.send("text/plain", b"x").await, Err(NotSaid::Lost));
        let identity = focus.identity();
        assert_eq!(session.abandon().identity, Some(identity));
        let mut buffer = [0; 1];
        assert!(focus.socket.try_recv_from(&mut buffer).is_err(), "nothing is sent");
    });
}

/// Answers the first request of a connection.
async fn bind_one(stream: &mut tokio::net::TcpStream) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut text = String::new();
    while !text.ends_with("$\r\n") {
        let mut buffer = [0; 1024];
        let size = stream.read(&mut buffer).await.unwrap();
        text += std::str::from_utf8(&buffer[..size]).unwrap();
    }
    let id = text.split(' ').nth(1).unwrap();
    let line = |name: &str| text.split(name).nth(1).unwrap().split("\r\n").next().unwrap();
    let answer = format!(
        "MSRP {id} 200 OK\r\nTo-Path: {}\r\nFrom-Path: {}\r\n-------{id}$\r\n",
        line("From-Path: "),
        line("\r\nTo-Path: ")
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// A member who hears nothing for long gets all of it later, in order.
#[test]
fn what_is_not_heard_waits() {
    run(async {
        let (mut focus, mut switch) = (Focus::new().await, Switch::answering("200 OK").await);
        let mut sessions = Vec::new();
        for _ in 0..2 {
            let user = focus.user().await;
            let call = tokio::spawn(async move { user.join(ROOM, Privacy::None).await });
            focus.accept(&switch).await;
            focus.expect("ACK").await;
            sessions.push(call.await.unwrap().unwrap());
            switch.next().await;
        }
        let mut listener = sessions.pop().unwrap();
        let speaker = sessions.pop().unwrap();
        for number in 0..600 {
            speaker.send("text/plain", format!("{number}").as_bytes()).await.unwrap();
        }
        for number in 0..600 {
            let (from, content) = heard(listener.receive().await);
            assert_eq!((&*from, content), ("sip:alice@example.com", number.to_string()));
        }
    });
}
