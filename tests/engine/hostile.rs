//! A plugin that misbehaves, on an installation that is still there afterwards.

use std::process::Command;

use tessallite_up_tests::process::run;
use tessallite_up_tests::{Installation, Outcome, Template, events, guide};

use crate::way_back::assert_as_before;

const CHANGES: [&str; 15] = [
    "docker.pull",
    "docker.pin",
    "docker.deploy",
    "docker.unpin",
    "docker.revert",
    "docker.stop",
    "docker.exec",
    "gcloud.deploy",
    "gcloud.route",
    "gcloud.create-backup",
    "gcloud.restore-backup",
    "sql.execute",
    "sql.dump",
    "sql.restore",
    "http.send",
];

/// Alone, with the behaviour as a setting: `command` is `plan` or `--yes`.
fn hostile(installation: &Installation, command: &str, behaviour: &str) -> Outcome {
    let plugin = guide::build("tests/hostile");
    let behaviour = format!("behaviour={behaviour}");
    let plugin = plugin.to_str().unwrap();
    let args = [command, "--to", "1.5.0", "--plugin", plugin, "--set", &behaviour];
    installation.program(args).granted().run()
}

/// Behind the bundled procedure, with the behaviour built in.
fn hostile_second(installation: &Installation, behaviour: &str) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let plugin = guide::hostile(behaviour, dir.path());
    let plugin = plugin.to_str().unwrap();
    let args = ["plan", "--to", "1.5.0", "--plugin", "compose", "--plugin", plugin];
    installation.program(args).granted().run()
}

#[test]
fn no_change_is_made_while_a_plan_is_made() {
    let installation = Installation::borrow(Template::Variable);
    for change in CHANGES {
        hostile(&installation, "plan", &format!("make-plan:call:{change}")).code(4);
    }
    installation.assert_untouched();
}

#[test]
fn no_change_is_made_that_the_step_does_not_declare() {
    let installation = Installation::borrow(Template::Variable);
    for change in CHANGES {
        let outcome = hostile(&installation, "--yes", &format!("apply:undeclared:{change}"));
        outcome.code(4).says("is not what the approved step \"hostile/step\" of hostile declares");
    }
    hostile(&installation, "--yes", "apply:another:docker.stop")
        .code(4)
        .says("is not what the approved step \"hostile/innocent\" of hostile declares");
    installation.assert_untouched_but_recorded();
}

#[test]
fn what_is_declared_and_not_granted_is_no_plan() {
    let installation = Installation::borrow(Template::Variable);
    let plugin = guide::build("tests/hostile");
    let plugin = plugin.to_str().unwrap();
    for change in CHANGES {
        let behaviour = format!("behaviour=apply:declared:{change}");
        let args = ["--yes", "--to", "1.5.0", "--plugin", plugin, "--set", &behaviour];
        installation
            .run(&args)
            .code(4)
            .says(&format!("the plugin hostile may not call {change}"))
            .says("plugins.hostile.allow.");
    }
    installation.assert_untouched();
}

/// All of it is granted: what stops it then is what the capability makes of a name.
#[test]
fn names_that_are_options_paths_or_statements_are_refused() {
    let installation = Installation::borrow(Template::Variable);
    for odd in [
        "stop=--help",
        "stop=-f",
        "stop=../gateway",
        "stop=gatewayNUL",
        "exec=--privileged",
        "exec=--",
        "pull=--help",
        "pull=-q/x:1",
        "pull=../x:1",
        "unpin=..",
        "unpin=../../..",
        "unpin=/etc",
        "unpin=aNULb",
        "label=../../evil",
        "label=-evil",
        "label=a/b",
        "label=aNULb",
        "connection=../internal",
        "restore=x\"; DROP DATABASE postgres; --",
        "restore=../../x",
    ] {
        let outcome = hostile(&installation, "--yes", &format!("apply:odd:{odd}"));
        assert!([3, 4, 6].contains(&outcome.code.unwrap()), "{odd}: {outcome}");
        // Else the next one would be refused for this one.
        let state = installation.path(".tessallite-up");
        assert!(!installation.path("evil").exists() && !state.join("evil").exists(), "{odd}");
        std::fs::remove_dir_all(state).unwrap();
    }
    installation.assert_untouched();
}

