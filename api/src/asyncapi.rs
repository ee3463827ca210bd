//! `GET /asyncapi.json`: the feed as an AsyncAPI 3.0 document, made from the event types of the domain.
//!
//! What an event's `data` holds is not written down here: the catalogue of events is in the domain, version by version.

use crate::Api;
use crate::openapi::schemas;
use axum::Json;
use domain::Event;
use domain::aggregate::Category;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// It never changes while the program runs.
static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// Messages that are no events: their name, and what they say.
const MARKERS: [(&str, &str); 3] = [
    ("caught-up", "All that was in the log has been sent; what follows is live."),
    ("checkpoint", "Nothing up to this position is for this reader. At most one a second."),
    ("end", "The feed ends here, and why. Has no id; the reader may come again unless its key no longer works."),
];

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get_asyncapi))
}

/// Tells the feed as an AsyncAPI document.
#[utoipa::path(
    get, path = "/asyncapi.json", tag = "operations",
    responses((status = 200, description = "AsyncAPI 3.0", body = schemas::AnyObject)),
)]
async fn get_asyncapi() -> Json<&'static Value> {
    Json(&*DOCUMENT)
}

fn document() -> Value {
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Clientela feed",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Events as they happen, in the order of the log, by server-sent events (text/event-stream). The id of each \
                message is a position; a reader that comes again with it as Last-Event-ID misses nothing and gets nothing twice. \
                Comments are sent as heartbeats.",
            "license": {"name": "Apache-2.0 OR MIT"},
        },
        "defaultContentType": "application/json",
        "channels": {"feed": {
            "address": "/v1/feed",
            "title": "The feed of a tenant's events",
            "messages": names().map(|name| (name.to_owned(), reference("components/messages", name))).collect::<Map<_, _>>(),
        }},
        "operations": {"followFeed": {
            "action": "send",
            "channel": {"$ref": "#/channels/feed"},
            "summary": "Sends a reader the events of its tenant",
            "description": "Needs the scope feed:read. Personal data is sent only to keys that also have customers:pii, \
                events of keys and tenants (access.*) only to those that also have audit:read.",
            "security": [
                reference("components/securitySchemes", "bearer"),
                reference("components/securitySchemes", "key"),
                reference("components/securitySchemes", "ticket"),
            ],
            "messages": names().map(|name| reference("channels/feed/messages", name)).collect::<Vec<_>>(),
            "bindings": {"http": {"method": "GET", "query": query(), "bindingVersion": "0.3.0"}},
        }},
        "components": {
            "messages": messages(),
            "schemas": {"position": position(), "cloudEvent": cloud_event(), "marker": marker(), "end": end()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A key of the API"},
                "key": {"type": "httpApiKey", "in": "header", "name": "X-Api-Key", "description": "A key of the API"},
                "ticket": {
                    "type": "httpApiKey",
                    "in": "query",
                    "name": "ticket",
                    "description": "For EventSource in browsers, which sends no headers: from POST /v1/feed/tickets",
                },
            },
        },
    })
}

/// All messages, events first.
fn names() -> impl Iterator<Item = &'static str> {
    Event::TYPES.iter().copied().chain(MARKERS.map(|(name, _)| name))
}

fn reference(place: &str, name: &str) -> Value {
    json!({"$ref": format!("#/{place}/{name}")})
}

fn messages() -> Map<String, Value> {
    let event = |name: &'static str| {
        let kind = json!({"type": "object", "properties": {"type": {"const": name}}});
        let payload = json!({"allOf": [reference("components/schemas", "cloudEvent"), kind]});
        (name.to_owned(), json!({"name": name, "contentType": "application/cloudevents+json", "payload": payload}))
    };
    let marker = |(name, summary): (&str, &str)| {
        let payload = reference("components/schemas", if name == "end" { "end" } else { "marker" });
        (
            name.to_owned(),
            json!({"name": name, "contentType": "application/json", "summary": summary, "payload": payload}),
        )
    };
    Event::TYPES.iter().copied().map(event).chain(MARKERS.map(marker)).collect()
}

