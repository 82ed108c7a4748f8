//! Bringing the instance back to a backup.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use super::deploy::MOMENT;
use super::instance::{Begun, complaint};
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
        self.create_backup(&change.safety, note).await?;
        self.overwrite(&backup, change, note).await?;
        Ok(restored(change))
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
        loop {
            let url = self.of_instance(&["restoreBackup"])?;
            match self.begin(&doing, url, &body).await? {
                Begun::Operation(operation) => {
                    return self.follow_sql(&doing, operation, note).await;
                }
                Begun::Perhaps => sleep(MOMENT).await,
            }
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
        let Some(safety) = self.backup_of(&change.safety).await? else { return Ok(None) };
        if safety.status != SUCCESSFUL {
            return Ok(None);
        }
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
        Ok(Some(restored(change)))
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

    /// Says so where every service tells what it told before.
    async fn is_as_before(&self, told: &[Told]) -> Result<Option<String>> {
        let mut values = Vec::new();
        for before in told {
            let answer = self.probe(&before.service, None, &before.path, ANSWER).await;
            let json: Option<Value> =
                answer.ok().and_then(|answer| serde_json::from_slice(&answer.body).ok());
            let now = json.as_ref().and_then(|json| json[&before.field].as_str());
            if now != Some(before.value.as_str()) {
                return Ok(None);
            }
            values.push(format!("{} tells {} {}", before.service, before.field, before.value));
        }
        Ok(Some(format!("the database has not changed: {}", values.join(", "))))
    }
}

fn restored(change: &RestoreChange) -> Restored {
    let reason = format!("the state of before is in the backup {:?}", change.safety);
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
