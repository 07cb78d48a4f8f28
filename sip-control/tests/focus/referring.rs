//! REFER: participants have others called in, and put out.

use std::time::Duration;

use sip_control::config::{AdHoc, Additions, Config, Users};

use super::{
    adhoc::{config, created},
    callee::{accepted, answered, declined, heard, methods, session_of, status_of, to},
    harness::{Call, Core, OFFER, Sent, World, connected, invite, vectors},
};

const FACTORY: &str = "sip:chat-factory@im.example.com";
const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.com";
const DAVE: &str = "sip:dave@example.com";
const TO_CAROL: &str = "Refer-To: <sip:carol@example.com>\n";
const PUT_OUT_CAROL: &str = "Refer-To: <sip:carol@example.com;method=BYE>\n";
const QUIET: &str = "Refer-Sub: false\nSupported: norefersub\n";

/// A REFER outside of a dialog by `user`. `rest` is more header lines, the blank line and the body.
pub fn refer(world: &mut World, uri: &str, user: &str, rest: &str) -> String {
    let n = world.serial();
    format!(
        "REFER {uri} SIP/2.0\n\
         Via: SIP/2.0/TCP proxy.example.com:5060;branch=z9hG4bKr{n}\n\
         Max-Forwards: 69\n\
         From: <{user}>;tag=r{n}\n\
         To: <{uri}>\n\
         Call-ID: refer-{n}@192.0.2.22\n\
         CSeq: 7 REFER\n\
         Contact: <sip:r{n}@192.0.2.22:50300;transport=tcp>\n\
         P-Asserted-Identity: <{user}>\n\
         {rest}"
    )
}

/// The answer to such a REFER without a body, and what else was sent because of it.
pub fn referred(world: &mut World, uri: &str, user: &str, lines: &str) -> (Sent, Vec<Sent>) {
    let refer = refer(world, uri, user, &format!("{lines}Content-Length: 0\n\n"));
    posted(world, &refer)
}

fn posted(world: &mut World, refer: &str) -> (Sent, Vec<Sent>) {
    world.take();
    world.hear(refer);
    let mut sent = world.take();
    assert!(!sent.is_empty(), "no answer");
    (sent.remove(0), sent)
}

/// Alice has made a group with Bob and Carol, who are in it.
fn group() -> (World, Call, Vec<Sent>) {
    group_of(config())
}

fn group_of(config: Config) -> (World, Call, Vec<Sent>) {
    let mut world = World::new(config);
    let list = format!("<entry uri=\"{BOB}\"/><entry uri=\"{CAROL}\"/>");
    let (alice, invites) = created(&mut world, ALICE, "", &list);
    for (user, tag) in [(BOB, "b1"), (CAROL, "c1")] {
        let invite = to(&invites, user);
        accepted(&mut world, &invite, tag);
        world.bound(session_of(&invite));
    }
    world.take();
    world.journal();
    (world, alice, invites)
}

fn warning(answer: &Sent) -> Option<&str> {
    answer.find("Warning").and_then(|warning| warning.strip_prefix("399 im.example.com "))
}

/// REF-02, REF-04, PUB-09, IMS-10: accepted, the target is called in the name of the session, and
/// told who asked for it.
#[test]
fn a_participant_has_somebody_called_in() {
    let (mut world, alice, _) = group();
    let dave = format!("Refer-To: <{DAVE}>\n{QUIET}Require: norefersub\n");
    let (answer, sent) = referred(&mut world, &alice.identity(), BOB, &dave);
    assert_eq!(answer.status(), 202);
    assert_eq!((answer.header("Refer-Sub"), answer.contact()), ("false", &*alice.identity()));
    assert_eq!(methods(&sent), ["INVITE"]);
    let invite = to(&sent, DAVE);
    assert_eq!(invite.header("Referred-By"), "<sip:bob@example.com>");
    assert_eq!(invite.contact(), alice.identity());
    accepted(&mut world, &invite, "d1");
    let (_, notify) = world.watch(&alice.identity(), ALICE);
    assert_eq!(connected(&notify), [ALICE, BOB, CAROL, DAVE]);
    let again = world.join(&alice.identity(), DAVE);
    assert_eq!(again.identity(), alice.identity(), "PUB-14: he may come back");
}

