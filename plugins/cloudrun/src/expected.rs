//! Whether the migration is the expected one, as soon as the first new revision tells it.

use tessallite_up_sdk::gcloud::NewRevision;
use tessallite_up_sdk::health::Answer;
use tessallite_up_sdk::host::GateState;
use tessallite_up_sdk::prelude::*;

use crate::options::Options;
use crate::plan::MIGRATION;

/// It migrates the database when it starts, before it answers.
const MIGRATES: &str = "model-service";
const PROBE_MS: u32 = 10_000;
const PAUSE_MS: u32 = 500;

/// The new revisions answer at their tags, and have no traffic: that of the service that tells
/// the migration has to tell the expected one.
///
/// # Errors
/// `Failed` where it tells another; `TimedOut` where it tells none in the time of its gate,
/// though it has a field for it.
pub fn told(
    revisions: &[NewRevision],
    request: &Request,
    facts: Facts,
    options: &Options,
) -> Result<(), Error> {
    let Intent::Upgrade(upgrade) = &request.intent;
    let Some(expected) = upgrade.migration.as_deref() else { return Ok(()) };
    let teller = teller(facts, options);
    let Some(new) = revisions.iter().find(|new| Some(new.service.as_str()) == teller) else {
        return Ok(());
    };
    let name = &new.service;
    let before = facts.get(&format!("{MIGRATION}{name}"));
    let deadline = host::elapsed() + u64::from(options.timeout_s(name)) * 1000;
    let mut is_said = false;
    loop {
        match health::probe(name, Some(&new.tag), &options.convention(name), PROBE_MS) {
            Ok(answer) => match judged(name, answer, expected, before) {
                Told::Fine => return Ok(()),
                Told::Another(now) => return Err(another(name, &now, expected)),
                Told::NotYet => {}
            },
            // The tag is gone since all of the traffic is there: the last step looks again.
            Err(Error::NotFound(_)) => return Ok(()),
            Err(error @ (Error::Denied(_) | Error::Invalid(_))) => return Err(error),
            Err(_) => {}
        }
        if host::elapsed() >= deadline {
            return Err(Error::TimedOut(format!(
                "db_migration has to be {expected}, but the new revision of {name} does not tell \
                 its migration in {} s; it has no traffic. See its log",
                options.timeout_s(name)
            )));
        }
        if !is_said {
            is_said = true;
            let why = "it does not know its migration yet".to_owned();
            host::report_gate(name, &GateState::Waiting(why));
        }
        host::sleep(PAUSE_MS);
    }
}

/// Who tells of the migrated database first: model-service; where there is none, the first
/// that told one before.
fn teller<'a>(facts: Facts, options: &Options<'a>) -> Option<&'a str> {
    let told = |name: &&str| facts.get(&format!("{MIGRATION}{name}")).is_some();
    let named = options.own().find(|name| *name == MIGRATES);
    named.or_else(|| options.own().find(told)).filter(|name| !options.never_asked(name))
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Fine,
    NotYet,
    Another(String),
}

fn judged(name: &str, answer: Option<Answer>, expected: &str, before: Option<&str>) -> Told {
    match answer {
        Some(Answer { migration: Some(Some(now)), .. }) if now == expected => Told::Fine,
        // It need not be the one that migrates: the last step looks again.
        Some(Answer { migration: Some(Some(now)), .. })
            if name != MIGRATES && before == Some(now.as_str()) =>
        {
            Told::Fine
        }
        Some(Answer { migration: Some(Some(now)), .. }) => Told::Another(now),
        Some(Answer { migration: Some(None), .. }) => Told::NotYet,
        // One that is sick for a moment may leave the field out.
        Some(Answer { migration: None, healthy: false, .. }) | None => Told::NotYet,
        Some(Answer { migration: None, .. }) => Told::Fine,
    }
}

fn another(name: &str, now: &str, expected: &str) -> Error {
    Error::Failed(format!(
        "db_migration has to be {expected}, but the new revision of {name} tells {now}; it has no \
         traffic. Correct --expect-migration, or see the log of {name} and the release notes"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessallite_up_sdk::health::{Convention, judge};

    fn judged(name: &str, status: u16, body: &str) -> Told {
        let answer = judge("/health", status, body.as_bytes(), &Convention::default());
        super::judged(name, Some(answer), "0009", Some("0007"))
    }

    #[test]
    fn another_migration_fails_null_is_waited_for_and_none_is_nobodys_business() {
        let of = |body| judged(MIGRATES, 200, body);
        assert_eq!(of(r#"{"db_migration":"0009"}"#), Told::Fine);
        assert_eq!(of(r#"{"db_migration":"0008"}"#), Told::Another("0008".into()));
        assert_eq!(of(r#"{"db_migration":"0007"}"#), Told::Another("0007".into()));
        assert_eq!(of(r#"{"db_migration":null}"#), Told::NotYet);
        assert_eq!(of(r#"{"status":"ok"}"#), Told::Fine);
        assert_eq!(judged(MIGRATES, 503, "{}"), Told::NotYet);
        assert!(another("a", "0008", "0009").text().contains("has to be 0009, but the new"));
    }

    #[test]
    fn a_service_that_may_not_be_the_one_that_migrates_may_tell_the_former_one() {
        assert_eq!(judged("models", 200, r#"{"db_migration":"0007"}"#), Told::Fine);
        let another = judged("models", 200, r#"{"db_migration":"0008"}"#);
        assert_eq!(another, Told::Another("0008".into()));
    }

    #[test]
    fn model_service_is_asked_or_who_told_first_before() {
        let plan = Plan::new().fact("migration.b", "7").fact("migration.a", "7");
        let teller = |settings: &[(&str, &str)]| {
            let request = settings
                .iter()
                .fold(Request::upgrade_to("2"), |r, (name, value)| r.set(name, value));
            let options = Options::of(&request).unwrap();
            teller(Facts(&plan.facts), &options).map(str::to_owned)
        };
        assert_eq!(teller(&[]).as_deref(), Some(MIGRATES));
        assert_eq!(teller(&[("services", "c,a,b")]).as_deref(), Some("a"));
        assert_eq!(teller(&[("services", "c,d")]), None);
        assert_eq!(teller(&[("services.model-service.health", "none")]), None);
    }
}
