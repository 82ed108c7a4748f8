//! HTTP: everything on one loopback port.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::HOST;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::exchange::{Answer, Call, Ending, Outcome};
use crate::world::World;

const LARGEST_BODY: usize = 4 << 20;
/// How often a request that is held back is asked again.
const AGAIN: Duration = Duration::from_millis(3);

pub type Shared = Arc<Mutex<World>>;

/// The world; a test that panicked while it held it does not take it from the others.
pub fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until the listener's runtime ends.
pub async fn serve(listener: TcpListener, world: Shared) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(connection(stream, Arc::clone(&world)));
        } else {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

async fn connection(stream: TcpStream, world: Shared) {
    let service = service_fn(move |request| answer(request, Arc::clone(&world)));
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // A connection that a fault cut is an error here, and meant to be one.
    drop(served);
}

/// The connection ends here, without a word.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("cut by a fault")
    }
}

impl std::error::Error for Cut {}

async fn answer(request: Request<Incoming>, world: Shared) -> Result<Response<Payload>, Cut> {
    let Some(call) = read(request, &world).await else {
        return response(Answer::text(400, "The request could not be read."));
    };
    let head = call.method == "HEAD";
    let mut plan = lock(&world).plan(&call);
    if !plan.delay.is_zero() {
        tokio::time::sleep(plan.delay).await;
    }
    loop {
        let outcome = lock(&world).handle(&call, &mut plan);
        match outcome {
            Outcome::Answer(answer) if answer.ending == Ending::Cut => return Err(Cut),
            Outcome::Answer(answer) if head => {
                let length = answer.body.len().to_string();
                let mut answer = answer.header("content-length", length);
                answer.body = Bytes::new();
                return response(answer);
            }
            Outcome::Answer(answer) => return response(answer),
            Outcome::Again => tokio::time::sleep(AGAIN).await,
        }
    }
}

async fn read(request: Request<Incoming>, world: &Shared) -> Option<Call> {
    let at = lock(world).now();
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_BODY).collect().await.ok()?;
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let host = match head.uri.authority() {
        Some(authority) => authority.to_string(),
        None => {
            let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
            host.unwrap_or_default().to_owned()
        }
    };
    Some(Call {
        method: head.method.as_str().to_owned(),
        host,
        path: decoded(head.uri.path(), false),
        query: pairs(head.uri.query().unwrap_or_default()),
        headers,
        body: body.to_bytes(),
        at,
    })
}

/// The pairs of a query or of a form.
#[must_use]
pub fn pairs(text: &str) -> Vec<(String, String)> {
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(name, true), decoded(value, true))
        })
        .collect()
}

fn decoded(text: &str, form: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high * 16 + low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (b'+', _) if form => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

fn response(answer: Answer) -> Result<Response<Payload>, Cut> {
    let mut response = Response::new(Payload::new(&answer));
    *response.status_mut() = StatusCode::from_u16(answer.status).map_err(|_| Cut)?;
    for (name, value) in &answer.headers {
        let name = name.parse::<hyper::header::HeaderName>();
        if let (Ok(name), Ok(value)) = (name, value.parse()) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

/// A body that may end too early.
struct Payload {
    parts: Vec<Result<Bytes, Cut>>,
    length: u64,
}

impl Payload {
    fn new(answer: &Answer) -> Self {
        let body = answer.body.clone();
        let length = u64::try_from(body.len()).unwrap_or_default();
        let parts = if answer.ending == Ending::CutWithin {
            vec![Err(Cut), Ok(body.slice(..body.len() / 2))]
        } else if body.is_empty() {
            Vec::new()
        } else {
            vec![Ok(body)]
        };
        Self { parts, length }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.parts.pop() {
            // What was sent so far gets on its way before the end does.
            Some(Err(cut)) if self.length > 0 => {
                self.length = 0;
                self.parts.push(Err(cut));
                context.waker().wake_by_ref();
                Poll::Pending
            }
            other => Poll::Ready(other.map(|part| part.map(Frame::data))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_taken_apart() {
        assert_eq!(
            pairs("updateMask=template%2Ctraffic&q=a+b&flag"),
            vec![
                ("updateMask".into(), "template,traffic".into()),
                ("q".into(), "a b".into()),
                ("flag".into(), String::new()),
            ]
        );
        assert_eq!(decoded("/a+b%20c%zz", false), "/a+b c%zz");
    }
}
