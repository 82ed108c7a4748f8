use super::*;

fn call(outcome: Outcome) -> Call<'static> {
    Call {
        record: "call",
        plugin: "p",
        phase: "make-plan",
        call: "docker.logs",
        arguments: "00",
        outcome,
        us: 7,
    }
}

/// Two sessions, the first with three calls.
fn recorded() -> (tempfile::TempDir, PathBuf) {
    let state = tempfile::tempdir().unwrap();
    let audit = Audit::begin(state.path(), "r1").unwrap();
    for outcome in [Outcome::Done, Outcome::Denied, Outcome::Failed] {
        audit.put(&call(outcome), Durability::Buffer).unwrap();
    }
    let path = audit.path.clone();
    drop(audit);
    drop(Audit::begin(state.path(), "r2").unwrap());
    (state, path)
}

fn damages(state: &Path) -> Vec<Option<Damage>> {
    sessions(state).unwrap().into_iter().map(|session| session.damage).collect()
}

#[test]
fn what_was_recorded_is_read() {
    let (state, _) = recorded();
    let sessions = sessions(state.path()).unwrap();
    assert_eq!(sessions.len(), 2);
    let first = &sessions[0];
    assert_eq!(first.run, "r1");
    assert!(first.name.ends_with("_r1.jsonl"), "{}", first.name);
    assert!(first.damage.is_none() && first.has_ended());
    assert_eq!(first.entries.len(), 5);
    let Record::Call { plugin, outcome, us, .. } = &first.entries[2].record else { panic!() };
    assert_eq!((plugin.as_str(), *outcome, *us), ("p", Outcome::Denied, 7));
    assert!(sessions[1].damage.is_none());
}

#[test]
fn every_changed_byte_is_found() {
    let (state, path) = recorded();
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&path, changed).unwrap();
        assert!(damages(state.path())[0].is_some(), "byte {at}");
    }
}

#[test]
fn removed_and_moved_lines_are_found() {
    let (state, path) = recorded();
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for removed in 0..lines.len() {
        let mut rest = lines.clone();
        rest.remove(removed);
        fs::write(&path, rest.concat()).unwrap();
        assert!(damages(state.path()).iter().any(Option::is_some), "line {removed} removed");
    }
    for moved in 0..lines.len() - 1 {
        let mut others = lines.clone();
        others.swap(moved, moved + 1);
        fs::write(&path, others.concat()).unwrap();
        assert!(damages(state.path())[0].is_some(), "line {moved} moved");
    }
    let mut twice = lines.clone();
    twice.insert(2, lines[2]);
    fs::write(&path, twice.concat()).unwrap();
    assert!(damages(state.path())[0].is_some(), "a line twice");
}

#[test]
fn a_file_that_is_gone_is_missed_by_the_next() {
    let (state, path) = recorded();
    fs::remove_file(path).unwrap();
    let damage = damages(state.path())[0].clone().unwrap();
    assert!(damage.why.contains("missing"), "{damage:?}");
}

#[test]
fn a_file_that_was_cut_off_has_not_ended_and_the_next_one_knows() {
    let (state, path) = recorded();
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    fs::write(&path, lines[..3].concat()).unwrap();
    let sessions = sessions(state.path()).unwrap();
    assert!(!sessions[0].has_ended() && sessions[0].damage.is_none());
    assert!(sessions[1].damage.as_ref().unwrap().why.contains("end are missing"));
}

#[test]
fn a_run_that_is_taken_up_again_gets_another_file() {
    let (state, first) = recorded();
    let again = Audit::begin(state.path(), "r1").unwrap();
    assert_ne!(again.path, first);
    let runs: Vec<String> =
        sessions(state.path()).unwrap().into_iter().map(|session| session.run).collect();
    assert_eq!(runs, ["r1", "r2", "r1"], "in the order of their beginnings");
    drop(again);
    assert!(damages(state.path()).iter().all(Option::is_none));
}

#[test]
fn what_cannot_be_recorded_is_an_error_from_then_on() {
    let state = tempfile::tempdir().unwrap();
    let audit = Audit::begin(state.path(), "r").unwrap();
    audit.writer().file = File::open(&audit.path).unwrap();
    assert!(audit.put(&call(Outcome::Done), Durability::Kernel).is_err());
    assert!(audit.put(&call(Outcome::Done), Durability::Buffer).is_err());
}

/// Two that ran at the same time are both named by the next one.
#[test]
fn no_file_is_left_out() {
    let state = tempfile::tempdir().unwrap();
    let (first, second) =
        (Audit::begin(state.path(), "r1").unwrap(), Audit::begin(state.path(), "r2").unwrap());
    let paths = [first.path.clone(), second.path.clone()];
    drop(second);
    drop(first);
    drop(Audit::begin(state.path(), "r3").unwrap());
    assert!(damages(state.path()).iter().all(Option::is_none), "{:?}", damages(state.path()));
    let text = fs::read_to_string(&paths[1]).unwrap();
    fs::remove_file(&paths[1]).unwrap();
    assert!(damages(state.path()).iter().any(Option::is_some));
    fs::write(&paths[1], &text).unwrap();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.split_inclusive('\n').next().unwrap()).unwrap();
        assert!(damages(state.path()).iter().any(Option::is_some), "an end is missing");
        fs::write(&path, text).unwrap();
    }
}

#[test]
fn without_a_log_nothing_is_said_to_be_recorded() {
    let audit = Audit::absent().unwrap();
    assert!(audit.check().is_err());
    assert!(audit.put(&call(Outcome::Done), Durability::Kernel).is_err());
}
