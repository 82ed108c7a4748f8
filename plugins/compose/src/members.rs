//! Which services belong to the product.
//!
//! The operator may say; else the images do: the services that share the repository
//! and the version of the installation. A database with a tag of its own is none of them.

use std::collections::BTreeMap;

use crate::reference::Reference;

/// A service that every Tessallite installation has; it settles a draw.
const LANDMARK: &str = "model-service";

/// `services` are names and image references, in the order of the model. `target` is
/// the version being upgraded to: after a run that stopped half way, some services
/// already carry it.
///
/// # Errors
/// Why no group of services stands out, with what to set.
pub fn find(services: &[(&str, &str)], target: Option<&str>) -> Result<Vec<String>, String> {
    let mut groups: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (name, image) in services.iter().filter(|(_, image)| !image.is_empty()) {
        let reference = Reference::parse(image);
        groups.entry((reference.parent(), reference.tag_or_latest())).or_default().push(name);
    }
    let weight = |names: &Vec<&str>| (names.len(), names.contains(&LANDMARK));
    let heaviest = groups.values().map(weight).max().unwrap_or_default();
    let mut best = groups.iter().filter(|(_, names)| weight(names) == heaviest);
    let (Some((&(parent, tag), _)), None) = (best.next(), best.next()) else {
        return Err(unclear(&groups));
    };
    if heaviest.0 < 2 && !heaviest.1 {
        return Err(unclear(&groups));
    }
    Ok(services
        .iter()
        .filter(|(_, image)| {
            let reference = Reference::parse(image);
            let theirs = reference.tag_or_latest();
            let same_version = theirs == tag
                || target.is_some_and(|target| {
                    theirs.trim_start_matches('v') == target.trim_start_matches('v')
                });
            !image.is_empty() && reference.parent() == parent && same_version
        })
        .map(|(name, _)| (*name).to_owned())
        .collect())
}

fn unclear(groups: &BTreeMap<(&str, &str), Vec<&str>>) -> String {
    let list: Vec<String> = groups
        .iter()
        .map(|((parent, tag), names)| format!("{parent}/…:{tag} ({})", names.join(", ")))
        .collect();
    format!(
        "which services belong to Tessallite cannot be told from their images: {}. \
         Name them: --set services=model-service,gateway,…",
        list.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_that_share_repository_and_version_belong_together() {
        let services = [
            ("postgres", "r/library/postgres:15"),
            ("model-service", "r/tessallite/model-service:1.4.0"),
            ("gateway", "r/tessallite/gateway:1.4.0"),
            ("cache", "redis:7"),
        ];
        assert_eq!(find(&services, Some("1.5.0")).unwrap(), ["model-service", "gateway"]);
    }

    #[test]
    fn a_postgres_in_the_same_repository_with_a_tag_of_its_own_is_left_alone() {
        let services = [
            ("db", "r/tessallite/postgres:15"),
            ("model-service", "r/tessallite/model-service:1.4.0"),
            ("gateway", "r/tessallite/gateway:1.4.0"),
        ];
        assert_eq!(find(&services, None).unwrap(), ["model-service", "gateway"]);
    }

    #[test]
    fn services_that_already_carry_the_target_belong_too() {
        let services = [
            ("model-service", "r/t/model-service:1.5.0"),
            ("gateway", "r/t/gateway:1.4.0"),
            ("frontend", "r/t/frontend:1.4.0"),
        ];
        assert_eq!(find(&services, Some("1.5.0")).unwrap().len(), 3);
    }

    #[test]
    fn a_draw_is_the_operators_to_settle() {
        let services = [("a", "x/a:1"), ("b", "x/b:1"), ("c", "y/c:2"), ("d", "y/d:2")];
        assert!(find(&services, None).unwrap_err().contains("--set services="));
        assert!(find(&[("a", "x/a:1")], None).is_err());
        assert!(find(&[], None).is_err());
    }
}
