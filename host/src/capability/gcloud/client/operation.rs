//! Long-running operations of Cloud Run.

use std::time::Duration;

use serde_json::Value;

use super::backoff::Backoff;
use super::failure::Failure;
use super::{Client, Note};
use crate::capability::error::{Error, Result};
use crate::text::{one_line, shortened};

/// Between two questions, at the most: thirty a minute.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    /// With what Google Cloud says.
    Badly(String),
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
            if backoff.pause(None).await.is_err() {
                return Err(Error::timed_out(format!(
                    "{doing}: the operation {name} has not ended in time, and goes on"
                ))
                .hint("gcloud run services describe shows what it waits for"));
            }
            let mut url = self.inner.endpoints.run.clone();
            let path = format!("{}v2/{name}", url.path());
            url.set_path(&path);
            operation = match self.transport().read(doing, url).await {
                Ok(operation) => operation,
                // It is forgotten some time after its end: what it did is to be seen.
                Err(Failure::Refused(refusal)) if refusal.code == 404 => return Ok(Ended::Well),
                Err(failure) => return Err(failure.into()),
            };
        }
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
