//! Statements over a connection of the driver.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::{TryStreamExt, pin_mut};
use tokio::time::timeout;
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type};
use tokio_postgres::{Client, Column, RowStream};

use super::failure;
use super::reader::READER;
use super::session::Session;
use super::statement::{self, Statement};
use super::wrap::{self, Collector, Form};
use crate::capability::error::{Error, Kind, Result};
use crate::capability::sql::types::{Limits, Rows, Value};

/// What the client waits beyond the server's own time limit.
const GRACE: Duration = Duration::from_secs(5);

pub(super) async fn query(
    session: &Session,
    text: &Statement<'_>,
    params: &[Value],
    limits: &Limits,
) -> Result<Rows> {
    let doing = "querying the database";
    let reading = async {
        begin(session.client(), limits).await?;
        let rows = read(session.client(), text, params, limits).await?;
        // Nothing was written, so whether this arrives does not matter.
        let _ = session.client().batch_execute("ROLLBACK").await;
        Ok(rows)
    };
    let outcome = timeout(limits.query + GRACE, reading).await;
    if !matches!(outcome, Ok(Ok(_))) {
        session.stop().await;
    }
    outcome.unwrap_or_else(|_| {
        Err(Error::timed_out(format!("{doing}: no answer within {} s", limits.query.as_secs())))
    })
}

async fn begin(client: &Client, limits: &Limits) -> Result<()> {
    let settings = format!(
        "BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout = {}; \
         SET LOCAL idle_in_transaction_session_timeout = {}; SET LOCAL bytea_output = 'hex'; \
         SET LOCAL extra_float_digits = 1; SET LOCAL standard_conforming_strings = on; \
         {READER}",
        limits.query.as_millis(),
        (limits.query + GRACE).as_millis(),
    );
    let doing = "opening a READ ONLY transaction";
    client.batch_execute(&settings).await.map_err(|e| failure::running(doing, &e))
}

async fn read(
    client: &Client,
    text: &Statement<'_>,
    params: &[Value],
    limits: &Limits,
) -> Result<Rows> {
    let failed = |e: tokio_postgres::Error| failure::running("querying the database", &e);
    let asked = client.prepare(text.text()).await.map_err(failed)?;
    statement::check_count(asked.params().len(), params.len())?;
    let columns: Vec<String> =
        asked.columns().iter().map(|column| column.name().to_owned()).collect();
    let params = parameters(params)?;
    let rows = if wrap::is_wrapped(text) {
        let forms: Vec<Form> =
            asked.columns().iter().map(|column| Form::of(column.type_().oid())).collect();
        let wrapped = wrap::wrapped(text.text(), &forms, limits);
        let mut rows = Collector::new(&columns, &forms, limits);
        let answer = client.query_raw(&wrapped, &params).await.map_err(failed)?;
        each_row(answer, 1, |mut row| rows.line(row.remove(0).as_deref())).await?;
        rows.rows()
    } else {
        check_texts(asked.columns())?;
        let forms = vec![Form::Text; columns.len()];
        let mut rows = Collector::new(&columns, &forms, limits);
        let answer = client.query_raw(&asked, &params).await.map_err(failed)?;
        each_row(answer, columns.len(), |row| rows.cells(row)).await?;
        rows.rows()
    };
    Ok(Rows { columns, rows })
}

/// Row by row: a result is never held as a whole.
async fn each_row(
    answer: RowStream,
    width: usize,
    mut take: impl FnMut(Vec<Option<String>>) -> Result<()>,
) -> Result<()> {
    let failed = |e: tokio_postgres::Error| failure::running("querying the database", &e);
    pin_mut!(answer);
    while let Some(row) = answer.try_next().await.map_err(failed)? {
        let cells: Result<Vec<Option<Raw>>, _> = (0..width).map(|n| row.try_get(n)).collect();
        take(cells.map_err(failed)?.into_iter().map(|cell| cell.map(|raw| raw.0)).collect())?;
    }
    Ok(())
}

fn check_texts(columns: &[Column]) -> Result<()> {
    match columns.iter().find(|column| !Raw::accepts(column.type_())) {
        None => Ok(()),
        Some(column) => Err(Error::invalid(format!(
            "column {:?} of this kind of statement is of type {}, not text",
            column.name(),
            column.type_()
        ))),
    }
}

/// In a transaction of its own, which the server makes for it.
pub(super) async fn execute(
    session: &Session,
    text: &str,
    params: &[Value],
    limits: &Limits,
) -> Result<u64> {
    let changing = async {
        let client = session.client();
        let settings = format!(
            "SET statement_timeout = {}; SET bytea_output = 'hex'",
            limits.execute.as_millis()
        );
        let failed = |e: tokio_postgres::Error| failure::running("executing a statement", &e);
        client.batch_execute(&settings).await.map_err(failed)?;
        let statement = client.prepare(text).await.map_err(failed)?;
        statement::check_count(statement.params().len(), params.len())?;
        // From here on a lost connection leaves open what became of the statement.
        client
            .execute_raw(&statement, &parameters(params)?)
            .await
            .map_err(|e| unknown_if_lost(failed(e)))
    };
    match timeout(limits.execute + GRACE, changing).await {
        Ok(outcome) => outcome,
        Err(_) => {
            session.stop().await;
            let seconds = limits.execute.as_secs();
            Err(Error::timed_out(format!("executing a statement: no answer within {seconds} s"))
                .hint("the statement may have been carried out: look before repeating it"))
        }
    }
}

fn unknown_if_lost(error: Error) -> Error {
    if error.kind != Kind::Unavailable {
        return error;
    }
    error
        .of_kind(Kind::TimedOut)
        .hint("the statement may have been carried out: look before repeating it")
}

/// A value in the text form that every type reads.
#[derive(Debug)]
struct Parameter(Option<String>);

fn parameters(values: &[Value]) -> Result<Vec<Parameter>> {
    values.iter().map(|value| Ok(Parameter(statement::text_of(value)?))).collect()
}

impl ToSql for Parameter {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match &self.0 {
            None => Ok(IsNull::Yes),
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}

/// A type that is the same in the driver's binary form and as PostgreSQL writes it.
struct Raw(String);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(std::str::from_utf8(raw)?.to_owned()))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(
            *ty,
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN | Type::JSON | Type::XML
        )
    }
}
