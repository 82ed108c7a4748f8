//! Whole runs against the real engine, a real registry and a real PostgreSQL.
//!
//! Installations are shared (see `tessallite_up_tests::installation`): a test that shows
//! that it left one untouched spares the next one a reset.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "whatever is not as expected ends the test"
)]

mod backup;
mod backups;
mod broken_releases;
mod crashes;
mod encryption;
mod engine_faults;
mod hostile;
mod interrupted;
mod literal;
mod locked;
mod locks;
mod moving;
mod outages;
mod own_engine;
mod plugin_files;
mod project_faults;
mod readme;
mod registry;
mod registry_faults;
mod storage_faults;
mod support_bundle;
mod terminal;
mod upgraded;
mod variable;
mod vendor_guide;
mod way_back;
