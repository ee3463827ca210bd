//! An example for every body: the one that a schema brings, or one made of the examples of its fields.

use serde_json::{Map, Value, json};

pub(super) const UUID: &str = "018f0000-0000-7000-8000-000000000001";
const DEPTH_MAX: usize = 24;

/// Adds an example to each body that has none.
pub(super) fn add(value: &mut Value, schemas: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(content) = members.get_mut("content").and_then(Value::as_object_mut) {
                content.values_mut().for_each(|media| illustrate(media, schemas));
            }
            members.values_mut().for_each(|member| add(member, schemas));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| add(item, schemas)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn illustrate(media: &mut Value, schemas: &Value) {
    let has_example = media.get("example").is_some() || media.get("examples").is_some();
    if let (false, Some(example)) = (has_example, of(&media["schema"], schemas, 0)) {
        media["example"] = example;
    }
}

/// None: a schema says too little, or goes on without an end.
pub(super) fn of(schema: &Value, schemas: &Value, depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    let inner = |schema: &Value| of(schema, schemas, depth + 1);
    let own = schema.get("example").or_else(|| schema["examples"].get(0)).or_else(|| schema.get("const"));
    if let Some(own) = own.or_else(|| schema["enum"].get(0)) {
        return Some(own.clone());
    }
    if let Some(name) = schema["$ref"].as_str() {
        return inner(&schemas[name.rsplit('/').next().unwrap_or_default()]);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().map(inner).collect::<Option<Vec<_>>>()?;
        let members = parts.into_iter().filter_map(|part| part.as_object().cloned()).flatten();
        return Some(members.collect::<Map<_, _>>().into());
    }
    if let Some(choices) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
        return choices.iter().filter(|choice| choice["type"] != "null").find_map(inner);
    }
    match kind(schema) {
        "object" => members(schema, inner),
        "array" => Some(json!([inner(&schema["items"])?])),
        "integer" => Some(schema.get("minimum").cloned().filter(|least| least.as_i64() > Some(0)).unwrap_or(json!(1))),
        "boolean" => Some(schema.get("default").cloned().unwrap_or(json!(false))),
        "string" => text(schema),
        _ => None,
    }
}

fn members(schema: &Value, inner: impl Fn(&Value) -> Option<Value>) -> Option<Value> {
    let properties = schema["properties"].as_object()?;
    let members = properties.iter().map(|(name, schema)| Some((name.clone(), inner(schema)?)));
    members.collect::<Option<Map<_, _>>>().map(Value::Object)
}

fn text(schema: &Value) -> Option<Value> {
    match schema["format"].as_str()? {
        "uuid" => Some(json!(UUID)),
        "date-time" => Some(json!("2026-03-01T12:00:00Z")),
        "date" => Some(json!("2026-03-01")),
        _ => None,
    }
}

/// The type; of several the one that is not null.
fn kind(schema: &Value) -> &str {
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.as_slice(),
        kind => std::slice::from_ref(kind),
    };
    kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
}
