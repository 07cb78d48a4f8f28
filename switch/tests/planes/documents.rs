//! What watchers are told, read as it goes out: whether versions follow one another, and whether the
//! differences add up to what the whole document says.

use std::collections::{BTreeMap, HashMap};

use sip_control::message::{Header, Request};

/// The users of a document: the element of each, by entity.
type Users = BTreeMap<String, String>;

/// All subscriptions, by dialog and `id`.
#[derive(Default)]
pub struct Documents(HashMap<String, Told>);

/// What one watcher was told.
struct Told {
    sequence: u32,
    version: u32,
    users: Users,
    /// How many are there.
    count: String,
}

impl Documents {
    /// A NOTIFY goes out, perhaps once more.
    pub fn note(&mut self, notify: &Request) {
        let event = notify.header(Header::Event).unwrap();
        if !event.starts_with("conference") {
            return;
        }
        let dialog = format!("{} {:?} {event}", notify.call_id(), notify.from_tag());
        let body = notify.body();
        let document = std::str::from_utf8(&body).unwrap();
        let sequence = notify.sequence();
        let known = self.0.get(&dialog);
        if known.is_some_and(|known| known.sequence >= sequence) {
            return;
        }
        let version: u32 = attribute(document, "version").parse().unwrap();
        let state = attribute(document, "state");
        // A first document says nothing of one before, which may have ended without a word.
        let known = known.filter(|_| version > 1 || state != "full");
        let count = between(document, "<user-count>", "</user-count>").to_owned();
        let mut users = Users::new();
        match (state, known) {
            ("full" | "deleted", None) => {}
            ("full" | "deleted", Some(known)) => {
                assert!((known.version..=known.version + 1).contains(&version), "{document}");
            }
            ("partial", Some(known)) => {
                assert_eq!(version, known.version + 1, "{document}");
                users.clone_from(&known.users);
            }
            _ => panic!("of nothing: {document}"),
        }
        for element in elements(document) {
            let entity = attribute(element, "entity").to_owned();
            if attribute(element, "state") == "deleted" {
                assert!(users.remove(&entity).is_some(), "{entity} was not told: {document}");
            } else {
                users.insert(entity, element.to_owned());
            }
        }
        if let Some(known) = known
            && state == "full"
            && version == known.version
        {
            let here = |users: &Users| -> Users {
                let is_here = |element: &str| !element.contains("<status>disconnected</status>");
                users.clone().into_iter().filter(|(_, element)| is_here(element)).collect()
            };
            assert_eq!(here(&users), here(&known.users), "the differences add up: {dialog}");
            assert_eq!(count, known.count, "so does the number");
        }
        self.0.insert(dialog, Told { sequence, version, users, count });
    }
}

fn elements(document: &str) -> impl Iterator<Item = &str> {
    let mut rest = document;
    std::iter::from_fn(move || {
        let from = rest.find("<user entity=")?;
        let element = &rest[from..];
        let head = element.find('>').unwrap() + 1;
        let size = if element[..head].ends_with("/>") {
            head
        } else {
            element.find("</user>").unwrap() + "</user>".len()
        };
        rest = &element[size..];
        Some(&element[..size])
    })
}

/// The first attribute of that name.
fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    // A declaration has a version, too.
    let element = element.split_once("?>").map_or(element, |(_, rest)| rest);
    between(element, &format!(" {name}=\""), "\"")
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let Some((_, rest)) = text.split_once(from) else { return "" };
    rest.split_once(to).unwrap().0
}
