//! Somebody who sends requests to the fake: a connection for each, so that a cut one is seen.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tessallite_up_gcp::{Fake, Setup};

pub struct Operator {
    pub fake: Fake,
    pub token: String,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }

    /// The reason of Google's error.
    pub fn reason(&self) -> String {
        let body = self.json();
        body["error"]["errors"][0]["reason"].as_str().unwrap_or_default().to_owned()
    }

    pub fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}

pub fn operator() -> Operator {
    with(Setup::default())
}

pub fn with(setup: Setup) -> Operator {
    let token = setup.token.clone();
    let fake = Fake::start(setup).unwrap();
    Operator { fake, token }
}

pub fn service(name: &str) -> String {
    format!("/v2/projects/tessallite-demo/locations/europe-west1/services/{name}")
}

pub const INSTANCE: &str = "/v1/projects/tessallite-demo/instances/tessallite";
pub const REPOSITORY: &str = "europe-west1-docker.pkg.dev/tessallite-demo/tessallite";

pub fn image(service: &str, tag: &str) -> String {
    format!("{REPOSITORY}/{service}:{tag}")
}

pub fn by_revision(revision: &str, percent: u32, tag: &str) -> Value {
    json!({
        "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
        "revision": revision, "percent": percent, "tag": tag,
    })
}

pub fn latest() -> Value {
    json!({"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100})
}

impl Operator {
    /// Sends a request; nothing where the connection was cut before the whole answer came.
    pub fn try_send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Reply> {
        let mut stream = TcpStream::connect(self.fake.host()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.fake.host()
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        reply(&String::from_utf8_lossy(&bytes), method == "HEAD")
    }

    pub fn send(&self, method: &str, target: &str, body: &Value) -> Reply {
        self.attempt(method, target, body).unwrap()
    }

    pub fn attempt(&self, method: &str, target: &str, body: &Value) -> Option<Reply> {
        let authorization = format!("Bearer {}", self.token);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.try_send(method, target, &[("Authorization", &authorization)], &body)
    }

    pub fn get(&self, target: &str) -> Reply {
        self.send("GET", target, &Value::Null)
    }

    pub fn plain(&self, target: &str) -> Reply {
        self.try_send("GET", target, &[], "").unwrap()
    }

    pub fn patch(&self, name: &str, query: &str, body: &Value) -> Reply {
        self.send("PATCH", &format!("{}?{query}", service(name)), body)
    }

    /// The template of a service with another image, under this revision's name.
    pub fn template(&self, name: &str, tag: &str, revision: &str) -> Value {
        let mut template = self.fake.service(name)["template"].clone();
        template["containers"][0]["image"] = json!(image(name, tag));
        template["revision"] = json!(revision);
        template
    }

    /// A new revision with all traffic where it was and a tag on the new one.
    pub fn deploy(&self, name: &str, tag: &str, revision: &str) -> Value {
        let old = format!("{name}-00002-def");
        let body = json!({
            "template": self.template(name, tag, revision),
            "traffic": [by_revision(&old, 100, ""), by_revision(revision, 0, "next")],
        });
        let reply = self.patch(name, "updateMask=template,traffic", &body);
        assert_eq!(reply.status, 200, "{}", reply.text);
        self.wait(&reply.json())
    }

    pub fn route(&self, name: &str, traffic: &Value) -> Value {
        let reply = self.patch(name, "updateMask=traffic", &json!({ "traffic": traffic }));
        assert_eq!(reply.status, 200, "{}", reply.text);
        self.wait(&reply.json())
    }

    /// Waits for an operation of Cloud Run.
    pub fn wait(&self, operation: &Value) -> Value {
        let target = format!("/v2/{}:wait", operation["name"].as_str().unwrap());
        self.send("POST", &target, &json!({"timeout": "10s"})).json()
    }

    /// Follows an operation of Cloud SQL.
    pub fn follow(&self, operation: &Value) -> Value {
        let name = operation["name"].as_str().unwrap();
        for _ in 0..500 {
            let now = self.get(&format!("/v1/projects/tessallite-demo/operations/{name}")).json();
            if now["status"] == "DONE" {
                return now;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the operation does not end: {operation}");
    }

    pub fn back_up(&self, description: &str) -> Value {
        let body = json!({ "description": description });
        let reply = self.send("POST", &format!("{INSTANCE}/backupRuns"), &body);
        assert_eq!(reply.status, 200, "{}", reply.text);
        self.follow(&reply.json())
    }

    pub fn restore(&self, id: &str) -> Reply {
        let context = json!({"backupRunId": id, "instanceId": "tessallite"});
        let body = json!({ "restoreBackupContext": context });
        self.send("POST", &format!("{INSTANCE}/restoreBackup"), &body)
    }

    pub fn health(&self, host: &str) -> Reply {
        self.plain(&format!("/_run/{host}/api/health"))
    }
}

fn reply(text: &str, head: bool) -> Option<Reply> {
    let (top, body) = text.split_once("\r\n\r\n")?;
    let mut lines = top.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let reply = Reply { status, headers, text: body.to_owned() };
    (head || body.len() == length).then_some(reply)
}
