//! The instance, its backup runs and operations as Cloud SQL tells them.

use serde_json::{Value, json};

use crate::clock::rfc3339;
use crate::proto::lean;
use crate::sql::{Act, Backup, Operation, Status};
use crate::world::World;

impl World {
    fn sql_link(&self, rest: &str) -> String {
        format!("{}/v1/projects/{}/{rest}", self.base, self.setup.project)
    }

    #[must_use]
    pub fn instance_view(&self) -> Value {
        let database = &self.database;
        let name = &database.instance;
        let (project, region) = (&self.setup.project, &self.setup.region);
        lean(json!({
            "kind": "sql#instance",
            "name": name,
            "project": project,
            "region": region,
            "gceZone": format!("{region}-b"),
            "backendType": "SECOND_GEN",
            "instanceType": "CLOUD_SQL_INSTANCE",
            "connectionName": format!("{project}:{region}:{name}"),
            "databaseVersion": database.version,
            "state": database.state,
            "replicaNames": database.replicas,
            "selfLink": self.sql_link(&format!("instances/{name}")),
            "settings": {
                "kind": "sql#settings",
                "activationPolicy": database.activation,
                "settingsVersion": "3",
                "tier": "db-custom-2-7680",
                "availabilityType": "ZONAL",
                "backupConfiguration": {"kind": "sql#backupConfiguration", "enabled": true},
            },
        }))
    }

    #[must_use]
    pub fn backup_view(&self, backup: &Backup) -> Value {
        let name = &self.database.instance;
        let mut view = json!({
            "kind": "sql#backupRun",
            "id": backup.id.to_string(),
            "instance": name,
            "description": backup.description,
            "status": backup.status,
            "type": if backup.automated { "AUTOMATED" } else { "ON_DEMAND" },
            "backupKind": "SNAPSHOT",
            "databaseVersion": self.database.version,
            "location": "eu",
            "enqueuedTime": rfc3339(backup.enqueued),
            "windowStartTime": rfc3339(backup.enqueued),
            "startTime": backup.started.map(rfc3339),
            "endTime": backup.ended.map(rfc3339),
            "selfLink": self.sql_link(&format!("instances/{name}/backupRuns/{}", backup.id)),
        });
        if let Some(message) = &backup.failure {
            view["error"] = json!({
                "kind": "sql#operationError", "code": "INTERNAL_ERROR", "message": message,
            });
        }
        lean(view)
    }

    #[must_use]
    pub fn sql_operation_view(&self, operation: &Operation) -> Value {
        let started = operation.status != Status::Pending;
        let done = operation.status == Status::Done;
        let instance = &self.database.instance;
        let mut view = json!({
            "kind": "sql#operation",
            "name": operation.name,
            "operationType": operation.kind,
            "status": match operation.status {
                Status::Pending => "PENDING",
                Status::Running => "RUNNING",
                Status::Done => "DONE",
            },
            "user": self.setup.identity,
            "insertTime": rfc3339(operation.inserted),
            "startTime": started.then(|| rfc3339(operation.starts)),
            "endTime": done.then(|| rfc3339(operation.ends)),
            "targetId": instance,
            "targetProject": self.setup.project,
            "targetLink": self.sql_link(&format!("instances/{instance}")),
            "selfLink": self.sql_link(&format!("operations/{}", operation.name)),
        });
        if let (Act::Backup(id), true) = (operation.act, self.setup.backup_id_in_operation) {
            view["backupContext"] =
                json!({"kind": "sql#backupContext", "backupId": id.to_string()});
        }
        if let (true, Some(message)) = (done, &operation.failure) {
            view["error"] = json!({
                "kind": "sql#operationErrors",
                "errors": [{
                    "kind": "sql#operationError", "code": "INTERNAL_ERROR", "message": message,
                }],
            });
        }
        lean(view)
    }
}
