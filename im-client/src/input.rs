//! The line that is being typed.

use crate::app::Key;

/// Lines that are kept to come back to, as a count.
const HISTORY_MAX: usize = 200;

/// A line with a cursor in it, and the lines before it.
#[derive(Debug, Default)]
pub struct Input {
    text: String,
    /// Octets before the cursor; always between two characters.
    cursor: usize,
    history: Vec<String>,
    /// How far back in the history the user is.
    back: usize,
}

impl Input {
    /// What has been typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor.
    pub fn before_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Takes the line away, for good.
    pub fn take(&mut self) -> String {
        let line = std::mem::take(&mut self.text);
        (self.cursor, self.back) = (0, 0);
        if !line.is_empty() && self.history.last() != Some(&line) {
            if self.history.len() == HISTORY_MAX {
                self.history.remove(0);
            }
            self.history.push(line.clone());
        }
        line
    }

    /// A key that edits.
    pub fn handle_key(&mut self, key: Key) {
        match key {
            Key::Char(c) if !c.is_control() => {
                self.text.insert(self.cursor, c);
                self.cursor += c.len_utf8();
            }
            Key::Backspace => {
                if let Some(c) = self.before_cursor().chars().next_back() {
                    self.cursor -= c.len_utf8();
                    self.text.remove(self.cursor);
                }
            }
            Key::Delete if self.cursor < self.text.len() => drop(self.text.remove(self.cursor)),
            Key::Left => {
                let before = self.before_cursor().chars().next_back();
                self.cursor -= before.map_or(0, char::len_utf8);
            }
            Key::Right => {
                let behind = self.text[self.cursor..].chars().next();
                self.cursor += behind.map_or(0, char::len_utf8);
            }
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.text.len(),
            Key::Up => self.recall(self.back + 1),
            Key::Down => self.recall(self.back.saturating_sub(1)),
            _ => {}
        }
    }

    fn recall(&mut self, back: usize) {
        if back > self.history.len() {
            return;
        }
        self.back = back;
        self.text = match back {
            0 => String::new(),
            back => self.history[self.history.len() - back].clone(),
        };
        self.cursor = self.text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[Key]) -> Input {
        let mut input = Input::default();
        for key in keys {
            input.handle_key(*key);
        }
        input
    }

    #[test]
    fn a_line_is_edited_by_whole_characters() {
        use Key::{Backspace, Char, Delete, End, Home, Left, Right};
        let input = typed(&[Char('ü'), Char('b'), Left, Left, Left, Char('x'), Right, Char('€')]);
        assert_eq!((input.text(), input.before_cursor()), ("xü€b", "xü€"));
        let input = typed(&[Char('ü'), Char('b'), Home, Delete, End, Delete, Char('c')]);
        assert_eq!(input.text(), "bc");
        let input = typed(&[Backspace, Char('é'), Char('\u{7}'), Backspace, Right, Delete]);
        assert_eq!((input.text(), input.before_cursor()), ("", ""));
    }

    #[test]
    fn earlier_lines_come_back() {
        let mut input = Input::default();
        for line in ["one", "two", "two"] {
            line.chars().for_each(|c| input.handle_key(Key::Char(c)));
            assert_eq!(input.take(), line);
        }
        let mut recalled = |key| {
            input.handle_key(key);
            input.text().to_owned()
        };
        assert_eq!(
            [recalled(Key::Up), recalled(Key::Up), recalled(Key::Up)],
            ["two", "one", "one"]
        );
        assert_eq!([recalled(Key::Down), recalled(Key::Down)], ["two", ""]);
    }
}
