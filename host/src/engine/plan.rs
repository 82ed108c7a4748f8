//! The plan: what was shown, what is approved, what alone may happen.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::progress::{Direction, EffectRecord, Progress};
use crate::contract::{Effect, Fact, Impact, Request, Step};
use crate::policy::Policy;
use crate::report::event::{PlanView, ServiceChange, StepView};
use crate::text::{one_line, shortened};

/// Of the plan file.
pub const FORMAT: u32 = 2;

const MOST_STEPS: usize = 500;
const MOST_EFFECTS: usize = 1_000;
const MOST_NOTES: usize = 1_000;
const LONGEST_TEXT: usize = 4_096;
/// Two days.
const LONGEST_STEP_S: u32 = 172_800;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub format: u32,
    /// Of the program that made it.
    pub program: String,
    pub run: String,
    pub project: String,
    /// Where it was made: the machine and the directory of the project.
    pub place: String,
    pub request: Request,
    pub plugins: Vec<PluginPlan>,
    pub services: Vec<ServiceChange>,
    pub steps: Vec<PlannedStep>,
    /// The way back, approved with the rest. Empty: there is none.
    pub rollback: Vec<PlannedStep>,
}

/// What belongs to one plugin of the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginPlan {
    pub name: String,
    pub version: String,
    /// As the operator named it: a path, or a name.
    pub source: String,
    /// SHA-256 of its component.
    pub digest: String,
    pub notes: Vec<String>,
    pub facts: Vec<Fact>,
    /// In a rollback, beside those above.
    pub rollback_facts: Vec<Fact>,
    /// What it may do. The approval is of this, whatever is granted later.
    pub policy: Policy,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Index into the plan's plugins: the one that applies it.
    pub plugin: usize,
    #[serde(flatten)]
    pub step: Step,
}

impl Plan {
    /// Whether it deploys to Cloud Run.
    pub(super) fn is_on_google_cloud(&self) -> bool {
        let steps = self.steps.iter().chain(&self.rollback);
        let mut effects = steps.flat_map(|planned| &planned.step.effects);
        effects.any(|effect| matches!(effect, Effect::RunDeploy(_) | Effect::RunRoute(_)))
    }

    #[cfg(test)]
    pub fn of_one_step(step: Step) -> Self {
        let upgrade = crate::contract::Upgrade {
            version: None,
            migration: None,
            oldest: None,
            keeps_compatibility: false,
            images: vec![],
        };
        let intent = crate::contract::Intent::Upgrade(upgrade);
        Self {
            format: FORMAT,
            program: String::new(),
            run: "r".into(),
            project: "p".into(),
            place: String::new(),
            request: Request { run: "r".into(), intent, settings: vec![], base: None },
            plugins: vec![],
            services: vec![],
            steps: vec![PlannedStep { plugin: 0, step }],
            rollback: vec![],
        }
    }

    pub fn steps_of(&self, direction: Direction) -> &[PlannedStep] {
        match direction {
            Direction::Upgrade => &self.steps,
            Direction::Rollback => &self.rollback,
        }
    }

    /// The effect that a record of the run's journal is about.
    pub fn effect(&self, record: &EffectRecord) -> Option<&Effect> {
        let mut steps = self.steps.iter().chain(&self.rollback);
        let planned = steps.find(|planned| planned.step.id == record.step)?;
        planned.step.effects.get(record.declared)
    }

    /// Whether an effect that changes the installation has begun.
    pub fn has_touched(&self, progress: &Progress) -> bool {
        let begun = progress.effects.iter().filter_map(|record| self.effect(record));
        begun.into_iter().any(|effect| effect.impact() == Impact::Installation)
    }

    pub fn view(&self) -> PlanView {
        let step = |planned: &PlannedStep| StepView {
            id: planned.step.id.clone(),
            title: one_line(&planned.step.title),
            plugin: self.plugins.get(planned.plugin).map(|p| p.name.clone()).unwrap_or_default(),
            effects: planned.step.effects.iter().map(|e| one_line(&e.summary())).collect(),
        };
        PlanView {
            run: self.run.clone(),
            project: self.project.clone(),
            services: self.services.clone(),
            steps: self.steps.iter().map(step).collect(),
            rollback: self.rollback.iter().map(step).collect(),
            notes: self.plugins.iter().flat_map(|p| &p.notes).map(|note| one_line(note)).collect(),
        }
    }
}

