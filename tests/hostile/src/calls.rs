//! Every function of the contract that reaches the outside world, with arguments that
//! make sense on a documented installation.

use tessallite_up_sdk::docker::{
    DeployChange, ExecChange, FormerImage, ImageChange, PinChange, PinnedImage, PullChange,
    RevertChange, ServiceImage, StopChange, UnpinChange,
};
use tessallite_up_sdk::gcloud::{
    BackupChange, NewRevision, RestoreChange, RouteChange, ServiceRoute, Share,
};
use tessallite_up_sdk::http::{Endpoint, SendChange, ServicePort};
use tessallite_up_sdk::prelude::*;
use tessallite_up_sdk::sql::{DumpChange, DumpProof, ExecuteChange, RestoreWhen};

const SERVICE: &str = "gateway";
const DATABASE: &str = "internal";

pub const FUNCTIONS: &[&str] = &[
    "docker.get-engine",
    "docker.list-services",
    "docker.get-service",
    "docker.check-health",
    "docker.logs",
    "docker.resolve",
    "docker.preview-pin",
    "docker.pull",
    "docker.pin",
    "docker.deploy",
    "docker.unpin",
    "docker.revert",
    "docker.stop",
    "docker.exec",
    "gcloud.get-place",
    "gcloud.list-services",
    "gcloud.get-service",
    "gcloud.get-revision-image",
    "gcloud.get-instance",
    "gcloud.list-backups",
    "gcloud.list-missing-permissions",
    "gcloud.resolve",
    "gcloud.probe",
    "gcloud.preview-deploy",
    "gcloud.deploy",
    "gcloud.route",
    "gcloud.create-backup",
    "gcloud.restore-backup",
    "sql.get-database",
    "sql.query",
    "sql.get-dump-target",
    "sql.list-backups",
    "sql.compare",
    "sql.execute",
    "sql.dump",
    "sql.restore",
    "http.get",
    "http.send",
];

/// Calls everything; says how many calls were denied, and names those that were not.
pub fn all() -> String {
    let denied = |function: &str| matches!(call(function), Err(Error::Denied(_)));
    let (no, yes): (Vec<&str>, Vec<&str>) = FUNCTIONS.iter().partition(|f| denied(f));
    format!("{} denied, not denied: {yes:?}", no.len())
}

pub fn call(function: &str) -> Result<(), Error> {
    match function {
        "docker.get-engine" => docker::get_engine().map(drop),
        "docker.list-services" => docker::list_services().map(drop),
        "docker.get-service" => docker::get_service(SERVICE).map(drop),
        "docker.check-health" => docker::check_health(SERVICE).map(drop),
        "docker.logs" => docker::logs(SERVICE, 10).map(drop),
        "docker.resolve" => docker::resolve(&[image().reference]).remove(0).map(drop),
        "docker.preview-pin" => docker::preview_pin(&pin()).map(drop),
        "gcloud.get-place" => gcloud::get_place().map(drop),
        "gcloud.list-services" => gcloud::list_services().map(drop),
        "gcloud.get-service" => gcloud::get_service(SERVICE).map(drop),
        "gcloud.get-revision-image" => gcloud::get_revision_image(SERVICE, "gateway-1").map(drop),
        "gcloud.get-instance" => gcloud::get_instance().map(drop),
        "gcloud.probe" => gcloud::probe(SERVICE, None, "/api/health", 1_000).map(drop),
        "gcloud.preview-deploy" => gcloud::preview_deploy(&revision()),
        "gcloud.list-missing-permissions" => gcloud::list_missing_permissions().map(drop),
        "gcloud.list-backups" => gcloud::list_backups().map(drop),
        "gcloud.resolve" => gcloud::resolve(&image().reference).map(drop),
        "sql.get-database" => sql::get_database(DATABASE).map(drop),
        "sql.query" => sql::query(DATABASE, "SELECT 1", &[]).map(drop),
        "sql.get-dump-target" => sql::get_dump_target().map(drop),
        "sql.list-backups" => sql::list_backups().map(drop),
        "sql.compare" => sql::compare("hostile", "alembic_version").map(drop),
        "http.get" => http::get(&endpoint(), "/api/health", 1_000).map(drop),
        change => carry_out(&effect(change)?),
    }
}

fn revision() -> NewRevision {
    NewRevision {
        service: SERVICE.into(),
        image: image().reference,
        before: image().reference,
        name: "gateway-hostile".into(),
        tag: "hostile".into(),
    }
}

/// The effect that is the argument of a change.
pub fn effect(function: &str) -> Result<Effect, Error> {
    let services = || vec![ServiceImage { service: SERVICE.into(), image: image() }];
    Ok(match function {
        "docker.pull" => Effect::DockerPull(PullChange { images: vec![image()] }),
        "docker.pin" => Effect::DockerPin(pin()),
        "docker.deploy" => Effect::DockerDeploy(DeployChange { services: services() }),
        "docker.unpin" => Effect::DockerUnpin(UnpinChange { run: "hostile".into() }),
        "docker.revert" => Effect::DockerRevert(RevertChange {
            services: vec![FormerImage { service: SERVICE.into(), image_id: image().digest }],
        }),
        "docker.stop" => {
            Effect::DockerStop(StopChange { services: vec![SERVICE.into()], unless_on: vec![] })
        }
        "docker.exec" => Effect::DockerExec(ExecChange {
            service: SERVICE.into(),
            argv: vec!["touch".into(), "/tmp/hostile".into()],
        }),
        "gcloud.deploy" => Effect::RunDeploy(gcloud::DeployChange { revisions: vec![revision()] }),
        "gcloud.route" => {
            let share = Share { revision: "hostile".into(), percent: 100, latest: false };
            let route = ServiceRoute {
                service: SERVICE.into(),
                before: Vec::new(),
                shares: vec![share],
                tags: Vec::new(),
                untag: Vec::new(),
            };
            Effect::RunRoute(RouteChange { routes: vec![route] })
        }
        "gcloud.create-backup" => {
            Effect::InstanceBackup(BackupChange { description: "hostile".into() })
        }
        "gcloud.restore-backup" => Effect::InstanceRestore(RestoreChange {
            backup: "hostile".into(),
            safety: "hostile-before".into(),
            when: gcloud::RestoreWhen::Always,
        }),
        "sql.execute" => Effect::SqlExecute(ExecuteChange {
            connection: DATABASE.into(),
            statement: "CREATE TABLE hostile ()".into(),
            params: Vec::new(),
        }),
        "sql.dump" => Effect::SqlDump(DumpChange {
            connection: DATABASE.into(),
            label: "hostile".into(),
            proof: DumpProof::ReadBack,
        }),
        "sql.restore" => Effect::SqlRestore(sql::RestoreChange {
            label: "hostile".into(),
            into: "hostile".into(),
            keep_as: "hostile_kept".into(),
            when: RestoreWhen::Always,
        }),
        "http.send" => Effect::HttpSend(SendChange {
            method: "POST".into(),
            endpoint: endpoint(),
            path: "/api/hostile".into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: 1_000,
        }),
        other => return Err(Error::Invalid(format!("the hostile plugin does not know {other:?}"))),
    })
}

fn image() -> PinnedImage {
    let digest = format!("sha256:{}", "0".repeat(64));
    PinnedImage { reference: "localhost/hostile:1".into(), digest }
}

fn pin() -> PinChange {
    let before = "localhost/gateway:1".into();
    PinChange { images: vec![ImageChange { service: SERVICE.into(), before, after: image() }] }
}

fn endpoint() -> Endpoint {
    Endpoint::Service(ServicePort { service: SERVICE.into(), port: 8080 })
}
