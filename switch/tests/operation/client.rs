//! The IM Client of this product, as it runs, at a node as it runs.

use std::time::Duration;

use sip_control::{
    client::{Config, Happening, Privacy, Session, User, listen, start},
    transport::{Protocol, Target},
};

use super::node::{ANYWHERE, Node};

/// Long enough for anything that works. Reaching it is a failure, never a measurement.
const PATIENCE: Duration = Duration::from_secs(60);

const ROOM: &str = "sip:garden@chat.localhost";

async fn user(node: &Node, name: &str) -> User {
    let (transport, contact) = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let focus = Target::new(Protocol::Udp, node.sip());
    let config = Config::new(&format!("sip:{name}@example.com"), contact, focus);
    let config = Config { requires_100rel: true, preconditions: true, ..config };
    start(config, transport).unwrap()
}

/// What the other has said.
async fn heard(session: &mut Session) -> Vec<u8> {
    loop {
        match session.receive().await.expect("a message") {
            Happening::Heard(received) if received.content_type == "text/plain" => {
                return received.content.to_vec();
            }
            _ => {}
        }
    }
}

/// sip/IMS-11, sip/IMS-12, sip/IMS-07: a client that insists on having acknowledged what comes before the answer, and
/// has all reserved, is let in at once, for there is nothing to wait for; it speaks, is heard, and leaves.
#[test]
fn a_client_that_requires_100rel_is_let_in() {
    let config = format!(
        "{ANYWHERE}identity_from_from_header = true\ntrusted = [\"127.0.0.1\"]\npreconditions = true\n"
    );
    let node = Node::start(&config, &[]);
    let scenario = async {
        let (alice, bob) = (user(&node, "alice").await, user(&node, "bob").await);
        let mut alice = alice.join(ROOM, Privacy::None).await.expect("a session");
        let bob = bob.join(ROOM, Privacy::None).await.expect("a session");
        bob.send("text/plain", b"Lights out at ten").await.expect("taken");
        assert_eq!(heard(&mut alice).await, b"Lights out at ten");
        bob.leave().await;
        alice.leave().await;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, scenario).await.expect("an end") });
}
