//! What this container is, read from the environment baked into its image.

use std::env;

use crate::fault::Fault;
use crate::role::Role;

pub(crate) struct Identity {
    pub(crate) role: Role,
    pub(crate) version: String,
    pub(crate) fault: Option<Fault>,
}

impl Identity {
    pub(crate) fn from_env() -> Result<Self, String> {
        let role = required("ROLE")?;
        let fault = env::var("FAULT").unwrap_or_default();
        Ok(Self {
            role: Role::parse(&role)
                .ok_or_else(|| format!("ROLE: no service is called {role:?}"))?,
            version: required("VERSION")?,
            fault: Fault::parse(&fault)?,
        })
    }

    /// From 1.6 on: `/health`, `/liveness` and `/readiness` in place of `/api/health`.
    pub(crate) fn has_current_health(&self) -> bool {
        !["1.3.", "1.4.", "1.5."].iter().any(|old| self.version.starts_with(old))
    }
}

fn required(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} is not set"))
}
