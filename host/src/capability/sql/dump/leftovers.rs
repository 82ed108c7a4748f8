//! Sessions of dumps that nobody waits for any more.

use std::sync::Arc;

use super::END_LEFTOVERS;
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::locate::Server;

/// Ends the session of a dump that was given up, for whatever reason.
pub(super) struct Leftovers {
    pub(super) server: Option<Arc<dyn Server>>,
    pub(super) access: Access,
}

impl Leftovers {
    pub(super) fn none(mut self) {
        self.server = None;
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        let (Some(server), Ok(runtime)) =
            (self.server.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let access = self.access.clone();
        runtime.spawn(async move {
            // The next dump tries it again.
            let _ = access.psql(server.as_ref(), &[END_LEFTOVERS], "", 1 << 16).await;
        });
    }
}
