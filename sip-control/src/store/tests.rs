//! What is written is there again, and only that.

use std::path::PathBuf;

use super::{Change, Founding, Remembered, RememberedMember, Store};
use crate::{focus::UserKey, message::Marks};

/// A file of one test, gone with it.
struct File(PathBuf);

impl File {
    fn new(test: &str) -> Self {
        let name = format!("sip-control-store-{}-{test}.redb", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self) -> (Store, Vec<Remembered>) {
        Store::open(&self.0).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // There may be none.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn user(name: &str) -> UserKey {
    UserKey::of(&format!("sip:{name}@example.com")).unwrap()
}

const SESSION: &str = "sip:s-1@im.example.com;gr";
const OTHER: &str = "sip:s-10@im.example.com;gr";
const ROOM: &str = "sip:garden@im.example.com";

fn marks() -> Marks {
    Marks { contribution: Some("c0ffee".to_owned()), conversation: None }
}

fn founding() -> Founding {
    Founding { creator: user("alice"), subject: Some("Roses".to_owned()) }
}

fn member(name: &str, is_anonymous: bool) -> RememberedMember {
    RememberedMember { user: user(name), is_anonymous }
}

fn life(session: &str) -> Vec<Change> {
    let session = || session.to_owned();
    vec![
        Change::Opened { session: session(), room: ROOM.to_owned() },
        Change::Joined { session: session(), user: user("alice"), is_anonymous: false },
        Change::Joined { session: session(), user: user("bob"), is_anonymous: false },
        Change::Joined { session: session(), user: user("bob"), is_anonymous: true },
        Change::Joined { session: session(), user: user("carol"), is_anonymous: false },
        Change::Left { session: session(), user: user("bob") },
        Change::Expelled { session: session(), user: user("carol") },
        Change::Aliased { session: session(), last: 7 },
        Change::Joined { session: session(), user: user("dave"), is_anonymous: true },
        Change::Departed { session: session(), user: user("erin") },
        Change::Marked { session: session(), marks: marks() },
        Change::Founded { session: session(), founding: founding() },
        Change::Welcomed { session: session(), user: user("frank") },
        Change::Joined { session: session(), user: user("grace"), is_anonymous: false },
        Change::Welcomed { session: session(), user: user("grace") },
    ]
}

#[test]
fn what_was_written_is_read_when_it_is_opened_again() {
    let file = File::new("again");
    let (store, first) = file.open();
    assert_eq!(first, []);
    for change in life(SESSION) {
        store.write(change);
    }
    drop(store);
    let (_store, again) = file.open();
    let expected = Remembered {
        session: SESSION.to_owned(),
        room: ROOM.to_owned(),
        founding: Some(founding()),
        guests: vec![user("frank"), user("grace")],
        members: vec![member("alice", false), member("dave", true)],
        expelled: vec![user("carol")],
        departed: vec![user("erin")],
        aliases: 7,
        marks: marks(),
    };
    assert_eq!(again, [expected]);
}

#[test]
fn nothing_is_left_of_a_session_that_is_over() {
    let file = File::new("over");
    let (store, _) = file.open();
    for change in [life(SESSION), life(OTHER)].concat() {
        store.write(change);
    }
    store.write(Change::Closed { session: SESSION.to_owned() });
    drop(store);
    let (store, again) = file.open();
    assert_eq!(again.iter().map(|one| &*one.session).collect::<Vec<_>>(), [OTHER]);
    assert_eq!(again[0].members, [member("alice", false), member("dave", true)]);
    // Should it begin anew under the same name, nobody would be in it.
    store.write(Change::Opened { session: SESSION.to_owned(), room: ROOM.to_owned() });
    drop(store);
    let (_store, again) = file.open();
    let anew = again.iter().find(|one| one.session == SESSION).expect("it is there");
    assert_eq!((again.len(), anew.members.len(), anew.aliases), (2, 0, 0));
    assert_eq!((&anew.founding, anew.guests.len()), (&None, 0));
    assert_eq!(anew.marks, Marks::default());
}

#[test]
fn what_was_given_is_told_to_be_written_by_its_number() {
    let file = File::new("number");
    let (mut store, _) = file.open();
    let changes = life(SESSION);
    let count = changes.len() as u64;
    for change in changes {
        store.write(change);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        while store.written() < count {
            store.progress().await;
        }
    });
    assert_eq!(store.written(), count);
    let counters = store.counters();
    assert_eq!((counters.changes, counters.failures), (count, 0));
    assert!(counters.commits <= count);
}

#[test]
fn two_processes_do_not_share_a_file() {
    let file = File::new("shared");
    let _first = file.open();
    let error = Store::open(&file.0).unwrap_err().to_string();
    assert!(error.starts_with(&*file.0.to_string_lossy()), "{error}");
}
