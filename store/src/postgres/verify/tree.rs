//! Puts the roots of stretches together, in order, and compares what is above them: the higher tiles, and each head.

use super::findings::{Findings, Kind, Report};
use super::heads::Heads;
use super::stretch::{Block, Stretch};
use crate::StoreError;
use crate::merkle::{self, Frontier, FullTile, Hash, TILE_WIDTH, Tile};
use crate::postgres::database::unavailable;
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::ops::Range;

/// The tree over what was read up to now.
pub(super) struct Growing {
    pool: PgPool,
    heads: Heads,
    /// The last tile that is stored of each level.
    last: BTreeMap<u8, u64>,
    /// How many tiles of level 0 there have to be: no later one is there without those before, and some were there when heads were signed.
    expected: u64,
    /// The tiles of higher levels are made of roots of tiles.
    above: Frontier,
    /// The largest subtrees side by side: how many tiles each stands over, and its root.
    peaks: Vec<(u64, Hash)>,
    events: u64,
    tiles: u64,
    held: u64,
    covered: u64,
    /// Whether a head did not hold: those behind it cannot either.
    has_differed: bool,
}

impl Growing {
    pub(super) fn new(pool: PgPool, heads: Heads, last: BTreeMap<u8, u64>, built: u64) -> Self {
        let expected = last.get(&0).map_or(0, |last| last + 1).max(built);
        let (above, peaks) = (Frontier::default(), Vec::new());
        let (events, tiles, held, covered, has_differed) = (0, 0, 0, 0, false);
        Self { pool, heads, last, expected, above, peaks, events, tiles, held, covered, has_differed }
    }

    /// How many events there are in it.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Adds the stretch that comes next.
    pub(super) async fn take(&mut self, stretch: Stretch, findings: &mut Findings) -> Result<(), StoreError> {
        findings.append(stretch.findings);
        self.tiles += stretch.tiles.len() as u64;
        self.miss_tiles(&stretch.range, &stretch.tiles, findings);
        for block in stretch.blocks {
            self.add(block, findings).await?;
        }
        self.events = stretch.range.end;
        Ok(())
    }

    /// Tiles that should be there.
    fn miss_tiles(&self, range: &Range<u64>, found: &[u64], findings: &mut Findings) {
        let expected = range.start / TILE_WIDTH..(range.end / TILE_WIDTH).min(self.expected);
        for tile in expected.filter(|tile| !found.contains(tile)) {
            findings.add(tile * TILE_WIDTH + 1, Kind::Tile, format!("tile {tile} of level 0 is missing"));
        }
    }

    async fn add(&mut self, block: Block, findings: &mut Findings) -> Result<(), StoreError> {
        for (size, inside) in block.heads {
            let hashes: Vec<Hash> = self.peaks.iter().map(|(_, root)| *root).chain(inside).collect();
            self.compare_heads(size, &merkle::root(&hashes), findings);
        }
        let Some(root) = block.root else { return Ok(()) };
        self.raise(root);
        let mut full = Vec::new();
        self.above.push(root, &mut full);
        for FullTile { tile, hashes } in full {
            let tile = Tile { level: tile.level + 1, ..tile };
            self.compare_tile(tile, &hashes, findings).await?;
        }
        Ok(())
    }

    fn raise(&mut self, root: Hash) {
        let (mut tiles, mut root) = (1, root);
        while let Some((_, left)) = self.peaks.pop_if(|(of, _)| *of == tiles) {
            (tiles, root) = (2 * tiles, merkle::node(&left, &root));
        }
        self.peaks.push((tiles, root));
    }

    fn compare_heads(&mut self, size: u64, root: &Hash, findings: &mut Findings) {
        // Of two heads of one size the one that holds proves nothing: whoever has the key has signed it later.
        let before = self.covered;
        for head in self.heads.of(size) {
            if head.root == *root {
                self.held += 1;
                self.covered = size;
                continue;
            }
            if self.has_differed {
                continue;
            }
            self.has_differed = true;
            let says = match before {
                0 => format!("{head} does not hold, and there is none before: the log was changed at or before {size}"),
                held => format!("{head} does not hold, the head over {held} does: the log was changed in between"),
            };
            // Where an event was found to be another one, it comes first.
            let is_explained = findings.are_about_events(before + 1..=size);
            findings.add(if is_explained { size } else { before + 1 }, Kind::TreeDiffers, says);
        }
    }

    async fn compare_tile(&mut self, tile: Tile, hashes: &[Hash], findings: &mut Findings) -> Result<(), StoreError> {
        let stored: Vec<Vec<u8>> = sqlx::query_scalar("select hashes from tree_tiles where level = $1 and tile = $2")
            .bind(i16::from(tile.level))
            .bind(tile.index.cast_signed())
            .fetch_all(&self.pool)
            .await
            .map_err(unavailable)?;
        let is_expected =
            self.last.get(&tile.level).is_some_and(|last| tile.index <= *last) || self.expected >= covered(tile);
        let Tile { level, index } = tile;
        let position = (index * covered(Tile { level, index: 0 })) * TILE_WIDTH + 1;
        match stored.as_slice() {
            [one] if merkle::hashes(one) == hashes => self.tiles += 1,
            [] if !is_expected => {}
            [] => findings.add(position, Kind::Tile, format!("tile {index} of level {level} is missing")),
            [_] => findings.add(position, Kind::Tile, format!("tile {index} of level {level} is not what is below it")),
            [..] => findings.add(position, Kind::Tile, format!("tile {index} of level {level} is there several times")),
        }
        Ok(())
    }

    pub(super) fn report(self, end: u64, findings: Findings) -> Report {
        let (found, findings) = findings.told();
        let Self { events, tiles, held: heads, covered, .. } = self;
        Report { events, end, tiles, heads, covered, found, findings }
    }
}

/// How many tiles of level 0 there are up to the end of a tile of a higher level.
fn covered(tile: Tile) -> u64 {
    (tile.index + 1) << (8 * u32::from(tile.level))
}
