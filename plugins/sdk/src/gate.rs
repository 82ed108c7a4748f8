//! Waiting until services are healthy.

use crate::docker::{self, Container, ContainerState, Health};
use crate::health::{self, Convention};
use crate::host::{self, GateState};
use crate::{Error, docker::Service};

/// Between two looks: short at first, so that a fast service is seen at once; later a
/// tenth of the time that has passed, and never more than the longest.
const SHORTEST_PAUSE_MS: u32 = 50;
/// From one good answer to the question for the next.
const ANSWERING_INTERVAL_MS: u64 = 20;
const LONGEST_PAUSE_MS: u32 = 2_000;

/// What one service has to show.
#[derive(Debug, Clone)]
pub struct Gate {
    /// As the Compose model names it.
    pub service: String,
    /// Where it answers HTTP, if it does.
    pub port: Option<u16>,
    /// What its answers have to look like.
    pub convention: Convention,
    /// Healthy answers in a row.
    pub answers: u32,
    /// The longest to wait for them.
    pub timeout_s: u32,
    /// Its health is also that of services which are not replaced yet: it may say
    /// "degraded" as long as it lives.
    pub may_be_degraded: bool,
}

impl Gate {
    /// Three answers in a row within 180 seconds, by the known conventions.
    pub fn new(service: &str) -> Self {
        Self {
            service: service.into(),
            port: None,
            convention: Convention::default(),
            answers: 3,
            timeout_s: 180,
            may_be_degraded: false,
        }
    }

    /// Asks it over HTTP too, at this container port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }
}

/// What one look at a service showed.
enum Look {
    Healthy,
    NotYet(String),
}

struct Waiting<'a> {
    gate: &'a Gate,
    answers: u32,
    /// The containers whose health checks have passed before the engine ran them, with
    /// the times that each was restarted.
    checked: Vec<(String, u32)>,
    last: String,
}

/// Waits for all gates, side by side. Every change is reported to the operator.
///
/// # Errors
/// `TimedOut` when a gate has not passed in its time, naming every such service.
pub fn wait_until_healthy(gates: &[Gate]) -> Result<(), Error> {
    let mut open: Vec<Waiting> = gates
        .iter()
        .map(|gate| Waiting { gate, answers: 0, checked: Vec::new(), last: String::new() })
        .collect();
    let started = host::elapsed();
    loop {
        let looked = host::elapsed();
        for waiting in &mut open {
            waiting.look();
        }
        open.retain(|waiting| waiting.answers < waiting.gate.answers);
        if open.is_empty() {
            return Ok(());
        }
        let now = host::elapsed();
        let waited_ms = now.saturating_sub(started);
        let late: Vec<&Waiting> =
            open.iter().filter(|w| waited_ms >= u64::from(w.gate.timeout_s) * 1000).collect();
        if !late.is_empty() {
            return Err(too_late(&late));
        }
        // A service that has begun to answer is asked again at once.
        let answering = open.iter().any(|waiting| waiting.answers > 0);
        host::sleep(if answering { rest_ms(looked, now) } else { pause_ms(waited_ms) });
    }
}

fn pause_ms(waited_ms: u64) -> u32 {
    let tenth = u32::try_from(waited_ms / 10).unwrap_or(u32::MAX);
    tenth.clamp(SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS)
}

/// What is left of the interval that began with a look.
fn rest_ms(looked: u64, now: u64) -> u32 {
    let rest = ANSWERING_INTERVAL_MS.saturating_sub(now.saturating_sub(looked));
    u32::try_from(rest).unwrap_or(u32::MAX)
}

