//! Lines in, lines out.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::sync::mpsc;
use tokio::time::{Instant as Due, sleep_until};

use crate::app::{App, Entry, Fate, Status};
use crate::args::Args;
use crate::chat::{News, Order};
use crate::screen::time_of_day;

/// How long answers and notifications of what was said last are waited for when the input ends.
const LINGER: Duration = Duration::from_secs(1);

/// Says the lines of the standard input, and prints what happens, until either is over.
pub async fn run(
    args: &Args,
    orders: mpsc::UnboundedSender<Order>,
    mut news: mpsc::UnboundedReceiver<News>,
) -> io::Result<()> {
    let mut app = App::new(&args.user, &args.room);
    let mut printer = Printer::default();
    let mut lines = BufReader::new(stdin()).lines();
    let mut ends_at: Option<Due> = None;
    while !app.is_done && app.status != Status::Over {
        // What was typed ahead is said when there is somebody to say it to.
        let may_say = app.status == Status::Joined && ends_at.is_none();
        let order = tokio::select! {
            told = news.recv() => match told {
                Some(told) => {
                    app.handle_news(Instant::now(), &time_of_day(), told);
                    None
                }
                None => break,
            },
            line = lines.next_line(), if may_say => {
                let line = line?;
                ends_at = line.is_none().then(|| Due::now() + LINGER);
                line.and_then(|line| app.handle_line(&time_of_day(), &line))
            }
            () = sleep_until(ends_at.unwrap_or_else(Due::now)), if ends_at.is_some() => {
                ends_at = None;
                app.handle_line("", "/leave")
            }
        };
        if let Some(order) = order {
            // A chat that is over has no use for orders.
            let _ = orders.send(order);
        }
        printer.print(&app.entries)?;
    }
    Ok(())
}

/// Prints every entry once, and own messages when their fate is known.
#[derive(Debug, Default)]
struct Printer {
    printed: usize,
}

impl Printer {
    fn print(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for entry in &entries[self.printed.min(entries.len())..] {
            match entry {
                Entry::Own { fate: Fate::Sent, .. } => return out.flush(),
                entry => writeln!(out, "{}", text(entry))?,
            }
            self.printed += 1;
        }
        out.flush()
    }
}

fn text(entry: &Entry) -> String {
    match entry {
        Entry::Note(text) => format!("* {text}"),
        Entry::Heard { at, who, is_private, text } => {
            let private = if *is_private { " (to you alone)" } else { "" };
            format!("{at} {who}{private}: {text}")
        }
        Entry::Own { at, to, text, fate, .. } => {
            let to = to.as_ref().map(|to| format!(" (to {to} alone)")).unwrap_or_default();
            let fate = match fate {
                Fate::Refused(why) => format!(" [not said: {why}]"),
                Fate::Sent | Fate::Taken(_) => String::new(),
            };
            format!("{at} you{to}: {text}{fate}")
        }
    }
}
