//! The names that a run gives: to its revisions, and to the tags that they are probed at.

/// Of a revision.
const LONGEST_REVISION: usize = 63;
/// Of a tag together with the service's name.
const LONGEST_TAG: usize = 46;
const SHORTEST_TAG: usize = 3;

/// How much of the run a tag has to have room for, to begin with "up-".
const ENOUGH_OF_RUN: usize = 4;

/// `SERVICE-VERSION-RUN`. It has the run in it, as the same version may be tried again. Where
/// there is no room for all, the version is cut, then the run's beginning.
pub fn revision(service: &str, version: &str, run: &str) -> String {
    let room = LONGEST_REVISION.saturating_sub(service.len() + 1);
    let run = plain(run);
    let run = tail(&run, room);
    let room = room.saturating_sub(run.len() + 1);
    let version: String = plain(version).chars().take(room).collect();
    match version.trim_end_matches('-') {
        "" => format!("{service}-{run}"),
        version => format!("{service}-{version}-{run}"),
    }
}

/// `up-RUN`, of the run only the last part.
///
/// # Errors
/// The service's name leaves no room for a tag.
pub fn tag(service: &str, run: &str) -> Result<String, String> {
    let room = LONGEST_TAG.saturating_sub(service.len());
    if room < SHORTEST_TAG {
        return Err(format!(
            "{service}: the name is too long for a revision of it to get a tag: Cloud Run allows \
             {LONGEST_TAG} characters for both together. Declare it external, and upgrade it by hand"
        ));
    }
    let run = plain(run);
    let part = run.rsplit('-').next().unwrap_or_default();
    let prefix = if room >= "up-".len() + ENOUGH_OF_RUN { "up-" } else { "u" };
    Ok(format!("{prefix}{}", tail(part, room - prefix.len())))
}

/// Whether a run of this program named the revision: it ends with a time of the day and four
/// hexadecimal digits.
pub fn is_of_a_run(revision: &str) -> bool {
    let mut parts = revision.rsplit('-');
    let is = |part: Option<&str>, length, fits: fn(&u8) -> bool| {
        part.is_some_and(|part| part.len() == length && part.as_bytes().iter().all(fits))
    };
    is(parts.next(), 4, u8::is_ascii_hexdigit) && is(parts.next(), 6, u8::is_ascii_digit)
}

/// Lower-case letters, digits, and single hyphens between them.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.to_ascii_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            plain.push(c);
        } else if !plain.is_empty() && !plain.ends_with('-') {
            plain.push('-');
        }
    }
    plain.truncate(plain.trim_end_matches('-').len());
    plain
}

/// As many of the last parts as there is room for; where there is none for one, the last
/// characters.
fn tail(text: &str, room: usize) -> &str {
    if text.len() <= room {
        return text;
    }
    let start = text.len() - room;
    let end = &text[start..];
    if text[..start].ends_with('-') {
        return end;
    }
    end.split_once('-').map_or(end, |(_, parts)| parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "20261126-184920-a1b2";

    #[test]
    fn a_revision_is_named_after_service_version_and_run() {
        assert_eq!(revision("gateway", "2.0.0", RUN), "gateway-2-0-0-20261126-184920-a1b2");
        assert_eq!(revision("gateway", "v2.0.0-RC.1+b", "t"), "gateway-v2-0-0-rc-1-b-t");
        assert_eq!(revision("gateway", "2.0.0--rc", "-t-"), "gateway-2-0-0-rc-t");
        assert_eq!(revision("gateway", "", RUN), "gateway-20261126-184920-a1b2");
    }

    #[test]
    fn the_version_is_cut_before_the_run_and_nothing_ends_with_a_hyphen() {
        let service = "s".repeat(37);
        assert_eq!(revision(&service, "2.0.0", RUN), format!("{service}-2-0-{RUN}"));
        let service = "s".repeat(41);
        assert_eq!(revision(&service, "2.0.0", RUN), format!("{service}-{RUN}"));
        let service = "s".repeat(49);
        assert_eq!(revision(&service, "2.0.0", RUN), format!("{service}-2-184920-a1b2"));
    }

    #[test]
    fn a_run_is_cut_between_its_parts() {
        assert_eq!(tail(RUN, 11), "184920-a1b2");
        assert_eq!(tail(RUN, 10), "a1b2");
        assert_eq!(tail(RUN, 3), "1b2");
        assert_eq!(tail(RUN, 99), RUN);
    }

    #[test]
    fn every_name_is_within_the_limits() {
        for length in 1..=49 {
            let service = "s".repeat(length);
            let name = revision(&service, "12.34.56-beta.7", RUN);
            assert!(name.len() <= 63 && name.ends_with("a1b2"), "{name}");
            assert!(!name.contains("--") && !name.ends_with('-'), "{name}");
            match tag(&service, RUN) {
                Ok(tag) => assert!(tag.len() >= 3 && tag.len() + length <= 46, "{tag}"),
                Err(_) => assert!(length > 43),
            }
        }
    }

    #[test]
    fn revisions_of_runs_are_told_from_those_that_cloud_run_named() {
        assert!(is_of_a_run(&revision("gateway", "2.0.0", RUN)));
        assert!(is_of_a_run(&revision(&"s".repeat(49), "2.0.0", RUN)));
        assert!(!is_of_a_run("gateway-00042-fow"));
        assert!(!is_of_a_run("gateway-2-0-0"));
        assert!(!is_of_a_run("a1b2"));
    }

    #[test]
    fn a_tag_has_the_end_of_the_run() {
        assert_eq!(tag("model-service", RUN), Ok("up-a1b2".into()));
        assert_eq!(tag(&"s".repeat(39), RUN), Ok("up-a1b2".into()));
        assert_eq!(tag(&"s".repeat(41), RUN), Ok("ua1b2".into()));
        assert_eq!(tag(&"s".repeat(43), RUN), Ok("ub2".into()));
        assert!(tag(&"s".repeat(44), RUN).unwrap_err().contains("too long"));
    }
}
