//! Every requirement is either held by a test or said to be pending, and nothing else.
//!
//! The catalogues are `switch/spec/msrp.md` and `switch/spec/interop.md` (together `msrp`), and
//! `sip-control/spec/sip-control.md` (`sip`). A requirement is a table row that opens with an id,
//! or a test vector; a judgement call (`- **J-05, ..`) may be cited and need not be. A requirement is
//! held when a test cites it:
//!
//! * a Rust test by the doc comment directly above it: `/// CHUNK-05, CHUNK-06: what is promised.`
//! * a script below `.ci/`, `switch/tests/wire/` or `sip-control/tests/sipp/` by a comment line
//!   `Holds: CHUNK-05, CHUNK-06`.
//!
//! The two catalogues share some ids. A bare one means `sip` below `sip-control/` and `msrp`
//! elsewhere; `msrp/SDP-09` and `sip/FOC-23` say which. A range names nobody, so it is no citation.
//!
//! `UPDATE_PENDING=1 cargo test -p msrp-switch --test catalogue` rewrites both `pending.txt` to
//! exactly the ids that no test cites.

mod scanner;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    fs, io,
    path::Path,
};

/// Where scripts cite with `Holds:`. Other scripts are no tests.
const SCRIPT_FOLDERS: [&str; 4] =
    [".ci/", "bench/", "switch/tests/wire/", "sip-control/tests/sipp/"];

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Catalogue {
    Msrp,
    Sip,
}

impl Catalogue {
    const ALL: [Self; 2] = [Self::Msrp, Self::Sip];

    fn name(self) -> &'static str {
        match self {
            Self::Msrp => "msrp",
            Self::Sip => "sip",
        }
    }

    fn documents(self) -> &'static [&'static str] {
        match self {
            Self::Msrp => &["switch/spec/msrp.md", "switch/spec/interop.md"],
            Self::Sip => &["sip-control/spec/sip-control.md"],
        }
    }

    fn pending(self) -> &'static str {
        match self {
            Self::Msrp => "switch/spec/pending.txt",
            Self::Sip => "sip-control/spec/pending.txt",
        }
    }

    /// The catalogue that a bare id in the file at `path` means.
    fn meant_in(path: &str) -> Self {
        if path.starts_with("sip-control/") { Self::Sip } else { Self::Msrp }
    }
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Id {
    catalogue: Catalogue,
    name: String,
}

impl Id {
    /// Reads `CHUNK-05` or `sip/FOC-23`: capitals, a hyphen and two digits. That shape keeps names
    /// such as SHA-256 out.
    fn parse(text: &str, bare: Catalogue) -> Option<Self> {
        let (catalogue, name) = match text.split_once('/') {
            None => (bare, text),
            Some((named, name)) => {
                (Catalogue::ALL.into_iter().find(|known| known.name() == named)?, name)
            }
        };
        let (family, number) = name.split_once('-')?;
        let capitals = family.starts_with(|first: char| first.is_ascii_uppercase())
            && family.bytes().all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit());
        let two_digits = number.len() == 2 && number.bytes().all(|octet| octet.is_ascii_digit());
        (capitals && two_digits).then(|| Self { catalogue, name: name.to_owned() })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.catalogue.name(), self.name)
    }
}

/// A line of a file, as an editor understands it: `path:12`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Place {
    path: String,
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Finding {
    /// Two requirements share an id, so that a citation could mean either.
    DefinedTwice(Id, Place),
    NeitherCitedNorPending(Id),
    CitedAndPending(Id, Place),
    CitationUnknown(Id, Place),
    /// A comment opens with a known id and is no list of ids that a colon ends.
    CitationMalformed(Place),
    PendingUnknown(Id, Place),
    PendingMalformed(Place),
    /// Listed twice, or not in the order of the catalogue.
    PendingOutOfOrder(Id, Place),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefinedTwice(id, at) => write!(f, "{id} is defined again at {at}"),
            Self::NeitherCitedNorPending(id) => write!(f, "{id} is neither cited nor pending"),
            Self::CitedAndPending(id, at) => write!(f, "{id} is pending and yet cited at {at}"),
            Self::CitationUnknown(id, at) => write!(f, "{id} is cited at {at} and unknown"),
            Self::CitationMalformed(at) => write!(f, "{at} does not cite as `ID, ID: promise`"),
            Self::PendingUnknown(id, at) => write!(f, "{id} is pending at {at} and unknown"),
            Self::PendingMalformed(at) => write!(f, "{at} is neither an id nor a # comment"),
            Self::PendingOutOfOrder(id, at) => write!(f, "{id} is out of order at {at}"),
        }
    }
}

