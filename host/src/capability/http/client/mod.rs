//! HTTP to the installation's services, each of their containers by the way that is
//! there, and to what a plugin may reach beside them.

mod egress;
mod inside;
pub mod locate;
mod network;
mod request;
pub mod types;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::{Body, Request, Url};
use tokio::time::{Instant, timeout_at};

use self::egress::{Resolver, System};
use self::locate::{Directory, Replica, Route};
use self::network::Sent;
use self::types::{Change, Endpoint, Response};
use crate::capability::error::{Error, Kind, Result};
use crate::policy::Reach;

/// Containers of a service that are asked at a time.
const AT_A_TIME: usize = 8;
/// What is known of containers that are long gone is forgotten with the rest.
const MEMORY: usize = 1000;

pub struct Client {
    directory: Option<Arc<dyn Directory>>,
    resolver: Box<dyn Resolver>,
    network: reqwest::Client,
    /// By container and port.
    known: Mutex<HashMap<(String, u16), Known>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    Way(Route),
    /// The image has nothing to ask with from inside.
    NoTool,
}

impl Client {
    /// Without a `directory` there are no services.
    pub fn new(directory: Option<Arc<dyn Directory>>) -> Result<Self> {
        let (resolver, network) = (Box::new(System), network::client()?);
        Ok(Self { directory, resolver, network, known: Mutex::default() })
    }

    /// Every container of a service is asked, and the worst answer is the service's: no
    /// answer, then one that is not 2xx.
    pub async fn get(
        &self,
        endpoint: &Endpoint,
        path: &str,
        timeout: Duration,
        reach: &Reach,
    ) -> Result<Response> {
        match endpoint {
            Endpoint::Service { service, port } => {
                worst(self.get_all(service, *port, path, timeout).await?)
            }
            Endpoint::Origin(origin) => {
                request::check(path, timeout)?;
                let deadline = Instant::now() + timeout;
                let way = egress::find(origin, reach, self.resolver.as_ref(), deadline).await?;
                let answer = network::get(&way.network, url(&way.base, path)?, deadline).await;
                answer.map_err(|(_, error)| error)
            }
        }
    }

    /// The answer of each running container of the service, by the container's name.
    pub async fn get_all(
        &self,
        service: &str,
        port: u16,
        path: &str,
        timeout: Duration,
    ) -> Result<Vec<(String, Result<Response>)>> {
        request::check(path, timeout)?;
        let replicas = self.replicas(service, port).await?;
        let deadline = Instant::now() + timeout;
        let asked = stream::iter(replicas).map(|replica| async move {
            let late = |_| {
                Err(Error::timed_out(format!(
                    "GET {}:{port}{path}: no answer in time",
                    replica.name
                )))
            };
            let answer = timeout_at(deadline, self.ask(&replica, port, path, deadline))
                .await
                .unwrap_or_else(late);
            (replica.name, answer)
        });
        Ok(asked.buffered(AT_A_TIME).collect().await)
    }

    /// One request, by the first way that leads to the endpoint; never repeated once the
    /// other side may have seen it.
    pub async fn send(&self, change: &Change, reach: &Reach) -> Result<Response> {
        request::check(&change.path, change.timeout)?;
        let (method, headers) = request::parts(change)?;
        let request = |base: &str| -> Result<Request> {
            let mut request = Request::new(method.clone(), url(base, &change.path)?);
            *request.headers_mut() = headers.clone();
            *request.body_mut() = Some(Body::from(change.body.clone()));
            Ok(request)
        };
        let (service, port) = match &change.endpoint {
            Endpoint::Service { service, port } => (service, *port),
            Endpoint::Origin(origin) => {
                let deadline = Instant::now() + change.timeout;
                let way = egress::find(origin, reach, self.resolver.as_ref(), deadline).await?;
                let answer = network::once(&way.network, request(&way.base)?, deadline).await;
                return answer.map_err(sent);
            }
        };
        let mut last = None;
        for base in self.bases(service, port).await? {
            let deadline = Instant::now() + change.timeout;
            match network::once(&self.network, request(&base)?, deadline).await {
                Ok(answer) => return Ok(answer),
                Err((Sent::No, error)) => last = Some(error),
                Err(error) => return Err(sent(error)),
            }
        }
        Err(last.unwrap_or_else(|| {
            Error::unavailable(format!(
                "{} {}: there is no way to it over the network",
                change.method, change.path
            ))
        }))
    }

