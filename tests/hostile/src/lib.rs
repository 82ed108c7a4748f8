//! A plugin that misbehaves as it is told to.
//!
//! A behaviour is written PHASE:ACTION, or PHASE:ACTION:FUNCTION, as in `make-plan:loop`
//! and `apply:twice:docker.stop`; of `way-back`, the function may be a step before which
//! it misbehaves; [`behaviour`] says where it comes from.

mod behaviour;
mod calls;
mod harm;
mod odd;
mod plans;

use behaviour::Behaviour;
use tessallite_up_sdk::prelude::*;

struct Hostile;

impl Procedure for Hostile {
    fn describe() -> Description {
        let behaviour = Behaviour::baked();
        let honest = Description::new("hostile", "0.1.0", "Misbehaves").target("compose");
        let honest = match behaviour.phase {
            // Calls what it did not ask for.
            "unasked" => honest,
            _ => calls::FUNCTIONS.iter().fold(honest, |all, f| all.request(f, "to do harm")),
        };
        match (behaviour.phase, behaviour.action) {
            ("describe", "call-all") => Description { summary: calls::all(), ..honest },
            ("describe", action) => {
                harm::do_harm(action);
                honest
            }
            ("description", what) => lie(honest, what),
            _ => honest,
        }
    }

    fn make_plan(request: &Request) -> Result<Proposal, Refusal> {
        let behaviour = Behaviour::of(request);
        match (behaviour.phase, behaviour.action) {
            ("make-plan", "call") => calls::call(behaviour.function)?,
            ("make-plan", "sql") => drop(sql::query("internal", behaviour.function, &[])?),
            ("make-plan", "get") => {
                let origin = http::Endpoint::Origin(behaviour.function.into());
                drop(http::get(&origin, "/", 2_000)?);
            }
            ("make-plan", action) => harm::do_harm(action),
            _ => {}
        }
        Ok(plans::make(request, &behaviour))
    }

    fn make_rollback(request: &Request, _upgrade: &Plan) -> Result<Proposal, Refusal> {
        let behaviour = Behaviour::of(request);
        match (behaviour.phase, behaviour.action) {
            ("make-rollback", "call") => calls::call(behaviour.function)?,
            ("make-rollback", action) => harm::do_harm(action),
            _ => {}
        }
        Ok(plans::make_way_back(&behaviour))
    }

    fn apply(request: &Request, step: &Step, _facts: &[Fact]) -> Result<Outcome, Error> {
        let behaviour = Behaviour::of(request);
        match (behaviour.phase, behaviour.action) {
            ("way-back", "undeclared") if step.id == plans::WAY_BACK => {
                calls::call("docker.stop")?;
            }
            ("way-back", action) if step.id == plans::WAY_BACK => harm::do_harm(action),
            ("apply", "undeclared") => calls::call(behaviour.function)?,
            ("apply", "another") if step.effects.is_empty() => calls::call(behaviour.function)?,
            ("apply", "twice") => {
                carry_out_all(&step.effects)?;
                carry_out_all(&step.effects)?;
            }
            ("apply", action) => {
                harm::do_harm(action);
                carry_out_all(&step.effects)?;
            }
            _ => carry_out_all(&step.effects)?,
        }
        Ok(Outcome::default().line(format!("{} is over", step.id)))
    }
}

fn lie(honest: Description, what: &str) -> Description {
    match what {
        "shouted-name" => Description { name: "HOSTILE".into(), ..honest },
        "compose" => Description { name: "compose".into(), ..honest },
        "empty-name" => Description { name: String::new(), ..honest },
        "path-as-name" => Description { name: "../compose".into(), ..honest },
        "long-name" => Description { name: "x".repeat(65), ..honest },
        "long-summary" => Description { summary: "x".repeat(1001), ..honest },
        "unknown-target" => Description { target: "mainframe".into(), ..honest },
        "control-characters" => Description { summary: "\u{1b}[2J\u{202e}".into(), ..honest },
        "many-requests" => {
            (0..100_000).fold(honest, |lie, n| lie.request(&n.to_string(), "because"))
        }
        "extension" => Description { target: String::new(), ..honest },
        _ => honest,
    }
}

export!(Hostile);
