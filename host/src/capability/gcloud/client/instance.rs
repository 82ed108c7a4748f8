//! The Cloud SQL instance and its backups.

use std::time::Duration;

use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::backoff::Backoff;
use super::deploy::MOMENT;
use super::failure::Failure;
use super::services::joined;
use super::transport::{Call, Repeat};
use super::{Client, Note};
use crate::capability::error::{Error, Result};
use crate::capability::gcloud::convert;
use crate::contract::gcloud::{Backup, Instance};
use crate::text::{one_line, shortened};

const SUCCESSFUL: &str = "SUCCESSFUL";
/// Of a backup run that is not over.
const UNDER_WAY: [&str; 3] = ["ENQUEUED", "RUNNING", "OVERDUE"];
/// Between two questions about an operation that takes minutes: twelve a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Between two tries to begin, while the instance does something else.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_BUSY_PAUSE: Duration = Duration::from_secs(15);
/// A backup that has been made is listed after a moment.
const LISTED_IN: Duration = Duration::from_secs(60);
/// Pages of a list; more backups than these are not looked through.
const MOST_PAGES: usize = 20;

/// What became of a wish to begin an operation.
pub(super) enum Begun {
    Operation(Value),
    /// Not now, or nobody knows: look for it before the next try.
    Later,
}

/// The tries to begin an operation, and how long there may be some.
pub(super) struct Tries {
    busy: Backoff,
    lost: Backoff,
}

impl Client {
    /// # Errors
    /// `NotFound`, `Invalid` where none is configured, and those of Google Cloud.
    pub async fn instance(&self) -> Result<Instance> {
        let doing = format!("reading the instance {}", self.instance_name()?);
        let json = self.transport().read(&doing, self.of_instance(&[])?).await?;
        let under_way = self.operations().await?.into_iter().find(|o| o["status"] != "DONE");
        Ok(convert::instance(&json, under_way.as_ref().map(in_words)))
    }

    /// Newest first.
    ///
    /// # Errors
    /// Those of Google Cloud.
    pub async fn backups(&self) -> Result<Vec<Backup>> {
        let url = self.of_instance(&["backupRuns"])?;
        let runs = self.pages("listing the backups of the instance", url).await?;
        let mut backups: Vec<Backup> = runs.iter().map(convert::backup).collect();
        backups.sort_by(|a, b| b.started_at.cmp(&a.started_at));
        Ok(backups)
    }

    /// The newest of this description.
    pub(super) async fn backup_of(&self, description: &str) -> Result<Option<Backup>> {
        Ok(self.backups().await?.into_iter().find(|backup| backup.description == description))
    }

    /// Takes a backup, unless there is a good one of this description already.
    ///
    /// # Errors
    /// `Unavailable`: the instance is busy for too long; `TimedOut`; `Failed`.
    pub async fn create_backup(&self, description: &str, note: Note<'_>) -> Result<Backup> {
        let doing = format!("backing up the instance {}", self.instance_name()?);
        let body = json!({"description": description});
        let mut tries = self.tries();
        loop {
            match self.backup_of(description).await? {
                Some(backup) if backup.status == SUCCESSFUL => return Ok(backup),
                Some(backup) if UNDER_WAY.contains(&backup.status.as_str()) => {
                    return self.until_listed(description, &doing).await;
                }
                // One that failed before is no reason not to try again.
                _ => {}
            }
            let url = self.of_instance(&["backupRuns"])?;
            if let Begun::Operation(operation) = self.begin(&doing, url, &body, &mut tries).await? {
                self.follow_sql(&doing, operation, note).await?;
                return self.until_listed(description, &doing).await;
            }
        }
    }

    /// Waits until the backup of this description is successful. An operation that is done
    /// is not yet one that went well.
    async fn until_listed(&self, description: &str, doing: &str) -> Result<Backup> {
        let mut running = Backoff::polling(LONGEST_PAUSE, self.place().patience.database);
        let mut absent = Backoff::polling(LONGEST_PAUSE, LISTED_IN);
        loop {
            let late = match self.backup_of(description).await? {
                Some(backup) if backup.status == SUCCESSFUL => return Ok(backup),
                Some(backup) if UNDER_WAY.contains(&backup.status.as_str()) => {
                    running.pause(None).await.is_err()
                }
                Some(backup) => {
                    return Err(Error::failed(format!(
                        "{doing}: the backup run {} is {}",
                        backup.id,
                        one_line(&backup.status)
                    ))
                    .hint(format!(
                        "gcloud sql operations list --instance {} --project {} says why",
                        self.instance_name()?,
                        self.place().project
                    )));
                }
                None => absent.pause(None).await.is_err(),
            };
            if late {
                return Err(Error::timed_out(format!(
                    "{doing}: no successful backup {description:?} is listed in time"
                )));
            }
        }
    }

    pub(super) fn tries(&self) -> Tries {
        let patience = self.place().patience;
        Tries {
            busy: Backoff::new(BUSY_PAUSE, LONGEST_BUSY_PAUSE, patience.busy),
            lost: Backoff::new(MOMENT, LONGEST_BUSY_PAUSE, patience.request),
        }
    }

