//! The paths of the Cloud Run Admin API v2.

use serde_json::{Value, json};

use crate::exchange::{Call, Outcome};
use crate::refusal::{Refusal, Result};
use crate::world::World;

/// Regions that exist; another name is a slip of the operator's.
const REGIONS: [&str; 8] = [
    "europe-north1",
    "europe-west1",
    "europe-west3",
    "europe-west4",
    "europe-west6",
    "us-central1",
    "us-east1",
    "asia-northeast1",
];

impl World {
    /// What is below `/v2/projects/P/locations/L/`.
    pub fn run(&mut self, project: &str, region: &str, rest: &[&str], call: &Call) -> Outcome {
        if let Err(refusal) = self.place(project, region) {
            return Outcome::Answer(refusal.into());
        }
        if region != self.setup.region {
            return self.elsewhere(region, rest);
        }
        if let (["operations", id], "POST") = (rest, call.method.as_str())
            && let Some(id) = id.strip_suffix(":wait")
        {
            return self.wait_operation(id, call);
        }
        self.run_value(rest, call).into()
    }

    fn run_value(&mut self, rest: &[&str], call: &Call) -> Result<Value> {
        match (call.method.as_str(), rest) {
            ("GET", ["services"]) => self.list_services(call),
            ("GET", ["operations"]) => self.list_operations(call),
            ("GET", ["operations", id]) => self.get_operation(id),
            ("GET", ["services", name, "revisions"]) => self.list_revisions(name, call),
            ("GET", ["services", name, "revisions", revision]) => self.get_revision(name, revision),
            ("DELETE", ["services", name, "revisions", revision]) => {
                self.delete_revision(name, revision)
            }
            (method, ["services", name]) => match (method, name.split_once(':')) {
                ("GET", None) => self.get_service(name),
                ("PATCH", None) => self.patch_service(name, call),
                ("GET", Some((name, "getIamPolicy"))) => self.get_policy(name),
                ("POST", Some((name, "testIamPermissions"))) => self.test_permissions(name, call),
                _ => Err(unknown_method()),
            },
            _ => Err(unknown_method()),
        }
    }

    /// Whose project it is, and whether there is such a region.
    fn place(&self, project: &str, region: &str) -> Result<()> {
        if project != self.setup.project {
            let resource = format!("projects/{project}/locations/{region}");
            return Err(Refusal::denied("run.services.get", &resource));
        }
        if region != self.setup.region && !REGIONS.contains(&region) {
            return Err(Refusal::not_found(format!(
                "Location {region} is not found or access is unauthorized."
            )));
        }
        Ok(())
    }

    /// A region without any of the services.
    fn elsewhere(&self, region: &str, rest: &[&str]) -> Outcome {
        let nothing = match rest {
            ["services" | "operations"] => Ok(json!({})),
            [kind, name, ..] => Err(Refusal::not_found(format!(
                "Resource '{name}' of kind '{kind}' in region '{region}' in project '{}' does not exist.",
                self.setup.project
            ))),
            _ => Err(unknown_method()),
        };
        nothing.into()
    }
}

#[must_use]
pub fn unknown_method() -> Refusal {
    Refusal::not_found("Requested entity was not found: there is no such method.")
}
