//! The way through the container: `psql` and its kin, run where the server is.
//!
//! Names and passwords travel in the environment of the program, never in its
//! arguments. The local socket is tried first, then 127.0.0.1.

use futures_util::StreamExt;

use super::failure::{self, Refusal};
use super::login::{self, Login};
use super::reader::READER;
use super::statement::Statement;
use super::wrap::{self, Collector, Form, too_large};
use crate::capability::error::{Error, Kind, Result};
use crate::capability::sql::locate::{Command, Exec, Exit, Input, Server};
use crate::capability::sql::types::{Limits, Rows, Value};
use crate::text::{one_line, shortened};

/// What one argument of a program may hold, less some room for what stands around it.
const LONGEST_STATEMENT: usize = 100 * 1024;
const SOCKET: &str = "";
const LOOPBACK: &str = "127.0.0.1";

/// A log-in that the server accepted from inside its container.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    host: &'static str,
    login: Login,
}

impl Access {
    /// Also what the statements print, which are run to find it.
    pub(crate) async fn find(
        server: &dyn Server,
        logins: Vec<Login>,
        statements: &[&str],
    ) -> Result<(Self, String)> {
        let mut last = None;
        for access in Self::candidates(logins) {
            match access.psql(server, statements, "", 1 << 16).await {
                Ok(printed) => return Ok((access, printed)),
                Err(error) => last = Some(is_next_tried(error)?),
            }
        }
        Err(last.unwrap_or_else(|| no_login(server)))
    }

    /// The ways in that may be tried, the best first.
    pub(crate) fn candidates(logins: Vec<Login>) -> impl Iterator<Item = Self> {
        let ways =
            |login: Login| [SOCKET, LOOPBACK].map(|host| Self { host, login: login.clone() });
        logins.into_iter().flat_map(ways)
    }

    /// A log-in that was not tried: not through the socket, where a server listens before
    /// it is ready.
    pub(crate) fn over_loopback(login: Login) -> Self {
        Self { host: LOOPBACK, login }
    }

    /// Into another database of the server.
    pub(crate) fn elsewhere(&self, database: &str) -> Self {
        Self { host: self.host, login: self.login.elsewhere(database) }
    }

    pub(crate) fn database(&self) -> &str {
        &self.login.database
    }

    /// Starts a program of PostgreSQL's, logged in.
    pub(crate) async fn start(
        &self,
        server: &dyn Server,
        argv: &[&str],
        name: &str,
        options: &str,
        stdin: Option<Input>,
    ) -> Result<Exec> {
        let pairs = [
            ("PGHOST", self.host),
            ("PGUSER", &self.login.user),
            ("PGDATABASE", &self.login.database),
            ("PGPASSWORD", self.login.password.as_ref().map_or("", |password| password.reveal())),
            ("PGAPPNAME", name),
            ("PGOPTIONS", options),
            ("PGCONNECT_TIMEOUT", "5"),
            ("PGCLIENTENCODING", "UTF8"),
            ("LC_ALL", "C"),
        ];
        let env = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let argv = argv.iter().map(|&argument| argument.to_owned()).collect();
        server.exec(Command { argv, env, stdin }).await
    }

    /// Statements in one session, each by itself; what they print, of at most `limit` bytes.
    /// `-c` takes SQL only: no backslash commands, no variables.
    pub(crate) async fn psql(
        &self,
        server: &dyn Server,
        statements: &[&str],
        options: &str,
        limit: usize,
    ) -> Result<String> {
        self.print(server, &["-q", "-A", "-t"], statements, options, limit).await
    }

