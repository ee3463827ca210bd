//! A range of positions, read by a binary COPY of whole rows and hashed as it comes, compared with the leaf hashes that stand beside the
//! rows and with the tiles over them.

use super::findings::{Finding, Kind};
use crate::leaf::Leaf;
use crate::merkle::{self, Hash, Span, TILE_WIDTH, perfect_root};
use crate::postgres::database::unavailable;
use crate::postgres::names::Names;
use crate::postgres::scan::{Columns, is_end, time};
use crate::{Position, StoreError, StreamId, TenantId};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use sqlx::PgPool;
use sqlx::postgres::PgPoolCopyExt;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use uuid::Uuid;

/// Stands in the tree for an event that is not there: no event hashes to it.
const NONE: Hash = [0; 32];

/// What is to be read.
pub(super) struct Reading {
    pub(super) pool: PgPool,
    pub(super) names: Arc<Names>,
    /// Sizes of heads, the smallest first.
    pub(super) sizes: Arc<[u64]>,
    /// The leaves; it begins with a tile.
    pub(super) range: Range<u64>,
}

/// What was read.
pub(super) struct Stretch {
    pub(super) range: Range<u64>,
    pub(super) blocks: Vec<Block>,
    /// Tiles that were compared: their places.
    pub(super) tiles: Vec<u64>,
    pub(super) findings: Vec<Finding>,
}

/// The events of one tile; the last one of the log may have fewer.
pub(super) struct Block {
    /// The root over them, if there are as many as in a tile.
    pub(super) root: Option<Hash>,
    /// For each head that ends here: its size, and the roots of the subtrees over the events of this block that it covers.
    pub(super) heads: Vec<(u64, Vec<Hash>)>,
}

impl Reading {
    pub(super) async fn read(self) -> Result<Stretch, StoreError> {
        let mut stored = self.tiles().await?;
        let mut rows = Rows::new(&self.names, self.range.clone());
        self.rows(self.range.clone(), &mut rows).await?;
        let Rows { leaves, mut findings, .. } = rows.ended();
        let (mut blocks, mut tiles) = (Vec::new(), Vec::new());
        for (index, leaves) in (self.range.start / TILE_WIDTH..).zip(leaves.chunks(TILE_WIDTH as usize)) {
            let there = stored.remove(&index).unwrap_or_default();
            there.iter().for_each(|hashes| compare(index, leaves, hashes, &mut findings));
            if there.len() > 1 {
                let reason = format!("tile {index} of level 0 is there several times");
                findings.push(Finding { position: index * TILE_WIDTH + 1, kind: Kind::Tile, reason });
            }
            tiles.extend((!there.is_empty()).then_some(index));
            blocks.push(self.block(index * TILE_WIDTH, leaves));
        }
        Ok(Stretch { range: self.range, blocks, tiles, findings })
    }

    fn block(&self, start: u64, leaves: &[Hash]) -> Block {
        let first = self.sizes.partition_point(|size| *size <= start);
        let ending = self.sizes[first..].iter().take_while(|size| **size <= start + leaves.len() as u64);
        let heads = ending.map(|size| {
            let below = |level: u32, index: u64| ((index << level) - start) as usize;
            let subtrees = Span { start, end: *size }.subtrees();
            let roots = subtrees
                .iter()
                .map(|it| perfect_root(&leaves[below(it.level, it.index)..below(it.level, it.index + 1)]));
            (*size, roots.collect())
        });
        let root = (leaves.len() as u64 == TILE_WIDTH).then(|| perfect_root(leaves));
        Block { heads: heads.collect(), root }
    }

    /// The tiles over the leaves; somebody may have written one twice.
    async fn tiles(&self) -> Result<BTreeMap<u64, Vec<Vec<Hash>>>, StoreError> {
        let rows: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("select tile, hashes from tree_tiles where level = 0 and tile >= $1 and tile < $2")
                .bind((self.range.start / TILE_WIDTH).cast_signed())
                .bind((self.range.end / TILE_WIDTH).cast_signed())
                .fetch_all(&self.pool)
                .await
                .map_err(unavailable)?;
        let mut tiles: BTreeMap<u64, Vec<_>> = BTreeMap::new();
        for (tile, bytes) in rows {
            tiles.entry(tile.cast_unsigned()).or_default().push(merkle::hashes(&bytes));
        }
        Ok(tiles)
    }

