//! What the fuzz targets of `tests/fuzz` call: from any bytes to claims that have to hold.
//!
//! A claim that does not hold panics: so the fuzzer is told. Each function says whether the
//! bytes were accepted. The program does not carry this module; the unit tests go through
//! the kept corpus with it.

// These are tests, wherever they are compiled.
#![allow(clippy::unwrap_used)]

mod component_loader;
mod configuration;
mod image_rewriting;
mod journal;
mod plan_file;
mod release_manifest;

use std::error::Error;
use std::path::Path;

pub use component_loader::component_loader;
pub use configuration::configuration;
pub use image_rewriting::image_rewriting;
pub use journal::journal;
pub use plan_file::plan_file;
pub use release_manifest::release_manifest;

/// For what is read by its path.
fn with_file<T>(name: &str, data: &[u8], look: impl FnOnce(&Path) -> T) -> T {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, data).unwrap();
    look(&path)
}

/// Everything that an error could show to anybody.
fn all_text(error: &dyn Error) -> String {
    let mut text = format!("{error:?}");
    let mut below = Some(error);
    while let Some(error) = below {
        text.push_str(&format!("\n{error}"));
        below = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes through what is kept for a target; says of each whether it was accepted.
    fn replay(target: &str, claim: fn(&[u8]) -> bool) -> Vec<bool> {
        let directory =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(target);
        let kept = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        kept.map(|path| claim(&std::fs::read(path).unwrap())).collect()
    }

    /// Where all of it is refused, or all accepted, nothing is tested.
    fn replay_both(target: &str, claim: fn(&[u8]) -> bool) {
        let accepted = replay(target, claim);
        assert!(accepted.contains(&true) && accepted.contains(&false), "{target}: {accepted:?}");
    }

    #[test]
    fn the_claims_hold_for_the_component_loader() {
        assert!(replay("component_loader", component_loader).contains(&false));
        // What is kept may be of a contract of before.
        assert!(component_loader(crate::plugin::BUNDLED[0].component));
        let too_large = usize::try_from(component_loader::LARGEST).unwrap() + 1;
        assert!(!component_loader(&vec![0; too_large]));
    }

    #[test]
    fn the_claims_hold_for_the_configuration() {
        replay_both("configuration", configuration);
    }

    #[test]
    fn the_claims_hold_for_image_rewriting() {
        replay_both("image_rewriting", image_rewriting);
    }

    #[test]
    fn the_claims_hold_for_the_journal() {
        replay_both("journal", journal);
    }

    #[test]
    fn the_claims_hold_for_the_plan_file() {
        replay_both("plan_file", plan_file);
    }

    #[test]
    fn the_claims_hold_for_the_release_manifest() {
        replay_both("release_manifest", release_manifest);
    }
}
