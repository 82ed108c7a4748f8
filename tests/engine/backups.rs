//! A backup comes back whole, and what was there stays.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tessallite_up_tests::installation::STATE;
use tessallite_up_tests::process::{docker, run, wait_for};
use tessallite_up_tests::{Installation, Template, events};

use crate::way_back::assert_as_before;

const KINDS: [&str; 4] = ["database", "schema", "sequence", "table"];

/// What a database may have beside what the installation's has.
const MORE: &str = "
    CREATE EXTENSION pg_trgm;
    CREATE SCHEMA \"it's a-b\";
    CREATE TABLE \"it's a-b\".\"T %I\" (id bigserial PRIMARY KEY, \"Col\" text, f float8, b bytea,
        at timestamptz, d interval, twice float8 GENERATED ALWAYS AS (f * 2) STORED);
    INSERT INTO \"it's a-b\".\"T %I\" (\"Col\", f, b, at, d)
        SELECT E'x\\n\\\\' || n, n / 3.0, decode(md5(n::text), 'hex'), now(), n * interval '1 hour'
        FROM generate_series(1, 500) n;
    CREATE INDEX ON \"it's a-b\".\"T %I\" USING gin (\"Col\" gin_trgm_ops);
    CREATE TABLE public.twins (a int); INSERT INTO public.twins VALUES (1), (1), (2);
    CREATE SEQUENCE public.unused START 7;
    GRANT SELECT ON public.twins TO tessallite_reporting;
    SELECT lo_from_bytea(4711, decode(repeat('00ff', 700000), 'hex')), lo_create(4712);
    GRANT SELECT ON LARGE OBJECT 4711 TO tessallite_reporting;
    ALTER DATABASE tessallite SET search_path TO \"$user\", 'it''s a-b', public;
    ALTER ROLE tessallite_reporting IN DATABASE tessallite SET work_mem TO '8MB';
    GRANT CREATE ON DATABASE tessallite TO tessallite_reporting WITH GRANT OPTION;
    REVOKE TEMPORARY ON DATABASE tessallite FROM PUBLIC;
    ALTER DATABASE tessallite CONNECTION LIMIT 90;
    COMMENT ON DATABASE tessallite IS 'it''s ours';";

const LARGE_OBJECTS: &str = "SELECT string_agg(concat_ws(' ', oid, md5(lo_get(oid)), lomacl), ';' ORDER BY oid) \
    FROM pg_largeobject_metadata";

fn create(installation: &Installation, label: &str) {
    installation.run(&["backup", "create", "--label", label]).code(0);
}

/// The name under which the former database is kept.
fn restore(installation: &Installation, label: &str) -> String {
    let outcome = installation.run(&["backup", "restore", label, "--yes", "--output", "json"]);
    outcome.code(0);
    let last = outcome.stdout.lines().last().unwrap();
    let said: Value = serde_json::from_str(last).unwrap();
    said["kept_as"].as_str().unwrap().to_owned()
}

