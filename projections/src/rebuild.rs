//! Rebuild and check: a read model made again from the log beside the live one, compared with it, and put in its place.
//!
//! 1. *Make* the next generation's tables, bare; or go on with one that was interrupted.
//! 2. *Replay* the log into them ([`replay`]), then complete them: indexes, walls, statistics.
//! 3. *Compare* with the live tables at the same position ([`compare`]): the live projector is held for as long as the last
//!    events take, both sides are frozen in one snapshot, and compared at leisure.
//! 4. *Swap*: hold again, bring the last events in, turn the views. Whoever reads sees the old rows or the new ones.
//!
//! Only rows are made: nothing here sends a command or a message. The live tables are never written.

mod compare;
mod replay;

pub use compare::{ColumnDifference, Example, TableDifference};

use crate::generations::{self, Generation};
use crate::node::Projector;
use crate::read_model::ReadModel;
use compare::compare;
use replay::{Replay, Tables};
use serde::Serialize;
use sqlx::{Connection, Executor, PgConnection, Row};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::consumer::{self, Checkpoint};
use store::postgres::{Database, Role};
use store::{EventStore, Position, StoreError};

/// With so many events to go or fewer, the live projector is held for them.
const HELD_EVENTS_MAX: i64 = 2_000;
/// How often the live projector may run away from the replay.
const CHASES_MAX: u32 = 1_000;
/// How often the views are tried to be turned while long statements read them.
const SWAPS_MAX: u32 = 600;
const SWAP_RETRY: Duration = Duration::from_millis(100);
/// Statements that were planned on the old tables may still run for so long.
const GRACE: Duration = Duration::from_secs(2);

/// Why a rebuild did not come to its end. The live tables are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Another one is under way.
    #[error("a rebuild or check of {0} is under way already")]
    UnderWay(&'static str),
    /// There are no live tables yet.
    #[error("there are no tables yet: run `clientela migrate`")]
    NotPrepared,
    /// An event that the fold cannot take.
    #[error(
        "the event at position {position} cannot be applied: {reason}; go back to the version of the program that could, or \
         skip the event if the live projection has failed there too"
    )]
    Poison {
        /// Where it is.
        position: Position,
        /// Why; no personal data.
        reason: String,
    },
    /// A program of an older version would make older rows.
    #[error("a newer version of the program made its rows: use that one")]
    Newer,
    /// The live projector was always faster, or the views were never free.
    #[error("{0}: try again when there is less to do")]
    TooBusy(&'static str),
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Log(#[from] StoreError),
    /// The database refuses or is away.
    #[error("the database refuses or is away")]
    Database(#[from] sqlx::Error),
}

/// What is to be done when the replay is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Put it in the place of the live one.
    Swap,
    /// Keep it beside the live one: the next rebuild goes on with it.
    Keep,
    /// Only compare, and leave nothing behind.
    Check,
    /// Put it in the place of the live one, and leave nothing of other generations: they may hold persons who were erased. What was
    /// kept before may, too, so it begins anew. Not compared: that is what a check is for.
    Scrub,
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The replay stands here.
    pub position: Position,
    /// And goes to here.
    pub end: Position,
    /// Events applied so far, in this run.
    pub events: u64,
}

/// Told how far it is, again and again.
pub type Tell = dyn Fn(Progress) + Send + Sync;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rebuilt {
    /// Name of the projector.
    pub projector: &'static str,
    /// Number of the generation that was made.
    pub generation: i32,
    /// Where an earlier, interrupted run had come; 0 when there was none.
    pub resumed_from: Position,
    /// The position at which live and replayed rows were compared.
    pub position: Position,
    /// Events applied in this run.
    pub events: u64,
    /// Time of the replay, in seconds.
    pub replay_seconds: f64,
    /// Positions of events that were left out, because an operator let the projector skip them.
    pub skipped: Vec<Position>,
    /// What differs, by table.
    pub differences: Vec<TableDifference>,
    /// Whether the new rows are live now.
    pub swapped: bool,
    /// For how long the live projector was held for the swap, in milliseconds.
    pub swap_ms: Option<f64>,
}

impl Rebuilt {
    /// Whether the live rows are exactly what the events say.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.differences.iter().all(|difference| !difference.is_some())
    }
}