/// REF-02, REF-07: a REFER in the dialog of a leg is one like any other, and is reported on there.
#[test]
fn a_refer_inside_a_dialog_is_reported_on_there() {
    let (mut world, mut alice, _) = group();
    let lines =
        format!("Refer-To: <{DAVE}>\nContact: <sip:alice@192.0.2.21>\nContent-Length: 0\n\n");
    let refer = alice.next(&mut world, "REFER", &lines);
    let (answer, sent) = posted(&mut world, &refer);
    assert_eq!((answer.status(), answer.find("Refer-Sub")), (202, None));
    assert_eq!(methods(&sent), ["NOTIFY", "INVITE"]);
    let trying = &sent[0];
    assert_eq!(trying.header("Call-ID"), alice.ok.header("Call-ID"));
    assert_eq!(trying.header("Event"), "refer;id=2");
    assert_eq!(trying.header("Subscription-State"), "active;expires=60");
    assert_eq!(trying.header("Content-Type"), "message/sipfrag;version=2.0");
    assert_eq!(trying.body(), "SIP/2.0 100 Trying\r\n");
    world.answer(trying, "200 OK");
    let invite = to(&sent, DAVE);
    answered(&mut world, &invite, "180 Ringing", "d1", "Content-Length: 0\n\n");
    assert!(world.take().is_empty(), "what lies between is not told");
    declined(&mut world, &invite, "603 Decline");
    let report = world.take_requests("NOTIFY").pop().expect("the end");
    assert_eq!(report.body(), "SIP/2.0 603 Decline\r\n");
    assert_eq!(report.header("Subscription-State"), "terminated;reason=noresource");
    assert_eq!(report.header("CSeq"), "2 NOTIFY", "one dialog, one count");
    let gone = alice.next(&mut world, "REFER", &lines).replace(alice.ok.to_tag(), "gone");
    assert_eq!(world.ask(&gone).status(), 481);
}

/// REF-07: outside of one the REFER makes a dialog of its own, in which the end is told after the
/// beginning, and which is over then.
#[test]
fn a_refer_outside_a_dialog_makes_one() {
    let (mut world, alice, _) = group();
    let (answer, sent) =
        referred(&mut world, &alice.identity(), BOB, &format!("Refer-To: <{DAVE}>\n"));
    let trying = sent.iter().find(|sent| sent.start().starts_with("NOTIFY ")).unwrap();
    assert_eq!(trying.header("Event"), "refer;id=7");
    assert_eq!(trying.header("To"), answer.header("From"));
    assert_eq!(trying.header("From"), answer.header("To"));
    accepted(&mut world, &to(&sent, DAVE), "d1");
    assert!(world.take_requests("NOTIFY").is_empty(), "the first is not answered yet");
    world.answer(trying, "200 OK");
    let report = world.take_requests("NOTIFY").pop().expect("the end");
    assert_eq!(report.body(), "SIP/2.0 200 OK\r\n");
    assert_eq!(report.header("Subscription-State"), "terminated;reason=noresource");
    let subscribe = format!(
        "SUBSCRIBE {} SIP/2.0\nVia: SIP/2.0/TCP p;branch=z9hG4bKsub\nMax-Forwards: 70\nFrom: {}\n\
         To: {}\nCall-ID: {}\nCSeq: 8 SUBSCRIBE\nContact: <sip:r@192.0.2.22>\n\
         Event: refer;id=7\nExpires: 0\nContent-Length: 0\n\n",
        answer.contact(),
        answer.header("From"),
        answer.header("To"),
        answer.header("Call-ID")
    );
    assert_eq!(world.ask_for("SIP/2.0", &subscribe).status(), 481, "it is over");
}

