//! Those for whom nobody vouches prove who they are, or get no further.

use std::{fmt::Write, time::Duration};

use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512_256};
use sip_control::{
    config::{Account, Config, Digest},
    digest::Algorithm,
    transport::Protocol,
};

use super::harness::{OFFER, STRANGER, Sent, World, invite, vectors};

const GARDEN: &str = "sip:garden-open@im.example.com";
const NO_SESSION: &str = "sip:s-ffffffffffffffffffffffffffffffff@im.example.com;gr";
const ALICE: &str = "sip:alice@example.com";
const NEIGHBOUR: &str = "203.0.113.10:5060";

/// TV-23, byte for byte.
const TV_23: &str = "INVITE sip:s-4f0c2a9be1d34b7c8d5e6f7a8b9c0d1e@im.example.com;gr SIP/2.0
Via: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bKx23;rport
Max-Forwards: 70
From: <sip:alice@example.com>;tag=m23
To: <sip:s-4f0c2a9be1d34b7c8d5e6f7a8b9c0d1e@im.example.com;gr>
Call-ID: tv23-0e0e@203.0.113.9
CSeq: 1 INVITE
Contact: <sip:mallory@203.0.113.9:5060>
P-Asserted-Identity: <sip:alice@example.com>
Content-Length: 0

";

fn account(name: &str, password: &str, identities: &[&str]) -> Account {
    let identities = identities.iter().map(|&uri| uri.to_owned()).collect();
    let (name, password) = (name.to_owned(), password.to_owned());
    Account { name, password, identities, display_name: None }
}

pub fn config(algorithms: &[Algorithm]) -> Config {
    let accounts = vec![
        account("mallory", "let me in", &["sip:mallory@example.com"]),
        account("bob", "the builder", &["sip:bob@example.com", "tel:+12125550147"]),
    ];
    let realm = "im.example.com".to_owned();
    let digest = Digest { realm, algorithms: algorithms.to_vec(), accounts };
    Config { digest: Some(digest), ..vectors() }
}

fn world() -> World {
    World::new(config(&[Algorithm::Sha256]))
}

impl World {
    fn ask_from(&mut self, source: &str, text: &str) -> Sent {
        self.take();
        self.hear_from(source, Protocol::Udp, text);
        let mut sent = self.take();
        assert_eq!(sent.len(), 1, "one answer");
        sent.remove(0)
    }

    /// A new INVITE of somebody unknown, with these header lines.
    fn knock(&mut self, uri: &str, lines: &str) -> Sent {
        let text = invite(self, uri, ALICE, lines, OFFER);
        self.ask_from(STRANGER, &text)
    }
}

/// The challenges of a 401.
fn challenges(refused: &Sent) -> Vec<&str> {
    assert_eq!(refused.status(), 401, "{}", refused.text);
    let lines = refused.text.lines();
    lines.filter_map(|line| line.strip_prefix("WWW-Authenticate: ")).collect()
}

fn nonce(refused: &Sent) -> String {
    challenges(refused)[0].split_once("nonce=\"").unwrap().1[..64].to_owned()
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").unwrap();
        text
    })
}

/// An Authorization line, made with nothing of what checks it.
struct Proof<'a> {
    user: &'a str,
    password: &'a str,
    nonce: &'a str,
    uri: &'a str,
    algorithm: &'a str,
    count: u32,
}

impl Proof<'_> {
    fn line(&self) -> String {
        let Self { user, password, nonce, uri, algorithm, count } = self;
        let hash = |text: String| match *algorithm {
            "MD5" => hexadecimal(&Md5::digest(text)),
            "SHA-512-256" => hexadecimal(&Sha512_256::digest(text)),
            _ => hexadecimal(&Sha256::digest(text)),
        };
        let secret = hash(format!("{user}:im.example.com:{password}"));
        let request = hash(format!("INVITE:{uri}"));
        let response = hash(format!("{secret}:{nonce}:{count:08x}:0a4f113b:auth:{request}"));
        format!(
            "Authorization: Digest username=\"{user}\", realm=\"im.example.com\", \
             nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", algorithm={algorithm}, \
             cnonce=\"0a4f113b\", qop=auth, nc={count:08x}\n"
        )
    }

    /// The same as RFC 2069 has it.
    fn line_of_old(&self) -> String {
        let Self { user, password, nonce, uri, algorithm, .. } = self;
        let hash = |text: String| hexadecimal(&Sha256::digest(text));
        let secret = hash(format!("{user}:im.example.com:{password}"));
        let request = hash(format!("INVITE:{uri}"));
        let response = hash(format!("{secret}:{nonce}:{request}"));
        format!(
            "Authorization: Digest username=\"{user}\", realm=\"im.example.com\", \
             nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", algorithm={algorithm}\n"
        )
    }
}

