//! Upgrades that go well, and what is there afterwards.

use std::process::Command;

use serde_json::json;
use tessallite_up_gcp::setup::SERVICES;
use tessallite_up_gcp::{Event, Setup};
use tessallite_up_tests::{Cloud, events, place, process};

#[test]
fn all_services_end_on_the_new_version_and_follow_the_latest() {
    let cloud = Cloud::usual();
    let outcome = cloud.upgrade("2.0.0", &["--expect-migration", "0008", "--output", "json"]);
    let events = outcome.code(0).events();
    assert_eq!(events::summary(&events)["ending"], "done");
    cloud.assert_serves("2.0.0");
    assert_eq!(cloud.fake.migration(), "0008");
    let backups = cloud.fake.backups();
    assert!(matches!(&backups[..], [(_, status)] if status == "SUCCESSFUL"), "{backups:?}");
    for service in SERVICES {
        let wanted = cloud.fake.wanted_traffic(service);
        assert!(wanted.len() == 1 && wanted[0].revision.is_none(), "{service}: {wanted:?}");
    }
    cloud.assert_tidy();
    cloud.assert_nothing_refused();
    // Operations of Google Cloud are in the journal: backup, and a new revision and its
    // traffic for each service.
    assert!(cloud.recorded("effect_noted") >= 13, "{}", cloud.recorded("effect_noted"));

    cloud.upgrade("2.0.0", &[]).code(0).says("Nothing to do");
}

#[test]
fn services_are_updated_in_the_order_of_the_procedure_and_nobody_meets_what_was_not_probed() {
    let cloud = Cloud::usual();
    cloud.upgrade("2.0.0", &[]).code(0);
    let requests = cloud.fake.requests();
    let patched = |request: &&tessallite_up_gcp::Recorded| {
        request.method == "PATCH"
            && request.parameter("updateMask") == Some("template,traffic")
            && request.parameter("validateOnly").is_none()
    };
    let order: Vec<&str> = requests
        .iter()
        .filter(patched)
        .filter_map(|request| request.path.rsplit('/').next())
        .collect();
    assert_eq!(order, SERVICES);
    for service in SERVICES {
        let place = |what: &dyn Fn(&tessallite_up_gcp::Recorded) -> bool| {
            requests.iter().position(what).unwrap_or_else(|| panic!("{service}"))
        };
        let probed = place(&|r| r.path.starts_with("/_run/up-") && r.path.contains(service));
        let moved = place(&|r| {
            r.method == "PATCH"
                && r.path.ends_with(&format!("/{service}"))
                && r.parameter("updateMask") == Some("traffic")
        });
        assert!(probed < moved, "{service}: traffic moved before the tagged address was probed");
        let probes = requests[..moved].iter().filter(|r| {
            r.path.starts_with("/_run/up-") && r.path.contains(&format!("---{service}/"))
        });
        assert!(probes.count() >= 3, "{service}");
    }
}

#[test]
fn pinned_and_private_services_and_the_tags_of_others_are_respected() {
    let cloud = Cloud::with(Setup::peculiar());
    let plan = cloud.run(&["plan", "--to", "2.0.0"]);
    plan.code(0).says("gateway").says("pinned");
    cloud.upgrade("2.0.0", &[]).code(0);
    cloud.assert_serves("2.0.0");
    cloud.assert_tidy();
    let tags: Vec<String> =
        cloud.fake.wanted_traffic("frontend").into_iter().filter_map(|t| t.tag).collect();
    assert_eq!(tags, ["preview", "qa-team"]);
    // As gcloud run services update --image does it: traffic moves again, also of gateway.
    let image = cloud.image("gateway", "1.5.0");
    cloud.fake.event(Event::Deploy { service: "gateway".into(), image }).unwrap();
    assert!(cloud.fake.settles(std::time::Duration::from_secs(5)));
    assert_eq!(cloud.version("gateway"), "1.5.0");
}

#[test]
fn a_pin_that_is_to_stay_moves_to_the_new_revision() {
    let cloud = Cloud::with(Setup::peculiar());
    cloud.upgrade("2.0.0", &["--keep-pins"]).code(0);
    cloud.assert_serves("2.0.0");
    let wanted = cloud.fake.wanted_traffic("gateway");
    assert!(wanted.iter().any(|target| target.revision.is_some() && target.percent == 100));
    let others = cloud.fake.wanted_traffic("optimizer");
    assert!(others.iter().any(|target| target.revision.is_none() && target.percent == 100));
}

