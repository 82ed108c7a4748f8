//! Two operators, and somebody who stops.

use tessallite_up_gcp::{Event, Fault, Kind};
use tessallite_up_tests::{Cloud, events};

#[test]
fn two_machines_exclude_each_other() {
    let cloud = Cloud::usual();
    let other = tempfile::tempdir().unwrap();
    std::fs::copy(cloud.path("tessallite-up.toml"), other.path().join("tessallite-up.toml"))
        .unwrap();
    let slow = Kind::SlowOperation { ms: 3_000 };
    cloud.fake.fault(Fault::on("POST", "*/backupRuns", slow));
    let args = ["--yes", "--soak", "0", "--to", "2.0.0", "--output", "json"];
    let mut first = cloud.program(&args).start();
    first.wait_for_event("the backup", |event| events::name(event) == "effect_started");
    let second = cloud
        .program_in(other.path(), &["--yes", "--soak", "0", "--to", "2.0.0"])
        .env("CLOUDSDK_AUTH_ACCESS_TOKEN", cloud.token())
        .run();
    second.code(7).says("run ");
    first.finish().code(0);
    cloud.assert_serves("2.0.0");
    cloud.assert_tidy();
}

#[test]
fn traffic_that_somebody_moves_between_two_steps_is_not_overwritten() {
    let cloud = Cloud::usual();
    let former = cloud.fake.revisions("optimizer").pop();
    let moved = Event::Pin { service: "optimizer".into(), revision: former.clone() };
    // The third change of it moves the first ten percent.
    let after = Kind::After { happens: moved };
    cloud.fake.fault(Fault::on("PATCH", "*/services/optimizer", after).skipping(2));
    let outcome = cloud.upgrade("2.0.0", &["--traffic", "10,50,100"]);
    assert_ne!(outcome.code, Some(0), "{outcome}");
    outcome.says("optimizer");
    let ordered = |percent: u64| {
        cloud.fake.requests().into_iter().any(|request| {
            let mut targets = request.body["traffic"].as_array().into_iter().flatten();
            request.path.ends_with("/services/optimizer")
                && targets.any(|target| target["percent"] == percent)
        })
    };
    assert!(ordered(10), "it never began");
    assert!(!ordered(50), "it went on with the next step");
    cloud.assert_as_before();
}

#[test]
fn the_order_of_the_services_makes_no_second_lock() {
    let cloud = Cloud::usual();
    let args = ["--yes", "--soak", "0", "--to", "2.0.0"];
    let slow = Kind::SlowOperation { ms: 3_000 };
    cloud.fake.fault(Fault::on("POST", "*/backupRuns", slow));
    let mut first = cloud.program(&[&args[..], &["--output", "json"]].concat()).start();
    first.wait_for_event("the backup", |event| events::name(event) == "effect_started");
    let other = tempfile::tempdir().unwrap();
    std::fs::copy(cloud.path("tessallite-up.toml"), other.path().join("tessallite-up.toml"))
        .unwrap();
    let turned = ["--set", "services=query-router,model-service"];
    let second = cloud.program_in(other.path(), &[&args[..], &turned].concat());
    second.env("CLOUDSDK_AUTH_ACCESS_TOKEN", cloud.token()).run().code(7);
    first.finish().code(0);
}

#[test]
fn an_interrupt_waits_for_what_is_under_way_and_the_run_can_go_on() {
    let cloud = Cloud::usual();
    let slow = Kind::SlowOperation { ms: 1_500 };
    let creates = "model-service-2-0-0";
    let fault = Fault::on("PATCH", "*/services/model-service", slow).with_body(creates);
    // The first only checks.
    cloud.fake.fault(fault.skipping(1));
    let args = ["--yes", "--soak", "0", "--to", "2.0.0", "--output", "json"];
    let mut running = cloud.program(&args).start();
    running.wait_for_event("the deployment", |event| {
        events::name(event) == "effect_started" && event["function"] == "gcloud.deploy"
    });
    running.interrupt();
    running.finish().code(130);
    assert_eq!(cloud.fake.revisions("model-service").len(), 3, "it was not waited for");
    assert_eq!(cloud.version("model-service"), "1.4.0");
    cloud.run(&["resume", "--yes"]).code(0);
    cloud.assert_serves("2.0.0");
    cloud.assert_tidy();
}

#[test]
fn a_lock_that_is_left_behind_by_a_dead_process_is_taken() {
    let cloud = Cloud::usual();
    let args = ["--yes", "--soak", "0", "--to", "2.0.0"];
    let killed = cloud.program(&args).env("TESSALLITE_UP_CRASH", "begun:0").run();
    assert_eq!(killed.code, None, "{killed}");
    let annotations = &cloud.service("model-service")["annotations"];
    assert!(annotations["tessallite-up/lock"].is_string(), "{annotations}");
    cloud.upgrade("2.0.0", &[]).code(0);
    cloud.assert_serves("2.0.0");
    cloud.assert_tidy();
}
