//! The PostgreSQL engine: dense positions in commit order on any number of nodes, by one lock that is only taken.
//!
//! [`writer`] batches and commits, [`judge`] decides who is right within a batch, [`read`] pages, [`scan`] copies long stretches,
//! [`tail`] follows, [`bounded_follow`] for readers outside, [`committed`] is what they share,
//! [`sealing`] keeps the subject keys, [`database`] knows roles and pools, [`request_pool`] the walls between tenants,
//! [`analysts`] the logins of people, [`scrub`] leaves nothing of the erased in files, [`tree`] builds and proves, [`verify`](mod@verify) recomputes it all, [`embedded`] runs a private server.

mod analysts;
mod batch;
mod bounded_follow;
pub mod claims;
mod committed;
mod database;
pub mod embedded;
mod erasing;
mod judge;
pub mod keys;
mod names;
mod read;
mod request_pool;
pub mod rotation;
mod rows;
mod scan;
pub mod scrub;
mod sealing;
mod snapshots;
mod tail;
pub mod testing;
mod tree;
mod verify;
mod writer;

pub use analysts::{AnalystError, AnalystLogin, analyst_login};
pub use database::{Database, DatabaseError, Pools, Role, unavailable};
pub use request_pool::RequestPool;
pub use tree::{
    Consistency, Pace as TreePace, ProofError, ProvenEvent, Published, SignedHead, Tree, TreeState, TreeStatus,
};
pub use verify::{Against, Finding, HeadFile, Kind as FindingKind, MalformedHeads, Report, Tell, verify};

use crate::personal_data::Keys;
use crate::scan::{PageStream, Scan};
use crate::{
    AppendRequest, Capabilities, ClaimKey, EventStore, EventStream, Filter, Identity, Position, ReadAll, ReadStream,
    Receipt, Signal, SignalStream, Snapshot, StoreError, StreamId, TenantId,
};
use async_trait::async_trait;
use bounded_follow::{BoundedFollow, Feed};
use futures::{StreamExt, TryStreamExt};
use names::Names;
use read::{LogCursor, Reader, StreamCursor};
use sealing::KeyRing;
use sqlx::PgPool;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tail::{Follow, Stop, Tail};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;
use writer::{Inbox, Writer};

/// The log on PostgreSQL.
#[derive(Debug)]
pub struct PostgresStore {
    inbox: Mutex<Option<Inbox>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    reader: Reader,
    tail: Tail,
    tree: Tree,
    stop: Stop,
}

impl PostgresStore {
    /// Opens the log of a migrated database. The pool is one of the engine role.
    ///
    /// # Errors
    /// When the database cannot be used as it is, or was written with other keys.
    pub async fn open(database: &Database, pool: PgPool, keys: Keys) -> Result<Self, DatabaseError> {
        database.verify().await?;
        keys::recognise(&pool, &keys).await?;
        let names = Arc::new(Names::default());
        names.load(&pool).await?;
        let keyring = KeyRing::new(keys.clone());
        let stop = Stop::default();
        stop.spawn(keys::follow(pool.clone(), keys));
        let (committed, own) = mpsc::channel(64);
        let (inbox, writer) = Writer::start(database.clone(), Arc::clone(&names), keyring.clone(), committed);
        let reader = Reader { pool, names, keyring };
        let tail = Tail::start(reader.clone(), database, own, &stop);
        let tree = Tree::new(reader.clone(), tail.head());
        Ok(Self { inbox: Mutex::new(Some(inbox)), writer: Mutex::new(Some(writer)), reader, tail, tree, stop })
    }

    /// Takes no more appends, answers those that wait, and ends the background tasks.
    pub async fn close(&self) {
        drop(lock(&self.inbox).take());
        let writer = lock(&self.writer).take();
        if let Some(writer) = writer {
            let _ = writer.await; // a panic of the writer was logged where it happened
        }
        self.tree.stop().await;
        self.stop.stop();
    }

