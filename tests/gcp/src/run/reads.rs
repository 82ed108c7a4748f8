//! Reading services, revisions, operations and who may do what.

use serde_json::{Value, json};

use crate::clock::Moment;
use crate::exchange::{Answer, Call, Outcome};
use crate::proto::{text, texts};
use crate::refusal::{Refusal, Result};
use crate::run::operation::Operation;
use crate::run::service::Service;
use crate::world::World;

/// Cloud Run waits so long where the client does not say.
const LONGEST_WAIT: Moment = Moment::from_secs(30);

impl World {
    #[must_use]
    pub fn no_service(&self, name: &str) -> Refusal {
        let full = self.service_name(name);
        Refusal::not_found(format!(
            "Resource '{name}' of kind 'SERVICE' in region '{}' in project '{}' does not exist. ({full})",
            self.setup.region, self.setup.project
        ))
    }

    fn service(&self, name: &str) -> Result<&Service> {
        self.services.get(name).ok_or_else(|| self.no_service(name))
    }

    /// `services.get`.
    ///
    /// # Errors
    ///
    /// NOT_FOUND, PERMISSION_DENIED.
    pub fn get_service(&self, name: &str) -> Result<Value> {
        self.permit("run.services.get", name)?;
        Ok(self.service_view(self.service(name)?))
    }

    /// `services.list`, a page at a time.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT, PERMISSION_DENIED.
    pub fn list_services(&self, call: &Call) -> Result<Value> {
        self.permit("run.services.list", &self.setup.project)?;
        let all = self.services.values().map(|one| self.service_view(one));
        page(call, "services", all.collect())
    }

    /// `revisions.list`, the newest first.
    ///
    /// # Errors
    ///
    /// NOT_FOUND, INVALID_ARGUMENT, PERMISSION_DENIED.
    pub fn list_revisions(&self, service: &str, call: &Call) -> Result<Value> {
        self.permit("run.revisions.list", service)?;
        let service = self.service(service)?;
        let newest_first = service.revisions.iter().rev();
        let all = newest_first.map(|one| self.revision_view(service, one));
        page(call, "revisions", all.collect())
    }

    /// `revisions.get`.
    ///
    /// # Errors
    ///
    /// NOT_FOUND, PERMISSION_DENIED.
    pub fn get_revision(&self, service: &str, name: &str) -> Result<Value> {
        self.permit("run.revisions.get", service)?;
        let service = self.service(service)?;
        let Some(revision) = service.revision(name) else {
            return Err(no_revision(name));
        };
        Ok(self.revision_view(service, revision))
    }

    /// `revisions.delete`: not one that traffic is sent to, nor the latest.
    ///
    /// # Errors
    ///
    /// NOT_FOUND, FAILED_PRECONDITION, PERMISSION_DENIED.
    pub fn delete_revision(&mut self, service: &str, name: &str) -> Result<Value> {
        self.permit("run.revisions.delete", service)?;
        let found = self.service(service)?;
        let Some(revision) = found.revision(name) else {
            return Err(no_revision(name));
        };
        let named = |one: &crate::run::traffic::Target| one.revision.as_deref() == Some(name);
        if found.targets.iter().any(named) || found.wanted().iter().any(named) {
            let message = format!("Revision '{name}' is being used by the traffic of the service.");
            return Err(Refusal::precondition(message));
        }
        if found.latest_created == name {
            let message = format!("Revision '{name}' is the latest of the service.");
            return Err(Refusal::precondition(message));
        }
        let response = self.revision_view(found, revision);
        if let Some(found) = self.services.get_mut(service) {
            found.revisions.retain(|one| one.name != name);
        }
        let now = self.now();
        let operation = Operation {
            id: self.uid(),
            service: service.to_owned(),
            generation: 0,
            revision: None,
            created: now,
            earliest: now + Moment::from_millis(self.setup.route_ms),
            result: None,
            response: Some(response),
        };
        Ok(self.begin(operation))
    }

    fn operation(&self, id: &str) -> Result<&Operation> {
        let found = self.operations.iter().find(|one| one.id == id);
        found.ok_or_else(|| Refusal::not_found(format!("Operation '{id}' was not found.")))
    }

