//! What goes wrong on the way to Google Cloud and back.

use std::time::{Duration, Instant};

use tessallite_up_gcp::{Event, Fault, Kind, Setup};
use tessallite_up_tests::Cloud;

const MODEL_SERVICE: &str = "*/services/model-service";
const OPTIMIZER: &str = "*/services/optimizer";

/// The upgrade comes to a good end in spite of this fault.
#[track_caller]
fn survives(fault: Fault) -> Cloud {
    let cloud = Cloud::usual();
    let pattern = fault.path.clone();
    cloud.fake.fault(fault);
    let outcome = cloud.upgrade("2.0.0", &[]);
    assert_eq!(outcome.code, Some(0), "{pattern}: {outcome}");
    cloud.assert_serves("2.0.0");
    cloud.assert_tidy();
    let met = cloud.fake.requests().iter().filter(|request| request.faults > 0).count();
    assert!(met > 0, "{pattern}: no request met the fault");
    for service in tessallite_up_gcp::setup::SERVICES {
        let revisions = cloud.fake.revisions(service);
        assert_eq!(revisions.len(), 3, "{service} has a revision too many: {revisions:?}");
    }
    assert_eq!(cloud.fake.backups().len(), 1);
    cloud
}

#[test]
fn too_many_requests_are_repeated_when_google_says_so() {
    let began = Instant::now();
    survives(Fault::on("PATCH", OPTIMIZER, Kind::too_many(2)));
    assert!(began.elapsed() >= Duration::from_secs(2), "Retry-After was not waited for");
}

#[test]
fn a_service_that_is_unavailable_twice_is_asked_a_third_time() {
    let unavailable = || Kind::status(503, "backendError", "try again");
    survives(Fault::on("GET", MODEL_SERVICE, unavailable()).times(2));
    survives(Fault::on("PATCH", OPTIMIZER, unavailable()).times(2));
}

#[test]
fn a_connection_that_is_cut_in_the_middle_of_an_answer_is_no_end() {
    survives(Fault::on("GET", MODEL_SERVICE, Kind::CutWithin).times(2));
    survives(Fault::on("POST", "*/operations/*:wait", Kind::Cut).times(2));
    survives(Fault::on("GET", "*/projects/*/operations/*", Kind::Cut).times(2));
}

#[test]
fn operations_are_asked_about_where_nobody_may_wait_for_them() {
    for (status, reason) in [(404, "notFound"), (403, "forbidden"), (501, "notImplemented")] {
        let refused = Kind::status(status, reason, "there is no waiting here");
        let cloud = survives(Fault::on("POST", "*/operations/*:wait", refused).for_ever());
        assert_eq!(cloud.fake.count("POST", "*/operations/*:wait"), 1, "it was asked again");
        let polls = cloud.fake.count("GET", "/v2/*/operations/*");
        assert!(polls >= 14, "twelve operations and two of the lock, {polls} questions");
    }
}

#[test]
fn operations_are_asked_about_where_no_connection_stays_open_for_a_wait() {
    let cloud = survives(Fault::on("POST", "*/operations/*:wait", Kind::Cut).for_ever());
    assert!(cloud.fake.count("GET", "/v2/*/operations/*") >= 12);
}

#[test]
fn a_wait_that_is_answered_early_is_no_reason_to_ask_again_and_again() {
    let early = Kind::Status {
        status: 200,
        reason: String::new(),
        message: String::new(),
        retry_after: None,
        answer: Some(serde_json::json!({})),
    };
    // The first is the lock's.
    let cloud = survives(Fault::on("POST", "*/operations/*:wait", early).skipping(1).times(6));
    let waits: Vec<u64> = cloud
        .fake
        .requests()
        .iter()
        .filter(|request| request.path.ends_with(":wait") && request.faults > 0)
        .map(|request| request.at_ms)
        .collect();
    let gaps: Vec<u64> = waits.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.len() == 6 && gaps[4] > gaps[0], "{gaps:?}");
    assert!(gaps.iter().sum::<u64>() >= 150, "{gaps:?}");
}

