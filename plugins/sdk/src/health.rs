//! Asking a service over HTTP whether it is healthy.
//!
//! Tessallite has answered at two sets of paths over time, and reports its migration
//! under two names. Both are known here; a caller may bring others.

use crate::http::{self, Endpoint, Response, ServicePort};
use crate::{Error, gcloud};

/// What counts as healthy, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Convention {
    /// Tried in this order; the first that is not 404 is the service's answer.
    pub paths: Vec<String>,
    /// The values of the JSON field `status` that mean healthy. An answer without that
    /// field is healthy when its HTTP status is.
    pub healthy: Vec<String>,
    /// The JSON fields that may carry the migration.
    pub migration_fields: Vec<String>,
}

impl Default for Convention {
    fn default() -> Self {
        let owned = |items: &[&str]| items.iter().map(ToString::to_string).collect();
        Self {
            paths: owned(&["/api/health", "/health"]),
            healthy: owned(&["ok", "healthy", "pass", "up"]),
            migration_fields: owned(&["db_migration", "schema_revision"]),
        }
    }
}

/// One answer of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, and the body where it says anything, mean healthy.
    pub healthy: bool,
    /// It says that it serves, but not all that it asks does.
    pub degraded: bool,
    /// For the operator: "GET /api/health: 503 degraded".
    pub text: String,
    /// Where it was asked.
    pub path: String,
    /// The JSON field that carries the migration, where the answer has one.
    pub migration_field: Option<String>,
    /// The migration, where the answer has a field for it. `Some(None)`: the field is
    /// there and is null.
    pub migration: Option<Option<String>>,
}

/// Answers for the process alone.
const LIVENESS: &str = "/liveness";

/// The time that one answer may take.
const TIMEOUT_MS: u32 = 5_000;

/// Asks once. `Ok(None)`: the port speaks HTTP and knows none of the paths.
///
/// # Errors
/// Those of `http.get`.
pub fn ask(service: &str, port: u16, convention: &Convention) -> Result<Option<Answer>, Error> {
    let endpoint = Endpoint::Service(ServicePort { service: service.into(), port });
    first_answer(convention, |path| http::get(&endpoint, path, TIMEOUT_MS))
}

/// As [`ask`], of a service on Cloud Run: at its own address, or at that of a tag.
///
/// # Errors
/// Those of `gcloud.probe`.
pub fn probe(
    service: &str,
    tag: Option<&str>,
    convention: &Convention,
    timeout_ms: u32,
) -> Result<Option<Answer>, Error> {
    first_answer(convention, |path| gcloud::probe(service, tag, path, timeout_ms))
}

fn first_answer(
    convention: &Convention,
    get: impl Fn(&str) -> Result<Response, Error>,
) -> Result<Option<Answer>, Error> {
    for path in &convention.paths {
        let response = get(path)?;
        if response.status != 404 {
            return Ok(Some(judge(path, response.status, &response.body, convention)));
        }
    }
    Ok(None)
}

/// Whether the service says of itself, and of itself alone, that it lives.
pub fn is_live(service: &str, port: u16) -> bool {
    let endpoint = Endpoint::Service(ServicePort { service: service.into(), port });
    http::get(&endpoint, LIVENESS, TIMEOUT_MS)
        .is_ok_and(|answer| (200..300).contains(&answer.status))
}

/// What an HTTP answer means under a convention.
pub fn judge(path: &str, status: u16, body: &[u8], convention: &Convention) -> Answer {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let said = json.as_ref().and_then(|json| json.get("status")).and_then(|said| said.as_str());
    let said_well = said.is_none_or(|said| {
        convention.healthy.iter().any(|healthy| healthy.eq_ignore_ascii_case(said))
    });
    let told = json.as_ref().and_then(|json| {
        let mut fields = convention.migration_fields.iter();
        fields.find_map(|field| Some((field.clone(), as_text(json.get(field)?))))
    });
    let (migration_field, migration) = told.unzip();
    let healthy = (200..300).contains(&status) && said_well;
    let text = match said {
        Some(said) => format!("GET {path}: {status} {said}"),
        None => format!("GET {path}: {status}"),
    };
    let degraded = said.is_some_and(|said| said.eq_ignore_ascii_case("degraded"));
    Answer { healthy, degraded, text, path: path.into(), migration_field, migration }
}

fn as_text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> Answer {
        judge("/api/health", status, body.as_bytes(), &Convention::default())
    }

    #[test]
    fn the_documented_answer_is_healthy_and_tells_the_migration() {
        let answer = judged(200, r#"{"status":"ok","db_migration":"0008"}"#);
        assert!(answer.healthy);
        assert_eq!(answer.migration, Some(Some("0008".into())));
    }

    #[test]
    fn a_degraded_answer_is_not_healthy_whatever_its_http_status() {
        assert!(!judged(503, r#"{"status":"degraded"}"#).healthy);
        assert!(!judged(200, r#"{"status":"degraded"}"#).healthy);
        assert!(!judged(503, r#"{"status":"ok"}"#).healthy);
    }

    #[test]
    fn a_migration_that_is_not_known_yet_is_told_apart_from_none_at_all() {
        assert_eq!(judged(200, r#"{"status":"ok","schema_revision":null}"#).migration, Some(None));
        assert_eq!(judged(200, r#"{"status":"ok"}"#).migration, None);
    }

    #[test]
    fn an_answer_names_where_its_migration_was_told() {
        let answer = judged(200, r#"{"status":"ok","schema_revision":"0008"}"#);
        assert_eq!(answer.path, "/api/health");
        assert_eq!(answer.migration_field.as_deref(), Some("schema_revision"));
        assert_eq!(judged(200, "fine").migration_field, None);
    }

    #[test]
    fn the_first_path_that_is_known_gives_the_answer() {
        let response = |status| Response { status, headers: Vec::new(), body: Vec::new() };
        let second = |path: &str| Ok(response(if path == "/health" { 200 } else { 404 }));
        let answer = first_answer(&Convention::default(), second);
        assert_eq!(answer.unwrap().unwrap().text, "GET /health: 200");
        assert_eq!(first_answer(&Convention::default(), |_| Ok(response(404))), Ok(None));
    }

    #[test]
    fn an_answer_that_is_no_json_counts_by_its_http_status() {
        assert!(judged(200, "fine").healthy);
        assert!(!judged(500, "").healthy);
    }
}
