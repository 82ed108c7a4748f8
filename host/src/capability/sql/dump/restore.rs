//! Bringing a backup back.

use futures_util::future::BoxFuture;

use super::Dumps;
use crate::capability::error::{Error, Result};
use crate::capability::sql::types::{Progress, Restore, TableChange};

impl Dumps {
    pub async fn restore(
        &self,
        wanted: &Restore,
        agreed: &(dyn Fn(Vec<TableChange>) -> BoxFuture<'static, bool> + Send + Sync),
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<bool> {
        let _ = (wanted, agreed, progress);
        Err(Error::failed("restoring a backup"))
    }
}