fn bob<'a>(nonce: &'a str, uri: &'a str, count: u32) -> Proof<'a> {
    Proof { user: "bob", password: "the builder", nonce, uri, algorithm: "SHA-256", count }
}

/// TV-23, ID-02, AUTH-01: a forged identity is not looked at; who it is has to be proved, and that
/// is who it is taken for.
#[test]
fn a_forged_identity_is_challenged_and_the_proven_one_counts() {
    let mut world = world();
    world.join("sip:gardeners@groups.example.com", "sip:bob@example.com");
    world.journal();
    let refused = world.ask_from(STRANGER, TV_23);
    let [challenge] = challenges(&refused)[..] else { panic!("one challenge") };
    let expected = "Digest realm=\"im.example.com\", qop=\"auth\", algorithm=SHA-256, nonce=\"";
    let nonce = challenge.strip_prefix(expected).unwrap().strip_suffix('"').unwrap();
    assert!(nonce.len() == 64 && nonce.bytes().all(|octet| octet.is_ascii_hexdigit()));
    assert_eq!(world.journal(), ["sip: SIP/2.0 401 Unauthorized"]);

    let group = "sip:gardeners@groups.example.com";
    let mallory = Proof { user: "mallory", password: "let me in", ..bob(nonce, group, 1) };
    let denied = world.knock(group, &mallory.line());
    let warning = Some("399 im.example.com \"Not allowed to join\"");
    assert_eq!(denied.verdict(), (403, warning));
    let again = Proof { uri: GARDEN, count: 2, ..mallory };
    world.journal();
    assert_eq!(world.knock(GARDEN, &again.line()).status(), 200);
    assert_eq!(world.journal()[0], "core 0: Install sip:mallory@example.com");
}

/// ID-02: among the identities of one account the user chooses, and among no others.
#[test]
fn a_preferred_identity_is_one_of_the_account() {
    for (preferred, shown) in [
        ("<tel:+1-212-555-0147>", "tel:+12125550147"),
        ("<sip:carol@example.com>", "sip:bob@example.com"),
    ] {
        let mut world = world();
        let nonce = nonce(&world.knock(GARDEN, ""));
        let lines = format!("P-Preferred-Identity: {preferred}\n");
        let ok = world.knock(GARDEN, &(bob(&nonce, GARDEN, 1).line() + &lines));
        assert_eq!(ok.status(), 200, "{}", ok.text);
        let (_, notify) = world.watch(GARDEN, "sip:bob@example.com");
        assert!(notify.body().contains(&format!("<user entity=\"{shown}\"")), "{}", notify.body());
    }
}

/// AUTH-01: one challenge for each algorithm, the best first, and MD5 only where it is wanted; each
/// of them may be used.
#[test]
fn every_algorithm_that_is_configured_is_offered_in_order() {
    let [best, usual, broken] = [Algorithm::Sha512To256, Algorithm::Sha256, Algorithm::Md5];
    for algorithms in [&[best, usual, broken][..], &[usual, best], &[usual]] {
        let mut world = World::new(config(algorithms));
        let refused = world.knock(GARDEN, "");
        let offered = challenges(&refused);
        assert_eq!(offered.len(), algorithms.len());
        for (offered, algorithm) in offered.iter().zip(algorithms) {
            assert!(offered.contains(&format!("algorithm={}, nonce=", algorithm.name())));
        }
        for name in ["SHA-512-256", "SHA-256", "MD5"] {
            let nonce = nonce(&world.knock(GARDEN, ""));
            let proof = Proof { algorithm: name, ..bob(&nonce, GARDEN, 1) };
            let is_offered = algorithms.iter().any(|algorithm| algorithm.name() == name);
            let status = if is_offered { 200 } else { 401 };
            assert_eq!(world.knock(GARDEN, &proof.line()).status(), status, "{name}");
        }
    }
}

