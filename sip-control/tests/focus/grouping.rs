//! Pre-defined Groups with a document: the rows of the decision table that it decides, and what
//! becomes of sessions when it changes.

use std::time::Duration;

use sip_control::config::Config;

use super::harness::{AUDIO, Call, OFFER, Sent, World, connected, invite, subscribe, vectors};

const GROUP: &str = "sip:gardeners@groups.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.com";
const TEL: &str = "tel:+12125550147";
const MALLORY: &str = "sip:mallory@example.net";
const PRIVATE: &str = "Privacy: id\n";

const W_NOT_ALLOWED: Option<&str> = Some("399 im.example.com \"Not allowed to join\"");
const W_INITIATE: Option<&str> = Some("399 im.example.com \"Not allowed to initiate\"");
const W_FULL: Option<&str> = Some("399 im.example.com \"Too many participants\"");
const W_ANONYMITY: Option<&str> = Some("399 im.example.com \"Anonymity not allowed\"");
const W_KEY: Option<&str> = Some("399 im.example.com \"Key participant not present\"");

/// The document of section 5.1, with Carol as a fourth member and these changes.
pub fn document(changes: &[(&str, &str)]) -> String {
    let catalogue = include_str!("../../spec/sip-control.md");
    let section = catalogue.split_once("### 5.1 ").expect("a section 5.1").1;
    let minimal = section.split("```\n").nth(1).expect("a document");
    let carol = "<entry uri=\"sip:carol@example.com\"/>\n    </list>";
    let mut document = minimal.replace("</list>", carol);
    for (from, to) in changes {
        assert!(document.contains(from), "{from}");
        document = document.replace(from, to);
    }
    document
}

/// A world without configured rooms whose one group has this document.
fn world(document: &str) -> World {
    let mut world = World::new(Config { rooms: Vec::new(), ..vectors() });
    world.regroup(&[document]);
    world
}

/// A running session of the group in which these users are, and its identity.
fn session(users: &[&str]) -> (World, String, Vec<Call>) {
    let mut world = world(&document(&[]));
    let calls: Vec<Call> = users.iter().map(|user| world.join(GROUP, user)).collect();
    world.take();
    (world, calls[0].identity(), calls)
}

fn ask(world: &mut World, uri: &str, user: &str, lines: &str, body: &str) -> (u16, Option<String>) {
    let invite = invite(world, uri, user, lines, body);
    let answer = world.ask_for("SIP/2.0", &invite);
    let (status, warning) = answer.verdict();
    (status, warning.map(str::to_owned))
}

macro_rules! assert_verdict {
    ($world:expr, $uri:expr, $user:expr, $lines:expr, $body:expr, $status:expr, $warning:expr) => {
        let (status, warning) = ask($world, $uri, $user, $lines, $body);
        assert_eq!((status, warning.as_deref()), ($status, $warning));
    };
}

/// FOC-07, FOC-08, POL-02, POL-20: row D2: who may not join learns no more than that, and the log
/// does.
#[test]
fn d2_whom_the_rules_do_not_admit_is_403() {
    let (mut world, session, _) = session(&[ALICE, BOB, TEL]);
    for uri in [&session, GROUP] {
        assert_verdict!(&mut world, uri, MALLORY, PRIVATE, AUDIO, 403, W_NOT_ALLOWED);
    }
    assert_eq!(world.refusals("not_member"), 2);
    let blocked = document(&[("<join-handling>true", "<join-handling>false")]);
    world.regroup(&[&blocked]);
    assert_verdict!(&mut world, &session, CAROL, "", OFFER, 403, W_NOT_ALLOWED);
    assert_eq!(world.refusals("join_blocked"), 1);
}

/// POL-20: a group for other services answers alike, and is told apart in the log alone.
#[test]
fn d2_a_group_that_is_not_for_messaging_is_403() {
    let services = "<oxe:supported-services><oxe:service enabler=\"PoC\"/>\
                    </oxe:supported-services><oxe:subject>";
    let mut world = world(&document(&[("<oxe:subject>", services)]));
    assert_verdict!(&mut world, GROUP, ALICE, "", OFFER, 403, W_NOT_ALLOWED);
    assert_eq!(world.refusals("service_not_supported"), 1);
}

