//! The older face of Cloud Run, which the gcloud CLI talks to: Knative's resources, and
//! operations that answer with them.

mod change;
mod view;

use serde_json::{Value, json};

use crate::exchange::{Answer, Call, Outcome};
use crate::refusal::{Refusal, Result};
use crate::run::operation::Operation;
use crate::run::routes::unknown_method;
use crate::run::service::Service;
use crate::world::World;

impl World {
    /// What is below `/apis/serving.knative.dev/v1/namespaces/P/`. The region is in the name
    /// of the host.
    pub fn knative(&mut self, project: &str, rest: &[&str], call: &Call) -> Outcome {
        self.knative_value(project, rest, call).into()
    }

    fn knative_value(&mut self, project: &str, rest: &[&str], call: &Call) -> Result<Value> {
        if project != self.setup.project {
            return Err(Refusal::denied("run.services.get", &format!("namespaces/{project}")));
        }
        if let Some(name) = rest.get(1).filter(|_| !self.of_this_region(&call.host)) {
            return Err(self.no_service(name));
        }
        match (call.method.as_str(), rest) {
            ("GET", ["services"]) => {
                self.permit("run.services.list", &self.setup.project)?;
                let items = self.services.values().map(|one| self.knative_service(one));
                Ok(listed("ServiceList", items.collect()))
            }
            ("GET", ["services", name]) => {
                self.permit("run.services.get", name)?;
                let service = self.services.get(*name).ok_or_else(|| self.no_service(name))?;
                Ok(self.knative_service(service))
            }
            ("PUT", ["services", name]) => self.replace_service(name, call),
            ("GET", ["revisions"]) => {
                self.permit("run.revisions.list", &self.setup.project)?;
                Ok(listed("RevisionList", self.selected_revisions(call)))
            }
            ("GET", ["revisions", name]) => {
                self.permit("run.revisions.get", name)?;
                let mut all = self.all_revisions();
                let found = all.find(|(_, revision)| revision.name == *name);
                let (service, revision) = found.ok_or_else(|| {
                    Refusal::not_found(format!(
                        "Resource '{name}' of kind 'REVISION' does not exist."
                    ))
                })?;
                Ok(self.knative_revision(service, revision))
            }
            _ => Err(unknown_method()),
        }
    }

    /// `REGION-run.…` names a region; another host names none.
    fn of_this_region(&self, host: &str) -> bool {
        let named = host.split_once("-run.").map(|(region, _)| region);
        named.is_none_or(|region| *region == self.setup.region)
    }

    fn selected_revisions(&self, call: &Call) -> Vec<Value> {
        let selector = call.parameter("labelSelector").unwrap_or_default();
        let wanted: Vec<(&str, &str)> = selector
            .split(',')
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        let all = self.all_revisions();
        let views = all.map(|(service, revision)| self.knative_revision(service, revision));
        let fits = |view: &Value| {
            let labels = &view["metadata"]["labels"];
            wanted.iter().all(|(name, value)| labels[name] == *value)
        };
        views.filter(fits).collect()
    }

    fn all_revisions(&self) -> impl Iterator<Item = (&Service, &crate::run::revision::Revision)> {
        let services = self.services.values();
        services.flat_map(|service| service.revisions.iter().map(move |one| (service, one)))
    }

    /// `/v1/projects/P/locations/L/operations/ID` and `…:wait`.
    #[must_use]
    pub fn knative_operation(&self, id: &str, call: &Call) -> Outcome {
        let plain = id.strip_suffix(":wait").unwrap_or(id);
        let known = self.operations.iter().find(|one| one.id == plain);
        let Some(operation) = known else {
            let refusal = Refusal::not_found(format!("Operation '{plain}' was not found."));
            return Outcome::Answer(refusal.into());
        };
        match (call.method.as_str(), plain == id) {
            ("GET", true) => Outcome::Answer(Answer::json(200, &self.knative_done(operation))),
            ("POST", false) => match self.wait_operation(plain, call) {
                Outcome::Answer(answer) if answer.status == 200 => {
                    Outcome::Answer(Answer::json(200, &self.knative_done(operation)))
                }
                other => other,
            },
            _ => Outcome::Answer(unknown_method().into()),
        }
    }

    /// An operation with a Knative service for a response.
    fn knative_done(&self, operation: &Operation) -> Value {
        let mut view = self.operation_view(operation);
        let service = self.services.get(&operation.service);
        let service = service.map(|one| self.knative_service(one)).unwrap_or_default();
        for field in ["metadata", "response"] {
            if view.get(field).is_some() {
                let mut own = service.clone();
                own["@type"] = json!("type.googleapis.com/google.cloud.run.v1.Service");
                view[field] = own;
            }
        }
        view
    }
}

fn listed(kind: &str, items: Vec<Value>) -> Value {
    json!({"apiVersion": "serving.knative.dev/v1", "kind": kind, "metadata": {}, "items": items})
}
