//! The variables that point a client at the fake.

/// For `tessallite-up`; the metadata server gives it its tokens.
#[must_use]
pub fn of_product(url: &str, project: &str) -> Vec<(&'static str, String)> {
    vec![
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", format!("{url}/")),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_SQL", format!("{url}/")),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER", format!("{url}/")),
        ("TESSALLITE_UP_REGISTRY_ENDPOINT", url.to_owned()),
        ("GCE_METADATA_HOST", host(url).to_owned()),
        ("CLOUDSDK_CORE_PROJECT", project.to_owned()),
    ]
}

/// For the gcloud CLI, which puts the region before the host's name and so has to come by way
/// of a proxy.
#[must_use]
pub fn of_gcloud(url: &str, project: &str, token: &str) -> Vec<(&'static str, String)> {
    let (address, port) = host(url).split_once(':').unwrap_or_default();
    vec![
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", "http://run.fake.test/".into()),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_SQL", format!("{url}/")),
        ("CLOUDSDK_PROXY_TYPE", "http".into()),
        ("CLOUDSDK_PROXY_ADDRESS", address.to_owned()),
        ("CLOUDSDK_PROXY_PORT", port.to_owned()),
        ("CLOUDSDK_AUTH_ACCESS_TOKEN", token.to_owned()),
        ("CLOUDSDK_CORE_PROJECT", project.to_owned()),
        ("CLOUDSDK_CORE_DISABLE_PROMPTS", "1".into()),
        ("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "1".into()),
    ]
}

fn host(url: &str) -> &str {
    url.trim_start_matches("http://")
}
