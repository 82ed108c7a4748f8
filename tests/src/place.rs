//! Where things are.

use std::path::{Path, PathBuf};

/// Names the program to test; else it is the one beside the tests.
const PROGRAM: &str = "TESSALLITE_UP_TESTED";

/// The root of the repository.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests stand in the repository").to_owned()
}

/// A command of the stand-in installation.
pub fn command(name: &str) -> PathBuf {
    root().join("tests/installation").join(name)
}

/// `target/debug`, or wherever this test was built.
pub fn built() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let deps = test.parent().expect("a test stands in a directory");
    deps.parent().expect("below that of the profile").to_owned()
}

/// Installations are kept between runs of the tests, and stand where the registry has its
/// files: their projects' names and ports are those of the one engine, whatever checkout
/// they are brought up from.
pub fn installations() -> PathBuf {
    PathBuf::from("/var/lib/tessallite-up-tests/installations")
}

/// What tests/installation/build has noted of the images that it made.
pub fn images() -> PathBuf {
    PathBuf::from("/var/lib/tessallite-up-tests/images")
}

/// The program under test.
pub fn program() -> PathBuf {
    let path = match std::env::var_os(PROGRAM) {
        Some(path) => PathBuf::from(path),
        None => built().join("tessallite-up"),
    };
    assert!(
        path.is_file(),
        "there is no {}: build it first (cargo build -p tessallite-up), or run tests/run",
        path.display()
    );
    path
}

/// The bundled procedure as it was compiled into the program.
pub fn bundled_procedure() -> PathBuf {
    bundled("compose")
}

/// As it was compiled into the program.
pub fn bundled(name: &str) -> PathBuf {
    let built = std::fs::read_dir(built().join("build")).expect("the program was built");
    let outputs = built.flatten().map(|entry| entry.path().join(format!("out/{name}.wasm")));
    let newest = outputs
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .max()
        .expect("the build of the program leaves its bundled procedures");
    newest.1
}
