//! Carrying out an approved plan.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, watch};

use super::chain::{addressed, check_facts, kind_and_text};
use super::journal::{Journal, Record};
use super::permit::{Applying, Ledger, milliseconds};
use super::plan::{Plan, PlannedStep};
use super::watch::{Incident, Monitor};
use super::{Error, Prepared, Result, diagnosis, history, summary};
use crate::capability::Kind;
use crate::contract::{Fact, Outcome};
use crate::plugin::Caller;
use crate::report::event::{Ending, Summary};
use crate::report::{Event, Reporter};
use crate::text::{one_line, shortened};

/// Why a run stopped before its end.
enum Stop {
    Failed {
        /// A plugin wanted what it may not do.
        denied: bool,
        text: String,
        services: Vec<String>,
    },
    Interrupted,
}

struct Run<'a> {
    prepared: &'a Prepared,
    reporter: Arc<dyn Reporter>,
    ledger: Arc<Ledger>,
    monitor: Monitor,
    interrupt: watch::Receiver<bool>,
    /// Of each plugin: those of its plan, and those that its steps found out.
    facts: Vec<Vec<Fact>>,
    report: Vec<String>,
}

impl Prepared {
    /// Carries out the plan. `interrupt` turns true when the operator wants it to stop:
    /// the effect under way is finished first.
    ///
    /// # Errors
    /// Only where nothing could be begun. Whatever goes wrong afterwards is in the summary.
    pub async fn run(
        &self,
        reporter: Arc<dyn Reporter>,
        interrupt: watch::Receiver<bool>,
    ) -> Result<Summary> {
        let began = Instant::now();
        let (record, journal) = self.open_record()?;
        let (sender, notices) = mpsc::unbounded_channel();
        let watch = self.installation.services.docker.watch().await;
        let doing = "beginning to watch the services";
        let watch = watch.map_err(|source| Error::Capability { doing, source })?;
        let monitor = Monitor::new(watch, notices);
        let ledger =
            Arc::new(Ledger::new(journal, Arc::clone(&reporter), sender, Some(monitor.handle())));
        reporter.report(&Event::RunStarted { run: self.plan.run.clone() });
        let facts = self.plan.plugins.iter().map(|plugin| plugin.facts.clone()).collect();
        let report = Vec::new();
        let mut run = Run { prepared: self, reporter, ledger, monitor, interrupt, facts, report };
        let stop = run.steps().await.err();
        Ok(run.finish(stop, began, &record).await)
    }

    /// Writes the plan and begins the journal, in a directory of the run's own.
    fn open_record(&self) -> Result<(PathBuf, Journal)> {
        let directory = self.state_dir.join("runs").join(&self.plan.run);
        let failed = |source| Error::State {
            doing: "creating the record of the run in",
            path: directory.clone(),
            source,
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(failed)?;
        let text = serde_json::to_vec_pretty(&self.plan).map_err(|e| failed(e.into()))?;
        write_whole(&directory.join("plan.json"), &text).map_err(failed)?;
        let mut journal = Journal::create(&directory.join("journal.jsonl"))?;
        journal.write(&Record::RunStarted {
            run: self.plan.run.clone(),
            plan_sha256: crate::text::hex(&Sha256::digest(&text)),
        })?;
        Ok((directory, journal))
    }
}

/// The file is complete on disk under its name, or it is not there.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|failed| failed.error)?;
    fs::File::open(directory)?.sync_all()
}

