//! The replay: all events from a checkpoint on, folded by the same functions as live, with rows kept in memory and written in
//! large steps, each together with its checkpoint. Killed at any moment, it goes on from the last step.
//!
//! Rows that the tables have not got go in by COPY, into tables without keys as long as no row is looked for there; the first step
//! writes them frozen, so that no vacuum has to come back for them.

use crate::batch;
use crate::generations::Generation;
use crate::node::Projector;
use crate::read_model::{Change, ChangeOf, ReadModel, Recorded, Rows};
use crate::rebuild::RebuildError;
use crate::tables::Writer;
use futures::StreamExt;
use sqlx::{Connection, PgConnection};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::consumer::{self, Checkpoint};
use store::{EventStore, Position, Scan, ScannedEvent, StoreError, TypePattern};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Stretches that may wait for the fold.
const STRETCHES_AHEAD: usize = 8;
/// Rows kept in memory; with more, all are written and forgotten.
const ROWS_MAX: usize = 500_000;
/// Rows in one COPY.
const COPY_ROWS: usize = 20_000;
/// Rows in one statement that replaces rows.
const WRITE_ROWS: usize = 5_000;
/// At most so long between two checkpoints: each writes again what has changed since the last one.
const STEP: Duration = Duration::from_secs(10);
/// The same where nothing is written again.
const APPENDING_STEP: Duration = Duration::from_millis(250);

/// How far the tables of a generation are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tables {
    /// Made, and nothing in them.
    Empty,
    /// With rows, and without keys as far as is known.
    Bare,
    /// With keys: rows are found and replaced.
    Keyed,
    /// Complete, behind the walls between tenants.
    Ready,
}

/// A replay into the tables of one generation.
pub(super) struct Replay<M: ReadModel> {
    store: Arc<dyn EventStore>,
    generation: Generation,
    pub(super) tables: Tables,
    pub(super) checkpoint: Checkpoint,
    /// What the live projector leaves out, and so does this.
    pub(super) skipped: Arc<BTreeSet<Position>>,
    rows: Rows<M>,
    /// Rows that are not yet written as they are, and as what they are known to the tables.
    changed: HashMap<M::Key, Option<M::Row>>,
    /// Rows of events that make rows of their own, not yet written.
    appended: Vec<ChangeOf<M>>,
    /// Whether every row of the tables is in memory: a key that is not, has none.
    knows_all: bool,
    pub(super) events: u64,
}

impl<M: ReadModel> Replay<M> {
    const STEP: Duration = if M::APPEND_ONLY { APPENDING_STEP } else { STEP };

    pub(super) fn new(
        store: Arc<dyn EventStore>,
        (generation, is_ready): (Generation, bool),
        checkpoint: Checkpoint,
        skipped: BTreeSet<Position>,
    ) -> Self {
        let knows_all = checkpoint.position == Position(0);
        let tables = match (is_ready, knows_all) {
            (true, _) => Tables::Ready,
            (false, true) => Tables::Empty,
            (false, false) => Tables::Bare,
        };
        Self {
            store,
            generation,
            tables,
            checkpoint,
            skipped: Arc::new(skipped),
            rows: Rows::<M>::new(),
            changed: HashMap::new(),
            appended: Vec::new(),
            knows_all,
            events: 0,
        }
    }

    /// The end of the log.
    pub(super) async fn head(&self) -> Result<Position, StoreError> {
        self.store.head().await
    }

    /// Brings the tables from where they stand to a position.
    pub(super) async fn to(
        &mut self,
        conn: &mut PgConnection,
        end: Position,
        tell: &(dyn Fn(Position, u64) + Send + Sync),
    ) -> Result<(), RebuildError> {
        let mut stretches = stretches::<M>(Arc::clone(&self.store), self.checkpoint.position, end, &self.skipped);
        loop {
            let mut tx = conn.begin().await?;
            self.generation.enter(&mut tx).await?;
            if self.tables == Tables::Empty {
                self.generation.empty(&mut tx, &Projector::of::<M>()).await?;
            }
            let reached = self.step(&mut tx, &mut stretches, tell).await?;
            let to = reached.unwrap_or(end);
            self.write(&mut tx).await?;
            if to > self.checkpoint.position {
                consumer::note(&mut tx, M::NAME, &self.checkpoint, to).await?;
            }
            tx.commit().await?;
            self.written(to);
            if reached.is_none() {
                tell(end, self.events);
                return Ok(());
            }
        }
    }

