//! What Google Cloud would refuse.

use tessallite_up_sdk::{Error, gcloud};

use crate::work::Job;

/// Why revisions could not be created.
pub fn refused(jobs: &[Job]) -> Vec<String> {
    let refused = jobs.iter().filter_map(|job| {
        let error = gcloud::preview_deploy(&job.new_revision()).err()?;
        Some((job.service.as_str(), error))
    });
    told(&refused.collect::<Vec<_>>())
}

/// What is the same but for the service's name is said once.
fn told(refused: &[(&str, Error)]) -> Vec<String> {
    let mut groups: Vec<(String, Vec<&str>, &str)> = Vec::new();
    for (service, error) in refused {
        let kind = error.text().replace(service, "…");
        match groups.iter_mut().find(|(other, ..)| *other == kind) {
            Some((_, services, _)) => services.push(service),
            None => groups.push((kind, vec![service], error.text())),
        }
    }
    let told = groups.iter().map(|(_, services, text)| match services.as_slice() {
        [service] => format!("{service}: the new revision would be refused: {text}"),
        services => format!(
            "{}: the new revisions would be refused, all for the same reason: {text}",
            services.join(", ")
        ),
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_reason_is_said_once() {
        let unreachable = |service: &str| {
            Error::Unavailable(format!("reading the service {service}: connection refused"))
        };
        let denied = Error::Denied("run.services.update is missing on optimizer".into());
        let told = told(&[
            ("model-service", unreachable("model-service")),
            ("optimizer", denied),
            ("gateway", unreachable("gateway")),
        ]);
        assert_eq!(
            told,
            [
                "model-service, gateway: the new revisions would be refused, all for the same \
                 reason: reading the service model-service: connection refused",
                "optimizer: the new revision would be refused: run.services.update is missing on \
                 optimizer",
            ]
        );
    }
}
