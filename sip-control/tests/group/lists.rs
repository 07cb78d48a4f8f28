//! Members who are named elsewhere.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sip_control::group::{
    Demand, FetchError, Fetched, Fetcher, Groups, Kind, Patience, Resolver, Right, Round, Source,
    Tally,
};

use super::{document, grants, group, server::Server};

const TEAM: &str = "sip:team@example.com";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";

const PATIENCE: Patience =
    Patience { refresh: Duration::from_secs(300), retry: Duration::from_secs(30) };

/// A group of Alice and of those on the lists at these places.
fn groups(anchors: &[&str]) -> Arc<Groups> {
    let external: Vec<String> =
        anchors.iter().map(|anchor| format!("<external anchor=\"{anchor}\"/>")).collect();
    let external = external.concat();
    let text = document(&format!(
        "<list><entry uri=\"{ALICE}\"/>{external}</list>\
         <cp:ruleset><cp:rule id=\"members\"><cp:conditions><is-list-member/></cp:conditions>\
         <cp:actions><join-handling>true</join-handling></cp:actions></cp:rule></cp:ruleset>"
    ));
    Arc::new([group(&text)].into_iter().collect())
}

/// A document of RFC 4826 with these entries in it.
fn resource_lists(entries: &str) -> Fetched {
    let text = format!(
        "<?xml version=\"1.0\"?>\n<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\
         <list name=\"friends\">{entries}</list></resource-lists>"
    );
    Fetched::Document { text: text.into_bytes(), tag: Some("\"1\"".to_owned()) }
}

fn entry(user: &str) -> String {
    format!("<entry uri=\"{user}\"><display-name>Whoever</display-name></entry>")
}

struct Scene {
    resolver: Resolver,
    now: Instant,
}

impl Scene {
    fn new(anchors: &[&str]) -> Self {
        let now = Instant::now();
        let round = Round { what: "list", patience: PATIENCE, tally: Tally::default() };
        let mut resolver = Resolver::new(round);
        resolver.handle_groups(now, Source::Files, groups(anchors));
        Self { resolver, now }
    }

    fn admits(&self, user: &str) -> bool {
        let groups = self.resolver.groups();
        grants(groups.find(TEAM).expect("the group"), Right::Join, user)
    }

    fn due(&self) -> Option<String> {
        self.resolver.due(self.now).map(|(url, _)| url)
    }

    fn comes(&mut self, url: &str, document: Fetched) -> bool {
        self.resolver.handle_fetched(self.now, url, Ok(document))
    }

    fn fails(&mut self, url: &str) {
        assert!(!self.resolver.handle_fetched(self.now, url, Err(FetchError::Status(500))));
    }
}

/// POL-09: wanted before anybody asks; nobody is a member by a list that has not come, and the list is
/// asked for again, sooner than one that has.
#[test]
fn a_list_that_does_not_come_lets_nobody_in() {
    let url = "https://xcap.example.com/lists/friends";
    let mut scene = Scene::new(&[url]);
    assert_eq!(scene.due().as_deref(), Some(url));
    assert!(scene.admits(ALICE) && !scene.admits(BOB));
    scene.fails(url);
    assert!(!scene.admits(BOB) && scene.due().is_none());
    scene.now += PATIENCE.retry;
    assert_eq!(scene.due().as_deref(), Some(url));
    assert!(scene.comes(url, resource_lists(&entry(BOB))));
    assert!(scene.admits(ALICE) && scene.admits(BOB));

    scene.now += PATIENCE.retry;
    assert_eq!(scene.due(), None);
    scene.now += PATIENCE.refresh.saturating_sub(PATIENCE.retry);
    assert_eq!(scene.resolver.due(scene.now), Some((url.to_owned(), Some("\"1\"".to_owned()))));
    assert!(!scene.comes(url, Fetched::Unchanged), "and all is as it was");
    scene.now += PATIENCE.refresh;
    scene.fails(url);
    assert!(scene.admits(BOB), "the last one counts");
    scene.now += PATIENCE.retry;
    let broken = Fetched::Document { text: b"<list".to_vec(), tag: None };
    assert!(!scene.comes(url, broken) && scene.admits(BOB));
    scene.now += PATIENCE.retry;
    assert!(scene.comes(url, resource_lists("")) && !scene.admits(BOB));
    // Nobody has need of it any more.
    scene.resolver.handle_groups(scene.now, Source::Files, groups(&[]));
    assert_eq!(scene.resolver.next_due(), None);
}

