//! What a group grants to whom, and by which rule.

use sip_control::{
    focus::{UserKey, Utc},
    group::{Group, Inquiry, Reason, Right, Verdict},
};

use super::{NOW, document, grants, group, minimal};

const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const MALLORY: &str = "sip:mallory@example.net";

/// A group with Bob on its list and rules of that content.
fn ruled(rules: &str) -> Group {
    group(&document(&format!("<list><entry uri='{BOB}'/></list><cp:ruleset>{rules}</cp:ruleset>")))
}

/// A rule that says so about joining if these conditions hold.
fn rule(id: &str, conditions: &str, joins: bool) -> String {
    format!(
        "<cp:rule id='{id}'><cp:conditions>{conditions}</cp:conditions>\
         <cp:actions><join-handling>{joins}</join-handling></cp:actions></cp:rule>"
    )
}

/// Whether whoever fulfils the conditions is who is expected to, of Bob, Mallory, and Mallory when
/// she asks not to be named.
fn admits(conditions: &str) -> [bool; 3] {
    let group = ruled(&rule("r", conditions, true));
    let mallory = [UserKey::of(MALLORY).unwrap()];
    let masked = Inquiry { user: Some(&mallory), is_anonymous: true, at: NOW };
    let known = |user| grants(&group, Right::Join, user);
    [known(BOB), known(MALLORY), group.grants(Right::Join, &masked)]
}

fn verdict(group: &Group, right: Right, user: &str) -> (Option<&'static str>, Option<String>) {
    let keys = [UserKey::of(user).unwrap()];
    match group.ask(right, &Inquiry { user: Some(&keys), is_anonymous: false, at: NOW }) {
        Verdict::Granted { rule } => (None, Some(rule.to_owned())),
        Verdict::Denied { reason, rule } => (Some(reason.name()), rule.map(str::to_owned)),
    }
}

/// POL-02, POL-12, POL-20: what section 5.1 grants, by which rule, and why not.
#[test]
fn the_minimal_document_grants_what_it_says() {
    let group = group(minimal());
    let by = |rule: &str| (None, Some(rule.to_owned()));
    for right in [Right::Join, Right::Initiate, Right::ConferenceState] {
        for user in [ALICE, BOB, "tel:+1-212-555-0147"] {
            assert_eq!(verdict(&group, right, user), by("members"), "{right:?} {user}");
        }
    }
    assert_eq!(verdict(&group, Right::Anonymity, ALICE), by("alice"));
    assert_eq!(verdict(&group, Right::InviteUsers, ALICE), by("alice"));
    assert_eq!(verdict(&group, Right::Anonymity, BOB), (Some("join_blocked"), None));
    assert_eq!(verdict(&group, Right::Expel, ALICE), (Some("join_blocked"), None));
    let alice_says_no = (Some("join_blocked"), Some("alice".to_owned()));
    assert_eq!(verdict(&group, Right::KeyParticipant, ALICE), alice_says_no);
    let strangers = (Some("not_member"), Some("strangers".to_owned()));
    assert_eq!(verdict(&group, Right::Join, MALLORY), strangers);
    assert_eq!(verdict(&group, Right::Initiate, MALLORY), (Some("not_member"), None));
}

/// POL-02, POL-12: one yes is enough, whatever other rules say and in whatever order; no word at all
/// is a no.
#[test]
fn actions_combine_so_that_yes_wins() {
    for (first, second, joins) in
        [(true, true, true), (true, false, true), (false, true, true), (false, false, false)]
    {
        let group = ruled(&(rule("a", "", first) + &rule("b", "<is-list-member/>", second)));
        assert_eq!(grants(&group, Right::Join, BOB), joins, "{first} {second}");
        assert_eq!(grants(&group, Right::Join, MALLORY), first, "{first} {second}");
    }
    assert!(!grants(&ruled(""), Right::Join, BOB));
    let silent = "<cp:rule id='r'><cp:actions/></cp:rule><cp:rule id='s'/>";
    assert!(Right::ALL.iter().all(|right| !grants(&ruled(silent), *right, BOB)));
}

