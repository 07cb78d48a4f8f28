//! Whatever happens in whatever order, nothing is left of it.

use std::time::Duration;

use mailbox::FailureCause;
use proptest::{collection::vec, prelude::*};
use sip_control::digest::Credentials;

use super::{
    callee::{ANSWER, answered},
    harness::{Call, Core, OFFER, Sent, World, invite, subscribe, vectors},
    referring::refer,
};

const ROOM: &str = "sip:garden-open@im.example.com";
const SEATS: usize = 3;

/// The body of the ACK, if there is an ACK.
type Ack = Option<&'static str>;

#[derive(Clone, Copy, Debug)]
enum Step {
    Join { user: u8, anonymous: bool, offer: &'static str, ack: Ack },
    Cancelled { user: u8 },
    Watch { user: u8 },
    Offer { nth: usize, method: &'static str, path: u8, port: u16, ack: Ack },
    Refer { user: u8, target: u8, leaves: bool },
    Answered { nth: usize, status: &'static str, content: &'static str },
    Bye { nth: usize },
    Bound { nth: usize },
    Failed { nth: usize },
    Core(Core),
    CoreAnswers,
    Polite(bool),
    Wait { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let user = 0u8..5;
    let nth = 0usize..8;
    // The offer does for an answer too, where there was none.
    let offer = prop_oneof![2 => Just(OFFER), 1 => Just("")];
    let ack = prop_oneof![Just(None), Just(Some("")), Just(Some(OFFER))];
    let asked = Just("407 Proxy Authentication Required");
    let status = prop_oneof![Just("180 Ringing"), Just("200 OK"), Just("486 Busy Here"), asked];
    let content = prop_oneof![Just(""), Just(ANSWER)];
    prop_oneof![
        4 => (user.clone(), any::<bool>(), offer, ack.clone()).prop_map(
            |(user, anonymous, offer, ack)| Step::Join { user, anonymous, offer, ack }
        ),
        1 => user.clone().prop_map(|user| Step::Cancelled { user }),
        2 => user.clone().prop_map(|user| Step::Watch { user }),
        4 => (nth.clone(), prop_oneof![Just("INVITE"), Just("UPDATE")], 0u8..4, 0u16..3, ack).prop_map(
            |(nth, method, path, port, ack)| Step::Offer { nth, method, path, port: 9 * port.min(1), ack }
        ),
        2 => (user.clone(), user.clone(), any::<bool>()).prop_map(
            |(user, target, leaves)| Step::Refer { user, target, leaves }
        ),
        2 => (nth.clone(), status, content).prop_map(
            |(nth, status, content)| Step::Answered { nth, status, content }
        ),
        3 => nth.clone().prop_map(|nth| Step::Bye { nth }),
        2 => nth.clone().prop_map(|nth| Step::Bound { nth }),
        1 => nth.prop_map(|nth| Step::Failed { nth }),
        1 => prop_oneof![Just(Core::Quick), Just(Core::Silent), Just(Core::Full)]
            .prop_map(Step::Core),
        1 => Just(Step::CoreAnswers),
        1 => any::<bool>().prop_map(Step::Polite),
        2 => (0u64..40_000).prop_map(|millis| Step::Wait { millis }),
    ]
}

fn address(user: u8) -> String {
    format!("sip:user{user}@example.com")
}

/// Collects the calls that the last step made, acknowledged or not.
fn gather(world: &mut World, calls: &mut Vec<Call>, ack: Ack) {
    for sent in world.take() {
        if sent.status() == 200 && sent.header("CSeq") == "1 INVITE" {
            let call = Call::of(sent);
            match ack {
                Some("") => call.ack(world),
                Some(sdp) => {
                    let kind = "Content-Type: application/sdp\nContent-Length: ?\n\n";
                    call.ack_with(world, &format!("{kind}{sdp}"));
                }
                None => {}
            }
            calls.push(call);
        }
    }
}

/// `called` are the INVITEs of the focus that followed a REFER.
fn carry_out(world: &mut World, calls: &mut Vec<Call>, called: &mut Vec<Sent>, step: Step) {
    match step {
        Step::Join { user, anonymous, offer, ack } => {
            let privacy = if anonymous { "Privacy: id\n" } else { "" };
            let invite = invite(world, ROOM, &address(user), privacy, offer);
            world.hear(&invite);
            gather(world, calls, ack);
        }
        Step::Cancelled { user } => {
            let invite = invite(world, ROOM, &address(user), "", OFFER);
            world.hear(&invite);
            world.hear(&super::ending::cancel_of(&invite));
            gather(world, calls, Some(""));
        }
        Step::Watch { user } => {
            let uri = calls.last().map_or(ROOM.to_owned(), Call::identity);
            let subscribe = subscribe(world, &uri, &address(user), "Event: conference\n");
            world.hear(&subscribe);
        }
        Step::Refer { user, target, leaves } => {
            let (who, method) = if leaves { (user, ";method=BYE") } else { (target, "") };
            let rest = format!("Refer-To: <{}{method}>\nContent-Length: 0\n\n", address(who));
            let refer = refer(world, ROOM, &address(user), &rest);
            world.hear(&refer);
            let sent = world.take().into_iter();
            called.extend(sent.filter(|sent| sent.start().starts_with("INVITE ")));
        }
        Step::Answered { nth, status, content } if nth < called.len() => {
            let kind = "Proxy-Authenticate: Digest realm=\"p\", nonce=\"n\", stale=true\n\
                        Content-Type: application/sdp\nContent-Length: ?\n\n";
            answered(world, &called[nth], status, "callee", &format!("{kind}{content}"));
            let sent = world.take().into_iter();
            called.extend(sent.filter(|sent| sent.start().starts_with("INVITE ")));
        }
        Step::Bye { nth } if nth < calls.len() => {
            let bye = calls.remove(nth).next(world, "BYE", "Content-Length: 0\n\n");
            world.hear(&bye);
        }
        Step::Offer { nth, method, path, port, ack } if nth < calls.len() => {
            let moved = OFFER
                .replace("cX2vB5nM8kL1jH4gFd", &format!("path{path}"))
                .replace("message 9", &format!("message {port}"));
            let offer = if path == 0 { "" } else { &moved };
            let request = calls[nth].offering(world, method, "", offer);
            world.hear(&request);
            match ack {
                None => {}
                Some("") => calls[nth].ack(world),
                Some(sdp) => {
                    let kind = "Content-Type: application/sdp\nContent-Length: ?\n\n";
                    calls[nth].ack_with(world, &format!("{kind}{sdp}"));
                }
            }
        }
        Step::Bound { nth } if nth < calls.len() => world.bound(calls[nth].session()),
        Step::Failed { nth } if nth < calls.len() => {
            world.failed(calls[nth].session(), FailureCause::ConnectionLost);
        }
        Step::Answered { .. }
        | Step::Offer { .. }
        | Step::Bye { .. }
        | Step::Bound { .. }
        | Step::Failed { .. } => {}
        Step::Core(core) => world.core = core,
        Step::CoreAnswers => {
            world.answer_installs();
            gather(world, calls, None);
        }
        Step::Polite(polite) => world.is_polite = polite,
        Step::Wait { millis } => world.wait(Duration::from_millis(millis)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// FOC-13, LEAVE-05, LEAVE-10: seats, sessions and dialogs all come back in the end, whatever
    /// the users, the cores and the network did.
    #[test]
    fn nothing_is_left_of_anything(steps in vec(step(), 0..60)) {
        let mut config = vectors();
        config.rooms[0].rules.max_participants = Some(SEATS);
        config.rooms[0].rules.anonymity = sip_control::config::Users::Everyone;
        config.rooms[0].rules.inviters = sip_control::config::Users::Everyone;
        config.credentials = vec![Credentials::new("chat", "open sesame").for_realm("p")];
        config.outbound_proxy = Some("sip:192.0.2.1;transport=tcp".to_owned());
        let mut world = World::new(config);
        let (mut calls, mut called) = (Vec::new(), Vec::new());
        for step in steps {
            carry_out(&mut world, &mut calls, &mut called, step);
        }
        world.core = Core::Quick;
        world.answer_installs();
        // Who leaves: half by themselves; the other half is left to the timers of the focus.
        for call in calls.iter_mut().step_by(2) {
            let bye = call.next(&mut world, "BYE", "Content-Length: 0\n\n");
            world.hear(&bye);
        }
        for call in calls.iter_mut().skip(1).step_by(2) {
            world.failed(call.session(), FailureCause::ConnectionLost);
            // A leg on hold may stay for ever. Nobody comes to where it is taken up.
            let resumed = OFFER.replace("cX2vB5nM8kL1jH4gFd", "the-last");
            let update = call.offering(&mut world, "UPDATE", "", &resumed);
            world.hear(&update);
        }
        world.wait(Duration::from_secs(200));
        prop_assert!(world.is_idle());
        world.take();
        let identities: Vec<String> = (10..10 + SEATS as u8)
            .map(|user| world.join(ROOM, &address(user)).identity())
            .collect();
        prop_assert!(identities.iter().all(|identity| *identity == identities[0]));
        let one_more = invite(&mut world, ROOM, &address(99), "", OFFER);
        prop_assert_eq!(world.ask_for("SIP/2.0", &one_more).status(), 486);
        for call in &calls {
            prop_assert_ne!(&call.identity(), &identities[0]);
        }
    }
}
