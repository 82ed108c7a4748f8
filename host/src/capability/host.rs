//! The host capability: nothing here touches the outside world.

use std::time::Duration;

use super::conduct::{self, Notice};
use super::{Context, GateState};
use crate::contract::host::{self, Level};
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
        let message = shortened(&one_line(&message), LONGEST_LINE);
        self.conduct().notify(Notice::Log { level, message });
        Ok(())
    }

    async fn report_gate(
        &mut self,
        service: String,
        state: host::GateState,
    ) -> wasmtime::Result<()> {
        let why = |text: String| shortened(&one_line(&text), LONGEST_LINE);
        let state = match state {
            host::GateState::Waiting(text) => GateState::Waiting { why: why(text) },
            host::GateState::Answering(answers) => GateState::Answering { answers },
            host::GateState::Passed => GateState::Passed,
            host::GateState::Failed(text) => GateState::Failed { why: why(text) },
        };
        let service = shortened(&one_line(&service), LONGEST_NAME);
        self.conduct().notify(Notice::Gate { service, state });
        Ok(())
    }

    async fn sleep(&mut self, ms: u32) -> wasmtime::Result<()> {
        tokio::time::sleep(Duration::from_millis(ms.into()).min(LONGEST_SLEEP)).await;
        Ok(())
    }

    async fn elapsed(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(self.began().elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}
