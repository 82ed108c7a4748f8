//! From the changes of images to the edits of files.

use std::collections::{BTreeMap, BTreeSet};

use crate::capability::error::{Error, Result};

use super::files::{Files, SourceFile, Sources};
use super::model::{Model, State};
use super::patch::{self, Patch};
use super::text::Role;
use super::{Edit, ImageChange, uses};

/// What the files say about each service: the image, or nothing where it cannot be told.
type Images = BTreeMap<String, Option<String>>;

/// Plans the edits that turn the images from `before` to `after`, and proves that they
/// do, and that they do nothing else. Reads and writes no file.
///
/// No edit is planned for what is right already. Errors: `not-found` (no such service),
/// `conflict` (a file says neither the one nor the other), `invalid` (it has to be
/// done by hand; the hint says how).
pub fn plan(
    sources: &Sources,
    process_env: &BTreeMap<String, String>,
    changes: &[ImageChange],
) -> Result<Vec<Edit>> {
    let files = Files::new(sources, process_env)?;
    let model = Model::new(&files);
    let wanted = wanted(changes)?;
    let mut patches: Vec<Patch> = Vec::new();
    for change in changes {
        for patch in patch::patches(&files, &model, change)? {
            add(&files, &mut patches, patch)?;
        }
    }
    patches.sort_by_key(|patch| (patch.file, patch.range.start));
    check_others(&files, &model, &patches)?;
    let edits = edits(&files, &patches);
    if !edits.is_empty() {
        verify(sources, process_env, &edits, &images(&model), &wanted)?;
    }
    Ok(edits)
}

fn wanted(changes: &[ImageChange]) -> Result<BTreeMap<&str, &str>> {
    let mut wanted = BTreeMap::new();
    for ImageChange { service, after, .. } in changes {
        if wanted.insert(service.as_str(), after.as_str()).is_some_and(|other| other != after) {
            return Err(Error::invalid(format!(
                "the change names the service {service} twice, with two images"
            )));
        }
    }
    Ok(wanted)
}

/// Adds a patch; services that share the bytes must agree about them.
fn add(files: &Files<'_>, patches: &mut Vec<Patch>, patch: Patch) -> Result<()> {
    let Some(other) = patches.iter_mut().find(|other| other.meets(&patch)) else {
        patches.push(patch);
        return Ok(());
    };
    if other.range == patch.range && other.new == patch.new {
        other.services.extend(patch.services);
        return Ok(());
    }
    let place = files.place(patch.file, patch.range.start);
    Err(Error::invalid(format!(
        "{place}: {} would have to become {} for {} and {} for {}",
        patch.subject(),
        other.new,
        listed(&other.services),
        patch.new,
        listed(&patch.services)
    ))
    .hint("give the services a variable or an image of their own"))
}

/// Refuses a patch that reaches the image of a service that does not need it.
fn check_others(files: &Files<'_>, model: &Model, patches: &[Patch]) -> Result<()> {
    for (name, service) in &model.services {
        for patch in patches {
            match &service.state {
                State::Set(image) if !patch.services.contains(name) => {
                    if image.text.overlaps(patch.file, &patch.range) {
                        return Err(shared(files, patch, name, &files.place(image.file, image.at)));
                    }
                }
                State::Unclear(why) => {
                    return Err(Error::invalid(format!(
                        "the image of {name} cannot be told, so it cannot be proved to stay: {why}"
                    ))
                    .hint(format!(
                        "write the `image:` of {name} without it, or change the files by hand"
                    )));
                }
                State::Set(_) | State::Unset => {}
            }
        }
    }
    let variable = patches.iter().find(|patch| matches!(patch.role, Role::Value(_)));
    match (variable, model.unread.first()) {
        (Some(patch), Some(unread)) => Err(Error::invalid(format!(
            "{unread}: it may use {} for other images",
            patch.subject()
        ))
        .hint("include a local file, or change the files by hand")),
        _ => Ok(()),
    }
}

