//! Reading facts and settings.

use crate::{Fact, Request};

/// The facts that `apply` gets, by name: those of this plugin's plan and of its own
/// earlier steps.
#[derive(Clone, Copy)]
pub struct Facts<'a>(pub &'a [Fact]);

impl<'a> Facts<'a> {
    /// The last one of this name.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|fact| fact.name == name).map(|fact| fact.value.as_str())
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
    /// Those of the request.
    pub fn of(request: &'a Request) -> Self {
        Self(request)
    }

    /// As the operator wrote it.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.settings.iter().rev().find(|s| s.name == name).map(|s| s.value.as_str())
    }

    /// `true`, `yes` and `1` are yes; `false`, `no` and `0` are no; absent is no.
    ///
    /// # Errors
    /// What is wrong with the value, for the operator to read.
    pub fn flag(&self, name: &str) -> Result<bool, String> {
        match self.get(name) {
            None | Some("false" | "no" | "0") => Ok(false),
            Some("true" | "yes" | "1") => Ok(true),
            Some(other) => Err(format!("the setting {name} must be true or false, not {other:?}")),
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
        self.get(name)
            .map(|value| value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_fact_of_a_name_is_the_one_that_counts() {
        let fact = |name: &str, value: &str| Fact { name: name.into(), value: value.into() };
        let list = [fact("port.a", "1"), fact("port.b", "2"), fact("port.a", "3")];
        assert_eq!(Facts(&list).get("port.a"), Some("3"));
        assert_eq!(Facts(&list).get("port"), None);
        let below: Vec<_> = Facts(&list).below("port.").collect();
        assert_eq!(below, [("a", "1"), ("b", "2"), ("a", "3")]);
    }

    #[test]
    fn settings_are_read_as_what_they_are_to_be() {
        let request = Request::upgrade_to("1.5.0")
            .set("loud", "yes")
            .set("times", "3")
            .set("services", "gateway, frontend,")
            .set("odd", "perhaps");
        let settings = Settings::of(&request);
        assert_eq!(settings.flag("loud"), Ok(true));
        assert_eq!(settings.flag("absent"), Ok(false));
        assert!(settings.flag("odd").unwrap_err().contains("odd must be true or false"));
        assert_eq!(settings.number("times", 1), Ok(3));
        assert_eq!(settings.number("absent", 1), Ok(1));
        assert!(settings.number("odd", 1).unwrap_err().contains("a whole number"));
        assert_eq!(settings.list("services"), Some(vec!["gateway", "frontend"]));
        assert_eq!(settings.list("absent"), None);
    }
}
