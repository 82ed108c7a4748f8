//! What the server's refusals mean: SQLSTATE to case, and what to do about it.

use std::error::Error as StdError;

use crate::capability::error::{Error, Kind};
use crate::text::{one_line, shortened};

/// What may help when a connection cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nobody answers there.
    OtherWay,
    /// The server is there, and does not accept this user or password.
    OtherLogin,
    /// The server said no for a reason that every way would meet.
    Nothing,
}

/// A refusal in the server's words.
pub(super) struct Refusal<'a> {
    pub(super) code: &'a str,
    pub(super) message: &'a str,
    pub(super) hint: Option<&'a str>,
}

/// `doing` such as `connecting to "internal" at 127.0.0.1:5432 as tessallite`.
pub(super) fn connecting(doing: &str, error: tokio_postgres::Error) -> (Next, Error) {
    if let Some(refusal) = error.as_db_error() {
        let next = next_after(refusal.code().code());
        return (next, refused(doing, &of_server(refusal)));
    }
    let text = chain(&error);
    if text.starts_with("error performing TLS handshake") {
        let told = Error::failed(format!("{doing}: {text}"));
        let advice = "sslrootcert names the authority of the server's certificate; sslmode=disable goes without TLS";
        return (Next::Nothing, told.hint(advice));
    }
    let told = Error::unavailable(format!("{doing}: {text}"));
    (Next::OtherWay, told.hint("is PostgreSQL running, and can this machine reach it?"))
}

fn next_after(code: &str) -> Next {
    match code {
        code if code.starts_with("28") => Next::OtherLogin,
        _ => Next::Nothing,
    }
}

/// The statement failed, or the connection did.
pub(super) fn running(doing: &str, error: &tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        Some(refusal) => refused(doing, &of_server(refusal)),
        None if error.is_closed() || is_io(error) => {
            Error::unavailable(format!("{doing}: the connection was lost: {}", chain(error)))
        }
        None => Error::invalid(format!("{doing}: {}", chain(error))),
    }
}

fn of_server(refusal: &tokio_postgres::error::DbError) -> Refusal<'_> {
    Refusal { code: refusal.code().code(), message: refusal.message(), hint: refusal.hint() }
}

pub(super) fn refused(doing: &str, refusal: &Refusal<'_>) -> Error {
    let (kind, advice) = meaning(refusal.code);
    let said = shortened(&one_line(refusal.message), 2000);
    let error = Error::new(kind, format!("{doing}: {said} (SQLSTATE {})", refusal.code));
    match (advice, refusal.hint) {
        ("", None) => error,
        ("", Some(hint)) => error.hint(shortened(&one_line(hint), 500)),
        (advice, _) => error.hint(advice),
    }
}

fn meaning(code: &str) -> (Kind, &'static str) {
    match code {
        "28P01" | "28000" => (
            Kind::Failed,
            "check the user and the password: DB_USER and DB_PASS in .env, or the connection in the configuration",
        ),
        "3D000" => (
            Kind::Failed,
            "check the database's name: DB_NAME in .env, or the connection in the configuration",
        ),
        "53300" => (
            Kind::Unavailable,
            "all connections of the server are taken: close some, or raise max_connections",
        ),
        "53100" => (Kind::Failed, "the disk of the database server is full"),
        "57P01" | "57P02" | "57P03" => {
            (Kind::Unavailable, "the server is starting or stopping: try again in a moment")
        }
        "57014" => (Kind::TimedOut, "the statement was stopped, and what it did was undone"),
        "25006" => (Kind::Invalid, "the statement writes: that is what sql.execute is for"),
        "42501" => (Kind::Failed, "the user of the connection lacks this right"),
        "42P01" | "42703" | "42883" | "3F000" => (Kind::NotFound, ""),
        "55P03" => (Kind::Unavailable, "someone else holds the lock"),
        code => (by_class(code), ""),
    }
}

fn by_class(code: &str) -> Kind {
    match code.get(..2) {
        Some("08" | "53") => Kind::Unavailable,
        Some("40") => Kind::Conflict,
        Some("0A" | "42") => Kind::Invalid,
        _ => Kind::Failed,
    }
}

/// An error and what lies below it, in one line.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let part = error.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        below = error.source();
    }
    shortened(&one_line(&text), 2000)
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(|source| source.is::<std::io::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_case_follows_from_the_sqlstate() {
        for (code, kind) in [
            ("28P01", Kind::Failed),
            ("3D000", Kind::Failed),
            ("53300", Kind::Unavailable),
            ("42P01", Kind::NotFound),
            ("42601", Kind::Invalid),
            ("40P01", Kind::Conflict),
            ("57014", Kind::TimedOut),
            ("23505", Kind::Failed),
            ("", Kind::Failed),
        ] {
            let refusal = Refusal { code, message: "no", hint: None };
            assert_eq!(refused("asking", &refusal).kind, kind, "{code}");
        }
    }

    #[test]
    fn the_text_says_what_why_and_what_to_do() {
        let refusal =
            Refusal { code: "3D000", message: "database \"x\" does\nnot exist", hint: None };
        let text = refused("connecting to \"internal\"", &refusal).full_text();
        assert!(
            text.starts_with(
                "connecting to \"internal\": database \"x\" does not exist (SQLSTATE 3D000)"
            ),
            "{text}"
        );
        assert!(text.contains("DB_NAME"), "{text}");
    }
}
