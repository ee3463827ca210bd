//! Scans: long stretches of the log for whoever folds all of it. They carry what a fold needs and no more, in pages that can be
//! opened beside each other.

use crate::{
    EventStore, Filter, Name, Personal, Position, ReadAll, RecordedEvent, StoreError, StreamId, TenantId, TypePattern,
    Version,
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use uuid::Uuid;

/// Which part of the log to scan.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Events after this position,
    pub after: Position,
    /// up to this one, or to the head if that comes first.
    pub through: Position,
    /// Of these types; none named means all.
    pub types: Vec<TypePattern>,
    /// Whether personal boxes are opened; otherwise events come without them.
    pub reveal: bool,
    /// Whether the metadata is wanted.
    pub metadata: bool,
}

/// An event as a scan reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedEvent {
    /// Place in the log.
    pub position: Position,
    /// Whose event.
    pub tenant: TenantId,
    /// Its stream.
    pub stream: StreamId,
    /// Its version in the stream.
    pub version: Version,
    /// Wire name.
    pub event_type: Name,
    /// Version of the payload's schema.
    pub schema_version: i16,
    /// Whose personal data; none when boxes are not opened.
    pub subject_id: Option<Uuid>,
    /// On whose timeline.
    pub customer_id: Option<Uuid>,
    /// Business time.
    pub occurred_at: DateTime<Utc>,
    /// When it was appended.
    pub recorded_at: DateTime<Utc>,
    /// JSON text of [`crate::Metadata`]; none when it was not asked for.
    pub metadata: Option<Bytes>,
    /// JSON text.
    pub payload: Bytes,
    /// The personal part: opened, erased, or absent.
    pub personal: Personal,
}

/// A page on its way: whoever awaits it does the work of opening it.
pub type ScannedPage = BoxFuture<'static, Result<Vec<ScannedEvent>, StoreError>>;

/// The pages of a scan, in order.
pub type PageStream = BoxStream<'static, Result<ScannedPage, StoreError>>;

/// Events in a page of [`by_pages`].
const PAGE: usize = 1_000;

/// A scan for engines without a faster way to read than [`EventStore::read_all`].
pub fn by_pages<S: EventStore + ?Sized>(store: &S, scan: Scan) -> PageStream {
    let Scan { after, through, types, reveal, metadata } = scan;
    let read = ReadAll { after, filter: Filter { types, ..Filter::default() }, limit: u64::MAX, reveal };
    let events = store.read_all(read).try_take_while(move |event| std::future::ready(Ok(event.position <= through)));
    let shown = events.map_ok(move |event| ScannedEvent::of(event, reveal, metadata));
    let pages = shown.try_chunks(PAGE).map_err(|error| error.1);
    pages.map_ok(|page| std::future::ready(Ok(page)).boxed()).boxed()
}

impl ScannedEvent {
    /// The same event, as a scan with these wishes reads it.
    #[must_use]
    pub fn of(event: RecordedEvent, reveal: bool, metadata: bool) -> Self {
        Self {
            position: event.position,
            tenant: event.tenant,
            stream: event.stream,
            version: event.version,
            event_type: event.event_type,
            schema_version: event.schema_version,
            subject_id: event.subject_id.filter(|_| reveal),
            customer_id: event.customer_id,
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
            metadata: metadata.then(|| Bytes::copy_from_slice(event.metadata.as_bytes())),
            payload: Bytes::copy_from_slice(event.payload.as_bytes()),
            personal: if reveal { event.personal } else { Personal::Absent },
        }
    }
}
