use console::measure_text_width;
use insta::assert_snapshot;

use super::*;
use crate::report::event::{Ending, Summary};
use crate::report::sample;

fn shown(width: usize) -> String {
    plan(&sample::plan(), width, false)
}

#[test]
fn the_plan_at_80_columns() {
    assert_snapshot!(shown(80), @r#"
    Plan for tessallite, run 20260101T000000Z-7f3a

     Service         Before                      After
    ──────────────────────────────────────────────────────────────────────────
     model-service   …/model-service:1.4.0   →   …/model-service:1.5.0
     query-router    …/query-router:1.4.0    →   …/query-router:1.5.0
     gateway         …/gateway:stable        →   …/gateway:stable (9b1c04de…)
                     (3f2a91bc…)
     frontend        …/frontend:1.5.0            unchanged
     … is registry.example.com/tessallite

    Steps
      1. Back up the database
         - dump internal as 20260101T000000Z-7f3a
      2. Pull the new images
         - pull …/model-service:1.5.0,
             …/query-router:1.5.0,
             …/gateway:stable
      3. Recreate model-service, query-router and wait until healthy (at most 300 s)
         - recreate model-service, query-router
      4. Verify migrations and images
           changes nothing

    If it fails, or on tessallite-up rollback
      1. Recreate model-service as before
         - recreate model-service on 0b303663679f

    Notes
      - db_migration is 0041 and has to be 0042 afterwards
      - gateway: the tag "stable" moves; what it names now is deployed, by its
        digest
    "#);
}

#[test]
fn the_plan_at_60_columns() {
    assert_snapshot!(shown(60), @r#"
    Plan for tessallite, run 20260101T000000Z-7f3a

     Service         Before                   After
    ────────────────────────────────────────────────────────────
     model-service   …/model-service      →   …/model-service
                     :1.4.0                   :1.5.0
     query-router    …/query-router       →   …/query-router
                     :1.4.0                   :1.5.0
     gateway         …/gateway            →   …/gateway
                     :stable                  :stable
                     (3f2a91bc…)              (9b1c04de…)
     frontend        …/frontend               unchanged
                     :1.5.0
     … is registry.example.com/tessallite

    Steps
      1. Back up the database
         - dump internal as 20260101T000000Z-7f3a
      2. Pull the new images
         - pull …/model-service:1.5.0,
             …/query-router:1.5.0,
             …/gateway:stable
      3. Recreate model-service, query-router and wait until
         healthy (at most 300 s)
         - recreate model-service, query-router
      4. Verify migrations and images
           changes nothing

    If it fails, or on tessallite-up rollback
      1. Recreate model-service as before
         - recreate model-service on 0b303663679f

    Notes
      - db_migration is 0041 and has to be 0042 afterwards
      - gateway: the tag "stable" moves; what it names now is
        deployed, by its digest
    "#);
}

#[test]
fn the_plan_fits_and_has_every_effect_at_every_width() {
    for width in [60, 80, 200] {
        let shown = shown(width);
        assert!(shown.lines().all(|line| measure_text_width(line) <= width), "{width}:\n{shown}");
        let words: String = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let whole = words.replace("…/", "registry.example.com/tessallite/");
        for effect in sample::plan().steps.iter().flat_map(|step| &step.effects) {
            assert!(whole.contains(effect.as_str()), "{width}: {effect}\n{shown}");
        }
    }
}

#[test]
fn colours_change_nothing_else() {
    let coloured = plan(&sample::plan(), 80, true);
    assert!(coloured.contains("\x1b["));
    assert_eq!(console::strip_ansi_codes(&coloured), shown(80));
    let coloured = summary(&sample::failed(), 80, true);
    assert_eq!(console::strip_ansi_codes(&coloured), summary(&sample::failed(), 80, false));
}

#[test]
fn an_image_from_elsewhere_is_told_in_full() {
    let mut view = sample::plan();
    view.services[0].before = "docker.io/other/model-service:1.4.0".into();
    view.services[1].before = "registry.example.com/tessallite-evil/query-router:1.4.0".into();
    let shown = plan(&view, 200, false);
    assert!(shown.contains("docker.io/other/model-service:1.4.0"), "{shown}");
    assert!(shown.contains("registry.example.com/tessallite-evil/query-router:1.4.0"), "{shown}");
}

#[test]
fn a_plan_of_several_plugins_names_them() {
    let mut view = sample::plan();
    view.steps[1].plugin = "notify".into();
    assert!(plan(&view, 80, false).contains("  2. Pull the new images (by notify)"));
}

#[test]
fn text_from_outside_cannot_forge_lines() {
    let mut view = sample::plan();
    view.steps[0].effects[0] = "dump\n  2. nothing\x1b[2J".into();
    view.notes[0] = "\u{202e}evil\r".into();
    let shown = plan(&view, 80, false);
    assert!(shown.contains("     - dump 2. nothing\u{fffd}[2J"), "{shown}");
    assert!(!shown.contains(['\x1b', '\r', '\u{202e}']));
}

#[test]
fn an_empty_plan() {
    let empty = PlanView {
        run: "r".into(),
        project: "p".into(),
        services: vec![],
        steps: vec![],
        rollback: vec![],
        notes: vec![],
    };
    assert_snapshot!(plan(&empty, 80, false), @r#"
    Plan for p, run r

    No service gets another image.

    Steps
      There is nothing to do.
    "#);
}

#[test]
fn a_run_that_is_done() {
    assert_snapshot!(summary(&sample::done(), 80, false), @r#"
    ✓ Done and verified in 1 min 52 s

    Services
      model-service  1.4.0 → 1.5.0                            unavailable for 12.3 s
      query-router   1.4.0 → 1.5.0                            unavailable for 900 ms
      gateway        stable (3f2a91bc…) → stable (9b1c04de…)

    Backup
      /var/backups/tessallite/20260101T000000Z-7f3a.dump
      1.0 GiB, 48 tables
      sha256 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8

    Found out
      - db_migration is 0042

    Record of this run
      /var/lib/tessallite-up/runs/20260101T000000Z-7f3a
    "#);
}

#[test]
fn a_run_that_failed() {
    assert_snapshot!(summary(&sample::failed(), 60, false), @r#"
    ✗ Failed after 1 min 52 s; the installation was changed
      model-service: not healthy after 300 s: exited with code 1

    Services
      model-service  has not come back
      query-router   unavailable for 900 ms

    Backup
      /var/backups/tessallite/20260101T000000Z-7f3a.dump
      1.0 GiB, 48 tables
      sha256 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8

    Record of this run
      /var/lib/tessallite-up/runs/20260101T000000Z-7f3a

    What now
      - Left in the middle of being recreated: model-service,
        query-router.
      - Look at the services first: docker compose ps -a, docker
        compose logs SERVICE. If the cause can be mended, run
        the same upgrade again: it goes on from where things
        are.

    By hand, in the project's directory, one after the other
      docker tag sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0 registry.example.com/tessallite/model-service:1.4.0
      docker compose up --detach --no-deps --pull never model-service query-router
    "#);
}

#[test]
fn every_ending_has_a_heading() {
    let heading = |ending| {
        let shown = summary(&Summary { ending, ..sample::summary(ending) }, 80, false);
        assert_eq!(shown.lines().count(), 1, "{shown}");
        shown
    };
    let endings = [
        Ending::Done,
        Ending::NothingToDo,
        Ending::Denied,
        Ending::FailedUntouched,
        Ending::RolledBack,
        Ending::Failed,
        Ending::Interrupted,
    ];
    assert_snapshot!(endings.map(heading).concat(), @r#"
    ✓ Done and verified in 1 min 52 s
    ✓ There was nothing to do
    ✗ Denied after 1 min 52 s; the installation was not changed
    ✗ Failed after 1 min 52 s; the installation was not changed
    ! Rolled back after 1 min 52 s
    ✗ Failed after 1 min 52 s; the installation was changed
    ! Interrupted after 1 min 52 s
    "#);
}

#[test]
fn a_diagnosis_has_exit_code_health_log_and_log() {
    assert_snapshot!(diagnosis("model-service", &[sample::diagnosis()]), @r#"
    Diagnosis of model-service
      tessallite-model-service-1: restarting, exit code 1, out of memory, restarted 3 times
        Its health checks, the last one last:
          exit code 7: curl: (7) Failed to connect
            to localhost
        The last lines of its log:
          INFO migrating
          ERROR no such column
    "#);
}

#[test]
fn a_diagnosis_of_nothing() {
    assert_snapshot!(diagnosis("gateway", &[]), @r#"
    Diagnosis of gateway
      It has no container.
    "#);
}
