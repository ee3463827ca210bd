//! Runs one projector: takes its lease, follows the log from its checkpoint, folds batches and commits rows and checkpoint
//! together.
//!
//! What goes wrong is one of three: *transient* (the database is away: try again), *poison* (an event that cannot be
//! decoded, applied or written: the events before it are committed, then it is tried a few times, then the projector has
//! `failed` at that position, which all nodes can see) or *unfit* (the rows cannot belong to this log: `failed` as well). One
//! that has failed leaves its lease to another node, whose build may know better, and tries again now and then. One whose rows
//! were made by another version leaves it too, until they are made again. An event is never skipped, unless an operator said
//! so ([`crate::control`]). Other projectors are not concerned.

use crate::batch::{self, Poison, Undigested};
use crate::control::Orders;
use crate::generations::{self, Generation};
use crate::progress::{Board, Progress, ProjectorError, ProjectorState};
use crate::read_model::{ReadModel, Rows};
use crate::tables::Writer;
use futures::{FutureExt, StreamExt};
use sqlx::PgPool;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use store::consumer::{self, Backoff, Candidacy, Checkpoint};
use store::{EventStore, Filter, Position, RecordedEvent, Signal, SignalStream, StoreError, TypePattern};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

mod failures;

/// How a runner paces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// At most so many events in one transaction.
    pub batch_max: usize,
    /// Time from one commit to the next while events keep coming, unless somebody waits for them: a commit costs the same for one event
    /// and for a hundred. Events that come after a rest are committed at once.
    pub gap: Duration,
    /// How long a checkpoint over events that are not handled may wait for company.
    pub idle_checkpoint: Duration,
    /// First pause after trouble; it doubles.
    pub retry_first: Duration,
    /// Longest pause after transient trouble.
    pub retry_longest: Duration,
    /// How often a poison event is tried before the projector counts as failed.
    pub attempts: u32,
    /// How long a failed projector leaves its place to other nodes.
    pub failed_retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            batch_max: 2_000,
            gap: Duration::from_millis(20),
            idle_checkpoint: Duration::from_millis(100),
            retry_first: Duration::from_millis(100),
            retry_longest: Duration::from_secs(5),
            attempts: 5,
            failed_retry: Duration::from_secs(30),
        }
    }
}

/// At most so many signals in one commit.
const SIGNALS_MAX: usize = 256;
/// How many checkpoints are written between two prunings.
const PRUNE_EACH: u32 = 256;

/// Why following the log ended.
#[derive(Debug)]
enum Trouble {
    Transient(String),
    Poison(Poison),
    /// The rows do not belong to this log or this build.
    Unfit(Option<Position>, String),
    /// An owner with a newer lease has written.
    Fenced,
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Transient(if consumer::is_transient(&error) { error.to_string() } else { without_values(&error) })
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Transient(error.to_string()),
            StoreError::BeyondHead { asked, head } => Self::Unfit(
                Some(asked),
                format!(
                    "its checkpoint {asked} is beyond the head of the log, {head}: the log was restored to an older point; \
                     rebuild it"
                ),
            ),
            StoreError::Corrupt { .. } => Self::Unfit(None, error.to_string()),
        }
    }
}

/// What follows from trouble.
enum After {
    /// Try again after a pause.
    Retry(Duration),
    /// Let other nodes try.
    GiveUp,
}

/// Why one transaction did not commit.
enum Refused {
    Poison(Poison),
    /// The database refuses what is to be written, whenever it is tried.
    Unwritable(String),
    Trouble(Trouble),
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        match error {
            error if consumer::is_transient(&error) => Self::Trouble(error.into()),
            // A row that was loaded: no event is to blame, and to skip one would not help.
            error @ (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
                Self::Trouble(Trouble::Unfit(None, format!("{}; rebuild it", without_values(&error))))
            }
            error => Self::Unwritable(without_values(&error)),
        }
    }
}

