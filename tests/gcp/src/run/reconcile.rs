//! What happens to a service as time passes: revisions start, become ready or fail, and the
//! traffic follows.

use crate::clock::Moment;
use crate::run::revision::Standing;
use crate::run::service::{Service, Verdict};
use crate::run::traffic::Target;

/// google.rpc.Code: FAILED_PRECONDITION.
const UNREADY: u32 = 9;
/// google.rpc.Code: INTERNAL.
const ABSENT: u32 = 13;

impl Service {
    /// When the next thing happens by itself.
    #[must_use]
    pub fn next_due(&self) -> Option<Moment> {
        let starts = self.revisions.iter().filter(|one| !one.started);
        let settles = self.revisions.iter().filter(|one| !one.settled());
        let due = starts
            .map(|one| one.starts)
            .chain(settles.map(|one| one.settles))
            .chain(self.routes_at)
            .min()?;
        (due != Moment::MAX).then_some(due)
    }

    /// Revisions whose time has come are ready, or have failed.
    pub fn settle_revisions(&mut self, now: Moment) {
        let mut ready = false;
        for revision in &mut self.revisions {
            if revision.settled() || revision.settles > now {
                continue;
            }
            revision.standing = match (&revision.digest, &revision.release.never_ready) {
                (None, _) => Standing::Failed(format!("Image '{}' not found.", revision.image)),
                (_, Some(reason)) => Standing::Failed(reason.clone()),
                (Some(_), None) => Standing::Ready,
            };
            if revision.standing == Standing::Ready {
                let after = revision.release.crashes_after_ms;
                revision.crashes = after.map(|ms| now + Moment::from_millis(ms));
                ready = true;
            }
        }
        if ready {
            let newest_first = self.revisions.iter().rev();
            let mut settled = newest_first.filter(|one| one.standing == Standing::Ready);
            self.latest_ready = settled.next().map(|one| one.name.clone());
            self.follow_latest();
            self.crash_what_serves(now);
        }
    }

    /// A target of the latest moves by itself, without an operation; not where the traffic is
    /// about to be taken off the latest.
    pub fn follow_latest(&mut self) {
        if !self.wanted().iter().any(|target| target.latest) {
            return;
        }
        for target in &mut self.targets {
            if target.latest {
                target.revision.clone_from(&self.latest_ready);
            }
        }
    }

    /// The traffic goes where it was asked to go, if it can.
    pub fn settle_routes(&mut self, now: Moment, strict: bool) {
        if self.routes_at.is_none_or(|due| due > now) {
            return;
        }
        if let Some(later) = self.awaited(now) {
            self.routes_at = Some(later);
            return;
        }
        self.routes_at = None;
        self.observed = self.generation;
        if let Some(verdict) = self.unroutable() {
            self.verdict = verdict;
            return;
        }
        self.targets = self.resolved();
        self.crash_what_serves(now);
        self.verdict = self.latest_verdict(strict);
    }

    /// A revision that the traffic names, or that this generation created, is starting still.
    fn awaited(&self, now: Moment) -> Option<Moment> {
        let wanted = self.wanted();
        let named = |name: &str| {
            let mut targets = wanted.iter();
            targets.any(|target| target.revision.as_deref() == Some(name))
        };
        let starting = self.revisions.iter().filter(|one| !one.settled());
        let awaited = starting.filter(|one| one.generation == self.generation || named(&one.name));
        awaited.map(|one| one.settles).max().filter(|due| *due > now)
    }

    /// A target names a revision that there is not, or that failed: nothing is routed.
    fn unroutable(&self) -> Option<Verdict> {
        for target in self.wanted() {
            let Some(name) = target.revision else {
                continue;
            };
            let Some(revision) = self.revision(&name) else {
                let message = format!(
                    "Revision '{name}' does not exist or is deleted. Update all traffic to \
                     route to currently available revisions."
                );
                return Some(Verdict::Failed { code: ABSENT, message });
            };
            if let Some(reason) = revision.failure() {
                return Some(unready(&name, reason));
            }
        }
        None
    }

    fn resolved(&self) -> Vec<Target> {
        let resolve = |mut target: Target| {
            if target.latest {
                target.revision.clone_from(&self.latest_ready);
            }
            target
        };
        self.wanted().into_iter().map(resolve).collect()
    }

    fn crash_what_serves(&mut self, now: Moment) {
        for target in &self.targets {
            let name = target.revision.as_deref();
            let revision = self.revisions.iter_mut().find(|one| Some(one.name.as_str()) == name);
            if let Some(revision) = revision
                && target.percent > 0
                && revision.release.crashes_with_traffic
            {
                revision.crashes.get_or_insert(now);
            }
        }
    }

    fn latest_verdict(&self, strict: bool) -> Verdict {
        let latest = self.revision(&self.latest_created);
        let concerned = latest.filter(|one| strict || one.generation == self.generation);
        match concerned.and_then(|one| one.failure()) {
            Some(reason) => unready(&self.latest_created, reason),
            None => Verdict::Succeeded,
        }
    }
}

fn unready(name: &str, reason: &str) -> Verdict {
    let message = format!("Revision '{name}' is not ready and cannot serve traffic. {reason}");
    Verdict::Failed { code: UNREADY, message }
}
