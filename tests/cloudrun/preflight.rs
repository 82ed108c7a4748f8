//! What is refused before anything is changed, with every reason at once.

use tessallite_up_gcp::{Event, Fault, Kind, ServiceSetup, Setup};
use tessallite_up_tests::Cloud;

#[track_caller]
fn is_refused(cloud: &Cloud, told: &[&str]) {
    let outcome = cloud.upgrade("2.0.0", &[]);
    outcome.code(3);
    for text in told {
        outcome.says(text);
    }
}

#[test]
fn a_permission_that_is_missing_on_one_service_is_found_and_named() {
    let cloud = Cloud::usual();
    let permission = "run.services.update".to_owned();
    cloud.fake.event(Event::Deny { resource: "scheduler".into(), permission }).unwrap();
    is_refused(&cloud, &["scheduler", "run.services.update"]);
    cloud.assert_untouched();
}

fn deny(cloud: &Cloud, resource: &str, permission: &str) {
    let (resource, permission) = (resource.to_owned(), permission.to_owned());
    cloud.fake.event(Event::Deny { resource, permission }).unwrap();
}

#[test]
fn permissions_that_backups_and_restores_lack_are_found_before_they_are_needed() {
    let needed = [
        ("*", "run.operations.get"),
        ("tessallite", "cloudsql.backupRuns.create"),
        ("tessallite", "cloudsql.instances.restoreBackup"),
    ];
    for (resource, permission) in needed {
        let cloud = Cloud::usual();
        deny(&cloud, resource, permission);
        is_refused(&cloud, &[permission, "--set skip-permission-check=true"]);
        cloud.assert_untouched();
    }
}

#[test]
fn permissions_that_are_granted_on_a_condition_are_enough_when_the_operator_says_so() {
    let cloud = Cloud::usual();
    deny(&cloud, "tessallite-demo", "cloudsql.backupRuns.create");
    is_refused(&cloud, &["cloudsql.backupRuns.create"]);
    let outcome = cloud.upgrade("2.0.0", &["--set", "skip-permission-check=true"]);
    outcome.code(0).says("restores are permitted is not known beforehand: this was not wanted");
    cloud.assert_serves("2.0.0");
}

#[test]
fn where_nobody_tells_the_permissions_the_plan_says_so() {
    let cloud = Cloud::usual();
    let disabled = Kind::status(403, "accessNotConfigured", "Resource Manager API is disabled");
    cloud.fake.fault(Fault::on("POST", "/v3/projects/*", disabled));
    let outcome = cloud.upgrade("2.0.0", &[]);
    outcome.code(0).says("is not known beforehand").says("Resource Manager API is disabled");
    cloud.assert_serves("2.0.0");
}

#[test]
fn a_downgrade_is_one_also_where_what_serves_is_not_what_the_template_says() {
    let mut setup = Setup::default();
    setup.service("gateway").pinned = true;
    let cloud = Cloud::with(setup);
    // Somebody has deployed a release that the pinned service does not serve.
    let image = cloud.image("gateway", "2.0.0");
    cloud.fake.event(Event::Deploy { service: "gateway".into(), image }).unwrap();
    assert!(cloud.fake.settles(std::time::Duration::from_secs(5)));
    let outcome = cloud.upgrade("2.0.0", &["--set", "services.gateway.tag=1.3.0"]);
    outcome.code(3).says("gateway: at 1.4.0, which is newer than 1.3.0: this would be a downgrade");
    cloud.run(&["plan", "--to", "2.0.0"]).never_says("the version that serves is not known");
}

#[test]
fn images_that_are_missing_are_all_named() {
    let cloud = Cloud::usual();
    for service in ["optimizer", "gateway"] {
        let image = Event::RemoveImage { service: service.into(), tag: "2.0.0".into() };
        cloud.fake.event(image).unwrap();
    }
    is_refused(&cloud, &["optimizer:2.0.0", "gateway:2.0.0"]);
    cloud.assert_untouched();
}

#[test]
fn a_service_that_is_missing_is_named() {
    let cloud = Cloud::usual();
    cloud.fake.event(Event::RemoveService { service: "optimizer".into() }).unwrap();
    is_refused(&cloud, &["optimizer"]);
    assert!(cloud.fake.backups().is_empty());
}

#[test]
fn a_region_with_a_typing_error_is_told() {
    let cloud = Cloud::usual();
    let outcome = cloud.upgrade("2.0.0", &["--gcp-region", "europe-west11"]);
    outcome.says("model-service").says("see that project, region and names are right");
    assert!(matches!(outcome.code, Some(3)), "{outcome}");
    cloud.assert_untouched();
}

#[test]
fn names_at_the_limits_are_taken_and_those_beyond_are_refused() {
    let mut setup = Setup::default();
    let longest = "s".repeat(39);
    setup.services.push(ServiceSetup { name: longest.clone(), ..ServiceSetup::default() });
    let too_long = "t".repeat(44);
    setup.services.push(ServiceSetup { name: too_long.clone(), ..ServiceSetup::default() });
    let cloud = Cloud::with(setup);
    for service in [&longest, &too_long] {
        let release = tessallite_up_gcp::Release::new("2.0.0", Some("0008"));
        cloud.fake.event(Event::Push { service: service.clone(), release }).unwrap();
    }
    cloud.configure(&format!("services = [\"model-service\", {too_long:?}]"));
    is_refused(&cloud, &[&too_long]);
    cloud.configure(&format!("services = [\"model-service\", {longest:?}]"));
    cloud.upgrade("2.0.0", &[]).code(0);
    let revisions = cloud.fake.revisions(&longest);
    assert!(revisions.iter().all(|name| name.len() <= 63), "{revisions:?}");
    assert_eq!(cloud.version(&longest), "2.0.0");
}

#[test]
fn what_is_not_configured_is_asked_for() {
    let cloud = Cloud::usual();
    let elsewhere = tempfile::tempdir().unwrap();
    let program = cloud.program_in(elsewhere.path(), &["plan", "--plugin", "cloudrun"]);
    program.run().code(2).says("the project of the installation").says("--gcp-project");
    let args = ["plan", "--plugin", "cloudrun", "--to", "2.0.0"];
    let program = cloud.program_in(elsewhere.path(), &args);
    let program = program
        .env("CLOUDSDK_AUTH_ACCESS_TOKEN", cloud.token())
        .env("CLOUDSDK_CORE_PROJECT", "tessallite-demo")
        .env("CLOUDSDK_RUN_REGION", "europe-west1")
        .env("TESSALLITE_UP_GCP_INSTANCE", "tessallite");
    program.run().code(0).says("tessallite-demo/europe-west1/tessallite");
}

#[test]
fn a_plugin_for_another_kind_of_installation_is_refused() {
    let cloud = Cloud::usual();
    let program = cloud.program(&["plan", "--to", "2.0.0", "--plugin", "compose"]);
    let outcome = program.run();
    assert_ne!(outcome.code, Some(0), "{outcome}");
    cloud.assert_untouched();
}
