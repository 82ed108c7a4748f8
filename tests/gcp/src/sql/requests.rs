//! What may be asked of the instance.

use serde_json::{Value, json};

use crate::clock::Moment;
use crate::exchange::Call;
use crate::proto::text;
use crate::refusal::{Refusal, Result};
use crate::run::reads::page;
use crate::sql::{Act, Backup, operation};
use crate::world::World;

/// What is answered while another operation is under way.
fn busy(code: u16) -> Refusal {
    let status = if code == 403 { "PERMISSION_DENIED" } else { "ABORTED" };
    let message = "Operation failed because another operation was already in progress. Try your \
                   request after the current operation is complete.";
    Refusal::new(code, status, "operationInProgress", message)
}

fn wrong_state(message: &str) -> Refusal {
    Refusal::new(400, "FAILED_PRECONDITION", "invalidState", message)
}

impl World {
    /// Permission, the instance itself, and that it is free for one more operation.
    fn administer(&self, instance: &str, permission: &str) -> Result<()> {
        self.permit(permission, instance)?;
        self.has_instance(instance)?;
        if self.database.under_way().is_some() {
            return Err(busy(self.setup.busy_code));
        }
        if !self.database.running() {
            return Err(wrong_state(
                "The instance or operation is not in an appropriate state to handle the request.",
            ));
        }
        Ok(())
    }

    pub fn has_instance(&self, instance: &str) -> Result<()> {
        if instance.is_empty() || instance != self.database.instance {
            return Err(Refusal::new(
                404,
                "NOT_FOUND",
                "instanceDoesNotExist",
                "The Cloud SQL instance does not exist.",
            ));
        }
        Ok(())
    }

    fn begin_sql(&mut self, kind: &str, act: Act, ms: u64) -> Value {
        let now = self.now();
        let takes =
            if self.twist.hangs { Moment::MAX } else { Moment::from_millis(ms) + self.twist.slow };
        let mut started = operation(self.uid(), kind, act, now, takes);
        started.failure = self.twist.sql_failure.take();
        let started = self.database.submit(started).clone();
        self.sql_operation_view(&started)
    }

    /// `backupRuns.insert`.
    ///
    /// # Errors
    ///
    /// As Cloud SQL refuses it.
    pub fn insert_backup(&mut self, instance: &str, call: &Call) -> Result<Value> {
        self.administer(instance, "cloudsql.backupRuns.create")?;
        let now = self.now();
        let id = now.as_millis().try_into().unwrap_or(0) + self.serial();
        let backup = Backup {
            id,
            description: text(&call.json()?, "description").to_owned(),
            automated: false,
            status: "ENQUEUED",
            enqueued: now,
            started: None,
            ended: None,
            migration: String::new(),
            failure: None,
        };
        self.database.backups.push(backup);
        Ok(self.begin_sql("BACKUP_VOLUME", Act::Backup(id), self.setup.backup_ms))
    }

    /// `backupRuns.list`, the newest first.
    ///
    /// # Errors
    ///
    /// NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT.
    pub fn list_backups(&self, instance: &str, call: &Call) -> Result<Value> {
        self.permit("cloudsql.backupRuns.list", instance)?;
        if instance != "-" {
            self.has_instance(instance)?;
        }
        let newest_first = self.database.backups.iter().rev();
        let all = newest_first.map(|one| self.backup_view(one)).collect();
        self.sql_page(call, "sql#backupRunsList", all)
    }

    /// The size of a page is called otherwise here.
    fn sql_page(&self, call: &Call, kind: &str, all: Vec<Value>) -> Result<Value> {
        let mut renamed = call.clone();
        for (name, _) in &mut renamed.query {
            if name == "maxResults" {
                *name = "pageSize".into();
            }
        }
        let mut listed = page(&renamed, "items", all)?;
        listed["kind"] = json!(kind);
        Ok(listed)
    }

    fn known_backup(&self, id: &str) -> Result<&Backup> {
        let found = id.parse().ok().and_then(|id| self.database.backup(id));
        found.ok_or_else(|| {
            Refusal::new(
                404,
                "NOT_FOUND",
                "backupRunDoesNotExist",
                "The specified backup run does not exist.",
            )
        })
    }

    /// `backupRuns.get`.
    ///
    /// # Errors
    ///
    /// NOT_FOUND, PERMISSION_DENIED.
    pub fn get_backup(&self, instance: &str, id: &str) -> Result<Value> {
        self.permit("cloudsql.backupRuns.get", instance)?;
        self.has_instance(instance)?;
        Ok(self.backup_view(self.known_backup(id)?))
    }

    /// `backupRuns.delete`.
    ///
    /// # Errors
    ///
    /// As Cloud SQL refuses it.
    pub fn delete_backup(&mut self, instance: &str, id: &str) -> Result<Value> {
        self.administer(instance, "cloudsql.backupRuns.delete")?;
        let id = self.known_backup(id)?.id;
        Ok(self.begin_sql("DELETE_BACKUP", Act::DeleteBackup(id), 10))
    }

    /// `instances.restoreBackup`.
    ///
    /// # Errors
    ///
    /// As Cloud SQL refuses it.
    pub fn restore_backup(&mut self, instance: &str, call: &Call) -> Result<Value> {
        self.administer(instance, "cloudsql.instances.restoreBackup")?;
        let body = call.json()?;
        let context = &body["restoreBackupContext"];
        let from = text(context, "instanceId");
        if !from.is_empty() && from != instance {
            return Err(Refusal::new(
                404,
                "NOT_FOUND",
                "instanceDoesNotExist",
                "The instance that the backup was taken from does not exist.",
            ));
        }
        let backup = self.known_backup(text(context, "backupRunId"))?;
        if backup.status != "SUCCESSFUL" {
            return Err(wrong_state("The backup run is not successful, it cannot be restored."));
        }
        if !self.database.replicas.is_empty() {
            return Err(Refusal::new(
                400,
                "FAILED_PRECONDITION",
                "operationNotAllowed",
                "The instance has read replicas: delete them before a backup is restored.",
            ));
        }
        let id = backup.id;
        Ok(self.begin_sql("RESTORE_VOLUME", Act::Restore(id), self.setup.restore_ms))
    }

    /// `operations.list` of an instance, the newest first.
    ///
    /// # Errors
    ///
    /// PERMISSION_DENIED, INVALID_ARGUMENT.
    pub fn list_sql_operations(&self, call: &Call) -> Result<Value> {
        let instance = call.parameter("instance").unwrap_or_default();
        self.permit("cloudsql.instances.get", instance)?;
        let newest_first = self.database.operations.iter().rev();
        let all = newest_first.map(|one| self.sql_operation_view(one)).collect();
        self.sql_page(call, "sql#operationsList", all)
    }

    /// `operations.get`.
    ///
    /// # Errors
    ///
    /// NOT_FOUND, PERMISSION_DENIED.
    pub fn get_sql_operation(&self, name: &str) -> Result<Value> {
        self.permit("cloudsql.instances.get", &self.database.instance)?;
        let found = self.database.operations.iter().find(|one| one.name == name);
        match found {
            Some(operation) => Ok(self.sql_operation_view(operation)),
            None => Err(Refusal::new(
                404,
                "NOT_FOUND",
                "operationDoesNotExist",
                "The Cloud SQL instance operation does not exist.",
            )),
        }
    }
}
