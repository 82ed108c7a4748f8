use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::report::sample;

#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<u8>>>);

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn live(out: impl Write + Send + 'static, colour: bool) -> Live {
    Live::new(Box::new(out), Box::new(|| (24, 80)), Level::Info, Paint::new(colour))
}

fn written(events: &[Event], colour: bool) -> String {
    let tape = Tape::default();
    let live = live(tape.clone(), colour);
    events.iter().for_each(|event| live.report(event));
    drop(live);
    let bytes = std::mem::take(&mut *tape.0.lock().unwrap());
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_step_and_gate_stays_on_the_screen() {
    let written = written(&sample::success(), false);
    for line in [
        "✓ 1/4  Back up the database  12.4 s\r\n",
        "✓ 2/4  Pull the new images  1 min 03 s\r\n",
        "  ✓ model-service         healthy after 0 s\r\n",
        "  ! slow start\r\n",
        "✓ 4/4  Verify migrations and images  350 ms\r\n",
    ] {
        assert!(written.contains(line), "{line:?} is not in:\n{written}");
    }
    assert!(!written.contains("port 8001"), "a debug message");
    assert!(written.ends_with("\r\n"));
}

#[test]
fn a_failure_shows_what_is_known_about_it() {
    let written = written(&sample::failure(), false);
    for line in [
        "  tessallite-model-service-1: restarting, exit code 1, out of memory, restarted 3 times\r\n",
        "      exit code 7: curl: (7) Failed to connect\r\n",
        "      ERROR no such column\r\n",
        "  ✗ model-service         exited with code 1\r\n",
    ] {
        assert!(written.contains(line), "{line:?} is not in:\n{written}");
    }
}

#[test]
fn an_interruption_says_what_it_waits_for() {
    let written = written(&sample::interrupted(), false);
    assert!(
        written.contains("! Stopping after what is under way: interrupted by the operator\r\n")
    );
}

#[test]
fn no_colour_means_no_colour_and_the_cursor_is_left_alone() {
    // The last letters of the control sequences: m colours, h and l switch.
    let controls = |text: &str| -> Vec<char> {
        let ends = |c: char| c.is_ascii_alphabetic();
        text.split("\x1b[").skip(1).filter_map(|rest| rest.chars().find(|&c| ends(c))).collect()
    };
    for run in [sample::success(), sample::failure(), sample::interrupted()] {
        assert!(!controls(&written(&run, false)).iter().any(|c| "mhl".contains(*c)));
        let coloured = controls(&written(&run, true));
        assert!(coloured.contains(&'m') && !coloured.iter().any(|c| "hl".contains(*c)));
    }
}

#[test]
fn dropped_in_the_middle_it_leaves_a_clean_line() {
    let events = &sample::success()[..12];
    let written = written(events, false);
    let (_, end) = written.rsplit_once("\x1b[J").unwrap();
    assert!(!end.contains("2/4"), "{end:?}");
}

#[test]
fn a_terminal_that_is_gone_is_no_matter() {
    struct Gone(Arc<AtomicU64>);
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(io::Error::from_raw_os_error(5))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let attempts = Arc::new(AtomicU64::new(0));
    let live = live(Gone(Arc::clone(&attempts)), true);
    sample::success().iter().for_each(|event| live.report(event));
    drop(live);
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
}

#[test]
fn events_out_of_order_are_no_matter() {
    let mut events = sample::success();
    events.reverse();
    written(&events, false);
    written(&[], true);
}
