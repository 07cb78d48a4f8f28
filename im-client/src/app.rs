//! What is on the screen, and what keys and news do to it. No terminal, no network, no clock.

use std::collections::BTreeSet;
use std::time::Instant;

use sip_control::client::{Member, Roster};

use crate::chat::{MessageId, News, Order};
use crate::composing::{Composer, Writers};
use crate::input::Input;

/// Entries that are kept to scroll back to, as a count.
const ENTRIES_MAX: usize = 5000;
/// In a larger company nobody is asked to tell of delivery: it would be more talk than the talk.
const ASKED_FOR_DELIVERY_MAX: usize = 20;

/// How the chat stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Status {
    /// It is being joined or rejoined.
    Calling,
    /// It stands.
    Joined,
    /// It was lost and will be rejoined.
    Lost,
    /// It is over.
    Over,
}

/// One entry of the transcript.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// Somebody said something.
    Heard {
        /// When, as `hh:mm`.
        at: String,
        /// Who, as the roster or the message names it.
        who: String,
        /// Whether it was said to us alone.
        is_private: bool,
        /// What.
        text: String,
    },
    /// We did.
    Own {
        /// Which message of ours.
        id: MessageId,
        /// When, as `hh:mm`.
        at: String,
        /// To whom, if not to all.
        to: Option<String>,
        /// What.
        text: String,
        /// What became of it.
        fate: Fate,
    },
    /// Something happened.
    Note(String),
}

/// What became of a message of ours.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It is on its way to the room.
    Sent,
    /// The room took it, and so many readers have it.
    Taken(BTreeSet<String>),
    /// It was refused, and why.
    Refused(String),
}

/// One person in the roster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Person {
    /// The URI, or the alias.
    pub uri: String,
    /// What to call them.
    pub name: String,
    /// Whether they are in the chat now.
    pub is_here: bool,
    /// Whether it is us.
    pub is_own: bool,
}

/// The whole screen.
#[derive(Debug)]
pub struct App {
    /// Our address.
    pub address: String,
    /// The room, as it was asked for.
    pub room: String,
    /// How the chat stands.
    pub status: Status,
    /// The transcript.
    pub entries: Vec<Entry>,
    /// Who is in the chat.
    pub people: Vec<Person>,
    /// The line that is being typed.
    pub input: Input,
    /// Entries between the end of the transcript and the last one shown.
    pub scrolled: usize,
    /// Whether the program is to end.
    pub is_done: bool,
    is_leaving: bool,
    nickname: Option<String>,
    writers: Writers,
    composer: Composer,
    last_id: MessageId,
}

/// What a key means here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Key {
    /// A character is typed.
    Char(char),
    /// The character before the cursor goes.
    Backspace,
    /// The character under the cursor goes.
    Delete,
    /// The cursor moves.
    Left,
    /// The cursor moves.
    Right,
    /// The cursor moves to the beginning.
    Home,
    /// The cursor moves to the end.
    End,
    /// An earlier line comes back.
    Up,
    /// A later line comes back.
    Down,
    /// The transcript moves back.
    PageUp,
    /// The transcript moves on.
    PageDown,
    /// The line is complete.
    Enter,
    /// The user wants to leave.
    Quit,
}

impl App {
    /// A screen on which nothing has happened yet.
    pub fn new(address: &str, room: &str) -> Self {
        Self {
            address: address.to_owned(),
            room: room.to_owned(),
            status: Status::Calling,
            entries: Vec::new(),
            people: Vec::new(),
            input: Input::default(),
            scrolled: 0,
            is_done: false,
            is_leaving: false,
            nickname: None,
            writers: Writers::default(),
            composer: Composer::default(),
            last_id: 0,
        }
    }