/// REF-07: who asked can stop it, and it lasts a minute at most.
#[test]
fn reports_end_when_nobody_wants_them_or_in_a_minute() {
    let config = || {
        let mut config = config();
        config.timers.ringing = Duration::from_secs(300);
        config
    };
    let ask = |world: &mut World, uri: &str| {
        let (answer, sent) = referred(world, uri, BOB, &format!("Refer-To: <{DAVE}>\n"));
        let invite = to(&sent, DAVE);
        answered(world, &invite, "180 Ringing", "d1", "Content-Length: 0\n\n");
        let notify = sent.iter().find(|sent| sent.start().starts_with("NOTIFY ")).unwrap();
        world.answer(notify, "200 OK");
        answer
    };
    let (mut world, alice, _) = group_of(config());
    let answer = ask(&mut world, &alice.identity());
    let subscribe = format!(
        "SUBSCRIBE {} SIP/2.0\nVia: SIP/2.0/TCP p;branch=z9hG4bKsub\nMax-Forwards: 70\nFrom: {}\n\
         To: {}\nCall-ID: {}\nCSeq: 8 SUBSCRIBE\nContact: <sip:r@192.0.2.22>\n\
         Event: refer;id=7\nExpires: 0\nContent-Length: 0\n\n",
        answer.contact(),
        answer.header("From"),
        answer.header("To"),
        answer.header("Call-ID")
    );
    let ok = world.ask_for("SIP/2.0", &subscribe);
    assert_eq!((ok.status(), ok.header("Expires")), (200, "0"));
    let report = world.take_requests("NOTIFY").pop().expect("the end");
    assert_eq!(report.header("Subscription-State"), "terminated;reason=timeout");

    let (mut world, alice, _) = group_of(config());
    ask(&mut world, &alice.identity());
    world.wait(Duration::from_secs(60));
    let reports = world.take_requests("NOTIFY");
    let end = reports.iter().find(|report| report.header("Event").starts_with("refer"));
    let end = end.expect("the end");
    assert_eq!(end.header("Subscription-State"), "terminated;reason=timeout");
    assert_eq!(end.body(), "SIP/2.0 100 Trying\r\n");
}

/// REF-04, PUB-12: several are called by one REFER with a list; who is there already is
/// not, and a blind copy is in no roster before it has come.
#[test]
fn several_are_called_by_a_list() {
    let (mut world, alice, _) = group();
    world.watch(&alice.identity(), ALICE);
    let list = format!(
        "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" \
         xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\"><list><entry uri=\"{DAVE}\"/>\
         <entry uri=\"{CAROL}\"/><entry uri=\"sip:eve@example.com\" cp:copyControl=\"bcc\"/>\
         <entry uri=\"sips:x@example.com\"/></list></resource-lists>"
    );
    let rest = |id: &str| {
        format!(
            "Require: multiple-refer, norefersub\nRefer-To: <cid:{id}>\n{QUIET}\
             Content-Type: application/resource-lists+xml\nContent-ID: <l1@example.com>\n\
             Content-Disposition: recipient-list\nContent-Length: ?\n\n{list}"
        )
    };
    let wrong = refer(&mut world, &alice.identity(), BOB, &rest("l2@example.com"));
    assert_eq!(posted(&mut world, &wrong).0.status(), 400, "another list than is there");
    let right = refer(&mut world, &alice.identity(), BOB, &rest("l1@example.com"));
    let (answer, sent) = posted(&mut world, &right);
    assert_eq!((answer.status(), answer.header("Refer-Sub")), (202, "false"));
    let called: Vec<&str> =
        sent.iter().map(Sent::start).filter(|start| start.starts_with("INVITE")).collect();
    assert_eq!(
        called,
        ["INVITE sip:dave@example.com SIP/2.0", "INVITE sip:eve@example.com SIP/2.0"]
    );
    let notify = sent.iter().rfind(|sent| sent.start().starts_with("NOTIFY ")).unwrap();
    assert_eq!(status_of(notify, DAVE), ["pending"]);
    assert!(!notify.body().contains("eve"), "{}", notify.body());
}

