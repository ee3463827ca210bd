//! The hashes of the tree: out of stored tiles, and where there are none yet, out of what is below them, down to the log.

use super::{misfit, signed, unsigned};
use crate::StoreError;
use crate::merkle::{self, Hash, Span, Subtree, TILE_WIDTH, Tile};
use crate::postgres::database::unavailable;
use futures::future::BoxFuture;
use moka::sync::Cache;
use sqlx::PgPool;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// Tiles that are kept, 8 KiB each.
const TILES_MAX: u64 = 512;
/// Roots of tiles that are kept.
const ROOTS_MAX: u64 = 16_384;

/// Reads hashes of the tree. What has been read once never changes.
#[derive(Debug)]
pub(super) struct Nodes {
    pool: PgPool,
    tiles: Cache<Tile, Arc<Vec<Hash>>>,
    roots: Cache<Tile, Hash>,
}

impl Nodes {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, tiles: Cache::new(TILES_MAX), roots: Cache::new(ROOTS_MAX) }
    }

    /// Forgets what was read: the log may have been restored.
    pub(super) fn forget(&self) {
        self.tiles.invalidate_all();
        self.roots.invalidate_all();
    }

    /// The root of the tree over the first `size` events.
    pub(super) async fn root(&self, size: u64) -> Result<Hash, StoreError> {
        let roots = self.of_spans(&[Span { start: 0, end: size }]).await?;
        Ok(roots.first().copied().unwrap_or_default())
    }

    /// The hashes of nodes, all of whose leaves are in the log.
    pub(super) async fn of_spans(&self, spans: &[Span]) -> Result<Vec<Hash>, StoreError> {
        let parts: Vec<Vec<Subtree>> = spans.iter().map(|span| span.subtrees()).collect();
        let roots = self.of_subtrees(&parts.concat()).await?;
        let mut rest = roots.as_slice();
        let of_part = |part: &Vec<Subtree>| {
            let (own, behind) = rest.split_at(part.len());
            rest = behind;
            merkle::root(own)
        };
        Ok(parts.iter().map(of_part).collect())
    }

    async fn of_subtrees(&self, subtrees: &[Subtree]) -> Result<Vec<Hash>, StoreError> {
        let places: Vec<_> = subtrees.iter().map(|subtree| subtree.place()).collect();
        let mut needed = BTreeMap::new();
        for (tile, range) in &places {
            let all: &mut Range<u64> = needed.entry(*tile).or_insert_with(|| range.clone());
            *all = all.start.min(range.start)..all.end.max(range.end);
        }
        let stored = self.stored_and_kept(&needed.keys().copied().collect()).await?;
        let mut partial = HashMap::new();
        for (tile, range) in needed.into_iter().filter(|(tile, _)| !stored.contains_key(tile)) {
            let hashes = self.unstored(tile, range.clone()).await?;
            partial.insert(tile, (range.start, hashes));
        }
        let hash = |(tile, range): &(Tile, Range<u64>)| {
            let (start, hashes) = match (stored.get(tile), partial.get(tile)) {
                (Some(hashes), _) => (0, hashes.as_slice()),
                (None, Some((start, hashes))) => (*start, hashes.as_slice()),
                (None, None) => (0, [].as_slice()),
            };
            let found = hashes.get((range.start - start) as usize..(range.end - start) as usize);
            found.map(merkle::perfect_root).ok_or_else(|| missing(*tile))
        };
        places.iter().map(hash).collect()
    }

    /// The roots over whole tiles.
    pub(super) fn of_tiles<'a>(&'a self, tiles: &'a [Tile]) -> BoxFuture<'a, Result<Vec<Hash>, StoreError>> {
        Box::pin(async move {
            let unknown = tiles.iter().copied().filter(|tile| !self.roots.contains_key(tile)).collect();
            let stored = read_tiles(&self.pool, &unknown).await?;
            let mut roots = Vec::with_capacity(tiles.len());
            for tile in tiles {
                let root = match (self.roots.get(tile), stored.get(tile)) {
                    (Some(root), _) => root,
                    (None, Some(hashes)) => merkle::perfect_root(hashes),
                    (None, None) => merkle::perfect_root(&self.unstored(*tile, 0..TILE_WIDTH).await?),
                };
                self.roots.insert(*tile, root);
                roots.push(root);
            }
            Ok(roots)
        })
    }

    /// Hashes of a tile that is not stored (yet).
    async fn unstored(&self, tile: Tile, range: Range<u64>) -> Result<Vec<Hash>, StoreError> {
        let first = tile.index * TILE_WIDTH;
        let range = first + range.start..first + range.end;
        match tile.level.checked_sub(1) {
            None => leaves(&self.pool, range).await,
            Some(below) => {
                let below: Vec<_> = range.map(|index| Tile { level: below, index }).collect();
                self.of_tiles(&below).await
            }
        }
    }

    async fn stored_and_kept(&self, tiles: &BTreeSet<Tile>) -> Result<HashMap<Tile, Arc<Vec<Hash>>>, StoreError> {
        let mut found: HashMap<_, _> = tiles.iter().filter_map(|tile| Some((*tile, self.tiles.get(tile)?))).collect();
        let unknown = tiles.iter().copied().filter(|tile| !found.contains_key(tile)).collect();
        for (tile, hashes) in read_tiles(&self.pool, &unknown).await? {
            let hashes = Arc::new(hashes);
            self.tiles.insert(tile, Arc::clone(&hashes));
            found.insert(tile, hashes);
        }
        Ok(found)
    }
}