/// The files that count, by their path from the root of the repository.
#[derive(Default)]
struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        tree.read_folder(root, "")?;
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        // Cargo tags its build directories, wherever they are.
        if folder.join("CACHEDIR.TAG").exists() {
            return Ok(());
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if entry.file_type()?.is_dir() {
                if name == ".ci" || !name.starts_with('.') {
                    self.read_folder(&entry.path(), &format!("{path}/"))?;
                }
            } else if counts(&path) {
                let text = String::from_utf8_lossy(&fs::read(entry.path())?).into_owned();
                self.files.insert(path, text);
            }
        }
        Ok(())
    }

    fn lines(&self, path: &str) -> impl Iterator<Item = (Place, &str)> {
        let text = self.files.get(path).map_or("", String::as_str);
        let place = |index| Place { path: path.to_owned(), line: index + 1 };
        text.lines().enumerate().map(move |(index, line)| (place(index), line))
    }

    fn citations(&self) -> Vec<Citation> {
        let mut all = Vec::new();
        for (path, text) in &self.files {
            let bare = Catalogue::meant_in(path);
            let cited = if is_rust(path) {
                cited_by_rust(text, bare)
            } else if is_script(path) {
                cited_by_script(text, bare)
            } else {
                continue;
            };
            all.extend(
                cited
                    .into_iter()
                    .map(|(line, ids)| Citation { at: Place { path: path.clone(), line }, ids }),
            );
        }
        all
    }
}

/// The ids that one comment cites, or `None` when it opens like a citation and is none.
struct Citation {
    at: Place,
    ids: Opening,
}

/// How a paragraph of a comment opens.
#[derive(Debug, Eq, PartialEq)]
enum Opening {
    Ids(Vec<Id>),
    /// With this id, or with `Holds:`, and not with a list of ids.
    Malformed(Option<Id>),
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

fn is_script(path: &str) -> bool {
    SCRIPT_FOLDERS.iter().any(|folder| path.starts_with(folder))
}

fn counts(path: &str) -> bool {
    let listed =
        |catalogue: Catalogue| catalogue.documents().contains(&path) || catalogue.pending() == path;
    is_rust(path) || is_script(path) || Catalogue::ALL.into_iter().any(listed)
}

/// The citations of the tests in a Rust source: the line of each, and what it says.
fn cited_by_rust(text: &str, bare: Catalogue) -> Vec<(usize, Opening)> {
    let mut cited = Vec::new();
    let mut docs: Vec<(usize, &str)> = Vec::new();
    let (mut is_test, mut is_ignored, mut brackets_open) = (false, false, 0);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if brackets_open > 0 || line.starts_with("#[") {
            let name = attribute_name(line);
            is_test |= brackets_open == 0 && name == "test";
            is_ignored |= brackets_open == 0 && name == "ignore";
            brackets_open += line.matches('[').count();
            brackets_open = brackets_open.saturating_sub(line.matches(']').count());
        } else if let Some(doc) = line.strip_prefix("///") {
            docs.push((index + 1, doc.trim()));
        } else if !line.starts_with("//") {
            // An ignored test holds nothing.
            if is_test && !is_ignored {
                cited.extend(cited_by_docs(&docs, bare));
            }
            docs.clear();
            (is_test, is_ignored) = (false, false);
        }
    }
    cited
}

