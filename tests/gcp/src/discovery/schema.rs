//! The shape of a body.

use serde_json::{Map, Value};

use crate::proto::text;
use crate::refusal::{Refusal, Result};

/// # Errors
///
/// INVALID_ARGUMENT with the name that is unknown, or the value that does not fit.
pub fn check(schemas: &Value, name: &str, body: &Value) -> Result<()> {
    let schema = &schemas[name];
    Shape { schemas }.value(schema, body, "")
}

/// # Errors
///
/// INVALID_ARGUMENT where a path of the mask is none of the message.
pub fn check_mask(schemas: &Value, name: &str, mask: &str) -> Result<()> {
    for path in mask.split(',').map(str::trim) {
        if path.is_empty() || path == "*" {
            continue;
        }
        let mut schema = &schemas[name];
        for step in path.split('.') {
            schema = step_into(schemas, schema, step).ok_or_else(|| {
                let message =
                    format!("Invalid value at 'update_mask': there is no field '{path}'.");
                Refusal::invalid(message)
            })?;
        }
    }
    Ok(())
}

fn step_into<'a>(schemas: &'a Value, schema: &'a Value, step: &str) -> Option<&'a Value> {
    let schema = resolved(schemas, schema);
    if schema["additionalProperties"].is_object() {
        return Some(&schema["additionalProperties"]);
    }
    let wanted = step.replace('_', "").to_lowercase();
    let properties = schema["properties"].as_object()?;
    let found = properties.iter().find(|(name, _)| name.to_lowercase() == wanted);
    found.map(|(_, property)| property)
}

fn resolved<'a>(schemas: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(name) => &schemas[name],
        None => schema,
    }
}

struct Shape<'a> {
    schemas: &'a Value,
}

impl Shape<'_> {
    fn value(&self, schema: &Value, value: &Value, at: &str) -> Result<()> {
        let schema = resolved(self.schemas, schema);
        if value.is_null() {
            return Ok(());
        }
        let fits = match (text(schema, "type"), value) {
            ("object", Value::Object(fields)) => return self.object(schema, fields, at),
            ("array", Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(&schema["items"], item, &format!("{at}[{index}]"))?;
                }
                true
            }
            ("string", Value::String(text)) => fits_text(schema, text),
            // 64 bits are written as texts, and read as numbers too; enums have numbers.
            ("string", Value::Number(number)) => {
                let wide = matches!(text(schema, "format"), "int64" | "uint64");
                number.is_i64() && (wide || schema["enum"].is_array())
            }
            ("integer", Value::Number(number)) => {
                number.as_f64().is_some_and(|own| own.fract() == 0.0)
            }
            ("integer", Value::String(text)) => text.parse::<i64>().is_ok(),
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) | ("any", _) => true,
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let kind = match text(schema, "format") {
            "" => text(schema, "type"),
            format => format,
        };
        Err(Refusal::invalid(format!("Invalid value at '{at}' ({kind}), {value}")))
    }

    fn object(&self, schema: &Value, fields: &Map<String, Value>, at: &str) -> Result<()> {
        for (name, value) in fields {
            let property = &schema["properties"][name];
            let property =
                if property.is_null() { &schema["additionalProperties"] } else { property };
            if property.is_null() {
                let place = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
                return Err(Refusal::invalid(format!(
                    "Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."
                )));
            }
            let inner = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            self.value(property, value, &inner)?;
        }
        Ok(())
    }
}

fn fits_text(schema: &Value, value: &str) -> bool {
    if let Some(known) = schema["enum"].as_array() {
        return known.iter().any(|one| one == value);
    }
    match text(schema, "format") {
        "int64" | "uint64" => value.parse::<i64>().is_ok(),
        "google-duration" => {
            let number = value.strip_suffix('s').map(str::parse::<f64>);
            matches!(number, Some(Ok(_)))
        }
        "google-datetime" => value.len() >= 20 && value.as_bytes().get(10) == Some(&b'T'),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fits(value: &Value) -> bool {
        let schemas = json!({
            "Service": {"type": "object", "properties": {
                "count": {"type": "integer", "format": "int32"},
                "generation": {"type": "string", "format": "int64", "readOnly": true},
                "timeout": {"type": "string", "format": "google-duration"},
                "ingress": {"type": "string", "enum": ["ALL", "NONE"]},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "parts": {"type": "array", "items": {"$ref": "Part"}},
                "on": {"type": "boolean"},
            }},
            "Part": {"type": "object", "properties": {"name": {"type": "string"}}},
        });
        check(&schemas, "Service", value).is_ok()
    }

    #[test]
    fn values_are_of_their_types() {
        assert!(fits(&json!({"count": 3, "generation": "7", "timeout": "1.5s", "ingress": "ALL"})));
        assert!(fits(&json!({"generation": 7, "labels": {"a": "b"}, "on": true, "parts": null})));
        assert!(!fits(&json!({"count": "many"})));
        assert!(!fits(&json!({"generation": "seven"})));
        assert!(!fits(&json!({"timeout": "30"})));
        assert!(!fits(&json!({"ingress": "SOME"})));
        assert!(!fits(&json!({"on": "true"})));
        assert!(!fits(&json!({"labels": {"a": 1}})));
        assert!(!fits(&json!({"parts": {"name": "x"}})));
    }

    #[test]
    fn names_are_known_at_every_depth() {
        assert!(fits(&json!({"parts": [{"name": "x"}]})));
        assert!(!fits(&json!({"parts": [{"nmae": "x"}]})));
        assert!(!fits(&json!({"Count": 3})));
    }
}
