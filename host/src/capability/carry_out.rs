//! Carrying out an effect by itself, where no plugin calls for it.

use super::{Context, Result};
use crate::contract::{Effect, docker, gcloud, http, sql};

/// Through the function that the effect is the argument of, with all that it asks first.
///
/// # Errors
/// Those of the function.
pub async fn carry_out(context: &mut Context, effect: &Effect) -> Result<()> {
    use docker::Host as _;
    use gcloud::Host as _;
    use http::Host as _;
    use sql::Host as _;
    match effect.clone() {
        Effect::DockerPull(change) => context.pull(change).await,
        Effect::DockerPin(change) => context.pin(change).await,
        Effect::DockerDeploy(change) => docker::Host::deploy(context, change).await,
        Effect::DockerUnpin(change) => context.unpin(change).await,
        Effect::DockerRevert(change) => context.revert(change).await,
        Effect::DockerStop(change) => context.stop(change).await,
        Effect::DockerExec(change) => context.exec(change).await.map(drop),
        Effect::RunDeploy(change) => gcloud::Host::deploy(context, change).await,
        Effect::RunRoute(change) => context.route(change).await,
        Effect::InstanceBackup(change) => context.create_backup(change).await.map(drop),
        Effect::InstanceRestore(change) => context.restore_backup(change).await.map(drop),
        Effect::SqlExecute(change) => context.execute(change).await.map(drop),
        Effect::SqlDump(change) => context.dump(change).await.map(drop),
        Effect::SqlRestore(change) => context.restore(change).await.map(drop),
        Effect::HttpSend(change) => context.send(change).await.map(drop),
    }
}