/// What the steps of a plan have to be, whoever made them.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn check_steps(steps: &[PlannedStep]) -> Result<(), String> {
    if steps.len() > MOST_STEPS {
        return Err(format!("it has {} steps; the limit is {MOST_STEPS}", steps.len()));
    }
    let mut ids = BTreeSet::new();
    for PlannedStep { step, .. } in steps {
        let id = shortened(&one_line(&step.id), 100);
        if !is_step_id(&step.id) {
            return Err(format!(
                "the step id {id:?} is not made of lower-case letters, digits, '-', '.' and '/'"
            ));
        }
        if !ids.insert(&step.id) {
            return Err(format!("it has two steps {id:?}"));
        }
        if step.effects.len() > MOST_EFFECTS {
            return Err(format!("the step {id:?} has more than {MOST_EFFECTS} effects"));
        }
        if !(1..=LONGEST_STEP_S).contains(&step.timeout_s) {
            return Err(format!(
                "the time limit of the step {id:?} is not 1 to {LONGEST_STEP_S} s"
            ));
        }
        if step.title.len() > LONGEST_TEXT {
            return Err(format!("the title of the step {id:?} is too long"));
        }
        for (number, effect) in step.effects.iter().enumerate() {
            if step.effects[..number].contains(effect) {
                return Err(format!(
                    "the step {id:?} declares twice: {}",
                    one_line(&effect.summary())
                ));
            }
            if !is_written_whole(effect) {
                return Err(format!(
                    "the step {id:?} declares what the plan's file cannot hold, such as a number \
                     that is none: {}",
                    one_line(&effect.summary())
                ));
            }
        }
    }
    Ok(())
}

/// A run that is taken up again has its effects from the plan's file.
fn is_written_whole(effect: &Effect) -> bool {
    let text = serde_json::to_string(effect);
    text.is_ok_and(|text| serde_json::from_str(&text).is_ok_and(|read: Effect| read == *effect))
}

pub(super) fn check_notes(notes: &[String]) -> Result<(), String> {
    if notes.len() > MOST_NOTES || notes.iter().any(|note| note.len() > LONGEST_TEXT) {
        return Err("it has too many notes, or too long ones".into());
    }
    Ok(())
}

fn is_step_id(id: &str) -> bool {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-./".contains(c);
    (1..=100).contains(&id.len()) && id.chars().all(valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(id: &str) -> PlannedStep {
        let step = Step { id: id.into(), title: "t".into(), effects: vec![], timeout_s: 1 };
        PlannedStep { plugin: 0, step }
    }

    #[test]
    fn ids_are_unique_and_plain() {
        assert!(check_steps(&[step("deploy/1"), step("deploy/2")]).is_ok());
        assert!(check_steps(&[step("a"), step("a")]).unwrap_err().contains("two steps"));
        for bad in ["", "A", "a b", "a\n", "../\u{202e}", &"x".repeat(101)] {
            assert!(check_steps(&[step(bad)]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_plan_has_not_endlessly_many_steps() {
        let many: Vec<_> = (0..=MOST_STEPS).map(|n| step(&n.to_string())).collect();
        assert!(check_steps(&many).is_err());
        assert!(check_steps(&many[1..]).is_ok());
    }

    #[test]
    fn an_effect_is_one_that_can_be_written_and_read_again() {
        use crate::contract::sql::{ExecuteChange, Value};
        let with = |number| {
            let params = vec![Value::Float(number)];
            let (connection, statement) = ("internal".into(), "select $1".into());
            let mut step = step("a");
            step.step.effects =
                vec![Effect::SqlExecute(ExecuteChange { connection, statement, params })];
            check_steps(&[step])
        };
        // The last is one that a reader who is not exact makes another of.
        for number in [0.5, -0.0, f64::MAX, f64::MIN_POSITIVE, 31.245270191439438] {
            assert_eq!(with(number), Ok(()), "{number}");
        }
        for number in [f64::NAN, f64::INFINITY] {
            assert!(with(number).unwrap_err().contains("cannot hold"));
        }
    }

    #[test]
    fn an_effect_is_declared_once() {
        use crate::contract::{Effect, docker::StopChange};
        let stop = Effect::DockerStop(StopChange { services: vec!["a".into()], unless_on: vec![] });
        let mut twice = step("a");
        twice.step.effects = vec![stop.clone(), stop];
        assert!(check_steps(&[twice]).unwrap_err().contains("twice"));
    }
}
