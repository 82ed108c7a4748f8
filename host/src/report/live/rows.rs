//! What the live lines say.

use std::time::Duration;

use crate::report::format::{bytes, clock, cut, pad};
use crate::report::paint::Paint;

const LONGEST_BAR: usize = 24;
const SHORTEST_BAR: usize = 4;

/// The step under way.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub number: usize,
    pub of: usize,
    pub title: String,
    /// Of the run, when the step began.
    pub run: Duration,
    pub stopping: bool,
}

impl Header {
    pub fn line(&self, elapsed: Duration, width: usize, paint: Paint) -> String {
        let count = format!("{}/{}", self.number, self.of);
        let clocks = format!("{} (run {})", clock(elapsed), clock(self.run + elapsed));
        let stopping = if self.stopping { "  stopping" } else { "" };
        let fixed = 2 + count.len() + 2 + stopping.len() + 2 + clocks.len();
        let title = cut(&self.title, width.saturating_sub(fixed));
        let (spinner, title) = (paint.active(spinner(elapsed)), paint.bold(&title));
        let (stopping, clocks) = (paint.warning(stopping), paint.dim(&clocks));
        format!("{spinner} {count}  {title}{stopping}  {clocks}")
    }
}

/// An effect under way.
pub(super) fn effect(summary: &str, elapsed: Duration, width: usize, paint: Paint) -> String {
    format!("  {} {}", paint.active(spinner(elapsed)), cut(summary, width.saturating_sub(4)))
}

/// How it goes with a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gate {
    Waiting(String),
    Healthy(Duration),
    Failed(String),
}

/// `is_over`: nobody waits for it any longer.
pub(super) fn gate(
    service: &str,
    state: &Gate,
    elapsed: Duration,
    width: usize,
    paint: Paint,
    is_over: bool,
) -> String {
    let name = name(service, width);
    let (mark, text, clocks) = match state {
        Gate::Waiting(text) if is_over => (paint.dim("–"), text.clone(), String::new()),
        Gate::Waiting(text) => (paint.active(spinner(elapsed)), text.clone(), clock(elapsed)),
        Gate::Healthy(after) => {
            (paint.good("✓"), format!("healthy after {}", clock(*after)), String::new())
        }
        Gate::Failed(why) => (paint.bad("✗"), why.clone(), String::new()),
    };
    let fixed = 4 + name_columns(width) + 2 + 2 + clocks.len();
    let text = cut(&text, width.saturating_sub(fixed));
    let line = format!("  {mark} {name}  {text}  {}", paint.dim(&clocks));
    line.trim_end().to_owned()
}

/// Bytes that are being copied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transfer {
    pub done: u64,
    pub total: Option<u64>,
    /// Bytes a second; absent where it cannot be told yet.
    pub rate: Option<u64>,
    pub left: Option<Duration>,
    pub elapsed: Duration,
}

impl Transfer {
    pub fn line(&self, what: &str, width: usize, paint: Paint) -> String {
        let is_done = self.total == Some(self.done) && self.done > 0;
        let mark = if is_done { paint.good("✓") } else { paint.active(spinner(self.elapsed)) };
        let name = name(what, width);
        let fixed = 4 + name_columns(width);
        if is_done {
            return format!("  {mark} {name}  {}", bytes(self.done));
        }
        let room = width.saturating_sub(fixed + 2);
        let Some(total) = self.total.filter(|&total| total > 0) else {
            let text = joined(&[Some(bytes(self.done)), self.rate_text()]);
            return format!("  {mark} {name}  {}", cut(&text, room));
        };
        let (text, columns) = self.details(total, room);
        let bar = match room.saturating_sub(columns + 2).min(LONGEST_BAR) {
            0..SHORTEST_BAR => String::new(),
            columns => gauge(self.done, total, columns, paint) + "  ",
        };
        let room = room.saturating_sub(console::measure_text_width(&bar));
        format!("  {mark} {name}  {bar}{}", cut(&text, room))
    }

    fn rate_text(&self) -> Option<String> {
        self.rate.map(|rate| format!("{}/s", bytes(rate)))
    }