fn manifest(installation: &Installation, label: &str) -> Value {
    let path = installation.path(STATE).join(format!("backups/{label}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn psql(installation: &Installation, database: &str, sql: &str) -> Output {
    let postgres = installation.container("postgres");
    let mut command = Command::new("docker");
    command.args([
        "exec",
        &postgres,
        "psql",
        "-XqAt",
        "-U",
        "tessallite",
        "-d",
        database,
        "-c",
        sql,
    ]);
    command.output().unwrap()
}

fn answer(installation: &Installation, database: &str, sql: &str) -> String {
    let output = psql(installation, database, sql);
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn databases(installation: &Installation) -> Vec<String> {
    let names = "SELECT datname FROM pg_database ORDER BY 1";
    answer(installation, "postgres", names).lines().map(str::to_owned).collect()
}

fn into(installation: &Installation, label: &str) -> String {
    let sha256 = manifest(installation, label)["sha256"].as_str().unwrap().to_owned();
    format!("restored_{label}_{}", &sha256[..8])
}

/// Other tests may have one of theirs at the same time.
#[track_caller]
fn assert_no_throwaway(installation: &Installation) {
    let ours = format!("label=tessallite-up.throwaway={}", installation.project());
    let left = docker(&["ps", "--all", "--quiet", "--filter", &ours]);
    assert_eq!(left.trim(), "", "containers are left");
}

#[test]
fn everything_comes_back_and_the_former_database_keeps_its_newer_rows() {
    let installation = Installation::borrow(Template::Variable);
    installation.query(MORE);
    let (before, objects) = (installation.fingerprint(), installation.query(LARGE_OBJECTS));
    create(&installation, "one");
    installation.query(
        "DELETE FROM public.twins WHERE a = 1; INSERT INTO \"it's a-b\".\"T %I\" (\"Col\") VALUES ('new');
        UPDATE acme_meta.measures SET name = 'changed'; DROP EXTENSION pg_trgm CASCADE;
        CREATE TABLE public.came (a int); INSERT INTO public.came VALUES (1); SELECT lo_unlink(4712);
        ALTER DATABASE tessallite RESET ALL; COMMENT ON DATABASE tessallite IS NULL;",
    );
    let kept = restore(&installation, "one");
    installation.fingerprint().only(&KINDS).assert_same_as(&before.only(&KINDS));
    assert_eq!(installation.query(LARGE_OBJECTS), objects);
    let limit = "SELECT datconnlimit FROM pg_database WHERE datname = current_database()";
    assert_eq!(installation.query(limit), "90");
    let settings = "SELECT setconfig FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
        JOIN pg_database d ON d.oid = s.setdatabase WHERE datname = current_database()";
    assert_eq!(installation.query(settings), "{work_mem=8MB}");
    assert_eq!(answer(&installation, &kept, "SELECT count(*) FROM \"it's a-b\".\"T %I\""), "501");
    assert_eq!(answer(&installation, &kept, "SELECT count(*) FROM public.came"), "1");
    assert_eq!(databases(&installation).len(), 5, "nothing else is left");
    installation.wait_until_healthy();
}

/// Somebody connects again and again: sessions are ended, and nobody is turned away.
#[test]
fn whoever_connects_during_the_swap_waits_and_is_not_refused() {
    let installation = Installation::borrow(Template::Variable);
    create(&installation, "one");
    let connects =
        "while [ ! -e /tmp/enough ]; do psql -XqAt -U tessallite -d tessallite -c 'SELECT 1'; done";
    let postgres = installation.container("postgres");
    let mut client = Command::new("docker");
    client.args(["exec", &postgres, "sh", "-c", connects]).stdout(Stdio::piped());
    let client = client.stderr(Stdio::piped()).spawn().unwrap();
    installation.query("CREATE TABLE public.came (a int)");
    for _ in 0..3 {
        restore(&installation, "one");
    }
    docker(&["exec", &postgres, "touch", "/tmp/enough"]);
    let said = client.wait_with_output().unwrap();
    docker(&["exec", &postgres, "rm", "/tmp/enough"]);
    assert!(said.stdout.len() > 100, "it did not connect: {said:?}");
    let errors = String::from_utf8(said.stderr).unwrap();
    let ended = [
        "terminating connection",
        "server closed",
        "connection to server was lost",
        "before or while processing",
    ];
    let refused = errors.lines().filter(|line| !line.trim().is_empty());
    let refused: Vec<_> =
        refused.filter(|line| !ended.iter().any(|known| line.contains(known))).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn what_a_restore_puts_in_other_words_or_another_order_is_no_difference() {
    let installation = Installation::borrow(Template::Variable);
    installation.query(
        "CREATE TABLE public.moods (m varchar(9) CHECK (m IN ('good', 'bad')), n int DEFAULT 7);
        CREATE VIEW public.good AS SELECT * FROM public.moods WHERE m IN ('good', 'fine');
        INSERT INTO public.moods VALUES ('good');
        CREATE TABLE public.parent (a int); CREATE TABLE public.child (z int, b int) INHERITS (public.parent);
        ALTER TABLE public.parent ADD COLUMN c int; INSERT INTO public.child VALUES (1, 2, 3, 4)",
    );
    create(&installation, "one");
    restore(&installation, "one");
    let outcome = installation.run(&["backup", "restore", "one", "--yes", "--output", "json"]);
    outcome.code(0);
    assert!(!outcome.stdout.contains("written_since"), "{}", outcome.stdout);
}

#[test]
fn it_goes_on_wherever_it_was_cut_off() {
    let installation = Installation::borrow(Template::Variable);
    create(&installation, "one");
    let into = into(&installation, "one");
    // In the middle of the restore.
    let half = format!("CREATE DATABASE \"{into}_partial\"");
    answer(&installation, "postgres", &half);
    answer(&installation, &format!("{into}_partial"), "CREATE TABLE half (a int)");
    restore(&installation, "one");
    installation.fingerprint().only(&KINDS).assert_same_as(&installation.before().only(&KINDS));
    // Between the restore and the swap: what is whole is not restored again.
    answer(&installation, "postgres", &format!("CREATE DATABASE \"{into}\""));
    answer(&installation, &into, "CREATE TABLE whole (a int)");
    let came = "CREATE TABLE public.came (a int); INSERT INTO public.came VALUES (1)";
    installation.query(came);
    let outcome = installation.run(&["backup", "restore", "one", "--yes", "--output", "json"]);
    outcome.code(0).says("written_since").says("came");
    let last: Value = serde_json::from_str(outcome.stdout.lines().last().unwrap()).unwrap();
    let kept = last["kept_as"].as_str().unwrap().to_owned();
    assert_eq!(installation.query("SELECT count(*) FROM whole"), "0");
    let names = databases(&installation);
    assert!(
        names.contains(&kept) && !names.iter().any(|name| name.contains("restored_")),
        "{names:?}"
    );
}

#[test]
fn a_damaged_backup_is_refused_and_nothing_is_touched() {
    let installation = Installation::borrow(Template::Variable);
    create(&installation, "one");
    let file = installation.path(STATE).join("backups/one.dump.zst");
    let mut content = fs::read(&file).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&file, content).unwrap();
    installation.run(&["backup", "restore", "one", "--yes"]).code(3).says("damaged");
    installation.run(&["backup", "verify"]).code(3).says("damaged");
    fs::remove_file(installation.path(STATE).join("backups/one.json")).unwrap();
    installation.run(&["backup", "restore", "one", "--yes"]).code(2).says("no whole backup");
    fs::remove_dir_all(installation.path(STATE)).unwrap();
    installation.assert_untouched();
}

#[test]
fn a_full_verification_finds_what_a_manifest_says_wrongly() {
    let installation = Installation::borrow(Template::Variable);
    create(&installation, "one");
    installation.run(&["backup", "verify", "one", "--full"]).code(0).says("restored and compared");
    assert_eq!(manifest(&installation, "one")["verified"]["how"], "full");
    let mut wrong = manifest(&installation, "one");
    let tables = wrong["contents"]["tables"].as_array_mut().unwrap();
    let table = tables.iter_mut().find(|table| table["schema"] == "globex-eu_meta").unwrap();
    table["digest"] = json!("1");
    let path = installation.path(STATE).join("backups/one.json");
    fs::write(path, serde_json::to_vec(&wrong).unwrap()).unwrap();
    let outcome = installation.run(&["backup", "verify", "one", "--full"]);
    outcome.code(3);
    outcome.says("globex-eu_meta").says("has other rows");
    assert_eq!(manifest(&installation, "one")["verified"], Value::Null);
    assert_no_throwaway(&installation);
    let kept = fs::read(installation.path(STATE).join("backups/one.dump.zst"));
    assert!(kept.is_ok());
    fs::remove_dir_all(installation.path(STATE)).unwrap();
    installation.assert_untouched();
}

/// Its file is whole, and what is in it is not.
#[test]
fn a_backup_that_does_not_come_back_loses_its_mark() {
    let installation = Installation::borrow(Template::Variable);
    create(&installation, "one");
    let backups = installation.path(STATE).join("backups");
    let file = backups.join("one.dump.zst");
    let archive = zstd::decode_all(fs::File::open(&file).unwrap()).unwrap();
    let half = zstd::encode_all(&archive[..archive.len() * 2 / 3], 1).unwrap();
    fs::write(&file, &half).unwrap();
    let sum = run(Command::new("sha256sum").arg(&file));
    let mut wrong = manifest(&installation, "one");
    wrong["sha256"] = json!(sum.split(' ').next().unwrap());
    wrong["bytes"] = json!(half.len());
    fs::write(backups.join("one.json"), serde_json::to_vec(&wrong).unwrap()).unwrap();
    let outcome = installation.run(&["backup", "verify", "one", "--full"]);
    outcome.code(3).says("pg_restore").says("backup create");
    assert_eq!(manifest(&installation, "one")["verified"], Value::Null);
    assert_no_throwaway(&installation);
}

#[test]
fn a_full_verification_that_is_interrupted_leaves_nothing_behind() {
    let installation = Installation::borrow(Template::Variable);
    create(&installation, "one");
    let running = installation.program(["backup", "verify", "one", "--full"]).start();
    let ours = format!("label=tessallite-up.throwaway={}", installation.project());
    wait_for("the throwaway server", Duration::from_secs(60), || {
        let there = docker(&["ps", "--quiet", "--filter", &ours]);
        (!there.trim().is_empty()).then_some(())
    });
    running.interrupt();
    running.finish().code(130).says("Nothing was changed");
    assert_no_throwaway(&installation);
    assert_eq!(manifest(&installation, "one")["verified"]["how"], "quick");
}

#[test]
fn an_upgrade_proves_its_backup_first_when_it_is_told_to() {
    let installation = Installation::borrow(Template::Variable);
    let wanted = ["--to", "1.5.0", "--soak", "1", "--verify-backup", "full", "--output", "json"];
    let outcome = installation.upgrade(&wanted);
    let events = outcome.code(0).events();
    let record = events::summary(&events)["record"].as_str().unwrap();
    let run = record.rsplit('/').next().unwrap();
    assert_eq!(manifest(&installation, run)["verified"]["how"], "full");
    assert_no_throwaway(&installation);
}

#[test]
fn what_is_pruned_is_what_was_told() {
    let installation = Installation::borrow(Template::Variable);
    for label in ["one", "two", "three"] {
        create(&installation, label);
    }
    installation.run(&["backup", "prune"]).code(2).says("--keep N");
    let told = installation.run(&["backup", "prune", "--keep", "1", "--dry-run"]);
    told.code(0);
    told.says("one").says("would be removed");
    let names = |outcome: &str| outcome.lines().filter(|line| line.contains("tables")).count();
    assert_eq!(names(&installation.run(&["backup", "list"]).stdout), 3);
    // Nothing is removed where a part of what was told cannot be done.
    let wrong = ["backup", "prune", "--keep", "1", "--databases", "tessallite"];
    installation.run(&wrong).code(2).says("no database that a restore has kept");
    assert_eq!(names(&installation.run(&["backup", "list"]).stdout), 3);
    // As if it had been made long ago.
    let mut old = manifest(&installation, "one");
    old["started_at"] = json!("2020-01-01T00:00:00Z");
    let path = installation.path(STATE).join("backups/one.json");
    fs::write(path, serde_json::to_vec(&old).unwrap()).unwrap();
    installation.run(&["backup", "prune", "--older-than", "365"]).code(0).says("one");
    assert_eq!(names(&installation.run(&["backup", "list"]).stdout), 2);
    installation.run(&["backup", "prune", "--keep", "1"]).code(0);
    assert_eq!(names(&installation.run(&["backup", "list"]).stdout), 1);
    let kept = restore(&installation, "three");
    installation.run(&["backup", "prune", "--databases", &kept]).code(0);
    assert_eq!(databases(&installation).len(), 4);
}

#[test]
fn the_backup_that_a_rollback_needs_is_not_pruned() {
    let installation = Installation::borrow(Template::Variable);
    installation.upgrade(&["--to", "1.5.0", "--soak", "1"]).code(0);
    create(&installation, "one");
    let pruned = installation.run(&["backup", "prune", "--keep", "0", "--output", "json"]);
    let said: Value = serde_json::from_str(&pruned.code(0).stdout).unwrap();
    assert_eq!(said["removed"], json!(["one"]));
    assert_eq!(said["kept"].as_array().map(Vec::len), Some(1), "{said}");
    installation.run(&["rollback", "--yes"]).code(0);
    assert_as_before(&installation);
}

/// The new database goes to a tablespace that is a small disk of its own: that one is full,
/// and the rest of the server is not.
#[test]
fn a_disk_that_is_full_during_the_restore_leaves_the_database_as_it_is() {
    let installation = Installation::borrow(Template::Variable);
    installation.query(
        "CREATE TABLE tess_system.history AS SELECT n, repeat(md5(n::text), 30) AS t FROM generate_series(1, 20000) n",
    );
    create(&installation, "one");
    let before = installation.fingerprint();
    let id =
        docker(&["inspect", "--format", "{{.State.Pid}}", &installation.container("postgres")]);
    let script = "mkdir /small && mount -t tmpfs -o size=16m none /small && chown postgres /small";
    let mut mount = Command::new("nsenter");
    mount.args(["--target", id.trim(), "--mount", "sh", "-c", script]);
    run(&mut mount);
    answer(&installation, "postgres", "CREATE TABLESPACE small LOCATION '/small'");
    let mut manifest = manifest(&installation, "one");
    manifest["contents"]["properties"]["tablespace"] = json!("small");
    let path = installation.path(STATE).join("backups/one.json");
    fs::write(path, serde_json::to_vec(&manifest).unwrap()).unwrap();
    let outcome = installation.run(&["backup", "restore", "one", "--yes"]);
    outcome.code(3).says("No space left on device").says("free some room");
    installation.fingerprint().assert_same_as(&before);
    assert_eq!(databases(&installation).len(), 4, "half a database is left");
    installation.wait_until_healthy();
}
