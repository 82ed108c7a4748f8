//! The gcloud capability: Cloud Run, Cloud SQL and the image registry of the installation's
//! Google Cloud project.

pub mod client;
mod convert;
mod host;
pub mod types;
