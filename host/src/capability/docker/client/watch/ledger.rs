//! What is known of each container that must keep running; pure.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::capability::docker::types::{Health, Mishap, Place};

pub(super) const HEALTHY: &str = "health_status: healthy";
const UNHEALTHY: &str = "health_status: unhealthy";

/// Two times that are closer tell of one start.
const SAME_START: SignedDuration = SignedDuration::from_millis(500);

/// A container as an inspection shows it.
pub(super) struct Snapshot {
    pub(super) running: bool,
    pub(super) restarts: u32,
    pub(super) started: Option<Timestamp>,
    pub(super) exit_code: i64,
    pub(super) out_of_memory: bool,
    pub(super) health: Health,
}

/// Events and inspections tell of the same things in any order: each is told once.
#[derive(Default)]
pub(super) struct Ledger {
    watched: HashMap<String, Watched>,
    /// How the last run of a container ended that is not watched yet: an inspection of
    /// the next run does not tell any more.
    ended: HashMap<String, i64>,
}

struct Watched {
    place: Place,
    running: bool,
    healthy: bool,
    /// When the run began that is known of.
    started: Option<Timestamp>,
}

impl Ledger {
    /// Begins with a container; what has befallen it already. Nothing for a snapshot
    /// is a container that is gone.
    pub(super) fn add(&mut self, place: Place, seen: Option<Snapshot>, fresh: bool) -> Vec<Mishap> {
        let Some(seen) = seen else { return vec![Mishap::Gone] };
        let mut mishaps = Vec::new();
        let ended = self.ended.remove(&place.id);
        // How it ended says more than that it was restarted, and the first is the one told.
        if !seen.running {
            mishaps.extend(end_of(&seen));
        }
        if fresh && seen.restarts > 0 {
            mishaps.extend(ended.filter(|_| seen.running).map(|code| Mishap::Exited { code }));
            mishaps.push(Mishap::Restarted);
        }
        let watched = Watched {
            running: seen.running,
            healthy: seen.health == Health::Healthy,
            started: seen.started,
            place,
        };
        self.watched.insert(watched.place.id.clone(), watched);
        mishaps
    }

    /// Whether an event has told how a container ended that is not watched yet.
    pub(super) fn knows_end_of(&self, id: &str) -> bool {
        self.ended.contains_key(id)
    }

    pub(super) fn remove(&mut self, services: &[String]) {
        self.watched.retain(|_, watched| !services.contains(&watched.place.service));
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.watched.keys().cloned().collect()
    }

    /// Takes in an event of the engine.
    pub(super) fn event(
        &mut self,
        id: &str,
        action: &str,
        at: Timestamp,
        exit_code: i64,
    ) -> Option<Mishap> {
        let Some(watched) = self.watched.get_mut(id) else {
            if action == "die" {
                self.ended.insert(id.to_owned(), exit_code);
            }
            return None;
        };
        // Of a run before the one that is known of.
        if watched.started.is_some_and(|started| at < started) {
            return None;
        }
        match action {
            "die" if watched.running => {
                watched.running = false;
                watched.healthy = false;
                Some(Mishap::Exited { code: exit_code })
            }
            "start" if !watched.running => {
                // The event of a start comes a moment after the time of that start.
                let is_known =
                    watched.started.is_some_and(|known| at.duration_since(known) < SAME_START);
                watched.running = true;
                watched.started = Some(at);
                (!is_known).then_some(Mishap::Restarted)
            }
            "oom" => Some(Mishap::OutOfMemory),
            HEALTHY => {
                watched.healthy = true;
                None
            }
            UNHEALTHY if watched.healthy => {
                watched.healthy = false;
                Some(Mishap::Unhealthy)
            }
            _ => None,
        }
    }

    /// Compares with an inspection; what no event has told.
    pub(super) fn recheck(
        &mut self,
        id: &str,
        seen: Option<Snapshot>,
    ) -> Option<(Place, Vec<Mishap>)> {
        let Some(seen) = seen else {
            let watched = self.watched.remove(id)?;
            let mishaps = if watched.running { vec![Mishap::Gone] } else { Vec::new() };
            return Some((watched.place, mishaps));
        };
        let watched = self.watched.get_mut(id)?;
        let mut mishaps = Vec::new();
        if seen.started > watched.started {
            watched.started = seen.started;
            watched.running = seen.running;
            watched.healthy = false;
            if !seen.running {
                mishaps.extend(end_of(&seen));
            }
            mishaps.push(Mishap::Restarted);
        } else if watched.running && !seen.running {
            watched.running = false;
            mishaps.extend(end_of(&seen));
        }
        match seen.health {
            Health::Unhealthy if watched.healthy && seen.running => {
                watched.healthy = false;
                mishaps.push(Mishap::Unhealthy);
            }
            Health::Healthy if watched.running => watched.healthy = true,
            _ => {}
        }
        Some((watched.place.clone(), mishaps))
    }
}

