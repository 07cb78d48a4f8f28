use std::time::Duration;

use ratatui::{Terminal, backend::TestBackend, buffer::Cell};
use sip_control::client::{Received, Sender};

use super::*;
use crate::composing::{State, Status as Composing};
use crate::view;

const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const ROOM: &str = "sip:lobby@chat.localhost";

fn joined() -> App {
    let mut app = App::new(ALICE, ROOM);
    let news = News::Joined { nicknames: true, private_messages: true };
    app.handle_news(Instant::now(), "10:00", news);
    app.people = [(ALICE, "alice"), (BOB, "Bobby Tables")]
        .map(|(uri, name)| Person {
            uri: uri.to_owned(),
            name: name.to_owned(),
            is_here: true,
            is_own: uri == ALICE,
        })
        .to_vec();
    app
}

fn typed(app: &mut App, line: &str) -> Vec<Order> {
    let now = Instant::now();
    let keys = line.chars().map(Key::Char).chain([Key::Enter]);
    keys.filter_map(|key| app.handle_key(now, "10:01", key)).collect()
}

fn heard(from: &str, to: &str, text: &str) -> News {
    News::Heard(Received {
        sender: Some(Sender {
            from: from.to_owned(),
            name: None,
            to: to.to_owned(),
            date_time: None,
        }),
        content_type: "text/plain".to_owned(),
        content: text.as_bytes().to_vec().into(),
        imdn_id: None,
        wants_delivery: false,
    })
}

fn last(app: &App) -> &Entry {
    app.entries.last().unwrap()
}

fn screen(app: &mut App, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, app, Instant::now())).unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(usize::from(width));
    let rows = rows.map(|row| row.iter().map(Cell::symbol).collect::<String>());
    rows.map(|row| row.trim_end().to_owned() + "\n").collect()
}

