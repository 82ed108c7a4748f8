//! Plans from files, against an installation: carried out as they were approved, or not at
//! all.

use std::path::PathBuf;

use tessallite_up_tests::{Installation, Outcome, Program, Template};

/// An installation, and a directory with an operator's key and a locked configuration.
struct Locked {
    installation: Installation,
    desk: tempfile::TempDir,
}

impl Locked {
    fn new() -> Self {
        let desk = tempfile::tempdir().unwrap();
        let locked = Self { installation: Installation::borrow(Template::Variable), desk };
        locked.run(&["plugin", "keygen", "--no-password", "--out", &locked.on_desk("key")]).code(0);
        let public = std::fs::read_to_string(locked.path("key.pub")).unwrap();
        let line = public.lines().last().unwrap();
        let config = format!("locked = true\n[trust]\noperator-keys = [{line:?}]\n");
        std::fs::write(locked.path("ops.toml"), config).unwrap();
        locked
    }

    fn path(&self, name: &str) -> PathBuf {
        self.desk.path().join(name)
    }

    fn on_desk(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    fn program(&self, args: &[&str]) -> Program {
        self.installation.program(args).env("TESSALLITE_UP_CONFIG", self.path("ops.toml"))
    }

    fn run(&self, args: &[&str]) -> Outcome {
        match self.path("ops.toml").exists() {
            true => self.program(args).run(),
            false => self.installation.run(args),
        }
    }

    /// A plan that the operator has approved.
    fn approved(&self, name: &str) -> String {
        let plan = self.on_desk(name);
        let args = ["plan", "--to", "1.5.0", "--soak", "1", "--out", &plan];
        self.run(&args).code(0);
        self.run(&["approve", &plan, "--key", &self.on_desk("key"), "--yes"]).code(0);
        plan
    }

    fn apply(&self, plan: &str) -> Outcome {
        self.run(&["apply", plan, "--yes"])
    }
}

#[test]
fn what_was_approved_is_carried_out_once() {
    let locked = Locked::new();
    let plan = locked.approved("plan.json");
    locked.apply(&plan).code(0).says("Done and verified");
    let migration = "SELECT version_num FROM tess_system.alembic_version";
    assert_eq!(locked.installation.query(migration), "0008");
    locked.apply(&plan).code(3).says("was applied before");
    locked.run(&["audit", "verify"]).code(0).never_says("DAMAGED");
    locked.run(&["audit", "show"]).code(0).says("docker.deploy").says("sql.dump");
    // What was approved with the plan needs no other approval.
    locked.run(&["rollback", "--yes"]).code(0);
    assert_eq!(locked.installation.query(migration), "0007");
}

#[test]
fn a_world_that_has_drifted_takes_a_new_plan() {
    let locked = Locked::new();
    let plan = locked.approved("plan.json");
    locked.installation.query(
        "CREATE SCHEMA tenant_late; \
         CREATE TABLE tenant_late.alembic_version AS SELECT * FROM tess_system.alembic_version",
    );
    let before = locked.installation.fingerprint();
    let outcome = locked.apply(&plan);
    outcome.code(3).says("would be another one now").says("tenant_late");
    locked.installation.fingerprint().assert_same_as(&before);
    locked.installation.query("DROP SCHEMA tenant_late CASCADE");
    locked.apply(&plan).code(0);
}

#[test]
fn a_plan_for_another_project_is_refused() {
    let locked = Locked::new();
    let plan = locked.approved("plan.json");
    let text = std::fs::read_to_string(&plan).unwrap();
    let project = locked.installation.project();
    let other = locked.on_desk("other.json");
    std::fs::write(&other, text.replace(&format!("\"{project}\""), "\"somebody-else\"")).unwrap();
    locked.run(&["approve", &other, "--key", &locked.on_desk("key"), "--yes"]).code(0);
    locked.apply(&other).code(3).says("project was \"somebody-else\"");
    locked.installation.forget_records();
    locked.installation.assert_untouched();
}
