//! Documents of an XCAP server, and what comes of it when the server says something else.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sip_control::{
    config::{self, HomeDocument},
    focus::UserKey,
    group::{
        Demand, Fetcher, Group, Groups, Inquiry, Kind, Patience, Reason, Resolver, Right, Round,
        Source, Tally, Verdict, Xcap,
    },
};

use super::{NOW, captured::Log, document, group, server::Server};

const TEAM: &str = "sip:team@example.com";
const OTHER: &str = "sip:other@example.com";
const ALICE: &str = "sip:alice@example.com";

const PATIENCE: Patience =
    Patience { refresh: Duration::from_secs(60), retry: Duration::from_secs(10) };

/// Longer than anything takes that comes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A document of the team, which may be so many.
fn limited(limit: &str) -> String {
    document(&format!("<max-participant-count>{limit}</max-participant-count>"))
}

/// A 200 of that type, whose document has that tag.
fn typed(media_type: &str, tag: &str, text: &str) -> Vec<u8> {
    let size = text.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nETag: \"{tag}\"\r\n\
         Connection: close\r\nContent-Length: {size}\r\n\r\n"
    );
    [head.as_bytes(), text.as_bytes()].concat()
}

fn ok(tag: &str, text: &str) -> Vec<u8> {
    typed("application/vnd.oma.poc.groups+xml", tag, text)
}

/// An answer without a body.
fn bare(status: &str) -> Vec<u8> {
    let end = "Connection: close\r\nContent-Length: 0\r\n\r\n";
    format!("HTTP/1.1 {status}\r\n{end}").into_bytes()
}

/// What is configured: the document of the team, by its URI.
fn team(root: &str) -> config::Xcap {
    config::Xcap { groups: vec![TEAM.to_owned()], ..config::Xcap::new(root) }
}

fn limit(groups: &Groups) -> Option<usize> {
    groups.find(TEAM).expect("the group").max_participants
}

/// What the group says when Alice wants to join, if it is there.
fn asked(groups: &Groups, uri: &str) -> Option<Reason> {
    let keys = [UserKey::of(ALICE).unwrap()];
    let inquiry = Inquiry { user: Some(&keys), is_anonymous: false, at: NOW };
    match groups.find(uri)?.ask(Right::Join, &inquiry) {
        Verdict::Denied { reason, .. } => Some(reason),
        Verdict::Granted { .. } => None,
    }
}

/// The documents of a server, asked for in a time of their own.
struct Scene {
    xcap: Xcap,
    fetcher: Fetcher,
    tally: Tally,
    now: Instant,
}

impl Scene {
    fn new(config: &config::Xcap) -> Self {
        let (now, tally) = (Instant::now(), Tally::default());
        let round = Round { what: "group document", patience: PATIENCE, tally: tally.clone() };
        let fetcher = Fetcher::new(Kind::Group, TIMEOUT);
        Self { xcap: Xcap::new(now, config, round), fetcher, tally, now }
    }

    /// The next document is asked for when it is due. Whether that makes other groups.
    fn ask(&mut self) -> bool {
        let (url, tag) = self.xcap.due(self.now).expect("one is due");
        let result = self.fetcher.get(&url, tag.as_deref());
        self.xcap.handle_fetched(self.now, &url, result)
    }

    /// As long as it takes until what has come is asked for again.
    fn refresh(&mut self) -> bool {
        self.wait(PATIENCE.refresh);
        self.ask()
    }

    /// The same for what has not come.
    fn retry(&mut self) -> bool {
        self.wait(PATIENCE.retry);
        self.ask()
    }

    /// Nothing is due until that much later.
    fn wait(&mut self, time: Duration) {
        let early = self.now + time.saturating_sub(Duration::from_secs(1));
        assert!(self.xcap.due(early).is_none());
        self.now += time;
        assert_eq!(self.xcap.next_due(), Some(self.now));
    }
}

