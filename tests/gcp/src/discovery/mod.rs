//! Requests are held against Google's discovery documents: a method that there is, parameters
//! that it knows, a body of the right shape. The documents are stripped of all but what the
//! fake answers; `README.md` says which revision they are of.

mod schema;

use std::sync::LazyLock;

use serde_json::Value;

use crate::exchange::Call;
use crate::proto::text;
use crate::refusal::{Refusal, Result};
use crate::run::routes::unknown_method;

pub struct Document {
    value: Value,
}

static RUN: LazyLock<Document> =
    LazyLock::new(|| read(include_str!("../../discovery/run.v2.json")));
static SQL: LazyLock<Document> =
    LazyLock::new(|| read(include_str!("../../discovery/sqladmin.v1.json")));

fn read(text: &str) -> Document {
    Document { value: serde_json::from_str(text).unwrap_or_default() }
}

/// Cloud Run Admin API v2.
#[must_use]
pub fn run() -> &'static Document {
    &RUN
}

/// Cloud SQL Admin API v1, which v1beta4 does not differ from here.
#[must_use]
pub fn sql() -> &'static Document {
    &SQL
}

impl Document {
    /// # Errors
    ///
    /// NOT_FOUND where there is no such method, INVALID_ARGUMENT where it does not take this.
    pub fn check(&self, path: &str, call: &Call) -> Result<()> {
        let Some(method) = self.method(&call.method, path) else {
            return Err(unknown_method());
        };
        self.check_path(method, path)?;
        self.check_query(method, call)?;
        let request = text(method, "request");
        if request.is_empty() {
            if call.body.is_empty() {
                return Ok(());
            }
            let message = format!("{} does not take a body.", text(method, "id"));
            return Err(Refusal::invalid(message));
        }
        schema::check(&self.value["schemas"], request, &call.json()?)
    }

    fn method(&self, verb: &str, path: &str) -> Option<&Value> {
        let methods = self.value["methods"].as_array()?;
        methods.iter().find(|method| {
            text(method, "httpMethod") == verb && bound(text(method, "flatPath"), path).is_some()
        })
    }

    fn check_path(&self, method: &Value, path: &str) -> Result<()> {
        let bound = bound(text(method, "flatPath"), path).unwrap_or_default();
        for (name, value) in bound {
            let parameter = &method["parameters"][name];
            check_scalar(name, parameter, value)?;
        }
        Ok(())
    }

    fn check_query(&self, method: &Value, call: &Call) -> Result<()> {
        for (name, value) in &call.query {
            let own = &method["parameters"][name];
            let parameter = if text(own, "location") == "query" {
                own
            } else {
                &self.value["parameters"][name]
            };
            if parameter.is_null() {
                return Err(Refusal::invalid(format!(
                    "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query \
                     parameter. Field '{name}' could not be found in request message."
                )));
            }
            check_scalar(name, parameter, value)?;
            if text(parameter, "format") == "google-fieldmask" {
                schema::check_mask(&self.value["schemas"], text(method, "request"), value)?;
            }
        }
        Ok(())
    }
}

/// The variables of a template, where the path fits it.
fn bound<'a>(template: &'a str, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let mut parts = path.trim_start_matches('/').split('/');
    let mut found = Vec::new();
    for wanted in template.split('/') {
        let part = parts.next()?;
        let Some(variable) = wanted.strip_prefix('{') else {
            if wanted == part {
                continue;
            }
            return None;
        };
        let (name, verb) = variable.split_once('}')?;
        let value = part.strip_suffix(verb)?;
        if value.is_empty() || value.contains(':') {
            return None;
        }
        found.push((name, value));
    }
    parts.next().is_none().then_some(found)
}

fn check_scalar(name: &str, parameter: &Value, value: &str) -> Result<()> {
    let whole = || value.parse::<i64>().is_ok();
    let fits = match (text(parameter, "type"), text(parameter, "format")) {
        ("boolean", _) => matches!(value, "true" | "false"),
        ("integer", _) | ("string", "int64") => whole(),
        _ => true,
    };
    let known = parameter["enum"].as_array();
    let listed = known.is_none_or(|known| known.iter().any(|one| one == value));
    if fits && listed {
        return Ok(());
    }
    Err(Refusal::invalid(format!("Invalid value at '{name}': \"{value}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;

    fn check(document: &Document, method: &str, target: &str, body: &str) -> Result<()> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let call = Call {
            method: method.into(),
            host: String::new(),
            path: path.into(),
            query: crate::server::pairs(query),
            headers: Vec::new(),
            body: body.to_owned().into(),
            at: Moment::ZERO,
        };
        document.check(path, &call)
    }

    fn code(result: Result<()>) -> u16 {
        result.map_or_else(|refusal| refusal.code, |()| 200)
    }

    const SERVICE: &str = "/v2/projects/p/locations/l/services/frontend";
    const BACKUPS: &str = "/v1/projects/p/instances/i/backupRuns";

    #[test]
    fn a_method_is_one_of_the_document() {
        assert_eq!(code(check(run(), "GET", SERVICE, "")), 200);
        assert_eq!(code(check(run(), "PUT", SERVICE, "{}")), 404);
        assert_eq!(code(check(run(), "GET", &format!("{SERVICE}/x"), "")), 404);
        assert_eq!(code(check(run(), "GET", &format!("{SERVICE}:getIamPolicy"), "")), 200);
        let wait = "/v2/projects/p/locations/l/operations/o:wait";
        assert_eq!(code(check(run(), "POST", wait, r#"{"timeout": "3s"}"#)), 200);
        assert_eq!(code(check(sql(), "POST", BACKUPS, r#"{"description": "d"}"#)), 200);
        assert_eq!(code(check(sql(), "GET", &format!("{BACKUPS}/12"), "")), 200);
        assert_eq!(code(check(sql(), "GET", &format!("{BACKUPS}/last"), "")), 400);
    }

    #[test]
    fn a_parameter_is_known_and_of_its_type() {
        let query = |query: &str| code(check(run(), "PATCH", &format!("{SERVICE}?{query}"), "{}"));
        assert_eq!(query("validateOnly=true&alt=json"), 200);
        assert_eq!(query("validateOnly=yes"), 400);
        assert_eq!(query("validate_only=true"), 400);
        assert_eq!(query("updateMask=template.containers,traffic,invoker_iam_disabled"), 200);
        assert_eq!(query("updateMask=annotations.tessallite-up"), 200);
        assert_eq!(query("updateMask=template.image"), 400);
        assert_eq!(query("name=x"), 400);
        assert_eq!(code(check(sql(), "GET", &format!("{BACKUPS}?maxResults=x"), "")), 400);
    }

    #[test]
    fn a_get_has_no_body() {
        assert_eq!(code(check(run(), "GET", SERVICE, "{}")), 400);
    }

    #[test]
    fn the_message_names_the_field_and_where_it_is() {
        let body = r#"{"template": {"containers": [{"imgae": "x"}]}}"#;
        let message = check(run(), "PATCH", SERVICE, body).unwrap_err().message;
        assert!(message.contains("\"imgae\" at 'template.containers[0]'"), "{message}");
    }
}
