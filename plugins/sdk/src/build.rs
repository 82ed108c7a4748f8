//! Short ways to write the contract's records.

use crate::{
    BasePlan, Description, Effect, Error, Extension, Fact, Intent, Outcome, Permission, PlacedStep,
    Plan, Position, Proposal, Refusal, Request, Setting, Step, Upgrade,
};

/// The time limit of a step that says nothing else, in seconds.
const DEFAULT_TIMEOUT_S: u32 = 600;

impl Description {
    /// A plugin that asks for nothing and extends another one's plan. The name is made of
    /// lower-case letters, digits and hyphens.
    pub fn new(name: &str, version: &str, summary: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            summary: summary.into(),
            target: String::new(),
            requests: Vec::new(),
        }
    }

    /// "compose" or "cloudrun": the kind of installation that this plugin drives.
    #[must_use]
    pub fn target(mut self, target: &str) -> Self {
        self.target = target.into();
        self
    }

    /// Something that the plugin will ask for, such as "docker.deploy", and why.
    #[must_use]
    pub fn request(mut self, function: &str, reason: &str) -> Self {
        self.requests.push(Permission { function: function.into(), reason: reason.into() });
        self
    }
}

impl Step {
    /// A step without effects, with ten minutes of time. The id is made of lower-case
    /// letters, digits, hyphens, dots and slashes; begin it with the plugin's name.
    pub fn new(id: &str, title: &str) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            effects: Vec::new(),
            timeout_s: DEFAULT_TIMEOUT_S,
        }
    }

    /// One more change that `apply` of this step may make, once.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    /// The longest that `apply` may take, waiting included.
    #[must_use]
    pub fn timeout_s(mut self, seconds: u32) -> Self {
        self.timeout_s = seconds;
        self
    }
}

impl Plan {
    /// Without steps, notes and facts.
    pub fn new() -> Self {
        Self { steps: Vec::new(), notes: Vec::new(), facts: Vec::new() }
    }

    /// One more step, after those there are.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// A line for the operator to read before approving.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Something that a later step of this plugin needs.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<String>) -> Self {
        self.facts.push(fact(name, value));
        self
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::new()
    }
}

impl Extension {
    /// Without steps, notes and facts.
    pub fn new() -> Self {
        Self { steps: Vec::new(), notes: Vec::new(), facts: Vec::new() }
    }

    /// One more step. `First` and `Last` keep the order in which they are given; of two
    /// steps after the same one the later given comes first.
    #[must_use]
    pub fn step(mut self, position: Position, step: Step) -> Self {
        self.steps.push(PlacedStep { step, position });
        self
    }

    /// A line for the operator to read before approving.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Something that a later step of this plugin needs.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<String>) -> Self {
        self.facts.push(fact(name, value));
        self
    }
}

impl Default for Extension {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Plan> for Proposal {
    fn from(plan: Plan) -> Self {
        Self::Plan(plan)
    }
}

impl From<Extension> for Proposal {
    fn from(extension: Extension) -> Self {
        Self::Extension(extension)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Outcome {
    /// A line for the final report.
    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.report.push(line.into());
        self
    }

    /// Something that a later step of this plugin needs.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<String>) -> Self {
        self.facts.push(fact(name, value));
        self
    }
}

#[expect(clippy::derivable_impls, reason = "the type is generated: there is nothing to derive on")]
impl Default for Outcome {
    fn default() -> Self {
        Self { facts: Vec::new(), report: Vec::new() }
    }
}

impl Request {
    /// What the host asks for where the operator says only `--to VERSION`: for tests.
    pub fn upgrade_to(version: &str) -> Self {
        let upgrade = Upgrade {
            version: Some(version.into()),
            migration: None,
            oldest: None,
            keeps_compatibility: false,
            images: Vec::new(),
        };
        Self {
            run: "test".into(),
            intent: Intent::Upgrade(upgrade),
            settings: Vec::new(),
            base: None,
        }
    }

    /// With `--set NAME=VALUE`: for tests.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push(Setting { name: name.into(), value: value.into() });
        self
    }

    /// Onto another plugin's plan: for tests.
    #[must_use]
    pub fn onto(mut self, plan: Plan) -> Self {
        self.base = Some(BasePlan { plan });
        self
    }

    /// The plan so far, while this plugin extends it in `make_plan`.
    pub fn plan_so_far(&self) -> Option<&Plan> {
        self.base.as_ref().map(|base| &base.plan)
    }
}

fn fact(name: &str, value: impl Into<String>) -> Fact {
    Fact { name: name.into(), value: value.into() }
}
