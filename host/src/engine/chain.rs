//! Plans made by several plugins, one after the other.

use std::sync::Arc;

use super::audit::Audit;
use super::guard::Guard;
use super::plan::{PlannedStep, PluginPlan, check_notes, check_steps};
use super::{Error, Result};
use crate::capability::{Conduct, Kind, Services};
use crate::contract::{
    BasePlan, Description, Effect, Extension, Fact, PlacedStep, Plan as PluginsPlan, Position,
    Proposal, Refusal, Request, Setting, errors,
};
use crate::plugin::{Caller, Component};
use crate::policy::{Ask, Policy};
use crate::text::{one_line, shortened};

/// A plugin and what it says of itself.
pub struct Link {
    pub component: Component,
    pub description: Description,
    /// As the operator named it.
    pub source: String,
    pub policy: Policy,
}

/// What plugins are called with while they plan.
pub(super) struct Callers<'a> {
    pub services: &'a Arc<Services>,
    pub audit: &'a Arc<Audit>,
    pub run: &'a str,
    /// Of a plugin, by its number, in a phase.
    pub conduct: &'a (dyn Fn(usize, Guard) -> Arc<dyn Conduct> + Sync),
}

impl Callers<'_> {
    fn of(&self, number: usize, link: &Link, phase: &str) -> Caller {
        let guard = Guard::new(&link.policy, Arc::clone(self.audit), phase);
        Caller {
            services: Some(Arc::clone(self.services)),
            conduct: (self.conduct)(number, guard),
            run: self.run.to_owned(),
        }
    }
}

/// The plan so far.
#[derive(Default)]
pub(super) struct Draft {
    pub plugins: Vec<PluginPlan>,
    pub steps: Vec<PlannedStep>,
    pub rollback: Vec<PlannedStep>,
}

/// Asks each plugin in turn; the first makes the plan, each next one extends it.
pub(super) async fn make(
    links: &[Link],
    callers: &Callers<'_>,
    request: &Request,
) -> Result<Draft> {
    let names = names(links);
    let mut draft = Draft::default();
    for (number, link) in links.iter().enumerate() {
        let base = (number > 0).then(|| BasePlan { plan: draft.as_base() });
        let request = Request { base, ..addressed(request, &names, number) };
        let proposal =
            link.component.make_plan(&callers.of(number, link, "make-plan"), &request).await;
        callers.audit.flush()?;
        let proposal = proposal?.map_err(refused)?;
        let invalid = |why| Error::InvalidPlan { plugin: link.description.name.clone(), why };
        draft.add(number, link, proposal).map_err(invalid)?;
    }
    Ok(draft)
}

/// Asks each plugin in turn for the way back: the first makes the plan, each next one
/// extends it. Its steps and facts go into the draft.
pub(super) async fn make_rollback(
    links: &[Link],
    callers: &Callers<'_>,
    request: &Request,
    draft: &mut Draft,
) -> Result<()> {
    let names = names(links);
    for (number, link) in links.iter().enumerate() {
        let base = (number > 0).then(|| BasePlan { plan: draft.rollback_as_base() });
        let request = Request { base, ..addressed(request, &names, number) };
        let upgrade = PluginsPlan {
            facts: draft.plugins.get(number).map(|own| own.facts.clone()).unwrap_or_default(),
            ..draft.as_base()
        };
        let caller = callers.of(number, link, "make-rollback");
        let proposal = link.component.make_rollback(&caller, &request, &upgrade).await;
        callers.audit.flush()?;
        let proposal = proposal?.map_err(refused)?;
        let invalid = |why| Error::InvalidPlan { plugin: link.description.name.clone(), why };
        draft.add_rollback(number, proposal).map_err(invalid)?;
    }
    Ok(())
}

fn names(links: &[Link]) -> Vec<&str> {
    links.iter().map(|link| link.description.name.as_str()).collect()
}

/// The request with the settings of one plugin: those that begin with its name and a dot,
/// without them; for the first plugin also those that begin with no plugin's name.
pub(super) fn addressed(request: &Request, names: &[&str], number: usize) -> Request {
    let settings = settings_of(&request.settings, names, number);
    Request { settings, ..request.clone() }
}

fn settings_of(settings: &[Setting], names: &[&str], number: usize) -> Vec<Setting> {
    let mine = |setting: &Setting| match setting.name.split_once('.') {
        Some((plugin, rest)) if names.contains(&plugin) => (names.get(number) == Some(&plugin))
            .then(|| Setting { name: rest.to_owned(), value: setting.value.clone() }),
        _ => (number == 0).then(|| setting.clone()),
    };
    settings.iter().filter_map(mine).collect()
}

impl Draft {
    fn as_base(&self) -> PluginsPlan {
        PluginsPlan {
            steps: self.steps.iter().map(|planned| planned.step.clone()).collect(),
            notes: self.plugins.iter().flat_map(|plugin| plugin.notes.clone()).collect(),
            facts: self.plugins.iter().flat_map(|plugin| plugin.facts.clone()).collect(),
        }
    }