    /// Reads the rows of a range. A page of the disk that cannot be read is approached from both sides.
    fn rows<'a>(&'a self, range: Range<u64>, rows: &'a mut Rows<'_>) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let before = rows.mark();
            let Err(error) = self.copy(&range, rows).await else { return Ok(()) };
            let sqlx::Error::Database(told) = &error else { return Err(unavailable(error)) };
            if !is_about_the_data(&told.code().unwrap_or_default()) {
                return Err(unavailable(error));
            }
            rows.back_to(before);
            if range.end - range.start == 1 {
                rows.unreadable(told.message());
                return Ok(());
            }
            let middle = range.start + (range.end - range.start) / 2;
            self.rows(range.start..middle, rows).await?;
            self.rows(middle..range.end, rows).await
        })
    }

    async fn copy(&self, range: &Range<u64>, rows: &mut Rows<'_>) -> Result<(), sqlx::Error> {
        // COPY takes no parameters; all that is put in here is numbers.
        let sql = format!(
            "copy (select position, tenant, category, type, schema_version, stream, version, command_id, once_id, \
             subject_id, customer_id, occurred_at, recorded_at, metadata, payload, personal, leaf_hash \
             from events where position > {} and position <= {} order by position) to stdout (format binary)",
            range.start, range.end
        );
        let mut copy = self.pool.copy_out_raw(&sql).await?;
        while let Some(message) = copy.try_next().await? {
            let mut columns = Columns::of(&message);
            let read = columns.skip_head().and_then(|()| rows.read(&mut columns));
            read.ok_or_else(|| sqlx::Error::Protocol("the binary COPY is not what it should be".to_owned()))?;
        }
        Ok(())
    }
}

/// Data that is damaged, or cannot be what its type says: no other attempt can read it.
fn is_about_the_data(code: &str) -> bool {
    code.starts_with("XX") || code.starts_with("22") || code.starts_with("58")
}

/// The rows of a stretch as they come.
struct Rows<'n> {
    names: &'n Names,
    range: Range<u64>,
    /// One for each position from the beginning on.
    leaves: Vec<Hash>,
    findings: Vec<Finding>,
}

/// One row as it was sent.
struct Row<'m> {
    position: i64,
    tenant: i32,
    category: i16,
    event_type: i16,
    schema_version: i16,
    stream: Uuid,
    version: i32,
    command_id: Option<Uuid>,
    once_id: Option<Uuid>,
    subject_id: Option<Uuid>,
    customer_id: Option<Uuid>,
    occurred_at: i64,
    recorded_at: i64,
    metadata: &'m [u8],
    payload: &'m [u8],
    personal: Option<&'m [u8]>,
    leaf_hash: Option<&'m [u8]>,
}

impl<'n> Rows<'n> {
    fn new(names: &'n Names, range: Range<u64>) -> Self {
        let leaves = Vec::with_capacity((range.end - range.start) as usize);
        Self { names, range, leaves, findings: Vec::new() }
    }

    fn mark(&self) -> (usize, usize) {
        (self.leaves.len(), self.findings.len())
    }

    fn back_to(&mut self, (leaves, findings): (usize, usize)) {
        self.leaves.truncate(leaves);
        self.findings.truncate(findings);
    }

    /// The position that comes next.
    fn next(&self) -> u64 {
        self.range.start + self.leaves.len() as u64 + 1
    }

    fn find(&mut self, position: u64, kind: Kind, reason: impl Into<String>) {
        self.findings.push(Finding { position, kind, reason: reason.into() });
    }

    fn unreadable(&mut self, why: &str) {
        self.find(self.next(), Kind::Unreadable, format!("the event cannot be read: {why}"));
        self.leaves.push(NONE);
    }

    /// Fills up with what is not there, up to the position before this one.
    fn gap(&mut self, until: u64) {
        let next = self.next();
        if next >= until {
            return;
        }
        let says = match until - next {
            1 => "the event is missing".to_owned(),
            _ => format!("the events at {next} to {} are missing", until - 1),
        };
        self.find(next, Kind::Missing, says);
        self.leaves.resize((until - 1 - self.range.start) as usize, NONE);
    }

