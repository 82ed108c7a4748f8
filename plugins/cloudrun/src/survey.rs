//! What the installation is before anything is touched.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use tessallite_up_sdk::gcloud::{self, Backup, Instance, Place, Service};
use tessallite_up_sdk::health::{self, Answer};
use tessallite_up_sdk::schemas::{self, Revisions};
use tessallite_up_sdk::{Error, Refusal, host};

use crate::options::Options;
use crate::reference::Reference;
use crate::traffic::shares;

/// A service without traffic may have to start an instance first.
const PROBE_MS: u32 = 30_000;
/// How long a service is asked again that does not answer well at once, or does not know its
/// migration yet.
const PATIENCE_MS: u64 = 5_000;
const PAUSE_MS: u32 = 500;

pub struct Survey {
    pub place: Place,
    /// Those of the configuration that the region has.
    pub services: Result<Vec<Service>, Error>,
    /// The images of the revisions that get traffic, by service; empty where one is not told.
    pub serving: BTreeMap<String, Vec<String>>,
    /// Absent where none is configured.
    pub database: Option<Database>,
    /// Absent where the operator does not want to have them checked.
    pub missing_permissions: Option<Result<Vec<String>, Error>>,
    /// What the services say that are asked and answer; external ones too.
    pub health: BTreeMap<String, Answer>,
    /// Why a service that is asked does not answer.
    pub silent: BTreeMap<String, String>,
    /// Absent where no connection is configured.
    pub schemas: Option<Result<Revisions, Error>>,
}

/// A service that tells a migration.
pub struct Telling<'a> {
    pub service: &'a str,
    pub answer: &'a Answer,
    pub migration: &'a str,
}

pub struct Database {
    pub instance: Result<Instance, Error>,
    pub backups: Result<Vec<Backup>, Error>,
}

impl Survey {
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().flatten().find(|service| service.name == name)
    }

    /// The versions that answer the requests to a service now, where their images tell them.
    pub fn versions(&self, service: &str) -> BTreeSet<Option<Version>> {
        let images = self.serving.get(service).into_iter().flatten();
        images.map(|image| Reference::parse(image).version()).collect()
    }

    /// Why a service that is asked does not answer well.
    pub fn unwell(&self, name: &str) -> Option<&str> {
        let answer = self.health.get(name).filter(|answer| !answer.healthy);
        answer.map(|answer| &answer.text).or(self.silent.get(name)).map(String::as_str)
    }

    /// What the services on Cloud Run tell that know a migration. An external one may be of
    /// another database, and nothing becomes of it.
    pub fn telling<'a>(&'a self, options: &Options<'a>) -> impl Iterator<Item = Telling<'a>> {
        options.own().filter_map(|service| {
            let answer = self.health.get(service)?;
            let migration = answer.migration.as_ref()?.as_deref()?;
            Some(Telling { service, answer, migration })
        })
    }

    /// The services whose migration is null, where nobody tells one.
    pub fn untold<'a>(&self, options: &Options<'a>) -> Vec<&'a str> {
        if self.telling(options).next().is_some() {
            return Vec::new();
        }
        let is_null = |name: &&str| {
            let answer = self.health.get(*name);
            answer.is_some_and(|answer| answer.healthy && answer.migration == Some(None))
        };
        options.own().filter(is_null).collect()
    }

    /// The migration before the upgrade, from whoever tells it.
    pub fn migration<'a>(&'a self, options: &Options<'a>) -> Option<&'a str> {
        self.telling(options).next().map(|telling| telling.migration).or_else(|| {
            let schemas = self.schemas.as_ref()?.as_ref().ok()?;
            schemas::migration(schemas, options.system_schema)
        })
    }
}

/// # Errors
/// Only where nothing can be said at all: the configuration names no place.
pub fn look(options: &Options) -> Result<Survey, Refusal> {
    let place = gcloud::get_place()?;
    let database = place
        .instance
        .as_ref()
        .map(|_| Database { instance: gcloud::get_instance(), backups: gcloud::list_backups() });
    let mut survey = Survey {
        place,
        serving: BTreeMap::new(),
        services: gcloud::list_services(),
        database,
        missing_permissions: options.check_permissions.then(gcloud::list_missing_permissions),
        health: BTreeMap::new(),
        silent: BTreeMap::new(),
        schemas: options.connection.map(|name| schemas::read(name, options.migration_table)),
    };
    survey.serving = serving(survey.services.iter().flatten(), |service, revision| {
        gcloud::get_revision_image(service, revision).unwrap_or_default()
    });
    let own = options.own().filter(|name| survey.service(name).is_some());
    let external = options.external().filter(|name| options.has_url(name));
    let asked: Vec<&str> = own.chain(external).filter(|name| !options.never_asked(name)).collect();
    for name in asked {
        match ask(name, options) {
            Ok(answer) => survey.health.insert(name.to_owned(), answer).map(drop),
            Err(why) => survey.silent.insert(name.to_owned(), why).map(drop),
        };
    }
    Ok(survey)
}

