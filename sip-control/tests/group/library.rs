//! A directory of documents, and what comes of it when files change.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use sip_control::group::{Groups, Library};

use super::{document, minimal};

/// A directory of its own for one test.
struct Shelf(PathBuf);

impl Shelf {
    fn new(documents: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("group-documents-{}-{number}", std::process::id());
        let shelf = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        fs::create_dir(&shelf.0).unwrap();
        for (name, text) in documents {
            shelf.put(name, text);
        }
        shelf
    }

    /// As an editor saves a file: another one takes its place.
    fn put(&self, name: &str, text: &str) {
        let draft = self.0.join("draft");
        fs::write(&draft, text).unwrap();
        fs::rename(draft, self.0.join(name)).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.0.join(name)).unwrap();
    }

    fn open(&self) -> Library {
        Library::open(&self.0).unwrap()
    }

    /// Why it cannot be opened, without the name of the directory.
    fn complaint(&self) -> String {
        let error = Library::open(&self.0).unwrap_err().to_string();
        error.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

const TEAM: &str = "sip:team@example.com";

fn limited(limit: &str) -> String {
    document(&format!("<max-participant-count>{limit}</max-participant-count>"))
}

fn limit(groups: &Groups) -> Option<usize> {
    groups.find(TEAM).expect("the group").max_participants
}

/// POL-18: a file that is changed, added or gone makes a new snapshot; the old one stays whole.
#[test]
fn a_changed_file_makes_a_new_snapshot() {
    let shelf = Shelf::new(&[("team.xml", &limited("1")), ("notes.txt", "no document")]);
    let mut library = shelf.open();
    let first = library.groups();
    assert_eq!((limit(&first), first.iter().count()), (Some(1), 1));
    assert!(library.look().is_none(), "nothing has changed");
    shelf.put("team.xml", &limited("2"));
    let second = library.look().expect("a change");
    assert_eq!((limit(&first), limit(&second)), (Some(1), Some(2)));
    shelf.put("gardeners.xml", minimal());
    let third = library.look().expect("a new document");
    assert_eq!(third.iter().count(), 2);
    assert!(third.find("sips:gardeners@GROUPS.example.com").is_some());
    shelf.remove("team.xml");
    let fourth = library.look().expect("one less");
    assert!(fourth.find(TEAM).is_none() && third.find(TEAM).is_some());
    assert!(library.look().is_none());
}

/// POL-18, POL-19: what was sound once stays in force until something sound takes its place.
#[test]
fn a_broken_document_leaves_the_last_sound_one_in_force() {
    let shelf = Shelf::new(&[("team.xml", &limited("1"))]);
    let mut library = shelf.open();
    shelf.put("team.xml", &limited("one"));
    assert!(library.look().is_none());
    assert_eq!(limit(&library.groups()), Some(1));
    shelf.put("other.xml", "<group>");
    assert!(library.look().is_none(), "a new one that is broken is nothing");
    shelf.put("gardeners.xml", minimal());
    let groups = library.look().expect("the others go on");
    assert_eq!((limit(&groups), groups.iter().count()), (Some(1), 2));
    shelf.put("team.xml", &limited("3"));
    assert_eq!(limit(&library.look().expect("mended")), Some(3));
}

/// POL-19: more than a document may have is not read, and what cannot be opened changes nothing.
#[test]
fn a_document_that_cannot_be_read_changes_nothing() {
    let shelf = Shelf::new(&[("team.xml", &limited("1"))]);
    let mut library = shelf.open();
    shelf.put("team.xml", &(limited("2") + &" ".repeat(1024 * 1024)));
    assert!(library.look().is_none());
    fs::create_dir(shelf.0.join("folder.xml")).unwrap();
    assert!(library.look().is_none());
    let elsewhere = shelf.0.with_extension("moved");
    fs::rename(&shelf.0, &elsewhere).unwrap();
    assert!(library.look().is_none(), "a lost directory is not an empty one");
    assert_eq!(limit(&library.groups()), Some(1));
    fs::rename(&elsewhere, &shelf.0).unwrap();
}

/// POL-19: at the start there is nothing to fall back to: every document has to be sound, and the
/// complaint says where it is not.
#[test]
fn a_library_opens_only_when_all_is_sound() {
    let shelf = Shelf::new(&[("a.xml", minimal()), ("b.xml", &limited("many"))]);
    let number = "expected a number in <max-participant-count>, 0 or more";
    assert_eq!(shelf.complaint(), format!("b.xml:4:1: {number}"));
    shelf.put("b.xml", minimal());
    let twice = "expected the group sip:gardeners@groups.example.com in one document only";
    assert_eq!(shelf.complaint(), format!("b.xml: {twice}"));
    shelf.remove("b.xml");
    assert_eq!(shelf.open().groups().iter().count(), 1);
    let missing = Library::open(&shelf.0.join("missing")).unwrap_err().to_string();
    assert!(missing.contains("missing: cannot be read: "), "{missing}");
}

/// POL-18: whose group it is when two documents have it is decided by their names, for good.
#[test]
fn of_two_documents_the_first_by_name_has_the_group() {
    let shelf = Shelf::new(&[("b.xml", &limited("2"))]);
    let mut library = shelf.open();
    shelf.put("c.xml", &limited("3"));
    assert_eq!(limit(&library.look().expect("a change")), Some(2));
    shelf.remove("b.xml");
    assert_eq!(limit(&library.look().expect("a change")), Some(3));
}
