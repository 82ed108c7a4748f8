use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::process::Stdio;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;

use super::tests::{SECOND, answer, listed, serve, server};
use super::*;

/// Gives one answer after the other, and none when they are used up.
#[derive(Default)]
struct Script(Mutex<VecDeque<Vec<SocketAddr>>>);

impl Resolver for Arc<Script> {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        async { Ok(self.0.lock().unwrap().pop_front().unwrap_or_default()) }.boxed()
    }
}

fn resolving(answers: &[&[&str]], port: u16) -> (Client, Arc<Script>) {
    let address = |text: &&str| SocketAddr::new(text.parse().unwrap(), port);
    let answers = answers.iter().map(|answer| answer.iter().map(address).collect());
    let script = Arc::new(Script(Mutex::new(answers.collect())));
    let resolver = Box::new(Arc::clone(&script));
    (Client { resolver, ..Client::new(None).unwrap() }, script)
}

fn reach(origin: &str, addresses: &[&str]) -> Reach {
    let addresses: Vec<String> = addresses.iter().map(|text| (*text).to_owned()).collect();
    Reach::parse(&[origin.to_owned()], &addresses).unwrap()
}

async fn get(client: &Client, origin: &str, reach: &Reach) -> Result<Response> {
    client.get(&Endpoint::Origin(origin.to_owned()), "/", SECOND, reach).await
}

fn redirect_to(location: &str) -> String {
    format!(
        "HTTP/1.1 302 Found\r\nlocation: {location}\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n"
    )
}

#[tokio::test]
async fn a_name_that_is_rebound_leads_to_what_was_checked() {
    let (port, mut first) = server(redirect_to("/on")).await;
    let second = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    let (_, mut second) = serve(second, answer("200 OK", "secret"));
    let (client, script) = resolving(&[&["127.0.0.1"], &["127.0.0.2"]], port);
    let origin = format!("http://rebound.example:{port}");
    let reach = reach(&origin, &["127.0.0.1/32"]);
    // Redirects are followed until there are too many, all of them to the first answer.
    assert_eq!(get(&client, &origin, &reach).await.unwrap_err().kind, Kind::Failed);
    let seen: Vec<String> = std::iter::from_fn(|| first.try_recv().ok()).collect();
    assert_eq!((seen.len(), script.0.lock().unwrap().len()), (6, 1));
    let host = format!("host: rebound.example:{port}\r\n");
    assert!(seen.iter().all(|request| request.contains(&host)), "{seen:?}");
    // Another call resolves again, and checks again.
    assert_eq!(get(&client, &origin, &reach).await.unwrap_err().kind, Kind::Denied);
    assert!(first.try_recv().is_err() && second.try_recv().is_err());
}

