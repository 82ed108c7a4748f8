//! The program under test, as an operator starts it.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::wait_for;
use crate::terminal::Terminal;
use crate::{events, guide, place};

/// No run of the tests takes longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// A command line, an environment that holds nothing else, and a home of its own.
pub struct Program {
    wrapper: Vec<OsString>,
    program: OsString,
    args: Vec<OsString>,
    command: Command,
    home: TempDir,
}

impl Program {
    /// In this directory.
    pub fn new(dir: &Path) -> Self {
        let home = tempfile::tempdir().expect("a home");
        let mut command = Command::new("true");
        command.env_clear().current_dir(dir).env("HOME", home.path());
        for name in ["PATH", "DOCKER_HOST"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let program = place::program().into_os_string();
        Self { wrapper: Vec::new(), program, args: Vec::new(), command, home }
    }

    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// With the grants of the plugins under test.
    #[must_use]
    pub fn granted(self) -> Self {
        self.env("TESSALLITE_UP_CONFIG", guide::grants())
    }

    /// Another copy of the program.
    #[must_use]
    pub fn copy_at(mut self, path: &Path) -> Self {
        self.program = path.as_os_str().to_owned();
        self
    }

    /// Started by this command, which gets the program and its arguments as its own.
    #[must_use]
    pub fn started_by<S: AsRef<OsStr>>(mut self, wrapper: impl IntoIterator<Item = S>) -> Self {
        self.wrapper = wrapper.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// Started where these mounts have been made, which nobody else sees. They are the
    /// lines of a shell script.
    #[must_use]
    pub fn with_mounts(self, mounts: &str) -> Self {
        let script = format!("set -e\n{mounts}\nexec \"$@\"");
        self.started_by([
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            &script,
            "sh",
        ])
    }

    pub fn run(self) -> Outcome {
        self.start().finish()
    }

    pub fn start(self) -> Running {
        let (mut command, home) = self.command();
        command.stdin(Stdio::null());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let stdout = Stream::read(child.stdout.take().expect("piped"));
        let stderr = Stream::read(child.stderr.take().expect("piped"));
        Running { child, stdout, stderr, _home: home }
    }

    /// With a terminal in front of it.
    pub fn on_terminal(self) -> Terminal {
        let program = self.env("TERM", "xterm-256color");
        // Makes its standard input the terminal that it is controlled by.
        let (command, home) = program.started_by(["setsid", "--wait", "--ctty"]).command();
        Terminal::start(command, home)
    }

    fn command(self) -> (Command, TempDir) {
        let mut words = self.wrapper;
        words.push(self.program);
        words.extend(self.args);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear();
        for (name, value) in self.command.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.current_dir(self.command.get_current_dir().expect("it was given"));
        (command, self.home)
    }
}

/// What was read so far.
struct Stream {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn read(from: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&String::from_utf8_lossy(&line));
                kept.push('\n');
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    fn read_to_its_end(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading does not fail");
        }
        self.so_far()
    }
}

/// A program that has not ended yet. It is killed when the test ends.
pub struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
    _home: TempDir,
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for an event of `--output json`.
    ///
    /// # Panics
    /// The program ends without it, or takes too long.
    pub fn wait_for_event(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, LIMIT, || {
            let ended = self.child.try_wait().expect("it is our child").is_some();
            let stdout = if ended { self.stdout.read_to_its_end() } else { self.stdout.so_far() };
            let whole = &stdout[..stdout.rfind('\n').map_or(0, |end| end + 1)];
            let found = events::parse(whole).into_iter().find(|event| wanted(event));
            assert!(
                found.is_some() || !ended,
                "{what}: it ended before\n{stdout}\n{}",
                self.stderr.so_far()
            );
            found
        })
    }

    /// Waits until standard error has this text.
    ///
    /// # Panics
    /// It takes too long.
    pub fn wait_for_stderr(&self, text: &str) {
        wait_for(text, LIMIT, || self.stderr.so_far().contains(text).then_some(()));
    }

    /// As the terminal does it on Ctrl-C.
    pub fn interrupt(&self) {
        let id = i32::try_from(self.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(id.expect("a process id"), rustix::process::Signal::INT)
            .expect("it has not ended");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It takes too long.
    pub fn finish(mut self) -> Outcome {
        let mut ended = || self.child.try_wait().expect("it is our child");
        let status = wait_for("the end of the program", LIMIT, &mut ended);
        let (stdout, stderr) = (self.stdout.read_to_its_end(), self.stderr.read_to_its_end());
        Outcome { code: status.code(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// # Panics
    /// It ended with another code.
    #[track_caller]
    pub fn code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// The text is on one of the two streams; how the lines are broken does not count.
    ///
    /// # Panics
    /// It is not.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.has(text), "it does not say {text:?}\n{self}");
        self
    }

    /// # Panics
    /// It does say it.
    #[track_caller]
    pub fn never_says(&self, text: &str) -> &Self {
        assert!(!self.has(text), "it says {text:?}\n{self}");
        self
    }

    fn has(&self, text: &str) -> bool {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        [&self.stdout, &self.stderr].iter().any(|stream| words(stream).contains(text))
    }

    /// Those of `--output json`, in the order that is guaranteed.
    pub fn events(&self) -> Vec<Value> {
        let events = events::parse(&self.stdout);
        events::assert_in_order(&events);
        events
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, stdout, stderr } = self;
        write!(f, "exit code {code:?}\n--- standard output\n{stdout}--- standard error\n{stderr}")
    }
}
