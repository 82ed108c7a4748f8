//! What the host can do to the outside world, one module a capability.
//!
//! Capabilities never import each other. Each implements its interface of the contract
//! for [`Context`], and asks [`Conduct`] before every call.

mod allowance;
mod carry_out;
pub mod conduct;
mod context;
pub mod docker;
pub mod error;
pub mod gcloud;
mod host;
pub mod http;
pub mod sql;

pub use allowance::Allowance;
pub use carry_out::carry_out;
pub use conduct::{Conduct, GateState, Notice};
pub use context::{Context, Platform, Services};
pub use error::{Error, Kind, Result};
