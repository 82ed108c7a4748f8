//! Where an installation on Google Cloud is.

use crate::settings::CloudRunFlags;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Google Cloud")]
pub struct CloudRun {
    /// The project [default: gcloud's]
    #[arg(long, global = true, value_name = "ID", env = "TESSALLITE_UP_GCP_PROJECT")]
    gcp_project: Option<String>,
    /// The region of the services [default: gcloud's]
    #[arg(long, global = true, value_name = "REGION", env = "TESSALLITE_UP_GCP_REGION")]
    gcp_region: Option<String>,
    /// The Cloud SQL instance
    #[arg(long, global = true, value_name = "NAME", env = "TESSALLITE_UP_GCP_INSTANCE")]
    gcp_instance: Option<String>,
    /// Where the images are: HOST/PROJECT/REPOSITORY
    #[arg(long, global = true, value_name = "PATH", env = "TESSALLITE_UP_GCP_REPOSITORY")]
    gcp_repository: Option<String>,
    /// A service account to act as
    #[arg(long, global = true, value_name = "EMAIL", env = "TESSALLITE_UP_GCP_IMPERSONATE")]
    gcp_impersonate: Option<String>,
}

impl CloudRun {
    pub(super) fn flags(&self) -> CloudRunFlags {
        CloudRunFlags {
            project: self.gcp_project.clone(),
            region: self.gcp_region.clone(),
            instance: self.gcp_instance.clone(),
            repository: self.gcp_repository.clone(),
            impersonate: self.gcp_impersonate.clone(),
        }
    }
}
