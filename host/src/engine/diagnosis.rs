//! Why a service is not well, in full, for the operator.

use super::run::{Run, Stop};
use crate::capability::docker::client::Client;
use crate::capability::docker::types::{self, ContainerState};
use crate::report::event::{Diagnosis, HealthResult};
use crate::report::{Event, Reporter};

impl Run<'_> {
    /// Shows what is known of the services that made it stop. What Cloud Run has to say of a
    /// revision is in the error already.
    pub(super) async fn diagnose(&self, stop: &Stop) {
        if let (Stop::Failed { services, .. }, Ok(docker)) =
            (stop, self.prepared.installation.services.docker())
        {
            show(docker, services, &*self.reporter).await;
        }
    }
}

/// Shows exit codes, health logs and last log lines of the services.
async fn show(docker: &Client, services: &[String], reporter: &dyn Reporter) {
    for service in services {
        // What cannot be learnt is not shown: the failure itself has been told.
        let Ok(containers) = docker.diagnose(service).await else { continue };
        let containers = containers.into_iter().map(convert).collect();
        reporter.report(&Event::Diagnosis { service: service.clone(), containers });
    }
}

fn convert(diagnosis: types::Diagnosis) -> Diagnosis {
    let result = |(exit_code, output)| HealthResult { exit_code, output };
    Diagnosis {
        container: diagnosis.container,
        state: word(diagnosis.state).to_owned(),
        exit_code: diagnosis.exit_code,
        out_of_memory: diagnosis.out_of_memory,
        restarts: diagnosis.restarts,
        health_log: diagnosis.health_log.into_iter().map(result).collect(),
        log: diagnosis.log,
    }
}

fn word(state: ContainerState) -> &'static str {
    match state {
        ContainerState::Created => "created",
        ContainerState::Running => "running",
        ContainerState::Paused => "paused",
        ContainerState::Restarting => "restarting",
        ContainerState::Removing => "removing",
        ContainerState::Exited => "exited",
        ContainerState::Dead => "dead",
    }
}
