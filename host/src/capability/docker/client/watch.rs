//! Following the project's containers while a run lasts.

mod ledger;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use self::ledger::{Ledger, Snapshot};
use super::Client;
use super::containers::{self, ONE_OFF, PROJECT_LABEL, SERVICE_LABEL};
use super::failure;
use crate::capability::docker::types::{
    ContainerState, DeployedContainer, Mishap, Observation, Place,
};
use crate::capability::error::{Error, Result};
use crate::text::printable;

/// How often the engine is asked even when it tells nothing: its memory of events is
/// short, and a dead connection is silent.
const RECHECK: Duration = Duration::from_secs(10);
/// So far an inspection may be ahead of the events; how often they are looked for.
const EVENTS_LAG: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// In a row; with their pauses they last about a minute.
const ATTEMPTS: u32 = 10;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A stream that lasted this long had been connected.
const CONNECTED: Duration = Duration::from_secs(5);

/// What happens to the project's containers from its creation on, and to those that
/// [`WatchHandle::add`] names in particular. Dropping it ends the watch.
pub struct Watch {
    observations: mpsc::UnboundedReceiver<Observation>,
    handle: WatchHandle,
    task: JoinHandle<()>,
}

/// Says which containers must keep running.
#[derive(Clone)]
pub struct WatchHandle {
    client: Client,
    ledger: Arc<Mutex<Ledger>>,
    sender: mpsc::UnboundedSender<Observation>,
}

impl Client {
    /// Begins to watch. Nothing that happens from now on is missed, even when the
    /// connection to the engine is lost for a while.
    pub async fn watch(&self) -> Result<Watch> {
        let project = self.model().await?.project.clone();
        let info = self.docker().info().await;
        let info =
            info.map_err(|error| failure::engine("beginning to watch the containers", error))?;
        // The engine's clock, not ours: they may differ.
        let since = containers::time(info.system_time.as_deref()).unwrap_or_else(Timestamp::now);
        let (sender, observations) = mpsc::unbounded_channel();
        let handle = WatchHandle { client: self.clone(), ledger: Arc::default(), sender };
        let task = tokio::spawn(Follower { handle: handle.clone(), project, since }.run());
        Ok(Watch { observations, handle, task })
    }
}

impl Watch {
    pub fn handle(&self) -> WatchHandle {
        self.handle.clone()
    }

