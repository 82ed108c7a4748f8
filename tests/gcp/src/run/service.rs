//! A service: what its operators asked for, and what is in effect.

use serde_json::{Map, Value};

use crate::clock::Moment;
use crate::run::revision::Revision;
use crate::run::traffic::{self, Target};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Succeeded,
    /// The code is google.rpc's.
    Failed {
        code: u32,
        message: String,
    },
}

#[derive(Debug, Clone)]
pub struct Service {
    pub name: String,
    pub uid: String,
    /// What operators set, as they set it.
    pub spec: Map<String, Value>,
    pub generation: u64,
    pub observed: u64,
    /// Counts the mutations; the etag is made of it.
    pub version: u64,
    pub created: Moment,
    pub updated: Moment,
    pub creator: String,
    pub modifier: String,
    /// The oldest first.
    pub revisions: Vec<Revision>,
    pub latest_created: String,
    pub latest_ready: Option<String>,
    /// The targets in effect, with the revision that each one has.
    pub targets: Vec<Target>,
    /// Of what was asked for last that is settled.
    pub verdict: Verdict,
    /// When the traffic is as asked for; absent once it is.
    pub routes_at: Option<Moment>,
    /// allUsers may invoke it.
    pub public: bool,
}

impl Service {
    #[must_use]
    pub fn etag(&self) -> String {
        format!("\"CK{}-{}\"", &self.uid[..8], self.version)
    }

    #[must_use]
    pub fn revision(&self, name: &str) -> Option<&Revision> {
        self.revisions.iter().find(|revision| revision.name == name)
    }

    /// The latest revision is starting. One that never settles is not waited for.
    #[must_use]
    pub fn starting(&self) -> bool {
        self.revision(&self.latest_created)
            .is_some_and(|latest| !latest.settled() && latest.settles != Moment::MAX)
    }

    #[must_use]
    pub fn reconciling(&self) -> bool {
        self.routes_at.is_some() || self.starting()
    }

    #[must_use]
    pub fn wanted(&self) -> Vec<Target> {
        traffic::wanted(&self.spec)
    }

    #[must_use]
    pub fn template(&self) -> Map<String, Value> {
        match self.spec.get("template") {
            Some(Value::Object(template)) => template.clone(),
            _ => Map::new(),
        }
    }

    /// The image of the template's first container.
    #[must_use]
    pub fn image(&self) -> String {
        image_of(&self.template())
    }

    /// The address needs an ID token.
    #[must_use]
    pub fn private(&self) -> bool {
        let disabled = self.spec.get("invokerIamDisabled") == Some(&Value::Bool(true));
        !self.public && !disabled
    }

    /// The revision that has this share of the traffic: `draw` is from 0 to 99.
    #[must_use]
    pub fn drawn(&self, draw: u32) -> Option<&Revision> {
        let mut passed = 0;
        for target in &self.targets {
            passed += target.percent;
            if draw < passed {
                return self.revision(target.revision.as_deref()?);
            }
        }
        None
    }

    /// The targets in effect, as they are told: one that followed the latest and has stayed
    /// behind is told by its revision.
    #[must_use]
    pub fn told(&self) -> Vec<Target> {
        let tell = |target: &Target| {
            let follows = target.latest && target.revision == self.latest_ready;
            Target { latest: follows, ..target.clone() }
        };
        self.targets.iter().map(tell).collect()
    }

    /// The revision behind a tag.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> Option<&Revision> {
        let mut targets = self.targets.iter();
        let target = targets.find(|target| target.tag.as_deref() == Some(tag))?;
        self.revision(target.revision.as_deref()?)
    }
}

#[must_use]
pub fn image_of(template: &Map<String, Value>) -> String {
    let containers = template.get("containers").unwrap_or(&Value::Null);
    containers[0]["image"].as_str().unwrap_or_default().to_owned()
}
