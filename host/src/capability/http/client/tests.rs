use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;

use super::locate::Probe;
use super::*;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Containers by name, and what `curl` says inside each.
#[derive(Default)]
struct Fake {
    replicas: Vec<Replica>,
    inside: BTreeMap<String, Probe>,
    probes: Mutex<Vec<String>>,
}

impl Directory for Fake {
    fn replicas<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, Result<Vec<Replica>>> {
        async { Ok(self.replicas.clone()) }.boxed()
    }

    fn probe<'a>(&'a self, id: &'a str, argv: Vec<String>) -> BoxFuture<'a, Result<Probe>> {
        self.probes.lock().unwrap().push(argv[0].clone());
        let absent = Probe { code: 127, ..Probe::default() };
        let said = if argv[0] == "curl" { self.inside.get(id).cloned() } else { None };
        async { Ok(said.unwrap_or(absent)) }.boxed()
    }
}

/// Answers every connection with `text`; the requests seen come through the channel.
pub(super) async fn server(text: String) -> (u16, UnboundedReceiver<String>) {
    serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), text)
}

pub(super) fn serve(listener: TcpListener, text: String) -> (u16, UnboundedReceiver<String>) {
    let port = listener.local_addr().unwrap().port();
    let (seen, requests) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let n = stream.read(&mut request).await.unwrap();
            let _ = seen.send(String::from_utf8_lossy(&request[..n]).into_owned());
            let _ = stream.write_all(text.replace("PORT", &port.to_string()).as_bytes()).await;
        }
    });
    (port, requests)
}

pub(super) fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nX-Kind: Test\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

fn at(port: u16) -> Route {
    Route::Address { host: "127.0.0.1".into(), port }
}

fn replica(name: &str, routes: Vec<Route>) -> Replica {
    Replica { id: name.into(), name: name.into(), routes }
}

fn client(fake: Fake) -> (Client, Arc<Fake>) {
    let fake = Arc::new(fake);
    (Client::new(Some(fake.clone())).unwrap(), fake)
}

/// Nothing but services.
fn nowhere() -> Reach {
    Reach::default()
}

pub(super) fn listed(origin: &str) -> Reach {
    Reach::parse(&[origin.to_owned()], &[]).unwrap()
}

fn service() -> Endpoint {
    Endpoint::Service { service: "optimizer".into(), port: 8003 }
}

fn post(port: u16) -> Change {
    Change {
        method: "POST".into(),
        endpoint: Endpoint::Origin(format!("http://127.0.0.1:{port}")),
        path: "/go".into(),
        headers: vec![("X-Reason".into(), "upgrade".into())],
        body: b"now".to_vec(),
        timeout: SECOND,
    }
}