    async fn print(
        &self,
        server: &dyn Server,
        flags: &[&str],
        statements: &[&str],
        options: &str,
        limit: usize,
    ) -> Result<String> {
        let mut argv = vec!["psql", "-X", "-w", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose"];
        argv.extend(flags);
        for statement in statements {
            if statement.len() > LONGEST_STATEMENT {
                return Err(Error::invalid(
                    "the statement is too long for psql inside the container",
                ));
            }
            argv.extend(["-c", statement]);
        }
        let exec = self.start(server, &argv, "tessallite-up", options, None).await?;
        let (output, exit) = collect(exec, limit).await?;
        if exit.code != 0 {
            return Err(refused(&server.describe(), &exit));
        }
        String::from_utf8(output).map_err(|e| Error::failed("reading what psql printed").because(e))
    }
}

/// Whether another log-in may do better where one did not: the error then, to be kept.
pub(crate) fn is_next_tried(error: Error) -> Result<Error> {
    if matches!(error.kind, Kind::Failed) { Ok(error) } else { Err(error) }
}

pub(crate) fn no_login(server: &dyn Server) -> Error {
    Error::failed(format!("{} has no user to log in with", server.describe()))
}

/// A log-in for statements, from the installation's variables.
pub(super) async fn find(server: &dyn Server) -> Result<Access> {
    let logins = login::for_statements(&server.environment().await?);
    Ok(Access::find(server, logins, &["SELECT 1"]).await?.0)
}

pub(super) async fn query(
    server: &dyn Server,
    access: &Access,
    statement: &Statement<'_>,
    params: &[Value],
    limits: &Limits,
) -> Result<Rows> {
    let text = statement.with_literals(params)?;
    let options = format!(
        "-c statement_timeout={} -c bytea_output=hex -c extra_float_digits=1 -c standard_conforming_strings=on",
        limits.query.as_millis()
    );
    let room = wrap::room(limits) + 2 * limits.rows;
    if !wrap::is_wrapped(statement) {
        let printed = access
            .print(
                server,
                &["-q", "--csv"],
                &["BEGIN READ ONLY", READER, &text, "ROLLBACK"],
                &options,
                room,
            )
            .await?;
        return as_texts(&printed, limits);
    }
    let names = format!(
        "COPY (SELECT * FROM (\n{text}\n) AS s LIMIT 0) TO STDOUT (FORMAT csv, HEADER true)"
    );
    let names = access
        .psql(server, &["BEGIN READ ONLY", READER, &names, "ROLLBACK"], &options, room)
        .await?;
    let columns: Vec<String> =
        first_record(&names).into_iter().map(Option::unwrap_or_default).collect();
    let types = wrap::types(&text, columns.len());
    let types = access
        .psql(server, &["BEGIN READ ONLY", READER, &types, "ROLLBACK"], &options, room)
        .await?;
    let oids: Vec<u32> = serde_json::from_str(types.trim())
        .map_err(|e| Error::failed("reading the types of the columns from psql").because(e))?;
    let forms: Vec<Form> = oids.into_iter().map(Form::of).collect();
    let wrapped = wrap::wrapped(&text, &forms, limits);
    let printed = access
        .psql(server, &["BEGIN READ ONLY", READER, &wrapped, "ROLLBACK"], &options, room)
        .await?;
    let mut rows = Collector::new(&columns, &forms, limits);
    for line in printed.lines() {
        rows.line((!line.is_empty()).then_some(line))?;
    }
    Ok(Rows { columns, rows: rows.rows() })
}

pub(super) async fn execute(
    server: &dyn Server,
    access: &Access,
    statement: &Statement<'_>,
    params: &[Value],
    limits: &Limits,
) -> Result<u64> {
    let text = statement.with_literals(params)?;
    let options = format!(
        "-c statement_timeout={} -c standard_conforming_strings=on",
        limits.execute.as_millis()
    );
    let printed = access.print(server, &["-A", "-t"], &[&text], &options, 1 << 20).await?;
    // The command's tag, such as "UPDATE 3" or "CREATE TABLE".
    let tag = printed.trim_end().lines().next_back().unwrap_or_default();
    Ok(tag.split(' ').next_back().and_then(|count| count.parse().ok()).unwrap_or(0))
}

/// Everything a program prints, unless that is more than `limit`.
pub(crate) async fn collect(exec: Exec, limit: usize) -> Result<(Vec<u8>, Exit)> {
    let mut output = Vec::new();
    let mut stdout = exec.stdout;
    while let Some(part) = stdout.next().await {
        output.extend_from_slice(&part?);
        if output.len() > limit {
            return Err(too_large(&Limits { bytes: limit, ..Limits::default() }));
        }
    }
    Ok((output, exec.end.await?))
}

/// `psql` says "ERROR:  42P01: relation …", but gives no code when it cannot connect.
pub(crate) fn refused(server: &str, exit: &Exit) -> Error {
    let doing = format!("psql inside {server}");
    let said = exit.stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if let Some((code, message)) = coded(said) {
        return failure::refused(&doing, &Refusal { code, message, hint: None });
    }
    let missing = |what: &str| {
        said.contains(&format!("FATAL:  {what} \"")) && said.ends_with("does not exist")
    };
    let code = if said.contains("authentication failed")
        || said.contains("no pg_hba.conf entry")
        || missing("role")
    {
        "28P01"
    } else if missing("database") {
        "3D000"
    } else if said.contains("too many clients") || said.contains("remaining connection slots") {
        "53300"
    } else if said.contains("starting up")
        || said.contains("shutting down")
        || said.contains("No such file")
    {
        "57P03"
    } else {
        let said = shortened(&one_line(said), 2000);
        return Error::failed(format!("{doing}: exit code {}: {said}", exit.code));
    };
    failure::refused(&doing, &Refusal { code, message: said, hint: None })
}

fn coded(line: &str) -> Option<(&str, &str)> {
    let rest = line.split_once(":  ")?.1;
    let (code, message) = rest.split_once(": ")?;
    let is_code =
        code.len() == 5 && code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    is_code.then_some((code, message))
}

/// `SHOW` and `EXPLAIN`: as psql prints them.
fn as_texts(csv: &str, limits: &Limits) -> Result<Rows> {
    let mut rest = csv;
    let columns: Vec<String> =
        record(&mut rest).into_iter().map(Option::unwrap_or_default).collect();
    let forms = vec![Form::Text; columns.len()];
    let mut rows = Collector::new(&columns, &forms, limits);
    while !rest.is_empty() {
        rows.cells(record(&mut rest))?;
    }
    Ok(Rows { columns, rows: rows.rows() })
}

fn first_record(csv: &str) -> Vec<Option<String>> {
    let mut rest = csv;
    if csv.trim_end_matches('\n').is_empty() { Vec::new() } else { record(&mut rest) }
}

/// One record of the server's CSV: an empty field without quotes is null.
fn record(rest: &mut &str) -> Vec<Option<String>> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let (mut quoted, mut inside) = (false, false);
    let mut chars = rest.char_indices().peekable();
    let mut end = rest.len();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' if inside && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                chars.next();
                field.push('"');
            }
            '"' => (quoted, inside) = (true, !inside),
            '\n' if !inside => {
                end = at + 1;
                break;
            }
            ',' if !inside => {
                fields.push((quoted || !field.is_empty()).then(|| std::mem::take(&mut field)));
                quoted = false;
            }
            c => field.push(c),
        }
    }
    fields.push((quoted || !field.is_empty()).then_some(field));
    *rest = &rest[end..];
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_null_and_empty_apart() {
        let mut rest = "a,\"b,\"\"\nc\",,\"\"\nnext\n";
        let fields = record(&mut rest);
        assert_eq!(fields, [Some("a".into()), Some("b,\"\nc".into()), None, Some(String::new())]);
        assert_eq!(rest, "next\n");
    }

    #[test]
    fn the_code_is_found_in_any_language() {
        assert_eq!(
            coded("FEHLER:  42P01: Relation »x« gibt es nicht"),
            Some(("42P01", "Relation »x« gibt es nicht"))
        );
        assert_eq!(coded("psql: error: connection to server failed: FATAL:  role: x"), None);
    }
}
