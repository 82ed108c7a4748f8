//! Waiting until services answer well, at their own addresses or at those of their tags.

use tessallite_up_sdk::gcloud;
use tessallite_up_sdk::health::{self, Answer, Convention};
use tessallite_up_sdk::host::{self, GateState};
use tessallite_up_sdk::{Error, Facts};

use crate::options::Options;
use crate::plan::{PROJECT, REVISION};
use crate::traffic::{share_of, shares, told};

/// Between two looks: short at first, so that a fast service is seen at once; later a
/// tenth of the time that has passed, and never more than the longest.
const SHORTEST_PAUSE_MS: u32 = 50;
const LONGEST_PAUSE_MS: u32 = 2_000;
/// The time that one answer may take.
const PROBE_MS: u32 = 10_000;
/// Between two looks of the soak.
const SOAK_PAUSE_MS: u32 = 1_000;

/// What one service has to show.
pub struct Ask {
    pub service: String,
    /// Where it is asked: at its own address, or at that of this tag.
    pub tag: Option<String>,
    /// Its new revision, if it has one.
    revision: Option<String>,
    project: String,
    convention: Convention,
    /// Good answers in a row.
    answers: u32,
    timeout_s: u32,
}

impl Ask {
    pub fn new(service: &str, tag: Option<&str>, facts: Facts, options: &Options) -> Self {
        Self {
            service: service.to_owned(),
            tag: tag.map(str::to_owned),
            revision: facts.get(&format!("{REVISION}{service}")).map(str::to_owned),
            project: facts.get(PROJECT).unwrap_or_default().to_owned(),
            convention: options.convention(service),
            answers: options.probes,
            timeout_s: options.timeout_s(service),
        }
    }

    /// It has to answer within so many seconds, or sooner.
    pub fn within(&mut self, seconds: u32) {
        self.timeout_s = self.timeout_s.min(seconds);
    }

    fn look(&self) -> Result<Look, Error> {
        match health::probe(&self.service, self.tag.as_deref(), &self.convention, self.probe_ms()) {
            Ok(answer) => Ok(judged(answer, &self.convention)),
            Err(Error::NotFound(_)) if self.serves_already() => Ok(Look::Passed),
            Err(error @ (Error::Denied(_) | Error::Invalid(_))) => Err(error),
            Err(error) => Ok(Look::NotYet(error.text().to_owned())),
        }
    }

    /// Nobody waits for one answer longer than for all.
    fn probe_ms(&self) -> u32 {
        self.timeout_s.max(1).saturating_mul(1000).min(PROBE_MS)
    }

    /// The tag is gone as the revision has all of the traffic: this was taken up again after
    /// it had been probed.
    fn serves_already(&self) -> bool {
        let (Some(_), Some(revision)) = (&self.tag, &self.revision) else {
            return false;
        };
        gcloud::get_service(&self.service).is_ok_and(|s| share_of(&s.targets, revision) == 100)
    }

    /// Where to look for why it does not answer well.
    fn log(&self) -> String {
        let answers = match (&self.tag, &self.revision) {
            (Some(_), Some(revision)) => vec![(revision.clone(), 100)],
            (Some(_), None) => Vec::new(),
            // Whoever has the traffic now, which need not be the new revision.
            (None, _) => {
                gcloud::get_service(&self.service).map(|s| shares(&s.targets)).unwrap_or_default()
            }
        };
        log_of(&answers, &self.project)
    }

    fn place(&self) -> String {
        match &self.tag {
            Some(tag) => format!("{} at its tag {tag}", self.service),
            None => self.service.clone(),
        }
    }
}

/// What one look at a service showed.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Well,
    /// There is nothing left to wait for.
    Passed,
    NotYet(String),
}

fn judged(answer: Option<Answer>, convention: &Convention) -> Look {
    match answer {
        Some(answer) if answer.healthy => Look::Well,
        Some(answer) => Look::NotYet(answer.text),
        None => Look::NotYet(format!("it knows none of {}", convention.paths.join(", "))),
    }
}

/// How far one service has come.
struct Waiting<'a> {
    ask: &'a Ask,
    answers: u32,
    /// The last answer that was not a good one.
    last: String,
    /// It has been told.
    told: bool,
}

impl<'a> Waiting<'a> {
    fn new(ask: &'a Ask) -> Self {
        Self { ask, answers: 0, last: String::new(), told: false }
    }

    fn has_passed(&self) -> bool {
        self.answers >= self.ask.answers
    }

    /// What there is to tell; `None` where nothing has changed.
    fn note(&mut self, look: Look) -> Option<GateState> {
        match look {
            Look::Passed => self.answers = self.ask.answers,
            Look::Well => self.answers += 1,
            Look::NotYet(why) => {
                self.answers = 0;
                if self.told && why == self.last {
                    return None;
                }
                self.told = true;
                self.last.clone_from(&why);
                return Some(GateState::Waiting(why));
            }
        }
        self.told = false;
        Some(if self.has_passed() { GateState::Passed } else { GateState::Answering(self.answers) })
    }
}

/// Waits for all of them, side by side. Every change is reported to the operator.
///
/// # Errors
/// `TimedOut` with those that did not answer well in their time; what cannot get better by
/// waiting.
pub fn wait(asks: &[Ask]) -> Result<(), Error> {
    let mut open: Vec<Waiting> = asks.iter().map(Waiting::new).collect();
    let started = host::elapsed();
    loop {
        for waiting in &mut open {
            let look = waiting.ask.look()?;
            if let Some(state) = waiting.note(look) {
                host::report_gate(&waiting.ask.service, &state);
            }
        }
        open.retain(|waiting| !waiting.has_passed());
        if open.is_empty() {
            return Ok(());
        }
        let waited_ms = host::elapsed().saturating_sub(started);
        let late: Vec<&Waiting> =
            open.iter().filter(|w| waited_ms >= u64::from(w.ask.timeout_s) * 1000).collect();
        if !late.is_empty() {
            for waiting in &late {
                let failed = GateState::Failed(waiting.last.clone());
                host::report_gate(&waiting.ask.service, &failed);
            }
            return Err(too_late(&late));
        }
        // A service that has begun to answer is asked again at once: the way there and back
        // is a pause of its own, and a bad answer brings the others back.
        if open.iter().all(|waiting| waiting.answers == 0) {
            host::sleep(pause_ms(waited_ms));
        }
    }
}

