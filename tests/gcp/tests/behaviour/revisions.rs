use serde_json::{Value, json};
use tessallite_up_gcp::{Event, Setup};

use crate::operator::{by_revision, image, operator, service, with};

fn state(view: &Value) -> &str {
    view["terminalCondition"]["state"].as_str().unwrap_or_default()
}

#[test]
fn a_changed_template_makes_a_revision_and_an_unchanged_one_does_not() {
    let operator = operator();
    let template = operator.fake.service("optimizer")["template"].clone();
    let before = operator.fake.revisions("optimizer").len();
    let same = json!({ "template": template });
    let done = operator.patch("optimizer", "updateMask=template", &same);
    operator.wait(&done.json());
    assert_eq!(operator.fake.revisions("optimizer").len(), before);
    let done = operator.patch("optimizer", "updateMask=template&forceNewRevision=true", &same);
    operator.wait(&done.json());
    assert_eq!(operator.fake.revisions("optimizer").len(), before + 1);
    operator.deploy("optimizer", "2.0.0", "optimizer-up1");
    assert_eq!(operator.fake.revisions("optimizer").len(), before + 2);
}

#[test]
fn annotations_and_traffic_make_no_revision() {
    let operator = operator();
    let body = json!({"annotations": {"tessallite-up/lock": "me"}, "template": {}});
    let reply = operator.patch("frontend", "updateMask=annotations", &body);
    let done = operator.wait(&reply.json());
    assert_eq!(done["response"]["annotations"]["tessallite-up/lock"], "me");
    operator.route("frontend", &json!([by_revision("frontend-00001-abc", 100, "")]));
    assert_eq!(operator.fake.revisions("frontend").len(), 2);
    assert_eq!(operator.fake.service("frontend")["generation"], "3");
}

#[test]
fn a_service_is_settled_only_when_its_operation_is_done() {
    let operator = operator();
    let body = json!({"template": operator.template("optimizer", "2.0.0", "")});
    let begun = operator.patch("optimizer", "updateMask=template", &body).json();
    assert!(begun.get("done").is_none(), "{begun}");
    let under_way = operator.get(&service("optimizer")).json();
    assert_eq!(under_way["reconciling"], true);
    assert_eq!(
        (&under_way["generation"], &under_way["observedGeneration"]),
        (&json!("2"), &json!("1"))
    );
    assert_eq!(state(&under_way), "CONDITION_RECONCILING");
    let done = operator.wait(&begun);
    assert_eq!(done["done"], true);
    let settled = operator.get(&service("optimizer")).json();
    assert!(settled.get("reconciling").is_none());
    assert_eq!(settled["observedGeneration"], "2");
    assert_eq!(state(&settled), "CONDITION_SUCCEEDED");
    assert_eq!(settled["latestReadyRevision"], settled["latestCreatedRevision"]);
    assert_eq!(operator.fake.serving("optimizer"), [(image("optimizer", "2.0.0"), 100)]);
}

#[test]
fn a_revision_that_does_not_become_ready_leaves_the_traffic_where_it_was() {
    let operator = operator();
    let body =
        json!({"template": operator.template("optimizer", "1.5.0-neverready", "optimizer-bad")});
    let begun = operator.patch("optimizer", "updateMask=template", &body).json();
    let done = operator.wait(&begun);
    assert_eq!(done["error"]["code"], 9);
    let settled = operator.get(&service("optimizer")).json();
    assert_eq!(state(&settled), "CONDITION_FAILED");
    assert!(settled["latestReadyRevision"].as_str().unwrap().ends_with("optimizer-00002-def"));
    assert_eq!(operator.fake.serving("optimizer"), [(image("optimizer", "1.4.0"), 100)]);
    let revision =
        operator.get(&format!("{}/revisions/optimizer-bad", service("optimizer"))).json();
    assert_eq!(revision["conditions"][0]["state"], "CONDITION_FAILED");
    assert!(revision["logUri"].as_str().unwrap().contains("optimizer-bad"));
}

#[test]
fn a_name_is_used_once_and_begins_with_the_services() {
    let operator = operator();
    operator.deploy("optimizer", "2.0.0", "optimizer-up1");
    let try_name = |tag: &str, name: &str| {
        let body = json!({"template": operator.template("optimizer", tag, name)});
        operator.patch("optimizer", "updateMask=template", &body)
    };
    let again = try_name("1.5.0", "optimizer-up1");
    assert_eq!((again.status, again.reason().as_str()), (409, "alreadyExists"));
    assert!(again.message().contains("already exists with different configuration"));
    assert_eq!(try_name("1.5.0", "other-up1").status, 400);
    let longest = format!("optimizer-{}", "x".repeat(53));
    assert_eq!(try_name("1.5.0", &longest).status, 200);
    assert_eq!(try_name("1.4.0", &format!("{longest}x")).status, 400);
}

