//! Compares what the server answers with what `/openapi.json` says of it: no scenario gets an answer that is not described.

use super::world::Answer;
use serde_json::{Map, Value};

/// The headers that are described where they are sent, and nowhere else.
const HEADERS: [&str; 6] = ["ETag", "Location", "Retry-After", "WWW-Authenticate", "X-Position", "X-Request-Id"];

/// The description of a server.
#[derive(Debug)]
pub(crate) struct Described(Value);

impl Described {
    pub(crate) fn new(document: Value) -> Self {
        Self(document)
    }

    /// # Panics
    /// When the operation is not said to answer so.
    #[track_caller]
    pub(crate) fn check(&self, method: &str, path: &str, answer: &Answer) {
        let (status, body) = (answer.status, &answer.body);
        let path = path.split('?').next().unwrap_or_default();
        let Some(operation) = self.operation(method, path) else {
            let code = body["code"].as_str().unwrap_or_default();
            assert!(["no_such_route", "method_not_allowed"].contains(&code), "{method} {path} is not described");
            return;
        };
        let response = &operation["responses"][status.to_string()];
        assert!(response.is_object(), "{method} {path}: {status} is not described: {body}");
        let wrong = self.wrong_headers(response, answer);
        assert!(wrong.is_empty(), "{method} {path}: {status}: {wrong:?}");
        let content = response["content"].as_object();
        let Some(media) = content.and_then(|content| content.iter().find(|(kind, _)| kind.contains("json"))) else {
            return;
        };
        let wrong = self.wrong("", &media.1["schema"], body);
        assert!(
            wrong.is_none(),
            "{method} {path}: {status} is described otherwise: {}: {body}",
            wrong.unwrap_or_default()
        );
    }

    /// What is promised and not sent, or sent and not described.
    fn wrong_headers(&self, response: &Value, answer: &Answer) -> Vec<String> {
        let wrong = |name: &&str| {
            let described = &response["headers"][*name];
            let is_required = self.resolved(described)["required"] == true;
            match (answer.headers.contains_key(*name), described.is_object()) {
                (true, false) => Some(format!("{name} is not described")),
                (false, true) if is_required => Some(format!("{name} is missing")),
                _ => None,
            }
        };
        HEADERS.iter().filter_map(wrong).collect()
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let paths = self.0["paths"].as_object()?;
        let fits = |template: &str| {
            let (mut asked, mut told) = (path.split('/'), template.split('/'));
            let same = told.by_ref().zip(asked.by_ref()).all(|(told, asked)| told.starts_with('{') || told == asked);
            same && path.matches('/').count() == template.matches('/').count()
        };
        // A path without parameters is above one with.
        let mut fitting: Vec<_> = paths.iter().filter(|(template, _)| fits(template)).collect();
        fitting.sort_by_key(|(template, _)| template.contains('{'));
        fitting.first()?.1.get(method.to_lowercase())
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(|reference| self.0.pointer(reference.strip_prefix('#')?)) {
            Some(target) => target,
            None => schema,
        }
    }

    /// What does not fit, and where.
    fn wrong(&self, place: &str, schema: &Value, value: &Value) -> Option<String> {
        let schema = self.resolved(schema);
        let unknown = || {
            let known = self.names(schema)?;
            let own = value.as_object()?.keys().find(|name| !known.contains(name))?;
            Some(format!("{place}/{own} is not described"))
        };
        unknown().or_else(|| self.ill_fitting(place, schema, value))
    }

    fn ill_fitting(&self, place: &str, schema: &Value, value: &Value) -> Option<String> {
        let schema = self.resolved(schema);
        if let Some(parts) = schema["allOf"].as_array() {
            return parts.iter().find_map(|part| self.ill_fitting(place, part, value));
        }
        if let Some(choices) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
            let fits = choices.iter().any(|choice| self.wrong(place, choice, value).is_none());
            return (!fits).then(|| format!("{place} is none of the choices"));
        }
        if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
            return Some(format!("{place} is none of {}", schema["enum"]));
        }
        if !is_of(&schema["type"], value) {
            return Some(format!("{place} is not of type {}", schema["type"]));
        }
        match value {
            Value::Object(members) => self.wrong_members(place, schema, members),
            Value::Array(items) => {
                items.iter().find_map(|item| self.wrong(&format!("{place}/-"), &schema["items"], item))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }

    fn wrong_members(&self, place: &str, schema: &Value, members: &Map<String, Value>) -> Option<String> {
        let mut required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if let Some(missing) = required.find(|name| !members.contains_key(*name)) {
            return Some(format!("{place}/{missing} is missing"));
        }
        let properties = schema["properties"].as_object()?;
        let described = members.iter().filter_map(|(name, value)| Some((name, properties.get(name)?, value)));
        described.into_iter().find_map(|(name, schema, value)| self.wrong(&format!("{place}/{name}"), schema, value))
    }

    /// The members that an object may have; none: any.
    fn names<'a>(&'a self, schema: &'a Value) -> Option<Vec<&'a String>> {
        let schema = self.resolved(schema);
        // A problem has facts beside its members.
        if let Some(parts) =
            schema["allOf"].as_array().filter(|parts| parts[0]["$ref"] != "#/components/schemas/Problem")
        {
            return parts.iter().map(|part| self.names(part)).collect::<Option<Vec<_>>>().map(|names| names.concat());
        }
        schema["properties"].as_object().map(|properties| properties.keys().collect())
    }
}

fn is_of(kinds: &Value, value: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some(_) | None => true,
    };
    match kinds {
        Value::Array(kinds) => kinds.iter().any(is),
        kind => is(kind),
    }
}
