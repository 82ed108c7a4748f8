//! Carrying out effects.

use crate::{Effect, Error, docker, gcloud, http, sql};

/// Carries out one effect through the function that it is the argument of. What that
/// function returns is dropped; call the function itself where it matters.
///
/// # Errors
/// Those of the function.
pub fn carry_out(effect: &Effect) -> Result<(), Error> {
    match effect {
        Effect::DockerPull(change) => docker::pull(change),
        Effect::DockerPin(change) => docker::pin(change),
        Effect::DockerDeploy(change) => docker::deploy(change),
        Effect::DockerUnpin(change) => docker::unpin(change),
        Effect::DockerRevert(change) => docker::revert(change),
        Effect::DockerStop(change) => docker::stop(change),
        Effect::DockerExec(change) => docker::exec(change).map(drop),
        Effect::RunDeploy(change) => gcloud::deploy(change),
        Effect::RunRoute(change) => gcloud::route(change),
        Effect::InstanceBackup(change) => gcloud::create_backup(change).map(drop),
        Effect::InstanceRestore(change) => gcloud::restore_backup(change).map(drop),
        Effect::SqlExecute(change) => sql::execute(change).map(drop),
        Effect::SqlDump(change) => sql::dump(change).map(drop),
        Effect::SqlRestore(change) => sql::restore(change).map(drop),
        Effect::HttpSend(change) => http::send(change).map(drop),
    }
}

/// Carries out the effects in their order and stops at the first error.
///
/// # Errors
/// Those of the functions.
pub fn carry_out_all(effects: &[Effect]) -> Result<(), Error> {
    effects.iter().try_for_each(carry_out)
}