/// The last segment of the path of an attribute: `test` of `#[tokio::test(flavor = "..")]`.
fn attribute_name(line: &str) -> &str {
    let inside = line.trim_start_matches("#[");
    let path = inside.split(['(', ']', ' ', '=']).next().unwrap_or("");
    path.rsplit("::").next().unwrap_or("")
}

fn cited_by_docs(docs: &[(usize, &str)], bare: Catalogue) -> Vec<(usize, Opening)> {
    let mut cited = Vec::new();
    let mut opens = true;
    for (index, &(line, doc)) in docs.iter().enumerate() {
        let continues = index > 0 && docs[index - 1].1.ends_with(',');
        let list = unwrapped(docs[index..].iter().map(|&(_, doc)| doc));
        match list.split_once(':').and_then(|(ids, _)| parse_ids(ids, bare)) {
            Some(ids) => cited.push((line, Opening::Ids(ids))),
            None if opens && !continues => {
                let word = doc.split([' ', ',', ':', '.']).next().unwrap_or("");
                cited.extend(Id::parse(word, bare).map(|id| (line, Opening::Malformed(Some(id)))));
            }
            None => {}
        }
        opens = doc.is_empty();
    }
    cited
}

/// The `Holds:` lines of a script. A list that ends in a comma goes on in the next line.
fn cited_by_script(text: &str, bare: Catalogue) -> Vec<(usize, Opening)> {
    let comment = |line: &'_ str| -> String {
        let line = line.trim().trim_start_matches("<!--").trim_end_matches("-->");
        line.trim_start_matches(['#', '/', '*']).trim().to_owned()
    };
    let lines: Vec<String> = text.lines().map(comment).collect();
    let mut cited = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(first) = line.strip_prefix("Holds:") else { continue };
        let rest = lines[index + 1..].iter().map(String::as_str);
        let list = unwrapped(std::iter::once(first.trim()).chain(rest));
        let ids = parse_ids(list.trim_end_matches('.'), bare);
        let opening = ids.map_or(Opening::Malformed(None), Opening::Ids);
        cited.push((index + 1, opening));
    }
    cited
}

/// The first of `lines`, and the next ones as long as a comma says that the list goes on.
fn unwrapped<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut list = String::new();
    for line in lines {
        list.push_str(line);
        if !line.ends_with(',') {
            break;
        }
    }
    list
}

fn parse_ids(list: &str, bare: Catalogue) -> Option<Vec<Id>> {
    list.replace(" and ", ", ").split(',').map(|id| Id::parse(id.trim(), bare)).collect()
}

/// A requirement, and the heading of the section it stands in.
struct Requirement {
    id: Id,
    section: String,
    at: Place,
}

fn requirements(tree: &Tree, catalogue: Catalogue) -> Vec<Requirement> {
    let mut all = Vec::new();
    for document in catalogue.documents() {
        let mut section = String::new();
        for (at, line) in tree.lines(document) {
            if let Some(heading) = line.strip_prefix("# ").or_else(|| line.strip_prefix("## ")) {
                heading
                    .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
                    .trim()
                    .clone_into(&mut section);
            }
            // A table row, and the two ways a vector is headed.
            let opened = [("| ", " |"), ("### ", " "), ("**", "**")].into_iter();
            let id = opened
                .filter_map(|(open, close)| line.strip_prefix(open)?.split_once(close))
                .find_map(|(word, _)| Id::parse(word.trim(), catalogue));
            all.extend(id.map(|id| Requirement { id, section: section.clone(), at }));
        }
    }
    all
}

/// The ids of the judgement calls: list items that open with a bold id. What they decide stands in
/// requirements, which are what has to be held.
fn judgements(tree: &Tree, catalogue: Catalogue) -> impl Iterator<Item = Id> {
    let lines = catalogue.documents().iter().flat_map(|document| tree.lines(document));
    lines.filter_map(move |(_, line)| {
        let item = line.strip_prefix("- **").or_else(|| line.strip_prefix("* **"))?;
        Id::parse(item.split([',', ' ']).next()?, catalogue)
    })
}

