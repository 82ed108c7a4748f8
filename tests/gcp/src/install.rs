//! The services as they are when the fake starts: installed long ago, and settled.

use serde_json::{Map, Value, json};

use crate::clock::Moment;
use crate::run::defaults;
use crate::run::revision::{Revision, Standing};
use crate::run::service::Service;
use crate::run::traffic::Target;
use crate::setup::ServiceSetup;
use crate::world::World;

/// The release before the installed one, that tags of others name.
const OLDER: &str = "1.3.0";

impl World {
    pub fn install(&mut self, wanted: &ServiceSetup) {
        let mut service = self.blank(&wanted.name);
        service.public = !wanted.private;
        service.generation = 1;
        service.version = 1;
        let older = format!("{}-00001-abc", wanted.name);
        let present = format!("{}-00002-def", wanted.name);
        for (name, tag) in [(&older, OLDER), (&present, wanted.version.as_str())] {
            let template = self.template(&wanted.name, tag);
            service.spec.insert("template".into(), Value::Object(template));
            let revision = self.new_revision(&service, name, self.now());
            service.revisions.push(settled(revision));
        }
        let targets = targets(wanted, &older, &present);
        service.spec = self.settings(wanted, service.template(), &targets);
        service.latest_created.clone_from(&present);
        service.latest_ready = Some(present);
        service.targets = targets;
        service.follow_latest();
        self.settle(&mut service);
        self.services.insert(wanted.name.clone(), service);
    }

    fn settle(&self, service: &mut Service) {
        service.observed = service.generation;
        service.updated = self.now();
    }

    fn settings(
        &self,
        wanted: &ServiceSetup,
        template: Map<String, Value>,
        targets: &[Target],
    ) -> Map<String, Value> {
        let traffic: Vec<Value> = targets.iter().map(Target::wanted).collect();
        let mut spec = Map::new();
        spec.insert("template".into(), Value::Object(template));
        spec.insert("traffic".into(), json!(traffic));
        spec.insert("labels".into(), json!({"app": "tessallite"}));
        spec.insert("description".into(), json!(format!("Tessallite {}", wanted.name)));
        spec.insert("client".into(), json!("gcloud"));
        spec.insert("clientVersion".into(), json!("528.0.0"));
        if !wanted.audiences.is_empty() {
            spec.insert("customAudiences".into(), json!(wanted.audiences));
        }
        defaults::service(crate::proto::lean_fields(spec), &self.setup.identity)
    }

    /// A template with what a careless upgrade loses: secrets, a connection, scaling.
    fn template(&self, service: &str, tag: &str) -> Map<String, Value> {
        let secret = json!({"secretKeyRef": {"secret": "db-pass", "version": "latest"}});
        let connection =
            format!("{}:{}:{}", self.setup.project, self.setup.region, self.setup.instance);
        let template = json!({
            "containers": [{
                "name": service,
                "image": self.setup.image(service, tag),
                "env": [
                    {"name": "LOG_LEVEL", "value": "info"},
                    {"name": "DB_PASS", "valueSource": secret},
                ],
                "volumeMounts": [{"name": "cloudsql", "mountPath": "/cloudsql"}],
            }],
            "volumes": [{"name": "cloudsql", "cloudSqlInstance": {"instances": [connection]}}],
            "scaling": {"minInstanceCount": 1, "maxInstanceCount": 10},
        });
        let fields = template.as_object().cloned().unwrap_or_default();
        defaults::template(fields, &self.setup.identity)
    }
}

fn settled(mut revision: Revision) -> Revision {
    revision.started = true;
    revision.starts = Moment::ZERO;
    revision.settles = Moment::ZERO;
    revision.standing = Standing::Ready;
    revision
}

fn targets(wanted: &ServiceSetup, older: &str, present: &str) -> Vec<Target> {
    let main = if wanted.pinned { Target::pinned(present) } else { Target::latest() };
    let tags = wanted.tags.iter().map(|tag| Target::tagged(tag, older));
    std::iter::once(main).chain(tags).collect()
}
