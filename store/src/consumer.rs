//! What projectors and reactors share: where a consumer of the log stands, who runs it, and how long it waits after a
//! failure.
//!
//! A **checkpoint** is inserted in the transaction of the work it stands for, never updated, and only when the newest
//! one is still the one the writer worked from: (generation, epoch, position) are compared together. A **lease** says
//! which node runs a consumer; it is renewed by the database's clock and carries an epoch that grows with each change of
//! owner. A node that lost its lease and does not know it yet fails the comparison, so it can never write.
//!
//! Nothing here knows what a consumer does with the events.

pub mod parked;
mod running;

pub use running::Running;

use crate::Position;
use sqlx::{PgConnection, PgPool, Row};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a lease holds without being renewed.
pub const LEASE_TTL: Duration = Duration::from_secs(6);
/// How often a lease is renewed, and how often one held elsewhere is tried for.
pub const LEASE_RENEWAL: Duration = Duration::from_secs(2);

/// Where the rows of one generation of a consumer stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Generation of the rows.
    pub generation: i32,
    /// Epoch of the lease under which it was written.
    pub epoch: i64,
    /// The last position whose effect the rows hold.
    pub position: Position,
}

impl Checkpoint {
    /// The generation of a consumer that makes no rows: a reactor is never made again.
    pub const ONLY_GENERATION: i32 = 1;
}

/// Keeps all other writers of this consumer out until the transaction ends, and spares its commit the wait for the disk:
/// rows and checkpoint are lost together or kept together, and what is lost is made again from the log.
///
/// # Errors
/// When the database refuses or is away.
pub async fn lock(conn: &mut PgConnection, consumer: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "select set_config('synchronous_commit', 'off', true), \
         pg_advisory_xact_lock(hashtext('clientela.consumer'), hashtext($1))",
    )
    .bind(consumer)
    .execute(conn)
    .await?;
    Ok(())
}

/// The newest checkpoint of a generation.
///
/// # Errors
/// When the database refuses or is away.
pub async fn newest(
    conn: &mut PgConnection,
    consumer: &str,
    generation: i32,
) -> Result<Option<Checkpoint>, sqlx::Error> {
    let row = sqlx::query(
        "select epoch, position from projection_checkpoints where projector = $1 and generation = $2 \
         order by epoch desc, position desc limit 1",
    )
    .bind(consumer)
    .bind(generation)
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Checkpoint { generation, epoch: row.try_get("epoch")?, position: Position(row.try_get("position")?) })
    })
    .transpose()
}

/// Moves a consumer to the epoch of its new owner; from then on no former owner can write. Nothing when an owner newer
/// than `epoch` was here already. Call it under [`lock`].
///
/// # Errors
/// When the database refuses or is away.
pub async fn take_over(
    conn: &mut PgConnection,
    consumer: &str,
    generation: i32,
    epoch: i64,
) -> Result<Option<Checkpoint>, sqlx::Error> {
    let found = newest(&mut *conn, consumer, generation).await?;
    let position = match found {
        Some(checkpoint) if checkpoint.epoch > epoch => return Ok(None),
        Some(checkpoint) if checkpoint.epoch == epoch => return Ok(Some(checkpoint)),
        Some(checkpoint) => checkpoint.position,
        None => Position(0),
    };
    sqlx::query(
        "insert into projection_checkpoints (projector, generation, epoch, position, leaf_hash) \
         values ($1, $2, $3, $4, (select c.leaf_hash from projection_checkpoints c \
                                  where c.projector = $1 and c.generation = $2 and c.epoch = $5 and c.position = $4))",
    )
    .bind(consumer)
    .bind(generation)
    .bind(epoch)
    .bind(position.0)
    .bind(found.map(|checkpoint| checkpoint.epoch))
    .execute(conn)
    .await?;
    Ok(Some(Checkpoint { generation, epoch, position }))
}

/// Whether the log is the one that a consumer has followed. It is not when it was restored to an older point, whether or not it
/// has grown past the checkpoint since: the events in between are others.
///
/// # Errors
/// When the database refuses or is away.
pub async fn has_followed_this_log(
    conn: &mut PgConnection,
    consumer: &str,
    checkpoint: &Checkpoint,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select not exists (select from projection_checkpoints c left join events e on e.position = c.position \
                            where c.projector = $1 and c.generation = $2 and c.epoch = $3 and c.position = $4 \
                            and c.leaf_hash is not null and c.leaf_hash is distinct from e.leaf_hash)",
    )
    .bind(consumer)
    .bind(checkpoint.generation)
    .bind(checkpoint.epoch)
    .bind(checkpoint.position.0)
    .fetch_one(conn)
    .await
}

/// Writes the next checkpoint if `from` is still the newest one and its generation is live. `false` says that somebody else
/// wrote, or that other rows took the place of these: roll back. Call
/// it under [`lock`], in the transaction of the work.
///
/// # Errors
/// When the database refuses or is away.
pub async fn advance(
    conn: &mut PgConnection,
    consumer: &str,
    from: &Checkpoint,
    to: Position,
) -> Result<bool, sqlx::Error> {
    advance_without(conn, consumer, from, to, &BTreeSet::new()).await
}

