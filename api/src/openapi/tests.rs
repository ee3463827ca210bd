//! The document as a whole: nothing is missing in it, and all of it leads somewhere.

use super::{Document, example};
use crate::Config;
use crate::tests::doors;
use axum::body::Body;
use axum::http::{Method, Request};
use commands::Scope;
use serde_json::Value;
use std::collections::BTreeSet;

fn described() -> Value {
    Document::of(crate::operations(&Config::default()).into_openapi()).json()
}

/// Each operation: method, path, description.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let of = |(path, item): (&String, &Value)| {
        let methods = item.as_object().expect("methods").clone();
        methods
            .into_iter()
            .map(|(method, operation)| (method.to_uppercase(), path.clone(), operation))
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

/// Says of each operation what is wrong with it.
fn assert_each(about: &str, wrong: impl Fn(&str, &str, &Value) -> Vec<String>) {
    let document = described();
    let found: Vec<_> = operations(&document)
        .iter()
        .flat_map(|(method, path, operation)| {
            wrong(method, path, operation).into_iter().map(move |text| format!("{method} {path}: {text}"))
        })
        .collect();
    assert!(found.is_empty(), "{about}:\n  {}", found.join("\n  "));
}

fn texts<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(name).and_then(Value::as_str));
            members.values().for_each(|member| texts(member, name, found));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, name, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_document_is_of_its_version_and_all_references_lead_somewhere() {
    let document = described();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut found = Vec::new();
    texts(&document, "$ref", &mut found);
    assert!(found.len() > 100, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("inside the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn every_operation_says_what_it_is_and_is_called_by_a_name_of_its_own() {
    let document = described();
    let tags: BTreeSet<_> =
        document["tags"].as_array().expect("tags").iter().map(|tag| tag["name"].clone().to_string()).collect();
    let names: BTreeSet<_> = operations(&document).iter().map(|(.., told)| told["operationId"].to_string()).collect();
    assert_eq!(names.len(), operations(&document).len(), "operationId must be unique: {names:?}");
    assert_each("descriptions", |_, path, operation| {
        let summary = operation["summary"].as_str().unwrap_or_default();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let is_declared = |name: &str| parameters.iter().any(|told| told["in"] == "path" && told["name"] == name);
        let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let mut wrong: Vec<_> =
            in_path.filter(|name| !is_declared(name)).map(|name| format!("{name} is not described")).collect();
        if !summary.ends_with('.') || summary.contains('\n') {
            wrong.push("the first line of its doc comment must be one sentence".to_owned());
        }
        let tag = operation["tags"][0].to_string();
        if !tags.contains(&tag) {
            wrong.push(format!("{tag} is not among the tags of openapi.rs"));
        }
        wrong
    });
}

#[test]
fn every_operation_of_the_api_asks_for_a_key_with_a_scope_that_exists() {
    assert_each("security", |_, path, operation| {
        let scopes = operation["security"][0]["key"].as_array().cloned().unwrap_or_default();
        let is_public = operation.get("security").is_none();
        let is_known = |scope: &Value| scope.as_str().is_some_and(|name| Scope::parse(name).is_ok());
        match (path.starts_with("/v1/"), is_public) {
            (true, true) => vec!["it asks for no key".to_owned()],
            (_, false) if scopes.is_empty() || !scopes.iter().all(is_known) => vec![format!("scopes {scopes:?}")],
            _ => Vec::new(),
        }
    });
}

#[test]
fn every_body_has_an_example_and_every_refusal_its_codes() {
    assert_each("bodies", |_, _, operation| {
        let mut bodies = vec![("request".to_owned(), &operation["requestBody"])];
        let responses = operation["responses"].as_object().expect("responses");
        bodies.extend(responses.iter().map(|(status, response)| (status.clone(), response)));
        let mut wrong = Vec::new();
        for (name, body) in bodies {
            for (kind, media) in body["content"].as_object().into_iter().flatten() {
                if media.get("example").is_none() {
                    wrong.push(format!("{name}: a field has neither a format nor #[schema(example = …)]"));
                }
                let codes = media["schema"]["allOf"][1]["properties"]["code"]["enum"].as_array();
                let are_codes = |codes: &Vec<Value>| codes.iter().all(|code| code.as_str().is_some_and(is_code));
                if kind == "application/problem+json" && !codes.is_some_and(are_codes) {
                    wrong.push(format!("{name}: its description must be a list of codes: {codes:?}"));
                }
            }
        }
        if !responses.keys().any(|status| status.starts_with(['2', '3'])) {
            wrong.push("it does not say how it succeeds".to_owned());
        }
        wrong
    });
}

#[test]
fn what_is_only_asked_for_has_no_position_and_nothing_that_it_conflicts_with() {
    let document = described();
    let told = |path: &str, status: &str| document["paths"][path]["post"]["responses"][status].clone();
    let run = told("/v1/jobs/{name}/runs", "202");
    assert!(run["headers"]["X-Position"].is_null() && run["headers"]["Location"].is_object(), "{run}");
    assert!(told("/v1/jobs/{name}/runs", "409").is_null());
    let command = "/v1/customers/{id}/purchases";
    assert!(told(command, "201")["headers"]["X-Position"].is_object());
    assert!(told(command, "409").to_string().contains("idempotency_key_reused"));
}

fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[tokio::test]
async fn every_operation_is_answered() {
    let doors = doors(Config::default());
    for (method, path, _) in operations(&described()) {
        let path = path
            .replace("{id}", example::UUID)
            .replace("{hold}", example::UUID)
            .replace("{file}", "index.html")
            .replace("{name}", "customers");
        let request = Request::builder().method(Method::from_bytes(method.as_bytes()).expect("a method")).uri(&path);
        let answer = doors.ask(request.body(Body::empty()).expect("the request is well-formed")).await;
        let is_routed = !answer.body.contains("no_such_route") && !answer.body.contains("method_not_allowed");
        assert!(is_routed, "{method} {path}: {}", answer.body);
    }
}

#[tokio::test]
async fn the_document_is_for_everybody() {
    let answer = doors(Config::default()).get("/openapi.json", None).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["content-type"]),
        (200, &"application/json".parse().expect("valid"))
    );
    assert_eq!(serde_json::from_str::<Value>(&answer.body).expect("JSON"), described());
}