    async fn replicas(&self, service: &str, port: u16) -> Result<Vec<Replica>> {
        let directory = self.directory.as_ref();
        let directory = directory
            .ok_or_else(|| Error::not_found("there are no services in this installation"))?;
        let replicas = directory.replicas(service, port).await?;
        if replicas.is_empty() {
            return Err(Error::unavailable(format!(
                "no container of service {service:?} is running"
            )));
        }
        Ok(replicas)
    }

    async fn bases(&self, service: &str, port: u16) -> Result<Vec<String>> {
        let replicas = self.replicas(service, port).await?;
        let routes = replicas.into_iter().flat_map(|replica| replica.routes);
        Ok(routes.filter_map(|route| base(&route)).collect())
    }

    async fn ask(
        &self,
        replica: &Replica,
        port: u16,
        path: &str,
        deadline: Instant,
    ) -> Result<Response> {
        let mut failures = Vec::new();
        for route in self.in_order(replica, port) {
            let outcome = match base(&route) {
                Some(base) => network::get(&self.network, url(&base, path)?, deadline)
                    .await
                    .map_err(|(_, e)| e),
                None => self.ask_inside(replica, port, path, deadline).await,
            };
            match outcome {
                Ok(answer) => {
                    self.remember(replica, port, Known::Way(route));
                    return Ok(answer);
                }
                Err(error) if error.kind == Kind::Unavailable => {
                    failures.push(error.message.to_string())
                }
                Err(error) => return Err(error),
            }
        }
        if failures.is_empty() {
            failures.push("there is no way to it".to_owned());
        }
        Err(Error::unavailable(format!(
            "GET {}:{port}{path}: {}",
            replica.name,
            failures.join("; ")
        )))
    }

    async fn ask_inside(
        &self,
        replica: &Replica,
        port: u16,
        path: &str,
        deadline: Instant,
    ) -> Result<Response> {
        let none = || Error::unavailable("its image has nothing to ask with from inside");
        let Some(directory) = &self.directory else { return Err(none()) };
        if self.known(replica, port) == Some(Known::NoTool) {
            return Err(none());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = inside::get(directory.as_ref(), &replica.id, port, path, left).await;
        match answer.map_err(|e| e.reworded(|why| format!("from inside: {why}")))? {
            Some(answer) => Ok(answer),
            None => {
                self.remember(replica, port, Known::NoTool);
                Err(none())
            }
        }
    }

    /// The way that led there before goes first.
    fn in_order(&self, replica: &Replica, port: u16) -> Vec<Route> {
        let mut routes = replica.routes.clone();
        if let Some(Known::Way(way)) = self.known(replica, port) {
            routes.sort_by_key(|route| *route != way);
        }
        routes
    }

    fn known(&self, replica: &Replica, port: u16) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(replica.id.clone(), port)).cloned()
    }

    fn remember(&self, replica: &Replica, port: u16, what: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MEMORY {
            known.clear();
        }
        known.insert((replica.id.clone(), port), what);
    }
}

fn worst(answers: Vec<(String, Result<Response>)>) -> Result<Response> {
    let mut best = None;
    let mut bad = None;
    for (_, answer) in answers {
        let answer = answer?;
        let slot = if answer.is_success() { &mut best } else { &mut bad };
        slot.get_or_insert(answer);
    }
    bad.or(best).ok_or_else(|| Error::unavailable("no container answered"))
}

fn base(route: &Route) -> Option<String> {
    match route {
        Route::Address { host, port } if host.contains(':') => {
            Some(format!("http://[{host}]:{port}"))
        }
        Route::Address { host, port } => Some(format!("http://{host}:{port}")),
        Route::Inside => None,
    }
}

fn url(base: &str, path: &str) -> Result<Url> {
    Url::parse(&format!("{base}{path}"))
        .map_err(|e| Error::invalid(format!("{base}{path} is no address")).because(e))
}

/// The error of a change: whether it was made is not known once it was sent.
fn sent((sent, error): (Sent, Error)) -> Error {
    if sent == Sent::No {
        return error;
    }
    let kind = if error.kind == Kind::Unavailable { Kind::TimedOut } else { error.kind };
    error.of_kind(kind).hint("the request may have been carried out: look before repeating it")
}

#[cfg(test)]
mod egress_tests;
#[cfg(test)]
mod tests;
