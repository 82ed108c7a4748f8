//! A session of `psql` in the server's container that stays open: what is asked in it is
//! asked in one snapshot.

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::capability::error::{Error, Result};
use crate::capability::sql::client::inside::{self, Access};
use crate::capability::sql::client::login::Login;
use crate::capability::sql::locate::{Exit, Server};

/// So that a row is written alike wherever and whenever it is read.
const OPTIONS: &str = "-c DateStyle=ISO -c IntervalStyle=postgres -c TimeZone=UTC \
    -c extra_float_digits=3 -c bytea_output=hex -c standard_conforming_strings=on \
    -c search_path=pg_catalog -c row_security=off -c statement_timeout=0 \
    -c idle_in_transaction_session_timeout=0 -c default_transaction_read_only=off";

/// Of one answer.
const MOST_BYTES: usize = 64 << 20;

pub(super) struct Session {
    /// The server, for messages.
    server: String,
    /// Absent once it has been ended.
    input: Option<UnboundedSender<Bytes>>,
    output: BoxStream<'static, Result<Bytes>>,
    end: Option<BoxFuture<'static, Result<Exit>>>,
    unread: BytesMut,
    asked: u32,
}

impl Session {
    /// As [`Session::begin`], with the first log-in that the server accepts.
    pub(super) async fn find(
        server: &dyn Server,
        logins: Vec<Login>,
        name: &str,
        first: &str,
    ) -> Result<(Access, Self)> {
        let mut last = None;
        for access in Access::candidates(logins) {
            match Self::begin(server, &access, name, first).await {
                Ok(session) => return Ok((access, session)),
                Err(error) => last = Some(inside::is_next_tried(error)?),
            }
        }
        Err(last.unwrap_or_else(|| inside::no_login(server)))
    }

    /// In a transaction that reads only, and always sees the same; `first` goes before it.
    pub(super) async fn begin(
        server: &dyn Server,
        access: &Access,
        name: &str,
        first: &str,
    ) -> Result<Self> {
        let (input, lines) = unbounded_channel::<Bytes>();
        let stdin = stream::unfold(lines, |mut lines| async {
            let line = lines.recv().await?;
            Some((line, lines))
        });
        let argv = [
            "psql",
            "-X",
            "-q",
            "-A",
            "-t",
            "-w",
            "-v",
            "ON_ERROR_STOP=1",
            "-v",
            "VERBOSITY=verbose",
        ];
        let exec = access.start(server, &argv, name, OPTIONS, Some(stdin.boxed())).await?;
        let mut session = Self {
            server: server.describe(),
            input: Some(input),
            output: exec.stdout,
            end: Some(exec.end),
            unread: BytesMut::new(),
            asked: 0,
        };
        let begin = format!("{first}\nBEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;");
        session.ask(&begin).await?;
        Ok(session)
    }

    /// What the script prints, line by line.
    pub(super) async fn ask(&mut self, script: &str) -> Result<Vec<String>> {
        self.asked += 1;
        let mark = format!("tessallite-up-{}", self.asked);
        let text = format!("{script}\n\\echo {mark}\n");
        if self.input.as_ref().is_none_or(|input| input.send(text.into()).is_err()) {
            return Err(self.broken().await);
        }
        let (mut lines, mut bytes) = (Vec::new(), 0);
        loop {
            let Some(line) = self.line().await? else { return Err(self.broken().await) };
            if line == mark {
                return Ok(lines);
            }
            bytes += line.len();
            if bytes > MOST_BYTES {
                return Err(Error::failed("reading what the database holds: it is too much"));
            }
            lines.push(line);
        }
    }

    /// As [`Session::ask`], where each line is JSON.
    pub(super) async fn rows<T: DeserializeOwned>(&mut self, script: &str) -> Result<Vec<T>> {
        let lines = self.ask(script).await?;
        let read = lines.iter().map(|line| serde_json::from_str(line));
        read.collect::<Result<_, _>>()
            .map_err(|e| Error::failed("reading what the database holds").because(e))
    }

    /// As [`Session::rows`], where there has to be one.
    pub(super) async fn row<T: DeserializeOwned>(&mut self, script: &str) -> Result<T> {
        let mut rows = self.rows(script).await?;
        rows.pop().ok_or_else(|| Error::failed("reading what the database holds: no answer"))
    }

    /// Ends it well.
    pub(super) async fn finish(mut self) -> Result<()> {
        self.ask("COMMIT;").await?;
        self.input = None;
        while self.line().await?.is_some() {}
        let Some(end) = self.end.take() else { return Ok(()) };
        match end.await?.code {
            0 => Ok(()),
            code => Err(Error::failed(format!("ending a session of psql: exit code {code}"))),
        }
    }

    async fn line(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line = self.unread.split_to(end + 1);
                let text = String::from_utf8_lossy(&line[..end]).into_owned();
                return Ok(Some(text));
            }
            match self.output.next().await {
                Some(part) => self.unread.extend_from_slice(&part?),
                None => return Ok(None),
            }
        }
    }

    async fn broken(&mut self) -> Error {
        let doing = "reading what the database holds through psql";
        let Some(end) = self.end.take() else { return Error::failed(doing) };
        self.input = None;
        match end.await {
            Ok(exit) => {
                let refused = inside::refused(&self.server, &exit);
                refused.reworded(|refused| format!("{doing}: {refused}"))
            }
            Err(error) => error,
        }
    }
}
