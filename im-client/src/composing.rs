//! "Alice is typing" (RFC 3994): what to tell others while the user types, and for how long to believe
//! what they tell.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quick_xml::{Reader, events::Event};

/// The type of a status message.
pub const CONTENT_TYPE: &str = "application/im-iscomposing+xml";

/// Nothing was typed for this long: the user has stopped (RFC 3994 section 3.2).
const IDLE_AFTER: Duration = Duration::from_secs(15);
/// How often others are told anew while the user goes on (RFC 3994 section 3.2 asks for 60 s at
/// least).
const REFRESH: Duration = Duration::from_secs(60);
/// How long "active" is believed when it says nothing of a refresh (RFC 3994 section 3.3).
const BELIEVED: Duration = Duration::from_secs(120);
/// How long it is believed at most, whatever it says.
const BELIEVED_MAX: Duration = Duration::from_secs(600);
/// Of how many people it is remembered at once, as a count.
const WRITERS_MAX: usize = 1000;

/// Whether somebody is typing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Somebody is.
    Active,
    /// Nobody is any more.
    Idle,
}

/// What the others are told of our user.
#[derive(Debug, Default)]
pub struct Composer {
    typed: Option<Instant>,
    told: Option<Instant>,
}

impl Composer {
    /// The user pressed a key; what is to be told now, if anything.
    pub fn handle_typed(&mut self, now: Instant) -> Option<State> {
        self.typed = Some(now);
        let is_news = self.told.is_none_or(|told| now.duration_since(told) >= REFRESH);
        is_news.then(|| {
            self.told = Some(now);
            State::Active
        })
    }

    /// The user sent what he typed, which says by itself that he has stopped.
    pub fn handle_sent(&mut self) {
        *self = Self::default();
    }

    /// What is to be told because the user has paused, or emptied the line.
    pub fn handle_timeout(&mut self, now: Instant, is_empty: bool) -> Option<State> {
        let paused = self.typed.is_some_and(|typed| now.duration_since(typed) >= IDLE_AFTER);
        (self.told.is_some() && (paused || is_empty)).then(|| {
            *self = Self::default();
            State::Idle
        })
    }
}

/// Who of the others is typing.
#[derive(Debug, Default)]
pub struct Writers {
    /// Until when it is believed, by URI.
    until: BTreeMap<String, Instant>,
}

impl Writers {
    /// Somebody has said so.
    pub fn handle_status(&mut self, now: Instant, who: &str, status: &Status) {
        match status.state {
            State::Idle => drop(self.until.remove(who)),
            State::Active if self.until.len() < WRITERS_MAX || self.until.contains_key(who) => {
                let believed = status.refresh.map_or(BELIEVED, |it| it.min(BELIEVED_MAX));
                self.until.insert(who.to_owned(), now + believed);
            }
            State::Active => {}
        }
    }

    /// A message is the end of typing it (RFC 3994 section 3.3).
    pub fn handle_message(&mut self, who: &str) {
        self.until.remove(who);
    }

    /// Who is typing now.
    pub fn now(&mut self, now: Instant) -> impl Iterator<Item = &str> {
        self.until.retain(|_, until| *until > now);
        self.until.keys().map(String::as_str)
    }
}

/// A status message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Status {
    /// What it says.
    pub state: State,
    /// When it will be said again, if the user goes on.
    pub refresh: Option<Duration>,
}

