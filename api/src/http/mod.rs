//! The operations over HTTP, a file per context, and what their answers have in common.

pub(crate) mod audit;
pub(crate) mod credit;
pub(crate) mod customers;
pub(crate) mod feed;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod imports;
pub(crate) mod jobs;
pub(crate) mod lists;
pub(crate) mod loyalty;
pub(crate) mod metrics;
mod outlet;
pub(crate) mod projections;
pub(crate) mod reactors;
pub(crate) mod recorded;
pub(crate) mod tenant;
pub(crate) mod time_travel;
pub(crate) mod validators;
pub(crate) mod wire;

use crate::Api;
use crate::headers::{self, MinPosition, X_POSITION};
use crate::problem::Problem;
use ::projections::{AsOf, Page};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use store::{Position, Version};

/// The answer of a command: its position stands in a header, so that a query can wait for it.
pub(crate) struct Done<T> {
    pub(crate) status: StatusCode,
    pub(crate) position: Position,
    pub(crate) location: Option<String>,
    pub(crate) version: Option<Version>,
    pub(crate) body: T,
}

impl<T> Done<T> {
    /// 200, whether something changed or not: asked again, it is as it was asked.
    pub(crate) fn changed(position: Position, version: Option<Version>, body: T) -> Self {
        Self { status: StatusCode::OK, position, location: None, version, body }
    }

    /// 201 the first time, 200 when it was done before.
    pub(crate) fn once(repeated: bool, position: Position, body: T) -> Self {
        let status = if repeated { StatusCode::OK } else { StatusCode::CREATED };
        Self { status, position, location: None, version: None, body }
    }

    pub(crate) fn at(self, location: String) -> Self {
        Self { location: Some(location), ..self }
    }
}

impl<T: Serialize> IntoResponse for Done<T> {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        response.headers_mut().insert(X_POSITION, HeaderValue::from(self.position.0));
        if let Some(location) = self.location.and_then(|path| HeaderValue::try_from(path).ok()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        tag(&mut response, self.version);
        response
    }
}

/// The answer of a query: the position that it reflects stands in a header, the version of what it shows in `ETag`.
pub(crate) struct Found<T> {
    pub(crate) position: Position,
    pub(crate) version: Option<Version>,
    pub(crate) body: T,
}

impl<T> Found<lists::ListView<T>> {
    /// A part of a list. It has no version: it changes with each row that is added.
    pub(crate) fn list<R, N: lists::Cursor>(page: AsOf<Page<R, N>>, view: impl Fn(R) -> T) -> Self {
        Self { position: page.position, version: None, body: lists::ListView::of(page.value, view) }
    }
}

impl<T: Serialize> IntoResponse for Found<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.body).into_response();
        response.headers_mut().insert(X_POSITION, HeaderValue::from(self.position.0));
        tag(&mut response, self.version);
        response
    }
}

fn tag(response: &mut Response, version: Option<Version>) {
    if let Some(tag) = version.and_then(headers::etag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
}

/// Refuses a position that the log has not got. The log itself is never behind.
pub(crate) async fn wait_for_log(api: &Api, min_position: MinPosition) -> Result<(), Problem> {
    let Some(asked) = min_position.0 else { return Ok(()) };
    let head = api.store.head().await?;
    if asked > head.0 { Err(Problem::position_beyond_head(asked, head.0)) } else { Ok(()) }
}

/// Waits until the projections of a query have seen a position: at most the configured time, not at all when the log has
/// not got it.
pub(crate) async fn wait_for(api: &Api, projectors: &[&str], min_position: MinPosition) -> Result<(), Problem> {
    let Some(asked) = min_position.0 else { return Ok(()) };
    // Mostly they are there already: then nobody is asked.
    if api.projections.wait_for(projectors, Position(asked), Duration::ZERO).await.is_ok() {
        return Ok(());
    }
    wait_for_log(api, min_position).await?;
    // Those who wait may not take the places of all who need not.
    let place = api.bounds().min_positions.try_take();
    let patience = place.as_ref().map_or(Duration::ZERO, |_| api.config.min_position_timeout);
    let waited = api.projections.wait_for(projectors, Position(asked), patience).await;
    waited.map_err(|behind| Problem::projection_behind(&behind))
}
