//! What else a patch reaches: everything in the Compose files but the images.

use super::files::Files;
use super::model::interpolated;
use super::patch::Patch;
use super::text::{FileId, Role, Text};
use super::yaml::{Kind, Node};

/// More lines than this help nobody.
const MOST: usize = 20;

/// A line for each place, apart from images, that the patch changes, or that it leaves
/// alone although it looks the same.
pub(super) fn of(files: &Files<'_>, patches: &[Patch], patch: &Patch) -> Vec<String> {
    let mut search = Search { files, patches, patch, found: Vec::new() };
    for file in files.with_documents() {
        for document in files.documents(file) {
            search.node(file, document, &mut Vec::new());
        }
    }
    let mut found = search.found;
    found.sort();
    found.dedup();
    if found.len() > MOST {
        let more = found.split_off(MOST).len();
        found.push(format!("and {more} more"));
    }
    found
}

struct Search<'a> {
    files: &'a Files<'a>,
    patches: &'a [Patch],
    patch: &'a Patch,
    found: Vec<String>,
}

impl<'a> Search<'a> {
    fn node(&mut self, file: FileId, node: &'a Node, path: &mut Vec<&'a str>) {
        if let ["services", _, "image"] = path.as_slice() {
            return;
        }
        match &node.kind {
            Kind::Null => {}
            Kind::Scalar(_) => self.scalar(file, node, path),
            Kind::Sequence(items) => {
                for item in items {
                    self.node(file, item, path);
                }
            }
            Kind::Mapping(entries) => {
                for (name, value) in entries {
                    self.passed_on(file, value, name, path);
                    path.push(name);
                    self.node(file, value, path);
                    path.pop();
                }
            }
        }
    }

    fn scalar(&mut self, file: FileId, node: &Node, path: &[&str]) {
        let Ok(text) = interpolated(self.files, file, node) else { return };
        if let ["services", service, "env_file", ..] = path
            && self.files.resolve(file, &text.value()) == self.files.path(self.patch.file)
        {
            self.found.push(format!("the containers of {service} get the whole file by env_file"));
        }
        if let ["services", _, "environment"] = path {
            self.inherited(file, node, &text.value(), path);
        }
        self.compare(file, node, &text, path);
    }

    /// `environment: {NAME: }` passes the variable on.
    fn passed_on(&mut self, file: FileId, value: &Node, name: &str, path: &[&str]) {
        if let (["services", _, "environment"], Kind::Null) = (path, &value.kind) {
            self.inherited(file, value, name, path);
        }
    }

    fn inherited(&mut self, file: FileId, node: &Node, name: &str, path: &[&str]) {
        if let Some(text) = self.files.environment.get(name) {
            let path: Vec<&str> = path.iter().copied().chain([name]).collect();
            self.compare(file, node, &text, &path);
        }
    }

    fn compare(&mut self, file: FileId, node: &Node, text: &Text, path: &[&str]) {
        let place = || format!("{} ({})", path.join("."), self.files.place(file, node.at));
        if text.overlaps(self.patch.file, &self.patch.range) {
            if !is_extension(path) {
                self.found.push(format!("also changes {}", place()));
            }
        } else if self.is_same_default(text) {
            self.found.push(format!("leaves the same default in {}", place()));
        }
    }

    fn is_same_default(&self, text: &Text) -> bool {
        let same = text.pieces().iter().find(|piece| {
            matches!(piece.role, Role::Default(_))
                && piece.role == self.patch.role
                && piece.text == self.patch.old
        });
        let span = same.and_then(|piece| piece.span());
        span.is_some_and(|(file, span)| {
            !self.patches.iter().any(|patch| patch.file == file && patch.range == span)
        })
    }
}

/// Extension fields hold the anchors that services take their images from.
fn is_extension(path: &[&str]) -> bool {
    path.first().is_some_and(|name| name.starts_with("x-"))
}
