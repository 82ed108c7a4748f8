//! How the program proves who it is.

use std::os::unix::fs::PermissionsExt as _;

use tessallite_up_gcp::{Event, Fault, Kind, Setup};
use tessallite_up_tests::Cloud;

#[test]
fn without_a_token_the_metadata_server_gives_one_and_another_when_it_is_too_old() {
    let cloud = Cloud::usual();
    let happens = Event::ExpireTokens;
    // In the middle of the run.
    cloud.fake.fault(Fault::on("PATCH", "*/services/optimizer", Kind::Before { happens }));
    let args = ["--yes", "--soak", "0", "--to", "2.0.0"];
    cloud.program_in(&cloud.path(""), &args).run().code(0);
    cloud.assert_serves("2.0.0");
    assert!(cloud.fake.count("GET", "/computeMetadata/*token") >= 2);
}

#[test]
fn a_token_of_the_environment_that_expires_is_told_and_leaves_the_run_where_it_is() {
    let cloud = Cloud::usual();
    let happens = Event::ExpireTokens;
    let fault = Fault::on("PATCH", "*/services/optimizer", Kind::Before { happens });
    cloud.fake.fault(fault.skipping(1));
    let outcome = cloud.upgrade("2.0.0", &[]);
    outcome.code(6).says("401").says("log in again");
    // With another one the run goes on where it was: back.
    cloud.run(&["resume", "--yes"]).code(5);
    cloud.assert_as_before();
}

#[test]
fn a_private_service_is_asked_with_a_token_for_its_own_address() {
    let mut setup = Setup::default();
    for service in ["model-service", "gateway"] {
        setup.service(service).private = true;
    }
    let cloud = Cloud::with(setup);
    cloud.upgrade("2.0.0", &[]).code(0);
    cloud.assert_serves("2.0.0");
    let audience = cloud.service("gateway")["uri"].as_str().unwrap().to_owned();
    let asked = cloud.fake.requests().into_iter().filter(|r| r.path.ends_with("/identity"));
    let audiences: Vec<String> =
        asked.filter_map(|r| r.parameter("audience").map(str::to_owned)).collect();
    assert!(audiences.contains(&audience), "{audiences:?}");
}

#[test]
fn a_service_account_is_acted_as_where_that_is_configured() {
    let cloud = Cloud::usual();
    let account = "deployer@tessallite-demo.iam.gserviceaccount.com";
    cloud.upgrade("2.0.0", &["--gcp-impersonate", account]).code(0);
    cloud.assert_serves("2.0.0");
    let path = format!("/v1/projects/-/serviceAccounts/{account}:generateAccessToken");
    assert!(cloud.fake.count("POST", &path) >= 1);
}

#[test]
fn no_token_is_in_what_is_recorded_or_shown() {
    let cloud = Cloud::usual();
    let token = cloud.token();
    let args = ["--yes", "--soak", "0", "--to", "2.0.0"];
    let program = cloud.program_in(&cloud.path(""), &args);
    let outcome = program.env("CLOUDSDK_AUTH_ACCESS_TOKEN", &token).run();
    outcome.code(0).never_says(&token);
    let mut directories = vec![cloud.path(".tessallite-up")];
    let mut files = 0;
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            files += 1;
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            assert!(!text.contains(&token), "{}", path.display());
        }
    }
    assert!(files >= 3, "{files} files");
}

#[test]
fn the_login_of_the_gcloud_cli_serves_where_there_is_no_other() {
    let mut setup = Setup::default();
    setup.service("gateway").private = true;
    let cloud = Cloud::with(setup);
    let audience = cloud.service("gateway")["uri"].as_str().unwrap().to_owned();
    let programs = tempfile::tempdir().unwrap();
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n'config get-value account') echo me@example.com ;;\n\
         'auth print-access-token') echo '{}' ;;\n\
         'auth print-identity-token --audiences='*) echo '{}' ;;\n*) exit 1 ;;\nesac\n",
        cloud.token(),
        cloud.fake.identity_token(&audience),
    );
    let gcloud = programs.path().join("gcloud");
    std::fs::write(&gcloud, script).unwrap();
    std::fs::set_permissions(&gcloud, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let args = ["--yes", "--soak", "0", "--to", "2.0.0"];
    let program = cloud.program_in(&cloud.path(""), &args).env("GCE_METADATA_HOST", "");
    program.env("PATH", format!("{}:{path}", programs.path().display())).run().code(0);
    cloud.assert_serves("2.0.0");
    assert_eq!(cloud.fake.count("GET", "/computeMetadata/*"), 0);
}

#[test]
fn application_default_credentials_of_a_user_are_taken_before_gcloud() {
    let cloud = Cloud::usual();
    let file = cloud.path("adc.json");
    let credentials = serde_json::json!({
        "type": "authorized_user",
        "client_id": "id.apps.googleusercontent.com",
        "client_secret": "not-shown",
        "refresh_token": "not-shown-either",
        "token_uri": format!("{}/token", cloud.fake.url()),
    });
    std::fs::write(&file, credentials.to_string()).unwrap();
    let args = ["--yes", "--soak", "0", "--to", "2.0.0"];
    let program = cloud.program_in(&cloud.path(""), &args);
    let outcome = program.env("GOOGLE_APPLICATION_CREDENTIALS", &file).run();
    outcome.code(0).never_says("not-shown");
    cloud.assert_serves("2.0.0");
    assert!(cloud.fake.count("POST", "/token") >= 1);
}

#[test]
fn credentials_that_are_none_are_named_and_not_shown() {
    let cloud = Cloud::usual();
    let file = cloud.path("adc.json");
    let program = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let args = ["plan", "--to", "2.0.0"];
        let program = cloud.program_in(&cloud.path(""), &args);
        program.env("GOOGLE_APPLICATION_CREDENTIALS", &file).run()
    };
    program("{\"secret\": \"s3cret\"").says("adc.json").never_says("s3cret");
    let outcome = program(r#"{"type": "gdch_service_account", "private_key": "s3cret"}"#);
    outcome.says("gdch_service_account").never_says("s3cret");
}
