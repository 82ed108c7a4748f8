//! How long to wait before the next try.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Pauses that grow, each shortened by chance, so that many clients do not come back at once.
pub(super) struct Backoff {
    next: Duration,
    longest: Duration,
    deadline: Instant,
}

/// The time is used up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLate;

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration, within: Duration) -> Self {
        Self { next: first, longest, deadline: Instant::now() + within }
    }

    /// For questions about an operation: often at first, since many end soon.
    pub(super) fn polling(longest: Duration, within: Duration) -> Self {
        Self::new(Duration::from_millis(25), longest, within)
    }

    /// The time that is left.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Waits, at least as long as the other side asks for.
    pub(super) async fn pause(&mut self, at_least: Option<Duration>) -> Result<(), TooLate> {
        let pause = shortened(self.next, chance()).max(at_least.unwrap_or_default());
        self.next = (self.next * 3 / 2).min(self.longest);
        let left = self.left();
        if left.is_zero() || at_least.is_some_and(|wanted| wanted > left) {
            return Err(TooLate);
        }
        sleep(pause.min(left)).await;
        Ok(())
    }
}

/// To between a half and the whole.
fn shortened(pause: Duration, chance: f64) -> Duration {
    pause.mul_f64(0.5 + chance / 2.0)
}

/// From 0 to 1.
fn chance() -> f64 {
    let random = RandomState::new().hash_one(0_u8);
    f64::from((random & 0xffff) as u16) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_shortens_a_pause_by_half_at_most() {
        let pause = Duration::from_secs(8);
        assert_eq!(shortened(pause, 0.0), Duration::from_secs(4));
        assert_eq!(shortened(pause, 1.0), pause);
        let drawn: Vec<f64> = (0..50).map(|_| chance()).collect();
        assert!(drawn.iter().all(|c| (0.0..=1.0).contains(c)));
        assert!(drawn.windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[tokio::test]
    async fn pauses_grow_up_to_the_longest_and_end_in_time() {
        // Long beside the lateness of a busy machine.
        let tick = Duration::from_millis(10);
        let mut backoff = Backoff::new(tick, tick * 4, tick * 30);
        let began = Instant::now();
        let mut pauses = 0;
        while backoff.pause(None).await.is_ok() {
            assert!(backoff.next <= tick * 4);
            pauses += 1;
        }
        assert_eq!(backoff.next, tick * 4);
        assert!(began.elapsed() >= tick * 30);
        assert!((8..=30).contains(&pauses), "{pauses}");
    }

    #[tokio::test]
    async fn what_the_other_side_asks_for_is_waited_for_or_not_at_all() {
        let tick = Duration::from_millis(10);
        let mut backoff = Backoff::new(tick, tick, tick * 10);
        let began = Instant::now();
        assert_eq!(backoff.pause(Some(tick * 5)).await, Ok(()));
        assert!(began.elapsed() >= tick * 5);
        let began = Instant::now();
        assert_eq!(backoff.pause(Some(tick * 60)).await, Err(TooLate));
        assert!(began.elapsed() < tick * 60);
    }
}
