//! What the operator wants of a run, beside its plan.

use tokio::sync::watch;

use std::sync::Arc;

/// What happens when a run fails after it has changed the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The approved rollback is carried out.
    #[default]
    Rollback,
    /// Things stay as they are, for inspection.
    Stop,
}

/// Who can be asked while a run lasts.
pub trait Operator: Send + Sync {
    /// Whether the writes that have just been reported may be lost from the database. May
    /// take as long as a person does.
    fn agrees_to_loss(&self) -> bool;
}

/// Nobody is there: the approval of the plan is the answer.
pub struct Absent;

impl Operator for Absent {
    fn agrees_to_loss(&self) -> bool {
        true
    }
}

/// The database is to stay as it is.
pub struct Keeps;

impl Operator for Keeps {
    fn agrees_to_loss(&self) -> bool {
        false
    }
}

#[derive(Clone)]
pub struct Orders {
    pub on_failure: OnFailure,
    /// Turns true when the run is to stop: the effect under way is finished first.
    pub interrupt: watch::Receiver<bool>,
    pub operator: Arc<dyn Operator>,
}
