//! A request and its answer as plain data, before and after hyper.

use bytes::Bytes;
use serde_json::Value;

use crate::clock::Moment;
use crate::refusal::{Refusal, Result};

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: String,
    /// Of an absolute request target or of the `Host` header.
    pub host: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub at: Moment,
}

impl Call {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }

    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }

    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.parameter(name) == Some("true")
    }

    /// The body as JSON; an empty one is an empty message.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT where it is not a JSON object.
    pub fn json(&self) -> Result<Value> {
        if self.body.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(fields)) => Ok(Value::Object(fields)),
            Ok(_) => Err(Refusal::invalid(
                "Invalid JSON payload received. Root element must be a message.",
            )),
            Err(error) => Err(Refusal::invalid(format!("Invalid JSON payload received. {error}"))),
        }
    }

    /// The token of an `Authorization: Bearer` header.
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        let value = self.header("authorization")?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The segments of the path, without the empty one before the first slash.
    #[must_use]
    pub fn segments(&self) -> Vec<&str> {
        self.path.trim_start_matches('/').split('/').collect()
    }
}

/// How the connection ends after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Whole,
    /// Nothing is sent.
    Cut,
    /// Half of the body is sent, with the length of the whole.
    CutWithin,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub ending: Ending,
}

impl Answer {
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::with(status, "application/json; charset=UTF-8", body.to_string())
    }

    #[must_use]
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::with(status, "text/plain; charset=utf-8", body.into())
    }

    #[must_use]
    pub fn with(status: u16, kind: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), kind.into())],
            body: body.into(),
            ending: Ending::Whole,
        }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let answer = Self::json(refusal.code, &refusal.body());
        match refusal.retry_after {
            Some(seconds) => answer.header("retry-after", seconds.to_string()),
            None => answer,
        }
    }
}

/// What a handler says: an answer, or that it has to be asked again a little later
/// (`…:wait`, which is held back until the operation is done).
#[derive(Debug)]
pub enum Outcome {
    Answer(Answer),
    Again,
}

impl From<Result<Value>> for Outcome {
    fn from(result: Result<Value>) -> Self {
        Self::Answer(match result {
            Ok(body) => Answer::json(200, &body),
            Err(refusal) => refusal.into(),
        })
    }
}
