//! Giving a database what belongs to itself: the statements for it.

use crate::capability::sql::contents::{Grant, Properties, Setting};

/// Settings whose value is a list of names, each quoted by itself in the catalog.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

pub(super) fn create(name: &str, properties: &Properties) -> String {
    let Properties { owner, encoding, collate, ctype, tablespace, .. } = properties;
    let mut statement = format!(
        "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {} TABLESPACE {}",
        identifier(name),
        identifier(owner),
        literal(encoding),
        literal(collate),
        literal(ctype),
        identifier(tablespace),
    );
    if properties.provider.as_deref() == Some("i") {
        let locale = properties.icu_locale.as_deref().unwrap_or_default();
        statement += &format!(" LOCALE_PROVIDER icu ICU_LOCALE {}", literal(locale));
    }
    statement
}

/// To be run once the database is whole, outside of it.
pub(super) fn apply(name: &str, properties: &Properties) -> Vec<String> {
    let database = identifier(name);
    let mut statements = Vec::new();
    if let Some(comment) = &properties.comment {
        statements.push(format!("COMMENT ON DATABASE {database} IS {}", literal(comment)));
    }
    if let Some(grants) = &properties.grants {
        statements.push(format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC"));
        let owner = identifier(&properties.owner);
        statements.push(format!("REVOKE ALL ON DATABASE {database} FROM {owner}"));
        statements.extend(grants.iter().filter_map(|grant| allow(&database, grant)));
    }
    let settings = properties.settings.iter().flatten();
    statements.extend(settings.filter_map(|setting| set(&database, setting)));
    if properties.connection_limit >= 0 {
        let limit = properties.connection_limit;
        statements.push(format!("ALTER DATABASE {database} CONNECTION LIMIT {limit}"));
    }
    statements
}

fn allow(database: &str, grant: &Grant) -> Option<String> {
    let privilege = match grant.privilege.as_str() {
        known @ ("CREATE" | "CONNECT" | "TEMPORARY") => known,
        _ => return None,
    };
    let grantee = grant.grantee.as_deref().map_or("PUBLIC".to_owned(), identifier);
    let option = if grant.grantable { " WITH GRANT OPTION" } else { "" };
    Some(format!("GRANT {privilege} ON DATABASE {database} TO {grantee}{option}"))
}

fn set(database: &str, setting: &Setting) -> Option<String> {
    let (name, value) = setting.entry.split_once('=')?;
    let whose = match &setting.role {
        Some(role) => format!("ALTER ROLE {} IN DATABASE {database}", identifier(role)),
        None => format!("ALTER DATABASE {database}"),
    };
    let value = match LISTS.contains(&name) {
        true => list(value).iter().map(|item| literal(item)).collect::<Vec<_>>().join(", "),
        false => literal(value),
    };
    let value = if value.is_empty() { "''".to_owned() } else { value };
    let name: Vec<String> = name.split('.').map(identifier).collect();
    Some(format!("{whose} SET {} TO {value}", name.join(".")))
}

/// The names of a list: bare ones, and quoted ones in which a quote is doubled.
fn list(value: &str) -> Vec<String> {
    let (mut items, mut item, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = value.chars().peekable();
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
    items.retain(|item| !item.is_empty());
    items
}

pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn literal(text: &str) -> String {
    let text = text.replace('\'', "''");
    match text.contains('\\') {
        true => format!("E'{}'", text.replace('\\', "\\\\")),
        false => format!("'{text}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::sql::contents::sample;

    #[test]
    fn a_database_is_made_as_the_former_one() {
        let mut properties = sample().properties;
        assert_eq!(
            create("x\"y", &properties),
            "CREATE DATABASE \"x\"\"y\" OWNER \"tessallite\" TEMPLATE template0 ENCODING 'UTF8' \
             LC_COLLATE 'C' LC_CTYPE 'C' TABLESPACE \"pg_default\""
        );
        properties.provider = Some("i".into());
        properties.icu_locale = Some("de-DE".into());
        assert!(create("x", &properties).ends_with("LOCALE_PROVIDER icu ICU_LOCALE 'de-DE'"));
        assert!(apply("x", &sample().properties).is_empty());
    }

    #[test]
    fn what_belongs_to_the_database_comes_back() {
        let mut properties = sample().properties;
        properties.comment = Some("the owner's\\own".into());
        properties.connection_limit = 50;
        let grant = |grantee: Option<&str>, privilege: &str, grantable| Grant {
            grantee: grantee.map(Into::into),
            privilege: privilege.into(),
            grantable,
        };
        properties.grants =
            Some(vec![grant(None, "CONNECT", false), grant(Some("re-ader"), "CREATE", true)]);
        let setting = |role: Option<&str>, entry: &str| Setting {
            role: role.map(Into::into),
            entry: entry.into(),
        };
        properties.settings = Some(vec![
            setting(None, "search_path=\"$user\", public, \"a,\"\"b\""),
            setting(Some("r"), "statement_timeout=5s"),
            setting(None, "app.mode=it's"),
        ]);
        assert_eq!(
            apply("x", &properties),
            [
                "COMMENT ON DATABASE \"x\" IS E'the owner''s\\\\own'",
                "REVOKE ALL ON DATABASE \"x\" FROM PUBLIC",
                "REVOKE ALL ON DATABASE \"x\" FROM \"tessallite\"",
                "GRANT CONNECT ON DATABASE \"x\" TO PUBLIC",
                "GRANT CREATE ON DATABASE \"x\" TO \"re-ader\" WITH GRANT OPTION",
                "ALTER DATABASE \"x\" SET \"search_path\" TO '$user', 'public', 'a,\"b'",
                "ALTER ROLE \"r\" IN DATABASE \"x\" SET \"statement_timeout\" TO '5s'",
                "ALTER DATABASE \"x\" SET \"app\".\"mode\" TO 'it''s'",
                "ALTER DATABASE \"x\" CONNECTION LIMIT 50",
            ]
        );
    }
}
