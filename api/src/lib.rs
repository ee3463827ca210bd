//! The doors: parse, authorise, call one function, answer.
//!
//! No rule of the business stands here, and no SQL. [`problem`] is the one table from errors to answers;
//! [`router`] lists the operations; [`serve`](serve::serve) accepts connections.

pub mod amount;
mod asyncapi;
pub mod auth;
pub mod body;
mod bounds;
pub mod config;
mod connection;
mod docs;
mod envelope;
mod erasing;
pub mod headers;
pub mod http;
mod limits;
pub mod mail_servers;
mod openapi;
pub mod problem;
pub mod serve;

use crate::bounds::Bounds;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::{Extension, Router};
use commands::{Clock, Commands, Jobs, Reactors};
use metrics_exporter_prometheus::PrometheusHandle;
use projections::Projections;
use std::ops::Deref;
use std::sync::Arc;
use store::EventStore;
use store::personal_data::TicketKey;
use store::postgres::{Pools, Tree};
use store::signed_note::LogKey;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa_axum::router::OpenApiRouter;

pub use auth::{KeyDirectory, Keys, KnownKey, ProjectedKeys, TenantRules};
pub use config::Config;
pub use erasing::{Erased, ErasedAgain, Eraser, ReceiptsApart};
pub use mail_servers::{KnownMailServers, MailLookup, NameServers};
pub use problem::Problem;
pub use serve::serve;

/// What the doors need from the rest of the server. Clones share it.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    parts: Parts,
    bounds: Bounds,
}

/// The parts of an [`Api`].
pub struct Parts {
    /// Where commands go.
    pub commands: Commands,
    /// What is known from history.
    pub projections: Arc<Projections>,
    /// What follows from what happened.
    pub reactors: Arc<Reactors>,
    /// What the clock asks for.
    pub jobs: Arc<Jobs>,
    /// Where queries read.
    pub pools: Pools,
    /// The log, for history.
    pub store: Arc<dyn EventStore>,
    /// The tree over the log, for proofs.
    pub tree: Tree,
    /// The clock of all requests.
    pub clock: Arc<dyn Clock>,
    /// The keys of callers.
    pub keys: Keys,
    /// Whether domains of addresses take mail.
    pub mail_servers: KnownMailServers,
    /// Signs for the log.
    pub log_key: LogKey,
    /// Where receipts of erasures are kept apart from the database.
    pub receipts: ReceiptsApart,
    /// Marks tickets of the feed.
    pub ticket_key: TicketKey,
    /// The figures of this process.
    pub metrics: PrometheusHandle,
    /// Limits and switches.
    pub config: Config,
}

impl Api {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let bounds = Bounds::new(&parts.config);
        Self(Arc::new(Inner { parts, bounds }))
    }

    /// Erases customers.
    pub(crate) fn eraser(&self) -> Eraser {
        Eraser {
            commands: self.commands.clone(),
            projections: Arc::clone(&self.projections),
            pools: self.pools.clone(),
            store: Arc::clone(&self.store),
            log_key: self.log_key.clone(),
            receipts: self.receipts.clone(),
        }
    }

    /// The places that operations share out.
    pub(crate) fn bounds(&self) -> &Bounds {
        &self.0.bounds
    }
}

impl Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}

/// All operations, with what surrounds them.
pub fn router(api: Api) -> Router {
    let cors = cors(&api.config);
    let body_bytes_max = api.config.body_bytes_max;
    let (router, gathered) = operations(&api.config).split_for_parts();
    let router = router
        .layer(Extension(openapi::Document::of(gathered)))
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(CatchPanicLayer::custom(envelope::panicked))
        .layer(axum::middleware::from_fn(envelope::surround))
        .layer(CompressionLayer::new())
        .with_state(api);
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// All operations, each with its description.
fn operations(config: &Config) -> OpenApiRouter<Api> {
    let limit = envelope::Limit::new(config);
    let limited = axum::middleware::from_fn_with_state(limit, envelope::limit);
    let operations = OpenApiRouter::new()
        .merge(http::customers::routes())
        .merge(http::loyalty::routes())
        .merge(http::credit::routes())
        .merge(http::audit::routes())
        .merge(http::audit::proofs::routes())
        .merge(http::projections::routes())
        .merge(http::imports::routes(config))
        .merge(http::reactors::routes())
        .merge(http::jobs::routes())
        .merge(http::validators::routes())
        .merge(http::tenant::routes())
        .merge(http::feed::ticket_routes())
        .layer(limited);
    openapi::router()
        .merge(operations)
        .merge(http::feed::routes(config))
        .merge(asyncapi::routes())
        .merge(openapi::routes())
        .merge(docs::routes())
        .merge(http::health::routes())
        .merge(http::metrics::routes())
}

async fn no_such_route() -> Problem {
    Problem::not_found("no_such_route", "there is nothing under this path")
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path does not answer to this method")
}

/// Lets pages of the configured origins call from a browser. Keys are sent as headers, never as cookies.
fn cors(config: &Config) -> Option<CorsLayer> {
    let origins: Vec<_> = config.cors_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    if origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            HeaderName::from_static("x-api-key"),
            headers::IDEMPOTENCY_KEY,
            http::feed::LAST_EVENT_ID,
            headers::X_MIN_POSITION,
            headers::X_REQUEST_ID,
            headers::TRACEPARENT,
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            headers::X_POSITION,
            headers::X_REQUEST_ID,
        ]);
    Some(layer)
}

#[cfg(test)]
mod tests;