impl Waiting<'_> {
    fn look(&mut self) {
        let state = match self.seen() {
            Look::Healthy => {
                self.answers += 1;
                self.last.clear();
                if self.answers >= self.gate.answers {
                    GateState::Passed
                } else {
                    GateState::Answering(self.answers)
                }
            }
            Look::NotYet(why) => {
                self.answers = 0;
                if why == self.last {
                    return;
                }
                self.last.clone_from(&why);
                GateState::Waiting(why)
            }
        };
        host::report_gate(&self.gate.service, &state);
    }

    fn seen(&mut self) -> Look {
        let service = match docker::get_service(&self.gate.service) {
            Ok(service) => service,
            Err(error) => return Look::NotYet(error.text().into()),
        };
        if let Some(why) = not_running(&service) {
            return Look::NotYet(why);
        }
        // Cheaper than a health check, which is a program in the container.
        if let not_yet @ Look::NotYet(_) = ask(self.gate) {
            return not_yet;
        }
        let now: Vec<_> = early(&service).map(|c| (c.id.clone(), c.restarts)).collect();
        if now != self.checked
            && let Some(why) = not_passed(&service)
        {
            return Look::NotYet(why);
        }
        self.checked = now;
        Look::Healthy
    }
}

/// Those of its containers whose health checks have given no verdict yet. They are asked for
/// one instead of waited for: the engine's intervals are those of a service that runs for days.
fn early(service: &Service) -> impl Iterator<Item = &Container> {
    service.containers.iter().filter(|container| container.health == Health::Starting)
}

fn not_passed(service: &Service) -> Option<String> {
    let name = &early(service).next()?.name;
    match docker::check_health(&service.name) {
        Ok(Health::Healthy) => None,
        Ok(_) => Some(format!("{name}: health check: starting")),
        Err(error) => Some(error.text().into()),
    }
}

fn ask(gate: &Gate) -> Look {
    let Some(port) = gate.port else {
        return Look::Healthy;
    };
    match health::ask(&gate.service, port, &gate.convention) {
        Ok(Some(answer)) if answer.healthy => Look::Healthy,
        Ok(Some(answer))
            if answer.degraded && gate.may_be_degraded && health::is_live(&gate.service, port) =>
        {
            Look::Healthy
        }
        Ok(Some(answer)) => Look::NotYet(answer.text),
        Ok(None) => Look::NotYet(format!("no health path is known on port {port}")),
        Err(error) => Look::NotYet(error.text().into()),
    }
}

/// Why the containers of a service are not all running and, where they have a health
/// check of their own, healthy. `None`: they are. A check that has given no verdict yet is
/// run.
pub fn not_running_well(service: &Service) -> Option<String> {
    not_running(service).or_else(|| not_passed(service))
}

/// As [`not_running_well`], but for checks that have given no verdict yet.
fn not_running(service: &Service) -> Option<String> {
    if service.containers.is_empty() {
        return Some("no container".into());
    }
    service.containers.iter().find_map(container_not_well)
}

fn container_not_well(container: &Container) -> Option<String> {
    let state = match container.state {
        ContainerState::Running => match container.health {
            Health::None | Health::Healthy | Health::Starting => return None,
            Health::Unhealthy => "health check: unhealthy",
        },
        ContainerState::Created => "created, not started",
        ContainerState::Paused => "paused",
        ContainerState::Restarting => "restarting",
        ContainerState::Removing => "being removed",
        ContainerState::Exited => "exited",
        ContainerState::Dead => "dead",
    };
    Some(match container.exit_code {
        Some(code) if container.state != ContainerState::Running => {
            format!("{}: {state} (exit code {code})", container.name)
        }
        _ => format!("{}: {state}", container.name),
    })
}

fn too_late(late: &[&Waiting]) -> Error {
    let mut names = Vec::new();
    for waiting in late {
        let Gate { service, timeout_s, .. } = waiting.gate;
        host::report_gate(service, &GateState::Failed(waiting.last.clone()));
        names.push(format!("{service} after {timeout_s} s ({})", waiting.last));
    }
    Error::TimedOut(format!("not healthy in time: {}", names.join(", ")))
}

impl Error {
    /// The words of the error, without its case.
    pub fn text(&self) -> &str {
        match self {
            Self::Denied(text)
            | Self::NotFound(text)
            | Self::Conflict(text)
            | Self::Unavailable(text)
            | Self::TimedOut(text)
            | Self::Invalid(text)
            | Self::Failed(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_took_its_time_is_not_waited_after() {
        assert_eq!(rest_ms(1_000, 1_003), 17);
        assert_eq!(rest_ms(1_000, 1_020), 0);
        assert_eq!(rest_ms(1_000, 1_500), 0);
    }
}
