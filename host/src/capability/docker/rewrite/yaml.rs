//! A YAML file as a tree whose scalars know the bytes that they stand in.

use std::collections::BTreeMap;
use std::ops::Range;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use super::text::{FileId, Origin, Role, Text};

/// Larger than any Compose file, and small enough for any stack and patience.
const LARGEST: usize = 1024 * 1024;
/// Collections inside of collections, at most.
const DEEPEST: usize = 128;

/// A node of the tree. Aliases are replaced by what they stand for.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Where it begins in the file.
    pub(super) at: usize,
    /// A tag of Compose's, such as `!reset`; those of YAML itself are not kept.
    pub(super) tag: Option<String>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Null,
    Scalar(Text),
    Sequence(Vec<Node>),
    Mapping(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn scalar(&self) -> Option<&Text> {
        match &self.kind {
            Kind::Scalar(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The value of a key; what stands in the mapping itself wins over `<<`.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Kind::Mapping(entries) = &self.kind else { return None };
        let own = entries.iter().find(|(name, _)| name == key).map(|(_, node)| node);
        own.or_else(|| self.merged().find_map(|base| base.get(key)))
    }

    /// All entries of a mapping, merged ones included, each key once.
    pub(super) fn entries(&self) -> BTreeMap<&str, &Self> {
        let mut all = BTreeMap::new();
        self.collect_entries(&mut all);
        all
    }

    fn collect_entries<'a>(&'a self, all: &mut BTreeMap<&'a str, &'a Self>) {
        let Kind::Mapping(entries) = &self.kind else { return };
        for (name, node) in entries.iter().filter(|(name, _)| name != "<<") {
            all.entry(name).or_insert(node);
        }
        for base in self.merged() {
            base.collect_entries(all);
        }
    }

    /// What `<<` names, the one that wins first.
    fn merged(&self) -> impl Iterator<Item = &Self> {
        let entries: &[(String, Self)] = match &self.kind {
            Kind::Mapping(entries) => entries,
            _ => &[],
        };
        let bases = entries.iter().filter(|(name, _)| name == "<<").map(|(_, node)| node);
        bases.flat_map(|node| match &node.kind {
            Kind::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        })
    }
}

/// Reads all documents of a file. The error says what is wrong, with the line.
pub(super) fn parse(file: FileId, source: &str) -> Result<Vec<Node>, String> {
    let body = source.strip_prefix('\u{feff}').unwrap_or(source);
    check_bounds(body)?;
    let without_tabs;
    let documents = match MarkedYaml::load_from_str(body) {
        Ok(documents) => documents,
        Err(error) => {
            // The parser refuses a tab behind a colon, Compose does not. A space
            // instead of it moves nothing.
            without_tabs = body.replace(":\t", ": ");
            MarkedYaml::load_from_str(&without_tabs)
                .map_err(|_| format!("line {}: {}", error.marker().line(), error.info()))?
        }
    };
    let mut offsets: Vec<usize> = body.char_indices().map(|(offset, _)| offset).collect();
    offsets.push(body.len());
    let mut reader =
        Reader { file, source, start: source.len() - body.len(), offsets, anchors: Vec::new() };
    for document in &documents {
        reader.collect_anchors(document);
    }
    Ok(documents.iter().map(|document| reader.node(document)).collect())
}

/// The parser is recursive and stops at a NUL: neither may depend on the file.
fn check_bounds(source: &str) -> Result<(), String> {
    if source.len() > LARGEST {
        return Err("it is larger than 1 MiB".to_owned());
    }
    if source.contains('\0') {
        return Err("it has a NUL character".to_owned());
    }
    let mut open = 0_usize;
    for (index, line) in source.split(['\n', '\r']).enumerate() {
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => open += 1,
                b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
        }
        let indent = line.len() - line.trim_start().len();
        let begun = line.split_whitespace().filter(|word| matches!(*word, "-" | "?" | ":")).count();
        if open > DEEPEST || indent > 2 * DEEPEST || begun > DEEPEST {
            return Err(format!("line {}: it is nested too deeply", index + 1));
        }
    }
    Ok(())
}

struct Reader<'a> {
    file: FileId,
    source: &'a str,
    /// Where the text that was parsed begins: behind the byte order mark.
    start: usize,
    /// The parser counts characters; this gives their bytes.
    offsets: Vec<usize>,
    /// The anchored scalars: name, place, text.
    anchors: Vec<(String, usize, Text)>,
}

