//! Permissions that no request shows beforehand which changes nothing.

use reqwest::Method;
use serde_json::json;

use super::Client;
use super::services::joined;
use super::transport::{Call, Repeat};
use crate::capability::error::{Error, Result};

/// Following an operation. What creates it is checked by `preview`.
const OF_CLOUD_RUN: &[&str] = &["run.operations.get"];
/// Backups and restores. Cloud SQL checks them when they begin, and not before.
const OF_CLOUD_SQL: &[&str] = &[
    "cloudsql.instances.get",
    "cloudsql.backupRuns.create",
    "cloudsql.backupRuns.get",
    "cloudsql.backupRuns.list",
    "cloudsql.instances.restoreBackup",
];

impl Client {
    /// Those of the needed ones that the project does not grant.
    ///
    /// # Errors
    /// `Unavailable` where Resource Manager is not to be asked, and those of Google Cloud.
    pub async fn missing_permissions(&self) -> Result<Vec<String>> {
        let of_database = if self.place().instance.is_some() { OF_CLOUD_SQL } else { &[] };
        let needed = [OF_CLOUD_RUN, of_database].concat();
        let project = &self.place().project;
        let doing = format!("asking for the permissions on the project {project}");
        let base = self.inner.endpoints.resource_manager.as_ref().ok_or_else(|| {
            Error::unavailable(format!(
                "{doing}: Resource Manager is not asked where other APIs have addresses of their own"
            ))
            .hint("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER names its address")
        })?;
        let url = joined(base, &["v3", "projects", &format!("{project}:testIamPermissions")])?;
        let body = json!({ "permissions": needed });
        let (method, repeat) = (Method::POST, Repeat::Read);
        let call = Call { doing: &doing, method, url, body: Some(&body), accept: None, repeat };
        let answer = self.transport().json(call).await?;
        let granted: Vec<&str> = answer["permissions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|permission| permission.as_str())
            .collect();
        let missing = needed.into_iter().filter(|permission| !granted.contains(permission));
        Ok(missing.map(str::to_owned).collect())
    }
}
