//! What a database holds, as far as it takes to tell two of them apart: recorded beside a
//! dump, in the dump's own snapshot.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    pub tables: Vec<Table>,
    pub sequences: Vec<Sequence>,
    pub large_objects: LargeObjects,
    /// SHA-256 over what `pg_dump --schema-only` writes, its comments left out.
    pub schema: String,
    pub properties: Properties,
}

/// Its rows, in whatever order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub schema: String,
    pub name: String,
    pub rows: u64,
    /// The sum of a 64-bit hash of each row.
    pub digest: String,
    /// The server's count of rows written since it last lost count.
    #[serde(default)]
    pub written: Option<Written>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
}

/// Sequences belong to no snapshot: a dump may have a later value than this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    pub schema: String,
    pub name: String,
    pub last_value: i64,
    pub is_called: bool,
    pub increment: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeObjects {
    pub count: u64,
    pub digest: String,
}

/// What belongs to the database itself, and a dump without `--create` leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Properties {
    pub owner: String,
    pub encoding: String,
    pub collate: String,
    pub ctype: String,
    /// `c` or `i`; absent before PostgreSQL 15.
    pub provider: Option<String>,
    pub icu_locale: Option<String>,
    pub tablespace: String,
    pub connection_limit: i64,
    pub comment: Option<String>,
    /// Absent: those that every database begins with.
    pub grants: Option<Vec<Grant>>,
    #[serde(default)]
    pub settings: Option<Vec<Setting>>,
    /// There is a schema `public`: `template0` has one, whatever the dump says.
    pub has_public: bool,
    /// Of the cluster: those that may own something, or be granted something.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The one that the cluster was made with.
    #[serde(default)]
    pub first_role: String,
    /// Libraries that an extension may need; absent where the user may not see them.
    #[serde(default)]
    pub preloaded: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Absent: everybody.
    pub grantee: Option<String>,
    pub privilege: String,
    pub grantable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Absent: for every role.
    pub role: Option<String>,
    /// `name=value`, as the catalog has it.
    pub entry: String,
}

impl Contents {
    pub fn table(&self, schema: &str, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.schema == schema && table.name == name)
    }

    /// What of a restored database is not as in this one, in words; nothing where it is.
    pub fn differences(&self, restored: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        if self.schema != restored.schema {
            differences.push("its schema is another one".to_owned());
        }
        for table in &self.tables {
            let name = format!("{}.{}", table.schema, table.name);
            match restored.table(&table.schema, &table.name) {
                None => differences.push(format!("{name} is missing")),
                Some(found) if found.rows != table.rows => {
                    differences.push(format!("{name} has {} rows, not {}", found.rows, table.rows));
                }
                Some(found) if found.digest != table.digest => {
                    differences.push(format!("{name} has other rows"));
                }
                Some(_) => {}
            }
        }
        if restored.tables.len() > self.tables.len() {
            differences.push("it has more tables".to_owned());
        }
        if self.large_objects != restored.large_objects {
            differences.push("it has other large objects".to_owned());
        }
        differences.extend(self.sequences.iter().filter_map(|then| then.is_behind(restored)));
        differences
    }
}

impl Sequence {
    fn is_behind(&self, restored: &Contents) -> Option<String> {
        let name = format!("{}.{}", self.schema, self.name);
        let mut found = restored.sequences.iter();
        let Some(found) = found.find(|s| s.schema == self.schema && s.name == self.name) else {
            return Some(format!("the sequence {name} is missing"));
        };
        let ahead = match self.increment {
            ..0 => found.last_value <= self.last_value,
            _ => found.last_value >= self.last_value,
        };
        (!ahead).then(|| {
            format!("the sequence {name} is at {}, not at {}", found.last_value, self.last_value)
        })
    }
}

#[cfg(test)]
pub(super) fn sample() -> Contents {
    let table = |schema: &str, rows, written| Table {
        schema: schema.into(),
        name: "models".into(),
        rows,
        digest: format!("{rows}1"),
        written,
    };
    Contents {
        tables: vec![
            table("a", 3, Some(Written { inserted: 3, updated: 0, deleted: 0 })),
            table("b", 5, None),
        ],
        sequences: vec![Sequence {
            schema: "a".into(),
            name: "ids".into(),
            last_value: 7,
            is_called: true,
            increment: 1,
        }],
        large_objects: LargeObjects { count: 0, digest: "0".into() },
        schema: "00".into(),
        properties: Properties {
            owner: "tessallite".into(),
            encoding: "UTF8".into(),
            collate: "C".into(),
            ctype: "C".into(),
            provider: Some("c".into()),
            icu_locale: None,
            tablespace: "pg_default".into(),
            connection_limit: -1,
            comment: None,
            grants: None,
            settings: None,
            has_public: true,
            roles: vec!["tessallite".into()],
            first_role: "tessallite".into(),
            preloaded: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_told() {
        let whole = sample();
        assert_eq!(whole.differences(&whole), Vec::<String>::new());
        let mut other = sample();
        other.schema = "11".into();
        other.tables[0].rows = 4;
        other.tables[1].digest = "x".into();
        other.large_objects.count = 1;
        other.sequences[0].last_value = 6;
        assert_eq!(
            whole.differences(&other),
            [
                "its schema is another one",
                "a.models has 4 rows, not 3",
                "b.models has other rows",
                "it has other large objects",
                "the sequence a.ids is at 6, not at 7"
            ]
        );
        other = sample();
        other.tables.remove(0);
        other.sequences.clear();
        let missing = ["a.models is missing", "the sequence a.ids is missing"];
        assert_eq!(whole.differences(&other), missing);
    }

    #[test]
    fn a_sequence_may_have_gone_on_while_the_dump_was_made() {
        let mut later = sample();
        later.sequences[0].last_value = 9;
        assert!(sample().differences(&later).is_empty());
    }
}
