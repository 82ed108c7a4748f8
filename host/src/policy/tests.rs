use super::*;
use crate::contract::docker::{ExecChange, StopChange};
use crate::contract::http::{Endpoint, ServicePort};
use crate::contract::sql::{DumpChange, DumpProof, ExecuteChange, RestoreChange, RestoreWhen};
use crate::contract::{Effect, docker, http};

fn grants(text: &str) -> Result<Grants, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

fn policy(requested: &[&str], text: &str) -> Policy {
    Policy::new("p", requested.iter().copied(), grants(text).unwrap())
}

fn stop(services: &[&str]) -> Effect {
    let services = services.iter().map(|name| (*name).to_owned()).collect();
    Effect::DockerStop(StopChange { services, unless_on: vec![] })
}

fn execute(statement: &str) -> Effect {
    let (connection, statement) = ("internal".to_owned(), statement.to_owned());
    Effect::SqlExecute(ExecuteChange { connection, statement, params: vec![] })
}

fn send(method: &str, endpoint: Endpoint) -> Effect {
    Effect::HttpSend(http::SendChange {
        method: method.into(),
        endpoint,
        path: "/".into(),
        headers: vec![],
        body: vec![],
        timeout_ms: 1,
    })
}

fn service(name: &str, port: u16) -> Endpoint {
    Endpoint::Service(ServicePort { service: name.into(), port })
}

#[test]
fn nothing_is_granted_by_itself() {
    let policy = policy(&["docker.stop", "docker.logs"], "");
    let effect = stop(&["a"]);
    let denial = policy.check(&Ask::from(&effect)).unwrap_err();
    assert_eq!(denial.text, "the plugin p may not call docker.stop on a: it is not granted");
    assert_eq!(
        denial.hint,
        "to allow it, write into tessallite-up.toml: plugins.p.allow.docker = \
         { actions = [\"stop\"], services = [\"a\"] }"
    );
    assert!(policy.check(&Ask::service("docker.logs", "a")).is_err());
    assert!(policy.check(&Ask::everything("host.log")).is_ok());
}

#[test]
fn what_is_granted_but_not_asked_for_is_denied() {
    let policy = policy(&[], "docker = { actions = [\"logs\"], services = [\"*\"] }");
    let denial = policy.check(&Ask::service("docker.logs", "a")).unwrap_err();
    assert!(denial.text.contains("does not ask for it"), "{denial:?}");
}

#[test]
fn services_are_granted_by_name() {
    let some = policy(
        &["docker.stop", "docker.list-services"],
        "docker = { actions = [\"stop\", \"list-services\"], services = [\"a\", \"b\"] }",
    );
    assert!(some.check(&Ask::from(&stop(&["a", "b"]))).is_ok());
    let effect = stop(&["a", "c"]);
    let denial = some.check(&Ask::from(&effect)).unwrap_err();
    assert!(denial.hint.contains("services = [\"a\", \"b\", \"c\"]"), "{}", denial.hint);
    assert!(some.check(&Ask::everything("docker.list-services")).is_ok());
    let all = policy(&["docker.stop"], "docker = { actions = [\"stop\"], services = [\"*\"] }");
    assert!(all.check(&Ask::from(&stop(&["anything"]))).is_ok());
}

#[test]
fn sql_is_granted_by_what_it_does() {
    let all = ["sql.query", "sql.dump", "sql.restore", "sql.execute", "sql.list-backups"];
    let query = Ask::connection("sql.query", "internal");
    let read = policy(&all, "sql = { connections = [\"internal\"], read = true }");
    assert!(read.check(&query).is_ok());
    assert!(read.check(&Ask::everything("sql.list-backups")).is_ok());
    assert!(read.check(&Ask::connection("sql.query", "reports")).is_err());
    let dump =
        DumpChange { connection: "internal".into(), label: "l".into(), proof: DumpProof::ReadBack };
    let dump = Effect::SqlDump(dump);
    let restore = Effect::SqlRestore(RestoreChange {
        label: "l".into(),
        into: "i".into(),
        keep_as: "k".into(),
        when: RestoreWhen::Always,
    });
    for effect in [&dump, &restore, &execute("DELETE FROM a.b")] {
        assert!(read.check(&Ask::from(effect)).is_err(), "{effect:?}");
    }
    let more = policy(&all, "sql = { connections = [\"internal\"], dump = true, restore = true }");
    assert!(more.check(&Ask::from(&dump)).is_ok() && more.check(&Ask::from(&restore)).is_ok());
    assert!(more.check(&query).is_err());
}

#[test]
fn writes_are_granted_as_statements_or_tables() {
    let policy = policy(
        &["sql.execute"],
        "sql = { connections = [\"internal\"], write = [\"SELECT refresh()\"], \
         write-tables = [\"ops.audit\"] }",
    );
    for statement in ["SELECT refresh()", " SELECT refresh() ", "INSERT INTO ops.audit VALUES (1)"]
    {
        assert!(policy.check(&Ask::from(&execute(statement))).is_ok(), "{statement}");
    }
    for statement in [
        "SELECT refresh2()",
        "SELECT refresh(); DROP TABLE x",
        "INSERT INTO ops.other VALUES (1)",
        "INSERT INTO ops.audit VALUES (refresh())",
    ] {
        assert!(policy.check(&Ask::from(&execute(statement))).is_err(), "{statement}");
    }
}