    /// Takes in what one transaction shall hold; says where it ends, or none at the end of all.
    async fn step(
        &mut self,
        conn: &mut PgConnection,
        stretches: &mut Stretches<M>,
        tell: &(dyn Fn(Position, u64) + Send + Sync),
    ) -> Result<Option<Position>, RebuildError> {
        let (begun, mut reached) = (Instant::now(), self.checkpoint.position);
        while let Some(folding) = stretches.next().await {
            let stretch = folding.await.unwrap_or_else(|died| resume_unwind(died.into_panic()))?;
            // Of rare events most stretches have none: nobody is to wait behind an open transaction for the next one.
            let Some((last, events)) = stretch.extent else {
                if begun.elapsed() > Self::STEP {
                    return Ok(Some(reached));
                }
                continue;
            };
            reached = last;
            self.take_in(conn, stretch.folded).await?;
            self.events += events;
            tell(last, self.events);
            if self.appended.len() >= COPY_ROWS {
                self.write(conn).await?;
            }
            if self.rows.len() > ROWS_MAX || begun.elapsed() > Self::STEP {
                return Ok(Some(last));
            }
        }
        Ok(None)
    }

    async fn take_in(&mut self, conn: &mut PgConnection, folded: Folded<M>) -> Result<(), RebuildError> {
        match folded {
            Folded::Apart(changes) if M::APPEND_ONLY => self.appended.extend(changes),
            Folded::Apart(changes) => {
                self.load_missing(conn, changes.iter().map(|change| change.key.clone())).await?;
                changes.into_iter().for_each(|change| self.combine(change));
            }
            Folded::Not(events) => {
                self.load_missing(conn, events.iter().flat_map(|recorded| M::keys(recorded))).await?;
                self.fold(&events)?;
            }
        }
        Ok(())
    }

    fn combine(&mut self, Change { key, after, .. }: ChangeOf<M>) {
        let before = self.rows.remove(&key);
        self.changed.entry(key.clone()).or_insert_with(|| before.clone());
        let row = match (before, after, M::COMBINE) {
            (Some(before), Some(after), Some(combine)) => Some(combine(before, after)),
            (before, after, _) => after.or(before),
        };
        self.rows.extend(row.map(|row| (key, row)));
    }

    fn fold(&mut self, events: &[Recorded]) -> Result<(), RebuildError> {
        let mut at = 0;
        let (rows, changed) = (&mut self.rows, &mut self.changed);
        let folding = || {
            for (index, recorded) in events.iter().enumerate() {
                at = index;
                for key in M::keys(recorded) {
                    let before = rows.remove(&key);
                    changed.entry(key.clone()).or_insert_with(|| before.clone());
                    if let Some(after) = M::apply(&key, before, recorded) {
                        rows.insert(key, after);
                    }
                }
            }
        };
        catch_unwind(AssertUnwindSafe(folding)).map_err(|_panic| panicked_at(events[at].position))
    }

    async fn load_missing(
        &mut self,
        conn: &mut PgConnection,
        keys: impl Iterator<Item = M::Key> + Send,
    ) -> Result<(), RebuildError> {
        if self.knows_all {
            return Ok(());
        }
        let is_missing = |key: &M::Key| !self.rows.contains_key(key) && !self.changed.contains_key(key);
        let wanted: HashSet<M::Key> = keys.filter(is_missing).collect();
        let wanted: Vec<M::Key> = wanted.into_iter().collect();
        self.give_keys(conn).await?;
        for some in wanted.chunks(WRITE_ROWS) {
            self.rows.extend(M::load(conn, some).await?);
        }
        Ok(())
    }

    async fn give_keys(&mut self, conn: &mut PgConnection) -> Result<(), RebuildError> {
        if self.tables == Tables::Bare {
            self.generation.give_keys(conn, &Projector::of::<M>()).await?;
            self.tables = Tables::Keyed;
        }
        Ok(())
    }

