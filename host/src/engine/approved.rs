//! Plans that were written to a file, approved there, and are carried out later: only where
//! the very same plan would be made again.

use serde_json::Value;

use super::chain::check_facts;
use super::plan::{FORMAT, Plan, check_notes, check_steps};
use crate::text::{one_line, shortened};

/// Of a plan's file.
pub const MOST_BYTES: u64 = 64 << 20;
/// That are named where a plan would be another one now.
const MOST_DIFFERENCES: usize = 10;
const LONGEST_VALUE: usize = 120;

impl Plan {
    /// Reads a plan's file, which may come from anywhere.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let plan: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if plan.format != FORMAT {
            return Err(format!("its format {} is not known to this version", plan.format));
        }
        if !is_run(&plan.run) {
            return Err("it names no run".into());
        }
        if plan.run != plan.request.run {
            return Err("its request is another run's".into());
        }
        let all: Vec<_> = plan.steps.iter().chain(&plan.rollback).cloned().collect();
        check_steps(&all)?;
        if let Some(stray) = all.iter().find(|planned| planned.plugin >= plan.plugins.len()) {
            return Err(format!("no plugin of it applies the step {:?}", stray.step.id));
        }
        for plugin in &plan.plugins {
            check_notes(&plugin.notes)?;
            check_facts(&plugin.facts)?;
            check_facts(&plugin.rollback_facts)?;
        }
        Ok(plan)
    }

    /// What is not as it was approved, a line each, if this plan was made now. The notes are
    /// for whoever reads them: free space and sizes are never the same twice.
    pub fn drift(&self, approved: &Self) -> Vec<String> {
        let value = |plan: &Self| {
            let mut plan = plan.clone();
            plan.plugins.iter_mut().for_each(|plugin| plugin.notes.clear());
            serde_json::to_value(&plan).unwrap_or_default()
        };
        let mut found = Vec::new();
        compare("", &value(approved), &value(self), &mut found);
        found
    }
}

/// As the program names them: their time, and what two of one second do not share.
fn is_run(name: &str) -> bool {
    let is_digits = |part: &str, n| part.len() == n && part.chars().all(|c| c.is_ascii_digit());
    let parts: Vec<&str> = name.split('-').collect();
    matches!(parts[..], [day, time, id] if is_digits(day, 8) && is_digits(time, 6)
        && id.len() == 4 && id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')))
}

fn compare(at: &str, before: &Value, now: &Value, found: &mut Vec<String>) {
    if before == now || found.len() >= MOST_DIFFERENCES {
        return;
    }
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            let mut keys: Vec<&String> = before.keys().chain(now.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let of = |side: &serde_json::Map<String, Value>| {
                    side.get(key).cloned().unwrap_or(Value::Null)
                };
                compare(&format!("{at}.{key}"), &of(before), &of(now), found);
            }
        }
        (Value::Array(before), Value::Array(now)) => {
            for number in 0..before.len().max(now.len()) {
                let of = |side: &[Value]| side.get(number).cloned().unwrap_or(Value::Null);
                compare(&format!("{at}[{number}]"), &of(before), &of(now), found);
            }
        }
        _ => {
            let short = |value: &Value| shortened(&one_line(&value.to_string()), LONGEST_VALUE);
            let at = at.trim_start_matches('.');
            found.push(format!("{at} was {}, and is {}", short(before), short(now)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Step;

    fn plan() -> Plan {
        let step = Step { id: "s".into(), title: "t".into(), effects: vec![], timeout_s: 1 };
        let mut plan = Plan::of_one_step(step);
        plan.run = "20260101-120000-1a2b".into();
        plan.request.run = plan.run.clone();
        plan.plugins.push(crate::engine::plan::PluginPlan {
            name: "p".into(),
            version: "1".into(),
            source: "p".into(),
            digest: "00".into(),
            notes: vec![],
            facts: vec![],
            rollback_facts: vec![],
            policy: Default::default(),
        });
        plan
    }

    fn parsed(plan: &Plan) -> Result<Plan, String> {
        Plan::parse(&serde_json::to_vec(plan).unwrap())
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        assert_eq!(parsed(&plan()), Ok(plan()));
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        let refused = |change: &dyn Fn(&mut Plan)| {
            let mut changed = plan();
            change(&mut changed);
            assert!(parsed(&changed).is_err(), "{changed:?}");
        };
        refused(&|plan| plan.format = 1);
        refused(&|plan| plan.run = "../x".into());
        refused(&|plan| plan.run = String::new());
        refused(&|plan| plan.run = "zzz".into());
        refused(&|plan| plan.request.run = "other".into());
        refused(&|plan| plan.steps[0].plugin = 1);
        refused(&|plan| plan.steps[0].step.id = "S".into());
        refused(&|plan| plan.rollback = plan.steps.clone());
        assert!(Plan::parse(b"{}").is_err());
        assert!(Plan::parse(b"").is_err());
    }

    #[test]
    fn what_has_drifted_is_named() {
        let mut now = plan();
        now.plugins[0].notes.push("52.3 GiB free".into());
        assert!(now.drift(&plan()).is_empty());
        now.plugins[0].digest = "11".into();
        now.steps[0].step.timeout_s = 2;
        assert_eq!(
            now.drift(&plan()),
            ["plugins[0].digest was \"00\", and is \"11\"", "steps[0].timeout_s was 1, and is 2"]
        );
        now.steps.clear();
        let gone = &now.drift(&plan())[1];
        assert!(gone.starts_with("steps[0] was {") && gone.ends_with("is null"), "{gone}");
    }
}
