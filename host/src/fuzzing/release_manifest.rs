//! What a release manifest says does not depend on the form in which it says it.

use std::path::Path;

use super::with_file;
use crate::settings::{Error, Release};

pub fn release_manifest(data: &[u8]) -> bool {
    match read("release", data) {
        Ok(release) => {
            check(&release);
            true
        }
        Err(error) => {
            let is_text = std::str::from_utf8(data).is_ok();
            assert_eq!(is_text, !matches!(error, Error::Read { .. }), "{error:?}");
            false
        }
    }
}

fn read(name: &str, data: &[u8]) -> Result<Release, Error> {
    with_file(name, data, |path: &Path| Release::read(path))
}

fn check(release: &Release) {
    for image in release.images() {
        let digits = image.digest.map_or(64, |digest| {
            let digits = digest.strip_prefix("sha256:").unwrap_or_default();
            digits.bytes().filter(u8::is_ascii_hexdigit).count()
        });
        assert_eq!(digits, 64, "{}", image.service);
    }
    let text = said_in_full(release);
    let json = serde_json::to_vec(&text).unwrap();
    let toml = toml::to_string(&text).unwrap();
    for (form, data) in [("json", json.as_slice()), ("toml", toml.as_bytes())] {
        let again = read(form, data).unwrap();
        assert_eq!(said_in_full(&again), text, "in {form}");
    }
}

fn said_in_full(release: &Release) -> serde_json::Value {
    let images = release.images().into_iter().map(|image| {
        let mut said =
            serde_json::Map::from_iter([("reference".to_owned(), image.reference.into())]);
        said.extend(image.digest.map(|digest| ("digest".to_owned(), digest.into())));
        (image.service, said.into())
    });
    let images: serde_json::Map<String, serde_json::Value> = images.collect();
    let mut said = serde_json::Map::from_iter([
        ("keeps_compatibility".to_owned(), release.keeps_compatibility.into()),
        ("images".to_owned(), images.into()),
    ]);
    let texts = [
        ("version", &release.version),
        ("migration", &release.migration),
        ("oldest", &release.oldest),
    ];
    for (key, text) in texts {
        said.extend(text.clone().map(|text| (key.to_owned(), text.into())));
    }
    said.into()
}
