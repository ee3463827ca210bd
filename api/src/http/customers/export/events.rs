//! All events of a person, in the order of the log.

use domain::Category;
use domain::ids::CreditLineId;
use futures::{StreamExt, TryStreamExt, stream};
use std::future::ready;
use std::pin::Pin;
use store::{Direction, EventStore, EventStream, Position, ReadStream, StreamId, TenantId, Version};
use uuid::Uuid;

/// The stream of a category that is a person's own. What stands elsewhere is of nobody: of programmes, of tenants, of keys, of projectors and why an
/// operator let one leave out an event.
fn own(category: Category, subject: Uuid) -> Option<StreamId> {
    match category {
        Category::Customer | Category::Loyalty => Some(StreamId { category: category.as_str(), id: subject }),
        // A line of credit has an id of its own: lines are told beside.
        Category::Credit => None,
        Category::Programme | Category::CreditGroup | Category::Tenant | Category::ApiKey | Category::Projection => {
            None
        }
    }
}

/// The events of a person up to a position, opened.
pub(super) fn of(
    store: &dyn EventStore,
    tenant: TenantId,
    (subjects, lines): (&[Uuid], &[CreditLineId]),
    through: Position,
) -> EventStream {
    let own = subjects.iter().flat_map(|subject| Category::ALL.iter().filter_map(|category| own(*category, *subject)));
    let line = |line: &CreditLineId| StreamId { category: Category::Credit.as_str(), id: line.as_uuid() };
    let streams = own.chain(lines.iter().map(line));
    let read = |stream| {
        let read = ReadStream {
            tenant,
            stream,
            from: 1 as Version,
            direction: Direction::Forwards,
            limit: u64::MAX,
            reveal: true,
        };
        store.read_stream(read).try_take_while(move |event| ready(Ok(event.position <= through))).boxed()
    };
    in_order(streams.map(read).collect())
}

/// Several streams as one, by positions. What breaks in one of them comes first.
fn in_order(streams: Vec<EventStream>) -> EventStream {
    let streams: Vec<_> = streams.into_iter().map(StreamExt::peekable).collect();
    stream::unfold(streams, |mut streams| async {
        let mut first: Option<(Position, usize)> = None;
        for (place, stream) in streams.iter_mut().enumerate() {
            let position = match Pin::new(stream).peek().await {
                Some(Ok(event)) => event.position,
                Some(Err(_)) => Position::default(),
                None => continue,
            };
            first = first.into_iter().chain([(position, place)]).min();
        }
        let next = streams[first?.1].next().await?;
        Some((next, streams))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::in_order;
    use crate::http::recorded::tests::recorded;
    use futures::{StreamExt, TryStreamExt, stream};
    use store::{EventStream, Personal, Position, StoreError};

    fn at(positions: &[i64]) -> EventStream {
        let events: Vec<_> = positions.iter().map(|position| Ok(recorded(*position, Personal::Absent))).collect();
        stream::iter(events).boxed()
    }

    #[tokio::test]
    async fn events_come_in_the_order_of_the_log() {
        let merged: Vec<_> =
            in_order(vec![at(&[1, 4, 5, 9]), at(&[]), at(&[2, 3, 8])]).try_collect().await.expect("all");
        assert_eq!(merged.iter().map(|event| event.position.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 8, 9]);
        let broken =
            at(&[2]).chain(stream::iter([Err(StoreError::BeyondHead { asked: Position(9), head: Position(8) })]));
        let told: Vec<_> =
            in_order(vec![at(&[1, 3]), broken.boxed()]).map(|event| event.is_ok()).take(3).collect().await;
        assert_eq!(told, [true, true, false]);
    }
}
