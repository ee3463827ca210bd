//! The writer: one connection per node, one transaction per batch, no timer.
//!
//! Whatever has gathered while the last batch committed is the next batch. Each batch takes the log lock, looks once at all
//! it must know (`check.sql`), walks its requests ([`super::judge`]), inserts and commits; only then are answers given, the
//! refusals too. A commit has three outcomes: committed, refused, unknown. After an unknown one the writer reconnects, takes
//! the lock, and looks the batch up by its first row before it answers.

use super::batch::{Batch, BatchError};
use super::committed::{Commit, Committed};
use super::database::{Database, Role};
use super::judge::{self, Judged};
use super::names::Names;
use super::sealing::KeyRing;
use crate::append::{BYTES_MAX, EVENTS_MAX};
use crate::event::ERASED;
use crate::key_versions::ClaimKeys;
use crate::{AppendError, AppendRequest, Appended, Name, Position, Receipt, StreamId, Ticket, Version};
use lru::LruCache;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

/// At most so many requests in one batch.
const BATCH_REQUESTS_MAX: usize = 1_024;
/// At most so many requests wait; more are answered `Busy`.
const QUEUE_REQUESTS_MAX: usize = 8_192;
/// At most so many bytes wait; more are answered `Busy`.
const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Versions of streams that the writer remembers.
const VERSIONS_MAX: NonZeroUsize = NonZeroUsize::new(200_000).expect("not zero");
/// How long a request waits for a database that is away before it is answered `Unavailable`.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the database may take for the statements of a batch, and again for its commit.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(12);
/// How often a fresh batch lets the callers of the last one run first, so that they travel together.
const GATHER_TURNS_MAX: usize = 8;

/// A request in the queue.
pub(super) struct Queued {
    pub(super) request: AppendRequest,
    /// The fingerprint as the caller gave it; that of the request is the one that is stored.
    pub(super) given: [u8; 16],
    pub(super) ticket: Ticket,
    verdict: oneshot::Sender<Result<Appended, AppendError>>,
    since: Instant,
    size: usize,
}

impl Queued {
    fn answer(self, verdict: Result<Appended, AppendError>) {
        match verdict {
            Ok(_) => self.ticket.keep(),
            Err(_) => self.ticket.refuse(),
        }
        // The caller may have given up; what was committed stays committed.
        let _ = self.verdict.send(verdict);
    }
}

/// The way into the queue.
#[derive(Debug, Clone)]
pub(super) struct Inbox {
    queue: mpsc::Sender<Queued>,
    bytes: Arc<AtomicUsize>,
    claims: ClaimKeys,
}

impl Inbox {
    pub(super) fn submit(&self, mut request: AppendRequest) -> Receipt {
        let given = request.identity.fingerprint;
        request.identity.fingerprint = self.claims.current().fingerprint(request.tenant, &given);
        let (receipt, ticket, verdict) = Receipt::new();
        let size = judge::size_of(&request);
        let queued = Queued { request, given, ticket, verdict, since: Instant::now(), size };
        if let Err(reason) = refuse_at_once(&queued.request, size) {
            queued.answer(Err(AppendError::Invalid(reason)));
            return receipt;
        }
        if self.bytes.fetch_add(size, Ordering::AcqRel) + size > QUEUE_BYTES_MAX {
            self.bytes.fetch_sub(size, Ordering::AcqRel);
            queued.answer(Err(AppendError::Busy));
            return receipt;
        }
        if let Err(refused) = self.queue.try_send(queued) {
            self.bytes.fetch_sub(size, Ordering::AcqRel);
            match refused {
                mpsc::error::TrySendError::Full(queued) => queued.answer(Err(AppendError::Busy)),
                mpsc::error::TrySendError::Closed(queued) => queued.answer(Err(closed())),
            }
        }
        receipt
    }
}

