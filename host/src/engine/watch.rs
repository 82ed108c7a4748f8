//! What happens to the containers while a run lasts.

use std::time::Instant;

use tokio::sync::mpsc;

use super::downtime::Downtimes;
use crate::capability::docker::client::{Watch, WatchHandle};
use crate::capability::docker::types::{Mishap, Observation};
use crate::capability::{GateState, Notice};
use crate::report::{Event, Reporter};

/// Services with a gate that failed, as many as are shown.
const MOST_FAILED: usize = 20;

/// What ends a run from outside of its plugins.
#[derive(Debug)]
pub(super) struct Incident {
    /// Absent: the watch itself was lost.
    pub service: Option<String>,
    pub text: String,
}

/// Follows the engine's events and the notices of the plugins.
pub(super) struct Monitor {
    /// Absent where there are no containers to follow: Cloud Run looks after its own.
    watch: Option<Watch>,
    notices: mpsc::UnboundedReceiver<Notice>,
    pub downtimes: Downtimes,
    /// Services whose gate failed.
    pub failed_gates: Vec<String>,
}

impl Monitor {
    pub(super) fn new(watch: Option<Watch>, notices: mpsc::UnboundedReceiver<Notice>) -> Self {
        Self { watch, notices, downtimes: Downtimes::default(), failed_gates: Vec::new() }
    }

    /// With another watch, which knows of nothing yet; how long services were away is kept.
    pub(super) fn begin_again(&mut self, watch: Option<Watch>) {
        self.watch = watch;
        self.failed_gates.clear();
    }

    pub(super) fn handle(&self) -> Option<WatchHandle> {
        self.watch.as_ref().map(Watch::handle)
    }

    /// Returns only when something happened that ends the run.
    pub(super) async fn incident(&mut self, reporter: &dyn Reporter) -> Incident {
        loop {
            tokio::select! {
                observation = next(&mut self.watch) => {
                    let Some(observation) = observation else { return lost("it ended") };
                    if let Some(incident) = self.observe(observation, reporter) {
                        return incident;
                    }
                }
                Some(notice) = self.notices.recv() => {
                    if let Some(incident) = self.note(notice).await {
                        return incident;
                    }
                }
            }
        }
    }

    /// Takes in the notices that are waiting, once nobody sends any more.
    pub(super) async fn catch_up(&mut self) -> Option<Incident> {
        let mut first = None;
        while let Ok(notice) = self.notices.try_recv() {
            let incident = self.note(notice).await;
            first = first.or(incident);
        }
        first
    }

    async fn note(&mut self, notice: Notice) -> Option<Incident> {
        match notice {
            Notice::Deployed { containers } => {
                let handle = self.handle()?;
                let added = handle.add(&containers).await;
                added.err().map(|error| lost(&error.full_text()))
            }
            Notice::Gate { service, state } => {
                self.downtimes.gate(&service, &state, Instant::now());
                let is_new = !self.failed_gates.contains(&service);
                // Each of them is looked at before the run goes on: a plugin may name many.
                if matches!(state, GateState::Failed { .. })
                    && is_new
                    && self.failed_gates.len() < MOST_FAILED
                {
                    self.failed_gates.push(service);
                }
                None
            }
            Notice::Log { .. } | Notice::Progress { .. } => None,
        }
    }

    fn observe(&mut self, observation: Observation, reporter: &dyn Reporter) -> Option<Incident> {
        match observation {
            Observation::Incident { place, what } => {
                if !matches!(what, Mishap::Unhealthy) {
                    self.downtimes.stopped(&place.service, Instant::now());
                }
                let what = in_words(what);
                reporter.report(&Event::Incident {
                    service: place.service.clone(),
                    container: place.container.clone(),
                    what: what.clone(),
                });
                let text = format!("{} {what} after it was deployed", place.container);
                Some(Incident { service: Some(place.service), text })
            }
            Observation::Stopped { place, .. } => {
                self.downtimes.stopped(&place.service, Instant::now());
                None
            }
            Observation::Started { .. } | Observation::Healthy { .. } => None,
            Observation::Lost(error) => Some(lost(&error.full_text())),
        }
    }
}

/// Never, where nothing is followed.
async fn next(watch: &mut Option<Watch>) -> Option<Observation> {
    match watch {
        Some(watch) => watch.next().await,
        None => std::future::pending().await,
    }
}

fn lost(why: &str) -> Incident {
    Incident { service: None, text: format!("the engine's events cannot be followed: {why}") }
}

fn in_words(what: Mishap) -> String {
    match what {
        Mishap::Exited { code } => format!("exited with code {code}"),
        Mishap::Restarted => "was restarted".into(),
        Mishap::Unhealthy => "turned unhealthy".into(),
        Mishap::Gone => "was removed".into(),
        Mishap::OutOfMemory => "ran out of memory".into(),
    }
}