#[test]
fn traffic_moves_in_the_steps_that_are_wanted() {
    let cloud = Cloud::usual();
    cloud.upgrade("2.0.0", &["--traffic", "10,50,100"]).code(0);
    cloud.assert_serves("2.0.0");
    cloud.assert_tidy();
    let shares = |service: &str| -> Vec<u64> {
        let end = format!("/{service}");
        let requests = cloud.fake.requests().into_iter();
        let moves = requests
            .filter(|r| r.path.ends_with(&end) && r.parameter("updateMask") == Some("traffic"));
        let new = |r: tessallite_up_gcp::Recorded| {
            let targets = r.body["traffic"].as_array().cloned().unwrap_or_default();
            let is_new = |t: &serde_json::Value| {
                t["type"] == "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
                    || t["revision"].as_str().is_some_and(|name| name.contains("2-0-0"))
            };
            targets.iter().filter(|t| is_new(t)).filter_map(|t| t["percent"].as_u64()).sum()
        };
        moves.map(new).collect()
    };
    for service in SERVICES {
        assert_eq!(shares(service), [10, 50, 100], "{service}");
    }
}

#[test]
fn side_by_side_each_service_is_still_behind_its_own_probes() {
    let cloud = Cloud::usual();
    cloud.upgrade("2.0.0", &["--parallel"]).code(0);
    cloud.assert_serves("2.0.0");
    cloud.assert_tidy();
    let requests = cloud.fake.requests();
    let first_move = |service: &str| {
        requests.iter().position(|r| {
            r.path.ends_with(&format!("/{service}")) && r.parameter("updateMask") == Some("traffic")
        })
    };
    let probes_before = |service: &str, end: usize| {
        let tagged = format!("---{service}/");
        requests[..end].iter().filter(|r| r.path.contains(&tagged)).count()
    };
    for service in SERVICES {
        assert!(probes_before(service, first_move(service).unwrap()) >= 3, "{service}");
    }
    assert!(first_move("model-service") < first_move("query-router"));
    assert!(SERVICES[1..5].iter().all(|service| first_move(service) < first_move("gateway")));
}

#[test]
fn a_service_that_is_elsewhere_is_left_alone_and_asked() {
    let cloud = Cloud::usual();
    let gateway = cloud.service("gateway")["uri"].as_str().unwrap().to_owned();
    let on_cloud_run = r#""model-service", "query-router", "optimizer", "scheduler", "frontend""#;
    cloud.configure(&format!(
        "services = [{on_cloud_run}, {{ name = \"gateway\", external = true, url = {gateway:?} }}]"
    ));
    let outcome = cloud.upgrade("2.0.0", &[]);
    outcome.code(0).says("gateway");
    assert_eq!(cloud.version("gateway"), "1.4.0");
    assert_eq!(cloud.version("frontend"), "2.0.0");
    assert_eq!(cloud.fake.revisions("gateway").len(), 2);
    assert!(cloud.fake.count("GET", "/_run/gateway/*") > 0);
}

#[test]
fn the_procedure_is_a_plugin_like_any_other() {
    let cloud = Cloud::usual();
    let plugin = place::bundled("cloudrun");
    cloud.upgrade("2.0.0", &["--plugin", plugin.to_str().unwrap()]).code(0);
    cloud.assert_serves("2.0.0");
}

#[test]
fn status_tells_what_serves() {
    let cloud = Cloud::usual();
    let told: serde_json::Value =
        serde_json::from_str(&cloud.run(&["status", "--output", "json"]).code(0).stdout).unwrap();
    assert_eq!(told["project"], "tessallite-demo/europe-west1/tessallite");
    assert_eq!(told["services"].as_array().unwrap().len(), SERVICES.len());
    assert_eq!(told["locked_by"], json!(null));
    cloud.run(&["status"]).code(0).says("100 % gateway-");
    cloud.run(&["doctor", "--to", "2.0.0"]).code(0).says("Nothing is in the way");
    cloud.assert_untouched();
}

#[test]
fn the_real_gcloud_moves_traffic_again_afterwards_also_of_a_service_that_was_pinned() {
    if Command::new("gcloud").arg("--version").output().is_err() {
        println!("skipped: the gcloud CLI is not installed");
        return;
    }
    let cloud = Cloud::with(Setup::peculiar());
    cloud.upgrade("2.0.0", &[]).code(0);
    let gcloud = |args: &[&str]| {
        let mut command = Command::new("gcloud");
        command.args(args).args(["--region", "europe-west1"]);
        command.envs(cloud.fake.gcloud_environment());
        process::run(command.env("CLOUDSDK_CONFIG", cloud.path("gcloud")))
    };
    let described = gcloud(&["run", "services", "describe", "gateway", "--format", "json"]);
    let described: serde_json::Value = serde_json::from_str(&described).unwrap();
    assert_eq!(described["spec"]["traffic"][0]["latestRevision"], true, "{described:#}");
    assert_eq!(described["spec"]["traffic"][0]["percent"], 100);
    let image = cloud.image("gateway", "1.5.0");
    gcloud(&["run", "services", "update", "gateway", "--image", &image]);
    assert_eq!(cloud.version("gateway"), "1.5.0");
}