impl Reader<'_> {
    fn range(&self, node: &MarkedYaml<'_>) -> Range<usize> {
        let byte =
            |index: usize| self.offsets.get(index).or(self.offsets.last()).copied().unwrap_or(0);
        let (start, end) = (byte(node.span.start.index()), byte(node.span.end.index()));
        let (start, end) = (self.start + start, self.start + end.max(start));
        let written = self.source.get(start..end).unwrap_or_default();
        start + properties_length(written)..end
    }

    fn collect_anchors(&mut self, node: &MarkedYaml<'_>) {
        match &node.data {
            YamlData::Sequence(items) => items.iter().for_each(|item| self.collect_anchors(item)),
            YamlData::Mapping(entries) => {
                entries.values().for_each(|value| self.collect_anchors(value))
            }
            YamlData::Tagged(_, inner) => self.collect_anchors(inner),
            _ => {
                let range = self.range(node);
                let names = properties(self.line_before(range.start), '&');
                if let (Some(name), Some(text)) = (names.last(), self.own_text(node, &range)) {
                    self.anchors.push(((*name).to_owned(), range.start, text));
                }
            }
        }
    }

    fn node(&self, node: &MarkedYaml<'_>) -> Node {
        let range = self.range(node);
        let (tag, data) = match &node.data {
            YamlData::Tagged(tag, inner) => (Some(tag.suffix.clone()), &inner.data),
            data => (None, data),
        };
        match data {
            YamlData::Sequence(items) => {
                let items = items.iter().map(|item| self.node(item)).collect();
                Node { at: range.start, tag, kind: Kind::Sequence(items) }
            }
            YamlData::Mapping(entries) => {
                let entries = entries.iter().map(|(key, value)| (self.key(key), self.node(value)));
                Node { at: range.start, tag, kind: Kind::Mapping(entries.collect()) }
            }
            _ => self.scalar(node, range),
        }
    }

    fn scalar(&self, node: &MarkedYaml<'_>, range: Range<usize>) -> Node {
        let before = self.source.get(self.start..range.start).unwrap_or_default();
        let tags = properties(before.trim_end(), '!');
        let tag = tags.first().filter(|tag| !tag.starts_with('!')).map(|tag| (*tag).to_owned());
        let at = range.start;
        let is_null = matches!(node.data, YamlData::Value(Scalar::Null));
        if is_null && self.alias(&range).is_none() {
            return Node { at, tag, kind: Kind::Null };
        }
        let text = match self.alias(&range) {
            Some(name) => self.anchored(name, at, &plain_value(node)),
            None => self.own_text(node, &range).unwrap_or_default(),
        };
        let is_null =
            is_null || matches!(text.value().as_str(), "Null" | "NULL") && self.is_plain(&range);
        Node { at, tag, kind: if is_null { Kind::Null } else { Kind::Scalar(text) } }
    }

    fn key(&self, key: &MarkedYaml<'_>) -> String {
        let range = self.range(key);
        match self.alias(&range) {
            Some(_) => plain_value(key),
            None => self.own_text(key, &range).unwrap_or_default().value(),
        }
    }

    /// The text of a scalar that stands where the node says.
    fn own_text(&self, node: &MarkedYaml<'_>, range: &Range<usize>) -> Option<Text> {
        let written = self.source.get(range.clone())?;
        if written.starts_with('*') {
            return None;
        }
        let value = match &node.data {
            YamlData::Value(Scalar::String(value)) => value.to_string(),
            YamlData::Value(Scalar::Null) => return None,
            YamlData::Representation(value, ..) => value.to_string(),
            _ => written.trim_end().to_owned(),
        };
        // The range may go on behind a closing quote, so that only its start is used.
        let quote = written.chars().next().filter(|first| matches!(first, '"' | '\''));
        let at = range.start + usize::from(quote.is_some());
        let rest = self.source.get(at..)?.strip_prefix(value.as_str());
        let origin = match rest {
            Some(rest) if quote.is_none_or(|quote| rest.starts_with(quote)) => {
                Origin::File { file: self.file, at }
            }
            _ => Origin::Encoded,
        };
        Some(Text::new(value, origin, Role::Literal))
    }

    /// The name, when an alias stands in this range.
    fn alias(&self, range: &Range<usize>) -> Option<&str> {
        let name = self.source.get(range.start..)?.strip_prefix('*')?;
        name.split(|c: char| c.is_whitespace() || ",[]{}".contains(c)).next()
    }

    /// What an alias of a scalar stands for: the last anchor of that name before it.
    fn anchored(&self, name: &str, at: usize, value: &str) -> Text {
        let before = self.anchors.iter().filter(|(anchor, start, _)| anchor == name && *start < at);
        let found = before.max_by_key(|(_, start, _)| *start);
        match found {
            Some((.., text)) if text.value() == value => text.clone(),
            _ => Text::new(value, Origin::Encoded, Role::Literal),
        }
    }

    fn is_plain(&self, range: &Range<usize>) -> bool {
        !self.source.get(range.start..).unwrap_or_default().starts_with(['"', '\''])
    }

    fn line_before(&self, at: usize) -> &str {
        let before = self.source.get(self.start..at).unwrap_or_default();
        before.rsplit(['\n', '\r']).next().unwrap_or_default()
    }
}

fn plain_value(node: &MarkedYaml<'_>) -> String {
    match &node.data {
        YamlData::Value(Scalar::String(value)) => value.to_string(),
        YamlData::Value(Scalar::Boolean(value)) => value.to_string(),
        YamlData::Value(Scalar::Integer(value)) => value.to_string(),
        YamlData::Value(Scalar::FloatingPoint(value)) => value.to_string(),
        _ => String::new(),
    }
}

/// The range of a node may begin with its tag and its anchor.
fn properties_length(written: &str) -> usize {
    let mut rest = written;
    while rest.starts_with(['!', '&']) {
        rest = rest.trim_start_matches(|c: char| !c.is_whitespace()).trim_start();
    }
    written.len() - rest.len()
}

/// The anchors (`&`) or tags (`!`) that stand directly before a node.
fn properties(before: &str, sign: char) -> Vec<&str> {
    let words = before.rsplit(|c: char| c.is_whitespace() || "[{,".contains(c));
    let words = words.skip_while(|word| word.is_empty());
    words
        .take_while(|word| word.starts_with(['&', '!']))
        .filter_map(|word| word.strip_prefix(sign))
        .collect()
}
