//! The end of a run: its summary, for people and for the journal.

use super::journal::Record;
use super::permit::milliseconds;
use super::plan::Plan;
use super::run::{End, Run, Stop, chain_text};
use super::{by_hand, summary};
use crate::report::Event;
use crate::report::event::{Ending, Summary};

impl Run<'_> {
    pub(super) async fn finish(mut self, end: End) -> Summary {
        let plan: &Plan = &self.prepared.plan;
        let ending = self.ending(&end);
        let backup = summary::backup(&self.ledger, &self.prepared.installation.target.backup_dir);
        let mut advice = summary::advice(ending, &self.ledger, plan, backup.as_ref());
        let mut by_hand = Vec::new();
        if ending.can_go_on() && self.ledger.touched() {
            advice.push(by_hand::goes_on(&plan.run, &end));
            by_hand = by_hand::commands(&self);
        }
        if let Err(error) = self.ledger.write(&Record::RunFinished { ending }) {
            advice.push(format!("The end of the run is not recorded: {}.", chain_text(&error)));
        }
        let services = match ending {
            Ending::RolledBack => Vec::new(),
            _ => summary::deployed(&self.ledger, plan),
        };
        let summary = Summary {
            ending,
            ms: milliseconds(self.began),
            services,
            downtimes: self.monitor.downtimes.list(),
            backup,
            report: std::mem::take(&mut self.report),
            error: error(end),
            advice,
            by_hand,
            record: Some(self.directory.display().to_string()),
        };
        self.reporter.report(&Event::RunFinished { summary: summary.clone() });
        summary
    }

    fn ending(&self, end: &End) -> Ending {
        match end {
            End::Done => Ending::Done,
            End::WentBack { .. } => Ending::RolledBack,
            End::Stopped(Stop::Interrupted) | End::Stuck { stop: Stop::Interrupted, .. } => {
                Ending::Interrupted
            }
            End::Stuck { .. } => Ending::Failed,
            End::Stopped(Stop::Failed { .. }) if self.ledger.touched() => Ending::Failed,
            End::Stopped(Stop::Failed { denied: true, .. }) => Ending::Denied,
            End::Stopped(Stop::Failed { .. }) => Ending::FailedUntouched,
        }
    }
}

fn error(end: End) -> Option<String> {
    match end {
        End::Done => None,
        End::Stopped(stop) => Some(stop.text()),
        End::WentBack { why } => Some(why),
        End::Stuck { why, stop } => {
            Some(format!("the rollback: {}; before it: {why}", stop.text()))
        }
    }
}
