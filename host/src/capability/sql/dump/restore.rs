//! Bringing a backup back: restored under another name, compared with what the manifest says,
//! and only then swapped with the database of now, which is kept.

mod database;
mod fill;
mod names;
mod swap;

use futures_util::future::BoxFuture;

use self::names::{Names, Stage};
use super::compare::{self, contents};
use super::{Dumps, verify};
use crate::capability::error::{Error, Kind, Result};
use crate::capability::sql::census::{Contents, loses_rows};
use crate::capability::sql::client::console::Console;
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::client::login::{self, Login};
use crate::capability::sql::locate::Server;
use crate::capability::sql::manifest::{self, Manifest};
use crate::capability::sql::types::{Progress, Restore, TableChange};

pub(super) use self::database::{Made, make_roles};
pub(super) use self::fill::{Archive, How, fill, verify as verify_contents};

const SESSION: &str = "tessallite-up restore";
/// They are always there, and nobody works in them.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

type Agreed<'a> = &'a (dyn Fn(Vec<TableChange>) -> BoxFuture<'static, bool> + Send + Sync);
type Tell<'a> = &'a (dyn Fn(Progress) + Send + Sync);

impl Dumps {
    /// Brings a backup back; whether it did, or found the database to be as it was. What was
    /// there is kept as `keep_as`, and a database called `into` is a whole one, at any
    /// moment: it may be done again after whatever has ended it.
    ///
    /// Errors: `NotFound` when there is no whole backup of this label, `Denied` when the
    /// operator said no, `Failed` when what was restored is not the backup.
    pub async fn restore(
        &self,
        wanted: &Restore,
        agreed: Agreed<'_>,
        progress: Tell<'_>,
    ) -> Result<bool> {
        let work = self.bring_back(wanted, agreed, progress).await;
        work.map_err(|error| {
            let message = format!("restoring the backup {:?}: {}", wanted.label, error.message);
            Error { message, ..error }
        })
    }

    async fn bring_back(
        &self,
        wanted: &Restore,
        agreed: Agreed<'_>,
        progress: Tell<'_>,
    ) -> Result<bool> {
        let (directory, manifest) = self.whole(&wanted.label).await?;
        let then = contents(&manifest)?;
        let names = Names::new(wanted, &manifest.database)?;
        let server = self.server()?.as_ref();
        let access = maintenance(server, &manifest).await?;
        let stage = names.stage(&access, server).await?;
        if stage == Stage::Swapped {
            return Ok(true);
        }
        let file = directory
            .open(manifest::dump_name(&manifest.label))
            .map_err(|e| Error::not_found("opening the dump").because(e))?
            .into_std();
        check(&manifest, file.try_clone()).await?;
        if stage.has_current() {
            let current = access.to(&names.current);
            let if_changed = wanted.if_changed.as_deref();
            if !needed(server, &current, then, if_changed, agreed).await? {
                return Ok(false);
            }
        }
        if stage.has_to_restore() {
            self.check_room(server, &manifest, then).await?;
            let archive = Archive { file, bytes: manifest.raw_bytes };
            let made = make(server, &access, &names.partial, then, archive, progress).await;
            if let Err(error) = made {
                // It is half a copy, and its room may be needed.
                let _ = database::drop(server, &access, &names.partial).await;
                let hint =
                    error.hint.unwrap_or_else(|| "the database of now was not touched".into());
                return Err(Error { hint: Some(hint), ..error });
            }
            swap::rename(server, &access, &names.partial, &names.into).await?;
        }
        swap::swap(server, &access, &names).await?;
        Ok(true)
    }
}

/// The file is what was written, to the last byte.
async fn check(manifest: &Manifest, file: std::io::Result<std::fs::File>) -> Result<()> {
    let damaged = || {
        Error::not_found("the backup is damaged: its file is not what was written")
            .hint("tessallite-up backup list shows the others")
    };
    let file = file.map_err(|e| damaged().because(e))?;
    let found = verify::read_back(file).await.map_err(|e| damaged().because(e))?;
    if found.sha256 == manifest.sha256 { Ok(()) } else { Err(damaged()) }
}

/// A log-in to a database beside those that are swapped.
async fn maintenance(server: &dyn Server, manifest: &Manifest) -> Result<Access> {
    let logins: Vec<Login> = login::for_dumps(&server.environment().await?);
    if let Some(login) = logins.first().filter(|login| login.database != manifest.database) {
        return Err(Error::conflict(format!(
            "it is of the database {:?}, the installation's is {:?}",
            manifest.database, login.database
        )));
    }
    let places = MAINTENANCE.iter().filter(|name| **name != manifest.database);
    let logins = places.flat_map(|name| {
        logins.iter().map(|login| Login { database: (*name).to_owned(), ..login.clone() })
    });
    Ok(Access::find(server, logins.collect(), &["SELECT 1"]).await?.0)
}

/// Whether anything has to go back. What would be lost is shown first.
async fn needed(
    server: &dyn Server,
    current: &Access,
    then: &Contents,
    if_changed: Option<&str>,
    agreed: Agreed<'_>,
) -> Result<bool> {
    let look = || look(server, current, then, if_changed);
    let looked = match look().await {
        // What was stopped in the middle of a statement may hold a table until it ends.
        Err(error) if is_locked(&error) => {
            swap::end_holders(server, current).await?;
            look().await
        }
        looked => looked,
    };
    let Some(changes) = looked? else { return Ok(false) };
    let lost: Vec<TableChange> =
        changes.into_iter().filter(|change| loses_rows(change, if_changed)).collect();
    if lost.is_empty() || agreed(lost).await {
        return Ok(true);
    }
    Err(Error::denied("what was written since would be lost, and the answer was no")
        .hint("nothing was changed"))
}

async fn look(
    server: &dyn Server,
    current: &Access,
    then: &Contents,
    if_changed: Option<&str>,
) -> Result<Option<Vec<TableChange>>> {
    if let Some(migration_table) = if_changed
        && !compare::has_moved(server, current, then, migration_table).await?
    {
        return Ok(None);
    }
    compare::written(server, current, then).await.map(Some)
}

fn is_locked(error: &Error) -> bool {
    error.kind == Kind::Unavailable && error.message.contains("55P03")
        || error.message.contains("canceling statement due to lock timeout")
}

/// A database of this name that is the backup, in everything that can be compared.
async fn make(
    server: &dyn Server,
    access: &Access,
    name: &str,
    then: &Contents,
    archive: Archive,
    progress: Tell<'_>,
) -> Result<()> {
    let mut console = Console::open(access, server, SESSION).await?;
    database::check_roles(&mut console, &then.database).await?;
    let made = Made { name, properties: &then.database };
    made.create(&mut console).await?;
    let target = access.to(name);
    made.empty(server, &target).await?;
    let again = archive.again()?;
    let how = How { one_transaction: true, tablespaces: true };
    match fill(server, &target, archive, how, progress).await {
        // One transaction needs a lock for each object. This database is nobody's yet: it may
        // be filled in steps.
        Err(error) if error.message.contains("max_locks_per_transaction") => {
            made.create(&mut console).await?;
            made.empty(server, &target).await?;
            let how = How { one_transaction: false, ..how };
            fill(server, &target, again, how, progress).await?;
        }
        filled => filled?,
    }
    made.set_properties(&mut console).await?;
    console.close().await?;
    verify_contents(server, &target, then, true).await
}
