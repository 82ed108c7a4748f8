//! Access tokens and ID tokens. They live in our time, not in the fake's: a client reckons
//! with its own clock when one expires.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::proto::text;
use crate::setup::Setup;

/// So much earlier than now clients say that they signed.
const SKEW: u64 = 10;

const ISSUER: &str = "https://accounts.google.com";

#[derive(Debug, Clone)]
pub struct Credentials {
    /// When each token expires, in seconds of our time.
    tokens: BTreeMap<String, u64>,
    identity: String,
    lifetime: u64,
    minted: u64,
    key: String,
    /// What was signed before is not taken any more, in seconds of our time.
    revoked: u64,
}

/// Why an ID token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untrusted {
    Malformed,
    Signature,
    Expired,
    Audience,
}

impl Credentials {
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        Self {
            tokens: BTreeMap::from([(setup.token.clone(), u64::MAX)]),
            identity: setup.identity.clone(),
            lifetime: setup.token_seconds,
            minted: 0,
            revoked: 0,
            key: format!("fake-key-{}-{}", setup.project, setup.seed),
        }
    }

    /// A new access token.
    pub fn mint(&mut self) -> String {
        self.minted += 1;
        let token = format!("ya29.fake-{}-{}", self.minted, our_time());
        self.tokens.insert(token.clone(), our_time() + self.lifetime);
        token
    }

    /// An access token of this fake, or one that a service account signed for itself.
    #[must_use]
    pub fn accepts(&self, token: &str) -> bool {
        match self.tokens.get(token) {
            Some(expires) => *expires > our_time(),
            None => self.self_signed(token),
        }
    }

    /// A JWT as client libraries make it from the key of a service account. The fake does not
    /// have the key: it looks at the claims, not at the signature.
    fn self_signed(&self, token: &str) -> bool {
        let Some(claims) = claims(token) else {
            return false;
        };
        let account = text(&claims, "iss");
        let own = account.contains('@') && account == text(&claims, "sub");
        let meant = !text(&claims, "scope").is_empty() || !text(&claims, "aud").is_empty();
        let number = |name: &str| claims[name].as_u64().unwrap_or_default();
        let fresh = number("iat") + SKEW >= self.revoked;
        own && meant && fresh && number("exp") > our_time()
    }

    /// No token that was given so far is good any more.
    pub fn revoke(&mut self) {
        self.tokens.clear();
        self.revoked = our_time();
    }

    #[must_use]
    pub fn lifetime(&self) -> u64 {
        self.lifetime
    }

    /// A new ID token for an audience.
    #[must_use]
    pub fn identity_token(&self, audience: &str) -> String {
        let issued = our_time();
        let claims = json!({
            "iss": ISSUER,
            "aud": audience,
            "azp": "100000000000000000001",
            "sub": "100000000000000000001",
            "email": self.identity,
            "email_verified": true,
            "iat": issued,
            "exp": issued + self.lifetime,
        });
        self.signed(&claims)
    }

    fn signed(&self, claims: &Value) -> String {
        let header = json!({"alg": "RS256", "kid": "fake", "typ": "JWT"});
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let content = format!("{}.{}", encode(&header), encode(claims));
        format!("{content}.{}", self.signature(&content))
    }

    fn signature(&self, content: &str) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{}{content}", self.key)))
    }

    /// Takes an ID token of this fake for one of these audiences.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub fn trusts(&self, token: &str, audiences: &[String]) -> Result<(), Untrusted> {
        let (content, signature) = token.rsplit_once('.').ok_or(Untrusted::Malformed)?;
        let claims = claims(token).ok_or(Untrusted::Malformed)?;
        if signature != self.signature(content) || text(&claims, "iss") != ISSUER {
            return Err(Untrusted::Signature);
        }
        if claims["exp"].as_u64().unwrap_or_default() <= our_time() {
            return Err(Untrusted::Expired);
        }
        let audience = text(&claims, "aud");
        if !audiences.iter().any(|known| known == audience) {
            return Err(Untrusted::Audience);
        }
        Ok(())
    }
}

/// The claims of a JWT, unverified.
#[must_use]
pub fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn our_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(seconds: u64) -> Credentials {
        Credentials::new(&Setup { token_seconds: seconds, ..Setup::default() })
    }

    #[test]
    fn an_access_token_is_good_until_it_expires_or_is_revoked() {
        let mut some = credentials(3600);
        let token = some.mint();
        assert!(some.accepts(&token));
        assert!(!some.accepts("ya29.other"));
        some.revoke();
        assert!(!some.accepts(&token));
        let mut none = credentials(0);
        let token = none.mint();
        assert!(!none.accepts(&token));
    }

    #[test]
    fn a_service_account_may_sign_for_itself() {
        let some = credentials(3600);
        let signed = |issuer: &str, expires: u64| {
            some.signed(&json!({
                "iss": issuer, "sub": "up@demo.iam", "scope": "cloud-platform",
                "iat": our_time() - SKEW, "exp": expires,
            }))
        };
        let later = our_time() + 60;
        assert!(some.accepts(&signed("up@demo.iam", later)));
        assert!(!some.accepts(&signed("other@demo.iam", later)));
        assert!(!some.accepts(&signed("up@demo.iam", our_time())));
        assert!(!some.accepts(&some.identity_token("http://a")));
    }

    #[test]
    fn an_id_token_is_for_its_audience_and_of_this_fake() {
        let some = credentials(3600);
        let own = vec!["http://a".to_owned()];
        let token = some.identity_token("http://a");
        assert_eq!(some.trusts(&token, &own), Ok(()));
        let other = some.identity_token("http://a/");
        assert_eq!(some.trusts(&other, &own), Err(Untrusted::Audience));
        assert_eq!(some.trusts("x", &own), Err(Untrusted::Malformed));
        let forged = format!("{token}x");
        assert_eq!(some.trusts(&forged, &own), Err(Untrusted::Signature));
        let old = credentials(0).identity_token("http://a");
        assert_eq!(some.trusts(&old, &own), Err(Untrusted::Expired));
    }
}
