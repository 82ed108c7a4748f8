use serde_json::json;
use tessallite_up_gcp::{Event, Release, Setup};

use crate::operator::{Operator, by_revision, operator, with};

fn asked_with(operator: &Operator, host: &str, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let target = format!("/_run/{host}/api/health");
    let headers = [("Authorization", bearer.as_str())];
    operator.try_send("GET", &target, &headers, "").unwrap().status
}

#[test]
fn who_knows_the_migration_tells_it() {
    let operator = operator();
    let told = |name: &str| operator.health(name).json();
    assert_eq!(told("model-service"), json!({"status": "ok", "db_migration": "0007"}));
    assert_eq!(told("frontend"), json!({"status": "ok", "db_migration": "0007"}));
    assert_eq!(told("scheduler"), json!({"status": "ok"}));
    let current = operator.plain("/_run/model-service/health").json();
    assert_eq!(current["db_migration"], "0007");
    assert_eq!(operator.health("nobody").status, 404);
}

#[test]
fn a_private_service_takes_a_token_for_its_own_address() {
    let operator = with(Setup::peculiar());
    assert_eq!(operator.health("scheduler").status, 403);
    let own = format!("{}/_run/scheduler", operator.fake.url());
    let token = |audience: &str| operator.fake.identity_token(audience);
    assert_eq!(asked_with(&operator, "scheduler", &token(&own)), 200);
    assert_eq!(asked_with(&operator, "scheduler", &token("https://other")), 401);
    assert_eq!(asked_with(&operator, "scheduler", &operator.token), 401);
    operator.deploy("scheduler", "2.0.0", "scheduler-up1");
    assert_eq!(asked_with(&operator, "next---scheduler", &token(&own)), 200);
    let tag = format!("{}/_run/next---scheduler", operator.fake.url());
    assert_eq!(asked_with(&operator, "next---scheduler", &token(&tag)), 401);
}

#[test]
fn an_expired_id_token_is_not_taken() {
    let operator = with(Setup { token_seconds: 0, ..Setup::peculiar() });
    let own = format!("{}/_run/scheduler", operator.fake.url());
    assert_eq!(asked_with(&operator, "scheduler", &operator.fake.identity_token(&own)), 401);
}

#[test]
fn a_sick_release_is_sick_as_the_service_it_says() {
    let operator = operator();
    operator.deploy("scheduler", "1.5.0-sick", "scheduler-up1");
    operator.deploy("optimizer", "1.5.0-sick", "optimizer-up1");
    assert_eq!(operator.health("next---scheduler").status, 503);
    assert_eq!(operator.health("next---optimizer").status, 200);
    assert_eq!(operator.health("scheduler").status, 200);
}

#[test]
fn a_release_crashes_with_its_first_traffic() {
    let operator = operator();
    operator.deploy("optimizer", "1.5.0-crashes", "optimizer-up1");
    assert_eq!(operator.health("next---optimizer").status, 200);
    operator.route("optimizer", &json!([by_revision("optimizer-up1", 100, "")]));
    assert_eq!(operator.health("optimizer").status, 503);
    operator.route("optimizer", &json!([by_revision("optimizer-00002-def", 100, "")]));
    assert_eq!(operator.health("optimizer").status, 200);
}

#[test]
fn a_release_that_refuses_a_newer_database_stops_serving() {
    let mut setup = Setup::default();
    let old = Release { runs_on_newer: false, ..Release::new("1.4.0", Some("0007")) };
    setup.releases.retain(|release| release.tag != "1.4.0");
    setup.releases.push(old);
    let operator = with(setup);
    assert_eq!(operator.health("model-service").status, 200);
    let migrate = Event::Migrate { migration: "0008".into() };
    operator.fake.event(migrate).unwrap();
    assert_eq!(operator.health("model-service").status, 503);
}

#[test]
fn what_serves_can_crash_at_any_time() {
    let operator = operator();
    let crash = Event::Crash { service: "gateway".into() };
    operator.fake.event(crash).unwrap();
    assert_eq!(operator.health("gateway").status, 503);
}
