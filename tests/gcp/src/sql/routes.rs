//! The paths of the Cloud SQL Admin API.

use serde_json::{Value, json};

use crate::exchange::{Call, Outcome};
use crate::refusal::{Refusal, Result};
use crate::run::routes::unknown_method;
use crate::world::World;

impl World {
    /// What is below `/v1/projects/P/` or `/sql/v1beta4/projects/P/`.
    pub fn sql(&mut self, project: &str, rest: &[&str], call: &Call) -> Outcome {
        if project != self.setup.project {
            let message = "The client is not authorized to make this request.";
            let refusal = Refusal::new(403, "PERMISSION_DENIED", "notAuthorized", message);
            return Outcome::Answer(refusal.into());
        }
        self.sql_value(rest, call).into()
    }

    fn sql_value(&mut self, rest: &[&str], call: &Call) -> Result<Value> {
        match (call.method.as_str(), rest) {
            ("GET", ["instances"]) => {
                let known = !self.database.instance.is_empty();
                let items = known.then(|| self.instance_view());
                Ok(
                    json!({"kind": "sql#instancesList", "items": items.into_iter().collect::<Vec<_>>()}),
                )
            }
            ("GET", ["instances", name]) => {
                self.permit("cloudsql.instances.get", name)?;
                self.has_instance(name)?;
                Ok(self.instance_view())
            }
            ("POST", ["instances", name, "restoreBackup"]) => self.restore_backup(name, call),
            ("POST", ["instances", name, "backupRuns"]) => self.insert_backup(name, call),
            ("GET", ["instances", name, "backupRuns"]) => self.list_backups(name, call),
            ("GET", ["instances", name, "backupRuns", id]) => self.get_backup(name, id),
            ("DELETE", ["instances", name, "backupRuns", id]) => self.delete_backup(name, id),
            ("GET", ["operations"]) => self.list_sql_operations(call),
            ("GET", ["operations", name]) => self.get_sql_operation(name),
            _ => Err(unknown_method()),
        }
    }
}
