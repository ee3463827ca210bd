//! What operations have in common, added to the description of each: the key in either header, ids of requests, the headers of
//! answers, and the problems that extractors and surroundings end with.
//!
//! What an operation has is seen by its own description: a key it asks for, an id in its path, parameters, a body, a position to
//! wait for, a name of the command. Its own problems it names itself, as a response whose description is the list of their codes.

use super::example;
use serde_json::{Map, Value, json};

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

/// Completes a document.
pub(super) fn complete(mut document: Value, info: Value) -> Value {
    document["openapi"] = json!("3.1.0");
    document["info"] = info;
    components(&mut document["components"]);
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            let operations =
                item.as_object_mut().into_iter().flatten().filter(|(name, _)| METHODS.contains(&name.as_str()));
            operations.for_each(|(_, operation)| self::operation(path, operation));
        }
    }
    let schemas = document["components"]["schemas"].clone();
    example::add(&mut document["paths"], &schemas);
    document
}

fn components(components: &mut Value) {
    components["schemas"]["Problem"] = problem();
    components["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key of the API, as `Authorization: Bearer …`"},
        "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "A key of the API"},
        "ticket": {"type": "apiKey", "in": "query", "name": "ticket", "description": "For `EventSource`: from `POST /v1/feed/tickets`"},
    });
    components["parameters"] = json!({
        "RequestId": {
            "name": "X-Request-Id", "in": "header", "description": "Names the request, in the log, too; one is made where none is sent",
            "schema": {"type": "string", "maxLength": 128, "pattern": "^[A-Za-z0-9._:+/=@-]+$"}, "example": "till-7-42",
        },
        "TraceParent": {
            "name": "traceparent", "in": "header", "description": "W3C trace context",
            "schema": {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
            "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        },
    });
    components["headers"] = json!({
        "X-Request-Id": {"required": true, "description": "The request's id", "schema": {"type": "string"}},
        "X-Position": {"required": true, "description": "The position that the answer reflects", "schema": {"type": "integer", "format": "int64"}},
        "Retry-After": {"required": true, "description": "Seconds after which a repeat makes sense", "schema": {"type": "integer"}},
        "WWW-Authenticate": {"required": true, "description": "What kind of key is asked for", "schema": {"type": "string"}},
    });
}

/// RFC 9457, with what is ours.
fn problem() -> Value {
    let text = |about: &str| json!({"type": "string", "description": about});
    let field = json!({"type": "object", "required": ["code", "detail"], "properties": {
        "pointer": text("JSON pointer into the body"),
        "parameter": text("Parameter of the path or the query"),
        "header": text("Header"),
        "code": text("Stable code of what is wrong with it"),
        "detail": text("The same in words"),
    }});
    json!({
        "type": "object",
        "description": "An error (RFC 9457). Further members are facts, by the code.",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": {"type": "string", "format": "uri", "description": "urn:clientela:problem:<code>"},
            "title": text("The code in words"),
            "status": {"type": "integer"},
            "detail": text("What is wrong, for people"),
            "code": text("Stable code, for programs"),
            "request_id": text("The request's id, by which the log tells more"),
            "errors": {"type": "array", "items": field, "description": "The places that are to blame"},
        },
    })
}

