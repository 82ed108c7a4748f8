//! Dumps of the installation's database: made by `pg_dump` in the server's container,
//! kept on this machine, believed only after they were read back.

mod compare;
mod compress;
mod full;
mod leftovers;
mod partial;
mod properties;
mod restore;
mod retention;
mod session;
mod survey;
mod target;
mod toc;
mod verify;

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use jiff::Timestamp;
use tokio::task::spawn_blocking;

use self::compress::{Broken, Written};
use self::leftovers::Leftovers;
use self::partial::Partial;
use self::session::Session;
use self::survey::{Beside, schema_digest};
use crate::capability::error::{Error, Result};
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::client::login;
use crate::capability::sql::client::{Client, INTERNAL};
use crate::capability::sql::contents::Contents;
use crate::capability::sql::locate::{Exit, Server, Spare};
use crate::capability::sql::manifest::{self, Manifest};
use crate::capability::sql::types::{Backup, Check, DumpTarget, Facts, Listing, Progress, Value};
use crate::text::{one_line, shortened};

/// Between two calls of the progress function.
const TELL: Duration = Duration::from_millis(100);

/// The name of the dump's session on the server.
const SESSION: &str = "tessallite-up dump";

/// A dump whose program lost its reader goes on holding its locks: it is ended.
const END_LEFTOVERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE application_name = 'tessallite-up dump' AND datname = current_database()";

