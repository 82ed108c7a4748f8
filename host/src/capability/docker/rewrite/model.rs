//! Which image each service has, and where that is written.
//!
//! Follows Compose: within a document `<<` and then `extends` give what a service does
//! not say itself; later documents and later files override; `include` adds.

use std::collections::BTreeMap;

use super::files::Files;
use super::template;
use super::text::{FileId, Text};
use super::yaml::{Kind, Node};

/// Services that extend each other, and files that include each other, at most.
const LONGEST_CHAIN: usize = 32;

/// An `image:` in effect, interpolated.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) file: FileId,
    pub(super) at: usize,
    pub(super) text: Text,
}

#[derive(Debug, Clone)]
pub(super) enum State {
    Set(Image),
    /// No file sets an image: the service is built from source.
    Unset,
    /// Why the image cannot be told, with the place.
    Unclear(String),
}

#[derive(Debug)]
pub(super) struct Service {
    pub(super) state: State,
    /// It comes from a file that is named by `include`.
    pub(super) included: Option<FileId>,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) services: BTreeMap<String, Service>,
    /// Files that are included and were not read.
    pub(super) unread: Vec<String>,
}

/// A file that another one names.
pub(super) struct Link {
    pub(super) from: FileId,
    pub(super) at: usize,
    pub(super) file: String,
}

impl Model {
    pub(super) fn new(files: &Files<'_>) -> Self {
        let mut model = Self::default();
        for file in &files.compose {
            for document in files.documents(*file) {
                model.add_document(files, *file, document);
            }
        }
        for file in &files.compose {
            model.add_included(files, *file, 0);
        }
        model
    }

    fn add_document(&mut self, files: &Files<'_>, file: FileId, document: &Node) {
        let Some(services) = document.get("services") else { return };
        for name in services.entries().into_keys() {
            let state = match image(files, file, document, name, 0) {
                Ok(Some(image)) => Some(State::Set(image)),
                Ok(None) => None,
                Err(why) => Some(State::Unclear(why)),
            };
            let service = self.services.entry(name.to_owned());
            let service = service.or_insert(Service { state: State::Unset, included: None });
            if let Some(state) = state {
                service.state = state;
            }
        }
    }

    fn add_included(&mut self, files: &Files<'_>, file: FileId, depth: usize) {
        for document in files.documents(file) {
            for link in includes(files, file, document) {
                let place = files.place(link.from, link.at);
                match files.id_of(&files.resolve(link.from, &link.file)) {
                    Some(included) if depth < LONGEST_CHAIN => {
                        self.add_from(files, included);
                        self.add_included(files, included, depth + 1);
                    }
                    _ => self
                        .unread
                        .push(format!("{place} includes {}, which was not read", link.file)),
                }
            }
        }
    }

    fn add_from(&mut self, files: &Files<'_>, file: FileId) {
        let mut included = Self::default();
        for document in files.documents(file) {
            included.add_document(files, file, document);
        }
        for (name, mut service) in included.services {
            service.included = Some(file);
            self.services.entry(name).or_insert(service);
        }
    }
}

/// What the documents of a file name by `extends` and `include`.
pub(super) fn links(files: &Files<'_>, file: FileId) -> Vec<Link> {
    let mut found = Vec::new();
    for document in files.documents(file) {
        found.extend(includes(files, file, document));
        let services = document.get("services").map(Node::entries).unwrap_or_default();
        for service in services.into_values() {
            let named = service.get("extends").and_then(|extends| extends.get("file"));
            found.extend(named.and_then(|node| link(files, file, node)));
        }
    }
    found
}

fn includes(files: &Files<'_>, file: FileId, document: &Node) -> Vec<Link> {
    let mut found = Vec::new();
    for item in document.get("include").map(Node::items).unwrap_or_default() {
        let path = item.get("path").unwrap_or(item);
        let paths = if path.items().is_empty() { std::slice::from_ref(path) } else { path.items() };
        found.extend(paths.iter().filter_map(|path| link(files, file, path)));
    }
    found
}

fn link(files: &Files<'_>, from: FileId, node: &Node) -> Option<Link> {
    let named = interpolated(files, from, node).ok()?.value();
    Some(Link { from, at: node.at, file: named })
}

/// The scalar with its variables replaced.
pub(super) fn interpolated(files: &Files<'_>, file: FileId, node: &Node) -> Result<Text, String> {
    let place = || files.place(file, node.at);
    let text = node
        .scalar()
        .ok_or_else(|| format!("{}: there is no text where one should be", place()))?;
    let lookup = |name: &str| files.environment.get(name);
    template::interpolate(text, &lookup).map_err(|why| format!("{}: {why}", place()))
}

/// The image that one document gives to a service; nothing when it leaves it open.
fn image(
    files: &Files<'_>,
    file: FileId,
    document: &Node,
    name: &str,
    depth: usize,
) -> Result<Option<Image>, String> {
    let Some(services) = document.get("services") else { return Ok(None) };
    let Some(service) = services.get(name) else { return Ok(None) };
    if depth > LONGEST_CHAIN {
        return Err(format!(
            "{}: the services extend each other in a circle",
            files.place(file, service.at)
        ));
    }
    let own = service.get("image");
    for node in [Some(services), Some(service), own].into_iter().flatten() {
        if let Some(tag) = &node.tag {
            return Err(format!(
                "{}: the tag !{tag} is not followed here",
                files.place(file, node.at)
            ));
        }
    }
    match own {
        Some(node) if !matches!(node.kind, Kind::Null) => {
            let text = interpolated(files, file, node)?;
            Ok(Some(Image { file, at: node.at, text }))
        }
        _ => match service.get("extends") {
            Some(extends) => extended(files, file, document, extends, depth + 1),
            None => Ok(None),
        },
    }
}

/// The image of the service that `extends` names.
fn extended(
    files: &Files<'_>,
    file: FileId,
    document: &Node,
    extends: &Node,
    depth: usize,
) -> Result<Option<Image>, String> {
    let place = files.place(file, extends.at);
    let base = interpolated(files, file, extends.get("service").unwrap_or(extends))?.value();
    let Some(node) = extends.get("file") else {
        if document.get("services").and_then(|services| services.get(&base)).is_none() {
            return Err(format!(
                "{place}: it extends the service {base}, which this document has not"
            ));
        }
        return image(files, file, document, &base, depth);
    };
    let named = interpolated(files, file, node)?.value();
    let other = files
        .id_of(&files.resolve(file, &named))
        .ok_or_else(|| format!("{place}: it extends a service of {named}, which was not read"))?;
    for document in files.documents(other).iter().rev() {
        if let Some(found) = image(files, other, document, &base, depth)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
