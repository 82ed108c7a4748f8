//! Making a dump: `pg_dump` and the census look at the same moment of the database.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cap_std::fs::Dir;
use jiff::Timestamp;

use super::compress::{self, Broken, Written};
use super::partial::Partial;
use super::{Dumps, blocking, verify, whole_seconds};
use crate::capability::error::{Error, Result};
use crate::capability::sql::census::{Census, Contents, SchemaDigest};
use crate::capability::sql::client::INTERNAL;
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::client::login;
use crate::capability::sql::locate::{Exit, Server};
use crate::capability::sql::manifest::{self, Manifest};
use crate::capability::sql::types::{Backup, Check, Facts, Progress, Verified};
use crate::text::{one_line, shortened};

/// Between two calls of the progress function.
const TELL: Duration = Duration::from_millis(100);

/// For a table that someone else holds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The name of the dump's session on the server.
const SESSION: &str = "tessallite-up dump";

/// A dump whose program lost its reader goes on holding its locks: it is ended.
const END_LEFTOVERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE application_name = 'tessallite-up dump' AND datname = current_database()";

/// What `pg_dump` takes as a table: those of extensions are made by the extension.
const COUNT: &str = "SELECT json_build_array(current_setting('server_version'), count(*), \
    coalesce(sum(pg_table_size(c.oid)), 0)::int8) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
    AND n.nspname !~ '^pg_(toast|temp)' AND NOT EXISTS (SELECT FROM pg_depend d \
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

/// The database as it was counted.
struct Counted {
    server_version: String,
    tables: u32,
    bytes: u64,
}

impl Dumps {
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
            Access::find(server.as_ref(), logins, &[END_LEFTOVERS, COUNT]).await?;
        let before = Counted::read(&counted)?;
        let partial = Partial::new(directory, label);
        let work = self.take(server, &access, &partial, before.bytes, progress);
        let (written, mut contents) = work.await.inspect_err(|_| partial.remove())?;
        let checked = self.check(server.as_ref(), &access, &partial, &written, &before).await;
        let (tables, schema) = checked.inspect_err(|_| partial.remove())?;
        contents.schema = schema;
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
            facts,
            // It was read back just now.
            verified: Some(Verified { at: whole_seconds(Timestamp::now()), how: Check::Quick }),
            contents: Some(contents),
        };
        self.publish(partial, manifest).await
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

    /// The dump, and what the database held at its moment: all but the schema, which the
    /// dump tells.
    async fn take(
        &self,
        server: &Arc<dyn Server>,
        access: &Access,
        partial: &Partial,
        estimate: u64,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<(Written, Contents)> {
        let leftovers = Leftovers { server: Some(Arc::clone(server)), access: access.clone() };
        let mut census =
            Census::open(access, server.as_ref(), SESSION, PATIENCE).await.map_err(not_held)?;
        let snapshot = format!("--snapshot={}", census.snapshot());
        let write = self.write(server.as_ref(), access, &snapshot, partial, estimate, progress);
        let (written, mut contents) = tokio::try_join!(write, census.contents())?;
        census.sequences_again(&mut contents).await?;
        census.close().await?;
        leftovers.none();
        Ok((written, contents))
    }

    async fn write(
        &self,
        server: &dyn Server,
        access: &Access,
        snapshot: &str,
        partial: &Partial,
        estimate: u64,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Written> {
        let file = partial.create().map_err(|e| self.disk(e, 0))?;
        let argv = [
            "pg_dump",
            "--format=custom",
            "--compress=0",
            "--no-password",
            "--lock-wait-timeout=60s",
            snapshot,
        ];
        let exec = access.start(server, &argv, SESSION, "", None).await?;
        let (mut done, mut told) = (0, Instant::now());
        let counted = |bytes| {
            done = bytes;
            if told.elapsed() >= TELL {
                told = Instant::now();
                progress(Progress { done, estimate });
            }
        };
        let written =
            compress::write(exec.stdout, file, counted).await.map_err(|broken| match broken {
                Broken::Source(error) => error,
                Broken::Disk(error) => self.disk(error, done),
            })?;
        let exit = exec.end.await?;
        if exit.code != 0 {
            return Err(pg_dump_failed(&exit));
        }
        Ok(written)
    }

    /// The number of tables in the dump, and the digest of its schema.
    async fn check(
        &self,
        server: &dyn Server,
        access: &Access,
        partial: &Partial,
        written: &Written,
        before: &Counted,
    ) -> Result<(u32, SchemaDigest)> {
        let doing = "reading the dump back";
        let open = || partial.open().map_err(|e| Error::failed(doing).because(e));
        let (found, tables, schema, after) = tokio::join!(
            verify::read_back(open()?),
            verify::tables(server, access, open()?),
            verify::schema(server, access, open()?),
            access.psql(server, &[COUNT], "", 1 << 16),
        );
        let found = found.map_err(|e| Error::failed(doing).because(e))?;
        if found != *written {
            return Err(Error::failed(format!("{doing}: it is not what was written"))
                .hint("the disk of the backup directory may be failing"));
        }
        let (tables, after) = (tables?, Counted::read(&after?)?.tables);
        let (least, most) = (before.tables.min(after), before.tables.max(after));
        if (least..=most).contains(&tables) {
            return Ok((tables, schema?));
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

impl Counted {
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
    locked(Error::failed(format!("pg_dump failed with exit code {}: {said}", exit.code)))
}

fn not_held(error: Error) -> Error {
    let message = format!("looking at what the database holds: {}", error.message);
    locked(Error { message, ..error })
}

fn locked(error: Error) -> Error {
    let waited = ["canceling statement due to lock timeout", "could not obtain lock"];
    if waited.iter().any(|said| error.message.contains(said)) {
        return error.hint(
            "someone holds a table locked, a migration for instance: try again when it is done",
        );
    }
    error
}

/// Ends the session of a dump that was given up, for whatever reason.
struct Leftovers {
    server: Option<Arc<dyn Server>>,
    access: Access,
}

impl Leftovers {
    fn none(mut self) {
        self.server = None;
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        let (Some(server), Ok(runtime)) =
            (self.server.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let access = self.access.clone();
        runtime.spawn(async move {
            // The next dump tries it again.
            let _ = access.psql(server.as_ref(), &[END_LEFTOVERS], "", 1 << 16).await;
        });
    }
}
