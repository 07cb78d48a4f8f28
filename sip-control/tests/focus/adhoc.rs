//! Ad-hoc groups: an INVITE to the Factory URI makes a session, and has others called into it.

use sip_control::config::{AdHoc, Config, Profile, Users};

use super::{
    callee::{accepted, declined, status_of, to},
    harness::{AUDIO, Call, OFFER, PROXY, Sent, World, connected, invite, vectors},
};

const FACTORY: &str = "sip:chat-factory@im.example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.com";
const MALLORY: &str = "sip:mallory@example.net";

const W_FULL: Option<&str> = Some("399 im.example.com \"Too many participants\"");
const W_NOT_ALLOWED: Option<&str> = Some("399 im.example.com \"Not allowed to join\"");

/// TV-17, byte for byte.
const TV_17: &str = "INVITE sip:chat-factory@im.example.com SIP/2.0
Via: SIP/2.0/TCP proxy.example.com:5060;branch=z9hG4bKp17
Max-Forwards: 69
From: \"Alice\" <sip:alice@example.com>;tag=a17
To: <sip:chat-factory@im.example.com>
Call-ID: tv17-5c5c@192.0.2.21
CSeq: 1 INVITE
Contact: <sip:alice@192.0.2.21:50231;transport=tcp>;+g.oma.sip-im
P-Asserted-Identity: \"Alice\" <sip:alice@example.com>
Accept-Contact: *;+g.oma.sip-im
Require: recipient-list-invite
Supported: timer
Subject: Pruning on Sunday
Contribution-ID: 9a0364b9e99bb480dd25e1f0284c8555
Content-Type: multipart/mixed;boundary=tv17b
Content-Length: 793

--tv17b
Content-Type: application/sdp

v=0
o=- 3900000017 1 IN IP4 192.0.2.21
s=-
c=IN IP4 192.0.2.21
t=0 0
m=message 9 TCP/MSRP *
a=accept-types:message/cpim
a=accept-wrapped-types:text/plain
a=setup:active
a=path:msrp://192.0.2.21:9/hC7aG0sR3pQ6oM9lKi;tcp

--tv17b
Content-Type: application/resource-lists+xml
Content-Disposition: recipient-list

<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\">
<list>
<entry uri=\"sip:bob@example.com\" cp:copyControl=\"to\"/>
<entry uri=\"sip:bob@EXAMPLE.com\" cp:copyControl=\"to\"/>
<entry uri=\"sip:alice@example.com\" cp:copyControl=\"to\"/>
<entry uri=\"sip:carol@example.com\" cp:copyControl=\"bcc\"/>
</list>
</resource-lists>
--tv17b--
";

/// A focus where groups can be made, and the proxy by which all are called.
pub fn config() -> Config {
    Config {
        ad_hoc: Some(AdHoc::new(FACTORY)),
        outbound_proxy: Some("sip:192.0.2.1;transport=tcp".to_owned()),
        ..vectors()
    }
}

/// Content-Type and a body of an offer and a list with these entries.
fn content(entries: &str) -> (String, String) {
    let list = format!(
        "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" \
         xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\"><list>{entries}</list></resource-lists>"
    );
    let body = format!(
        "--b1\nContent-Type: application/sdp\n\n{OFFER}\n--b1\n\
         Content-Type: application/resource-lists+xml\nContent-Disposition: recipient-list\n\n\
         {list}\n--b1--\n"
    );
    ("multipart/mixed;boundary=b1".to_owned(), body)
}

fn entries(users: &[&str]) -> String {
    let entry = |user: &&str| format!("<entry uri=\"{user}\"/>");
    users.iter().map(entry).collect()
}

/// The INVITE by which `user` makes a group of those entries.
pub fn creation(world: &mut World, user: &str, lines: &str, entries: &str) -> String {
    let (kind, body) = content(entries);
    let invite = invite(world, FACTORY, user, lines, &body);
    invite.replace(
        "Content-Type: application/sdp\nContent-Length",
        &format!("Content-Type: {kind}\nContent-Length"),
    )
}