#[test]
fn without_a_mask_what_is_left_out_is_reset() {
    let operator = operator();
    let template = operator.fake.service("gateway")["template"].clone();
    let bare = json!({"template": {"containers": [{"image": template["containers"][0]["image"]}]}});
    let begun = operator.patch("gateway", "", &bare).json();
    operator.wait(&begun);
    let after = operator.fake.service("gateway");
    assert!(after["template"].get("volumes").is_none());
    assert!(after["template"]["containers"][0].get("env").is_none());
    assert!(after.get("labels").is_none());
    assert_eq!(after["template"]["containers"][0]["ports"][0]["containerPort"], 8080);
}

#[test]
fn model_service_migrates_before_it_has_traffic_and_even_if_it_fails() {
    let operator = operator();
    operator.deploy("model-service", "1.5.0-nostart", "model-service-bad");
    assert_eq!(operator.fake.migration(), "0008");
    let fresh = self::operator();
    fresh.deploy("model-service", "1.5.0-nomigration", "model-service-up1");
    assert_eq!(fresh.fake.migration(), "0007");
    fresh.deploy("optimizer", "2.0.0", "optimizer-up1");
    assert_eq!(fresh.fake.migration(), "0007");
}

#[test]
fn a_missing_image_is_found_out_by_the_revision() {
    let operator = operator();
    let done = operator.deploy("frontend", "9.9.9", "frontend-up1");
    let message = done["error"]["message"].as_str().unwrap();
    assert!(message.contains("Image") && message.contains("not found"), "{message}");
}

#[test]
fn validate_only_changes_nothing() {
    let operator = operator();
    let body = json!({"template": operator.template("frontend", "2.0.0", "frontend-up1")});
    let reply = operator.patch("frontend", "updateMask=template&validateOnly=true", &body);
    assert_eq!(reply.status, 200);
    assert_eq!(operator.fake.revisions("frontend").len(), 2);
    assert_eq!(operator.fake.service("frontend")["generation"], "1");
    let deny =
        Event::Deny { resource: "frontend".into(), permission: "run.services.update".into() };
    operator.fake.event(deny).unwrap();
    let reply = operator.patch("frontend", "updateMask=template&validateOnly=true", &body);
    assert_eq!(reply.status, 403);
    assert!(reply.message().contains("run.services.update"), "{}", reply.text);
}

#[test]
fn services_come_a_page_at_a_time() {
    let operator = operator();
    let list = "/v2/projects/tessallite-demo/locations/europe-west1/services";
    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let page = operator.get(&format!("{list}?pageSize=4&pageToken={token}")).json();
        let services = page["services"].as_array().unwrap();
        names.extend(services.iter().map(|one| one["name"].as_str().unwrap().to_owned()));
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(names.len(), 6);
    let elsewhere = list.replace("europe-west1", "us-central1");
    assert_eq!(operator.get(&elsewhere).text, "{}");
    let slip = list.replace("europe-west1", "europe-wset1");
    assert_eq!(operator.get(&slip).status, 404);
    assert_eq!(operator.get(&list.replace("tessallite-demo", "other")).status, 403);
}

#[test]
fn a_missing_service_is_created_where_that_is_allowed() {
    let operator = operator();
    let body = json!({"template": {"containers": [{"image": image("gateway", "2.0.0")}]}});
    assert_eq!(operator.patch("extra", "", &body).status, 404);
    let begun = operator.patch("extra", "allowMissing=true", &body);
    assert_eq!(begun.status, 200, "{}", begun.text);
    let done = operator.wait(&begun.json());
    assert_eq!(done["response"]["generation"], "1", "{done}");
    assert_eq!(operator.health("extra").status, 200);
}

#[test]
fn a_revision_in_use_is_not_deleted() {
    let operator = operator();
    operator.deploy("frontend", "2.0.0", "frontend-up1");
    let delete = |name: &str| {
        let target = format!("{}/revisions/{name}", service("frontend"));
        operator.send("DELETE", &target, &Value::Null)
    };
    assert_eq!(delete("frontend-up1").status, 400);
    assert_eq!(delete("frontend-00002-def").status, 400);
    operator.route("frontend", &json!([by_revision("frontend-00002-def", 100, "")]));
    let refused = delete("frontend-up1");
    assert!(refused.message().contains("the latest"), "{}", refused.text);
    let begun = delete("frontend-00001-abc");
    assert_eq!(begun.status, 200);
    assert_eq!(operator.wait(&begun.json())["done"], true);
    assert_eq!(operator.fake.revisions("frontend"), ["frontend-00002-def", "frontend-up1"]);
}

#[test]
fn a_failed_latest_may_make_later_operations_fail() {
    let operator = with(Setup { failed_latest_fails_later: true, ..Setup::default() });
    operator.deploy("optimizer", "1.5.0-neverready", "optimizer-bad");
    let done = operator.route("optimizer", &json!([by_revision("optimizer-00001-abc", 100, "")]));
    assert_eq!(done["error"]["code"], 9);
    assert_eq!(operator.fake.serving("optimizer"), [(image("optimizer", "1.3.0"), 100)]);
}