/// What a runner is given by its node.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) pool: PgPool,
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) lease: watch::Receiver<Option<i64>>,
    pub(crate) candidacy: Candidacy,
    pub(crate) paused: watch::Receiver<bool>,
    /// None until they were read for the first time.
    pub(crate) orders: watch::Receiver<Option<Orders>>,
    pub(crate) stop: CancellationToken,
    pub(crate) board: Arc<Board>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) pace: Pace,
}

/// The runner of one projector on one node.
pub(crate) struct Runner<M> {
    around: Surroundings,
    backoff: Backoff,
    prune_in: u32,
    /// The orders under which it works.
    orders: Option<Orders>,
    /// What it leaves out, from where it began.
    skipped: BTreeSet<Position>,
    model: PhantomData<fn() -> M>,
}

impl<M: ReadModel> Runner<M> {
    pub(crate) fn new(around: Surroundings) -> Self {
        let backoff = Backoff::new(around.pace.retry_first, around.pace.retry_longest);
        let (orders, skipped) = (None, BTreeSet::new());
        Self { around, backoff, prune_in: PRUNE_EACH, orders, skipped, model: PhantomData }
    }

    /// Runs until the node stops.
    pub(crate) async fn run(mut self) {
        while let Some(epoch) = self.permission().await {
            let followed = AssertUnwindSafe(self.follow(epoch)).catch_unwind().await;
            let trouble = match followed {
                Ok(Ok(())) => continue,
                Ok(Err(trouble)) => trouble,
                Err(_panic) => Trouble::Transient("the projector panicked".to_owned()),
            };
            match self.stumble(trouble).await {
                After::Retry(pause) => tokio::select! {
                    () = self.interruption(epoch) => {}
                    () = tokio::time::sleep(pause) => {}
                },
                After::GiveUp => {
                    self.around.candidacy.withdraw();
                    tokio::select! {
                        () = self.told_otherwise() => {}
                        () = tokio::time::sleep(self.around.pace.failed_retry) => {}
                    }
                }
            }
        }
        self.around.progress.rests(ProjectorState::Stopped);
    }

    /// Waits until this node holds the lease, the rows are this build's and nobody said to pause; the epoch, or none when the
    /// node stops.
    async fn permission(&mut self) -> Option<i64> {
        loop {
            if self.around.stop.is_cancelled() {
                return None;
            }
            let paused = *self.around.paused.borrow_and_update();
            let lease = *self.around.lease.borrow_and_update();
            self.orders = *self.around.orders.borrow_and_update();
            let of_another_build = self.orders.and_then(of_another_build::<M>);
            match of_another_build {
                Some(_) => self.around.candidacy.withdraw(),
                None => self.around.candidacy.stand(),
            }
            match (lease, self.orders, of_another_build) {
                (_, _, Some(state)) => self.around.progress.rests(state),
                (Some(epoch), Some(orders), None) if !paused && !orders.paused => return Some(epoch),
                (Some(_), Some(_), None) => self.around.progress.works(ProjectorState::Paused),
                (None, Some(orders), None) if orders.paused => self.around.progress.rests(ProjectorState::Paused),
                (None, _, None) | (_, None, None) => self.around.progress.rests(ProjectorState::Standby),
            }
            tokio::select! {
                () = self.around.stop.cancelled() => return None,
                changed = self.around.paused.changed() => changed.ok()?,
                changed = self.around.lease.changed() => changed.ok()?,
                changed = self.around.orders.changed() => changed.ok()?,
            }
        }
    }

    /// Ends when the runner has to let go: it is told otherwise, or the lease is not held under `epoch` any more.
    fn interruption(&self, epoch: i64) -> impl Future<Output = ()> + Send + use<M> {
        let (told_otherwise, mut lease) = (self.told_otherwise(), self.around.lease.clone());
        async move {
            tokio::select! {
                () = told_otherwise => {}
                _ = lease.wait_for(|held| *held != Some(epoch)) => {}
            }
        }
    }