/// As [`advance`], by a consumer that left out the events at `skipped`: it may not have digested one that is to be left out.
///
/// # Errors
/// When the database refuses or is away.
pub async fn advance_without(
    conn: &mut PgConnection,
    consumer: &str,
    from: &Checkpoint,
    to: Position,
    skipped: &BTreeSet<Position>,
) -> Result<bool, sqlx::Error> {
    let written = sqlx::query(include_str!("consumer/advance.sql"))
        .bind(consumer)
        .bind(from.generation)
        .bind(from.epoch)
        .bind(from.position.0)
        .bind(to.0)
        .bind(skipped.iter().map(|position| position.0).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(written.rows_affected() == 1)
}

/// The events that a consumer leaves out for good, live and in each rebuild, behind a position.
///
/// # Errors
/// When the database refuses or is away.
pub async fn skipped(
    conn: &mut PgConnection,
    consumer: &str,
    after: Position,
) -> Result<BTreeSet<Position>, sqlx::Error> {
    let positions: Vec<i64> =
        sqlx::query_scalar("select position from projection_skips_in_force where projector = $1 and position > $2")
            .bind(consumer)
            .bind(after.0)
            .fetch_all(conn)
            .await?;
    Ok(positions.into_iter().map(Position).collect())
}

/// Writes the next checkpoint of a generation that is still being made, where nobody else writes.
///
/// # Errors
/// When the database refuses or is away.
pub async fn note(conn: &mut PgConnection, consumer: &str, from: &Checkpoint, to: Position) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into projection_checkpoints (projector, generation, epoch, position, leaf_hash) \
         values ($1, $2, $3, $4, (select e.leaf_hash from events e where e.position = $4))",
    )
    .bind(consumer)
    .bind(from.generation)
    .bind(from.epoch)
    .bind(to.0)
    .execute(&mut *conn)
    .await?;
    prune(conn, consumer, &Checkpoint { position: to, ..*from }).await?;
    Ok(())
}

/// Removes the checkpoints that a newer one has replaced.
///
/// # Errors
/// When the database refuses or is away.
pub async fn prune(conn: &mut PgConnection, consumer: &str, newest: &Checkpoint) -> Result<u64, sqlx::Error> {
    let pruned = sqlx::query(
        "delete from projection_checkpoints \
         where projector = $1 and generation = $2 and (epoch, position) < ($3, $4)",
    )
    .bind(consumer)
    .bind(newest.generation)
    .bind(newest.epoch)
    .bind(newest.position.0)
    .execute(conn)
    .await?;
    Ok(pruned.rows_affected())
}

/// Renews the leases that `owner` holds and takes those that are free. Answers with all that it holds now, and their
/// epochs.
///
/// # Errors
/// When the database refuses or is away.
pub async fn hold_leases(
    pool: &PgPool,
    owner: Uuid,
    consumers: &[&str],
    ttl: Duration,
) -> Result<HashMap<String, i64>, sqlx::Error> {
    let rows = sqlx::query(include_str!("consumer/hold_leases.sql"))
        .bind(consumers)
        .bind(owner)
        .bind(ttl.as_secs_f64())
        .fetch_all(pool)
        .await?;
    rows.iter().map(|row| Ok((row.try_get("consumer")?, row.try_get("epoch")?))).collect()
}

/// Gives back what `owner` holds, so that another node need not wait for the leases to run out.
///
/// # Errors
/// When the database refuses or is away.
pub async fn release_leases(pool: &PgPool, owner: Uuid, consumers: &[&str]) -> Result<(), sqlx::Error> {
    sqlx::query("update leases set expires_at = '-infinity' where owner = $1 and consumer = any($2)")
        .bind(owner)
        .bind(consumers)
        .execute(pool)
        .await?;
    Ok(())
}

/// The leases of one node: taken when free, renewed while it lives, given back when it stops.
#[derive(Debug)]
pub struct Leases {
    pool: PgPool,
    owner: Uuid,
    held: HashMap<&'static str, watch::Receiver<Option<i64>>>,
    left: Arc<Left>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// The consumers that this node leaves to others.
#[derive(Debug, Default)]
struct Left {
    names: Mutex<HashSet<&'static str>>,
    changed: Notify,
}

/// With it a consumer says whether its node is to run it: who cannot get on, another build perhaps, leaves it to others.
#[derive(Debug, Clone)]
pub struct Candidacy {
    consumer: &'static str,
    left: Arc<Left>,
}

impl Candidacy {
    /// Gives the lease back, if it is held, and asks for it no more.
    pub fn withdraw(&self) {
        self.set(true);
    }

    /// Asks for the lease, as at the beginning.
    pub fn stand(&self) {
        self.set(false);
    }

