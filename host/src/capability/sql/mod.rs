//! The sql capability: statements and dumps of the installation's PostgreSQL.

pub mod client;
mod contents;
mod convert;
pub mod dump;
mod host;
pub mod locate;
mod manifest;
pub mod types;

use std::path::{Path, PathBuf};

/// The file of the backup of this label.
pub fn dump_path(directory: &Path, label: &str) -> PathBuf {
    let encrypted = directory.join(manifest::dump_name(label, true));
    if encrypted.is_file() { encrypted } else { directory.join(manifest::dump_name(label, false)) }
}
