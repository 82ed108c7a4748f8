//! Long-running operations of Cloud Run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::backoff::Backoff;
use super::failure::Failure;
use super::transport::{Call, Repeat};
use super::{Client, Note};
use crate::capability::error::{Error, Result};
use crate::text::{one_line, shortened};

/// Between two questions, at the most: thirty a minute.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The longest that Cloud Run is asked to hold an answer back.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// How a wait is refused where there is no such thing, or not for this identity.
const UNKNOWN: [u16; 5] = [400, 403, 404, 405, 501];

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    /// With what Google Cloud says.
    Badly(String),
}

/// Whether whoever answers holds an answer back until the operation is done; not every proxy
/// and role lets that through.
#[derive(Debug)]
pub(super) struct Waits(AtomicBool);

impl Default for Waits {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}

impl Client {
    /// Waits for the end of an operation that was answered. Whoever stops waiting has not
    /// ended it: it goes on.
    pub(super) async fn follow(
        &self,
        doing: &str,
        operation: Value,
        note: Note<'_>,
    ) -> Result<Ended> {
        let name = operation["name"].as_str().unwrap_or_default().to_owned();
        if !name.is_empty() {
            note(&name);
        }
        let mut backoff = Backoff::polling(LONGEST_PAUSE, self.place().patience.revision);
        let mut operation = operation;
        loop {
            // proto3 leaves out what is false.
            if operation["done"].as_bool() == Some(true) || name.is_empty() {
                return Ok(how(&operation));
            }
            operation = match self.ask_about(doing, &name, backoff.left()).await {
                Ok(operation) => operation,
                // It is forgotten some time after its end: what it did is to be seen.
                Err(Failure::Refused(refusal)) if refusal.code == 404 => return Ok(Ended::Well),
                Err(failure) => return Err(failure.into()),
            };
            // A wait may be answered early, and is not asked for again and again.
            if operation["done"].as_bool() != Some(true) && backoff.pause(None).await.is_err() {
                return Err(Error::timed_out(format!(
                    "{doing}: the operation {name} has not ended in time, and goes on"
                ))
                .hint("gcloud run services describe shows what it waits for"));
            }
        }
    }

    /// How far it is: as soon as it is done, or after some time.
    pub(super) async fn ask_about(
        &self,
        doing: &str,
        name: &str,
        left: Duration,
    ) -> Result<Value, Failure> {
        let Waits(waits) = &self.inner.waits;
        if waits.load(Ordering::Relaxed) {
            match self.wait(doing, name, left.clamp(SHORTEST_WAIT, LONGEST_WAIT)).await {
                Err(Failure::Refused(refusal)) if UNKNOWN.contains(&refusal.code) => {
                    waits.store(false, Ordering::Relaxed);
                }
                // Something on the way does not keep a connection open for so long.
                Err(Failure::Lost(_)) => waits.store(false, Ordering::Relaxed),
                answer => return answer,
            }
        }
        self.transport().read(doing, self.of_operation(name, "")).await
    }

    async fn wait(&self, doing: &str, name: &str, within: Duration) -> Result<Value, Failure> {
        let body = json!({"timeout": format!("{:.3}s", within.as_secs_f64())});
        let (method, url) = (Method::POST, self.of_operation(name, ":wait"));
        let (body, repeat) = (Some(&body), Repeat::Read);
        self.transport().json(Call { doing, method, url, body, accept: None, repeat }).await
    }

    /// The name is a path of its own.
    fn of_operation(&self, name: &str, verb: &str) -> Url {
        let mut url = self.inner.endpoints.run.clone();
        let path = format!("{}v2/{name}{verb}", url.path());
        url.set_path(&path);
        url
    }
}

fn how(operation: &Value) -> Ended {
    match &operation["error"] {
        Value::Null => Ended::Well,
        error => {
            let message = error["message"].as_str().unwrap_or("the operation failed");
            Ended::Badly(shortened(&one_line(message), 2_000))
        }
    }
}
