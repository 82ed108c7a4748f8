//! Other programs: run, and expected to succeed.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What it printed.
///
/// # Panics
/// It failed; its output is shown.
pub fn run(command: &mut Command) -> String {
    let output = output(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether it succeeded.
pub fn succeeds(command: &mut Command) -> bool {
    output(command).status.success()
}

fn output(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

pub fn docker(args: &[&str]) -> String {
    run(Command::new("docker").args(args))
}

/// Asks again and again until there is an answer.
///
/// # Panics
/// There is none within `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