/// FOC-09, FOC-10, FOC-11, FOC-12: row D3: the limit is the document's; one's own leg is not
/// counted.
#[test]
fn d3_a_group_as_full_as_its_document_allows_is_486() {
    let (mut world, session, _) = session(&[ALICE, BOB, TEL]);
    assert_verdict!(&mut world, &session, CAROL, PRIVATE, AUDIO, 486, W_FULL);
    assert_verdict!(&mut world, &session, BOB, "", OFFER, 200, None);
    world.regroup(&[&document(&[("<max-participant-count>3", "<max-participant-count>4")])]);
    assert_verdict!(&mut world, &session, CAROL, "", OFFER, 200, None);
}

/// FOC-10: nought is nobody, and no limit is none.
#[test]
fn d3_a_limit_may_be_nought_or_absent() {
    let limit = "<max-participant-count>3</max-participant-count>";
    let mut world =
        world(&document(&[(limit, "<max-participant-count>0</max-participant-count>")]));
    assert_verdict!(&mut world, GROUP, ALICE, "", OFFER, 486, W_FULL);
    world.regroup(&[&document(&[(limit, "")])]);
    for user in [ALICE, BOB, TEL, CAROL] {
        world.join(GROUP, user);
    }
}

/// FOC-16, FOC-17, POL-12, TV-07: row D4: anonymity is for whom a rule grants it.
#[test]
fn d4_anonymity_is_for_whom_a_rule_grants_it() {
    let (mut world, session, _) = session(&[TEL]);
    assert_verdict!(&mut world, &session, BOB, PRIVATE, AUDIO, 403, W_ANONYMITY);
    assert_verdict!(&mut world, &session, ALICE, PRIVATE, OFFER, 200, None);
    let unruled = document(&[("<allow-anonymity>true</allow-anonymity>", "")]);
    world.regroup(&[&unruled]);
    assert_verdict!(&mut world, &session, ALICE, PRIVATE, OFFER, 403, W_ANONYMITY);
}

/// PUB-06: to begin a session is one right, and to join it another; a group without a document is
/// none.
#[test]
fn to_begin_a_session_takes_a_right_of_its_own() {
    let mut world = world(&document(&[
        ("<allow-initiate-conference>true</allow-initiate-conference>", ""),
        (
            "<allow-anonymity>",
            "<allow-initiate-conference>1</allow-initiate-conference><allow-anonymity>",
        ),
        ("<max-participant-count>3", "<max-participant-count>1"),
    ]));
    assert_verdict!(&mut world, GROUP, BOB, PRIVATE, AUDIO, 403, W_INITIATE);
    assert_verdict!(&mut world, GROUP, MALLORY, "", OFFER, 403, W_INITIATE);
    assert_verdict!(&mut world, "sip:others@groups.example.com", ALICE, "", OFFER, 404, None);
    let alice = world.join("sips:gardeners@GROUPS.example.com", ALICE);
    assert_verdict!(&mut world, GROUP, BOB, "", OFFER, 486, W_FULL);
    assert_verdict!(&mut world, &alice.identity(), BOB, "", OFFER, 486, W_FULL);
}

/// EVT-04: rosters tell the subject and the limit of the document, and its name.
#[test]
fn rosters_tell_what_the_document_says() {
    let (mut world, session, _) = session(&[ALICE]);
    let (_, notify) = world.watch(&session, ALICE);
    for part in [
        "<subject>Roses and other matters</subject>",
        "<uri>sip:gardeners@groups.example.com</uri>",
        "<maximum-user-count>3</maximum-user-count>",
    ] {
        assert!(notify.body().contains(part), "{part} in {}", notify.body());
    }
    world.wait(Duration::from_secs(10));
    world.regroup(&[&document(&[("<max-participant-count>3", "<max-participant-count>2")])]);
    let notify = world.notified().pop().expect("it is told");
    assert!(notify.body().contains("<maximum-user-count>2</maximum-user-count>"));
    world.regroup(&[&document(&[("<max-participant-count>3", "<max-participant-count>2")])]);
    world.wait(Duration::from_secs(10));
    assert!(world.notified().is_empty(), "nothing has changed");
}

fn watch_verdict(world: &mut World, uri: &str, user: &str) -> u16 {
    let subscribe = subscribe(world, uri, user, "Event: conference\n");
    world.ask_for("SIP/2.0", &subscribe).status()
}

/// POL-14, SUB-05: to watch without having joined is for whom a rule grants it.
#[test]
fn conference_state_is_for_whom_a_rule_grants_it() {
    let (mut world, session, _) = session(&[ALICE]);
    assert_eq!(watch_verdict(&mut world, &session, BOB), 200);
    assert_eq!(watch_verdict(&mut world, &session, MALLORY), 403);
    world.regroup(&[&document(&[("<allow-conference-state>true", "<allow-conference-state>0")])]);
    assert_eq!(watch_verdict(&mut world, &session, CAROL), 403);
    assert_eq!(watch_verdict(&mut world, &session, ALICE), 200, "who has joined may");
}

