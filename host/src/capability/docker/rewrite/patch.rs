//! Which bytes have to change so that an image becomes another one.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::capability::docker::reference::Reference;
use crate::capability::error::{Error, Result};

use super::ImageChange;
use super::files::Files;
use super::model::{Image, Model, State};
use super::text::{FileId, Origin, Piece, Role, Text};

/// A replacement of bytes, and the services that need it.
#[derive(Debug, Clone)]
pub(super) struct Patch {
    pub(super) file: FileId,
    pub(super) range: Range<usize>,
    pub(super) old: String,
    pub(super) new: String,
    pub(super) role: Role,
    pub(super) services: BTreeSet<String>,
}

impl Patch {
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.file == other.file
            && self.range.start < other.range.end
            && other.range.start < self.range.end
    }

    /// What is changed, for a message.
    pub(super) fn subject(&self) -> String {
        match &self.role {
            Role::Literal => "the image".to_owned(),
            Role::Value(name) => format!("the variable {name}"),
            Role::Default(name) => format!("the default of {name}"),
        }
    }
}

/// One change, with what is needed to tell what is wrong with it.
struct Request<'a> {
    files: &'a Files<'a>,
    change: &'a ImageChange,
    image: &'a Image,
}

/// The patches for one service; none when its image is the right one already.
pub(super) fn patches(
    files: &Files<'_>,
    model: &Model,
    change: &ImageChange,
) -> Result<Vec<Patch>> {
    let before = Reference::parse(&change.before)?;
    let after = Reference::parse(&change.after)?;
    let image = changeable(files, model, change)?;
    let current = image.text.value();
    if current == change.after {
        return Ok(Vec::new());
    }
    let request = Request { files, change, image };
    if current != change.before {
        return Err(request.conflict(&current));
    }
    differences(&before, &after)
        .into_iter()
        .map(|(range, new)| request.patch(&image.text.slice(range), new))
        .collect()
}

/// The image, when it stands in a place that can be rewritten.
fn changeable<'a>(files: &Files<'_>, model: &'a Model, change: &ImageChange) -> Result<&'a Image> {
    let ImageChange { service, after, .. } = change;
    let by_hand = format!("write `image: {after}` for {service} by hand, then repeat this");
    let Some(found) = model.services.get(service) else {
        let names: Vec<String> = files.compose.iter().map(|id| files.name(*id)).collect();
        let error =
            Error::not_found(format!("the service {service} is not in {}", names.join(", ")));
        return Err(match model.unread.first() {
            Some(unread) => error.hint(format!("{unread}; {by_hand}")),
            None => error
                .hint("the Compose files in effect are those that `docker compose config` reads"),
        });
    };
    if let Some(file) = found.included {
        return Err(Error::invalid(format!(
            "the service {service} comes from {}, which is included: its image cannot be rewritten",
            files.name(file)
        ))
        .hint(by_hand));
    }
    match &found.state {
        State::Set(image) => Ok(image),
        State::Unset => Err(Error::invalid(format!(
            "the service {service} has no `image:` in any of the Compose files: it is built from source"
        ))
        .hint(by_hand)),
        State::Unclear(why) => {
            Err(Error::invalid(format!("the image of {service} cannot be rewritten: {why}")).hint(by_hand))
        }
    }
}

/// The parts of the old reference to be replaced. When a part is added or taken away,
/// that is the whole reference.
fn differences<'a>(before: &Reference, after: &'a Reference) -> Vec<(Range<usize>, &'a str)> {
    let shape = |it: &Reference| (it.tag().is_some(), it.digest().is_some());
    if shape(before) != shape(after) {
        return vec![(0..before.as_str().len(), after.as_str())];
    }
    let mut at = 0;
    let mut found = Vec::new();
    let parts = [
        (Some(before.repository()), Some(after.repository())),
        (before.tag(), after.tag()),
        (before.digest(), after.digest()),
    ];
    for (old, new) in parts {
        let (Some(old), Some(new)) = (old, new) else { continue };
        if old != new {
            found.push((at..at + old.len(), new));
        }
        at += old.len() + 1;
    }
    found
}

