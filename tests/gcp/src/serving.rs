//! What the services answer: by the revision that has the traffic, and by the database.

use serde_json::{Value, json};

use crate::exchange::{Answer, Call, Outcome};
use crate::run::revision::{Revision, Standing};
use crate::run::service::Service;
use crate::world::World;

/// Who tells the database's migration.
const TELL: [&str; 2] = ["model-service", "frontend"];

impl World {
    /// `/_run/SERVICE/…` and `/_run/TAG---SERVICE/…`.
    pub fn serve(&mut self, host: &str, call: &Call) -> Outcome {
        let (tag, name) = match host.split_once("---") {
            Some((tag, name)) => (Some(tag), name),
            None => (None, host),
        };
        let draw = self.draw();
        Outcome::Answer(self.served(name, tag, draw, call))
    }

    fn served(&self, name: &str, tag: Option<&str>, draw: u32, call: &Call) -> Answer {
        let Some(service) = self.services.get(name) else {
            return no_page();
        };
        let revision = match tag {
            Some(tag) => service.tagged(tag),
            None => service.drawn(draw),
        };
        let Some(revision) = revision else {
            return no_page();
        };
        if let Err(answer) = self.admit(service, tag, call) {
            return answer;
        }
        let path = call.path.splitn(4, '/').nth(3).unwrap_or_default();
        self.respond(service, revision, path).header("x-fake-revision", revision.name.clone())
    }

    /// A private service takes an ID token for its own address.
    fn admit(&self, service: &Service, tag: Option<&str>, call: &Call) -> Result<(), Answer> {
        if !service.private() {
            return Ok(());
        }
        let Some(token) = call.bearer() else {
            return Err(Answer::text(403, "Your client does not have permission to get this URL"));
        };
        let mut audiences = vec![self.address(&service.name)];
        let own = service.spec.get("customAudiences").and_then(Value::as_array);
        let own = own.into_iter().flatten().filter_map(Value::as_str);
        audiences.extend(own.map(str::to_owned));
        if let (Some(tag), true) = (tag, self.setup.tag_audience) {
            audiences.push(self.tag_address(&service.name, tag));
        }
        if let Err(reason) = self.credentials.trusts(token, &audiences) {
            let challenge = format!(
                "Bearer error=\"invalid_token\" error_description=\"The access token could not \
                 be verified ({reason:?})\""
            );
            let answer =
                Answer::text(401, "Your client does not have permission to the requested URL");
            return Err(answer.header("www-authenticate", challenge));
        }
        if self.permit("run.routes.invoke", &service.name).is_err() {
            return Err(Answer::text(403, "Your client does not have permission to get URL"));
        }
        Ok(())
    }

    fn respond(&self, service: &Service, revision: &Revision, path: &str) -> Answer {
        if revision.standing != Standing::Ready || revision.crashed(self.now()) {
            return Answer::text(503, "Service Unavailable");
        }
        match path {
            "api/health" | "health" => self.health(service, revision),
            "liveness" | "readiness" => Answer::json(200, &json!({"status": "ok"})),
            "healthz" => no_page(),
            _ => Answer::text(200, format!("{} {}", service.name, revision.image)),
        }
    }

    fn health(&self, service: &Service, revision: &Revision) -> Answer {
        let release = &revision.release;
        let tells = TELL.contains(&service.name.as_str());
        let reachable = self.database.instance.is_empty() || self.database.available();
        let newer = release.migration.as_ref().is_some_and(|own| *own < self.database.migration);
        if release.health >= 400 {
            return Answer::json(release.health, &json!({"status": "degraded"}));
        }
        if tells && (!reachable || (newer && !release.runs_on_newer)) {
            return Answer::json(503, &json!({"status": "degraded"}));
        }
        let mut health = json!({"status": "ok"});
        if tells {
            health["db_migration"] = json!(self.database.migration);
        }
        Answer::json(release.health, &health)
    }
}

fn no_page() -> Answer {
    Answer::text(404, "The requested URL was not found on this server.")
}
