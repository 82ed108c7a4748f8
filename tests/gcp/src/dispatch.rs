//! Which part of Google Cloud a request is for, and what its faults make of it.

use std::time::Duration;

use serde_json::Value;

use crate::discovery;
use crate::event::Event;
use crate::exchange::{Answer, Call, Ending, Outcome};
use crate::fault::{Kind, Twist};
use crate::record::Recorded;
use crate::refusal::{Refusal, Result, status_name};
use crate::run::routes::unknown_method;
use crate::world::World;

/// What the faults make of one request.
#[derive(Debug)]
pub struct Plan {
    /// Its place in the record; absent where it is not recorded.
    pub index: Option<usize>,
    /// Sleep so long before it is handled, in our time.
    pub delay: Duration,
    refuse: Option<Answer>,
    before: Vec<Event>,
    after: Vec<Event>,
    twist: Twist,
    ending: Ending,
}

impl World {
    /// Takes note of a request, and of the faults that it meets.
    pub fn plan(&mut self, call: &Call) -> Plan {
        let mut plan = Plan {
            index: None,
            delay: Duration::ZERO,
            refuse: None,
            before: Vec::new(),
            after: Vec::new(),
            twist: Twist::default(),
            ending: Ending::Whole,
        };
        if call.path.starts_with("/_fake/") {
            return plan;
        }
        let met = self.faults.meet(call);
        plan.index = Some(self.recorded.len());
        self.recorded.push(Recorded::new(call, met.len()));
        for kind in met {
            plan.add(kind);
        }
        plan
    }

    /// Answers a request; asked again, it goes on where it was.
    pub fn handle(&mut self, call: &Call, plan: &mut Plan) -> Outcome {
        self.advance();
        for event in std::mem::take(&mut plan.before) {
            // What somebody else cannot do does not happen.
            let _ = self.happen(event);
        }
        if let Some(answer) = plan.refuse.take() {
            return self.note(plan, answer);
        }
        self.twist = std::mem::take(&mut plan.twist);
        let outcome = self.dispatch(call);
        self.twist = Twist::default();
        let Outcome::Answer(mut answer) = outcome else {
            return Outcome::Again;
        };
        for event in std::mem::take(&mut plan.after) {
            let _ = self.happen(event);
        }
        answer.ending = plan.ending;
        self.note(plan, answer)
    }

    fn note(&mut self, plan: &Plan, answer: Answer) -> Outcome {
        let recorded = plan.index.and_then(|index| self.recorded.get_mut(index));
        if let Some(recorded) = recorded {
            let cut = answer.ending == Ending::Cut;
            recorded.status = Some(if cut { 0 } else { answer.status });
            if answer.status >= 400 {
                recorded.refusal = Some(String::from_utf8_lossy(&answer.body).into_owned());
            }
        }
        Outcome::Answer(answer)
    }

    fn dispatch(&mut self, call: &Call) -> Outcome {
        let segments = call.segments();
        match segments.as_slice() {
            ["_fake", rest @ ..] => self.control(rest, call),
            ["_run", host, ..] => self.serve(host, call),
            ["computeMetadata", ..] => self.metadata(call),
            [""] if call.header("metadata-flavor").is_some() => self.metadata(call),
            ["token"] | ["v1", "token"] if call.method == "POST" => self.token(call),
            ["v2" | "v3", "projects", ..] | ["v1" | "sql" | "apis", ..] => {
                self.api(&segments, call)
            }
            ["v2", rest @ ..] => self.manifests(rest, call),
            _ => Outcome::Answer(unknown_method().into()),
        }
    }

    /// The APIs, which all want an access token.
    fn api(&mut self, segments: &[&str], call: &Call) -> Outcome {
        let known = call.bearer().is_some_and(|token| self.credentials.accepts(token));
        if !known {
            return Outcome::Answer(Refusal::unauthenticated().into());
        }
        if let Err(refusal) = validated(segments, call) {
            return Outcome::Answer(refusal.into());
        }
        match segments {
            ["v2", "projects", project, "locations", region, rest @ ..] => {
                self.run(project, region, rest, call)
            }
            ["v3", "projects", project] => self.project(project, call).into(),
            ["v1", "projects", "-", "serviceAccounts", account] => self.impersonate(account, call),
            ["v1", "projects", _, "locations", _, "operations", id] => {
                self.knative_operation(id, call)
            }
            ["apis", "serving.knative.dev", "v1", "namespaces", project, rest @ ..] => {
                self.knative(project, rest, call)
            }
            ["v1", "projects", project, rest @ ..]
            | ["sql", "v1beta4", "projects", project, rest @ ..] => self.sql(project, rest, call),
            _ => Outcome::Answer(unknown_method().into()),
        }
    }
}

/// Holds the request against the discovery document of its API, where there is one.
fn validated(segments: &[&str], call: &Call) -> Result<()> {
    match segments {
        ["v2", "projects", ..] => discovery::run().check(&call.path, call),
        // Of these there is no document here.
        ["v1", "projects", "-", "serviceAccounts", ..] | ["v1", "projects", _, "locations", ..] => {
            Ok(())
        }
        ["v1", "projects", ..] => discovery::sql().check(&call.path, call),
        ["sql", "v1beta4", rest @ ..] => {
            let path = format!("/v1/{}", rest.join("/"));
            discovery::sql().check(&path, call)
        }
        _ => Ok(()),
    }
}

impl Plan {
    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Status { status, reason, message, retry_after, answer } => {
                self.refuse = Some(failed(status, &reason, &message, retry_after, answer));
            }
            Kind::Delay { ms } => self.delay += Duration::from_millis(ms),
            Kind::Cut => {
                let mut answer = Answer::text(503, "");
                answer.ending = Ending::Cut;
                self.refuse = Some(answer);
            }
            Kind::CutWithin => self.ending = Ending::CutWithin,
            Kind::LostAnswer => self.ending = Ending::Cut,
            Kind::SlowOperation { ms } => self.twist.slow += Duration::from_millis(ms),
            Kind::EndlessOperation => self.twist.hangs = true,
            Kind::SqlFailure { message } => self.twist.sql_failure = Some(message),
            Kind::NeverReady { message } => self.twist.never_ready = Some(message),
            Kind::Crashes { after_ms } => self.twist.crashes_after_ms = Some(after_ms),
            Kind::Before { happens } => self.before.push(happens),
            Kind::After { happens } => self.after.push(happens),
        }
    }
}

fn failed(
    status: u16,
    reason: &str,
    message: &str,
    retry_after: Option<u32>,
    whole: Option<Value>,
) -> Answer {
    let reason = if reason.is_empty() { "backendError" } else { reason };
    let message =
        if message.is_empty() { "The service is currently unavailable." } else { message };
    let mut refusal = Refusal::new(status, status_name(status), reason, message);
    refusal.retry_after = retry_after;
    let mut answer = Answer::from(refusal);
    if let Some(whole) = whole {
        answer.body = whole.to_string().into();
    }
    answer
}
