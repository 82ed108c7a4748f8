//! As much HTTP as health checks need, on both ends.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    pub(crate) fn unavailable(body: Value) -> Self {
        Self { status: 503, body }
    }

    pub(crate) fn not_found() -> Self {
        Self { status: 404, body: json!({"error": "not found"}) }
    }
}

/// Serves for ever, one thread per connection.
pub(crate) fn serve<H>(port: u16, handler: H) -> Result<(), String>
where
    H: Fn(&str) -> Answer + Send + Sync + 'static,
{
    let handler: &'static H = Box::leak(Box::new(handler));
    let listener = listen(port)?;
    println!("serving on port {port}");
    for stream in listener.incoming().flatten() {
        thread::spawn(move || {
            // A client that went away is its own affair.
            let _ = respond(stream, handler);
        });
    }
    Ok(())
}

/// Accepts connections in the background and keeps each open until the client leaves.
pub(crate) fn accept_and_hold(port: u16) -> Result<(), String> {
    let listener = listen(port)?;
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || io::copy(&mut stream, &mut io::sink()));
        }
    });
    Ok(())
}

pub(crate) fn get(host: &str, port: u16, path: &str) -> io::Result<Answer> {
    let address = (host, port)
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::other(format!("{host} has no address")))?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    parse(&text).ok_or_else(|| io::Error::other(format!("{host} did not answer in HTTP")))
}

fn parse(text: &str) -> Option<Answer> {
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    Some(Answer { status, body: serde_json::from_str(body).ok()? })
}

fn listen(port: u16) -> Result<TcpListener, String> {
    TcpListener::bind(("0.0.0.0", port)).map_err(|e| format!("cannot listen on port {port}: {e}"))
}

fn respond(mut stream: TcpStream, handler: impl Fn(&str) -> Answer) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let path = read_request(&stream)?;
    let Answer { status, body } = handler(&path);
    let body = body.to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} {}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}",
        reason(status)
    )
}

/// The path of the request. The headers are read to their end: closing a
/// connection with unread bytes would reset it under the client.
fn read_request(stream: &TcpStream) -> io::Result<String> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let target = first.split(' ').nth(1).unwrap_or("/");
    Ok(target.split('?').next().unwrap_or("/").to_owned())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        404 => "Not Found",
        _ => "Service Unavailable",
    }
}