/// `user` makes a group: its call, which is acknowledged and bound, and the INVITEs that follow.
pub fn created(world: &mut World, user: &str, lines: &str, entries: &str) -> (Call, Vec<Sent>) {
    let lines = format!("Require: recipient-list-invite\n{lines}");
    let invite = creation(world, user, &lines, entries);
    begun(world, &invite)
}

fn begun(world: &mut World, invite: &str) -> (Call, Vec<Sent>) {
    world.take();
    world.hear(invite);
    let sent = world.take();
    let ok = sent.iter().find(|sent| sent.status() == 200).expect("a 200").clone();
    let call = Call::of(ok);
    call.ack(world);
    world.bound(call.session());
    (call, sent.into_iter().filter(|sent| sent.start().starts_with("INVITE ")).collect())
}

fn refused(world: &mut World, invite: &str) -> (u16, Option<String>) {
    let answer = world.ask(invite);
    (answer.status(), answer.find("Warning").map(str::to_owned))
}

/// TV-17, PUB-11, PUB-12, PUB-09: the session is made, and those on the list are called into it in
/// its own name: each once, the creator never, and nobody is told of a blind copy.
#[test]
fn a_group_is_made_of_those_on_the_list() {
    let mut world = World::new(config());
    let (alice, invites) = begun(&mut world, TV_17);
    let identity = alice.identity();
    assert!(identity.starts_with("sip:s-") && identity.ends_with("@im.example.com;gr"));
    let called: Vec<&str> = invites.iter().map(Sent::start).collect();
    assert_eq!(
        called,
        ["INVITE sip:bob@example.com SIP/2.0", "INVITE sip:carol@example.com SIP/2.0"]
    );
    for invite in &invites {
        assert!(invite.header("From").starts_with(&format!("<{identity}>;tag=")));
        assert_eq!(invite.contact(), identity);
        assert_eq!(invite.header("P-Asserted-Identity"), format!("<{identity}>"));
        assert_eq!(invite.header("Subject"), "Pruning on Sunday");
        assert_eq!(invite.header("Referred-By"), "<sip:alice@example.com>");
        assert_eq!(invite.find("Contribution-ID"), None, "in `rcs` only");
        let kind = invite.header("Content-Type");
        let boundary = kind.strip_prefix("multipart/mixed;boundary=").expect("two parts");
        let parts: Vec<&str> = invite.body().split(&format!("--{boundary}")).collect();
        assert_eq!((parts.len(), parts[0], parts[3]), (4, "", "--\r\n"), "{}", invite.body());
        assert!(parts[1].starts_with("\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"));
        assert!(parts[1].contains("\r\na=setup:actpass\r\n"));
        assert_eq!(
            parts[2],
            "\r\nContent-Type: application/resource-lists+xml\r\n\
             Content-Disposition: recipient-list-history; handling=optional\r\n\r\n\
             <?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
             <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" \
             xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\">\r\n<list>\r\n\
             <entry uri=\"sip:bob@example.com\" cp:copyControl=\"to\"/>\r\n</list>\r\n\
             </resource-lists>\r\n\r\n"
        );
    }
    let (_, notify) = world.watch(&identity, ALICE);
    assert_eq!(connected(&notify), [ALICE]);
    assert_eq!(status_of(&notify, BOB), ["pending"]);
    assert!(!notify.body().contains("carol"), "a blind copy");
    assert!(notify.body().contains("<subject>Pruning on Sunday</subject>"));
    accepted(&mut world, &to(&invites, CAROL), "c1");
    world.wait(std::time::Duration::from_secs(5));
    let notify = world.notified().pop().expect("a NOTIFY");
    assert_eq!(connected(&notify), [ALICE, CAROL], "who has come is there");
}

