//! What keeps a read from doing more, beside its READ ONLY transaction: that one lets a
//! superuser end sessions, read and write files of the server, and hold locks.

/// Gives up being a superuser for the rest of the transaction, where the server has a role
/// that may read everything and do nothing (PostgreSQL 14). Rows that their table's security
/// hides from that role are an error, and not just fewer rows.
pub(super) const READER: &str = "DO $$ BEGIN \
     IF current_setting('is_superuser') = 'on' \
     AND EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'pg_read_all_data') \
     THEN PERFORM pg_catalog.set_config('search_path', replace(current_setting('search_path'), \
     '\"$user\"', quote_ident(session_user)), true); \
     SET LOCAL row_security = off; SET LOCAL ROLE pg_read_all_data; END IF; END $$";

/// The functions that take the role back, that run a text as a statement, that hold a lock,
/// that end sessions, and that write in spite of READ ONLY. `u&` spells names in escapes; nothing else puts a name together at run time.
const SNAGS: [&str; 15] = [
    "set_config",
    "_to_xml",
    "dblink",
    "ts_stat",
    "ts_rewrite",
    "crosstab",
    "connectby",
    "xpath_table",
    "query_export",
    "background_launch",
    "emit_message",
    "terminate_backend",
    "cancel_backend",
    "advisory",
    "u&",
];

/// Something in a statement by which it could do more than read, wherever it stands.
pub(super) fn snag(statement: &str) -> Option<&'static str> {
    let text = statement.to_ascii_lowercase();
    SNAGS.iter().find(|snag| text.contains(**snag)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_do_more_than_read_is_found_wherever_it_stands() {
        for text in [
            "select Set_Config('role', 'none', true)",
            "select pg_catalog.\"set_config\"('role', 'none', true)",
            "select U&\"set\\005fconfig\"('role', 'none', true)",
            "select query_to_xml('select 1', true, true, '')",
            "select * from dblink('', 'drop table t') as t(a int)",
            "select pg_advisory_lock(1)",
            "select pg_try_advisory_xact_lock(1)",
        ] {
            assert!(snag(text).is_some(), "{text}");
        }
        assert_eq!(snag("select version_num from a.alembic_version"), None);
    }
}
