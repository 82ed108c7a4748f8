//! Dumps of the installation's database: made by `pg_dump` in the server's container,
//! kept on this machine, believed only after they were read back.

mod by_hand;
mod census;
mod compare;
mod compress;
mod full;
mod growing;
mod leftovers;
mod make;
mod partial;
mod program;
mod properties;
mod restore;
mod retention;
mod seal;
mod session;
mod survey;
mod swap;
mod target;
mod toc;
mod verify;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use jiff::Timestamp;
use tokio::task::spawn_blocking;

pub use self::by_hand::{ByHand, by_hand};
pub use self::seal::Seal;

use crate::capability::error::{Error, Result};
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::client::login;
use crate::capability::sql::client::{Client, INTERNAL};
use crate::capability::sql::locate::{Server, Spare};
use crate::capability::sql::manifest::{self, Manifest};
use crate::capability::sql::types::{DumpTarget, Listing, Value};

/// The name of the dump's session on the server.
const SESSION: &str = "tessallite-up dump";

/// A dump whose program lost its reader goes on holding its locks: it is ended.
const END_LEFTOVERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE application_name = 'tessallite-up dump' AND datname = current_database() \
    AND pid <> pg_backend_pid();";

/// Which database of which cluster this is.
const IDENTITY: &str = "SELECT json_build_array(system_identifier::text, current_database())::text FROM pg_control_system()";

pub struct Dumps {
    server: Option<Arc<dyn Server>>,
    spare: Option<Arc<dyn Spare>>,
    seal: Seal,
    directory: PathBuf,
}

impl Dumps {
    /// Without a `server`, backups can be listed, and none made.
    pub fn new(server: Option<Arc<dyn Server>>, directory: PathBuf) -> Self {
        Self { server, spare: None, seal: Seal::default(), directory }
    }

    /// Whom backups are encrypted to, and what opens those that are.
    #[must_use]
    pub fn encrypted(self, seal: Seal) -> Self {
        Self { seal, ..self }
    }

    /// Where a backup may be restored to prove it.
    #[must_use]
    pub fn with_spare(self, spare: Arc<dyn Spare>) -> Self {
        Self { spare: Some(spare), ..self }
    }

    /// Whether a dump can be written and read again, and how much room there is. Writes
    /// nothing.
    pub async fn target(&self) -> Result<DumpTarget> {
        let seal = self.seal.clone();
        blocking(move || seal.proven()).await?;
        let mounts = match &self.server {
            Some(server) => server.mounts().await?,
            None => Vec::new(),
        };
        let directory = self.directory.clone();
        blocking(move || target::look(&directory, &mounts)).await
    }

    /// Makes sure that the database of "internal" is the one that a dump would be of, where
    /// the configuration names it by address.
    ///
    /// Errors: `Failed` when it is another one, or when it cannot be told.
    pub async fn check_same(&self, sql: &Client) -> Result<()> {
        if !sql.is_named(INTERNAL) {
            return Ok(());
        }
        let server =
            self.server.as_ref().ok_or_else(|| Error::failed("there is no database to dump"))?;
        let logins = login::for_dumps(&server.environment().await?);
        let (_, here) = Access::find(server.as_ref(), logins, &[IDENTITY]).await?;
        let rows = sql.query(INTERNAL, IDENTITY, &[]).await?.rows;
        match rows.first().and_then(|row| row.first()) {
            Some(Value::Text(there)) if there.trim() == here.trim() => Ok(()),
            _ => Err(Error::failed(format!(
                "the configuration's connection \"internal\" leads to another database than {}, \
                 where backups are made",
                server.describe()
            ))
            .hint("mend the connection, or leave it out")),
        }
    }

    /// The manifest of a backup that is there.
    ///
    /// Errors: `NotFound` when there is none, `Failed` when its file is not whole.
    async fn manifest(&self, label: &str) -> Result<Manifest> {
        manifest::check_label(label)?;
        let directory = self.directory.clone();
        let label = label.to_owned();
        blocking(move || {
            let missing = || Error::not_found(format!("there is no backup {label:?}"));
            let opened = match Dir::open_ambient_dir(&directory, ambient_authority()) {
                Ok(opened) => opened,
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(missing()),
                Err(e) => return Err(missing().because(e)),
            };
            let manifest = Manifest::read(&opened, &label)?.ok_or_else(missing)?;
            manifest.check_size(&opened)?;
            Ok(manifest)
        })
        .await
    }

    fn server(&self) -> Result<&Arc<dyn Server>> {
        self.server.as_ref().ok_or_else(|| Error::failed("there is no database here"))
    }

    /// A way in as the server's own first user, and what the statements print.
    async fn log_in(&self, statements: &[&str]) -> Result<(Access, String)> {
        let server = self.server()?.as_ref();
        let logins = login::for_dumps(&server.environment().await?);
        Access::find(server, logins, statements).await
    }

    pub async fn backups(&self) -> Result<Listing> {
        let directory = self.directory.clone();
        blocking(move || match Dir::open_ambient_dir(&directory, ambient_authority()) {
            Ok(opened) => manifest::list(&opened),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Listing::default()),
            Err(e) => {
                Err(Error::failed(format!("opening the backup directory {}", directory.display()))
                    .because(e))
            }
        })
        .await
    }
}

fn whole_seconds(time: Timestamp) -> String {
    format!("{time:.0}")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|e| Err(Error::failed("working on the backup directory").because(e)))
}
