//! The room of the catalogue's test vectors: Alice, Bob, and Carol behind her relay.

use super::{Member, Node, Peer};

pub const ALICE: &str = "msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp";
pub const BOB: &str = "msrp://bob.example.net:4923/bO7t3Jm5Rs9E;tcp";
pub const RELAYED: &str =
    "msrp://relay.example.net:2855/rC1k6Ty8Zq;tcp msrp://carol.example.com:5000/cA2r9Ol4Mn;tcp";

pub fn alice() -> Member<'static> {
    Member::default()
}

pub fn bob() -> Member<'static> {
    Member {
        address: "sip:bob@example.net",
        path: BOB,
        wrapped: "text/plain text/html",
        participant: 2,
        ..Member::default()
    }
}

pub fn carol() -> Member<'static> {
    Member {
        address: "sip:carol@example.com",
        path: RELAYED,
        wrapped: "message/cpim text/plain",
        participant: 3,
        ..Member::default()
    }
}

pub struct Fixture {
    pub node: Node,
    pub alice: (Peer, String),
    pub bob: (Peer, String),
    pub carol: (Peer, String),
}

impl Fixture {
    pub fn new() -> Self {
        Self::on(Node::new(1))
    }

    pub fn on(node: Node) -> Self {
        Self::of(node, &[alice(), bob(), carol()])
    }

    /// The room as these three are in it.
    pub fn of(mut node: Node, [alice, bob, carol]: &[Member<'_>; 3]) -> Self {
        let alice = node.bound(alice);
        let bob = node.bound(bob);
        let carol = node.bound(carol);
        Self { node, alice, bob, carol }
    }

    /// Alice says this; `{alice}` stands for her session's URI.
    pub fn say(&mut self, text: &str) {
        let bytes = text.replace("{alice}", &self.alice.1);
        self.node.feed(self.alice.0, bytes.as_bytes());
    }

    pub fn heard(&mut self) -> [String; 3] {
        [self.alice.0, self.bob.0, self.carol.0].map(|peer| self.node.output(peer))
    }
}

pub const TV_01: &str = "MSRP a786hjs2Kd0Qw1Er SEND\r\n\
    To-Path: {alice}\r\n\
    From-Path: msrp://alice.example.org:7654/aL4c8Vn1Xy0B;tcp\r\n\
    Message-ID: 87652491aa\r\n\
    Byte-Range: 1-157/157\r\n\
    Content-Type: message/cpim\r\n\
    \r\n\
    To: <sip:lobby@chat.example.com;transport=tcp>\r\n\
    From: Alice <sip:alice@example.org>\r\n\
    DateTime: 2026-01-15T10:00:00Z\r\n\
    \r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    Hello room\r\n\
    -------a786hjs2Kd0Qw1Er$\r\n";

pub fn room_message(tid: &str, headers: &str, body: &str) -> String {
    format!(
        "MSRP {tid} SEND\r\nTo-Path: {{alice}}\r\nFrom-Path: {ALICE}\r\nMessage-ID: {tid}\r\n\
        {headers}Content-Type: message/cpim\r\n\r\n{body}\r\n-------{tid}$\r\n"
    )
}

pub const HELLO: &str = "To: <sip:lobby@chat.example.com>\r\nFrom: <sip:alice@example.org>\r\n\r\n\
    Content-Type: text/plain\r\n\r\nHello room";