/// REF-02: the order of the checks.
#[test]
fn the_first_check_that_fails_answers() {
    let (mut world, alice, _) = group();
    let identity = alice.identity();
    let nowhere = "sip:s-ffffffffffffffffffffffffffffffff@im.example.com;gr";
    let both = format!("{TO_CAROL}{TO_CAROL}");
    let bad = "Refer-To: <sip:carol@example.com;method=SUBSCRIBE>\n";
    for (uri, user, lines, status, text) in [
        (&*identity, BOB, "Require: foo\n", 420, None),
        (nowhere, DAVE, "", 400, None),
        (nowhere, DAVE, &*both, 400, None),
        (nowhere, DAVE, bad, 404, None),
        (&*identity, DAVE, bad, 403, Some("\"Not a participant\"")),
        (&*identity, BOB, bad, 403, Some("\"Method not allowed in Refer-To\"")),
        (&*identity, BOB, "Refer-To: <mailto:x@example.com>\n", 403, Some("\"No valid target\"")),
        (&*identity, BOB, "Refer-To: <sips:x@example.com>\n", 403, Some("\"No valid target\"")),
        (&*identity, BOB, PUT_OUT_CAROL, 403, Some("\"Not allowed to remove users\"")),
    ] {
        let (answer, sent) = referred(&mut world, uri, user, lines);
        assert_eq!((answer.status(), warning(&answer)), (status, text), "{user} {lines}");
        assert_eq!(methods(&sent), [""; 0], "{lines}");
    }
    assert!(world.journal().iter().all(|line| !line.starts_with("core")));
}

/// REF-03: adding is a right: of everybody in an ad-hoc group, or of its creator; in a room of whom
/// its rules name, by default of nobody.
#[test]
fn adding_is_a_right() {
    let ad_hoc = AdHoc { additions: Additions::Creator, ..AdHoc::new(FACTORY) };
    let (mut world, alice, _) = group_of(Config { ad_hoc: Some(ad_hoc), ..config() });
    let dave = format!("Refer-To: <{DAVE}>\n{QUIET}");
    let (answer, _) = referred(&mut world, &alice.identity(), BOB, &dave);
    assert_eq!((answer.status(), warning(&answer)), (403, Some("\"Not allowed to add users\"")));
    assert_eq!(referred(&mut world, &alice.identity(), ALICE, &dave).0.status(), 202);

    for (inviters, status) in [(Users::nobody(), 403), (Users::Only(vec![BOB.to_owned()]), 202)] {
        let mut config = config();
        config.rooms[0].rules.inviters = inviters;
        let mut world = World::new(config);
        world.join(GARDEN, BOB);
        assert_eq!(referred(&mut world, GARDEN, BOB, &dave).0.status(), status);
    }
}

/// REF-03, REF-05, POL-14: in a group with a document its rules decide.
#[test]
fn the_rules_of_a_group_decide_who_adds_and_removes() {
    let group = "sip:gardeners@groups.example.com";
    let catalogue = include_str!("../../spec/sip-control.md");
    let section = catalogue.split_once("### 5.1 ").unwrap().1;
    let document = section.split("```\n").nth(1).unwrap();
    let expels =
        "<allow-anonymity>true</allow-anonymity>\n<oxe:allow-expelling>true</oxe:allow-expelling>";
    let document = document.replace("<allow-anonymity>true</allow-anonymity>", expels);
    let mut world = World::new(Config { rooms: Vec::new(), ..config() });
    world.regroup(&[&document]);
    world.join(group, ALICE);
    world.join(group, BOB);
    let dave = format!("Refer-To: <{DAVE}>\n{QUIET}");
    assert_eq!(referred(&mut world, group, BOB, &dave).0.status(), 403);
    assert_eq!(referred(&mut world, group, ALICE, &dave).0.status(), 202);
    let out = |user: &str| format!("Refer-To: <{user};method=BYE>\n{QUIET}");
    assert_eq!(referred(&mut world, group, BOB, &out(ALICE)).0.status(), 403);
    assert_eq!(referred(&mut world, group, ALICE, &out(BOB)).0.status(), 202);
}

