//! What all steps of a run share.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::mpsc;

use super::unpoisoned;
use crate::capability::conduct::Notice;
use crate::capability::docker::client::WatchHandle;
use crate::contract::{Effect, Impact};
use crate::engine::journal::{self, Journal, Record};
use crate::engine::plan::Plan;
use crate::engine::progress::{EffectState, Progress};
use crate::report::Reporter;

/// What all steps of a run share.
pub(in crate::engine) struct Ledger {
    pub(super) journal: Mutex<Journal>,
    pub(in crate::engine) reporter: Arc<dyn Reporter>,
    /// Notices for the run itself.
    pub(super) notices: mpsc::UnboundedSender<Notice>,
    /// Told what is about to be stopped on purpose.
    watch: Mutex<Option<WatchHandle>>,
    pub(super) effects: Mutex<Effects>,
}

#[derive(Default)]
pub(super) struct Effects {
    /// Of all effects of the run: what they are and when they began.
    pub(super) begun: Vec<(Effect, Instant)>,
    pub(super) finished: Vec<(Effect, serde_json::Value)>,
}

impl Ledger {
    /// With the effects that the journal has already: those of a run that goes on.
    pub(in crate::engine) fn new(
        journal: Journal,
        plan: &Plan,
        reporter: Arc<dyn Reporter>,
        notices: mpsc::UnboundedSender<Notice>,
    ) -> Self {
        let effects = Mutex::new(Effects::of(journal.progress(), plan));
        Self { journal: Mutex::new(journal), reporter, notices, watch: Mutex::new(None), effects }
    }

    /// From now on, this watch is told.
    pub(in crate::engine) fn watched_by(&self, watch: Option<WatchHandle>) {
        *unpoisoned(&self.watch) = watch;
    }

    /// How far the run has come.
    pub(in crate::engine) fn progress(&self) -> Progress {
        unpoisoned(&self.journal).progress().clone()
    }

    /// What befalls these services from here on is our own doing.
    pub(super) fn expect_stops(&self, effect: &Effect) {
        let services: Vec<String> = match effect {
            Effect::DockerDeploy(change) => {
                change.services.iter().map(|deployed| deployed.service.clone()).collect()
            }
            Effect::DockerRevert(change) => {
                change.services.iter().map(|former| former.service.clone()).collect()
            }
            Effect::DockerStop(change) => change.services.clone(),
            _ => return,
        };
        if let Some(watch) = unpoisoned(&self.watch).as_ref() {
            watch.remove(&services);
        }
    }

    /// # Errors
    /// It is not on disk.
    pub(in crate::engine) fn write(&self, record: &Record) -> journal::Result<()> {
        unpoisoned(&self.journal).write(record)
    }

    /// Whether an effect that changes the installation has begun.
    pub(in crate::engine) fn touched(&self) -> bool {
        let effects = unpoisoned(&self.effects);
        effects.begun.iter().any(|(effect, _)| effect.impact() == Impact::Installation)
    }

    pub(in crate::engine) fn begun(&self) -> Vec<Effect> {
        unpoisoned(&self.effects).begun.iter().map(|(effect, _)| effect.clone()).collect()
    }

    pub(in crate::engine) fn finished(&self) -> Vec<(Effect, serde_json::Value)> {
        unpoisoned(&self.effects).finished.clone()
    }
}

impl Effects {
    fn of(progress: &Progress, plan: &Plan) -> Self {
        let mut effects = Self::default();
        for record in &progress.effects {
            // The plan is the one that the journal names: it has every effect of it.
            let Some(effect) = plan.effect(record) else { continue };
            effects.begun.push((effect.clone(), Instant::now()));
            if let EffectState::Finished(result) = &record.state {
                effects.finished.push((effect.clone(), result.clone()));
            }
        }
        effects
    }
}
