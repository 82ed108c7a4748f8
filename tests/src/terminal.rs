//! A terminal with somebody in front of it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;

use crate::process::wait_for;
use crate::program::LIMIT;

const SIZE: Winsize = Winsize { ws_row: 40, ws_col: 140, ws_xpixel: 0, ws_ypixel: 0 };

/// A program that runs in it. It is killed when the test ends.
pub struct Terminal {
    child: Child,
    keys: File,
    screen: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    _home: TempDir,
}

impl Terminal {
    pub(crate) fn start(mut command: Command, home: TempDir) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&ours).expect("it is ours");
        unlockpt(&ours).expect("it can be opened");
        tcsetwinsize(&ours, SIZE).expect("it has a size");
        let name = ptsname(&ours, Vec::new()).expect("it has a name");
        let theirs = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().expect("a path"))
            .expect("it is there");
        let another = || OwnedFd::from(theirs.try_clone().expect("one more"));
        let child = command.stdin(another()).stdout(another()).stderr(another()).spawn();
        let child = child.expect("it starts");
        // Else it would never end.
        drop((theirs, command));
        let keys = File::from(ours);
        let screen = Arc::new(Mutex::new(String::new()));
        let (mut from, kept) = (keys.try_clone().expect("one more"), Arc::clone(&screen));
        let reader = std::thread::spawn(move || {
            let mut part = [0; 4096];
            // An error is how it ends once the program has.
            while let Ok(n @ 1..) = from.read(&mut part) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&part[..n]));
            }
        });
        Self { child, keys, screen, reader: Some(reader), _home: home }
    }

    /// Waits until this has been written, anywhere.
    ///
    /// # Panics
    /// It takes too long.
    pub fn wait_for(&mut self, text: &str) {
        wait_for(text, LIMIT, || {
            let ended = self.child.try_wait().expect("it is our child").is_some();
            let screen = self.screen.lock().unwrap();
            assert!(screen.contains(text) || !ended, "{text}: it ended before\n{screen}");
            screen.contains(text).then_some(())
        });
    }

    pub fn type_line(&mut self, text: &str) {
        write!(self.keys, "{text}\r").expect("somebody reads it");
    }

    /// Its exit code, and all that was written.
    ///
    /// # Panics
    /// It takes too long.
    pub fn finish(mut self) -> (Option<i32>, String) {
        let mut ended = || self.child.try_wait().expect("it is our child");
        let status = wait_for("the end of the program", LIMIT, &mut ended);
        self.reader.take().expect("it is taken once").join().expect("reading does not fail");
        let screen = self.screen.lock().unwrap().clone();
        (status.code(), screen)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
