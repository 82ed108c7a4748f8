//! Faults: what goes wrong with which request.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Moment;
use crate::event::Event;
use crate::exchange::Call;
use crate::glob;

/// A fault on the requests that fit, from the `skip + 1`th on, `times` times.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fault {
    /// A pattern.
    #[serde(default = "any")]
    pub method: String,
    /// A pattern; `*` is anything, slashes included.
    pub path: String,
    /// The body has to have this in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(default)]
    pub skip: u32,
    /// Absent: for ever.
    #[serde(default = "once")]
    pub times: Option<u32>,
    #[serde(flatten)]
    pub kind: Kind,
}

fn any() -> String {
    "*".into()
}

fn once() -> Option<u32> {
    Some(1)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// It is answered so, and nothing is done.
    Status {
        status: u16,
        #[serde(default)]
        reason: String,
        #[serde(default)]
        message: String,
        #[serde(default)]
        retry_after: Option<u32>,
        /// The whole body instead of Google's error.
        #[serde(default)]
        answer: Option<Value>,
    },
    /// It is handled so much later, in our time.
    Delay { ms: u64 },
    /// The connection is closed; nothing is done.
    Cut,
    /// It is done, and the connection is closed within the answer.
    CutWithin,
    /// It is done, and the connection is closed without an answer.
    LostAnswer,
    /// The operation that it begins takes so much longer.
    SlowOperation { ms: u64 },
    /// The operation that it begins never ends.
    EndlessOperation,
    /// The operation on the instance that it begins fails: a backup run is FAILED then.
    SqlFailure { message: String },
    /// The revision that it creates never becomes ready.
    NeverReady { message: String },
    /// The revision that it creates crashes so long after it was ready.
    Crashes { after_ms: u64 },
    /// Something happens just before.
    Before { happens: Event },
    /// Something happens just after.
    After { happens: Event },
}

impl Fault {
    /// A fault on the next request that fits.
    #[must_use]
    pub fn on(method: &str, path: &str, kind: Kind) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            body: None,
            skip: 0,
            times: Some(1),
            kind,
        }
    }

    #[must_use]
    pub fn skipping(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    #[must_use]
    pub fn for_ever(self) -> Self {
        Self { times: None, ..self }
    }

    #[must_use]
    pub fn with_body(self, part: &str) -> Self {
        Self { body: Some(part.to_owned()), ..self }
    }
}

impl Kind {
    #[must_use]
    pub fn status(status: u16, reason: &str, message: &str) -> Self {
        Self::Status {
            status,
            reason: reason.to_owned(),
            message: message.to_owned(),
            retry_after: None,
            answer: None,
        }
    }

    /// 429 with Retry-After.
    #[must_use]
    pub fn too_many(seconds: u32) -> Self {
        Self::Status {
            status: 429,
            reason: "rateLimitExceeded".into(),
            message: "Quota exceeded for quota metric 'Write requests'.".into(),
            retry_after: Some(seconds),
            answer: None,
        }
    }
}

/// What the faults want of the handling of a request.
#[derive(Debug, Clone, Default)]
pub struct Twist {
    pub slow: Moment,
    pub hangs: bool,
    pub sql_failure: Option<String>,
    pub never_ready: Option<String>,
    pub crashes_after_ms: Option<u64>,
}

#[derive(Debug, Default)]
pub struct Faults {
    set: Vec<(Fault, u32)>,
}

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.set.push((fault, 0));
    }

    pub fn clear(&mut self) {
        self.set.clear();
    }

    #[must_use]
    pub fn all(&self) -> Vec<&Fault> {
        self.set.iter().map(|(fault, _)| fault).collect()
    }

    /// The faults that this request meets; each one counts it.
    pub fn meet(&mut self, call: &Call) -> Vec<Kind> {
        let body = String::from_utf8_lossy(&call.body);
        let mut met = Vec::new();
        for (fault, seen) in &mut self.set {
            let fits = glob::matches(&fault.method, &call.method)
                && glob::matches(&fault.path, &call.path)
                && fault.body.as_ref().is_none_or(|part| body.contains(part));
            if !fits {
                continue;
            }
            *seen += 1;
            let last = fault.times.map(|times| fault.skip.saturating_add(times));
            if *seen > fault.skip && last.is_none_or(|last| *seen <= last) {
                met.push(fault.kind.clone());
            }
        }
        met
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn call(method: &str, path: &str) -> Call {
        Call {
            method: method.into(),
            host: String::new(),
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Bytes::new(),
            at: Moment::ZERO,
        }
    }

    #[test]
    fn a_fault_is_met_from_the_nth_request_on_so_many_times() {
        let mut faults = Faults::default();
        faults.add(Fault::on("GET", "/a/*", Kind::Cut).skipping(1).times(2));
        let mut met = |method: &str, path: &str| faults.meet(&call(method, path)).len();
        assert_eq!(met("GET", "/a/1"), 0);
        assert_eq!(met("POST", "/a/1"), 0);
        assert_eq!(met("GET", "/b"), 0);
        assert_eq!((met("GET", "/a/1"), met("GET", "/a/2")), (1, 1));
        assert_eq!(met("GET", "/a/1"), 0);
    }

    #[test]
    fn a_fault_is_written_as_json() {
        let text = r#"{"path": "*", "kind": "status", "status": 503, "times": null}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!((fault.times, fault.method.as_str()), (None, "*"));
        assert!(matches!(fault.kind, Kind::Status { status: 503, .. }));
        let text = r#"{"path": "*", "kind": "before", "happens": {"event": "expire_tokens"}}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(fault.times, Some(1));
    }
}