/// POL-17: the document of a group is at its URI in the global tree, that of a user in its home
/// directory; what cannot stand in a path is percent-encoded, and the type is asked for.
#[test]
fn documents_are_asked_for_where_they_are() {
    let server = Server::with(vec![bare("404 Not Found"); 4]);
    let (groups, documents) = (
        vec![TEAM.to_owned(), "sip:rose%20garden@groups.example.com;a=b".to_owned()],
        [("sip:alice@example.com", "index"), ("tel:+1/2?#\u{e4}", "my lists/ros\u{e9}.xml")],
    );
    let home = |(owner, file): (&str, &str)| HomeDocument {
        owner: owner.to_owned(),
        file: file.to_owned(),
    };
    let documents = documents.map(home).to_vec();
    let root = format!("{}/xcap/", server.root);
    let config = config::Xcap { groups, documents, ..config::Xcap::new(&root) };
    let mut scene = Scene::new(&config);
    for _ in 0..4 {
        assert!(!scene.ask());
    }
    assert!(scene.xcap.due(scene.now).is_none());
    let host = server.root.strip_prefix("http://").unwrap().to_owned();
    let requests = server.requests();
    let lines: Vec<&str> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "GET /xcap/org.openmobilealliance.groups/global/byGroupID/sip:team@example.com HTTP/1.1",
            "GET /xcap/org.openmobilealliance.groups/global/byGroupID/\
             sip:rose%2520garden@groups.example.com;a=b HTTP/1.1",
            "GET /xcap/org.openmobilealliance.groups/users/sip:alice@example.com/index HTTP/1.1",
            "GET /xcap/org.openmobilealliance.groups/users/tel:+1%2F2%3F%23%C3%A4/\
             my%20lists/ros%C3%A9.xml HTTP/1.1",
        ]
    );
    for request in requests.iter().map(|request| request.to_ascii_lowercase()) {
        assert!(request.contains(&format!("\r\nhost: {host}\r\n")), "{request}");
        let accept = "\r\naccept: application/vnd.oma.poc.groups+xml\r\n";
        assert!(request.contains(accept) && !request.contains("if-none-match"), "{request}");
    }

    let server = Server::with(vec![bare("404 Not Found")]);
    let auid = "org.openmobilealliance.poc-groups".to_owned();
    Scene::new(&config::Xcap { auid, ..team(&server.root) }).ask();
    let line = "GET /org.openmobilealliance.poc-groups/global/byGroupID/sip:team@example.com ";
    assert!(server.requests()[0].starts_with(line));
}

/// POL-17, POL-18: a document is asked for by its tag; one that has not changed changes nothing, another
/// one makes a new snapshot, and one that is not there any more takes its group with it.
#[test]
fn the_server_is_followed() {
    let server = Server::with(vec![
        ok("v1", &limited("1")),
        b"HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nConnection: close\r\n\r\n".to_vec(),
        ok("v2", &limited("2")),
        ok("v3", &limited("2")),
        bare("404 Not Found"),
        typed("Application/VND.oma.poc.groups+xml; charset=utf-8", "v4", &limited("4")),
        bare("410 Gone"),
    ]);
    let mut scene = Scene::new(&team(&server.root));
    assert!(scene.ask());
    let first = scene.xcap.groups();
    assert!(!scene.refresh() && limit(&scene.xcap.groups()) == Some(1), "304");
    assert!(scene.refresh());
    assert_eq!((limit(&first), limit(&scene.xcap.groups())), (Some(1), Some(2)));
    assert!(!scene.refresh(), "it says the same by another tag");
    assert!(scene.refresh() && scene.xcap.groups().find(TEAM).is_none(), "404");
    assert!(scene.refresh() && limit(&scene.xcap.groups()) == Some(4));
    assert!(scene.refresh() && scene.xcap.groups().find(TEAM).is_none(), "410");
    let counters = scene.tally.counters();
    assert_eq!((counters.fetches, counters.fetch_failures.len()), (7, 0));

    let tag_of = |request: &String| {
        let lines = request.lines().filter_map(|line| line.split_once(": "));
        let mut tags = lines.filter(|(name, _)| name.eq_ignore_ascii_case("if-none-match"));
        tags.next().map(|(_, tag)| tag.to_owned())
    };
    let tags: Vec<Option<String>> = server.requests().iter().map(tag_of).collect();
    let [v1, v2, v3, v4] = ["v1", "v2", "v3", "v4"].map(|tag| Some(format!("\"{tag}\"")));
    assert_eq!(tags, [None, v1.clone(), v1, v2, v3, None, v4]);
}