impl Request<'_> {
    /// The one piece that, changed alone, turns `text` into `new`.
    fn patch(&self, text: &Text, new: &str) -> Result<Patch> {
        let mut fitting = candidates(text, new);
        if fitting.len() > 1 {
            fitting.retain(|(piece, _)| piece.role != Role::Literal);
        }
        let chosen = match fitting.as_slice() {
            [only] => only,
            _ => return Err(self.in_pieces(text, new)),
        };
        let (piece, replacement) = chosen;
        let Some((file, range)) = piece.span() else {
            return Err(self.out_of_reach(piece, new));
        };
        Ok(Patch {
            file,
            range,
            old: piece.text.clone(),
            new: replacement.clone(),
            role: piece.role.clone(),
            services: BTreeSet::from([self.change.service.clone()]),
        })
    }

    fn place(&self) -> String {
        self.files.place(self.image.file, self.image.at)
    }

    fn by_hand(&self) -> String {
        format!("write `image: {}` there by hand, then repeat this", self.change.after)
    }

    fn conflict(&self, current: &str) -> Error {
        let ImageChange { service, before, after } = self.change;
        let error = Error::conflict(format!(
            "{}: the image of {service} is \"{}\", neither {before} nor {after}",
            self.place(),
            current.escape_debug()
        ));
        let process = self.image.text.pieces().iter().find_map(process_variable);
        error.hint(match process {
            Some(name) => format!("{name} is set in the environment and wins over the env files"),
            None => "someone has changed it since it was read: make a new plan".to_owned(),
        })
    }

    fn in_pieces(&self, text: &Text, new: &str) -> Error {
        if let Some(piece) = text.pieces().iter().find(|piece| process_variable(piece).is_some()) {
            return self.out_of_reach(piece, new);
        }
        let parts: Vec<String> = text.pieces().iter().map(|piece| self.described(piece)).collect();
        Error::invalid(format!(
            "{}: in the image of {}, {} is made up of {}: it cannot be told which of them to change",
            self.place(),
            self.change.service,
            text.value(),
            parts.join(" and ")
        ))
        .hint(self.by_hand())
    }

    fn described(&self, piece: &Piece) -> String {
        match &piece.role {
            Role::Literal => format!("\"{}\"", piece.text),
            Role::Value(name) => format!("\"{}\" from {name}", piece.text),
            Role::Default(name) => format!("\"{}\", the default of {name}", piece.text),
        }
    }

    fn out_of_reach(&self, piece: &Piece, new: &str) -> Error {
        let service = &self.change.service;
        let place = self.place();
        match process_variable(piece) {
            Some(name) => Error::invalid(format!(
                "{place}: the image of {service} takes \"{}\" from {name}, which is set in the \
                 environment and wins over the files",
                piece.text
            ))
            .hint(format!("`unset {name}` and set it in the env file instead; the new value is {new}")),
            None => Error::invalid(format!(
                "{place}: in the image of {service}, {} is written with escapes or over several lines",
                self.described(piece)
            ))
            .hint(self.by_hand()),
        }
    }
}

fn process_variable(piece: &Piece) -> Option<&str> {
    match &piece.origin {
        Origin::Process(name) => Some(name),
        _ => None,
    }
}

/// Each piece with the text that it would need, where there is such a text.
fn candidates<'a>(text: &'a Text, new: &str) -> Vec<(&'a Piece, String)> {
    let whole = text.value();
    let mut start = 0;
    let mut found = Vec::new();
    for piece in text.pieces() {
        let end = start + piece.text.len();
        let rest = whole.get(..start).and_then(|front| new.strip_prefix(front));
        let middle = whole.get(end..).and_then(|back| rest?.strip_suffix(back));
        found.extend(middle.filter(|text| !text.is_empty()).map(|text| (piece, text.to_owned())));
        start = end;
    }
    found
}
