//! The scanner on trees small enough to read. Their tests stand in one-line literals, so that
//! the scanner does not take them for ours.

use super::{Catalogue, Finding, Id, Place, Tree, findings, pending_text};

const MSRP: &str = "# T\n## A: first\n| id | level |\n|---|---|\n| AA-01 | MUST | x |\n\
    | AA-02 | MUST | see AA-01 |\n## B: second\n| BB-01 | MUST | x |\n### TV-01 A vector\n";
const SIP: &str = "# T\n## 1. Same id\n| AA-01 | MUST | x |\n## 2. V\n**TV-01** a vector.\n";

fn tree(files: &[(&str, &str)]) -> Tree {
    let base = [("switch/spec/msrp.md", MSRP), ("sip-control/spec/sip-control.md", SIP)];
    let all = base.iter().chain(files);
    Tree { files: all.map(|&(path, text)| (path.to_owned(), text.to_owned())).collect() }
}

fn id(catalogue: Catalogue, name: &str) -> Id {
    Id { catalogue, name: name.to_owned() }
}

fn msrp(name: &str) -> Id {
    id(Catalogue::Msrp, name)
}

fn place(path: &str, line: usize) -> Place {
    Place { path: path.to_owned(), line }
}

const SWITCH_PENDING: (&str, &str) = ("switch/spec/pending.txt", "AA-01\nAA-02\nBB-01\nTV-01\n");
const SIP_PENDING: (&str, &str) = ("sip-control/spec/pending.txt", "# all\n\nAA-01\nTV-01\n");

#[test]
fn a_tree_with_everything_pending_or_cited_is_sound() {
    assert_eq!(findings(&tree(&[SWITCH_PENDING, SIP_PENDING])), []);
    let cited = tree(&[
        ("switch/src/a.rs", "/// AA-01, AA-02: x.\n#[test]\nfn a() {}\n"),
        ("switch/tests/wire/a.py", "# Holds: BB-01,\n# TV-01\n"),
        ("sip-control/tests/sipp/a.xml", "<!-- a\n  Holds: AA-01. -->\n<!-- Holds: TV-01 -->\n"),
    ]);
    assert_eq!(findings(&cited), []);
}

#[test]
fn an_id_without_a_home_is_named() {
    let tree = tree(&[("switch/spec/pending.txt", "AA-01\nBB-01\nTV-01\n"), SIP_PENDING]);
    assert_eq!(findings(&tree), [Finding::NeitherCitedNorPending(msrp("AA-02"))]);
}

#[test]
fn an_id_in_both_places_is_named_with_the_citation() {
    let source = ("bench/src/a.rs", "\n    /// BB-01: x.\n    #[test]\n    fn a() {}\n");
    let found = findings(&tree(&[SWITCH_PENDING, SIP_PENDING, source]));
    assert_eq!(found, [Finding::CitedAndPending(msrp("BB-01"), place("bench/src/a.rs", 2))]);
}

#[test]
fn the_folder_or_the_prefix_says_which_catalogue_a_shared_id_means() {
    let found = findings(&tree(&[
        ("switch/spec/pending.txt", "AA-02\nBB-01\nTV-01\n"),
        ("sip-control/spec/pending.txt", "TV-01\n"),
        ("sip-control/src/a.rs", "/// AA-01 and msrp/AA-01: x.\n#[test]\nfn a() {}\n"),
    ]));
    assert_eq!(found, []);
    let found = findings(&tree(&[
        ("switch/spec/pending.txt", "AA-02\nBB-01\nTV-01\n"),
        SIP_PENDING,
        ("switch/src/a.rs", "/// sip/AA-01: x.\n#[test]\nfn a() {}\n"),
    ]));
    let at = place("switch/src/a.rs", 1);
    let sip = Finding::CitedAndPending(id(Catalogue::Sip, "AA-01"), at);
    assert_eq!(found, [Finding::NeitherCitedNorPending(msrp("AA-01")), sip]);
}

#[test]
fn unknown_ids_are_named_wherever_they_stand() {
    let found = findings(&tree(&[
        ("switch/spec/pending.txt", "AA-01\nAA-02\nBB-01\nTV-01\nTV-99\nwhat\n"),
        SIP_PENDING,
        ("switch/src/a.rs", "/// CC-01: x.\n#[tokio::test]\nasync fn a() {}\n"),
        (".ci/run", "#!/bin/sh\n# Holds: AA-01..AA-02\n"),
    ]));
    let pending = |line| place("switch/spec/pending.txt", line);
    assert_eq!(
        found,
        [
            Finding::CitationUnknown(msrp("CC-01"), place("switch/src/a.rs", 1)),
            Finding::CitationMalformed(place(".ci/run", 2)),
            Finding::PendingUnknown(msrp("TV-99"), pending(5)),
            Finding::PendingMalformed(pending(6)),
        ]
    );
}