/// REF-04: there must be a free seat when it is asked for.
#[test]
fn nobody_is_called_to_a_full_session() {
    let ad_hoc = AdHoc { size_max: 3, ..AdHoc::new(FACTORY) };
    let (mut world, alice, _) = group_of(Config { ad_hoc: Some(ad_hoc), ..config() });
    let dave = format!("Refer-To: <{DAVE}>\n{QUIET}");
    let (answer, _) = referred(&mut world, &alice.identity(), BOB, &dave);
    assert_eq!((answer.status(), warning(&answer)), (486, Some("\"Too many participants\"")));
}

/// REF-08: what the URI says of the request besides its method is not for us, nor can it make us
/// call ourselves; and a list has an end.
#[test]
fn what_a_target_says_of_the_request_is_not_for_us() {
    let (mut world, alice, _) = group();
    let identity = alice.identity();
    let embedded = "Refer-To: <sip:dave@example.com;method=INVITE?Replaces=1%3Bto-tag%3D2&\
                    Subject=x&body=y>\n";
    let (answer, sent) = referred(&mut world, &identity, BOB, &format!("{embedded}{QUIET}"));
    assert_eq!(answer.status(), 202);
    let invite = to(&sent, DAVE);
    for name in ["Replaces", "Subject"] {
        assert_eq!(invite.find(name), None, "{}", invite.text);
    }
    assert!(invite.body().starts_with("v=0\r\n"));
    let own = format!("Refer-To: <{identity}>\n{QUIET}");
    assert_eq!(referred(&mut world, &identity, BOB, &own).0.status(), 403);
    let list = |count: usize| {
        let entry = |n| format!("<entry uri=\"sip:u{n}@example.com\"/>");
        format!(
            "Require: multiple-refer, norefersub\nRefer-To: <cid:l@h>\nContent-ID: <l@h>\n{QUIET}\
             Content-Type: application/resource-lists+xml\nContent-Length: ?\n\n\
             <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>{}</list>\
             </resource-lists>",
            (0..count).map(entry).collect::<String>()
        )
    };
    for (count, status) in [(100, 202), (101, 403), (0, 403)] {
        let refer = refer(&mut world, &identity, BOB, &list(count));
        assert_eq!(posted(&mut world, &refer).0.status(), status, "{count}");
    }
}

