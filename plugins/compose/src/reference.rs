//! The parts of an image reference that decide what an upgrade writes.

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

    /// The repository without its last component: what the images of one product share.
    pub fn parent(&self) -> &'a str {
        self.repository.rfind('/').map_or("", |slash| &self.repository[..slash])
    }

    /// The last component of the repository.
    pub fn name(&self) -> &'a str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }

    pub fn tag_or_latest(&self) -> &'a str {
        self.tag.unwrap_or("latest")
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

/// The reference that a service has after the upgrade to `version`. A tag that moves
/// stays; a leading "v" stays.
pub fn upgraded(reference: &Reference, version: Option<&str>) -> String {
    let tag = reference.tag_or_latest();
    match version {
        Some(version) if version_of(tag).is_some() => {
            let keeps_v = tag.starts_with('v') && !version.starts_with('v');
            format!("{}:{}{version}", reference.repository, if keeps_v { "v" } else { "" })
        }
        _ => match reference.tag {
            Some(tag) => format!("{}:{tag}", reference.repository),
            None => reference.repository.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_port_is_not_a_tag() {
        let reference = Reference::parse("localhost:5000/tessallite/gateway");
        assert_eq!(reference.repository, "localhost:5000/tessallite/gateway");
        assert_eq!(reference.tag, None);
        assert_eq!(reference.parent(), "localhost:5000/tessallite");
    }

    #[test]
    fn tag_and_digest_are_told_apart() {
        let reference = Reference::parse("a/b:1.4.0@sha256:00");
        assert_eq!((reference.tag, reference.digest), (Some("1.4.0"), Some("sha256:00")));
    }

    #[test]
    fn versions_are_read_with_and_without_v_and_short() {
        assert_eq!(version_of("v1.4"), version_of("1.4.0"));
        assert!(version_of("1.5.0").unwrap() > version_of("1.5.0-rc1").unwrap());
        assert_eq!(version_of("stable"), None);
        assert_eq!(version_of("15-bookworm").map(|v| v.major), Some(15));
    }

    #[test]
    fn a_version_tag_is_replaced_and_a_moving_tag_stays() {
        let upgraded = |text| upgraded(&Reference::parse(text), Some("1.5.0"));
        assert_eq!(upgraded("r:5000/t/gateway:1.4.0"), "r:5000/t/gateway:1.5.0");
        assert_eq!(upgraded("t/gateway:v1.4.0"), "t/gateway:v1.5.0");
        assert_eq!(upgraded("t/gateway:stable"), "t/gateway:stable");
        assert_eq!(upgraded("t/gateway"), "t/gateway");
    }
}
