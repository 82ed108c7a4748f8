//! A component from anywhere is taken or refused for a reason, and brings no other contract.

use std::sync::LazyLock;

use futures_util::FutureExt as _;

use super::with_file;
use crate::contract::PACKAGE;
use crate::plugin::{Compiler, Error, Limits, Runtime, Source};

pub(super) const LARGEST: u64 = 1 << 20;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let limits = Limits { component_bytes: LARGEST, ..Limits::default() };
    Runtime::new(None, limits, Compiler::InProcess).unwrap()
});

pub fn component_loader(data: &[u8]) -> bool {
    let source = |path: &std::path::Path| Source::File(path.to_owned());
    let loaded = with_file("plugin.wasm", data, |path| {
        // In this process, compiling is over when it returns.
        RUNTIME.load(&source(path)).now_or_never().unwrap()
    });
    let is_too_large = data.len() as u64 > LARGEST;
    match loaded {
        Ok(component) => {
            assert!(!is_too_large);
            assert!(data.starts_with(b"\0asm"), "no component begins like this");
            assert_eq!(component.bytes, data.len());
            assert_eq!(component.digest.len(), 64);
            check_imports(component.imports.iter().map(String::as_str));
            true
        }
        Err(Error::TooLarge { .. }) => {
            assert!(is_too_large);
            false
        }
        Err(
            Error::NotAComponent { .. }
            | Error::Damaged { .. }
            | Error::OtherContract { .. }
            | Error::NewerContract { .. }
            | Error::Misfit { .. },
        ) => false,
        Err(other) => {
            assert!(matches!(other, Error::NotAComponent { .. }), "not for this: {other:?}");
            false
        }
    }
}

/// This host's version of the contract is the first of its track.
fn check_imports<'a>(imports: impl Iterator<Item = &'a str>) {
    let (namespace, version) = PACKAGE.split_once('@').unwrap();
    let ours = imports.filter(|name| name.starts_with(&format!("{namespace}/")));
    for name in ours {
        let theirs = name.split_once('@').unwrap().1;
        assert_eq!(theirs, version, "{name} is of another contract");
    }
}
