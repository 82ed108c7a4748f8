//! Which behaviour is wanted: the setting `behaviour` of the request, else the one that
//! the tests have written over [`BAKED`] in the built component. `describe` gets no
//! request, and another plugin of the chain may refuse the setting.

use std::hint::black_box;

use tessallite_up_sdk::{Request, Settings};

/// Found by its text in the built component, and replaced there by a text of the same
/// length: the prefix, the behaviour, a semicolon, and anything.
#[used]
static BAKED: [u8; 96] =
    *b"hostile behaviour: none;                                                                        ";

const PREFIX: &str = "hostile behaviour: ";

pub struct Behaviour<'a> {
    pub phase: &'a str,
    pub action: &'a str,
    /// Of the contract, as in "docker.stop".
    pub function: &'a str,
}

impl Behaviour<'static> {
    pub fn baked() -> Self {
        // The optimiser must not know what the tests will write here.
        let baked: &'static [u8] = black_box(&BAKED);
        let text = std::str::from_utf8(baked).unwrap_or_default();
        let text = text.strip_prefix(PREFIX).and_then(|rest| rest.split(';').next());
        Self::parse(text.unwrap_or_default())
    }
}

impl<'a> Behaviour<'a> {
    pub fn of(request: &'a Request) -> Self {
        match Settings::of(request).get("behaviour") {
            Some(text) => Self::parse(text),
            None => Behaviour::baked(),
        }
    }

    fn parse(text: &'a str) -> Self {
        let mut parts = text.splitn(3, ':');
        let mut next = || parts.next().unwrap_or_default();
        Self { phase: next(), action: next(), function: next() }
    }
}
