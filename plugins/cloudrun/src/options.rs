//! The operator's settings, as this procedure reads them.

use tessallite_up_sdk::health::Convention;
use tessallite_up_sdk::{Request, Settings};

/// The services of the procedure, in its order.
const DOCUMENTED: &[&str] =
    &["model-service", "query-router", "optimizer", "scheduler", "frontend", "gateway"];

/// The names of all settings but those of single services.
const KNOWN: &[&str] = &[
    "services",
    "repository",
    "tag",
    "traffic",
    "probes",
    "soak",
    "timeout",
    "keep-pins",
    "parallel",
    "one-by-one",
    "check-only",
    "skip-permission-check",
    "connection",
    "migration-table",
    "system-schema",
    "allow-stranded-tenants",
];

const KNOWN_PER_SERVICE: &[&str] = &[
    "external",
    "url",
    "health",
    "healthy",
    "migration-field",
    "image",
    "tag",
    "digest",
    "timeout",
];

/// A service of the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    pub name: &'a str,
    /// It is not on Cloud Run: somebody else upgrades it.
    pub external: bool,
}

pub struct Options<'a> {
    settings: Settings<'a>,
    /// The services in the order in which they are upgraded.
    pub members: Vec<Member<'a>>,
    pub repository: Option<&'a str>,
    tag: Option<&'a str>,
    /// The shares that a new revision gets one after the other; the last is 100.
    pub traffic: Vec<u32>,
    /// Good answers in a row.
    pub probes: u32,
    pub soak_s: u32,
    timeout_s: u32,
    /// What is pinned to a revision now is so afterwards.
    pub keep_pins: bool,
    /// The services between the first and the last go side by side.
    pub parallel: bool,
    /// The plan is not going to be carried out: the installation is to be checked, also
    /// where no version to upgrade to is known.
    pub check_only: bool,
    /// Whether permissions are asked for that a project may grant on a condition.
    pub check_permissions: bool,
    /// The database, where the tenants' schemas are to be read.
    pub connection: Option<&'a str>,
    pub migration_table: &'a str,
    pub system_schema: &'a str,
    pub allow_stranded_tenants: bool,
}

impl<'a> Options<'a> {
    /// # Errors
    /// What is wrong with the settings.
    pub fn of(request: &'a Request) -> Result<Self, String> {
        for setting in &request.settings {
            check(&setting.name, &setting.value)?;
        }
        let settings = Settings::of(request);
        let probes = settings.number("probes", 3)?;
        if probes == 0 {
            return Err("the setting probes must be at least 1: traffic never goes to a \
                        revision that was not asked"
                .into());
        }
        Ok(Self {
            members: members(request, settings)?,
            repository: settings.get("repository").map(|path| path.trim_end_matches('/')),
            tag: settings.get("tag"),
            traffic: traffic(settings.list("traffic"))?,
            probes,
            soak_s: settings.number("soak", 0)?,
            timeout_s: settings.number("timeout", 300)?,
            keep_pins: settings.flag("keep-pins")?,
            parallel: settings.flag("parallel")? && !settings.flag("one-by-one")?,
            check_only: settings.flag("check-only")?,
            check_permissions: !settings.flag("skip-permission-check")?,
            connection: settings.get("connection"),
            migration_table: settings.get("migration-table").unwrap_or("alembic_version"),
            system_schema: settings.get("system-schema").unwrap_or("tess_system"),
            allow_stranded_tenants: settings.flag("allow-stranded-tenants")?,
            settings,
        })
    }