#[test]
fn pending_ids_stand_once_and_in_the_order_of_the_catalogue() {
    let text = "AA-01\nBB-01\nAA-02\nTV-01\nTV-01\n";
    let found = findings(&tree(&[("switch/spec/pending.txt", text), SIP_PENDING]));
    let out =
        |name, line| Finding::PendingOutOfOrder(msrp(name), place("switch/spec/pending.txt", line));
    assert_eq!(found, [out("AA-02", 3), out("TV-01", 5)]);
}

#[test]
fn only_the_comment_directly_above_a_running_test_cites() {
    let nobody = [
        "/// AA-01: a helper.\nfn a() {}\n",
        "/// AA-01: too far away.\n\n#[test]\nfn a() {}\n",
        "// AA-01: no doc comment.\n#[test]\nfn a() {}\n",
        "/// Mentions AA-01: in passing.\n#[test]\nfn a() {}\n",
        "/// AA-01: never run.\n#[test]\n#[ignore = \"slow\"]\nfn a() {}\n",
        "/// AA-01: not a test.\n#[cfg(test)]\nmod tests {}\n",
        "/// UTF-16 is no id.\n#[test]\nfn a() {}\n",
    ];
    for source in nobody {
        let found = findings(&tree(&[SWITCH_PENDING, SIP_PENDING, ("switch/src/a.rs", source)]));
        assert_eq!(found, [], "{source}");
    }
    let cited = [
        "/// AA-01: x.\n#[test]\nfn a() {}\n",
        "#[test]\n/// AA-01: x.\nfn a() {}\n",
        "/// Says first what it is.\n///\n/// AA-01: x.\n#[test]\nfn a() {}\n",
        "/// AA-01: x.\n#[cfg_attr(\n    x,\n    y\n)]\n#[tokio::test(start_paused = true)]\nasync fn a() {}\n",
        "proptest! {\n    /// AA-01: x.\n    #[test]\n    fn a(x in 0..9) {}\n}\n",
    ];
    for source in cited {
        let found = findings(&tree(&[SWITCH_PENDING, SIP_PENDING, ("switch/src/a.rs", source)]));
        assert!(
            matches!(&found[..], [Finding::CitedAndPending(id, _)] if *id == msrp("AA-01")),
            "{source}: {found:?}"
        );
    }
}

#[test]
fn a_judgement_call_may_be_cited_and_need_not_be() {
    let calls = ("switch/spec/interop.md", "* **JC-01 Strict or not.** x\n- **JC-02, why.** x\n");
    let source = ("switch/src/a.rs", "/// JC-01, JC-03: x.\n#[test]\nfn a() {}\n");
    let found = findings(&tree(&[SWITCH_PENDING, SIP_PENDING, calls, source]));
    assert_eq!(found, [Finding::CitationUnknown(msrp("JC-03"), place("switch/src/a.rs", 1))]);
}

#[test]
fn a_range_or_a_sentence_that_opens_with_an_id_is_malformed() {
    for doc in ["AA-01..AA-02: x.", "AA-01 says so.", "AA-01 to BB-01: x."] {
        let source = format!("/// {doc}\n#[test]\nfn a() {{}}\n");
        let found = findings(&tree(&[SWITCH_PENDING, SIP_PENDING, ("switch/src/a.rs", &source)]));
        assert_eq!(found, [Finding::CitationMalformed(place("switch/src/a.rs", 1))], "{doc}");
    }
}

#[test]
fn an_id_defined_twice_is_named() {
    let interop = ("switch/spec/interop.md", "| AA-02 | OURS | again |\n");
    let found = findings(&tree(&[SWITCH_PENDING, SIP_PENDING, interop]));
    let at = place("switch/spec/interop.md", 1);
    assert!(found.contains(&Finding::DefinedTwice(msrp("AA-02"), at)), "{found:?}");
}

#[test]
fn the_written_list_is_what_is_uncited_and_passes() {
    let source = ("switch/src/a.rs", "/// AA-02, sip/TV-01: x.\n#[test]\nfn a() {}\n");
    let mut tree = tree(&[SWITCH_PENDING, SIP_PENDING, source]);
    for catalogue in Catalogue::ALL {
        let text = pending_text(&tree, catalogue);
        tree.files.insert(catalogue.pending().to_owned(), text);
    }
    assert_eq!(
        tree.files["switch/spec/pending.txt"],
        "# Requirements of the catalogue that no test holds yet.\n\n\
         # A: first\nAA-01\n\n# B: second\nBB-01\nTV-01\n"
    );
    assert_eq!(findings(&tree), []);
}