    /// `operations.get`.
    ///
    /// # Errors
    ///
    /// NOT_FOUND, PERMISSION_DENIED.
    pub fn get_operation(&self, id: &str) -> Result<Value> {
        self.permit("run.operations.get", &self.setup.project)?;
        Ok(self.operation_view(self.operation(id)?))
    }

    /// `operations.list`.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT, PERMISSION_DENIED.
    pub fn list_operations(&self, call: &Call) -> Result<Value> {
        self.permit("run.operations.list", &self.setup.project)?;
        let all = self.operations.iter().rev().map(|one| self.operation_view(one));
        page(call, "operations", all.collect())
    }

    /// `operations.wait`: held back until the operation is done, or for as long as asked.
    #[must_use]
    pub fn wait_operation(&self, id: &str, call: &Call) -> Outcome {
        let waited = self.waited(id, call);
        match waited {
            Ok(None) => Outcome::Again,
            Ok(Some(view)) => Outcome::Answer(Answer::json(200, &view)),
            Err(refusal) => Outcome::Answer(refusal.into()),
        }
    }

    fn waited(&self, id: &str, call: &Call) -> Result<Option<Value>> {
        self.permit("run.operations.get", &self.setup.project)?;
        let operation = self.operation(id)?;
        let asked = call.json()?;
        let longest =
            seconds(text(&asked, "timeout")).map_or(LONGEST_WAIT, |own| own.min(LONGEST_WAIT));
        let over = self.now() >= call.at + longest;
        if operation.result.is_none() && !over {
            return Ok(None);
        }
        Ok(Some(self.operation_view(operation)))
    }

    /// `testIamPermissions`: those of the asked ones that the operator has.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT.
    pub fn test_permissions(&self, resource: &str, call: &Call) -> Result<Value> {
        let asked = texts(&call.json()?, "permissions");
        let had: Vec<String> = asked
            .into_iter()
            .filter(|permission| self.permit(permission, resource).is_ok())
            .collect();
        if had.is_empty() {
            return Ok(json!({}));
        }
        Ok(json!({ "permissions": had }))
    }

    /// `getIamPolicy`.
    ///
    /// # Errors
    ///
    /// NOT_FOUND, PERMISSION_DENIED.
    pub fn get_policy(&self, service: &str) -> Result<Value> {
        self.permit("run.services.getIamPolicy", service)?;
        let service = self.service(service)?;
        let mut policy = json!({"version": 1, "etag": "BwYAAAAAAAE="});
        if service.public {
            policy["bindings"] = json!([{"role": "roles/run.invoker", "members": ["allUsers"]}]);
        }
        Ok(policy)
    }
}

fn no_revision(name: &str) -> Refusal {
    Refusal::not_found(format!("Resource '{name}' of kind 'REVISION' does not exist."))
}

/// A duration as JSON has it: `30s`, `0.5s`.
fn seconds(text: &str) -> Option<Moment> {
    let number: f64 = text.strip_suffix('s')?.parse().ok()?;
    Moment::try_from_secs_f64(number).ok()
}

/// One page of a list: the token of the next is the number of its first item.
///
/// # Errors
///
/// INVALID_ARGUMENT where the token is not one of these.
pub fn page(call: &Call, field: &str, all: Vec<Value>) -> Result<Value> {
    let token = call.parameter("pageToken").unwrap_or_default();
    let from: usize = match token {
        "" => 0,
        token => token.parse().map_err(|_| Refusal::invalid("The page token is not valid."))?,
    };
    let asked = call.parameter("pageSize").and_then(|size| size.parse().ok());
    let size: usize = asked.filter(|size| *size > 0).unwrap_or(100);
    let count = all.len();
    let items: Vec<Value> = all.into_iter().skip(from).take(size).collect();
    let mut page = json!({});
    if !items.is_empty() {
        page[field] = Value::Array(items);
    }
    if from + size < count {
        page["nextPageToken"] = json!((from + size).to_string());
    }
    Ok(page)
}
