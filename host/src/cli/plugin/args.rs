//! What `plugin` takes.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Plugin {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The plugins that can be named
    List,
    /// What a plugin is, who has signed it, and what it will ask for
    Inspect(One),
    /// Pin plugins: from now on, only the files that they have now are used
    ///
    /// The digests are written to tessallite-up.lock, beside the configuration, and are
    /// compared whenever a plugin is loaded. Look at what has changed before you pin anew.
    Lock(Lock),
    /// Make a pair of keys to sign with, in the format of minisign
    Keygen(Keygen),
    /// Sign a plugin: the signature stands beside its file, as FILE.minisig
    Sign(Sign),
    /// Compare a plugin with its pin and its signature; exit code 4 where they do not fit,
    /// or where there is neither
    Verify(One),
}

#[derive(Debug, clap::Args)]
pub struct One {
    #[arg(value_name = "NAME|PATH")]
    pub plugin: String,
}

#[derive(Debug, clap::Args)]
pub struct Lock {
    /// Which [default: those that the configuration names]
    #[arg(value_name = "NAME|PATH")]
    pub plugins: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct Keygen {
    /// Where the secret key is written; the public one stands beside it, as FILE.pub
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub password: Password,
    /// Make a secret key that whoever reads its file can sign with
    #[arg(long, conflicts_with = "password_file")]
    pub no_password: bool,
}

#[derive(Debug, clap::Args)]
pub struct Sign {
    /// The secret key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    #[command(flatten)]
    pub password: Password,
    #[arg(value_name = "NAME|PATH")]
    pub plugin: String,
}

/// Of a secret key.
#[derive(Debug, clap::Args)]
pub struct Password {
    /// A file whose first line is the password of the key [default: ask at the terminal]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}
