//! A node and a SIP stack that nobody here had a hand in: what both read into the RFCs alike.
//!
//! `rsipstack` makes and reads all of SIP. The MSRP of its users is written out, for it has none.

use std::{net::SocketAddr, time::Duration};

use rsipstack::{
    EndpointBuilder,
    dialog::{dialog_layer::DialogLayer, invitation::InviteOption, invite_dialog::InviteDialog},
    platform::CancellationToken,
    sip::{Header, Response, Uri},
    transport::{TransportLayer, udp::UdpConnection},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::node::Node;

/// The host is an address, so nobody has to look for it.
const NODE: &str = "[msrp]\nlisten = \"127.0.0.1:0\"\n[sip]\nhost = \"127.0.0.1\"\n\
    identity_from_from_header = true\nlisten_udp = [\"127.0.0.1:0\"]\n";

/// One user of that stack.
struct User {
    name: &'static str,
    address: SocketAddr,
    layer: DialogLayer,
    node: SocketAddr,
}

/// What an answer says of a session, and what it is about here.
struct Session {
    /// Ours.
    path: String,
    /// The switch's.
    switch: String,
    stream: TcpStream,
}

impl User {
    async fn new(name: &'static str, node: SocketAddr) -> Self {
        let transport = TransportLayer::new(CancellationToken::new());
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let udp = UdpConnection::create_connection(anywhere, None, None).await.unwrap();
        let address = udp.get_addr().get_socketaddr().unwrap();
        transport.add_transport(udp.into());
        let endpoint = EndpointBuilder::new().with_transport_layer(transport).build();
        let inner = endpoint.inner.clone();
        tokio::spawn(async move { inner.serve().await });
        Self { name, address, layer: DialogLayer::new(endpoint.inner.clone()), node }
    }

    fn path(&self, session: &str) -> String {
        format!("msrp://{}/{}{session};tcp", self.address, self.name)
    }

    fn offer(&self, path: &str) -> Vec<u8> {
        let ip = self.address.ip();
        format!(
            "v=0\r\no={} 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\n\
             a=accept-wrapped-types:text/plain\r\na=setup:active\r\na=path:{path}\r\n\
             a=chatroom:nickname private-messages\r\n",
            self.name
        )
        .into_bytes()
    }

    /// Joins, and has the answer acknowledged.
    async fn join(&self, uri: &str) -> (InviteDialog, Response) {
        let invite = InviteOption {
            caller: Uri::try_from(format!("sip:{}@example.com", self.name).as_str()).unwrap(),
            callee: Uri::try_from(uri).unwrap(),
            destination: Some(self.node.into()),
            contact: Uri::try_from(format!("sip:{}@{}", self.name, self.address).as_str()).unwrap(),
            content_type: Some("application/sdp".to_owned()),
            offer: Some(self.offer(&self.path("one"))),
            ..InviteOption::default()
        };
        let (states, _) = self.layer.new_dialog_state_channel();
        let (dialog, answer) = self.layer.do_invite(invite, states).await.unwrap();
        (dialog, answer.expect("an answer"))
    }

    /// Makes another offer in a dialog, and has the answer acknowledged.
    async fn offer_again(&self, dialog: &InviteDialog, path: &str) -> Response {
        let headers = vec![Header::ContentType("application/sdp".into())];
        let answer = dialog.reinvite(Some(headers), Some(self.offer(path))).await.unwrap();
        answer.expect("an answer")
    }

    /// Connects to where the answer says, and is known there.
    async fn bind(&self, answer: &Response, session: &str) -> Session {
        let (path, switch) = (self.path(session), path_in(answer));
        let (_, rest) = switch.split_once("msrp://").unwrap();
        let stream = TcpStream::connect(rest.split_once('/').unwrap().0).await.unwrap();
        let mut session = Session { path, switch, stream };
        session.send("bind0001", "", "").await;
        let heard = session.hear("-------bind0001$\r\n").await;
        assert!(heard.starts_with("MSRP bind0001 200 "), "{heard}");
        session
    }
}

impl Session {
    async fn send(&mut self, transaction: &str, headers: &str, body: &str) {
        let text = format!(
            "MSRP {transaction} SEND\r\nTo-Path: {}\r\nFrom-Path: {}\r\n{headers}{body}\
             -------{transaction}$\r\n",
            self.switch, self.path
        );
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn say(&mut self, transaction: &str, from: &str, room: &str, words: &str) {
        let wrapped = format!(
            "From: <sip:{from}@example.com>\r\nTo: <{room}>\r\n\r\nContent-Type: text/plain\r\n\r\n{words}"
        );
        let size = wrapped.len();
        let headers = format!(
            "Message-ID: {transaction}\r\nByte-Range: 1-{size}/{size}\r\nContent-Type: message/cpim\r\n"
        );
        self.send(transaction, &headers, &format!("\r\n{wrapped}\r\n")).await;
    }

    /// Says something until the other has heard it: who was just acknowledged may be a member a moment
    /// later only, and gets nothing that was said before.
    async fn say_until_heard(&mut self, other: &mut Self, from: &str, room: &str, words: &str) {
        for number in 100..200 {
            let transaction = format!("hello{number}");
            self.say(&transaction, from, room, words).await;
            let answer = self.hear(&format!("-------{transaction}$\r\n")).await;
            assert!(answer.contains(&format!("MSRP {transaction} 200 ")), "{answer}");
            let end = format!("{words}\r\n-------");
            if timeout(Duration::from_millis(500), other.hear(&end)).await.is_ok() {
                return;
            }
        }
        panic!("{words:?} was never heard");
    }

    /// Everything up to and with these words.
    async fn hear(&mut self, words: &str) -> String {
        let mut heard = String::new();
        while !heard.contains(words) {
            let mut octets = [0; 4096];
            let count = self.stream.read(&mut octets).await.unwrap();
            assert_ne!(count, 0, "closed after {heard:?}");
            heard.push_str(std::str::from_utf8(&octets[..count]).unwrap());
        }
        heard
    }
}

/// The IM Session Identity: the URI of Contact.
fn identity_in(answer: &Response) -> String {
    let text = answer.to_string();
    let contact = text.lines().find_map(|line| line.strip_prefix("Contact: <"));
    contact.and_then(|contact| contact.split_once('>')).expect("a Contact").0.to_owned()
}

/// The path that an answer names.
fn path_in(answer: &Response) -> String {
    let body = std::str::from_utf8(answer.body()).unwrap();
    let path = body.lines().find_map(|line| line.strip_prefix("a=path:"));
    path.unwrap_or_else(|| panic!("no path in {body}")).to_owned()
}

/// Two users of another stack join, talk, come by the session's own name, move their media by another
/// offer, and leave.
#[tokio::test]
async fn users_of_another_stack_join_talk_and_leave() {
    let node = Node::start(NODE, &[]);
    let (alice, bob) = (User::new("alice", node.sip()).await, User::new("bob", node.sip()).await);
    let room = format!("sip:lobby@{}", node.sip());
    let (to_alice, yes) = alice.join(&room).await;
    assert_eq!(yes.status_code.code(), 200, "{yes}");
    let mut hers = alice.bind(&yes, "one").await;

    // Bob comes to the session, not to the room.
    let identity = identity_in(&yes);
    let (to_bob, yes) = bob.join(&identity).await;
    assert_eq!(yes.status_code.code(), 200, "{yes}");
    let mut his = bob.bind(&yes, "one").await;
    hers.say_until_heard(&mut his, "alice", &identity, "Hello Bob").await;

    // The same offer is the same session; another path is another.
    let same = bob.offer_again(&to_bob, &bob.path("one")).await;
    assert_eq!((same.status_code.code(), path_in(&same)), (200, his.switch.clone()));
    let moved = bob.offer_again(&to_bob, &bob.path("two")).await;
    assert_eq!(moved.status_code.code(), 200, "{moved}");
    assert_ne!(path_in(&moved), his.switch);
    let mut his = bob.bind(&moved, "two").await;
    hers.say_until_heard(&mut his, "alice", &identity, "Still there?").await;

    to_bob.bye().await.expect("good-bye is answered");
    to_alice.bye().await.expect("good-bye is answered");
    // With the last of them the session has gone, and its name with it.
    let (_, no) = bob.join(&identity).await;
    assert_eq!(no.status_code.code(), 403, "{no}");
}
