//! The statements. What they print is JSON, a line each; names are quoted by the server.
//!
//! A row is hashed as the text of its columns in the order of their names: after a restore,
//! those of a table that inherits may stand in another order. The hashes are added up, so
//! that the order of rows does not matter, and a row that is there twice counts twice.

/// `c` and `n`; `e` is there for the table of an extension whose rows are the user's.
const TABLES: &str = "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    LEFT JOIN LATERAL (SELECT x.condition FROM pg_extension AS of, \
    unnest(of.extconfig, of.extcondition) AS x(oid, condition) WHERE x.oid = c.oid LIMIT 1) e ON true";

/// What `pg_dump` takes, as a condition for `c`, `n` and `e`.
const DUMPED: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema') \
    AND n.nspname !~ '^pg_(toast|temp)' AND (e.condition IS NOT NULL OR NOT EXISTS (\
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid \
    AND d.deptype = 'e'))";

/// Of a table `c`; columns that are computed from others are computed again by a restore.
const COLUMNS: &str = "pg_attribute \
    WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''";

/// The digest's expression, as text, for columns by the name of `attname`.
const DIGEST: &str = "format('coalesce(sum(hashtextextended(ROW(%s)::text COLLATE \"C\", 0)::numeric), 0)::text', \
    coalesce(string_agg(format('t.%I', attname), ', ' ORDER BY attname COLLATE \"C\"), ''))";

/// One statement for each table, which reads it; `a` has the names and the digest.
const READ: &str = "SELECT format('SELECT json_build_object(''table'', json_build_object(\
    ''schema'', %L::text, ''name'', %L::text, ''columns'', %L::json, ''rows'', count(*), ''digest'', %s)) \
    FROM ONLY %I.%I AS t %s', \
    n.nspname, c.relname, a.names, a.digest, n.nspname, c.relname, e.condition)";

pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n\
    SELECT pg_export_snapshot();";

/// As `pg_dump` does, which comes later than this.
pub(super) fn hold() -> String {
    format!(
        "SELECT format('LOCK TABLE ONLY %I.%I IN ACCESS SHARE MODE', n.nspname, c.relname) \
        {TABLES} WHERE c.relkind IN ('r', 'p') AND {DUMPED} ORDER BY c.oid \\gexec"
    )
}

pub(super) fn list() -> String {
    format!(
        "SELECT json_build_object('listed', json_build_object('schema', n.nspname, \
        'name', c.relname, 'bytes', pg_table_size(c.oid), 'written', json_build_object(\
        'inserted', pg_stat_get_tuples_inserted(c.oid), \
        'updated', pg_stat_get_tuples_updated(c.oid), \
        'deleted', pg_stat_get_tuples_deleted(c.oid)))) \
        {TABLES} WHERE c.relkind IN ('r', 'p') AND {DUMPED};\n\
        SELECT json_build_object('statistics', json_build_object('of', concat_ws(' ', \
        (SELECT system_identifier FROM pg_control_system()), s.datid, s.stats_reset))) \
        FROM pg_stat_database s WHERE s.datname = current_database();"
    )
}

/// Every table.
pub(super) fn tables() -> String {
    format!(
        "{READ} {TABLES} CROSS JOIN LATERAL (\
        SELECT coalesce(json_agg(attname ORDER BY attname COLLATE \"C\"), '[]')::text AS names, \
        {DIGEST} AS digest FROM {COLUMNS}) a \
        WHERE c.relkind IN ('r', 'p') AND {DUMPED} ORDER BY c.relpages DESC, c.oid \\gexec"
    )
}

/// The tables that `wanted`, a JSON array, names with their columns. Where a column is gone,
/// rows are only counted.
pub(super) fn these(wanted: &str) -> String {
    format!(
        "{READ} {TABLES} JOIN json_to_recordset({wanted}) AS w(schema text, name text, columns json) \
        ON w.schema = n.nspname AND w.name = c.relname CROSS JOIN LATERAL (\
        SELECT w.columns::text AS names, CASE WHEN count(*) = (SELECT count(*) FROM {COLUMNS} \
        AND attname IN (SELECT json_array_elements_text(w.columns))) THEN {DIGEST} ELSE 'NULL' END \
        AS digest FROM json_array_elements_text(w.columns) AS attname) a \
        WHERE c.relkind IN ('r', 'p') AND {DUMPED} \\gexec"
    )
}