    /// Ends with stop, pause or other orders.
    fn told_otherwise(&self) -> impl Future<Output = ()> + Send + use<M> {
        let Surroundings { stop, mut paused, mut orders, .. } = self.around.clone();
        let known = self.orders;
        async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = paused.wait_for(|paused| *paused) => {}
                _ = orders.wait_for(|orders| *orders != known) => {}
            }
        }
    }

    async fn follow(&mut self, epoch: i64) -> Result<(), Trouble> {
        let mut checkpoint = self.take_over(epoch).await?;
        self.around.progress.starts(checkpoint.position);
        let types = M::HANDLES.iter().map(|name| TypePattern::parse(name)).collect();
        let filter = Filter { types, ..Filter::default() };
        let mut signals = self.around.store.subscribe(checkpoint.position, filter, M::REVEALS);
        let waiters = self.around.progress.waiters();
        let interruption = self.interruption(epoch);
        tokio::pin!(interruption);
        let mut gathered = Gathered::after(checkpoint.position);
        let Pace { gap, idle_checkpoint, batch_max, .. } = self.around.pace;
        let (mut next_commit, mut due) = (Instant::now(), None);
        loop {
            let is_due = tokio::select! {
                biased;
                () = &mut interruption => return Ok(()),
                () = due_or_awaited(due, waiters.clone()) => true,
                signal = signals.next() => {
                    gathered.take(signal)?;
                    gathered.take_what_is_ready(&mut signals, batch_max)?;
                    false
                }
            };
            if is_due || gathered.events.len() >= batch_max {
                self.commit(&mut checkpoint, &gathered).await?;
                gathered.events.clear();
                (next_commit, due) = (Instant::now() + gap, None);
            } else if !gathered.events.is_empty() {
                due = Some(next_commit);
            } else if gathered.through > checkpoint.position {
                due = due.or_else(|| Some(Instant::now() + idle_checkpoint));
            }
            if gathered.events.is_empty() && std::mem::take(&mut gathered.caught_up) {
                self.around.progress.works(ProjectorState::Live);
            }
        }
    }

    /// Makes this node the only one that can write, and says where the rows stand.
    async fn take_over(&mut self, epoch: i64) -> Result<Checkpoint, Trouble> {
        let mut tx = self.around.pool.begin().await?;
        consumer::lock(&mut tx, M::NAME).await?;
        let live = generations::live(&mut tx, M::NAME).await?;
        let (generation, version) =
            live.ok_or_else(|| Trouble::Unfit(None, "it has no tables yet: run `clientela migrate`".to_owned()))?;
        if version != M::VERSION {
            let reason = format!("its rows were made by version {version}, this build has {}: rebuild it", M::VERSION);
            // Not for long: the orders are about to say so too.
            return Err(Trouble::Transient(reason));
        }
        let checkpoint = consumer::take_over(&mut tx, M::NAME, generation, epoch).await?.ok_or(Trouble::Fenced)?;
        self.skipped = consumer::skipped(&mut tx, M::NAME, checkpoint.position).await?;
        tx.commit().await?;
        let head = self.around.store.head().await?;
        if checkpoint.position > head {
            return Err(StoreError::BeyondHead { asked: checkpoint.position, head }.into());
        }
        let mut conn = self.around.pool.acquire().await?;
        if !consumer::has_followed_this_log(&mut conn, M::NAME, &checkpoint).await? {
            let at = checkpoint.position;
            let reason = format!(
                "the log has another event at its checkpoint {at}: it was restored to an older point; rebuild it"
            );
            return Err(Trouble::Unfit(Some(at), reason));
        }
        failures::forget(&mut conn, M::NAME, generation, checkpoint.position).await?;
        Ok(checkpoint)
    }

    /// Commits what was gathered, in as many transactions as it takes; stops before an event that cannot be digested.
    async fn commit(&mut self, checkpoint: &mut Checkpoint, gathered: &Gathered) -> Result<(), Trouble> {
        let events = self.without_skipped(&gathered.events);
        let mut rest = events.as_ref();
        let mut at_most = self.around.pace.batch_max;
        loop {
            let (batch, later) = rest.split_at(rest.len().min(at_most));
            let to = later.first().map_or(gathered.through, |next| Position(next.position.0 - 1));
            match self.commit_batch(checkpoint, batch, to).await {
                Ok(()) => {
                    self.advanced(checkpoint, to);
                    (rest, at_most) = (later, self.around.pace.batch_max);
                }
                Err(Refused::Poison(poison)) if poison.index > 0 => at_most = poison.index,
                Err(Refused::Unwritable(_)) if batch.len() > 1 => at_most = batch.len() / 2,
                Err(Refused::Poison(poison)) => return Err(Trouble::Poison(poison)),
                Err(Refused::Unwritable(reason)) => return Err(unwritable(batch, to, reason)),
                Err(Refused::Trouble(trouble)) => return Err(trouble),
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    fn without_skipped<'a>(&self, events: &'a [Arc<RecordedEvent>]) -> Cow<'a, [Arc<RecordedEvent>]> {
        if self.skipped.is_empty() {
            return Cow::Borrowed(events);
        }
        events.iter().filter(|event| !self.skipped.contains(&event.position)).cloned().collect()
    }

    /// Rows and checkpoint in one transaction.
    async fn commit_batch(
        &mut self,
        checkpoint: &Checkpoint,
        batch: &[Arc<RecordedEvent>],
        to: Position,
    ) -> Result<(), Refused> {
        let named = |undigested: Undigested| {
            Refused::Poison(Poison::new(batch, undigested.index, "the projector panicked at this event"))
        };
        let (decoded, poison) = batch::decode::<M>(batch);
        if let Some(poison) = poison {
            return Err(Refused::Poison(poison));
        }
        let keys = batch::keys::<M>(&decoded).map_err(named)?;
        let mut tx = self.around.pool.begin().await?;
        consumer::lock(&mut tx, M::NAME).await?;
        Generation::of(M::NAME, checkpoint.generation).enter(&mut tx).await?;
        if !keys.is_empty() {
            let loaded = if M::APPEND_ONLY { Rows::<M>::new() } else { M::load(&mut tx, &keys).await? };
            let changes = batch::fold::<M>(loaded, &decoded).map_err(named)?;
            if !changes.is_empty() {
                M::write(&mut Writer::live(&mut tx), &changes).await?;
            }
        }
        if !consumer::advance_without(&mut tx, M::NAME, checkpoint, to, &self.skipped).await? {
            return Err(Refused::Trouble(Trouble::Fenced));
        }
        if self.prune_in == PRUNE_EACH {
            consumer::prune(&mut tx, M::NAME, checkpoint).await?;
            failures::forget(&mut tx, M::NAME, checkpoint.generation, to).await?;
        }
        tx.commit().await?;
        metrics::counter!("projector_events_total", "projector" => M::NAME).increment(batch.len() as u64);
        Ok(())
    }

    fn advanced(&mut self, checkpoint: &mut Checkpoint, to: Position) {
        checkpoint.position = to;
        self.prune_in = self.prune_in.checked_sub(1).unwrap_or(PRUNE_EACH);
        self.backoff.reset();
        self.around.progress.reached(to);
        self.around.board.committed();
    }

    /// Says what went wrong to all who ask, and what to do about it.
    async fn stumble(&mut self, trouble: Trouble) -> After {
        let pause = self.backoff.pause();
        self.prune_in = PRUNE_EACH;
        let here = self.around.progress.known().position;
        let tried = self.backoff.attempts();
        let failed = match &trouble {
            Trouble::Transient(_) | Trouble::Fenced => false,
            Trouble::Unfit(..) => true,
            Trouble::Poison(_) => tried >= self.around.pace.attempts,
        };
        let error = trouble.told(here);
        if failed {
            self.fail(error).await;
            return After::GiveUp;
        }
        let (position, reason) = (error.position.0, error.reason.as_str());
        tracing::warn!(projector = M::NAME, position, reason, "projector retries");
        self.around.progress.stumbled(error);
        After::Retry(pause)
    }

    async fn fail(&self, error: ProjectorError) {
        let (position, event_id, reason) = (error.position.0, error.event_id.as_deref(), error.reason.as_str());
        tracing::error!(projector = M::NAME, position, event_id, reason, "projector failed");
        if let Err(failure) = failures::remember(&self.around.pool, M::NAME, &error).await {
            tracing::warn!(projector = M::NAME, error = %failure, "the failure could not be written down");
        }
        self.around.progress.gives_up(error);
        self.around.board.committed();
    }
}