/// POL-17, POL-19: whatever is no document, or does not come, leaves the last sound one in force, and is
/// asked for again sooner; that is said once when it begins and once when it is over, and counted each
/// time.
#[test]
fn what_is_no_document_changes_nothing() {
    let huge = limited("2") + &" ".repeat(3 * 1024 * 1024);
    let slow = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oma.poc.groups+xml\r\n\
                 Connection: close\r\nContent-Length: 600\r\n\r\n<?xml version='1.0'?>"
        .to_vec();
    let moved = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nConnection: close\r\n\
                 Content-Length: 0\r\n\r\n";
    for (answers, why) in [
        (vec![bare("500 Internal Server Error")], "status"),
        (vec![bare("401 Unauthorized")], "status"),
        (vec![moved.as_bytes().to_vec(); 4], "transport"),
        (vec![ok("v2", "<group")], "document"),
        (vec![ok("v2", &limited("two"))], "document"),
        (vec![typed("text/html", "v2", &limited("2"))], "media_type"),
        (vec![typed("application/xml", "v2", &limited("2"))], "media_type"),
        (vec![ok("v2", &huge)], "transport"),
        (vec![ok("v2", &(limited("2") + &" ".repeat(1024 * 1024)))], "transport"),
        (vec![slow.clone()], "transport"),
        (vec![b"<group/>\r\n\r\n".to_vec()], "transport"),
    ] {
        let is_slow = answers[0] == slow;
        let (log, _guard) = Log::begin();
        let not_modified = b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_vec();
        let twice = [answers.clone(), answers].concat();
        let script = [vec![ok("v1", &limited("1"))], twice, vec![not_modified]].concat();
        let server = Server::with(script);
        let mut scene = Scene::new(&team(&server.root));
        assert!(scene.ask(), "{why}");
        let patience = if is_slow { Duration::from_secs(1) } else { TIMEOUT };
        scene.fetcher = Fetcher::new(Kind::Group, patience);
        assert!(!scene.refresh() && !scene.retry(), "{why}");
        scene.fetcher = Fetcher::new(Kind::Group, TIMEOUT);
        assert_eq!(limit(&scene.xcap.groups()), Some(1), "{why}");
        let said = log.text();
        assert_eq!(said.matches("group document not fetched").count(), 1, "{why}: {said}");
        assert!(said.contains("in_force=\"the last sound one\""), "{said}");
        assert!(!scene.retry() && limit(&scene.xcap.groups()) == Some(1), "{why}");
        assert_eq!(log.text().matches("group document is there now").count(), 1, "{why}");
        let counters = scene.tally.counters();
        assert_eq!(counters.fetches, 4, "{why}");
        assert_eq!(counters.fetch_failures.into_iter().collect::<Vec<_>>(), [(why, 2)]);
        let last = server.requests().pop().unwrap().to_ascii_lowercase();
        assert!(last.contains("\r\nif-none-match: \"v1\"\r\n"), "{why}: the tag of what counts");
    }
}

/// POL-01, POL-17, POL-20: a group whose document has never come is there and grants nothing to anybody,
/// with a reason of its own; so nobody is let in as into a room that no one has provisioned.
#[test]
fn what_has_never_come_lets_nobody_in() {
    let sound = document(&format!(
        "<list><entry uri=\"{ALICE}\"/></list><cp:ruleset><cp:rule id=\"members\">\
         <cp:conditions><is-list-member/></cp:conditions>\
         <cp:actions><join-handling>true</join-handling></cp:actions></cp:rule></cp:ruleset>"
    ));
    let answers = vec![bare("503 Busy"), bare("404 Not Found"), ok("v1", &sound)];
    let server = Server::with(answers);
    let mut scene = Scene::new(&team(&server.root));
    let missing = Some(Reason::DocumentUnavailable);
    assert_eq!(asked(&scene.xcap.groups(), TEAM), missing);
    assert!(!scene.ask());
    assert_eq!(asked(&scene.xcap.groups(), TEAM), missing);
    assert!(!scene.retry());
    assert_eq!(asked(&scene.xcap.groups(), TEAM), missing, "it may come yet");
    assert!(scene.refresh());
    let groups = scene.xcap.groups();
    assert!(groups.find(TEAM).is_some() && asked(&groups, TEAM).is_none());
    server.requests();
}

