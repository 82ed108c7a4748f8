//! The functions of the contract that a grant can name.

/// Of the interface `docker`: those that change nothing, and the others.
pub const DOCKER_READS: &[&str] = &[
    "get-engine",
    "list-services",
    "get-service",
    "check-health",
    "logs",
    "resolve",
    "preview-pin",
];
pub const DOCKER_CHANGES: &[&str] = &["pull", "pin", "deploy", "unpin", "revert", "stop", "exec"];

/// Of the interface `gcloud`: those that change nothing, and the others.
pub const GCLOUD_READS: &[&str] = &[
    "get-place",
    "list-services",
    "get-service",
    "get-revision-image",
    "get-instance",
    "list-backups",
    "list-missing-permissions",
    "resolve",
    "probe",
    "preview-deploy",
];
pub const GCLOUD_CHANGES: &[&str] = &["deploy", "route", "create-backup", "restore-backup"];

/// Of the interface `sql`: what `read` grants.
pub const SQL_READS: &[&str] =
    &["get-database", "query", "get-dump-target", "list-backups", "compare"];

/// Of the interface `http`: those of `send`; `get` is GET.
pub(super) const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];
