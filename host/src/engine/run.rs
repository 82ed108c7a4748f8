//! Carrying out an approved plan, or the rest of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, watch};

use super::chain::{Link, addressed, check_facts, kind_and_text};
use super::guard::Guard;
use super::journal::{Journal, Record};
use super::orders::{OnFailure, Orders};
use super::permit::{Applying, Ledger, milliseconds};
use super::plan::PlannedStep;
use super::progress::Direction;
use super::watch::{Incident, Monitor};
use super::{Error, Prepared, Result, record, way_back};
use crate::capability::Kind;
use crate::contract::{Effect, Fact, Outcome};
use crate::plugin::Caller;
use crate::report::event::Summary;
use crate::report::{Event, Reporter};
use crate::text::{one_line, shortened};

/// Why a run stopped before its end.
pub(super) enum Stop {
    Failed {
        /// A plugin wanted what it may not do.
        denied: bool,
        text: String,
        services: Vec<String>,
    },
    Interrupted,
}

/// How a run came to its end.
pub(super) enum End {
    Done,
    /// It stopped, and there was no rollback.
    Stopped(Stop),
    /// All of the rollback was carried out.
    WentBack {
        why: String,
    },
    /// The rollback stopped.
    Stuck {
        why: String,
        stop: Stop,
    },
}

pub(super) struct Run<'a> {
    pub prepared: &'a Prepared,
    pub reporter: Arc<dyn Reporter>,
    pub ledger: Arc<Ledger>,
    pub monitor: Monitor,
    pub orders: Orders,
    pub interrupt: watch::Receiver<bool>,
    /// Of each plugin: those of its plan, and those that its steps found out.
    facts: Vec<Vec<Fact>>,
    pub report: Vec<String>,
    pub began: Instant,
    pub directory: PathBuf,
}

impl Prepared {
    /// Carries out the plan.
    ///
    /// # Errors
    /// Only where nothing could be begun. Whatever goes wrong afterwards is in the summary.
    pub async fn run(&self, reporter: Arc<dyn Reporter>, orders: Orders) -> Result<Summary> {
        let journal = record::open(&self.record_dir(), &self.plan)?;
        self.carry_out(journal, reporter, orders).await
    }

    /// Goes on with a run that was cut off, or that failed: in the direction in which it was.
    ///
    /// # Errors
    /// As [`Prepared::run`].
    pub async fn resume(&self, reporter: Arc<dyn Reporter>, orders: Orders) -> Result<Summary> {
        let mut journal = record::reopen(&self.record_dir())?;
        journal.write(&Record::RunResumed)?;
        self.carry_out(journal, reporter, orders).await
    }

    /// Goes back from a run, wherever it has come to.
    ///
    /// # Errors
    /// As [`Prepared::run`].
    pub async fn roll_back(&self, reporter: Arc<dyn Reporter>, orders: Orders) -> Result<Summary> {
        let mut journal = record::reopen(&self.record_dir())?;
        if journal.progress().check(&Record::RunResumed).is_ok() {
            journal.write(&Record::RunResumed)?;
        }
        if journal.progress().direction == Direction::Upgrade {
            let why = "the operator wants it".to_owned();
            journal.write(&Record::RollbackStarted { why })?;
        }
        self.carry_out(journal, reporter, orders).await
    }

    pub(super) fn record_dir(&self) -> PathBuf {
        record::directory(&self.state_dir, &self.plan.run)
    }

    async fn carry_out(
        &self,
        journal: Journal,
        reporter: Arc<dyn Reporter>,
        orders: Orders,
    ) -> Result<Summary> {
        let began = Instant::now();
        let (sender, notices) = mpsc::unbounded_channel();
        let watch = self.installation.watch().await;
        let doing = "beginning to watch the services";
        let watch = watch.map_err(|source| Error::Capability { doing, source })?;
        let monitor = Monitor::new(watch, notices);
        let ledger = Arc::new(Ledger::new(journal, &self.plan, Arc::clone(&reporter), sender));
        ledger.watched_by(monitor.handle());
        reporter.report(&Event::RunStarted { run: self.plan.run.clone() });
        let interrupt = orders.interrupt.clone();
        let mut run = Run {
            prepared: self,
            reporter,
            ledger,
            monitor,
            orders,
            interrupt,
            facts: Vec::new(),
            report: Vec::new(),
            began,
            directory: self.record_dir(),
        };
        run.remember();
        let end = run.go().await;
        Ok(run.finish(end).await)
    }
}