#[test]
fn a_read_of_the_database_only_reads() {
    let installation = Installation::borrow(Template::Variable);
    installation.query(
        "CREATE SEQUENCE hostile_numbers; \
         CREATE FUNCTION hostile() RETURNS int LANGUAGE sql AS 'CREATE TABLE evil (); SELECT 1'",
    );
    let before = installation.fingerprint();
    for statement in [
        "WITH x AS (INSERT INTO pg_catalog.pg_description VALUES (1, 1, 1, '')) SELECT 1",
        "WITH x AS (DELETE FROM alembic_version RETURNING 1) SELECT * FROM x",
        "SELECT hostile()",
        "SELECT 1; DROP TABLE x",
        "COPY (SELECT 1) TO PROGRAM 'touch /tmp/evil'",
        "SET ROLE postgres",
        "SELECT set_config('role', 'none', true)",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_export(1, '/tmp/evil')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT pg_reload_conf()",
        "SELECT nextval('hostile_numbers')",
        "SELECT pg_sleep(600)",
        "DO $$ BEGIN END $$",
        "VACUUM",
    ] {
        let outcome = hostile(&installation, "plan", &format!("make-plan:sql:{statement}"));
        assert!([2, 3, 4].contains(&outcome.code.unwrap()), "{statement}: {outcome}");
    }
    installation.fingerprint().assert_same_as(&before);
    let evil = installation.compose(&["exec", "-T", "postgres", "sh", "-c", "ls /tmp"]);
    assert!(!evil.contains("evil"), "{evil}");
    installation.query("DROP FUNCTION hostile(); DROP SEQUENCE hostile_numbers");
}

#[test]
fn nothing_outside_is_asked_that_is_not_granted() {
    let installation = Installation::borrow(Template::Variable);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let local = |host: &str| format!("http://{host}:{port}");
    let config = installation.path("granted.toml");
    let hosts = [local("localhost"), local("localhost.")];
    std::fs::write(
        &config,
        format!("[plugins.hostile.allow.http]\nmethods = [\"GET\"]\nhosts = {hosts:?}\n"),
    )
    .unwrap();
    let plugin = guide::build("tests/hostile");
    let ask = |origin: &str| {
        let behaviour = format!("behaviour=make-plan:get:{origin}");
        let plugin = plugin.to_str().unwrap();
        let args = ["plan", "--to", "1.5.0", "--plugin", plugin, "--set", &behaviour];
        installation.program(args).env("TESSALLITE_UP_CONFIG", &config).run()
    };
    for origin in [
        "http://169.254.169.254".to_owned(),
        "http://metadata.google.internal".to_owned(),
        local("127.0.0.1"),
        local("2130706433"),
        local("0177.0.0.1"),
        local("[::1]"),
        local("[::ffff:127.0.0.1]"),
        local("0.0.0.0"),
    ] {
        ask(&origin).code(4).says("may not call http.get");
    }
    // Listed, and its address is not.
    ask(&local("localhost")).code(4).says("a loopback address").says("addresses");
    let nobody = listener.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(nobody, Err(std::io::ErrorKind::WouldBlock), "somebody was asked");
    std::fs::remove_file(&config).unwrap();
    installation.assert_untouched();
}

#[test]
fn a_declared_change_is_made_once() {
    let installation = Installation::borrow(Template::Variable);
    hostile(&installation, "--yes", "apply:twice:sql.dump")
        .code(4)
        .says("sql.dump is not what the approved step");
    assert!(installation.path(".tessallite-up/backups").is_dir(), "the first one was made");
}

/// Behind the bundled procedure, in an upgrade that fails.
fn fails_beside(installation: &Installation, behaviour: &str) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let plugin = guide::hostile(behaviour, dir.path());
    let plugins = ["--plugin", "compose", "--plugin", plugin.to_str().unwrap()];
    let wanted = ["--yes", "--to", "1.5.0-crash", "--soak", "1", "--output", "json"];
    installation.program(wanted).args(plugins).granted().run()
}

/// As it was, and nothing is left of the way back.
fn clear(installation: &Installation) {
    assert_as_before(installation);
    for name in installation.fingerprint().of("other-database").keys() {
        installation.query(&format!("DROP DATABASE \"{name}\""));
    }
    installation.forget_records();
}

