//! What Google's APIs answer when they do not do what they were asked.

use serde_json::{Value, json};

pub type Result<T> = std::result::Result<T, Refusal>;

#[derive(Debug, Clone)]
pub struct Refusal {
    pub code: u16,
    pub status: &'static str,
    pub reason: String,
    pub message: String,
    pub retry_after: Option<u32>,
    pub details: Vec<Value>,
}

impl Refusal {
    pub fn new(code: u16, status: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            status,
            reason: reason.to_owned(),
            message: message.into(),
            retry_after: None,
            details: Vec::new(),
        }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_ARGUMENT", "badRequest", message)
    }

    pub fn precondition(message: impl Into<String>) -> Self {
        Self::new(400, "FAILED_PRECONDITION", "failedPrecondition", message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "NOT_FOUND", "notFound", message)
    }

    pub fn aborted(message: impl Into<String>) -> Self {
        Self::new(409, "ABORTED", "aborted", message)
    }

    pub fn exists(message: impl Into<String>) -> Self {
        Self::new(409, "ALREADY_EXISTS", "alreadyExists", message)
    }

    pub fn unauthenticated() -> Self {
        let mut refusal = Self::new(
            401,
            "UNAUTHENTICATED",
            "authError",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, \
             login cookie or other valid authentication credential.",
        );
        refusal.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "ACCESS_TOKEN_EXPIRED",
            "domain": "googleapis.com",
        }));
        refusal
    }

    pub fn denied(permission: &str, resource: &str) -> Self {
        let message = format!(
            "Permission '{permission}' denied on resource '{resource}' (or resource may not exist)."
        );
        let mut refusal = Self::new(403, "PERMISSION_DENIED", "forbidden", message);
        refusal.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "IAM_PERMISSION_DENIED",
            "domain": "iam.googleapis.com",
            "metadata": {"permission": permission, "resource": resource},
        }));
        refusal
    }

    /// The JSON of the answer.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut error = json!({
            "code": self.code,
            "message": self.message,
            "errors": [{"message": self.message, "domain": "global", "reason": self.reason}],
            "status": self.status,
        });
        if !self.details.is_empty() {
            error["details"] = json!(self.details);
        }
        json!({ "error": error })
    }
}

/// The name that goes with an HTTP status where a fault tells only the number.
#[must_use]
pub fn status_name(code: u16) -> &'static str {
    match code {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    }
}
