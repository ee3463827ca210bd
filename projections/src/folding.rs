//! Events as a store would say them, for the tests of the folds.

use crate::read_model::{Occasion, ReadModel, Recorded};
use chrono::DateTime;
use domain::Event;
use store::{Position, StreamId, TenantId};
use uuid::Uuid;

pub(crate) const TENANT: TenantId = TenantId(7);

/// The `nth` event of one stream, at position `10 × nth`.
pub(crate) fn recorded(event: impl Into<Event>, nth: i32) -> Recorded {
    let event = event.into();
    let stream = StreamId { category: event.category(), id: Uuid::from_u128(1) };
    let at = DateTime::from_timestamp(1_800_000_000 + i64::from(nth), 0).unwrap();
    let position = Position(i64::from(nth) * 10);
    Recorded {
        event,
        tenant: TENANT,
        stream,
        version: nth,
        position,
        customer_id: None,
        occurred_at: at,
        recorded_at: at,
        occasion: Occasion {
            actor: "key:till-1".to_owned(),
            request_id: Some("req-1".to_owned()),
            correlation_id: Some("trace-1".to_owned()),
            causation_id: Some("customer-1/7".to_owned()),
            via: Some("http".to_owned()),
        },
    }
}

/// The row that these events of one stream make.
pub(crate) fn folded<M: ReadModel>(key: &M::Key, events: impl IntoIterator<Item = Event>) -> Option<M::Row> {
    let recorded = events.into_iter().zip(1..).map(|(event, nth)| recorded(event, nth));
    recorded.fold(None, |row, recorded| {
        assert!(M::keys(&recorded).contains(key), "an event of another row: {:?}", M::keys(&recorded));
        M::apply(key, row, &recorded)
    })
}
