//! An engine that is too old: it tells its version, and knows nothing else.

use std::os::unix::net::UnixListener;
use std::thread;

use tempfile::TempDir;

use crate::http::{Answer, Request};

/// Answers on a socket of its own until the test ends.
pub struct FakeEngine {
    directory: TempDir,
}

impl FakeEngine {
    /// An engine that speaks this version of the API.
    pub fn of_api(version: &str) -> Self {
        let directory = tempfile::tempdir().expect("a place for the socket");
        let listener = UnixListener::bind(directory.path().join("docker.sock")).expect("a socket");
        let body = format!(
            r#"{{"Version":"17.06.0-ce","ApiVersion":"{version}","MinAPIVersion":"1.12","Os":"linux","Arch":"amd64"}}"#
        );
        let headers = format!("Content-Type: application/json\r\nApi-Version: {version}\r\n");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(request) = Request::read(&stream) {
                    let (headers, body) = (headers.as_str(), body.as_bytes());
                    Answer { status: "200 OK", headers, body }.write(&request, &stream);
                }
            }
        });
        Self { directory }
    }

    /// For `DOCKER_HOST`.
    pub fn address(&self) -> String {
        format!("unix://{}", self.directory.path().join("docker.sock").display())
    }
}
