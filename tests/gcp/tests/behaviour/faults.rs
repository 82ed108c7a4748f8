use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tessallite_up_gcp::{Event, Fault, Kind};

use crate::operator::{by_revision, operator, service};

const FRONTEND: &str = "*/services/frontend";

#[test]
fn too_many_requests_say_when_to_come_back() {
    let operator = operator();
    operator.fake.fault(Fault::on("GET", FRONTEND, Kind::too_many(2)));
    let refused = operator.get(&service("frontend"));
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("2")));
    assert_eq!(refused.json()["error"]["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(operator.get(&service("frontend")).status, 200);
}

#[test]
fn a_refused_change_is_not_done() {
    let operator = operator();
    let twice = Fault::on("PATCH", FRONTEND, Kind::status(503, "backendError", "later")).times(2);
    operator.fake.fault(twice);
    let body = json!({"annotations": {"a": "b"}});
    let codes: Vec<u16> = (0..3)
        .map(|_| operator.patch("frontend", "updateMask=annotations", &body).status)
        .collect();
    assert_eq!(codes, [503, 503, 200]);
    assert_eq!(operator.fake.service("frontend")["generation"], "2");
}

#[test]
fn a_connection_is_cut_before_within_or_after() {
    for (kind, generation) in [(Kind::Cut, "1"), (Kind::CutWithin, "2"), (Kind::LostAnswer, "2")] {
        let operator = operator();
        operator.fake.fault(Fault::on("PATCH", FRONTEND, kind.clone()));
        let target = format!("{}?updateMask=annotations", service("frontend"));
        let body = json!({"annotations": {"a": "b"}});
        assert!(operator.attempt("PATCH", &target, &body).is_none(), "{kind:?}");
        assert_eq!(operator.fake.service("frontend")["generation"], generation, "{kind:?}");
        assert!(operator.attempt("PATCH", &target, &body).is_some());
    }
}

#[test]
fn an_answer_that_is_cut_has_begun() {
    use std::io::{Read as _, Write as _};
    let operator = operator();
    operator.fake.fault(Fault::on("GET", FRONTEND, Kind::CutWithin));
    let mut stream = std::net::TcpStream::connect(operator.fake.host()).unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        service("frontend"),
        operator.token
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let body = text.split_once("\r\n\r\n").unwrap().1;
    assert!(!body.is_empty());
    assert!(serde_json::from_str::<Value>(body).is_err());
}

#[test]
fn an_answer_can_be_late() {
    let operator = operator();
    operator.fake.fault(Fault::on("GET", FRONTEND, Kind::Delay { ms: 150 }));
    let began = Instant::now();
    operator.get(&service("frontend"));
    assert!(began.elapsed() >= Duration::from_millis(150));
}

#[test]
fn an_endless_operation_does_not_keep_the_traffic_from_being_moved_back() {
    let operator = operator();
    operator.fake.fault(Fault::on("PATCH", "*/services/optimizer", Kind::EndlessOperation));
    let body = json!({
        "template": operator.template("optimizer", "2.0.0", "optimizer-up1"),
        "traffic": [by_revision("optimizer-00002-def", 100, ""), by_revision("optimizer-up1", 0, "next")],
    });
    let begun = operator.patch("optimizer", "updateMask=template,traffic", &body).json();
    let target = format!("/v2/{}:wait", begun["name"].as_str().unwrap());
    let waited = operator.send("POST", &target, &json!({"timeout": "0.3s"})).json();
    assert!(waited.get("done").is_none());
    let view = operator.get(&service("optimizer")).json();
    assert_eq!(view["reconciling"], true);
    let done = operator.route("optimizer", &json!([by_revision("optimizer-00002-def", 100, "")]));
    assert_eq!(done["done"], true, "{done}");
    let view = operator.get(&service("optimizer")).json();
    assert!(view.get("reconciling").is_none(), "{view}");
    let revision = operator.get(&format!("{}/revisions/optimizer-up1", service("optimizer")));
    assert_eq!(revision.json()["conditions"][0]["state"], "CONDITION_RECONCILING");
}

#[test]
fn an_endless_operation_does_not_end_with_a_later_one() {
    let operator = operator();
    operator.fake.fault(Fault::on("PATCH", FRONTEND, Kind::EndlessOperation));
    let body = json!({"traffic": [by_revision("frontend-00001-abc", 100, "")]});
    let begun = operator.patch("frontend", "updateMask=traffic", &body).json();
    operator.route("frontend", &json!([by_revision("frontend-00002-def", 100, "")]));
    let target = format!("/v2/{}", begun["name"].as_str().unwrap());
    assert!(operator.get(&target).json().get("done").is_none());
}

#[test]
fn a_slow_operation_takes_longer_and_ends() {
    let operator = operator();
    operator.fake.fault(Fault::on(
        "PATCH",
        "*/services/optimizer",
        Kind::SlowOperation { ms: 300 },
    ));
    let began = Instant::now();
    let done = operator.deploy("optimizer", "2.0.0", "optimizer-up1");
    assert_eq!(done["done"], true);
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_revision_can_be_made_to_fail_or_to_crash_later() {
    let operator = operator();
    let message = "no luck".to_owned();
    operator.fake.fault(Fault::on("PATCH", "*/services/gateway", Kind::NeverReady { message }));
    let done = operator.deploy("gateway", "2.0.0", "gateway-up1");
    assert!(done["error"]["message"].as_str().unwrap().contains("no luck"));
    let crash = Kind::Crashes { after_ms: 120 };
    operator.fake.fault(Fault::on("PATCH", FRONTEND, crash));
    operator.deploy("frontend", "2.0.0", "frontend-up1");
    assert_eq!(operator.health("next---frontend").status, 200);
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(operator.health("next---frontend").status, 503);
}

#[test]
fn a_token_can_expire_just_before_a_request() {
    let operator = operator();
    let happens = Event::ExpireTokens;
    let fault = Fault::on("PATCH", FRONTEND, Kind::Before { happens });
    operator.fake.fault(fault);
    assert_eq!(operator.get(&service("frontend")).status, 200);
    let body = json!({"annotations": {"a": "b"}});
    let refused = operator.patch("frontend", "updateMask=annotations", &body);
    assert_eq!(refused.status, 401);
}

#[test]
fn faults_and_events_are_set_over_http_too() {
    let operator = operator();
    let fault = json!([{"method": "GET", "path": FRONTEND, "kind": "status", "status": 500}]);
    assert_eq!(operator.send("POST", "/_fake/faults", &fault).status, 200);
    assert_eq!(operator.get(&service("frontend")).status, 500);
    let event = json!({"event": "migrate", "migration": "0042"});
    assert_eq!(operator.send("POST", "/_fake/events", &event).status, 200);
    let state = operator.plain("/_fake/state").json();
    assert_eq!(state["database"]["migration"], "0042");
    let lines = operator.plain("/_fake/environment").text;
    let metadata = format!("export GCE_METADATA_HOST='{}'", operator.fake.host());
    assert!(lines.contains(&metadata), "{lines}");
    let unknown = json!({"event": "flood"});
    assert_eq!(operator.send("POST", "/_fake/events", &unknown).status, 400);
    let requests = operator.plain("/_fake/requests?path=*frontend").json();
    assert_eq!(requests[0]["status"], 500);
    assert_eq!(requests.as_array().unwrap().len(), 1);
    assert_eq!(operator.fake.count("GET", "*"), 1);
}

#[test]
fn a_request_that_google_would_refuse_is_refused() {
    let operator = operator();
    let body = json!({"template": {"image": "x"}});
    let refused = operator.patch("frontend", "updateMask=template", &body);
    assert_eq!(refused.status, 400);
    assert!(refused.message().contains("Unknown name \"image\" at 'template'"), "{}", refused.text);
    assert_eq!(operator.get(&format!("{}?wait=true", service("frontend"))).status, 400);
    assert_eq!(operator.send("PUT", &service("frontend"), &json!({})).status, 404);
}
