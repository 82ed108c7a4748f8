//! A service that the gcloud CLI puts back, changed: what Knative does not show stays as it is.

use serde_json::{Map, Value, json};

use crate::exchange::Call;
use crate::knative::view::resource_version;
use crate::proto::text;
use crate::refusal::{Refusal, Result};
use crate::run::patch::Manner;
use crate::world::World;

/// Annotations that are settings of Google's, not the operator's own.
const GOOGLES: [&str; 5] = [
    "run.googleapis.com/",
    "serving.knative.dev/",
    "client.knative.dev/",
    "autoscaling.knative.dev/",
    "cloud.googleapis.com/",
];

impl World {
    pub fn replace_service(&mut self, name: &str, call: &Call) -> Result<Value> {
        self.permit("run.services.update", name)?;
        let body = call.json()?;
        let Some(service) = self.services.get(name) else {
            return Err(self.no_service(name));
        };
        let given = text(&body["metadata"], "resourceVersion");
        let present = resource_version(service);
        if !given.is_empty() && given != present {
            return Err(Refusal::aborted(format!(
                "Conflict for resource '{name}': version '{given}' was specified but current \
                 version is '{present}'."
            )));
        }
        let spec = settings(&service.spec, &body);
        let manner =
            Manner { force: false, validate_only: call.parameter("dryRun") == Some("all") };
        self.change(name, spec, manner)?;
        let service = self.services.get(name).ok_or_else(|| self.no_service(name))?;
        Ok(self.knative_service(service))
    }
}

fn settings(present: &Map<String, Value>, body: &Value) -> Map<String, Value> {
    let mut spec = present.clone();
    let metadata = &body["metadata"];
    let googles = &metadata["annotations"];
    spec.insert("annotations".into(), own(googles));
    spec.insert("labels".into(), own(&metadata["labels"]));
    let mut put = |name: &str, annotation: &str| {
        spec.insert(name.to_owned(), googles[annotation].clone());
    };
    put("client", "run.googleapis.com/client-name");
    put("clientVersion", "run.googleapis.com/client-version");
    put("description", "run.googleapis.com/description");
    let targets = body["spec"]["traffic"].as_array();
    let traffic: Vec<Value> = targets.into_iter().flatten().map(target).collect();
    spec.insert("traffic".into(), json!(traffic));
    if let Some(Value::Object(template)) = spec.get_mut("template") {
        merge_template(template, &body["spec"]["template"]);
    }
    spec
}

/// What of a map is not Google's. The nonce by which gcloud finds its revision again is kept.
fn own(map: &Value) -> Value {
    let mut own = map.as_object().cloned().unwrap_or_default();
    own.retain(|name, _| {
        name == "client.knative.dev/nonce" || !GOOGLES.iter().any(|prefix| name.starts_with(prefix))
    });
    Value::Object(own)
}

fn target(target: &Value) -> Value {
    let latest = target["latestRevision"] == true;
    let kind = if latest { "LATEST" } else { "REVISION" };
    let name = if latest { &Value::Null } else { &target["revisionName"] };
    json!({
        "type": format!("TRAFFIC_TARGET_ALLOCATION_TYPE_{kind}"),
        "revision": name,
        "percent": target["percent"],
        "tag": target["tag"],
    })
}

fn merge_template(template: &mut Map<String, Value>, given: &Value) {
    let metadata = &given["metadata"];
    let googles = &metadata["annotations"];
    let number = |name: &str| -> Value {
        let text = googles[name].as_str().unwrap_or_default();
        text.parse::<u64>().map_or(Value::Null, |number| json!(number))
    };
    let scaling = json!({
        "minInstanceCount": number("autoscaling.knative.dev/minScale"),
        "maxInstanceCount": number("autoscaling.knative.dev/maxScale"),
    });
    let seconds = given["spec"]["timeoutSeconds"].as_u64();
    let mut put = |name: &str, value: Value| {
        template.insert(name.to_owned(), value);
    };
    put("revision", metadata["name"].clone());
    put("labels", own(&metadata["labels"]));
    put("annotations", own(googles));
    put("client", googles["run.googleapis.com/client-name"].clone());
    put("clientVersion", googles["run.googleapis.com/client-version"].clone());
    put("scaling", scaling);
    put("timeout", json!(seconds.map(|seconds| format!("{seconds}s"))));
    put("maxInstanceRequestConcurrency", given["spec"]["containerConcurrency"].clone());
    put("serviceAccount", given["spec"]["serviceAccountName"].clone());
    let present = template.get("containers").cloned().unwrap_or_default();
    let containers = given["spec"]["containers"].as_array();
    let containers = containers.into_iter().flatten().enumerate();
    let merged: Vec<Value> = containers
        .map(|(index, container)| merged_container(present[index].clone(), container))
        .collect();
    template.insert("containers".into(), json!(merged));
}

fn merged_container(present: Value, given: &Value) -> Value {
    let mut merged = present;
    for field in ["name", "image", "command", "args", "ports", "startupProbe"] {
        merged[field] = given[field].clone();
    }
    merged["resources"]["limits"] = given["resources"]["limits"].clone();
    let env = given["env"].as_array();
    let env: Vec<Value> = env.into_iter().flatten().map(variable).collect();
    merged["env"] = json!(env);
    merged
}

fn variable(variable: &Value) -> Value {
    let secret = &variable["valueFrom"]["secretKeyRef"];
    if secret.is_null() {
        return variable.clone();
    }
    let reference = json!({"secret": secret["name"], "version": secret["key"]});
    json!({"name": variable["name"], "valueSource": {"secretKeyRef": reference}})
}
