//! Bringing a backup back: into a new database, compared with what was recorded, then
//! swapped in by rename. What was there is kept.

use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use super::compare::contents_of;
use super::verify::{self, Archive};
use super::{Dumps, properties, seal, survey};
use crate::capability::error::{Error, Result};
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::client::login;
use crate::capability::sql::locate::Server;
use crate::capability::sql::manifest::Manifest;
use crate::capability::sql::types::{Progress, Restore, TableChange};
use crate::text::{one_line, shortened};

use properties::identifier;

/// Databases that every server has: to be in one while another is renamed.
const NEUTRAL: [&str; 2] = ["postgres", "template1"];
const LONGEST_NAME: usize = 63;
const ONE_TRANSACTION: &str = "--single-transaction";
pub(super) const MOST_PRINTED: usize = 1 << 20;

/// Where a restore has come to, as the names on the server tell it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Perhaps with half of a restore, which is ours and worth nothing.
    Nothing,
    /// Restored and compared, not swapped in.
    Whole,
    Swapped,
}

/// The names of one restore.
pub(super) struct Names<'a> {
    pub(super) current: &'a str,
    /// Half a restore.
    partial: String,
    pub(super) into: &'a str,
    pub(super) keep_as: &'a str,
}

impl Dumps {
    /// Brings a backup back; whether it did, or found the database to be as it was.
    ///
    /// Errors: `NotFound` when there is no whole backup of this label, `Denied` when the
    /// operator said no, `Failed` when what was restored is not the backup.
    pub async fn restore(
        &self,
        wanted: &Restore,
        agreed: &(dyn Fn(Vec<TableChange>) -> BoxFuture<'static, bool> + Send + Sync),
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<bool> {
        let manifest = self.manifest(&wanted.label).await?;
        let names = Names {
            current: &manifest.database,
            partial: format!("{}_partial", wanted.into),
            into: &wanted.into,
            keep_as: &wanted.keep_as,
        };
        names.check()?;
        let neutral = self.neutral().await?;
        let stage = self.stage(&neutral, &names).await?;
        if stage == Stage::Swapped {
            return Ok(true);
        }
        // Also of one that is whole already: more may have been written since it was restored.
        if !self.is_wanted(&manifest, wanted, &neutral, agreed).await? {
            return Ok(false);
        }
        if stage == Stage::Nothing {
            self.restore_whole(&manifest, &names, &neutral, progress).await?;
        }
        self.swap(&names, &neutral).await?;
        Ok(true)
    }

    /// A session in no database of the installation's.
    pub(super) async fn neutral(&self) -> Result<Access> {
        let server = self.server()?.as_ref();
        let logins = login::for_dumps(&server.environment().await?);
        let mut last = None;
        for database in NEUTRAL {
            let elsewhere = logins.iter().map(|login| login.elsewhere(database)).collect();
            match Access::find(server, elsewhere, &["SELECT 1"]).await {
                Ok((access, _)) => return Ok(access),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::failed("there is no user to log in with")))
    }

    pub(super) async fn stage(&self, neutral: &Access, names: &Names<'_>) -> Result<Stage> {
        let there = self.run(neutral, &["SELECT datname FROM pg_database"]).await?;
        let has = |name: &str| there.lines().any(|line| line == name);
        match (has(names.keep_as), has(names.into), has(names.current)) {
            (true, false, true) => Ok(Stage::Swapped),
            (true, true, _) => Err(Error::conflict(format!(
                "there are both a database {} and a database {}: one of them is somebody else's",
                names.keep_as, names.into
            ))),
            (_, _, false) => Err(Error::not_found(format!(
                "there is no database {} on the server",
                names.current
            ))),
            (false, true, true) => Ok(Stage::Whole),
            (false, false, true) => Ok(Stage::Nothing),
        }
    }

    async fn is_wanted(
        &self,
        manifest: &Manifest,
        wanted: &Restore,
        neutral: &Access,
        agreed: &(dyn Fn(Vec<TableChange>) -> BoxFuture<'static, bool> + Send + Sync),
    ) -> Result<bool> {
        let current = neutral.elsewhere(&manifest.database);
        let table = wanted.if_changed.as_deref();
        let now = self.compare_with(manifest, &current, table.unwrap_or_default()).await?;
        if table.is_some() && !now.schema_differs && !now.migration_moved {
            return Ok(false);
        }
        if now.tables.is_empty() || agreed(now.tables).await {
            return Ok(true);
        }
        Err(Error::denied(format!(
            "restoring {}: the operator does not agree to lose what was written since",
            manifest.label
        ))
        .hint("the database is as it is; tessallite-up resume asks again"))
    }

    async fn restore_whole(
        &self,
        manifest: &Manifest,
        names: &Names<'_>,
        neutral: &Access,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<()> {
        let contents = contents_of(manifest)?;
        self.room(manifest).await?;
        let archive = self.open_checked(manifest).await?;
        let partial = names.partial.as_str();
        let drop = format!("DROP DATABASE IF EXISTS {}", identifier(partial));
        let create = properties::create(partial, &contents.properties);
        self.run(neutral, &[&drop, &create]).await?;
        let access = neutral.elsewhere(partial);
        if !contents.properties.has_public {
            self.run(&access, &["DROP SCHEMA public"]).await?;
        }
        let server = self.server()?.as_ref();
        let filled = pg_restore(server, &access, (manifest, archive), &[ONE_TRANSACTION], progress);
        if let Err(error) = filled.await.flatten() {
            // It is empty, and in the way of nothing: the next restore would begin with this, too.
            let _ = self.run(neutral, &[&drop]).await;
            return Err(error);
        }
        let restored = survey::contents(server, &access).await?;
        let differences = contents.differences(&restored);
        if !differences.is_empty() {
            return Err(Error::failed(format!(
                "restoring {}: what came out is not what was backed up: {}",
                manifest.label,
                shortened(&differences.join("; "), 2000)
            ))
            .hint(format!("it is left as {partial} to be looked at; nothing was swapped")));
        }
        let mut statements = properties::apply(partial, &contents.properties);
        statements.push(format!(
            "ALTER DATABASE {} RENAME TO {}",
            identifier(partial),
            identifier(names.into)
        ));
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        self.run(neutral, &statements).await.map(|_| ())
    }

    /// Where the database is on this machine, a disk that is too small is told before it is full.
    async fn room(&self, manifest: &Manifest) -> Result<()> {
        for mount in self.server()?.mounts().await? {
            let Ok(room) = rustix::fs::statvfs(&mount) else { continue };
            let free = room.f_bavail.saturating_mul(room.f_frsize);
            if free < manifest.raw_bytes {
                return Err(Error::failed(format!(
                    "restoring {} may need {} MiB beside the database of now, and {} has {} MiB left",
                    manifest.label,
                    manifest.raw_bytes >> 20,
                    mount.display(),
                    free >> 20
                ))
                .hint("free some room there; nothing was changed"));
            }
        }
        Ok(())
    }

    /// The file of a backup, after all of it was read and found whole.
    async fn open_checked(&self, manifest: &Manifest) -> Result<Archive> {
        self.open_and_read(manifest).await?
    }

    /// As [`Dumps::open_checked`], with the damage of the file apart from what keeps it from
    /// being read.
    pub(super) async fn open_and_read(&self, manifest: &Manifest) -> Result<Result<Archive>> {
        let directory = self.open().await?;
        let name = manifest.dump();
        let identities = manifest.encrypted.then(|| self.seal.identities()).transpose()?;
        let open = || {
            let doing = format!("opening the backup {name}");
            let file = directory.open(&name).map_err(|e| Error::failed(doing).because(e))?;
            Ok::<_, Error>(Archive { source: file.into_std(), identities: identities.clone() })
        };
        if let Some(identities) = &identities
            && !seal::is_for(open()?.source, identities)
        {
            return Err(Error::invalid(format!("the identity does not open the backup {name}"))
                .hint("--identity FILE names the one that belongs to its recipient"));
        }
        let damaged = || {
            Error::failed(format!("the backup {name} is damaged"))
                .hint("use another backup; nothing was changed")
        };
        Ok(match verify::read_back(open()?).await {
            Ok(found) if found.sha256 == manifest.sha256 => Ok(open()?),
            Ok(_) => Err(damaged().because("its checksum is not the one of what was written")),
            Err(error) => Err(damaged().because(error)),
        })
    }

    pub(super) async fn run(&self, access: &Access, statements: &[&str]) -> Result<String> {
        access.psql(self.server()?.as_ref(), statements, "", MOST_PRINTED).await
    }
}

/// Fills an empty database from a dump, and stops at the first error: that of `pg_restore`
/// apart from what keeps it from running.
pub(super) async fn pg_restore(
    server: &dyn Server,
    access: &Access,
    (manifest, archive): (&Manifest, Archive),
    how: &[&str],
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Result<()>> {
    let doing = format!("restoring {} with pg_restore", manifest.label);
    let total = manifest.raw_bytes;
    let input = verify::unpacked(archive).map_err(|e| Error::failed(doing.clone()).because(e))?;
    let into = format!("--dbname=dbname={}", conninfo(access.database()));
    let argv = [&["pg_restore", "--no-password", "--exit-on-error", into.as_str()], how].concat();
    progress(Progress { done: 0, estimate: total });
    let exec = access.start(server, &argv, "tessallite-up", "", Some(input)).await?;
    let mut stdout = exec.stdout;
    while let Some(part) = stdout.next().await {
        part?;
    }
    let exit = exec.end.await?;
    progress(Progress { done: total, estimate: total });
    if exit.code == 0 {
        return Ok(Ok(()));
    }
    let said = shortened(&one_line(exit.stderr.trim()), 2000);
    let error = Error::failed(format!("{doing}: exit code {}: {said}", exit.code));
    if said.contains("No space left on device") {
        return Err(error.hint(
            "free some room on the disk of the database, and try again; nothing was swapped",
        ));
    }
    let error = error.hint("nothing was swapped: the database is as it was");
    // Any other code is that of whatever ended it, and a server that went away says nothing
    // about the archive.
    let is_about_archive = exit.code == 1 && !said.contains("connection");
    if is_about_archive { Ok(Err(error)) } else { Err(error) }
}

impl Names<'_> {
    fn check(&self) -> Result<()> {
        for name in [self.partial.as_str(), self.into, self.keep_as] {
            if name.is_empty() || name.len() > LONGEST_NAME || name == self.current {
                return Err(Error::invalid(format!(
                    "{name:?} cannot be the name of a database beside {:?}",
                    self.current
                ))
                .hint("at most 63 bytes, \"_partial\" behind it included"));
            }
        }
        Ok(())
    }
}

/// A value in a connection string.
fn conninfo(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}
