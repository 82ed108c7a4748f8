//! Extends another plugin's plan: announces the upgrade, says which services are about to
//! restart, and reports what became of them. It changes nothing.

use tessallite_up_sdk::prelude::*;

const BEGIN: &str = "announce/begin";
const SOON: &str = "announce/soon";
const BACK: &str = "announce/back";
const END: &str = "announce/end";

/// The facts that say what became of a service, and the one that says how long the plan was.
const CONTAINERS: &str = "announce.containers.";
const STEPS: &str = "announce.steps";

struct Announce;

impl Procedure for Announce {
    fn describe() -> Description {
        Description::new(
            "announce",
            env!("CARGO_PKG_VERSION"),
            "Announces restarts and reports what came back",
        )
        .request("docker.get-service", "see whether the services came back")
    }

    fn make_plan(request: &Request) -> Result<Proposal, Refusal> {
        let plan = request.plan_so_far().ok_or_else(|| {
            Refusal::Usage("announce extends a plan: name the procedure before it".into())
        })?;
        let step = |id, title: &str| Step::new(id, title).timeout_s(60);
        let mut extension = Extension::new()
            .step(Position::First, step(BEGIN, "Announce the upgrade"))
            .step(Position::Last, step(END, "Report what came back"))
            .fact(STEPS, plan.steps.len().to_string());
        let deploys: Vec<&Step> =
            plan.steps.iter().filter(|step| deployed(step).count() > 0).collect();
        if let [first, .., last] | [first @ last] = &deploys[..] {
            let names: Vec<&str> = deploys.iter().flat_map(|step| deployed(step)).collect();
            let names = names.join(", ");
            extension = extension
                .step(Position::Before(first.id.clone()), step(SOON, "Announce the restarts"))
                .step(Position::After(last.id.clone()), step(BACK, &format!("Look for {names}")))
                .note(format!("restarts are announced: {names}"))
                .fact("announce.services", names);
        }
        Ok(extension.into())
    }

    fn apply(_request: &Request, step: &Step, facts: &[Fact]) -> Result<Outcome, Error> {
        let facts = Facts(facts);
        let services = facts.get("announce.services").unwrap_or_default();
        match step.id.as_str() {
            BEGIN => {
                let steps = facts.get(STEPS).unwrap_or_default();
                host::log(Level::Info, &format!("an upgrade of {steps} steps begins"));
            }
            SOON => host::log(Level::Warn, &format!("about to restart: {services}")),
            BACK => return look_for(services.split(", ")),
            END => return Ok(report(facts)),
            other => return Err(Error::Invalid(format!("{other:?} is not a step of announce"))),
        }
        Ok(Outcome::default())
    }
}

/// The services that a step of any plugin deploys.
fn deployed(step: &Step) -> impl Iterator<Item = &str> {
    let changes = step.effects.iter().filter_map(|effect| match effect {
        Effect::DockerDeploy(change) => Some(change),
        _ => None,
    });
    changes.flat_map(|change| &change.services).map(|deployed| deployed.service.as_str())
}

fn look_for<'a>(services: impl Iterator<Item = &'a str>) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    for name in services {
        let running = docker::get_service(name)?.containers.len().to_string();
        outcome = outcome.fact(&format!("{CONTAINERS}{name}"), running);
    }
    Ok(outcome)
}

fn report(facts: Facts) -> Outcome {
    let lines = facts.below(CONTAINERS);
    lines.fold(Outcome::default(), |outcome, (service, containers)| {
        outcome.line(format!("announce: {service} came back with {containers} container(s)"))
    })
}

export!(Announce);

#[cfg(test)]
mod tests {
    use super::*;
    use tessallite_up_sdk::docker::{DeployChange, PinnedImage, ServiceImage};

    fn deploy(id: &str, services: &[&str]) -> Step {
        let image = PinnedImage { reference: "r/s:1".into(), digest: "sha256:0".into() };
        let service = |name: &&str| ServiceImage { service: (*name).into(), image: image.clone() };
        let services = services.iter().map(service).collect();
        Step::new(id, "Deploy").effect(Effect::DockerDeploy(DeployChange { services }))
    }

    fn extend(plan: Plan) -> Extension {
        match Announce::make_plan(&Request::upgrade_to("1.5.0").onto(plan)) {
            Ok(Proposal::Extension(extension)) => extension,
            other => panic!("{other:?}"),
        }
    }

    fn places(extension: &Extension) -> Vec<(&str, &Position)> {
        extension.steps.iter().map(|placed| (placed.step.id.as_str(), &placed.position)).collect()
    }

    #[test]
    fn steps_go_around_the_deployments_of_the_plan_so_far() {
        let plan = Plan::new()
            .step(Step::new("backup", "Back up"))
            .step(deploy("deploy/1", &["a"]))
            .step(deploy("deploy/2", &["b", "c"]));
        let extension = extend(plan);
        assert_eq!(
            places(&extension),
            [
                (BEGIN, &Position::First),
                (END, &Position::Last),
                (SOON, &Position::Before("deploy/1".into())),
                (BACK, &Position::After("deploy/2".into())),
            ]
        );
        assert_eq!(extension.notes, ["restarts are announced: a, b, c"]);
    }

    #[test]
    fn a_plan_that_deploys_nothing_is_only_announced() {
        let extension = extend(Plan::new().step(Step::new("backup", "Back up")));
        assert_eq!(places(&extension), [(BEGIN, &Position::First), (END, &Position::Last)]);
    }

    #[test]
    fn it_does_not_plan_alone() {
        let alone = Announce::make_plan(&Request::upgrade_to("1.5.0"));
        assert!(matches!(alone, Err(Refusal::Usage(_))));
    }

    #[test]
    fn what_came_back_is_reported_from_the_facts() {
        let fact = |name: &str, value: &str| Fact { name: name.into(), value: value.into() };
        let facts = [fact("announce.containers.a", "2"), fact("other", "x")];
        let request = Request::upgrade_to("1.5.0");
        let outcome = Announce::apply(&request, &Step::new(END, ""), &facts);
        let report = outcome.map(|outcome| outcome.report);
        assert_eq!(report, Ok(vec!["announce: a came back with 2 container(s)".to_owned()]));
    }
}
