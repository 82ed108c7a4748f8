//! Plans that no plan should be, and the small honest one that the rest starts from.

use tessallite_up_sdk::prelude::*;

use crate::behaviour::Behaviour;
use crate::{calls, odd};

const ID: &str = "hostile/step";
pub const WAY_BACK: &str = "hostile/way-back";
/// Longer than any test waits.
const TIMEOUT_S: u32 = 5;

/// An extension where there is a plan so far, else a plan; `plan:plan` and
/// `plan:extension` give the other one.
pub fn make(request: &Request, behaviour: &Behaviour) -> Proposal {
    let steps = steps(behaviour);
    let extends = match (behaviour.phase, behaviour.action) {
        ("plan", "plan") => false,
        ("plan", "extension") => true,
        _ => request.plan_so_far().is_some(),
    };
    if !extends {
        let plan = steps.into_iter().fold(Plan::new(), Plan::step);
        return burdened(plan, behaviour).into();
    }
    let mut extension = Extension::new();
    for step in steps {
        extension = extension.step(position(behaviour), step);
    }
    extension.into()
}

/// Of `way-back`, one step in the way back of another plugin's plan; else none.
pub fn make_way_back(behaviour: &Behaviour) -> Proposal {
    if behaviour.phase != "way-back" {
        return Extension::new().into();
    }
    let position = match behaviour.function {
        "" => Position::First,
        step => Position::Before(step.into()),
    };
    let step = Step::new(WAY_BACK, "Misbehave on the way back").timeout_s(TIMEOUT_S);
    let step = calls::effect("sql.dump").into_iter().fold(step, Step::effect);
    Extension::new().step(position, step).into()
}

fn steps(behaviour: &Behaviour) -> Vec<Step> {
    let step = || Step::new(ID, "Misbehave").timeout_s(TIMEOUT_S);
    let effect = || calls::effect(behaviour.function).ok();
    match (behaviour.phase, behaviour.action) {
        ("apply", "twice" | "declared") => {
            vec![effect().into_iter().fold(step(), Step::effect)]
        }
        ("apply", "odd") => {
            vec![odd::effect(behaviour.function).into_iter().fold(step(), Step::effect)]
        }
        ("apply", "another") => {
            let innocent = Step::new("hostile/innocent", "Do nothing").timeout_s(TIMEOUT_S);
            vec![innocent, effect().into_iter().fold(step(), Step::effect)]
        }
        ("plan", shape) => misshapen(shape, step()),
        _ => vec![step()],
    }
}

fn misshapen(shape: &str, step: Step) -> Vec<Step> {
    let renamed = |id: &str| Step { id: id.into(), ..step.clone() };
    match shape {
        "no-steps" => vec![],
        "too-many-steps" => (0..501).map(|n| renamed(&format!("hostile/{n}"))).collect(),
        "million-steps" => (0..1_000_000).map(|n| renamed(&format!("hostile/{n}"))).collect(),
        "duplicate-ids" => vec![step.clone(), step],
        "foreign-id" => vec![renamed("backup")],
        "bad-id" => vec![renamed("../\u{1b}[2J")],
        "no-time" => vec![step.timeout_s(0)],
        "all-the-time" => vec![step.timeout_s(u32::MAX)],
        "long-title" => vec![Step { title: "x".repeat(5_000), ..step }],
        "declared-twice" => {
            let stop = calls::effect("docker.stop").ok();
            vec![stop.clone().into_iter().chain(stop).fold(step, Step::effect)]
        }
        "too-many-effects" => vec![(0..1_001).fold(step, |step, n| {
            let services = vec![format!("s{n}")];
            step.effect(Effect::DockerStop(docker::StopChange { services, unless_on: vec![] }))
        })],
        _ => vec![step],
    }
}

fn burdened(plan: Plan, behaviour: &Behaviour) -> Plan {
    match (behaviour.phase, behaviour.action) {
        ("plan", "too-many-notes") => (0..1_001).fold(plan, |plan, _| plan.note("note")),
        ("plan", "huge-notes") => plan.note("x".repeat(64 << 20)),
        ("plan", "huge-facts") => plan.fact("x", "x".repeat(5 << 20)),
        ("plan", "control-characters") => plan.note("\u{1b}[2J\u{202e}"),
        _ => plan,
    }
}

fn position(behaviour: &Behaviour) -> Position {
    match (behaviour.phase, behaviour.action) {
        ("plan", "nowhere") => Position::After("no/such/step".into()),
        _ => Position::Last,
    }
}
