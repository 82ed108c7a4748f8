use std::path::Path;

use tokio::sync::mpsc;

use super::*;
use crate::capability::Kind;
use crate::contract::{docker, http, sql};
use crate::engine::audit::{self, Audit};
use crate::engine::journal::{self, Journal};
use crate::engine::orders::Absent;
use crate::engine::plan::Plan;
use crate::policy::{Ask, Policy};

struct Silent;
impl Reporter for Silent {
    fn report(&self, _: &Event) {}
}

fn stop(service: &str) -> Effect {
    Effect::DockerStop(docker::StopChange { services: vec![service.into()], unless_on: vec![] })
}

/// All that the tests declare is granted, and nothing on the service "ungranted".
fn guard(state: &Path) -> Guard {
    let requested = ["docker.stop", "docker.exec", "docker.logs", "sql.dump", "http.send"];
    let grants = r#"
        docker = { actions = ["stop", "exec", "logs"], services = ["a", "b"] }
        sql = { connections = ["internal"], dump = true }
        http = { methods = ["POST"], hosts = ["http://x"] }
    "#;
    let policy = Policy::new("p", requested, toml::from_str(grants).unwrap());
    Guard::new(&policy, Arc::new(Audit::begin(state, "r").unwrap()), "s")
}

/// In the step "s" of a run that has just begun.
fn applying(effects: Vec<Effect>) -> (tempfile::TempDir, Applying) {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(&dir.path().join("journal.jsonl")).unwrap();
    let applying = applying_with(dir.path(), journal, effects);
    let start = Record::RunStarted { run: "r".into(), plan_sha256: "00".into() };
    applying.ledger.write(&start).unwrap();
    applying.ledger.write(&Record::StepStarted { step: "s".into() }).unwrap();
    (dir, applying)
}

fn applying_with(state: &Path, journal: Journal, effects: Vec<Effect>) -> Applying {
    let (sender, _) = mpsc::unbounded_channel();
    let step = Step { id: "s".into(), title: String::new(), effects, timeout_s: 1 };
    let plan = Plan::of_one_step(step.clone());
    let ledger = Arc::new(Ledger::new(journal, &plan, Arc::new(Silent), sender));
    Applying::new(ledger, guard(state), &step, Arc::new(Absent))
}

fn kind(outcome: Result<Begun>) -> Option<Kind> {
    outcome.err().map(|error| error.kind)
}

#[test]
fn a_declared_effect_goes_once_and_no_more() {
    let (_dir, applying) = applying(vec![stop("a")]);
    assert!(matches!(applying.begin(&stop("a")), Ok(Begun::Go(Ticket(0)))));
    assert_eq!(kind(applying.begin(&stop("a"))), Some(Kind::Denied));
}

#[test]
fn a_change_of_each_capability_is_denied_where_the_step_does_not_declare_it() {
    let (dir, applying) = applying(vec![stop("a")]);
    let proof = sql::DumpProof::ReadBack;
    let dump = sql::DumpChange { connection: "internal".into(), label: "x".into(), proof };
    let send = http::SendChange {
        method: "POST".into(),
        endpoint: http::Endpoint::Origin("http://x".into()),
        path: "/".into(),
        headers: vec![],
        body: vec![],
        timeout_ms: 1,
    };
    for effect in [stop("b"), Effect::SqlDump(dump), Effect::HttpSend(send)] {
        assert_eq!(kind(applying.begin(&effect)), Some(Kind::Denied), "{}", effect.function());
        let planning = Planning { reporter: Arc::new(Silent), guard: guard(dir.path()) };
        assert_eq!(kind(planning.begin(&effect)), Some(Kind::Denied));
        assert_eq!(kind(Nothing.begin(&effect)), Some(Kind::Denied));
    }
    assert!(!applying.ledger.touched());
}

#[test]
fn an_effect_is_in_the_journal_before_it_goes_and_after_it_ended() {
    let (dir, applying) = applying(vec![stop("a")]);
    let Ok(Begun::Go(ticket)) = applying.begin(&stop("a")) else { panic!("it was declared") };
    let path = dir.path().join("journal.jsonl");
    let begun = Record::EffectStarted { step: "s".into(), effect: 0, declared: 0 };
    assert_eq!(journal::read(&path).unwrap().last(), Some(&begun));
    applying.finish(ticket, Ok(&serde_json::json!(null))).unwrap();
    let ended = Record::EffectFinished { effect: 0, result: serde_json::json!(null) };
    assert_eq!(journal::read(&path).unwrap().last(), Some(&ended));
    assert!(applying.ledger.touched());
}