impl Run<'_> {
    async fn steps(&mut self) -> Result<(), Stop> {
        let prepared = self.prepared;
        let of = prepared.plan.steps.len();
        for (index, planned) in prepared.plan.steps.iter().enumerate() {
            if *self.interrupt.borrow() {
                return Err(Stop::Interrupted);
            }
            let id = planned.step.id.clone();
            self.write(&Record::StepStarted { step: id.clone() })?;
            self.reporter.report(&Event::StepStarted {
                step: id.clone(),
                title: one_line(&planned.step.title),
                number: index + 1,
                of,
            });
            let began = Instant::now();
            match self.step(planned).await {
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
        self.write(&Record::StepFailed { step: step.to_owned(), error: error.clone() })?;
        self.reporter.report(&Event::StepFailed { step: step.to_owned(), ms, error });
        Ok(())
    }

    async fn step(&mut self, planned: &PlannedStep) -> Result<Outcome, Stop> {
        let prepared = self.prepared;
        let defect = || Stop::failed("the plan names a plugin that is not there");
        let link = prepared.links.get(planned.plugin).ok_or_else(defect)?;
        let facts = self.facts.get(planned.plugin).cloned().unwrap_or_default();
        let name = link.description.name.clone();
        let conduct = Arc::new(Applying::new(Arc::clone(&self.ledger), name, &planned.step));
        let caller = Caller {
            services: Some(Arc::clone(&prepared.installation.services)),
            conduct: conduct.clone(),
            run: prepared.plan.run.clone(),
        };
        let request = addressed(&prepared.plan.request, &prepared.links, planned.plugin);
        let call = link.component.apply(&caller, &request, &planned.step, &facts);
        let ended = tokio::select! {
            returned = call => Ok(returned),
            incident = self.monitor.incident(&*self.reporter) => Err(Stop::incident(incident)),
            _ = self.interrupt.wait_for(|wanted| *wanted) => Err(Stop::Interrupted),
        };
        if let Err(stop) = &ended {
            self.reporter.report(&Event::Stopping { why: stop.text() });
        }
        conduct.settle().await;
        let missed = self.monitor.catch_up().await;
        let outcome = match ended? {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => {
                let (kind, text) = kind_and_text(error);
                return Err(self.gave_up(kind == Kind::Denied, text));
            }
            Err(error) => return Err(self.gave_up(false, chain_text(&error))),
        };
        if let Some(incident) = missed {
            return Err(Stop::incident(incident));
        }
        check_facts(&outcome.facts).map_err(|why| Stop::failed(&why))?;
        Ok(outcome)
    }

    fn gave_up(&self, denied: bool, text: String) -> Stop {
        Stop::Failed { denied, text, services: self.monitor.failed_gates.clone() }
    }

    fn write(&self, record: &Record) -> Result<(), Stop> {
        self.ledger.write(record).map_err(|error| Stop::failed(&chain_text(&error)))
    }

    async fn finish(mut self, stop: Option<Stop>, began: Instant, record: &Path) -> Summary {
        let plan: &Plan = &self.prepared.plan;
        let ending = match &stop {
            None => Ending::Done,
            Some(Stop::Interrupted) => Ending::Interrupted,
            Some(Stop::Failed { .. }) if self.ledger.touched() => Ending::Failed,
            Some(Stop::Failed { denied: true, .. }) => Ending::Denied,
            Some(Stop::Failed { .. }) => Ending::FailedUntouched,
        };
        if let Some(Stop::Failed { services, .. }) = &stop {
            let docker = &self.prepared.installation.services.docker;
            diagnosis::show(docker, services, &*self.reporter).await;
        }
        let backup = summary::backup(&self.ledger, &self.prepared.installation.target.backup_dir);
        let mut advice = summary::advice(ending, &self.ledger, plan, backup.as_ref());
        if let (Some(Stop::Failed { services, .. }), Ending::Failed) = (&stop, ending) {
            advice.extend(services.iter().map(|service| {
                format!(
                    "While {service} restarts again and again, so does its migration: \
                     docker compose stop {service}."
                )
            }));
        }
        let earlier = history::first_of_unfinished(&self.prepared.state_dir, &plan.run);
        if let (Some(earlier), Ending::Failed | Ending::Interrupted) = (earlier, ending) {
            advice.push(format!(
                "This was not the first attempt: the images that were there before the first one, \
                 and its backup, are named by {}.",
                earlier.join("plan.json").display()
            ));
        }
        if let Err(error) = self.ledger.write(&Record::RunFinished { ending }) {
            advice.push(format!("The end of the run is not recorded: {}.", chain_text(&error)));
        }
        let summary = Summary {
            ending,
            ms: milliseconds(began),
            services: summary::deployed(&self.ledger, plan),
            downtimes: self.monitor.downtimes.list(),
            backup,
            report: std::mem::take(&mut self.report),
            error: stop.map(|stop| stop.text()),
            advice,
            record: Some(record.display().to_string()),
        };
        self.reporter.report(&Event::RunFinished { summary: summary.clone() });
        summary
    }
}

impl Stop {
    fn failed(text: &str) -> Self {
        Self::Failed { denied: false, text: text.to_owned(), services: Vec::new() }
    }

    fn incident(incident: Incident) -> Self {
        let services = incident.service.into_iter().collect();
        Self::Failed { denied: false, text: incident.text, services }
    }

    fn text(&self) -> String {
        match self {
            Self::Failed { text, .. } => shortened(&one_line(text), 16_384),
            Self::Interrupted => "interrupted by the operator".to_owned(),
        }
    }
}

fn chain_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        below = cause.source();
    }
    text
}
