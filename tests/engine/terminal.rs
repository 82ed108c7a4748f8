//! Somebody is asked, at a real terminal.

use std::fs;

use tessallite_up_tests::{Installation, Template};

const QUESTION: &str = "are lost from the one that comes back. Go on? [y/N]";

#[test]
fn writes_are_lost_only_where_somebody_agrees() {
    let installation = Installation::borrow(Template::Variable);
    let env = fs::read_to_string(installation.path(".env")).unwrap();
    fs::write(installation.path(".env"), format!("{env}\nWRITES=1\n")).unwrap();
    installation.compose(&["up", "--detach", "--no-deps", "scheduler"]);
    installation.wait_until_healthy();
    let wanted = ["--to", "1.5.0-sick", "--timeout", "6", "--soak", "1"];
    let mut terminal = installation.program(wanted).on_terminal();
    terminal.wait_for("[y/N]");
    terminal.type_line("y");
    terminal.wait_for(QUESTION);
    terminal.type_line("n");
    let (code, screen) = terminal.finish();
    assert_eq!(code, Some(6), "{screen}");
    assert!(screen.contains("tess_system.builds"), "{screen}");
    let moved = installation.query("SELECT version_num FROM tess_system.alembic_version");
    assert_eq!(moved, "0008", "the database is left as it is");

    let mut terminal = installation.program(["resume"]).on_terminal();
    terminal.wait_for("Go on with this rollback? [y/N]");
    terminal.type_line("y");
    terminal.wait_for(QUESTION);
    terminal.type_line("yes");
    let (code, screen) = terminal.finish();
    assert_eq!(code, Some(5), "{screen}");
    assert_eq!(installation.query("SELECT version_num FROM tess_system.alembic_version"), "0007");
    installation.wait_until_healthy();
}

#[test]
fn nothing_is_done_where_somebody_says_no() {
    let installation = Installation::borrow(Template::Variable);
    let mut terminal = installation.program(["--to", "1.5.0"]).on_terminal();
    terminal.wait_for("[y/N]");
    terminal.type_line("");
    let (code, screen) = terminal.finish();
    assert_eq!(code, Some(130), "{screen}");
    installation.assert_untouched();
}
