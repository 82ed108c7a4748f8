//! What a plugin instance's calls work with.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::allowance::{Allowance, Left};
use super::conduct::{Begun, Call, Closed, Conduct, Open, Ticket};
use super::{Error, Result, docker, gcloud, http, sql};
use crate::contract::{Effect, errors};

/// The installation, as the capabilities reach it.
pub struct Services {
    pub platform: Platform,
    pub former_files: docker::FormerFiles,
    pub sql: sql::client::Client,
    pub backups: sql::dump::Dumps,
    pub http: http::client::Client,
}

/// What the services of the installation run on.
pub enum Platform {
    Compose(docker::client::Client),
    CloudRun(gcloud::client::Client),
}

impl Services {
    /// # Errors
    /// `Denied`: there is no such project.
    pub fn docker(&self) -> Result<&docker::client::Client> {
        match &self.platform {
            Platform::Compose(docker) => Ok(docker),
            Platform::CloudRun(_) => Err(Error::denied(
                "this installation is on Google Cloud: there is no Compose project",
            )),
        }
    }

    /// # Errors
    /// `Denied`: there is no such project.
    pub fn gcloud(&self) -> Result<&gcloud::client::Client> {
        match &self.platform {
            Platform::CloudRun(gcloud) => Ok(gcloud),
            Platform::Compose(_) => Err(Error::denied(
                "this installation is on Docker Compose: there is no Google Cloud project",
            )
            .hint(
                "a [cloudrun] table in tessallite-up.toml, or --plugin cloudrun, says otherwise",
            )),
        }
    }
}

/// Belongs to one call into a plugin.
pub struct Context {
    services: Option<Arc<Services>>,
    conduct: Arc<dyn Conduct>,
    run: String,
    began: Instant,
    left: Left,
}

impl Context {
    /// `services` may be absent where `conduct` denies every call. `run` names the run.
    pub fn new(
        services: Option<Arc<Services>>,
        conduct: Arc<dyn Conduct>,
        run: String,
        allowance: Allowance,
    ) -> Self {
        Self { services, conduct, run, began: Instant::now(), left: Left::new(allowance) }
    }

    /// Why the plugin is stopped, if it has used up what it may.
    pub fn exhausted(&self) -> Option<&'static str> {
        self.left.exhausted()
    }

    pub(super) fn run(&self) -> &str {
        &self.run
    }

    pub(super) fn began(&self) -> Instant {
        self.began
    }

    pub(super) fn conduct(&self) -> &Arc<dyn Conduct> {
        &self.conduct
    }

    fn services(&self) -> Result<Arc<Services>> {
        self.services.clone().ok_or_else(nowhere)
    }

    /// A read, before anything of it is done: allowed, or denied at once.
    ///
    /// Every read of every plugin goes through here. Two steps, so that the question is gone
    /// before anybody waits: what a call is to carry costs more than what is done in it.
    ///
    /// # Errors
    /// `Denied`, also where there is nothing to read or the allowance is used up; `Failed`
    /// where it could not be recorded.
    // Always: an error that is handed back goes through memory, and is waited for.
    #[inline(always)]
    pub(super) fn ask(&mut self, call: Call<'_>) -> Result<Allowed<'_>> {
        let Self { services, conduct, left, .. } = self;
        left.take_call()?;
        let mut under_way = UnderWay::begin(conduct, &call)?;
        match services {
            Some(services) => Ok(Allowed { under_way, services, left }),
            None => {
                let error = nowhere();
                under_way.end(Some(&error));
                Err(error)
            }
        }
    }

    /// A call that stays within the host.
    ///
    /// # Errors
    /// The plugin is stopped: its allowance is used up, or the call cannot be recorded.
    pub(super) async fn within<T>(
        &mut self,
        call: Call<'_>,
        work: impl Future<Output = T>,
    ) -> wasmtime::Result<T> {
        self.left.take_call()?;
        let mut under_way = UnderWay::begin(&self.conduct, &call)?;
        let done = work.await;
        under_way.end(None);
        Ok(done)
    }

    /// # Errors
    /// The plugin is stopped: it has written enough.
    pub(super) fn take_line(&mut self, bytes: usize) -> wasmtime::Result<()> {
        Ok(self.left.take_line(bytes)?)
    }

    /// A change: allowed or denied, recorded, done in a task of its own so that it reaches
    /// its record even when the plugin's call is given up, recorded again.
    ///
    /// # Errors
    /// `Denied`, what the work says, or `Failed` where it could not be recorded.
    pub(super) async fn change<T, F>(
        &mut self,
        effect: Effect,
        work: impl FnOnce(Arc<Services>) -> F,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.change_with_notes(effect, |services, _| work(services)).await
    }

    /// As [`Context::change`], of a change that the outside world has names for.
    ///
    /// # Errors
    /// As [`Context::change`].
    pub(super) async fn change_with_notes<T, F>(
        &mut self,
        effect: Effect,
        work: impl FnOnce(Arc<Services>, Notes) -> F,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.left.take_call()?;
        let ticket = match self.conduct.begin(&effect)? {
            Begun::Go(ticket) => ticket,
            Begun::Answered(value) => return serde_json::from_value(value).map_err(unreadable),
        };
        let conduct = Arc::clone(&self.conduct);
        let notes = Notes { conduct: Arc::clone(&conduct), ticket };
        let work = self.services().map(|services| work(services, notes));
        let task = tokio::spawn(async move {
            let done = match work {
                // Whatever happens, it reaches its record.
                Ok(work) => AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
                    Err(Error::failed("the effect ended in a defect of the host"))
                }),
                Err(error) => Err(error),
            };
            let outcome = done.and_then(|done| {
                let value = serde_json::to_value(&done).map_err(unreadable)?;
                Ok((done, value))
            });
            conduct.finish(ticket, outcome.as_ref().map(|(_, value)| value))?;
            outcome.map(|(done, _)| done)
        });
        let done = task.await.unwrap_or_else(|broken| {
            Err(Error::failed("the effect ended in a defect of the host").because(broken))
        })?;
        self.left.take_result(&done).map(|()| done)
    }
}

