//! Filling a database from a dump, and comparing it with what the manifest says.

use std::fs::File;
use std::io::Seek;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use rustix::fs::statvfs;

use super::{SESSION, Tell};
use crate::capability::error::{Error, Result};
use crate::capability::sql::census::{Census, Contents, differences, same_properties};
use crate::capability::sql::client::console::Console;
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::dump::{Dumps, blocking, compare, verify as read};
use crate::capability::sql::locate::Server;
use crate::capability::sql::manifest::Manifest;
use crate::capability::sql::types::Progress;
use crate::text::{one_line, shortened};

/// Between two calls of the progress function.
const TELL: Duration = Duration::from_millis(200);
/// Nobody else works in the new database.
const PATIENCE: Duration = Duration::from_secs(60);
/// What an error names of all that is different.
const TOLD: usize = 5;

/// A dump to be restored.
pub(in crate::capability::sql::dump) struct Archive {
    pub(in crate::capability::sql::dump) file: File,
    /// Unpacked.
    pub(in crate::capability::sql::dump) bytes: u64,
}

impl Archive {
    pub(super) fn again(&self) -> Result<Self> {
        let file =
            self.file.try_clone().map_err(|e| Error::failed("reading the dump").because(e))?;
        Ok(Self { file, bytes: self.bytes })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::capability::sql::dump) struct How {
    pub(in crate::capability::sql::dump) one_transaction: bool,
    /// Where it was, or all in the default one.
    pub(in crate::capability::sql::dump) tablespaces: bool,
}

/// Has `pg_restore` do it, which stops at the first error.
pub(in crate::capability::sql::dump) async fn fill(
    server: &dyn Server,
    target: &Access,
    archive: Archive,
    how: How,
    progress: Tell<'_>,
) -> Result<()> {
    let Archive { mut file, bytes: estimate } = archive;
    let unread = |e| Error::failed("reading the dump").because(e);
    file.rewind().map_err(unread)?;
    let done = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&done);
    let input = read::unpacked(file).map_err(unread)?.inspect(move |part| {
        counter.fetch_add(part.len() as u64, Ordering::Relaxed);
    });
    let database = connection(target.database());
    let mut argv = vec!["pg_restore", "--exit-on-error", "--no-password", "--dbname", &database];
    if how.one_transaction {
        argv.push("--single-transaction");
    }
    if !how.tablespaces {
        argv.push("--no-tablespaces");
    }
    let options = "-c default_transaction_read_only=off";
    let mut exec = target.start(server, &argv, SESSION, options, Some(input.boxed())).await?;
    let ended = async {
        while let Some(part) = exec.stdout.next().await {
            part?;
        }
        exec.end.await
    };
    let telling = async {
        loop {
            tokio::time::sleep(TELL).await;
            progress(Progress { done: done.load(Ordering::Relaxed), estimate });
        }
    };
    let exit = tokio::select! {
        ended = ended => ended?,
        () = telling => return Ok(()),
    };
    if exit.code == 0 {
        return Ok(());
    }
    let said = shortened(&one_line(exit.stderr.trim()), 2000);
    let error = Error::failed(format!("pg_restore failed with exit code {}: {said}", exit.code));
    if said.contains("No space left on device") {
        return Err(error.hint(
            "the disk of the database server is full; the database of now was not touched: make \
            room, and restore again",
        ));
    }
    Err(error)
}

/// `pg_restore` takes a name with an equals sign for a connection string: always give one.
fn connection(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Makes sure that a database is what the manifest says.
///
/// Errors: `Failed`, with what is different.
pub(in crate::capability::sql::dump) async fn verify(
    server: &dyn Server,
    target: &Access,
    wanted: &Contents,
    with_properties: bool,
) -> Result<()> {
    // Without it, the first queries of the services are slow ones.
    let mut console = Console::open(target, server, SESSION).await?;
    console.ask("ANALYZE;").await?;
    console.close().await?;
    let mut census = Census::open(target, server, SESSION, PATIENCE).await?;
    let (found, schema) = tokio::try_join!(census.contents(), compare::schema(server, target))?;
    census.close().await?;
    let found = Contents { schema, ..found };
    let mut told = differences(wanted, &found);
    if with_properties && !same_properties(&wanted.database, &found.database) {
        told.push("the settings, grants or locale of the database itself are others".to_owned());
    }
    if told.is_empty() {
        return Ok(());
    }
    let more = told.len().saturating_sub(TOLD);
    told.truncate(TOLD);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    Err(Error::failed(format!("{}: {}", read::OTHER, one_line(&told.join("; ")))))
}

impl Dumps {
    /// Refuses where the server's disk certainly lacks the room for a second database.
    pub(super) async fn check_room(
        &self,
        server: &dyn Server,
        manifest: &Manifest,
        then: &Contents,
    ) -> Result<()> {
        // The database may have been bloated, and the dump is not compressed as rows may be.
        let needed = manifest.raw_bytes.min(then.database.bytes);
        let mounts: Vec<PathBuf> = server.mounts().await?;
        let free = blocking(move || {
            let free = |path: &PathBuf| {
                let room = statvfs(path).ok()?;
                Some(room.f_bavail.saturating_mul(room.f_frsize))
            };
            Ok(mounts.iter().filter_map(free).max())
        });
        match free.await? {
            Some(free) if free < needed => Err(Error::failed(format!(
                "there is no room for a second database on the server's disk: {} MiB are free, \
                about {} MiB are needed",
                free >> 20,
                needed >> 20
            ))
            .hint("make room there; the database of now was not touched")),
            _ => Ok(()),
        }
    }
}
