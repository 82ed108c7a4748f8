//! What a plugin instance's calls work with.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::conduct::{Begun, Conduct};
use super::{Error, Result, docker, http, sql};
use crate::contract::{Effect, errors};

/// The installation, as the capabilities reach it.
pub struct Services {
    pub docker: docker::client::Client,
    pub former_files: docker::FormerFiles,
    pub sql: sql::client::Client,
    pub backups: sql::dump::Dumps,
    pub http: http::client::Client,
}

/// Belongs to one call into a plugin.
pub struct Context {
    services: Option<Arc<Services>>,
    conduct: Arc<dyn Conduct>,
    run: String,
    began: Instant,
}

impl Context {
    /// `services` may be absent where `conduct` denies every call. `run` names the run.
    pub fn new(services: Option<Arc<Services>>, conduct: Arc<dyn Conduct>, run: String) -> Self {
        Self { services, conduct, run, began: Instant::now() }
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
        self.services
            .clone()
            .ok_or_else(|| Error::denied("there is no installation to speak to in this call"))
    }

    /// A read: allowed or denied, then done within the plugin's call.
    ///
    /// # Errors
    /// `Denied`, or what the work says.
    pub(super) async fn read<T, F>(
        &self,
        function: &'static str,
        work: impl FnOnce(Arc<Services>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.conduct.read(function)?;
        // In a box of its own: every call would otherwise carry room for the longest work.
        Box::pin(work(self.services()?)).await
    }

    /// A change: allowed or denied, recorded, done in a task of its own so that it reaches
    /// its record even when the plugin's call is given up, recorded again.
    ///
    /// # Errors
    /// `Denied`, what the work says, or `Failed` where it could not be recorded.
    pub(super) async fn change<T, F>(
        &self,
        effect: Effect,
        work: impl FnOnce(Arc<Services>) -> F,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let ticket = match self.conduct.begin(&effect)? {
            Begun::Go(ticket) => ticket,
            Begun::Answered(value) => return serde_json::from_value(value).map_err(unreadable),
        };
        let conduct = Arc::clone(&self.conduct);
        let work = self.services().map(work);
        let task = tokio::spawn(async move {
            let done = match work {
                Ok(work) => work.await,
                Err(error) => Err(error),
            };
            let outcome = done.and_then(|done| {
                let value = serde_json::to_value(&done).map_err(unreadable)?;
                Ok((done, value))
            });
            conduct.finish(ticket, outcome.as_ref().map(|(_, value)| value))?;
            outcome.map(|(done, _)| done)
        });
        task.await.unwrap_or_else(|broken| {
            Err(Error::failed("the effect ended in a defect of the host").because(broken))
        })
    }
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::failed("reading or writing the recorded result of an effect").because(error)
}

impl errors::Host for Context {
    fn convert_error(&mut self, error: Error) -> wasmtime::Result<errors::Error> {
        Ok(error.into())
    }
}

/// The interface has types and no functions.
impl crate::contract::EffectsHost for Context {}

impl From<Error> for errors::Error {
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
