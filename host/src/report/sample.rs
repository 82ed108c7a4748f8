//! Made-up runs for the tests of the reporters.

use super::Event;
use super::event::{
    BackupView, Diagnosis, Downtime, Ending, HealthResult, PlanView, ServiceChange, StepView,
    Summary,
};
use crate::capability::GateState;
use crate::capability::conduct::Level;

pub const RUN: &str = "20260101T000000Z-7f3a";
const REGISTRY: &str = "registry.example.com/tessallite";

pub fn change(service: &str, before: &str, after: &str) -> ServiceChange {
    ServiceChange {
        service: service.into(),
        before: format!("{REGISTRY}/{service}:{before}"),
        before_digest: Some(format!("sha256:3f2a91bc{service}")),
        after: format!("{REGISTRY}/{service}:{after}"),
        after_digest: format!("sha256:9b1c04de{service}"),
    }
}

fn step(id: &str, title: &str, effects: &[&str]) -> StepView {
    StepView {
        id: id.into(),
        title: title.into(),
        plugin: "compose".into(),
        effects: effects.iter().map(|&effect| effect.into()).collect(),
    }
}

pub fn plan() -> PlanView {
    let mut frontend = change("frontend", "1.5.0", "1.5.0");
    frontend.before_digest = Some(frontend.after_digest.clone());
    PlanView {
        run: RUN.into(),
        project: "tessallite".into(),
        services: vec![
            change("model-service", "1.4.0", "1.5.0"),
            change("query-router", "1.4.0", "1.5.0"),
            change("gateway", "stable", "stable"),
            frontend,
        ],
        steps: vec![
            step("backup", "Back up the database", &["dump internal as 20260101T000000Z-7f3a"]),
            step(
                "pull",
                "Pull the new images",
                &["pull registry.example.com/tessallite/model-service:1.5.0, \
                   registry.example.com/tessallite/query-router:1.5.0, \
                   registry.example.com/tessallite/gateway:stable"],
            ),
            step(
                "deploy/1",
                "Recreate model-service, query-router and wait until healthy (at most 300 s)",
                &["recreate model-service, query-router"],
            ),
            step("verify", "Verify migrations and images", &[]),
        ],
        rollback: vec![step(
            "rollback/deploy/1",
            "Recreate model-service as before",
            &["recreate model-service on 0b303663679f"],
        )],
        notes: vec![
            "db_migration is 0041 and has to be 0042 afterwards".into(),
            "gateway: the tag \"stable\" moves; what it names now is deployed, by its digest"
                .into(),
        ],
    }
}

pub fn plan_made() -> Event {
    Event::PlanMade { plan: plan() }
}

pub fn waiting(service: &str, why: &str) -> Event {
    gate(service, GateState::Waiting { why: why.into() })
}

pub fn gate(service: &str, state: GateState) -> Event {
    Event::Gate { service: service.into(), state }
}

pub fn started(number: usize) -> Event {
    let step = &plan().steps[number - 1];
    let (id, title) = (step.id.clone(), step.title.clone());
    Event::StepStarted { step: id, title, number, of: plan().steps.len() }
}

fn finished(number: usize, ms: u64, report: &[&str]) -> Event {
    let report = report.iter().map(|&line| line.into()).collect();
    Event::StepFinished { step: plan().steps[number - 1].id.clone(), ms, report }
}

pub fn effect_started(number: usize, effect: usize, function: &str) -> Event {
    let step = &plan().steps[number - 1];
    Event::EffectStarted {
        step: step.id.clone(),
        effect,
        function: function.into(),
        summary: step.effects[0].clone(),
    }
}

pub fn effect_finished(number: usize, effect: usize, ms: u64) -> Event {
    Event::EffectFinished { step: plan().steps[number - 1].id.clone(), effect, ms }
}

pub fn progress(what: &str, done: u64, total: Option<u64>) -> Event {
    Event::Progress { what: what.into(), done, total }
}

fn to_the_deployment() -> Vec<Event> {
    let image = "registry.example.com/tessallite/model-service:1.5.0";
    vec![
        plan_made(),
        Event::RunStarted { run: RUN.into() },
        started(1),
        effect_started(1, 0, "sql.dump"),
        progress("dump tessallite", 1 << 20, None),
        effect_finished(1, 0, 12_300),
        finished(1, 12_400, &[]),
        started(2),
        effect_started(2, 1, "docker.pull"),
        progress(image, 0, Some(100 << 20)),
        progress(image, 50 << 20, Some(100 << 20)),
        progress(image, 51 << 20, Some(100 << 20)),
        progress(image, 100 << 20, Some(100 << 20)),
        effect_finished(2, 1, 63_000),
        finished(2, 63_100, &[]),
        started(3),
        effect_started(3, 2, "docker.deploy"),
        effect_finished(3, 2, 8_000),
        waiting("model-service", "health check: starting"),
        waiting("model-service", "health check: starting"),
    ]
}

