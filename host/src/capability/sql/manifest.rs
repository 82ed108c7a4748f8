//! What lies beside a dump: `LABEL.dump.zst`, or `LABEL.dump.zst.age` where it is encrypted,
//! is whole once `LABEL.json` says so.

use std::io::Read;

use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};

use crate::capability::error::{Error, Result};
use crate::capability::sql::contents::Contents;
use crate::capability::sql::types::{Backup, Facts, Listing, Verified};
use crate::text::one_line;

/// Raised when an older program would misread the manifest.
const FORMAT: u32 = 1;
/// More than any manifest has.
const LONGEST: u64 = 64 << 20;
const ENDING: &str = ".json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    pub label: String,
    /// With age.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encrypted: bool,
    pub database: String,
    pub server_version: String,
    /// RFC 3339, UTC, as all times here.
    pub started_at: String,
    pub finished_at: String,
    /// What `pg_dump -Fc -Z0` wrote.
    pub raw_bytes: u64,
    /// Of the file.
    pub bytes: u64,
    /// Of the file, in hexadecimal.
    pub sha256: String,
    pub tables: u32,
    /// What the database held, in the dump's own snapshot. Dumps of older versions do not
    /// tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents: Option<Contents>,
    /// When it was last found to be whole, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
    /// What the caller knew about the product at that time.
    #[serde(default)]
    pub facts: Facts,
}

impl Manifest {
    pub fn format() -> u32 {
        FORMAT
    }

    pub fn backup(&self) -> Backup {
        Backup {
            label: self.label.clone(),
            bytes: self.bytes,
            sha256: self.sha256.clone(),
            tables: self.tables,
            encrypted: self.encrypted,
            started_at: self.started_at.clone(),
            verified: self.verified.clone(),
        }
    }

    /// The name of its file.
    pub fn dump(&self) -> String {
        dump_name(&self.label, self.encrypted)
    }

    /// `None` when there is none.
    pub fn read(directory: &Dir, label: &str) -> Result<Option<Self>> {
        let name = file_name(label);
        let doing = || format!("reading {name}");
        let file = match directory.open(&name) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::failed(doing()).because(e)),
        };
        let mut text = String::new();
        file.take(LONGEST)
            .read_to_string(&mut text)
            .map_err(|e| Error::failed(doing()).because(e))?;
        let manifest: Self =
            serde_json::from_str(&text).map_err(|e| Error::failed(doing()).because(e))?;
        if manifest.format != FORMAT {
            return Err(Error::failed(format!(
                "{}: its format {} is not known",
                doing(),
                manifest.format
            )));
        }
        if manifest.label != label {
            return Err(Error::failed(format!("{}: it belongs to {:?}", doing(), manifest.label)));
        }
        Ok(Some(manifest))
    }

    /// Whether the file is there with the size that was written. The checksum is
    /// for those who are about to use it.
    pub fn check_size(&self, directory: &Dir) -> Result<()> {
        let name = self.dump();
        let found = directory
            .metadata(&name)
            .map_err(|e| Error::failed(format!("looking at {name}")).because(e))?;
        if found.len() == self.bytes {
            return Ok(());
        }
        Err(Error::failed(format!("{name} has {} bytes, {} were written", found.len(), self.bytes)))
    }
}

/// Those whose manifest and size are right; what is not is told, and skipped.
pub(super) fn list(directory: &Dir) -> Result<Listing> {
    let doing = "listing the backup directory";
    let mut listing = Listing::default();
    for entry in directory.entries().map_err(|e| Error::failed(doing).because(e))? {
        let entry = entry.map_err(|e| Error::failed(doing).because(e))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Some(label) = name.strip_suffix(ENDING) else { continue };
        match whole(directory, label) {
            Ok(Some(manifest)) => listing.backups.push(manifest.backup()),
            Ok(None) => {}
            Err(error) => listing
                .warnings
                .push(one_line(&format!("backup {label:?} is passed over: {}", error.full_text()))),
        }
    }
    listing.backups.sort_by(|a, b| (&b.started_at, &b.label).cmp(&(&a.started_at, &a.label)));
    Ok(listing)
}

fn whole(directory: &Dir, label: &str) -> Result<Option<Manifest>> {
    let manifest = Manifest::read(directory, label)?;
    manifest.as_ref().map_or(Ok(()), |manifest| manifest.check_size(directory))?;
    Ok(manifest)
}

pub fn dump_name(label: &str, is_encrypted: bool) -> String {
    format!("{label}.dump.zst{}", if is_encrypted { ".age" } else { "" })
}

pub fn file_name(label: &str) -> String {
    format!("{label}{ENDING}")
}

/// A label becomes a file's name.
pub fn check_label(label: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let begins_well = label.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && label.len() <= 120 && label.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::invalid(format!("{label:?} is no label for a dump")).hint(
        "letters, digits, dots, underscores and hyphens, at most 120, a letter or digit first",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(label: &str, started_at: &str) -> Manifest {
        Manifest {
            format: FORMAT,
            label: label.into(),
            encrypted: false,
            database: "d".into(),
            server_version: "15.1".into(),
            started_at: started_at.into(),
            finished_at: started_at.into(),
            raw_bytes: 9,
            bytes: 3,
            sha256: "00".into(),
            tables: 1,
            contents: None,
            verified: None,
            facts: Facts::new(),
        }
    }

    fn directory() -> (tempfile::TempDir, Dir) {
        let held = tempfile::tempdir().unwrap();
        let opened = Dir::open_ambient_dir(held.path(), cap_std::ambient_authority()).unwrap();
        (held, opened)
    }

    fn keep(directory: &Dir, manifest: &Manifest) {
        directory
            .write(file_name(&manifest.label), serde_json::to_string(manifest).unwrap())
            .unwrap();
    }

    #[test]
    fn the_newest_comes_first_and_what_is_not_whole_is_told() {
        let (_held, directory) = directory();
        for (label, started_at) in
            [("old", "2026-01-01T00:00:00Z"), ("new", "2026-02-01T00:00:00Z")]
        {
            keep(&directory, &manifest(label, started_at));
            directory.write(dump_name(label, false), "abc").unwrap();
        }
        keep(&directory, &manifest("short", "2026-03-01T00:00:00Z"));
        directory.write(dump_name("short", false), "ab").unwrap();
        keep(&directory, &manifest("gone", "2026-03-01T00:00:00Z"));
        directory.write("torn.json", "{").unwrap();
        directory.write("running.dump.zst.partial", "").unwrap();
        let listing = list(&directory).unwrap();
        let labels: Vec<&str> = listing.backups.iter().map(|b| b.label.as_str()).collect();
        assert_eq!(labels, ["new", "old"]);
        assert_eq!(listing.warnings.len(), 3, "{:?}", listing.warnings);
    }

    #[test]
    fn a_manifest_of_another_label_is_not_believed() {
        let (_held, directory) = directory();
        directory
            .write("b.json", serde_json::to_string(&manifest("a", "2026-01-01T00:00:00Z")).unwrap())
            .unwrap();
        assert!(Manifest::read(&directory, "b").is_err());
        assert!(Manifest::read(&directory, "c").unwrap().is_none());
    }

    #[test]
    fn a_label_cannot_lead_out_of_the_directory() {
        for label in ["", ".", "..", "a/b", "../a", "-a", ".a", "a b", "ä", "a\0", &"a".repeat(121)]
        {
            assert!(check_label(label).is_err(), "{label:?}");
        }
        for label in ["pre-upgrade-1.4.0_2026", "a", "7"] {
            assert!(check_label(label).is_ok(), "{label:?}");
        }
    }
}