    /// The user pressed a key. `at` is the time of day, for the transcript.
    pub fn handle_key(&mut self, now: Instant, at: &str, key: Key) -> Option<Order> {
        match key {
            Key::PageUp => self.scrolled = (self.scrolled + 10).min(self.entries.len()),
            Key::PageDown => self.scrolled = self.scrolled.saturating_sub(10),
            Key::Quit => return Some(self.quit()),
            Key::Enter => {
                let line = self.input.take();
                return self.handle_line(at, line.trim());
            }
            key => {
                self.input.handle_key(key);
                let is_typing =
                    !self.input.text().is_empty() && !self.input.text().starts_with('/');
                if is_typing && self.status == Status::Joined {
                    return self.composer.handle_typed(now).map(Order::Compose);
                }
            }
        }
        None
    }

    /// Time has passed.
    pub fn handle_tick(&mut self, now: Instant) -> Option<Order> {
        let is_empty = self.input.text().is_empty();
        self.composer.handle_timeout(now, is_empty).map(Order::Compose)
    }

    /// The user has completed a line.
    pub fn handle_line(&mut self, at: &str, line: &str) -> Option<Order> {
        self.scrolled = 0;
        let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match command {
            "" => None,
            "/nick" => Some(Order::Nickname(rest.trim().to_owned())),
            "/msg" => self.whisper(at, rest.trim()),
            "/add" => self.add(rest.trim()),
            "/remove" => self.remove(rest.trim()),
            "/who" => {
                self.list_people();
                None
            }
            "/leave" | "/quit" => Some(self.quit()),
            "/help" => {
                for line in HELP {
                    self.note(*line);
                }
                None
            }
            command if command.starts_with('/') && !command.starts_with("//") => {
                self.note(format!("There is no {command}. /help tells what there is."));
                None
            }
            // A doubled slash stands for one.
            _ => Some(self.say(at, None, line.strip_prefix('/').unwrap_or(line))),
        }
    }

    /// Leaves; whoever is already out, or cannot wait, is done.
    fn quit(&mut self) -> Order {
        self.is_done = self.status == Status::Over || self.is_leaving;
        self.is_leaving = true;
        Order::Leave
    }

    fn whisper(&mut self, at: &str, rest: &str) -> Option<Order> {
        let Some((who, text)) = rest.split_once(char::is_whitespace) else {
            self.note("/msg WHO TEXT: who is a name in the roster without blanks, or an address.");
            return None;
        };
        let Some(to) = self.resolve(who) else {
            self.note(format!("There is nobody here who is called {who}."));
            return None;
        };
        Some(self.say(at, Some(to), text.trim()))
    }

    /// Has somebody called in. Whoever is not here has no name, and so it takes an address.
    fn add(&mut self, who: &str) -> Option<Order> {
        let known = self.resolve(who).or_else(|| who.starts_with("tel:").then(|| who.to_owned()));
        let Some(uri) = known.filter(|_| !who.contains(char::is_whitespace)) else {
            self.note(
                "/add URI: the address of who is to be called in, such as sip:bob@example.com.",
            );
            return None;
        };
        self.note(format!("Calling {} …", self.name_of(&uri)));
        Some(Order::Add(uri))
    }

    /// Has a member put out.
    fn remove(&mut self, who: &str) -> Option<Order> {
        let Some(uri) = self.resolve(who) else {
            self.note(
                "/remove URI: the address of who is to go, or a name in the roster without blanks.",
            );
            return None;
        };
        Some(Order::Remove(uri))
    }

    fn say(&mut self, at: &str, to: Option<String>, text: &str) -> Order {
        self.composer.handle_sent();
        self.last_id += 1;
        let (id, text) = (self.last_id, text.to_owned());
        let shown_to = to.as_deref().map(|uri| self.name_of(uri));
        let at = at.to_owned();
        let entry = Entry::Own { id, at, to: shown_to, text: text.clone(), fate: Fate::Sent };
        self.push(entry);
        let wants_delivery = self.people.len() <= ASKED_FOR_DELIVERY_MAX;
        Order::Say { id, to, text, wants_delivery }
    }

    /// The address that a name in the roster, or an address, stands for.
    fn resolve(&self, who: &str) -> Option<String> {
        let named = |person: &&Person| {
            let name = person.name.replace(char::is_whitespace, "");
            name.eq_ignore_ascii_case(who) || user_part(&person.uri).eq_ignore_ascii_case(who)
        };
        let known = self.people.iter().find(named).map(|person| person.uri.clone());
        known.or_else(|| (who.contains(':') && who.contains('@')).then(|| who.to_owned()))
    }

