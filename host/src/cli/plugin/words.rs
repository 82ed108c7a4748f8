//! The pin and the signature of a plugin, in words and as JSON.

use serde_json::{Value, json};

use crate::plugin::{Pinned, Signed};
use crate::signature::Error;

pub fn pin(pinned: &Pinned) -> String {
    match pinned {
        Pinned::PartOfProgram => "needs no pin: it comes with the program".to_owned(),
        Pinned::Yes => "yes".to_owned(),
        Pinned::No => "no".to_owned(),
        Pinned::Other(digest) => format!("another file is: sha256:{digest}"),
    }
}

pub fn pin_json(pinned: &Pinned) -> Value {
    match pinned {
        Pinned::PartOfProgram => json!({"state": "part-of-program"}),
        Pinned::Yes => json!({"state": "pinned"}),
        Pinned::No => json!({"state": "not-pinned"}),
        Pinned::Other(digest) => json!({"state": "other", "sha256": digest}),
    }
}

pub fn signature(signed: &Signed) -> String {
    match signed {
        Signed::PartOfProgram => "needs no signature: it comes with the program".to_owned(),
        Signed::By(id) => format!("by the key {id}"),
        Signed::Not(Error::Missing { .. }) => "no".to_owned(),
        Signed::Not(Error::UnknownKey { id }) => {
            format!("by the key {id}, which is not known here")
        }
        Signed::Not(why) => format!("not validly: {why}"),
    }
}

pub fn signature_json(signed: &Signed) -> Value {
    match signed {
        Signed::PartOfProgram => json!({"state": "part-of-program"}),
        Signed::By(id) => json!({"state": "valid", "key": id}),
        Signed::Not(Error::Missing { .. }) => json!({"state": "none"}),
        Signed::Not(Error::UnknownKey { id }) => json!({"state": "unknown-key", "key": id}),
        Signed::Not(Error::Forged { id }) => json!({"state": "forged", "key": id}),
        Signed::Not(why @ (Error::NotASignature(_) | Error::Read { .. })) => {
            json!({"state": "unreadable", "why": why.to_string()})
        }
    }
}