/// TV-18, REF-05, REF-06, EVT-07: only who may removes somebody: out of the room, a BYE that says
/// so, a roster that says so, and no way back but by being added again.
#[test]
fn a_user_is_put_out_by_who_may_and_stays_out() {
    let (mut world, alice, _) = group();
    let identity = alice.identity();
    world.watch(&identity, ALICE);
    let lines = format!("{PUT_OUT_CAROL}{QUIET}");
    let (answer, sent) = referred(&mut world, &identity, BOB, &lines);
    assert_eq!((answer.status(), sent.len()), (403, 0));
    world.journal();

    let (answer, sent) = referred(&mut world, &identity, ALICE, &lines);
    assert_eq!((answer.status(), answer.header("Refer-Sub")), (202, "false"));
    let journal = world.journal();
    let at = |line: &str| journal.iter().position(|at| at.starts_with(line)).expect(line);
    assert!(at("core 0: Remove") < at("sip: BYE"), "{journal:?}");
    assert_eq!(methods(&sent), ["BYE", "NOTIFY"]);
    assert!(sent[0].start().starts_with("BYE sip:device-c1@"), "{}", sent[0].text);
    assert_eq!(sent[0].header("Reason"), "SIP;cause=403;text=\"Removed\"");
    let notify = &sent[1];
    assert_eq!(connected(notify), [ALICE, BOB]);
    assert_eq!(status_of(notify, CAROL), ["disconnected"]);
    assert!(notify.body().contains("<disconnection-method>booted</disconnection-method>"));
    assert!(notify.body().contains("<by>sip:alice@example.com</by>"));

    let back = invite(&mut world, &identity, CAROL, "", OFFER);
    let answer = world.ask_for("SIP/2.0", &back);
    assert_eq!((answer.status(), warning(&answer)), (403, Some("\"Not allowed to join\"")));
    assert_eq!(world.refusals("expelled"), 1);
    let (answer, sent) = referred(&mut world, &identity, BOB, &format!("{TO_CAROL}{QUIET}"));
    assert_eq!((answer.status(), methods(&sent)), (202, vec!["INVITE"]));
    assert_eq!(world.join(&identity, CAROL).identity(), identity);
}

/// REF-05: an alias is addressed as such, and nobody learns by trying who is behind it; whoever is
/// not there cannot be removed.
#[test]
fn who_hides_is_removed_by_its_alias() {
    let ad_hoc = AdHoc { anonymity: Users::Everyone, ..AdHoc::new(FACTORY) };
    let mut world = World::new(Config { ad_hoc: Some(ad_hoc), ..config() });
    let list = format!("<entry uri=\"{BOB}\"/><entry uri=\"{CAROL}\"/>");
    let (alice, invites) = created(&mut world, ALICE, "", &list);
    for user in [BOB, CAROL] {
        declined(&mut world, &to(&invites, user), "486 Busy Here");
    }
    let identity = alice.identity();
    world.join_with(&identity, CAROL, "Privacy: id\n");
    let out = |uri: &str| format!("Refer-To: <{uri};method=BYE>\n{QUIET}");
    for absent in [CAROL, BOB] {
        let (answer, _) = referred(&mut world, &identity, ALICE, &out(absent));
        assert_eq!(answer.status(), 404, "{absent}");
    }
    let alias = "sip:anonymous1@anonymous.invalid";
    let (answer, sent) = referred(&mut world, &identity, ALICE, &out(alias));
    assert_eq!(answer.status(), 202);
    assert_eq!(methods(&sent), ["BYE"]);
    let back = invite(&mut world, &identity, CAROL, "", OFFER);
    assert_eq!(world.ask(&back).status(), 403);
}

/// NTF-05, ID-07, ID-09: who hides is not named by what it asks for, to nobody.
#[test]
fn who_hides_is_not_named_as_the_one_who_asked() {
    let ad_hoc = AdHoc { anonymity: Users::Everyone, ..AdHoc::new(FACTORY) };
    let mut world = World::new(Config { ad_hoc: Some(ad_hoc), ..config() });
    let list = format!("<entry uri=\"{BOB}\"/>");
    let (alice, invites) = created(&mut world, ALICE, "Privacy: id\n", &list);
    let identity = alice.identity();
    accepted(&mut world, &to(&invites, BOB), "b1");
    let dave = format!("Refer-To: <{DAVE}>\n{QUIET}");
    let (_, sent) = referred(&mut world, &identity, ALICE, &dave);
    let invite = to(&sent, DAVE);
    assert_eq!(invite.header("Referred-By"), "<sip:anonymous1@anonymous.invalid>");
    assert!(!invite.text.contains("alice"), "{}", invite.text);
    // Visible in the session, and not to be named this time.
    let eve = format!("Refer-To: <sip:eve@example.com>\nPrivacy: id\n{QUIET}");
    let (_, sent) = referred(&mut world, &identity, BOB, &eve);
    assert_eq!(to(&sent, "sip:eve@example.com").find("Referred-By"), None);
    world.watch(&identity, BOB);
    let out = format!("Refer-To: <{BOB};method=BYE>\n{QUIET}");
    let (_, sent) = referred(&mut world, &identity, ALICE, &out);
    let notify = sent.iter().rfind(|sent| sent.start().starts_with("NOTIFY ")).unwrap();
    assert!(notify.body().contains("<by>sip:anonymous1@anonymous.invalid</by>"));
    assert!(!notify.body().contains("alice"), "{}", notify.body());
}

