//! The rules of the Pre-defined Groups, asked from the command line.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use clap::Subcommand;
use sip_control::{
    focus::{UserKey, WallClock},
    group::{Groups, Inquiry, Library, LibraryError, Right, Sources, Tally, Verdict},
};

use crate::{config::Config, failure::Failure};

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum Question {
    /// Say what a group grants a user now, and which rule decides.
    Explain {
        /// The SIP URI of the group.
        group: String,
        /// A SIP or tel URI of the user.
        user: String,
    },
}

/// The rights that are asked about, by the names that are printed.
const RIGHTS: [(&str, Right); 4] = [
    ("join", Right::Join),
    ("initiate", Right::Initiate),
    ("anonymity", Right::Anonymity),
    ("conference-state", Right::ConferenceState),
];

/// The group documents of the configuration, if it has any. All of them have to be sound.
pub fn open(config: &Config) -> Result<Option<Library>, Failure> {
    let directory = config.sip.group_documents.as_deref();
    directory.map(Library::open).transpose().map_err(|error| cannot_use(&error))
}

/// What is wrong with the documents, for who has to mend them.
pub fn cannot_use(error: &LibraryError) -> Failure {
    Failure::Refused(format!("cannot use the group documents (rooms.group_documents): {error}"))
}

/// The groups of all documents and lists of the configuration, as far as they can be had.
fn gather(config: &Config) -> Result<Arc<Groups>, Failure> {
    let (library, xcap) = (open(config)?, config.sip.xcap.as_ref());
    if library.is_none() && xcap.is_none() {
        let need = "no group documents; name a configuration with rooms.group_documents or rooms.xcap \
                    by --config";
        return Err(Failure::Refused(need.to_owned()));
    }
    let mut sources = Sources::open(library, xcap, &config.sip.timers, &Tally::default());
    sources.fetch_all();
    Ok(sources.groups())
}

/// Prints the answer on standard output.
pub fn answer(config: &Config, question: &Question) -> Result<(), Failure> {
    let Question::Explain { group, user } = question;
    let groups = gather(config)?;
    let found = groups.find(group);
    let found =
        found.ok_or_else(|| Failure::Refused(format!("no document has the group {group}")))?;
    let key = UserKey::of(user);
    let key = key.ok_or_else(|| Failure::Refused(format!("{user}: expected a SIP or tel URI")))?;
    let now = Instant::now();
    let at = WallClock::new(now, SystemTime::now()).utc(now);
    for (name, right) in RIGHTS {
        let is_anonymous = right == Right::Anonymity;
        let inquiry = Inquiry { user: Some(std::slice::from_ref(&key)), is_anonymous, at };
        println!("{name}: {}", told(found.ask(right, &inquiry)));
    }
    Ok(())
}

fn told(verdict: Verdict<'_>) -> String {
    match verdict {
        Verdict::Granted { rule } => format!("granted by rule {rule:?}"),
        Verdict::Denied { reason, rule: Some(rule) } => {
            format!("denied by rule {rule:?} ({})", reason.name())
        }
        Verdict::Denied { reason, rule: None } => {
            format!("denied, for no rule grants it ({})", reason.name())
        }
    }
}
