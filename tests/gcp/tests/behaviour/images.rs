use base64::Engine as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tessallite_up_gcp::{Event, Release};

use crate::operator::{operator, service};

const MANIFESTS: &str = "/v2/tessallite-demo/tessallite/frontend/manifests";

#[test]
fn a_tag_names_a_digest_and_the_digest_the_same_manifest() {
    let operator = operator();
    let tagged = operator.get(&format!("{MANIFESTS}/1.5.0"));
    let digest = tagged.header("docker-content-digest").unwrap().to_owned();
    let by_digest = operator.get(&format!("{MANIFESTS}/{digest}"));
    assert_eq!(by_digest.text, tagged.text);
    let sum = Sha256::digest(&tagged.text);
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, format!("sha256:{sum}"));
    let head = operator.send("HEAD", &format!("{MANIFESTS}/1.5.0"), &Value::Null);
    assert_eq!(head.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(head.text, "");
}

#[test]
fn a_missing_image_is_unknown() {
    let operator = operator();
    let missing = operator.get(&format!("{MANIFESTS}/9.9.9"));
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["errors"][0]["code"], "MANIFEST_UNKNOWN");
}

#[test]
fn a_token_is_demanded_as_bearer_or_basic() {
    let operator = operator();
    let target = format!("{MANIFESTS}/1.5.0");
    let refused = operator.plain(&target);
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer realm="));
    let pair = format!("oauth2accesstoken:{}", operator.token);
    let basic = base64::engine::general_purpose::STANDARD.encode(pair);
    let basic = format!("Basic {basic}");
    let reply = operator.try_send("GET", &target, &[("Authorization", &basic)], "").unwrap();
    assert_eq!(reply.status, 200);
}

#[test]
fn a_manifest_is_of_a_type_that_the_client_takes() {
    let operator = operator();
    let bearer = format!("Bearer {}", operator.token);
    let ask = |accept: &str| {
        let headers = [("Authorization", bearer.as_str()), ("Accept", accept)];
        let target = format!("{MANIFESTS}/1.5.0");
        operator.try_send("GET", &target, &headers, "").unwrap().status
    };
    assert_eq!(ask("application/vnd.oci.image.manifest.v1+json, text/plain"), 200);
    assert_eq!(ask("application/vnd.docker.distribution.manifest.v1+json"), 404);
}

#[test]
fn a_tag_that_moves_does_not_change_what_a_digest_names() {
    let operator = operator();
    let before = operator.get(&format!("{MANIFESTS}/2.0.0"));
    let digest = before.header("docker-content-digest").unwrap().to_owned();
    let push =
        Event::Push { service: "frontend".into(), release: Release::new("2.0.0", Some("0009")) };
    operator.fake.event(push).unwrap();
    let after = operator.get(&format!("{MANIFESTS}/2.0.0"));
    assert_ne!(after.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(operator.get(&format!("{MANIFESTS}/{digest}")).status, 200);
    let remove = Event::RemoveImage { service: "frontend".into(), tag: "1.5.0".into() };
    operator.fake.event(remove).unwrap();
    assert_eq!(operator.get(&format!("{MANIFESTS}/1.5.0")).status, 404);
}

#[test]
fn a_revision_tells_the_digest_that_it_runs() {
    let operator = operator();
    let revision = format!("{}/revisions/frontend-00002-def", service("frontend"));
    let view = operator.get(&revision).json();
    let digest = operator.get(&format!("{MANIFESTS}/1.4.0"));
    let digest = digest.header("docker-content-digest").unwrap().to_owned();
    let told = view["containerStatuses"][0]["imageDigest"].as_str().unwrap().to_owned();
    assert!(told.ends_with(&digest), "{told}");
}