fn shared(files: &Files<'_>, patch: &Patch, name: &str, place: &str) -> Error {
    Error::invalid(format!(
        "{}: {} cannot be changed for {} alone: the image of {name} ({place}), which is to stay, has it too",
        files.place(patch.file, patch.range.start),
        patch.subject(),
        listed(&patch.services)
    ))
    .hint(format!("give {name} an image without it, then repeat this"))
}

fn listed(services: &BTreeSet<String>) -> String {
    services.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The edits of the files, from patches in the order of their places.
fn edits(files: &Files<'_>, patches: &[Patch]) -> Vec<Edit> {
    let ids: BTreeSet<usize> = patches.iter().map(|patch| patch.file).collect();
    let mut edits = Vec::new();
    for id in ids {
        let own: Vec<&Patch> = patches.iter().filter(|patch| patch.file == id).collect();
        let source = files.source(id);
        let mut after = String::with_capacity(source.len());
        let mut at = 0;
        for patch in &own {
            after.push_str(files.bytes_at(id, at..patch.range.start));
            after.push_str(&patch.new);
            at = patch.range.end;
        }
        after.push_str(files.bytes_at(id, at..source.len()));
        edits.push(Edit {
            path: files.path(id).to_owned(),
            before: source.as_bytes().to_vec(),
            after: after.into_bytes(),
            description: own.iter().flat_map(|patch| described(files, patches, patch)).collect(),
        });
    }
    edits
}

fn described(files: &Files<'_>, patches: &[Patch], patch: &Patch) -> Vec<String> {
    let Patch { old, new, .. } = patch;
    let place = files.place(patch.file, patch.range.start);
    let mut lines = vec![match &patch.role {
        Role::Literal => format!("{place}: image of {} {old} → {new}", listed(&patch.services)),
        Role::Value(name) => format!("{}: {name} {old} → {new}", files.name(patch.file)),
        Role::Default(name) => format!("{place}: default of {name} {old} → {new}"),
    }];
    lines.extend(uses::of(files, patches, patch).into_iter().map(|line| format!("  {line}")));
    for line in &mut lines {
        *line = line.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    }
    lines
}

fn images(model: &Model) -> Images {
    let image = |state: &State| match state {
        State::Set(image) => Some(image.text.value()),
        State::Unset | State::Unclear(_) => None,
    };
    model.services.iter().map(|(name, service)| (name.clone(), image(&service.state))).collect()
}

/// Reads the edited files again: each image must be the wanted one, or what it was.
fn verify(
    sources: &Sources,
    process_env: &BTreeMap<String, String>,
    edits: &[Edit],
    before: &Images,
    wanted: &BTreeMap<&str, &str>,
) -> Result<()> {
    let edited = edited(sources, edits);
    let files = Files::new(&edited, process_env)
        .map_err(|error| defect("the files", &error.full_text()))?;
    let after = images(&Model::new(&files));
    let mut expected = before.clone();
    for (service, image) in wanted {
        expected.insert((*service).to_owned(), Some((*image).to_owned()));
    }
    let differing = expected.iter().find(|(service, image)| after.get(*service) != Some(image));
    match differing {
        Some((service, _)) => {
            let found = after.get(service).cloned().flatten().unwrap_or_default();
            Err(defect(&format!("the image of {service}"), &format!("it would be \"{found}\"")))
        }
        None if after.len() != expected.len() => {
            Err(defect("the services", "there would be others"))
        }
        None => Ok(()),
    }
}

fn defect(what: &str, why: &str) -> Error {
    Error::failed(format!(
        "the planned edits do not give {what} as intended: {why}; nothing was written"
    ))
    .hint("this is a defect of tessallite-up: please report it, and write the images by hand")
}

fn edited(sources: &Sources, edits: &[Edit]) -> Sources {
    let replaced = |file: &SourceFile| {
        let edit = edits.iter().find(|edit| edit.path == file.path);
        SourceFile {
            path: file.path.clone(),
            bytes: edit.map_or(&file.bytes, |edit| &edit.after).clone(),
        }
    };
    Sources {
        directory: sources.directory.clone(),
        compose: sources.compose.iter().map(replaced).collect(),
        related: sources.related.iter().map(replaced).collect(),
        env: sources.env.iter().map(replaced).collect(),
    }
}
