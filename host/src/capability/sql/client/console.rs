//! A session of `psql` inside the container that stays open from one question to the next.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use super::inside::{Access, refused};
use crate::capability::error::{Error, Result};
use crate::capability::sql::locate::{Exit, Server};

/// Whatever the database, its roles or the machine prescribe: what is printed here is
/// compared with what is printed elsewhere and later.
const OPTIONS: &str = "-c client_min_messages=error -c standard_conforming_strings=on \
    -c default_transaction_read_only=off -c statement_timeout=0 -c lock_timeout=0 \
    -c idle_in_transaction_session_timeout=0 -c DateStyle=ISO,MDY -c IntervalStyle=postgres \
    -c extra_float_digits=3 -c TimeZone=UTC -c bytea_output=hex -c xmlbinary=base64 \
    -c lc_monetary=C -c row_security=off -c quote_all_identifiers=off";
const BEGINNING: &str = "SET search_path = '';\n\
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout';\n";

const ARGV: [&str; 10] =
    ["psql", "-X", "-w", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose"];

pub(crate) struct Console<'a> {
    server: &'a dyn Server,
    input: mpsc::Sender<Bytes>,
    stdout: BoxStream<'static, Result<Bytes>>,
    end: BoxFuture<'static, Result<Exit>>,
    /// What has come and is not a whole line yet.
    rest: Vec<u8>,
    asked: u32,
}

impl<'a> Console<'a> {
    /// `name` is the session's own on the server.
    pub(crate) async fn open(access: &Access, server: &'a dyn Server, name: &str) -> Result<Self> {
        let (input, receiver) = mpsc::channel::<Bytes>(4);
        let stdin = stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|part| (part, receiver))
        });
        let exec = access.start(server, &ARGV, name, OPTIONS, Some(stdin.boxed())).await?;
        let (rest, asked) = (Vec::new(), 0);
        let mut console =
            Self { server, input, stdout: exec.stdout, end: exec.end.boxed(), rest, asked };
        console.ask(BEGINNING).await?;
        Ok(console)
    }

    /// The lines that these statements print. The first that fails ends the session, and with it
    /// the transaction.
    pub(crate) async fn ask(&mut self, statements: &str) -> Result<Vec<String>> {
        self.asked += 1;
        let mark = format!("tessallite-up {}", self.asked);
        let text = format!("{statements}\nSELECT '{mark}';\n");
        // When psql is gone, its output ends too.
        let _ = self.input.send(Bytes::from(text)).await;
        let mut lines = Vec::new();
        loop {
            match self.line().await? {
                Some(line) if line == mark => return Ok(lines),
                Some(line) => lines.push(line),
                None => return Err(self.ended().await),
            }
        }
    }

    /// Ends the session; what it has not committed is undone.
    pub(crate) async fn close(self) -> Result<()> {
        let Self { input, mut stdout, end, .. } = self;
        drop(input);
        while let Some(part) = stdout.next().await {
            part?;
        }
        end.await.map(|_| ())
    }

    async fn line(&mut self) -> Result<Option<String>> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.rest[searched..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=searched + at).collect();
                let line = String::from_utf8(line)
                    .map_err(|e| Error::failed("reading what psql printed").because(e))?;
                return Ok(Some(line.trim_end_matches('\n').to_owned()));
            }
            searched = self.rest.len();
            match self.stdout.next().await {
                Some(part) => self.rest.extend_from_slice(&part?),
                None => return Ok(None),
            }
        }
    }

    async fn ended(&mut self) -> Error {
        let end = std::mem::replace(&mut self.end, futures_util::future::pending().boxed());
        match end.await {
            Ok(exit) => refused(self.server, &exit),
            Err(error) => error,
        }
    }
}

/// As a string constant of SQL, in a session of [`Console`].
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