/// A read that may be done.
pub(super) struct Allowed<'s> {
    under_way: UnderWay<'s>,
    services: &'s Arc<Services>,
    left: &'s mut Left,
}

impl<'s> Allowed<'s> {
    /// Does it, within the plugin's call. All of it is in the box, also what tells its end.
    ///
    /// # Errors
    /// What the work says, `Denied` where the answer is more than the plugin may have.
    // Never: the work is put together on the stack, and would be kilobytes of it in every
    // call, also in one that is denied.
    #[inline(never)]
    pub(super) fn read<T, F>(
        self,
        work: impl FnOnce(Arc<Services>) -> F,
    ) -> BoxFuture<'s, Result<T>>
    where
        T: Serialize + Send,
        F: Future<Output = Result<T>> + Send + 's,
    {
        let Self { mut under_way, services, left } = self;
        let work = work(Arc::clone(services));
        Box::pin(async move {
            let outcome = work.await;
            let outcome = outcome.and_then(|done| left.take_result(&done).map(|()| done));
            under_way.end(outcome.as_ref().err());
            outcome
        })
    }
}

/// Takes the names of a change that is under way into the record of it.
pub(super) struct Notes {
    conduct: Arc<dyn Conduct>,
    ticket: Ticket,
}

impl Notes {
    pub(super) fn take(&self, operation: &str) {
        self.conduct.noted(self.ticket, operation);
    }
}

/// Tells how a call ended, also when nobody waits for it any more.
struct UnderWay<'a> {
    conduct: &'a dyn Conduct,
    open: Option<Box<Open>>,
}

impl<'a> UnderWay<'a> {
    fn begin(conduct: &'a Arc<dyn Conduct>, call: &Call<'_>) -> Result<Self> {
        let conduct = &**conduct;
        Ok(Self { conduct, open: conduct.read(call)? })
    }

    fn end(&mut self, error: Option<&Error>) {
        if let Some(open) = self.open.take() {
            let how = error.map_or(Closed::Done, |error| Closed::Failed(error.kind));
            self.conduct.closed(&open, how);
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            self.conduct.closed(&open, Closed::Abandoned);
        }
    }
}

fn nowhere() -> Error {
    Error::denied("there is no installation to speak to in this call")
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::failed("reading or writing the recorded result of an effect").because(error)
}

impl errors::Host for Context {
    // Always, as below, and with little in it: of a call that fails, moving the error is the most.
    #[inline(always)]
    fn convert_error(&mut self, error: Error) -> wasmtime::Result<errors::Error> {
        match self.exhausted() {
            None => Ok(error.into()),
            Some(why) => stopped(why),
        }
    }
}

#[cold]
fn stopped<T>(why: &'static str) -> wasmtime::Result<T> {
    Err(Error::denied(why).into())
}

/// The interface has types and no functions.
impl crate::contract::EffectsHost for Context {}

impl From<Error> for errors::Error {
    #[inline(always)]
    fn from(error: Error) -> Self {
        use super::Kind;
        let kind = error.kind;
        let text = error.into_text();
        match kind {
            Kind::Denied => Self::Denied(text),
            Kind::NotFound => Self::NotFound(text),
            Kind::Conflict => Self::Conflict(text),
            Kind::Unavailable => Self::Unavailable(text),
            Kind::TimedOut => Self::TimedOut(text),
            Kind::Invalid => Self::Invalid(text),
            Kind::Failed => Self::Failed(text),
        }
    }
}
