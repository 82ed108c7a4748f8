//! One connection over the network, from the log-in to its end.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client, Config, NoTls, Socket};

use super::dsn::{Dsn, Encryption, with_habits};
use super::failure::{self, Next};
use super::login::Login;
use super::tls::Tls;
use crate::capability::error::{Error, Result};
use crate::capability::sql::locate::Address;

/// Longer than the driver's own limit for one address.
const CONNECT: Duration = Duration::from_secs(8);

/// Dropped, it says goodbye to the server in the background.
pub(super) struct Session {
    client: Client,
    tls: Option<Tls>,
    io: JoinHandle<()>,
}

impl Session {
    pub(super) async fn at(address: &Address, login: &Login) -> Result<Self, (Next, Error)> {
        let mut config = Config::new();
        with_habits(&mut config);
        config.host(&address.host).port(address.port).user(&login.user).dbname(&login.database);
        if let Some(password) = &login.password {
            config.password(password.reveal());
        }
        let doing = format!("connecting to PostgreSQL at {address} as {}", login.user);
        Self::open(&config, NoTls, None, &doing).await
    }

    pub(super) async fn with(dsn: &Dsn) -> Result<Self, (Next, Error)> {
        let doing = format!("connecting to PostgreSQL at {}", dsn.place());
        match dsn.encryption() {
            Encryption::Off => Self::open(dsn.config(), NoTls, None, &doing).await,
            Encryption::Verified { authorities } => {
                let tls = Tls::new(authorities.as_deref()).map_err(|e| (Next::Nothing, e))?;
                Self::open(dsn.config(), tls.clone(), Some(tls), &doing).await
            }
        }
    }

    async fn open<T>(
        config: &Config,
        connector: T,
        tls: Option<Tls>,
        doing: &str,
    ) -> Result<Self, (Next, Error)>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let connecting = timeout(CONNECT, config.connect(connector)).await;
        let late = |_| {
            (
                Next::OtherWay,
                Error::unavailable(format!("{doing}: no answer within {} s", CONNECT.as_secs())),
            )
        };
        let (client, connection) =
            connecting.map_err(late)?.map_err(|e| failure::connecting(doing, e))?;
        // What goes wrong with the connection is told by the call that waits for it.
        let io = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { client, tls, io })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Stops what the server is doing for this session, as far as it can be reached.
    pub(super) async fn stop(&self) {
        let token = self.client.cancel_token();
        let _ = timeout(Duration::from_secs(2), cancel(token, self.tls.clone())).await;
        self.io.abort();
    }
}

async fn cancel(token: CancelToken, tls: Option<Tls>) {
    // The server has its own time limit: this only saves it some work.
    let _ = match tls {
        Some(tls) => token.cancel_query(tls).await,
        None => token.cancel_query(NoTls).await,
    };
}
