//! Whatever the configuration says: it is read the same way each time, and no text about it
//! shows a password.

use super::{all_text, with_file};
use crate::capability::sql::client::Dsn;
use crate::settings::{Error, Flags, Settings};

/// It stands in the data source names of the corpus. Only between quotes can it stand in
/// TOML, so that it is no bare key, which an error may name.
const PASSWORD: &str = "s3cret!pass";

pub fn configuration(data: &[u8]) -> bool {
    with_file("tessallite-up.toml", data, |path| {
        let directory = path.parent().unwrap().to_owned();
        // A release of its own: that which the data names could be any file.
        let release = directory.join("release.toml");
        std::fs::write(&release, "").unwrap();
        let flags = || Flags {
            project_dir: Some(directory.clone()),
            config: Some(path.to_owned()),
            release: Some(release.clone()),
            ..Flags::default()
        };
        let resolved = Settings::resolve(flags());
        let again = Settings::resolve(flags());
        assert_eq!(format!("{resolved:?}"), format!("{again:?}"));
        match resolved {
            Ok(settings) => check_settings(&settings),
            Err(error) => check_error(&error, data),
        }
        again.is_ok()
    })
}

fn check_settings(settings: &Settings) {
    let places = [&settings.state_dir, &settings.backup_dir].into_iter();
    let places = places.chain(&settings.files).chain(&settings.env_files);
    for path in places.chain(&settings.identity) {
        assert!(path.is_absolute(), "{path:?}");
    }
    for secret in settings.connections.values() {
        assert_eq!(format!("{secret:?}"), "…");
        if let Err(error) = Dsn::parse(secret.reveal(), None) {
            assert_hides_password(&all_text(&error));
        }
    }
}

fn check_error(error: &Error, data: &[u8]) {
    match error {
        Error::Parse { source, .. } => {
            let text = source.to_string();
            let number = text.strip_prefix("line ").and_then(|rest| rest.split_once(':'));
            let number: usize = number.unwrap().0.parse().unwrap();
            let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!((1..=lines).contains(&number), "{text}");
        }
        other => {
            assert!(matches!(other, Error::Read { .. }), "not for this: {other:?}");
            assert!(std::str::from_utf8(data).is_err(), "it can be read");
        }
    }
    assert_hides_password(&all_text(error));
}

fn assert_hides_password(text: &str) {
    assert!(!text.contains(PASSWORD), "{text}");
}
