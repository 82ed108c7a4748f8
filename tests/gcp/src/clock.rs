//! The fake's own time: it can run faster than ours, so that a backup of minutes takes
//! milliseconds and still has its place in the order of things.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment of the fake, counted from the Unix epoch.
pub type Moment = Duration;

#[derive(Debug, Clone)]
pub struct Clock {
    started: Instant,
    epoch: Duration,
    speed: f64,
}

impl Clock {
    #[must_use]
    pub fn new(speed: f64) -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), epoch, speed: if speed > 0.0 { speed } else { 1.0 } }
    }

    #[must_use]
    pub fn now(&self) -> Moment {
        self.epoch + self.started.elapsed().mul_f64(self.speed)
    }

    /// How long to sleep really for a stretch of the fake's time.
    #[must_use]
    pub fn really(&self, stretch: Duration) -> Duration {
        stretch.div_f64(self.speed)
    }
}

/// RFC 3339 in UTC with milliseconds, as Google's APIs write it.
#[must_use]
pub fn rfc3339(moment: Moment) -> String {
    let seconds = moment.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let millis = moment.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Days since the epoch as year, month and day (the algorithm of the civil calendar).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_google_writes_them() {
        let text = rfc3339(Duration::from_millis(1_709_210_096_789));
        assert_eq!(text, "2024-02-29T12:34:56.789Z");
        assert_eq!(rfc3339(Duration::ZERO), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_fast_clock_sleeps_less() {
        let clock = Clock::new(10.0);
        assert_eq!(clock.really(Duration::from_secs(10)), Duration::from_secs(1));
    }
}
