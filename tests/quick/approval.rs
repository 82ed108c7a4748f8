//! `approve`, `apply` and locked mode, as far as they come without an engine: who approved
//! what is decided before anybody is asked anything.

use std::fs;
use std::path::PathBuf;

use tessallite_up::engine::Plan;
use tessallite_up_tests::{Outcome, Program, guide, place};

/// Says that everything before the engine went well.
const NO_ENGINE: &str = "nonexistent";

/// A directory of operators: a plan, and the keys of two of them.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let plan = place::root().join("tests/fuzz/corpus/plan_file/upgrade");
        let mut plan: Plan = serde_json::from_slice(&fs::read(plan).unwrap()).unwrap();
        plan.run = "20260101-120000-1a2b".into();
        plan.request.run = plan.run.clone();
        fs::write(place.path("plan.json"), serde_json::to_vec_pretty(&plan).unwrap()).unwrap();
        for key in ["ann", "bob"] {
            place.run(&format!("plugin keygen --no-password --out {key}.key")).code(0);
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &str) -> Outcome {
        Program::new(self.0.path())
            .args(args.split_whitespace())
            .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
            .run()
    }

    /// The keys of these operators count, and so many are needed.
    fn configure(&self, more: &str, keys: &[&str]) {
        let line = |key: &&str| {
            let public = fs::read_to_string(self.path(&format!("{key}.key.pub"))).unwrap();
            public.lines().last().unwrap().to_owned()
        };
        let keys: Vec<String> = keys.iter().map(line).collect();
        let config = format!("locked = true\n[trust]\noperator-keys = {keys:?}\n{more}\n");
        fs::write(self.path("tessallite-up.toml"), config).unwrap();
    }

    fn approve(&self, key: &str) {
        self.run(&format!("approve plan.json --key {key}.key --yes")).code(0).says("Approved: ");
    }

    fn apply(&self) -> Outcome {
        self.run("apply plan.json --yes")
    }
}

#[test]
fn a_locked_plan_is_applied_once_it_is_approved() {
    let place = Place::new();
    place.configure("", &["ann"]);
    place.apply().code(4).says("has 0 of the 1 approvals that it needs");
    // A key that does not count approves nothing.
    place.approve("bob");
    place.apply().code(4).says("has 0 of the 1 approvals");
    place.approve("ann");
    place.apply().code(3).says(NO_ENGINE);
}

#[test]
fn two_operators_are_two() {
    let place = Place::new();
    place.configure("approvals = 2", &["ann", "bob"]);
    place.approve("ann");
    place.approve("ann");
    place.apply().code(4).says("has 1 of the 2 approvals");
    place.approve("bob");
    place.apply().code(3).says(NO_ENGINE);
}

#[test]
fn a_plan_that_changed_after_its_approval_is_refused() {
    let place = Place::new();
    place.configure("", &["ann"]);
    place.approve("ann");
    let plan = fs::read_to_string(place.path("plan.json")).unwrap();
    fs::write(place.path("plan.json"), plan.replacen("1.5.0", "1.6.0", 1)).unwrap();
    place.apply().code(4).says("does not hold").says("have it approved anew");
    fs::write(place.path("plan.json"), format!("{plan} ")).unwrap();
    place.apply().code(2).says("written by another program, or changed");
    fs::write(place.path("plan.json"), plan).unwrap();
    place.apply().code(3).says(NO_ENGINE);
}

#[test]
fn a_signature_of_something_else_is_no_approval() {
    let place = Place::new();
    place.configure("", &["ann"]);
    place.approve("ann");
    let listed = fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().path());
    let approval = listed.into_iter().find(|path| path.to_string_lossy().ends_with(".minisig"));
    let approval = approval.unwrap();
    let text = fs::read_to_string(&approval).unwrap();
    for forged in [text.replace("plan of run", "plan of rum"), "nothing".to_owned()] {
        fs::write(&approval, forged).unwrap();
        place.apply().code(4).says("does not hold");
    }
}

#[test]
fn what_is_no_plan_is_refused() {
    let place = Place::new();
    for (text, says) in [("", "it is no plan"), ("{}", "it is no plan")] {
        fs::write(place.path("plan.json"), text).unwrap();
        place.apply().code(2).says(says);
        place.run("approve plan.json --key ann.key --yes").code(2).says(says);
    }
    place.run("apply nowhere.json --yes").code(2).says("No such file");
}

#[test]
fn locked_nothing_else_goes_and_nobody_is_asked() {
    let place = Place::new();
    place.configure("", &["ann"]);
    for bare in ["--to 1.5.0 --yes", "--to 1.5.0"] {
        place.run(bare).code(4).says("takes a plan that was approved");
    }
    for asking in ["apply plan.json", "resume", "rollback"] {
        place.run(asking).code(4).says("locked: nobody is asked");
    }
    for taking in ["backup restore x --yes", "backup prune --keep 1"] {
        place.run(taking).code(4).says("nobody has approved that");
    }
    place.run("apply plan.json --yes --state elsewhere").code(2).says("configuration only");
    fs::write(place.path("other.toml"), "locked = false\n").unwrap();
    place.run("--config other.toml --to 1.5.0 --yes").code(2).says("locked by its own");
    fs::remove_file(place.path("tessallite-up.toml")).unwrap();
    place.run("--to 1.5.0 --yes").code(3).says(NO_ENGINE);
    place.run("--locked --to 1.5.0 --yes").code(4).says("locked");
}

#[test]
fn locked_a_plugin_is_pinned_signed_and_imports_the_contract_alone() {
    let place = Place::new();
    fs::copy(guide::build("plugins/examples/announce"), place.path("announce.wasm")).unwrap();
    let public = fs::read_to_string(place.path("ann.key.pub")).unwrap();
    let key = public.lines().last().unwrap();
    let config = format!("locked = true\n[trust]\nplugin-keys = [{key:?}]\n");
    fs::write(place.path("tessallite-up.toml"), config).unwrap();
    let plan = || place.run("plan --to 1.5.0 --plugin compose --plugin ./announce.wasm");
    plan().code(4).says("there is no signature");
    place.run("plugin sign --key ann.key ./announce.wasm").code(0);
    plan().code(4).says("not pinned");
    place.run("plugin lock ./announce.wasm").code(0);
    plan().code(4).says("locked: the plugin announce imports wasi:");
    // The bundled procedure is a part of the program.
    place.run("plan --to 1.5.0").code(3).says(NO_ENGINE);
}
