//! `/_fake/…`: for scripts and other processes what the library is for tests.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::environment;
use crate::event::Event;
use crate::exchange::{Answer, Call, Outcome};
use crate::fault::Fault;
use crate::glob;
use crate::record::Recorded;
use crate::refusal::{Refusal, Result};
use crate::world::World;

impl World {
    pub fn control(&mut self, rest: &[&str], call: &Call) -> Outcome {
        if let ("GET", ["environment"]) = (call.method.as_str(), rest) {
            return Outcome::Answer(Answer::text(200, self.exports(call)));
        }
        match self.controlled(rest, call) {
            Ok(body) => Outcome::Answer(Answer::json(200, &body)),
            Err(refusal) => Outcome::Answer(refusal.into()),
        }
    }

    /// Lines for a shell to evaluate, for the program or (`?for=gcloud`) for the gcloud CLI.
    fn exports(&self, call: &Call) -> String {
        let project = &self.setup.project;
        let variables = if call.parameter("for") == Some("gcloud") {
            environment::of_gcloud(&self.base, project, &self.setup.token)
        } else {
            environment::of_product(&self.base, project)
        };
        let lines = variables.iter().map(|(name, value)| format!("export {name}='{value}'\n"));
        lines.collect()
    }

    fn controlled(&mut self, rest: &[&str], call: &Call) -> Result<Value> {
        match (call.method.as_str(), rest) {
            ("GET", ["state"]) => Ok(self.state()),
            ("GET", ["setup"]) => Ok(json!(self.setup)),
            ("GET", ["requests"]) => Ok(json!(self.requests(call.parameter("path")))),
            ("DELETE", ["requests"]) => {
                self.recorded.clear();
                Ok(json!({}))
            }
            ("GET", ["faults"]) => Ok(json!(self.faults.all())),
            ("POST", ["faults"]) => {
                for fault in listed::<Fault>(call)? {
                    self.faults.add(fault);
                }
                Ok(json!({}))
            }
            ("DELETE", ["faults"]) => {
                self.faults.clear();
                Ok(json!({}))
            }
            ("POST", ["events"]) => {
                for event in listed::<Event>(call)? {
                    self.happen(event)?;
                }
                Ok(json!({}))
            }
            ("POST", ["token"]) => Ok(json!({"access_token": self.credentials.mint()})),
            ("POST", ["identity-token"]) => {
                let audience = call.parameter("audience").unwrap_or_default();
                Ok(json!({"token": self.credentials.identity_token(audience)}))
            }
            _ => Err(Refusal::not_found("There is nothing like that below /_fake/.")),
        }
    }

    fn requests(&self, path: Option<&str>) -> Vec<&Recorded> {
        let fits = |one: &&Recorded| path.is_none_or(|pattern| glob::matches(pattern, &one.path));
        self.recorded.iter().filter(fits).collect()
    }
}

/// One, or a list of them.
fn listed<T: DeserializeOwned>(call: &Call) -> Result<Vec<T>> {
    let invalid = |error: serde_json::Error| Refusal::invalid(error.to_string());
    let body: Value = serde_json::from_slice(&call.body).map_err(invalid)?;
    let items = match body {
        Value::Array(items) => items,
        one => vec![one],
    };
    let read = |item: Value| serde_json::from_value(item).map_err(invalid);
    items.into_iter().map(read).collect()
}
