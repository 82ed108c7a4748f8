//! The progress of one pull, added up over its layers.

use std::collections::HashMap;

use bollard::models::CreateImageInfo;

use crate::capability::docker::types::PullProgress;

#[derive(Default)]
pub(super) struct Layers {
    layers: HashMap<String, PullProgress>,
}

impl Layers {
    /// Takes in one message of the engine; the new sum, when it has changed.
    pub(super) fn note(&mut self, message: &CreateImageInfo) -> Option<PullProgress> {
        let layer = self.layers.entry(message.id.clone()?).or_default();
        let before = *layer;
        match message.status.as_deref()? {
            "Downloading" => {
                let detail = message.progress_detail.as_ref()?;
                let bytes = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
                layer.done = bytes(detail.current)?;
                layer.total = bytes(detail.total).unwrap_or(0).max(layer.done);
            }
            "Verifying Checksum" | "Download complete" | "Pull complete" => {
                layer.done = layer.total
            }
            _ => {}
        }
        (*layer != before).then(|| self.sum())
    }

    fn sum(&self) -> PullProgress {
        self.layers.values().fold(PullProgress::default(), |sum, layer| PullProgress {
            done: sum.done.saturating_add(layer.done),
            total: sum.total.saturating_add(layer.total),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_add_up() {
        let mut layers = Layers::default();
        let mut note = |json: &str| {
            layers.note(&serde_json::from_str(json).unwrap()).map(|sum| (sum.done, sum.total))
        };
        assert_eq!(note(r#"{"status":"Pulling from x","id":"1"}"#), None);
        assert_eq!(
            note(r#"{"status":"Downloading","progressDetail":{"current":5,"total":10},"id":"a"}"#),
            Some((5, 10))
        );
        assert_eq!(
            note(r#"{"status":"Downloading","progressDetail":{"current":1,"total":90},"id":"b"}"#),
            Some((6, 100))
        );
        assert_eq!(
            note(r#"{"status":"Download complete","progressDetail":{},"id":"a"}"#),
            Some((11, 100))
        );
        assert_eq!(
            note(r#"{"status":"Extracting","progressDetail":{"current":3,"total":10},"id":"a"}"#),
            None
        );
        assert_eq!(
            note(r#"{"status":"Pull complete","progressDetail":{},"id":"b"}"#),
            Some((100, 100))
        );
        assert_eq!(note(r#"{"status":"Digest: sha256:0"}"#), None);
    }
}