    fn of_service(&self, service: &str, what: &str) -> Option<&'a str> {
        self.settings.get(&format!("services.{service}.{what}"))
    }

    /// The services that are on Cloud Run.
    pub fn own(&self) -> impl Iterator<Item = &'a str> {
        self.members.iter().filter(|member| !member.external).map(|member| member.name)
    }

    pub fn external(&self) -> impl Iterator<Item = &'a str> {
        self.members.iter().filter(|member| member.external).map(|member| member.name)
    }

    /// The image that the operator asks for, whatever the version says.
    pub fn image(&self, service: &str) -> Option<&'a str> {
        self.of_service(service, "image")
    }

    /// The tag that the operator asks for, whatever the version says.
    pub fn tag(&self, service: &str) -> Option<&'a str> {
        self.of_service(service, "tag").or(self.tag)
    }

    pub fn digest(&self, service: &str) -> Option<&'a str> {
        self.of_service(service, "digest")
    }

    pub fn has_url(&self, service: &str) -> bool {
        self.of_service(service, "url").is_some()
    }

    /// The services named in settings of their own that are none of the installation's.
    pub fn strangers(&self, request: &'a Request) -> Vec<&'a str> {
        let is_member = |name: &str| self.members.iter().any(|member| member.name == name);
        let mut names: Vec<&str> = named(request).filter(|name| !is_member(name)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub fn convention(&self, service: &str) -> Convention {
        let mut convention = Convention::default();
        let one = |value: &str| vec![value.to_owned()];
        if let Some(path) = self.of_service(service, "health") {
            convention.paths = one(path);
        }
        if let Some(healthy) = self.of_service(service, "healthy") {
            convention.healthy = one(healthy);
        }
        if let Some(field) = self.of_service(service, "migration-field") {
            convention.migration_fields = if field == "none" { Vec::new() } else { one(field) };
        }
        convention
    }

    /// The service is not to be asked over HTTP.
    pub fn never_asked(&self, service: &str) -> bool {
        self.of_service(service, "health") == Some("none")
    }

    /// The longest to wait for a revision to become ready, and again for its answers.
    pub fn timeout_s(&self, service: &str) -> u32 {
        let own = self.of_service(service, "timeout").and_then(|seconds| seconds.parse().ok());
        own.unwrap_or(self.timeout_s)
    }
}

fn named(request: &Request) -> impl Iterator<Item = &str> {
    request.settings.iter().filter_map(|setting| {
        setting.name.strip_prefix("services.")?.rsplit_once('.').map(|(service, _)| service)
    })
}

fn members<'a>(request: &'a Request, settings: Settings<'a>) -> Result<Vec<Member<'a>>, String> {
    let mut names = settings.list("services").unwrap_or_else(|| DOCUMENTED.to_vec());
    let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
    if let Some((_, name)) = twice {
        return Err(format!("the setting services names {name:?} twice"));
    }
    let is_external = |name: &str| settings.flag(&format!("services.{name}.external"));
    for name in named(request) {
        if is_external(name)? && !names.contains(&name) {
            names.push(name);
        }
    }
    let member = |name| Ok(Member { name, external: is_external(name)? });
    let members = names.into_iter().map(member).collect::<Result<Vec<_>, String>>()?;
    if members.iter().all(|member| member.external) {
        return Err("the setting services names no service on Cloud Run".into());
    }
    Ok(members)
}

/// Each step larger than the one before, and in the end everything.
fn traffic(steps: Option<Vec<&str>>) -> Result<Vec<u32>, String> {
    let Some(steps) = steps else {
        return Ok(vec![100]);
    };
    let wrong = || {
        format!(
            "the setting traffic must be growing percentages that end with 100, such as \
             10,50,100, not {:?}",
            steps.join(",")
        )
    };
    let shares: Vec<u32> = steps
        .iter()
        .map(|step| step.parse().map_err(|_| wrong()))
        .collect::<Result<_, String>>()?;
    let grows = shares.windows(2).all(|two| two[0] < two[1]);
    let fits = shares.first().is_some_and(|first| *first > 0) && shares.last() == Some(&100);
    if grows && fits { Ok(shares) } else { Err(wrong()) }
}

fn check(name: &str, value: &str) -> Result<(), String> {
    check_name(name)?;
    if name.ends_with(".timeout") && value.parse::<u32>().is_err() {
        return Err(format!("the setting {name} must be a whole number of seconds, not {value:?}"));
    }
    if name.ends_with(".digest") && !value.starts_with("sha256:") {
        return Err(format!("the setting {name} must be a digest, sha256:…, not {value:?}"));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    let known = match name.strip_prefix("services.").and_then(|rest| rest.rsplit_once('.')) {
        Some((_, what)) => KNOWN_PER_SERVICE.contains(&what),
        None => KNOWN.contains(&name),
    };
    if known {
        return Ok(());
    }
    Err(format!(
        "there is no setting {name:?}; there are {}, and services.NAME.{}",
        KNOWN.join(", "),
        KNOWN_PER_SERVICE.join(", services.NAME.")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(settings: &[(&str, &str)]) -> Request {
        settings.iter().fold(Request::upgrade_to("2.0.0"), |r, (name, value)| r.set(name, value))
    }

    fn refused(settings: &[(&str, &str)]) -> String {
        Options::of(&request(settings)).err().unwrap_or_default()
    }

    #[test]
    fn the_procedures_services_and_order_are_the_default() {
        let request = request(&[]);
        let options = Options::of(&request).unwrap();
        let own: Vec<&str> = options.own().collect();
        assert_eq!(own, DOCUMENTED);
        assert_eq!(options.traffic, [100]);
        assert_eq!((options.probes, options.timeout_s("frontend")), (3, 300));
    }

    #[test]
    fn an_external_service_belongs_without_being_on_cloud_run() {
        let request = request(&[
            ("services", "model-service,gateway"),
            ("services.gateway.external", "true"),
            ("services.agent.external", "true"),
            ("services.agent.url", "https://agent.example"),
            ("services.stray.tag", "1"),
        ]);
        let options = Options::of(&request).unwrap();
        assert_eq!(options.own().collect::<Vec<_>>(), ["model-service"]);
        assert_eq!(options.external().collect::<Vec<_>>(), ["gateway", "agent"]);
        assert!(options.has_url("agent") && !options.has_url("gateway"));
        assert_eq!(options.strangers(&request), ["stray"]);
    }

    #[test]
    fn a_service_may_have_no_migration_to_tell() {
        let fields = |field: &str| {
            let request = request(&[("services.gateway.migration-field", field)]);
            Options::of(&request).unwrap().convention("gateway").migration_fields
        };
        assert_eq!(fields("none"), Vec::<String>::new());
        assert_eq!(fields("revision"), ["revision"]);
    }

    #[test]
    fn traffic_grows_to_everything() {
        let request = request(&[("traffic", "10, 50,100")]);
        assert_eq!(Options::of(&request).unwrap().traffic, [10, 50, 100]);
        for wrong in ["10,50", "50,10,100", "0,100", "100,100", "ten,100", "101", ""] {
            assert!(refused(&[("traffic", wrong)]).contains("end with 100"), "{wrong}");
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_with_what_would() {
        assert!(refused(&[("colour", "red")]).contains("there are services, repository"));
        assert!(refused(&[("services.gateway.port", "1")]).contains("services.NAME.external"));
        assert!(refused(&[("services", "a,b,a")]).contains("\"a\" twice"));
        assert!(refused(&[("services", "")]).contains("no service on Cloud Run"));
        assert!(refused(&[("probes", "0")]).contains("at least 1"));
        assert!(refused(&[("services.gateway.timeout", "soon")]).contains("whole number"));
        assert!(refused(&[("services.gateway.digest", "12")]).contains("sha256:"));
        assert!(refused(&[("services.gateway.external", "perhaps")]).contains("true or false"));
    }

    #[test]
    fn the_services_own_tag_goes_before_the_common_one() {
        let request = request(&[("tag", "2"), ("services.gateway.tag", "3")]);
        let options = Options::of(&request).unwrap();
        assert_eq!((options.tag("gateway"), options.tag("frontend")), (Some("3"), Some("2")));
    }

    #[test]
    fn one_by_one_has_the_last_word() {
        let one = request(&[("parallel", "true")]);
        assert!(Options::of(&one).unwrap().parallel);
        let both = request(&[("parallel", "true"), ("one-by-one", "true")]);
        assert!(!Options::of(&both).unwrap().parallel);
    }
}
