//! GET from inside a container, with whatever its image has: curl, wget, Python.
//! Arguments only, no shell.

use std::time::Duration;

use super::locate::{Directory, Probe};
use super::request::LONGEST_BODY;
use super::types::Response;
use crate::capability::error::{Error, Kind, Result};
use crate::text::{one_line, shortened};

/// Prints the head of the answer and its body, as `curl -i` does.
const PYTHON: &str = "\
import http.client, sys
c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=int(sys.argv[3]))
c.request('GET', sys.argv[2])
r = c.getresponse()
o = sys.stdout.buffer
o.write(b'HTTP/1.1 %d -\\r\\n' % r.status)
for k, v in r.getheaders(): o.write(('%s: %s\\r\\n' % (k, v)).encode('latin-1'))
o.write(b'\\r\\n' + r.read(1048577))
";

#[derive(Clone, Copy)]
enum Tool {
    Curl,
    Wget,
    /// That of busybox knows fewer options, and gives no body with an error status.
    SmallWget,
    Python,
}

const TOOLS: [Tool; 4] = [Tool::Curl, Tool::Wget, Tool::SmallWget, Tool::Python];

impl Tool {
    fn argv(self, port: u16, path: &str, seconds: u64) -> Vec<String> {
        let url = format!("http://127.0.0.1:{port}{path}");
        let seconds = seconds.to_string();
        let words: Vec<&str> = match self {
            Self::Curl => {
                vec![
                    "curl",
                    "-q",
                    "-s",
                    "-S",
                    "-i",
                    "-g",
                    "--http1.1",
                    "--noproxy",
                    "*",
                    "--max-time",
                    &seconds,
                    &url,
                ]
            }
            Self::Wget => vec![
                "wget",
                "-nv",
                "-S",
                "-O",
                "-",
                "--no-proxy",
                "--tries=1",
                "--max-redirect=0",
                "--content-on-error",
                "-T",
                &seconds,
                &url,
            ],
            // Its own -T makes some builds crash.
            Self::SmallWget => {
                vec!["timeout", &seconds, "wget", "-q", "-S", "-O", "-", "-Y", "off", &url]
            }
            Self::Python => {
                let port = port.to_string();
                return ["python3", "-I", "-c", PYTHON, &port, path, &seconds]
                    .map(str::to_owned)
                    .to_vec();
            }
        };
        words.into_iter().map(str::to_owned).collect()
    }

    /// `None` when this tool cannot be used here.
    fn read(self, probe: &Probe) -> Option<Result<Response>> {
        let odd = ["unrecognized option", "invalid option"];
        if matches!(probe.code, 126 | 127) || odd.iter().any(|odd| probe.stderr.contains(odd)) {
            return None;
        }
        let parsed = match (self, probe.code) {
            (Self::Curl | Self::Python, 0) => parse(&probe.stdout),
            // 8 and 1: a status of 4xx or 5xx.
            (Self::Wget, 0 | 8) | (Self::SmallWget, 0 | 1) => {
                parse_wget(&probe.stderr, &probe.stdout)
            }
            // An answer that broke off is none.
            _ => None,
        };
        Some(parsed.ok_or_else(|| self.failure(probe)).and_then(limited))
    }

    fn failure(self, probe: &Probe) -> Error {
        let said =
            probe.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no answer");
        let late = matches!((self, probe.code), (Self::Curl, 28) | (Self::SmallWget, 124 | 143))
            || said.contains("timed out");
        let kind = if late { Kind::TimedOut } else { Kind::Unavailable };
        Error::new(kind, shortened(&one_line(said.trim()), 1000))
    }
}

/// `Ok(None)` when the image has no tool to ask with.
pub(super) async fn get(
    directory: &dyn Directory,
    id: &str,
    port: u16,
    path: &str,
    left: Duration,
) -> Result<Option<Response>> {
    let seconds = left.as_secs().max(1);
    for tool in TOOLS {
        let probe = directory.probe(id, tool.argv(port, path, seconds)).await?;
        if let Some(answer) = tool.read(&probe) {
            return answer.map(Some);
        }
    }
    Ok(None)
}

