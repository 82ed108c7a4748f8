//! Services and revisions as Cloud Run tells them.

use serde_json::{Map, Value, json};

use crate::clock::rfc3339;
use crate::proto::lean;
use crate::run::revision::{Revision, Standing};
use crate::run::service::{Service, Verdict};
use crate::run::traffic::Target;
use crate::world::World;

impl World {
    /// The service's own address.
    #[must_use]
    pub fn address(&self, service: &str) -> String {
        format!("{}/_run/{service}", self.base)
    }

    #[must_use]
    pub fn tag_address(&self, service: &str, tag: &str) -> String {
        format!("{}/_run/{tag}---{service}", self.base)
    }

    #[must_use]
    pub fn service_name(&self, service: &str) -> String {
        format!("{}/services/{service}", self.location())
    }

    #[must_use]
    pub fn revision_full_name(&self, service: &str, revision: &str) -> String {
        format!("{}/revisions/{revision}", self.service_name(service))
    }

    #[must_use]
    pub fn service_view(&self, service: &Service) -> Value {
        let mut view = service.spec.clone();
        let uri = self.address(&service.name);
        let mut put = |name: &str, value: Value| {
            view.insert(name.to_owned(), value);
        };
        put("name", json!(self.service_name(&service.name)));
        put("uid", json!(service.uid));
        put("generation", json!(service.generation.to_string()));
        put("observedGeneration", json!(service.observed.to_string()));
        put("createTime", json!(rfc3339(service.created)));
        put("updateTime", json!(rfc3339(service.updated)));
        put("creator", json!(service.creator));
        put("lastModifier", json!(service.modifier));
        put("etag", json!(service.etag()));
        put("urls", json!([uri]));
        put("uri", json!(uri));
        put("reconciling", json!(service.reconciling()));
        put(
            "latestCreatedRevision",
            json!(self.revision_full_name(&service.name, &service.latest_created)),
        );
        if let Some(ready) = &service.latest_ready {
            put("latestReadyRevision", json!(self.revision_full_name(&service.name, ready)));
        }
        let statuses: Vec<Value> =
            service.told().iter().map(|target| self.status(service, target)).collect();
        put("trafficStatuses", json!(statuses));
        let (terminal, others) = conditions(service);
        put("terminalCondition", terminal);
        put("conditions", json!(others));
        lean(Value::Object(view))
    }

    fn status(&self, service: &Service, target: &Target) -> Value {
        let mut status = target.wanted();
        if target.latest && self.setup.latest_status_names_revision {
            status["revision"] = json!(target.revision);
        }
        if let Some(tag) = &target.tag {
            status["uri"] = json!(self.tag_address(&service.name, tag));
        }
        status
    }

    #[must_use]
    pub fn revision_view(&self, service: &Service, revision: &Revision) -> Value {
        let mut view: Map<String, Value> = revision.template.clone();
        let mut put = |name: &str, value: Value| {
            view.insert(name.to_owned(), value);
        };
        put("name", json!(self.revision_full_name(&service.name, &revision.name)));
        put("uid", json!(revision.uid));
        put("generation", json!("1"));
        put("service", json!(service.name));
        put("createTime", json!(rfc3339(revision.created)));
        put("updateTime", json!(rfc3339(revision.created)));
        put("etag", json!(format!("\"CR{}\"", &revision.uid[..8])));
        put("launchStage", json!("GA"));
        put("logUri", json!(self.log_address(&service.name, &revision.name)));
        if let Some(digest) = &revision.digest {
            let repository = crate::registry::without_version(&revision.image);
            let status = json!({"imageDigest": format!("{repository}@{digest}")});
            put("containerStatuses", json!([status]));
        }
        if revision.settled() {
            put("observedGeneration", json!("1"));
        } else {
            put("reconciling", json!(true));
        }
        put("conditions", json!(revision_conditions(revision)));
        lean(Value::Object(view))
    }

    fn log_address(&self, service: &str, revision: &str) -> String {
        let project = &self.setup.project;
        format!(
            "https://console.cloud.google.com/logs/viewer?project={project}&resource=\
             cloud_run_revision/service_name/{service}/revision_name/{revision}"
        )
    }
}

/// The terminal condition, and the two that it is made of.
#[must_use]
pub fn conditions(service: &Service) -> (Value, Vec<Value>) {
    let at = rfc3339(service.updated);
    let condition = |kind: &str, state: &str, message: &str, reason: &str| {
        json!({
            "type": kind, "state": state, "message": message,
            "reason": reason, "lastTransitionTime": at,
        })
    };
    let latest = service.revision(&service.latest_created);
    let configuration = match latest.map(|one| &one.standing) {
        Some(Standing::Failed(message)) => {
            condition("ConfigurationsReady", "CONDITION_FAILED", message, "REVISION_FAILED")
        }
        Some(Standing::Starting) => {
            condition("ConfigurationsReady", "CONDITION_RECONCILING", "", "")
        }
        _ => condition("ConfigurationsReady", "CONDITION_SUCCEEDED", "", ""),
    };
    let of = |kind: &str| match &service.verdict {
        _ if service.reconciling() => condition(kind, "CONDITION_RECONCILING", "", ""),
        Verdict::Succeeded => condition(kind, "CONDITION_SUCCEEDED", "", ""),
        Verdict::Failed { message, .. } => {
            condition(kind, "CONDITION_FAILED", message, "REVISION_FAILED")
        }
    };
    (of("Ready"), vec![of("RoutesReady"), configuration])
}

fn revision_conditions(revision: &Revision) -> Vec<Value> {
    let at = rfc3339(revision.created);
    let condition = |kind: &str| match &revision.standing {
        Standing::Starting => {
            json!({"type": kind, "state": "CONDITION_RECONCILING", "lastTransitionTime": at,
                   "message": "Deploying revision.", "revisionReason": "PENDING"})
        }
        Standing::Ready => {
            json!({"type": kind, "state": "CONDITION_SUCCEEDED", "lastTransitionTime": at})
        }
        Standing::Failed(message) => {
            json!({"type": kind, "state": "CONDITION_FAILED", "lastTransitionTime": at,
                   "message": message, "severity": "ERROR",
                   "revisionReason": "HEALTH_CHECK_CONTAINER_ERROR"})
        }
    };
    vec![condition("Ready"), condition("ContainerHealthy")]
}
