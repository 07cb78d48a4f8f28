//! From a tree of elements to groups: what may stand where, and what it means.

use std::{collections::HashSet, time::Duration};

use super::{
    date_time,
    document::Group,
    rule::{Condition, Except, Identity, Right, Rule},
    xml::{Element, Namespace, Wrong},
};
use crate::{
    focus::{UserKey, Utc, is_session_identity, venue_key},
    message::SipUri,
};

/// Members of one group (POL-09).
pub const MEMBERS_MAX: usize = 10_000;

/// The groups of a document (POL-05).
pub fn groups(root: &Element, remarks: &mut Vec<Wrong>) -> Result<Vec<Group>, Wrong> {
    if !root.is(Namespace::ListService, "group") {
        let expected = "expected <group> of urn:oma:xml:poc:list-service as the root";
        return Err(Wrong::new(root.at, expected));
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut keys = HashSet::new();
    for service in &root.children {
        if !service.is(Namespace::ListService, "list-service") {
            return Err(Wrong::new(service.at, "expected nothing but <list-service> in <group>"));
        }
        let (key, group) = list_service(service, remarks)?;
        if !keys.insert(key) {
            return Err(Wrong::new(service.at, "expected every group once"));
        }
        groups.push(group);
    }
    if groups.is_empty() {
        return Err(Wrong::new(root.at, "expected a <list-service> in <group>"));
    }
    Ok(groups)
}

/// A group, and the key of its URI.
fn list_service(service: &Element, remarks: &mut Vec<Wrong>) -> Result<(String, Group), Wrong> {
    let uri = service.required("uri")?;
    let parsed = SipUri::parse(uri).filter(|uri| uri.user().is_some() && !is_session_identity(uri));
    let expected = "expected uri to be a SIP URI with a user part, such as sip:team@example.com";
    let key = parsed.and_then(|_| venue_key(uri));
    let key = key.ok_or_else(|| Wrong::new(service.at, expected))?;
    let mut group = Group::bare(uri);
    let mut seen: Vec<(Namespace, &str)> = Vec::new();
    let mut last_place = 0;
    for child in &service.children {
        let name = (child.namespace, &*child.name);
        let is_known = matches!(
            name,
            (Namespace::ListService, _)
                | (Namespace::CommonPolicy, "ruleset")
                | (
                    Namespace::Extensions,
                    "subject"
                        | "supported-services"
                        | "required-participants-list"
                        | "session-active-policy"
                        | "automatic-group-advertisement"
                )
        );
        if is_known && seen.contains(&name) {
            return Err(Wrong::new(child.at, format!("expected <{}> once", child.name)));
        }
        seen.push(name);
        match name {
            (Namespace::ListService, "display-name") => {}
            (Namespace::ListService, "list") => members(child, &mut group, remarks)?,
            (Namespace::ListService, "invite-members") => group.invites_members = boolean(child)?,
            (Namespace::ListService, "max-participant-count") => {
                group.max_participants = Some(non_negative(child)?);
            }
            (Namespace::ListService, _) => {
                let expected = "expected display-name, list, invite-members or \
                                max-participant-count, or an element of another namespace";
                return Err(Wrong::new(child.at, expected));
            }
            (Namespace::CommonPolicy, "ruleset") => group.rules = ruleset(child, remarks)?,
            (Namespace::Extensions, "subject") => {
                group.subject = Some(child.text().to_owned()).filter(|text| !text.is_empty());
            }
            (Namespace::Extensions, "required-participants-list") => {
                group.required.extend(required(child)?);
            }
            (Namespace::Extensions, "session-active-policy") => active_policy(child, &mut group)?,
            (Namespace::Extensions, "automatic-group-advertisement") => {
                if boolean(child)? {
                    remarks.push(Wrong::new(child.at, "nobody is told of a group by itself"));
                }
            }
            (Namespace::Extensions, "supported-services") => {
                group.serves_messaging = serves_messaging(child);
            }
            _ => pass_over(child)?,
        }
        let place = place(child);
        if place < last_place {
            let remark = format!("<{}> does not stand where the schema has it", child.name);
            remarks.push(Wrong::new(child.at, remark));
        }
        last_place = last_place.max(place);
    }
    Ok((key, group))
}

/// When sessions of the group may run, for how long, and with whom (POL-16).
fn active_policy(policy: &Element, group: &mut Group) -> Result<(), Wrong> {
    let mut times = Vec::new();
    for child in &policy.children {
        let once = |is_new: bool| {
            let expected = || Wrong::new(child.at, format!("expected <{}> once", child.name));
            is_new.then_some(()).ok_or_else(expected)
        };
        match (child.namespace, &*child.name) {
            // There may be several of these.
            (Namespace::Extensions, "schedule") => {
                times.extend(periods(child, Namespace::Extensions)?);
                group.schedule = Some(times.iter().copied().collect());
            }
            (Namespace::Extensions, "max-duration") => {
                once(group.duration_max.is_none())?;
                group.duration_max = Some(duration(child)?);
            }
            (Namespace::Extensions, "min-participant-count") => {
                once(group.participants_min.is_none())?;
                group.participants_min = Some(non_negative(child)?);
            }
            (Namespace::Extensions, "required-participants-list") => {
                group.required.extend(required(child)?);
            }
            _ => pass_over(child)?,
        }
    }
    Ok(())
}

/// `xs:duration` of a fixed length, or seconds.
fn duration(element: &Element) -> Result<Duration, Wrong> {
    let found = date_time::duration(element.text()).filter(|duration| !duration.is_zero());
    let expected = "expected a time such as PT2H, or seconds, in <max-duration>";
    found.ok_or_else(|| Wrong::new(element.at, expected))
}

/// Those members whom a session is not complete without. The list names each by a URI.
fn required(list: &Element) -> Result<HashSet<UserKey>, Wrong> {
    let entries = list.children.iter().filter(|child| child.name == "entry");
    let keys = entries.map(|entry| Ok(UserKey::of(entry.required("uri")?)));
    keys.filter_map(Result::transpose).collect()
}

/// Where the schema has a child of `<list-service>` (POL-06).
fn place(child: &Element) -> u8 {
    match (child.namespace, &*child.name) {
        (Namespace::ListService, "display-name") => 0,
        (Namespace::ListService, "list") => 1,
        (Namespace::ListService, "invite-members") => 2,
        (Namespace::ListService, _) => 3,
        _ => 4,
    }
}

/// The members that the document itself names (POL-07), and where others are named (POL-09). An
/// address of a kind that nobody joins with is nobody's.
fn members(list: &Element, group: &mut Group, remarks: &mut Vec<Wrong>) -> Result<(), Wrong> {
    let Group { members, external, .. } = group;
    for child in &list.children {
        match (child.namespace, &*child.name) {
            (Namespace::ListService, "entry") => {
                match UserKey::of(child.required("uri")?) {
                    Some(key) => drop(members.insert(key)),
                    None => remarks.push(Wrong::new(child.at, "no SIP or tel URI, so no member")),
                }
                if members.len() > MEMBERS_MAX {
                    let expected = format!("expected at most {MEMBERS_MAX} members");
                    return Err(Wrong::new(child.at, expected));
                }
            }
            (Namespace::ListService, "external") => {
                let anchor = child.required("anchor")?;
                if anchor.starts_with("http://") || anchor.starts_with("https://") {
                    external.push(anchor.to_owned());
                } else {
                    let remark = "no HTTP or HTTPS URI, so a list without members";
                    remarks.push(Wrong::new(child.at, remark));
                }
            }
            (Namespace::ListService, "display-name") => {}
            _ => {
                pass_over(child)?;
                let remark = format!("<{}> is not known in <list>, and has no members", child.name);
                remarks.push(Wrong::new(child.at, remark));
            }
        }
    }
    Ok(())
}

/// Whether one of the services is messaging, by whatever name (POL-16): `org.example:IM-Session`.
fn serves_messaging(services: &Element) -> bool {
    let mut services = services.children.iter();
    services.any(|service| {
        let enabler = service.attribute("enabler").unwrap_or_default();
        let mut words = enabler.split(|c: char| !c.is_ascii_alphanumeric());
        words.any(|word| word.eq_ignore_ascii_case("im") || word.eq_ignore_ascii_case("cpm"))
    })
}

fn ruleset(ruleset: &Element, remarks: &mut Vec<Wrong>) -> Result<Vec<Rule>, Wrong> {
    let rules = ruleset.children.iter().map(|child| {
        if child.is(Namespace::CommonPolicy, "rule") {
            rule(child, remarks)
        } else {
            Err(Wrong::new(child.at, "expected nothing but <rule> in <ruleset>"))
        }
    });
    rules.collect()
}

fn rule(element: &Element, remarks: &mut Vec<Wrong>) -> Result<Rule, Wrong> {
    let id = element.required("id")?.to_owned();
    let mut rule = Rule { id, conditions: Vec::new(), actions: Vec::new() };
    for child in &element.children {
        match (child.namespace, &*child.name) {
            (Namespace::CommonPolicy, "conditions") => {
                for child in &child.children {
                    let condition = condition(child)?;
                    if matches!(condition, Condition::Unknown | Condition::ExternalList) {
                        let remark =
                            format!("the rule never matches, for want of <{}>", child.name);
                        remarks.push(Wrong::new(child.at, remark));
                    }
                    rule.conditions.push(condition);
                }
            }
            (Namespace::CommonPolicy, "actions") => actions(child, &mut rule.actions)?,
            (Namespace::CommonPolicy, "transformations") => {}
            _ => {
                let expected = "expected conditions, actions or transformations";
                return Err(Wrong::new(child.at, expected));
            }
        }
    }
    Ok(rule)
}

/// One condition (POL-10).
fn condition(element: &Element) -> Result<Condition, Wrong> {
    Ok(match (element.namespace, &*element.name) {
        (Namespace::CommonPolicy, "identity") => {
            let identities = element.children.iter().map(identity);
            Condition::Identity(identities.collect::<Result<_, _>>()?)
        }
        (Namespace::CommonPolicy, "validity") => {
            Condition::Validity(periods(element, Namespace::CommonPolicy)?)
        }
        (Namespace::ListService, "is-list-member") => Condition::ListMember,
        (Namespace::OmaCommonPolicy, "external-list") => Condition::ExternalList,
        (Namespace::OmaCommonPolicy, "other-identity") => Condition::OtherIdentity,
        (Namespace::OmaCommonPolicy, "anonymous-request") => Condition::AnonymousRequest,
        _ => Condition::Unknown,
    })
}

/// One alternative of `<identity>`. What it may say that we do not know would narrow it, so with
/// that in it, it is nobody.
fn identity(element: &Element) -> Result<Identity, Wrong> {
    match (element.namespace, &*element.name) {
        (Namespace::CommonPolicy, "one") => {
            let key = UserKey::of(element.required("id")?);
            Ok(key.filter(|_| element.children.is_empty()).map_or(Identity::Nobody, Identity::One))
        }
        (Namespace::CommonPolicy, "many") => {
            let mut except = Vec::new();
            for child in &element.children {
                if !child.is(Namespace::CommonPolicy, "except") {
                    return Ok(Identity::Nobody);
                }
                except.extend(exceptions(child)?);
            }
            Ok(Identity::Many { domain: element.attribute("domain").map(str::to_owned), except })
        }
        _ => Ok(Identity::Nobody),
    }
}

/// Whom an `<except>` leaves out. Here not to know somebody would let them in.
fn exceptions(element: &Element) -> Result<Vec<Except>, Wrong> {
    let domain = element.attribute("domain").map(|domain| Except::Domain(domain.to_owned()));
    let one = element.attribute("id").map(|id| {
        let expected = "expected id to be a SIP or tel URI";
        UserKey::of(id).map(Except::One).ok_or_else(|| Wrong::new(element.at, expected))
    });
    let exceptions: Vec<Except> = one.transpose()?.into_iter().chain(domain).collect();
    if exceptions.is_empty() {
        return Err(Wrong::new(element.at, "expected <except> to have the attribute id or domain"));
    }
    Ok(exceptions)
}

/// Pairs of `<from>` and `<until>` (RFC 4745 section 7.3), of that namespace.
fn periods(element: &Element, namespace: Namespace) -> Result<Vec<(Utc, Utc)>, Wrong> {
    let time = |element: &Element, name| {
        if !element.is(namespace, name) {
            return Err(Wrong::new(element.at, format!("expected <{name}>")));
        }
        let expected = "expected a time with its zone, such as 2026-03-29T01:30:00Z";
        date_time::parse(element.text()).ok_or_else(|| Wrong::new(element.at, expected))
    };
    let pairs = element.children.chunks(2).map(|pair| match pair {
        [from, until] => Ok((time(from, "from")?, time(until, "until")?)),
        _ => Err(Wrong::new(element.at, "expected an <until> for every <from>")),
    });
    pairs.collect()
}

/// What a rule says of rights (POL-12).
fn actions(actions: &Element, rights: &mut Vec<(Right, bool)>) -> Result<(), Wrong> {
    for child in &actions.children {
        let namespace = |right: &Right| {
            if right.is_extension() { Namespace::Extensions } else { Namespace::ListService }
        };
        let mut known = Right::ALL.into_iter();
        let Some(right) = known.find(|right| child.is(namespace(right), right.name())) else {
            pass_over(child)?;
            continue;
        };
        if rights.iter().any(|(named, _)| *named == right) {
            return Err(Wrong::new(child.at, format!("expected <{}> once in a rule", child.name)));
        }
        let says = match (right, child.text()) {
            // As the schema had it before 2006 (POL-13).
            (Right::Join, "allow") => true,
            (Right::Join, "block") => false,
            _ => boolean(child)?,
        };
        rights.push((right, says));
    }
    Ok(())
}

/// Leaves out what we do not know, unless that would be to misunderstand the document (POL-16).
fn pass_over(element: &Element) -> Result<(), Wrong> {
    match element.attribute_of_any_namespace("must-understand") {
        Some("true" | "1") => {
            let expected =
                format!("expected nothing that must be understood and is not: <{}>", element.name);
            Err(Wrong::new(element.at, expected))
        }
        _ => Ok(()),
    }
}

/// POL-13.
fn boolean(element: &Element) -> Result<bool, Wrong> {
    match element.text() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Wrong::new(element.at, format!("expected true or false in <{}>", element.name))),
    }
}

/// `xs:nonNegativeInteger`. One that is larger than we can count is no limit to us.
fn non_negative(element: &Element) -> Result<usize, Wrong> {
    let text = element.text();
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        let expected = format!("expected a number in <{}>, 0 or more", element.name);
        return Err(Wrong::new(element.at, expected));
    }
    Ok(digits.parse().unwrap_or(usize::MAX))
}
