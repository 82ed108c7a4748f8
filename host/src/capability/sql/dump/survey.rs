//! Reading what a database holds. No row leaves the server.

use std::future::Future;

use futures_util::StreamExt;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::compress::hex;
use super::session::Session;
use crate::capability::error::{Error, Result};
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::contents::{
    Contents, LargeObjects, Properties, Sequence, Table, Written,
};
use crate::capability::sql::locate::Server;
use crate::text::{one_line, shortened};

const OWN: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema') \
    AND n.nspname !~ '^pg_(toast|temp)' AND NOT EXISTS (SELECT FROM pg_depend d \
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

const LARGE_OBJECTS: &str = "SELECT json_build_object('count', count(*), 'digest', \
    coalesce(sum(('x' || substr(md5(oid::text || ':' || md5(lo_get(oid))), 1, 16))::bit(64)::bigint), 0)::text) \
    FROM pg_largeobject_metadata;";

const WRITTEN: &str = "SELECT json_build_object('schema', schemaname, 'name', relname, \
    'inserted', n_tup_ins, 'updated', n_tup_upd, 'deleted', n_tup_del) FROM pg_stat_user_tables;";

/// By way of JSON where columns have come and gone with the server's versions.
const PROPERTIES: &str = "SELECT json_build_object('owner', pg_get_userbyid(datdba), \
    'encoding', pg_encoding_to_char(encoding), 'collate', datcollate, 'ctype', datctype, \
    'provider', to_jsonb(d) ->> 'datlocprovider', \
    'icu_locale', coalesce(to_jsonb(d) ->> 'daticulocale', to_jsonb(d) ->> 'datlocale'), \
    'tablespace', t.spcname, 'connection_limit', datconnlimit, \
    'comment', shobj_description(d.oid, 'pg_database'), \
    'grants', CASE WHEN datacl IS NOT NULL THEN coalesce((SELECT json_agg(json_build_object( \
        'grantee', CASE grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(grantee) END, \
        'privilege', privilege_type, 'grantable', is_grantable)) FROM aclexplode(datacl)), '[]') END, \
    'settings', (SELECT json_agg(json_build_object( \
        'role', CASE setrole WHEN 0 THEN NULL ELSE pg_get_userbyid(setrole) END, 'entry', entry)) \
        FROM pg_db_role_setting s, unnest(setconfig) AS entry WHERE setdatabase = d.oid), \
    'roles', (SELECT json_agg(rolname) FROM pg_roles WHERE rolname !~ '^pg_'), \
    'first_role', (SELECT rolname FROM pg_roles WHERE oid = 10), \
    'preloaded', (SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries'), \
    'has_public', EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public')) \
    FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace WHERE datname = current_database();";

#[derive(Deserialize)]
struct Count {
    schema: String,
    name: String,
    #[serde(flatten)]
    written: Written,
}

/// Sequences, statistics and properties: what does not belong to a snapshot, to be read
/// before the dump begins.
pub(super) struct Beside {
    sequences: Vec<Sequence>,
    written: Vec<Count>,
    properties: Properties,
}

impl Beside {
    pub(super) async fn read(session: &mut Session) -> Result<Self> {
        Ok(Self {
            sequences: session.rows(&sequences()).await?,
            written: session.rows(WRITTEN).await?,
            properties: session.row(PROPERTIES).await?,
        })
    }

    /// With the rows of all tables, which the server reads for it, while `schema` is worked out.
    pub(super) async fn with_rows(
        self,
        session: &mut Session,
        schema: impl Future<Output = Result<String>>,
    ) -> Result<Contents> {
        let rows = async {
            let tables: Vec<Table> = session.rows(&tables()).await?;
            let large_objects: LargeObjects = session.row(LARGE_OBJECTS).await?;
            Ok((tables, large_objects))
        };
        let ((mut tables, large_objects), schema) = tokio::try_join!(rows, schema)?;
        for table in &mut tables {
            let mut known = self.written.iter();
            let known =
                known.find(|count| count.schema == table.schema && count.name == table.name);
            table.written = known.map(|count| count.written);
        }
        let Self { sequences, properties, .. } = self;
        Ok(Contents { tables, sequences, large_objects, schema, properties })
    }
}

