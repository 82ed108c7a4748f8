//! The order of the deployment.

use std::collections::{BTreeMap, BTreeSet};

/// Groups `members` into levels: each service after all that it depends on, also
/// through services that are not members; within a level in the given order.
/// `services` are all services with their dependencies, dependencies first.
pub fn levels(
    services: &[(&str, Vec<&str>)],
    members: &[String],
    one_by_one: bool,
) -> Vec<Vec<String>> {
    let members: BTreeSet<&str> = members.iter().map(String::as_str).collect();
    // The level of each service: one more than the deepest member it depends on.
    let mut depth: BTreeMap<&str, usize> = BTreeMap::new();
    let mut levels: Vec<Vec<String>> = Vec::new();
    for (name, depends_on) in services {
        let level = depends_on
            .iter()
            .map(|dependency| {
                let below = depth.get(dependency).copied().unwrap_or(0);
                below + usize::from(members.contains(dependency))
            })
            .max()
            .unwrap_or(0);
        depth.insert(name, level);
        if members.contains(name) {
            if levels.len() <= level {
                levels.resize(level + 1, Vec::new());
            }
            levels[level].push((*name).to_owned());
        }
    }
    levels.retain(|level| !level.is_empty());
    if one_by_one {
        levels = levels.into_iter().flatten().map(|name| vec![name]).collect();
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documented() -> Vec<(&'static str, Vec<&'static str>)> {
        vec![
            ("postgres", vec![]),
            ("model-service", vec!["postgres"]),
            ("query-router", vec!["model-service"]),
            ("optimizer", vec!["model-service"]),
            ("frontend", vec!["model-service"]),
            ("gateway", vec!["query-router"]),
        ]
    }

    fn members(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_documented_installation_has_three_levels() {
        let members =
            members(&["model-service", "query-router", "optimizer", "frontend", "gateway"]);
        assert_eq!(
            levels(&documented(), &members, false),
            [vec!["model-service"], vec!["query-router", "optimizer", "frontend"], vec!["gateway"]]
        );
    }

    #[test]
    fn one_by_one_keeps_the_order() {
        let members = members(&["model-service", "query-router", "gateway"]);
        assert_eq!(
            levels(&documented(), &members, true),
            [vec!["model-service"], vec!["query-router"], vec!["gateway"]]
        );
    }

    #[test]
    fn a_dependency_through_a_foreign_service_counts() {
        let services =
            vec![("a", vec![]), ("cache", vec!["a"]), ("b", vec!["cache"]), ("c", vec![])];
        assert_eq!(
            levels(&services, &members(&["a", "b", "c"]), false),
            [vec!["a", "c"], vec!["b"]]
        );
    }
}