fn refuse_at_once(request: &AppendRequest, size: usize) -> Result<(), Name> {
    if size > BYTES_MAX {
        return Err("more than 4 MiB");
    }
    if judge::events_of(request).count() > EVENTS_MAX {
        return Err("more than 10,000 events");
    }
    for event in judge::events_of(request) {
        if event.personal.is_some() && event.subject_id.is_none() {
            return Err("personal data without a subject");
        }
        if event.schema_version < 1 || event.event_type.is_empty() || event.event_type.len() > 100 {
            return Err("an event needs a type of 1 to 100 bytes and a schema version from 1");
        }
        if !(1..=9_999).contains(&chrono::Datelike::year(&event.occurred_at)) {
            return Err("an event lies outside the years 1 to 9999");
        }
        if event.payload.contains('\0') {
            return Err("a payload holds a zero byte");
        }
    }
    refuse_untold_erasures(request)
}

/// The log says who was erased, and who it says was erased is.
fn refuse_untold_erasures(request: &AppendRequest) -> Result<(), Name> {
    let told = || judge::events_of(request).filter(|event| event.event_type.ends_with(ERASED));
    let erases = &request.subjects.erases;
    match told().all(|event| event.subject_id.is_some_and(|subject| erases.contains(&subject))) {
        true if erases.iter().all(|subject| told().any(|event| event.subject_id == Some(*subject))) => Ok(()),
        true => Err("a subject is erased without an event that says so"),
        false => Err("an event says that somebody was erased who is not"),
    }
}

fn closed() -> AppendError {
    AppendError::Unavailable("the event store is closing".into())
}

/// The writer's own state.
pub(super) struct Writer {
    pub(super) database: Database,
    pub(super) names: Arc<Names>,
    pub(super) keyring: KeyRing,
    pub(super) lock_key: i64,
    /// Tells the rest of the node after a commit.
    pub(super) committed: mpsc::Sender<Committed>,
    pub(super) versions: LruCache<(Name, uuid::Uuid), Version>,
    pub(super) head: Option<Position>,
    /// The last event that this node wrote: a log without it is not the log that the node has followed.
    last: Option<(Position, [u8; 32])>,
    connection: Option<PgConnection>,
    bytes: Arc<AtomicUsize>,
}

impl Writer {
    /// Starts the writer; it ends when all inboxes are gone and the queue is empty.
    pub(super) fn start(
        database: Database,
        names: Arc<Names>,
        keyring: KeyRing,
        committed: mpsc::Sender<Committed>,
    ) -> (Inbox, tokio::task::JoinHandle<()>) {
        let (queue, requests) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let bytes = Arc::new(AtomicUsize::new(0));
        let claims = keyring.keys().claims.clone();
        let writer = Self {
            database,
            names,
            keyring,
            lock_key: LOG_LOCK,
            committed,
            versions: LruCache::new(VERSIONS_MAX),
            head: None,
            last: None,
            connection: None,
            bytes: Arc::clone(&bytes),
        };
        (Inbox { queue, bytes, claims }, tokio::spawn(writer.run(requests)))
    }

    async fn run(mut self, mut requests: mpsc::Receiver<Queued>) {
        let mut last_batch = 1;
        while let Some(first) = requests.recv().await {
            let batch = self.gather(first, &mut requests, last_batch).await;
            last_batch = batch.len();
            let started = Instant::now();
            metrics::histogram!("clientela_append_batch_requests").record(last_batch as f64);
            self.settle(batch).await;
            metrics::histogram!("clientela_append_seconds").record(started.elapsed().as_secs_f64());
        }
        if let Some(connection) = self.connection.take() {
            let _ = connection.close().await;
        }
    }

    /// All that waits, up to the limits of a batch. No timer; but when the last batch had many callers, they get a few turns
    /// of the scheduler to come back first, else they would travel in two halves for ever.
    async fn gather(&self, first: Queued, requests: &mut mpsc::Receiver<Queued>, last: usize) -> Vec<Queued> {
        let mut size = first.size;
        let mut batch = vec![first];
        let mut turns = 0;
        loop {
            while batch.len() < BATCH_REQUESTS_MAX && size < BYTES_MAX {
                let Ok(queued) = requests.try_recv() else { break };
                size += queued.size;
                batch.push(queued);
            }
            if batch.len() >= last.min(BATCH_REQUESTS_MAX) || turns == GATHER_TURNS_MAX || size >= BYTES_MAX {
                break;
            }
            turns += 1;
            tokio::task::yield_now().await;
        }
        self.bytes.fetch_sub(size, Ordering::AcqRel);
        batch
    }

