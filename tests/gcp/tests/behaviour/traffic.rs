use serde_json::json;
use tessallite_up_gcp::{Event, Release, Setup, Target};

use crate::operator::{by_revision, image, latest, operator, service, with};

#[test]
fn a_new_revision_beside_pinned_traffic_is_probed_at_its_tag() {
    let operator = operator();
    let done = operator.deploy("model-service", "2.0.0", "model-service-up1");
    assert_eq!(done["done"], true, "{done}");
    let statuses = &done["response"]["trafficStatuses"];
    assert_eq!(statuses[0]["revision"], "model-service-00002-def");
    assert_eq!(statuses[0]["percent"], 100);
    assert_eq!(statuses[1]["tag"], "next");
    assert!(statuses[1].get("percent").is_none());
    let uri = statuses[1]["uri"].as_str().unwrap();
    assert_eq!(uri, format!("{}/_run/next---model-service", operator.fake.url()));
    let tagged = operator.health("next---model-service");
    assert_eq!(tagged.header("x-fake-revision"), Some("model-service-up1"));
    assert_eq!(
        operator.health("model-service").header("x-fake-revision"),
        Some("model-service-00002-def")
    );
}

#[test]
fn a_new_revision_has_no_traffic_at_any_time_where_the_request_holds_it_back() {
    let operator = with(Setup { route_ms: 150, ..Setup::default() });
    let body = json!({
        "template": operator.template("frontend", "2.0.0", "frontend-up1"),
        "traffic": [by_revision("frontend-00002-def", 100, ""), by_revision("frontend-up1", 0, "next")],
    });
    let begun = operator.patch("frontend", "updateMask=template,traffic", &body).json();
    for _ in 0..20 {
        let reply = operator.health("frontend");
        assert_eq!(reply.header("x-fake-revision"), Some("frontend-00002-def"));
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(operator.wait(&begun).get("error").is_none());
}

#[test]
fn an_older_revision_that_is_ready_later_is_not_the_latest() {
    let mut setup = Setup::default();
    setup.releases.push(Release { ready_ms: Some(300), ..Release::new("1.6.0", Some("0008")) });
    let operator = with(setup);
    let deploy = |tag: &str, name: &str| {
        let body = json!({"template": operator.template("frontend", tag, name)});
        operator.patch("frontend", "updateMask=template", &body).json()
    };
    let slow = deploy("1.6.0", "frontend-slow");
    operator.wait(&deploy("2.0.0", "frontend-fast"));
    assert_eq!(operator.wait(&slow)["done"], true);
    assert_eq!(operator.fake.serving("frontend"), [(image("frontend", "2.0.0"), 100)]);
}

#[test]
fn traffic_to_a_revision_that_is_starting_waits_for_it() {
    let operator = with(Setup { ready_ms: 250, ..Setup::default() });
    let body = json!({"template": operator.template("frontend", "1.5.0-sick", "frontend-up1")});
    operator.patch("frontend", "updateMask=template", &body);
    let body = json!({"traffic": [by_revision("frontend-up1", 100, "")]});
    let begun = operator.patch("frontend", "updateMask=traffic", &body).json();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(operator.fake.serving("frontend"), [(image("frontend", "1.4.0"), 100)]);
    let done = operator.wait(&begun);
    assert!(done.get("error").is_none(), "{done}");
    assert_eq!(operator.fake.traffic("frontend"), [Target::pinned("frontend-up1")]);
}

#[test]
fn a_pinned_service_gives_a_new_revision_no_traffic() {
    let mut setup = Setup::default();
    setup.service("gateway").pinned = true;
    let operator = with(setup);
    let deploy = Event::Deploy { service: "gateway".into(), image: image("gateway", "2.0.0") };
    operator.fake.event(deploy).unwrap();
    assert!(operator.fake.settles(std::time::Duration::from_secs(5)));
    assert_eq!(operator.fake.serving("gateway"), [(image("gateway", "1.4.0"), 100)]);
    operator.route("gateway", &json!([latest()]));
    assert_eq!(operator.fake.serving("gateway"), [(image("gateway", "2.0.0"), 100)]);
}

#[test]
fn a_target_of_a_failed_revision_fails_every_later_operation_until_it_is_dropped() {
    let operator = operator();
    let done = operator.deploy("optimizer", "1.5.0-neverready", "optimizer-bad");
    assert!(done["error"]["message"].as_str().unwrap().contains("optimizer-bad"));
    assert!(operator.fake.traffic("optimizer")[0].latest, "nothing was routed");
    assert_eq!(operator.fake.traffic("optimizer").len(), 1);
    let with_tag = json!([
        by_revision("optimizer-00001-abc", 100, ""),
        by_revision("optimizer-bad", 0, "next"),
    ]);
    let done = operator.route("optimizer", &with_tag);
    assert!(done["error"]["message"].as_str().unwrap().contains("optimizer-bad"));
    let body = json!({"template": operator.template("optimizer", "2.0.0", "optimizer-good")});
    let begun = operator.patch("optimizer", "updateMask=template", &body).json();
    assert!(operator.wait(&begun)["error"]["message"].as_str().unwrap().contains("optimizer-bad"));
    let view = operator.get(&service("optimizer")).json();
    assert_eq!(view["trafficStatuses"][0]["revision"], "optimizer-00002-def", "{view}");
    let done = operator.route("optimizer", &json!([by_revision("optimizer-00002-def", 100, "")]));
    assert!(done.get("error").is_none(), "{done}");
    assert_eq!(operator.fake.traffic("optimizer"), [Target::pinned("optimizer-00002-def")]);
}

#[test]
fn a_target_of_a_revision_that_there_is_not_fails_the_operation() {
    let operator = operator();
    let done = operator.route("frontend", &json!([by_revision("frontend-ghost", 100, "")]));
    assert_eq!(done["error"]["code"], 13);
    assert_eq!(operator.fake.serving("frontend"), [(image("frontend", "1.4.0"), 100)]);
}

#[test]
fn broken_rules_are_refused_at_once() {
    let operator = operator();
    for traffic in [
        json!([by_revision("frontend-00002-def", 99, "")]),
        json!([by_revision("frontend-00002-def", 100, "ab")]),
        json!([by_revision("frontend-00002-def", 100, &"t".repeat(39))]),
    ] {
        let body = json!({ "traffic": traffic });
        let reply = operator.patch("frontend", "updateMask=traffic", &body);
        assert_eq!(reply.status, 400, "{traffic}");
    }
    assert_eq!(operator.fake.service("frontend")["generation"], "1");
}

#[test]
fn requests_are_shared_by_the_percentages() {
    let operator = operator();
    operator.deploy("frontend", "2.0.0", "frontend-up1");
    let split =
        json!([by_revision("frontend-00002-def", 70, ""), by_revision("frontend-up1", 30, "")]);
    operator.route("frontend", &split);
    let mut fresh = 0;
    for _ in 0..200 {
        let reply = operator.health("frontend");
        fresh += u32::from(reply.header("x-fake-revision") == Some("frontend-up1"));
    }
    assert!((35..=85).contains(&fresh), "{fresh} of 200 for 30 %");
}

#[test]
fn tags_of_others_have_addresses_of_their_own() {
    let operator = with(Setup::peculiar());
    let view = operator.get(&service("frontend")).json();
    let tags: Vec<&str> = view["trafficStatuses"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["tag"].as_str())
        .collect();
    assert_eq!(tags, ["preview", "qa-team"]);
    let reply = operator.health("preview---frontend");
    assert_eq!(reply.header("x-fake-revision"), Some("frontend-00001-abc"));
    assert_eq!(operator.health("nothing---frontend").status, 404);
}
