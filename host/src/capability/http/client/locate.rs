//! What the http capability has to know from whoever runs the installation's
//! services. The wiring answers it with the docker client.

use futures_util::future::BoxFuture;

use crate::capability::error::Result;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    Address {
        host: String,
        port: u16,
    },
    /// A program run inside the container asks 127.0.0.1.
    Inside,
}

/// One container of a service, and the ways to a port of it, the best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its ID: another one after it was recreated.
    pub id: String,
    /// For messages.
    pub name: String,
    pub routes: Vec<Route>,
}

/// What a program said. A program that the image does not have is `code` 127.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    pub code: i64,
    /// At most 2 MiB are wanted.
    pub stdout: Vec<u8>,
    pub stderr: String,
}

pub trait Directory: Send + Sync {
    /// The running containers of the service.
    fn replicas<'a>(&'a self, service: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<Replica>>>;

    /// Runs a program inside the container of this ID: no shell, no terminal, no input.
    fn probe<'a>(&'a self, id: &'a str, argv: Vec<String>) -> BoxFuture<'a, Result<Probe>>;
}
