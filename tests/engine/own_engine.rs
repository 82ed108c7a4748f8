//! The engine itself is restarted in the middle of a run.

use tessallite_up_tests::events;
use tessallite_up_tests::own_engine::OwnEngine;
use tessallite_up_tests::process::run;

const WANTED: [&str; 7] = ["--yes", "--to", "1.5.0", "--soak", "1", "--output", "json"];
const KINDS: [&str; 6] = ["file", "image", "database", "schema", "sequence", "table"];

#[test]
fn an_engine_that_is_restarted_under_a_run_leaves_it_at_one_of_two_ends() {
    let mut engine = OwnEngine::start();
    let dir = engine.bring_up("variable");
    let before = engine.fingerprint(&dir);
    let mut running = engine.program(&dir).args(WANTED).start();
    running.wait_for_event("the first deployment", |event| {
        events::name(event) == "effect_started" && event["function"] == "docker.deploy"
    });
    engine.restart();
    let outcome = running.finish();
    let mut code = outcome.code;
    if code == Some(6) {
        let summary = events::summary(&outcome.events()).clone();
        assert!(summary["advice"].to_string().contains("tessallite-up resume"), "{summary}");
        let resumed = engine.program(&dir).args(["resume", "--yes"]).run();
        assert!(matches!(resumed.code, Some(0 | 5)), "{resumed}");
        code = resumed.code;
    }
    engine.wait_until_healthy();
    let after = engine.fingerprint(&dir);
    match code {
        Some(5) => after.only(&KINDS).assert_same_as(&before.only(&KINDS)),
        Some(0) => {
            assert_ne!(after.of("image")["gateway"], before.of("image")["gateway"]);
            let revisions = "cd \"$0\" && docker compose exec -T postgres sh -c 'psql -XqAt -U \"$POSTGRES_USER\" \
                -d \"$POSTGRES_DB\" -c \"SELECT version_num FROM tess_system.alembic_version\"'";
            let said = run(engine.command("sh").args(["-c", revisions]).arg(&dir));
            assert_eq!(said.trim(), "0008");
        }
        _ => panic!("neither upgraded nor as it was\n{outcome}"),
    }
    assert_eq!(engine.locks(), "", "the lock was given back");
}
