//! Reading facts and settings.

use crate::{Fact, Request};

/// The facts of a run, by name.
#[derive(Clone, Copy)]
pub struct Facts<'a>(pub &'a [Fact]);

impl<'a> Facts<'a> {
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .rev()
            .find(|fact| fact.name == name)
            .map(|fact| fact.value.as_str())
    }

    /// The facts whose names begin with `prefix`, with the rest of their names.
    pub fn below<'p>(
        &self,
        prefix: &'p str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a, 'p> {
        self.0
            .iter()
            .filter_map(move |fact| Some((fact.name.strip_prefix(prefix)?, fact.value.as_str())))
    }
}

/// The operator's settings, by name.
#[derive(Clone, Copy)]
pub struct Settings<'a>(&'a Request);

impl<'a> Settings<'a> {
    pub fn of(request: &'a Request) -> Self {
        Self(request)
    }

    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .settings
            .iter()
            .rev()
            .find(|s| s.name == name)
            .map(|s| s.value.as_str())
    }

    /// `true`, `yes` and `1` are yes; `false`, `no` and `0` are no; absent is no.
    ///
    /// # Errors
    /// What is wrong with the value, for the operator to read.
    pub fn flag(&self, name: &str) -> Result<bool, String> {
        match self.get(name) {
            None | Some("false" | "no" | "0") => Ok(false),
            Some("true" | "yes" | "1") => Ok(true),
            Some(other) => Err(format!(
                "the setting {name} must be true or false, not {other:?}"
            )),
        }
    }

    /// A whole number, or the default where the setting is absent.
    ///
    /// # Errors
    /// What is wrong with the value, for the operator to read.
    pub fn number(&self, name: &str, default: u32) -> Result<u32, String> {
        self.get(name).map_or(Ok(default), |value| {
            value
                .parse()
                .map_err(|_| format!("the setting {name} must be a whole number, not {value:?}"))
        })
    }

    /// The items of a comma-separated list; absent: `None`.
    pub fn list(&self, name: &str) -> Option<Vec<&'a str>> {
        self.get(name).map(|value| {
            value
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .collect()
        })
    }
}
