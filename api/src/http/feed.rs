//! The feed: events as they happen, by server-sent events, each with a position from which the reader can go on later.
//!
//! It has no time-out and no place among the requests in flight; its own bounds are the number of readers ([`places`]), what
//! lies ready for one of them (`store::feed`), and how long a socket may stand still (`connection`).

mod ask;
mod live;
mod places;
mod tickets;

use crate::connection::Connection;
use crate::openapi::schemas;
use crate::problem::Problem;
use crate::{Api, Config};
use ask::{Asked, Start};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use commands::Scope;
use live::Live;
use places::Places;
use store::Position;
use tickets::Admitted;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

/// What a reader answers with after a break: the position of the last event that it has.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(crate) fn routes(config: &Config) -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(follow).layer(Extension(Places::new(config))))
}

/// What is answered at once, within the limits of all other operations.
pub(crate) fn ticket_routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(tickets::issue))
}

/// Follows the events of the tenant as they happen, by server-sent events.
///
/// Each message's id is a position; who comes again with it as `Last-Event-ID` misses nothing and gets nothing twice. What becomes of
/// keys and tenants (`access.*`) is told with the scope `audit:read` only.
#[utoipa::path(
    get, path = "/v1/feed", tag = "feed", operation_id = "follow_feed",
    params(
        ask::Parameters,
        ("Last-Event-ID" = Option<i64>, Header, description = "The position of the last message that the reader has", example = 7),
    ),
    responses(
        (status = 200, description = "Messages without an end", content_type = "text/event-stream", body = schemas::Messages),
        (status = 400, description = "unknown_category, invalid_type, invalid_stream, invalid_id, invalid_position"),
        (status = 401, description = "ticket_unknown, ticket_expired"),
        (status = 409, description = "position_beyond_head"),
        (status = 503, description = "too_many_readers"),
    ),
    security(("key" = [Scope::FeedRead]), ("ticket" = [])),
)]
async fn follow(
    State(api): State<Api>,
    Extension(places): Extension<Places>,
    request: Parts,
) -> Result<Response, Problem> {
    let query = request.uri.query().unwrap_or_default();
    let ticket = ask::ticket(query);
    let Admitted { caller, standing, reveal } = tickets::admit(&api, &request, ticket.as_deref()).await?;
    caller.require(Scope::FeedRead)?;
    let Asked { filter, start } = Asked::read(query, &request.headers)?;
    let filter = ask::narrowed(filter, &caller)?;
    let place = places.take(&caller.actor)?;
    let found = tokio::time::timeout(api.config.request_timeout, first_position(&api, start)).await;
    let after = found.unwrap_or_else(|_| Err(Problem::unavailable("the event store does not answer")))?;
    let connection = request.extensions.get::<Connection>();
    connection.inspect(|connection| connection.set_endless());
    let live = Live::new(api, live::Feed { after, filter, reveal }, standing, place);
    let messages = live.messages(connection.map(Connection::closing));
    let head = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // Else a proxy might collect messages before it passes them on.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((head, Body::from_stream(messages)).into_response())
}

/// The position behind which the reader begins; never one that the log has not got.
async fn first_position(api: &Api, start: Start) -> Result<Position, Problem> {
    let head = api.store.head().await?;
    match start {
        Start::Now => Ok(head),
        Start::After(position, place) if position > head => Err(Problem::cursor_beyond_head(place, position.0, head.0)),
        Start::After(position, _) => Ok(position),
    }
}
