//! The procedures that come with the program, compiled by `build.rs`.

pub struct Bundled {
    pub name: &'static str,
    pub component: &'static [u8],
    /// SHA-256 of the component, in hexadecimal.
    pub digest: &'static str,
}

pub const BUNDLED: &[Bundled] = &[
    Bundled {
        name: "compose",
        component: include_bytes!(concat!(env!("OUT_DIR"), "/compose.wasm")),
        digest: include_str!(concat!(env!("OUT_DIR"), "/compose.wasm.sha256")),
    },
    Bundled {
        name: "cloudrun",
        component: include_bytes!(concat!(env!("OUT_DIR"), "/cloudrun.wasm")),
        digest: include_str!(concat!(env!("OUT_DIR"), "/cloudrun.wasm.sha256")),
    },
];

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_digests_are_those_of_the_components() {
        for bundled in BUNDLED {
            let digest = crate::text::hex(&Sha256::digest(bundled.component));
            assert_eq!(bundled.digest, digest, "{}", bundled.name);
        }
    }
}
