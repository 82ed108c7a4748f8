//! Effects that are granted, and name what nobody should: options, paths, other statements.

use tessallite_up_sdk::docker::{ExecChange, PinnedImage, PullChange, StopChange, UnpinChange};
use tessallite_up_sdk::prelude::*;
use tessallite_up_sdk::sql::{DumpChange, DumpProof, RestoreWhen};

/// WHAT=NAME, as in `stop=--help`.
pub fn effect(what: &str) -> Option<Effect> {
    let (what, name) = what.split_once('=')?;
    let name = name.replace("NUL", "\0");
    let digest = format!("sha256:{}", "0".repeat(64));
    Some(match what {
        "stop" => Effect::DockerStop(StopChange { services: vec![name], unless_on: vec![] }),
        "exec" => Effect::DockerExec(ExecChange { service: name, argv: vec!["true".into()] }),
        "pull" => {
            Effect::DockerPull(PullChange { images: vec![PinnedImage { reference: name, digest }] })
        }
        "unpin" => Effect::DockerUnpin(UnpinChange { run: name }),
        "label" => Effect::SqlDump(DumpChange {
            connection: "internal".into(),
            label: name,
            proof: DumpProof::ReadBack,
        }),
        "connection" => Effect::SqlDump(DumpChange {
            connection: name,
            label: "odd".into(),
            proof: DumpProof::ReadBack,
        }),
        "restore" => Effect::SqlRestore(sql::RestoreChange {
            label: name.clone(),
            into: name.clone(),
            keep_as: name,
            when: RestoreWhen::Always,
        }),
        _ => return None,
    })
}
