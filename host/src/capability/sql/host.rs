//! The interface `sql` of the contract.

use std::sync::Arc;

use super::types::{self, Progress};
use crate::capability::conduct::{Arguments, Call, Loss, Notice};
use crate::capability::{Context, Result};
use crate::contract::Effect;
use crate::contract::sql::{
    Backup, Comparison, Database, DumpChange, DumpProof, DumpTarget, ExecuteChange, Host,
    RestoreChange, Restored, Rows, Value,
};
use crate::policy::Ask;

impl Host for Context {
    async fn get_database(&mut self, connection: String) -> Result<Database> {
        let allowed = self.ask(on("sql.get-database", &connection, &connection))?;
        allowed.read(async move |s| Ok(s.sql.info(&connection).await?.into())).await
    }

    async fn query(
        &mut self,
        connection: String,
        statement: String,
        params: Vec<Value>,
    ) -> Result<Rows> {
        let arguments = (&connection, &statement, &params);
        let allowed = self.ask(on("sql.query", &connection, &arguments))?;
        allowed
            .read(async move |s| {
                let params: Vec<types::Value> = params.into_iter().map(Into::into).collect();
                Ok(s.sql.query(&connection, &statement, &params).await?.into())
            })
            .await
    }

    async fn get_dump_target(&mut self) -> Result<DumpTarget> {
        self.ask(whole("sql.get-dump-target", &()))?
            .read(async |s| {
                s.backups.check_same(&s.sql).await?;
                Ok(s.backups.target().await?.into())
            })
            .await
    }

    async fn list_backups(&mut self) -> Result<Vec<Backup>> {
        self.ask(whole("sql.list-backups", &()))?
            .read(async |s| {
                Ok(s.backups.backups().await?.backups.into_iter().map(Into::into).collect())
            })
            .await
    }

    async fn compare(&mut self, label: String, migration_table: String) -> Result<Comparison> {
        let allowed = self.ask(whole("sql.compare", &(&label, &migration_table)))?;
        allowed
            .read(async move |s| Ok(s.backups.compare(&label, &migration_table).await?.into()))
            .await
    }

    async fn execute(&mut self, change: ExecuteChange) -> Result<u64> {
        self.change(Effect::SqlExecute(change.clone()), async move |s| {
            let params: Vec<types::Value> = change.params.into_iter().map(Into::into).collect();
            s.sql.execute(&change.connection, &change.statement, &params).await
        })
        .await
    }

    async fn restore(&mut self, change: RestoreChange) -> Result<Restored> {
        let conduct = Arc::clone(self.conduct());
        self.change(Effect::SqlRestore(change.clone()), async move |s| {
            let progress = |Progress { done, estimate }| {
                let what = "restore".to_owned();
                conduct.notify(Notice::Progress { what, done, total: Some(estimate.max(done)) });
            };
            let agreed = |lost| conduct.agree_to_loss(Loss::Tables(lost));
            let restored = s.backups.restore(&change.into(), &agreed, &progress).await?;
            Ok(Restored { restored })
        })
        .await
    }

    async fn dump(&mut self, change: DumpChange) -> Result<Backup> {
        let conduct = Arc::clone(self.conduct());
        let run = self.run().to_owned();
        self.change(Effect::SqlDump(change.clone()), async move |s| {
            let progress = |Progress { done, estimate }| {
                let what = "backup".to_owned();
                conduct.notify(Notice::Progress { what, done, total: Some(estimate.max(done)) });
            };
            let facts = types::Facts::from([("run".to_owned(), run)]);
            let made = s.backups.dump(&change.connection, &change.label, facts, &progress).await?;
            if change.proof == DumpProof::Restored && !made.is_proven() {
                let never = std::future::pending();
                s.backups.verify_full(&change.label, never, &progress).await?;
            }
            Ok(made.into())
        })
        .await
    }
}

fn whole<'a>(function: &'static str, arguments: &'a dyn Arguments) -> Call<'a> {
    Call { ask: Ask::everything(function), arguments }
}

fn on<'a>(function: &'static str, connection: &'a str, arguments: &'a dyn Arguments) -> Call<'a> {
    Call { ask: Ask::connection(function, connection), arguments }
}
