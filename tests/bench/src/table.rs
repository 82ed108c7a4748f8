//! What comes out: a table of ratios.

use std::fmt;
use std::time::Duration;

/// Lines of text in five columns.
#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 5]>,
}

impl Table {
    /// Two times, measured side by side, and what their ratio ought to be.
    pub fn times(&mut self, what: &str, ours: Duration, beside: Duration, goal: &str) {
        self.calls(what, 1, ours, beside, goal);
    }

    /// As [`Table::times`], each that of so many calls.
    pub fn calls(&mut self, what: &str, calls: u32, ours: Duration, beside: Duration, goal: &str) {
        let ratio = ours.as_secs_f64() / beside.as_secs_f64();
        self.row(what, &time(ours / calls), &time(beside / calls), &format!("{ratio:.2}"), goal);
    }

    /// Two sizes.
    pub fn sizes(&mut self, what: &str, ours: u64, beside: u64, goal: &str) {
        let ratio = ours as f64 / beside as f64;
        self.row(what, &size(ours), &size(beside), &format!("{ratio:.2}"), goal);
    }

    /// Something that is beside nothing.
    pub fn alone(&mut self, what: &str, ours: &str, goal: &str) {
        self.row(what, ours, "", "", goal);
    }

    fn row(&mut self, what: &str, ours: &str, beside: &str, ratio: &str, goal: &str) {
        self.rows.push([what, ours, beside, ratio, goal].map(str::to_owned));
    }
}

pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 1e-3 {
        format!("{:.2} ms", seconds * 1e3)
    } else {
        format!("{:.2} µs", seconds * 1e6)
    }
}

pub fn size(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | ours | beside it | ratio | goal |\n|---|---|---|---|---|")?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}
