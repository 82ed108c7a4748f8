//! The backup of a run is worth its name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tessallite_up_tests::installation::STATE;
use tessallite_up_tests::process::run;
use tessallite_up_tests::{Fingerprint, Installation, Template};

const COPY: &str = "restored_by_a_test";

#[test]
fn the_backup_restores_every_row_of_before_into_a_new_database() {
    let installation = Installation::borrow(Template::Variable);
    installation.upgrade(&["--to", "1.5.0", "--soak", "1"]).code(0);
    let dump = the_one_dump(&installation.path(STATE).join("backups"));
    assert_manifest_fits(&dump);
    restore(&installation, &dump);
    let restored = fingerprint_of(&installation, COPY);
    let kinds = ["table", "sequence"];
    restored.only(&kinds).assert_same_as(&installation.before().only(&kinds));
    let schema = ["schema"];
    restored.only(&schema).assert_same_as(&installation.before().only(&schema));
}

fn the_one_dump(directory: &Path) -> PathBuf {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.collect();
    files.sort();
    assert_eq!(files.len(), 2, "a dump and its manifest: {files:?}");
    assert!(files[0].to_string_lossy().ends_with(".dump.zst"), "{files:?}");
    files.remove(0)
}

fn assert_manifest_fits(dump: &Path) {
    let manifest = dump.to_string_lossy().replace(".dump.zst", ".json");
    let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    let sum = run(Command::new("sha256sum").arg(dump));
    assert_eq!(manifest["sha256"], sum.split(' ').next().unwrap());
    assert_eq!(manifest["bytes"], fs::metadata(dump).unwrap().len());
    assert_eq!(manifest["database"], "tessallite");
    assert_eq!(manifest["tables"], 13);
}

/// With the tools of PostgreSQL and zstd alone, as a person would without this program.
fn restore(installation: &Installation, dump: &Path) {
    let script = "set -o pipefail
        zstd -dc \"$1\" | docker exec -i \"$2\" pg_restore --list | grep -c 'TABLE DATA'
        docker exec \"$2\" createdb -U tessallite \"$3\"
        zstd -dc \"$1\" | docker exec -i \"$2\" pg_restore --exit-on-error -U tessallite -d \"$3\"";
    let mut bash = Command::new("bash");
    bash.args(["-ec", script, "bash"]).arg(dump).arg(installation.container("postgres")).arg(COPY);
    assert_eq!(run(&mut bash).trim(), "13", "tables in the list of the dump");
}

/// The command of the installation, asked about another database in the same server: the
/// two change names.
fn fingerprint_of(installation: &Installation, database: &str) -> Fingerprint {
    let script = "docker compose stop --timeout 5 $(docker compose ps --services | grep -v postgres)
        docker compose exec -T postgres psql -Xq -U tessallite -d postgres -v ON_ERROR_STOP=1 \
            -c 'ALTER DATABASE tessallite RENAME TO aside' -c \"ALTER DATABASE $1 RENAME TO tessallite\"";
    let mut bash = Command::new("bash");
    run(bash.args(["-ec", script, "bash", database]).current_dir(installation.dir()));
    installation.fingerprint()
}

/// Each of these tells another value from the one before, however alike the server finds them.
const VALUES: [&str; 9] = [
    "amount = 1.00",
    "amount = 'NaN'",
    "amount = NULL",
    "ratio = '-0'",
    "ratio = 'NaN'",
    "name = ''",
    "name = NULL",
    "code = 'a'",
    "seen = 'infinity'",
];

#[test]
fn the_digest_of_a_table_tells_every_value_from_every_other() {
    let installation = Installation::borrow(Template::Variable);
    installation.query(
        "CREATE TABLE public.kinds (amount numeric, ratio float8, name text, code bpchar, seen timestamptz, \
         id uuid, day date, list int[]);
         INSERT INTO public.kinds VALUES (1.0, 0, 'x', 'a  ', '2026-01-01', gen_random_uuid(), 'today', '{1,NULL}')",
    );
    let mut digests = vec![digest_of_kinds(&installation, "as-it-was")];
    assert_eq!(digests[0], digest_of_kinds(&installation, "again"));
    for (n, value) in VALUES.iter().enumerate() {
        installation.query(&format!("UPDATE public.kinds SET {value}"));
        digests.push(digest_of_kinds(&installation, &format!("value-{n}")));
    }
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 1 + VALUES.len());
}

fn digest_of_kinds(installation: &Installation, label: &str) -> String {
    installation.run(&["backup", "create", "--label", label]).code(0);
    let manifest = installation.path(STATE).join(format!("backups/{label}.json"));
    let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    let tables = manifest["contents"]["tables"].as_array().unwrap();
    let kinds = tables.iter().find(|table| table["name"] == "kinds").unwrap();
    kinds["digest"].as_str().unwrap().to_owned()
}

#[test]
fn an_image_without_zstd_is_backed_up_all_the_same() {
    let installation = Installation::borrow(Template::Variable);
    let container = installation.container("postgres");
    run(Command::new("docker").args(["exec", &container, "rm", "/usr/bin/zstd"]));
    installation.run(&["backup", "create", "--label", "plain"]).code(0);
    let dump = the_one_dump(&installation.path(STATE).join("backups"));
    restore(&installation, &dump);
    let restored = fingerprint_of(&installation, COPY);
    let kinds = ["table", "sequence", "schema"];
    restored.only(&kinds).assert_same_as(&installation.before().only(&kinds));
}
