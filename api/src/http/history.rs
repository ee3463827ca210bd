//! A customer's history: the events of the customer and of the loyalty account, in the order in which they happened.
//!
//! This is a query over events by nature: nothing is folded, nothing is hidden but what tells who somebody is.

use crate::Api;
use crate::headers::{MinPosition, Parameters, PathId};
use crate::http::recorded::EventView;
use crate::http::wait_for_log;
use crate::problem::{Place, Problem};
use axum::Json;
use axum::extract::State;
use commands::{Caller, Scope};
use domain::aggregate::Category;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use store::{Direction, ReadStream, RecordedEvent, StreamId, Version};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 200;

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
) -> Result<Json<HistoryView>, Problem> {
    caller.require(Scope::AuditRead)?;
    wait_for_log(&api, min_position).await?;
    let limit = page_limit(page.limit)?;
    let after = Cursor::parse(page.cursor.as_deref())?;
    let reader = Reader { api: &api, caller: &caller, customer, limit: limit + 1 };
    let (own, account) = tokio::try_join!(
        reader.read(Category::Customer, after.customer),
        reader.read(Category::Loyalty, after.loyalty)
    )?;
    let mut events: Vec<_> = own.into_iter().chain(account).collect();
    if events.is_empty() && after == Cursor::default() {
        return Err(Problem::not_found("customer_not_found", "the customer is not known"));
    }
    events.sort_by_key(|event| event.position);
    let is_last = events.len() <= limit;
    events.truncate(limit);
    let next_cursor = (!is_last).then(|| after.past(&events).to_string());
    let events = events.iter().map(EventView::of).collect::<Result<_, _>>();
    let events = events.map_err(|error| Problem::internal().because(error))?;
    Ok(Json(HistoryView { events, next_cursor }))
}

fn page_limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => {
            let place = Place::Parameter("limit".to_owned());
            Err(Problem::bad_parameter(place, "invalid_parameter", "limit must be from 1 to 200"))
        }
    }
}

struct Reader<'a> {
    api: &'a Api,
    caller: &'a Caller,
    customer: Uuid,
    limit: usize,
}

impl Reader<'_> {
    async fn read(&self, category: Category, after: Version) -> Result<Vec<RecordedEvent>, Problem> {
        let read = ReadStream {
            tenant: self.caller.tenant,
            stream: StreamId { category: category.as_str(), id: self.customer },
            from: after.saturating_add(1),
            direction: Direction::Forwards,
            limit: u64::try_from(self.limit).unwrap_or(u64::MAX),
            reveal: self.caller.require(Scope::CustomersPii).is_ok(),
        };
        Ok(self.api.store.read_stream(read).try_collect().await?)
    }
}

/// The last version seen of each stream. Opaque to callers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cursor {
    customer: Version,
    loyalty: Version,
}

impl Cursor {
    fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let Some(text) = text else { return Ok(Self::default()) };
        let read = || {
            let (customer, loyalty) = text.split_once('.')?;
            let version = |text: &str| text.parse::<Version>().ok().filter(|version| *version >= 0);
            Some(Self { customer: version(customer)?, loyalty: version(loyalty)? })
        };
        read().ok_or_else(|| {
            let place = Place::Parameter("cursor".to_owned());
            Problem::bad_parameter(place, "invalid_cursor", "the cursor is none that was given out here")
        })
    }

    fn past(self, events: &[RecordedEvent]) -> Self {
        events.iter().fold(self, |cursor, event| match event.stream.category {
            category if category == Category::Customer.as_str() => Self { customer: event.version, ..cursor },
            _ => Self { loyalty: event.version, ..cursor },
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.customer, self.loyalty)
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_cursor_comes_back_as_it_was_given_out() {
        let cursor = Cursor { customer: 7, loyalty: 12 };
        assert_eq!(Cursor::parse(Some(&cursor.to_string())).expect("it was given out"), cursor);
        for made_up in ["", "7", "7.x", "-1.2", "7.99999999999"] {
            assert_eq!(Cursor::parse(Some(made_up)).expect_err("refused").code(), "invalid_cursor");
        }
    }
}
