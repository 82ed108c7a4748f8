//! The example: a second plugin that gets the plan so far, adds steps, and applies its own.

use tessallite_up::contract::docker::{DeployChange, PinnedImage, ServiceImage};
use tessallite_up::contract::{
    BasePlan, Effect, Extension, Fact, Plan, Position, Proposal, Refusal, Request, errors,
};
use tessallite_up::plugin::Limits;

use crate::guide;
use crate::plugin::{Bench, request, step};

const CRATE: &str = "plugins/examples/announce";

fn bench() -> Bench {
    Bench::of(&guide::build(CRATE), Limits::default())
}

fn plan_so_far() -> Plan {
    let image = PinnedImage { reference: "r/gateway:2".into(), digest: "sha256:0".into() };
    let services = vec![ServiceImage { service: "gateway".into(), image }];
    let mut deploy = step("deploy/1", 60);
    deploy.effects = vec![Effect::DockerDeploy(DeployChange { services })];
    Plan { steps: vec![step("backup", 60), deploy], notes: vec![], facts: vec![] }
}

async fn extension(bench: &Bench) -> Extension {
    let request = Request { base: Some(BasePlan { plan: plan_so_far() }), ..request("") };
    match bench.component.make_plan(&bench.caller(), &request).await.unwrap() {
        Ok(Proposal::Extension(extension)) => extension,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_adds_steps_around_those_of_the_plan_so_far() {
    let extension = extension(&bench()).await;
    let placed: Vec<_> =
        extension.steps.into_iter().map(|placed| (placed.step.id, placed.position)).collect();
    assert_eq!(
        placed,
        [
            ("announce/begin".into(), Position::First),
            ("announce/end".into(), Position::Last),
            ("announce/soon".into(), Position::Before("deploy/1".into())),
            ("announce/back".into(), Position::After("deploy/1".into())),
        ]
    );
}

#[tokio::test]
async fn it_reports_from_the_facts_of_its_own_steps() {
    let bench = bench();
    let fact = Fact { name: "announce.containers.gateway".into(), value: "1".into() };
    let outcome = bench.apply("", &step("announce/end", 5), &[fact]).await.unwrap().unwrap();
    assert_eq!(outcome.report, ["announce: gateway came back with 1 container(s)"]);
}

#[tokio::test]
async fn it_applies_its_own_steps_only() {
    let answer = bench().apply("", &step("backup", 5), &[]).await.unwrap();
    assert!(matches!(answer, Err(errors::Error::Invalid(_))), "{answer:?}");
}

#[tokio::test]
async fn it_does_not_plan_alone() {
    let answer = bench().make_plan("").await.unwrap();
    assert!(matches!(answer, Err(Refusal::Usage(_))), "{answer:?}");
}
