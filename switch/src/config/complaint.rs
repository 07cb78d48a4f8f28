//! What is wrong with a configuration file, in one line.

use std::{fmt, ops::Range};

/// `msrp-switch.toml:12: msrp.listen: expected ADDRESS:PORT`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Complaint(String);

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Complaint {
    /// Something is wrong with `subject`, which stands somewhere in the text: where it does so last,
    /// if that is what it says twice.
    pub fn about(name: &str, text: &str, subject: &str, wrong: &str) -> Self {
        let lines = text.split_inclusive('\n').scan(0, |start, line| {
            *start += line.len();
            Some((*start - line.len(), line))
        });
        match lines.filter(|(_, line)| is_about(line, subject)).last() {
            Some((start, _)) => Self::at(name, text, start..start, wrong),
            None => Self(format!("{name}: {wrong}")),
        }
    }

    /// Something is wrong at `span` of the text of the file `name`.
    pub fn at(name: &str, text: &str, span: Range<usize>, wrong: &str) -> Self {
        let (before, _) = text.split_at_checked(span.start).unwrap_or((text, ""));
        let line = 1 + before.matches('\n').count();
        let wrong = wrong.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        match key(text, line) {
            Some(key) => Self(format!("{name}:{line}: {key}: {wrong}")),
            None => Self(format!("{name}:{line}: {wrong}")),
        }
    }
}

/// Whether a line has `subject` as its value, a part of it, or its key.
fn is_about(line: &str, subject: &str) -> bool {
    let line = line.trim_start();
    line.contains(&format!("\"{subject}\"")) || line.starts_with(subject)
}

/// The key that a line belongs to, with its table: the nearest one at or above the line.
fn key(text: &str, line: usize) -> Option<String> {
    let above: Vec<&str> = text.lines().take(line).collect();
    let table = |line: &&str| {
        let name = line.trim().trim_start_matches('[').split(']').next()?;
        line.starts_with('[').then(|| name.trim().to_owned())
    };
    let mut names = above.iter().rev().map_while(|line| {
        (!line.starts_with('[')).then(|| line.split_once('=').map(|(name, _)| name.trim()))
    });
    let name = names.find_map(|name| name.filter(|name| !name.starts_with('#')));
    let table = above.iter().rev().find_map(table);
    match (table, name) {
        (Some(table), Some(name)) => Some(format!("{table}.{name}")),
        (Some(only), None) => Some(only),
        (None, only) => only.map(str::to_owned),
    }
}
