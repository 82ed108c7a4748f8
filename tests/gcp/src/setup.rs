//! What a fake starts with. Every field has a default, also in JSON.

use serde::{Deserialize, Serialize};

use crate::release::Release;

/// The services of the procedure, in its order.
pub const SERVICES: [&str; 6] =
    ["model-service", "query-router", "optimizer", "scheduler", "frontend", "gateway"];

/// The access token that is accepted from the start, until it is revoked.
pub const TOKEN: &str = "ya29.fake-operator";

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setup {
    pub project: String,
    pub region: String,
    /// The Cloud SQL instance; empty where the project has none.
    pub instance: String,
    /// Where the images are, without the service's name.
    pub repository: String,
    pub database_version: String,
    /// The database's `db_migration` at the start.
    pub migration: String,
    pub services: Vec<ServiceSetup>,
    pub releases: Vec<Release>,
    /// The account that the tokens stand for.
    pub identity: String,
    /// Accepted from the start; others come from the token endpoints.
    pub token: String,
    /// How long a token of the token endpoints is good.
    pub token_seconds: u64,
    /// How much faster than ours the fake's time runs.
    pub speed: f64,
    /// Of the choice between the revisions that share the traffic.
    pub seed: u64,
    /// From a revision's creation until it is ready, where its release says nothing else.
    pub ready_ms: u64,
    /// From then (or from the request) until the traffic is as asked for.
    pub route_ms: u64,
    pub backup_ms: u64,
    pub restore_ms: u64,
    /// The HTTP status of `operationInProgress`: 409, or 403 as it used to be.
    pub busy_code: u16,
    /// Whether the operation of a backup tells the backup run's id.
    pub backup_id_in_operation: bool,
    /// Whether `trafficStatuses` names the revision also where the target follows the latest.
    pub latest_status_names_revision: bool,
    /// Whether a failed latest revision makes every later operation fail, also where no
    /// target names it.
    pub failed_latest_fails_later: bool,
    /// Whether `traffic` may name the revision that the same request creates.
    pub may_name_new_revision: bool,
    /// Whether an ID token for a tag's address is good for the tag's address.
    pub tag_audience: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceSetup {
    pub name: String,
    /// The tag of the image that it runs.
    pub version: String,
    /// The traffic names the revision instead of following the latest.
    pub pinned: bool,
    /// Only who has an ID token may call it.
    pub private: bool,
    /// Tag-only targets of others, on an older revision.
    pub tags: Vec<String>,
    /// Audiences that are as good as the service's own address.
    pub audiences: Vec<String>,
}

impl Default for ServiceSetup {
    fn default() -> Self {
        Self {
            name: String::new(),
            version: "1.4.0".into(),
            pinned: false,
            private: false,
            tags: Vec::new(),
            audiences: Vec::new(),
        }
    }
}

impl Default for Setup {
    fn default() -> Self {
        let named =
            |name: &&str| ServiceSetup { name: (*name).to_owned(), ..ServiceSetup::default() };
        Self {
            project: "tessallite-demo".into(),
            region: "europe-west1".into(),
            instance: "tessallite".into(),
            repository: "europe-west1-docker.pkg.dev/tessallite-demo/tessallite".into(),
            database_version: "POSTGRES_15".into(),
            migration: "0007".into(),
            services: SERVICES.iter().map(named).collect(),
            releases: crate::release::shipped(),
            identity: "operator@tessallite-demo.iam.gserviceaccount.com".into(),
            token: TOKEN.into(),
            token_seconds: 3600,
            speed: 1.0,
            seed: 1,
            ready_ms: 60,
            route_ms: 30,
            backup_ms: 80,
            restore_ms: 100,
            busy_code: 409,
            backup_id_in_operation: true,
            latest_status_names_revision: false,
            failed_latest_fails_later: false,
            may_name_new_revision: true,
            tag_audience: false,
        }
    }
}

impl Setup {
    /// The service with this name, to be changed before the start; it is added where it is
    /// not there yet.
    pub fn service(&mut self, name: &str) -> &mut ServiceSetup {
        let known = self.services.iter().position(|service| service.name == name);
        let index = known.unwrap_or_else(|| {
            self.services.push(ServiceSetup { name: name.to_owned(), ..ServiceSetup::default() });
            self.services.len() - 1
        });
        &mut self.services[index]
    }

    /// The usual installation with the peculiarities that a careful operator meets: gateway
    /// pinned to a revision, scheduler private, and tags of others on frontend.
    #[must_use]
    pub fn peculiar() -> Self {
        let mut setup = Self::default();
        setup.service("gateway").pinned = true;
        setup.service("scheduler").private = true;
        setup.service("frontend").tags = vec!["preview".into(), "qa-team".into()];
        setup
    }

    /// The reference of a service's image.
    #[must_use]
    pub fn image(&self, service: &str, tag: &str) -> String {
        format!("{}/{service}:{tag}", self.repository)
    }
}
