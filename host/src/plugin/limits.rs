//! What a plugin may use. The bundled ones stay far below.

use std::time::Duration;

use crate::capability::Allowance;
use crate::policy::LimitGrants;

/// How often the runtime looks whether a guest that runs has run for too long.
pub(super) const TICK: Duration = Duration::from_millis(10);

#[derive(Debug, Clone)]
pub struct Limits {
    /// Of the component's file.
    pub component_bytes: u64,
    /// Compiling it, once.
    pub compile: Duration,
    /// The whole address space of the process that compiles.
    pub compile_memory_bytes: u64,
    /// What a component may be compiled to.
    pub compiled_bytes: usize,
    /// All memories of an instance together.
    pub memory_bytes: usize,
    pub table_elements: usize,
    pub instances: usize,
    pub memories: usize,
    pub tables: usize,
    /// What a guest may hand to one host call, in bytes.
    pub hostcall_bytes: usize,
    pub allowance: Allowance,
    /// Time spent executing the guest, host calls excluded, in one call.
    pub execution: Duration,
    /// The whole of `describe` and of `make-plan`, host calls included.
    pub describe: Duration,
    pub make_plan: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes: 64 << 20,
            compile: Duration::from_secs(120),
            compile_memory_bytes: 2 << 30,
            compiled_bytes: 256 << 20,
            memory_bytes: 512 << 20,
            table_elements: 1 << 20,
            instances: 100,
            memories: 16,
            tables: 100,
            hostcall_bytes: 16 << 20,
            allowance: Allowance::default(),
            execution: Duration::from_secs(30),
            describe: Duration::from_secs(30),
            make_plan: Duration::from_secs(15 * 60),
        }
    }
}

impl Limits {
    /// What the operator's configuration makes of them for one plugin.
    #[must_use]
    pub fn granted(mut self, grants: &LimitGrants) -> Self {
        let seconds = |s: u32| Duration::from_secs(s.into());
        let mib = |mib: u32| usize::try_from(mib).unwrap_or(usize::MAX).saturating_mul(1 << 20);
        if let Some(memory) = grants.memory_mib {
            self.memory_bytes = mib(memory);
        }
        if let Some(results) = grants.results_mib {
            self.allowance.results_bytes = mib(results);
        }
        self.execution = grants.execution_s.map_or(self.execution, seconds);
        self.make_plan = grants.make_plan_s.map_or(self.make_plan, seconds);
        self.allowance.calls = grants.calls.unwrap_or(self.allowance.calls);
        self.allowance.log_lines = grants.log_lines.unwrap_or(self.allowance.log_lines);
        self
    }
}

/// Counts over all memories and tables of one store: the runtime's own limiter looks at
/// each alone.
#[derive(Debug)]
pub(super) struct Meter {
    memory_left: usize,
    elements_left: usize,
    instances: usize,
    memories: usize,
    tables: usize,
    /// What was refused, for the message about the trap that follows.
    pub(super) refused: Option<String>,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            memory_left: limits.memory_bytes,
            elements_left: limits.table_elements,
            instances: limits.instances,
            memories: limits.memories,
            tables: limits.tables,
            refused: None,
        }
    }

    fn take(left: &mut usize, current: usize, desired: usize) -> bool {
        let more = desired.saturating_sub(current);
        let fits = more <= *left;
        if fits {
            *left -= more;
        }
        fits
    }
}

impl wasmtime::ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = Self::take(&mut self.memory_left, current, desired);
        if !fits {
            self.refused = Some("it asked for more memory than its limit".into());
        }
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = Self::take(&mut self.elements_left, current, desired);
        if !fits {
            self.refused = Some("it asked for larger tables than its limit".into());
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        self.memories
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::ResourceLimiter;

    #[test]
    fn the_memory_limit_is_for_the_sum() {
        let mut meter = Meter::new(&Limits { memory_bytes: 100, ..Limits::default() });
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(!meter.memory_growing(0, 60, None).unwrap());
        assert!(meter.memory_growing(60, 100, None).unwrap());
        assert!(meter.refused.is_some());
    }
}
