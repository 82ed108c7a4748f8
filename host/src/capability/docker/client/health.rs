//! The health checks of containers, asked for when their verdict is wanted.

use std::time::Duration;

use bollard::models::HealthConfig;
use futures_util::future::try_join_all;
use tokio::time::timeout;

use super::Client;
use super::containers::Found;
use crate::capability::docker::types::Health;
use crate::capability::error::Result;

/// The engine's, for a check that names none.
const USUAL_TIMEOUT: Duration = Duration::from_secs(30);
/// Of a check that we run: the engine's own goes on in its interval.
const LONGEST: Duration = Duration::from_secs(10);
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

impl Client {
    /// What the health checks of the service's containers say now: the worst of their
    /// verdicts. A check that has given none since its container started is run at once,
    /// in the way of the engine, for which one success is enough, too.
    ///
    /// Errors: `NotFound` when the model has no such service, `Failed` when a check cannot be
    /// run.
    pub async fn check_health(&self, service: &str) -> Result<Health> {
        let found = self.containers_of(service).await?;
        let verdicts = try_join_all(found.iter().map(|found| self.verdict(found))).await?;
        let is_any = |health| verdicts.contains(&health);
        let worst = [Health::Unhealthy, Health::Starting, Health::Healthy];
        Ok(worst.into_iter().find(|health| is_any(*health)).unwrap_or(Health::None))
    }

    async fn verdict(&self, found: &Found) -> Result<Health> {
        let config = found.details.config.as_ref();
        let check = config.and_then(|config| config.healthcheck.as_ref());
        let shell = config.and_then(|config| config.shell.as_deref()).unwrap_or_default();
        let argv = check.and_then(|check| argv(check, shell));
        match (found.container.health, argv) {
            (Health::Starting, Some(argv)) if found.is_running() => {
                let longest = check.map_or(LONGEST, |check| limit(check).min(LONGEST));
                let passed = timeout(longest, self.passes(found, &argv)).await;
                Ok(if passed.unwrap_or(Ok(false))? { Health::Healthy } else { Health::Starting })
            }
            (health, _) => Ok(health),
        }
    }

    /// When it takes too long, the stream is dropped, and the program with it.
    async fn passes(&self, found: &Found, argv: &[String]) -> Result<bool> {
        let doing = format!("running the health check of {}", found.container.name);
        let stream = self.exec_stream_in(doing, &found.container.id, argv, &[], None).await?;
        Ok(stream.finish().await?.exit_code == 0)
    }
}

/// The program of a check, as the engine runs it.
fn argv(check: &HealthConfig, shell: &[String]) -> Option<Vec<String>> {
    let (kind, rest) = check.test.as_deref()?.split_first()?;
    match kind.as_str() {
        "CMD" if !rest.is_empty() => Some(rest.to_vec()),
        "CMD-SHELL" => {
            let usual = || SHELL.map(str::to_owned).to_vec();
            let mut argv = if shell.is_empty() { usual() } else { shell.to_vec() };
            argv.extend(rest.first().cloned());
            Some(argv)
        }
        _ => None,
    }
}

fn limit(check: &HealthConfig) -> Duration {
    let nanos = check.timeout.and_then(|nanos| u64::try_from(nanos).ok()).filter(|n| *n > 0);
    nanos.map_or(USUAL_TIMEOUT, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(test: &[&str]) -> HealthConfig {
        let test = Some(test.iter().map(|&word| word.to_owned()).collect());
        HealthConfig { test, ..HealthConfig::default() }
    }

    #[test]
    fn a_check_is_run_as_the_engine_does() {
        let bash = ["/bin/bash".to_owned(), "-ec".to_owned()];
        assert_eq!(argv(&of(&["CMD", "check", "a b"]), &bash).unwrap(), ["check", "a b"]);
        let shell = of(&["CMD-SHELL", "check || exit 1"]);
        assert_eq!(argv(&shell, &[]).unwrap(), ["/bin/sh", "-c", "check || exit 1"]);
        assert_eq!(argv(&shell, &bash).unwrap(), ["/bin/bash", "-ec", "check || exit 1"]);
        for none in [&["NONE"][..], &["CMD"], &[]] {
            assert_eq!(argv(&of(none), &[]), None);
        }
    }

    #[test]
    fn a_check_without_a_limit_has_the_engines() {
        assert_eq!(limit(&of(&["CMD", "x"])), USUAL_TIMEOUT);
        let two = HealthConfig { timeout: Some(2_000_000_000), ..HealthConfig::default() };
        assert_eq!(limit(&two), Duration::from_secs(2));
    }
}
