//! The Compose model, as `docker compose config` resolves it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::compose::Compose;
use crate::capability::docker::types::{Condition, Dependency};
use crate::capability::error::{Error, Result};

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) project: String,
    pub(super) services: BTreeMap<String, ServiceModel>,
}

#[derive(Debug, Default)]
pub(super) struct ServiceModel {
    pub(super) image: String,
    pub(super) depends_on: Vec<Dependency>,
    /// TCP, published before exposed.
    pub(super) ports: Vec<u16>,
    pub(super) has_health_check: bool,
    pub(super) mounts: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) active: bool,
    /// Compose does more to its containers than to start them, such as to put secrets in.
    pub(super) needs_preparation: bool,
}

/// Reads the model of all services, those of inactive profiles among them.
///
/// Errors: `Invalid` when Compose does not accept the project.
pub(super) async fn read(compose: &Compose) -> Result<Model> {
    let doing = "reading the Compose project";
    let all = compose.read(doing, &["--profile", "*", "config", "--format", "json"]).await;
    let all = all.and_then(|text| parse(&text));
    let all = match all {
        Ok(all) if all.services.values().all(|service| service.profiles.is_empty()) => {
            let names = all.services.keys().cloned().collect();
            return Ok(model(all, &names));
        }
        all => all,
    };
    let active = parse(&compose.read(doing, &["config", "--format", "json"]).await?)?;
    let names: BTreeSet<String> = active.services.keys().cloned().collect();
    // What is wrong with a service that is not active is no reason to stop.
    let all = all.ok().filter(|all| names.iter().all(|name| all.services.contains_key(name)));
    Ok(model(all.unwrap_or(active), &names))
}

