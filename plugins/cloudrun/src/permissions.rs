//! Permissions that are first needed when it is late: for the backup, and for the way back.

use crate::survey::Survey;

/// Those that are missing, with what to do.
pub fn refused(survey: &Survey) -> Option<String> {
    let missing = survey.missing_permissions.as_ref()?.as_ref().ok()?;
    if missing.is_empty() {
        return None;
    }
    Some(format!(
        "the project {} does not grant what backups and restores need: {}. Grant a role that has \
         them, such as roles/cloudsql.admin and roles/run.developer; where they are granted for \
         this instance alone, by a condition: --set skip-permission-check=true",
        survey.place.project,
        missing.join(", ")
    ))
}

/// That nobody could tell.
pub fn unknown(survey: &Survey) -> Option<String> {
    let why = match survey.missing_permissions.as_ref() {
        None => "this was not wanted",
        Some(Ok(_)) => return None,
        Some(Err(error)) => error.text(),
    };
    Some(format!(
        "whether backups and restores are permitted is not known beforehand: {why}. A backup that \
         is not permitted fails before anything is changed; a restore would fail on the way back"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::tests::survey;
    use tessallite_up_sdk::Error;

    #[test]
    fn what_is_missing_is_refused_and_what_is_not_known_is_told() {
        let mut survey = survey(Vec::new());
        assert_eq!(refused(&survey), None);
        assert!(unknown(&survey).is_some_and(|note| note.contains("was not wanted")));
        survey.missing_permissions = Some(Ok(Vec::new()));
        assert_eq!((refused(&survey), unknown(&survey)), (None, None));
        survey.missing_permissions = Some(Ok(vec!["cloudsql.backupRuns.create".into()]));
        assert!(refused(&survey).is_some_and(|why| why.contains("cloudsql.backupRuns.create. ")));
        assert_eq!(unknown(&survey), None);
        survey.missing_permissions = Some(Err(Error::Failed("switched off".into())));
        assert_eq!(refused(&survey), None);
        assert!(unknown(&survey).is_some_and(|note| note.contains("beforehand: switched off.")));
    }
}