fn pause_ms(waited_ms: u64) -> u32 {
    let tenth = u32::try_from(waited_ms / 10).unwrap_or(u32::MAX);
    tenth.clamp(SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS)
}

fn log_of(answers: &[(String, u32)], project: &str) -> String {
    match answers {
        [] => String::new(),
        [(revision, _)] => format!(
            "; its log: gcloud logging read 'resource.labels.revision_name={revision}' --project \
             {project} --limit 50"
        ),
        several => format!("; answered by several revisions: {}", told(several)),
    }
}

fn too_late(late: &[&Waiting]) -> Error {
    let each = |waiting: &&Waiting| {
        let why = match waiting.answers {
            0 => waiting.last.clone(),
            _ => format!("it answers well only now and then; else {}", waiting.last),
        };
        let log = waiting.ask.log();
        format!("{} after {} s ({why}{log})", waiting.ask.place(), waiting.ask.timeout_s)
    };
    let names: Vec<String> = late.iter().map(each).collect();
    Error::TimedOut(format!("not healthy in time: {}", names.join(", ")))
}

/// Goes on asking for some seconds. One bad answer may be the network's; as many in a row as
/// good ones are asked for elsewhere are the service's.
///
/// # Errors
/// `Failed` with the service and what it said.
pub fn soak(asks: &[Ask], seconds: u32) -> Result<(), Error> {
    let end = host::elapsed() + u64::from(seconds) * 1000;
    let mut bad = vec![0; asks.len()];
    while host::elapsed() < end {
        for (ask, bad) in asks.iter().zip(&mut bad) {
            match ask.look()? {
                Look::Well | Look::Passed => *bad = 0,
                Look::NotYet(why) => {
                    *bad += 1;
                    host::report_gate(&ask.service, &GateState::Waiting(why.clone()));
                    if *bad >= ask.answers {
                        host::report_gate(&ask.service, &GateState::Failed(why.clone()));
                        return Err(Error::Failed(format!(
                            "{} was healthy and is not any more: {why}",
                            ask.place()
                        )));
                    }
                }
            }
        }
        host::sleep(SOAK_PAUSE_MS);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessallite_up_sdk::Request;

    fn ask(tag: Option<&str>) -> Ask {
        let request = Request::upgrade_to("2");
        Ask::new("gateway", tag, Facts(&[]), &Options::of(&request).unwrap())
    }

    #[test]
    fn good_answers_count_only_in_a_row() {
        let ask = ask(None);
        let mut waiting = Waiting::new(&ask);
        assert_eq!(waiting.note(Look::Well), Some(GateState::Answering(1)));
        assert_eq!(waiting.note(Look::Well), Some(GateState::Answering(2)));
        let bad = || Look::NotYet("503".into());
        assert_eq!(waiting.note(bad()), Some(GateState::Waiting("503".into())));
        assert_eq!(waiting.note(bad()), None);
        for _ in 0..2 {
            waiting.note(Look::Well);
        }
        assert!(!waiting.has_passed());
        assert_eq!(waiting.note(Look::Well), Some(GateState::Passed));
    }

    #[test]
    fn what_was_probed_before_a_crash_is_not_waited_for() {
        let ask = ask(Some("up-a1b2"));
        let mut waiting = Waiting::new(&ask);
        assert_eq!(waiting.note(Look::Passed), Some(GateState::Passed));
    }

    #[test]
    fn only_a_healthy_answer_is_a_good_one() {
        let convention = Convention::default();
        let judge =
            |status| judged(Some(health::judge("/health", status, b"", &convention)), &convention);
        assert_eq!(judge(200), Look::Well);
        assert_eq!(judge(503), Look::NotYet("GET /health: 503".into()));
        assert_eq!(
            judged(None, &convention),
            Look::NotYet("it knows none of /api/health, /health".into())
        );
    }

    #[test]
    fn who_is_late_is_named_with_the_place_and_the_log() {
        let mut ask = ask(Some("up-a1b2"));
        ask.revision = Some("gateway-2".into());
        let mut waiting = Waiting::new(&ask);
        waiting.note(Look::NotYet("GET /health: 503".into()));
        let text = too_late(&[&waiting]).text().to_owned();
        assert!(text.contains("gateway at its tag up-a1b2 after 300 s (GET /health: 503; "));
        assert!(text.contains("revision_name=gateway-2'"));
    }

    #[test]
    fn a_revision_is_named_only_where_all_of_the_traffic_is_on_it() {
        let share = |name: &str, percent| (name.to_owned(), percent);
        assert!(log_of(&[share("a-1", 100)], "p").contains("revision_name=a-1' --project p"));
        assert_eq!(
            log_of(&[share("a-2", 10), share("a-1", 90)], "p"),
            "; answered by several revisions: 10 % on a-2, 90 % on a-1"
        );
        assert_eq!(log_of(&[], "p"), "");
    }

    #[test]
    fn pauses_grow_and_end() {
        assert_eq!(pause_ms(0), 50);
        assert_eq!(pause_ms(5_000), 500);
        assert_eq!(pause_ms(u64::MAX), 2_000);
    }
}
