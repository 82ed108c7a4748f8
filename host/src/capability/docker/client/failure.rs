//! What went wrong between us, the engine and a registry, in the contract's terms.

use std::error::Error as StdError;
use std::io;

use bollard::errors::Error as EngineError;

use crate::capability::error::{Error, Kind};
use crate::text::printable;

const SOCKET_HINT: &str =
    "run as root, or as a member of the group that owns the engine's socket (usually \"docker\")";
const ENGINE_HINT: &str = "see whether `docker info` answers";

/// An answer of the engine, or the lack of one. `doing` says what was being done.
pub(super) fn engine(doing: impl Into<String>, error: EngineError) -> Error {
    let doing = doing.into();
    if let EngineError::DockerResponseServerError { status_code, message } = &error {
        let kind = match status_code {
            400 => Kind::Invalid,
            404 => Kind::NotFound,
            503 => Kind::Unavailable,
            _ => Kind::Failed,
        };
        return Error::new(kind, doing).because(printable(message));
    }
    let below = printable(&chain(&error));
    match io_kind(&error) {
        Some(io::ErrorKind::PermissionDenied) => {
            Error::failed(format!("{doing}: the engine's socket may not be opened"))
                .because(below)
                .hint(SOCKET_HINT)
        }
        Some(_) => Error::unavailable(format!("{doing}: the engine does not answer"))
            .because(below)
            .hint(ENGINE_HINT),
        None if is_connection(&error) => {
            Error::unavailable(format!("{doing}: the engine does not answer"))
                .because(below)
                .hint(ENGINE_HINT)
        }
        None if matches!(error, EngineError::RequestTimeoutError) => {
            Error::timed_out(format!("{doing}: the engine took too long"))
        }
        None => Error::failed(doing).because(below),
    }
}

fn is_connection(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::HyperLegacyError { .. }
            | EngineError::HyperResponseError { .. }
            | EngineError::SocketNotFoundError(_)
    )
}

fn io_kind(error: &EngineError) -> Option<io::ErrorKind> {
    let mut below: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = below {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        below = error.source();
    }
    // bollard's I/O variant is transparent: it hands out the source of its source.
    match error {
        EngineError::IOError { err } => Some(err.kind()),
        _ => None,
    }
}

fn chain(error: &EngineError) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        below = error.source();
    }
    text
}

/// A refusal that the engine passes on from a registry. Engines wrap it differently
/// (20.10 turns most into 500, and a denied pull into 404), so the text decides
/// before the status does. `registry` and `repository` are those of the reference.
pub(super) fn registry(doing: &str, registry: &str, repository: &str, error: EngineError) -> Error {
    let (status, message) = match &error {
        EngineError::DockerResponseServerError { status_code, message } => {
            (Some(*status_code), message.clone())
        }
        EngineError::DockerStreamError { error } => (None, error.clone()),
        _ => return engine(doing, error),
    };
    // A repository may be called "denied": its name is no evidence.
    let evidence = message.replace(repository, "").to_lowercase();
    let verdict = Verdict::of(&evidence, status);
    let error = Error::new(verdict.kind(), doing.to_owned()).because(printable(&message));
    match verdict.hint(registry) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Busy,
    Refused,
    Absent,
    NoPlatform,
    NoSpace,
    Untrusted,
    Malformed,
    Unreachable,
}

/// What the texts of engines and registries say, the most telling first.
const EVIDENCE: &[(Verdict, &[&str])] = &[
    (Verdict::NoSpace, &["no space left on device"]),
    (Verdict::Busy, &["toomanyrequests", "too many requests", "rate limit", "http 429"]),
    (
        Verdict::Refused,
        &[
            "unauthorized",
            "denied",
            "authentication required",
            "no basic auth",
            "http 401",
            "http 403",
            "403 forbidden",
        ],
    ),
    (Verdict::NoPlatform, &["no matching manifest for", "no match for platform"]),
    (
        Verdict::Absent,
        &[
            "manifest unknown",
            "name unknown",
            "name_unknown",
            "not found: ",
            "http 404",
            ": not found",
            "404 not found",
        ],
    ),
    (Verdict::Untrusted, &["x509:", "certificate", "tls:", "http response to https client"]),
];

