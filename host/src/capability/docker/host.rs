//! The interface `docker` of the contract.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::types::{PinnedImage, PullProgress};
use super::{client::Client, pin};
use crate::capability::conduct::{Arguments, Call, Conduct, Notice};
use crate::capability::{Context, Error, Result};
use crate::contract::Effect;
use crate::contract::docker::{
    DeployChange, Engine, ExecChange, ExecOutput, Health, Host, PinChange, PullChange,
    RegistryImage, RevertChange, Service, StopChange, UnpinChange,
};
use crate::contract::errors::{self, Host as _};
use crate::policy::{About, Ask};

/// Pulls and questions to registries that go on at the same time.
const SIDE_BY_SIDE: usize = 4;
const MOST_REFERENCES: usize = 1_000;
const MOST_LINES: u32 = 1_000;

impl Host for Context {
    async fn get_engine(&mut self) -> Result<Engine> {
        let allowed = self.ask(whole("docker.get-engine", &()))?;
        allowed.read(async |s| Ok(s.docker()?.engine().await?.into())).await
    }

    async fn list_services(&mut self) -> Result<Vec<Service>> {
        let allowed = self.ask(whole("docker.list-services", &()))?;
        allowed
            .read(async |s| Ok(s.docker()?.services().await?.into_iter().map(Into::into).collect()))
            .await
    }

    async fn get_service(&mut self, name: String) -> Result<Service> {
        let allowed = self.ask(of("docker.get-service", &name, &name))?;
        allowed.read(async move |s| Ok(s.docker()?.service(&name).await?.into())).await
    }

    async fn check_health(&mut self, service: String) -> Result<Health> {
        let allowed = self.ask(of("docker.check-health", &service, &service))?;
        allowed.read(async move |s| Ok(s.docker()?.check_health(&service).await?.into())).await
    }

    async fn logs(&mut self, service: String, tail: u32) -> Result<String> {
        let allowed = self.ask(of("docker.logs", &service, &(&service, tail)))?;
        allowed.read(async move |s| s.docker()?.logs(&service, tail.min(MOST_LINES)).await).await
    }

    async fn resolve(
        &mut self,
        references: Vec<String>,
    ) -> wasmtime::Result<Vec<Result<RegistryImage, errors::Error>>> {
        let asked = references.len();
        if asked > MOST_REFERENCES {
            // As many answers would be worth more than the question.
            return Err(Error::invalid(format!("{asked} references at once are too many")).into());
        }
        let answers = match self.ask(whole("docker.resolve", &references)) {
            Ok(allowed) => {
                allowed.read(async move |s| Ok(resolve_each(s.docker()?, references).await)).await
            }
            Err(error) => Err(error),
        };
        Ok(match answers {
            Ok(answers) => answers,
            Err(error) => {
                // Once for all of them: an answer of its own is as long as the question.
                let error = self.convert_error(error)?;
                vec![Err(error); asked]
            }
        })
    }

    async fn preview_pin(&mut self, change: PinChange) -> Result<Vec<String>> {
        let services = change.images.iter().map(|image| image.service.as_str()).collect();
        let ask = Ask { function: "docker.preview-pin", about: About::Services(services) };
        let allowed = self.ask(Call { ask, arguments: &change })?;
        allowed.read(async move |s| pin::preview(s.docker()?, change).await).await
    }

    async fn pull(&mut self, change: PullChange) -> Result<()> {
        let conduct = Arc::clone(self.conduct());
        let run = self.run().to_owned();
        self.change(Effect::DockerPull(change.clone()), async move |s| {
            s.docker()?.keep_current_images(&run).await?;
            let images = change.images.into_iter().map(PinnedImage::from);
            let docker = s.docker()?;
            let pulls = images.map(|image| pull_one(docker, image, &conduct));
            stream::iter(pulls).buffer_unordered(SIDE_BY_SIDE).try_collect().await
        })
        .await
    }

    async fn pin(&mut self, change: PinChange) -> Result<()> {
        let run = self.run().to_owned();
        self.change(Effect::DockerPin(change.clone()), async move |s| {
            pin::pin(s.docker()?, &s.former_files, &run, change).await
        })
        .await
    }

    async fn deploy(&mut self, change: DeployChange) -> Result<()> {
        let conduct = Arc::clone(self.conduct());
        self.change(Effect::DockerDeploy(change.clone()), async move |s| {
            let images: Vec<_> = change.services.into_iter().map(Into::into).collect();
            let containers = s.docker()?.up(&images).await?;
            conduct.notify(Notice::Deployed { containers });
            Ok(())
        })
        .await
    }

    async fn unpin(&mut self, change: UnpinChange) -> Result<()> {
        self.change(Effect::DockerUnpin(change.clone()), async move |s| {
            s.former_files.restore(&change.run).await?;
            s.docker()?.forget_model().await;
            Ok(())
        })
        .await
    }

    async fn revert(&mut self, change: RevertChange) -> Result<()> {
        let conduct = Arc::clone(self.conduct());
        self.change(Effect::DockerRevert(change.clone()), async move |s| {
            let formers: Vec<_> = change.services.into_iter().map(Into::into).collect();
            let containers = s.docker()?.revert(&formers).await?;
            conduct.notify(Notice::Deployed { containers });
            Ok(())
        })
        .await
    }

    async fn stop(&mut self, change: StopChange) -> Result<()> {
        self.change(Effect::DockerStop(change.clone()), async move |s| {
            let spared: Vec<_> = change.unless_on.into_iter().map(Into::into).collect();
            s.docker()?.stop(&change.services, &spared).await
        })
        .await
    }

    async fn exec(&mut self, change: ExecChange) -> Result<ExecOutput> {
        self.change(Effect::DockerExec(change.clone()), async move |s| {
            Ok(s.docker()?.exec(&change.service, &change.argv).await?.into())
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

async fn resolve_each(
    docker: &Client,
    references: Vec<String>,
) -> Vec<Result<RegistryImage, errors::Error>> {
    let one = async |reference: String| {
        let answer = docker.resolve(&reference).await;
        answer.map(RegistryImage::from).map_err(errors::Error::from)
    };
    stream::iter(references).map(one).buffered(SIDE_BY_SIDE).collect().await
}

async fn pull_one(docker: &Client, image: PinnedImage, conduct: &Arc<dyn Conduct>) -> Result<()> {
    let what = image.reference.clone();
    let progress = |PullProgress { done, total }| {
        let total = (total > 0).then_some(total);
        conduct.notify(Notice::Progress { what: what.clone(), done, total });
    };
    docker.pull(&image, progress).await
}
