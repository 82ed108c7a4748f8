//! The operator's credentials for registries, where `docker login` keeps them.

use bollard::auth::DockerCredentials;
use docker_credential::{CredentialRetrievalError as Failure, DockerCredential};

use crate::capability::error::{Error, Result};
use crate::text::printable;

/// The key under which `docker login` files Docker Hub, for ever.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// What the operator's `docker login` has for this registry; nothing when it has not.
///
/// Errors: `Failed` when the credential helper does not work: a registry's answer
/// to an anonymous question would only lead astray.
pub(super) async fn of(registry: &str) -> Result<Option<DockerCredentials>> {
    let registry = registry.to_owned();
    // A helper is a program, and reading its answer blocks.
    let search =
        tokio::task::spawn_blocking(move || search(&registry, docker_credential::get_credential));
    search
        .await
        .map_err(|error| Error::failed("reading the registry credentials").because(error))?
}

fn search(
    registry: &str,
    get: impl Fn(&str) -> Result<DockerCredential, Failure>,
) -> Result<Option<DockerCredentials>> {
    for key in keys(registry) {
        match get(&key) {
            Ok(found) => return Ok(Some(credentials(key, found))),
            Err(failure) if is_absence(&failure) => {}
            Err(failure) => {
                return Err(Error::failed(format!("reading the credentials of {registry}"))
                    .because(printable(&failure.to_string()))
                    .hint(format!("see whether `docker login {registry}` works")));
            }
        }
    }
    Ok(None)
}

fn keys(registry: &str) -> Vec<String> {
    if registry == "docker.io" {
        return vec![DOCKER_HUB.to_owned()];
    }
    let forms = ["", "https://", "http://"];
    forms.iter().map(|scheme| format!("{scheme}{registry}")).collect()
}

fn is_absence(failure: &Failure) -> bool {
    match failure {
        Failure::NoCredentialConfigured | Failure::ConfigNotFound | Failure::ConfigReadError => {
            true
        }
        // The words that the helper protocol prescribes for "I have none".
        Failure::HelperFailure { stdout, stderr, .. } => {
            [stdout, stderr].iter().any(|text| text.contains("credentials not found"))
        }
        _ => false,
    }
}

fn credentials(key: String, found: DockerCredential) -> DockerCredentials {
    let base = DockerCredentials { serveraddress: Some(key), ..DockerCredentials::default() };
    match found {
        DockerCredential::IdentityToken(token) => {
            DockerCredentials { identitytoken: Some(token), ..base }
        }
        DockerCredential::UsernamePassword(user, password) => {
            DockerCredentials { username: Some(user), password: Some(password), ..base }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> DockerCredential {
        DockerCredential::UsernamePassword("u".to_owned(), "p".to_owned())
    }

    #[test]
    fn docker_hub_has_a_key_of_its_own() {
        let get = |key: &str| {
            if key == DOCKER_HUB { Ok(password()) } else { Err(Failure::NoCredentialConfigured) }
        };
        let found = search("docker.io", get).unwrap().unwrap();
        assert_eq!(found.username.as_deref(), Some("u"));
        assert_eq!(found.serveraddress.as_deref(), Some(DOCKER_HUB));
        assert!(search("r.example", get).unwrap().is_none());
    }

    #[test]
    fn a_helper_without_the_credential_is_not_a_broken_helper() {
        let failure = |stdout: &str| Failure::HelperFailure {
            helper: "x".to_owned(),
            stdout: stdout.to_owned(),
            stderr: String::new(),
        };
        assert!(
            search("r.example", |_| Err(failure("credentials not found in native keychain")))
                .unwrap()
                .is_none()
        );
        assert!(search("r.example", |_| Err(failure("the keychain is locked"))).is_err());
        assert!(search("r.example", |_| Err(Failure::HelperCommunicationError)).is_err());
    }
}
