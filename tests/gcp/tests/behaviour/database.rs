use serde_json::{Value, json};
use tessallite_up_gcp::{Event, Fault, Kind, Setup};

use crate::operator::{INSTANCE, Operator, operator, with};

fn only_backup(operator: &Operator) -> Value {
    let listed = operator.get(&format!("{INSTANCE}/backupRuns")).json();
    listed["items"][0].clone()
}

#[test]
fn a_restore_brings_the_migration_back() {
    let operator = operator();
    operator.back_up("before");
    let backup = only_backup(&operator);
    assert_eq!((&backup["status"], &backup["type"]), (&json!("SUCCESSFUL"), &json!("ON_DEMAND")));
    operator.deploy("model-service", "2.0.0", "model-service-up1");
    let health = operator.health("model-service").json();
    assert_eq!(health["db_migration"], "0008");
    let begun = operator.restore(backup["id"].as_str().unwrap());
    assert_eq!(begun.status, 200, "{}", begun.text);
    operator.follow(&begun.json());
    assert_eq!(operator.health("frontend").json()["db_migration"], "0007");
}

#[test]
fn an_operation_is_pending_then_running_then_done() {
    let operator = operator();
    let begun =
        operator.send("POST", &format!("{INSTANCE}/backupRuns"), &json!({"description": "d"}));
    assert_eq!(begun.json()["status"], "PENDING");
    assert!(begun.json().get("startTime").is_none());
    let done = operator.follow(&begun.json());
    assert_eq!(done["operationType"], "BACKUP_VOLUME");
    let id = done["backupContext"]["backupId"].as_str().unwrap();
    let backup = operator.get(&format!("{INSTANCE}/backupRuns/{id}")).json();
    assert_eq!(backup["description"], "d");
}

#[test]
fn one_operation_at_a_time() {
    for code in [409, 403] {
        let operator = with(Setup { busy_code: code, ..Setup::default() });
        let start = Event::StartOperation { kind: "UPDATE".into(), ms: None };
        operator.fake.event(start).unwrap();
        let refused = operator.send("POST", &format!("{INSTANCE}/backupRuns"), &json!({}));
        assert_eq!((refused.status, refused.reason().as_str()), (code, "operationInProgress"));
        let listed =
            operator.get("/v1/projects/tessallite-demo/operations?instance=tessallite").json();
        assert_ne!(listed["items"][0]["status"], "DONE");
        operator.fake.event(Event::EndOperations).unwrap();
        let done = operator.back_up("free again");
        assert!(done.get("error").is_none());
    }
}

#[test]
fn a_failed_backup_says_so_in_the_operation_and_in_the_run() {
    let operator = operator();
    let kind = Kind::SqlFailure { message: "disk full".into() };
    operator.fake.fault(Fault::on("POST", "*/backupRuns", kind));
    let done = operator.back_up("bad");
    assert_eq!(done["error"]["errors"][0]["message"], "disk full");
    let backup = only_backup(&operator);
    assert_eq!(backup["status"], "FAILED");
    let refused = operator.restore(backup["id"].as_str().unwrap());
    assert_eq!((refused.status, refused.reason().as_str()), (400, "invalidState"));
}

#[test]
fn replicas_keep_a_backup_from_being_restored() {
    let operator = operator();
    operator.back_up("before");
    let id = only_backup(&operator)["id"].as_str().unwrap().to_owned();
    let replica = Event::AddReplica { name: "reporting".into() };
    operator.fake.event(replica).unwrap();
    assert_eq!(operator.get(INSTANCE).json()["replicaNames"], json!(["reporting"]));
    let refused = operator.restore(&id);
    assert_eq!((refused.status, refused.reason().as_str()), (400, "operationNotAllowed"));
    operator.fake.event(Event::RemoveReplicas).unwrap();
    assert_eq!(operator.restore(&id).status, 200);
    assert_eq!(operator.restore("77").status, 409, "busy comes first");
}

#[test]
fn a_stopped_instance_takes_no_backup_and_serves_nobody() {
    let operator = operator();
    let stop = Event::SetInstance { state: "RUNNABLE".into(), activation: "NEVER".into() };
    operator.fake.event(stop).unwrap();
    let refused = operator.send("POST", &format!("{INSTANCE}/backupRuns"), &json!({}));
    assert_eq!((refused.status, refused.reason().as_str()), (400, "invalidState"));
    assert_eq!(operator.health("model-service").status, 503);
    assert_eq!(operator.health("optimizer").status, 200);
    let done = operator.deploy("model-service", "2.0.0", "model-service-up1");
    assert!(done["error"]["message"].as_str().unwrap().contains("could not connect"));
    assert_eq!(operator.fake.migration(), "0007");
}

#[test]
fn while_it_is_restored_the_database_cannot_be_reached() {
    let operator = with(Setup { restore_ms: 400, ..Setup::default() });
    operator.back_up("before");
    let id = only_backup(&operator)["id"].as_str().unwrap().to_owned();
    let begun = operator.restore(&id).json();
    std::thread::sleep(std::time::Duration::from_millis(60));
    assert_eq!(operator.health("model-service").status, 503);
    operator.follow(&begun);
    assert_eq!(operator.health("model-service").status, 200);
}

#[test]
fn names_that_there_are_not_are_told_by_their_reasons() {
    let operator = operator();
    let other = INSTANCE.replace("instances/tessallite", "instances/other");
    assert_eq!(operator.get(&other).reason(), "instanceDoesNotExist");
    assert_eq!(operator.get(&format!("{INSTANCE}/backupRuns/1")).reason(), "backupRunDoesNotExist");
    let operation = "/v1/projects/tessallite-demo/operations/x";
    assert_eq!(operator.get(operation).reason(), "operationDoesNotExist");
    assert_eq!(operator.get(&INSTANCE.replace("tessallite-demo", "p")).status, 403);
}

#[test]
fn a_backup_may_be_deleted_and_backups_are_the_newest_first() {
    let operator = with(Setup { backup_id_in_operation: false, ..Setup::default() });
    let done = operator.back_up("first");
    assert!(done.get("backupContext").is_none());
    operator.back_up("second");
    assert_eq!(only_backup(&operator)["description"], "second");
    let id = only_backup(&operator)["id"].as_str().unwrap().to_owned();
    let begun = operator.send("DELETE", &format!("{INSTANCE}/backupRuns/{id}"), &Value::Null);
    operator.follow(&begun.json());
    assert_eq!(operator.fake.backups(), [("first".to_owned(), "SUCCESSFUL".to_owned())]);
    let page = operator.get(&format!("{INSTANCE}/backupRuns?maxResults=1")).json();
    assert!(page.get("nextPageToken").is_none());
}

#[test]
fn the_older_path_is_the_same_api() {
    let operator = operator();
    let older = "/sql/v1beta4/projects/tessallite-demo/instances/tessallite?alt=json";
    assert_eq!(operator.get(older).json()["databaseVersion"], "POSTGRES_15");
}
