//! The screen.
//!
//! ```text
//! room · status · own name
//! transcript                            | people
//! who is typing                         |
//! > the line                            |
//! ```

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};

use crate::app::{App, Entry, Fate, Status};

/// Columns that the roster takes, where there is room for it.
const ROSTER_WIDTH: u16 = 24;
/// Columns below which there is none.
const WIDTH_WITH_ROSTER_MIN: u16 = 60;

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, app: &mut App, now: Instant) {
    let roster_width = if frame.area().width < WIDTH_WITH_ROSTER_MIN { 0 } else { ROSTER_WIDTH };
    let [title, below] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(frame.area());
    let [left, right] =
        Layout::horizontal([Constraint::Min(1), Constraint::Length(roster_width)]).areas(below);
    let [transcript, typing, input] =
        Layout::vertical([Constraint::Min(1), Constraint::Length(1), Constraint::Length(1)])
            .areas(left);
    draw_title(frame, app, title);
    draw_transcript(frame, app, transcript);
    let dim = Style::new().add_modifier(Modifier::DIM | Modifier::ITALIC);
    frame.render_widget(Line::styled(app.typing(now).unwrap_or_default(), dim), typing);
    draw_input(frame, app, input);
    if roster_width > 0 {
        draw_roster(frame, app, right);
    }
}

fn draw_title(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let (word, color) = match app.status {
        Status::Calling => ("calling", Color::Yellow),
        Status::Joined => ("joined", Color::Green),
        Status::Lost => ("lost, rejoining", Color::Red),
        Status::Over => ("over", Color::Red),
    };
    let title = Line::from(vec![
        Span::styled(app.room.as_str(), Modifier::BOLD),
        Span::raw(" · "),
        Span::styled(word, color),
        Span::raw(format!(" · you are {}", app.own_name())),
    ]);
    frame.render_widget(title.style(Modifier::REVERSED), area);
}

fn draw_transcript(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let shown = app.entries.len() - app.scrolled.min(app.entries.len());
    // More entries than rows never help: each takes one at least.
    let first = shown.saturating_sub(usize::from(area.height));
    let text: Text<'_> = app.entries[first..shown].iter().map(line).collect();
    let paragraph = Paragraph::new(text).wrap(Wrap { trim: false });
    let rows = paragraph.line_count(area.width) as u16;
    let paragraph = paragraph.scroll((rows.saturating_sub(area.height), 0));
    frame.render_widget(paragraph, area);
}

fn line(entry: &Entry) -> Line<'_> {
    let dim = Style::new().add_modifier(Modifier::DIM);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    match entry {
        Entry::Note(text) => Line::from(vec![Span::styled(format!("  * {text}"), dim)]),
        Entry::Heard { at, who, is_private, text } => Line::from(vec![
            Span::styled(format!("{at} "), dim),
            Span::styled(who.as_str(), bold.fg(Color::Cyan)),
            Span::styled(if *is_private { " (to you alone): " } else { ": " }, Color::Magenta),
            Span::raw(text.as_str()),
        ]),
        Entry::Own { at, to, text, fate, .. } => {
            let to = to.as_ref().map(|to| format!(" (to {to} alone)")).unwrap_or_default();
            let (mark, style) = match fate {
                Fate::Sent => ("  …".to_owned(), dim),
                Fate::Taken(readers) if readers.is_empty() => ("  ✓".to_owned(), dim),
                Fate::Taken(readers) => (format!("  ✓✓ {}", readers.len()), dim),
                Fate::Refused(why) => (format!("  ✗ {why}"), Style::new().fg(Color::Red)),
            };
            Line::from(vec![
                Span::styled(format!("{at} "), dim),
                Span::styled("you", bold),
                Span::styled(to, Color::Magenta),
                Span::raw(format!(": {text}")),
                Span::styled(mark, style),
            ])
        }
    }
}

fn draw_input(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let prompt = "> ";
    let before = Span::raw(app.input.before_cursor()).width() + prompt.len();
    // The cursor stays on the screen: a long line moves under it.
    let hidden = (before + 1).saturating_sub(usize::from(area.width)) as u16;
    let line = Line::from(vec![Span::raw(prompt), Span::raw(app.input.text())]);
    frame.render_widget(Paragraph::new(line).scroll((0, hidden)), area);
    frame.set_cursor_position(Position::new(area.x + before as u16 - hidden, area.y));
}

fn draw_roster(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let here = app.people.iter().filter(|person| person.is_here).count();
    let block = Block::new().borders(Borders::LEFT).title(format!(" {here} here "));
    let people = app.people.iter().map(|person| {
        let mark = if person.is_here { "●" } else { "○" };
        let own = if person.is_own { " (you)" } else { "" };
        let style = if person.is_here { Style::new() } else { Modifier::DIM.into() };
        Line::styled(format!(" {mark} {}{own}", person.name), style)
    });
    frame.render_widget(Paragraph::new(people.collect::<Text<'_>>()).block(block), area);
}
