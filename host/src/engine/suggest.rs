//! Finding out what a plan takes: it is made with every read of the installation allowed,
//! and what its plugins read and declare is noted.

use std::sync::{Arc, Mutex, PoisonError};

use super::chain::{self, Callers, Link};
use super::guard::Guard;
use super::{Audit, Installation, Result};
use crate::capability::conduct::{Begun, Call, Closed, Notice, Open, Ticket};
use crate::capability::{self, Conduct, Error};
use crate::contract::http::Endpoint;
use crate::contract::{Effect, Request};
use crate::policy::{About, Ask, Policy};

/// The smallest grants with which these plugins make the plan that they make now, and
/// carry it out, each with what it lacks today. Nothing outside of the installation is
/// asked: what a plugin would have learnt there is not known.
///
/// # Errors
/// Why there is no plan.
pub async fn suggest(
    installation: &Installation,
    links: &[Link],
    request: &Request,
    audit: &Arc<Audit>,
) -> Result<Vec<Policy>> {
    let bare = |link: &Link| Policy { grants: Default::default(), ..link.policy.clone() };
    let learned: Vec<_> = links.iter().map(|link| Arc::new(Mutex::new(bare(link)))).collect();
    let conduct = |number: usize, guard| -> Arc<dyn Conduct> {
        let learned = learned.get(number).map(Arc::clone).unwrap_or_default();
        Arc::new(Learning { guard, learned })
    };
    let services = &installation.services;
    let callers = Callers { services, audit, run: &request.run, conduct: &conduct };
    let mut draft = chain::make(links, &callers, request).await?;
    chain::make_rollback(links, &callers, request, &mut draft).await?;
    let taken =
        |learned: &Mutex<Policy>| learned.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut policies: Vec<Policy> = learned.iter().map(|learned| taken(learned)).collect();
    for planned in draft.steps.iter().chain(&draft.rollback) {
        if let Some(policy) = policies.get_mut(planned.plugin) {
            planned.step.effects.iter().for_each(|effect| policy.learn(&Ask::from(effect)));
        }
    }
    policies.iter_mut().for_each(Policy::learn_requested_reads);
    Ok(policies)
}

struct Learning {
    guard: Guard,
    learned: Arc<Mutex<Policy>>,
}

impl Conduct for Learning {
    fn read(&self, call: &Call<'_>) -> capability::Result<Option<Box<Open>>> {
        let function = call.ask.function;
        if call.ask.interface() != "host" && !self.guard.requests(function) {
            let message = format!("{function} is not among what the plugin asks for");
            return Err(Error::denied(message));
        }
        if call.ask.interface() != "host" {
            self.learned.lock().unwrap_or_else(PoisonError::into_inner).learn(&call.ask);
        }
        if let About::Request { endpoint: Endpoint::Origin(origin), .. } = call.ask.about {
            let message = format!("{origin} is not asked while grants are only looked for");
            return Err(Error::denied(message));
        }
        self.guard.open(call).map(Some)
    }

    fn closed(&self, open: &Open, how: Closed) {
        self.guard.closed(open, how);
    }

    fn begin(&self, effect: &Effect) -> capability::Result<Begun> {
        Err(Error::denied(format!("{} is a change, and nothing is changed now", effect.function())))
    }

    fn finish(
        &self,
        _: Ticket,
        _: capability::Result<&serde_json::Value, &Error>,
    ) -> capability::Result<()> {
        Ok(())
    }

    fn notify(&self, _: Notice) {}
}