pub(super) fn sequences() -> String {
    format!(
        "SELECT format('SELECT json_build_object(''sequence'', json_build_object(\
        ''schema'', %L::text, ''name'', %L::text, ''last_value'', last_value, \
        ''is_called'', is_called)) FROM %I.%I', n.nspname, c.relname, n.nspname, c.relname) \
        {TABLES} WHERE c.relkind = 'S' AND {DUMPED} ORDER BY n.nspname, c.relname \\gexec"
    )
}

/// Content, owner, grants and comment, a MiB of content at a time.
pub(super) const LARGE_OBJECTS: &str = "SELECT $q$SELECT json_build_object('large_objects', \
    json_build_object('count', count(*), 'digest', coalesce(sum(m.head + m.body), 0)::text)) FROM (\
    SELECT hashtextextended(concat_ws(' ', o.oid, pg_get_userbyid(o.lomowner), \
    (SELECT string_agg(entry::text, ',' ORDER BY entry::text COLLATE \"C\") \
    FROM unnest(coalesce(o.lomacl, acldefault('L', o.lomowner))) AS entry), \
    obj_description(o.oid, 'pg_largeobject')) COLLATE \"C\", 0)::numeric AS head, \
    (SELECT coalesce(sum(hashtextextended(concat_ws(' ', o.oid, part, \
    encode(lo_get(o.oid, part * 1048576, 1048576), 'hex')) COLLATE \"C\", 0)::numeric), 0) \
    FROM generate_series(0::bigint, (SELECT max(pageno) FROM pg_largeobject WHERE loid = o.oid) / 512) \
    AS part) AS body FROM pg_largeobject_metadata o) m$q$ \
    WHERE has_table_privilege('pg_largeobject', 'SELECT') \\gexec";

/// What belongs to the database itself. Columns that only some versions have are read by way
/// of JSON. Role 10 is the one that the cluster was made with; nothing notes what it owns.
pub(super) const DATABASE: &str = "SELECT json_build_object('database', json_build_object(\
    'name', d.datname, 'bytes', pg_database_size(d.oid), \
    'owner', pg_get_userbyid(d.datdba), 'encoding', pg_encoding_to_char(d.encoding), \
    'provider', coalesce(to_jsonb(d)->>'datlocprovider', 'c'), \
    'collate', d.datcollate, 'ctype', d.datctype, \
    'locale', coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale'), \
    'icu_rules', to_jsonb(d)->>'daticurules', \
    'tablespace', (SELECT spcname FROM pg_tablespace t WHERE t.oid = d.dattablespace), \
    'connection_limit', d.datconnlimit, 'allows_connections', d.datallowconn, \
    'is_template', d.datistemplate, 'comment', shobj_description(d.oid, 'pg_database'), \
    'grants', CASE WHEN d.datacl IS NOT NULL THEN (SELECT coalesce(json_agg(json_build_object(\
    'grantor', pg_get_userbyid(grantor), \
    'grantee', CASE WHEN grantee <> 0 THEN pg_get_userbyid(grantee) END, \
    'privilege', privilege_type, 'grantable', is_grantable)), '[]') FROM aclexplode(d.datacl)) END, \
    'settings', (SELECT coalesce(json_agg(json_build_object(\
    'role', CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole) END, \
    'name', split_part(entry, '=', 1), 'value', substr(entry, strpos(entry, '=') + 1)) \
    ORDER BY s.setrole, entry COLLATE \"C\"), '[]') \
    FROM pg_db_role_setting s, unnest(s.setconfig) AS entry WHERE s.setdatabase = d.oid), \
    'has_public', EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public'), \
    'preloaded', current_setting('shared_preload_libraries', true), \
    'made_by', (SELECT rolname FROM pg_roles WHERE oid = 10), \
    'roles', (SELECT coalesce(json_agg(rolname ORDER BY rolname COLLATE \"C\"), '[]') FROM pg_roles r \
    WHERE r.oid = d.datdba OR r.oid IN (SELECT refobjid FROM pg_shdepend \
    WHERE refclassid = 'pg_authid'::regclass \
    AND (dbid = d.oid OR classid = 'pg_database'::regclass AND objid = d.oid)) \
    OR r.oid IN (SELECT setrole FROM pg_db_role_setting WHERE setdatabase = d.oid)))) \
    FROM pg_database d WHERE d.datname = current_database();";
