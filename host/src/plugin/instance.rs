//! Calling a plugin: a fresh instance for each call, bounded in every way.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Store, Trap, UpdateDeadline};

use super::limits::{Meter, TICK};
use super::{Component, Error, Result};
use crate::capability::{Conduct, Context, Services};
use crate::contract::{
    Description, Fact, Outcome, Plan, Plugin, Proposal, Refusal, Request, Step, errors,
};

/// What a plugin may ask for in its description.
const MOST_REQUESTS: usize = 100;
/// How the runtime puts it; it has no type for it that others can see.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";

pub struct State {
    pub(super) context: Context,
    meter: Meter,
    ticks_left: u64,
}

/// What calls into plugins work with.
#[derive(Clone)]
pub struct Caller {
    /// Absent where the conduct denies every call.
    pub services: Option<Arc<Services>>,
    pub conduct: Arc<dyn Conduct>,
    /// Names the run that the calls belong to.
    pub run: String,
}

impl Component {
    /// # Errors
    /// `Trap`, `Limit`, `TimedOut`, `Description`.
    pub async fn describe(&self, caller: &Caller) -> Result<Description> {
        let limit = self.limits.describe;
        let description = self
            .call(caller, "describe", limit, async |plugin, store| {
                plugin.tessallite_up_procedure().call_describe(store).await
            })
            .await?;
        check_description(description, &self.label)
    }

    /// The plugin's own refusal is the inner result.
    ///
    /// # Errors
    /// `Trap`, `Limit`, `TimedOut`.
    pub async fn make_plan(
        &self,
        caller: &Caller,
        request: &Request,
    ) -> Result<Result<Proposal, Refusal>> {
        let limit = self.limits.make_plan;
        self.call(caller, "make-plan", limit, async |plugin, store| {
            plugin.tessallite_up_procedure().call_make_plan(store, request).await
        })
        .await
    }

    /// The plugin's own refusal is the inner result.
    ///
    /// # Errors
    /// `Trap`, `Limit`, `TimedOut`.
    pub async fn make_rollback(
        &self,
        caller: &Caller,
        request: &Request,
        upgrade: &Plan,
    ) -> Result<Result<Proposal, Refusal>> {
        let limit = self.limits.make_plan;
        self.call(caller, "make-rollback", limit, async |plugin, store| {
            plugin.tessallite_up_procedure().call_make_rollback(store, request, upgrade).await
        })
        .await
    }

    /// The plugin's own failure is the inner result.
    ///
    /// # Errors
    /// `Trap`, `Limit`, `TimedOut`.
    pub async fn apply(
        &self,
        caller: &Caller,
        request: &Request,
        step: &Step,
        facts: &[Fact],
    ) -> Result<Result<Outcome, errors::Error>> {
        let limit = Duration::from_secs(step.timeout_s.into());
        self.call(caller, "apply", limit, async |plugin, store| {
            plugin.tessallite_up_procedure().call_apply(store, request, step, facts).await
        })
        .await
    }

    async fn call<T>(
        &self,
        caller: &Caller,
        call: &'static str,
        limit: Duration,
        work: impl AsyncFnOnce(&Plugin, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T> {
        let mut store = self.store(caller);
        let outcome = within(limit, async {
            let plugin = self.pre.instantiate_async(&mut store).await?;
            work(&plugin, &mut store).await
        })
        .await;
        let plugin = || self.label.clone();
        match outcome {
            Some(Ok(done)) => Ok(done),
            None => Err(Error::TimedOut { plugin: plugin(), call, limit }),
            Some(Err(source)) => Err(match store.data().why_stopped(&source) {
                Some(why) => Error::Limit { plugin: plugin(), call, why },
                None => {
                    Error::Trap { plugin: plugin(), call, why: source.root_cause().to_string() }
                }
            }),
        }
    }

    fn store(&self, caller: &Caller) -> Store<State> {
        let limits = &self.limits;
        let state = State {
            context: Context::new(
                caller.services.clone(),
                Arc::clone(&caller.conduct),
                caller.run.clone(),
                limits.allowance,
            ),
            meter: Meter::new(limits),
            ticks_left: ticks(limits.execution),
        };
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(limits.hostcall_bytes);
        store.set_epoch_deadline(1);
        // A guest that waits in a host call meets its deadline once, afterwards: what is
        // counted is, to the tick, the time that it runs.
        store.epoch_deadline_callback(|mut context| {
            let left = &mut context.data_mut().ticks_left;
            *left = left.saturating_sub(1);
            Ok(match left {
                0 => UpdateDeadline::Interrupt,
                _ => UpdateDeadline::Yield(1),
            })
        });
        store
    }
}

impl State {
    /// The limit that ended a call, if it was one.
    fn why_stopped(&self, error: &wasmtime::Error) -> Option<String> {
        let why = if self.ticks_left == 0 {
            "it ran for longer than its limit"
        } else if let Some(why) = self.context.exhausted() {
            why
        } else if error.downcast_ref() == Some(&Trap::StackOverflow) {
            "it recursed deeper than its stack"
        } else if error.root_cause().to_string().contains(HOSTCALL_FUEL) {
            "it handed over more in one call than its limit"
        } else {
            return self.meter.refused.clone();
        };
        Some(why.to_owned())
    }
}

fn ticks(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX)
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

fn check_description(description: Description, plugin: &str) -> Result<Description> {
    let name = &description.name;
    let why = if !is_name(name) {
        "its name is not made of lower-case letters, digits and hyphens"
    } else if description.summary.len() > 1000 || description.version.len() > 100 {
        "its summary or its version is too long"
    } else if description.requests.len() > MOST_REQUESTS
        || description.requests.iter().any(|r| r.function.len() + r.reason.len() > 1000)
    {
        "it asks for too many things, or in too many words"
    } else if !matches!(description.target.as_str(), "" | "compose" | "cloudrun") {
        "its target is neither compose nor cloudrun"
    } else {
        return Ok(description);
    };
    Err(Error::Description { plugin: plugin.to_owned(), why: why.to_owned() })
}

fn is_name(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=64).contains(&name.len()) && name.chars().all(valid)
}
