//! What the registry of the stand-in installation has.

use std::process::Command;

use tessallite_up_tests::process::{docker, run};

pub const REGISTRY: &str = "127.0.0.1:5055";
const MANIFEST: &str = "Accept: application/vnd.docker.distribution.manifest.v2+json";

/// The digest that a tag names now.
pub fn digest(service: &str, tag: &str) -> String {
    let address = format!("http://{REGISTRY}/v2/tessallite/{service}/manifests/{tag}");
    let headers = run(Command::new("curl").args(["-sSfI", "-H", MANIFEST, &address]));
    let digest = headers.lines().find_map(|line| line.strip_prefix("Docker-Content-Digest: "));
    digest.unwrap_or_else(|| panic!("no digest: {headers}")).trim().to_owned()
}

/// The image of this ID is the one that the tag names in the registry.
#[track_caller]
pub fn assert_is(image: &str, service: &str, tag: &str) {
    let known = docker(&["image", "inspect", "--format", "{{json .RepoDigests}}", image]);
    let digest = digest(service, tag);
    assert!(known.contains(&digest), "{service}: {image} is {known}, not {digest} ({tag})");
}
