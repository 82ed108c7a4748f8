//! Cloud Run: services, their revisions, where the traffic goes, and operations that take time.

pub mod defaults;
pub mod mask;
pub mod operation;
pub mod patch;
pub mod reads;
pub mod reconcile;
pub mod revision;
pub mod routes;
pub mod service;
pub mod traffic;
pub mod view;
