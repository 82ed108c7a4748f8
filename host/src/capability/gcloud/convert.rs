//! From what Google's APIs answer to the records of the contract. Pure.

use serde_json::Value;

use crate::contract::gcloud::{Backup, Instance, Service, Target};
use crate::text::{one_line, shortened};

/// Of a message from the outside.
const LONGEST: usize = 2_000;

/// The last component of a resource's name.
pub(super) fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// proto3 leaves out what is empty.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Google writes 64-bit integers as strings.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn for_people(value: &Value) -> String {
    shortened(&one_line(value.as_str().unwrap_or_default()), LONGEST)
}

/// The container that takes the requests: the only one, or the one with a port.
pub(super) fn container(template: &Value) -> Option<usize> {
    let containers = template["containers"].as_array()?;
    let with_port = containers
        .iter()
        .position(|container| container["ports"].as_array().is_some_and(|ports| !ports.is_empty()));
    // Whoever writes into one that is no object would not survive it.
    with_port.or(Some(0)).filter(|at| containers.get(*at).is_some_and(Value::is_object))
}

pub(super) fn image(service: &Value) -> String {
    let template = &service["template"];
    container(template).map(|at| text(&template["containers"][at]["image"])).unwrap_or_default()
}

/// What it is made of stands in the revision as in a template.
pub(super) fn image_of_revision(revision: &Value) -> String {
    container(revision).map(|at| text(&revision["containers"][at]["image"])).unwrap_or_default()
}

pub(super) fn service(json: &Value) -> Service {
    let latest_ready_revision = short(json["latestReadyRevision"].as_str().unwrap_or_default());
    let (ready, message) = readiness(json);
    Service {
        name: short(json["name"].as_str().unwrap_or_default()).to_owned(),
        url: text(&json["uri"]),
        image: image(json),
        latest_created_revision: short(json["latestCreatedRevision"].as_str().unwrap_or_default())
            .to_owned(),
        latest_ready_revision: latest_ready_revision.to_owned(),
        targets: targets(json),
        ready,
        message,
    }
}

/// What is in effect.
pub(super) fn targets(json: &Value) -> Vec<Target> {
    let latest_ready = short(json["latestReadyRevision"].as_str().unwrap_or_default());
    let statuses = json["trafficStatuses"].as_array().into_iter().flatten();
    statuses.map(|status| target(status, latest_ready)).collect()
}

fn target(status: &Value, latest_ready: &str) -> Target {
    let latest = follows_latest(status);
    let named = short(status["revision"].as_str().unwrap_or_default());
    let revision = if named.is_empty() && latest { latest_ready } else { named };
    let some = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Target {
        revision: revision.to_owned(),
        percent: percent(status),
        latest,
        tag: some(&status["tag"]),
        url: some(&status["uri"]),
    }
}

pub(super) fn follows_latest(target: &Value) -> bool {
    target["type"].as_str() == Some("TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST")
}

pub(super) fn percent(target: &Value) -> u32 {
    number(&target["percent"]).and_then(|percent| u32::try_from(percent).ok()).unwrap_or(0)
}

/// Whether what was asked for last is in effect; why not.
pub(super) fn readiness(json: &Value) -> (bool, String) {
    if is_reconciling(json) {
        return (false, "a change is being carried out".to_owned());
    }
    let condition = &json["terminalCondition"];
    if condition["state"].as_str() == Some("CONDITION_SUCCEEDED") {
        return (true, String::new());
    }
    let message = for_people(&condition["message"]);
    let reason = condition["reason"].as_str().or(condition["revisionReason"].as_str());
    let message = match (message.is_empty(), reason) {
        (false, _) => message,
        (true, Some(reason)) => one_line(reason),
        (true, None) => "its condition is not known".to_owned(),
    };
    (false, message)
}

pub(super) fn is_reconciling(json: &Value) -> bool {
    let is_behind = number(&json["observedGeneration"]) != number(&json["generation"]);
    json["reconciling"].as_bool().unwrap_or(false) || is_behind
}

pub(super) fn instance(json: &Value, under_way: Option<String>) -> Instance {
    let replicas = json["replicaNames"].as_array().into_iter().flatten();
    Instance {
        name: text(&json["name"]),
        state: text(&json["state"]),
        activation_policy: text(&json["settings"]["activationPolicy"]),
        database_version: text(&json["databaseVersion"]),
        under_way,
        replicas: replicas.map(text).collect(),
    }
}

