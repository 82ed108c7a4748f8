//! The part of `plugins/README.md` that needs an installation, and the example beside it.

use std::fs;

use tessallite_up_tests::guide::{self, Vendor};
use tessallite_up_tests::{Installation, Template, place};

#[test]
fn the_guide_ends_with_a_plan_for_an_installation() {
    let installation = Installation::borrow(Template::Variable);
    let guide = fs::read_to_string(place::root().join("plugins/README.md")).unwrap();
    Vendor::new(Some(installation.dir())).follow(&guide);
    installation.assert_untouched();
}

#[test]
fn a_second_plugin_adds_its_steps_and_reports_what_they_found() {
    let installation = Installation::borrow(Template::Variable);
    let announce = guide::build("plugins/examples/announce");
    let announce = announce.to_str().unwrap();
    let args = ["--to", "1.5.0", "--plugin", "compose", "--plugin", announce];
    let program = || installation.program(["--yes"]).args(args);
    program()
        .run()
        .code(5)
        .says("the plugin announce may not call docker.get-service on model-service")
        .says("plugins.announce.allow.docker = { actions = [\"get-service\"]");
    let suggested = installation.program(["policy", "suggest"]).args(args).run();
    let suggested = suggested.code(0).stdout.clone();
    let of_announce: String =
        suggested.lines().filter(|line| line.starts_with("plugins.announce.")).collect();
    assert!(of_announce.contains("get-service"), "{suggested}");
    // The services that it will look at are known only once the plan is carried out.
    let config = tempfile::NamedTempFile::new().unwrap();
    let line = of_announce.replace("[\"get-service\"]", "[\"get-service\"], services = [\"*\"]");
    fs::write(config.path(), line).unwrap();
    let outcome = program().env("TESSALLITE_UP_CONFIG", config.path()).run();
    outcome
        .code(0)
        .says("about to restart: model-service")
        .says("announce: gateway came back with 1 container(s)");
}