/// TV-17, PUB-11: a list that Require does not announce is served all the same; one that is sent
/// elsewhere is not, nor is its announcement.
#[test]
fn lists_are_for_the_factory() {
    let mut world = World::new(config());
    let quiet = TV_17.replace("Require: recipient-list-invite\n", "");
    assert_eq!(begun(&mut world, &quiet).1.len(), 2);
    let garden = "sip:garden-open@im.example.com";
    let elsewhere = creation(&mut world, BOB, "", &entries(&[CAROL])).replace(FACTORY, garden);
    let answer = world.ask(&elsewhere);
    assert_eq!(answer.status(), 415);
    let read = "application/sdp, multipart/mixed, application/resource-lists+xml";
    assert_eq!(answer.header("Accept"), read);
    let announced = "Require: recipient-list-invite\n";
    let elsewhere = invite(&mut world, garden, BOB, announced, OFFER);
    let answer = world.ask(&elsewhere);
    assert_eq!(answer.status(), 420);
    assert_eq!(answer.header("Unsupported"), "recipient-list-invite");
}

/// PUB-12: a list that is announced and not there, or is no list, is 400.
#[test]
fn a_list_has_to_be_one() {
    let mut world = World::new(config());
    let announced = "Require: recipient-list-invite\n";
    let none = invite(&mut world, FACTORY, ALICE, announced, OFFER);
    let expected = "399 im.example.com \"Missing recipient list\"".to_owned();
    assert_eq!(refused(&mut world, &none), (400, Some(expected)));
    for broken in ["<entry", "</list>", "<entry/>"] {
        let invite = creation(&mut world, ALICE, announced, broken);
        assert_eq!(refused(&mut world, &invite).0, 400, "{broken}");
    }
    let cut = creation(&mut world, ALICE, announced, "").replace("--b1--", "--b2--");
    assert_eq!(refused(&mut world, &cut).0, 400);
    assert!(world.journal().iter().all(|line| !line.starts_with("core")));
}

/// OPS-04: no more than 1000 entries are read.
#[test]
fn a_list_without_end_is_too_large() {
    let mut world = World::new(config());
    let entry = |n| format!("<entry uri=\"sip:u{n}@h\"/>");
    let users: String = (0..1001).map(entry).collect();
    let invite = creation(&mut world, ALICE, "", &users);
    assert_eq!(refused(&mut world, &invite).0, 413);
}

/// PUB-13: a group that would be too large is not made smaller, but refused.
#[test]
fn a_group_that_is_too_large_is_not_made() {
    let ad_hoc = AdHoc { size_max: 3, ..AdHoc::new(FACTORY) };
    let mut world = World::new(Config { ad_hoc: Some(ad_hoc), ..config() });
    let large = creation(&mut world, ALICE, "", &entries(&[BOB, CAROL, MALLORY]));
    assert_eq!(refused(&mut world, &large), (486, W_FULL.map(str::to_owned)));
    assert!(world.journal().iter().all(|line| !line.starts_with("core")));
    let doubled = entries(&[BOB, CAROL, ALICE, BOB]);
    let (alice, invites) = created(&mut world, ALICE, "", &doubled);
    assert_eq!(invites.len(), 2);
    let (_, notify) = world.watch(&alice.identity(), ALICE);
    assert!(notify.body().contains("<maximum-user-count>3</maximum-user-count>"));
    // Step 3 comes before step 5, here as elsewhere.
    let large = large.replace(OFFER, AUDIO).replace("call-", "again-");
    assert_eq!(refused(&mut world, &large).0, 486);
}

/// PUB-14, POL-03: in and in again may be who made it, who was called, and who was in it: a session
/// of two is theirs alone.
#[test]
fn only_those_who_belong_to_it_may_come_back() {
    let mut world = World::new(config());
    let (mut alice, invites) = created(&mut world, ALICE, "", &entries(&[BOB]));
    let identity = alice.identity();
    let stranger = invite(&mut world, &identity, MALLORY, "", OFFER);
    assert_eq!(world.ask(&stranger).verdict(), (403, W_NOT_ALLOWED));
    assert_eq!(world.refusals("not_member"), 1);
    declined(&mut world, &to(&invites, BOB), "486 Busy Here");
    let mut bob = world.join(&identity, BOB);
    assert_eq!(bob.identity(), identity, "called, and come by himself");
    alice.bye(&mut world);
    let alice = world.join(&identity, ALICE);
    assert_eq!(alice.identity(), identity);
    bob.bye(&mut world);
    world.join(&identity, BOB);
}

