//! Long-running operations of Cloud Run.

use serde_json::{Value, json};

use crate::clock::{Moment, rfc3339};
use crate::run::service::Verdict;
use crate::world::World;

#[derive(Debug, Clone)]
pub struct Operation {
    pub id: String,
    pub service: String,
    /// The generation that it brings about.
    pub generation: u64,
    /// The revision that it creates.
    pub revision: Option<String>,
    pub created: Moment,
    /// It is not done before.
    pub earliest: Moment,
    pub result: Option<Verdict>,
    /// The answer of an operation that is done by its nature, such as a deletion.
    pub response: Option<Value>,
}

impl World {
    /// The operations whose time has come are done.
    pub fn settle_operations(&mut self, now: Moment) {
        let mut settled: Vec<(usize, Verdict, Option<Value>)> = Vec::new();
        for (index, operation) in self.operations.iter().enumerate() {
            if operation.result.is_some() || operation.earliest > now {
                continue;
            }
            let Some(service) = self.services.get(&operation.service) else {
                let (code, message) = (5, "The service has been deleted.".into());
                settled.push((index, Verdict::Failed { code, message }, None));
                continue;
            };
            if operation.response.is_some() {
                settled.push((index, Verdict::Succeeded, operation.response.clone()));
                continue;
            }
            let name = operation.revision.as_deref();
            let starting = name.and_then(|name| service.revision(name));
            if service.observed < operation.generation || starting.is_some_and(|one| !one.settled())
            {
                continue;
            }
            settled.push((index, service.verdict.clone(), Some(self.service_view(service))));
        }
        for (index, verdict, response) in settled {
            self.operations[index].result = Some(verdict);
            self.operations[index].response = response;
        }
    }

    #[must_use]
    pub fn operation_name(&self, id: &str) -> String {
        format!("{}/operations/{id}", self.location())
    }

    /// The operation as Cloud Run tells it.
    #[must_use]
    pub fn operation_view(&self, operation: &Operation) -> Value {
        let mut view = json!({"name": self.operation_name(&operation.id)});
        let metadata = self.services.get(&operation.service);
        if let Some(service) = metadata {
            view["metadata"] = typed(self.service_view(service));
        }
        match &operation.result {
            None => {}
            Some(Verdict::Succeeded) => {
                view["done"] = json!(true);
                view["response"] = typed(operation.response.clone().unwrap_or_default());
            }
            Some(Verdict::Failed { code, message }) => {
                view["done"] = json!(true);
                view["error"] = json!({"code": code, "message": message});
            }
        }
        view
    }

    /// Registers an operation and gives its view.
    pub fn begin(&mut self, operation: Operation) -> Value {
        let view = self.operation_view(&operation);
        self.operations.push(operation);
        view
    }
}

fn typed(mut message: Value) -> Value {
    message["@type"] = json!("type.googleapis.com/google.cloud.run.v2.Service");
    message
}

/// The times of an operation, for the state that tests look at.
#[must_use]
pub fn summary(operation: &Operation) -> Value {
    json!({
        "id": operation.id,
        "service": operation.service,
        "revision": operation.revision,
        "created": rfc3339(operation.created),
        "done": operation.result.is_some(),
        "failed": matches!(operation.result, Some(Verdict::Failed { .. })),
    })
}