/// All that a database holds, read in a session of its own.
pub(super) async fn contents(server: &dyn Server, access: &Access) -> Result<Contents> {
    let mut session = Session::begin(server, access, "tessallite-up", "").await?;
    let beside = Beside::read(&mut session).await?;
    let schema = schema_digest(server, access, None);
    let contents = beside.with_rows(&mut session, schema).await?;
    session.finish().await?;
    Ok(contents)
}

/// The counts of the server for each table, as they are now.
pub(super) async fn written(session: &mut Session) -> Result<Vec<(String, String, Written)>> {
    let counts: Vec<Count> = session.rows(WRITTEN).await?;
    Ok(counts.into_iter().map(|count| (count.schema, count.name, count.written)).collect())
}

/// The tables of a name, in every schema, with their rows and digests.
pub(super) async fn tables_named(session: &mut Session, name: &str) -> Result<Vec<Table>> {
    session.rows(&digests(&format!("AND c.relname = {}", literal(name)))).await
}

/// The tables with their rows, and without digests.
pub(super) async fn counted(session: &mut Session, of: &[(String, String)]) -> Result<Vec<Table>> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let pairs: Vec<String> = of
        .iter()
        .map(|(schema, name)| format!("({}, {})", literal(schema), literal(name)))
        .collect();
    let which = format!("AND (n.nspname, c.relname) IN ({})", pairs.join(", "));
    session.rows(&each_table(&which, "''0''")).await
}

/// The names of all tables.
pub(super) async fn names(session: &mut Session) -> Result<Vec<(String, String)>> {
    let statement = format!(
        "SELECT json_build_array(n.nspname, c.relname) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND {OWN};"
    );
    session.rows(&statement).await
}

fn tables() -> String {
    digests("")
}

fn digests(which: &str) -> String {
    each_table(which, "coalesce(sum(hashint8extended(%s, 0)), 0)::text")
}

/// A hash of each column, by the column's place in the order of their names: a restore may bring
/// those of a table that inherits in another order.
///
/// Types whose own hash tells all of their values apart are not written out as text for it,
/// which takes three times as long. Where the server calls different values equal, such as 1.0
/// and 1.00, or 0 and -0, the difference goes into the hash too.
const COLUMNS: &str = "(SELECT coalesce(string_agg(format(CASE atttypid::regtype::text \
    WHEN 'smallint' THEN 'coalesce(hashint2extended(%1$I, %2$s), -%2$s)' \
    WHEN 'integer' THEN 'coalesce(hashint4extended(%1$I, %2$s), -%2$s)' \
    WHEN 'bigint' THEN 'coalesce(hashint8extended(%1$I, %2$s), -%2$s)' \
    WHEN 'uuid' THEN 'coalesce(uuid_hash_extended(%1$I, %2$s), -%2$s)' \
    WHEN 'text' THEN 'coalesce(hashtextextended(%1$I COLLATE \"C\", %2$s), -%2$s)' \
    WHEN 'character varying' THEN 'coalesce(hashtextextended(%1$I COLLATE \"C\", %2$s), -%2$s)' \
    WHEN 'timestamp without time zone' THEN 'coalesce(timestamp_hash_extended(%1$I, %2$s), -%2$s)' \
    WHEN 'timestamp with time zone' THEN \
        'coalesce(timestamp_hash_extended(%1$I AT TIME ZONE ''UTC'', %2$s), -%2$s)' \
    WHEN 'numeric' THEN \
        'coalesce(hash_numeric_extended(%1$I, %2$s + 10000 * coalesce(scale(%1$I), -1)), -%2$s)' \
    WHEN 'double precision' THEN 'coalesce(CASE %1$I WHEN 0 THEN \
        hashtextextended(%1$I::text COLLATE \"C\", %2$s) ELSE hashfloat8extended(%1$I, %2$s) END, -%2$s)' \
    ELSE 'hashtextextended(ROW(%1$I)::text COLLATE \"C\", %2$s)' END, attname, place), ' # '), '0') \
    FROM (SELECT attname, atttypid, row_number() OVER (ORDER BY attname) AS place FROM pg_attribute \
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns)";