/// Those of the tiles that are stored.
pub(super) async fn read_tiles(pool: &PgPool, tiles: &BTreeSet<Tile>) -> Result<HashMap<Tile, Vec<Hash>>, StoreError> {
    if tiles.is_empty() {
        return Ok(HashMap::new());
    }
    let levels: Vec<_> = tiles.iter().map(|tile| i16::from(tile.level)).collect();
    let indexes: Vec<_> = tiles.iter().map(|tile| signed(tile.index)).collect();
    let rows: Vec<(i16, i64, Vec<u8>)> = sqlx::query_as(
        "select t.level, t.tile, t.hashes from tree_tiles t \
         join unnest($1::smallint[], $2::bigint[]) as wanted (level, tile) on wanted = (t.level, t.tile)",
    )
    .bind(levels)
    .bind(indexes)
    .fetch_all(pool)
    .await
    .map_err(unavailable)?;
    let read = |(level, index, bytes): (i16, i64, Vec<u8>)| {
        let tile = Tile { level: level as u8, index: unsigned(index) }; // one of those asked for
        (tile, merkle::hashes(&bytes))
    };
    Ok(rows.into_iter().map(read).collect())
}

/// The leaf hashes of these leaves, all of which must be in the log.
pub(super) async fn leaves(pool: &PgPool, range: Range<u64>) -> Result<Vec<Hash>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "select position, leaf_hash from events where position > $1 and position <= $2 order by position",
    )
    .bind(signed(range.start))
    .bind(signed(range.end))
    .fetch_all(pool)
    .await
    .map_err(unavailable)?;
    let mut hashes = Vec::with_capacity(rows.len());
    for (expected, (position, hash)) in (range.start + 1..=range.end).zip(&rows) {
        if unsigned(*position) != expected {
            return Err(misfit("events", "position", expected, "there is no event at this position"));
        }
        let hash = hash.as_slice().try_into();
        hashes.push(hash.map_err(|_| misfit("events", "leaf_hash", expected, "it is not 32 bytes long"))?);
    }
    if rows.len() as u64 == range.end - range.start {
        return Ok(hashes);
    }
    let expected = range.start + 1 + hashes.len() as u64;
    Err(misfit("events", "position", expected, "there is no event at this position, or there are several"))
}

fn missing(tile: Tile) -> StoreError {
    misfit("tree_tiles", "hashes", format!("{} {}", tile.level, tile.index), "it does not hold 256 hashes")
}
