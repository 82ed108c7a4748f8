//! What happens behind the program's back.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock::Moment;
use crate::refusal::{Refusal, Result};
use crate::release::Release;
use crate::run::patch::Manner;
use crate::run::traffic::Target;
use crate::sql::{Act, Status, operation};
use crate::world::World;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Another operator deploys an image.
    Deploy {
        service: String,
        image: String,
    },
    /// Another operator changes an annotation of the service.
    Annotate {
        service: String,
        key: String,
        value: String,
    },
    /// Another operator puts a tag on a revision.
    Tag {
        service: String,
        tag: String,
        revision: String,
    },
    /// Another operator sends all traffic to a revision, or to the latest.
    Pin {
        service: String,
        revision: Option<String>,
    },
    /// Another operator takes a service away.
    RemoveService {
        service: String,
    },
    /// From now on only who has an ID token may call it.
    Private {
        service: String,
    },
    /// An administrative operation on the instance begins; without `ms` it does not end.
    StartOperation {
        kind: String,
        ms: Option<u64>,
    },
    /// What is under way on the instance ends now.
    EndOperations,
    AddReplica {
        name: String,
    },
    RemoveReplicas,
    /// The instance is in this state, with this activation policy.
    SetInstance {
        state: String,
        activation: String,
    },
    /// The database is migrated by somebody else.
    Migrate {
        migration: String,
    },
    /// An image is pushed under the tag of the release.
    Push {
        service: String,
        release: Release,
    },
    /// An image is gone.
    RemoveImage {
        service: String,
        tag: String,
    },
    /// The operator loses a permission on a resource: a service's or the instance's name, or
    /// `*`.
    Deny {
        resource: String,
        permission: String,
    },
    Allow {
        resource: String,
        permission: String,
    },
    /// No token that was given so far is good any more.
    ExpireTokens,
    /// What serves now crashes.
    Crash {
        service: String,
    },
}

impl World {
    /// Makes it happen.
    ///
    /// # Errors
    ///
    /// What the real one would say to whoever did it.
    pub fn happen(&mut self, event: Event) -> Result<()> {
        self.advance();
        match event {
            Event::Deploy { service, image } => self.deployed(&service, &image),
            Event::Annotate { service, key, value } => self.respecified(&service, |spec| {
                let entry = spec.entry("annotations").or_insert_with(|| json!({}));
                entry[key] = json!(value);
            }),
            Event::Tag { service, tag, revision } => self.respecified(&service, |spec| {
                let target = Target::tagged(&tag, &revision).wanted();
                let entry =
                    spec.entry("traffic").or_insert_with(|| json!([Target::latest().wanted()]));
                if let Some(targets) = entry.as_array_mut() {
                    targets.push(target);
                }
            }),
            Event::Pin { service, revision } => self.respecified(&service, |spec| {
                let target = revision.as_deref().map_or_else(Target::latest, Target::pinned);
                spec.insert("traffic".into(), json!([target.wanted()]));
            }),
            Event::RemoveService { service } => self.removed(&service),
            Event::Private { service } => self.made_private(&service),
            Event::Crash { service } => self.crashed(&service),
            other => {
                self.happen_elsewhere(other);
                Ok(())
            }
        }
    }

    fn happen_elsewhere(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::StartOperation { kind, ms } => {
                let takes = ms.map_or(Moment::MAX, Moment::from_millis);
                let begun = operation(self.uid(), &kind, Act::Nothing, now, takes);
                self.database.submit(begun);
            }
            Event::EndOperations => {
                for operation in &mut self.database.operations {
                    if operation.status != Status::Done {
                        operation.starts = operation.starts.min(now);
                        operation.ends = now;
                    }
                }
            }
            Event::AddReplica { name } => self.database.replicas.push(name),
            Event::RemoveReplicas => self.database.replicas.clear(),
            Event::SetInstance { state, activation } => {
                self.database.state = state;
                self.database.activation = activation;
            }
            Event::Migrate { migration } => self.database.migration = migration,
            Event::Push { service, release } => {
                let reference = self.setup.image(&service, &release.tag);
                self.registry.push(&reference, &release);
            }
            Event::RemoveImage { service, tag } => {
                let reference = self.setup.image(&service, &tag);
                self.registry.remove(&reference);
            }
            Event::Deny { resource, permission } => {
                self.denied.insert((resource, permission));
            }
            Event::Allow { resource, permission } => {
                self.denied.remove(&(resource, permission));
            }
            Event::ExpireTokens => self.credentials.revoke(),
            _ => {}
        }
        self.advance();
    }

    fn deployed(&mut self, service: &str, image: &str) -> Result<()> {
        self.respecified(service, |spec| {
            if let Some(template) = spec.get_mut("template") {
                template["containers"][0]["image"] = json!(image);
                if let Some(template) = template.as_object_mut() {
                    template.remove("revision");
                }
            }
        })
    }

    fn respecified(
        &mut self,
        name: &str,
        edit: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<()> {
        let Some(service) = self.services.get(name) else {
            return Err(self.no_service(name));
        };
        let mut spec = service.spec.clone();
        edit(&mut spec);
        let twist = std::mem::take(&mut self.twist);
        let changed = self.change(name, spec, Manner::default());
        self.twist = twist;
        if let Some(service) = self.services.get_mut(name) {
            "another@example.com".clone_into(&mut service.modifier);
        }
        changed.map(|_| ())
    }

    fn removed(&mut self, name: &str) -> Result<()> {
        let gone = self.services.remove(name);
        gone.map(|_| ()).ok_or_else(|| self.no_service(name))
    }

    fn made_private(&mut self, name: &str) -> Result<()> {
        match self.services.get_mut(name) {
            Some(service) => {
                service.public = false;
                Ok(())
            }
            None => Err(self.no_service(name)),
        }
    }

    fn crashed(&mut self, name: &str) -> Result<()> {
        let now = self.now();
        let Some(service) = self.services.get_mut(name) else {
            return Err(Refusal::not_found(format!("There is no service '{name}'.")));
        };
        let serving: Vec<String> = service
            .targets
            .iter()
            .filter(|target| target.percent > 0)
            .filter_map(|target| target.revision.clone())
            .collect();
        for revision in &mut service.revisions {
            if serving.contains(&revision.name) {
                revision.crashes = Some(now);
            }
        }
        Ok(())
    }
}
