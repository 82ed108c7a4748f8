//! How long each service was away.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::capability::GateState;
use crate::report::event::Downtime;

/// Times are those of this machine's clock, when the news arrived: the engine's may be
/// another machine's.
#[derive(Default)]
pub(super) struct Downtimes {
    services: BTreeMap<String, Away>,
}

#[derive(Default)]
struct Away {
    /// Since when it is away; absent while it is there.
    since: Option<Instant>,
    /// The first of its healthy answers in a row.
    answered: Option<Instant>,
    total: Duration,
}

impl Downtimes {
    pub(super) fn stopped(&mut self, service: &str, at: Instant) {
        let away = self.services.entry(service.to_owned()).or_default();
        away.since.get_or_insert(at);
        away.answered = None;
    }

    pub(super) fn gate(&mut self, service: &str, state: &GateState, at: Instant) {
        let Some(away) = self.services.get_mut(service) else { return };
        match state {
            GateState::Answering { answers: 1 } => away.answered = Some(at),
            GateState::Answering { .. } => {}
            GateState::Waiting { .. } | GateState::Failed { .. } => away.answered = None,
            GateState::Passed => {
                if let Some(since) = away.since.take() {
                    away.total += away.answered.unwrap_or(at).saturating_duration_since(since);
                }
            }
        }
    }

    pub(super) fn list(&self) -> Vec<Downtime> {
        let milliseconds = |total: Duration| u64::try_from(total.as_millis()).unwrap_or(u64::MAX);
        let one = |(service, away): (&String, &Away)| Downtime {
            service: service.clone(),
            ms: away.since.is_none().then(|| milliseconds(away.total)),
        };
        self.services.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_the_first_of_the_answers_in_a_row() {
        let mut downtimes = Downtimes::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        downtimes.stopped("a", at(0));
        downtimes.stopped("a", at(50));
        downtimes.gate("a", &GateState::Answering { answers: 1 }, at(100));
        downtimes.gate("a", &GateState::Waiting { why: String::new() }, at(200));
        downtimes.gate("a", &GateState::Answering { answers: 1 }, at(300));
        downtimes.gate("a", &GateState::Answering { answers: 2 }, at(400));
        assert_eq!(downtimes.list()[0].ms, None);
        downtimes.gate("a", &GateState::Passed, at(500));
        assert_eq!(downtimes.list()[0].ms, Some(300));
    }

    #[test]
    fn a_service_that_was_never_stopped_was_never_away() {
        let mut downtimes = Downtimes::default();
        downtimes.gate("a", &GateState::Passed, Instant::now());
        assert!(downtimes.list().is_empty());
    }
}