impl Verdict {
    fn of(evidence: &str, status: Option<u16>) -> Self {
        let said = EVIDENCE
            .iter()
            .find(|(_, signs)| signs.iter().any(|sign| evidence.contains(sign)))
            .map(|(verdict, _)| *verdict);
        said.unwrap_or(match status {
            Some(400) => Self::Malformed,
            Some(401 | 403) => Self::Refused,
            Some(404) => Self::Absent,
            Some(429) => Self::Busy,
            _ => Self::Unreachable,
        })
    }

    fn kind(self) -> Kind {
        match self {
            Self::Busy | Self::Unreachable => Kind::Unavailable,
            Self::Absent => Kind::NotFound,
            Self::Malformed => Kind::Invalid,
            Self::Refused | Self::NoPlatform | Self::NoSpace | Self::Untrusted => Kind::Failed,
        }
    }

    fn hint(self, registry: &str) -> Option<String> {
        match self {
            Self::Busy => {
                Some(format!("{registry} limits requests: wait, or `docker login {registry}`"))
            }
            Self::Refused => Some(format!(
                "`docker login {registry}` as the user that runs this program, and see that the repository exists"
            )),
            Self::NoPlatform => {
                Some("the image was not built for this engine's platform".to_owned())
            }
            Self::NoSpace => {
                Some("free space where the engine keeps images: `docker system df`".to_owned())
            }
            Self::Untrusted => Some(format!(
                "the engine does not trust {registry}: install its CA in /etc/docker/certs.d/{registry}"
            )),
            Self::Unreachable => {
                Some(format!("see whether the engine's machine can reach {registry}"))
            }
            Self::Absent | Self::Malformed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, message: &str) -> Kind {
        let error = EngineError::DockerResponseServerError {
            status_code: status,
            message: message.to_owned(),
        };
        registry("asking", "r.example", "r.example/denied/app", error).kind
    }

    /// What Engine 20.10 and 28 were seen to say.
    #[test]
    fn answers_of_registries_become_the_kinds_of_the_contract() {
        let seen = [
            (401, "unauthorized: authentication required", Kind::Failed),
            (403, "denied: requested access to the resource is denied", Kind::Failed),
            (500, "error parsing HTTP 403 response body: invalid character '<'", Kind::Failed),
            (500, "unauthorized: msg", Kind::Failed),
            (
                404,
                "pull access denied for r.example/denied/app, repository does not exist or may require 'docker login': denied: no",
                Kind::Failed,
            ),
            (404, "manifest unknown: manifest unknown", Kind::NotFound),
            (
                404,
                "manifest for r.example/denied/app:1 not found: manifest unknown",
                Kind::NotFound,
            ),
            (404, "name unknown", Kind::NotFound),
            (500, "name unknown", Kind::NotFound),
            (429, "toomanyrequests: slow down", Kind::Unavailable),
            (500, "error parsing HTTP 429 response body: invalid character '<'", Kind::Unavailable),
            (500, "received unexpected HTTP status: 503 Service Unavailable", Kind::Unavailable),
            (
                500,
                "Get \"http://r.example/v2/\": dial tcp 127.0.0.1:5999: connect: connection refused",
                Kind::Unavailable,
            ),
            (
                500,
                "Get \"https://r.example/v2/\": dial tcp: lookup r.example: no such host",
                Kind::Unavailable,
            ),
            (
                500,
                "Get \"https://r.example/v2/\": x509: certificate signed by unknown authority",
                Kind::Failed,
            ),
            (
                404,
                "no matching manifest for linux/arm64/v8 in the manifest list entries: not found",
                Kind::Failed,
            ),
            (500, "write /var/lib/docker/tmp/x: no space left on device", Kind::Failed),
            (400, "invalid reference format", Kind::Invalid),
        ];
        for (status, message, expected) in seen {
            assert_eq!(kind(status, message), expected, "{status} {message}");
        }
    }

    #[test]
    fn permission_denied_on_the_socket_is_told_from_no_engine() {
        let denied = EngineError::from(io::Error::from(io::ErrorKind::PermissionDenied));
        let error = engine("asking", denied);
        assert_eq!(error.kind, Kind::Failed);
        assert!(error.advice().is_some_and(|hint| hint.contains("group")));

        let refused = EngineError::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!(engine("asking", refused).kind, Kind::Unavailable);
    }
}
