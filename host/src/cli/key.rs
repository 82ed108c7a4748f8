//! Secret keys, and where their passwords come from: a file, or whoever sits at the terminal.
//! Never the environment, which other programs inherit, nor an argument, which all can see.

use std::io::IsTerminal as _;
use std::path::Path;

use super::error::{Failure, Result};
use crate::files::read_limited;
use crate::signature::{KeyFile, SecretKey};

/// As minisign has it.
const MOST_BYTES: u64 = 1024;

/// The password is asked for only where there is one.
///
/// # Errors
/// The key is none, or does not open.
pub fn open(path: &Path, password_file: Option<&Path>) -> Result<SecretKey> {
    let key = KeyFile::read(path)?;
    let password = match (key.is_encrypted(), password_file) {
        (false, _) => None,
        (true, Some(file)) => Some(read(file)?),
        (true, None) => Some(ask(&format!("Password of {}: ", path.display()))?),
    };
    Ok(key.open(password)?)
}

/// For a key that is about to be made.
///
/// # Errors
/// There is none, or it was not the same twice.
pub fn new_password(password_file: Option<&Path>) -> Result<String> {
    if let Some(file) = password_file {
        return read(file);
    }
    let password = ask("Password for the secret key: ")?;
    if password.is_empty() {
        return Err(Failure::usage("the password is empty")
            .hint("--no-password makes a key that whoever reads its file can sign with"));
    }
    if ask("Once more: ")? != password {
        return Err(Failure::usage("these were two different passwords"));
    }
    Ok(password)
}

fn ask(prompt: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("there is no terminal to ask for the password at").hint(
            "--password-file FILE names a file with it; keygen can also make a key without: \
             --no-password",
        ));
    }
    rpassword::prompt_password(prompt)
        .map_err(|error| Failure::usage(format!("asking for the password: {error}")))
}

/// The first line.
fn read(path: &Path) -> Result<String> {
    let no_password =
        |why: &str| Failure::usage(format!("reading the password from {}: {why}", path.display()));
    let bytes = read_limited(path, MOST_BYTES).map_err(|error| no_password(&error.to_string()))?;
    let bytes = bytes.ok_or_else(|| no_password("it is too long"))?;
    let text = String::from_utf8(bytes).map_err(|_| no_password("it is no text"))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(no_password("its first line is empty")),
    }
}
