//! `GET /openapi.json`: every operation as an OpenAPI 3.1 document, made from the code.
//!
//! An operation is registered with its description or not at all: routes are made by `routes!` from handlers that carry
//! `#[utoipa::path]`, and clippy refuses `route`. A description says what is the operation's own, in the order of its extractors;
//! what operations have in common is added by [`complete`]. Wire types are described here and in the views, never in the domain.

mod complete;
mod example;
pub(crate) mod parameters;
pub(crate) mod schemas;

use crate::Api;
use axum::Extension;
use axum::http::header;
use axum::response::IntoResponse;
use bytes::Bytes;
use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const ABOUT: &str = "Customers, their purchases and their points, on one log of events. Every answer of a command has the header \
    `X-Position`; a query with that position as `X-Min-Position` reflects the command. A command with an `Idempotency-Key` counts once, \
    whatever happens to the connection. Errors are problems of RFC 9457 with a stable `code`. Lists go on by `next_cursor`.";

/// What the document begins as: the router adds the operations.
#[derive(OpenApi)]
#[openapi(tags(
    (name = "customers", description = "Who they are, what they bought and gave back"),
    (name = "loyalty", description = "Points, tiers and what they cost"),
    (name = "credit", description = "What businesses may buy before they pay, what they owe, and what becomes of it"),
    (name = "validators", description = "What addresses, numbers, documents and customers look like, before anything is registered"),
    (name = "tenant", description = "What the tenant decides for itself"),
    (name = "imports", description = "Many purchases at once"),
    (name = "audit", description = "Who caused what"),
    (name = "feed", description = "Events as they happen; what its messages are says `/asyncapi.json`"),
    (name = "operations", description = "How the server is, and what it is"),
))]
struct Beginning;

/// The finished document. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Document(Bytes);

impl Document {
    /// Completes what the router has gathered.
    pub(crate) fn of(gathered: utoipa::openapi::OpenApi) -> Self {
        let gathered = serde_json::to_value(gathered).unwrap_or_default();
        Self(Bytes::from(complete::complete(gathered, info()).to_string()))
    }

    /// As it is sent.
    #[cfg(test)]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.0).expect("the document is JSON")
    }
}

fn info() -> Value {
    json!({
        "title": "Clientela",
        "version": env!("CARGO_PKG_VERSION"),
        "description": ABOUT,
        "license": {"name": "Apache-2.0 OR MIT", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
    })
}

/// An empty router that gathers descriptions.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Beginning::openapi())
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get_openapi))
}

/// Tells this document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = schemas::AnyObject))
)]
async fn get_openapi(Extension(document): Extension<Document>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], document.0)
}

#[cfg(test)]
mod tests;
