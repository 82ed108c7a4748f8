//! `plugin keygen` and `plugin sign`.

use std::path::Path;

use serde_json::json;

use super::args::{Keygen, Sign};
use crate::cli::args::Output;
use crate::cli::error::{Failure, Result};
use crate::cli::{display, key, session};
use crate::files::write_whole_for_all;
use crate::plugin::{Limits, Source};
use crate::signature;
use crate::text::one_line;

pub fn keygen(output: Output, args: &Keygen) -> Result<()> {
    let password = match args.no_password {
        true => None,
        false => Some(key::new_password(args.password.password_file.as_deref())?),
    };
    let made = signature::keygen(&args.out, password)?;
    let (secret, public) = (shown(&args.out), shown(&made.public_file));
    let (id, line) = (made.public.id(), &made.line);
    display::print(&match output {
        Output::Human => format!(
            "key     {id}\nsecret  {secret}\npublic  {public}\n\n\
             Who trusts it writes into the configuration:\n\n\
             [trust]\nplugin-keys = [\"{line}\"]\n",
        ),
        Output::Json => {
            let json = json!({"key": id, "secret": secret, "public": public, "line": line});
            format!("{json}\n")
        }
    });
    Ok(())
}

pub fn sign(output: Output, args: &Sign) -> Result<()> {
    let source = Source::find(&args.plugin, &session::installed_plugins())?;
    let Source::File(file) = &source else {
        let text = format!("{} comes with the program and needs no signature", args.plugin);
        return Err(Failure::usage(text));
    };
    let bytes = source.read(Limits::default().component_bytes)?.bytes;
    let secret = key::open(&args.key, args.password.password_file.as_deref())?;
    let text = secret.sign(&bytes, &comment(file))?;
    let path = signature::beside(file);
    write_whole_for_all(&path, text.as_bytes()).map_err(|error| {
        Failure::usage(format!("writing the signature {}: {error}", path.display()))
    })?;
    let path = shown(&path);
    display::print(&match output {
        Output::Human => format!("signed  {path}\n"),
        Output::Json => format!("{}\n", json!({"signature": path})),
    });
    Ok(())
}

/// As minisign writes it.
fn comment(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let now = jiff::Timestamp::now().as_second();
    format!("timestamp:{now}\tfile:{}\thashed", one_line(&name))
}

fn shown(path: &Path) -> String {
    one_line(&path.display().to_string())
}
