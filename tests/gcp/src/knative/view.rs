//! Services and revisions as Knative has them.

use serde_json::{Value, json};

use crate::clock::rfc3339;
use crate::proto::lean;
use crate::run::revision::{Revision, Standing};
use crate::run::service::Service;
use crate::run::traffic::Target;
use crate::run::view::conditions;
use crate::world::World;

impl World {
    #[must_use]
    pub fn knative_service(&self, service: &Service) -> Value {
        let spec = Value::Object(service.spec.clone());
        let wanted = service.wanted();
        let traffic: Vec<Value> = wanted.iter().map(target).collect();
        let address = self.address(&service.name);
        lean(json!({
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {
                "name": service.name,
                "namespace": self.setup.project,
                "uid": service.uid,
                "generation": service.generation,
                "resourceVersion": resource_version(service),
                "creationTimestamp": rfc3339(service.created),
                "selfLink": format!("/apis/serving.knative.dev/v1/namespaces/{}/services/{}",
                    self.setup.project, service.name),
                "labels": self.labels(&spec["labels"]),
                "annotations": self.annotations(service),
            },
            "spec": {
                "template": template(&spec["template"]),
                "traffic": traffic,
            },
            "status": {
                "observedGeneration": service.observed,
                "conditions": self.knative_conditions(service),
                "latestCreatedRevisionName": service.latest_created,
                "latestReadyRevisionName": service.latest_ready,
                "traffic": self.in_effect(service),
                "url": address,
                "address": {"url": address},
            },
        }))
    }

    fn labels(&self, own: &Value) -> Value {
        let mut labels = own.as_object().cloned().unwrap_or_default();
        labels.insert("cloud.googleapis.com/location".into(), json!(self.setup.region));
        Value::Object(labels)
    }

    fn annotations(&self, service: &Service) -> Value {
        let spec = Value::Object(service.spec.clone());
        let own = spec["annotations"].as_object().cloned();
        let mut all = own.unwrap_or_default();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                all.insert(name.to_owned(), value);
            }
        };
        put("serving.knative.dev/creator", json!(service.creator));
        put("serving.knative.dev/lastModifier", json!(service.modifier));
        put("run.googleapis.com/client-name", spec["client"].clone());
        put("run.googleapis.com/client-version", spec["clientVersion"].clone());
        put("run.googleapis.com/description", spec["description"].clone());
        put("run.googleapis.com/ingress", json!("all"));
        put("run.googleapis.com/ingress-status", json!("all"));
        let urls = json!([self.address(&service.name)]).to_string();
        put("run.googleapis.com/urls", json!(urls));
        let mut operations = self.operations.iter().rev();
        let last = operations.find(|one| one.service == service.name);
        put("run.googleapis.com/operation-id", json!(last.map(|one| &one.id)));
        Value::Object(all)
    }

    fn in_effect(&self, service: &Service) -> Vec<Value> {
        let view = |one: &Target| {
            let mut view = target(one);
            view["revisionName"] = json!(one.revision);
            if let Some(tag) = &one.tag {
                view["url"] = json!(self.tag_address(&service.name, tag));
            }
            view
        };
        service.told().iter().map(view).collect()
    }

    fn knative_conditions(&self, service: &Service) -> Vec<Value> {
        let (terminal, others) = conditions(service);
        std::iter::once(terminal).chain(others).map(|one| condition(&one)).collect()
    }

    #[must_use]
    pub fn knative_revision(&self, service: &Service, revision: &Revision) -> Value {
        let shaped = Value::Object(revision.template.clone());
        let mut view = template(&shaped);
        view["apiVersion"] = json!("serving.knative.dev/v1");
        view["kind"] = json!("Revision");
        let metadata = &mut view["metadata"];
        metadata["name"] = json!(revision.name);
        metadata["namespace"] = json!(self.setup.project);
        metadata["uid"] = json!(revision.uid);
        metadata["generation"] = json!(1);
        metadata["creationTimestamp"] = json!(rfc3339(revision.created));
        if !metadata["labels"].is_object() {
            metadata["labels"] = json!({});
        }
        let labels = &mut metadata["labels"];
        labels["serving.knative.dev/service"] = json!(service.name);
        labels["serving.knative.dev/configuration"] = json!(service.name);
        labels["serving.knative.dev/configurationGeneration"] =
            json!(revision.generation.to_string());
        labels["cloud.googleapis.com/location"] = json!(self.setup.region);
        metadata["annotations"]["serving.knative.dev/creator"] = json!(service.modifier);
        let (status, message) = match &revision.standing {
            Standing::Starting => ("Unknown", "Deploying revision."),
            Standing::Ready => ("True", ""),
            Standing::Failed(message) => ("False", message.as_str()),
        };
        let repository = crate::registry::without_version(&revision.image);
        let digest = revision.digest.as_ref().map(|digest| format!("{repository}@{digest}"));
        view["status"] = json!({
            "observedGeneration": 1,
            "conditions": [{
                "type": "Ready", "status": status, "message": message,
                "lastTransitionTime": rfc3339(revision.created),
            }],
            "imageDigest": digest,
        });
        lean(view)
    }
}

