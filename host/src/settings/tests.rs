use super::*;

fn resolve(config: &str, flags: Flags) -> Result<Settings> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(CONFIG_FILE), config).unwrap();
    Settings::resolve(Flags { project_dir: Some(dir.path().to_owned()), ..flags })
}

#[test]
fn a_flag_wins_over_the_file() {
    let flags = Flags { to: Some("2.0.0".into()), ..Flags::default() };
    assert_eq!(resolve("to = \"1.5.0\"", flags).unwrap().version.as_deref(), Some("2.0.0"));
    let settings = resolve("to = \"1.5.0\"", Flags::default()).unwrap();
    assert_eq!(settings.version.as_deref(), Some("1.5.0"));
}

#[test]
fn settings_of_services_and_of_the_command_line_come_together() {
    let flags = Flags {
        set: vec!["services.gateway.health=/live".into()],
        named: BTreeMap::from([("soak", "3".to_owned())]),
        ..Flags::default()
    };
    let config = "[settings]\nsoak = 10\n[services.gateway]\nport = 8081\nhealth = \"/x\"\n";
    let settings = resolve(config, flags).unwrap().settings;
    let get = |name: &str| settings.get(name).map(String::as_str);
    assert_eq!(get("soak"), Some("3"));
    assert_eq!(get("services.gateway.port"), Some("8081"));
    assert_eq!(get("services.gateway.health"), Some("/live"));
}

#[test]
fn no_error_and_no_debug_text_shows_a_password() {
    use std::error::Error as _;
    let dsn = "postgresql://reader:s3cret@db/x";
    for config in [
        format!("[sql.connections]\nreports = \"{dsn}\" x"),
        format!("[plugins.x.allow.http]\nhosts = \"{dsn}\""),
        format!("[plugins.x.allow.http]\nhosts = [\"{dsn}\"]"),
        "to = [\"x\\\"s3cret\\\"\"]\nprofiles = \"x\\\"s3cret\\\"\"".to_owned(),
        format!("to = {{ a = \"{dsn}\" }}"),
        format!("state = \"ok\"\nprofiles = \"{dsn}\""),
        format!("[sql]\n\"{dsn}\" = \"reports\""),
    ] {
        let error = resolve(&config, Flags::default()).unwrap_err();
        let text = format!("{error} {} {error:?}", error.source().unwrap());
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("line "), "{text}");
    }
    let config = format!("[sql.connections]\nreports = \"{dsn}\"");
    let settings = resolve(&config, Flags::default()).unwrap();
    assert_eq!(settings.connections["reports"].reveal(), dsn);
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
fn paths_are_meant_from_where_they_are_written() {
    let config = "files = [\"a.yml\"]\nenv-files = [\"b.env\"]";
    let settings = resolve(config, Flags::default()).unwrap();
    assert_eq!(settings.files, [settings.project_dir.join("a.yml")]);
    assert_eq!(settings.env_files, [settings.project_dir.join("b.env")]);
    let flags = Flags { files: vec!["c.yml".into()], ..Flags::default() };
    let here = std::env::current_dir().unwrap();
    assert_eq!(resolve(config, flags).unwrap().files, [here.join("c.yml")]);
}

#[test]
fn keys_are_read_and_what_is_none_is_named() {
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let config = format!("[trust]\nplugin-keys = [{key:?}]\noperator-keys = [{key:?}]");
    let settings = resolve(&config, Flags::default()).unwrap();
    assert_eq!(settings.plugin_keys[0].id(), "E7620F1842B4E81F");
    assert_eq!(settings.operator_keys, settings.plugin_keys);
    for name in ["plugin-keys", "operator-keys"] {
        let config = format!("[trust]\n{name} = [{key:?}, \"RWQx\"]");
        let error = resolve(&config, Flags::default()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("RWQx"), "{error}");
    }
    assert!(resolve("[trust]\nkeys = []", Flags::default()).is_err());
}

#[test]
fn the_pins_stand_beside_the_configuration() {
    let settings = resolve("", Flags::default()).unwrap();
    assert_eq!(settings.plugin_lock, settings.project_dir.join(LOCK_FILE));
    let elsewhere = tempfile::tempdir().unwrap();
    let config = elsewhere.path().join("other.toml");
    std::fs::write(&config, "").unwrap();
    let flags = Flags { config: Some(config), ..Flags::default() };
    let settings = resolve("", flags).unwrap();
    assert_eq!(settings.plugin_lock, elsewhere.path().join(LOCK_FILE));
}

#[test]
fn an_unknown_key_is_refused() {
    let error = resolve("tto = \"1\"", Flags::default()).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("tto"));
}

#[test]
fn a_version_that_is_not_the_releases_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let release = dir.path().join("release.json");
    std::fs::write(&release, r#"{"version": "1.5.0"}"#).unwrap();
    let flags = Flags { release: Some(release), to: Some("1.6.0".into()), ..Flags::default() };
    assert!(resolve("", flags).unwrap_err().to_string().contains("1.6.0"));
}

#[test]
fn state_and_backups_stand_in_the_project() {
    let settings = resolve("", Flags::default()).unwrap();
    assert!(settings.backup_dir.starts_with(&settings.project_dir));
    assert_eq!(settings.state_dir.file_name().unwrap(), ".tessallite-up");
}

#[test]
fn no_flag_unlocks_what_the_project_has_locked() {
    assert!(!resolve("", Flags::default()).unwrap().locked);
    assert!(resolve("locked = true", Flags::default()).unwrap().locked);
    let flags = Flags { locked: true, ..Flags::default() };
    assert!(resolve("locked = false", flags).unwrap().locked);
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("other.toml");
    std::fs::write(&other, "locked = false").unwrap();
    let flags = Flags { config: Some(other), ..Flags::default() };
    let error = resolve("locked = true", flags.clone()).unwrap_err().to_string();
    assert!(error.contains("locked by its own configuration"), "{error}");
    assert!(resolve("", flags).is_ok());
    let compose = dir.path().join("compose.yaml");
    std::fs::write(&compose, "").unwrap();
    std::fs::write(dir.path().join(CONFIG_FILE), "locked = true").unwrap();
    let flags = Flags { files: vec![compose], ..Flags::default() };
    assert!(resolve("", flags).is_err(), "a Compose file of a locked project");
    let flags = Flags { state: Some("x".into()), ..Flags::default() };
    assert!(resolve("locked = true", flags).is_err());
}

#[test]
fn a_locked_plan_needs_an_approval_and_more_where_that_is_said() {
    let approvals = |config: &str| resolve(config, Flags::default()).unwrap().approvals();
    assert_eq!(approvals(""), 0);
    assert_eq!(approvals("locked = true"), 1);
    assert_eq!(approvals("locked = true\n[trust]\napprovals = 2"), 2);
    assert_eq!(approvals("[trust]\napprovals = 2"), 2);
    assert!(resolve("locked = true\n[trust]\napprovals = 0", Flags::default()).is_err());
}

#[test]
fn a_pair_without_a_value_is_refused() {
    let flags = Flags { set: vec!["soak".into()], ..Flags::default() };
    assert!(resolve("", flags).is_err());
}