#[test]
fn a_way_back_that_is_none_is_refused_before_anything_is_done() {
    let installation = Installation::borrow(Template::Variable);
    let plan = |behaviour: &str| hostile_second(&installation, behaviour);
    for change in CHANGES {
        plan(&format!("make-rollback:call:{change}")).code(4);
    }
    plan("make-rollback:panic").code(3).says("the vendor's own words");
    plan("way-back:none:no/such/step").code(3).says("there is no step \"no/such/step\"");
    installation.assert_untouched();
}

/// What it declared and did not come to is carried out without it.
#[test]
fn a_plugin_that_breaks_down_on_the_way_back_does_not_stop_it() {
    let installation = Installation::borrow(Template::Variable);
    for (behaviour, says) in [
        ("way-back:panic:rollback/stop", "the vendor's own words"),
        ("way-back:sleep:rollback/files", "did not return from apply within 5 s"),
    ] {
        let outcome = fails_beside(&installation, behaviour);
        outcome.code(5).says(says).says("are carried out without it");
        let dump = installation.path(".tessallite-up/backups/hostile.json");
        assert!(dump.is_file(), "{behaviour}: its effect was not carried out");
        clear(&installation);
    }
}

#[test]
fn a_way_back_that_fails_half_way_can_be_finished_by_hand() {
    let installation = Installation::borrow(Template::Variable);
    for before in ["rollback/database", "rollback/files"] {
        let outcome = fails_beside(&installation, &format!("way-back:undeclared:{before}"));
        let summary = events::summary(&outcome.code(6).events()).clone();
        let error = summary["error"].as_str().unwrap();
        assert!(error.contains("is not what the approved step"), "{before}: {summary}");
        let commands = summary["by_hand"].as_array().unwrap();
        assert!(!commands.is_empty(), "{summary}");
        for command in commands {
            let command = command.as_str().unwrap();
            run(Command::new("sh").args(["-ec", command]).current_dir(installation.dir()));
        }
        clear(&installation);
    }
}

#[test]
fn a_plan_that_is_none_is_refused() {
    let installation = Installation::borrow(Template::Variable);
    for (shape, says) in [
        ("no-steps", "it has no steps"),
        ("too-many-steps", "it has 501 steps"),
        ("duplicate-ids", "it has two steps"),
        ("bad-id", "is not made of lower-case letters"),
        ("no-time", "the time limit of the step"),
        ("all-the-time", "the time limit of the step"),
        ("long-title", "the title of the step"),
        ("declared-twice", "declares twice: stop gateway"),
        ("too-many-effects", "has more than 1000 effects"),
        ("too-many-notes", "it has too many notes"),
        ("huge-facts", "its facts have"),
        ("extension", "it only extends another plugin's plan"),
    ] {
        hostile(&installation, "plan", &format!("plan:{shape}")).code(3).says(says);
    }
    installation.assert_untouched();
}

#[test]
fn a_second_plugin_cannot_take_over_the_plan() {
    let installation = Installation::borrow(Template::Variable);
    for (shape, says) in [
        ("plan", "it made a plan of its own where it was to extend one"),
        ("foreign-id", "it has two steps \"backup\""),
        ("nowhere", "there is no step \"no/such/step\" to place \"hostile/step\" at"),
    ] {
        hostile_second(&installation, &format!("plan:{shape}")).code(3).says(says);
    }
    installation.assert_untouched();
}

#[test]
fn what_a_plugin_says_cannot_forge_a_line() {
    let installation = Installation::borrow(Template::Variable);
    let outcome = hostile(&installation, "plan", "plan:control-characters");
    outcome.code(0).never_says("\u{1b}[2J").never_says("\u{202e}");
    let outcome = hostile(&installation, "--yes", "apply:log");
    outcome.code(0).never_says("\u{1b}[2J").never_says("\u{202e}");
}

#[test]
fn a_step_that_does_not_end_is_ended() {
    let installation = Installation::borrow(Template::Variable);
    let asleep = hostile(&installation, "--yes", "apply:sleep");
    asleep.code(3).says("did not return from apply within 5 s");
    let panicked = hostile(&installation, "--yes", "apply:panic");
    panicked.code(3).says("the vendor's own words").says("broke down in apply");
    installation.assert_untouched_but_recorded();
}