    fn list_people(&mut self) {
        let here = self.people.iter().filter(|person| person.is_here);
        let names: Vec<String> =
            here.map(|person| format!("{} <{}>", person.name, person.uri)).collect();
        self.note(format!("{} here: {}", names.len(), names.join(", ")));
    }

    /// Something happened. `at` is the time of day, for the transcript.
    pub fn handle_news(&mut self, now: Instant, at: &str, news: News) {
        match news {
            News::Calling { again } => {
                self.status = Status::Calling;
                self.note(if again { "Rejoining …" } else { "Joining …" });
            }
            News::Joined { nicknames, private_messages } => {
                self.status = Status::Joined;
                self.note(match (nicknames, private_messages) {
                    (true, true) => "You are in. /nick and /msg work here.",
                    (true, false) => "You are in. /nick works here, /msg does not.",
                    (false, true) => "You are in. /msg works here, /nick does not.",
                    (false, false) => "You are in. Neither /nick nor /msg works here.",
                });
            }
            News::Added(who, outcome) => {
                let who = self.name_of(&who);
                self.note(match outcome {
                    Ok(()) => format!("{who} has answered the call."),
                    Err(why) => format!("{who} was called: {why}."),
                });
            }
            News::Removed(who, outcome) => {
                let who = self.name_of(&who);
                self.note(match outcome {
                    Ok(()) => format!("{who} was removed."),
                    Err(why) => format!("{who} was not removed: {why}."),
                });
            }
            News::Lost { why, wait } => {
                self.status = Status::Lost;
                self.people.clear();
                self.note(format!("{why} Rejoining in {} s.", wait.as_secs()));
            }
            News::Over(why) => {
                self.status = Status::Over;
                self.is_done = self.is_leaving;
                self.note(why);
            }
            News::Heard(received) => {
                let from = received.sender.as_ref().map(|it| it.from.clone()).unwrap_or_default();
                self.writers.handle_message(&from);
                let to = received.sender.as_ref().map(|it| it.to.as_str()).unwrap_or_default();
                let is_private = same_user(to, &self.address);
                let given = received.sender.as_ref().and_then(|it| it.name.clone());
                let text = if received.content_type.starts_with("text/") {
                    printable(&String::from_utf8_lossy(&received.content))
                } else {
                    format!("[{}, {} octets]", received.content_type, received.content.len())
                };
                let who = self.known_name(&from).or(given).unwrap_or_else(|| user_part(&from));
                let who = printable(&who);
                self.push(Entry::Heard { at: at.to_owned(), who, is_private, text });
            }
            News::Said(id, result) => self.settle(id, |fate| {
                *fate = match (&fate, result) {
                    (Fate::Taken(_), Ok(())) => return,
                    (_, Ok(())) => Fate::Taken(BTreeSet::new()),
                    (_, Err(why)) => Fate::Refused(why),
                }
            }),
            News::Delivered { id, at } => self.settle(id, |fate| match fate {
                Fate::Taken(readers) => drop(readers.insert(at)),
                // A reader may be faster than the answer of the room.
                Fate::Sent => *fate = Fate::Taken(BTreeSet::from([at])),
                Fate::Refused(_) => {}
            }),
            News::Composing { who, status } => self.writers.handle_status(now, &who, &status),
            News::Nickname(name, Ok(())) => {
                self.note(if name.is_empty() {
                    "You have no nickname any more.".to_owned()
                } else {
                    format!("You are {name} now.")
                });
                self.nickname = Some(name).filter(|name| !name.is_empty());
            }
            News::Nickname(name, Err(why)) => self.note(format!("You are not {name}: {why}.")),
            News::Roster(roster) => self.handle_roster(&roster),
        }
    }

