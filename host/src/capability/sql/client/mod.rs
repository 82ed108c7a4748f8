//! Statements for PostgreSQL: over the network where there is a way, else through
//! `psql` inside the server's container.

mod direct;
mod dsn;
mod failure;
pub(crate) mod inside;
pub(crate) mod login;
mod reader;
mod session;
mod statement;
mod tls;
mod wrap;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use dsn::Dsn;

use self::failure::Next;
use self::inside::Access;
use self::login::Login;
use self::session::Session;
use self::statement::Statement;
use crate::capability::error::{Error, Kind, Result};
use crate::capability::sql::locate::{Address, Server};
use crate::capability::sql::types::{Database, Limits, Rows, Value};

/// The name of the connection to the installation's own database.
pub const INTERNAL: &str = "internal";

/// Between attempts to reach a server that does not answer.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(900)];

const INFO: &str = "SELECT current_database(), current_setting('server_version'), \
    pg_database_size(current_database()), (SELECT count(*) FROM pg_class c \
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') \
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
    AND n.nspname !~ '^pg_(toast|temp)')";

/// The connections by their names. Each call makes a connection of its own: what is kept
/// is the way that led there.
pub struct Client {
    connections: BTreeMap<String, Connection>,
    limits: Limits,
}

enum Connection {
    Named(Dsn),
    Installation { server: Arc<dyn Server>, known: Mutex<Option<Way>> },
}

/// A way that was gone before.
#[derive(Clone)]
enum Way {
    Network(Address, Login),
    Inside(Access),
}

enum Open<'a> {
    Network(Session),
    Inside(&'a dyn Server, Access),
}

impl Client {
    /// `server` is "internal", unless the configuration has a connection of that name.
    pub fn new(
        server: Option<Arc<dyn Server>>,
        named: BTreeMap<String, Dsn>,
        limits: Limits,
    ) -> Self {
        let mut connections = BTreeMap::new();
        if let Some(server) = server {
            connections.insert(
                INTERNAL.to_owned(),
                Connection::Installation { server, known: Mutex::new(None) },
            );
        }
        connections.extend(named.into_iter().map(|(name, dsn)| (name, Connection::Named(dsn))));
        Self { connections, limits }
    }

    /// The configuration has a connection of this name.
    pub fn is_named(&self, connection: &str) -> bool {
        matches!(self.connections.get(connection), Some(Connection::Named(_)))
    }

    pub async fn info(&self, connection: &str) -> Result<Database> {
        let rows = self.query(connection, INFO, &[]).await?.rows;
        let number = |value: &i64| u64::try_from(*value).unwrap_or(0);
        match rows.first().map(Vec::as_slice) {
            Some(
                [
                    Value::Text(name),
                    Value::Text(version),
                    Value::Integer(bytes),
                    Value::Integer(tables),
                ],
            ) => {
                Ok(Database {
                    name: name.clone(),
                    // Packagers add their own name behind the number.
                    server_version: version.split(' ').next().unwrap_or_default().to_owned(),
                    bytes: number(bytes),
                    tables: u32::try_from(*tables).unwrap_or(u32::MAX),
                })
            }
            _ => {
                Err(Error::failed("asking the database what it is: the answer has an unknown form"))
            }
        }
    }

    /// In a READ ONLY transaction that is always rolled back.
    pub async fn query(&self, connection: &str, statement: &str, params: &[Value]) -> Result<Rows> {
        let statement = Statement::parse(statement)?;
        if !statement.is_reading() {
            let message = format!("{} is not a statement for reading", statement.verb());
            return Err(Error::invalid(message)
                .hint("sql.query takes SELECT, WITH, VALUES, TABLE, SHOW and EXPLAIN"));
        }
        if let Some(snag) = reader::snag(statement.text()) {
            let message = format!("a statement with {snag:?} in it can do more than read");
            return Err(Error::denied(message).hint("sql.execute is for what changes something"));
        }
        let asked = async {
            match self.open(connection).await? {
                Open::Network(session) => {
                    direct::query(&session, &statement, params, &self.limits).await
                }
                Open::Inside(server, access) => {
                    let limit = self.limits.query + Duration::from_secs(15);
                    let query = inside::query(server, &access, &statement, params, &self.limits);
                    within(limit, "querying the database through psql", query).await
                }
            }
        };
        asked.await.map_err(|e| on(connection, e))
    }

