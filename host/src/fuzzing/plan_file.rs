//! A plan is written as it was read, and is believed only as it was approved.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::with_file;
use crate::engine::journal::{self, Record};
use crate::engine::plan::FORMAT;
use crate::engine::{Plan, Wanted, check, record};
use crate::text::{hex, one_line};

const RUN: &str = "r";

pub fn plan_file(data: &[u8]) -> bool {
    let read = serde_json::from_slice::<Plan>(data);
    // What comes from outside is measured by more than its shape.
    if let Ok(plan) = Plan::parse(data) {
        assert!(plan.drift(&plan).is_empty());
        assert_eq!(plan.format, FORMAT);
    }
    let fits = read.as_ref().is_ok_and(|plan| plan.format == FORMAT);
    let recalled = recall(data, data);
    assert_eq!(recalled.is_ok(), fits);
    let (Ok(plan), Ok(recalled)) = (read, recalled) else { return false };
    assert_eq!(recalled.plan, plan);
    for wanted in [Wanted::Resume, Wanted::Rollback] {
        // Nothing has begun, so that there is nothing to go back from.
        assert_eq!(check(&recalled, wanted).is_ok(), wanted == Wanted::Resume);
    }
    check_text(&plan, data);
    true
}

fn check_text(plan: &Plan, data: &[u8]) {
    let written = serde_json::to_vec_pretty(plan).unwrap();
    assert_eq!(serde_json::from_slice::<Plan>(&written).unwrap(), *plan);
    if written != data {
        assert!(recall(&written, data).is_err(), "a plan that was not approved is believed");
    }
    let view = plan.view();
    let lines = view.steps.iter().chain(&view.rollback).flat_map(|step| {
        assert!(!step.title.contains('\n'));
        &step.effects
    });
    for line in lines.chain(&view.notes) {
        assert_eq!(*line, one_line(line));
    }
}

/// A run that has begun with the approved plan, and that has this one now.
fn recall(plan: &[u8], approved: &[u8]) -> crate::engine::Result<record::Recalled> {
    let started =
        Record::RunStarted { run: RUN.to_owned(), plan_sha256: hex(&Sha256::digest(approved)) };
    let data = serde_json::value::to_raw_value(&started).unwrap();
    let line = journal::line(0, jiff::Timestamp::UNIX_EPOCH, &data).unwrap();
    with_file("unused", b"", |path: &Path| {
        let state = path.parent().unwrap();
        let directory = record::directory(state, RUN);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(record::JOURNAL), line).unwrap();
        std::fs::write(directory.join(record::PLAN), plan).unwrap();
        record::recall(state, RUN)
    })
}