    fn handle_roster(&mut self, roster: &Roster) {
        let people: Vec<Person> = roster
            .users()
            .iter()
            .map(|(uri, member)| Person {
                uri: uri.clone(),
                name: printable(&name_of(uri, member)),
                is_here: member.is_connected(),
                is_own: member.is_own || same_user(uri, &self.address),
            })
            .collect();
        let is_here = |people: &[Person], uri: &str| {
            people.iter().any(|person| person.uri == uri && person.is_here)
        };
        // The first document tells who was there already.
        if !self.people.is_empty() {
            let mut changes = Vec::new();
            for person in people.iter().filter(|person| person.is_here && !person.is_own) {
                if !is_here(&self.people, &person.uri) {
                    changes.push(format!("{} is here.", person.name));
                }
            }
            for person in self.people.iter().filter(|person| person.is_here && !person.is_own) {
                if !is_here(&people, &person.uri) {
                    changes.push(format!("{} has gone.", person.name));
                }
            }
            for change in changes {
                self.note(change);
            }
        }
        self.people = people;
    }

    /// What became of a message of ours.
    fn settle(&mut self, message: MessageId, settle: impl FnOnce(&mut Fate)) {
        let fates = self.entries.iter_mut().rev().filter_map(|entry| match entry {
            Entry::Own { id, fate, .. } => Some((*id, fate)),
            _ => None,
        });
        if let Some((_, fate)) = fates.into_iter().find(|(id, _)| *id == message) {
            settle(fate);
        }
    }

    /// "Alice is typing", if anybody is.
    pub fn typing(&mut self, now: Instant) -> Option<String> {
        let writers: Vec<String> = self.writers.now(now).map(str::to_owned).collect();
        let names: Vec<String> = writers.iter().map(|uri| self.name_of(uri)).collect();
        match &names[..] {
            [] => None,
            [one] => Some(format!("{one} is typing …")),
            [one, two] => Some(format!("{one} and {two} are typing …")),
            more => Some(format!("{} people are typing …", more.len())),
        }
    }

    /// What to call us.
    pub fn own_name(&self) -> String {
        self.nickname.clone().unwrap_or_else(|| user_part(&self.address))
    }

    fn name_of(&self, uri: &str) -> String {
        self.known_name(uri).unwrap_or_else(|| user_part(uri))
    }

    fn known_name(&self, uri: &str) -> Option<String> {
        let person = self.people.iter().find(|person| same_user(&person.uri, uri));
        person.map(|person| person.name.clone())
    }

    fn note(&mut self, text: impl Into<String>) {
        self.push(Entry::Note(text.into()));
    }

    fn push(&mut self, entry: Entry) {
        if self.entries.len() == ENTRIES_MAX {
            self.entries.remove(0);
        }
        self.entries.push(entry);
        // Whoever reads what was said earlier goes on reading it.
        if self.scrolled > 0 {
            self.scrolled = (self.scrolled + 1).min(self.entries.len());
        }
    }
}

const HELP: &[&str] = &[
    "/nick NAME    take a nickname; without a name, give it back",
    "/msg WHO TEXT write to one person alone",
    "/add URI      have somebody called in",
    "/remove URI   have somebody put out",
    "/who          who is here, with addresses",
    "/leave        leave the chat (Ctrl-C)",
    "//TEXT        say something that begins with a slash",
];

/// What to call a member.
fn name_of(uri: &str, member: &Member) -> String {
    let given = member.nickname.as_ref().or(member.display_text.as_ref());
    given.cloned().unwrap_or_else(|| user_part(uri))
}

/// The text of others without what would command the terminal, or turn what stands around it.
fn printable(text: &str) -> String {
    let is_direction = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let commands = |c: char| c.is_control() && c != '\n' || is_direction(c);
    text.chars().map(|c| if commands(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The part of an address that people know each other by.
fn user_part(uri: &str) -> String {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split(['@', ';']).next().unwrap_or(rest).to_owned()
}

/// Whether two addresses are those of one user, as far as a reader is concerned.
fn same_user(one: &str, other: &str) -> bool {
    let normal = |uri: &str| uri.split([';', '?']).next().unwrap_or(uri).to_ascii_lowercase();
    normal(one) == normal(other)
}

#[cfg(test)]
mod tests;
