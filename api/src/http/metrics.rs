//! Figures for Prometheus: for this machine itself, or with a key for operations.

use crate::Api;
use crate::auth::authenticate;
use crate::headers::Occasion;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use commands::Scope;
use std::net::SocketAddr;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Tells the figures of this process to Prometheus; asked from this machine itself it needs no key.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "get_metrics",
    responses(
        (status = 200, description = "The figures", content_type = "text/plain", body = schemas::Metrics),
        (status = 403, description = "operators_only"),
    ),
    security(("key" = [Scope::Operations])),
)]
async fn metrics(State(api): State<Api>, occasion: Occasion, request: Request) -> Result<Response, Problem> {
    if !is_local(&request) {
        authenticate(&api, request.headers(), &occasion).await?.require_operator()?;
    }
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], api.metrics.render()).into_response())
}

/// Whether this machine asks. What a proxy hands on comes from elsewhere, wherever the proxy stands.
fn is_local(request: &Request) -> bool {
    let is_handed_on = ["forwarded", "x-forwarded-for", "via"].iter().any(|name| request.headers().contains_key(*name));
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    !is_handed_on && peer.is_some_and(|peer| peer.0.ip().is_loopback())
}
