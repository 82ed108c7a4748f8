//! The services, their names on the network and their ports.

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    ModelService,
    QueryRouter,
    Optimizer,
    Scheduler,
    Frontend,
    Gateway,
    AgentService,
}

pub(crate) const GATEWAY_JDBC_PORT: u16 = 5433;

impl Role {
    const ALL: [Self; 7] = [
        Self::ModelService,
        Self::QueryRouter,
        Self::Optimizer,
        Self::Scheduler,
        Self::Frontend,
        Self::Gateway,
        Self::AgentService,
    ];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ModelService => "model-service",
            Self::QueryRouter => "query-router",
            Self::Optimizer => "optimizer",
            Self::Scheduler => "scheduler",
            Self::Frontend => "frontend",
            Self::Gateway => "gateway",
            Self::AgentService => "agent-service",
        }
    }

    pub(crate) fn port(self) -> u16 {
        match self {
            Self::ModelService => 8001,
            Self::QueryRouter => 8002,
            Self::Optimizer => 8003,
            Self::Scheduler => 8004,
            Self::AgentService => 8005,
            Self::Frontend => 3000,
            Self::Gateway => 8080,
        }
    }

    /// The service that this one passes its queries on to.
    pub(crate) fn upstream(self) -> Option<Self> {
        match self {
            Self::ModelService => None,
            Self::Gateway => Some(Self::QueryRouter),
            _ => Some(Self::ModelService),
        }
    }
}
