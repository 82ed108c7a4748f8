//! Making a dump.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use jiff::Timestamp;

use super::census::Census;
use super::compress::{self, Broken, Target, Written};
use super::leftovers::Leftovers;
use super::partial::Partial;
use super::program::{self, Form};
use super::seal::Identities;
use super::session::Session;
use super::survey::{Beside, schema_digest};
use super::verify::{self, Archive};
use super::{Dumps, END_LEFTOVERS, SESSION, blocking, full, whole_seconds};
use crate::capability::error::{Error, Result};
use crate::capability::sql::client::INTERNAL;
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::client::login;
use crate::capability::sql::contents::Contents;
use crate::capability::sql::locate::Server;
use crate::capability::sql::manifest::{self, Manifest};
use crate::capability::sql::types::{Backup, Check, Facts, Progress};

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
        let seal = self.seal.clone();
        let identities = blocking(move || seal.proven()).await?;
        let directory = self.open().await?;
        let logins = login::for_dumps(&server.environment().await?);
        if let Some(kept) = self
            .kept(&directory, label, logins.first().map(|login| login.database.as_str()))
            .await?
        {
            return Ok(kept);
        }
        let started_at = Timestamp::now();
        let (access, mut session) =
            Session::find(server.as_ref(), logins, SESSION, END_LEFTOVERS).await?;
        let access = &access;
        let form = program::form(&mut session).await?;
        let partial = Partial::new(directory, label, self.seal.is_on());
        let of = (&partial, identities.as_ref());
        let work = self.write(server, (access, session), form, of, progress);
        let (census, written, contents) = work.await.inspect_err(|_| partial.remove())?;
        let checked = check_tables(server.as_ref(), access, of, census.tables).await;
        checked.inspect_err(|_| partial.remove())?;
        let manifest = Manifest {
            format: Manifest::format(),
            label: label.to_owned(),
            encrypted: self.seal.is_on(),
            database: access.database().to_owned(),
            server_version: census.server_version,
            started_at: whole_seconds(started_at),
            finished_at: whole_seconds(Timestamp::now()),
            raw_bytes: written.raw,
            bytes: written.bytes,
            sha256: written.sha256,
            tables: census.tables,
            contents: Some(contents),
            verified: Some(full::now(Check::Quick)),
            facts,
        };
        self.publish(partial, manifest).await
    }

    pub(super) async fn open(&self) -> Result<Dir> {
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
        if manifest.encrypted != self.seal.is_on() {
            let how = if manifest.encrypted { "encrypted" } else { "not encrypted" };
            return Err(Error::conflict(format!("the dump {label:?} is there already, {how}"))
                .hint("choose another label"));
        }
        Ok(self.open_and_read(&manifest).await?.is_ok().then(|| manifest.backup()))
    }

    /// The dump on disk, read back, and what it has to hold.
    async fn write(
        &self,
        server: &Arc<dyn Server>,
        (access, mut session): (&Access, Session),
        form: Form,
        (partial, identities): (&Partial, Option<&Identities>),
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<(Census, Written, Contents)> {
        let leftovers = Leftovers { server: Some(Arc::clone(server)), access: access.clone() };
        let file = partial.create().map_err(|e| self.disk(e, 0))?;
        let again = partial.open().map_err(|e| self.disk(e, 0))?;
        let again = Archive { source: again, identities: identities.cloned() };
        let target = Target { file, seal: self.seal.clone(), again };
        let snapshot = session.ask("SELECT pg_export_snapshot();").await?.join("");
        let census = Census::read(&mut session).await?;
        let estimate = census.bytes;
        let beside = Beside::read(&mut session).await?;
        let exec = program::start(server.as_ref(), access, form, &snapshot).await?;
        let told = |done| progress(Progress { done, estimate });
        let writing = compress::write(exec.stdout, form, target, told);
        // The server reads its tables for us while pg_dump does.
        let schema = schema_digest(server.as_ref(), access, Some(&snapshot));
        let surveying = beside.with_rows(&mut session, schema);
        let (written, contents) = tokio::join!(writing, surveying);
        let written = match written {
            Ok(written) => written,
            Err(Broken::Source(error)) => return Err(error),
            Err(Broken::Disk(error, done)) => return Err(self.disk(error, done)),
            // Of a stream that was cut off, the program tells why.
            Err(Broken::ReadBack(error)) => {
                program::check(&exec.end.await?)?;
                return Err(Error::failed("reading the dump back").because(error));
            }
        };
        program::check(&exec.end.await?)?;
        let contents = contents?;
        session.finish().await?;
        leftovers.none();
        Ok((census, written, contents))
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

/// The dump has to have as many tables as its snapshot had.
async fn check_tables(
    server: &dyn Server,
    access: &Access,
    (partial, identities): (&Partial, Option<&Identities>),
    expected: u32,
) -> Result<()> {
    let doing = "reading the dump back";
    let source = partial.open().map_err(|e| Error::failed(doing).because(e))?;
    let archive = Archive { source, identities: identities.cloned() };
    let tables = verify::tables(server, access, archive).await?;
    if tables == expected {
        return Ok(());
    }
    Err(Error::failed(format!("{doing}: it has {tables} tables, the database {expected}")))
}
