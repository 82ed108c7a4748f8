//! Short ways to write the contract's records.

use crate::{
    Description, Effect, Error, Extension, Fact, Outcome, Permission, PlacedStep, Plan, Position,
    Proposal, Refusal, Step,
};

/// The time limit of a step that says nothing else, in seconds.
const DEFAULT_TIMEOUT_S: u32 = 600;

impl Description {
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
        self.requests.push(Permission {
            function: function.into(),
            reason: reason.into(),
        });
        self
    }
}

impl Step {
    pub fn new(id: &str, title: &str) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            effects: Vec::new(),
            timeout_s: DEFAULT_TIMEOUT_S,
        }
    }

    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    #[must_use]
    pub fn timeout_s(mut self, seconds: u32) -> Self {
        self.timeout_s = seconds;
        self
    }
}

impl Plan {
    pub fn new() -> Self {
        Self {
            steps: Vec::new(),
            notes: Vec::new(),
            facts: Vec::new(),
        }
    }

    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<String>) -> Self {
        self.facts.push(Fact {
            name: name.into(),
            value: value.into(),
        });
        self
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::new()
    }
}

impl Extension {
    pub fn new() -> Self {
        Self {
            steps: Vec::new(),
            notes: Vec::new(),
            facts: Vec::new(),
        }
    }

    #[must_use]
    pub fn step(mut self, position: Position, step: Step) -> Self {
        self.steps.push(PlacedStep { step, position });
        self
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
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
    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.report.push(line.into());
        self
    }

    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<String>) -> Self {
        self.facts.push(Fact {
            name: name.into(),
            value: value.into(),
        });
        self
    }
}

impl Default for Outcome {
    fn default() -> Self {
        Self {
            facts: Vec::new(),
            report: Vec::new(),
        }
    }
}
