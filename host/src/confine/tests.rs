use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::thread;

use tempfile::TempDir;

use super::*;

/// Runs this on a thread that may write below a directory only; nothing, where the kernel
/// cannot do it.
fn confined(inside: &TempDir, work: impl FnOnce(&Status) + Send) {
    let mut policy = Policy::default();
    policy.allow(inside.path());
    thread::scope(|scope| {
        let confined = scope.spawn(move || {
            let status = this_thread(&policy);
            if status.abi.is_none_or(|abi| abi < TCP as u32) {
                eprintln!("not tested: {:?}", status.missing());
                return;
            }
            assert!(status.is_full(), "{status:?}");
            work(&status);
        });
        confined.join().unwrap();
    });
}

fn directories() -> [TempDir; 2] {
    [(); 2].map(|()| tempfile::tempdir().unwrap())
}

fn is_denied<T>(result: std::io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

#[test]
fn only_what_is_named_can_be_written() {
    let [inside, outside] = directories();
    fs::write(outside.path().join("there"), "1").unwrap();
    confined(&inside, |status| {
        let (within, there) = (inside.path().join("new"), outside.path().join("there"));
        fs::create_dir(inside.path().join("directory")).unwrap();
        fs::write(&within, "2").unwrap();
        fs::rename(&within, inside.path().join("directory/new")).unwrap();
        fs::write("/dev/null", "2").unwrap();
        assert!(status.permits(&inside.path().join("not/there/yet")));

        assert!(is_denied(fs::write(outside.path().join("new"), "2")));
        assert!(is_denied(fs::create_dir(outside.path().join("new"))));
        assert!(is_denied(fs::write(&there, "2")));
        assert!(is_denied(fs::remove_file(&there)));
        assert!(is_denied(fs::OpenOptions::new().append(true).open(&there)));
        assert!(fs::rename(inside.path().join("directory/new"), &there).is_err());
        assert!(fs::hard_link(&there, inside.path().join("link")).is_err());
        assert!(!status.permits(&there));
        assert_eq!(fs::read_to_string(&there).unwrap(), "1");
    });
    // This thread is as free as before.
    fs::write(outside.path().join("there"), "2").unwrap();
}

#[test]
fn a_link_leads_nowhere_else() {
    let [inside, outside] = directories();
    std::os::unix::fs::symlink(outside.path(), inside.path().join("link")).unwrap();
    confined(&inside, |status| {
        assert!(is_denied(fs::write(inside.path().join("link/new"), "1")));
        assert!(!status.permits(&inside.path().join("link/new")));
    });
}

#[test]
fn what_is_started_is_confined_too() {
    let [inside, outside] = directories();
    confined(&inside, |_| {
        let shell = |script: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]).current_dir(inside.path()).env("OUT", outside.path());
            shell.output().unwrap().status.success()
        };
        assert!(shell("echo 1 >new"));
        assert!(!shell("echo 1 >\"$OUT/new\""));
        assert!(shell("grep -q '^NoNewPrivs:.*1$' /proc/self/status"));
    });
    assert!(!outside.path().join("new").exists());
}

#[test]
fn nothing_listens_and_everything_can_be_connected_to() {
    let [inside, outside] = directories();
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let socket = outside.path().join("engine.sock");
    let _unix = UnixListener::bind(&socket).unwrap();
    confined(&inside, |_| {
        assert!(is_denied(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))));
        TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
        UnixStream::connect(&socket).unwrap();
    });
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
}

/// Whether the owner of a lock is dead is found out so, and an abandoned program ended.
#[test]
fn other_processes_can_be_seen_and_signalled() {
    let [inside, _] = directories();
    let mut other = Command::new("sleep").arg("60").spawn().unwrap();
    let id = rustix::process::Pid::from_child(&other);
    let started = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", other.id())).unwrap();
        stat.split(' ').nth(21).unwrap().to_owned()
    };
    let before = started();
    confined(&inside, |_| {
        assert_eq!(started(), before);
        fs::read_to_string(format!("/proc/{}/cgroup", other.id())).unwrap();
        rustix::process::test_kill_process(id).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    });
    // Where nothing was tested, it still runs.
    let _ = other.kill();
    other.wait().unwrap();
}

#[test]
fn temporary_files_and_what_was_open_before_can_be_written() {
    let [inside, outside] = directories();
    let before = fs::File::create(outside.path().join("before")).unwrap();
    confined(&inside, |_| {
        tempfile::tempfile_in(inside.path()).unwrap();
        (&before).write_all(b"1").unwrap();
    });
}

#[test]
fn what_is_not_there_stands_for_the_nearest_that_is() {
    let [inside, outside] = directories();
    let mut policy = Policy::default();
    policy.allow(&inside.path().join("not/there"));
    policy.allow_if_there(&outside.path().join("not/there"));
    let inside = inside.path().canonicalize().unwrap();
    assert_eq!(policy.paths(), [inside.as_path()]);
    policy.allow(&std::env::temp_dir());
    assert_eq!(policy.paths().len(), 1, "what lies below another one is left out");
}

fn of_kernel(abi: ABI) -> Status {
    let landlock = LandlockStatus::Available { effective_abi: abi, kernel_abi: None };
    Status::with(landlock, true, Held::Active, vec!["/srv".into()])
}

#[test]
fn each_kernel_is_said_to_do_what_it_does() {
    for (abi, files, tcp) in [
        (ABI::V1, false, false),
        (ABI::V2, false, false),
        (ABI::V3, true, false),
        (ABI::V4, true, true),
        (ABI::V7, true, true),
    ] {
        let status = of_kernel(abi);
        assert_eq!((status.files.is_active(), status.tcp.is_active()), (files, tcp), "{abi:?}");
        assert_eq!(status.is_full(), files && tcp);
        assert_eq!(status.missing().len(), [files, tcp].iter().filter(|held| !**held).count());
        assert_eq!(status.abi, u32::try_from(abi as i32).ok());
        assert!(!status.permits(Path::new("/etc/passwd")), "{abi:?}");
    }
}

#[test]
fn without_landlock_only_the_privileges_are_held() {
    for landlock in [LandlockStatus::NotEnabled, LandlockStatus::NotImplemented] {
        let status = Status::with(landlock, false, Held::Active, vec!["/srv".into()]);
        assert_eq!(status.missing().len(), 2, "{:?}", status.missing());
        assert!(status.no_new_privileges.is_active());
        assert!(status.permits(Path::new("/etc/passwd")));
        assert_eq!((status.abi, status.hint()), (None, None));
    }
}

#[test]
fn a_policy_that_allows_everything_is_not_a_full_one() {
    let landlock = LandlockStatus::Available { effective_abi: ABI::V7, kernel_abi: Some(99) };
    let status = Status::with(landlock, true, Held::Active, vec!["/".into()]);
    assert_eq!(status.abi, Some(99));
    assert_eq!(status.missing(), ["files: one of the directories that may be written is /"]);
}

#[test]
#[ignore = "needs docker compose"]
fn docker_compose_reads_a_project() {
    let [inside, outside] = directories();
    let project = outside.path().join("compose.yaml");
    fs::write(&project, "services: {a: {image: 'x:1'}}").unwrap();
    confined(&inside, |_| {
        let compose = |args: &[&str]| {
            let mut compose = Command::new("docker");
            compose.arg("compose").args(args).output().unwrap()
        };
        assert!(compose(&["version"]).status.success());
        let read = compose(&["-f", project.to_str().unwrap(), "config", "--format", "json"]);
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        assert!(String::from_utf8_lossy(&read.stdout).contains("x:1"));
    });
}
