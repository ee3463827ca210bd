//! Builds the tree behind the append: one node at a time, by lease, at its own pace. Nothing of it is on the write path.
//!
//! Tiles are written without waiting for the disk: what a crash takes is made again from the log. A tile that is there already with other
//! bytes is never overwritten: then somebody has changed the log or the tree, and nothing is signed any more.

use super::nodes::{leaves, read_tiles};
use super::status::TreeState;
use super::{Tree, misfit, signed, unsigned};
use crate::StoreError;
use crate::consumer::{Backoff, Leases};
use crate::merkle::{self, Frontier, FullTile, TILE_WIDTH, Tile};
use crate::postgres::database::unavailable;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The name of its lease.
const CONSUMER: &str = "tree";
/// Tiles of events that are read at a time.
const TILES_AT_A_TIME: u64 = 64;
/// Between two looks at a log that grows, so that many commits are gathered into one.
const GATHERING: Duration = Duration::from_millis(100);
/// How often is looked at what time alone changes.
const TICK: Duration = Duration::from_secs(1);
/// Who was refused looks again after so long: somebody may have put it right.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often heads are signed.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// At most one head in so long, besides those that are asked for.
    pub head_every: Duration,
}

impl Tree {
    /// Builds it from now on, whenever no other node does. `node` names this run of this node: another id at each start.
    pub fn start(&self, node: Uuid, pace: Pace) {
        let leases = Leases::keep(self.pool().clone(), node, &[CONSUMER]);
        let Some(held) = leases.of(CONSUMER) else { return };
        let builder = Builder { tree: self.clone(), held, stop: self.0.running.stop(), pace };
        self.0.running.begin(leases, vec![tokio::spawn(builder.run())]);
    }

    /// Ends what [`Self::start`] has begun, as a crash would.
    pub(in crate::postgres) fn abandon(&self) {
        self.0.running.stop().cancel();
    }

    /// Ends what [`Self::start`] has begun, and leaves it to other nodes.
    pub async fn stop(&self) {
        self.0.running.end().await;
    }
}

struct Builder {
    tree: Tree,
    held: watch::Receiver<Option<i64>>,
    stop: CancellationToken,
    pace: Pace,
}