#[test]
fn an_example_is_made_of_the_examples_of_the_parts() {
    let schemas = serde_json::json!({"Currency": {"type": "string", "examples": ["EUR"]}});
    let schema = serde_json::json!({"allOf": [
        {"type": "object", "properties": {"currency": {"$ref": "#/components/schemas/Currency"}}},
        {"type": "object", "properties": {"lines": {"type": ["array", "null"], "items": {"type": "integer"}}}},
    ]});
    let made = example::of(&schema, &schemas, 0).expect("all parts have one");
    assert_eq!(made, serde_json::json!({"currency": "EUR", "lines": [1]}));
    assert_eq!(example::of(&serde_json::json!({"type": "string"}), &schemas, 0), None);
    let endless =
        serde_json::json!({"Node": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}}});
    assert_eq!(example::of(&endless["Node"], &endless, 0), None);
}

/// Each path stands there as a call does, `…` for that of a customer.
#[test]
fn the_list_of_all_calls_is_whole() {
    let list = include_str!("../../../docs/calls.md");
    let document = described();
    let paths = document["paths"].as_object().expect("paths");
    let is_missing = |path: &&String| {
        let short = path.replacen("/v1/customers/{id}/", "…/", 1);
        let is_there = |path: &str| list.contains(&format!("{path}`")) || list.contains(&format!("{path}?"));
        !is_there(path) && !is_there(&format!(" {short}"))
    };
    let missing: Vec<_> = paths.keys().filter(is_missing).collect();
    assert!(missing.is_empty(), "docs/calls.md does not tell of {missing:?}");
}
