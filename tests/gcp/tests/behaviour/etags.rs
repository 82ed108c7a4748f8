use serde_json::json;
use tessallite_up_gcp::{Event, Fault, Kind};

use crate::operator::{image, operator, service};

#[test]
fn every_mutation_has_another_etag_and_an_old_one_is_refused() {
    let operator = operator();
    let before = operator.get(&service("frontend")).json();
    let note = |etag: &serde_json::Value, text: &str| {
        let body = json!({"etag": etag, "annotations": {"note": text}});
        operator.patch("frontend", "updateMask=annotations", &body)
    };
    let first = note(&before["etag"], "one");
    assert_eq!(first.status, 200);
    let conflict = note(&before["etag"], "two");
    assert_eq!(conflict.status, 409);
    assert_eq!(conflict.json()["error"]["status"], "ABORTED");
    operator.wait(&first.json());
    let after = operator.get(&service("frontend")).json();
    assert_ne!(after["etag"], before["etag"]);
    assert_eq!(note(&after["etag"], "three").status, 200);
}

#[test]
fn without_an_etag_the_last_one_wins() {
    let operator = operator();
    let body = json!({"annotations": {"note": "x"}});
    assert_eq!(operator.patch("frontend", "updateMask=annotations", &body).status, 200);
}

#[test]
fn somebody_may_come_first() {
    for (event, untouched) in [
        (
            Event::Annotate {
                service: "frontend".into(),
                key: "harmless".into(),
                value: "x".into(),
            },
            true,
        ),
        (Event::Deploy { service: "frontend".into(), image: image("frontend", "1.5.0") }, false),
    ] {
        let operator = operator();
        let before = operator.get(&service("frontend")).json();
        let kind = Kind::Before { happens: event };
        operator.fake.fault(Fault::on("PATCH", "*/services/frontend", kind));
        let body = json!({"etag": before["etag"], "annotations": {"note": "x"}});
        let reply = operator.patch("frontend", "updateMask=annotations", &body);
        assert_eq!(reply.status, 409);
        let now = operator.fake.service("frontend");
        assert_eq!(now["template"] == before["template"], untouched);
        let body = json!({"etag": now["etag"], "annotations": {"note": "x"}});
        assert_eq!(operator.patch("frontend", "updateMask=annotations", &body).status, 200);
    }
}
