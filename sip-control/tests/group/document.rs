//! What is read of a document, and what is wrong with one.

use std::{fmt::Write as _, time::Duration};

use proptest::prelude::*;
use sip_control::{
    focus::{UserKey, Utc},
    group::{GroupDocument, Right},
};

use super::{document, grants, group, minimal};

/// What is wrong with the document: line, column and text.
fn fault(document: &str) -> (usize, usize, String) {
    let fault = GroupDocument::parse(document.as_bytes()).expect_err(document);
    (fault.line, fault.column, fault.expected)
}

/// What is wrong with a group of this content, which begins in line 3.
fn fault_of(content: &str) -> (usize, usize, String) {
    fault(&document(content))
}

fn assert_fault(content: &str, line: usize, column: usize, expected: &str) {
    assert_eq!(fault_of(content), (line, column, expected.to_owned()), "{content}");
}

fn remarks(document: &str) -> Vec<String> {
    let read = GroupDocument::parse(document.as_bytes()).unwrap();
    read.remarks.iter().map(ToString::to_string).collect()
}

/// POL-05, POL-07: the document of section 5.1 says what it seems to say.
#[test]
fn the_minimal_document_is_read() {
    let group = group(minimal());
    assert_eq!(group.uri, "sip:gardeners@groups.example.com");
    assert_eq!(group.subject.as_deref(), Some("Roses and other matters"));
    assert_eq!(group.max_participants, Some(3));
    let key = |uri| UserKey::of(uri).unwrap();
    let members = ["sip:alice@example.com", "sip:bob@example.com", "tel:+12125550147"];
    assert_eq!(group.members, members.into_iter().map(key).collect());
    assert!(!group.has_key_participants());
}

/// A list that is elsewhere is noted, if it is where one can be had from; a crowd is too much.
#[test]
fn a_list_elsewhere_is_noted() {
    let anchor = minimal().split("anchor=\"").nth(1).and_then(|rest| rest.split('"').next());
    assert_eq!(group(minimal()).external, [anchor.expect("an anchor")]);
    let nowhere = document("<list><external anchor='friends.xml'/></list>");
    assert!(group(&nowhere).external.is_empty());
    assert_eq!(remarks(&nowhere), ["4:7: no HTTP or HTTPS URI, so a list without members"]);
    let mut crowd = String::new();
    for n in 0..10_001 {
        write!(crowd, "<entry uri='sip:u{n}@example.com'/>").unwrap();
    }
    let (_, _, expected) = fault_of(&format!("<list>{crowd}</list>"));
    assert_eq!(expected, "expected at most 10000 members");
}

/// POL-05: the root, what is in it, and the Group Identity.
#[test]
fn the_frame_of_a_document_is_checked() {
    let in_group = |content: &str| {
        format!("<g:group xmlns:g='urn:oma:xml:poc:list-service'>\n{content}</g:group>")
    };
    let fault = |document: &str| fault(document);
    let root = "expected <group> of urn:oma:xml:poc:list-service as the root".to_owned();
    assert_eq!(fault("<group/>"), (1, 1, root.clone()));
    assert_eq!(fault("<group xmlns='urn:other'/>"), (1, 1, root.clone()));
    assert_eq!(fault("<l xmlns='urn:oma:xml:poc:list-service'/>"), (1, 1, root));
    let other = "expected nothing but <list-service> in <group>".to_owned();
    assert_eq!(fault(&in_group("<g:list/>")), (2, 1, other.clone()));
    assert_eq!(fault(&in_group("<list-service uri='sip:a@b'/>")), (2, 1, other));
    let none = "expected a <list-service> in <group>".to_owned();
    assert_eq!(fault(&in_group("")), (1, 1, none));
    let uri = "expected <list-service> to have the attribute uri".to_owned();
    assert_eq!(fault(&in_group("  <g:list-service/>")), (2, 3, uri));
    for uri in ["", "team", "tel:+1", "sip:example.com", &format!("sip:s-{}@h", "0".repeat(32))] {
        let (_, _, expected) = fault(&in_group(&format!("<g:list-service uri='{uri}'/>")));
        assert!(expected.starts_with("expected uri to be a SIP URI with a user part"), "{uri}");
    }
    let two = "<g:list-service uri='sip:a@h'/><g:list-service uri='sips:a@H'/>";
    assert_eq!(fault(&in_group(two)), (2, 32, "expected every group once".to_owned()));
    let two = "<g:list-service uri='sip:a@h'/><g:list-service uri='sip:b@h'/>";
    assert_eq!(GroupDocument::parse(in_group(two).as_bytes()).unwrap().groups.len(), 2);
}