/// The template has the image of the latest revision; others are asked for theirs.
pub fn serving<'a>(
    services: impl Iterator<Item = &'a Service>,
    ask: impl Fn(&str, &str) -> String,
) -> BTreeMap<String, Vec<String>> {
    let of = |service: &Service| {
        let revisions = shares(&service.targets);
        let image = |(revision, _): &(String, u32)| {
            if *revision == service.latest_created_revision {
                service.image.clone()
            } else {
                ask(&service.name, revision)
            }
        };
        revisions.iter().map(image).collect()
    };
    services.map(|service| (service.name.clone(), of(service))).collect()
}

/// The answer, once it is a good one or does not become one.
fn ask(name: &str, options: &Options) -> Result<Answer, String> {
    let convention = options.convention(name);
    let deadline = host::elapsed() + PATIENCE_MS;
    loop {
        let answer = match health::probe(name, None, &convention, PROBE_MS) {
            Ok(Some(answer)) if is_settled(&answer) => return Ok(answer),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(format!("it knows none of {}", convention.paths.join(", "))),
            Err(error) => Err(error.text().to_owned()),
        };
        if host::elapsed() >= deadline {
            return answer;
        }
        host::sleep(PAUSE_MS);
    }
}

/// A service that has just started tells its migration as null for a moment.
fn is_settled(answer: &Answer) -> bool {
    answer.healthy && answer.migration != Some(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::tests::survey;
    use crate::traffic::tests::{service, target};
    use tessallite_up_sdk::Request;
    use tessallite_up_sdk::health::{Convention, judge};

    fn answer(status: u16, body: &str) -> Answer {
        judge("/health", status, body.as_bytes(), &Convention::default())
    }

    #[test]
    fn a_migration_that_is_null_is_asked_for_again() {
        assert!(!is_settled(&answer(200, r#"{"db_migration":null}"#)));
        assert!(!is_settled(&answer(503, r#"{"db_migration":"0007"}"#)));
        assert!(is_settled(&answer(200, r#"{"db_migration":"0007"}"#)));
        assert!(is_settled(&answer(200, r#"{"status":"ok"}"#)));
    }

    #[test]
    fn the_version_that_serves_is_that_of_the_revision_and_not_of_the_template() {
        let targets = vec![target("gateway-0", 80, false), target("gateway-1", 20, true)];
        let gateway = Service { image: "r/gateway:2.0.0".into(), ..service("gateway", targets) };
        let mut survey = survey(Vec::new());
        survey.serving = serving([&gateway].into_iter(), |_, revision| match revision {
            "gateway-0" => "r/gateway:1.4.0@sha256:11".into(),
            other => panic!("{other} is that of the template"),
        });
        let versions = survey.versions("gateway");
        let told: Vec<String> = versions.into_iter().flatten().map(|v| v.to_string()).collect();
        assert_eq!(told, ["1.4.0", "2.0.0"]);
        survey.serving = serving([&gateway].into_iter(), |_, _| String::new());
        assert!(survey.versions("gateway").contains(&None));
    }

    #[test]
    fn only_where_nobody_tells_is_a_null_one_missed() {
        let settings = Request::upgrade_to("2").set("services", "model-service,frontend,gateway");
        let options = Options::of(&settings).unwrap();
        let mut survey = survey(Vec::new());
        survey.health.insert("gateway".into(), answer(200, r#"{"status":"ok"}"#));
        assert_eq!(survey.untold(&options), Vec::<&str>::new());
        survey.health.insert("model-service".into(), answer(200, r#"{"db_migration":null}"#));
        assert_eq!(survey.untold(&options), ["model-service"]);
        survey.health.insert("frontend".into(), answer(200, r#"{"db_migration":"0007"}"#));
        assert_eq!(survey.untold(&options), Vec::<&str>::new());
    }
}