#[test]
fn http_is_granted_by_method_and_end() {
    let policy = policy(
        &["http.get", "http.send"],
        "http = { methods = [\"GET\", \"POST\"], services = [\"a\", \"b:80\"], \
         hosts = [\"https://hooks.example\"] }",
    );
    let get = |endpoint: &Endpoint| policy.check(&Ask::request("http.get", "GET", endpoint));
    assert!(get(&service("a", 1)).is_ok() && get(&service("b", 80)).is_ok());
    assert!(get(&service("b", 81)).is_err() && get(&service("c", 80)).is_err());
    assert!(get(&Endpoint::Origin("https://hooks.example:443/".into())).is_ok());
    assert!(get(&Endpoint::Origin("http://hooks.example".into())).is_err());
    assert!(get(&Endpoint::Origin("nonsense".into())).is_err());
    assert!(policy.check(&Ask::from(&send("POST", service("a", 1)))).is_ok());
    assert!(policy.check(&Ask::from(&send("DELETE", service("a", 1)))).is_err());
}

#[test]
fn what_cannot_be_enforced_is_refused_when_it_is_read() {
    for text in [
        "docker = { actions = [\"everything\"] }",
        "docker = { actions = [\"*\"] }",
        "docker = { actions = [\"logs\"], services = [\"gate*\"] }",
        "docker = { actions = [\"logs\"], services = [\"\"] }",
        "docker = { actions = [\"logs\"], images = [\"x\"] }",
        "gcloud = { actions = [\"exec\"] }",
        "sql = { write-tables = [\"audit\"] }",
        "sql = { write-tables = [\"ops.Audit\"] }",
        "sql = { write-tables = [\"ops.\"] }",
        "sql = { tables = [\"a.b\"] }",
        "http = { methods = [\"TRACE\"] }",
        "http = { hosts = [\"hooks.example\"] }",
        "http = { hosts = [\"https://*.example\"] }",
        "http = { addresses = [\"10.0.0.1/8\"] }",
        "files = { read = [\"/\"] }",
        "limits = { memory-mib = 0 }",
        "limits = { memory-mib = 100000 }",
        "limits = { cpu = 1 }",
    ] {
        assert!(grants(text).is_err(), "{text}");
    }
}

/// A denial's own line, put into a configuration, allows what was denied.
#[test]
fn the_line_that_a_denial_shows_allows_it() {
    #[derive(Deserialize)]
    struct Config {
        plugins: std::collections::BTreeMap<String, OfPlugin>,
    }
    #[derive(Deserialize)]
    struct OfPlugin {
        allow: Grants,
    }
    let exec = ExecChange { service: "a".into(), argv: vec!["x".into()] };
    let effects = [
        stop(&["a", "b"]),
        Effect::DockerExec(exec),
        Effect::DockerPull(docker::PullChange { images: vec![] }),
        execute("UPDATE x.y SET a = 'it''s \"quoted\"'\n  WHERE b"),
        send("PUT", service("a", 8080)),
        send("POST", Endpoint::Origin("https://hooks.example".into())),
    ];
    for effect in &effects {
        let ask = Ask::from(effect);
        let denied = policy(&[ask.function], "");
        let hint = denied.check(&ask).unwrap_err().hint;
        let (_, line) = hint.split_once("tessallite-up.toml: ").unwrap();
        let config: Config = toml::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let allowed = Policy::new("p", [ask.function], config.plugins["p"].allow.clone());
        assert!(allowed.check(&ask).is_ok(), "{line}");
    }
}

#[test]
fn no_line_grants_what_a_plugin_only_named() {
    let all = policy(&["docker.stop"], "");
    let effect = stop(&["*"]);
    assert_eq!(all.check(&Ask::from(&effect)).unwrap_err().hint, "no grant can allow it");
    let asked = Endpoint::Origin("http://2852039166".into());
    let outside = policy(&["http.get"], "");
    let hint = outside.check(&Ask::request("http.get", "GET", &asked)).unwrap_err().hint;
    assert!(hint.contains("169.254.169.254"), "{hint}");
    let some = policy(
        &["docker.stop", "docker.logs"],
        "docker = { actions = [\"logs\"], services = [\"a\"] }",
    );
    let hint = some.check(&Ask::from(&stop(&["b"]))).unwrap_err().hint;
    assert!(hint.contains("it joins what is granted already"), "{hint}");
}

#[test]
fn grants_are_recorded_as_they_were() {
    let before = policy(&["docker.stop"], "http = { methods = [\"GET\"], hosts = [\"http://a\"] }");
    let text = serde_json::to_string(&before).unwrap();
    let after: Policy = serde_json::from_str(&text).unwrap();
    assert_eq!(before, after);
    let ask = Endpoint::Origin("http://a:80".into());
    assert!(after.grants.allow(&Ask::request("http.get", "GET", &ask)), "{text}");
}

#[test]
fn the_bundled_grants_are_valid() {
    for (name, _) in BUNDLED {
        assert!(!bundled(name).unwrap().is_empty(), "{name}");
    }
}