    fn ended(mut self) -> Self {
        self.gap(self.range.end + 1);
        self
    }

    /// Reads the rows of a message; none when it is malformed.
    fn read(&mut self, columns: &mut Columns<'_>) -> Option<()> {
        while !columns.is_empty() {
            if is_end(columns)? {
                break;
            }
            let row = Row::read(columns)?;
            self.take(&row);
        }
        Some(())
    }

    fn take(&mut self, row: &Row<'_>) {
        let position = row.position.cast_unsigned();
        self.gap(position);
        if position < self.next() {
            self.find(position, Kind::Duplicate, "several events stand at this position");
            return;
        }
        let leaf = match row.leaf(self.names) {
            Ok(leaf) => leaf,
            Err(why) => {
                self.find(position, Kind::Changed, why);
                NONE
            }
        };
        if leaf != NONE && row.leaf_hash != Some(leaf.as_slice()) {
            self.find(position, Kind::Changed, "the event is not what its leaf hash was made of");
        }
        self.leaves.push(leaf);
    }
}

impl<'m> Row<'m> {
    /// The columns in the order of the statement; fields of a struct literal are evaluated in the order written. A null where the schema
    /// allows none is told as malformed by the caller.
    fn read(columns: &mut Columns<'m>) -> Option<Self> {
        Some(Self {
            position: i64::from_be_bytes(columns.fixed()??),
            tenant: i32::from_be_bytes(columns.fixed()??),
            category: i16::from_be_bytes(columns.fixed()??),
            event_type: i16::from_be_bytes(columns.fixed()??),
            schema_version: i16::from_be_bytes(columns.fixed()??),
            stream: Uuid::from_bytes(columns.fixed()??),
            version: i32::from_be_bytes(columns.fixed()??),
            command_id: columns.fixed()?.map(Uuid::from_bytes),
            once_id: columns.fixed()?.map(Uuid::from_bytes),
            subject_id: columns.fixed()?.map(Uuid::from_bytes),
            customer_id: columns.fixed()?.map(Uuid::from_bytes),
            occurred_at: i64::from_be_bytes(columns.fixed()??),
            recorded_at: i64::from_be_bytes(columns.fixed()??),
            metadata: columns.value()??,
            payload: columns.value()??,
            personal: columns.value()?,
            leaf_hash: columns.value()?,
        })
    }

    /// The leaf of the columns, or why there can be none.
    fn leaf(&self, names: &Names) -> Result<Hash, String> {
        let name = |code: i16| names.name(code).ok_or_else(|| format!("its code {code} is no name of the dictionary"));
        let time = |micros: i64| time(micros).ok_or("its time is none");
        let text = |bytes: &'m [u8]| std::str::from_utf8(bytes).map_err(|_| "its text is not UTF-8");
        let leaf = Leaf {
            position: Position(self.position),
            tenant: TenantId(self.tenant),
            stream: StreamId { category: name(self.category)?, id: self.stream },
            version: self.version,
            event_type: name(self.event_type)?,
            schema_version: self.schema_version,
            command_id: self.command_id,
            once_id: self.once_id,
            subject_id: self.subject_id,
            customer_id: self.customer_id,
            occurred_at: time(self.occurred_at)?,
            recorded_at: time(self.recorded_at)?,
            metadata: text(self.metadata)?,
            payload: text(self.payload)?,
            personal: self.personal,
        };
        Ok(leaf.hash())
    }
}

/// Names the events that are others than the tile has.
fn compare(tile: u64, leaves: &[Hash], stored: &[Hash], findings: &mut Vec<Finding>) {
    let start = tile * TILE_WIDTH;
    if stored.len() as u64 != TILE_WIDTH {
        let reason = format!("tile {tile} of level 0 does not hold 256 hashes");
        findings.push(Finding { position: start + 1, kind: Kind::Tile, reason });
        return;
    }
    for (position, (leaf, hash)) in (start + 1..).zip(leaves.iter().zip(stored)) {
        if leaf != hash && *leaf != NONE {
            let reason = "the event is another one than the tree was built over".to_owned();
            findings.push(Finding { position, kind: Kind::NotInTree, reason });
        }
    }
}