/// POL-17: who may write the document of one group says nothing of others there, and has to speak of
/// that one; in a home directory all groups of a document count, behind those that were asked for by URI.
#[test]
fn a_document_speaks_for_the_group_that_it_was_asked_for_by() {
    let of = |groups: &[(&str, &str)]| {
        let service = |(uri, limit): &(&str, &str)| {
            let limit = format!("<max-participant-count>{limit}</max-participant-count>");
            format!("<list-service uri=\"{uri}\">{limit}</list-service>")
        };
        let services: String = groups.iter().map(service).collect();
        format!("<group xmlns=\"urn:oma:xml:poc:list-service\">{services}</group>")
    };
    let server = Server::with(vec![
        ok("a", &of(&[(OTHER, "1"), (TEAM, "2")])),
        ok("b", &of(&[(OTHER, "3"), ("sips:team@EXAMPLE.com", "4")])),
        ok("c", &of(&[(OTHER, "5")])),
    ]);
    let home = HomeDocument { owner: ALICE.to_owned(), file: "index".to_owned() };
    let config = config::Xcap { documents: vec![home], ..team(&server.root) };
    let mut scene = Scene::new(&config);
    let limits = |scene: &Scene| {
        let groups = scene.xcap.groups();
        [TEAM, OTHER].map(|uri| groups.find(uri).and_then(|group| group.max_participants))
    };
    assert!(scene.ask());
    assert_eq!(limits(&scene), [Some(2), None], "nobody has asked for the other one");
    assert!(scene.ask());
    assert_eq!(limits(&scene), [Some(2), Some(3)]);
    let (log, _guard) = Log::begin();
    assert!(!scene.refresh() && log.text().contains("expected the group sip:team@example.com"));
    assert_eq!(limits(&scene), [Some(2), Some(3)]);
    server.requests();
}

/// POL-17: a file goes before a document of the server, and where it goes, that counts.
#[test]
fn a_file_goes_before_a_document_of_the_server() {
    let now = Instant::now();
    let round = Round { what: "list", patience: PATIENCE, tally: Tally::default() };
    let mut resolver = Resolver::new(round);
    let of = |groups: &[Group]| -> Arc<Groups> { Arc::new(groups.iter().cloned().collect()) };
    let named = |uri: &str, limit: &str| group(&limited(limit).replace(TEAM, uri));
    let (log, _guard) = Log::begin();
    resolver.handle_groups(now, Source::Xcap, of(&[named(TEAM, "1"), named(OTHER, "2")]));
    assert_eq!(limit(&resolver.groups()), Some(1));
    resolver.handle_groups(now, Source::Files, of(&[named("sips:TEAM@example.com", "8")]));
    assert_eq!(limit(&resolver.groups()), Some(1), "a user part has its case");
    resolver.handle_groups(now, Source::Files, of(&[named("sips:team@EXAMPLE.com", "9")]));
    let groups = resolver.groups();
    assert_eq!((limit(&groups), groups.iter().count()), (Some(9), 2));
    resolver.handle_groups(now, Source::Xcap, of(&[named(TEAM, "3")]));
    assert_eq!((limit(&resolver.groups()), resolver.groups().iter().count()), (Some(9), 1));
    assert_eq!(log.text().matches("left out: a file has it").count(), 1, "{}", log.text());
    resolver.handle_groups(now, Source::Files, of(&[]));
    assert_eq!(limit(&resolver.groups()), Some(3));
}
