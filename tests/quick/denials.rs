//! What a plugin must not do, it is told that it must not: `denied`, and nothing happens.

use std::sync::Arc;

use tessallite_up::capability::conduct::Notice;
use tessallite_up::contract::{Effect, docker::StopChange, errors};
use tessallite_up::engine::Nothing;
use tessallite_up::plugin::{Caller, Error, Limits};

use crate::plugin::{Bench, step};

const CHANGES: [&str; 15] = [
    "docker.pull",
    "docker.pin",
    "docker.deploy",
    "docker.unpin",
    "docker.revert",
    "docker.stop",
    "docker.exec",
    "gcloud.deploy",
    "gcloud.route",
    "gcloud.create-backup",
    "gcloud.restore-backup",
    "sql.execute",
    "sql.dump",
    "sql.restore",
    "http.send",
];

#[tokio::test]
async fn a_step_that_changes_what_it_does_not_declare_gets_denied_as_its_answer() {
    let bench = Bench::hostile(Limits::default());
    for change in CHANGES {
        let behaviour = format!("apply:undeclared:{change}");
        let answer = bench.apply(&behaviour, &step("hostile/step", 5), &[]).await.unwrap();
        assert!(matches!(answer, Err(errors::Error::Denied(_))), "{change}: {answer:?}");
    }
    bench.is_well().await;
}

#[tokio::test]
async fn an_effect_is_denied_whoever_declares_it_when_the_run_says_no() {
    let bench = Bench::hostile(Limits::default());
    let stop =
        Effect::DockerStop(StopChange { services: vec!["gateway".into()], unless_on: vec![] });
    let mut step = step("hostile/step", 5);
    step.effects = vec![stop];
    let answer = bench.apply("apply:twice:docker.stop", &step, &[]).await.unwrap();
    assert!(matches!(answer, Err(errors::Error::Denied(_))), "{answer:?}");
}

#[tokio::test]
async fn describe_may_call_nothing() {
    let bench = Bench::baked("describe:call-all");
    let conduct = Arc::new(Nothing);
    let caller = Caller { services: None, conduct, run: String::new() };
    let description = bench.component.describe(&caller).await.unwrap();
    assert_eq!(description.summary, "38 denied, not denied: []");
}

#[tokio::test]
async fn a_question_about_many_images_gets_as_many_answers_though_all_are_denied() {
    let bench = Bench::hostile(Limits::default());
    let answer = bench.make_plan("make-plan:resolve-many").await;
    assert!(answer.is_ok(), "1000 references: {:?}", bench.witness.told());
}

#[tokio::test]
async fn what_is_outside_the_contract_stops_the_plugin() {
    let bench = Bench::hostile(Limits::default());
    assert!(bench.component.foreign_imports().count() > 0, "the component mentions WASI");
    for action in ["environment", "file", "clock", "random", "print"] {
        let answer = bench.make_plan(&format!("make-plan:{action}")).await;
        let Err(Error::Trap { call: "make-plan", why, .. }) = answer else {
            panic!("{action}: {answer:?}")
        };
        assert!(why.contains("wasi:"), "{action}: what was called is not told: {why}");
    }
    bench.is_well().await;
}

#[tokio::test]
async fn a_description_that_lies_is_refused() {
    let lies = ["path-as-name", "long-summary", "unknown-target"];
    for lie in lies {
        let bench = Bench::baked(&format!("description:{lie}"));
        let answer = bench.component.describe(&bench.caller()).await;
        assert!(matches!(answer, Err(Error::Description { .. })), "{lie}: {answer:?}");
    }
}

#[tokio::test]
async fn a_panic_tells_the_operator_what_it_was() {
    let bench = Bench::hostile(Limits::default());
    let answer = bench.make_plan("make-plan:panic").await;
    assert!(matches!(answer, Err(Error::Trap { call: "make-plan", .. })), "{answer:?}");
    let told = bench.witness.told();
    let [Notice::Log { message, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert!(message.contains("the vendor's own words"), "{message}");
    assert!(message.contains("harm.rs"), "{message}");
    bench.is_well().await;
}
