//! Components, loaded and called without an installation.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Waker};

use tessallite_up::capability::conduct::{Begun, Call, Conduct, Notice, Open, Ticket};
use tessallite_up::capability::{self, Error};
use tessallite_up::contract::{
    Effect, Fact, Intent, Outcome, Proposal, Refusal, Request, Setting, Step, Upgrade, errors,
};
use tessallite_up::plugin::{Caller, Compiler, Component, Limits, Result, Runtime, Source};

use crate::guide;

/// Denies everything, and remembers what was asked and told.
#[derive(Default)]
pub struct Witness {
    pub asked: Mutex<Vec<String>>,
    pub told: Mutex<Vec<Notice>>,
}

impl Witness {
    fn deny(&self, function: &str) -> capability::Result<()> {
        self.asked.lock().unwrap().push(function.to_owned());
        Err(Error::denied(format!("the witness denies {function}")))
    }

    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    pub fn told(&self) -> Vec<Notice> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

impl Conduct for Witness {
    fn read(&self, call: &Call<'_>) -> capability::Result<Option<Box<Open>>> {
        match call.ask.interface() {
            "host" => Ok(None),
            _ => self.deny(call.ask.function).map(|()| None),
        }
    }

    fn begin(&self, effect: &Effect) -> capability::Result<Begun> {
        self.deny(effect.function()).map(|()| Begun::Answered(serde_json::Value::Null))
    }

    fn finish(
        &self,
        _: Ticket,
        _: capability::Result<&serde_json::Value, &Error>,
    ) -> capability::Result<()> {
        panic!("nothing began");
    }

    fn notify(&self, notice: Notice) {
        self.told.lock().unwrap().push(notice);
    }
}

/// A plugin whose runtime is gone, as in the program, and the witness of its calls.
pub struct Bench {
    pub component: Component,
    pub witness: Arc<Witness>,
}

impl Bench {
    /// The hostile plugin, with what it needs to do its worst and no more.
    pub fn hostile(limits: Limits) -> Self {
        Self::of(&guide::build("tests/hostile"), limits)
    }

    pub fn of(file: &std::path::Path, limits: Limits) -> Self {
        let cache = guide::target_dir().join("components");
        let runtime = Runtime::new(Some(cache), limits, Compiler::InProcess).unwrap();
        let component = now(runtime.load(&Source::File(file.to_owned()))).unwrap();
        Self { component, witness: Arc::default() }
    }

    /// The hostile plugin with a behaviour built in.
    pub fn baked(behaviour: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::of(&guide::hostile(behaviour, dir.path()), Limits::default())
    }

    pub fn caller(&self) -> Caller {
        Caller { services: None, conduct: self.witness.clone(), run: "test".into() }
    }

    pub async fn make_plan(&self, behaviour: &str) -> Result<Result<Proposal, Refusal>> {
        self.component.make_plan(&self.caller(), &request(behaviour)).await
    }

    pub async fn apply(
        &self,
        behaviour: &str,
        step: &Step,
        facts: &[Fact],
    ) -> Result<Result<Outcome, errors::Error>> {
        self.component.apply(&self.caller(), &request(behaviour), step, facts).await
    }

    /// The host is as well as before: the plugin's next call gets an instance and an answer.
    pub async fn is_well(&self) {
        let description = self.component.describe(&self.caller()).await.unwrap();
        assert_eq!(description.name, "hostile");
    }
}

/// What is compiled in this process is not waited for.
pub fn now<T>(loading: impl Future<Output = T>) -> T {
    match pin!(loading).poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(loaded) => loaded,
        Poll::Pending => panic!("it waits"),
    }
}

pub fn request(behaviour: &str) -> Request {
    Request {
        run: "test".into(),
        intent: Intent::Upgrade(Upgrade {
            version: Some("1.5.0".into()),
            migration: None,
            oldest: None,
            keeps_compatibility: false,
            images: vec![],
        }),
        settings: vec![Setting { name: "behaviour".into(), value: behaviour.into() }],
        base: None,
    }
}

pub fn step(id: &str, timeout_s: u32) -> Step {
    Step { id: id.into(), title: id.into(), effects: vec![], timeout_s }
}