/// POL-06: what stands in the wrong place is read, and remarked on; what is there twice is not.
#[test]
fn the_order_of_elements_is_remarked_on() {
    let odd = document(
        "<cp:ruleset/><max-participant-count> 7 </max-participant-count>\n\
         <invite-members>0</invite-members><list/><display-name>T</display-name>",
    );
    assert_eq!(group(&odd).max_participants, Some(7));
    let place = "does not stand where the schema has it";
    let remarked = remarks(&odd);
    assert_eq!(remarked.len(), 4, "{remarked:?}");
    assert_eq!(remarked[0], format!("4:14: <max-participant-count> {place}"));
    assert_eq!(remarked[3], format!("5:42: <display-name> {place}"));
    assert_fault("<list/>\n<list/>", 5, 1, "expected <list> once");
    assert_fault("<cp:ruleset/><cp:ruleset/>", 4, 14, "expected <ruleset> once");
    let unknown = "expected display-name, list, invite-members or max-participant-count, or an \
                   element of another namespace";
    assert_fault("<nickname/>", 4, 1, unknown);
}

/// FOC-10, POL-06: a limit is a number; without one there is none, and nought is one.
#[test]
fn a_limit_is_a_number_or_absent() {
    let limit = |text: &str| {
        let element = format!("<max-participant-count>{text}</max-participant-count>");
        group(&document(&element)).max_participants
    };
    assert_eq!(limit("0"), Some(0));
    assert_eq!(limit(" +042\n"), Some(42));
    assert_eq!(limit("99999999999999999999999"), Some(usize::MAX));
    assert_eq!(group(&document("")).max_participants, None);
    for text in ["", "-1", "many", "3.0", "+", "3<a/>x"] {
        let element = format!("<max-participant-count>{text}</max-participant-count>");
        assert_fault(&element, 4, 1, "expected a number in <max-participant-count>, 0 or more");
    }
}

/// POL-13: truth has four spellings, and the one right that had others before 2006 has them still.
#[test]
fn a_boolean_has_few_spellings() {
    let joins = |text: &str| {
        let rule = format!(
            "<cp:ruleset><cp:rule id='r'><cp:actions><join-handling>{text}</join-handling>\
             </cp:actions></cp:rule></cp:ruleset>"
        );
        GroupDocument::parse(document(&rule).as_bytes())
            .map(|read| grants(&read.groups[0], Right::Join, "sip:bob@example.com"))
            .map_err(|fault| fault.expected)
    };
    for (text, is_true) in [
        ("true", true),
        (" 1\n", true),
        ("&#116;rue", true),
        ("<![CDATA[allow]]>", true),
        ("tr<!-- -->ue", true),
        ("false", false),
        ("0", false),
        ("block", false),
    ] {
        assert_eq!(joins(text), Ok(is_true), "{text}");
    }
    for text in ["", "True", "yes", "2", "pass"] {
        assert_eq!(joins(text), Err("expected true or false in <join-handling>".to_owned()));
    }
    let initiate = "<cp:ruleset><cp:rule id='r'><cp:actions><allow-initiate-conference>allow\
                    </allow-initiate-conference></cp:actions></cp:rule></cp:ruleset>";
    assert_eq!(fault_of(initiate).2, "expected true or false in <allow-initiate-conference>");
    assert_fault("<invite-members/>", 4, 1, "expected true or false in <invite-members>");
}