/// POL-18: who is in stays in and keeps the name it has; who only watches by a right that is gone
/// is told so; and at the door the new document counts at once.
#[test]
fn a_changed_document_counts_at_the_door() {
    let (mut world, session, _) = session(&[BOB]);
    world.join_with(&session, ALICE, PRIVATE);
    let (_, _) = world.watch(&session, BOB);
    let (carol, _) = world.watch(&session, CAROL);
    world.wait(Duration::from_secs(10));
    world.notified();
    world.journal();
    let stricter = document(&[
        ("<join-handling>true", "<join-handling>false"),
        ("<allow-anonymity>true", "<allow-anonymity>false"),
        ("<allow-conference-state>true", "<allow-conference-state>false"),
        ("<max-participant-count>3", "<max-participant-count>1"),
    ]);
    world.regroup(&[&stricter]);
    let orders = world.journal();
    assert!(orders.iter().all(|line| !line.starts_with("core")), "nobody is disturbed: {orders:?}");
    let notifies = world.notified();
    let state = |notify: &Sent| notify.header("Subscription-State").to_owned();
    let of_carol = |notify: &&Sent| notify.header("Call-ID") == carol.ok.header("Call-ID");
    let last = notifies.iter().find(of_carol).expect("Carol is told");
    assert_eq!(state(last), "terminated;reason=rejected");
    let others: Vec<&Sent> = notifies.iter().filter(|notify| !of_carol(notify)).collect();
    assert!(others.iter().all(|notify| state(notify).starts_with("active")), "{others:?}");
    let there = connected(others.last().expect("the limit has changed"));
    assert_eq!(there, [BOB, "sip:anonymous1@anonymous.invalid"]);
    assert_verdict!(&mut world, &session, BOB, "", OFFER, 403, W_NOT_ALLOWED);
}

/// POL-18, LEAVE-09: with its document a group is gone: nobody is in it, nobody watches it, and its
/// names name nothing, not even where anybody may make rooms.
#[test]
fn a_session_ends_with_its_document() {
    let config = Config {
        rooms: Vec::new(),
        any_room: Some(sip_control::config::Rules::default()),
        ..vectors()
    };
    let mut world = World::new(config);
    let group = "sip:gardeners@im.example.com";
    world.regroup(&[&document(&[("gardeners@groups.example.com", "gardeners@im.example.com")])]);
    let alice = world.join(group, ALICE);
    world.join(group, BOB);
    let session = alice.identity();
    world.watch(&session, ALICE);
    world.wait(Duration::from_secs(10));
    world.notified();
    world.journal();
    world.is_polite = true;
    world.regroup(&[]);
    let journal = world.journal();
    let orders: Vec<&str> =
        journal.iter().filter_map(|line| line.strip_prefix("core 0: ")).collect();
    assert_eq!(orders, ["Remove", "Remove", "Close"]);
    let sent = world.take();
    let byes: Vec<&Sent> = sent.iter().filter(|sent| sent.start().starts_with("BYE ")).collect();
    assert_eq!(byes.len(), 2);
    for bye in byes {
        assert_eq!(bye.header("Reason"), "SIP;cause=200;text=\"Session ended\"");
    }
    let last = sent.iter().rfind(|sent| sent.start().starts_with("NOTIFY ")).expect("a last one");
    assert_eq!(last.header("Subscription-State"), "terminated;reason=noresource");
    assert!(last.body().contains("state=\"deleted\""), "{}", last.body());
    let (status, _) = ask(&mut world, &session, ALICE, "", OFFER);
    assert_eq!(status, 403, "no such session");
    assert_verdict!(&mut world, group, MALLORY, "", OFFER, 404, None);
    assert!(world.is_idle());
}

