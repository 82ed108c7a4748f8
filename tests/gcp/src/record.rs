//! The requests as they came, for tests to look at.

use serde::Serialize;
use serde_json::Value;

use crate::exchange::Call;

#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    /// Milliseconds of the fake's time since the epoch.
    pub at_ms: u64,
    pub method: String,
    pub host: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    /// JSON where it is; else a text.
    pub body: Value,
    pub agent: String,
    /// Absent while the request is being handled; 0 where the connection was cut.
    pub status: Option<u16>,
    /// The faults that it met.
    pub faults: usize,
    /// What was answered where it was an error, for whoever wonders why.
    pub refusal: Option<String>,
}

impl Recorded {
    #[must_use]
    pub fn new(call: &Call, faults: usize) -> Self {
        let body = serde_json::from_slice(&call.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&call.body).into_owned()));
        Self {
            at_ms: u64::try_from(call.at.as_millis()).unwrap_or_default(),
            method: call.method.clone(),
            host: call.host.clone(),
            path: call.path.clone(),
            query: call.query.clone(),
            body,
            agent: call.header("user-agent").unwrap_or_default().to_owned(),
            status: None,
            faults,
            refusal: None,
        }
    }

    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}
