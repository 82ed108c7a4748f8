//! What a database held at the moment of its backup: kept in the manifest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Name;
use super::schema::Digest;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contents {
    pub(crate) schema: Digest,
    pub(crate) tables: Vec<Table>,
    pub(crate) sequences: Vec<Sequence>,
    /// Absent where they could not be read.
    #[serde(default)]
    pub(crate) large_objects: Option<LargeObjects>,
    pub(crate) statistics: Statistics,
    pub(crate) database: Properties,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) schema: String,
    pub(crate) name: String,
    /// Those in the digest.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: u64,
    /// The sum of the hashes of all rows.
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) written: Written,
}

/// A table as a statement has read it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Measured {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(super) columns: Vec<String>,
    pub(crate) rows: u64,
    pub(crate) digest: Option<String>,
}

impl Measured {
    pub(super) fn with(self, written: Written) -> Table {
        let Self { schema, name, columns, rows, digest } = self;
        Table { schema, name, columns, rows, digest: digest.unwrap_or_default(), written }
    }
}

/// Rows, as the server has counted them since it began to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Statistics {
    /// Cluster, database and last reset: where it is another, the counts are others.
    pub(crate) of: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sequence {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) last_value: i64,
    pub(crate) is_called: bool,
    /// Where it went on while the backup was made: no later than here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<i64>,
}

impl Sequence {
    fn is(&self, found: &Self) -> bool {
        let Some(until) = self.until else {
            return (self.last_value, self.is_called) == (found.last_value, found.is_called);
        };
        let (least, most) = (self.last_value.min(until), self.last_value.max(until));
        (least..=most).contains(&found.last_value)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LargeObjects {
    pub(crate) count: u64,
    pub(crate) digest: String,
}

/// What belongs to the database itself, and is in no dump of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Properties {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) owner: String,
    pub(crate) encoding: String,
    /// As `pg_database.datlocprovider`.
    pub(crate) provider: String,
    pub(crate) collate: String,
    pub(crate) ctype: String,
    pub(crate) locale: Option<String>,
    pub(crate) icu_rules: Option<String>,
    pub(crate) tablespace: String,
    pub(crate) connection_limit: i64,
    pub(crate) allows_connections: bool,
    pub(crate) is_template: bool,
    pub(crate) comment: Option<String>,
    /// Absent where nothing was ever granted or revoked.
    pub(crate) grants: Option<Vec<Grant>>,
    pub(crate) settings: Vec<Setting>,
    /// A new database has the schema of this name, and no dump says that it was dropped.
    pub(crate) has_public: bool,
    /// `shared_preload_libraries` of the server.
    #[serde(default)]
    pub(crate) preloaded: Option<String>,
    /// The cluster's first superuser.
    pub(crate) made_by: String,
    /// Those that own something or are granted something.
    pub(crate) roles: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) grantor: String,
    /// Absent for PUBLIC.
    pub(crate) grantee: Option<String>,
    pub(crate) privilege: String,
    pub(crate) grantable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Setting {
    /// Of this role only.
    pub(crate) role: Option<String>,
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Contents {
    pub(crate) fn table(&self, schema: &str, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.schema == schema && table.name == name)
    }

    pub(super) fn sequence_moved_to(&mut self, now: &Sequence) {
        let same = |s: &&mut Sequence| s.schema == now.schema && s.name == now.name;
        if let Some(then) = self.sequences.iter_mut().find(same) {
            let moved = (then.last_value, then.is_called) != (now.last_value, now.is_called);
            then.until = moved.then_some(now.last_value);
        }
    }
}

impl Properties {
    /// Without what a copy under another name need not share.
    fn comparable(&self) -> Self {
        let mut grants = self.grants.clone();
        grants.iter_mut().for_each(|grants| grants.sort());
        let mut settings = self.settings.clone();
        settings.sort();
        let (name, made_by) = (String::new(), String::new());
        Self {
            name,
            bytes: 0,
            grants,
            settings,
            preloaded: None,
            made_by,
            roles: Vec::new(),
            ..self.clone()
        }
    }
}

/// In what `found` is not what `wanted` says, in words; the first few.
pub(crate) fn differences(wanted: &Contents, found: &Contents) -> Vec<String> {
    let mut told = Vec::new();
    // The text may be put in other words by the server; which objects there are may not.
    if wanted.schema.objects != found.schema.objects {
        told.push("the schema is another".to_owned());
    }
    tables(&wanted.tables, &found.tables, &mut told);
    sequences(&wanted.sequences, &found.sequences, &mut told);
    if let (Some(wanted), Some(found)) = (&wanted.large_objects, &found.large_objects)
        && wanted != found
    {
        told.push(format!(
            "the large objects are others ({} instead of {})",
            found.count, wanted.count
        ));
    }
    told
}

/// In what a database's own properties are not those of `wanted`.
pub(crate) fn same_properties(wanted: &Properties, found: &Properties) -> bool {
    wanted.comparable() == found.comparable()
}

fn tables(wanted: &[Table], found: &[Table], told: &mut Vec<String>) {
    let key = |table: &Table| -> Name { (table.schema.clone(), table.name.clone()) };
    let mut left: BTreeMap<Name, &Table> = found.iter().map(|table| (key(table), table)).collect();
    for table in wanted {
        let name = format!("table {}.{}", table.schema, table.name);
        match left.remove(&key(table)) {
            None => told.push(format!("{name} is missing")),
            Some(found) if found.rows != table.rows => {
                told.push(format!("{name} has {} rows instead of {}", found.rows, table.rows));
            }
            Some(found) if (&found.columns, &found.digest) != (&table.columns, &table.digest) => {
                told.push(format!("{name} has other rows"));
            }
            Some(_) => {}
        }
    }
    told.extend(left.into_keys().map(|(schema, name)| format!("table {schema}.{name} is new")));
}

fn sequences(wanted: &[Sequence], found: &[Sequence], told: &mut Vec<String>) {
    let key = |sequence: &Sequence| -> Name { (sequence.schema.clone(), sequence.name.clone()) };
    let mut left: BTreeMap<Name, &Sequence> = found.iter().map(|one| (key(one), one)).collect();
    for sequence in wanted {
        let name = format!("sequence {}.{}", sequence.schema, sequence.name);
        match left.remove(&key(sequence)) {
            None => told.push(format!("{name} is missing")),
            Some(found) if !sequence.is(found) => {
                told.push(format!(
                    "{name} is at {} instead of {}",
                    found.last_value, sequence.last_value
                ));
            }
            Some(_) => {}
        }
    }
    told.extend(left.into_keys().map(|(schema, name)| format!("sequence {schema}.{name} is new")));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, rows: u64, digest: &str) -> Table {
        Table {
            schema: "acme-eu_meta".into(),
            name: name.into(),
            columns: vec!["id".into()],
            rows,
            digest: digest.into(),
            written: Written::default(),
        }
    }