/// POL-08: entries are compared as users are, however they are written, and never by name.
#[test]
fn members_are_known_by_their_addresses() {
    let group = group(&document(
        "<list><entry uri=' sips:%62ob@EXAMPLE.com;transport=tcp '><display-name>sip:eve@example.com\
         </display-name></entry><entry uri='tel:+1(212)555-0147'/>\
         <entry uri='mailto:mallory@example.com'/></list>\
         <cp:ruleset><cp:rule id='m'><cp:conditions><is-list-member/></cp:conditions>\
         <cp:actions><join-handling>true</join-handling></cp:actions></cp:rule></cp:ruleset>",
    ));
    let joins = |user| grants(&group, Right::Join, user);
    assert!(joins("sip:bob@example.com") && joins("sip:+12125550147@gw.example.net;user=phone"));
    assert!(!joins("sip:eve@example.com") && !joins("sip:Bob@example.com"));
    assert!(!joins("sip:mallory@example.com"));
}

/// POL-19: no DTD and no entities, whatever they are said to be.
#[test]
fn a_document_brings_no_entities_along() {
    let bomb = "<!DOCTYPE group [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>\n<group>&b;</group>";
    assert_eq!(fault(bomb), (1, 1, "expected no DTD".to_owned()));
    let file = "<!DOCTYPE g SYSTEM \"file:///etc/passwd\"><g/>";
    assert_eq!(fault(file), (1, 1, "expected no DTD".to_owned()));
    let entity = "expected no entity but those that XML itself has";
    assert_fault("<display-name>&amp;&file;</display-name>", 4, 20, entity);
    let (_, _, expected) = fault_of("<entry uri='&file;'/>");
    assert!(expected.starts_with("expected well-formed XML"), "{expected}");
}

/// POL-19: depth, size, attributes and elements are bounded, and the bound itself is allowed.
#[test]
fn a_document_has_bounds() {
    let nested = |depth: usize| {
        document(&format!("<a xmlns='urn:x'>{}{}</a>", "<b>".repeat(depth), "</b>".repeat(depth)))
    };
    assert!(GroupDocument::parse(nested(29).as_bytes()).is_ok());
    let (_, _, expected) = fault(&nested(30));
    assert_eq!(expected, "expected at most 32 elements inside one another");

    let padded = |size: usize| {
        let bare = document("").len();
        document(&" ".repeat(size - bare))
    };
    assert!(GroupDocument::parse(padded(1024 * 1024).as_bytes()).is_ok());
    let (_, _, expected) = fault(&padded(1024 * 1024 + 1));
    assert_eq!(expected, "expected at most 1048576 octets");

    let long = |size: usize| format!("<list><external anchor='{}'/></list>", "a".repeat(size));
    assert!(GroupDocument::parse(document(&long(8192)).as_bytes()).is_ok());
    assert_fault(&long(8193), 4, 7, "expected attributes of at most 8192 octets");

    let many = format!("<a xmlns='urn:x'>{}</a>", "<b/>".repeat(60_000));
    assert_eq!(fault_of(&many).2, "expected at most 60000 elements");
}

/// POL-19: what is no XML is refused where it stops being XML.
#[test]
fn what_is_not_well_formed_is_refused_where_it_is_not() {
    for (document, line, column) in [
        ("", 1, 1),
        ("gr\u{fc}n <group/>", 1, 1),
        ("<group>\n  <list></group>", 2, 9),
        ("<group>\n<list", 2, 1),
        ("<group>", 1, 1),
        ("<group/>\n<group/>", 2, 1),
        ("<group a='1' a='2'/>", 1, 1),
        ("<group>\n\u{e4}\u{f6}&#0;</group>", 2, 3),
    ] {
        let (at_line, at_column, expected) = fault(document);
        assert_eq!((at_line, at_column), (line, column), "{document}: {expected}");
    }
    let fault = GroupDocument::parse(b"<group>\xff</group>").unwrap_err();
    assert_eq!(fault.to_string(), "1:8: expected UTF-8");
}

#[test]
fn what_we_do_not_know_is_passed_over_unless_it_must_be_understood() {
    let extension = |must: &str| format!("<oxe:novelty oxe:must-understand='{must}'/>");
    assert!(GroupDocument::parse(document(&extension("false")).as_bytes()).is_ok());
    let expected = "expected nothing that must be understood and is not: <novelty>";
    assert_fault(&extension("true"), 4, 1, expected);
    let action = "<cp:ruleset><cp:rule id='r'><cp:actions>\n<oxe:novelty must-understand='1'/>\
                  </cp:actions></cp:rule></cp:ruleset>";
    assert_fault(action, 5, 1, expected);
}

