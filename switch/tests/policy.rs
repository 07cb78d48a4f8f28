//! The rules of Pre-defined Groups, asked from the command line.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const NODE: &str = env!("CARGO_BIN_EXE_msrp-switch");

/// The document of the control plane's catalogue, section 5.1.
fn minimal() -> &'static str {
    let catalogue = include_str!("../../sip-control/spec/sip-control.md");
    let section = catalogue.split_once("### 5.1 ").expect("a section 5.1").1;
    section.split("```\n").nth(1).expect("a document")
}

/// The same with its list at a place where nobody answers.
fn unconnected() -> String {
    let (before, rest) = minimal().split_once("anchor=\"").expect("a list elsewhere");
    let (_, after) = rest.split_once('"').expect("an end");
    format!("{before}anchor=\"http://127.0.0.1:1/\"{after}")
}

/// A configuration with this one group document.
fn configured(test: &str, document: &str) -> PathBuf {
    let name = format!("policy-{}-{test}", std::process::id());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let groups = directory.join("groups");
    fs::create_dir_all(&groups).unwrap();
    fs::write(groups.join("gardeners.xml"), document).unwrap();
    let config = directory.join("switch.toml");
    fs::write(&config, format!("[rooms]\ngroup_documents = \"{}\"\n", groups.display())).unwrap();
    config
}

fn explain(config: &Path, group: &str, user: &str) -> Output {
    let mut command = Command::new(NODE);
    command.args(["policy", "explain", group, user, "--config"]).arg(config);
    command.output().unwrap()
}

#[test]
fn the_rule_that_decides_is_named() {
    let config = configured("named", &unconnected());
    let group = "sip:gardeners@groups.example.com";
    let told = |user: &str| {
        let output = explain(&config, group, user);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        told("sip:alice@example.com"),
        "join: granted by rule \"members\"\n\
         initiate: granted by rule \"members\"\n\
         anonymity: granted by rule \"alice\"\n\
         conference-state: granted by rule \"members\"\n"
    );
    assert_eq!(
        told("sip:mallory@example.net"),
        "join: denied by rule \"strangers\" (not_member)\n\
         initiate: denied, for no rule grants it (not_member)\n\
         anonymity: denied, for no rule grants it (not_member)\n\
         conference-state: denied, for no rule grants it (not_member)\n"
    );
    let unknown = explain(&config, "sip:others@groups.example.com", "sip:alice@example.com");
    assert_eq!(unknown.status.code(), Some(2));
    let why = String::from_utf8(unknown.stderr).unwrap();
    assert!(why.contains("no document has the group sip:others@groups.example.com"), "{why}");
}

#[test]
fn a_broken_document_is_found_by_a_check() {
    let config = configured("broken", &minimal().replace(">3<", ">three<"));
    let output = Command::new(NODE).arg("--check").arg(&config).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(why.contains("gardeners.xml:16:5: expected a number"), "{why}");
}