#[tokio::test]
async fn one_refused_address_refuses_the_name() {
    let (port, mut requests) = server(answer("200 OK", "")).await;
    let origin = format!("http://two.example:{port}");
    let reach = reach(&origin, &["127.0.0.1/32"]);
    let both: &[&str] = &["127.0.0.1", "169.254.169.254"];
    let (client, _) = resolving(&[both, both], port);
    let error = get(&client, &origin, &reach).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied);
    assert_eq!(
        error.full_text(),
        format!(
            "{origin} leads to 169.254.169.254: the address of a metadata service \
             (addresses = [\"169.254.169.254/32\"] in the plugin's allow.http would allow it)"
        )
    );
    let change = Change {
        method: "POST".into(),
        endpoint: Endpoint::Origin(origin),
        path: "/".into(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout: SECOND,
    };
    assert_eq!(client.send(&change, &reach).await.unwrap_err().kind, Kind::Denied);
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn no_spelling_of_an_address_leads_past_the_list() {
    let (port, mut requests) = server(answer("200 OK", "")).await;
    let client = Client::new(None).unwrap();
    let hosts = ["127.0.0.1", "2130706433", "0177.0.0.1", "0x7f.1", "[::ffff:7f00:1]", "localhost"];
    let elsewhere = reach("https://status.example", &["127.0.0.0/8", "::/0"]);
    for host in hosts.into_iter().chain(["169.254.169.254", "2852039166", "metadata.goog"]) {
        let error = get(&client, &format!("http://{host}:{port}"), &elsewhere).await.unwrap_err();
        assert_eq!(error.kind, Kind::Denied, "{host}");
        assert!(error.message.contains("no grant lists"), "{host}: {}", error.message);
    }
    assert!(requests.try_recv().is_err());
    let loopback = listed(&format!("http://127.0.0.1:{port}"));
    for host in &hosts[..4] {
        let answer = get(&client, &format!("http://{host}:{port}"), &loopback).await;
        assert_eq!(answer.unwrap().status, 200, "{host}");
    }
}

#[tokio::test]
async fn localhost_is_refused_until_its_addresses_are_granted() {
    let (port, mut requests) = server(answer("200 OK", "")).await;
    let client = Client::new(None).unwrap();
    let origin = format!("http://LOCALHOST.:{port}");
    let error = get(&client, &origin, &listed(&origin)).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied);
    assert!(error.message.contains("a loopback address"), "{}", error.message);
    assert!(requests.try_recv().is_err());
    let granted = reach(&origin, &["127.0.0.1/32", "::1/128"]);
    assert_eq!(get(&client, &origin, &granted).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_name_without_an_answer_is_unavailable_or_late() {
    struct Silent;
    impl Resolver for Silent {
        fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
            std::future::pending().boxed()
        }
    }
    let origin = "http://none.example";
    let (client, _) = resolving(&[], 80);
    let error = get(&client, origin, &listed(origin)).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    let client = Client { resolver: Box::new(Silent), ..Client::new(None).unwrap() };
    let error = get(&client, origin, &listed(origin)).await.unwrap_err();
    assert_eq!(error.kind, Kind::TimedOut);
}

#[tokio::test]
async fn a_redirect_leads_to_no_other_origin_and_carries_nothing_along() {
    let (other, mut elsewhere) = server(answer("200 OK", "secret")).await;
    for location in [
        format!("http://127.0.0.1:{other}/"),
        format!("//127.0.0.1:{other}/"),
        format!("http://localhost:{other}/"),
        "https://127.0.0.1:PORT/".to_owned(),
        "http://u:p@127.0.0.1:PORT/".to_owned(),
        // The last: code that follows redirects is found out before it asks there.
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let (port, mut requests) = server(redirect_to(&location)).await;
        let origin = format!("http://127.0.0.1:{port}");
        let answer = get(&Client::new(None).unwrap(), &origin, &listed(&origin)).await.unwrap();
        assert_eq!(answer.status, 302, "{location}");
        assert!(requests.try_recv().is_ok() && requests.try_recv().is_err(), "{location}");
    }
    assert!(elsewhere.try_recv().is_err());
    let (port, mut requests) = server(redirect_to("/on")).await;
    let origin = format!("http://127.0.0.1:{port}");
    get(&Client::new(None).unwrap(), &origin, &listed(&origin)).await.unwrap_err();
    while let Ok(request) = requests.try_recv() {
        let names = request.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut names: Vec<&str> = names.map(|(name, _)| name).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "host", "user-agent"], "{request}");
    }
}

/// The variables are the process's own: it takes another one.
#[tokio::test]
async fn proxies_of_the_environment_are_not_used() {
    let (port, mut requests) = server(answer("200 OK", "")).await;
    let (proxy, mut surprises) = server(answer("200 OK", "")).await;
    let module = module_path!().split_once("::").unwrap().1;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "--ignored", &format!("{module}::inner_get")]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"] {
        child.env(name, format!("http://127.0.0.1:{proxy}"));
    }
    child.env_remove("no_proxy").env_remove("NO_PROXY");
    child.env("EGRESS_TEST_ORIGIN", format!("http://127.0.0.1:{port}")).stdout(Stdio::null());
    assert!(child.status().await.unwrap().success());
    assert!(surprises.try_recv().is_err());
    assert!(requests.try_recv().is_ok());
}

#[tokio::test]
#[ignore = "run by proxies_of_the_environment_are_not_used"]
async fn inner_get() {
    let Ok(origin) = std::env::var("EGRESS_TEST_ORIGIN") else { return };
    let answer = get(&Client::new(None).unwrap(), &origin, &listed(&origin)).await;
    assert_eq!(answer.unwrap().status, 200);
}