/// POL-09: lists on lists count, three deep; a group whose lists go deeper, or round in a circle, is
/// refused, and stays as it last was.
#[test]
fn lists_are_followed_three_deep() {
    let url = |n: u32| format!("http://lists.example.com/{n}");
    let on = |n: u32| format!("<list><external anchor=\"{}\"/></list>", url(n));
    let mut scene = Scene::new(&[&url(1)]);
    assert!(scene.comes(&url(1), resource_lists(&on(2))));
    assert_eq!(scene.due(), Some(url(2)));
    assert!(scene.comes(&url(2), resource_lists(&on(3))));
    assert!(scene.comes(&url(3), resource_lists(&entry(BOB))));
    assert!(scene.admits(BOB));
    let carol = "sip:carol@example.com";
    scene.comes(&url(3), resource_lists(&(on(4) + &entry(carol))));
    assert!(scene.admits(BOB) && !scene.admits(carol), "the document is refused");
    scene.comes(&url(3), resource_lists(&(on(1) + &entry(carol))));
    assert!(scene.admits(BOB) && !scene.admits(carol), "a circle has no end");
    scene.comes(&url(3), resource_lists(&entry(carol)));
    assert!(!scene.admits(BOB) && scene.admits(carol));

    let mut scene = Scene::new(&[&url(1)]);
    scene.comes(&url(1), resource_lists(&on(1)));
    let groups = scene.resolver.groups();
    assert_eq!(groups.find(TEAM).unwrap().members.len(), 1, "as it was before the list came");
}

/// POL-09: 10 000 members on all lists together, and not one more.
#[test]
fn a_group_has_so_many_members_and_no_more() {
    let (one, other) = ("http://h/1", "http://h/2");
    let users = |from: usize, count: usize| -> String {
        (from..from + count)
            .map(|n| entry(&format!("sip:u{n}@example.com")))
            .collect::<Vec<_>>()
            .concat()
    };
    let mut scene = Scene::new(&[one, other]);
    scene.comes(one, resource_lists(&users(0, 5000)));
    // Alice is one, and who is on both lists is one.
    scene.comes(other, resource_lists(&users(4000, 5999)));
    assert!(scene.admits("sip:u9998@example.com"));
    scene.comes(other, resource_lists(&users(4000, 6000)));
    let groups = scene.resolver.groups();
    assert_eq!(groups.find(TEAM).unwrap().members.len(), 10_000);
    assert!(!scene.admits("sip:u9999@example.com"));
}

/// POL-09: the first answer is asked for whole, and the next only if it is another.
#[test]
fn a_tag_saves_what_is_known() {
    let answers = [
        "HTTP/1.1 200 OK\r\nETag: \"a1\"\r\nConnection: close\r\nContent-Length: 7\r\n\r\n<list/>",
        "HTTP/1.1 304 Not Modified\r\nETag: \"a1\"\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n",
    ];
    let server = Server::with(answers.map(|answer| answer.as_bytes().to_vec()).to_vec());
    let url = format!("{}/friends", server.root);
    let fetcher = Fetcher::new(Kind::List, Duration::from_secs(30));
    let tag = Some("\"a1\"".to_owned());
    let first = Fetched::Document { text: b"<list/>".to_vec(), tag: tag.clone() };
    assert_eq!(fetcher.get(&url, None).unwrap(), first);
    assert_eq!(fetcher.get(&url, tag.as_deref()).unwrap(), Fetched::Unchanged);
    assert!(matches!(fetcher.get(&url, None), Err(FetchError::Status(404))));
    let unasked = fetcher.get(&url, None);
    assert!(matches!(unasked, Err(FetchError::Status(304))), "nothing is not what it was");
    let requests: Vec<String> =
        server.requests().iter().map(|request| request.to_ascii_lowercase()).collect();
    assert!(requests[0].starts_with("get /friends http/1.1\r\n"), "{}", requests[0]);
    assert!(!requests[0].contains("if-none-match"));
    assert!(requests[1].contains("\r\nif-none-match: \"a1\"\r\n"), "{}", requests[1]);
}
