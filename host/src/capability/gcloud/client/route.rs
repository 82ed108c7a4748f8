//! Traffic.

use futures_util::future::join_all;
use serde_json::Value;

use super::backoff::Backoff;
use super::deploy::{MOST_TRIES, asked};
use super::operation::{Ended, LONGEST_PAUSE};
use super::{Client, Note, traffic};
use crate::capability::error::{Error, Result};
use crate::capability::gcloud::convert;
use crate::contract::gcloud::ServiceRoute;

impl Client {
    /// Moves the traffic of the services side by side, and waits until it is what serves.
    /// Each reaches its end, whatever becomes of the others.
    ///
    /// # Errors
    /// `Invalid`, `Conflict`, `TimedOut`, `Failed` with why it does not move.
    pub async fn route(&self, routes: &[ServiceRoute], note: Note<'_>) -> Result<()> {
        let all = routes.iter().map(|route| self.move_traffic(route, note));
        join_all(all).await.into_iter().collect()
    }

    async fn move_traffic(&self, route: &ServiceRoute, note: Note<'_>) -> Result<()> {
        self.on_cloud_run(&route.service)?;
        check(route)?;
        let doing = format!("moving the traffic of {}", route.service);
        let mut first: Option<Vec<Value>> = None;
        for _ in 0..MOST_TRIES {
            let service = self.raw(&route.service).await?;
            check_latest(&service, route)?;
            let before = asked(&service);
            let wanted = traffic::routed(&before, route);
            let is_asked = traffic::is_same(&before, &wanted);
            if is_asked && is_settled(&service, route) {
                return Ok(());
            }
            check_expected(&service, route)?;
            if !is_asked {
                let first = first.get_or_insert_with(|| shares(&before));
                if !traffic::is_same(first, &shares(&before)) {
                    return Err(Error::conflict(format!(
                        "somebody has moved the traffic of {} at this very moment",
                        route.service
                    ))
                    .hint("find out who, and plan again"));
                }
            }
            if is_asked && convert::is_reconciling(&service) {
                return self.until_in_effect(route, &doing, None).await;
            }
            let set = self.set_traffic(&route.service, &service, wanted, &doing, note).await?;
            if let Some(ended) = set {
                return self.until_in_effect(route, &doing, Some(ended)).await;
            }
        }
        Err(Error::conflict(format!("{doing}: the service is changed again and again"))
            .hint("find out who changes it at the same time"))
    }

    /// `trafficStatuses` decides: an operation may fail for the sake of a revision that gets
    /// nothing, and end well without any effect.
    async fn until_in_effect(
        &self,
        route: &ServiceRoute,
        doing: &str,
        ended: Option<Ended>,
    ) -> Result<()> {
        let mut backoff = Backoff::polling(LONGEST_PAUSE, self.place().patience.revision);
        loop {
            let service = self.raw(&route.service).await?;
            if is_settled(&service, route) {
                return Ok(());
            }
            let is_over = !convert::is_reconciling(&service);
            if let (true, Some(Ended::Badly(why))) = (is_over, &ended) {
                return Err(Error::failed(format!("{doing}: {why}")));
            }
            if backoff.pause(None).await.is_err() {
                let (_, why) = convert::readiness(&service);
                return Err(Error::timed_out(format!("{doing}: it has not moved in time: {why}")));
            }
        }
    }
}

/// In effect, and nothing more is on its way.
fn is_settled(service: &Value, route: &ServiceRoute) -> bool {
    !convert::is_reconciling(service) && traffic::is_in_effect(route, &convert::targets(service))
}

/// Tags that others set are no business of ours.
fn shares(asked: &[Value]) -> Vec<Value> {
    let with_traffic = asked.iter().filter(|target| convert::percent(target) > 0);
    with_traffic.cloned().collect()
}

fn check(route: &ServiceRoute) -> Result<()> {
    let sum: u32 = route.shares.iter().map(|share| share.percent.min(1_000)).sum();
    if sum == 100 {
        return Ok(());
    }
    Err(Error::invalid(format!("the shares of {} add up to {sum}, not to 100", route.service)))
}

/// What serves is what was expected, or what is wanted already.
fn check_expected(service: &Value, route: &ServiceRoute) -> Result<()> {
    let now = convert::targets(service);
    let is_as = |shares| traffic::serves(shares, &now);
    if route.before.is_empty() || is_as(&route.before) || is_as(&route.shares) {
        return Ok(());
    }
    let serving = now.iter().filter(|target| target.percent > 0);
    let serving = serving.map(|target| format!("{} % {}", target.percent, target.revision));
    Err(Error::conflict(format!(
        "the traffic of {} is not where it was left, but {}: somebody else has moved it",
        route.service,
        serving.collect::<Vec<_>>().join(", ")
    ))
    .hint("find out who, and plan again"))
}

/// What follows the latest revision must lead to the one that was meant.
fn check_latest(service: &Value, route: &ServiceRoute) -> Result<()> {
    let latest = |field: &str| convert::short(service[field].as_str().unwrap_or_default());
    let (created, ready) = (latest("latestCreatedRevision"), latest("latestReadyRevision"));
    for share in route.shares.iter().filter(|share| share.latest) {
        if created != share.revision || ready != share.revision {
            return Err(Error::conflict(format!(
                "the latest revision of {} is {created} (ready: {ready}), not {}: somebody else \
                 has deployed it",
                route.service, share.revision
            ))
            .hint("find out who, and plan again"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract::gcloud::Share;

    fn route(percent: u32, latest: bool) -> ServiceRoute {
        let share = Share { revision: "s-2".into(), percent, latest };
        ServiceRoute {
            service: "s".into(),
            before: Vec::new(),
            shares: vec![share],
            tags: Vec::new(),
            untag: Vec::new(),
        }
    }

    #[test]
    fn shares_add_up_to_a_hundred() {
        assert!(check(&route(100, false)).is_ok());
        assert!(check(&route(99, false)).is_err());
        assert!(check(&route(u32::MAX, false)).is_err());
    }

    #[test]
    fn traffic_that_somebody_has_moved_is_a_conflict() {
        let service =
            |revision: &str| json!({"trafficStatuses": [{"revision": revision, "percent": 100}]});
        let share = Share { revision: "s-1".into(), percent: 100, latest: false };
        let route = ServiceRoute { before: vec![share], ..route(100, false) };
        assert!(check_expected(&service("s-1"), &route).is_ok());
        assert!(check_expected(&service("s-2"), &route).is_ok());
        assert!(check_expected(&service("s-0"), &route).is_err());
        let lenient = ServiceRoute { before: Vec::new(), ..route };
        assert!(check_expected(&service("s-0"), &lenient).is_ok());
    }

    #[test]
    fn the_latest_has_to_be_the_one_that_was_probed() {
        let service = |created: &str, ready: &str| {
            let name = |revision: &str| format!("projects/p/x/revisions/{revision}");
            json!({"latestCreatedRevision": name(created), "latestReadyRevision": name(ready)})
        };
        assert!(check_latest(&service("s-2", "s-2"), &route(100, true)).is_ok());
        assert!(check_latest(&service("s-3", "s-2"), &route(100, true)).is_err());
        assert!(check_latest(&service("s-3", "s-3"), &route(100, false)).is_ok());
    }
}