/// POL-12: every right has its element, in its namespace.
#[test]
fn every_right_is_granted_by_its_own_element() {
    for (element, granted) in [
        ("join-handling", Right::Join),
        ("allow-initiate-conference", Right::Initiate),
        ("allow-conference-state", Right::ConferenceState),
        ("allow-anonymity", Right::Anonymity),
        ("allow-invite-users-dynamically", Right::InviteUsers),
        ("oxe:allow-expelling", Right::Expel),
        ("is-key-participant", Right::KeyParticipant),
    ] {
        let rule = format!(
            "<cp:rule id='r'><cp:actions><{element}>true</{element}></cp:actions></cp:rule>"
        );
        for right in Right::ALL {
            assert_eq!(grants(&ruled(&rule), right, BOB), right == granted, "{element} {right:?}");
        }
        let foreign = rule.replace(element, &format!("ocp:{}", element.replace("oxe:", "")));
        assert!(!grants(&ruled(&foreign), granted, BOB), "{foreign}");
    }
}

/// POL-10: each condition holds for whom it says, and one that is not known for nobody.
#[test]
fn a_condition_holds_for_whom_it_says() {
    for (conditions, admitted) in [
        ("", [true, true, true]),
        ("<is-list-member/>", [true, false, false]),
        ("<cp:identity/>", [false, false, false]),
        ("<cp:identity><cp:one id='sips:bob@EXAMPLE.com'/></cp:identity>", [true, false, false]),
        ("<cp:identity><cp:one id='pres:bob@example.com'/></cp:identity>", [false, false, false]),
        ("<cp:identity><cp:many/></cp:identity>", [true, true, true]),
        ("<cp:identity><cp:many domain='Example.NET'/></cp:identity>", [false, true, true]),
        ("<cp:identity><cp:many domain='net'/></cp:identity>", [false, false, false]),
        (
            "<cp:identity><cp:one id='sip:bob@example.com'/><cp:many domain='example.net'/></cp:identity>",
            [true, true, true],
        ),
        (
            "<cp:identity><cp:many><cp:except id='sip:bob@example.com'/></cp:many></cp:identity>",
            [false, true, true],
        ),
        (
            "<cp:identity><cp:many><cp:except domain='example.com'/></cp:many></cp:identity>",
            [false, true, true],
        ),
        (
            "<cp:identity><cp:many><cp:except domain='x.org' id='sip:mallory@example.net'/></cp:many>\
             </cp:identity>",
            [true, false, false],
        ),
        ("<cp:identity><cp:many><cp:but/></cp:many></cp:identity>", [false, false, false]),
        ("<cp:identity><cp:any/></cp:identity>", [false, false, false]),
        ("<ocp:external-list><ocp:entry anc='http://h/l'/></ocp:external-list>", [false; 3]),
        ("<ocp:other-identity/>", [true, true, true]),
        ("<ocp:anonymous-request/>", [false, false, true]),
        ("<ocp:anonymous-request/><is-list-member/>", [false, false, false]),
        ("<cp:sphere value='home'/>", [false, false, false]),
        ("<is-list-member/><cp:novelty/>", [false, false, false]),
        ("<cp:is-list-member/>", [false, false, false]),
        ("<cp:other-identity/>", [false, false, false]),
    ] {
        assert_eq!(admits(conditions), admitted, "{conditions}");
    }
}

/// POL-10: a domain is that of the address; a telephone number has none.
#[test]
fn a_number_belongs_to_no_domain() {
    let all = "<cp:identity><cp:many domain='example.com'/></cp:identity>";
    let group = ruled(&rule("r", all, true));
    assert!(!grants(&group, Right::Join, "tel:+12125550147"));
    assert!(grants(&group, Right::Join, "sip:bob@example.com:5070"));
    let number = [UserKey::of("tel:+12125550147").unwrap(), UserKey::of(ALICE).unwrap()];
    let inquiry = Inquiry { user: Some(&number), is_anonymous: false, at: NOW };
    assert!(group.grants(Right::Join, &inquiry), "one user, two addresses");
    let others = "<cp:identity><cp:many><cp:except domain='example.com'/></cp:many></cp:identity>";
    assert!(!ruled(&rule("r", others, true)).grants(Right::Join, &inquiry), "nor by the other one");
}

