//! Changing a service.

use serde_json::{Map, Value, json};

use crate::clock::Moment;
use crate::exchange::Call;
use crate::proto::{lean_fields, text};
use crate::refusal::{Refusal, Result};
use crate::run::operation::Operation;
use crate::run::revision::{Revision, Standing};
use crate::run::service::{Service, Verdict, image_of};
use crate::run::{defaults, mask, traffic};
use crate::world::World;

/// What of a service its operators set; the rest of a body is ignored.
pub const SETTABLE: [&str; 19] = [
    "annotations",
    "binaryAuthorization",
    "buildConfig",
    "client",
    "clientVersion",
    "customAudiences",
    "defaultUriDisabled",
    "description",
    "functionalType",
    "iapEnabled",
    "ingress",
    "invokerIamDisabled",
    "labels",
    "launchStage",
    "multiRegionSettings",
    "scaling",
    "sshEnabled",
    "template",
    "traffic",
];

/// Annotations may not pretend to be Google's own.
const GOOGLES: [&str; 4] = [
    "run.googleapis.com/",
    "cloud.googleapis.com/",
    "serving.knative.dev/",
    "autoscaling.knative.dev/",
];

const LONGEST_NAME: usize = 63;

/// What a change asks for beside the settings.
#[derive(Debug, Default, Clone, Copy)]
pub struct Manner {
    pub force: bool,
    pub validate_only: bool,
}

impl World {
    /// `services.patch`.
    ///
    /// # Errors
    ///
    /// As Cloud Run refuses it.
    pub fn patch_service(&mut self, name: &str, call: &Call) -> Result<Value> {
        let body = call.json()?;
        let manner = Manner {
            force: call.flag("forceNewRevision"),
            validate_only: call.flag("validateOnly"),
        };
        let Some(service) = self.services.get(name) else {
            if !call.flag("allowMissing") {
                return Err(self.no_service(name));
            }
            self.permit("run.services.create", name)?;
            let spec = settings(&body);
            return self.create(name, spec, manner);
        };
        self.permit("run.services.update", name)?;
        let given = text(&body, "etag");
        if !given.is_empty() && given != service.etag() {
            return Err(Refusal::aborted(format!(
                "Conflict for resource '{name}': version '{given}' was specified but current \
                 version is '{}'.",
                service.etag()
            )));
        }
        let mask = call.parameter("updateMask");
        let settable = |field: &str| SETTABLE.contains(&field);
        let spec = mask::merge(&service.spec, &settings(&body), mask, settable)?;
        self.change(name, spec, manner)
    }

    /// Makes `spec` the settings of a service, and gives the operation that does so.
    ///
    /// # Errors
    ///
    /// As Cloud Run refuses it; nothing has changed then.
    pub fn change(
        &mut self,
        name: &str,
        spec: Map<String, Value>,
        manner: Manner,
    ) -> Result<Value> {
        let spec = defaults::service(lean_fields(spec), &self.setup.identity);
        let Some(present) = self.services.get(name) else {
            return Err(self.no_service(name));
        };
        let mut changed = present.clone();
        changed.spec = spec;
        check(&changed)?;
        let differs = changed.template() != present.template();
        let fresh =
            if differs || manner.force { Some(self.revision_name(&changed)?) } else { None };
        self.refuse_unknown_names(&changed, fresh.as_deref())?;
        let now = self.now();
        changed.version += 1;
        changed.generation += 1;
        changed.updated = now;
        changed.modifier.clone_from(&self.setup.identity);
        if let Some(fresh) = &fresh {
            let revision = self.new_revision(&changed, fresh, now);
            changed.revisions.push(revision);
            changed.latest_created.clone_from(fresh);
        }
        changed.routes_at = Some(self.route_time(&changed, now));
        if manner.validate_only {
            return Ok(self.validated(&changed));
        }
        let generation = changed.generation;
        self.services.insert(name.to_owned(), changed);
        Ok(self.begin_update(name, generation, fresh, now))
    }

    fn begin_update(
        &mut self,
        name: &str,
        generation: u64,
        revision: Option<String>,
        now: Moment,
    ) -> Value {
        let operation = Operation {
            id: self.uid(),
            service: name.to_owned(),
            generation,
            revision,
            created: now,
            earliest: if self.twist.hangs { Moment::MAX } else { now },
            result: None,
            response: None,
        };
        self.begin(operation)
    }

    fn create(&mut self, name: &str, spec: Map<String, Value>, manner: Manner) -> Result<Value> {
        let service = self.blank(name);
        self.services.insert(name.to_owned(), service);
        let created = self.change(name, spec, manner);
        if created.is_err() || manner.validate_only {
            self.services.remove(name);
        }
        created
    }

