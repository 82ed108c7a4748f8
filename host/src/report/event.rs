//! The events of a run: plain data, in the order in which things happened.
//!
//! Guarantees: `PlanMade` comes before anything else of a run. Between a `StepStarted` and
//! its `StepFinished` or `StepFailed` no other step starts. Each `EffectStarted` is
//! followed by one `EffectFinished` or `EffectFailed` with the same `effect`, unless
//! the process dies. `RunFinished` is the last one.

use serde::Serialize;

use crate::capability::GateState;
use crate::capability::conduct::Level;
use crate::capability::sql::types::TableChange;
use crate::confine;

/// Of the events as a whole; a field added does not change it, a field removed or
/// changed does.
pub const VERSION: u32 = 1;

/// Takes the events of a run as they come.
pub trait Reporter: Send + Sync {
    /// MUST NOT block for long, and never fails: what cannot be shown is dropped.
    fn report(&self, event: &Event);
}

/// What the plan makes of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct ServiceChange {
    pub service: String,
    /// References and digests; a digest is absent where nobody knows one.
    pub before: String,
    pub before_digest: Option<String>,
    pub after: String,
    pub after_digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepView {
    pub id: String,
    pub title: String,
    /// The plugin that carries it out.
    pub plugin: String,
    /// Each effect in one line.
    pub effects: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanView {
    pub run: String,
    pub project: String,
    pub services: Vec<ServiceChange>,
    pub steps: Vec<StepView>,
    /// What is done if it fails.
    pub rollback: Vec<StepView>,
    pub notes: Vec<String>,
}

/// A container that is not well, in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    pub container: String,
    /// Docker's word: "running", "exited" …
    pub state: String,
    pub exit_code: Option<i32>,
    pub out_of_memory: bool,
    pub restarts: u32,
    /// The last runs of its health check, oldest first.
    pub health_log: Vec<HealthResult>,
    /// The last lines of its log.
    pub log: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthResult {
    pub exit_code: i64,
    pub output: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Everything was done and verified.
    Done,
    /// There was nothing to do.
    NothingToDo,
    /// A plugin wanted what it may not do, before the installation was changed.
    Denied,
    /// It failed before the installation was changed.
    FailedUntouched,
    /// It failed, and the installation is as it was before.
    RolledBack,
    /// It failed after the installation was changed, and was not, or not wholly, rolled back.
    Failed,
    Interrupted,
}

impl Ending {
    /// The run may be taken up again.
    pub fn can_go_on(self) -> bool {
        matches!(self, Self::Failed | Self::Interrupted)
    }
}

/// How long a service did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Downtime {
    pub service: String,
    /// From the stop of its container until its gate first saw it healthy. Absent: it
    /// has not come back.
    pub ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupView {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
    pub tables: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub ending: Ending,
    pub ms: u64,
    /// What was changed: the services whose deployment finished.
    pub services: Vec<ServiceChange>,
    pub downtimes: Vec<Downtime>,
    pub backup: Option<BackupView>,
    /// What the steps found out.
    pub report: Vec<String>,
    /// Why it failed: the outermost reason first.
    pub error: Option<String>,
    /// What the state is now and what to do, in words.
    pub advice: Vec<String>,
    /// Commands for a shell in the project's directory that finish the way back without this
    /// program, one after the other. What stands in parentheses is for people.
    pub by_hand: Vec<String>,
    /// Where the run is recorded; absent where nothing was begun.
    pub record: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The plan is complete; nothing is approved yet.
    PlanMade {
        plan: PlanView,
    },
    /// How this process is confined.
    Confinement {
        confinement: confine::Status,
    },
    /// The installation is where the request wants it: there is no plan and no run.
    NothingToDo {
        why: String,
    },
    /// Everything from here on is recorded in the run's journal.
    RunStarted {
        run: String,
    },
    StepStarted {
        step: String,
        title: String,
        number: usize,
        of: usize,
    },
    StepFinished {
        step: String,
        ms: u64,
        report: Vec<String>,
    },
    StepFailed {
        step: String,
        ms: u64,
        error: String,
    },
    /// `effect` numbers the effects of a run.
    EffectStarted {
        step: String,
        effect: usize,
        function: String,
        summary: String,
    },
    EffectFinished {
        step: String,
        effect: usize,
        ms: u64,
    },
    /// It had finished before the run was taken up again, and is not done twice.
    EffectAnswered {
        step: String,
        summary: String,
    },
    EffectFailed {
        step: String,
        effect: usize,
        ms: u64,
        error: String,
    },
    /// `total` is absent where it is not known; in bytes.
    Progress {
        what: String,
        done: u64,
        total: Option<u64>,
    },
    Gate {
        service: String,
        state: GateState,
    },
    Log {
        plugin: String,
        level: Level,
        message: String,
    },
    /// A deployed service did not stay well.
    Incident {
        service: String,
        container: String,
        what: String,
    },
    Diagnosis {
        service: String,
        containers: Vec<Diagnosis>,
    },
    /// The database is about to go back, and these writes since the backup with it. They
    /// stay in the database of now, which is kept under another name.
    WritesWouldBeLost {
        tables: Vec<TableChange>,
        /// Where they could not be counted: all since then.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<String>,
    },
    /// The upgrade failed, or is not wanted any longer: the steps of the rollback follow.
    RollbackStarted {
        why: String,
    },
    /// The run will stop as soon as the effect under way has finished.
    Stopping {
        why: String,
    },
    RunFinished {
        summary: Summary,
    },
}