    /// Writes what the tables have not got as it is.
    async fn write(&mut self, conn: &mut PgConnection) -> Result<(), RebuildError> {
        let mut changes = std::mem::take(&mut self.appended);
        let changed = std::mem::take(&mut self.changed).into_iter();
        changes.extend(changed.map(|(key, before)| Change { after: self.rows.get(&key).cloned(), key, before }));
        changes.retain(|change| change.before != change.after);
        // What is new comes first, and all in the order of the keys.
        changes.sort_unstable_by(|left, right| {
            left.before.is_some().cmp(&right.before.is_some()).then_with(|| left.key.cmp(&right.key))
        });
        let new = changes.partition_point(|change| change.before.is_none());
        let (new, known) = if self.tables == Tables::Ready { (&[][..], &changes[..]) } else { changes.split_at(new) };
        let freeze = self.tables == Tables::Empty;
        for some in new.chunks(COPY_ROWS) {
            M::write(&mut Writer::bulk(conn, freeze), some).await?;
        }
        if !known.is_empty() {
            self.give_keys(conn).await?;
        }
        for some in known.chunks(WRITE_ROWS) {
            M::write(&mut Writer::live(conn), some).await?;
        }
        Ok(())
    }

    /// A step is committed.
    fn written(&mut self, to: Position) {
        self.checkpoint.position = self.checkpoint.position.max(to);
        if self.tables == Tables::Empty {
            self.tables = Tables::Bare;
        }
        if self.rows.len() > ROWS_MAX {
            self.rows.clear();
            self.knows_all = false;
        }
    }
}

fn panicked_at(position: Position) -> RebuildError {
    RebuildError::Poison { position, reason: "the fold panicked".into() }
}

/// A stretch of the log.
struct Stretch<M: ReadModel> {
    /// Its last position, and how many events it has; none when it has no event.
    extent: Option<(Position, u64)>,
    folded: Folded<M>,
}

/// What was made of a stretch beside others.
enum Folded<M: ReadModel> {
    /// Its rows, as if nothing had been before.
    Apart(Vec<ChangeOf<M>>),
    /// Its events: their rows depend on what was before.
    Not(Vec<Recorded>),
}

/// A stretch on its way from the log to the rows.
type Folding<M> = JoinHandle<Result<Stretch<M>, RebuildError>>;

/// The stretches of a replay, in order.
struct Stretches<M: ReadModel> {
    ready: mpsc::Receiver<Folding<M>>,
    reader: JoinHandle<()>,
}

impl<M: ReadModel> Stretches<M> {
    /// The next one; none behind the last. A reader that panicked has not come to the end.
    async fn next(&mut self) -> Option<Folding<M>> {
        let next = self.ready.recv().await;
        if next.is_none()
            && let Err(died) = (&mut self.reader).await
        {
            resume_unwind(died.into_panic());
        }
        next
    }
}

/// Reads on a task of its own, some stretches ahead; decodes each, and folds it where that can be done apart, on another while the next
/// one is read.
fn stretches<M: ReadModel>(
    store: Arc<dyn EventStore>,
    after: Position,
    through: Position,
    skipped: &Arc<BTreeSet<Position>>,
) -> Stretches<M> {
    let (stretches, ready) = mpsc::channel(STRETCHES_AHEAD);
    let skipped = Arc::clone(skipped);
    let reader = tokio::spawn(async move {
        let types = M::HANDLES.iter().map(|name| TypePattern::parse(name)).collect();
        let scan = Scan { after, through, types, reveal: M::REVEALS, metadata: M::TELLS_OCCASION };
        let mut pages = store.scan(scan);
        while let Some(page) = pages.next().await {
            let skipped = Arc::clone(&skipped);
            let folding = tokio::spawn(async move { fold_apart::<M>(decode::<M>(page?.await?, &skipped)?) });
            // Who asked may have gone.
            if stretches.send(folding).await.is_err() {
                return;
            }
        }
    });
    Stretches { ready, reader }
}

fn fold_apart<M: ReadModel>(events: Vec<Recorded>) -> Result<Stretch<M>, RebuildError> {
    let extent = events.last().map(|last| (last.position, events.len() as u64));
    if M::COMBINE.is_none() && !M::APPEND_ONLY {
        return Ok(Stretch { extent, folded: Folded::Not(events) });
    }
    let changes = batch::fold::<M>(Rows::<M>::new(), &events);
    let changes = changes.map_err(|undigested| panicked_at(events[undigested.index].position))?;
    Ok(Stretch { extent, folded: Folded::Apart(changes) })
}

/// The events of a page, decoded, without those that are left out.
fn decode<M: ReadModel>(
    mut page: Vec<ScannedEvent>,
    skipped: &BTreeSet<Position>,
) -> Result<Vec<Recorded>, RebuildError> {
    if !skipped.is_empty() {
        page.retain(|event| !skipped.contains(&event.position));
    }
    batch::decode_scanned::<M>(&page).map_err(|(position, reason)| RebuildError::Poison { position, reason })
}
