//! The procedures that come with the program, compiled by `build.rs`.

/// Name and component.
pub const BUNDLED: &[(&str, &[u8])] =
    &[("compose", include_bytes!(concat!(env!("OUT_DIR"), "/compose.wasm")))];
