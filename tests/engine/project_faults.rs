//! Projects, releases and versions that cannot be upgraded.

use std::fs;

use tessallite_up_tests::process::docker;
use tessallite_up_tests::{Installation, Project, Template};

#[test]
fn a_directory_without_a_project_is_no_installation() {
    let empty = Project::of([] as [(String, &str); 0]);
    let outcome = empty.upgrade(&["--to", "1.5.0"]);
    outcome.code(2).says("there is no Compose project in").says("docker-compose.yml");
    empty.assert_untouched();
}

#[test]
fn a_directory_that_does_not_exist_is_named() {
    let empty = Project::of([] as [(String, &str); 0]);
    let wanted = ["--to", "1.5.0", "--project-dir", "not/here"];
    empty.upgrade(&wanted).code(2).says("not/here does not exist");
    empty.assert_untouched();
}

#[test]
fn a_compose_file_that_is_no_yaml_is_refused() {
    let project = Project::of([("compose.yml".to_owned(), "services:\n  gateway: [\n")]);
    project
        .upgrade(&["--to", "1.5.0"])
        .code(2)
        .says("yaml: line 2")
        .says("docker compose config, run in ");
    project.assert_untouched();
}

#[test]
fn a_release_with_a_service_that_the_project_does_not_have_is_refused() {
    let installation = Installation::borrow(Template::Variable);
    let release = tempfile::NamedTempFile::new().unwrap();
    let images = "version = \"1.5.0\"\n[images]\nai-service = \"127.0.0.1:5055/tessallite/ai-service:1.5.0\"\n";
    fs::write(release.path(), images).unwrap();
    let outcome = installation.upgrade(&["--release", release.path().to_str().unwrap()]);
    outcome
        .code(3)
        .says("services that the project does not have: ai-service")
        .says("query-router");
    installation.assert_untouched();
}

#[test]
fn a_release_manifest_that_makes_no_sense_is_refused() {
    let project = Project::copy(Template::Variable);
    let release = tempfile::NamedTempFile::new().unwrap();
    for (content, says) in [
        ("version = ", "is not a valid release manifest"),
        ("versoin = \"1.5.0\"", "versoin"),
        ("[images]\ngateway = \"r/gateway:1.5.0@sha256:12\"", "the digest of gateway"),
    ] {
        fs::write(release.path(), content).unwrap();
        project.upgrade(&["--release", release.path().to_str().unwrap()]).code(2).says(says);
    }
    project.assert_untouched();
}

#[test]
fn a_digest_other_than_the_promised_one_is_refused() {
    let installation = Installation::borrow(Template::Variable);
    let release = tempfile::NamedTempFile::new().unwrap();
    let digest = format!("sha256:{}", "0".repeat(64));
    let image = format!("127.0.0.1:5055/tessallite/gateway:1.5.0@{digest}");
    fs::write(release.path(), format!("version = \"1.5.0\"\n[images]\ngateway = \"{image}\"\n"))
        .unwrap();
    let outcome = installation.upgrade(&["--release", release.path().to_str().unwrap()]);
    outcome.code(3).says(&digest).says("gateway");
    installation.assert_untouched();
}

#[test]
fn the_version_that_is_there_needs_no_upgrade() {
    let installation = Installation::borrow(Template::Variable);
    installation.upgrade(&["--to", "1.4.0"]).code(0).says("Nothing to do").says("1.4.0 already");
    installation.assert_untouched();
}

#[test]
fn an_older_version_is_a_downgrade_and_refused() {
    let installation = Installation::borrow(Template::Variable);
    let outcome = installation.upgrade(&["--to", "1.3.0"]);
    // One line for all: they are at the same version.
    assert_eq!(outcome.code(3).stderr.matches("this would be a downgrade").count(), 1, "{outcome}");
    installation.assert_untouched();
}

#[test]
fn a_version_has_to_be_named_where_the_tag_does_not_move() {
    let installation = Installation::borrow(Template::Variable);
    installation.upgrade(&[]).code(2).says("--to VERSION");
    installation.assert_untouched();
}

#[test]
fn an_unknown_setting_is_refused() {
    let installation = Installation::borrow(Template::Variable);
    installation.upgrade(&["--to", "1.5.0", "--set", "sook=3"]).code(2).says("no setting \"sook\"");
    installation.assert_untouched();
}

#[test]
fn a_service_that_is_not_well_before_the_upgrade_is_to_be_mended_first() {
    let installation = Installation::borrow(Template::Variable);
    let optimizer = installation.container("optimizer");
    docker(&["pause", &optimizer]);
    let paused = installation.upgrade(&["--to", "1.5.0"]);
    docker(&["unpause", &optimizer]);
    paused.code(3).says("optimizer is not healthy before the upgrade").says("paused");
    installation.assert_same_state();

    docker(&["stop", "--time", "5", &optimizer]);
    let stopped = installation.upgrade(&["--to", "1.5.0"]);
    stopped.code(3).says("optimizer is not healthy before the upgrade").says("exited");
    installation.fingerprint().assert_same_as(installation.before());
}

#[test]
fn a_database_that_does_not_let_us_in_is_refused() {
    let installation = Installation::borrow(Template::Variable);
    let address = installation.compose(&["exec", "-T", "postgres", "hostname", "-i"]);
    let config = format!(
        "[sql.connections]\ninternal = \"postgres://somebody:secret-word@{}/tessallite\"\n",
        address.trim()
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), config).unwrap();
    let outcome =
        installation.upgrade(&["--to", "1.5.0", "--config", file.path().to_str().unwrap()]);
    outcome.code(3).says("database").says("somebody").never_says("secret-word");
    installation.assert_untouched();
}

#[test]
fn a_wrong_database_user_in_the_env_file_is_refused() {
    let installation = Installation::borrow(Template::Variable);
    let env = String::from_utf8(installation.read(".env")).unwrap();
    let changed = env.replace("DB_USER=tessallite", "DB_USER=nobody_knows");
    assert_ne!(changed, env);
    fs::write(installation.path(".env"), &changed).unwrap();
    let outcome = installation.upgrade(&["--to", "1.5.0"]);
    assert_eq!(installation.read(".env"), changed.as_bytes());
    fs::write(installation.path(".env"), env).unwrap();
    outcome.code(3).says("nobody_knows");
    installation.assert_untouched();
}
