//! Two databases change names.

use std::time::Duration;

use tokio::time::sleep;

use super::SESSION;
use super::names::{Names, Stage};
use crate::capability::error::{Error, Result};
use crate::capability::sql::client::console::{Console, literal};
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::locate::Server;

/// Each waits some seconds by itself.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// Whoever connects while this transaction lasts waits until it has ended: to find its
/// database, a new session reads `pg_database`. So nobody is refused, nobody comes in
/// between, and when this session dies, everything is as before.
const NOBODY_ELSE: &str = "BEGIN;\n\
    SET LOCAL lock_timeout = '10s';\n\
    SELECT 'LOCK TABLE pg_catalog.pg_database IN ACCESS EXCLUSIVE MODE' FROM pg_roles \
    WHERE rolname = current_user AND rolsuper \\gexec\n\
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE datname IN (current_setting('tessallite_up.one'), current_setting('tessallite_up.other'));\n\
    DO $wait$ BEGIN FOR attempt IN 1..100 LOOP PERFORM pg_stat_clear_snapshot(); \
    EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity \
    WHERE datname IN (current_setting('tessallite_up.one'), current_setting('tessallite_up.other'))); \
    PERFORM pg_sleep(0.05); END LOOP; END $wait$;\n";

const END_HOLDERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_locks l \
    JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() \
    AND l.mode = 'AccessExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid();";

/// The database of now is kept, and the restored one takes its name: in one transaction.
pub(super) async fn swap(server: &dyn Server, access: &Access, names: &Names) -> Result<()> {
    let mut last = None;
    for attempt in 0..=ATTEMPTS {
        // An answer that was lost does not tell whether it was done.
        let stage = names.stage(access, server).await?;
        if stage == Stage::Swapped || names.is_in_place(stage, attempt) {
            return Ok(());
        }
        if attempt == ATTEMPTS {
            break;
        }
        if attempt > 0 {
            sleep(PAUSE).await;
        }
        let mut renames = vec![(&names.into, &names.current)];
        if stage.has_current() {
            renames.insert(0, (&names.current, &names.keep_as));
        }
        match attempted(server, access, &renames).await {
            Ok(()) => return Ok(()),
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap_or_else(|| Error::failed("it was not tried"));
    Err(Error {
        message: format!(
            "the backup is restored as {:?}, and could not take the place of {:?}: {}",
            names.into, names.current, error.message
        ),
        hint: Some(
            "the database of now is as it was; end what works in it, and restore again".into(),
        ),
        ..error
    })
}

/// A database that is ours alone gets its name.
pub(super) async fn rename(
    server: &dyn Server,
    access: &Access,
    from: &str,
    to: &str,
) -> Result<()> {
    attempted(server, access, &[(&from.to_owned(), &to.to_owned())]).await
}

async fn attempted(
    server: &dyn Server,
    access: &Access,
    renames: &[(&String, &String)],
) -> Result<()> {
    let mut console = Console::open(access, server, SESSION).await?;
    let one = renames.first().map_or("", |(from, _)| from.as_str());
    let other = renames.last().map_or("", |(from, _)| from.as_str());
    let mut statements = format!(
        "SELECT set_config('tessallite_up.one', {}, false), set_config('tessallite_up.other', {}, false);\n{NOBODY_ELSE}",
        literal(one),
        literal(other)
    );
    for (from, to) in renames {
        statements.push_str(&format!(
            "SELECT format('ALTER DATABASE %I RENAME TO %I', {}, {}) \\gexec\n",
            literal(from),
            literal(to)
        ));
    }
    statements.push_str("COMMIT;");
    console.ask(&statements).await?;
    console.close().await
}

/// Ends what holds tables of this database for itself alone.
pub(super) async fn end_holders(server: &dyn Server, current: &Access) -> Result<()> {
    let mut console = Console::open(current, server, SESSION).await?;
    console.ask(END_HOLDERS).await?;
    console.close().await
}
