//! How much a plugin may make of its calls to the host, in one call into it.

use serde::Serialize;

use super::{Error, Result};

/// Of one call into a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub calls: u32,
    /// One result of the host, in bytes of JSON.
    pub result_bytes: usize,
    /// All results of the host together.
    pub results_bytes: usize,
    pub log_lines: u32,
    /// All lines of the log together.
    pub log_bytes: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            calls: 200_000,
            result_bytes: 16 << 20,
            results_bytes: 256 << 20,
            log_lines: 10_000,
            log_bytes: 4 << 20,
        }
    }
}

/// What is left of it.
#[derive(Debug)]
pub(super) struct Left {
    left: Allowance,
    /// What was used up: the plugin is stopped.
    exhausted: Option<&'static str>,
}

impl Left {
    pub(super) fn new(left: Allowance) -> Self {
        Self { left, exhausted: None }
    }

    pub(super) fn exhausted(&self) -> Option<&'static str> {
        self.exhausted
    }

    fn exhaust<T>(&mut self, what: &'static str) -> Result<T> {
        self.exhausted = Some(what);
        Err(Error::denied(what))
    }

    pub(super) fn take_call(&mut self) -> Result<()> {
        match self.left.calls.checked_sub(1) {
            None => self.exhaust("it made more calls to the host than its limit"),
            Some(left) => {
                self.left.calls = left;
                Ok(())
            }
        }
    }

    pub(super) fn take_result(&mut self, result: &impl Serialize) -> Result<()> {
        let bytes = size(result);
        match self.left.results_bytes.checked_sub(bytes) {
            Some(left) if bytes <= self.left.result_bytes => {
                self.left.results_bytes = left;
                Ok(())
            }
            _ => self.exhaust("it asked the host for more than its limit"),
        }
    }

    pub(super) fn take_line(&mut self, bytes: usize) -> Result<()> {
        let lines = self.left.log_lines.checked_sub(1);
        match (lines, self.left.log_bytes.checked_sub(bytes)) {
            (Some(lines), Some(bytes)) => {
                (self.left.log_lines, self.left.log_bytes) = (lines, bytes);
                Ok(())
            }
            _ => self.exhaust("it wrote more to the log than its limit"),
        }
    }
}

/// As JSON, without making it.
fn size(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_up_stays_used_up() {
        let small =
            Allowance { calls: 2, result_bytes: 8, results_bytes: 12, log_lines: 2, log_bytes: 5 };
        let mut left = Left::new(small);
        assert!(left.take_call().is_ok() && left.take_call().is_ok());
        assert_eq!(left.exhausted(), None);
        assert!(left.take_call().is_err());
        assert!(left.exhausted().is_some_and(|why| why.contains("calls")));

        let mut left = Left::new(small);
        assert!(left.take_result(&"123456").is_ok(), "eight bytes with its quotes");
        assert!(left.take_result(&"1234").is_err(), "two more than are left");
        assert!(Left::new(small).take_result(&"1234567").is_err());

        let mut left = Left::new(small);
        assert!(left.take_line(5).is_ok());
        assert!(left.take_line(1).is_err());
        assert!(left.exhausted().is_some_and(|why| why.contains("log")));
    }
}
