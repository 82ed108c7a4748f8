use std::sync::atomic::{AtomicU16, Ordering};

use super::*;

#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<Vec<u8>>>>);

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tape {
    /// One text for each write.
    fn take(&self) -> Vec<String> {
        let writes = std::mem::take(&mut *self.0.lock().unwrap());
        writes.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    }
}

fn screen() -> (Screen, Tape, Arc<AtomicU16>) {
    let (tape, columns) = (Tape::default(), Arc::new(AtomicU16::new(40)));
    let of_size = Arc::clone(&columns);
    let size = Box::new(move || (24, of_size.load(Ordering::Relaxed)));
    (Screen::new(Box::new(tape.clone()), size), tape, columns)
}

/// As indicatif does it.
fn draw(screen: &Screen, rows_before: usize, rows: &[&str]) {
    screen.move_cursor_up(rows_before.saturating_sub(1)).unwrap();
    for n in 0..rows_before {
        screen.clear_line().unwrap();
        if n + 1 != rows_before {
            screen.move_cursor_down(1).unwrap();
        }
    }
    screen.move_cursor_up(rows_before.saturating_sub(1)).unwrap();
    let width = usize::from(screen.width());
    for row in rows {
        screen.write_str(row).unwrap();
        screen.write_str(&" ".repeat(width - measure_text_width(row))).unwrap();
    }
    screen.flush().unwrap();
}

#[test]
fn a_drawing_is_one_write_of_rows_without_padding() {
    let (screen, tape, _) = screen();
    draw(&screen, 0, &["\x1b[36mone\x1b[0m  more", "two"]);
    assert_eq!(tape.take(), ["\x1b[36mone\x1b[0m  more\r\ntwo"]);
    draw(&screen, 2, &["three"]);
    assert_eq!(tape.take(), ["\x1b[1A\r\x1b[J\x1b[1B\r\x1b[2K\x1b[1Athree"]);
}

#[test]
fn rows_that_a_narrower_terminal_has_wrapped_are_cleared_too() {
    let (screen, tape, columns) = screen();
    draw(&screen, 0, &["short", &"x".repeat(40), &"y".repeat(25)]);
    tape.take();
    columns.store(20, Ordering::Relaxed);
    draw(&screen, 3, &["short"]);
    // Two rows up as drawn; one more for the row of x, and one for the row of y.
    assert!(tape.take()[0].starts_with("\x1b[2A\x1b[2A\r\x1b[J"));
}

#[test]
fn text_that_stays_goes_in_the_place_of_what_was_live() {
    let (screen, tape, _) = screen();
    draw(&screen, 0, &["live"]);
    tape.take();
    screen.hold(true);
    draw(&screen, 1, &[]);
    screen.say("done\nand said");
    draw(&screen, 0, &["next"]);
    assert!(tape.take().is_empty());
    screen.hold(false);
    assert_eq!(tape.take(), ["\r\x1b[Jdone\r\nand said\r\nnext"]);
    screen.close();
    assert_eq!(tape.take(), ["\r\n"]);
}