#[tokio::test]
async fn the_next_way_is_taken_when_one_is_closed_and_is_remembered() {
    let (open, _requests) = server(answer("200 OK", "fine")).await;
    let routes = vec![at(closed_port().await), at(open), Route::Inside];
    let (client, fake) = client(Fake { replicas: vec![replica("a", routes)], ..Fake::default() });
    let response = client.get(&service(), "/", SECOND, &nowhere()).await.unwrap();
    assert_eq!((response.status, &response.body[..]), (200, &b"fine"[..]));
    assert_eq!(response.header("x-kind"), Some("Test"));
    let first = client.in_order(&fake.replicas[0], 8003).remove(0);
    assert_eq!(first, at(open));
    assert!(fake.probes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_sick_replica_is_seen_among_healthy_ones() {
    let (well, _a) = server(answer("200 OK", "")).await;
    let (sick, _b) = server(answer("503 Service Unavailable", "sick")).await;
    let both = || vec![replica("a", vec![at(well)]), replica("b", vec![at(sick)])];
    let (asking, _) = client(Fake { replicas: both(), ..Fake::default() });
    assert_eq!(asking.get(&service(), "/", SECOND, &nowhere()).await.unwrap().status, 503);
    let mut three = both();
    three.push(replica("c", vec![at(closed_port().await)]));
    let (asking, _) = client(Fake { replicas: three, ..Fake::default() });
    let error = asking.get(&service(), "/", SECOND, &nowhere()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.message.contains("GET c:8003/"), "{}", error.message);
    assert_eq!(asking.get_all("optimizer", 8003, "/", SECOND).await.unwrap().len(), 3);
}

#[tokio::test]
async fn the_probe_inside_is_the_last_way_and_is_not_repeated_without_a_tool() {
    let said = Probe { code: 0, stdout: answer("204 No Content", "").into(), ..Probe::default() };
    let replicas = vec![replica("tool", vec![Route::Inside])];
    let (asking, _) =
        client(Fake { replicas, inside: [("tool".into(), said)].into(), ..Fake::default() });
    assert_eq!(asking.get(&service(), "/", SECOND, &nowhere()).await.unwrap().status, 204);
    let (asking, fake) =
        client(Fake { replicas: vec![replica("scratch", vec![Route::Inside])], ..Fake::default() });
    for _ in 0..3 {
        assert_eq!(
            asking.get(&service(), "/", SECOND, &nowhere()).await.unwrap_err().kind,
            Kind::Unavailable
        );
    }
    assert_eq!(*fake.probes.lock().unwrap(), ["curl", "wget", "timeout", "python3"]);
}

#[tokio::test]
async fn only_listed_origins_are_asked_and_redirects_stay_there() {
    let (other, mut elsewhere) = server(answer("200 OK", "secret")).await;
    let away = format!(
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{other}/x\r\ncontent-length: 0\r\n\r\n"
    );
    let (port, _requests) = server(away).await;
    let origin = format!("http://127.0.0.1:{port}");
    let client = Client::new(None).unwrap();
    let (reach, asked) = (listed(&origin), Endpoint::Origin(origin));
    assert_eq!(client.get(&asked, "/", SECOND, &reach).await.unwrap().status, 302);
    assert!(elsewhere.try_recv().is_err());
    let unlisted = Endpoint::Origin(format!("http://127.0.0.1:{other}"));
    assert_eq!(client.get(&unlisted, "/", SECOND, &reach).await.unwrap_err().kind, Kind::Denied);
    let (round, mut requests) = server(
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:PORT/on\r\ncontent-length: 0\r\n\r\n"
            .into(),
    )
    .await;
    let origin = format!("http://127.0.0.1:{round}");
    let (reach, asked) = (listed(&origin), Endpoint::Origin(origin));
    assert_eq!(client.get(&asked, "/", SECOND, &reach).await.unwrap_err().kind, Kind::Failed);
    assert_eq!(std::iter::from_fn(|| requests.try_recv().ok()).count(), 6);
}

#[tokio::test]
async fn a_body_that_is_too_long_fails_and_silence_is_late() {
    let (port, _requests) = server(answer("200 OK", &"x".repeat(request::LONGEST_BODY + 1))).await;
    let (asking, _) =
        client(Fake { replicas: vec![replica("a", vec![at(port)])], ..Fake::default() });
    assert_eq!(
        asking.get(&service(), "/", SECOND * 5, &nowhere()).await.unwrap_err().kind,
        Kind::Failed
    );
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route = at(silent.local_addr().unwrap().port());
    let (asking, _) = client(Fake { replicas: vec![replica("a", vec![route])], ..Fake::default() });
    let error =
        asking.get(&service(), "/", Duration::from_millis(200), &nowhere()).await.unwrap_err();
    assert_eq!(error.kind, Kind::TimedOut);
}

#[tokio::test]
async fn a_change_is_sent_once_even_when_the_answer_is_lost() {
    let (port, mut requests) = server(String::new()).await;
    let client = Client::new(None).unwrap();
    let reach = listed(&format!("http://127.0.0.1:{port}"));
    assert_eq!(client.send(&post(port), &reach).await.unwrap_err().kind, Kind::TimedOut);
    let request = requests.try_recv().unwrap();
    assert!(
        request.starts_with("POST /go HTTP/1.1\r\n") && request.contains("x-reason: upgrade"),
        "{request}"
    );
    assert!(requests.try_recv().is_err());
    let closed = closed_port().await;
    let reach = listed(&format!("http://127.0.0.1:{closed}"));
    assert_eq!(client.send(&post(closed), &reach).await.unwrap_err().kind, Kind::Unavailable);
}