fn operation(path: &str, operation: &mut Value) {
    let traits = Traits::of(path, operation);
    if traits.is_guarded {
        also_as_bearer(&mut operation["security"]);
    }
    if let Some(parameters) = operation.as_object_mut().map(|members| members.entry("parameters").or_insert(json!([])))
    {
        let common =
            ["RequestId", "TraceParent"].map(|name| json!({"$ref": format!("#/components/parameters/{name}")}));
        parameters.as_array_mut().into_iter().for_each(|parameters| parameters.extend(common.clone()));
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    if traits.is_command {
        // A repeat is answered with 200 instead of 201.
        if let (Some(first), false) = (responses.get("201").cloned(), responses.contains_key("200")) {
            let again =
                json!({"description": "It was done before", "content": first["content"], "headers": first["headers"]});
            responses.insert("200".to_owned(), again);
        }
    }
    for (status, codes) in traits.problems() {
        name_problems(responses, status, &codes);
    }
    responses.iter_mut().for_each(|(status, response)| finish(status, response, &traits));
}

/// A key may be sent in either header.
fn also_as_bearer(security: &mut Value) {
    let asked: Vec<_> =
        security.as_array().into_iter().flatten().filter_map(|asked| asked.get("key")).cloned().collect();
    let bearers = asked.into_iter().map(|scopes| json!({"bearer": scopes}));
    security.as_array_mut().into_iter().for_each(|security| security.extend(bearers.clone()));
}

/// What the surroundings of an operation depend on.
#[derive(Debug)]
struct Traits {
    is_ours: bool,
    is_guarded: bool,
    has_id: bool,
    has_query: bool,
    has_cursor: bool,
    has_body: bool,
    waits: bool,
    is_named: bool,
    /// Its events stand in the log before the answer; what is only asked for (202) is not there yet.
    is_command: bool,
    travels: bool,
    matches: bool,
}

impl Traits {
    fn of(path: &str, operation: &Value) -> Self {
        let parameters = || operation["parameters"].as_array().into_iter().flatten();
        let has = |name: &str| parameters().any(|parameter| parameter["name"] == name);
        let is_in = |place: &str| parameters().any(|parameter| parameter["in"] == place);
        Self {
            is_ours: path.starts_with("/v1/"),
            is_guarded: operation["security"].is_array(),
            has_id: ["id", "line", "group"].into_iter().any(has),
            has_query: is_in("query"),
            has_cursor: has("cursor"),
            has_body: operation["requestBody"].is_object(),
            waits: has("X-Min-Position"),
            is_named: has("Idempotency-Key"),
            is_command: has("Idempotency-Key") && operation["responses"].get("202").is_none(),
            travels: has("as_of"),
            matches: has("If-Match"),
        }
    }

    /// The problems that extractors and surroundings end with, by status.
    fn problems(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        let when = |applies: bool, codes: &[&'static str]| if applies { codes.to_vec() } else { Vec::new() };
        let malformed = [
            when(self.has_id, &["invalid_id"]),
            when(self.has_query, &["invalid_parameter"]),
            when(self.has_cursor, &["invalid_cursor"]),
            when(self.waits, &["invalid_position", "position_beyond_head"]),
            when(self.is_named, &["invalid_idempotency_key"]),
            when(self.travels, &["in_the_future", "version_beyond_head"]),
            when(self.matches, &["invalid_if_match"]),
            when(self.has_body, &["malformed_json", "unreadable_body"]),
        ];
        let conflicts = [
            when(self.waits, &["projection_behind"]),
            when(self.is_command, &["conflict", "already_happened", "idempotency_key_reused"]),
        ];
        let later = [
            when(self.is_guarded, &["unavailable"]),
            when(self.is_ours, &["busy", "timed_out"]),
            vec!["too_many_connections"],
        ];
        let all = vec![
            ("400", malformed.concat()),
            ("401", when(self.is_guarded, &["key_missing", "key_unknown", "key_revoked", "key_expired"])),
            ("403", when(self.is_guarded, &["scope_missing"])),
            ("404", when(self.travels, &["not_known_then"])),
            ("409", conflicts.concat()),
            ("413", when(self.has_body, &["payload_too_large"])),
            ("415", when(self.has_body, &["unsupported_media_type"])),
            ("422", [when(self.has_body, &["validation_failed"]), when(self.travels, &["history_too_long"])].concat()),
            ("429", when(self.is_guarded, &["rate_limited"])),
            ("500", vec!["internal"]),
            ("503", later.concat()),
        ];
        all.into_iter().filter(|(_, codes)| !codes.is_empty()).collect()
    }
}

/// Adds codes to those that the operation names itself.
fn name_problems(responses: &mut Map<String, Value>, status: &str, codes: &[&str]) {
    let response = responses.entry(status.to_owned()).or_insert_with(|| json!({"description": ""}));
    if response.get("content").is_none() {
        let own = response["description"].as_str().unwrap_or_default().to_owned();
        let all = own.split(", ").filter(|code| !code.is_empty()).chain(codes.iter().copied());
        response["description"] = json!(all.collect::<Vec<_>>().join(", "));
    }
}

/// Gives a response its headers, and a problem its shape.
fn finish(status: &str, response: &mut Value, traits: &Traits) {
    let is_refusal = status.starts_with(['4', '5']);
    if is_refusal && response.get("content").is_none() {
        as_problem(status, response);
    }
    let is_problem = response["content"].get("application/problem+json").is_some();
    let own = match status {
        "401" => Some("WWW-Authenticate"),
        "429" | "503" if is_problem => Some("Retry-After"),
        _ if !is_refusal && (traits.waits || traits.is_command) => Some("X-Position"),
        _ => None,
    };
    if status == "409" && (traits.waits || traits.is_command) {
        let about = "Seconds after which a repeat makes sense, where one does";
        response["headers"]["Retry-After"] = json!({"description": about, "schema": {"type": "integer"}});
    }
    for name in own.into_iter().chain(["X-Request-Id"]) {
        response["headers"][name] = json!({"$ref": format!("#/components/headers/{name}")});
    }
}

fn as_problem(status: &str, response: &mut Value) {
    let codes: Vec<_> = response["description"].as_str().unwrap_or_default().split(", ").map(str::to_owned).collect();
    let first = codes.first().cloned().unwrap_or_default();
    let named: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
    response["description"] = json!(format!("{}: {}", meaning(status), named.join(", ")));
    let code = json!({"properties": {"code": {"type": "string", "enum": codes}}});
    let example = json!({
        "type": format!("urn:clientela:problem:{first}"),
        "title": crate::problem::title(&first),
        "status": status.parse::<u16>().unwrap_or_default(),
        "detail": meaning(status),
        "code": first,
        "request_id": "till-7-42",
    });
    let schema = json!({"allOf": [{"$ref": "#/components/schemas/Problem"}, code]});
    response["content"] = json!({"application/problem+json": {"schema": schema, "example": example}});
}

/// What a status means here.
fn meaning(status: &str) -> &'static str {
    match status {
        "400" => "The request is malformed",
        "401" => "There is no key, or none that works",
        "403" => "The key lacks the scope",
        "404" => "There is no such thing, or it is another tenant's",
        "409" => "It does not go with what has happened",
        "412" => "It has changed since it was read",
        "413" => "The body is too large",
        "415" => "The body is not JSON",
        "422" => "The body is JSON, but not what it should be",
        "428" => "It must be said which version is changed",
        "429" => "Too many requests",
        "500" => "A bug; the request's id leads to what happened",
        "503" => "Not at the moment; the same request may succeed later",
        _ => "Refused",
    }
}