    /// A service before its first revision.
    pub fn blank(&mut self, name: &str) -> Service {
        let now = self.now();
        Service {
            name: name.to_owned(),
            uid: self.uid(),
            spec: Map::new(),
            generation: 0,
            observed: 0,
            version: 0,
            created: now,
            updated: now,
            creator: self.setup.identity.clone(),
            modifier: self.setup.identity.clone(),
            revisions: Vec::new(),
            latest_created: String::new(),
            latest_ready: None,
            targets: Vec::new(),
            verdict: Verdict::Succeeded,
            routes_at: None,
            public: true,
        }
    }

    /// The name that the operator chose, or one of Cloud Run's.
    fn revision_name(&mut self, changed: &Service) -> Result<String> {
        let template = Value::Object(changed.template());
        let chosen = text(&template, "revision");
        if chosen.is_empty() {
            let number = changed.revisions.len() + 1;
            let letters = self.uid();
            return Ok(format!("{}-{number:05}-{}", changed.name, &letters[..3]));
        }
        if changed.revision(chosen).is_some() {
            return Err(Refusal::exists(format!(
                "Revision named '{chosen}' with different configuration already exists: \
                 already exists with different configuration.",
            )));
        }
        Ok(chosen.to_owned())
    }

    fn refuse_unknown_names(&self, changed: &Service, fresh: Option<&str>) -> Result<()> {
        if self.setup.may_name_new_revision {
            return Ok(());
        }
        for target in changed.wanted() {
            if let (Some(revision), Some(fresh)) = (target.revision, fresh)
                && revision == fresh
            {
                let message = format!("traffic: the revision '{revision}' does not exist.");
                return Err(Refusal::invalid(message));
            }
        }
        Ok(())
    }

    pub fn new_revision(&mut self, service: &Service, name: &str, now: Moment) -> Revision {
        let mut template = service.template();
        template.remove("revision");
        let image = image_of(&template);
        let mut release = self.registry.release(&image, &service.name);
        let twist = &self.twist;
        if twist.never_ready.is_some() {
            release.never_ready.clone_from(&twist.never_ready);
        }
        release.crashes_after_ms = twist.crashes_after_ms.or(release.crashes_after_ms);
        let ready =
            Moment::from_millis(release.ready_ms.unwrap_or(self.setup.ready_ms)) + twist.slow;
        let settles = if twist.hangs { Moment::MAX } else { now + ready };
        Revision {
            name: name.to_owned(),
            uid: self.uid(),
            digest: self.registry.digest_of(&image),
            image,
            release,
            template,
            generation: service.generation,
            created: now,
            starts: now + ready / 3,
            started: false,
            settles,
            standing: Standing::Starting,
            crashes: None,
        }
    }

    /// When the traffic of a changed service is as asked for, if nothing is in the way.
    fn route_time(&self, changed: &Service, now: Moment) -> Moment {
        if self.twist.hangs {
            return Moment::MAX;
        }
        let created = changed.revision(&changed.latest_created);
        let fresh = created.filter(|one| one.generation == changed.generation);
        let from = fresh.map_or(now + self.twist.slow, |one| one.settles);
        from + Moment::from_millis(self.setup.route_ms)
    }

    /// What `validateOnly` answers: an operation that is done, and that nobody finds again.
    fn validated(&mut self, changed: &Service) -> Value {
        let view = self.service_view(changed);
        let id = self.uid();
        json!({"name": self.operation_name(&id), "done": true, "response": view})
    }
}

/// What of a body are settings.
fn settings(body: &Value) -> Map<String, Value> {
    let mut settings = Map::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        if SETTABLE.contains(&name.as_str()) {
            settings.insert(name.clone(), value.clone());
        }
    }
    settings
}

fn check(changed: &Service) -> Result<()> {
    let template = Value::Object(changed.template());
    if image_of(&changed.template()).is_empty() {
        let message = "template.containers[0].image: Revision template should contain at least \
                       one container with an image.";
        return Err(Refusal::invalid(message));
    }
    let revision = text(&template, "revision");
    if !revision.is_empty() {
        let prefix = format!("{}-", changed.name);
        if !revision.starts_with(&prefix) || revision.len() == prefix.len() {
            return Err(Refusal::invalid(format!(
                "template.revision: the name '{revision}' must begin with '{prefix}'."
            )));
        }
        if revision.len() > LONGEST_NAME || revision.ends_with('-') {
            return Err(Refusal::invalid(format!(
                "template.revision: the name '{revision}' is not valid: {LONGEST_NAME} \
                 characters at most, lower case letters, digits and hyphens."
            )));
        }
    }
    let annotations = changed.spec.get("annotations").and_then(Value::as_object);
    for name in annotations.into_iter().flatten().map(|(name, _)| name) {
        if GOOGLES.iter().any(|prefix| name.starts_with(prefix)) {
            let message = format!("annotations: the key '{name}' is in a namespace of Google's.");
            return Err(Refusal::invalid(message));
        }
    }
    let listed = changed.spec.get("traffic").and_then(Value::as_array);
    traffic::check(&changed.name, listed.map(Vec::as_slice).unwrap_or_default())
}
