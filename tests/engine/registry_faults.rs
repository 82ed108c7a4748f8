//! Registries that do not give what they should.

use tessallite_up_tests::fake_registry::{FakeRegistry, Fault};
use tessallite_up_tests::{Installation, Outcome, Template, events};

/// An upgrade in which one image comes from somewhere else.
fn upgrade(installation: &Installation, image: &str, more: &[&str]) -> Outcome {
    let image = format!("services.optimizer.image={image}");
    let wanted = ["--yes", "--to", "1.5.0", "--set", &image];
    installation.program(wanted).args(more).run()
}

#[test]
fn a_registry_that_cannot_be_reached_is_named() {
    let installation = Installation::borrow(Template::Literal);
    let outcome = upgrade(&installation, "127.0.0.1:9/tessallite/optimizer:1.5.0", &[]);
    outcome.code(3).says("connection refused").says("can reach 127.0.0.1:9");
    installation.assert_untouched();
}

#[test]
fn a_registry_that_limits_requests_is_named() {
    let installation = Installation::borrow(Template::Literal);
    let registry = FakeRegistry::failing(Fault::TooManyRequests);
    let outcome = upgrade(&installation, &registry.image("optimizer", "1.5.0"), &[]);
    outcome.code(3).says("limits requests: wait");
    installation.assert_untouched();
}

#[test]
fn a_registry_that_wants_a_login_is_named() {
    let installation = Installation::borrow(Template::Literal);
    let registry = FakeRegistry::failing(Fault::Unauthorized);
    let outcome = upgrade(&installation, &registry.image("optimizer", "1.5.0"), &[]);
    outcome.code(3).says("docker login 127.0.0.1:");
    installation.assert_untouched();
}

#[test]
fn an_error_inside_of_a_pull_that_answers_200_fails_the_run_before_anything_is_changed() {
    let installation = Installation::borrow(Template::Literal);
    let registry = FakeRegistry::failing(Fault::BrokenLayer);
    let image = registry.image("optimizer", "1.5.0");
    let outcome = upgrade(&installation, &image, &["--output", "json"]);
    let events = outcome.code(3).events();
    let summary = events::summary(&events);
    assert_eq!(summary["ending"], "failed_untouched");
    let error = summary["error"].as_str().unwrap();
    assert!(error.contains("filesystem layer verification failed"), "{error}");
    assert!(error.contains("optimizer"), "{error}");
    assert!(!summary["backup"].is_null(), "it was made before the pull: {summary}");
    installation.assert_untouched_but_recorded();
}