impl Builder {
    async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        while self.granted().await {
            let mut lost = self.held.clone();
            let ended = tokio::select! {
                () = self.stop.cancelled() => return,
                _ = lost.wait_for(Option::is_none) => continue,
                ended = self.build(&mut backoff) => ended,
            };
            let pause = match ended {
                Ok(()) => LOOK_AGAIN,
                Err(error @ StoreError::Unavailable(_)) => {
                    self.tree.0.standing.retries(&error);
                    backoff.pause()
                }
                Err(error) => {
                    self.tree.0.standing.failed(&error);
                    self.tree.0.nodes.forget();
                    LOOK_AGAIN
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Waits for the lease; `false` when the node stops.
    async fn granted(&mut self) -> bool {
        loop {
            if self.held.borrow().is_none() {
                self.tree.0.standing.is(TreeState::Standby);
            }
            tokio::select! {
                () = self.stop.cancelled() => return false,
                held = self.held.wait_for(Option::is_some) => return held.is_ok(),
                // Whoever could not prove something here tries again.
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// Builds until something goes wrong here, or a proof that was asked for did not hold.
    async fn build(&self, backoff: &mut Backoff) -> Result<(), StoreError> {
        let mut frontier = self.tree.resume().await?;
        backoff.reset();
        self.tree.0.standing.is(TreeState::Building);
        let mut seen = self.tree.0.seen.clone();
        let mut tick = tokio::time::interval(TICK);
        loop {
            let head = unsigned(seen.borrow_and_update().0);
            self.go_on(&mut frontier, head).await?;
            tokio::time::sleep(GATHERING).await;
            tokio::select! {
                changed = seen.changed() => changed.map_err(|_| closing())?,
                _ = tick.tick() => {}
            }
            if self.tree.status().state == TreeState::Failed {
                return Ok(());
            }
        }
    }

    async fn go_on(&self, frontier: &mut Frontier, head: u64) -> Result<(), StoreError> {
        if head != 0 && head < frontier.size() {
            return Err(shortened(frontier.size(), head));
        }
        while head.saturating_sub(frontier.size()) >= TILE_WIDTH {
            let tiles = ((head - frontier.size()) / TILE_WIDTH).min(TILES_AT_A_TIME);
            self.tree.grow(frontier, tiles).await?;
        }
        let status = self.tree.status();
        let is_due = self.tree.0.standing.age().is_none_or(|age| age >= self.pace.head_every);
        if is_due && head > status.head.unwrap_or(0) {
            self.tree.sign_head().await?;
        }
        Ok(())
    }
}

impl Tree {
    /// The right edge of the stored tree, after a look whether it is that of this log.
    pub(super) async fn resume(&self) -> Result<Frontier, StoreError> {
        let counts = self.counts().await?;
        let size = counts.first().copied().unwrap_or(0) * TILE_WIDTH;
        let head = unsigned(self.0.reader.head().await?.0);
        if size > head {
            return Err(shortened(size, head));
        }
        self.last_tile_fits(size).await?;
        let newest = self.newest_head().await?;
        self.fits(newest.as_ref(), head).await?;
        if let Some(newest) = &newest {
            self.know(newest, self.age_of(newest).await?);
        }
        let mut levels = vec![Vec::new()];
        for (level, pair) in (0_u8..).zip(counts.windows(2)) {
            let edge: Vec<_> = (pair[1] * TILE_WIDTH..pair[0]).map(|index| Tile { level, index }).collect();
            levels.push(self.0.nodes.of_tiles(&edge).await?);
        }
        self.0.standing.built(size);
        Ok(Frontier::new(size, levels))
    }

    /// How many tiles are stored on each level, and none above the last.
    async fn counts(&self) -> Result<Vec<u64>, StoreError> {
        let rows: Vec<(i16, i64, i64)> =
            sqlx::query_as("select level, count(*), max(tile) from tree_tiles group by level order by level")
                .fetch_all(self.pool())
                .await
                .map_err(unavailable)?;
        let mut expected = rows.iter().find(|(level, ..)| *level == 0).map_or(0, |(_, count, _)| unsigned(*count));
        let mut counts = Vec::new();
        for level in 0_i16.. {
            let found = rows.iter().find(|(of, ..)| *of == level).map_or((0, -1), |(_, count, last)| (*count, *last));
            if (unsigned(found.0), found.1) != (expected, signed(expected) - 1) {
                let reason = format!("there should be {expected} tiles without a gap on this level");
                return Err(misfit("tree_tiles", "tile", format!("level {level}"), reason));
            }
            counts.push(expected);
            if expected == 0 {
                break;
            }
            expected /= TILE_WIDTH;
        }
        let extra = rows.iter().find(|(level, ..)| usize::try_from(*level).is_ok_and(|level| level >= counts.len()));
        match extra {
            Some((level, ..)) => Err(misfit("tree_tiles", "level", level, "there are no tiles below this level")),
            None => Ok(counts),
        }
    }

    /// Whether the newest tile holds what the log holds: a log that was restored and has grown again is another one.
    async fn last_tile_fits(&self, size: u64) -> Result<(), StoreError> {
        let Some(start) = size.checked_sub(TILE_WIDTH) else { return Ok(()) };
        let tile = Tile { level: 0, index: start / TILE_WIDTH };
        let stored = read_tiles(self.pool(), &[tile].into()).await?;
        let now = leaves(self.pool(), start..size).await?;
        if stored.get(&tile).is_some_and(|stored| *stored == now) { Ok(()) } else { Err(differs(tile)) }
    }

    /// Adds whole tiles of events.
    pub(super) async fn grow(&self, frontier: &mut Frontier, tiles: u64) -> Result<(), StoreError> {
        let start = frontier.size();
        let read: Vec<Vec<u8>> = sqlx::query_scalar(
            "select coalesce((select string_agg(leaf_hash, ''::bytea order by position) from events \
                              where position > tile * 256 and position <= (tile + 1) * 256), '') \
             from generate_series($1::bigint, $1::bigint + $2::bigint - 1) as tile order by tile",
        )
        .bind(signed(start / TILE_WIDTH))
        .bind(signed(tiles))
        .fetch_all(self.pool())
        .await
        .map_err(unavailable)?;
        let mut full = Vec::new();
        let mut next = frontier.clone();
        for bytes in &read {
            if bytes.len() != merkle::TILE_BYTES {
                let range = format!("{} to {}", next.size() + 1, next.size() + TILE_WIDTH);
                return Err(misfit("events", "position", range, "there are not 256 events with leaf hashes there"));
            }
            merkle::hashes(bytes).into_iter().for_each(|leaf| next.push(leaf, &mut full));
        }
        self.write(start / TILE_WIDTH, &full).await?;
        *frontier = next;
        self.0.standing.built(frontier.size());
        Ok(())
    }

    /// Writes tiles, of which this one of level 0 is the first; never behind a gap, which a crash of the database alone may have left.
    async fn write(&self, first: u64, full: &[FullTile]) -> Result<(), StoreError> {
        let mut transaction = self.pool().begin().await.map_err(unavailable)?;
        sqlx::query("set local synchronous_commit = off").execute(&mut *transaction).await.map_err(unavailable)?;
        let written = sqlx::query(
            "insert into tree_tiles (level, tile, hashes) \
             select * from unnest($1::smallint[], $2::bigint[], $3::bytea[]) \
             where $4 = 0 or exists (select from tree_tiles where level = 0 and tile = $4 - 1) on conflict do nothing",
        )
        .bind(full.iter().map(|full| i16::from(full.tile.level)).collect::<Vec<_>>())
        .bind(full.iter().map(|full| signed(full.tile.index)).collect::<Vec<_>>())
        .bind(full.iter().map(FullTile::bytes).collect::<Vec<_>>())
        .bind(signed(first))
        .execute(&mut *transaction)
        .await
        .map_err(unavailable)?;
        transaction.commit().await.map_err(unavailable)?;
        if written.rows_affected() == full.len() as u64 {
            return Ok(());
        }
        // Another node was here, which thought it held the lease: it has written the same.
        let stored = read_tiles(self.pool(), &full.iter().map(|full| full.tile).collect()).await?;
        let lost = || StoreError::Unavailable("tiles were lost in a crash of the database: they are made again".into());
        match full.iter().find(|full| stored.get(&full.tile) != Some(&full.hashes)) {
            Some(absent) if !stored.contains_key(&absent.tile) => Err(lost()),
            Some(other) => Err(differs(other.tile)),
            None => Ok(()),
        }
    }
}

fn closing() -> StoreError {
    StoreError::Unavailable("the event store is closing".into())
}

fn differs(tile: Tile) -> StoreError {
    let Tile { level, index } = tile;
    misfit(
        "tree_tiles",
        "hashes",
        format!("level {level}, tile {index}"),
        "the log has other hashes there than the tree",
    )
}

fn shortened(built: u64, head: u64) -> StoreError {
    let reason = format!("the log was shortened: the tree was built over {built} events, and there are {head}");
    misfit("tree_tiles", "tile", built / TILE_WIDTH, reason)
}
