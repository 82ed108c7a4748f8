//! Plans made by several plugins, one after the other.

use super::plan::{PlannedStep, PluginPlan, check_notes, check_steps};
use super::{Error, Result};
use crate::capability::Kind;
use crate::contract::{
    BasePlan, Description, Extension, Fact, PlacedStep, Plan as PluginsPlan, Position, Proposal,
    Refusal, Request, Setting, errors,
};
use crate::plugin::{Caller, Component};

/// A plugin and what it says of itself.
pub struct Link {
    pub component: Component,
    pub description: Description,
}

/// The plan so far.
#[derive(Default)]
pub(super) struct Draft {
    pub plugins: Vec<PluginPlan>,
    pub steps: Vec<PlannedStep>,
}

/// Asks each plugin in turn; the first makes the plan, each next one extends it.
pub(super) async fn make(links: &[Link], caller: &Caller, request: &Request) -> Result<Draft> {
    let mut draft = Draft::default();
    for (number, link) in links.iter().enumerate() {
        let base = (number > 0).then(|| BasePlan { plan: draft.as_base() });
        let request = Request { base, ..addressed(request, links, number) };
        let proposal = link.component.make_plan(caller, &request).await?.map_err(refused)?;
        let invalid = |why| Error::InvalidPlan { plugin: link.description.name.clone(), why };
        draft.add(number, link, proposal).map_err(invalid)?;
    }
    Ok(draft)
}

/// The request with the settings of one plugin: those that begin with its name and a dot,
/// without them; for the first plugin also those that begin with no plugin's name.
pub(super) fn addressed(request: &Request, links: &[Link], number: usize) -> Request {
    let names: Vec<&str> = links.iter().map(|link| link.description.name.as_str()).collect();
    let settings = settings_of(&request.settings, &names, number);
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
                self.place(number, steps)?;
                (notes, facts)
            }
            (_, Proposal::Plan(_)) => {
                return Err("it made a plan of its own where it was to extend one".into());
            }
        };
        check_steps(&self.steps)?;
        check_notes(&notes)?;
        check_facts(&facts)?;
        self.plugins.push(PluginPlan {
            name: link.description.name.clone(),
            version: link.description.version.clone(),
            digest: link.component.digest.clone(),
            notes,
            facts,
        });
        Ok(())
    }

    /// The steps of others keep their order and their content; `first` and `last` keep the
    /// order in which they are given.
    fn place(&mut self, plugin: usize, placed: Vec<PlacedStep>) -> Result<(), String> {
        let mut firsts = 0;
        for PlacedStep { step, position } in placed {
            let find = |id: &str| {
                let found = self.steps.iter().position(|planned| planned.step.id == id);
                found.ok_or_else(|| format!("there is no step {id:?} to place {:?} at", step.id))
            };
            let at = match &position {
                Position::First => {
                    firsts += 1;
                    firsts - 1
                }
                Position::Before(id) => find(id)?,
                Position::After(id) => find(id)? + 1,
                Position::Last => self.steps.len(),
            };
            self.steps.insert(at.min(self.steps.len()), PlannedStep { plugin, step });
        }
        Ok(())
    }
}

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

    fn draft() -> Draft {
        let own = |id: &&str| PlannedStep { plugin: 0, step: step(id) };
        Draft { plugins: vec![], steps: ["a", "b", "c"].iter().map(own).collect() }
    }

    fn placed(id: &str, position: Position) -> PlacedStep {
        PlacedStep { step: step(id), position }
    }

    fn ids(draft: &Draft) -> Vec<&str> {
        draft.steps.iter().map(|planned| planned.step.id.as_str()).collect()
    }

    #[test]
    fn steps_go_where_they_are_placed() {
        let mut draft = draft();
        let steps = vec![
            placed("1", Position::First),
            placed("2", Position::First),
            placed("3", Position::After("b".into())),
            placed("4", Position::Before("a".into())),
            placed("5", Position::Last),
        ];
        draft.place(1, steps).unwrap();
        assert_eq!(ids(&draft), ["1", "2", "4", "a", "b", "3", "c", "5"]);
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
        let error = draft().place(1, vec![placed("x", Position::After("nope".into()))]);
        assert!(error.unwrap_err().contains("nope"));
    }
}
