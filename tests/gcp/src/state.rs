//! The whole state as JSON, for tests and for whoever looks from outside.

use serde_json::{Map, Value, json};

use crate::run::operation::summary;
use crate::run::service::{Service, Verdict};
use crate::world::World;

impl World {
    #[must_use]
    pub fn state(&self) -> Value {
        let services: Map<String, Value> = self
            .services
            .iter()
            .map(|(name, service)| (name.clone(), self.service_state(service)))
            .collect();
        let operations: Vec<Value> = self.operations.iter().map(summary).collect();
        json!({
            "project": self.setup.project,
            "region": self.setup.region,
            "services": services,
            "operations": operations,
            "database": self.database_state(),
            "images": self.registry.view(),
            "denied": self.denied,
            "requests": self.recorded.len(),
        })
    }

    fn service_state(&self, service: &Service) -> Value {
        let now = self.now();
        let revisions: Vec<Value> = service
            .revisions
            .iter()
            .map(|one| {
                json!({
                    "name": one.name,
                    "image": one.image,
                    "digest": one.digest,
                    "settled": one.settled(),
                    "failure": one.failure(),
                    "crashed": one.crashed(now),
                })
            })
            .collect();
        let failure = match &service.verdict {
            Verdict::Succeeded => None,
            Verdict::Failed { message, .. } => Some(message),
        };
        json!({
            "uri": self.address(&service.name),
            "image": service.image(),
            "generation": service.generation,
            "etag": service.etag(),
            "reconciling": service.reconciling(),
            "failure": failure,
            "latest_created": service.latest_created,
            "latest_ready": service.latest_ready,
            "wanted": service.wanted(),
            "targets": service.told(),
            "annotations": service.spec.get("annotations"),
            "private": service.private(),
            "revisions": revisions,
        })
    }

    fn database_state(&self) -> Value {
        let database = &self.database;
        let backups: Vec<Value> = database
            .backups
            .iter()
            .map(|one| {
                json!({
                    "id": one.id.to_string(),
                    "description": one.description,
                    "status": one.status,
                    "migration": one.migration,
                })
            })
            .collect();
        let operations: Vec<Value> = database
            .operations
            .iter()
            .map(|one| {
                json!({
                    "name": one.name,
                    "kind": one.kind,
                    "status": format!("{:?}", one.status).to_uppercase(),
                    "failure": one.failure,
                })
            })
            .collect();
        json!({
            "instance": database.instance,
            "migration": database.migration,
            "state": database.state,
            "activation": database.activation,
            "replicas": database.replicas,
            "backups": backups,
            "operations": operations,
        })
    }
}
