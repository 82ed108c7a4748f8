//! What the operator may do: everything, but for what was taken away.

use crate::refusal::{Refusal, Result};
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
}
