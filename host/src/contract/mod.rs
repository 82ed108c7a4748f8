//! The contract with plugins: what `wit/` says, as Rust types.
//!
//! These types are also the host's own vocabulary for plans and effects: they go to
//! the plan file and to the journal as they are.

#[allow(missing_docs, clippy::all, clippy::pedantic)]
mod bindings {
    wasmtime::component::bindgen!({
        world: "plugin",
        path: "../wit",
        imports: { default: async | trappable },
        exports: { default: async },
        trappable_error_type: {
            "tessallite:up/errors.error" => crate::capability::Error,
        },
        additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
    });
}

mod describe;

pub use bindings::exports::tessallite::up::procedure::{
    BasePlan, Description, Extension, Fact, Intent, Outcome, Permission, PlacedStep, Plan,
    Position, Proposal, Refusal, ReleaseImage, Request, Setting, Step, Upgrade,
};
pub use bindings::tessallite::up::effects::{Effect, Host as EffectsHost};
pub use bindings::tessallite::up::{docker, errors, gcloud, host, http, sql};
pub use bindings::{Plugin, PluginPre};
pub use describe::Impact;

/// The package's name and version, as `wit/` declares them.
pub const PACKAGE: &str = "tessallite:up@0.1.0";