/// AUTH-01, AUTH-04: ACK and CANCEL are not challenged: there is nothing to answer an ACK, and a
/// CANCEL cannot be sent again under another number. A request of a dialog is known by its names.
#[test]
fn only_what_begins_something_is_challenged() {
    let mut world = world();
    let text = invite(&mut world, GARDEN, ALICE, "", OFFER);
    assert_eq!(world.ask_from(STRANGER, &text).status(), 401);
    let cancel = text.replace("INVITE", "CANCEL").split("Content-Type").next().unwrap().to_owned();
    let cancelled = world.ask_from(STRANGER, &format!("{cancel}Content-Length: 0\n\n"));
    assert_eq!(cancelled.status(), 200);
    let unknown = cancel.replace("z9hG4bK", "z9hG4bKx");
    let cancelled = world.ask_from(STRANGER, &format!("{unknown}Content-Length: 0\n\n"));
    assert_eq!(cancelled.status(), 481);
    let ack = cancel.replace("CANCEL", "ACK").replace("z9hG4bK", "z9hG4bKy");
    world.hear_from(STRANGER, Protocol::Udp, &format!("{ack}Content-Length: 0\n\n"));
    assert!(world.take().is_empty());
}

/// AUTH-02: a wrong proof is answered like none, whoever it is said to be of; a right one on a nonce
/// that is not good any more says so.
#[test]
fn what_is_wrong_is_not_told_but_what_is_stale_is() {
    let mut world = world();
    let fresh = nonce(&world.knock(GARDEN, ""));
    let wrong = Proof { password: "the bilder", ..bob(&fresh, GARDEN, 1) };
    let nobody = Proof { user: "nobody", ..bob(&fresh, GARDEN, 1) };
    let other_request = Proof { uri: NO_SESSION, ..bob(&fresh, GARDEN, 1) };
    let mut answers: Vec<String> = Vec::new();
    for proof in [wrong, nobody, other_request] {
        let refused = world.knock(GARDEN, &proof.line());
        let challenge = challenges(&refused)[0].replace(&nonce(&refused), "");
        assert!(!challenge.contains("stale"));
        assert!(refused.find("Warning").is_none());
        answers.push(challenge);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "nobody can tell them apart");

    let is_stale = |refused: &Sent| challenges(refused)[0].ends_with(", stale=true");
    assert_eq!(world.knock(GARDEN, &bob(&fresh, GARDEN, 2).line()).status(), 200);
    assert_eq!(world.knock(GARDEN, &bob(&fresh, GARDEN, 3).line()).status(), 200);
    for count in [0, 1, 2, 3] {
        let refused = world.knock(GARDEN, &bob(&fresh, GARDEN, count).line());
        assert!(is_stale(&refused), "{count} comes too late: {}", refused.text);
    }
    let forged = "0".repeat(64);
    assert!(is_stale(&world.knock(GARDEN, &bob(&forged, GARDEN, 1).line())));
    let old = nonce(&world.knock(GARDEN, ""));
    world.wait(Duration::from_secs(301));
    let refused = world.knock(GARDEN, &bob(&old, GARDEN, 1).line());
    assert!(is_stale(&refused));
    assert_eq!(world.knock(GARDEN, &bob(&nonce(&refused), GARDEN, 1).line()).status(), 200);
}

/// AUTH-02: after ten wrong proofs in a minute their source is refused for a minute, whatever it
/// says, and nobody else is.
#[test]
fn who_guesses_too_often_is_not_listened_to() {
    let mut world = world();
    for n in 1..=10 {
        let fresh = nonce(&world.knock(GARDEN, ""));
        let wrong = Proof { password: "guess", ..bob(&fresh, GARDEN, n) };
        assert_eq!(world.knock(GARDEN, &wrong.line()).status(), 401, "{n}");
    }
    let text = invite(&mut world, GARDEN, ALICE, "", OFFER);
    let fresh = nonce(&world.ask_from(NEIGHBOUR, &text));
    for line in ["", &bob(&fresh, GARDEN, 1).line()] {
        let refused = world.knock(GARDEN, line);
        assert_eq!((refused.status(), refused.find("WWW-Authenticate")), (403, None));
    }
    assert_eq!(world.refusals("barred"), 2);
    let text = invite(&mut world, GARDEN, ALICE, &bob(&fresh, GARDEN, 1).line(), OFFER);
    assert_eq!(world.ask_from(NEIGHBOUR, &text).status(), 200);
    world.join(GARDEN, ALICE);
    world.wait(Duration::from_secs(60));
    assert_eq!(world.knock(GARDEN, &bob(&fresh, GARDEN, 2).line()).status(), 200);
}

