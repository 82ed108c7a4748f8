//! The engine, behind a socket of its own that can be taken away and given back: what a
//! client sees of an engine that is restarted.

use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

const ENGINE: &str = "/var/run/docker.sock";

/// Passes everything on until the test ends.
pub struct EngineProxy {
    directory: TempDir,
    open: Arc<Mutex<Vec<UnixStream>>>,
}

impl EngineProxy {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a place for the socket");
        let proxy = Self { directory, open: Arc::default() };
        proxy.come_back();
        proxy
    }

    /// For `DOCKER_HOST`.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Every connection breaks, and there are no new ones.
    pub fn go_away(&self) {
        fs::remove_file(self.socket()).expect("it is there");
        for stream in self.open.lock().expect("no thread has failed").drain(..) {
            // One that has ended already is as good.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn come_back(&self) {
        let listener = UnixListener::bind(self.socket()).expect("a socket");
        let open = Arc::clone(&self.open);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                serve(&client, &open).expect("the engine answers");
            }
        });
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("docker.sock")
    }
}

fn serve(client: &UnixStream, open: &Mutex<Vec<UnixStream>>) -> io::Result<()> {
    let engine = UnixStream::connect(ENGINE)?;
    open.lock().expect("no thread has failed").extend([client.try_clone()?, engine.try_clone()?]);
    for (from, to) in [(client, &engine), (&engine, client)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        thread::spawn(move || {
            // A connection that breaks is what this is for.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}