impl Run<'_> {
    /// The facts of the plan, and of the steps that have finished before.
    fn remember(&mut self) {
        let plan = &self.prepared.plan;
        let progress = self.ledger.progress();
        let back = progress.direction == Direction::Rollback;
        self.facts = plan.plugins.iter().map(|plugin| plugin.facts.clone()).collect();
        for (id, facts) in progress.finished {
            let mut steps = plan.steps.iter().chain(&plan.rollback);
            if let Some(planned) = steps.find(|planned| planned.step.id == id)
                && let Some(own) = self.facts.get_mut(planned.plugin)
            {
                own.extend(facts);
            }
        }
        if back {
            self.remember_rollback();
        }
    }

    pub(super) fn remember_rollback(&mut self) {
        for (own, plugin) in self.facts.iter_mut().zip(&self.prepared.plan.plugins) {
            own.extend(plugin.rollback_facts.iter().cloned());
        }
    }

    async fn go(&mut self) -> End {
        let progress = self.ledger.progress();
        if progress.direction == Direction::Rollback {
            let why = progress.turned.unwrap_or_else(|| "it had begun before".to_owned());
            return self.back(why).await;
        }
        if let Err(error) = self.watch_again().await {
            return End::Stopped(error);
        }
        let Err(stop) = self.steps(Direction::Upgrade).await else { return End::Done };
        self.diagnose(&stop).await;
        if !self.must_go_back(&stop) {
            return End::Stopped(stop);
        }
        let why = stop.text();
        match self.turn_back(&why).await {
            Ok(()) => self.back(why).await,
            Err(stop) => End::Stuck { why, stop },
        }
    }

    async fn back(&mut self, why: String) -> End {
        let stepped = self.steps(Direction::Rollback).await;
        if let Err(error) = self.prepared.audit.check() {
            self.report.push(format!("the audit log is not whole: {}", chain_text(&error)));
        }
        match stepped {
            Ok(()) => End::WentBack { why },
            Err(stop) => {
                self.diagnose(&stop).await;
                End::Stuck { why, stop }
            }
        }
    }

    fn must_go_back(&self, stop: &Stop) -> bool {
        matches!(stop, Stop::Failed { .. })
            && self.orders.on_failure == OnFailure::Rollback
            && self.ledger.touched()
            && !self.prepared.plan.rollback.is_empty()
    }

    /// What an earlier attempt has deployed has to stay well, as if it were of this one.
    async fn watch_again(&mut self) -> Result<(), Stop> {
        let deployed: Vec<String> = self
            .ledger
            .finished()
            .into_iter()
            .filter_map(|(effect, _)| match effect {
                Effect::DockerDeploy(change) => Some(change.services),
                _ => None,
            })
            .flatten()
            .map(|deployed| deployed.service)
            .collect();
        if deployed.is_empty() {
            return Ok(());
        }
        let (Some(handle), Ok(docker)) =
            (self.monitor.handle(), self.prepared.installation.services.docker())
        else {
            return Ok(());
        };
        let added = async { handle.add(&docker.deployed(&deployed).await?).await };
        added.await.map_err(|error| Stop::failed(&error.full_text()))
    }

    async fn steps(&mut self, direction: Direction) -> Result<(), Stop> {
        let prepared = self.prepared;
        let steps = prepared.plan.steps_of(direction);
        let before = self.ledger.progress();
        for (index, planned) in steps.iter().enumerate() {
            if before.has_finished(&planned.step.id) {
                continue;
            }
            if *self.interrupt.borrow() {
                return Err(Stop::Interrupted);
            }
            let id = planned.step.id.clone();
            self.write(&Record::StepStarted { step: id.clone() })?;
            self.reporter.report(&Event::StepStarted {
                step: id.clone(),
                title: one_line(&planned.step.title),
                number: index + 1,
                of: steps.len(),
            });
            let began = Instant::now();
            match self.step(planned, direction).await {
                Ok(outcome) => self.step_done(planned, outcome, milliseconds(began))?,
                Err(stop) => {
                    self.step_failed(&id, &stop, milliseconds(began))?;
                    return Err(stop);
                }
            }
        }
        Ok(())
    }

    fn step_done(&mut self, planned: &PlannedStep, outcome: Outcome, ms: u64) -> Result<(), Stop> {
        let step = planned.step.id.clone();
        let lines: Vec<String> =
            outcome.report.iter().take(100).map(|line| shortened(&one_line(line), 4096)).collect();
        self.write(&Record::StepFinished { step: step.clone(), facts: outcome.facts.clone() })?;
        if let Some(facts) = self.facts.get_mut(planned.plugin) {
            facts.extend(outcome.facts);
        }
        self.report.extend(lines.iter().cloned());
        self.reporter.report(&Event::StepFinished { step, ms, report: lines });
        Ok(())
    }

    fn step_failed(&mut self, step: &str, stop: &Stop, ms: u64) -> Result<(), Stop> {
        let error = stop.text();
        self.reporter.report(&Event::StepFailed {
            step: step.to_owned(),
            ms,
            error: error.clone(),
        });
        self.write(&Record::StepFailed { step: step.to_owned(), error })
    }

    async fn step(&mut self, planned: &PlannedStep, direction: Direction) -> Result<Outcome, Stop> {
        let plan = &self.prepared.plan;
        let plugin = plan.plugins.get(planned.plugin);
        let policy = plugin.map(|plugin| plugin.policy.clone()).unwrap_or_default();
        let guard = Guard::new(&policy, Arc::clone(&self.prepared.audit), &planned.step.id)
            .on_the_way_back(direction);
        let operator = Arc::clone(&self.orders.operator);
        let ledger = Arc::clone(&self.ledger);
        let conduct = Arc::new(Applying::new(ledger, guard, &planned.step, operator));
        let caller = Caller {
            services: Some(Arc::clone(&self.prepared.installation.services)),
            conduct: conduct.clone(),
            run: plan.run.clone(),
        };
        let link = self.prepared.links.get(planned.plugin).and_then(Option::as_ref);
        let broken = match link {
            Some(link) => match self.apply(link, planned, direction, &caller, &conduct).await? {
                Ok(outcome) => return Ok(outcome),
                Err(broken) => broken,
            },
            None => "the plugin that made this plan is not there".to_owned(),
        };
        match direction {
            Direction::Upgrade => Err(self.gave_up(false, broken)),
            // The declared effects are enough to go back.
            Direction::Rollback => {
                way_back::without_plugin(self, planned, &caller, &conduct, &broken).await
            }
        }
    }

    /// Has the plugin apply the step. The inner error is a plugin that broke its contract.
    async fn apply(
        &mut self,
        link: &Link,
        planned: &PlannedStep,
        direction: Direction,
        caller: &Caller,
        conduct: &Applying,
    ) -> Result<Result<Outcome, String>, Stop> {
        let plan = &self.prepared.plan;
        let facts = self.facts.get(planned.plugin).cloned().unwrap_or_default();
        let names: Vec<&str> = plan.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
        let request = addressed(&plan.request, &names, planned.plugin);
        let call = link.component.apply(caller, &request, &planned.step, &facts);
        let ended = tokio::select! {
            returned = call => Ok(returned),
            incident = self.monitor.incident(&*self.reporter) => Err(Stop::incident(incident)),
            _ = self.interrupt.wait_for(|wanted| *wanted) => Err(Stop::Interrupted),
        };
        if let Err(stop) = &ended {
            self.reporter.report(&Event::Stopping { why: stop.text() });
        }
        conduct.settle().await;
        let audited = self.prepared.audit.flush();
        let missed = self.monitor.catch_up().await;
        let outcome = match ended? {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => {
                let (kind, text) = kind_and_text(error);
                return Err(self.gave_up(kind == Kind::Denied, text));
            }
            Err(error) => return Ok(Err(chain_text(&error))),
        };
        if let Some(incident) = missed {
            return Err(Stop::incident(incident));
        }
        if let (Err(error), Direction::Upgrade) = (audited, direction) {
            return Err(Stop::failed(&chain_text(&error)));
        }
        check_facts(&outcome.facts).map_err(|why| Stop::failed(&why))?;
        Ok(Ok(outcome))
    }

    fn gave_up(&self, denied: bool, text: String) -> Stop {
        Stop::Failed { denied, text, services: self.monitor.failed_gates.clone() }
    }

    pub(super) fn write(&self, record: &Record) -> Result<(), Stop> {
        self.ledger.write(record).map_err(|error| Stop::failed(&chain_text(&error)))
    }
}

impl Stop {
    pub(super) fn failed(text: &str) -> Self {
        Self::Failed { denied: false, text: text.to_owned(), services: Vec::new() }
    }

    fn incident(incident: Incident) -> Self {
        let services = incident.service.into_iter().collect();
        Self::Failed { denied: false, text: incident.text, services }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Failed { text, .. } => shortened(&one_line(text), 16_384),
            Self::Interrupted => "interrupted by the operator".to_owned(),
        }
    }
}

pub(super) fn chain_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        below = cause.source();
    }
    text
}