#[test]
fn an_effect_that_finished_is_answered_when_the_run_is_taken_up_again() {
    let (dir, applying) = applying(vec![stop("a"), stop("b")]);
    let Ok(Begun::Go(ticket)) = applying.begin(&stop("a")) else { panic!("it was declared") };
    let result = serde_json::json!({"answer": 42});
    applying.finish(ticket, Ok(&result)).unwrap();
    drop(applying);
    let mut journal = Journal::reopen(&dir.path().join("journal.jsonl")).unwrap();
    journal.write(&Record::RunResumed).unwrap();
    journal.write(&Record::StepStarted { step: "s".into() }).unwrap();
    let applying = applying_with(dir.path(), journal, vec![stop("a"), stop("b")]);
    assert!(applying.ledger.touched());
    let Ok(Begun::Answered(answer)) = applying.begin(&stop("a")) else { panic!("answered") };
    assert_eq!(answer, result);
    assert_eq!(kind(applying.begin(&stop("a"))), Some(Kind::Denied));
    assert!(matches!(applying.begin(&stop("b")), Ok(Begun::Go(Ticket(1)))));
}

#[test]
fn what_cannot_be_repeated_is_not_begun_again_when_nobody_knows_how_it_ended() {
    let exec = docker::ExecChange { service: "a".into(), argv: vec!["x".into()] };
    let exec = Effect::DockerExec(exec);
    let (dir, applying) = applying(vec![exec.clone(), stop("a")]);
    assert!(matches!(applying.begin(&exec), Ok(Begun::Go(_))));
    assert!(matches!(applying.begin(&stop("a")), Ok(Begun::Go(_))));
    drop(applying);
    let mut journal = Journal::reopen(&dir.path().join("journal.jsonl")).unwrap();
    journal.write(&Record::RunResumed).unwrap();
    journal.write(&Record::StepStarted { step: "s".into() }).unwrap();
    let applying = applying_with(dir.path(), journal, vec![exec.clone(), stop("a")]);
    assert_eq!(kind(applying.begin(&exec)), Some(Kind::Conflict));
    assert!(matches!(applying.begin(&stop("a")), Ok(Begun::Go(_))));
}

#[tokio::test]
async fn settling_waits_for_the_effect_under_way() {
    let (_dir, applying) = applying(vec![stop("a")]);
    applying.settle().await;
    let Ok(Begun::Go(ticket)) = applying.begin(&stop("a")) else { panic!("it was declared") };
    let applying = Arc::new(applying);
    let waiting = tokio::spawn({
        let applying = Arc::clone(&applying);
        async move { applying.settle().await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    applying.finish(ticket, Err(&Error::failed("x"))).unwrap();
    waiting.await.unwrap();
}

#[test]
fn a_declared_effect_that_is_not_granted_is_denied() {
    let (_dir, applying) = applying(vec![stop("ungranted")]);
    let denied = applying.begin(&stop("ungranted")).unwrap_err();
    assert_eq!(denied.kind, Kind::Denied);
    let line = "docker = { actions = [\"exec\", \"logs\", \"stop\"], services = [\"a\", \"b\", \"ungranted\"] }";
    assert!(denied.advice().unwrap().contains(line), "{denied:?}");
    assert!(!applying.ledger.touched());
}

#[test]
fn a_read_that_is_not_granted_is_denied_while_planning_and_while_applying() {
    let (dir, applying) = applying(vec![]);
    let planning = Planning { reporter: Arc::new(Silent), guard: guard(dir.path()) };
    let conducts: [&dyn Conduct; 2] = [&applying, &planning];
    for conduct in conducts {
        let logs = |service| {
            conduct.read(&Call { ask: Ask::service("docker.logs", service), arguments: &service })
        };
        assert!(logs("a").unwrap().is_some());
        assert_eq!(logs("ungranted").unwrap_err().kind, Kind::Denied);
    }
}

#[test]
fn every_call_is_in_the_audit_log_with_its_end() {
    let (dir, applying) = applying(vec![stop("a")]);
    let call = |service: &'static str| {
        applying.read(&Call { ask: Ask::service("docker.logs", service), arguments: &service })
    };
    applying.closed(&call("a").unwrap().unwrap(), Closed::Failed(Kind::NotFound));
    assert!(call("ungranted").is_err());
    let Ok(Begun::Go(ticket)) = applying.begin(&stop("a")) else { panic!("it was declared") };
    applying.finish(ticket, Ok(&serde_json::json!(null))).unwrap();
    assert!(applying.begin(&stop("b")).is_err());
    drop(applying);
    let sessions = audit::sessions(dir.path()).unwrap();
    assert!(sessions[0].damage.is_none() && sessions[0].has_ended());
    let calls: Vec<(String, Outcome)> = sessions[0]
        .entries
        .iter()
        .filter_map(|entry| match &entry.record {
            audit::Record::Call { call, outcome, .. } => Some((call.clone(), *outcome)),
            _ => None,
        })
        .collect();
    let expected = [
        ("docker.logs", Outcome::Failed),
        ("docker.logs", Outcome::Denied),
        ("docker.stop", Outcome::Began),
        ("docker.stop", Outcome::Done),
        ("docker.stop", Outcome::Denied),
    ];
    assert_eq!(calls, expected.map(|(call, outcome)| (call.to_owned(), outcome)));
}
