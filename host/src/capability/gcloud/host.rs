//! The interface `gcloud` of the contract.

use std::sync::Arc;
use std::time::Duration;

use crate::capability::conduct::{Arguments, Call, Loss};
use crate::capability::{Context, Error, Result};
use crate::contract::Effect;
use crate::contract::gcloud::{
    Backup, BackupChange, DeployChange, Host, Instance, NewRevision, Place, RestoreChange,
    Restored, RouteChange, Service,
};
use crate::contract::http::Response;
use crate::policy::Ask;

impl Host for Context {
    async fn get_place(&mut self) -> Result<Place> {
        self.ask(whole("gcloud.get-place", &()))?
            .read(async |s| {
                let place = s.gcloud()?.place().clone();
                let (project, region) = (place.project, place.region);
                Ok(Place {
                    project,
                    region,
                    instance: place.instance,
                    repository: place.repository,
                })
            })
            .await
    }

    async fn list_services(&mut self) -> Result<Vec<Service>> {
        self.ask(whole("gcloud.list-services", &()))?
            .read(async |s| s.gcloud()?.services().await)
            .await
    }

    async fn get_service(&mut self, name: String) -> Result<Service> {
        let allowed = self.ask(of("gcloud.get-service", &name, &name))?;
        allowed.read(async move |s| s.gcloud()?.service(&name).await).await
    }

    async fn get_revision_image(&mut self, service: String, revision: String) -> Result<String> {
        let arguments = (&service, &revision);
        let allowed = self.ask(of("gcloud.get-revision-image", &service, &arguments))?;
        allowed
            .read(async move |s| {
                let image = s.gcloud()?.image_of(&service, &revision).await?;
                image.ok_or_else(|| {
                    Error::not_found(format!("the service {service} has no revision {revision:?}"))
                })
            })
            .await
    }

    async fn get_instance(&mut self) -> Result<Instance> {
        self.ask(whole("gcloud.get-instance", &()))?
            .read(async |s| s.gcloud()?.instance().await)
            .await
    }

    async fn list_backups(&mut self) -> Result<Vec<Backup>> {
        self.ask(whole("gcloud.list-backups", &()))?
            .read(async |s| s.gcloud()?.backups().await)
            .await
    }

    async fn list_missing_permissions(&mut self) -> Result<Vec<String>> {
        let allowed = self.ask(whole("gcloud.list-missing-permissions", &()))?;
        allowed.read(async |s| s.gcloud()?.missing_permissions().await).await
    }

    async fn resolve(&mut self, image: String) -> Result<String> {
        let allowed = self.ask(whole("gcloud.resolve", &image))?;
        allowed.read(async move |s| s.gcloud()?.resolve(&image).await).await
    }

    async fn probe(
        &mut self,
        service: String,
        tag: Option<String>,
        path: String,
        timeout_ms: u32,
    ) -> Result<Response> {
        let arguments = (&service, &tag, &path, timeout_ms);
        let allowed = self.ask(of("gcloud.probe", &service, &arguments))?;
        allowed
            .read(async move |s| {
                let timeout = Duration::from_millis(timeout_ms.into());
                s.gcloud()?.probe(&service, tag.as_deref(), &path, timeout).await
            })
            .await
    }

    async fn preview_deploy(&mut self, revision: NewRevision) -> Result<()> {
        let allowed = self.ask(of("gcloud.preview-deploy", &revision.service, &revision))?;
        allowed.read(async move |s| s.gcloud()?.preview(&revision).await).await
    }

    async fn deploy(&mut self, change: DeployChange) -> Result<()> {
        self.change_with_notes(Effect::RunDeploy(change.clone()), async move |s, notes| {
            s.gcloud()?.deploy(&change.revisions, &|name| notes.take(name)).await
        })
        .await
    }

    async fn route(&mut self, change: RouteChange) -> Result<()> {
        self.change_with_notes(Effect::RunRoute(change.clone()), async move |s, notes| {
            s.gcloud()?.route(&change.routes, &|name| notes.take(name)).await
        })
        .await
    }

    async fn create_backup(&mut self, change: BackupChange) -> Result<Backup> {
        self.change_with_notes(Effect::InstanceBackup(change.clone()), async move |s, notes| {
            s.gcloud()?.create_backup(&change.description, &|name| notes.take(name)).await
        })
        .await
    }

    async fn restore_backup(&mut self, change: RestoreChange) -> Result<Restored> {
        let conduct = Arc::clone(self.conduct());
        self.change_with_notes(Effect::InstanceRestore(change.clone()), async move |s, notes| {
            let consent = move |since| conduct.agree_to_loss(Loss::Since(since));
            s.gcloud()?.restore(&change, &consent, &|name| notes.take(name)).await
        })
        .await
    }
}

fn whole<'a>(function: &'static str, arguments: &'a dyn Arguments) -> Call<'a> {
    Call { ask: Ask::everything(function), arguments }
}

fn of<'a>(function: &'static str, service: &'a str, arguments: &'a dyn Arguments) -> Call<'a> {
    Call { ask: Ask::service(function, service), arguments }
}