fn limited(answer: Response) -> Result<Response> {
    if answer.body.len() > LONGEST_BODY {
        return Err(Error::failed(format!("the answer is longer than {LONGEST_BODY} bytes")));
    }
    Ok(answer)
}

/// Head and body; interim heads (1xx) go before.
fn parse(text: &[u8]) -> Option<Response> {
    let mut rest = text;
    loop {
        let (head, body) = split(rest)?;
        let head = String::from_utf8_lossy(head);
        let (status, headers) = parse_head(head.lines())?;
        if !(100..200).contains(&status) {
            return Some(Response { status, headers, body: body.to_vec() });
        }
        rest = body;
    }
}

/// wget writes heads to stderr, indented; the last one counts.
fn parse_wget(stderr: &str, body: &[u8]) -> Option<Response> {
    let lines: Vec<&str> = stderr.lines().map(str::trim).collect();
    let begin = lines.iter().rposition(|line| line.starts_with("HTTP/"))?;
    let head = lines[begin..].iter().take_while(|line| !line.is_empty()).copied();
    let (status, headers) = parse_head(head)?;
    Some(Response { status, headers, body: body.to_vec() })
}

fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    for end in [&b"\r\n\r\n"[..], b"\n\n"] {
        if let Some(at) = text.windows(end.len()).position(|window| window == end) {
            return Some((&text[..at], &text[at + end.len()..]));
        }
    }
    None
}

fn parse_head<'a>(
    mut lines: impl Iterator<Item = &'a str>,
) -> Option<(u16, Vec<(String, String)>)> {
    let status = lines.next()?.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers =
        headers.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    Some((status, headers.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tool: Tool, code: i64, stdout: &str, stderr: &str) -> Option<Result<Response>> {
        tool.read(&Probe { code, stdout: stdout.into(), stderr: stderr.into() })
    }

    #[test]
    fn any_status_is_an_answer() {
        let curl = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\nsick\r\n\r\n";
        let answer = read(Tool::Curl, 0, curl, "").unwrap().unwrap();
        assert_eq!((answer.status, &answer.body[..]), (503, &b"sick\r\n\r\n"[..]));
        assert_eq!(answer.headers, [("content-type".into(), "text/plain".into())]);
        let wget = "  HTTP/1.1 503 Service Unavailable\n  A: b\nwget: server returned error: HTTP/1.1 503 x\n";
        let answer = read(Tool::SmallWget, 1, "", wget).unwrap().unwrap();
        assert_eq!(answer.status, 503);
    }

    #[test]
    fn a_tool_that_is_not_there_or_too_old_gives_way() {
        assert!(read(Tool::Curl, 127, "", "").is_none());
        assert!(read(Tool::Curl, 126, "OCI runtime exec failed", "").is_none());
        assert!(read(Tool::Wget, 1, "", "wget: unrecognized option: no-proxy").is_none());
    }

    #[test]
    fn no_answer_is_unavailable_or_late() {
        let refused = "curl: (7) Failed to connect to 127.0.0.1 port 1: Connection refused";
        assert_eq!(read(Tool::Curl, 7, "", refused).unwrap().unwrap_err().kind, Kind::Unavailable);
        assert_eq!(
            read(Tool::Curl, 28, "", "curl: (28) x").unwrap().unwrap_err().kind,
            Kind::TimedOut
        );
        let cut = "  HTTP/1.1 200 OK\n";
        assert!(read(Tool::Wget, 4, "hal", cut).unwrap().is_err());
        assert!(read(Tool::Curl, 18, "HTTP/1.1 200 OK\r\n\r\nhal", "").unwrap().is_err());
        assert_eq!(read(Tool::Wget, 4, "", "").unwrap().unwrap_err().message, "no answer");
    }
}
