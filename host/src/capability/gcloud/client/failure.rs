//! Why Google Cloud did not do what it was asked.

use std::time::Duration;

use serde_json::Value;

use crate::capability::error::{Error, Kind};
use crate::text::{one_line, shortened};

/// Of a message from the outside.
const LONGEST: usize = 2_000;

#[derive(Debug)]
pub enum Failure {
    /// Google Cloud has answered, and said no.
    Refused(Refusal),
    /// Whether it was done, nobody knows: no answer came, or one that does not tell.
    Lost(Error),
    /// It was not done.
    Undone(Error),
}

/// An error as Google's APIs tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For the operator: what was being done.
    pub doing: String,
    pub code: u16,
    /// The canonical code: `ABORTED`, `PERMISSION_DENIED` …
    pub status: String,
    /// Of the first error: `operationInProgress` …
    pub reason: String,
    pub message: String,
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub fn parse(doing: &str, code: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        // Some of Google's front ends answer with a list of one.
        let json = json.get(0).cloned().unwrap_or(json);
        let error = &json["error"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let details = error["details"].as_array().into_iter().flatten();
        let of_details = details.filter_map(|detail| detail["reason"].as_str()).next();
        let reason = error["errors"][0]["reason"].as_str().or(of_details).unwrap_or_default();
        let mut message = text(&error["message"]);
        if message.is_empty() {
            message = String::from_utf8_lossy(body).into_owned();
        }
        Self {
            doing: doing.to_owned(),
            code,
            status: text(&error["status"]),
            reason: reason.to_owned(),
            message: shortened(&one_line(message.trim()), LONGEST),
            retry_after,
        }
    }

    /// Somebody has changed the thing since it was read.
    pub fn is_stale(&self) -> bool {
        self.code == 409 && self.status == "ABORTED"
    }

    pub fn already_exists(&self) -> bool {
        self.code == 409 && self.status != "ABORTED" && !self.is_busy()
    }

    /// The instance does one thing at a time. By the reason: the code was another one once.
    pub fn is_busy(&self) -> bool {
        self.reason == "operationInProgress"
    }

    /// Too many requests: nothing was done.
    pub fn is_throttled(&self) -> bool {
        const REASONS: [&str; 2] = ["rateLimitExceeded", "userRateLimitExceeded"];
        self.code == 429 || (self.code == 403 && REASONS.contains(&self.reason.as_str()))
    }

    fn kind(&self) -> Kind {
        match self.code {
            404 => Kind::NotFound,
            409 if self.is_busy() => Kind::Unavailable,
            409 | 412 => Kind::Conflict,
            429 | 500 | 502 | 503 => Kind::Unavailable,
            504 => Kind::TimedOut,
            _ => Kind::Failed,
        }
    }

    fn advice(&self) -> Option<&'static str> {
        Some(match self.code {
            401 => {
                "log in again: gcloud auth login, or gcloud auth application-default login; a \
                 token in the environment may have expired"
            }
            403 if self.reason == "accessNotConfigured" || self.message.contains("disabled") => {
                "switch the API on: gcloud services enable run.googleapis.com sqladmin.googleapis.com"
            }
            403 => "grant the permission to the identity that is used here, or use another one",
            404 => {
                "see that project, region and names are right: gcloud run services list, \
                 gcloud sql instances list"
            }
            429 => "the quota of the project is used up: wait, or have it raised",
            _ => return None,
        })
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let Refusal { doing, code, status, message, .. } = &refusal;
        let status = if status.is_empty() { String::new() } else { format!(" {status}") };
        let text = format!("{doing}: Google Cloud answered {code}{status}: {message}");
        let error = Error::new(refusal.kind(), text);
        match refusal.advice() {
            Some(advice) => error.hint(advice),
            None => error,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal.into(),
            Failure::Lost(error) | Failure::Undone(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: u16, body: &str) -> Refusal {
        Refusal::parse("changing x", code, body.as_bytes(), None)
    }

    #[test]
    fn a_busy_instance_is_known_by_the_reason_whatever_the_code() {
        let body =
            r#"{"error":{"code":409,"message":"m","errors":[{"reason":"operationInProgress"}]}}"#;
        assert!(refusal(409, body).is_busy());
        assert!(refusal(403, body).is_busy());
        assert!(!refusal(409, body).already_exists());
    }

    #[test]
    fn a_stale_etag_is_told_from_a_name_that_is_taken() {
        assert!(refusal(409, r#"{"error":{"status":"ABORTED"}}"#).is_stale());
        let taken = refusal(409, r#"{"error":{"status":"ALREADY_EXISTS"}}"#);
        assert!(taken.already_exists() && !taken.is_stale());
    }

    #[test]
    fn the_error_says_what_was_done_and_what_google_says() {
        let body = r#"{"error":{"status":"PERMISSION_DENIED","message":"no run.services.update"}}"#;
        let error = Error::from(refusal(403, body));
        assert_eq!(error.kind, Kind::Failed);
        let text = error.full_text();
        for told in ["changing x", "403 PERMISSION_DENIED", "run.services.update", "grant"] {
            assert!(text.contains(told), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_shown_in_one_line() {
        assert_eq!(refusal(502, "<html>\nbad\x1b gateway").message, "<html> bad\u{fffd} gateway");
    }
}