/// PUB-15: a list of nobody makes a group of one; GSMA clients are told that it was no use.
#[test]
fn a_list_of_nobody_makes_a_group_of_one() {
    for nobody in ["", "<entry uri=\"mailto:bob@example.com\"/>", "<entry uri=\"sips:bob@h\"/>"] {
        let mut world = World::new(config());
        let (_, invites) = created(&mut world, ALICE, "", nobody);
        assert!(invites.is_empty(), "{nobody}");
        let mut world = World::new(Config { profile: Profile::Rcs, ..config() });
        let invite = creation(&mut world, ALICE, "", nobody);
        let expected = "399 im.example.com \"No valid recipient\"".to_owned();
        assert_eq!(refused(&mut world, &invite), (403, Some(expected)), "{nobody}");
    }
}

/// A list cannot have the focus call itself.
#[test]
fn our_own_names_are_nobody_to_call() {
    let mut world = World::new(config());
    let own = [FACTORY, "sip:garden-open@im.example.com", "sip:gardeners@groups.example.com"];
    let (alice, invites) = created(&mut world, ALICE, "", &entries(&own));
    assert!(invites.is_empty());
    let (_, invites) = created(&mut world, BOB, "", &entries(&[&alice.identity()]));
    assert!(invites.is_empty());
}

/// ID-09, ID-07, FOC-16, FOC-17: who makes a group under an alias is named to nobody by anything
/// else, where that is allowed at all.
#[test]
fn who_hides_is_not_named_to_those_who_are_called() {
    let mut world = World::new(config());
    let list = entries(&[ALICE, BOB, CAROL]);
    let hidden = creation(&mut world, ALICE, "Privacy: id\n", &list);
    let expected = "399 im.example.com \"Anonymity not allowed\"".to_owned();
    assert_eq!(refused(&mut world, &hidden), (403, Some(expected)));
    let ad_hoc = AdHoc { anonymity: Users::Everyone, ..AdHoc::new(FACTORY) };
    let mut world = World::new(Config { ad_hoc: Some(ad_hoc), ..config() });
    let (_, invites) = created(&mut world, ALICE, "Privacy: id\n", &list);
    assert_eq!(invites.len(), 2);
    for invite in invites {
        assert!(!invite.text.contains("alice"), "{}", invite.text);
        assert_eq!(invite.header("Referred-By"), "<sip:anonymous1@anonymous.invalid>");
    }
    let (_, invites) = created(&mut world, ALICE, "Privacy: none\n", &list);
    assert_eq!(invites[0].header("Referred-By"), "<sip:alice@example.com>");
}

/// ID-09: who we are is told by our own word to hops of the trust domain only.
#[test]
fn our_own_identity_is_for_trusted_hops() {
    for (proxy, is_told) in [(PROXY, true), ("198.51.100.1", false)] {
        let outbound_proxy = Some(format!("sip:{proxy};transport=tcp"));
        let mut world = World::new(Config { outbound_proxy, ..config() });
        let (_, invites) = created(&mut world, ALICE, "", &entries(&[BOB]));
        assert_eq!(invites[0].find("P-Asserted-Identity").is_some(), is_told, "{proxy}");
    }
}

/// REF-04: GSMA clients are told which conversation it is.
#[test]
fn invitations_carry_the_marks_of_the_conversation() {
    let mut world = World::new(Config { profile: Profile::Rcs, ..config() });
    let marks = "Contribution-ID: c0ffee\nConversation-ID: f00d\n";
    let (_, invites) = created(&mut world, ALICE, marks, &entries(&[BOB]));
    assert_eq!(invites[0].header("Contribution-ID"), "c0ffee");
    assert_eq!(invites[0].header("Conversation-ID"), "f00d");
}

/// DLG-17: OPTIONS to the factory tells what it takes.
#[test]
fn the_factory_can_be_asked() {
    let mut world = World::new(config());
    let asked = invite(&mut world, FACTORY, ALICE, "", "");
    let answer = world.ask(&asked.replace("INVITE", "OPTIONS"));
    assert_eq!((answer.status(), answer.contact()), (200, FACTORY));
    assert!(answer.header("Supported").contains("recipient-list-invite"));
}