/// What a rebuild works with.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) database: Database,
    pub(crate) store: Arc<dyn EventStore>,
}

/// Makes a read model again, compares, and does with it what it is for.
pub(crate) async fn rebuild<M: ReadModel>(
    site: Site,
    purpose: Purpose,
    tell: Arc<Tell>,
) -> Result<Rebuilt, RebuildError> {
    let mut work = Work::<M>::begin(site, purpose).await?;
    let resumed_from = work.replay.checkpoint.position;
    let was_kept = work.replay.tables == Tables::Ready;
    let begun = Instant::now();
    let end = work.live_position().await?;
    work.replay_to(end, &tell).await?;
    work.complete().await?;
    let replay_seconds = begun.elapsed().as_secs_f64();
    let (position, differences) = match purpose {
        Purpose::Scrub => (work.replay.checkpoint.position, Vec::new()),
        Purpose::Swap | Purpose::Keep | Purpose::Check => work.compare(&tell).await?,
    };
    let swap_ms = match purpose {
        Purpose::Swap | Purpose::Scrub => Some(work.swap(&tell).await?),
        Purpose::Keep | Purpose::Check => None,
    };
    let rebuilt = Rebuilt {
        projector: M::NAME,
        generation: work.generation.number,
        resumed_from,
        position,
        events: work.replay.events,
        replay_seconds,
        skipped: work.replay.skipped.iter().copied().filter(|skipped| *skipped <= position).collect(),
        differences,
        swapped: swap_ms.is_some(),
        swap_ms,
    };
    work.clear_up(purpose, was_kept).await?;
    Ok(rebuilt)
}

/// A rebuild under way.
struct Work<M: ReadModel> {
    projector: Projector,
    database: Database,
    /// Writes the new generation, and holds the lock that keeps other rebuilds out.
    conn: PgConnection,
    live: Generation,
    generation: Generation,
    replay: Replay<M>,
}

impl<M: ReadModel> Work<M> {
    async fn begin(site: Site, purpose: Purpose) -> Result<Self, RebuildError> {
        let mut conn = connect(&site.database).await?;
        let alone: bool =
            sqlx::query_scalar("select pg_try_advisory_lock(hashtext('clientela.rebuild'), hashtext($1))")
                .bind(M::NAME)
                .fetch_one(&mut conn)
                .await?;
        if !alone {
            return Err(RebuildError::UnderWay(M::NAME));
        }
        let projector = Projector::of::<M>();
        let (live, version) = generations::live(&mut conn, M::NAME).await?.ok_or(RebuildError::NotPrepared)?;
        if purpose == Purpose::Scrub {
            if version > projector.version {
                return Err(RebuildError::Newer);
            }
            discard_all_but_live(&mut conn, M::NAME).await?;
        }
        let head = site.store.head().await?;
        let (generation, is_ready) = match unfinished(&mut conn, &projector, head).await? {
            Some(found) => found,
            None => {
                let fresh = Generation::of(M::NAME, generations::next_number(&mut conn, M::NAME).await?);
                fresh.make(&mut conn, &projector).await?;
                (fresh, false)
            }
        };
        let nothing = Checkpoint { generation: generation.number, epoch: 0, position: Position(0) };
        let checkpoint = consumer::newest(&mut conn, M::NAME, generation.number).await?.unwrap_or(nothing);
        let skipped = consumer::skipped(&mut conn, M::NAME, Position(0)).await?;
        let replay = Replay::new(site.store, (generation.clone(), is_ready), checkpoint, skipped);
        let live = Generation::of(M::NAME, live);
        Ok(Self { projector, database: site.database, conn, live, generation, replay })
    }

    async fn live_position(&mut self) -> Result<Position, RebuildError> {
        live_position(&mut self.conn, M::NAME, &self.live, self.replay.head().await?).await
    }