/// LEAVE-07: with `key_grace` the others wait so long for one of those to come back without whom
/// there is no session, each time anew; meanwhile nobody else comes in.
#[test]
fn a_session_waits_for_a_key_participant_to_come_back() {
    let mut config = Config { rooms: Vec::new(), ..vectors() };
    config.timers.key_grace = Duration::from_secs(20);
    let mut world = World::new(config);
    world.regroup(&[&document(&[
        ("<is-key-participant>false", "<is-key-participant>true"),
        ("<max-participant-count>3", "<max-participant-count>9"),
    ])]);
    let mut alice = world.join(GROUP, ALICE);
    let bob = world.join(GROUP, BOB);
    world.bound(bob.session());
    for _ in 0..2 {
        alice.bye(&mut world);
        world.wait(Duration::from_secs(15));
        assert_verdict!(&mut world, GROUP, TEL, "", OFFER, 403, W_KEY);
        alice = world.join(&bob.identity(), ALICE);
        world.bound(alice.session());
    }
    world.wait(Duration::from_secs(60));
    assert!(world.take_requests("BYE").is_empty(), "she is here");
    // Lost is gone as well, once that is certain.
    world.failed(alice.session(), mailbox::FailureCause::ConnectionLost);
    world.wait(Duration::from_secs(60));
    let byes = world.take_requests("BYE");
    assert_eq!(byes.len(), 1, "her own leg");
    world.answer(&byes[0], "200 OK");
    world.wait(Duration::from_secs(19));
    assert!(world.take_requests("BYE").is_empty());
    world.wait(Duration::from_secs(1));
    assert_eq!(world.take_requests("BYE").len(), 1, "Bob's");
    let (status, _) = ask(&mut world, &bob.identity(), ALICE, "", OFFER);
    assert_eq!(status, 403, "no such session");
}

/// LEAVE-07, POL-15: a session is begun only by a key participant and ends with the last of them; and while
/// none has come in, nobody else does.
#[test]
fn a_session_lives_with_its_key_participants() {
    let mut world = world(&document(&[
        ("<is-key-participant>false", "<is-key-participant>true"),
        ("<max-participant-count>3", "<max-participant-count>9"),
    ]));
    assert_verdict!(&mut world, GROUP, BOB, "", OFFER, 403, W_KEY);
    world.core = super::harness::Core::Silent;
    let first = invite(&mut world, GROUP, ALICE, "", OFFER);
    world.hear(&first);
    assert_verdict!(&mut world, GROUP, BOB, "", OFFER, 403, W_KEY);
    world.core = super::harness::Core::Quick;
    world.answer_installs();
    let answers = world.take().into_iter().find(|sent| sent.status() == 200);
    let mut alice = Call::of(answers.expect("she is in"));
    alice.ack(&mut world);
    let bob = world.join(GROUP, BOB);
    world.join(GROUP, TEL);
    let mut again = world.join(GROUP, ALICE);
    alice.bye(&mut world);
    assert!(world.take_requests("BYE").is_empty(), "she has another leg");
    again.bye(&mut world);
    assert_eq!(world.take_requests("BYE").len(), 2, "it ends for the others too");
    let (status, _) = ask(&mut world, &bob.identity(), ALICE, "", OFFER);
    assert_eq!(status, 403, "no such session");
}

/// POL-01, POL-09: a list that is not at hand lets nobody in and keeps nobody waiting; whoever is on it is
/// let in once it is.
#[test]
fn a_list_that_is_elsewhere_is_not_waited_for() {
    let friend = "sip:friend@example.com";
    let mut world = world(&document(&[]));
    let identity = world.join(GROUP, BOB).identity();
    let began = world.now;
    let asked = ask(&mut world, &identity, friend, "", OFFER);
    assert_eq!((asked.0, world.now), (403, began), "at once");
    let entry = "<entry uri=\"sip:friend@example.com\"/><external ";
    world.regroup(&[&document(&[("<external ", entry)])]);
    assert_eq!(ask(&mut world, &identity, friend, "", OFFER).0, 200);
}

/// The document with this in its `session-active-policy`.
fn bounded(policy: &str) -> String {
    let policy =
        format!("<oxe:session-active-policy>{policy}</oxe:session-active-policy><oxe:subject>");
    document(&[("<oxe:subject>", &policy)])
}

fn schedule(from: &str, until: &str) -> String {
    bounded(&format!(
        "<oxe:schedule><oxe:from>1970-01-01T{from}Z</oxe:from>\
         <oxe:until>1970-01-01T{until}Z</oxe:until></oxe:schedule>"
    ))
}

/// Alice and then Bob are in the group's session, to stay: its identity.
fn both(world: &mut World, between: Duration) -> String {
    let alice = world.join(GROUP, ALICE);
    world.bound(alice.session());
    world.wait(between);
    let bob = world.join(&alice.identity(), BOB);
    world.bound(bob.session());
    alice.identity()
}

