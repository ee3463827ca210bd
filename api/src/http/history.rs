//! A customer's history: the events of the customer and of the loyalty account, in the order in which they happened.
//!
//! This is a query over events by nature: nothing is folded, nothing is hidden but what tells who somebody is.

use crate::Api;
use crate::headers::{MinPosition, Parameters, PathId};
use crate::http::customers::customer_not_found;
use crate::http::lists::{self, Cursor};
use crate::http::recorded::EventView;
use crate::http::{Found, time_travel, wait_for};
use crate::problem::Problem;
use axum::extract::State;
use commands::{Caller, Scope};
use domain::aggregate::Category;
use domain::customers::merging::DUPLICATES_MAX;
use futures::TryStreamExt;
use projections::ReadModel;
use projections::customers::customers::Customers;
use projections::customers::customers::merges::duplicates;
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

impl HistoryView {
    pub(crate) fn of(events: &[RecordedEvent], next_cursor: Option<String>) -> Result<Self, Problem> {
        let events = events.iter().map(EventView::of).collect::<Result<_, _>>();
        Ok(Self { events: events.map_err(|error| Problem::internal().because(error))?, next_cursor })
    }
}

/// Tells the events of a customer and of the loyalty account, and of all who were merged into it, the oldest first.
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
    wait_for(&api, &[Customers::NAME], min_position).await?;
    let (position, _place) = time_travel::reflected(&api, &caller, min_position).await?;
    let merged = duplicates(&api.pools, caller.tenant, customer).await?;
    let everybody: Vec<Uuid> = [customer].into_iter().chain(merged).collect();
    let reader = Reader { api: &api, caller: &caller };
    let mut events = Vec::new();
    for (nth, one) in everybody.iter().enumerate() {
        let after = after.of(nth);
        let (own, account) = tokio::try_join!(
            reader.read(*one, Category::Customer, after.customer, limit + 1),
            reader.read(*one, Category::Loyalty, after.loyalty, limit + 1)
        )?;
        events.extend(own.into_iter().chain(account));
    }
    // A cursor may be made up: behind it there is nothing of nobody, too.
    if events.is_empty() && reader.read(customer, Category::Customer, 0, 1).await?.is_empty() {
        return Err(customer_not_found());
    }
    events.sort_by_key(|event| event.position);
    let is_last = events.len() <= limit;
    events.truncate(limit);
    let next_cursor = (!is_last).then(|| after.and(&everybody, &events).text());
    Ok(Found { position, version: None, body: HistoryView::of(&events, next_cursor)? })
}

/// Reads streams for a caller, opened to who may see what tells who somebody is.
pub(crate) struct Reader<'a> {
    pub(crate) api: &'a Api,
    pub(crate) caller: &'a Caller,
}

impl Reader<'_> {
    pub(crate) async fn read(
        &self,
        id: Uuid,
        category: Category,
        after: Version,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, Problem> {
        let read = ReadStream {
            tenant: self.caller.tenant,
            stream: StreamId { category: category.as_str(), id },
            from: after.saturating_add(1),
            direction: Direction::Forwards,
            limit: u64::try_from(limit).unwrap_or(u64::MAX),
            reveal: self.caller.require(Scope::CustomersPii).is_ok(),
        };
        Ok(self.api.store.read_stream(read).try_collect().await?)
    }
}

/// The last version seen of each stream: of the customer, and of those who were merged into it, in the order in which they came to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen(Vec<Versions>);

/// Of one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Versions {
    customer: Version,
    loyalty: Version,
}

/// A customer and as many as can be merged into it.
const STREAMS_MAX: usize = 2 * (1 + DUPLICATES_MAX);

impl Seen {
    fn of(&self, nth: usize) -> Versions {
        self.0.get(nth).copied().unwrap_or_default()
    }

    fn and(&self, everybody: &[Uuid], events: &[RecordedEvent]) -> Self {
        let seen = everybody.iter().enumerate().map(|(nth, one)| {
            let own = events.iter().filter(|event| event.stream.id == *one);
            own.fold(self.of(nth), |seen, event| match event.stream.category {
                category if category == Category::Customer.as_str() => Versions { customer: event.version, ..seen },
                _ => Versions { loyalty: event.version, ..seen },
            })
        });
        Self(seen.collect())
    }
}

impl Cursor for Seen {
    fn text(&self) -> String {
        let versions = self.0.iter().flat_map(|seen| [seen.customer, seen.loyalty]);
        versions.map(|version| version.to_string()).collect::<Vec<_>>().join(".")
    }

    fn read(text: &str) -> Option<Self> {
        let version = |text: &str| text.parse::<Version>().ok().filter(|version| *version >= 0);
        let versions = text.split('.').map(version).collect::<Option<Vec<_>>>()?;
        let is_whole = versions.len() % 2 == 0 && versions.len() <= STREAMS_MAX;
        let pairs = versions.chunks(2).map(|pair| Versions { customer: pair[0], loyalty: pair[1] });
        is_whole.then(|| Self(pairs.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Seen, Versions};

    #[test]
    fn a_cursor_comes_back_as_it_was_given_out() {
        let alone = Versions { customer: 7, loyalty: 12 };
        for seen in [Seen(vec![alone]), Seen(vec![alone, Versions { customer: 1, loyalty: 0 }])] {
            assert_eq!(Seen::parse(&seen.text()).expect("it was given out"), seen);
        }
        for made_up in ["", "7", "7.1.2", "7.x", "-1.2", "+7.1", "07.1", "7.99999999999"] {
            assert_eq!(Seen::parse(made_up).expect_err("refused").code(), "invalid_cursor", "{made_up}");
        }
    }
}
