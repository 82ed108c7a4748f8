//! What the sql capability has to know from whoever runs the installation's
//! PostgreSQL. The wiring answers it with the docker client.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::capability::error::Result;
use crate::capability::sql::types::Password;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What a program is given to read. It is closed when the stream ends; a program
/// that ends earlier, or closes it, is no error.
pub type Input = BoxStream<'static, Bytes>;

/// A program to be run inside the container: no shell, no terminal.
pub struct Command {
    pub argv: Vec<String>,
    /// Added to the container's own environment. Contains passwords.
    pub env: Vec<(String, String)>,
    pub stdin: Option<Input>,
}

/// A program that runs inside the container.
pub struct Exec {
    pub stdout: BoxStream<'static, Result<Bytes>>,
    /// Ready once the program has ended and `stdout` has been read to its end.
    pub end: BoxFuture<'static, Result<Exit>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    pub code: i64,
    /// The last few KiB.
    pub stderr: String,
}

/// The variables that say how to log in: those of the postgres service (`POSTGRES_*`)
/// and those of the product's services or of its `.env` (`DB_*`).
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Empty values count as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub fn password(&self, name: &str) -> Option<Password> {
        self.get(name).map(Password::new)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What a spare server is made with.
pub struct Wanted {
    /// Its first user, a superuser.
    pub user: String,
    pub password: Password,
    /// For the server's program, where the image takes any.
    pub arguments: Vec<String>,
    /// At most, in bytes.
    pub memory: u64,
}

/// Where a server may be had that is nobody's.
pub trait Spare: Send + Sync {
    /// A new one of the image of the installation's server, which nobody else reaches. It is
    /// gone, with all that it holds, at the latest when it is dropped.
    fn start(&self, wanted: Wanted) -> BoxFuture<'_, Result<Arc<dyn Spared>>>;
}

/// A server that is nobody's.
pub trait Spared: Server {
    fn end(&self) -> BoxFuture<'_, Result<()>>;
}

/// The installation's PostgreSQL server, wherever it runs.
pub trait Server: Send + Sync {
    /// Where it may be reached from here, the best first: published ports, then
    /// addresses on the network. Empty when there is no such way.
    fn routes(&self) -> BoxFuture<'_, Result<Vec<Address>>>;

    fn exec(&self, command: Command) -> BoxFuture<'_, Result<Exec>>;

    fn environment(&self) -> BoxFuture<'_, Result<Environment>>;

    /// The directories on this machine that hold the database's volumes. Empty when the
    /// engine is on another machine.
    fn mounts(&self) -> BoxFuture<'_, Result<Vec<PathBuf>>>;

    /// For messages, such as `service "postgres"`.
    fn describe(&self) -> String;
}