/// REF-06: whoever is being called when it is put out hears of it no more, and so is who is about
/// to join.
#[test]
fn calls_and_joins_under_way_are_put_out_as_well() {
    let mut world = World::new(config());
    let list = format!("<entry uri=\"{BOB}\"/><entry uri=\"{CAROL}\"/>");
    let (alice, invites) = created(&mut world, ALICE, "", &list);
    let carol = to(&invites, CAROL);
    answered(&mut world, &carol, "180 Ringing", "c1", "Content-Length: 0\n\n");
    let lines = format!("{PUT_OUT_CAROL}{QUIET}");
    let (answer, sent) = referred(&mut world, &alice.identity(), ALICE, &lines);
    assert_eq!((answer.status(), methods(&sent)), (202, vec!["CANCEL"]));
    let back = invite(&mut world, &alice.identity(), CAROL, "", OFFER);
    assert_eq!(world.ask(&back).status(), 403);

    world.core = Core::Silent;
    let joining = invite(&mut world, &alice.identity(), BOB, "", OFFER);
    world.hear(&joining);
    let out = format!("Refer-To: <{BOB};method=BYE>\n{QUIET}");
    let (_, sent) = referred(&mut world, &alice.identity(), ALICE, &out);
    let refused = sent.iter().find(|sent| sent.start().starts_with("SIP/")).expect("an answer");
    assert_eq!((refused.status(), warning(refused)), (403, Some("\"Not allowed to join\"")));
}

/// REF-05, REF-06: everybody may have itself removed, and is not locked out by that.
#[test]
fn who_removes_itself_may_come_back() {
    let (mut world, alice, _) = group();
    let identity = alice.identity();
    let out = format!("Refer-To: <{BOB};method=BYE>\n");
    let (answer, sent) = referred(&mut world, &identity, BOB, &out);
    assert_eq!(answer.status(), 202);
    let trying = sent.iter().find(|sent| sent.start().starts_with("NOTIFY ")).unwrap();
    world.answer(trying, "200 OK");
    let (others, report) = heard(&mut world);
    assert!(others.iter().all(|sent| !sent.start().starts_with("SIP/")));
    assert_eq!(report.expect("the end").body(), "SIP/2.0 200 OK\r\n");
    assert!(sent.iter().any(|sent| sent.start().starts_with("BYE sip:device-b1@")));
    assert_eq!(world.join(&identity, BOB).identity(), identity);
}

/// FOC-08: an expulsion is the session's alone.
#[test]
fn the_next_session_knows_nothing_of_who_was_put_out() {
    let expels = vectors();
    let mut world = World::new(expels);
    let mut alice = world.join(GARDEN, ALICE);
    assert_eq!(referred(&mut world, GARDEN, ALICE, PUT_OUT_CAROL).0.status(), 403);
    alice.bye(&mut world);
    let (mut world, mut alice, _) = group();
    let identity = alice.identity();
    referred(&mut world, &identity, ALICE, &format!("{PUT_OUT_CAROL}{QUIET}"));
    referred(&mut world, &identity, ALICE, &format!("Refer-To: <{BOB};method=BYE>\n{QUIET}"));
    alice.bye(&mut world);
    let list = format!("<entry uri=\"{CAROL}\"/>");
    let (alice, _) = created(&mut world, ALICE, "", &list);
    assert_eq!(world.join(&alice.identity(), CAROL).identity(), alice.identity());
}