    async fn replay_to(&mut self, end: Position, tell: &Arc<Tell>) -> Result<(), RebuildError> {
        let told = |position, events| tell(Progress { position, end, events });
        self.replay.to(&mut self.conn, end, &told).await
    }

    async fn complete(&mut self) -> Result<(), RebuildError> {
        if self.replay.tables != Tables::Ready {
            self.generation.complete(&mut self.conn, &self.projector).await?;
            self.replay.tables = Tables::Ready;
        }
        Ok(())
    }

    /// Both sides at the same position, frozen in one snapshot, then compared while life goes on.
    async fn compare(&mut self, tell: &Arc<Tell>) -> Result<(Position, Vec<TableDifference>), RebuildError> {
        let hold = self.meet(tell).await?;
        let mut frozen = connect(&self.database).await?;
        frozen.execute("begin isolation level repeatable read read only; select 1").await?;
        hold.end().await?;
        let sides = (&self.live, &self.generation);
        let differences = compare(&mut frozen, &self.projector, sides).await?;
        frozen.close().await?;
        Ok((self.replay.checkpoint.position, differences))
    }

    /// Turns the views; says for how long the live projector was held.
    async fn swap(&mut self, tell: &Arc<Tell>) -> Result<f64, RebuildError> {
        for _ in 0..SWAPS_MAX {
            let mut hold = self.meet(tell).await?;
            let turned = async {
                // Readers queue behind a lock that is waited for: better to come back than to make them wait.
                hold.conn.execute("set local lock_timeout = '50ms'").await?;
                self.generation.go_live(&mut hold.conn, &self.projector).await
            };
            match turned.await {
                Ok(()) => return Ok(hold.commit().await?.as_secs_f64() * 1e3),
                Err(error) if is_lock_timeout(&error) => {
                    hold.end().await?;
                    tokio::time::sleep(SWAP_RETRY).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(RebuildError::TooBusy("the tables are read without a pause"))
    }

    /// Holds the live projector when the replay is nearly there, and brings it exactly there.
    async fn meet(&mut self, tell: &Arc<Tell>) -> Result<Hold, RebuildError> {
        for _ in 0..CHASES_MAX {
            let near = self.live_position().await?;
            self.replay_to(near, tell).await?;
            let mut hold = Hold::begin(&self.database, M::NAME).await?;
            if consumer::skipped(&mut hold.conn, M::NAME, Position(0)).await? != *self.replay.skipped {
                hold.end().await?;
                remove(&mut self.conn, &self.generation).await;
                return Err(RebuildError::TooBusy("an event was skipped meanwhile"));
            }
            let end = live_position(&mut hold.conn, M::NAME, &self.live, self.replay.head().await?).await?;
            if end.0 - self.replay.checkpoint.position.0 <= HELD_EVENTS_MAX {
                self.replay_to(end, tell).await?;
                return Ok(hold);
            }
            hold.end().await?;
        }
        Err(RebuildError::TooBusy("more happens than can be replayed"))
    }

    /// Leaves behind what the purpose asks for, and what was kept before.
    async fn clear_up(mut self, purpose: Purpose, was_kept: bool) -> Result<(), RebuildError> {
        let done_with = match purpose {
            Purpose::Scrub => {
                tokio::time::sleep(SWAP_RETRY).await;
                discard_all_but_live(&mut self.conn, M::NAME).await?;
                None
            }
            Purpose::Swap => {
                tokio::time::sleep(GRACE).await;
                Some(&self.live)
            }
            Purpose::Check if !was_kept => Some(&self.generation),
            Purpose::Check | Purpose::Keep => None,
        };
        if let Some(generation) = done_with {
            remove(&mut self.conn, generation).await;
        }
        // The end of the session would do it a moment later, when somebody may already ask for the next one.
        self.conn.execute("select pg_advisory_unlock_all()").await?;
        self.conn.close().await?;
        Ok(())
    }
}

/// The live projector, kept from committing.
struct Hold {
    conn: PgConnection,
    since: Instant,
}

impl Hold {
    async fn begin(database: &Database, projector: &str) -> Result<Self, sqlx::Error> {
        let mut conn = connect(database).await?;
        conn.execute("begin").await?;
        consumer::lock(&mut conn, projector).await?;
        // A process that is stopped meanwhile must not hold the projector for long.
        conn.execute("set local synchronous_commit = on; set local idle_in_transaction_session_timeout = '5s'").await?;
        Ok(Self { conn, since: Instant::now() })
    }

    /// Lets go without having changed anything. Should the database have ended the hold before, this fails: what was done meanwhile was
    /// not done alone.
    async fn end(mut self) -> Result<(), RebuildError> {
        let ended = self.conn.execute("rollback").await;
        ended.map_err(|_| {
            RebuildError::TooBusy("the live projector could not be held for as long as the last events took")
        })?;
        Ok(self.conn.close().await?)
    }

    async fn commit(mut self) -> Result<Duration, sqlx::Error> {
        self.conn.execute("commit").await?;
        let held = self.since.elapsed();
        self.conn.close().await?;
        Ok(held)
    }
}

async fn connect(database: &Database) -> Result<PgConnection, sqlx::Error> {
    let options = database.options(Role::Rebuild).options([("idle_in_transaction_session_timeout", "10min")]);
    PgConnection::connect_with(&options).await
}

/// Where the live rows stand; where the log ends, should they be rows of a log that went on: it was restored to an older point.
async fn live_position(
    conn: &mut PgConnection,
    projector: &str,
    live: &Generation,
    head: Position,
) -> Result<Position, RebuildError> {
    let newest = consumer::newest(conn, projector, live.number).await?;
    Ok(newest.map_or(Position(0), |checkpoint| checkpoint.position.min(head)))
}

/// The generation that an interrupted rebuild of this version left, and whether it is ready; what others left is removed, and
/// so is what may hold an event that was skipped since, or that the log has not got any more.
async fn unfinished(
    conn: &mut PgConnection,
    projector: &Projector,
    head: Position,
) -> Result<Option<(Generation, bool)>, sqlx::Error> {
    let rows = sqlx::query(
        "select generation, ready_at is not null as ready, version = $2 and retired_at is null \
         and not exists (select from projection_skips_in_force s where s.projector = $1 and s.skipped_at > created_at) \
         and not exists (select from projection_checkpoints c left join events e on e.position = c.position \
                         where c.projector = $1 and c.generation = g.generation \
                         and (c.position > $3 or c.leaf_hash is distinct from e.leaf_hash)) as usable \
         from projection_generations g where projector = $1 and not live order by generation",
    )
    .bind(projector.name)
    .bind(projector.version)
    .bind(head.0)
    .fetch_all(&mut *conn)
    .await?;
    let mut found = None;
    for row in rows {
        let generation = Generation::of(projector.name, row.try_get("generation")?);
        match row.try_get("usable")? {
            true if found.is_none() => found = Some((generation, row.try_get("ready")?)),
            _ => remove(conn, &generation).await,
        }
    }
    Ok(found)
}

/// Removes all generations that are not live, as soon as nobody reads them any more.
async fn discard_all_but_live(conn: &mut PgConnection, projector: &'static str) -> Result<(), RebuildError> {
    let numbers: Vec<i32> = sqlx::query_scalar(
        "select generation from projection_generations where projector = $1 and not live order by generation",
    )
    .bind(projector)
    .fetch_all(&mut *conn)
    .await?;
    for number in numbers {
        let mut attempts = 0..SWAPS_MAX;
        loop {
            match Generation::of(projector, number).discard(conn).await {
                Ok(()) => break,
                Err(error) if is_lock_timeout(&error) && attempts.next().is_some() => {
                    tokio::time::sleep(SWAP_RETRY).await;
                }
                Err(error) if is_lock_timeout(&error) => {
                    return Err(RebuildError::TooBusy("tables of former generations are read without a pause"));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Removes what nobody needs any more. Somebody may still read it: then the next rebuild tries again.
async fn remove(conn: &mut PgConnection, generation: &Generation) {
    if let Err(error) = generation.discard(conn).await {
        tracing::warn!(schema = generation.schema(), %error, "old tables could not be removed; the next rebuild tries again");
    }
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("55P03"))
}