pub fn success() -> Vec<Event> {
    let mut events = to_the_deployment();
    events.extend([
        gate("model-service", GateState::Answering { answers: 2 }),
        gate("model-service", GateState::Passed),
        Event::Log { plugin: "compose".into(), level: Level::Debug, message: "port 8001".into() },
        Event::Log { plugin: "compose".into(), level: Level::Warn, message: "slow\nstart".into() },
        gate("query-router", GateState::Passed),
        finished(3, 34_000, &[]),
        started(4),
        finished(4, 350, &["db_migration is 0042"]),
        Event::RunFinished { summary: done() },
    ]);
    events
}

pub fn failure() -> Vec<Event> {
    let mut events = to_the_deployment();
    let error = "model-service: not healthy after 300 s: exited with code 1".to_owned();
    events.extend([
        gate("model-service", GateState::Failed { why: "exited with code 1".into() }),
        Event::Diagnosis { service: "model-service".into(), containers: vec![diagnosis()] },
        Event::StepFailed { step: "deploy/1".into(), ms: 308_000, error },
        Event::RunFinished { summary: failed() },
    ]);
    events
}

pub fn interrupted() -> Vec<Event> {
    let mut events = to_the_deployment();
    events.extend([
        Event::Stopping { why: "interrupted by the operator".into() },
        Event::StepFailed { step: "deploy/1".into(), ms: 9_000, error: "interrupted".into() },
        Event::RunFinished { summary: summary(Ending::Interrupted) },
    ]);
    events
}

pub fn diagnosis() -> Diagnosis {
    Diagnosis {
        container: "tessallite-model-service-1".into(),
        state: "restarting".into(),
        exit_code: Some(1),
        out_of_memory: true,
        restarts: 3,
        health_log: vec![HealthResult {
            exit_code: 7,
            output: "curl: (7) Failed to connect\nto localhost\n".into(),
        }],
        log: vec!["INFO migrating".into(), "ERROR \x1b[31mno such column\x1b[0m".into()],
    }
}

pub fn summary(ending: Ending) -> Summary {
    Summary {
        ending,
        ms: 112_000,
        services: vec![],
        downtimes: vec![],
        backup: None,
        report: vec![],
        error: None,
        advice: vec![],
        by_hand: vec![],
        record: None,
    }
}

fn downtime(service: &str, ms: Option<u64>) -> Downtime {
    Downtime { service: service.into(), ms }
}

pub fn done() -> Summary {
    Summary {
        services: vec![
            change("model-service", "1.4.0", "1.5.0"),
            change("query-router", "1.4.0", "1.5.0"),
            change("gateway", "stable", "stable"),
        ],
        downtimes: vec![
            downtime("model-service", Some(12_300)),
            downtime("query-router", Some(900)),
        ],
        backup: Some(BackupView {
            path: "/var/backups/tessallite/20260101T000000Z-7f3a.dump".into(),
            bytes: 1 << 30,
            sha256: "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8".into(),
            tables: 48,
        }),
        report: vec!["db_migration is 0042".into()],
        record: Some("/var/lib/tessallite-up/runs/20260101T000000Z-7f3a".into()),
        ..summary(Ending::Done)
    }
}

pub fn failed() -> Summary {
    Summary {
        ending: Ending::Failed,
        services: vec![],
        downtimes: vec![downtime("model-service", None), downtime("query-router", Some(900))],
        report: vec![],
        error: Some("model-service: not healthy after 300 s: exited with code 1".into()),
        advice: vec![
            "Left in the middle of being recreated: model-service, query-router.".into(),
            "Look at the services first: docker compose ps -a, docker compose logs SERVICE. If the \
             cause can be mended, run the same upgrade again: it goes on from where things are."
                .into(),
        ],
        by_hand: vec![
            "docker tag sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0 \
             registry.example.com/tessallite/model-service:1.4.0"
                .into(),
            "docker compose up --detach --no-deps --pull never model-service query-router".into(),
        ],
        ..done()
    }
}
