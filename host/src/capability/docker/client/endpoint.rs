//! Which engine, by the rules of the `docker` command itself.

use std::path::{Path, PathBuf};

use bollard::{API_DEFAULT_VERSION, Docker};
use serde::Deserialize;

use super::compose;
use super::failure;
use crate::capability::error::{Error, Result};

/// Seconds until the head of an answer; bodies are bounded where they are read.
const ANSWER_SECONDS: u64 = 120;

pub(super) struct Endpoint {
    pub(super) docker: Docker,
    /// The engine is reached through a socket of this machine.
    pub(super) is_socket: bool,
    /// Where the engine's published ports are reached.
    pub(super) host: String,
}

/// An address and what TLS needs, before anything is connected.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    url: String,
    certificates: Option<PathBuf>,
}

/// The engine of `DOCKER_HOST`, else that of the current Docker context.
///
/// Errors: `Failed` for an address that this program cannot use, `Unavailable` when
/// its socket does not exist.
pub(super) async fn find() -> Result<Endpoint> {
    let address = match variable("DOCKER_HOST") {
        Some(url) => Address { url, certificates: certificates_of_environment() },
        None => context().await?,
    };
    open(&address)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn certificates_of_environment() -> Option<PathBuf> {
    variable("DOCKER_TLS_VERIFY")?;
    let directory = variable("DOCKER_CERT_PATH").map(PathBuf::from);
    directory.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".docker")))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Context {
    endpoints: Endpoints,
    storage: Storage,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: ContextEndpoint,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContextEndpoint {
    host: String,
}

#[derive(Deserialize)]
struct Storage {
    #[serde(rename = "TLSPath")]
    tls_path: PathBuf,
}

/// `docker context inspect` honours DOCKER_CONTEXT and the configured default.
async fn context() -> Result<Address> {
    let doing = "asking `docker context inspect` which engine to use";
    let text = compose::docker(doing, &["context", "inspect"]).await?;
    read_context(&text).ok_or_else(|| Error::failed(doing).because("it names no engine"))
}

fn read_context(text: &str) -> Option<Address> {
    let contexts: Vec<Context> = serde_json::from_str(text).ok()?;
    let context = contexts.into_iter().next()?;
    let url = Some(context.endpoints.docker.host).filter(|url| !url.is_empty())?;
    let certificates = context.storage.tls_path.join("docker");
    let certificates = certificates.join("ca.pem").exists().then_some(certificates);
    Some(Address { url, certificates })
}

fn open(address: &Address) -> Result<Endpoint> {
    let url = address.url.as_str();
    let doing = format!("connecting to the engine at {url}");
    let (scheme, rest) = url.split_once("://").unwrap_or(("tcp", url));
    let (docker, host) = match scheme {
        "unix" => (
            Docker::connect_with_unix(url, ANSWER_SECONDS, API_DEFAULT_VERSION),
            "127.0.0.1".to_owned(),
        ),
        "tcp" | "http" | "https" => (connect_tcp(rest, address), host_of(rest)),
        "ssh" => {
            return Err(Error::failed(format!("{doing}: ssh is not supported"))
                .hint("run this program on that machine, or forward its socket with `ssh -L` and set DOCKER_HOST=unix://…"));
        }
        _ => return Err(Error::failed(format!("{doing}: {scheme} is not supported"))),
    };
    let docker = docker.map_err(|error| failure::engine(doing, error))?;
    Ok(Endpoint { docker: with_url_safe_auth(docker), is_socket: scheme == "unix", host })
}

fn connect_tcp(rest: &str, address: &Address) -> Result<Docker, bollard::errors::Error> {
    let rest = rest.trim_end_matches('/');
    let Some(directory) = &address.certificates else {
        let url = format!("tcp://{}", with_port(rest, 2375));
        return Docker::connect_with_http(&url, ANSWER_SECONDS, API_DEFAULT_VERSION);
    };
    Docker::connect_with_ssl(
        &format!("tcp://{}", with_port(rest, 2376)),
        &directory.join("key.pem"),
        &directory.join("cert.pem"),
        &directory.join("ca.pem"),
        ANSWER_SECONDS,
        API_DEFAULT_VERSION,
    )
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(front, port)| {
        !port.is_empty()
            && port.bytes().all(|b| b.is_ascii_digit())
            && (!front.contains(':') || front.ends_with(']'))
    })
}

fn with_port(host: &str, default: u16) -> String {
    if has_port(host) { host.to_owned() } else { format!("{host}:{default}") }
}

fn host_of(rest: &str) -> String {
    let host = rest.trim_end_matches('/');
    let host = match host.rsplit_once(':') {
        Some((front, _)) if has_port(host) => front,
        _ => host,
    };
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// Engines read X-Registry-Auth as URL-safe base64 and take what they cannot read for
/// "no credentials"; bollard writes the other alphabet.
fn with_url_safe_auth(docker: Docker) -> Docker {
    docker.with_request_modifier(|mut request| {
        if let Some(value) = request.headers_mut().get_mut("x-registry-auth") {
            let safe = value.to_str().map(|text| text.replace('+', "-").replace('/', "_"));
            if let Some(safe) = safe.ok().and_then(|text| text.try_into().ok()) {
                *value = safe;
            }
        }
        request
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_told_from_addresses() {
        assert_eq!(with_port("engine.example", 2376), "engine.example:2376");
        assert_eq!(with_port("engine.example:1", 2376), "engine.example:1");
        assert_eq!(with_port("[::1]", 2375), "[::1]:2375");
        assert_eq!(with_port("[::1]:9", 2375), "[::1]:9");
        assert_eq!(host_of("[::1]:9"), "::1");
        assert_eq!(host_of("engine.example:2375/"), "engine.example");
        assert_eq!(host_of("engine.example"), "engine.example");
    }

    #[test]
    fn ssh_is_refused_with_a_way_out() {
        let address = Address { url: "ssh://root@engine.example".to_owned(), certificates: None };
        let Err(error) = open(&address) else { panic!("ssh was accepted") };
        assert!(error.full_text().contains("ssh is not supported"), "{}", error.full_text());
        assert!(error.advice().is_some());
    }

    #[test]
    fn a_context_names_its_engine() {
        let text = r#"[{"Name":"default","Endpoints":{"docker":{"Host":"unix:///x.sock","SkipTLSVerify":false}},
            "Storage":{"MetadataPath":"<IN MEMORY>","TLSPath":"<IN MEMORY>"}}]"#;
        let expected = Address { url: "unix:///x.sock".to_owned(), certificates: None };
        assert_eq!(read_context(text), Some(expected));
    }
}
