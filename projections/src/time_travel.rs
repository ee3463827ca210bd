//! Time travel: a row as it was, folded from the events of its stream by the functions that make the live rows.
//!
//! A query over events by nature: nothing is written, and no read model need exist. A bounded number of events is read.

use crate::batch;
use crate::read_model::{ReadModel, Recorded};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use store::{Direction, EventStore, ReadStream, RecordedEvent, StoreError, StreamId, TenantId, TypePattern, Version};
use uuid::Uuid;

/// The most events that are read of one stream.
pub const EVENTS_MAX: u64 = 20_000;

/// Which events of a stream count. What is not set excludes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Until {
    /// Up to this version of the stream.
    pub version: Option<Version>,
    /// What was in the log before this moment.
    pub recorded_before: Option<DateTime<Utc>>,
    /// What had happened before this moment, whenever it was told.
    pub occurred_before: Option<DateTime<Utc>>,
}

/// Why there is no such past.
#[derive(Debug, thiserror::Error)]
pub enum TimeTravelError {
    /// The stream does not exist, or is another tenant's.
    #[error("nothing ever happened there")]
    Unknown,
    /// The stream exists, but what was there then made no row.
    #[error("nothing had happened by then")]
    NotYet,
    /// The stream has not come to the version.
    #[error("version {asked} was asked for; the last one is {head}")]
    VersionBeyondHead {
        /// The version asked for.
        asked: Version,
        /// The last version.
        head: Version,
    },
    /// It would take too long.
    #[error("more than {EVENTS_MAX} events would have to be read")]
    TooLong,
    /// An event cannot be decoded.
    #[error("event {event}: {reason}")]
    Undecodable {
        /// The event.
        event: String,
        /// What is wrong; no personal data.
        reason: String,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The row that the events of one stream make, as far as they count. `adjusted` may correct what an event says of the row before
/// it, when events are left out.
pub(crate) async fn row_of<M: ReadModel<Key = Uuid>>(
    store: &dyn EventStore,
    tenant: TenantId,
    stream: StreamId,
    until: Until,
    adjusted: impl Fn(Recorded, Option<&M::Row>) -> Recorded + Send,
) -> Result<M::Row, TimeTravelError> {
    let handled: Vec<_> = M::HANDLES.iter().map(|pattern| TypePattern::parse(pattern)).collect();
    let asked = until.version.and_then(|version| u64::try_from(version).ok()).unwrap_or(u64::MAX);
    let limit = asked.min(EVENTS_MAX + 1);
    let read = ReadStream { tenant, stream, from: 1, direction: Direction::Forwards, limit, reveal: M::REVEALS };
    let mut events = store.read_stream(read);
    let (mut row, mut count, mut head) = (None, 0, 0);
    while let Some(event) = events.try_next().await? {
        (count, head) = (count + 1, event.version);
        if count > EVENTS_MAX {
            return Err(TimeTravelError::TooLong);
        }
        if until.recorded_before.is_some_and(|end| event.recorded_at >= end) {
            break;
        }
        let has_occurred = until.occurred_before.is_none_or(|end| event.occurred_at < end);
        if has_occurred && handled.iter().any(|pattern| pattern.matches(event.event_type)) {
            let recorded = adjusted(decoded::<M>(&event)?, row.as_ref());
            row = M::apply(&stream.id, row, &recorded);
        }
    }
    match (row, until.version) {
        _ if head == 0 => Err(TimeTravelError::Unknown),
        (_, Some(asked)) if head < asked => Err(TimeTravelError::VersionBeyondHead { asked, head }),
        (Some(row), _) => Ok(row),
        (None, _) => Err(TimeTravelError::NotYet),
    }
}

fn decoded<M: ReadModel>(event: &RecordedEvent) -> Result<Recorded, TimeTravelError> {
    batch::decode_one::<M>(event).map_err(|reason| TimeTravelError::Undecodable { event: event.id(), reason })
}
