//! What happened to a line of credit, event by event: also what a business told of itself when it asked, and what was said about it.

use super::reading::line_not_found;
use crate::Api;
use crate::headers::{MinPosition, Parameters, PathId};
use crate::http::history::{HistoryView, Reader};
use crate::http::lists::{self, Cursor};
use crate::http::{Found, time_travel};
use crate::problem::Problem;
use axum::extract::State;
use commands::{Caller, Scope};
use domain::aggregate::Category;
use store::{Position, Version};

/// Tells the events of a line of credit, the oldest first.
///
/// What a business told of itself, and what was said about it, is shown to who holds `customers:pii`, until the customer is erased.
#[utoipa::path(
    get, path = "/v1/credit-lines/{line}/events", tag = "credit", operation_id = "get_credit_line_events",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), lists::Asked, MinPosition),
    responses(
        (status = 200, description = "A part of the history", body = HistoryView),
        (status = 404, description = "credit_not_requested"),
    ),
    security(("key" = [Scope::CreditRead])),
)]
pub(super) async fn get_credit_line_events(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Parameters(asked): Parameters<lists::Asked>,
    min_position: MinPosition,
) -> Result<Found<HistoryView>, Problem> {
    caller.require(Scope::CreditRead)?;
    let limit = lists::limit(asked.limit)?;
    let after = asked.cursor.as_deref().map(Position::parse).transpose()?.map_or(0, version_of);
    let (position, _place) = time_travel::reflected(&api, &caller, min_position).await?;
    let reader = Reader { api: &api, caller: &caller };
    let mut events = reader.read(line, Category::Credit, after, limit + 1).await?;
    // A cursor may be made up: behind it there is nothing of no line, too.
    if events.is_empty() && reader.read(line, Category::Credit, 0, 1).await?.is_empty() {
        return Err(line_not_found());
    }
    let is_last = events.len() <= limit;
    events.truncate(limit);
    let next_cursor = events.last().filter(|_| !is_last).map(|last| Position(last.version.into()).text());
    Ok(Found { position, version: None, body: HistoryView::of(&events, next_cursor)? })
}

/// The cursor holds the place in the stream. Beyond the last one there is nothing.
fn version_of(place: Position) -> Version {
    Version::try_from(place.0).unwrap_or(Version::MAX)
}