    /// Brings a batch to its verdicts, whatever the database does meanwhile.
    async fn settle(&mut self, mut batch: Vec<Queued>) {
        let mut pause = Duration::from_millis(5);
        while !batch.is_empty() {
            match self.attempt(&batch).await {
                Ok(judged) => return self.release(batch, judged),
                Err(BatchError::Refused(error)) => return self.settle_refused(batch, &error).await,
                Err(BatchError::Unknown { written, error }) => {
                    say(&error, "the outcome of a commit is unknown; looking it up");
                    if self.was_committed(&written).await {
                        return self.release(batch, *written);
                    }
                }
                Err(BatchError::Away(error)) => {
                    say(&error, "the database is away");
                    batch = give_up_the_late(batch);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(500));
                }
            }
        }
    }

    /// The database said no. Of several requests one is to blame, and its neighbours must not go down with it.
    async fn settle_refused(&mut self, batch: Vec<Queued>, error: &sqlx::Error) {
        say(error, "the database refused a batch");
        let is_single = batch.len() == 1;
        for queued in batch {
            match is_single {
                true => queued.answer(Err(refused(error))),
                false => Box::pin(self.settle(vec![queued])).await,
            }
        }
    }

    async fn attempt(&mut self, batch: &[Queued]) -> Result<Judged, BatchError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await.map_err(BatchError::Away)?,
        };
        let outcome = Batch { writer: self, connection: &mut connection, requests: batch }.run().await;
        match outcome {
            Ok(_) => self.connection = Some(connection),
            // After any failure the session is not trusted again, nor is what was known of the log.
            Err(_) => {
                let _ = connection.close_hard().await;
                self.forget();
            }
        }
        outcome
    }

    fn forget(&mut self) {
        self.versions.clear();
        self.head = None;
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let options = self.database.options(Role::Engine).options([
            ("synchronous_commit", "on"),
            ("statement_timeout", "10s"),
            ("lock_timeout", "4s"),
            // A node that is paused while it holds the log lock loses the session and with it the lock.
            ("idle_in_transaction_session_timeout", "2s"),
            ("tcp_user_timeout", "10s"),
            // The plans must be right on a database that nobody has analysed yet: always the indexes.
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("jit", "off"),
        ]);
        let mut connection =
            tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options)).await.map_err(timed_out)??;
        self.names.load(&mut connection).await?;
        self.recognise(&mut connection).await?;
        sqlx::query("select command_outcomes_prepare(now())").execute(&mut connection).await?;
        info!("the writer is connected");
        Ok(connection)
    }

    /// A database that was restored to an older point has lost events that states in memory still rest on. This node goes on
    /// only after a restart.
    async fn recognise(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let Some((position, leaf)) = self.last else { return Ok(()) };
        let found: Option<Vec<u8>> = sqlx::query_scalar("select leaf_hash from events where position = $1")
            .bind(position.0)
            .fetch_optional(connection)
            .await?;
        match found {
            Some(found) if found == leaf => Ok(()),
            _ => {
                let lost = format!("the log was restored to a point before {position}: restart this node");
                tracing::error!("{lost}");
                Err(sqlx::Error::Protocol(lost))
            }
        }
    }

    /// After an unknown commit: whether the batch is in the log. Does not return before it is known.
    async fn was_committed(&mut self, written: &Judged) -> bool {
        let mut pause = Duration::from_millis(20);
        loop {
            match tokio::time::timeout(ANSWER_WITHIN, self.look_up(written))
                .await
                .unwrap_or_else(|late| Err(timed_out(late)))
            {
                Ok(found) => return found,
                Err(error) => {
                    say(&error, "cannot look up the batch yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
            }
        }
    }

    async fn look_up(&self, written: &Judged) -> Result<bool, sqlx::Error> {
        let mut connection = self.connect().await?;
        let lock = begin_and_lock(self.lock_key);
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut connection).await?;
        let found = match (written.events.first(), written.outcomes.first()) {
            (Some(event), _) => {
                let leaf: Option<Vec<u8>> = sqlx::query_scalar("select leaf_hash from events where position = $1")
                    .bind(event.position.0)
                    .fetch_optional(&mut connection)
                    .await?;
                leaf.is_some_and(|leaf| leaf == event.leaf_hash)
            }
            (None, Some(outcome)) => {
                sqlx::query_scalar::<_, i32>("select 1 from command_outcomes where command_id = $1")
                    .bind(outcome.command_id)
                    .fetch_optional(&mut connection)
                    .await?
                    .is_some()
            }
            (None, None) => false,
        };
        connection.close().await?;
        Ok(found)
    }

    fn release(&mut self, batch: Vec<Queued>, judged: Judged) {
        self.advance(&judged);
        self.last = judged.events.last().map(|event| (event.position, event.leaf_hash)).or(self.last);
        for (queued, verdict) in batch.into_iter().zip(judged.verdicts) {
            if let Err(error) = &verdict {
                metrics::counter!("clientela_append_refused_total", "why" => why(error)).increment(1);
            }
            queued.answer(verdict);
        }
        metrics::counter!("clientela_events_appended_total").increment(judged.events.len() as u64);
        if !judged.events.is_empty() {
            // A reader that is behind reads the log itself: nothing is lost when this channel is full.
            let _ = self.committed.try_send(Commit::new(judged.events));
        }
    }

    /// Takes in what the batch changed; without a known head (after a lost connection) nothing that is known would stay true.
    fn advance(&mut self, judged: &Judged) {
        let Some(head) = self.head else { return };
        self.head = Some(judged.events.last().map_or(head, |last| last.position));
        for (stream, version) in &judged.versions {
            self.versions.put((stream.category, stream.id), *version);
        }
    }

    /// The version of a stream as far as this node knows.
    pub(super) fn known_version(&self, stream: &StreamId) -> Option<Version> {
        self.versions.peek(&(stream.category, stream.id)).copied()
    }
}

