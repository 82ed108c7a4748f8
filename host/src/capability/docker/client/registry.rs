//! What a reference names in its registry, asked through the engine.

use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::models::OciPlatform;
use tokio::time::{Instant, sleep, timeout_at};

use super::Client;
use super::{credentials, failure};
use crate::capability::docker::reference::Reference;
use crate::capability::docker::types::RegistryImage;
use crate::capability::error::{Error, Kind, Result};
use crate::text::printable;

/// For all attempts together.
const BUDGET: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(300);

impl Client {
    /// Asks the registry, with the operator's credentials, what the reference names
    /// now; pulls nothing.
    ///
    /// Errors: `NotFound` (no such image or tag), `Unavailable` (no answer, or too
    /// many requests, after retries within 10 s), `Failed` (unauthorised),
    /// `Invalid` (not a reference).
    pub async fn resolve(&self, reference: &str) -> Result<RegistryImage> {
        let wanted = Reference::parse(reference)?;
        let credentials = credentials::of(wanted.registry()).await?;
        let deadline = Instant::now() + BUDGET;
        let mut pause = FIRST_PAUSE;
        loop {
            let error =
                match timeout_at(deadline, self.ask_registry(&wanted, credentials.clone())).await {
                    Ok(Ok(image)) => return Ok(image),
                    Ok(Err(error)) if error.kind != Kind::Unavailable => return Err(error),
                    Ok(Err(error)) => error,
                    Err(_) => {
                        let limit = BUDGET.as_secs();
                        return Err(Error::unavailable(format!(
                            "{}: no answer in {limit} s",
                            asking(&wanted)
                        )));
                    }
                };
            if Instant::now() + pause >= deadline {
                return Err(error);
            }
            sleep(pause).await;
            pause *= 2;
        }
    }

    async fn ask_registry(
        &self,
        wanted: &Reference,
        credentials: Option<DockerCredentials>,
    ) -> Result<RegistryImage> {
        let answer = self.docker().inspect_registry_image(wanted.as_str(), credentials).await;
        let answer = answer.map_err(|error| {
            failure::registry(&asking(wanted), wanted.registry(), wanted.repository(), error)
        })?;
        let digest = answer.descriptor.digest.filter(|digest| is_digest(digest));
        let digest = digest
            .ok_or_else(|| Error::failed(asking(wanted)).because("the answer has no digest"))?;
        let platforms = answer.platforms.iter().filter_map(platform).collect();
        Ok(RegistryImage { reference: wanted.as_str().to_owned(), digest, platforms })
    }
}

fn asking(wanted: &Reference) -> String {
    format!("asking {} for {wanted}", wanted.registry())
}

/// Attestations are listed as "unknown/unknown": they are no platforms.
fn platform(raw: &OciPlatform) -> Option<String> {
    let known =
        |text: &Option<String>| text.clone().filter(|text| !text.is_empty() && text != "unknown");
    let mut text = format!("{}/{}", known(&raw.os)?, known(&raw.architecture)?);
    if let Some(variant) = known(&raw.variant) {
        text.push('/');
        text.push_str(&variant);
    }
    Some(printable(&text))
}

pub(super) fn is_digest(text: &str) -> bool {
    let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    text.strip_prefix("sha256:").is_some_and(|digits| digits.len() == 64 && digits.bytes().all(hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_written_as_docker_writes_them() {
        let raw = |json: &str| platform(&serde_json::from_str(json).unwrap());
        let seen = raw(r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#);
        assert_eq!(seen.as_deref(), Some("linux/arm64/v8"));
        assert_eq!(raw(r#"{"os":"linux","architecture":"amd64"}"#).as_deref(), Some("linux/amd64"));
        assert_eq!(raw(r#"{"os":"unknown","architecture":"unknown"}"#), None);
    }

    #[test]
    fn a_digest_is_sha256_in_small_letters() {
        assert!(is_digest(&format!("sha256:{}", "0a".repeat(32))));
        assert!(!is_digest(&format!("sha256:{}", "0A".repeat(32))));
        assert!(!is_digest("sha256:0a"));
        assert!(!is_digest(&"0a".repeat(32)));
    }
}