/// The two who are in it are sent away, and nothing of the session is left (LEAVE-09).
fn assert_over(world: &mut World, identity: &str) {
    let byes = world.take_requests("BYE");
    let reasons: Vec<&str> = byes.iter().map(|bye| bye.header("Reason")).collect();
    assert_eq!(reasons, ["SIP;cause=200;text=\"Session ended\""; 2]);
    assert!(world.journal().contains(&"core 0: Close".to_owned()));
    let gone = Some("399 im.example.com \"IM Session does not exist\"");
    assert_verdict!(world, identity, ALICE, "", OFFER, 403, gone);
}

/// POL-16, LEAVE-08: a group has its time; nobody gets in before and after it, and a session that runs
/// then ends. The clock of the tests begins with 1970.
#[test]
fn a_session_ends_with_its_schedule() {
    let mut world = world(&schedule("01:00:00", "02:00:00"));
    let early = "schedule";
    assert_verdict!(&mut world, GROUP, ALICE, "", OFFER, 403, W_NOT_ALLOWED);
    assert_eq!(world.refusals(early), 1);
    world.wait(Duration::from_secs(3_600));
    let identity = both(&mut world, Duration::ZERO);
    world.is_polite = true;
    world.wait(Duration::from_secs(1_800));
    // The time is cut short, but is not over.
    world.regroup(&[&schedule("01:00:00", "01:45:00")]);
    world.wait(Duration::from_secs(899));
    assert!(world.take_requests("BYE").is_empty());
    world.wait(Duration::from_secs(1));
    assert_over(&mut world, &identity);
    assert_verdict!(&mut world, GROUP, ALICE, "", OFFER, 403, W_NOT_ALLOWED);
    // A time that is over when it is told ends what runs at once.
    world.regroup(&[&document(&[])]);
    let identity = both(&mut world, Duration::ZERO);
    world.journal();
    world.regroup(&[&schedule("01:00:00", "01:45:00")]);
    assert_over(&mut world, &identity);
}

/// POL-16, LEAVE-08: a session lasts as long as its group lets it, from its first user on.
#[test]
fn a_session_ends_when_it_has_lasted_long_enough() {
    let mut world = world(&bounded("<oxe:max-duration>PT30M</oxe:max-duration>"));
    world.is_polite = true;
    let identity = both(&mut world, Duration::from_secs(1_700));
    world.wait(Duration::from_secs(99));
    assert!(world.take_requests("BYE").is_empty());
    world.wait(Duration::from_secs(1));
    assert_over(&mut world, &identity);
    world.join(GROUP, ALICE);
}

/// POL-16: who may write to single others is up to the rules, once they speak of it.
#[test]
fn rules_may_keep_a_user_from_private_messages() {
    let mut world = world(&document(&[]));
    world.join(GROUP, ALICE);
    let granted = document(&[(
        "</cp:ruleset>",
        "<cp:rule id='w'><cp:conditions><cp:identity><cp:one id='sip:alice@example.com'/>\
         </cp:identity></cp:conditions><cp:actions>\
         <oxe:allow-private-message>true</oxe:allow-private-message></cp:actions></cp:rule>\
         </cp:ruleset>",
    )]);
    world.regroup(&[&granted]);
    world.join(GROUP, ALICE);
    world.join(GROUP, BOB);
    let whispers: Vec<bool> = world.routes.iter().map(|route| route.may_whisper).collect();
    assert_eq!(whispers, [true, true, false]);
}

/// POL-16, LEAVE-05: a group says itself how many have to be left of a session, whatever is configured.
#[test]
fn a_session_ends_when_too_few_are_left_for_its_group() {
    for least in [0, 2, 3] {
        let count = format!("<oxe:min-participant-count>{least}</oxe:min-participant-count>");
        let config = Config { rooms: Vec::new(), min_participants: Some(2), ..vectors() };
        let mut world = World::new(config);
        world.regroup(&[&bounded(&count)]);
        let mut calls = [ALICE, BOB, CAROL].map(|user| world.join(GROUP, user));
        world.take();
        for (at, call) in calls.iter_mut().take(2).enumerate() {
            let bye = call.next(&mut world, "BYE", "Content-Length: 0\n\n");
            world.hear(&bye);
            let left = 2 - at;
            let ended = world.take_requests("BYE").len();
            assert_eq!(
                ended,
                if left == least.max(1) - 1 { left } else { 0 },
                "{left} left of {least}"
            );
            if ended > 0 {
                break;
            }
        }
    }
}
