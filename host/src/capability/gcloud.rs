//! The gcloud capability: in this version every call is denied.

use serde::Serialize;

use super::conduct::{Arguments, Call};
use super::{Context, Error, Result};
use crate::contract::Effect;
use crate::contract::gcloud::{
    Backup, BackupChange, Host, RestoreChange, RevisionChange, RouteChange, Service,
};
use crate::policy::Ask;

fn not_offered<T>() -> Result<T> {
    Err(Error::denied("this version of tessallite-up does not drive Google Cloud")
        .hint("Docker Compose installations are supported: --plugin compose"))
}

impl Context {
    async fn refused_read<T: Serialize>(
        &mut self,
        function: &'static str,
        arguments: &dyn Arguments,
    ) -> Result<T> {
        let ask = Ask::everything(function);
        self.read(Call { ask, arguments }, |_| async { not_offered() }).await
    }

    /// Refused before it is begun: there is nothing to go back from.
    async fn refused_change<T: Serialize>(&mut self, effect: Effect) -> Result<T> {
        let call = Call { ask: Ask::from(&effect), arguments: &effect };
        self.read(call, |_| async { not_offered() }).await
    }
}

impl Host for Context {
    async fn list_services(&mut self) -> Result<Vec<Service>> {
        self.refused_read("gcloud.list-services", &()).await
    }

    async fn list_backups(&mut self) -> Result<Vec<Backup>> {
        self.refused_read("gcloud.list-backups", &()).await
    }

    async fn resolve(&mut self, image: String) -> Result<String> {
        self.refused_read("gcloud.resolve", &image).await
    }

    async fn deploy(&mut self, change: RevisionChange) -> Result<()> {
        self.refused_change(Effect::RunDeploy(change)).await
    }

    async fn route(&mut self, change: RouteChange) -> Result<()> {
        self.refused_change(Effect::RunRoute(change)).await
    }

    async fn create_backup(&mut self, change: BackupChange) -> Result<Backup> {
        self.refused_change(Effect::InstanceBackup(change)).await
    }

    async fn restore_backup(&mut self, change: RestoreChange) -> Result<()> {
        self.refused_change(Effect::InstanceRestore(change)).await
    }
}