    fn sequence(last_value: i64, until: Option<i64>) -> Sequence {
        Sequence { schema: "s".into(), name: "q".into(), last_value, is_called: true, until }
    }

    #[test]
    fn every_kind_of_difference_is_told() {
        let wanted = Contents {
            tables: vec![table("a", 1, "1"), table("b", 1, "1"), table("c", 1, "1")],
            sequences: vec![sequence(7, None)],
            large_objects: Some(LargeObjects { count: 1, digest: "1".into() }),
            ..Contents::default()
        };
        assert!(differences(&wanted, &wanted).is_empty());
        let found = Contents {
            schema: Digest { text: String::new(), objects: "other".into() },
            tables: vec![table("a", 2, "2"), table("b", 1, "2"), table("d", 0, "0")],
            sequences: vec![sequence(8, None)],
            large_objects: Some(LargeObjects { count: 1, digest: "2".into() }),
            ..Contents::default()
        };
        let told = differences(&wanted, &found).join("\n");
        for part in [
            "schema",
            "a has 2 rows",
            "b has other rows",
            "c is missing",
            "d is new",
            "q is at 8",
            "large",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn a_sequence_that_moved_during_the_backup_is_somewhere_between() {
        let moved = sequence(7, Some(9));
        for (value, fits) in [(6, false), (7, true), (8, true), (9, true), (10, false)] {
            assert_eq!(moved.is(&sequence(value, None)), fits, "{value}");
        }
    }
}