#[must_use]
pub fn resource_version(service: &Service) -> String {
    format!("AAY{}{:06}", &service.uid[..8], service.version)
}

fn target(target: &Target) -> Value {
    let name = target.revision.as_ref().filter(|_| !target.latest);
    lean(json!({
        "revisionName": name,
        "latestRevision": target.latest,
        "percent": target.percent,
        "tag": target.tag,
    }))
}

fn condition(condition: &Value) -> Value {
    let status = match condition["state"].as_str() {
        Some("CONDITION_SUCCEEDED") => "True",
        Some("CONDITION_FAILED") => "False",
        _ => "Unknown",
    };
    json!({
        "type": condition["type"],
        "status": status,
        "message": condition["message"],
        "reason": condition["reason"],
        "lastTransitionTime": condition["lastTransitionTime"],
    })
}

/// `metadata` and `spec` of a revision's template.
fn template(template: &Value) -> Value {
    let mut annotations = template["annotations"].as_object().cloned().unwrap_or_default();
    let mut put = |name: &str, value: &Value| {
        let text = match value {
            Value::Null => return,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        annotations.insert(name.to_owned(), json!(text));
    };
    put("autoscaling.knative.dev/minScale", &template["scaling"]["minInstanceCount"]);
    put("autoscaling.knative.dev/maxScale", &template["scaling"]["maxInstanceCount"]);
    put("run.googleapis.com/client-name", &template["client"]);
    put("run.googleapis.com/client-version", &template["clientVersion"]);
    put("run.googleapis.com/cloudsql-instances", &instances(template));
    let containers = template["containers"].as_array().cloned().unwrap_or_default();
    let containers: Vec<Value> = containers.iter().map(container).collect();
    let timeout = template["timeout"].as_str().unwrap_or_default();
    let seconds: u64 = timeout.trim_end_matches('s').parse().unwrap_or_default();
    json!({
        "metadata": {
            "name": template["revision"],
            "labels": template["labels"],
            "annotations": annotations,
        },
        "spec": {
            "containerConcurrency": template["maxInstanceRequestConcurrency"],
            "timeoutSeconds": seconds,
            "serviceAccountName": template["serviceAccount"],
            "containers": containers,
        },
    })
}

/// The Cloud SQL instances of the volumes, which are an annotation here.
fn instances(template: &Value) -> Value {
    let volumes = template["volumes"].as_array();
    let mut names = Vec::new();
    for volume in volumes.into_iter().flatten() {
        let listed = volume["cloudSqlInstance"]["instances"].as_array();
        names.extend(listed.into_iter().flatten().filter_map(Value::as_str));
    }
    if names.is_empty() { Value::Null } else { json!(names.join(",")) }
}

fn container(container: &Value) -> Value {
    let env = container["env"].as_array().cloned().unwrap_or_default();
    let env: Vec<Value> = env.iter().map(variable).collect();
    lean(json!({
        "name": container["name"],
        "image": container["image"],
        "command": container["command"],
        "args": container["args"],
        "env": env,
        "ports": container["ports"],
        "resources": {"limits": container["resources"]["limits"]},
        "startupProbe": container["startupProbe"],
    }))
}

fn variable(variable: &Value) -> Value {
    let secret = &variable["valueSource"]["secretKeyRef"];
    if secret.is_null() {
        return variable.clone();
    }
    let reference = json!({"name": secret["secret"], "key": secret["version"]});
    json!({"name": variable["name"], "valueFrom": {"secretKeyRef": reference}})
}
