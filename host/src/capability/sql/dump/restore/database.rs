//! The new database itself: as the old one was made, and all that belongs to it and is in
//! no dump.

use super::SESSION;
use crate::capability::error::{Error, Result};
use crate::capability::sql::census::{Grant, Properties, Setting};
use crate::capability::sql::client::console::{Console, literal};
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::locate::Server;

/// Settings whose value is a list of quoted names, as PostgreSQL's `variable_is_guc_list_quote`.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

pub(in crate::capability::sql::dump) struct Made<'a> {
    pub(in crate::capability::sql::dump) name: &'a str,
    pub(in crate::capability::sql::dump) properties: &'a Properties,
}

impl Made<'_> {
    /// In place of one that an earlier attempt has left.
    pub(in crate::capability::sql::dump) async fn create(
        &self,
        console: &mut Console<'_>,
    ) -> Result<()> {
        drop_statement(console, self.name).await?;
        console.ask(&self.creation()).await.map(|_| ()).map_err(|error| {
            let message = format!("creating the database {:?}: {}", self.name, error.message);
            Error { message, ..error }
        })
    }

    /// As empty as the one of the backup was before it had anything.
    pub(in crate::capability::sql::dump) async fn empty(
        &self,
        server: &dyn Server,
        target: &Access,
    ) -> Result<()> {
        if self.properties.has_public {
            return Ok(());
        }
        let mut console = Console::open(target, server, SESSION).await?;
        console.ask("DROP SCHEMA IF EXISTS public;").await?;
        console.close().await
    }

    fn creation(&self) -> String {
        let Properties { owner, encoding, collate, ctype, provider, tablespace, .. } =
            self.properties;
        let locale = self.properties.locale.as_deref().map(literal);
        let rules = self.properties.icu_rules.as_deref().map(literal);
        let of_provider = match (provider.as_str(), locale) {
            ("i", Some(locale)) => {
                let rules = rules.map(|rules| format!(", format('ICU_RULES %L', {rules})"));
                let rules = rules.unwrap_or_default();
                format!("format('LOCALE_PROVIDER icu ICU_LOCALE %L', {locale}){rules}")
            }
            ("b", Some(locale)) => {
                format!("format('LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', {locale})")
            }
            // Before version 15 there was no other.
            _ => "CASE WHEN current_setting('server_version_num')::int >= 150000 \
                THEN 'LOCALE_PROVIDER libc' END"
                .to_owned(),
        };
        format!(
            "SELECT concat_ws(' ', format('CREATE DATABASE %I TEMPLATE template0 OWNER %I \
            ENCODING %L LC_COLLATE %L LC_CTYPE %L TABLESPACE %I', {}), {of_provider}) \\gexec",
            [self.name, owner, encoding, collate, ctype, tablespace].map(literal).join(", ")
        )
    }

    pub(super) async fn set_properties(&self, console: &mut Console<'_>) -> Result<()> {
        let statements = self.statements().join("\n");
        console.ask(&statements).await.map(|_| ()).map_err(|error| {
            let doing = "setting what belongs to the database itself";
            Error { message: format!("{doing}: {}", error.message), ..error }
        })
    }

    fn statements(&self) -> Vec<String> {
        let name = literal(self.name);
        let Properties { owner, comment, connection_limit, is_template, grants, settings, .. } =
            self.properties;
        let mut statements = vec![format!(
            "SELECT format('ALTER DATABASE %I CONNECTION LIMIT {connection_limit} \
            IS_TEMPLATE {is_template}', {name}) \\gexec"
        )];
        if let Some(comment) = comment {
            statements.push(format!(
                "SELECT format('COMMENT ON DATABASE %I IS %L', {name}, {}) \\gexec",
                literal(comment)
            ));
        }
        statements.extend(settings.iter().map(|setting| self.setting(setting)));
        if let Some(grants) = grants {
            statements.push(format!(
                "SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', {name}, {}) \\gexec",
                literal(owner)
            ));
            statements.extend(grants.iter().map(|grant| self.grant(grant)));
        }
        statements
    }

    fn setting(&self, setting: &Setting) -> String {
        let values = if LISTS.contains(&setting.name.as_str()) {
            list_items(&setting.value)
        } else {
            vec![setting.value.clone()]
        };
        let values: Vec<String> =
            values.iter().map(|v| format!("quote_literal({})", literal(v))).collect();
        let (of, database) = (setting.role.as_deref(), literal(self.name));
        let whose = match of {
            None => format!("format('DATABASE %I', {database})"),
            Some(role) => {
                format!("format('ROLE %I IN DATABASE %I', {}, {database})", literal(role))
            }
        };
        format!(
            "SELECT format('ALTER %s SET %I TO %s', {whose}, {}, concat_ws(', ', {})) \\gexec",
            literal(&setting.name),
            values.join(", ")
        )
    }

    /// What the owner did not grant has to be granted by whom it was.
    fn grant(&self, grant: &Grant) -> String {
        let to = grant.grantee.as_deref().map_or_else(
            || "'PUBLIC'".to_owned(),
            |role| format!("quote_ident({})", literal(role)),
        );
        let option = if grant.grantable { " WITH GRANT OPTION" } else { "" };
        let statement = format!(
            "SELECT format('GRANT %s ON DATABASE %I TO %s{option}', {}, {}, {to}) \\gexec",
            literal(&grant.privilege),
            literal(self.name)
        );
        if grant.grantor == self.properties.owner {
            return statement;
        }
        let role = literal(&grant.grantor);
        format!("SELECT format('SET ROLE %I', {role}) \\gexec\n{statement}\nRESET ROLE;")
    }
}