fn query() -> Value {
    let categories: Vec<_> = Category::ALL.iter().map(|category| category.as_str()).collect();
    let list = |items: Value, description: &str| json!({"type": "array", "items": items, "description": description});
    json!({"type": "object", "additionalProperties": false, "properties": {
        "from": {
            "type": "string",
            "pattern": "^([0-9]+|now)$",
            "default": "0",
            "description": "The position to begin behind; the header Last-Event-ID is above it",
        },
        "category": list(json!({"enum": categories}), "Only streams of these categories; repeated or with commas"),
        "type": list(json!({"type": "string"}), "Only these types, or those that begin so: loyalty.*; repeated or with commas"),
        "stream": {"type": "string", "description": "Only this stream, as category:uuid"},
        "customer": {"type": "string", "format": "uuid", "description": "Only what concerns this customer"},
        "ticket": {"type": "string", "description": "In place of a key"},
    }})
}

fn position() -> Value {
    json!({"type": "integer", "format": "int64", "minimum": 0, "description": "Place in the log"})
}

fn cloud_event() -> Value {
    let text = || json!({"type": "string"});
    let time = || json!({"type": "string", "format": "date-time"});
    let version = || json!({"type": "integer", "minimum": 1});
    let properties = json!({
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "description": "The stream and the version in it"},
        "source": {"type": "string", "format": "uri-reference"},
        "type": {"type": "string", "description": "Readers must pass over types that they do not know"},
        "time": {"type": "string", "format": "date-time", "description": "When it happened"},
        "datacontenttype": {"const": "application/json"},
        "subject": text(),
        "customerid": {"type": "string", "format": "uuid", "description": "Whom it concerns, if anybody"},
        "position": reference("components/schemas", "position"),
        "recordedat": time(),
        "streamversion": version(),
        "schemaversion": version(),
        "personalstate": {"enum": ["absent", "sealed", "opened", "erased"]},
        "data": {"type": "object", "description": "What happened; what is personal of it, if it is shown, as member `personal`"},
    });
    let names = properties.as_object().into_iter().flat_map(Map::keys);
    let required: Vec<_> = names.filter(|name| *name != "customerid").cloned().collect();
    json!({"type": "object", "description": "CloudEvents 1.0", "required": required, "properties": properties})
}

fn marker() -> Value {
    json!({"type": "object", "required": ["position"], "properties": {"position": reference("components/schemas", "position")}})
}

fn end() -> Value {
    let text = json!({"type": "string"});
    json!({"type": "object", "required": ["reason", "detail"], "properties": {"reason": text, "detail": text}})
}

#[cfg(test)]
mod tests {
    use super::{DOCUMENT, MARKERS};
    use domain::Event;
    use serde_json::Value;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn the_document_is_of_the_version_it_names_and_all_its_references_lead_somewhere() {
        assert_eq!(DOCUMENT["asyncapi"], "3.0.0");
        assert!(DOCUMENT["info"]["title"].is_string() && DOCUMENT["info"]["version"].is_string());
        let mut found = Vec::new();
        references(&DOCUMENT, &mut found);
        assert!(found.len() > 3 * Event::TYPES.len());
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("inside the document");
            assert!(DOCUMENT.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    }

    #[test]
    fn every_event_of_the_domain_is_a_message_of_the_feed() {
        let messages = DOCUMENT["channels"]["feed"]["messages"].as_object().expect("messages");
        assert_eq!(messages.len(), Event::TYPES.len() + MARKERS.len());
        for name in Event::TYPES {
            assert!(messages.contains_key(*name), "{name}");
            let message = &DOCUMENT["components"]["messages"][*name];
            assert_eq!(message["payload"]["allOf"][1]["properties"]["type"]["const"], *name);
        }
    }
}
