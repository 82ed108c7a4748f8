//! How proto3 messages look as JSON.

use serde_json::{Map, Value};

/// Maps whose keys and values are the user's own: nothing is left out of them.
const OWN: [&str; 4] = ["labels", "annotations", "limits", "userLabels"];

/// Leaves out what proto3 JSON leaves out: false, zero, empty texts and empty lists.
#[must_use]
pub fn lean(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(lean_fields(fields)),
        Value::Array(items) => Value::Array(items.into_iter().map(lean).collect()),
        other => other,
    }
}

#[must_use]
pub fn lean_fields(fields: Map<String, Value>) -> Map<String, Value> {
    let mut kept = Map::new();
    for (name, value) in fields {
        let own = OWN.contains(&name.as_str());
        let value = if own { value } else { lean(value) };
        let gone = match &value {
            Value::Null | Value::Bool(false) => true,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(inner) => own && inner.is_empty(),
            Value::Bool(true) => false,
        };
        if !gone {
            kept.insert(name, value);
        }
    }
    kept
}

/// A list of texts at `field`; empty where it is missing.
#[must_use]
pub fn texts(value: &Value, field: &str) -> Vec<String> {
    let items = value[field].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The text at `field`; empty where it is missing.
#[must_use]
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn false_zero_and_empty_are_left_out_but_not_of_the_users_own_maps() {
        let full = json!({
            "done": false, "percent": 0, "tag": "", "traffic": [],
            "annotations": {"mine": ""}, "labels": {}, "emptyDir": {},
            "containers": [{"name": "", "image": "i"}],
        });
        let lean = lean(full);
        assert_eq!(
            lean,
            json!({"annotations": {"mine": ""}, "emptyDir": {}, "containers": [{"image": "i"}]})
        );
    }
}
