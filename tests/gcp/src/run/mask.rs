//! What a PATCH changes: all of a service, or what its mask names.

use serde_json::{Map, Value};

use crate::refusal::{Refusal, Result};

/// The new settings of a service: `wanted` in full where there is no mask.
///
/// # Errors
///
/// INVALID_ARGUMENT where the mask names what cannot be set.
pub fn merge(
    present: &Map<String, Value>,
    wanted: &Map<String, Value>,
    mask: Option<&str>,
    settable: impl Fn(&str) -> bool,
) -> Result<Map<String, Value>> {
    let Some(mask) = mask.filter(|mask| !mask.is_empty() && *mask != "*") else {
        return Ok(wanted.clone());
    };
    let mut merged = present.clone();
    for path in mask.split(',') {
        let steps: Vec<String> = path.trim().split('.').map(camel).collect();
        if !settable(&steps[0]) {
            let message =
                format!("Invalid value at 'update_mask': the field '{path}' cannot be set.");
            return Err(Refusal::invalid(message));
        }
        put(&mut merged, wanted, &steps);
    }
    Ok(merged)
}

/// Masks may be written in either style.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

fn put(into: &mut Map<String, Value>, from: &Map<String, Value>, steps: &[String]) {
    let [first, rest @ ..] = steps else {
        return;
    };
    let given = from.get(first);
    if rest.is_empty() {
        match given {
            Some(value) => into.insert(first.clone(), value.clone()),
            None => into.remove(first),
        };
        return;
    }
    let empty = Map::new();
    let inner = into.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        let given = given.and_then(Value::as_object).unwrap_or(&empty);
        put(inner, given, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(wanted: Value, mask: Option<&str>) -> Value {
        let present = json!({"labels": {"a": "1"}, "template": {"timeout": "9s", "revision": "r"}});
        let (Value::Object(present), Value::Object(wanted)) = (present, wanted) else {
            return Value::Null;
        };
        match merge(&present, &wanted, mask, |name| name != "uid") {
            Ok(merged) => Value::Object(merged),
            Err(refusal) => json!(refusal.code),
        }
    }

    #[test]
    fn without_a_mask_what_is_left_out_is_reset() {
        assert_eq!(merged(json!({"client": "c"}), None), json!({"client": "c"}));
    }

    #[test]
    fn with_a_mask_the_rest_stays_and_what_the_body_lacks_is_reset() {
        let wanted = json!({"client": "ignored", "template": {"timeout": "5s"}});
        assert_eq!(
            merged(wanted, Some("template.timeout,labels")),
            json!({"template": {"timeout": "5s", "revision": "r"}})
        );
    }

    #[test]
    fn a_mask_is_written_in_either_style() {
        assert_eq!(camel("invoker_iam_disabled"), "invokerIamDisabled");
        assert_eq!(camel("template"), "template");
    }

    #[test]
    fn a_mask_does_not_name_what_is_output_only() {
        assert_eq!(merged(json!({"uid": "x"}), Some("uid")), json!(400));
    }
}
