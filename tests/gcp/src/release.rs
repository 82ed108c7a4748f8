//! What a revision does is data: a release says it for all services, or for some.

use serde::{Deserialize, Serialize};

/// The behaviour of the images with one tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Release {
    pub tag: String,
    /// To what model-service migrates the database when a revision of it starts, before it
    /// has traffic, and even if it fails then.
    pub migration: Option<String>,
    /// Whether it serves on a database that a newer release has migrated.
    pub runs_on_newer: bool,
    /// Whose flaws those below are; empty: of all services.
    pub only: Vec<String>,
    /// It never becomes ready, and this is why.
    pub never_ready: Option<String>,
    /// The status of its health.
    pub health: u16,
    /// It answers nothing but 503 from so long after it was ready.
    pub crashes_after_ms: Option<u64>,
    /// It crashes as soon as it gets a share of the traffic.
    pub crashes_with_traffic: bool,
    /// From its creation until it is ready (or has failed).
    pub ready_ms: Option<u64>,
}

impl Default for Release {
    fn default() -> Self {
        Self {
            tag: String::new(),
            migration: None,
            runs_on_newer: true,
            only: Vec::new(),
            never_ready: None,
            health: 200,
            crashes_after_ms: None,
            crashes_with_traffic: false,
            ready_ms: None,
        }
    }
}

impl Release {
    #[must_use]
    pub fn new(tag: &str, migration: Option<&str>) -> Self {
        Self { tag: tag.to_owned(), migration: migration.map(str::to_owned), ..Self::default() }
    }

    /// The release as it is for one service: without the flaws that others have.
    #[must_use]
    pub fn of(&self, service: &str) -> Self {
        if self.only.is_empty() || self.only.iter().any(|name| name == service) {
            return self.clone();
        }
        Self {
            ready_ms: self.ready_ms,
            runs_on_newer: self.runs_on_newer,
            ..Self::new(&self.tag, self.migration.as_deref())
        }
    }
}

/// What Cloud Run says of a container that does not listen.
pub const NOT_LISTENING: &str = "The user-provided container failed to start and listen on the \
     port defined provided by the PORT=8080 environment variable within the allocated timeout.";

/// The releases of every setup: good ones and one for each way of being bad.
#[must_use]
pub fn shipped() -> Vec<Release> {
    let new = |tag: &str| Release::new(tag, Some("0008"));
    let only = |service: &str| vec![service.to_owned()];
    vec![
        Release::new("1.3.0", Some("0006")),
        Release::new("1.4.0", Some("0007")),
        new("1.5.0"),
        new("2.0.0"),
        Release {
            never_ready: Some(NOT_LISTENING.into()),
            only: only("optimizer"),
            ..new("1.5.0-neverready")
        },
        Release {
            never_ready: Some(NOT_LISTENING.into()),
            only: only("model-service"),
            ..new("1.5.0-nostart")
        },
        Release { health: 503, only: only("scheduler"), ..new("1.5.0-sick") },
        Release { crashes_with_traffic: true, only: only("optimizer"), ..new("1.5.0-crashes") },
        Release::new("1.5.0-nomigration", None),
        Release { ready_ms: Some(3_000), ..new("1.5.0-slow") },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flaw_is_of_the_services_it_names() {
        let sick = Release {
            health: 503,
            only: vec!["scheduler".into()],
            ..Release::new("1.5.0-sick", Some("0008"))
        };
        assert_eq!(sick.of("scheduler").health, 503);
        assert_eq!(sick.of("optimizer").health, 200);
        assert_eq!(sick.of("model-service").migration.as_deref(), Some("0008"));
    }
}
