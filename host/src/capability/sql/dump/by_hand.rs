//! A restore as a person does it who has nothing but `psql` and `pg_restore`.

use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::properties::{self, identifier};
use super::swap::end_sessions;
use crate::capability::sql::manifest::Manifest;

/// What goes before and behind the `pg_restore` into the new database.
pub struct ByHand {
    pub dump: PathBuf,
    pub is_encrypted: bool,
    /// Lines for `psql`, in any other database.
    pub before: Vec<String>,
    pub after: Vec<String>,
}

/// As [`super::Dumps::restore`] does it; `None` where there is no whole backup of this label.
pub fn by_hand(directory: &Path, label: &str, into: &str, keep_as: &str) -> Option<ByHand> {
    let opened = Dir::open_ambient_dir(directory, ambient_authority()).ok()?;
    let manifest = Manifest::read(&opened, label).ok()??;
    manifest.check_size(&opened).ok()?;
    let properties = &manifest.contents.as_ref()?.properties;
    let ended = |statement: String| format!("{statement};");
    let (current, new) = (identifier(&manifest.database), identifier(into));
    let mut before = vec![ended(properties::create(into, properties))];
    if !properties.has_public {
        before.extend([format!("\\connect {new}"), "DROP SCHEMA public;".to_owned()]);
    }
    let mut after: Vec<String> =
        properties::apply(into, properties).into_iter().map(ended).collect();
    after.extend([
        ended(end_sessions(&manifest.database, into)),
        "BEGIN;".to_owned(),
        format!("ALTER DATABASE {current} RENAME TO {};", identifier(keep_as)),
        format!("ALTER DATABASE {new} RENAME TO {current};"),
        "COMMIT;".to_owned(),
    ]);
    let dump = directory.join(manifest.dump());
    Some(ByHand { dump, is_encrypted: manifest.encrypted, before, after })
}
