//! The replay: all events from a checkpoint on, folded by the same functions as live, with rows kept in memory and written in
//! large steps together with the checkpoint. Killed at any moment, it goes on from the last step.

use crate::batch;
use crate::generations::Generation;
use crate::read_model::{Change, ChangeOf, ReadModel, Recorded, Rows};
use crate::rebuild::RebuildError;
use futures::StreamExt;
use sqlx::{Connection, PgConnection};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::consumer::{self, Checkpoint};
use store::{EventStore, Position, Scan, ScannedEvent, StoreError, TypePattern};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Chunks that may wait for the fold.
const CHUNKS_AHEAD: usize = 8;
/// Rows kept in memory; with more, all are written and forgotten.
const ROWS_MAX: usize = 500_000;
/// The same where rows are forgotten anyway once they are written.
const APPENDED_ROWS_MAX: usize = 20_000;
/// Rows in one statement.
const WRITE_ROWS: usize = 5_000;
/// At most so long between two checkpoints.
const STEP: Duration = Duration::from_secs(10);

/// A replay into the tables of one generation.
pub(super) struct Replay<M: ReadModel> {
    store: Arc<dyn EventStore>,
    generation: Generation,
    pub(super) checkpoint: Checkpoint,
    /// What the live projector leaves out, and so does this.
    pub(super) skipped: Arc<BTreeSet<Position>>,
    rows: Rows<M>,
    /// Rows that are not yet written as they are, and as what they are known to the tables.
    changed: HashMap<M::Key, Option<M::Row>>,
    /// Whether every row of the tables is in memory: a key that is not, has none.
    knows_all: bool,
    pub(super) events: u64,
}

impl<M: ReadModel> Replay<M> {
    const ROWS_MAX: usize = if M::APPEND_ONLY { APPENDED_ROWS_MAX } else { ROWS_MAX };

    pub(super) fn new(
        store: Arc<dyn EventStore>,
        generation: Generation,
        checkpoint: Checkpoint,
        skipped: BTreeSet<Position>,
    ) -> Self {
        let (knows_all, skipped) = (checkpoint.position == Position(0), Arc::new(skipped));
        let (rows, changed) = (Rows::<M>::new(), HashMap::new());
        Self { store, generation, checkpoint, skipped, rows, changed, knows_all, events: 0 }
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
        let mut chunks = decoded::<M>(Arc::clone(&self.store), self.checkpoint.position, end, &self.skipped);
        let mut written_at = Instant::now();
        while let Some(decoding) = chunks.recv().await {
            let chunk = decoding.await.unwrap_or_else(|died| std::panic::resume_unwind(died.into_panic()))?;
            let Some(last) = chunk.last().map(|recorded| recorded.position) else { continue };
            self.fold(conn, &chunk).await?;
            self.events += chunk.len() as u64;
            tell(last, self.events);
            if self.rows.len() > Self::ROWS_MAX || written_at.elapsed() > STEP {
                self.write(conn, last).await?;
                written_at = Instant::now();
            }
        }
        self.write(conn, end).await?;
        tell(end, self.events);
        Ok(())
    }

    async fn fold(&mut self, conn: &mut PgConnection, chunk: &[Recorded]) -> Result<(), RebuildError> {
        if !self.knows_all && !M::APPEND_ONLY {
            self.load_missing(conn, chunk).await?;
        }
        let mut at = 0;
        let (rows, changed) = (&mut self.rows, &mut self.changed);
        let folding = || {
            for (index, recorded) in chunk.iter().enumerate() {
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
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(folding))
            .map_err(|_panic| RebuildError::Poison { position: chunk[at].position, reason: "the fold panicked".into() })
    }

    async fn load_missing(&mut self, conn: &mut PgConnection, chunk: &[Recorded]) -> Result<(), RebuildError> {
        let wanted: HashSet<M::Key> = chunk
            .iter()
            .flat_map(|recorded| M::keys(recorded))
            .filter(|key| !self.rows.contains_key(key) && !self.changed.contains_key(key))
            .collect();
        let wanted: Vec<M::Key> = wanted.into_iter().collect();
        let mut tx = conn.begin().await?;
        self.generation.enter(&mut tx).await?;
        for some in wanted.chunks(WRITE_ROWS) {
            self.rows.extend(M::load(&mut tx, some).await?);
        }
        tx.commit().await?;
        Ok(())
    }

    /// Rows and checkpoint in one transaction.
    async fn write(&mut self, conn: &mut PgConnection, to: Position) -> Result<(), RebuildError> {
        let (rows, changed) = (&self.rows, std::mem::take(&mut self.changed));
        let mut changes: Vec<ChangeOf<M>> = changed
            .into_iter()
            .map(|(key, before)| Change { after: rows.get(&key).cloned(), key, before })
            .filter(|change| change.before != change.after)
            .collect();
        changes.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        let mut tx = conn.begin().await?;
        self.generation.enter(&mut tx).await?;
        for some in changes.chunks(WRITE_ROWS) {
            M::write(&mut tx, some).await?;
        }
        if to > self.checkpoint.position {
            consumer::note(&mut tx, M::NAME, &self.checkpoint, to).await?;
        }
        tx.commit().await?;
        self.checkpoint.position = self.checkpoint.position.max(to);
        if M::APPEND_ONLY || self.rows.len() > Self::ROWS_MAX {
            self.rows.clear();
            self.knows_all = false;
        }
        Ok(())
    }
}

/// A chunk on its way from the log to the fold.
type Decoding = JoinHandle<Result<Vec<Recorded>, RebuildError>>;

/// Reads on a task of its own, some chunks ahead of the fold, and decodes each chunk on another while the next one is read.
fn decoded<M: ReadModel>(
    store: Arc<dyn EventStore>,
    after: Position,
    through: Position,
    skipped: &Arc<BTreeSet<Position>>,
) -> mpsc::Receiver<Decoding> {
    let (chunks, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let skipped = Arc::clone(skipped);
    tokio::spawn(async move {
        let types = M::HANDLES.iter().map(|name| TypePattern::parse(name)).collect();
        let scan = Scan { after, through, types, reveal: M::REVEALS, metadata: M::TELLS_OCCASION };
        let mut pages = store.scan(scan);
        while let Some(page) = pages.next().await {
            let skipped = Arc::clone(&skipped);
            let decoding = tokio::spawn(async move { decode::<M>(page?.await?, &skipped) });
            // Who asked may have gone.
            if chunks.send(decoding).await.is_err() {
                return;
            }
        }
    });
    receiver
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