/// The names in a list such as `"$user", public`.
fn list_items(list: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut item = String::new();
    let mut quoted = false;
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                item.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => items.push(std::mem::take(&mut item)),
            c if c.is_whitespace() && !quoted => {}
            c => item.push(c),
        }
    }
    items.push(item);
    items
}

/// Roles belong to the cluster, and are in no dump of a database.
pub(super) async fn check_roles(console: &mut Console<'_>, wanted: &Properties) -> Result<()> {
    let mut roles = wanted.roles.clone();
    roles.push(wanted.owner.clone());
    let roles = serde_json::to_string(&roles)
        .map_err(|e| Error::failed("naming the roles of the backup").because(e))?;
    let question = format!(
        "SELECT DISTINCT role FROM json_array_elements_text({}) AS role \
        WHERE role NOT IN (SELECT rolname FROM pg_roles) ORDER BY role;",
        literal(&roles)
    );
    let missing = console.ask(&question).await?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::failed(format!(
        "the server lacks roles that own or are granted something in the backup: {}",
        missing.join(", ")
    ))
    .hint("create them first: CREATE ROLE NAME"))
}

/// In a cluster that has only its first superuser.
pub(in crate::capability::sql::dump) async fn make_roles(
    console: &mut Console<'_>,
    wanted: &Properties,
) -> Result<()> {
    let mut roles = wanted.roles.clone();
    roles.push(wanted.owner.clone());
    let roles = serde_json::to_string(&roles)
        .map_err(|e| Error::failed("naming the roles of the backup").because(e))?;
    let statement = format!(
        "SELECT DISTINCT format('CREATE ROLE %I', role) FROM json_array_elements_text({}) AS role \
        WHERE role NOT IN (SELECT rolname FROM pg_roles) \\gexec",
        literal(&roles)
    );
    console.ask(&statement).await.map(|_| ())
}

/// Only for what this program has made and not finished.
pub(super) async fn drop(server: &dyn Server, access: &Access, name: &str) -> Result<()> {
    let mut console = Console::open(access, server, SESSION).await?;
    drop_statement(&mut console, name).await?;
    console.close().await
}

/// A `pg_restore` of before may still be at work in it.
async fn drop_statement(console: &mut Console<'_>, name: &str) -> Result<()> {
    let name = literal(name);
    let statements = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {name};\n\
        SELECT format('ALTER DATABASE %I IS_TEMPLATE false', datname) FROM pg_database WHERE datname = {name} \\gexec\n\
        SELECT format('DROP DATABASE %I', datname) FROM pg_database WHERE datname = {name} \\gexec"
    );
    console.ask(&statements).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_is_taken_apart() {
        assert_eq!(list_items("\"$user\", public"), ["$user", "public"]);
        assert_eq!(list_items("\"a,b\", \"c\"\"d\""), ["a,b", "c\"d"]);
        assert_eq!(list_items("\"\""), [""]);
    }

    #[test]
    fn names_and_values_are_quoted_by_the_server() {
        let properties = Properties {
            owner: "o'o".into(),
            comment: Some("it's".into()),
            settings: vec![Setting {
                role: Some("r".into()),
                name: "search_path".into(),
                value: "\"a-b\", public".into(),
            }],
            grants: Some(vec![Grant {
                grantor: "g".into(),
                grantee: None,
                privilege: "CONNECT".into(),
                grantable: true,
            }]),
            ..Properties::default()
        };
        let statements = Made { name: "n", properties: &properties }.statements().join("\n");
        for part in [
            "COMMENT ON DATABASE %I IS %L', 'n', 'it''s')",
            "FROM PUBLIC, %I', 'n', 'o''o')",
            "quote_literal('a-b'), quote_literal('public')",
            "'SET ROLE %I', 'g')",
            "TO %s WITH GRANT OPTION', 'CONNECT', 'n', 'PUBLIC')",
        ] {
            assert!(statements.contains(part), "{part}: {statements}");
        }
    }
}
