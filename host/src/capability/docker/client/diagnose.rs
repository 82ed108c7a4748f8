//! Logs, and why a container is as it is.

use bollard::query_parameters::LogsOptions;
use futures_util::StreamExt;

use super::Client;
use super::containers::{self, Found};
use super::failure;
use crate::capability::docker::types::Diagnosis;
use crate::capability::error::Result;
use crate::text::printable;

const MOST_LINES: u32 = 1000;
const DIAGNOSIS_LINES: u32 = 20;
/// One line can be of any length.
pub(super) const MOST_BYTES: usize = 1 << 20;
const HEALTH_OUTPUT: usize = 500;

impl Client {
    /// The last lines of the log of each container of the service, with control
    /// characters replaced; at most 1000 lines and 1 MiB a container.
    ///
    /// Errors: `NotFound` when the model has no such service; `Failed` when the
    /// containers' logging driver cannot be read.
    pub async fn logs(&self, service: &str, tail: u32) -> Result<String> {
        self.last_lines(service, tail.min(MOST_LINES), MOST_BYTES).await
    }

    pub(super) async fn last_lines(&self, service: &str, tail: u32, most: usize) -> Result<String> {
        let found = self.containers_of(service).await?;
        let several = found.len() > 1;
        let mut text = String::new();
        for found in &found {
            if several {
                text.push_str(&format!("==> {} <==\n", found.container.name));
            }
            for line in self.log_lines(found, tail, most).await? {
                text.push_str(&line);
                text.push('\n');
            }
        }
        Ok(text)
    }

    /// What a person wants to see first of each container of a service in trouble.
    ///
    /// Errors: `NotFound` when the model has no such service.
    pub async fn diagnose(&self, service: &str) -> Result<Vec<Diagnosis>> {
        let mut diagnoses = Vec::new();
        for found in self.containers_of(service).await? {
            // The rest of the diagnosis is worth having without the log.
            let log = match self.log_lines(&found, DIAGNOSIS_LINES, MOST_BYTES).await {
                Ok(lines) => lines,
                Err(error) => vec![error.full_text()],
            };
            diagnoses.push(diagnosis(found, log));
        }
        Ok(diagnoses)
    }

    async fn log_lines(&self, found: &Found, tail: u32, most: usize) -> Result<Vec<String>> {
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: tail.to_string(),
            ..LogsOptions::default()
        };
        let mut pieces = self.docker().logs(&found.container.id, Some(options));
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            let doing = || format!("reading the log of {}", found.container.name);
            let piece = piece.map_err(|error| failure::engine(doing(), error))?;
            bytes.extend_from_slice(piece.as_ref());
            // The end of a log is what matters.
            keep_last(&mut bytes, most);
        }
        Ok(String::from_utf8_lossy(&bytes).lines().map(printable).collect())
    }
}

/// Drops from the front, once there is twice as much as is kept.
pub(super) fn keep_last(bytes: &mut Vec<u8>, most: usize) {
    if bytes.len() > most.saturating_mul(2) {
        bytes.drain(..bytes.len() - most);
    }
}

fn diagnosis(found: Found, log: Vec<String>) -> Diagnosis {
    let raw = found.details.state.unwrap_or_default();
    let checks = raw.health.as_ref().and_then(|health| health.log.as_deref()).unwrap_or_default();
    let health_log = checks.iter().map(|check| {
        let output: String = check
            .output
            .as_deref()
            .unwrap_or_default()
            .trim()
            .chars()
            .take(HEALTH_OUTPUT)
            .collect();
        (check.exit_code.unwrap_or(-1), printable(&output))
    });
    Diagnosis {
        state: found.container.state,
        exit_code: containers::exit_code(&raw, found.container.state),
        out_of_memory: raw.oom_killed.unwrap_or(false),
        restarts: found.container.restarts,
        health_log: health_log.collect(),
        container: found.container.name,
        log,
    }
}
