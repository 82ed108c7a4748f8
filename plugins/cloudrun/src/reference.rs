//! The parts of an image reference that decide what an upgrade deploys.

/// `parent/name:tag@digest`, each as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Everything before the tag and the digest.
    pub repository: &'a str,
    pub tag: Option<&'a str>,
    pub digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    pub fn parse(text: &'a str) -> Self {
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let name_start = named.rfind('/').map_or(0, |slash| slash + 1);
        match named[name_start..].rfind(':') {
            Some(colon) => {
                let colon = name_start + colon;
                Self { repository: &named[..colon], tag: Some(&named[colon + 1..]), digest }
            }
            None => Self { repository: named, tag: None, digest },
        }
    }

    /// What the tag says; `None` where it moves, or is not there.
    pub fn version(&self) -> Option<semver::Version> {
        self.tag.and_then(version_of)
    }

    /// The same by its digest. The tag stays: it tells people, and the next upgrade, the version.
    pub fn pinned(&self, digest: &str) -> String {
        match self.tag {
            Some(tag) => format!("{}:{tag}@{digest}", self.repository),
            None => format!("{}@{digest}", self.repository),
        }
    }
}

/// The version that a tag stands for, or `None` for a tag that moves ("stable").
pub fn version_of(tag: &str) -> Option<semver::Version> {
    let text = tag.strip_prefix('v').unwrap_or(tag);
    let core_end = text.find(['-', '+']).unwrap_or(text.len());
    let (core, rest) = text.split_at(core_end);
    let padding = match core.split('.').count() {
        1 => ".0.0",
        2 => ".0",
        _ => "",
    };
    semver::Version::parse(&format!("{core}{padding}{rest}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_port_is_not_a_tag() {
        let reference = Reference::parse("localhost:5000/tessallite/gateway");
        assert_eq!(reference.repository, "localhost:5000/tessallite/gateway");
        assert_eq!(reference.tag, None);
    }

    #[test]
    fn a_reference_is_pinned_by_one_digest_and_keeps_its_tag() {
        let pinned = |text| Reference::parse(text).pinned("sha256:22");
        assert_eq!(pinned("r:5000/t/gateway:2.0.0"), "r:5000/t/gateway:2.0.0@sha256:22");
        assert_eq!(pinned("t/gateway:2.0.0@sha256:11"), "t/gateway:2.0.0@sha256:22");
        assert_eq!(pinned("t/gateway"), "t/gateway@sha256:22");
    }

    #[test]
    fn versions_are_read_with_and_without_v_and_short() {
        assert_eq!(version_of("v1.4"), version_of("1.4.0"));
        assert!(version_of("1.5.0").unwrap() > version_of("1.5.0-rc1").unwrap());
        assert_eq!(Reference::parse("t/gateway:stable").version(), None);
        assert_eq!(Reference::parse("t/gateway").version(), None);
    }
}