#[test]
fn a_group_that_lists_services_is_for_those() {
    let serves = |enablers: &[&str]| {
        let service = |enabler: &&str| ["<oxe:service enabler='", enabler, "'/>"].concat();
        let services: Vec<String> = enablers.iter().map(service).collect();
        let services = services.concat();
        group(&document(&format!("<oxe:supported-services>{services}</oxe:supported-services>")))
            .serves_messaging
    };
    assert!(serves(&["PoC", "org.openmobilealliance:IM-Session"]) && serves(&["im"]));
    assert!(!serves(&["PoC", "timing"]) && !serves(&[]));
    assert!(group(&document("")).serves_messaging);
}

#[test]
fn the_frame_of_a_rule_is_checked() {
    let ruleset = |content: &str| format!("<cp:ruleset>\n{content}</cp:ruleset>");
    let id = "expected <rule> to have the attribute id";
    assert_fault(&ruleset("<cp:rule/>"), 5, 1, id);
    assert_fault(&ruleset("<rule id='r'/>"), 5, 1, "expected nothing but <rule> in <ruleset>");
    let rule = |content: &str| ruleset(&format!("<cp:rule id='r'>\n{content}</cp:rule>"));
    let parts = "expected conditions, actions or transformations";
    assert_fault(&rule("<cp:action/>"), 6, 1, parts);
    let twice = "<cp:actions><allow-anonymity>1</allow-anonymity>\n<allow-anonymity>0\
                 </allow-anonymity></cp:actions>";
    assert_fault(&rule(twice), 7, 1, "expected <allow-anonymity> once in a rule");
    let conditions = |content: &str| rule(&format!("<cp:conditions>\n{content}</cp:conditions>"));
    let except = |attributes: &str| {
        conditions(&format!(
            "<cp:identity><cp:many>\n<cp:except {attributes}/></cp:many></cp:identity>"
        ))
    };
    assert_fault(&except(""), 8, 1, "expected <except> to have the attribute id or domain");
    assert_fault(&except("id='pres:eve@h'"), 8, 1, "expected id to be a SIP or tel URI");
    let validity = |content: &str| conditions(&format!("<cp:validity>\n{content}</cp:validity>"));
    let from = "<cp:from>2026-01-01T00:00:00Z</cp:from>";
    assert_fault(&validity(from), 7, 1, "expected an <until> for every <from>");
    assert_fault(&validity(&format!("{from}\n{from}")), 9, 1, "expected <until>");
    let zoneless = format!("{from}\n<cp:until>2026-01-01T00:00:00</cp:until>");
    let time = "expected a time with its zone, such as 2026-03-29T01:30:00Z";
    assert_fault(&validity(&zoneless), 9, 1, time);
}

proptest! {
    /// POL-19: whatever the octets are, there is an answer, and a fault lies inside them.
    #[test]
    fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Err(fault) = GroupDocument::parse(&octets) {
            prop_assert!(fault.line + fault.column <= octets.len() + 2);
        }
    }

    /// POL-19: nor do a few octets changed in a sound document lead to anything else.
    #[test]
    fn a_mangled_document_is_read_or_refused(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..8),
    ) {
        let mut octets = minimal().as_bytes().to_vec();
        for (index, octet, way) in cuts {
            let at = index.index(octets.len());
            match way {
                0 => octets[at] = octet,
                1 => octets.insert(at, octet),
                _ => octets.truncate(at.max(1)),
            }
        }
        if let Ok(read) = GroupDocument::parse(&octets) {
            prop_assert!(!read.groups.is_empty());
        }
    }

    /// POL-19: and neither does XML that is made of the right words in any order.
    #[test]
    fn shuffled_elements_are_read_or_refused(
        words in prop::collection::vec(prop::sample::select(vec![
            "<group xmlns='urn:oma:xml:poc:list-service' xmlns:cp='urn:ietf:params:xml:ns:common-policy'>",
            "</group>", "<list-service uri='sip:a@b'>", "</list-service>", "<list>", "</list>",
            "<entry uri='sip:u@h'/>", "<cp:ruleset>", "</cp:ruleset>", "<cp:rule id='r'>",
            "</cp:rule>", "<cp:conditions>", "</cp:conditions>", "<is-list-member/>",
            "<cp:identity>", "</cp:identity>", "<cp:many>", "</cp:many>", "<cp:one id='x'/>",
            "<cp:actions>", "</cp:actions>", "<join-handling>", "</join-handling>", "true", "&lt;",
            "<![CDATA[", "]]>", "<!--", "-->", "<!DOCTYPE x>", "<?pi?>", "\n",
        ]), 0..40),
    ) {
        let text = words.concat();
        if let Err(fault) = GroupDocument::parse(text.as_bytes()) {
            prop_assert!(fault.line <= text.lines().count().max(1) + 1);
        }
    }
}

