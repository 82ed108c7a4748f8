//! The program that writes the dump: `pg_dump`, inside the server's container.

use super::SESSION;
use super::session::Session;
use crate::capability::error::{Error, Result};
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::locate::{Exec, Exit, Server};
use crate::text::{one_line, shortened};

/// The way out of a container is what limits a dump. So it is packed before, where the image
/// has zstd: PostgreSQL's official ones do.
///
/// The exit code is that of zstd where it failed, else that of `pg_dump`.
const PACKED: &str = r#"
exec 3>&1
codes=$({ { pg_dump "$@" 3>&- 4>&-; echo $? >&4; } | zstd -q -c "$LEVEL" >&3 3>&- 4>&-; echo $? >&4; } 4>&1)
set -- $codes
[ "$2" = 0 ] || exit "$2"
exit "$1"
"#;

/// In what form the dump leaves the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    /// One frame of zstd.
    Packed,
}

/// The form that the container has the programs for: psql asks its shell, where it has one.
pub(super) async fn form(session: &mut Session) -> Result<Form> {
    let found = session.ask("\\echo `command -v zstd || :`").await?;
    Ok(if found.concat().is_empty() { Form::Plain } else { Form::Packed })
}

pub(super) async fn start(
    server: &dyn Server,
    access: &Access,
    form: Form,
    snapshot: &str,
) -> Result<Exec> {
    let in_snapshot = format!("--snapshot={snapshot}");
    let script = format!("LEVEL=-{}{PACKED}", super::compress::LEVEL);
    let mut argv = match form {
        Form::Plain => vec!["pg_dump"],
        Form::Packed => vec!["sh", "-c", &script, "pg_dump"],
    };
    argv.extend(["--format=custom", "--compress=0", "--no-password", "--lock-wait-timeout=60s"]);
    argv.push(&in_snapshot);
    access.start(server, &argv, SESSION, "", None).await
}

/// Errors: `Failed` when it did not end well.
pub(super) fn check(exit: &Exit) -> Result<()> {
    if exit.code == 0 {
        return Ok(());
    }
    let said = shortened(&one_line(exit.stderr.trim()), 2000);
    let error = Error::failed(format!("pg_dump failed with exit code {}: {said}", exit.code));
    if said.contains("canceling statement due to lock timeout")
        || said.contains("could not obtain lock")
    {
        return Err(error.hint(
            "someone holds a table locked, a migration for instance: try again when it is done",
        ));
    }
    Err(error)
}