/// AUTH-03: credentials of other schemes and other realms are not for us; ours have to be whole, and
/// for this request.
#[test]
fn credentials_are_read_with_care() {
    let mut world = world();
    let fresh = nonce(&world.knock(GARDEN, ""));
    let right = bob(&fresh, GARDEN, 1).line();
    for (what, line, status) in [
        ("no scheme of ours", "Authorization: NoOneKnowsThisScheme opaque-data=here\n".into(), 401),
        ("basic", "Authorization: Basic Ym9iOnRoZSBidWlsZGVy\n".into(), 401),
        ("another realm", right.replace("realm=\"im.", "realm=\"chat."), 401),
        ("an algorithm nobody knows", right.replace("SHA-256", "AKAv1-MD5"), 401),
        ("no parameters", "Authorization: Digest\n".into(), 400),
        ("no realm", right.replace("realm=", "reich="), 400),
        ("no user name", right.replace("username=", "name="), 400),
        ("no nonce", right.replace(" nonce=", " once="), 400),
        ("no uri", right.replace("uri=", "url="), 400),
        ("no response", right.replace("response=", "request="), 400),
        ("no cnonce", right.replace("cnonce=", "ccnonce="), 400),
        ("no count", right.replace("nc=", "no="), 400),
        ("a count of the wrong size", right.replace("nc=0", "nc="), 400),
        ("a count that is none", right.replace("nc=00000001", "nc=+0000001"), 400),
        ("a protection that was not offered", right.replace("qop=auth", "qop=auth-int"), 400),
    ] {
        assert_eq!(world.knock(GARDEN, &line).status(), status, "{what}");
    }
    let strangers = "Authorization: Basic Ym9i\nAuthorization: Digest realm=\"chat\", x=1\n";
    assert_eq!(world.knock(GARDEN, &format!("{strangers}{right}")).status(), 200);
}

/// AUTH-02, AUTH-03: `uri` may be written in another way; a response as of old is good for one request.
#[test]
fn older_and_other_spellings_are_understood() {
    let mut world = world();
    let fresh = nonce(&world.knock(GARDEN, ""));
    let spelled = bob(&fresh, "sip:garden%2Dopen@IM.example.com;transport=udp", 1);
    assert_eq!(world.knock(GARDEN, &spelled.line()).status(), 200);
    let fresh = nonce(&world.knock(GARDEN, ""));
    let of_old = bob(&fresh, GARDEN, 1).line_of_old();
    assert_eq!(world.knock(GARDEN, &of_old).status(), 200);
    let refused = world.knock(GARDEN, &of_old);
    assert!(challenges(&refused)[0].ends_with(", stale=true"));
    assert_eq!(world.knock(GARDEN, &bob(&fresh, GARDEN, 9).line()).status(), 401);
}

/// AUTH-04: whatever is asked for, and whether or not it exists, the answer is the same, and nothing
/// is looked up for it.
#[test]
fn a_challenge_tells_nothing_about_rooms() {
    let mut world = world();
    let session = world.join(GARDEN, ALICE).identity();
    let mut answers = Vec::new();
    for uri in [GARDEN, &session, NO_SESSION, "sip:nobody@im.example.com", "sip:x@elsewhere", "a:b"]
    {
        for lines in ["", "Require: foo\n", "Privacy: id\n"] {
            world.journal();
            let refused = world.knock(uri, lines);
            assert_eq!(world.journal(), ["sip: SIP/2.0 401 Unauthorized"]);
            answers.push(challenges(&refused)[0].replace(&nonce(&refused), ""));
        }
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

/// OPS-12, AUTH-02: another configuration counts for the next who proves something; what has not changed
/// of it leaves nonces good and penalties in force.
#[test]
fn users_may_change_while_there_are_some() {
    let mut world = world();
    let fresh = nonce(&world.knock(GARDEN, ""));
    world.reconfigure(Config { warn_detail: false, ..config(&[Algorithm::Sha256]) });
    assert_eq!(world.knock(GARDEN, &bob(&fresh, GARDEN, 1).line()).status(), 200);

    let mut other = config(&[Algorithm::Sha256]);
    if let Some(digest) = &mut other.digest {
        digest.accounts[1] = account("bob", "the painter", &["sip:bob@example.com"]);
    }
    world.reconfigure(other);
    let refused = world.knock(GARDEN, &bob(&fresh, GARDEN, 2).line());
    assert!(!challenges(&refused)[0].contains("stale"), "that is not the password any more");
    let renamed = |nonce, count| Proof { password: "the painter", ..bob(nonce, GARDEN, count) };
    let refused = world.knock(GARDEN, &renamed(&fresh, 3).line());
    assert!(challenges(&refused)[0].ends_with(", stale=true"));
    let fresh = nonce(&refused);
    assert_eq!(world.knock(GARDEN, &renamed(&fresh, 1).line()).status(), 200);
    world.reconfigure(vectors());
    assert_eq!(world.knock(GARDEN, &renamed(&fresh, 2).line()).status(), 403);
}
