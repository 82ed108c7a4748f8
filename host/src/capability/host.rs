//! The host capability: nothing here touches the outside world.

use std::sync::Arc;
use std::time::Duration;

use super::conduct::{self, Arguments, Call, Notice};
use super::{Context, GateState};
use crate::contract::host::{self, Level};
use crate::policy::Ask;
use crate::text::{one_line, shortened};

const LONGEST_SLEEP: Duration = Duration::from_secs(60);
const LONGEST_LINE: usize = 4096;
const LONGEST_NAME: usize = 256;

impl host::Host for Context {
    async fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Debug => conduct::Level::Debug,
            Level::Info => conduct::Level::Info,
            Level::Warn => conduct::Level::Warn,
            Level::Error => conduct::Level::Error,
        };
        self.take_line(message.len().min(LONGEST_LINE))?;
        let message = line(&message, LONGEST_LINE);
        let conduct = Arc::clone(self.conduct());
        let call = within("host.log", &message);
        self.within(call, async { conduct.notify(Notice::Log { level, message: message.clone() }) })
            .await
    }

    async fn report_gate(
        &mut self,
        service: String,
        state: host::GateState,
    ) -> wasmtime::Result<()> {
        let why = |text: String| line(&text, LONGEST_LINE);
        let state = match state {
            host::GateState::Waiting(text) => GateState::Waiting { why: why(text) },
            host::GateState::Answering(answers) => GateState::Answering { answers },
            host::GateState::Passed => GateState::Passed,
            host::GateState::Failed(text) => GateState::Failed { why: why(text) },
        };
        self.take_line(LONGEST_NAME)?;
        let service = line(&service, LONGEST_NAME);
        let conduct = Arc::clone(self.conduct());
        let arguments = (&service, &state);
        let call = within("host.report-gate", &arguments);
        let notice = Notice::Gate { service: service.clone(), state: state.clone() };
        self.within(call, async { conduct.notify(notice) }).await
    }

    async fn sleep(&mut self, ms: u32) -> wasmtime::Result<()> {
        let pause = Duration::from_millis(ms.into()).min(LONGEST_SLEEP);
        self.within(within("host.sleep", &ms), tokio::time::sleep(pause)).await
    }

    async fn elapsed(&mut self) -> wasmtime::Result<u64> {
        let began = self.began();
        let elapsed = async { u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX) };
        self.within(within("host.elapsed", &()), elapsed).await
    }
}

/// Cut before it is looked at, and after what was replaced has made it longer.
fn line(text: &str, longest: usize) -> String {
    shortened(&one_line(&shortened(text, longest)), longest)
}

fn within<'a>(function: &'static str, arguments: &'a dyn Arguments) -> Call<'a> {
    Call { ask: Ask::everything(function), arguments }
}