/// Names the log lock among the advisory locks of a database: "CLIENTLA".
pub(super) const LOG_LOCK: i64 = 0x434C_4945_4E54_4C41;

/// Opens the transaction of a batch. The lock comes in a statement of its own, so that the check after it has a newer snapshot.
pub(super) fn begin_and_lock(lock_key: i64) -> String {
    format!("begin isolation level read committed; select pg_advisory_xact_lock({lock_key})")
}

fn give_up_the_late(batch: Vec<Queued>) -> Vec<Queued> {
    let (late, waiting): (Vec<_>, Vec<_>) = batch.into_iter().partition(|queued| queued.since.elapsed() > PATIENCE);
    late.into_iter().for_each(|queued| queued.answer(Err(AppendError::Unavailable("the database is away".into()))));
    waiting
}

fn say(error: &sqlx::Error, what: &'static str) {
    warn!(error = error as &dyn std::error::Error, "{what}");
}

fn refused(error: &sqlx::Error) -> AppendError {
    AppendError::Unavailable(format!("the database refused the append: {error}").into())
}

pub(super) fn timed_out(_: tokio::time::error::Elapsed) -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

fn why(error: &AppendError) -> &'static str {
    match error {
        AppendError::Conflict { .. } => "conflict",
        AppendError::Undermined => "undermined",
        AppendError::Repeated(_) => "repeated",
        AppendError::KeyReused => "key_reused",
        AppendError::AlreadyHappened { .. } => "already_happened",
        AppendError::Claimed { .. } => "claimed",
        AppendError::SubjectErased(_) => "subject_erased",
        AppendError::MoreLinked(_) => "more_linked",
        AppendError::Invalid(_) => "invalid",
        AppendError::Busy => "busy",
        AppendError::Unavailable(_) => "unavailable",
    }
}