/// One statement a table, made by the server, which knows how to quote names.
fn each_table(which: &str, digest: &str) -> String {
    let columns = if digest.contains("%s") { format!("{COLUMNS}, ") } else { String::new() };
    format!(
        "SELECT format('SELECT json_build_object(''schema'', %L, ''name'', %L, ''rows'', count(*), \
         ''digest'', {digest}) FROM ONLY %I.%I', \
         n.nspname, c.relname, {columns}n.nspname, c.relname) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND {OWN} {which} \
         ORDER BY n.nspname, c.relname \\gexec"
    )
}

fn sequences() -> String {
    format!(
        "SELECT format('SELECT json_build_object(''schema'', %L, ''name'', %L, ''last_value'', \
         last_value, ''is_called'', is_called, ''increment'', %s) FROM %I.%I', \
         n.nspname, c.relname, s.seqincrement, n.nspname, c.relname) FROM pg_sequence s \
         JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE {OWN} ORDER BY n.nspname, c.relname \\gexec"
    )
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A digest of the schema as the server's own `pg_dump` writes it: complete, and the same
/// after a restore. Its comments name objects by OID and by time, `\restrict` is random.
pub(super) async fn schema_digest(
    server: &dyn Server,
    access: &Access,
    snapshot: Option<&str>,
) -> Result<String> {
    let doing = "reading the schema with pg_dump";
    let in_snapshot = snapshot.map(|id| format!("--snapshot={id}"));
    let mut argv = vec!["pg_dump", "--schema-only", "--no-password", "--lock-wait-timeout=60s"];
    argv.extend(in_snapshot.as_deref());
    let exec = access.start(server, &argv, "tessallite-up", "", None).await?;
    let (mut digest, mut line, mut stdout) = (Sha256::new(), Vec::new(), exec.stdout);
    while let Some(part) = stdout.next().await {
        for byte in part? {
            line.push(byte);
            if byte == b'\n' {
                take(&mut digest, &line);
                line.clear();
            }
        }
    }
    take(&mut digest, &line);
    let exit = exec.end.await?;
    if exit.code != 0 {
        let said = shortened(&one_line(exit.stderr.trim()), 2000);
        return Err(Error::failed(format!("{doing}: exit code {}: {said}", exit.code)));
    }
    Ok(hex(&digest.finalize()))
}

fn take(digest: &mut Sha256, line: &[u8]) {
    // Where the tables lie is the cluster's, and no part of what they hold.
    let is_noise = [&b"--"[..], b"\\restrict ", b"\\unrestrict ", b"SET default_tablespace = "];
    if !is_noise.iter().any(|noise| line.starts_with(noise)) {
        digest.update(bare(line));
    }
}

/// Without parentheses and casts: the server words an expression anew when it is restored,
/// `(a)::text = ANY ((ARRAY['x'::character varying])::text[])` for instance, and means the same.
fn bare(line: &[u8]) -> Vec<u8> {
    let (mut bare, mut rest) = (Vec::with_capacity(line.len()), line);
    while let [first, after @ ..] = rest {
        rest = match rest {
            [b'(' | b')', ..] => after,
            [b':', b':', cast @ ..] => behind_type(cast),
            _ => {
                bare.push(*first);
                after
            }
        };
    }
    bare
}

/// Types are lower-case words, or quoted, with a length or brackets behind them; what may
/// follow in an expression are signs and upper-case words.
fn behind_type(mut rest: &[u8]) -> &[u8] {
    if let [b'"', quoted @ ..] = rest {
        let end = quoted.iter().position(|byte| *byte == b'"').map_or(quoted.len(), |at| at + 1);
        rest = &quoted[end..];
    }
    loop {
        rest = match rest {
            [b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.', after @ ..] => after,
            [b' ', b'a'..=b'z', ..] => &rest[1..],
            [b'[', b']', after @ ..] => after,
            _ => return rest,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_that_is_worded_anew_is_the_same() {
        let same = |a: &str, b: &str| bare(a.as_bytes()) == bare(b.as_bytes());
        assert!(same(
            "CHECK (((s)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
            "CHECK (((s)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])))",
        ));
        assert!(same("DEFAULT 'x'::\"Odd Type\" NOT NULL", "DEFAULT ('x') NOT NULL"));
        assert!(!same("CHECK ((a > 0))", "CHECK ((a > 1))"));
        assert!(!same("b integer", "b bigint"));
        assert!(same("'t'::timestamp without time zone AND b", "'t' AND b"));
    }
}
