//! The terminal: keys in, screens out.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::{App, Key, Status};
use crate::args::Args;
use crate::chat::{News, Order};
use crate::view;

/// How often time alone may change the screen.
const TICK: Duration = Duration::from_millis(500);

/// Shows the chat until the user goes.
pub async fn run(
    args: &Args,
    orders: mpsc::UnboundedSender<Order>,
    mut news: mpsc::UnboundedReceiver<News>,
) -> io::Result<()> {
    let mut app = App::new(&args.user, &args.room);
    let mut terminal = ratatui::try_init()?;
    let mut events = terminal_events();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let shown = loop {
        if let Err(error) = terminal.draw(|frame| view::draw(frame, &mut app, Instant::now())) {
            break Err(error);
        }
        let is_over = app.status == Status::Over;
        let order = tokio::select! {
            event = events.recv() => match event {
                Some(Event::Key(key)) => {
                    key_of(key).and_then(|key| app.handle_key(Instant::now(), &time_of_day(), key))
                }
                Some(_) => None,
                None => break Ok(()),
            },
            told = news.recv(), if !is_over => {
                if let Some(told) = told {
                    app.handle_news(Instant::now(), &time_of_day(), told);
                }
                None
            }
            _ = tick.tick() => app.handle_tick(Instant::now()),
        };
        if let Some(order) = order {
            // A chat that is over has no use for orders.
            let _ = orders.send(order);
        }
        if app.is_done {
            break Ok(());
        }
    };
    ratatui::restore();
    shown
}

/// The terminal's events. They are read by a thread of their own, which ends with the program.
fn terminal_events() -> mpsc::UnboundedReceiver<Event> {
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    receiver
}

/// What a key of the terminal means; `None` if nothing.
fn key_of(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let is_control = event.modifiers.contains(KeyModifiers::CONTROL);
    Some(match event.code {
        KeyCode::Char('c' | 'd') if is_control => Key::Quit,
        KeyCode::Char('a') if is_control => Key::Home,
        KeyCode::Char('e') if is_control => Key::End,
        KeyCode::Char(_) if is_control => return None,
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Enter => Key::Enter,
        _ => return None,
    })
}

/// `hh:mm` where the user is.
pub fn time_of_day() -> String {
    jiff::ZonedDateTime::now().strftime("%H:%M").to_string()
}
