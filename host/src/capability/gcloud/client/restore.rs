//! Bringing the instance back to a backup.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::Duration;

use super::backoff::Backoff;
use super::instance::{Begun, complaint};
use super::operation::LONGEST_PAUSE;
use super::{Client, Note};
use crate::capability::error::{Error, Result};
use crate::contract::gcloud::{Backup, RestoreChange, RestoreWhen, Restored, Told};
use crate::text::one_line;

/// For one answer of a service.
const ANSWER: Duration = Duration::from_secs(10);
const SUCCESSFUL: &str = "SUCCESSFUL";

/// Asks the operator whether what was written since then may be lost.
pub type Consent<'a> = &'a (dyn Fn(String) -> BoxFuture<'static, bool> + Send + Sync);

impl Client {
    /// Overwrites the instance with the backup, once there is another one of its present
    /// state.
    ///
    /// # Errors
    /// `NotFound`, `Failed`, `TimedOut`, `Unavailable`: nothing is lost.
    pub async fn restore(
        &self,
        change: &RestoreChange,
        consent: Consent<'_>,
        note: Note<'_>,
    ) -> Result<Restored> {
        if let Some(done) = self.restored_before(change, note).await? {
            return Ok(done);
        }
        if let RestoreWhen::Changed(told) = &change.when
            && let Some(reason) = self.is_as_before(told).await?
        {
            return Ok(Restored { restored: false, reason });
        }
        let backup = self.good_backup(&change.backup).await?;
        let replicas = self.instance().await?.replicas;
        if !replicas.is_empty() {
            return Err(Error::failed(format!(
                "the instance has replicas, and cannot be restored while it has: {}",
                replicas.join(", ")
            ))
            .hint("delete or promote them, then go on: tessallite-up resume"));
        }
        if !consent(backup.started_at.clone()).await {
            let reason = "the operator keeps the database as it is".to_owned();
            return Ok(Restored { restored: false, reason });
        }
        // Of the state of this very moment: one of an earlier attempt lacks what was written
        // since.
        let safety = match self.safeties(change).await?.len() {
            0 => change.safety.clone(),
            earlier => format!("{} ({})", change.safety, earlier + 1),
        };
        self.create_backup(&safety, note).await?;
        self.overwrite(&backup, change, note).await?;
        Ok(restored(&safety))
    }

    /// The backups of the state before, of all attempts; the newest first.
    async fn safeties(&self, change: &RestoreChange) -> Result<Vec<Backup>> {
        let numbered = format!("{} (", change.safety);
        let is_one = |backup: &Backup| {
            backup.description == change.safety || backup.description.starts_with(&numbered)
        };
        Ok(self.backups().await?.into_iter().filter(is_one).collect())
    }

    async fn overwrite(
        &self,
        backup: &Backup,
        change: &RestoreChange,
        note: Note<'_>,
    ) -> Result<()> {
        let doing = format!("restoring the instance {}", self.instance_name()?);
        let body = json!({"restoreBackupContext": {
            "backupRunId": backup.id,
            "instanceId": self.instance_name()?,
            "project": self.place().project,
        }});
        let mut tries = self.tries();
        loop {
            let url = self.of_instance(&["restoreBackup"])?;
            if let Begun::Operation(operation) = self.begin(&doing, url, &body, &mut tries).await? {
                return self.follow_sql(&doing, operation, note).await;
            }
            // What makes it busy may be our own try, whose answer was lost.
            if self.restored_before(change, note).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Whether an earlier try has restored it: a restore that came after the second backup
    /// is this run's, since the lock keeps all others away.
    async fn restored_before(
        &self,
        change: &RestoreChange,
        note: Note<'_>,
    ) -> Result<Option<Restored>> {
        let safeties = self.safeties(change).await?;
        let Some(safety) = safeties.first().filter(|safety| safety.status == SUCCESSFUL) else {
            return Ok(None);
        };
        let is_ours = |operation: &Value| {
            let began = operation["insertTime"].as_str().unwrap_or_default();
            operation["operationType"] == "RESTORE_VOLUME" && is_later(began, &safety.started_at)
        };
        let Some(operation) = self.operations().await?.into_iter().find(is_ours) else {
            return Ok(None);
        };
        if operation["status"] == "DONE" && complaint(&operation).is_some() {
            return Ok(None);
        }
        let doing = format!("restoring the instance {}", self.instance_name()?);
        self.follow_sql(&doing, operation, note).await?;
        Ok(Some(restored(&safety.description)))
    }

    async fn good_backup(&self, description: &str) -> Result<Backup> {
        match self.backup_of(description).await? {
            Some(backup) if backup.status == SUCCESSFUL => Ok(backup),
            Some(backup) => Err(Error::failed(format!(
                "the backup {description:?} is {}, and cannot be restored",
                one_line(&backup.status)
            ))),
            None => Err(Error::not_found(format!("the instance has no backup {description:?}"))
                .hint("gcloud sql backups list shows those it has")),
        }
    }

    /// Says so where the database has not changed. All of these services are of the same one:
    /// it takes one that tells. Where none does, they are asked again for as long as for any
    /// other answer.
    async fn is_as_before(&self, told: &[Told]) -> Result<Option<String>> {
        let mut patience = Backoff::polling(LONGEST_PAUSE, self.place().patience.request);
        loop {
            let mut same = None;
            for before in told {
                match self.tells(before).await {
                    Some(now) if now == before.value => same = Some(before),
                    Some(_) => return Ok(None),
                    None => {}
                }
            }
            if let Some(Told { service, field, value, .. }) = same {
                let reason =
                    format!("the database has not changed: {service} tells {field} {value}");
                return Ok(Some(reason));
            }
            if patience.pause(None).await.is_err() {
                return Ok(None);
            }
        }
    }

    /// Nothing where it cannot be asked, or does not know.
    async fn tells(&self, told: &Told) -> Option<String> {
        let answer = self.probe(&told.service, None, &told.path, ANSWER).await.ok()?;
        let json: Value = serde_json::from_slice(&answer.body).ok()?;
        match json.get(&told.field)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

fn restored(safety: &str) -> Restored {
    let reason = format!("the state of before is in the backup {safety:?}");
    Restored { restored: true, reason }
}

fn is_later(one: &str, other: &str) -> bool {
    let parse = |text: &str| text.parse::<jiff::Timestamp>().ok();
    match (parse(one), parse(other)) {
        (Some(one), Some(other)) => one > other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_compared_as_times() {
        assert!(is_later("2026-11-26T10:00:00.5Z", "2026-11-26T10:00:00Z"));
        assert!(!is_later("2026-11-26T10:00:00Z", "2026-11-26T10:00:00.5Z"));
        assert!(!is_later("", "2026-11-26T10:00:00Z"));
    }
}