pub(super) fn backup(json: &Value) -> Backup {
    let first = ["startTime", "enqueuedTime", "windowStartTime"];
    let started_at = first.iter().map(|name| text(&json[*name])).find(|text| !text.is_empty());
    let id = json["id"].as_str().map(str::to_owned).or(number(&json["id"]).map(|n| n.to_string()));
    Backup {
        id: id.unwrap_or_default(),
        status: text(&json["status"]),
        description: text(&json["description"]),
        started_at: started_at.unwrap_or_default(),
    }
}

/// Why a revision is not what it should be: that of its conditions which failed.
pub(super) fn complaint(revision: &Value) -> Option<String> {
    let conditions = revision["conditions"].as_array()?;
    let failed = conditions.iter().find(|c| c["state"].as_str() == Some("CONDITION_FAILED"))?;
    let mut complaint = for_people(&failed["message"]);
    if complaint.is_empty() {
        complaint = one_line(failed["type"].as_str().unwrap_or("it failed"));
    }
    if let Some(uri) = revision["logUri"].as_str().filter(|uri| !uri.is_empty()) {
        complaint += &format!(" (its log: {})", one_line(uri));
    }
    Some(complaint)
}

/// Whether a revision is ready; absent while that is not known.
pub(super) fn revision_is_ready(revision: &Value) -> Option<bool> {
    let conditions = revision["conditions"].as_array()?;
    let ready = conditions.iter().find(|c| c["type"].as_str() == Some("Ready"))?;
    match ready["state"].as_str()? {
        "CONDITION_SUCCEEDED" => Some(true),
        "CONDITION_FAILED" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_is_read_with_what_serves() {
        let json = json!({
            "name": "projects/p/locations/l/services/gateway",
            "uri": "https://gateway-x.a.run.app",
            "generation": "3", "observedGeneration": "3",
            "terminalCondition": {"type": "Ready", "state": "CONDITION_SUCCEEDED"},
            "latestCreatedRevision": "projects/p/locations/l/services/gateway/revisions/gateway-2",
            "latestReadyRevision": "projects/p/locations/l/services/gateway/revisions/gateway-1",
            "template": {"containers": [
                {"image": "sidecar:1"}, {"image": "gateway:1", "ports": [{"containerPort": 80}]}
            ]},
            "trafficStatuses": [
                {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100},
                {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "gateway-0",
                 "tag": "old", "uri": "https://old---gateway-x.a.run.app"}
            ]
        });
        let service = service(&json);
        assert_eq!((service.name.as_str(), service.image.as_str()), ("gateway", "gateway:1"));
        assert!(service.ready, "{}", service.message);
        assert_eq!(service.latest_created_revision, "gateway-2");
        let seen = |t: &Target| (t.revision.clone(), t.percent, t.latest, t.tag.clone());
        assert_eq!(
            service.targets.iter().map(seen).collect::<Vec<_>>(),
            [
                ("gateway-1".into(), 100, true, None),
                ("gateway-0".into(), 0, false, Some("old".into()))
            ]
        );
    }

    #[test]
    fn a_service_is_not_ready_while_a_change_is_carried_out_or_has_failed() {
        let behind = json!({"generation": "4", "observedGeneration": "3",
            "terminalCondition": {"state": "CONDITION_SUCCEEDED"}});
        assert!(!readiness(&behind).0);
        let failed = json!({"generation": "4", "observedGeneration": "4",
            "terminalCondition": {"state": "CONDITION_FAILED", "message": "does not listen"}});
        assert_eq!(readiness(&failed), (false, "does not listen".into()));
    }

    #[test]
    fn what_a_failed_revision_says_is_told_with_its_log() {
        let revision = json!({"logUri": "https://logs", "conditions": [
            {"type": "Ready", "state": "CONDITION_FAILED", "message": "exit 1"}]});
        assert_eq!(complaint(&revision).unwrap(), "exit 1 (its log: https://logs)");
        assert_eq!(revision_is_ready(&revision), Some(false));
        assert_eq!(revision_is_ready(&json!({"conditions": []})), None);
    }

    #[test]
    fn a_template_that_is_none_has_no_container() {
        for odd in [json!({"containers": ["x"]}), json!({"containers": []}), json!("x"), json!(7)] {
            assert_eq!(container(&odd), None, "{odd}");
        }
        assert_eq!(container(&json!({"containers": [{}]})), Some(0));
    }

    #[test]
    fn an_id_is_text_whatever_it_is_written_as() {
        assert_eq!(backup(&json!({"id": "17", "status": "SUCCESSFUL"})).id, "17");
        assert_eq!(backup(&json!({"id": 17})).id, "17");
    }
}
