//! Compiles the bundled plugins, so that the program needs no file beside it.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

const TARGET: &str = "wasm32-wasip2";
const BUNDLED: &[(&str, &str)] =
    &[("compose", "tessallite-up-compose"), ("cloudrun", "tessallite-up-cloudrun")];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..");
    for watched in ["wit", "plugins/sdk", "plugins/compose", "plugins/cloudrun"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for (name, package) in BUNDLED {
        let built = compile(&root, &out, package)?;
        let component = std::fs::read(built)?;
        std::fs::write(out.join(format!("{name}.wasm.sha256")), hex_digest(&component))?;
        std::fs::write(out.join(format!("{name}.wasm")), component)?;
    }
    Ok(())
}

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A build of its own in a directory of its own: the outer one holds the lock of the
/// target directory.
fn compile(root: &Path, out: &Path, package: &str) -> Result<PathBuf, Box<dyn Error>> {
    let target_dir = out.join("plugins");
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo
        .current_dir(root)
        .args(["build", "--release", "--locked", "--target", TARGET, "--package", package])
        .arg("--target-dir")
        .arg(&target_dir);
    // What the outer build was told about flags and wrappers is for the machine's own target.
    for (variable, _) in env::vars_os() {
        let name = variable.to_string_lossy();
        let outer =
            ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER"];
        if outer.contains(&name.as_ref()) || name.starts_with("CARGO_PROFILE_") {
            cargo.env_remove(&variable);
        }
    }
    let status = cargo.status()?;
    if !status.success() {
        return Err(format!(
            "building {package} for {TARGET} failed ({status}); if the target is missing: \
             rustup target add {TARGET}"
        )
        .into());
    }
    let file = format!("{}.wasm", package.replace('-', "_"));
    Ok(target_dir.join(TARGET).join("release").join(file))
}