#[derive(Debug, Deserialize)]
struct RawModel {
    #[serde(default)]
    name: String,
    #[serde(default)]
    services: BTreeMap<String, RawService>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct RawService {
    image: String,
    profiles: Vec<String>,
    depends_on: BTreeMap<String, RawDependency>,
    ports: Vec<RawPort>,
    expose: Vec<String>,
    healthcheck: Option<RawHealthCheck>,
    volumes: Vec<RawVolume>,
    environment: BTreeMap<String, String>,
    secrets: Value,
    configs: Value,
    pre_start: Value,
    post_start: Value,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct RawDependency {
    condition: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct RawPort {
    target: u16,
    protocol: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct RawHealthCheck {
    test: Vec<String>,
    disable: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct RawVolume {
    source: String,
    target: String,
}

fn parse(text: &str) -> Result<RawModel> {
    let unexpected =
        |error| Error::failed("reading what `docker compose config` printed").because(error);
    let mut value: Value = serde_json::from_str(text).map_err(unexpected)?;
    unescape(&mut value);
    serde_json::from_value(value).map_err(unexpected)
}

/// Compose prints `$` as `$$`, so that its output could be read as a project again,
/// and what is not set as null.
pub(super) fn unescape(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("$$") => *text = text.replace("$$", "$"),
        Value::Array(items) => items.iter_mut().for_each(unescape),
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(unescape);
        }
        _ => {}
    }
}

fn model(raw: RawModel, active: &BTreeSet<String>) -> Model {
    let services = raw.services.into_iter().map(|(name, raw)| {
        let is_active = active.contains(&name);
        (name, service(raw, is_active))
    });
    Model { project: raw.name, services: services.collect() }
}

fn service(raw: RawService, active: bool) -> ServiceModel {
    let extras = [&raw.secrets, &raw.configs, &raw.pre_start, &raw.post_start];
    let needs_preparation = extras.into_iter().any(|extra| !is_nothing(extra));
    let depends_on = raw
        .depends_on
        .into_iter()
        .map(|(service, raw)| Dependency { service, condition: condition(&raw.condition) });
    ServiceModel {
        image: raw.image,
        depends_on: depends_on.collect(),
        ports: ports(&raw.ports, &raw.expose),
        has_health_check: raw.healthcheck.is_some_and(|check| {
            !check.disable && check.test.first().is_some_and(|first| first != "NONE")
        }),
        mounts: raw
            .volumes
            .iter()
            .map(|volume| format!("{}:{}", volume.source, volume.target))
            .collect(),
        environment: raw.environment,
        active,
        needs_preparation,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn condition(text: &str) -> Condition {
    match text {
        "service_healthy" => Condition::ServiceHealthy,
        "service_completed_successfully" => Condition::ServiceCompletedSuccessfully,
        _ => Condition::ServiceStarted,
    }
}

fn ports(published: &[RawPort], exposed: &[String]) -> Vec<u16> {
    let published = published.iter().filter(|port| port.protocol != "udp").map(|port| port.target);
    let exposed = exposed.iter().filter_map(|text| port_range(text)).flatten();
    let mut ports = Vec::new();
    for port in published.chain(exposed) {
        add_port(&mut ports, port);
    }
    ports
}

/// Adds a port that is not there yet.
pub(super) fn add_port(ports: &mut Vec<u16>, port: u16) {
    if port != 0 && !ports.contains(&port) {
        ports.push(port);
    }
}

/// `5432`, `80/tcp` or `7000-7002`, as Compose and images write them; TCP only.
pub(super) fn port_range(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if protocol != "tcp" {
        return None;
    }
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

impl Model {
    /// The names of the services, dependencies before dependents, else by name.
    ///
    /// Errors: `Invalid` when services depend on each other in a circle.
    pub(super) fn order(&self) -> Result<Vec<&str>> {
        let mut left: BTreeMap<&str, &ServiceModel> =
            self.services.iter().map(|(name, service)| (name.as_str(), service)).collect();
        let mut order = Vec::new();
        while !left.is_empty() {
            let waits = |service: &ServiceModel| {
                service.depends_on.iter().any(|on| left.contains_key(on.service.as_str()))
            };
            let Some(next) =
                left.iter().find(|(_, service)| !waits(service)).map(|(name, _)| *name)
            else {
                let names: Vec<&str> = left.into_keys().collect();
                return Err(Error::invalid(format!(
                    "services of the Compose project depend on each other in a circle: {}",
                    names.join(", ")
                )));
            };
            left.remove(next);
            order.push(next);
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: &str = r#"{"name":"tess","services":{
        "web":{"image":"r/web:1","depends_on":{"db":{"condition":"service_healthy","required":true},"cache":{"condition":"service_started"}},
               "ports":[{"mode":"ingress","target":8001,"published":"18001","protocol":"tcp"},{"target":9,"protocol":"udp"}],
               "expose":["7000-7002","8001","9/udp"],"command":null,"volumes":null,"configs":[]},
        "db":{"image":"postgres:15","environment":{"A":"pa$$s","N":null},
              "healthcheck":{"test":["CMD","pg_isready"],"interval":"1s"},
              "secrets":[{"source":"key","target":"/run/secrets/key"}],
              "volumes":[{"type":"volume","source":"pg","target":"/data","volume":{}}]},
        "cache":{"build":{"context":"/x"},"healthcheck":{"disable":true},"depends_on":{"gone":{"condition":"service_started","required":false}}}}}"#;

    fn seen() -> Model {
        model(parse(SEEN).unwrap(), &["web", "db"].map(str::to_owned).into())
    }

    #[test]
    fn the_model_is_what_compose_printed() {
        let model = seen();
        assert_eq!(model.project, "tess");
        let web = &model.services["web"];
        assert_eq!(web.ports, [8001, 7000, 7001, 7002]);
        assert_eq!(web.depends_on[1].condition, Condition::ServiceHealthy);
        assert!(web.active && !web.has_health_check && !web.needs_preparation);
        let db = &model.services["db"];
        assert_eq!(db.environment, BTreeMap::from([("A".to_owned(), "pa$s".to_owned())]));
        assert_eq!(db.mounts, ["pg:/data"]);
        assert!(db.has_health_check && db.needs_preparation);
        let cache = &model.services["cache"];
        assert!(cache.image.is_empty() && !cache.active && !cache.has_health_check);
    }

    #[test]
    fn dependencies_come_before_their_dependents() {
        assert_eq!(seen().order().unwrap(), ["cache", "db", "web"]);
    }

    #[test]
    fn a_circle_is_refused_by_its_members() {
        let text = r#"{"name":"x","services":{"a":{"depends_on":{"b":{}}},"b":{"depends_on":{"a":{}}},"c":{}}}"#;
        let error = model(parse(text).unwrap(), &BTreeSet::new()).order().unwrap_err();
        assert!(error.message.ends_with("circle: a, b"), "{error}");
    }
}
