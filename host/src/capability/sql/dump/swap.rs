//! A restored database takes the place of the one that is there.

use std::time::Duration;

use super::Dumps;
use super::properties::{identifier, literal};
use super::restore::{Names, Stage};
use crate::capability::error::{Error, Result};
use crate::capability::sql::client::inside::Access;

/// A session in another database may hold the server's list of databases, one that just
/// begins a database.
const TRIES: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(250);
/// For the list. Whoever connects waits meanwhile.
const WAIT_FOR_LIST: &str = "SET LOCAL lock_timeout = '2s'";
/// For the databases. A session that has found its database and looks at the list once more
/// waits for us while we wait for it: we are the ones to let go, before the server finds a
/// deadlock (`deadlock_timeout`, 1 s) and turns that session away.
const WAIT_FOR_DATABASES: &str = "SET LOCAL lock_timeout = '200ms'";

impl Dumps {
    /// Both renames or none. Sessions in the two databases are ended; whoever connects while
    /// that is done waits, and finds the restored one.
    pub(super) async fn swap(&self, names: &Names<'_>, neutral: &Access) -> Result<()> {
        let mut last = None;
        for _ in 0..TRIES {
            match self.swap_once(names, neutral).await {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
            // The one of a run that was killed may only have come to its end now.
            if self.stage(neutral, names).await? == Stage::Swapped {
                return Ok(());
            }
            tokio::time::sleep(BETWEEN).await;
        }
        Err(last.unwrap_or_else(|| Error::failed("swapping the restored database in")).hint(format!(
            "the database {} is as it was; {} is whole, and is swapped in when this is tried again",
            names.current, names.into
        )))
    }

    /// A new session reads the list of databases before it is in one: while that is locked,
    /// none begins, and none is refused.
    async fn swap_once(&self, names: &Names<'_>, neutral: &Access) -> Result<()> {
        let (current, into) = (identifier(names.current), identifier(names.into));
        let end_sessions = end_sessions(names.current, names.into);
        let away = format!("ALTER DATABASE {current} RENAME TO {}", identifier(names.keep_as));
        let in_its_place = format!("ALTER DATABASE {into} RENAME TO {current}");
        let statements = [
            "BEGIN",
            WAIT_FOR_LIST,
            // Before the lock those that may hold it, behind it those that came between.
            &end_sessions,
            "LOCK TABLE pg_catalog.pg_database IN ACCESS EXCLUSIVE MODE",
            &end_sessions,
            WAIT_FOR_DATABASES,
            &away,
            &in_its_place,
            "COMMIT",
        ];
        self.run(neutral, &statements).await.map(|_| ())
    }
}

/// Nobody is left in these two databases.
pub(super) fn end_sessions(one: &str, other: &str) -> String {
    format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname IN ({}, {})",
        literal(one),
        literal(other)
    )
}