impl Status {
    /// Reads a document of RFC 3994 section 5; `None` if it is none.
    pub fn read(document: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_reader(document);
        let mut element = String::new();
        let (mut state, mut refresh) = (None, None);
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => start.local_name().as_ref().clone_into(&mut element),
                Event::End(_) => element.clear(),
                Event::Text(text) => {
                    let text = text.xml10_content();
                    match element.as_str() {
                        "state" => state = Some(text.trim() == "active"),
                        "refresh" => refresh = text.trim().parse().ok().map(Duration::from_secs),
                        _ => {}
                    }
                }
                Event::DocType(_) => return None,
                Event::Eof => break,
                _ => {}
            }
        }
        let state = if state? { State::Active } else { State::Idle };
        Some(Self { state, refresh })
    }

    /// The document that says this.
    pub fn write(self) -> String {
        let state = if self.state == State::Active { "active" } else { "idle" };
        let refresh = match self.refresh {
            Some(refresh) => format!("<refresh>{}</refresh>", refresh.as_secs()),
            None => String::new(),
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>{state}</state>\
             <contenttype>text/plain</contenttype>{refresh}</isComposing>"
        )
    }

    /// What our user's state is told as.
    pub fn of(state: State) -> Self {
        Self { state, refresh: (state == State::Active).then_some(REFRESH) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// RFC 3994 section 3.2: told at the first key, again after a minute, and 15 s after the last.
    #[test]
    fn typing_is_told_sparingly() {
        let now = Instant::now();
        let mut composer = Composer::default();
        assert_eq!(composer.handle_typed(now), Some(State::Active));
        assert_eq!(composer.handle_typed(now + 10 * SECOND), None);
        assert_eq!(composer.handle_timeout(now + 24 * SECOND, false), None);
        assert_eq!(composer.handle_timeout(now + 25 * SECOND, false), Some(State::Idle));
        assert_eq!(composer.handle_timeout(now + 26 * SECOND, false), None);
        assert_eq!(composer.handle_typed(now + 30 * SECOND), Some(State::Active));
        assert_eq!(composer.handle_typed(now + 90 * SECOND), Some(State::Active));
        assert_eq!(composer.handle_timeout(now + 91 * SECOND, true), Some(State::Idle));
        composer.handle_typed(now + 92 * SECOND);
        composer.handle_sent();
        assert_eq!(composer.handle_timeout(now + 200 * SECOND, true), None);
    }

    /// RFC 3994 section 3.3: believed for 120 s, or as long as it says, or until a message comes.
    #[test]
    fn typing_of_others_is_believed_for_a_while() {
        let now = Instant::now();
        let mut writers = Writers::default();
        let active = |refresh| Status { state: State::Active, refresh };
        writers.handle_status(now, "sip:a@x", &active(None));
        writers.handle_status(now, "sip:b@x", &active(Some(10 * SECOND)));
        writers.handle_status(now, "sip:c@x", &active(None));
        writers.handle_message("sip:c@x");
        assert_eq!(writers.now(now).collect::<Vec<_>>(), ["sip:a@x", "sip:b@x"]);
        assert_eq!(writers.now(now + 10 * SECOND).collect::<Vec<_>>(), ["sip:a@x"]);
        assert_eq!(writers.now(now + 120 * SECOND).count(), 0);
        writers.handle_status(now, "sip:a@x", &active(None));
        writers.handle_status(now, "sip:a@x", &Status { state: State::Idle, refresh: None });
        assert_eq!(writers.now(now).count(), 0);
    }

    /// RFC 3994 section 5: documents of others, and what is none.
    #[test]
    fn documents_are_read() {
        let document =
            b"<?xml version='1.0'?><x:isComposing xmlns:x='urn:ietf:params:xml:ns:im-iscomposing'>\
            <x:state>active</x:state><x:refresh> 90 </x:refresh></x:isComposing>";
        let status = Status { state: State::Active, refresh: Some(90 * SECOND) };
        assert_eq!(Status::read(document), Some(status));
        let unknown = b"<isComposing><state>pondering</state></isComposing>";
        assert_eq!(Status::read(unknown).map(|it| it.state), Some(State::Idle));
        for document in [&b"active"[..], b"<isComposing/>", b"<!DOCTYPE x><state>active</state>"] {
            assert_eq!(Status::read(document), None);
        }
        let own = Status::of(State::Active);
        assert_eq!(Status::read(own.write().as_bytes()), Some(own));
    }
}
