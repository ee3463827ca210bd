//! The PostgreSQL engine: dense positions in commit order on any number of nodes, by one lock that is only taken.
//!
//! [`writer`] batches and commits, [`judge`] decides who is right within a batch, [`read`] pages, [`scan`] copies long stretches,
//! [`tail`] follows, [`bounded_follow`] for readers outside, [`committed`] is what they share,
//! [`sealing`] keeps the subject keys, [`database`] knows roles and pools, [`request_pool`] the walls between tenants,
//! [`analysts`] the logins of people, [`embedded`] runs a private server.

mod analysts;
mod batch;
mod bounded_follow;
mod committed;
mod database;
pub mod embedded;
mod judge;
mod names;
mod read;
mod request_pool;
mod rows;
mod scan;
mod sealing;
mod snapshots;
mod tail;
pub mod testing;
mod writer;

pub use analysts::{AnalystError, AnalystLogin};
pub use database::{Database, DatabaseError, Pools, Role, unavailable};
pub use request_pool::RequestPool;

use crate::personal_data::{Keys, check_value};
use crate::scan::{PageStream, Scan};
use crate::{
    AppendRequest, Capabilities, ClaimKey, EventStore, EventStream, Filter, Identity, Position, ReadAll, ReadStream,
    Receipt, SignalStream, Snapshot, StoreError, StreamId, TenantId,
};
use async_trait::async_trait;
use bounded_follow::{BoundedFollow, Feed};
use futures::StreamExt;
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
    stop: Stop,
}

impl PostgresStore {
    /// Opens the log of a migrated database. The pool is one of the engine role.
    ///
    /// # Errors
    /// When the database cannot be used as it is, or was written with other keys.
    pub async fn open(database: &Database, pool: PgPool, keys: Keys) -> Result<Self, DatabaseError> {
        database.verify().await?;
        check_keys(&pool, &keys).await?;
        let names = Arc::new(Names::default());
        names.load(&pool).await?;
        let keyring = KeyRing::new(keys);
        let stop = Stop::default();
        let (committed, own) = mpsc::channel(64);
        let (inbox, writer) = Writer::start(database.clone(), Arc::clone(&names), keyring.clone(), committed);
        let reader = Reader { pool, names, keyring };
        let tail = Tail::start(reader.clone(), database, own, &stop);
        Ok(Self { inbox: Mutex::new(Some(inbox)), writer: Mutex::new(Some(writer)), reader, tail, stop })
    }

    /// Takes no more appends, answers those that wait, and ends the background tasks.
    pub async fn close(&self) {
        drop(lock(&self.inbox).take());
        let writer = lock(&self.writer).take();
        if let Some(writer) = writer {
            let _ = writer.await; // a panic of the writer was logged where it happened
        }
        self.stop.stop();
    }

    /// Has this node use a subject's key no longer, at once; else it is used for a minute more at most.
    pub fn forget_key(&self, tenant: TenantId, subject: Uuid) {
        self.reader.keyring.forget(&(tenant, subject));
    }

    /// The newest position that this node has seen, without asking the database.
    #[must_use]
    pub fn seen(&self) -> Position {
        self.tail.seen()
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
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
        ReceiverStream::new(signals).boxed()
    }

    fn feed(&self, after: Position, filter: Filter, reveal: bool) -> SignalStream {
        let (follow, signals) =
            BoundedFollow::new(self.reader.clone(), self.tail.clone(), Feed { after, filter, reveal });
        self.stop.spawn(follow.run());
        signals
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.reader.head().await
    }

    async fn claim_owners(&self, tenant: TenantId, claims: &[ClaimKey]) -> Result<Vec<Option<Uuid>>, StoreError> {
        self.reader.claim_owners(tenant, claims).await
    }

    async fn recorded(&self, tenant: TenantId, requests: &[Identity]) -> Result<Vec<bool>, StoreError> {
        self.reader.recorded(tenant, requests).await
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

/// The first node to open a log writes down how its keys are recognised; every other one compares. Nothing is written where a key is
/// wrong.
async fn check_keys(pool: &PgPool, keys: &Keys) -> Result<(), DatabaseError> {
    let (log, master, claims) = (keys.log.verifier(), check_value(&keys.master.key), check_value(&keys.claims.key));
    let given = [
        ("master", keys.master.version, master, None),
        ("claims", keys.claims.version, claims, None),
        ("log", keys.log.version, log.public(), Some(log.name())),
    ];
    let mut transaction = pool.begin().await?;
    for (purpose, version, value, name) in given {
        sqlx::query(
            "insert into key_checks (purpose, key_version, check_value, name) values ($1, $2, $3, $4) on conflict do nothing",
        )
        .bind(purpose)
        .bind(version)
        .bind(value.as_slice())
        .bind(name)
        .execute(&mut *transaction)
        .await?;
        let stored: (Vec<u8>, Option<String>) =
            sqlx::query_as("select check_value, name from key_checks where purpose = $1 and key_version = $2")
                .bind(purpose)
                .bind(version)
                .fetch_one(&mut *transaction)
                .await?;
        if (stored.0.as_slice(), stored.1.as_deref()) != (value.as_slice(), name) {
            return Err(DatabaseError::WrongKey(purpose));
        }
    }
    transaction.commit().await?;
    Ok(())
}
