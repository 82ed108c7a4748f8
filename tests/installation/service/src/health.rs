//! What each service says about its health, in the scheme of its release.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::database;
use crate::fault::{self, Fault};
use crate::http::{self, Answer};
use crate::identity::Identity;
use crate::role::Role;

/// How long `schema_revision` is null after the start.
const REVISION_DELAY: Duration = Duration::from_secs(1);

pub(crate) fn answer(identity: &Identity, path: &str) -> Answer {
    let answer = match (identity.has_current_health(), path) {
        (_, "/api/query") => query(identity),
        (false, "/api/health") => documented_health(identity),
        (true, "/liveness") => Answer::ok(json!({"status": "ok"})),
        (true, "/health" | "/readiness") => current_health(identity),
        _ => return Answer::not_found(),
    };
    if identity.fault == Some(Fault::Sick) {
        return Answer::unavailable(
            json!({"status": "error", "detail": "plan cache is not ready"}),
        );
    }
    if answer.status == 200 {
        fault::once_healthy(identity);
    }
    answer
}

/// The container's own check: this service, asked from inside.
pub(crate) fn check_own_container(identity: &Identity) -> Result<(), String> {
    let path = match (identity.has_current_health(), identity.role) {
        (false, _) => "/api/health",
        (true, Role::Frontend) => "/liveness",
        (true, _) => "/health",
    };
    let answer =
        http::get("127.0.0.1", identity.role.port(), path).map_err(|e| format!("{path}: {e}"))?;
    if answer.status == 200 {
        return Ok(());
    }
    Err(format!("{path}: {} {}", answer.status, answer.body))
}

fn documented_health(identity: &Identity) -> Answer {
    let revision = match identity.role {
        Role::ModelService => database::system_revision().map(Value::from),
        Role::Frontend => revision_of_model_service(),
        _ => return Answer::ok(json!({"status": "ok"})),
    };
    match revision {
        Ok(revision) => Answer::ok(json!({"status": "ok", "db_migration": revision})),
        Err(detail) => Answer::unavailable(json!({"status": "error", "detail": detail})),
    }
}

fn current_health(identity: &Identity) -> Answer {
    match identity.role {
        Role::ModelService => model_service_health(),
        Role::Frontend => frontend_health(),
        _ => Answer::ok(json!({"status": "ok"})),
    }
}

fn model_service_health() -> Answer {
    static FIRST_ASKED: OnceLock<Instant> = OnceLock::new();
    let settled = FIRST_ASKED.get_or_init(Instant::now).elapsed() >= REVISION_DELAY;
    match database::system_revision() {
        Ok(revision) => {
            let shown = settled.then_some(revision);
            Answer::ok(json!({"status": "ok", "schema_revision": shown}))
        }
        Err(detail) => Answer::unavailable(json!({"status": "degraded", "detail": detail})),
    }
}

fn frontend_health() -> Answer {
    let asked = [Role::ModelService, Role::QueryRouter, Role::Gateway];
    let failing: Vec<_> = asked.into_iter().filter(|role| !serves(*role)).map(Role::name).collect();
    if failing.is_empty() {
        return Answer::ok(json!({"status": "ok"}));
    }
    Answer::unavailable(json!({"status": "degraded", "failing": failing}))
}

fn serves(role: Role) -> bool {
    http::get(role.name(), role.port(), "/health").is_ok_and(|answer| answer.status == 200)
}

fn revision_of_model_service() -> Result<Value, String> {
    let role = Role::ModelService;
    let answer = http::get(role.name(), role.port(), "/api/health")
        .map_err(|e| format!("model-service: {e}"))?;
    match answer.body.get("db_migration") {
        Some(revision) if answer.status == 200 => Ok(revision.clone()),
        _ => Err(format!("model-service: {}", answer.status)),
    }
}

/// The work itself: passed on from service to service down to the database.
fn query(identity: &Identity) -> Answer {
    let outcome = match identity.role.upstream() {
        None => database::tenant_count().map(|tenants| json!({"tenants": tenants})),
        Some(upstream) => http::get(upstream.name(), upstream.port(), "/api/query")
            .map_err(|e| format!("{}: {e}", upstream.name()))
            .and_then(|answer| match answer.status {
                200 => Ok(answer.body),
                status => Err(format!("{}: {status}", upstream.name())),
            }),
    };
    match outcome {
        Ok(body) => Answer::ok(body),
        Err(detail) => Answer::unavailable(json!({"error": detail})),
    }
}
