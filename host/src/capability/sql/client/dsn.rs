//! Connections that the operator's configuration names:
//! `postgresql://user@host[:port]/database?sslmode=…&sslrootcert=…`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use url::Url;

use crate::capability::error::{Error, Result};
use crate::capability::sql::types::Password;

/// Whether and how the connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encryption {
    Off,
    /// The server's certificate is verified, name included, against the system's
    /// authorities or those in the file.
    Verified {
        authorities: Option<PathBuf>,
    },
}

#[derive(Clone)]
pub struct Dsn {
    config: Config,
    encryption: Encryption,
}

impl Dsn {
    /// `password` stands in for one in the text. Without `sslmode`, a connection is encrypted
    /// unless it stays on this machine; `prefer` and `allow` are refused, because
    /// they fall back to plain text in silence.
    pub fn parse(text: &str, password: Option<Password>) -> Result<Self> {
        let mut url = Url::parse(text.trim()).map_err(|e| wrong(&e.to_string()))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(wrong("it begins with neither postgres:// nor postgresql://"));
        }
        let (mode, authorities) = take_encryption(&mut url);
        let mut config: Config = url.as_str().parse().map_err(|e: tokio_postgres::Error| {
            let why =
                std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
            // Behind an unescaped question mark of a password, its rest is taken for an option.
            let is_unknown = why.starts_with("unknown option");
            wrong(if is_unknown { "it has an option that is not known" } else { &why })
        })?;
        if config.get_hosts().is_empty() {
            return Err(wrong("it names no host"));
        }
        if let Some(password) = password {
            config.password(password.reveal());
        }
        let encryption = match mode.as_deref() {
            Some("disable") => Encryption::Off,
            None if config.get_hosts().iter().all(is_local) => Encryption::Off,
            None | Some("require" | "verify-ca" | "verify-full") => {
                Encryption::Verified { authorities }
            }
            Some(_) => {
                return Err(wrong(
                    "sslmode is neither disable, require, verify-ca nor verify-full",
                ));
            }
        };
        config.ssl_mode(if encryption == Encryption::Off {
            SslMode::Disable
        } else {
            SslMode::Require
        });
        with_habits(&mut config);
        Ok(Self { config, encryption })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn encryption(&self) -> &Encryption {
        &self.encryption
    }

    /// Without the password.
    pub(super) fn place(&self) -> String {
        let hosts = self.config.get_hosts().iter().enumerate().map(|(n, host)| {
            let ports = self.config.get_ports();
            let port = ports.get(n).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => path.display().to_string(),
            }
        });
        let hosts: Vec<String> = hosts.collect();
        format!("{} as {}", hosts.join(","), self.config.get_user().unwrap_or("the system's user"))
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dsn({})", self.place())
    }
}

/// What every connection of this program has in common.
pub(super) fn with_habits(config: &mut Config) {
    config
        .application_name("tessallite-up")
        .connect_timeout(Duration::from_secs(3))
        .keepalives_idle(Duration::from_secs(15))
        .tcp_user_timeout(Duration::from_secs(30));
}

/// The driver does not know `verify-full` and `sslrootcert`: they are taken out here.
fn take_encryption(url: &mut Url) -> (Option<String>, Option<PathBuf>) {
    let mut mode = None;
    let mut authorities = None;
    let mut rest = Vec::new();
    for (name, value) in url.query_pairs().into_owned() {
        match name.as_str() {
            "sslmode" => mode = Some(value),
            "sslrootcert" => authorities = Some(PathBuf::from(value)),
            _ => rest.push((name, value)),
        }
    }
    url.set_query(None);
    if !rest.is_empty() {
        url.query_pairs_mut().extend_pairs(rest);
    }
    (mode, authorities)
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) if name == "localhost" => true,
        Host::Tcp(name) => {
            name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

/// The text itself is never repeated: it may hold a password.
fn wrong(why: &str) -> Error {
    Error::invalid(format!("reading the address of a database connection: {why}"))
        .hint("it is written as postgresql://user@host:5432/database?sslmode=verify-full")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encryption(text: &str) -> Encryption {
        Dsn::parse(text, None).unwrap().encryption
    }

    #[test]
    fn a_connection_is_encrypted_unless_local_or_told_otherwise() {
        let verified = Encryption::Verified { authorities: None };
        assert_eq!(encryption("postgresql://u@db.example.org/d"), verified);
        assert_eq!(encryption("postgres://u@db.example.org/d?sslmode=verify-full"), verified);
        assert_eq!(encryption("postgresql://u@127.0.0.1:5433/d"), Encryption::Off);
        assert_eq!(encryption("postgresql://u@db.example.org/d?sslmode=disable"), Encryption::Off);
        assert_eq!(
            encryption(
                "postgresql://u@h/d?sslrootcert=/etc/ca.pem&connect_timeout=2&sslmode=require"
            ),
            Encryption::Verified { authorities: Some("/etc/ca.pem".into()) }
        );
    }

    #[test]
    fn what_could_mislead_is_refused_without_showing_the_password() {
        for text in [
            "mysql://u:hunter2@h/d",
            "postgresql://u:hunter2@h/d?sslmode=prefer",
            "postgresql://u:hunter2@h:port/d",
            "postgresql://u:hunter2@h/d?nonsense=hunter2",
            "postgresql://u:1?hunter2@h/d",
            "host=h password=hunter2",
        ] {
            let shown = Dsn::parse(text, None).unwrap_err().full_text();
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        let dsn = Dsn::parse("postgresql://u:hunter2@h/d", None).unwrap();
        assert_eq!(format!("{dsn:?}"), "Dsn(h:5432 as u)");
    }
}