/// What `pg_dump` takes as a table: those of extensions are made by the extension.
const CENSUS: &str = "SELECT json_build_array(current_setting('server_version'), count(*), \
    coalesce(sum(pg_table_size(c.oid)), 0)::int8) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
    AND n.nspname !~ '^pg_(toast|temp)' AND NOT EXISTS (SELECT FROM pg_depend d \
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

/// Which database of which cluster this is.
const IDENTITY: &str = "SELECT json_build_array(system_identifier::text, current_database())::text FROM pg_control_system()";

pub struct Dumps {
    server: Option<Arc<dyn Server>>,
    spare: Option<Arc<dyn Spare>>,
    directory: PathBuf,
}

/// The database as it was counted.
struct Census {
    server_version: String,
    tables: u32,
    bytes: u64,
}

impl Dumps {
    /// Without a `server`, backups can be listed, and none made.
    pub fn new(server: Option<Arc<dyn Server>>, directory: PathBuf) -> Self {
        Self { server, spare: None, directory }
    }

    /// Where a backup may be restored to prove it.
    #[must_use]
    pub fn with_spare(self, spare: Arc<dyn Spare>) -> Self {
        Self { spare: Some(spare), ..self }
    }

    /// Whether a dump can be written, and how much room there is. Writes nothing.
    pub async fn target(&self) -> Result<DumpTarget> {
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

    /// The whole dump of this label, made unless it is there. `progress` is called at
    /// most ten times a second.
    pub async fn dump(
        &self,
        connection: &str,
        label: &str,
        facts: Facts,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Backup> {
        manifest::check_label(label)?;
        let server = self.server.as_ref().filter(|_| connection == INTERNAL).ok_or_else(|| {
            Error::invalid(format!("a dump of connection {connection:?} cannot be made"))
                .hint("dumps are of the database that runs in the installation: \"internal\"")
        })?;
        let directory = self.open().await?;
        let logins = login::for_dumps(&server.environment().await?);
        if let Some(kept) = self
            .kept(&directory, label, logins.first().map(|login| login.database.as_str()))
            .await?
        {
            return Ok(kept);
        }
        let started_at = Timestamp::now();
        let (access, counted) =
            Access::find(server.as_ref(), logins, &[END_LEFTOVERS, CENSUS]).await?;
        let before = Census::read(&counted)?;
        let partial = Partial::new(directory, label);
        let work = self.write(server, &access, &partial, before.bytes, progress);
        let (written, contents) = work.await.inspect_err(|_| partial.remove())?;
        let checked = self.check(server.as_ref(), &access, &partial, &written, &before).await;
        let tables = checked.inspect_err(|_| partial.remove())?;
        let manifest = Manifest {
            format: Manifest::format(),
            label: label.to_owned(),
            database: access.database().to_owned(),
            server_version: before.server_version,
            started_at: whole_seconds(started_at),
            finished_at: whole_seconds(Timestamp::now()),
            raw_bytes: written.raw,
            bytes: written.bytes,
            sha256: written.sha256,
            tables,
            contents: Some(contents),
            verified: Some(full::now(Check::Quick)),
            facts,
        };
        self.publish(partial, manifest).await
    }

    async fn open(&self) -> Result<Dir> {
        let target = self.target().await?.directory;
        let doing = format!("making the backup directory {}", target.display());
        blocking(move || {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&target)
                .and_then(|()| Dir::open_ambient_dir(&target, ambient_authority()))
                .map_err(|e| Error::failed(doing).because(e))
        })
        .await
    }

    /// A dump of this label that is whole: its checksum says so.
    async fn kept(
        &self,
        directory: &Dir,
        label: &str,
        database: Option<&str>,
    ) -> Result<Option<Backup>> {
        // A manifest that cannot be read is that of half a dump.
        let Ok(Some(manifest)) = Manifest::read(directory, label) else { return Ok(None) };
        if database != Some(&manifest.database) {
            return Err(Error::conflict(format!(
                "the dump {label:?} is there already, of another database: {:?}",
                manifest.database
            ))
            .hint("choose another label"));
        }
        if manifest.check_size(directory).is_err() {
            return Ok(None);
        }
        let Ok(file) = directory.open(manifest::dump_name(label)) else { return Ok(None) };
        let found = verify::read_back(file.into_std()).await;
        Ok(found.is_ok_and(|found| found.sha256 == manifest.sha256).then(|| manifest.backup()))
    }

    async fn write(
        &self,
        server: &Arc<dyn Server>,
        access: &Access,
        partial: &Partial,
        estimate: u64,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<(Written, Contents)> {
        let file = partial.create().map_err(|e| self.disk(e, 0))?;
        let mut session = Session::begin(server.as_ref(), access, SESSION).await?;
        let snapshot = session.ask("SELECT pg_export_snapshot();").await?.join("");
        let beside = Beside::read(&mut session).await?;
        let in_snapshot = format!("--snapshot={snapshot}");
        let argv = [
            "pg_dump",
            "--format=custom",
            "--compress=0",
            "--no-password",
            "--lock-wait-timeout=60s",
            &in_snapshot,
        ];
        let leftovers = Leftovers { server: Some(Arc::clone(server)), access: access.clone() };
        let exec = access.start(server.as_ref(), &argv, SESSION, "", None).await?;
        let (mut done, mut told) = (0, Instant::now());
        let counted = |bytes| {
            done = bytes;
            if told.elapsed() >= TELL {
                told = Instant::now();
                progress(Progress { done, estimate });
            }
        };
        let writing = compress::write(exec.stdout, file, counted);
        // The server reads its tables for us while pg_dump does.
        let surveying = async {
            let schema = schema_digest(server.as_ref(), access, Some(&snapshot)).await?;
            beside.with_rows(&mut session, schema).await
        };
        let (written, contents) = tokio::join!(writing, surveying);
        let written = written.map_err(|broken| match broken {
            Broken::Source(error) => error,
            Broken::Disk(error) => self.disk(error, done),
        })?;
        let exit = exec.end.await?;
        if exit.code != 0 {
            return Err(pg_dump_failed(&exit));
        }
        let contents = contents?;
        session.finish().await?;
        leftovers.none();
        Ok((written, contents))
    }

    /// The number of tables in the dump.
    async fn check(
        &self,
        server: &dyn Server,
        access: &Access,
        partial: &Partial,
        written: &Written,
        before: &Census,
    ) -> Result<u32> {
        let doing = "reading the dump back";
        let open = || partial.open().map_err(|e| Error::failed(doing).because(e));
        let (found, tables, after) = tokio::join!(
            verify::read_back(open()?),
            verify::tables(server, access, open()?),
            access.psql(server, &[CENSUS], "", 1 << 16),
        );
        let found = found.map_err(|e| Error::failed(doing).because(e))?;
        if found != *written {
            return Err(Error::failed(format!("{doing}: it is not what was written"))
                .hint("the disk of the backup directory may be failing"));
        }
        let (tables, after) = (tables?, Census::read(&after?)?.tables);
        let (least, most) = (before.tables.min(after), before.tables.max(after));
        if (least..=most).contains(&tables) {
            return Ok(tables);
        }
        Err(Error::failed(format!(
            "{doing}: it has {tables} tables, the database {}",
            before.tables
        )))
    }

    async fn publish(&self, partial: Partial, manifest: Manifest) -> Result<Backup> {
        let directory = self.directory.clone();
        blocking(move || {
            let backup = manifest.backup();
            let doing = format!("keeping the dump in {}", directory.display());
            partial.publish(&manifest).map_err(|e| Error::failed(doing).because(e))?;
            Ok(backup)
        })
        .await
    }

    fn disk(&self, error: io::Error, done: u64) -> Error {
        let place = self.directory.display();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                let mib = done >> 20;
                Error::failed(format!("writing the dump: there is no room left in {place} (after {mib} MiB before compression)"))
                    .hint("make room there, or choose another backup directory")
            }
            _ => Error::failed(format!("writing the dump in {place}")),
        }
        .because(error)
    }
}

impl Census {
    fn read(printed: &str) -> Result<Self> {
        // Lines before the last tell of ended sessions.
        let line = printed.trim_end().lines().next_back().unwrap_or_default();
        let (version, tables, bytes): (String, u32, u64) = serde_json::from_str(line)
            .map_err(|e| Error::failed("counting the database's tables").because(e))?;
        let server_version = version.split(' ').next().unwrap_or_default().to_owned();
        Ok(Self { server_version, tables, bytes })
    }
}

fn pg_dump_failed(exit: &Exit) -> Error {
    let said = shortened(&one_line(exit.stderr.trim()), 2000);
    let error = Error::failed(format!("pg_dump failed with exit code {}: {said}", exit.code));
    if said.contains("canceling statement due to lock timeout")
        || said.contains("could not obtain lock")
    {
        return error.hint(
            "someone holds a table locked, a migration for instance: try again when it is done",
        );
    }
    error
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
