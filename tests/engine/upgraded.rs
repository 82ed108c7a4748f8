//! What has to be true of an installation that was upgraded.

use std::collections::BTreeSet;

use tessallite_up_tests::{Fingerprint, Installation};

use crate::registry;

/// Every service but the database runs the image of `tag`.
pub fn assert_runs(installation: &Installation, after: &Fingerprint, tag: &str) {
    let before = installation.before().of("image");
    let images = after.of("image");
    assert_eq!(images.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    for (service, image) in images {
        if service == "postgres" {
            assert_eq!(image, before["postgres"], "the database is not the product's");
        } else {
            registry::assert_is(image, service, tag);
        }
    }
    let database =
        |containers: &std::collections::BTreeMap<String, String>| containers["postgres/1"].clone();
    assert_eq!(
        database(&installation.containers()),
        database(installation.containers_before()),
        "the database was recreated or restarted"
    );
}

/// The schema and the rows are those that the migrations of 1.5.0 make: everything that
/// they do not name is as before.
pub fn assert_migrated_to_0008(installation: &Installation, after: &Fingerprint) {
    let (old, new) = (installation.before().of("table"), after.of("table"));
    let changed: BTreeSet<&str> = new
        .iter()
        .filter(|(table, rows)| old.get(*table) != Some(*rows))
        .map(|(t, _)| *t)
        .collect();
    let mut expected: BTreeSet<String> = ["alembic_version", "feature_flags", "tenants", "users"]
        .map(|table| format!("tess_system.{table}"))
        .into();
    for tenant in ["acme_meta", "\"globex-eu_meta\"", "initech_meta"] {
        expected.extend(
            ["alembic_version", "dimensions", "measures", "models"]
                .map(|t| format!("{tenant}.{t}")),
        );
    }
    assert_eq!(changed, expected.iter().map(String::as_str).collect());
    let gone: Vec<_> = old.keys().filter(|table| !new.contains_key(*table)).collect();
    assert!(gone.is_empty(), "tables are gone: {gone:?}");
    assert_eq!(after.of("database"), installation.before().of("database"));
    assert_eq!(revisions(installation), "0008 t0008 t0008 t0008");
    assert_eq!(after.of("other-database"), installation.before().of("other-database"));
}

/// Of the system's schema and of the tenants'.
pub fn revisions(installation: &Installation) -> String {
    let all = ["tess_system", "acme_meta", "globex-eu_meta", "initech_meta"]
        .map(|schema| format!("(SELECT version_num FROM \"{schema}\".alembic_version)"));
    installation.query(&format!("SELECT concat_ws(' ', {})", all.join(", ")))
}

/// The file differs from what it was in these places only.
#[track_caller]
pub fn assert_rewritten(
    installation: &Installation,
    file: &str,
    from: &str,
    to: &str,
    times: usize,
) {
    let before = String::from_utf8(installation.read_before(file)).expect("text");
    let after = String::from_utf8(installation.read(file)).expect("text");
    assert_eq!(after, before.replace(from, to), "{file}");
    assert_eq!(before.matches(from).count(), times, "{file}");
}

#[track_caller]
pub fn assert_files_as_before(installation: &Installation, files: &[&str]) {
    for file in files {
        assert_eq!(installation.read(file), installation.read_before(file), "{file}");
    }
}
