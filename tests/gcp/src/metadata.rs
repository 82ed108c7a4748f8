//! Where tokens come from: the metadata server, the OAuth token endpoint, IAM Credentials.

use serde_json::{Value, json};

use crate::clock::{Moment, rfc3339};
use crate::credentials::claims;
use crate::exchange::{Answer, Call, Outcome};
use crate::proto::text;
use crate::refusal::{Refusal, Result};
use crate::world::World;

const ACCOUNT: &str = "instance/service-accounts/default";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

impl World {
    /// `/computeMetadata/v1/…`: only for those who know that they talk to it.
    pub fn metadata(&mut self, call: &Call) -> Outcome {
        let answer = if call.header("metadata-flavor") == Some("Google") {
            self.metadata_answer(call)
        } else {
            Answer::text(403, "Missing Metadata-Flavor:Google header.")
        };
        let answer = answer.header("metadata-flavor", "Google");
        Outcome::Answer(answer.header("server", "Metadata Server for VM"))
    }

    fn metadata_answer(&mut self, call: &Call) -> Answer {
        let path = call.path.trim_start_matches("/computeMetadata/v1").trim_matches('/');
        let path = path.replace(&self.setup.identity, "default");
        match path.as_str() {
            "" => Answer::text(200, "instance/\nproject/\n"),
            "project/project-id" => Answer::text(200, &*self.setup.project),
            "project/numeric-project-id" => Answer::text(200, "123456789012"),
            "instance/zone" => {
                let zone = format!("projects/123456789012/zones/{}-b", self.setup.region);
                Answer::text(200, zone)
            }
            "instance/region" => {
                let region = format!("projects/123456789012/regions/{}", self.setup.region);
                Answer::text(200, region)
            }
            "universe/universe-domain" | "universe/universe_domain" => {
                Answer::text(200, "googleapis.com")
            }
            "instance/service-accounts" => Answer::text(200, "default/\n"),
            path => match path.strip_prefix(ACCOUNT) {
                Some(rest) => self.account(rest.trim_start_matches('/'), call),
                None => Answer::text(404, "not found"),
            },
        }
    }

    fn account(&mut self, what: &str, call: &Call) -> Answer {
        match what {
            "" => Answer::json(
                200,
                &json!({"aliases": ["default"], "email": self.setup.identity, "scopes": [SCOPE]}),
            ),
            "email" => Answer::text(200, &*self.setup.identity),
            "scopes" => Answer::text(200, SCOPE),
            "token" => Answer::json(200, &self.access_token()),
            "identity" => match call.parameter("audience").filter(|own| !own.is_empty()) {
                Some(audience) => Answer::text(200, self.credentials.identity_token(audience)),
                None => Answer::text(400, "non-empty audience parameter required"),
            },
            _ => Answer::text(404, "not found"),
        }
    }

    fn access_token(&mut self) -> Value {
        json!({
            "access_token": self.credentials.mint(),
            "expires_in": self.credentials.lifetime(),
            "token_type": "Bearer",
        })
    }

    /// `POST /token`: a refresh token or a signed assertion for an access token, or for an ID
    /// token where the assertion asks for one; `/v1/token` is the same for federated identities.
    pub fn token(&mut self, call: &Call) -> Outcome {
        let form = fields(call);
        let field = |name: &str| text(&form, name);
        let answer = match field("grant_type") {
            "refresh_token" if !field("refresh_token").is_empty() => {
                let mut token = self.access_token();
                let audience = field("client_id");
                token["id_token"] = json!(self.credentials.identity_token(audience));
                token["scope"] = json!(SCOPE);
                Answer::json(200, &token)
            }
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => match claims(field("assertion")) {
                Some(claims) => Answer::json(200, &self.asserted(&claims)),
                None => denied_grant("invalid_grant", "Invalid JWT."),
            },
            "urn:ietf:params:oauth:grant-type:token-exchange"
                if !field("subject_token").is_empty() =>
            {
                let mut token = self.access_token();
                token["issued_token_type"] = json!("urn:ietf:params:oauth:token-type:access_token");
                Answer::json(200, &token)
            }
            _ => denied_grant("unsupported_grant_type", "Invalid grant_type."),
        };
        Outcome::Answer(answer)
    }

    fn asserted(&mut self, claims: &Value) -> Value {
        let audience = text(claims, "target_audience");
        if audience.is_empty() {
            return self.access_token();
        }
        json!({"id_token": self.credentials.identity_token(audience)})
    }

    /// `/v1/projects/-/serviceAccounts/EMAIL:VERB` of IAM Credentials.
    pub fn impersonate(&mut self, account: &str, call: &Call) -> Outcome {
        self.impersonated(account, call).into()
    }

    fn impersonated(&mut self, account: &str, call: &Call) -> Result<Value> {
        let unknown = || Refusal::not_found("Unknown method of IAM Credentials.");
        let (email, verb) = account.rsplit_once(':').ok_or_else(unknown)?;
        let body = call.json()?;
        match (call.method.as_str(), verb) {
            ("POST", "generateAccessToken") => {
                self.permit("iam.serviceAccounts.getAccessToken", email)?;
                if body["scope"].as_array().is_none_or(Vec::is_empty) {
                    return Err(Refusal::invalid("The request must have a scope."));
                }
                let lifetime = Moment::from_secs(self.credentials.lifetime());
                let expires = crate::clock::Clock::new(1.0).now() + lifetime;
                Ok(json!({
                    "accessToken": self.credentials.mint(),
                    "expireTime": rfc3339(expires),
                }))
            }
            ("POST", "generateIdToken") => {
                self.permit("iam.serviceAccounts.getOpenIdToken", email)?;
                let audience = text(&body, "audience");
                if audience.is_empty() {
                    return Err(Refusal::invalid("The request must have an audience."));
                }
                Ok(json!({"token": self.credentials.identity_token(audience)}))
            }
            _ => Err(unknown()),
        }
    }
}

/// What was sent to the token endpoint: as a form, or as JSON.
fn fields(call: &Call) -> Value {
    let kind = call.header("content-type").unwrap_or_default();
    if kind.starts_with("application/json") {
        return call.json().unwrap_or_default();
    }
    let form = crate::server::pairs(&String::from_utf8_lossy(&call.body));
    let fields = form.into_iter().map(|(name, value)| (name, Value::String(value)));
    Value::Object(fields.collect())
}

fn denied_grant(error: &str, description: &str) -> Answer {
    Answer::json(400, &json!({"error": error, "error_description": description}))
}
