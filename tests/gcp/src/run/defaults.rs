//! What Cloud Run fills in where an operator leaves it out.

use serde_json::{Map, Value, json};

/// A template with the platform's defaults.
#[must_use]
pub fn template(mut template: Map<String, Value>, identity: &str) -> Map<String, Value> {
    let mut fill = |name: &str, value: Value| {
        template.entry(name.to_owned()).or_insert(value);
    };
    fill("maxInstanceRequestConcurrency", json!(80));
    fill("timeout", json!("300s"));
    fill("serviceAccount", json!(identity));
    fill("scaling", json!({"maxInstanceCount": 100}));
    let containers = template.get_mut("containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        if let Value::Object(container) = container {
            fill_container(container);
        }
    }
    template
}

fn fill_container(container: &mut Map<String, Value>) {
    let mut fill = |name: &str, value: Value| {
        container.entry(name.to_owned()).or_insert(value);
    };
    fill("ports", json!([{"name": "http1", "containerPort": 8080}]));
    fill("resources", json!({"limits": {"cpu": "1000m", "memory": "512Mi"}, "cpuIdle": true}));
    let probe = json!({
        "timeoutSeconds": 240, "periodSeconds": 240, "failureThreshold": 1,
        "tcpSocket": {"port": 8080},
    });
    fill("startupProbe", probe);
}

/// The settings of a service with the platform's defaults.
#[must_use]
pub fn service(mut spec: Map<String, Value>, identity: &str) -> Map<String, Value> {
    let Some(Value::Object(given)) = spec.remove("template") else {
        return spec;
    };
    spec.insert("template".into(), Value::Object(template(given, identity)));
    let mut fill = |name: &str, value: Value| {
        spec.entry(name.to_owned()).or_insert(value);
    };
    fill("ingress", json!("INGRESS_TRAFFIC_ALL"));
    fill("launchStage", json!("GA"));
    fill("traffic", json!([{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}]));
    spec
}
