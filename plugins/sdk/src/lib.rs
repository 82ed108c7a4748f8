//! Write upgrade procedures for `tessallite-up`.
//!
//! A plugin is a type that implements [`Procedure`], handed to [`export!`]:
//!
//! ```
//! use tessallite_up_sdk::prelude::*;
//!
//! struct Announce;
//!
//! impl Procedure for Announce {
//!     fn describe() -> Description {
//!         Description::new("announce", "1.0.0", "Says what is about to happen")
//!     }
//!
//!     fn make_plan(_request: &Request) -> Result<Proposal, Refusal> {
//!         let say = Step::new("announce/say", "Say what is about to happen");
//!         Ok(Extension::new().step(Position::First, say).into())
//!     }
//!
//!     fn apply(_request: &Request, _step: &Step, _facts: &[Fact]) -> Result<Outcome, Error> {
//!         host::log(Level::Info, "the upgrade begins");
//!         Ok(Outcome::default())
//!     }
//! }
//!
//! export!(Announce);
//! # fn main() {
//! let plan = Announce::make_plan(&Request::upgrade_to("1.5.0"));
//! assert!(matches!(plan, Ok(Proposal::Extension(_))));
//! # }
//! ```
//!
//! `plugins/README.md` leads from an empty directory to a plugin that runs. The contract
//! itself, with what each function does and promises, is in `wit/`: the modules
//! [`docker`], [`gcloud`], [`sql`], [`http`] and [`host`] are its interfaces.

#![warn(missing_docs)]

#[doc(hidden)]
#[allow(missing_docs)]
pub mod bindings {
    wit_bindgen::generate!({
        world: "plugin",
        path: "../../wit",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_bindings",
        default_bindings_module: "tessallite_up_sdk::bindings",
        additional_derives: [PartialEq, Clone],
    });
}

#[doc(hidden)]
pub use bindings::export_bindings;

mod apply;
mod build;
mod facts;
pub mod gate;
pub mod health;
mod panic;
pub mod schemas;

pub use bindings::exports::tessallite::up::procedure::{
    BasePlan, Description, Extension, Fact, Intent, Outcome, Permission, PlacedStep, Plan,
    Position, Proposal, Refusal, ReleaseImage, Request, Setting, Step, Upgrade,
};
pub use bindings::tessallite::up::effects::Effect;
pub use bindings::tessallite::up::errors::Error;
pub use bindings::tessallite::up::{docker, gcloud, host, http, sql};

pub use apply::{carry_out, carry_out_all};
pub use facts::{Facts, Settings};
#[doc(hidden)]
pub use panic::report_panics;

/// What most plugins want in scope.
pub mod prelude {
    pub use crate::host::Level;
    pub use crate::{
        Description, Effect, Error, Extension, Fact, Facts, Intent, Outcome, Plan, Position,
        Procedure, Proposal, Refusal, Request, Settings, Step, Upgrade, carry_out, carry_out_all,
        docker, export, gate, gcloud, health, host, http, sql,
    };
}

/// A procedure. Each call comes to a fresh instance: what a later call needs has to
/// be in the plan, or in the facts that are returned.
pub trait Procedure {
    /// What the plugin is and what it will ask for. Every call that could reach the outside
    /// world is denied here.
    fn describe() -> Description;

    /// The steps, with all that they will change. Reads only; a change is answered with
    /// [`Error::Denied`].
    ///
    /// # Errors
    /// Why nothing is planned; `?` turns a failed call into one.
    fn make_plan(request: &Request) -> Result<Proposal, Refusal>;

    /// The way back from the upgrade that has just been planned, from the middle of any of
    /// its steps or from its end. `upgrade` has the steps of all plugins, and this one's
    /// facts. Reads only; what has to be known of the installation as it is now goes into
    /// the steps and facts. The default adds nothing: for the first plugin, that means that
    /// there is no way back.
    ///
    /// # Errors
    /// Why there is no plan: then nothing is upgraded either.
    fn make_rollback(_request: &Request, _upgrade: &Plan) -> Result<Proposal, Refusal> {
        Ok(Extension::new().into())
    }

    /// Carries out one of this plugin's own steps. MUST be safe to call again from
    /// its start. The default carries out the step's effects in their order.
    ///
    /// # Errors
    /// Any error fails the run.
    fn apply(_request: &Request, step: &Step, _facts: &[Fact]) -> Result<Outcome, Error> {
        carry_out_all(&step.effects)?;
        Ok(Outcome::default())
    }
}

/// Makes a type that implements [`Procedure`] the plugin of this crate.
#[macro_export]
macro_rules! export {
    ($procedure:ty) => {
        // Elsewhere than in a component there is nobody to export to: this is how the
        // plugin's unit tests run on the machine that builds it.
        #[cfg(not(target_family = "wasm"))]
        const _: fn(&$crate::Request) -> Result<$crate::Proposal, $crate::Refusal> =
            <$procedure as $crate::Procedure>::make_plan;
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Exported;
            impl $crate::bindings::exports::tessallite::up::procedure::Guest for Exported {
                fn describe() -> $crate::Description {
                    $crate::report_panics();
                    <$procedure as $crate::Procedure>::describe()
                }
                fn make_plan(
                    request: $crate::Request,
                ) -> Result<$crate::Proposal, $crate::Refusal> {
                    $crate::report_panics();
                    <$procedure as $crate::Procedure>::make_plan(&request)
                }
                fn make_rollback(
                    request: $crate::Request,
                    upgrade: $crate::Plan,
                ) -> Result<$crate::Proposal, $crate::Refusal> {
                    $crate::report_panics();
                    <$procedure as $crate::Procedure>::make_rollback(&request, &upgrade)
                }
                fn apply(
                    request: $crate::Request,
                    step: $crate::Step,
                    facts: Vec<$crate::Fact>,
                ) -> Result<$crate::Outcome, $crate::Error> {
                    $crate::report_panics();
                    <$procedure as $crate::Procedure>::apply(&request, &step, &facts)
                }
            }
    $crate::export_bindings!(Exported with_types_in $crate::bindings);
        };
    };
}