    /// As much as there is room for beside a bar, and the columns that it usually needs:
    /// the bar keeps its length whatever the numbers are.
    fn details(&self, total: u64, room: usize) -> (String, usize) {
        let percent = u128::from(self.done.min(total)) * 100 / u128::from(total);
        let percent = format!("{percent:3} %");
        let amount = format!("{percent} of {}", bytes(total));
        let left = self.left.map(|left| format!("{} left", coarse(left)));
        let all = (joined(&[Some(amount.clone()), self.rate_text(), left.clone()]), 42);
        let without_rate = (joined(&[Some(amount), left]), 31);
        for (text, columns) in [all, without_rate] {
            if columns + 2 + SHORTEST_BAR <= room {
                return (text, columns);
            }
        }
        (percent, 5)
    }
}

/// Services and things that are copied have a column for their names.
fn name_columns(width: usize) -> usize {
    if width < 72 { 15 } else { 20 }
}

fn name(text: &str, width: usize) -> String {
    let columns = name_columns(width);
    pad(&cut(text, columns), columns)
}

/// An estimate is not better for its seconds.
fn coarse(left: Duration) -> String {
    match left.as_secs() {
        s @ 0..60 => format!("{s} s"),
        s @ 60..5_400 => format!("{} min", (s + 30) / 60),
        s => format!("{} h", (s + 1_800) / 3_600),
    }
}

fn joined(parts: &[Option<String>]) -> String {
    parts.iter().flatten().map(String::as_str).collect::<Vec<_>>().join("  ")
}

fn gauge(done: u64, total: u64, columns: usize, paint: Paint) -> String {
    let filled = u128::from(done.min(total)) * columns as u128 / u128::from(total);
    let filled = usize::try_from(filled).unwrap_or(columns);
    paint.active(&"━".repeat(filled)) + &paint.dim(&"─".repeat(columns - filled))
}

fn spinner(elapsed: Duration) -> &'static str {
    const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
    let frame = elapsed.as_millis() / 120 % FRAMES.len() as u128;
    usize::try_from(frame).ok().and_then(|frame| FRAMES.get(frame)).unwrap_or(&"·")
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn transfer(total: Option<u64>) -> Transfer {
        let (rate, left) = (Some(48 << 20), total.map(|_| 19 * S));
        Transfer { done: 312 << 20, total, rate, left, elapsed: S }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let header = Header {
            number: 4,
            of: 7,
            title: "Recreate model-service, query-router and wait until healthy".into(),
            run: 158 * S,
            stopping: true,
        };
        let waiting = Gate::Waiting("waiting: health check: GET /api/health answered 503".into());
        for width in 50..=100 {
            let paint = Paint::new(true);
            for line in [
                header.line(34 * S, width, paint),
                effect(&"pull x, ".repeat(30), S, width, paint),
                gate("model-service", &waiting, 34 * S, width, paint, false),
                transfer(Some(1 << 30)).line("model-service:1.5.0", width, paint),
                transfer(None).line("dump tessallite", width, paint),
            ] {
                assert!(measure_text_width(&line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_transfer_shows_what_there_is_room_for() {
        let line =
            |width| transfer(Some(1 << 30)).line("model-service:1.5.0", width, Paint::new(false));
        assert_eq!(
            line(100),
            "  ⠇ model-service:1.5.0   ━━━━━━━─────────────────   30 % of 1.0 GiB  48.0 MiB/s  19 s left"
        );
        assert_eq!(
            line(80),
            "  ⠇ model-service:1.5.0   ━━━───────   30 % of 1.0 GiB  48.0 MiB/s  19 s left"
        );
        assert_eq!(line(60), "  ⠇ model-service:…  ━─────   30 % of 1.0 GiB  19 s left");
        let done = Transfer { total: Some(312 << 20), ..transfer(None) };
        assert_eq!(done.line("x", 80, Paint::new(false)), "  ✓ x                     312.0 MiB");
    }

    #[test]
    fn a_gate_shows_its_state() {
        let line = |state| gate("gateway", &state, 7 * S, 60, Paint::new(false), false);
        assert_eq!(line(Gate::Healthy(34 * S)), "  ✓ gateway          healthy after 34 s");
        assert_eq!(
            line(Gate::Waiting("waiting: health check: starting".into())),
            "  ⠇ gateway          waiting: health check: starting  7 s"
        );
    }
}