    /// One try to have an operation begin; a pause where it does not.
    pub(super) async fn begin(
        &self,
        doing: &str,
        url: Url,
        body: &Value,
        tries: &mut Tries,
    ) -> Result<Begun> {
        let call = Call {
            doing,
            method: Method::POST,
            url,
            body: Some(body),
            accept: None,
            repeat: Repeat::Never,
        };
        match self.transport().json(call).await {
            Ok(operation) => Ok(Begun::Operation(operation)),
            Err(Failure::Lost(error)) => match tries.lost.pause(None).await {
                Ok(()) => Ok(Begun::Later),
                Err(_) => Err(error),
            },
            // Refused before anything happened: to try again is safe.
            Err(Failure::Refused(refusal)) if refusal.is_busy() => {
                match tries.busy.pause(refusal.retry_after).await {
                    Ok(()) => Ok(Begun::Later),
                    Err(_) => Err(self.is_busy(doing).await?),
                }
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn is_busy(&self, doing: &str) -> Result<Error> {
        let other = self.operations().await?.into_iter().find(|o| o["status"] != "DONE");
        let other = other.as_ref().map_or_else(|| "none is listed".to_owned(), in_words);
        Ok(Error::unavailable(format!(
            "{doing}: the instance is busy with another operation: {other}"
        ))
        .hint(format!(
            "wait until it has ended (gcloud sql operations list --instance {} --project {}), \
             then try again",
            self.instance_name()?,
            self.place().project
        )))
    }

    /// Waits for the end of an operation of Cloud SQL.
    pub(super) async fn follow_sql(
        &self,
        doing: &str,
        operation: Value,
        note: Note<'_>,
    ) -> Result<()> {
        let name = convert::text(&operation["name"]);
        note(&name);
        let mut backoff = Backoff::polling(LONGEST_PAUSE, self.place().patience.database);
        let mut operation = operation;
        while operation["status"] != "DONE" {
            if backoff.pause(None).await.is_err() {
                return Err(Error::timed_out(format!(
                    "{doing}: the operation {name} has not ended in time, and goes on"
                ))
                .hint(format!(
                    "wait for it: gcloud sql operations wait {name} --project {}; then try again",
                    self.place().project
                )));
            }
            let path = ["v1", "projects", &self.place().project, "operations", &name];
            let url = joined(&self.inner.endpoints.sql, &path)?;
            operation = self.transport().read(doing, url).await?;
        }
        match complaint(&operation) {
            None => Ok(()),
            Some(why) => Err(Error::failed(format!("{doing}: the operation {name}: {why}"))),
        }
    }

    /// Newest first.
    pub(super) async fn operations(&self) -> Result<Vec<Value>> {
        let path = ["v1", "projects", &self.place().project, "operations"];
        let mut url = joined(&self.inner.endpoints.sql, &path)?;
        let query = [("instance", self.instance_name()?), ("maxResults", "50")];
        url.query_pairs_mut().extend_pairs(query);
        let json = self.transport().read("listing the operations of the instance", url).await?;
        Ok(json["items"].as_array().cloned().unwrap_or_default())
    }

    async fn pages(&self, doing: &str, url: Url) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut token = String::new();
        for _ in 0..MOST_PAGES {
            let mut page = url.clone();
            if !token.is_empty() {
                page.query_pairs_mut().append_pair("pageToken", &token);
            }
            let json = self.transport().read(doing, page).await?;
            items.extend(json["items"].as_array().cloned().unwrap_or_default());
            token = convert::text(&json["nextPageToken"]);
            if token.is_empty() {
                break;
            }
        }
        Ok(items)
    }

    pub(super) fn instance_name(&self) -> Result<&str> {
        self.place().instance.as_deref().ok_or_else(|| {
            Error::invalid("no Cloud SQL instance is configured")
                .hint("name it: instance in [cloudrun], or --gcp-instance")
        })
    }

    pub(super) fn of_instance(&self, below: &[&str]) -> Result<Url> {
        let place = self.place();
        let path = ["v1", "projects", &place.project, "instances", self.instance_name()?];
        joined(&self.inner.endpoints.sql, &[&path, below].concat())
    }
}

/// "BACKUP_VOLUME 0a1b".
fn in_words(operation: &Value) -> String {
    let text = |name: &str| operation[name].as_str().unwrap_or_default();
    one_line(format!("{} {}", text("operationType"), text("name")).trim())
}

/// Done is not success.
pub(super) fn complaint(operation: &Value) -> Option<String> {
    let errors = operation["error"]["errors"].as_array().filter(|errors| !errors.is_empty())?;
    let one = |error: &Value| {
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        format!("{} {}", text("code"), text("message"))
    };
    let all: Vec<String> = errors.iter().map(one).collect();
    Some(shortened(&one_line(all.join("; ").trim()), 2_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_is_done_may_have_failed() {
        assert_eq!(complaint(&json!({"status": "DONE"})), None);
        assert_eq!(complaint(&json!({"status": "DONE", "error": {"errors": []}})), None);
        let failed = json!({"status": "DONE", "error": {"errors": [
            {"code": "INTERNAL", "message": "disk"}]}});
        assert_eq!(complaint(&failed).unwrap(), "INTERNAL disk");
    }
}
