//! What the operator may do: everything, but for what was taken away.

use serde_json::{Value, json};

use crate::exchange::Call;
use crate::proto::texts;
use crate::refusal::{Refusal, Result};
use crate::run::routes::unknown_method;
use crate::world::World;

impl World {
    /// # Errors
    ///
    /// PERMISSION_DENIED where the permission was taken away on this resource (its short
    /// name), or on `*`.
    pub fn permit(&self, permission: &str, resource: &str) -> Result<()> {
        let taken = |on: &str| self.denied.contains(&(on.to_owned(), permission.to_owned()));
        if !taken(resource) && !taken("*") {
            return Ok(());
        }
        let full = if self.services.contains_key(resource) {
            self.service_name(resource)
        } else {
            format!("projects/{}/{resource}", self.setup.project)
        };
        let mut refusal = Refusal::denied(permission, &full);
        if permission.starts_with("cloudsql.") {
            "notAuthorized".clone_into(&mut refusal.reason);
        }
        Err(refusal)
    }

    /// Resource Manager: `projects.testIamPermissions`, and nothing else. Taken away on the
    /// project alone is a grant on a condition, which a project does not see.
    ///
    /// # Errors
    ///
    /// NOT_FOUND, PERMISSION_DENIED.
    pub fn project(&self, target: &str, call: &Call) -> Result<Value> {
        let Some(project) = target.strip_suffix(":testIamPermissions") else {
            return Err(unknown_method());
        };
        if call.method != "POST" {
            return Err(unknown_method());
        }
        if project != self.setup.project {
            return Err(Refusal::denied("resourcemanager.projects.get", project));
        }
        let on = [project, self.setup.instance.as_str()];
        let has = |permission: &String| on.iter().all(|on| self.permit(permission, on).is_ok());
        let had: Vec<String> =
            texts(&call.json()?, "permissions").into_iter().filter(has).collect();
        Ok(if had.is_empty() { json!({}) } else { json!({ "permissions": had }) })
    }
}