    /// In a transaction of its own; the number of rows affected.
    pub async fn execute(
        &self,
        connection: &str,
        statement: &str,
        params: &[Value],
    ) -> Result<u64> {
        let asked = async {
            match self.open(connection).await? {
                Open::Network(session) => {
                    direct::execute(&session, statement, params, &self.limits).await
                }
                Open::Inside(server, access) => {
                    let statement = Statement::parse(statement)?;
                    let limit = self.limits.execute + Duration::from_secs(15);
                    let execute =
                        inside::execute(server, &access, &statement, params, &self.limits);
                    within(limit, "executing a statement through psql", execute).await
                }
            }
        };
        asked.await.map_err(|e| on(connection, e))
    }

    async fn open(&self, name: &str) -> Result<Open<'_>> {
        let connection = self.connections.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.connections.keys().map(String::as_str).collect();
            Error::not_found("there is no connection of this name")
                .hint(format!("the configuration has: {}", known.join(", ")))
        })?;
        for pause in PAUSES {
            match connection.open_once().await {
                Err(error) if error.kind == Kind::Unavailable => tokio::time::sleep(pause).await,
                outcome => return outcome,
            }
        }
        connection.open_once().await
    }
}

impl Connection {
    async fn open_once(&self) -> Result<Open<'_>> {
        match self {
            Self::Named(dsn) => {
                Session::with(dsn).await.map(Open::Network).map_err(|(_, error)| error)
            }
            Self::Installation { server, known } => {
                let way = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match way {
                    Some(Way::Inside(access)) => return Ok(Open::Inside(server.as_ref(), access)),
                    Some(Way::Network(address, login)) => {
                        // A container that was replaced has another address.
                        if let Ok(session) = Session::at(&address, &login).await {
                            return Ok(Open::Network(session));
                        }
                    }
                    None => {}
                }
                let (way, open) = find(server.as_ref()).await?;
                *known.lock().unwrap_or_else(PoisonError::into_inner) = Some(way);
                Ok(open)
            }
        }
    }
}

async fn find(server: &dyn Server) -> Result<(Way, Open<'_>)> {
    let logins = login::for_statements(&server.environment().await?);
    let mut failures = Vec::new();
    for address in server.routes().await? {
        for login in &logins {
            match Session::at(&address, login).await {
                Ok(session) => {
                    return Ok((Way::Network(address, login.clone()), Open::Network(session)));
                }
                Err((Next::Nothing, error)) => return Err(error),
                Err((next, error)) => {
                    failures.push(error);
                    if next == Next::OtherWay {
                        break;
                    }
                }
            }
        }
    }
    match inside::find(server).await {
        Ok(access) => Ok((Way::Inside(access.clone()), Open::Inside(server, access))),
        Err(error) => Err(with_the_others(error, &failures)),
    }
}

/// The last failure, and those of the ways tried before it.
fn with_the_others(error: Error, others: &[Error]) -> Error {
    let before: String = others.iter().map(|other| format!("; {}", other.message)).collect();
    error.reworded(|last| format!("{last}{before}"))
}

async fn within<T>(
    limit: Duration,
    doing: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let late =
        |_| Err(Error::timed_out(format!("{doing}: no answer within {} s", limit.as_secs())));
    tokio::time::timeout(limit, work).await.unwrap_or_else(late)
}

fn on(connection: &str, error: Error) -> Error {
    error.reworded(|why| format!("connection {connection:?}: {why}"))
}