fn end_of(seen: &Snapshot) -> Vec<Mishap> {
    let mut mishaps = vec![Mishap::Exited { code: seen.exit_code }];
    if seen.out_of_memory {
        mishaps.push(Mishap::OutOfMemory);
    }
    mishaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn place() -> Place {
        Place { service: "web".to_owned(), container: "web-1".to_owned(), id: "c".to_owned() }
    }

    fn running(started: i64, restarts: u32) -> Snapshot {
        Snapshot {
            running: true,
            restarts,
            started: Some(at(started)),
            exit_code: 0,
            out_of_memory: false,
            health: Health::Starting,
        }
    }

    fn exited(started: i64, code: i64) -> Snapshot {
        Snapshot { running: false, exit_code: code, ..running(started, 0) }
    }

    fn ledger(seen: Snapshot) -> Ledger {
        let mut ledger = Ledger::default();
        assert!(ledger.add(place(), Some(seen), true).is_empty());
        ledger
    }

    #[test]
    fn what_befell_a_fresh_container_before_the_watch_counts() {
        let add = |seen, fresh| Ledger::default().add(place(), seen, fresh);
        assert_eq!(add(Some(running(0, 2)), true), [Mishap::Restarted]);
        assert_eq!(add(Some(running(0, 2)), false), []);
        assert_eq!(add(Some(exited(0, 3)), true), [Mishap::Exited { code: 3 }]);
        assert_eq!(add(None, true), [Mishap::Gone]);
    }

    #[test]
    fn how_a_fresh_container_ended_before_the_watch_is_told_with_its_restart() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.event("c", "die", at(1), 7), None);
        let mishaps = ledger.add(place(), Some(running(2, 1)), true);
        assert_eq!(mishaps, [Mishap::Exited { code: 7 }, Mishap::Restarted]);
        let between = Snapshot { running: false, exit_code: 1, ..running(2, 1) };
        let mishaps = Ledger::default().add(place(), Some(between), true);
        assert_eq!(mishaps, [Mishap::Exited { code: 1 }, Mishap::Restarted]);
        assert_eq!(ledger.event("c", "die", at(3), 7), Some(Mishap::Exited { code: 7 }));
    }

    #[test]
    fn a_crash_loop_is_exit_and_restart_each_time() {
        let mut ledger = ledger(running(0, 0));
        assert_eq!(ledger.event("c", "die", at(5), 1), Some(Mishap::Exited { code: 1 }));
        assert_eq!(ledger.event("c", "start", at(6), -1), Some(Mishap::Restarted));
        assert_eq!(ledger.event("c", "die", at(7), 1), Some(Mishap::Exited { code: 1 }));
        assert_eq!(ledger.event("other", "die", at(7), 1), None);
    }

    #[test]
    fn an_event_and_an_inspection_of_the_same_end_are_told_once() {
        let mut ledger = ledger(running(0, 0));
        assert_eq!(
            ledger.recheck("c", Some(exited(0, 9))).unwrap().1,
            [Mishap::Exited { code: 9 }]
        );
        assert_eq!(ledger.event("c", "die", at(5), 9), None);
        assert_eq!(ledger.recheck("c", Some(exited(0, 9))).unwrap().1, []);
    }

    #[test]
    fn events_of_an_earlier_run_are_ignored() {
        let mut ledger = ledger(running(10, 0));
        assert_eq!(ledger.event("c", "die", at(9), 1), None);
        assert_eq!(ledger.event("c", "start", at(10), -1), None);
    }

    #[test]
    fn the_late_event_of_the_first_start_is_no_restart() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.add(place(), Some(exited(0, 0)), true), [Mishap::Exited { code: 0 }]);
        let late = at(0) + SignedDuration::from_millis(20);
        assert_eq!(ledger.event("c", "start", late, -1), None);
    }

    #[test]
    fn a_restart_that_no_event_told_is_found() {
        let mut ledger = ledger(running(0, 0));
        assert_eq!(ledger.recheck("c", Some(running(0, 0))).unwrap().1, []);
        assert_eq!(ledger.recheck("c", Some(running(30, 1))).unwrap().1, [Mishap::Restarted]);
        assert_eq!(ledger.recheck("c", Some(running(30, 1))).unwrap().1, []);
        let seen = ledger.recheck("c", Some(exited(40, 2))).unwrap().1;
        assert_eq!(seen, [Mishap::Exited { code: 2 }, Mishap::Restarted]);
        assert_eq!(ledger.recheck("c", None).unwrap().1, []);
        assert!(ledger.recheck("c", None).is_none());
    }

    #[test]
    fn only_the_turn_from_healthy_to_unhealthy_is_an_incident() {
        let mut ledger = ledger(running(0, 0));
        assert_eq!(ledger.event("c", UNHEALTHY, at(1), -1), None);
        assert_eq!(ledger.event("c", HEALTHY, at(2), -1), None);
        assert_eq!(ledger.event("c", UNHEALTHY, at(3), -1), Some(Mishap::Unhealthy));
        assert_eq!(ledger.event("c", UNHEALTHY, at(4), -1), None);
    }

    #[test]
    fn what_is_done_on_purpose_is_no_incident() {
        let mut ledger = ledger(running(0, 0));
        ledger.remove(&["web".to_owned()]);
        assert_eq!(ledger.event("c", "die", at(1), 0), None);
        assert!(ledger.ids().is_empty());
    }
}
