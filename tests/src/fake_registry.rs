//! A registry on loopback that has every image and fails in one way.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::json;

use crate::http::{Answer, Request};
use crate::process::run;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Every request is 401.
    Unauthorized,
    /// Every request is 429.
    TooManyRequests,
    /// Images are there; what comes as their layer is something else.
    BrokenLayer,
    /// Layers do not come to their end until [`FakeRegistry::go_on`]; then they are
    /// broken.
    StalledLayer,
}

/// Answers until the test ends.
pub struct FakeRegistry {
    port: u16,
    gate: Arc<Gate>,
    asked_for_layer: Receiver<()>,
}

struct Images {
    fault: Fault,
    manifest: Vec<u8>,
    manifest_digest: String,
    config: Vec<u8>,
    config_digest: String,
}

#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
    is_gone: AtomicBool,
}

impl FakeRegistry {
    pub fn failing(fault: Fault) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let images = Arc::new(Images::new(fault, port));
        let gate = Arc::new(Gate::default());
        let (sender, asked_for_layer) = mpsc::channel();
        let opened = Arc::clone(&gate);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if opened.is_gone.load(Ordering::SeqCst) {
                    continue;
                }
                let (images, gate) = (Arc::clone(&images), Arc::clone(&opened));
                let asked = sender.clone();
                thread::spawn(move || images.serve(&stream, &gate, &asked));
            }
        });
        Self { port, gate, asked_for_layer }
    }

    /// A reference that this registry is asked for.
    pub fn image(&self, service: &str, tag: &str) -> String {
        format!("127.0.0.1:{}/tessallite/{service}:{tag}", self.port)
    }

    /// Waits until the engine has begun to fetch a layer.
    ///
    /// # Panics
    /// It does not.
    pub fn wait_until_pulled(&self) {
        let limit = std::time::Duration::from_secs(60);
        self.asked_for_layer.recv_timeout(limit).expect("the engine pulls");
    }

    /// From now on, every connection is closed without an answer.
    pub fn go_away(&self) {
        self.gate.is_gone.store(true, Ordering::SeqCst);
    }

    /// Lets stalled layers go on.
    pub fn go_on(&self) {
        *self.gate.is_open.lock().unwrap() = true;
        self.gate.opened.notify_all();
    }
}

impl Drop for FakeRegistry {
    /// The engine is not left waiting.
    fn drop(&mut self) {
        self.go_on();
    }
}

impl Images {
    /// Every run has its own: the engine keeps no layer of an earlier one.
    fn new(fault: Fault, port: u16) -> Self {
        let layer = digest_of(format!("{port} {:?}", std::time::SystemTime::now()).as_bytes());
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": [layer] },
        });
        let config = config.to_string().into_bytes();
        let config_digest = digest_of(&config);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "size": config.len(), "digest": config_digest },
            "layers": [{ "mediaType": LAYER, "size": 1000, "digest": layer }],
        });
        let manifest = manifest.to_string().into_bytes();
        let manifest_digest = digest_of(&manifest);
        Self { fault, manifest, manifest_digest, config, config_digest }
    }

    fn serve(&self, stream: &TcpStream, gate: &Gate, asked_for_layer: &Sender<()>) {
        // An engine tries TLS first: that is no request.
        let Some(request) = Request::read(stream) else { return };
        match self.fault {
            Fault::Unauthorized => refuse(&request, stream, "401 Unauthorized", "UNAUTHORIZED"),
            Fault::TooManyRequests if request.path != "/v2/" => {
                refuse(&request, stream, "429 Too Many Requests", "TOOMANYREQUESTS");
            }
            _ => self.answer(&request, stream, gate, asked_for_layer),
        }
    }

    fn answer(&self, request: &Request, stream: &TcpStream, gate: &Gate, asked: &Sender<()>) {
        let ok = |headers: &str, body: &[u8]| {
            Answer { status: "200 OK", headers, body }.write(request, stream);
        };
        if request.path == "/v2/" {
            ok("Docker-Distribution-Api-Version: registry/2.0\r\n", b"{}");
        } else if request.path.contains("/manifests/") {
            let digest = &self.manifest_digest;
            ok(
                &format!("Content-Type: {MANIFEST}\r\nDocker-Content-Digest: {digest}\r\n"),
                &self.manifest,
            );
        } else if request.path.ends_with(&self.config_digest) {
            ok(&format!("Content-Type: {CONFIG}\r\n"), &self.config);
        } else {
            // The test may have ended.
            let _ = asked.send(());
            self.layer(stream, gate);
        }
    }

    /// As long as announced, and not what its digest says.
    fn layer(&self, mut stream: &TcpStream, gate: &Gate) {
        let body = [b'x'; 1000];
        let answer = Answer { status: "200 OK", headers: "", body: &body };
        if answer.head(stream).and_then(|()| stream.write_all(&body[..500])).is_err() {
            return;
        }
        if self.fault == Fault::StalledLayer {
            let is_open = gate.is_open.lock().unwrap();
            drop(gate.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
        }
        // The engine may have given up.
        let _ = stream.write_all(&body[500..]);
    }
}

fn refuse(request: &Request, stream: &TcpStream, status: &str, code: &str) {
    let body = json!({ "errors": [{ "code": code, "message": "not today" }] }).to_string();
    let headers = "Content-Type: application/json\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\
                   WWW-Authenticate: Basic realm=\"fake\"\r\n";
    Answer { status, headers, body: body.as_bytes() }.write(request, stream);
}

fn digest_of(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("it can be written");
    let printed = run(Command::new("sha256sum").arg(file.path()));
    format!("sha256:{}", printed.split(' ').next().unwrap_or_default())
}
