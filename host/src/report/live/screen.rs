//! A terminal as indicatif draws on it.
//!
//! indicatif relies on the terminal to wrap full lines, and writes in pieces. Here the
//! rows end where they end, so that a terminal that becomes narrower does not leave
//! half of them behind; a drawing is written in one go, so that nothing flickers; and
//! after a failed write there is silence. The cursor is never hidden: a process that
//! is killed could not bring it back.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use console::{AnsiCodeIterator, measure_text_width};
use indicatif::TermLike;

use crate::report::outlet::Outlet;

/// Wider lines are hard to read.
const WIDEST: u16 = 100;
const NARROWEST: u16 = 20;

/// Rows and columns.
pub(super) type Size = Box<dyn Fn() -> (u16, u16) + Send + Sync>;

#[derive(Clone)]
pub(super) struct Screen {
    canvas: Arc<Mutex<Canvas>>,
}

struct Canvas {
    outlet: Outlet<Box<dyn Write + Send>>,
    size: Size,
    /// Not written yet.
    buffer: String,
    /// Where a row ends in the drawing under way.
    width: usize,
    /// Of the cursor, blanks included.
    column: usize,
    /// Where the last visible character of the row ends: blanks behind it are not written.
    visible: usize,
    /// The widths of the rows of this drawing, and of the one before.
    rows: Vec<usize>,
    drawn: Vec<usize>,
    /// How far up this drawing began; absent once it has cleared something.
    up: Option<usize>,
    held: bool,
}

impl Screen {
    pub fn new(out: Box<dyn Write + Send>, size: Size) -> Self {
        let canvas = Canvas {
            outlet: Outlet::new(out),
            size,
            buffer: String::new(),
            width: usize::from(WIDEST),
            column: 0,
            visible: 0,
            rows: Vec::new(),
            drawn: Vec::new(),
            up: Some(0),
            held: false,
        };
        Self { canvas: Arc::new(Mutex::new(canvas)) }
    }

    fn canvas(&self) -> MutexGuard<'_, Canvas> {
        self.canvas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How wide a live line may be.
    pub fn line_width(&self) -> usize {
        usize::from(self.width())
    }

    /// How wide text may be that stays.
    pub fn text_width(&self) -> usize {
        let (_, columns) = (self.canvas().size)();
        usize::from(columns.max(NARROWEST))
    }

    /// Between true and false nothing is written.
    pub fn hold(&self, held: bool) {
        let mut canvas = self.canvas();
        canvas.held = held;
        canvas.flush();
    }

    /// Writes lines that stay. The live ones must have been cleared.
    pub fn say(&self, text: &str) {
        let mut canvas = self.canvas();
        canvas.fresh_line();
        for line in text.lines() {
            canvas.buffer += line;
            canvas.buffer += "\r\n";
        }
        canvas.drawn.clear();
        canvas.flush();
    }

    /// Leaves the cursor at the beginning of a line.
    pub fn close(&self) {
        let mut canvas = self.canvas();
        canvas.fresh_line();
        canvas.held = false;
        canvas.flush();
    }
}

impl Canvas {
    fn flush(&mut self) {
        if !self.held && !self.buffer.is_empty() {
            self.outlet.put(&std::mem::take(&mut self.buffer));
        }
    }

    fn fresh_line(&mut self) {
        if self.column > 0 {
            self.end_row();
        }
        self.rows.clear();
    }

    fn end_row(&mut self) {
        self.buffer += "\r\n";
        self.rows.push(self.visible);
        (self.column, self.visible) = (0, 0);
    }

    fn write(&mut self, text: &str) {
        for (piece, is_ansi) in AnsiCodeIterator::new(text) {
            if is_ansi {
                self.buffer += piece;
                continue;
            }
            piece.chars().for_each(|c| self.put(c));
        }
    }

    fn put(&mut self, c: char) {
        let columns = measure_text_width(c.encode_utf8(&mut [0; 4]));
        if self.column + columns > self.width {
            self.end_row();
        }
        self.column += columns;
        if c != ' ' {
            let blanks = self.column - columns - self.visible;
            self.buffer.extend(std::iter::repeat_n(' ', blanks));
            self.buffer.push(c);
            self.visible = self.column;
        }
    }

    /// A terminal that has become narrower has wrapped what was drawn: it begins higher
    /// up than indicatif knows.
    fn clear_line(&mut self) {
        if let Some(up) = self.up.take() {
            let columns = usize::from((self.size)().1.max(1));
            let wrapped = |&row: &usize| row.saturating_sub(1) / columns;
            let more: usize = self.drawn.iter().rev().take(up + 1).map(wrapped).sum();
            self.move_cursor(more, 'A');
            self.buffer += "\r\x1b[J";
        } else {
            self.buffer += "\r\x1b[2K";
        }
        (self.column, self.visible) = (0, 0);
    }

    fn move_cursor(&mut self, n: usize, direction: char) {
        if n > 0 {
            self.buffer += &format!("\x1b[{n}{direction}");
        }
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Screen")
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        let mut canvas = self.canvas();
        let width = (canvas.size)().1.clamp(NARROWEST, WIDEST);
        canvas.width = usize::from(width);
        width
    }

    fn height(&self) -> u16 {
        (self.canvas().size)().0.max(2)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        let mut canvas = self.canvas();
        canvas.up = canvas.up.map(|_| n);
        canvas.move_cursor(n, 'A');
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.canvas().move_cursor(n, 'B');
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.canvas().move_cursor(n, 'C');
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.canvas().move_cursor(n, 'D');
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        let mut canvas = self.canvas();
        canvas.write(text);
        canvas.end_row();
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.canvas().write(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.canvas().clear_line();
        Ok(())
    }

    /// The end of a drawing.
    fn flush(&self) -> io::Result<()> {
        let mut canvas = self.canvas();
        let last = canvas.visible;
        canvas.rows.push(last);
        canvas.drawn = std::mem::take(&mut canvas.rows);
        canvas.up = Some(0);
        canvas.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
