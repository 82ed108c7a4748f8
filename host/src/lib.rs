//! Upgrades a running Tessallite installation, and can always bring it back.
