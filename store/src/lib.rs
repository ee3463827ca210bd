//! The event log: streams of immutable events, one global order, and nothing else.
//!
//! The store knows bytes, streams, positions, tenants and keys; it knows no domain type. What an
//! event means, and whether it may happen, is decided in `domain`; who asks and why, in `commands`.
//!
//! [`EventStore`] is the trait every engine passes (its test suite is [`contract`]);
//! [`postgres::PostgresStore`] is the default engine.

pub mod append;
pub mod checkpoint;
pub mod consumer;
pub mod contract;
pub mod erasures;
pub mod event;
pub mod feed;
pub mod job_runs;
pub mod key_versions;
pub mod leaf;
pub mod merkle;
pub mod personal_data;
pub mod postgres;
pub mod scan;
pub mod scrubs;
pub mod signed_note;
pub mod snapshots;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use uuid::Uuid;

pub use append::{
    AppendError, AppendRequest, Appended, ClaimChange, ClaimHolder, ClaimKey, Expected, Identity, OtherName, Receipt,
    Repeat, StreamAppend, SubjectChanges, Ticket,
};
pub use event::{
    Direction, Metadata, Name, NewEvent, Personal, Position, RecordedEvent, Rendering, StreamId, TenantId, Version,
};
pub use feed::{Filter, Signal, TypePattern};
pub use scan::{Scan, ScannedEvent};
pub use snapshots::Snapshot;

/// What an engine can do beyond the core. `contract` tests each declared one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// One append may touch several streams atomically.
    pub multi_stream: bool,
    /// An append may take and release uniqueness claims atomically.
    pub claims: bool,
    /// Positions are 1, 2, 3, … in commit order, on any number of nodes.
    pub dense_positions: bool,
    /// Each event carries the leaf hash of the log's Merkle tree.
    pub proofs: bool,
    /// A repeated command is answered from the events (or the outcome) it made.
    pub idempotency_answers: bool,
}

/// Why the store could not answer a read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away or refuses work; the same call may succeed later.
    #[error("the event store is unavailable")]
    Unavailable(#[source] BoxError),
    /// A cursor lies beyond the head: the log was restored to an older point, or the cursor is another log's.
    #[error("position {asked} is beyond the head of the log, {head}")]
    BeyondHead {
        /// The position asked for.
        asked: Position,
        /// The last position of the log.
        head: Position,
    },
    /// A stored row makes no sense.
    #[error("table {table}, column {column}, row {row}: {reason}")]
    Corrupt {
        /// Table of the row.
        table: &'static str,
        /// Column that makes no sense.
        column: &'static str,
        /// Key of the row.
        row: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A boxed source error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Events as they are read, page by page, never all in memory.
pub type EventStream = BoxStream<'static, Result<RecordedEvent, StoreError>>;

/// What a subscription says, in order.
pub type SignalStream = BoxStream<'static, Result<Signal, StoreError>>;

/// Which part of one stream to read.
#[derive(Debug, Clone)]
pub struct ReadStream {
    /// Whose stream; another tenant's stream reads as empty.
    pub tenant: TenantId,
    /// The stream.
    pub stream: StreamId,
    /// First version to read (inclusive), in the direction of reading.
    pub from: Version,
    /// Order of the answer.
    pub direction: Direction,
    /// At most so many events.
    pub limit: u64,
    /// Whether personal boxes are opened.
    pub reveal: bool,
}

/// Which part of the whole log to read.
#[derive(Debug, Clone)]
pub struct ReadAll {
    /// Events after this position.
    pub after: Position,
    /// Which of them.
    pub filter: Filter,
    /// At most so many events.
    pub limit: u64,
    /// Whether personal boxes are opened.
    pub reveal: bool,
}

/// The event log.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// What this engine can do beyond the core.
    fn capabilities(&self) -> Capabilities;

    /// Hands in an append without waiting. Requests are judged in the order of these calls, so a
    /// request may rest on one that was handed in before ([`AppendRequest::rests_on`]).
    fn submit(&self, request: AppendRequest) -> Receipt;

    /// Appends and waits for the verdict, which comes after the commit.
    async fn append(&self, request: AppendRequest) -> Result<Appended, AppendError> {
        self.submit(request).verdict().await
    }

    /// Reads one stream.
    fn read_stream(&self, read: ReadStream) -> EventStream;

    /// Reads the whole log in the order of positions.
    fn read_all(&self, read: ReadAll) -> EventStream;

    /// Reads a long stretch of the log for whoever folds all of it.
    fn scan(&self, scan: Scan) -> scan::PageStream {
        scan::by_pages(self, scan)
    }

    /// Catches up from a position, says so, and goes on live; skips nothing, repeats nothing.
    fn subscribe(&self, after: Position, filter: Filter, reveal: bool) -> SignalStream;

    /// The same for readers outside, who may be many and slow: for each lie ready at most [`feed::BUFFERED_EVENTS_MAX`] events and
    /// [`feed::BUFFERED_BYTES_MAX`] bytes; who is further behind is served from the log.
    fn feed(&self, after: Position, filter: Filter, reveal: bool) -> SignalStream {
        self.subscribe(after, filter, reveal)
    }

    /// The last position; 0 for an empty log.
    async fn head(&self) -> Result<Position, StoreError>;

    /// Who holds these claims, in the order asked.
    async fn claim_owners(&self, tenant: TenantId, claims: &[ClaimKey]) -> Result<Vec<Option<Uuid>>, StoreError>;

    /// Which of these requests made their once-only facts happen, in the order asked. A short cut for repeating many
    /// requests at once: `false` says nothing, the append decides.
    async fn recorded(&self, tenant: TenantId, requests: &[Identity]) -> Result<Vec<bool>, StoreError> {
        let _ = tenant;
        Ok(vec![false; requests.len()])
    }

    /// The subjects that are one person with this one, itself included, as far as appends have linked them.
    async fn linked(&self, tenant: TenantId, subject: Uuid) -> Result<Vec<Uuid>, StoreError> {
        let _ = tenant;
        Ok(vec![subject])
    }

    /// Which of these streams of a tenant have events, in the order asked.
    async fn begun(&self, tenant: TenantId, streams: &[StreamId]) -> Result<Vec<bool>, StoreError> {
        let mut begun = Vec::with_capacity(streams.len());
        for stream in streams {
            let (from, direction, limit) = (1, Direction::Forwards, 1);
            let read = ReadStream { tenant, stream: *stream, from, direction, limit, reveal: false };
            begun.push(self.read_stream(read).next().await.transpose()?.is_some());
        }
        Ok(begun)
    }

    /// The newest snapshot of a stream that was written by this version of its aggregate.
    async fn load_snapshot(
        &self,
        tenant: TenantId,
        stream: &StreamId,
        aggregate_version: i16,
    ) -> Result<Option<Snapshot>, StoreError>;

    /// Keeps a snapshot in place of an older one. Snapshots are disposable: a loss costs time, never truth.
    async fn save_snapshot(&self, tenant: TenantId, stream: &StreamId, snapshot: Snapshot) -> Result<(), StoreError>;
}
