//! The migration of the installation as a whole, as its services tell it.

use std::collections::BTreeMap;

use tessallite_up_sdk::schemas::{self, Revisions};

use crate::options::Options;
use crate::survey::Survey;

/// What each service that tells a migration says; null is `None`.
pub fn told(survey: &Survey) -> BTreeMap<&str, Option<&str>> {
    survey
        .health
        .iter()
        .filter_map(|(service, health)| {
            Some((service.as_str(), health.answer.migration.as_ref()?.as_deref()))
        })
        .collect()
}

/// Where no service tells the migration, the schema that the services would read.
pub fn of_schemas<'a>(revisions: &'a Revisions, options: &Options) -> Option<&'a str> {
    schemas::migration(revisions, options.system_schema)
}

/// The migration before the upgrade, from whoever tells it.
pub fn before<'a>(survey: &'a Survey, options: &Options) -> Option<&'a str> {
    told(survey)
        .into_values()
        .flatten()
        .next()
        .or_else(|| survey.schemas.as_ref().ok().and_then(|schemas| of_schemas(schemas, options)))
}
