use serde_json::{Value, json};
use tessallite_up_gcp::{Event, Setup};

use crate::operator::{Operator, operator, service, with};

const DEFAULT: &str = "/computeMetadata/v1/instance/service-accounts/default";

fn metadata(operator: &Operator, path: &str) -> crate::operator::Reply {
    let headers = [("Metadata-Flavor", "Google")];
    operator.try_send("GET", path, &headers, "").unwrap()
}

fn form(operator: &Operator, body: &str) -> Value {
    operator.try_send("POST", "/token", &[], body).unwrap().json()
}

#[test]
fn no_token_no_api() {
    let mut operator = operator();
    operator.token = "ya29.unknown".into();
    let refused = operator.get(&service("frontend"));
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["error"]["status"], "UNAUTHENTICATED");
    assert_eq!(operator.plain(&service("frontend")).status, 401);
}

#[test]
fn the_metadata_server_wants_its_header_and_gives_tokens() {
    let mut operator = operator();
    assert_eq!(operator.plain(&format!("{DEFAULT}/token")).status, 403);
    let given = metadata(&operator, &format!("{DEFAULT}/token"));
    assert_eq!(given.header("metadata-flavor"), Some("Google"));
    operator.token = given.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(operator.get(&service("frontend")).status, 200);
    let text = |path: &str| metadata(&operator, path).text;
    assert_eq!(text("/computeMetadata/v1/project/project-id"), "tessallite-demo");
    assert!(text(&format!("{DEFAULT}/email")).contains('@'));
    let own = format!("{}/_run/scheduler", operator.fake.url());
    let identity = text(&format!("{DEFAULT}/identity?audience={own}&format=full"));
    assert_eq!(tessallite_up_gcp::credentials::claims(&identity).unwrap()["aud"], own);
    assert_eq!(metadata(&operator, &format!("{DEFAULT}/identity")).status, 400);
}

#[test]
fn tokens_expire_and_can_be_had_again() {
    let mut operator = operator();
    operator.fake.event(Event::ExpireTokens).unwrap();
    assert_eq!(operator.get(&service("frontend")).status, 401);
    operator.token = operator.fake.token();
    assert_eq!(operator.get(&service("frontend")).status, 200);
    let mut short = with(Setup { token_seconds: 1, ..Setup::default() });
    short.token = short.fake.token();
    assert_eq!(short.get(&service("frontend")).status, 200);
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    assert_eq!(short.get(&service("frontend")).status, 401);
}

#[test]
fn the_token_endpoint_takes_refresh_tokens_and_assertions() {
    let mut operator = operator();
    let refreshed =
        form(&operator, "grant_type=refresh_token&refresh_token=r&client_id=c&client_secret=s");
    operator.token = refreshed["access_token"].as_str().unwrap().to_owned();
    assert_eq!(operator.get(&service("frontend")).status, 200);
    let claims = json!({"target_audience": "https://svc"}).to_string();
    let payload = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims);
    let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
    let asserted = form(&operator, &format!("grant_type={grant}&assertion=h.{payload}.s"));
    let token = asserted["id_token"].as_str().unwrap();
    assert_eq!(tessallite_up_gcp::credentials::claims(token).unwrap()["aud"], "https://svc");
    let json = r#"{"grant_type": "refresh_token", "refresh_token": "r", "client_id": "c"}"#;
    let headers = [("Content-Type", "application/json")];
    let refreshed = operator.try_send("POST", "/token", &headers, json).unwrap();
    assert!(refreshed.json()["access_token"].is_string(), "{}", refreshed.text);
    let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange";
    let body = format!("grant_type={grant}&subject_token=s");
    let exchanged = operator.try_send("POST", "/v1/token", &[], &body).unwrap();
    assert!(exchanged.json()["access_token"].is_string(), "{}", exchanged.text);
    assert_eq!(form(&operator, "grant_type=password")["error"], "unsupported_grant_type");
}

#[test]
fn an_account_is_impersonated_by_who_may() {
    let mut operator = operator();
    let account = "/v1/projects/-/serviceAccounts/up@tessallite-demo.iam.gserviceaccount.com";
    let scope = json!({"scope": ["https://www.googleapis.com/auth/cloud-platform"]});
    let given = operator.send("POST", &format!("{account}:generateAccessToken"), &scope).json();
    let audience = json!({"audience": "https://svc", "includeEmail": true});
    let identity = operator.send("POST", &format!("{account}:generateIdToken"), &audience).json();
    assert!(identity["token"].is_string());
    operator.token = given["accessToken"].as_str().unwrap().to_owned();
    assert_eq!(operator.get(&service("frontend")).status, 200);
    let deny = Event::Deny {
        resource: "*".into(),
        permission: "iam.serviceAccounts.getOpenIdToken".into(),
    };
    operator.fake.event(deny).unwrap();
    let refused = operator.send("POST", &format!("{account}:generateIdToken"), &audience);
    assert_eq!(refused.status, 403);
}

#[test]
fn permissions_can_be_taken_away_and_tested() {
    let operator = operator();
    let deny = |resource: &str, permission: &str| {
        let event = Event::Deny { resource: resource.into(), permission: permission.into() };
        operator.fake.event(event).unwrap();
    };
    deny("scheduler", "run.services.update");
    let asked = json!({"permissions": ["run.services.get", "run.services.update"]});
    let test = |name: &str| {
        let target = format!("{}:testIamPermissions", service(name));
        operator.send("POST", &target, &asked).json()
    };
    assert_eq!(test("scheduler"), json!({"permissions": ["run.services.get"]}));
    assert_eq!(test("frontend"), asked);
    let body = json!({"annotations": {"a": "b"}});
    let refused = operator.patch("scheduler", "updateMask=annotations", &body);
    assert_eq!(refused.status, 403);
    assert!(refused.message().contains("'run.services.update'"));
    deny("tessallite", "cloudsql.backupRuns.create");
    let target = format!("{}/backupRuns", crate::operator::INSTANCE);
    assert_eq!(operator.send("POST", &target, &json!({})).reason(), "notAuthorized");
}