impl Trouble {
    /// What to say of it, of a projector whose rows stand at `here`.
    fn told(self, here: Position) -> ProjectorError {
        let (position, event_id, reason) = match self {
            Self::Transient(reason) => (here, None, reason),
            Self::Fenced => (here, None, "another node has taken it over".to_owned()),
            Self::Unfit(position, reason) => (position.unwrap_or(here), None, reason),
            Self::Poison(poison) => (poison.position, Some(poison.event_id), poison.reason),
        };
        ProjectorError { position, event_id, reason }
    }
}

/// Events gathered for one commit.
struct Gathered {
    events: Vec<Arc<RecordedEvent>>,
    through: Position,
    caught_up: bool,
}

impl Gathered {
    fn after(position: Position) -> Self {
        Self { events: Vec::new(), through: position, caught_up: false }
    }

    fn take(&mut self, signal: Option<Result<Signal, StoreError>>) -> Result<(), Trouble> {
        match signal {
            Some(Ok(Signal::Events { events, through })) => {
                self.events.extend(events);
                self.through = through;
                Ok(())
            }
            Some(Ok(Signal::CaughtUp(position))) => {
                self.through = self.through.max(position);
                self.caught_up = true;
                Ok(())
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(Trouble::Transient("the subscription ended".to_owned())),
        }
    }

    fn take_what_is_ready(&mut self, signals: &mut SignalStream, events_max: usize) -> Result<(), Trouble> {
        for _ in 0..SIGNALS_MAX {
            if self.events.len() >= events_max {
                break;
            }
            match signals.next().now_or_never() {
                Some(signal) => self.take(signal)?,
                None => break,
            }
        }
        Ok(())
    }
}

/// Whether the rows that everybody reads are another build's.
fn of_another_build<M: ReadModel>(orders: Orders) -> Option<ProjectorState> {
    match orders.version?.cmp(&M::VERSION) {
        Ordering::Less => Some(ProjectorState::Outdated),
        Ordering::Equal => None,
        Ordering::Greater => Some(ProjectorState::Overtaken),
    }
}

/// Ends when the next commit is due, or somebody waits for it; never when there is nothing to commit.
async fn due_or_awaited(due: Option<Instant>, mut waiters: watch::Receiver<usize>) {
    let Some(due) = due else { return std::future::pending().await };
    tokio::select! {
        () = tokio::time::sleep_until(due) => {}
        _ = waiters.wait_for(|count| *count > 0) => {}
    }
}

fn unwritable(batch: &[Arc<RecordedEvent>], to: Position, reason: String) -> Trouble {
    if batch.is_empty() { Trouble::Unfit(Some(to), reason) } else { Trouble::Poison(Poison::new(batch, 0, reason)) }
}

/// What the database said, without the values that it may quote.
fn without_values(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(refusal) => format!(
            "the database refuses the row: SQLSTATE {}, table {}, constraint {}",
            refusal.code().unwrap_or_default(),
            refusal.table().unwrap_or("?"),
            refusal.constraint().unwrap_or("?"),
        ),
        sqlx::Error::ColumnDecode { index, .. } => format!("column {index} of one of its rows makes no sense"),
        _ => "a row cannot be read or written".to_owned(),
    }
}