    /// The next observation; nothing after [`Observation::Lost`].
    pub async fn next(&mut self) -> Option<Observation> {
        let next = self.observations.recv().await;
        if matches!(next, Some(Observation::Lost(_))) {
            self.observations.close();
        }
        next
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl WatchHandle {
    /// From now on these containers must keep running. Of a fresh one, whatever has
    /// befallen it since its creation counts too; of another, from now on.
    pub async fn add(&self, containers: &[DeployedContainer]) -> Result<()> {
        for container in containers {
            let details = self.client.inspect(&container.id).await?;
            let place = Place {
                service: container.service.clone(),
                container: container.name.clone(),
                id: container.id.clone(),
            };
            let seen = details.map(|details| snapshot(&details));
            if container.fresh && seen.as_ref().is_some_and(|s| s.running && s.restarts > 0) {
                self.end_is_told(&container.id).await;
            }
            let mishaps = self.ledger().add(place.clone(), seen, container.fresh);
            self.report(place, mishaps);
        }
        Ok(())
    }

    /// An inspection can be ahead of the events: how the container ended is on its way.
    async fn end_is_told(&self, id: &str) {
        let deadline = Instant::now() + EVENTS_LAG;
        while !self.ledger().knows_end_of(id) && Instant::now() < deadline {
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Whatever befalls the containers of these services is no incident any longer. To
    /// be called before they are stopped or recreated on purpose.
    pub fn remove(&self, services: &[String]) {
        self.ledger().remove(services);
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, place: Place, mishaps: impl IntoIterator<Item = Mishap>) {
        for what in mishaps {
            self.tell(Observation::Incident { place: place.clone(), what });
        }
    }

    fn tell(&self, observation: Observation) {
        // Nobody listens any longer: then the watch is about to end.
        let _ = self.sender.send(observation);
    }
}

fn snapshot(details: &bollard::models::ContainerInspectResponse) -> Snapshot {
    let raw = details.state.clone().unwrap_or_default();
    let state = containers::state(&raw);
    Snapshot {
        running: matches!(state, ContainerState::Running | ContainerState::Paused),
        restarts: containers::restarts(details),
        started: containers::time(raw.started_at.as_deref()),
        exit_code: raw.exit_code.unwrap_or(-1),
        out_of_memory: raw.oom_killed.unwrap_or(false),
        health: containers::health(&raw),
    }
}

/// The task behind a watch.
struct Follower {
    handle: WatchHandle,
    project: String,
    /// Events up to this time have been seen.
    since: Timestamp,
}

impl Follower {
    async fn run(mut self) {
        let mut failures = 0;
        loop {
            let begun = Instant::now();
            let error = self.follow().await;
            failures = if begun.elapsed() >= CONNECTED { 1 } else { failures + 1 };
            if failures > ATTEMPTS {
                self.handle.tell(Observation::Lost(error));
                return;
            }
            sleep((Duration::from_millis(200) * 2_u32.pow(failures)).min(LONGEST_PAUSE)).await;
        }
    }

    /// Follows the events until the connection ends; why it did.
    async fn follow(&mut self) -> Error {
        let doing = "following the engine's events";
        let mut events = self.handle.client.docker().events(Some(self.options()));
        let mut recheck = interval(RECHECK);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => self.take(event),
                    Some(Err(error)) => return failure::engine(doing, error),
                    None => return Error::unavailable(format!("{doing}: the engine ended them")),
                },
                _ = recheck.tick() => self.recheck().await,
            }
        }
    }

    fn options(&self) -> EventsOptions {
        let nanos = self.since.as_nanosecond() + 1;
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let project = format!("{PROJECT_LABEL}={}", self.project);
        EventsOptions {
            since: Some(format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)),
            until: None,
            filters: Some(HashMap::from([
                ("type".to_owned(), list(&["container"])),
                ("event".to_owned(), list(&["start", "die", "oom", "health_status"])),
                ("label".to_owned(), list(&[&project, ONE_OFF])),
            ])),
        }
    }

    fn take(&mut self, event: EventMessage) {
        let time = event.time_nano.and_then(|nanos| Timestamp::from_nanosecond(nanos.into()).ok());
        let (Some(at), Some(action), Some(actor)) = (time, event.action, event.actor) else {
            return;
        };
        self.since = self.since.max(at);
        let attributes = actor.attributes.unwrap_or_default();
        let text =
            |name: &str| printable(attributes.get(name).map(String::as_str).unwrap_or_default());
        let place = Place {
            service: text(SERVICE_LABEL),
            container: text("name"),
            id: actor.id.unwrap_or_default(),
        };
        let code = attributes.get("exitCode").and_then(|code| code.parse().ok()).unwrap_or(-1);
        let mishap = self.handle.ledger().event(&place.id, &action, at, code);
        self.handle.report(place.clone(), mishap);
        match action.as_str() {
            "die" => self.handle.tell(Observation::Stopped { place, at }),
            "start" => self.handle.tell(Observation::Started { place, at }),
            ledger::HEALTHY => self.handle.tell(Observation::Healthy { place, at }),
            _ => {}
        }
    }

    async fn recheck(&self) {
        let ids = self.handle.ledger().ids();
        for id in ids {
            // An engine that does not answer will be noticed by its events.
            let Ok(details) = self.handle.client.inspect(&id).await else { return };
            let seen = self.handle.ledger().recheck(&id, details.map(|details| snapshot(&details)));
            if let Some((place, mishaps)) = seen {
                self.handle.report(place, mishaps);
            }
        }
    }
}
