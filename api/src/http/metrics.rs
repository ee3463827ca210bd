//! Figures for Prometheus: for this machine itself, or with a key for operations.

use crate::Api;
use crate::auth::authenticate;
use crate::headers::Occasion;
use crate::problem::Problem;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use commands::Scope;
use std::net::SocketAddr;

pub(crate) fn routes() -> Router<Api> {
    Router::new().route("/metrics", get(metrics))
}

/// `GET /metrics`
async fn metrics(State(api): State<Api>, occasion: Occasion, request: Request) -> Result<Response, Problem> {
    if !is_local(&request) {
        authenticate(&api, request.headers(), &occasion).await?.require(Scope::Operations)?;
    }
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], api.metrics.render()).into_response())
}

/// Whether this machine asks. What a proxy hands on comes from elsewhere, wherever the proxy stands.
fn is_local(request: &Request) -> bool {
    let is_handed_on = ["forwarded", "x-forwarded-for", "via"].iter().any(|name| request.headers().contains_key(*name));
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    !is_handed_on && peer.is_some_and(|peer| peer.0.ip().is_loopback())
}