/// POL-11: the others are those whom no rule names, even if what it says is not for now.
#[test]
fn the_others_are_those_whom_no_rule_names() {
    let others = rule("others", "<ocp:other-identity/>", true);
    let past = "<cp:validity><cp:from>2001-01-01T00:00:00Z</cp:from>\
                <cp:until>2002-01-01T00:00:00Z</cp:until></cp:validity>";
    for (naming, bob, mallory) in [
        ("<is-list-member/>".to_owned(), false, true),
        ("<cp:identity><cp:one id='sip:bob@example.com'/></cp:identity>".to_owned(), false, true),
        ("<cp:identity><cp:many/></cp:identity>".to_owned(), false, false),
        (format!("<is-list-member/>{past}"), false, true),
        (
            "<is-list-member/><cp:identity><cp:one id='sip:x@y'/></cp:identity>".to_owned(),
            true,
            true,
        ),
        ("<ocp:external-list/>".to_owned(), true, true),
        ("<ocp:anonymous-request/>".to_owned(), true, true),
        (past.to_owned(), true, true),
        (String::new(), true, true),
    ] {
        for rules in
            [rule("r", &naming, false) + &others, others.clone() + &rule("r", &naming, false)]
        {
            let group = ruled(&rules);
            assert_eq!(grants(&group, Right::Join, BOB), bob, "{rules}");
            assert_eq!(grants(&group, Right::Join, MALLORY), mallory, "{rules}");
        }
    }
}

/// POL-11: whom nobody vouches for matches no rule about identities, not even one about all.
#[test]
fn the_unknown_match_no_identity() {
    let unknown = Inquiry { user: None, is_anonymous: false, at: NOW };
    for (conditions, is_admitted) in [
        ("", true),
        ("<ocp:anonymous-request/>", true),
        ("<cp:identity><cp:many/></cp:identity>", false),
        ("<is-list-member/>", false),
        ("<ocp:other-identity/>", false),
        ("<ocp:anonymous-request/><ocp:other-identity/>", false),
    ] {
        let group = ruled(&rule("r", conditions, true));
        assert_eq!(group.grants(Right::Join, &unknown), is_admitted, "{conditions}");
    }
}

/// POL-10: a rule has its time: from the first moment on, until just before the last.
#[test]
fn a_rule_has_its_time() {
    let validity = "<cp:validity>\
        <cp:from>2026-01-01T00:00:00Z</cp:from><cp:until>2026-01-01T00:00:10Z</cp:until>\
        <cp:from>2026-01-01T02:00:20+02:00</cp:from><cp:until>2026-01-01T00:00:30Z</cp:until>\
        </cp:validity>";
    let group = ruled(&rule("r", validity, true));
    let bob = [UserKey::of(BOB).unwrap()];
    let start: u64 = 1_767_225_600;
    for (second, is_valid) in [
        (-1, false),
        (0, true),
        (9, true),
        (10, false),
        (19, false),
        (20, true),
        (29, true),
        (30, false),
    ] {
        let at = Utc(start.saturating_add_signed(second));
        let inquiry = Inquiry { user: Some(&bob), is_anonymous: false, at };
        assert_eq!(group.grants(Right::Join, &inquiry), is_valid, "second {second}");
    }
}

/// POL-20: a group that is not for messaging says so, and not that somebody is no member.
#[test]
fn a_group_of_another_service_says_that() {
    let group = group(&document(&format!(
        "<cp:ruleset>{}</cp:ruleset>\
         <oxe:supported-services><oxe:service enabler='PoC'/></oxe:supported-services>",
        rule("all", "", true)
    )));
    let reason = Some(Reason::ServiceNotSupported.name());
    assert_eq!(verdict(&group, Right::Join, BOB), (reason, None));
    assert_eq!(reason, Some("service_not_supported"));
}

#[test]
fn a_group_has_key_participants_if_a_rule_can_make_one() {
    let key = |conditions: &str, says: bool| {
        ruled(&rule("r", conditions, says).replace("join-handling", "is-key-participant"))
            .has_key_participants()
    };
    assert!(key("", true) && key("<is-list-member/>", true));
    assert!(!key("", false) && !key("<cp:novelty/>", true) && !key("<ocp:external-list/>", true));
}
