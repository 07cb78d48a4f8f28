//! What may be printed of a core and of all that goes into it and comes out of it.

mod common;

use common::{
    Member, Node,
    lobby::{ALICE, HELLO, alice, bob, room_message},
};
use engine::Operation;

/// SEC-01: whatever is printed of the engine's and the mailbox's values shows at most the first four
/// characters of a session-id, and nothing of what people write.
#[test]
fn nothing_that_can_be_printed_tells_a_secret() {
    let mut node = Node::new(2);
    let (sender, uri) = node.bound(&alice());
    let (_, other) = node.bound(&Member { core: 1, ..bob() });
    let secret = "Hush hush ".repeat(600);
    let text = room_message("s3cr3t00", "", &format!("{HELLO}{secret}")).replace("{alice}", &uri);
    let (begun, rest) = text.split_at(4000);
    let mut printed = Vec::new();
    node.hold_relays(true);
    node.hold_sends(sender);
    node.feed(sender, begun.as_bytes());
    printed.push(format!("{:?}", node.cores));
    node.feed(sender, rest.as_bytes());
    while let Some(relay) = node.cores[0].poll_relay(common::core_id(1)) {
        printed.push(format!("{relay:?}"));
        node.cores[1].handle_relay(node.now, relay);
    }
    while let Some(operation) = node.cores[1].poll_operation(node.now) {
        printed.push(format!("{operation:?}"));
        if let Operation::Send { batch, .. } = operation {
            assert!(batch.slices().any(|it| it.windows(9).any(|it| it == b"Hush hush")));
        }
    }
    printed.push(format!("{:?}{:?}{:?}", node.cores, node.events, node.terms));
    let printed = printed.concat();
    for uri in [&uri, &other] {
        let (_, id) = uri.rsplit_once('/').expect("a session-id");
        assert!(printed.contains(&id[..4]) && !printed.contains(&id[..5]), "{id}");
    }
    assert!(!printed.contains("Hush") && !printed.contains("72, 117, 115, 104"), "{printed}");
    assert!(!printed.contains(ALICE));
}