    fn set(&self, is_left: bool) {
        let mut names = self.left.names.lock().unwrap_or_else(PoisonError::into_inner);
        let is_changed = if is_left { names.insert(self.consumer) } else { names.remove(self.consumer) };
        if is_changed {
            self.left.changed.notify_one();
        }
    }
}

impl Leases {
    /// Starts to take and renew. `owner` names this run of this node: a node that starts again is another owner.
    #[must_use]
    pub fn keep(pool: PgPool, owner: Uuid, consumers: &[&'static str]) -> Self {
        let (senders, held): (HashMap<_, _>, HashMap<_, _>) = consumers
            .iter()
            .map(|consumer| {
                let (sender, receiver) = watch::channel(None);
                ((*consumer, sender), (*consumer, receiver))
            })
            .unzip();
        let stop = CancellationToken::new();
        let left = Arc::new(Left::default());
        let task = tokio::spawn(renew(pool.clone(), owner, senders, Arc::clone(&left), stop.clone()));
        Self { pool, owner, held, left, stop, task }
    }

    /// Follows whether this node holds the lease of a consumer: its epoch while it does.
    #[must_use]
    pub fn of(&self, consumer: &str) -> Option<watch::Receiver<Option<i64>>> {
        self.held.get(consumer).cloned()
    }

    /// What lets a consumer leave its lease to others.
    #[must_use]
    pub fn candidacy(&self, consumer: &'static str) -> Candidacy {
        Candidacy { consumer, left: Arc::clone(&self.left) }
    }

    /// Stops renewing and gives all back. Call it when the consumers have stopped.
    pub async fn release(mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.task).await {
            tracing::warn!(%error, "the task that renews leases had died");
        }
        let consumers: Vec<&str> = self.held.keys().copied().collect();
        give_back(&self.pool, self.owner, &consumers).await;
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn renew(
    pool: PgPool,
    owner: Uuid,
    held: HashMap<&'static str, watch::Sender<Option<i64>>>,
    left: Arc<Left>,
    stop: CancellationToken,
) {
    let mut renewed_at = Instant::now();
    while !stop.is_cancelled() {
        let asked_at = Instant::now();
        let (left_to_others, consumers) = left.part(&held);
        give_back(&pool, owner, &left_to_others).await;
        let answer = tokio::time::timeout(LEASE_RENEWAL, hold_leases(&pool, owner, &consumers, LEASE_TTL)).await;
        match answer {
            Ok(Ok(mine)) => {
                renewed_at = asked_at;
                tell(&held, &mine);
            }
            Ok(Err(error)) => tracing::warn!(%error, "leases could not be renewed"),
            Err(_elapsed) => tracing::warn!("leases could not be renewed in time"),
        }
        if renewed_at.elapsed() >= LEASE_TTL {
            tell(&held, &HashMap::new());
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = left.changed.notified() => {}
            () = tokio::time::sleep(LEASE_RENEWAL) => {}
        }
    }
}

async fn give_back(pool: &PgPool, owner: Uuid, consumers: &[&str]) {
    if consumers.is_empty() {
        return;
    }
    let given_back = tokio::time::timeout(LEASE_RENEWAL, release_leases(pool, owner, consumers)).await;
    if !matches!(given_back, Ok(Ok(()))) {
        tracing::warn!("leases could not be given back; they run out by themselves");
    }
}

impl Left {
    /// Those that are held and left to others, and those that are wanted.
    fn part(&self, held: &HashMap<&'static str, watch::Sender<Option<i64>>>) -> (Vec<&'static str>, Vec<&'static str>) {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut left, wanted): (Vec<_>, Vec<_>) = held.keys().partition(|name| names.contains(**name));
        left.retain(|name| held[*name].borrow().is_some());
        (left, wanted)
    }
}

fn tell(held: &HashMap<&'static str, watch::Sender<Option<i64>>>, mine: &HashMap<String, i64>) {
    for (consumer, sender) in held {
        let epoch = mine.get(*consumer).copied();
        sender.send_if_modified(|known| std::mem::replace(known, epoch) != epoch);
    }
}

/// Growing pauses between attempts.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempts: u32,
}

impl Backoff {
    /// Pauses that begin at `first` and double up to `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, attempts: 0 }
    }

    /// How many pauses there were since the last success.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let factor = 2_u32.saturating_pow(self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// After a success: the next pause is the first one again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

/// Whether a failure of the database says nothing about the work itself, so that the same work may succeed later.
#[must_use]
pub fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            // Connection, resources, operator, lock, rollback, read-only server.
            ["08", "53", "57", "55", "40", "25", "58"].iter().any(|class| code.starts_with(class))
        }
        sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::TypeNotFound { .. } => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_the_longest_and_begin_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(500));
        let pauses: Vec<u128> = (0..5).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 500, 500]);
        backoff.reset();
        assert_eq!(backoff.pause(), Duration::from_millis(100));
    }

    #[test]
    fn a_pause_never_overflows() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        for _ in 0..100 {
            backoff.pause();
        }
        assert_eq!(backoff.pause(), Duration::from_secs(30));
    }
}