/// What is wrong in `tree`: nothing, when every requirement is accounted for exactly once.
fn findings(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut order: BTreeMap<Id, usize> = BTreeMap::new();
    for requirement in Catalogue::ALL.into_iter().flat_map(|each| requirements(tree, each)) {
        let position = order.len();
        if order.insert(requirement.id.clone(), position).is_some() {
            found.push(Finding::DefinedTwice(requirement.id, requirement.at));
        }
    }

    let mut pending: BTreeSet<Id> = BTreeSet::new();
    for catalogue in Catalogue::ALL {
        let mut next = 0;
        for (at, line) in tree.lines(catalogue.pending()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some(id) = Id::parse(line, catalogue) else {
                found.push(Finding::PendingMalformed(at));
                continue;
            };
            match order.get(&id) {
                None => found.push(Finding::PendingUnknown(id.clone(), at)),
                Some(&position) if position < next => {
                    found.push(Finding::PendingOutOfOrder(id.clone(), at));
                }
                Some(&position) => next = position + 1,
            }
            pending.insert(id);
        }
    }

    let judged: BTreeSet<Id> =
        Catalogue::ALL.into_iter().flat_map(|each| judgements(tree, each)).collect();
    let known = |id: &Id| order.contains_key(id) || judged.contains(id);
    let mut cited: BTreeSet<Id> = BTreeSet::new();
    for Citation { at, ids } in tree.citations() {
        match ids {
            Opening::Malformed(id) if id.as_ref().is_none_or(&known) => {
                found.push(Finding::CitationMalformed(at));
            }
            // Prose that happens to open with a word such as UTF-16.
            Opening::Malformed(_) => {}
            Opening::Ids(ids) => {
                for id in ids {
                    if !known(&id) {
                        found.push(Finding::CitationUnknown(id.clone(), at.clone()));
                    } else if pending.contains(&id) {
                        found.push(Finding::CitedAndPending(id.clone(), at.clone()));
                    }
                    cited.insert(id);
                }
            }
        }
    }
    let held = |id: &&Id| !cited.contains(*id) && !pending.contains(*id);
    found.extend(order.keys().filter(held).cloned().map(Finding::NeitherCitedNorPending));
    found.sort();
    found
}

/// The text of `pending.txt`: what no test cites, in the order and under the headings of the
/// catalogue.
fn pending_text(tree: &Tree, catalogue: Catalogue) -> String {
    let mut cited: BTreeSet<Id> = BTreeSet::new();
    for citation in tree.citations() {
        if let Opening::Ids(ids) = citation.ids {
            cited.extend(ids);
        }
    }
    let mut text = String::from("# Requirements of the catalogue that no test holds yet.\n");
    let mut section = String::new();
    for requirement in requirements(tree, catalogue) {
        if cited.contains(&requirement.id) {
            continue;
        }
        if requirement.section != section {
            section = requirement.section;
            write!(text, "\n# {section}\n").expect("a String takes all");
        }
        writeln!(text, "{}", requirement.id.name).expect("a String takes all");
    }
    text
}

#[test]
fn every_requirement_is_cited_by_a_test_or_pending() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package has a parent");
    let mut tree = Tree::read(root).expect("the tree can be read");
    if std::env::var_os("UPDATE_PENDING").is_some() {
        for catalogue in Catalogue::ALL {
            let text = pending_text(&tree, catalogue);
            fs::write(root.join(catalogue.pending()), &text).expect("pending.txt can be written");
            tree.files.insert(catalogue.pending().to_owned(), text);
        }
    }
    for catalogue in Catalogue::ALL {
        assert!(!requirements(&tree, catalogue).is_empty(), "{} is empty", catalogue.name());
    }
    let found = findings(&tree);
    let report: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{} faults:\n  {}", found.len(), report.join("\n  "));
}