#[test]
fn a_line_is_said_and_its_fate_is_shown() {
    let mut app = joined();
    let orders = typed(&mut app, "Hi");
    let say = Order::Say { id: 1, to: None, text: "Hi".to_owned(), wants_delivery: true };
    assert_eq!(orders, [Order::Compose(State::Active), say]);
    let fate = |app: &App| match last(app) {
        Entry::Own { fate, .. } => fate.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(fate(&app), Fate::Sent);
    let now = Instant::now();
    // A reader was faster than the room, and says so twice.
    app.handle_news(now, "", News::Delivered { id: 1, at: BOB.to_owned() });
    app.handle_news(now, "", News::Said(1, Ok(())));
    app.handle_news(now, "", News::Delivered { id: 1, at: BOB.to_owned() });
    assert_eq!(fate(&app), Fate::Taken(BTreeSet::from([BOB.to_owned()])));
    app.handle_news(now, "", News::Delivered { id: 7, at: BOB.to_owned() });
    typed(&mut app, "Again");
    app.handle_news(now, "", News::Said(2, Err("413 Stop sending".to_owned())));
    assert_eq!(fate(&app), Fate::Refused("413 Stop sending".to_owned()));
}

#[test]
fn commands_are_carried_out_or_explained() {
    let mut app = joined();
    let mut orders = |line| app.handle_line("10:01", line);
    assert_eq!(orders("/nick Ally"), Some(Order::Nickname("Ally".to_owned())));
    assert_eq!(orders("/nick"), Some(Order::Nickname(String::new())));
    let to = |order: Option<Order>| match order {
        Some(Order::Say { to, text, .. }) => (to, text),
        other => panic!("{other:?}"),
    };
    let whisper = |to: &str, text: &str| (Some(to.to_owned()), text.to_owned());
    assert_eq!(to(orders("/msg bobbytables Psst, you")), whisper(BOB, "Psst, you"));
    assert_eq!(to(orders("/msg bob x")), whisper(BOB, "x"));
    assert_eq!(to(orders("/msg sip:eve@example.org x")), whisper("sip:eve@example.org", "x"));
    let eve = "sip:eve@example.org";
    assert_eq!(orders("/add sip:eve@example.org"), Some(Order::Add(eve.to_owned())));
    assert_eq!(orders("/add tel:+12125550147"), Some(Order::Add("tel:+12125550147".to_owned())));
    assert_eq!(orders("/remove bob"), Some(Order::Remove(BOB.to_owned())));
    assert_eq!(orders("/remove sip:eve@example.org"), Some(Order::Remove(eve.to_owned())));
    for line in ["/add", "/add eve", "/add sip:eve@example.org now", "/remove", "/remove carol"] {
        assert_eq!(orders(line), None, "{line}");
    }
    assert_eq!(to(orders("//shrug")), (None, "/shrug".to_owned()));
    for line in ["", "/msg", "/msg bob", "/msg carol x", "/frobnicate", "/help", "/who"] {
        assert_eq!(orders(line), None, "{line}");
    }
    assert!(
        app.entries.contains(&Entry::Note("There is nobody here who is called carol.".to_owned()))
    );
    assert!(app.entries.iter().any(|it| matches!(it, Entry::Note(note) if note.contains(BOB))));
}

#[test]
fn what_became_of_a_call_or_a_removal_is_told() {
    let mut app = joined();
    let now = Instant::now();
    let eve = || "sip:eve@example.org".to_owned();
    let mut told = |news| {
        app.handle_news(now, "", news);
        match last(&app) {
            Entry::Note(note) => note.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told(News::Added(eve(), Ok(()))), "eve has answered the call.");
    let busy = told(News::Added(eve(), Err("busy".to_owned())));
    assert_eq!(busy, "eve was called: busy.");
    assert!(told(News::Removed(BOB.to_owned(), Ok(()))).ends_with(" was removed."));
    let refused = told(News::Removed(eve(), Err("you may not do that here".to_owned())));
    assert_eq!(refused, "eve was not removed: you may not do that here.");
}

#[test]
fn whoever_leaves_goes_when_the_focus_has_heard_of_it_or_at_once_if_asked_twice() {
    let mut app = joined();
    assert_eq!(app.handle_key(Instant::now(), "", Key::Quit), Some(Order::Leave));
    assert!(!app.is_done);
    app.handle_news(Instant::now(), "", News::Over("Left.".to_owned()));
    assert!(app.is_done);

    let mut app = joined();
    typed(&mut app, "/leave");
    typed(&mut app, "/leave");
    assert!(app.is_done);

    let mut app = joined();
    app.handle_news(Instant::now(), "", News::Over("The chat is over.".to_owned()));
    assert!(!app.is_done, "the last words are to be read");
    app.handle_key(Instant::now(), "", Key::Quit);
    assert!(app.is_done);
}

#[test]
fn typing_is_shown_until_the_message_is_there() {
    let mut app = joined();
    let now = Instant::now();
    let status = Composing { state: State::Active, refresh: None };
    app.handle_news(now, "", News::Composing { who: BOB.to_owned(), status });
    assert_eq!(app.typing(now).as_deref(), Some("Bobby Tables is typing …"));
    app.handle_news(now, "10:02", heard(BOB, ROOM, "There"));
    assert_eq!(app.typing(now), None);
    // A command is nobody's business, and neither is a line while there is no session.
    assert_eq!(app.handle_key(now, "", Key::Char('/')), None);
    app.input.take();
    app.handle_news(now, "", News::Lost { why: "Gone.".to_owned(), wait: Duration::from_secs(1) });
    assert_eq!(app.handle_key(now, "", Key::Char('x')), None);
}

#[test]
fn the_screen_shows_who_says_what_to_whom() {
    let mut app = joined();
    let now = Instant::now();
    app.handle_news(now, "10:02", heard(BOB, ROOM, "Hello, all of you out there in the room!"));
    app.handle_news(now, "10:03", heard(BOB, ALICE, "And you"));
    app.handle_line("10:04", "/msg bob Me?");
    app.handle_news(now, "", News::Said(1, Ok(())));
    "Ye".chars().for_each(|c| drop(app.handle_key(now, "", Key::Char(c))));
    let expected = "\
sip:lobby@chat.localhost · joined · you are alice
  * You are in. /nick and /msg work    │ 2 here
here.                                  │ ● alice (you)
10:02 Bobby Tables: Hello, all of you  │ ● Bobby Tables
out there in the room!                 │
10:03 Bobby Tables (to you alone): And │
you                                    │
10:04 you (to Bobby Tables alone): Me? │
✓                                      │
                                       │
> Ye                                   │
";
    assert_eq!(screen(&mut app, 63, 11), expected);
    // Where there is no room for both, the talk stays.
    assert!(!screen(&mut app, 50, 11).contains('│'));
    // What does not fit scrolls away, and can be scrolled back to.
    let small = screen(&mut app, 63, 5);
    assert!(small.contains("Me?") && !small.contains("Hello"), "{small}");
    app.handle_key(now, "", Key::PageUp);
    app.handle_key(now, "", Key::PageDown);
    assert!(screen(&mut app, 63, 5).contains("Me?"));
}

#[test]
fn what_was_typed_and_said_by_others_never_breaks_the_screen() {
    let mut app = joined();
    let now = Instant::now();
    app.handle_news(now, "10:02", heard(BOB, ROOM, "a\r\n\u{1b}[2J\u{202e}b\0\u{fe0f}👩‍👩‍👧"));
    "日本語".repeat(40).chars().for_each(|c| drop(app.handle_key(now, "", Key::Char(c))));
    for (width, height) in [(80, 24), (20, 4), (3, 4), (1, 1)] {
        let shown = screen(&mut app, width, height);
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
    // Nor the terminal, where it is printed as it is.
    let Entry::Heard { text, .. } = last(&app) else { panic!() };
    assert_eq!(text, "a\u{fffd}\n\u{fffd}[2J\u{fffd}b\u{fffd}\u{fe0f}👩‍👩‍👧");
}
