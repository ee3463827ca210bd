//! A customer's history: the events of the customer and of the loyalty account, in the order in which they happened.
//!
//! This is a query over events by nature: nothing is folded, nothing is hidden but what tells who somebody is.

use crate::Api;
use crate::headers::{MinPosition, Parameters, PathId};
use crate::http::customers::customer_not_found;
use crate::http::lists::{self, Cursor};
use crate::http::recorded::EventView;
use crate::http::{Found, time_travel};
use crate::problem::Problem;
use axum::extract::State;
use commands::{Caller, Scope};
use domain::aggregate::Category;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use store::{Direction, ReadStream, RecordedEvent, StreamId, Version};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Most events of an answer.
    #[param(minimum = 1, maximum = 200, default = 50, example = 50)]
    limit: Option<usize>,
    /// Where to go on: `next_cursor` of the answer before.
    #[param(example = "3.2")]
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryView {
    events: Vec<EventView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "3.2")]
    next_cursor: Option<String>,
}

/// Tells the events of a customer and of the loyalty account, the oldest first.
#[utoipa::path(
    get, path = "/v1/customers/{id}/events", tag = "audit", operation_id = "get_customer_events",
    params(PathId, Page, MinPosition),
    responses(
        (status = 200, description = "A part of the history", body = HistoryView),
        (status = 404, description = "customer_not_found"),
    ),
    security(("key" = [Scope::AuditRead])),
)]
pub(crate) async fn get_events(
    State(api): State<Api>,
    caller: Caller,
    PathId(customer): PathId,
    Parameters(page): Parameters<Page>,
    min_position: MinPosition,
) -> Result<Found<HistoryView>, Problem> {
    caller.require(Scope::AuditRead)?;
    let limit = lists::limit(page.limit)?;
    let after = page.cursor.as_deref().map(Seen::parse).transpose()?.unwrap_or_default();
    let (position, _place) = time_travel::reflected(&api, &caller, min_position).await?;
    let reader = Reader { api: &api, caller: &caller, customer };
    let (own, account) = tokio::try_join!(
        reader.read(Category::Customer, after.customer, limit + 1),
        reader.read(Category::Loyalty, after.loyalty, limit + 1)
    )?;
    let mut events: Vec<_> = own.into_iter().chain(account).collect();
    // A cursor may be made up: behind it there is nothing of nobody, too.
    if events.is_empty() && reader.read(Category::Customer, 0, 1).await?.is_empty() {
        return Err(customer_not_found());
    }
    events.sort_by_key(|event| event.position);
    let is_last = events.len() <= limit;
    events.truncate(limit);
    let next_cursor = (!is_last).then(|| after.and(&events).text());
    let events = events.iter().map(EventView::of).collect::<Result<_, _>>();
    let events = events.map_err(|error| Problem::internal().because(error))?;
    Ok(Found { position, version: None, body: HistoryView { events, next_cursor } })
}

struct Reader<'a> {
    api: &'a Api,
    caller: &'a Caller,
    customer: Uuid,
}

impl Reader<'_> {
    async fn read(&self, category: Category, after: Version, limit: usize) -> Result<Vec<RecordedEvent>, Problem> {
        let read = ReadStream {
            tenant: self.caller.tenant,
            stream: StreamId { category: category.as_str(), id: self.customer },
            from: after.saturating_add(1),
            direction: Direction::Forwards,
            limit: u64::try_from(limit).unwrap_or(u64::MAX),
            reveal: self.caller.require(Scope::CustomersPii).is_ok(),
        };
        Ok(self.api.store.read_stream(read).try_collect().await?)
    }
}

/// The last version seen of each stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    customer: Version,
    loyalty: Version,
}

impl Seen {
    fn and(self, events: &[RecordedEvent]) -> Self {
        events.iter().fold(self, |seen, event| match event.stream.category {
            category if category == Category::Customer.as_str() => Self { customer: event.version, ..seen },
            _ => Self { loyalty: event.version, ..seen },
        })
    }
}

impl Cursor for Seen {
    fn text(&self) -> String {
        format!("{}.{}", self.customer, self.loyalty)
    }

    fn read(text: &str) -> Option<Self> {
        let (customer, loyalty) = text.split_once('.')?;
        let version = |text: &str| text.parse::<Version>().ok().filter(|version| *version >= 0);
        Some(Self { customer: version(customer)?, loyalty: version(loyalty)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Seen};

    #[test]
    fn a_cursor_comes_back_as_it_was_given_out() {
        let seen = Seen { customer: 7, loyalty: 12 };
        assert_eq!(Seen::parse(&seen.text()).expect("it was given out"), seen);
        for made_up in ["", "7", "7.x", "-1.2", "+7.1", "07.1", "7.99999999999"] {
            assert_eq!(Seen::parse(made_up).expect_err("refused").code(), "invalid_cursor", "{made_up}");
        }
    }
}
