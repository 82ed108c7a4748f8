//! The release manifest: what a vendor says of a version, in TOML or JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{Error, Result};
use crate::contract::ReleaseImage;

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub version: Option<String>,
    /// The `db_migration` that the release ends at.
    #[serde(alias = "db_migration")]
    pub migration: Option<String>,
    /// The oldest version that it upgrades from.
    #[serde(alias = "upgrades_from")]
    pub oldest: Option<String>,
    /// The services of before run on its database, too: a rollback leaves the database.
    #[serde(default)]
    pub keeps_compatibility: bool,
    #[serde(default)]
    images: BTreeMap<String, Image>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Image {
    /// `repository:tag`, or `repository:tag@sha256:…`.
    Reference(String),
    Table(Table),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    reference: String,
    digest: Option<String>,
}

impl Release {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let is_json = text.trim_start().starts_with('{');
        let parsed = if is_json {
            serde_json::from_str(&text).map_err(Into::into)
        } else {
            toml::from_str(&text).map_err(Into::into)
        };
        let what = "release manifest";
        let release: Self =
            parsed.map_err(|source| Error::Parse { path: path.to_owned(), what, source })?;
        match release.images().iter().find(|image| !digest_is_valid(image)) {
            Some(image) => Err(Error::Invalid(format!(
                "{}: the digest of {} is not sha256: and 64 hexadecimal digits",
                path.display(),
                image.service
            ))),
            None => Ok(release),
        }
    }

    pub fn images(&self) -> Vec<ReleaseImage> {
        let image = |(service, image): (&String, &Image)| {
            let (reference, digest) = match image {
                Image::Table(table) => (table.reference.clone(), table.digest.clone()),
                Image::Reference(text) => match text.split_once('@') {
                    Some((reference, digest)) => (reference.to_owned(), Some(digest.to_owned())),
                    None => (text.clone(), None),
                },
            };
            ReleaseImage { service: service.clone(), reference, digest }
        };
        self.images.iter().map(image).collect()
    }
}

fn digest_is_valid(image: &ReleaseImage) -> bool {
    image.digest.as_deref().is_none_or(|digest| {
        let digits = digest.strip_prefix("sha256:").unwrap_or_default();
        digits.len() == 64
            && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Release> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Release::read(file.path())
    }

    #[test]
    fn toml_and_json_say_the_same() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let toml = format!(
            "version = \"1.5.0\"\ndb_migration = \"0008\"\nupgrades_from = \"1.4.0\"\n\
             [images]\ngateway = \"r/gateway:1.5.0@{digest}\"\n"
        );
        let json = format!(
            r#"{{"version": "1.5.0", "migration": "0008", "oldest": "1.4.0",
                "images": {{"gateway": {{"reference": "r/gateway:1.5.0", "digest": "{digest}"}}}}}}"#
        );
        let (toml, json) = (read(&toml).unwrap(), read(&json).unwrap());
        assert_eq!(toml.images(), json.images());
        assert_eq!(toml.images()[0].digest.as_deref(), Some(digest.as_str()));
        assert_eq!((toml.migration, toml.oldest), (json.migration, json.oldest));
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        assert!(read("{").is_err());
        assert!(read("versoin = \"1\"").is_err());
        assert!(read("[images.a]\nreference = \"r/a:1\"\ndigset = \"x\"").is_err());
        assert!(read("[images]\na = \"r/a:1@sha256:00\"").is_err());
    }
}