    /// # Errors
    /// The effect reaches beyond this run.
    pub(super) fn check_run(&self, run: &str) -> Result<()> {
        for planned in self.steps.iter().chain(&self.rollback) {
            let other = planned.step.effects.iter().find_map(|effect| match effect {
                Effect::DockerUnpin(change) if change.run != run => Some(&change.run),
                _ => None,
            });
            if let Some(other) = other {
                let plugin = self.plugins.get(planned.plugin);
                let plugin = plugin.map(|plugin| plugin.name.clone()).unwrap_or_default();
                let other = shortened(&one_line(other), 100);
                let why = format!("{} puts back files of another run, {other:?}", planned.step.id);
                return Err(Error::InvalidPlan { plugin, why });
            }
        }
        Ok(())
    }

    /// What is declared has to be granted, before anybody is asked to approve it.
    ///
    /// # Errors
    /// `Denied`, with every effect that is not, and what would allow them all.
    pub(super) fn check_granted(&self) -> Result<()> {
        let mut texts = Vec::new();
        let mut wanted: Vec<(Policy, Vec<&str>)> = Vec::new();
        for planned in self.steps.iter().chain(&self.rollback) {
            let Some(plugin) = self.plugins.get(planned.plugin) else { continue };
            for effect in &planned.step.effects {
                let ask = Ask::from(effect);
                let Err(denial) = plugin.policy.check(&ask) else { continue };
                if texts.len() >= MOST_DENIED {
                    continue;
                }
                texts.push(format!("step {}: {}", planned.step.id, denial.text));
                lack(&mut wanted, &plugin.policy, &ask);
            }
        }
        if texts.is_empty() {
            return Ok(());
        }
        let lines = wanted.iter().flat_map(|(policy, interfaces)| {
            interfaces.iter().map(|interface| policy.grants.line(&policy.plugin, interface))
        });
        Err(Error::NotGranted { texts, lines: lines.collect() })
    }

    fn rollback_as_base(&self) -> PluginsPlan {
        PluginsPlan {
            steps: self.rollback.iter().map(|planned| planned.step.clone()).collect(),
            notes: Vec::new(),
            facts: self.plugins.iter().flat_map(|plugin| plugin.rollback_facts.clone()).collect(),
        }
    }

    fn add_rollback(&mut self, number: usize, proposal: Proposal) -> Result<(), String> {
        let (notes, facts) = match (number, proposal) {
            (0, Proposal::Plan(plan)) => {
                let own = |step| PlannedStep { plugin: 0, step };
                self.rollback = plan.steps.into_iter().map(own).collect();
                (plan.notes, plan.facts)
            }
            (0, Proposal::Extension(extension)) if !extension.steps.is_empty() => {
                return Err("it only extends a rollback, and was named first".into());
            }
            (_, Proposal::Extension(Extension { steps, notes, facts })) => {
                place(&mut self.rollback, number, steps)?;
                (notes, facts)
            }
            (_, Proposal::Plan(_)) => {
                return Err("it made a rollback of its own where it was to extend one".into());
            }
        };
        // Of both together: the journal knows a step by its name.
        let all: Vec<PlannedStep> = self.steps.iter().chain(&self.rollback).cloned().collect();
        check_steps(&all)?;
        check_facts(&facts)?;
        if let Some(own) = self.plugins.get_mut(number) {
            own.notes.extend(notes);
            check_notes(&own.notes)?;
            own.rollback_facts = facts;
        }
        Ok(())
    }

    fn add(&mut self, number: usize, link: &Link, proposal: Proposal) -> Result<(), String> {
        let (notes, facts) = match (number, proposal) {
            (0, Proposal::Plan(plan)) => {
                let own = |step| PlannedStep { plugin: 0, step };
                self.steps = plan.steps.into_iter().map(own).collect();
                (plan.notes, plan.facts)
            }
            (0, Proposal::Extension(_)) => {
                return Err("it only extends another plugin's plan, and was named first".into());
            }
            (_, Proposal::Extension(Extension { steps, notes, facts })) => {
                place(&mut self.steps, number, steps)?;
                (notes, facts)
            }
            (_, Proposal::Plan(_)) => {
                return Err("it made a plan of its own where it was to extend one".into());
            }
        };
        if self.steps.is_empty() {
            return Err("it has no steps".into());
        }
        check_steps(&self.steps)?;
        check_notes(&notes)?;
        check_facts(&facts)?;
        let mut notes = notes;
        notes.extend(link.policy.lacking().map(|function| {
            let name = &link.description.name;
            format!("{name} asks for {function}, which is not granted: it will be denied")
        }));
        self.plugins.push(PluginPlan {
            name: link.description.name.clone(),
            version: link.description.version.clone(),
            source: link.source.clone(),
            digest: link.component.digest.clone(),
            notes,
            facts,
            rollback_facts: Vec::new(),
            policy: link.policy.clone(),
        });
        Ok(())
    }
}