fn extended(policy: &str) -> String {
    document(&format!("<oxe:session-active-policy>\n{policy}</oxe:session-active-policy>"))
}

/// POL-16: what the extensions say of sessions is read, and what must be understood and is not refuses
/// the document.
#[test]
fn the_extensions_bound_the_sessions_of_a_group() {
    let group = group(&extended(
        "<oxe:schedule><oxe:from>2026-03-29T00:00:00Z</oxe:from>\
         <oxe:until>2026-03-29T02:00:00+01:00</oxe:until></oxe:schedule>\
         <oxe:schedule><oxe:from>2026-03-30T00:00:00Z</oxe:from>\
         <oxe:until>2026-03-31T00:00:00Z</oxe:until></oxe:schedule>\
         <oxe:max-duration>PT1H30M</oxe:max-duration>\
         <oxe:min-participant-count>2</oxe:min-participant-count>\
         <oxe:required-participants-list><oxe:entry uri='sip:bob@example.com'/>\
         </oxe:required-participants-list><oxe:else/><x xmlns='urn:x'/>",
    ));
    let schedule = group.schedule.expect("a schedule");
    let midnight = Utc(1_774_742_400);
    assert_eq!(schedule.ends_at(midnight), Utc(midnight.0 + 3_600));
    assert!(!schedule.holds(Utc(midnight.0 + 3_600)) && schedule.holds(Utc(midnight.0 + 86_400)));
    assert_eq!(group.duration_max, Some(Duration::from_secs(5_400)));
    assert_eq!(group.participants_min, Some(2));
    assert_eq!(group.required, [UserKey::of("sip:bob@example.com").unwrap()].into());

    for (policy, expected) in [
        (
            "<oxe:schedule><oxe:from>soon</oxe:from><oxe:until/></oxe:schedule>",
            "expected a time with",
        ),
        ("<oxe:schedule><oxe:from/></oxe:schedule>", "expected an <until> for every <from>"),
        ("<oxe:schedule><cp:from/><cp:until/></oxe:schedule>", "expected <from>"),
        ("<oxe:max-duration>P1M</oxe:max-duration>", "expected a time such as PT2H"),
        ("<oxe:max-duration>0</oxe:max-duration>", "expected a time such as PT2H"),
        (
            "<oxe:max-duration>9</oxe:max-duration><oxe:max-duration>8</oxe:max-duration>",
            "expected <max-duration> once",
        ),
        ("<oxe:min-participant-count>few</oxe:min-participant-count>", "expected a number in"),
        (
            "<oxe:required-participants-list><oxe:entry/></oxe:required-participants-list>",
            "expected <entry> to have",
        ),
        ("<oxe:else oxe:must-understand='true'/>", "expected nothing that must be understood"),
    ] {
        let (line, _, found) = fault(&extended(policy));
        assert!(line == 5 && found.starts_with(expected), "{policy}: {found}");
    }
}

/// POL-16: a group may want to be told of, and is not: who wrote that is told so.
#[test]
fn what_is_asked_for_and_not_done_is_remarked_on() {
    let advert = |text: &str| {
        format!("<oxe:automatic-group-advertisement>{text}</oxe:automatic-group-advertisement>")
    };
    assert_eq!(remarks(&document(&advert("true"))), ["4:1: nobody is told of a group by itself"]);
    assert_eq!(remarks(&document(&advert("false"))), [""; 0]);
    assert_fault(
        &advert("often"),
        4,
        1,
        "expected true or false in <automatic-group-advertisement>",
    );
}