    /// The keys of a purpose that the log knows of, the newest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn known_keys(&self, purpose: keys::Purpose) -> Result<Vec<keys::KnownKey>, StoreError> {
        let mut session = self.reader.pool.acquire().await.map_err(unavailable)?;
        keys::known(&mut session, purpose).await.map_err(unavailable)
    }

    /// The tree over the log.
    #[must_use]
    pub fn tree(&self) -> Tree {
        self.tree.clone()
    }

    /// The newest position that this node has seen, without asking the database.
    #[must_use]
    pub fn seen(&self) -> Position {
        self.tail.seen()
    }
}

impl PostgresStore {
    /// Without the personal data of whoever was erased while an event waited to be handed over.
    fn handed_over(&self, signals: SignalStream) -> SignalStream {
        let keyring = self.reader.keyring.clone();
        let as_of_now = move |mut signal| {
            if let Signal::Events { events, .. } = &mut signal {
                keyring.all_as_of_now(events);
            }
            signal
        };
        signals.map_ok(as_of_now).boxed()
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.tree.abandon();
        self.stop.stop();
    }
}

#[async_trait]
impl EventStore for PostgresStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            multi_stream: true,
            claims: true,
            dense_positions: true,
            proofs: true,
            idempotency_answers: true,
        }
    }

    fn submit(&self, request: AppendRequest) -> Receipt {
        match &*lock(&self.inbox) {
            Some(inbox) => inbox.submit(request),
            None => Receipt::new().0, // its sender is gone: the verdict is `Unavailable`
        }
    }

    fn read_stream(&self, read: ReadStream) -> EventStream {
        let cursor = StreamCursor { reader: self.reader.clone(), read, page: VecDeque::new(), done: false };
        futures::stream::unfold(cursor, StreamCursor::next).boxed()
    }

    fn read_all(&self, read: ReadAll) -> EventStream {
        let cursor = LogCursor { reader: self.reader.clone(), read, page: VecDeque::new(), done: false };
        futures::stream::unfold(cursor, LogCursor::next).boxed()
    }

    fn scan(&self, scan: Scan) -> PageStream {
        scan::scan(self.reader.clone(), scan)
    }

    fn subscribe(&self, after: Position, filter: Filter, reveal: bool) -> SignalStream {
        let (out, signals) = mpsc::channel(4);
        let (reader, tail) = (self.reader.clone(), self.tail.clone());
        let follow = Follow { reader, tail, filter, reveal, at: after, out };
        self.stop.spawn(follow.run());
        self.handed_over(ReceiverStream::new(signals).boxed())
    }

    fn feed(&self, after: Position, filter: Filter, reveal: bool) -> SignalStream {
        let (follow, signals) =
            BoundedFollow::new(self.reader.clone(), self.tail.clone(), Feed { after, filter, reveal });
        self.stop.spawn(follow.run());
        self.handed_over(signals)
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.reader.head().await
    }

    async fn linked(&self, tenant: TenantId, subject: Uuid) -> Result<Vec<Uuid>, StoreError> {
        erasing::linked(&self.reader.pool, tenant, subject).await
    }

    async fn claim_owners(&self, tenant: TenantId, claims: &[ClaimKey]) -> Result<Vec<Option<Uuid>>, StoreError> {
        self.reader.claim_owners(tenant, claims).await
    }

    async fn recorded(&self, tenant: TenantId, requests: &[Identity]) -> Result<Vec<bool>, StoreError> {
        self.reader.recorded(tenant, requests).await
    }

    async fn begun(&self, tenant: TenantId, streams: &[StreamId]) -> Result<Vec<bool>, StoreError> {
        self.reader.begun(tenant, streams).await
    }

    async fn load_snapshot(
        &self,
        tenant: TenantId,
        stream: &StreamId,
        aggregate_version: i16,
    ) -> Result<Option<Snapshot>, StoreError> {
        snapshots::load(&self.reader, tenant, stream, aggregate_version).await
    }

    async fn save_snapshot(&self, tenant: TenantId, stream: &StreamId, snapshot: Snapshot) -> Result<(), StoreError> {
        snapshots::save(&self.reader, tenant, stream, snapshot).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