/// Adds what allows this to what is wanted already.
fn lack<'a>(wanted: &mut Vec<(Policy, Vec<&'a str>)>, policy: &Policy, ask: &Ask<'a>) {
    let known = wanted.iter().position(|(known, _)| known.plugin == policy.plugin);
    let at = known.unwrap_or_else(|| {
        wanted.push((policy.clone(), Vec::new()));
        wanted.len() - 1
    });
    let Some((policy, interfaces)) = wanted.get_mut(at) else { return };
    if let Some(more) = policy.grants.with(ask) {
        policy.grants = more;
        if !interfaces.contains(&ask.interface()) {
            interfaces.push(ask.interface());
        }
    }
}

/// The steps of others keep their order and their content; `first` and `last` keep the
/// order in which they are given.
fn place(
    steps: &mut Vec<PlannedStep>,
    plugin: usize,
    placed: Vec<PlacedStep>,
) -> Result<(), String> {
    let mut firsts = 0;
    for PlacedStep { step, position } in placed {
        let find = |id: &str| {
            let found = steps.iter().position(|planned| planned.step.id == id);
            found.ok_or_else(|| format!("there is no step {id:?} to place {:?} at", step.id))
        };
        let at = match &position {
            Position::First => {
                firsts += 1;
                firsts - 1
            }
            Position::Before(id) => find(id)?,
            Position::After(id) => find(id)? + 1,
            Position::Last => steps.len(),
        };
        steps.insert(at.min(steps.len()), PlannedStep { plugin, step });
    }
    Ok(())
}

/// Effects that are not granted, as many as are named.
const MOST_DENIED: usize = 20;

/// All facts of a plugin together, in bytes.
const MOST_FACTS: usize = 4 << 20;

pub(super) fn check_facts(facts: &[Fact]) -> Result<(), String> {
    let bytes: usize = facts.iter().map(|fact| fact.name.len() + fact.value.len()).sum();
    if bytes > MOST_FACTS {
        return Err(format!("its facts have {bytes} bytes; the limit is {MOST_FACTS}"));
    }
    Ok(())
}

fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::NothingToDo(why) => Error::NothingToDo(why),
        Refusal::Preflight(problems) => Error::Preflight(problems),
        Refusal::Usage(why) => Error::Usage(why),
        Refusal::Error(error) => {
            let (kind, message) = kind_and_text(error);
            Error::Planning { kind, message }
        }
    }
}

pub(super) fn kind_and_text(error: errors::Error) -> (Kind, String) {
    use errors::Error as E;
    match error {
        E::Denied(text) => (Kind::Denied, text),
        E::NotFound(text) => (Kind::NotFound, text),
        E::Conflict(text) => (Kind::Conflict, text),
        E::Unavailable(text) => (Kind::Unavailable, text),
        E::TimedOut(text) => (Kind::TimedOut, text),
        E::Invalid(text) => (Kind::Invalid, text),
        E::Failed(text) => (Kind::Failed, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Step;

    fn step(id: &str) -> Step {
        Step { id: id.into(), title: String::new(), effects: vec![], timeout_s: 1 }
    }

    fn steps() -> Vec<PlannedStep> {
        let own = |id: &&str| PlannedStep { plugin: 0, step: step(id) };
        ["a", "b", "c"].iter().map(own).collect()
    }

    fn placed(id: &str, position: Position) -> PlacedStep {
        PlacedStep { step: step(id), position }
    }

    fn ids(steps: &[PlannedStep]) -> Vec<&str> {
        steps.iter().map(|planned| planned.step.id.as_str()).collect()
    }

    #[test]
    fn steps_go_where_they_are_placed() {
        let mut steps = steps();
        let placed = vec![
            placed("1", Position::First),
            placed("2", Position::First),
            placed("3", Position::After("b".into())),
            placed("4", Position::Before("a".into())),
            placed("5", Position::Last),
        ];
        place(&mut steps, 1, placed).unwrap();
        assert_eq!(ids(&steps), ["1", "2", "4", "a", "b", "3", "c", "5"]);
    }

    #[test]
    fn each_plugin_gets_its_own_settings_and_the_first_one_the_rest() {
        let setting = |name: &str| Setting { name: name.into(), value: String::new() };
        let all =
            ["soak", "services.gateway.port", "hello.channel", "compose.timeout"].map(setting);
        let names = |number| -> Vec<String> {
            let mine = settings_of(&all, &["compose", "hello"], number);
            mine.into_iter().map(|setting| setting.name).collect()
        };
        assert_eq!(names(0), ["soak", "services.gateway.port", "timeout"]);
        assert_eq!(names(1), ["channel"]);
    }

    #[test]
    fn an_anchor_that_is_not_there_is_an_error() {
        let error = place(&mut steps(), 1, vec![placed("x", Position::After("nope".into()))]);
        assert!(error.unwrap_err().contains("nope"));
    }
}