#[test]
fn a_change_that_was_made_although_its_answer_was_lost_is_recognised() {
    // The first PATCH is the lock, the second checks only, the third creates the revision,
    // the fourth moves the traffic.
    for skip in [0, 1, 2, 3] {
        let fault = Fault::on("PATCH", MODEL_SERVICE, Kind::LostAnswer).skipping(skip);
        survives(fault);
        survives(Fault::on("PATCH", MODEL_SERVICE, Kind::CutWithin).skipping(skip));
    }
}

#[test]
fn a_harmless_change_at_the_same_time_is_no_conflict() {
    let annotated = || Event::Annotate {
        service: "optimizer".into(),
        key: "owner".into(),
        value: "team-a".into(),
    };
    let before = |skip| {
        let kind = Kind::Before { happens: annotated() };
        survives(Fault::on("PATCH", OPTIMIZER, kind).skipping(skip))
    };
    for skip in [0, 1, 2] {
        let cloud = before(skip);
        assert_eq!(cloud.service("optimizer")["annotations"]["owner"], "team-a");
    }
}

#[test]
fn somebody_elses_deployment_at_the_same_time_is_not_overwritten() {
    let cloud = Cloud::usual();
    let image = cloud.image("optimizer", "1.5.0");
    let happens = Event::Deploy { service: "optimizer".into(), image: image.clone() };
    // The second is the one that is not only checked.
    cloud.fake.fault(Fault::on("PATCH", OPTIMIZER, Kind::Before { happens }).skipping(1));
    let outcome = cloud.upgrade("2.0.0", &[]);
    outcome.says("somebody").says("optimizer");
    assert_ne!(outcome.code, Some(0), "{outcome}");
    let template = &cloud.service("optimizer")["template"]["containers"][0]["image"];
    assert_eq!(*template, serde_json::json!(image), "the other one's deployment was overwritten");
    assert_eq!(cloud.version("model-service"), "1.4.0");
    assert_eq!(cloud.fake.migration(), "0007");
}

#[test]
fn an_operation_that_never_ends_is_given_up_and_the_run_goes_back() {
    let cloud = Cloud::usual();
    let text = std::fs::read_to_string(cloud.path("tessallite-up.toml")).unwrap();
    let text = text.replace("revision = 20", "revision = 2");
    std::fs::write(cloud.path("tessallite-up.toml"), text).unwrap();
    let hanging =
        Fault::on("PATCH", OPTIMIZER, Kind::EndlessOperation).with_body("optimizer-2-0-0");
    cloud.fake.fault(hanging.skipping(1));
    cloud.upgrade("2.0.0", &[]).code(5).says("in time");
    cloud.assert_serves("1.4.0");
    assert_eq!(cloud.fake.migration(), "0007");
}

#[test]
fn a_quota_that_is_used_up_is_told_and_the_run_goes_back() {
    let cloud = Cloud::usual();
    let quota = Kind::status(403, "quotaExceeded", "Quota exceeded for revisions per service.");
    cloud.fake.fault(Fault::on("PATCH", OPTIMIZER, quota).skipping(1));
    cloud.upgrade("2.0.0", &[]).code(5).says("Quota exceeded");
    cloud.assert_as_before();
}

#[test]
fn googles_own_peculiarities_make_no_difference() {
    let setups = [
        Setup { backup_id_in_operation: false, ..Setup::default() },
        Setup { latest_status_names_revision: true, ..Setup::default() },
        Setup { may_name_new_revision: false, ..Setup::default() },
    ];
    for setup in setups {
        let cloud = Cloud::with(setup);
        cloud.upgrade("2.0.0", &[]).code(0);
        cloud.assert_serves("2.0.0");
        cloud.assert_tidy();
    }
    let stubborn = Setup { failed_latest_fails_later: true, ..Setup::default() };
    let cloud = Cloud::with(stubborn);
    cloud.upgrade("1.5.0-neverready", &[]).code(5);
    cloud.assert_as_before();
}

#[test]
fn the_number_of_requests_is_bounded() {
    let cloud = Cloud::usual();
    cloud.upgrade("2.0.0", &[]).code(0);
    let requests = cloud.fake.requests();
    let services = tessallite_up_gcp::setup::SERVICES.len();
    let of_api = requests.iter().filter(|r| !r.path.starts_with("/_run/")).count();
    println!("{} requests to Google Cloud for {services} services", of_api);
    assert!(of_api <= 25 * services, "{of_api} requests for {services} services");
}
