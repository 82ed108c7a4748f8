//! Who logs in where, from the installation's variables.

use crate::capability::sql::locate::Environment;
use crate::capability::sql::types::Password;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Option<Password>,
    pub(crate) database: String,
}

impl Login {
    /// Into another database.
    pub(crate) fn elsewhere(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }
}

/// The product's own user first: it owns the data, and need not be a superuser.
pub(crate) fn for_statements(environment: &Environment) -> Vec<Login> {
    let mut logins = vec![product(environment), server(environment)];
    logins.dedup();
    logins
}

/// The server's first user first: a superuser, who can read everything.
pub(crate) fn for_dumps(environment: &Environment) -> Vec<Login> {
    let mut logins = for_statements(environment);
    logins.reverse();
    logins
}

fn product(environment: &Environment) -> Login {
    Login {
        user: environment.get("DB_USER").map_or_else(|| server(environment).user, str::to_owned),
        password: environment
            .password("DB_PASS")
            .or_else(|| environment.password("POSTGRES_PASSWORD")),
        database: database(environment),
    }
}

fn server(environment: &Environment) -> Login {
    Login {
        user: environment.get("POSTGRES_USER").unwrap_or("postgres").to_owned(),
        password: environment
            .password("POSTGRES_PASSWORD")
            .or_else(|| environment.password("DB_PASS")),
        database: database(environment),
    }
}

/// As the product says, else as the image decides.
fn database(environment: &Environment) -> String {
    let names = ["DB_NAME", "POSTGRES_DB", "POSTGRES_USER"];
    names.iter().find_map(|name| environment.get(name)).unwrap_or("postgres").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_reads_and_the_superuser_dumps() {
        let environment = Environment::from_iter([
            ("POSTGRES_USER", "admin"),
            ("POSTGRES_PASSWORD", "a"),
            ("DB_USER", "tessallite"),
            ("DB_PASS", "t"),
            ("DB_NAME", "meta"),
        ]);
        let users = |logins: Vec<Login>| logins.into_iter().map(|l| l.user).collect::<Vec<_>>();
        assert_eq!(users(for_statements(&environment)), ["tessallite", "admin"]);
        assert_eq!(users(for_dumps(&environment)), ["admin", "tessallite"]);
        assert!(for_dumps(&environment).iter().all(|l| l.database == "meta"));
    }

    #[test]
    fn one_user_under_two_names_is_tried_once() {
        let environment = Environment::from_iter([
            ("POSTGRES_USER", "t"),
            ("POSTGRES_PASSWORD", "p"),
            ("DB_NAME", ""),
        ]);
        let logins = for_statements(&environment);
        assert_eq!(logins.len(), 1);
        assert_eq!(logins[0].database, "t");
    }
}
