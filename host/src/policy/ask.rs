//! What a call wants, as far as grants can tell calls apart.

use crate::contract::Effect;
use crate::contract::http::Endpoint;

#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// As in the contract: "docker.pull".
    pub function: &'static str,
    pub about: About<'a>,
}

#[derive(Debug, Clone)]
pub enum About<'a> {
    /// The installation as a whole.
    Everything,
    Service(&'a str),
    Services(Vec<&'a str>),
    Connection(&'a str),
    Statement {
        connection: &'a str,
        statement: &'a str,
    },
    Request {
        method: &'a str,
        endpoint: &'a Endpoint,
    },
}

impl<'a> Ask<'a> {
    pub fn everything(function: &'static str) -> Self {
        Self { function, about: About::Everything }
    }

    pub fn service(function: &'static str, service: &'a str) -> Self {
        Self { function, about: About::Service(service) }
    }

    pub fn connection(function: &'static str, connection: &'a str) -> Self {
        Self { function, about: About::Connection(connection) }
    }

    pub fn request(function: &'static str, method: &'a str, endpoint: &'a Endpoint) -> Self {
        Self { function, about: About::Request { method, endpoint } }
    }

    pub fn interface(&self) -> &'static str {
        self.function.split_once('.').map_or("", |(interface, _)| interface)
    }

    pub(super) fn name(&self) -> &'static str {
        self.function.split_once('.').map_or(self.function, |(_, name)| name)
    }

    /// The services that it names.
    pub(super) fn services(&self) -> &[&'a str] {
        match &self.about {
            About::Service(service) => std::slice::from_ref(service),
            About::Services(services) => services,
            _ => &[],
        }
    }

    /// For messages: what it is about.
    pub(super) fn object(&self) -> String {
        match &self.about {
            About::Everything => String::new(),
            About::Service(_) | About::Services(_) => {
                format!(" on {}", self.services().join(", "))
            }
            About::Connection(connection) => format!(" on the connection {connection}"),
            About::Statement { connection, statement } => {
                format!(" on the connection {connection}: {statement}")
            }
            About::Request { method, endpoint } => format!(" {method} {}", spelt(endpoint)),
        }
    }
}

/// "gateway:8080", or the origin.
pub(super) fn spelt(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Service(at) => format!("{}:{}", at.service, at.port),
        Endpoint::Origin(origin) => origin.clone(),
    }
}

impl<'a> From<&'a Effect> for Ask<'a> {
    fn from(effect: &'a Effect) -> Self {
        let function = effect.function();
        let about = match effect {
            Effect::DockerPull(_)
            | Effect::DockerUnpin(_)
            | Effect::InstanceBackup(_)
            | Effect::InstanceRestore(_)
            | Effect::SqlRestore(_) => About::Everything,
            Effect::DockerPin(change) => {
                About::Services(change.images.iter().map(|pin| pin.service.as_str()).collect())
            }
            Effect::DockerDeploy(change) => {
                About::Services(change.services.iter().map(|s| s.service.as_str()).collect())
            }
            Effect::DockerRevert(change) => {
                About::Services(change.services.iter().map(|s| s.service.as_str()).collect())
            }
            Effect::DockerStop(change) => {
                About::Services(change.services.iter().map(String::as_str).collect())
            }
            Effect::DockerExec(change) => About::Service(&change.service),
            Effect::RunDeploy(change) => {
                About::Services(change.revisions.iter().map(|new| new.service.as_str()).collect())
            }
            Effect::RunRoute(change) => {
                About::Services(change.routes.iter().map(|r| r.service.as_str()).collect())
            }
            Effect::SqlExecute(change) => {
                About::Statement { connection: &change.connection, statement: &change.statement }
            }
            Effect::SqlDump(change) => About::Connection(&change.connection),
            Effect::HttpSend(change) => {
                About::Request { method: &change.method, endpoint: &change.endpoint }
            }
        };
        Self { function, about }
    }
}
