use super::*;

fn table(text: &str) -> Table {
    toml::from_str(text).unwrap()
}

fn resolve(text: &str) -> Result<CloudRun> {
    CloudRun::resolve(&table(text), &Flags::default(), &|_| None)
}

#[test]
fn services_are_those_of_the_procedure_or_those_that_are_listed() {
    let place = "project = \"p\"\nregion = \"r\"\n";
    let names = |cloud: CloudRun| cloud.services.into_iter().map(|s| s.name).collect::<Vec<_>>();
    assert_eq!(names(resolve(place).unwrap()), SERVICES);
    let listed = format!(
        "{place}services = [\"a\", {{ name = \"b\", external = true, url = \"https://b\" }}]"
    );
    let cloud = resolve(&listed).unwrap();
    assert!(cloud.services[1].external);
    let settings = table(&listed).plugin_settings();
    assert_eq!(settings["services"], "a,b");
    assert_eq!(settings["services.b.external"], "true");
    assert!(resolve(&format!("{place}services = [\"a\", \"a\"]")).is_err());
    assert!(resolve(&format!("{place}services = []")).is_err());
}

#[test]
fn a_flag_wins_over_the_file_and_both_over_gcloud() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("configurations");
    std::fs::create_dir_all(&directory).unwrap();
    let text = "[core]\nproject = of-gcloud\n# x = y\n[run]\nregion=europe-west1\n";
    std::fs::write(directory.join("config_work"), text).unwrap();
    std::fs::write(home.path().join("active_config"), "work\n").unwrap();
    let path = home.path().display().to_string();
    let variable = |name: &str| (name == "CLOUDSDK_CONFIG").then(|| path.clone());
    let found = CloudRun::resolve(&table(""), &Flags::default(), &variable).unwrap();
    assert_eq!((found.project.as_str(), found.region.as_str()), ("of-gcloud", "europe-west1"));
    let file = table("project = \"of-file\"");
    let found = CloudRun::resolve(&file, &Flags::default(), &variable).unwrap();
    assert_eq!(found.project, "of-file");
    let flags = Flags { project: Some("of-flag".into()), ..Flags::default() };
    assert_eq!(CloudRun::resolve(&file, &flags, &variable).unwrap().project, "of-flag");
}

#[test]
fn what_is_said_of_a_service_elsewhere_counts_too() {
    let found = resolve("project = \"p\"\nregion = \"r\"").unwrap();
    let settings = [
        ("services", "gateway, agent"),
        ("services.gateway.external", "true"),
        ("services.gateway.url", "https://g"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let services = found.clone().with(&settings).unwrap().services;
    let gateway = Named { name: "gateway".into(), external: true, url: Some("https://g".into()) };
    let agent = Named { name: "agent".into(), external: false, url: None };
    assert_eq!(services, [gateway, agent]);
    assert_eq!(found.clone().with(&BTreeMap::new()).unwrap(), found);
}

#[test]
fn what_is_not_known_is_named() {
    let error = resolve("project = \"p\"").unwrap_err().to_string();
    assert!(error.contains("region") && error.contains("--gcp-region"), "{error}");
    assert!(toml::from_str::<Table>("regoin = \"x\"").is_err());
}

#[test]
fn the_first_plugin_or_the_settings_say_what_the_installation_is() {
    let wanted = |plugins: &[&str], table: Option<&Table>| {
        let plugins: Vec<String> = plugins.iter().map(ToString::to_string).collect();
        is_wanted(&plugins, table, &Flags::default())
    };
    let table = Table::default();
    assert!(wanted(&["/x/cloudrun.wasm"], None));
    assert!(wanted(&[], Some(&table)));
    assert!(!wanted(&["compose"], Some(&table)));
    assert!(!wanted(&["other"], None));
}
