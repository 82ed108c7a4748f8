//! What the operator's settings say of an installation on Google Cloud.

use std::collections::BTreeMap;
use std::time::Duration;

/// Where the installation is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    pub project: String,
    pub region: String,
    /// The Cloud SQL instance.
    pub instance: Option<String>,
    /// Where the images are, without the service's name.
    pub repository: Option<String>,
    /// In the order of the procedure.
    pub services: Vec<Named>,
    /// The service account that is acted as.
    pub impersonate: Option<String>,
    pub patience: Patience,
}

/// A service of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    /// It does not run on Cloud Run.
    pub external: bool,
    /// Where it answers, if that is not Cloud Run's business.
    pub url: Option<String>,
}

/// How long is waited for Google Cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a revision to become ready, and for traffic to move.
    pub revision: Duration,
    /// For a backup or a restore.
    pub database: Duration,
    /// For another operation on the instance to end.
    pub busy: Duration,
    /// For one request, with its repetitions.
    pub request: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            revision: Duration::from_secs(15 * 60),
            database: Duration::from_secs(24 * 60 * 60),
            busy: Duration::from_secs(30 * 60),
            request: Duration::from_secs(2 * 60),
        }
    }
}

/// What a lock says, where it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub id: String,
    pub labels: BTreeMap<String, String>,
}
