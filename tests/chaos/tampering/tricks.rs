//! What the forger tries, and where it must be found.

use super::forger::{Forger, TILE};
use chrono::{DateTime, Utc};
use clientela_verify::tree::{self, Hash};
use sqlx::AssertSqlSafe;
use std::ops::RangeInclusive;
use store::signed_note::LogKey;
use uuid::Uuid;

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trick {
    /// An event says what another one says.
    Edit,
    /// One bit of one column of one event.
    FlipABit,
    /// The same, and the leaf is made to agree.
    FlipAndReseal,
    /// An event goes.
    Delete,
    /// The last events go.
    CutTheTail,
    /// An event goes, and those behind it move up; their leaves agree.
    DeleteAndClose,
    /// Two events change places.
    Swap,
    /// The same; their leaves agree.
    SwapAndReseal,
    /// An event goes and comes again as the last one; leaves agree.
    Reinsert,
    /// An event that never was comes between two others; leaves agree.
    Insert,
    /// One bit of a tile.
    FlipATile,
    /// A tile goes.
    DeleteATile,
    /// A kind of event gets another name.
    Rename,
    /// One bit of a signed head.
    FlipAHead,
    /// An event, the leaves, the tiles: all agree, but the heads.
    Rewrite,
    /// The heads too, under their old signatures.
    RewriteHeads,
}

pub(crate) const TRICKS: [Trick; 16] = [
    Trick::Edit,
    Trick::FlipABit,
    Trick::FlipAndReseal,
    Trick::Delete,
    Trick::CutTheTail,
    Trick::DeleteAndClose,
    Trick::Swap,
    Trick::SwapAndReseal,
    Trick::Reinsert,
    Trick::Insert,
    Trick::FlipATile,
    Trick::DeleteATile,
    Trick::Rename,
    Trick::FlipAHead,
    Trick::Rewrite,
    Trick::RewriteHeads,
];

/// Columns of which a bit is flipped.
const COLUMNS: [&str; 17] = [
    "position",
    "tenant",
    "category",
    "type",
    "schema_version",
    "stream",
    "version",
    "command_id",
    "once_id",
    "subject_id",
    "customer_id",
    "occurred_at",
    "recorded_at",
    "metadata",
    "payload",
    "personal",
    "leaf_hash",
];

/// What was done.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    pub(crate) what: String,
    /// The positions one of which must be named.
    pub(crate) at: RangeInclusive<i64>,
}

impl Forger {
    /// Does it.
    pub(crate) async fn tries(&mut self, trick: Trick) -> Deed {
        let (what, at) = match trick {
            Trick::Edit => self.edits().await,
            Trick::FlipABit => self.flips(&COLUMNS).await,
            Trick::FlipAndReseal => self.flips_and_reseals().await,
            Trick::Delete => self.deletes().await,
            Trick::CutTheTail => self.cuts_the_tail().await,
            Trick::DeleteAndClose => self.deletes_and_closes().await,
            Trick::Swap => self.swaps().await,
            Trick::SwapAndReseal => {
                let (what, at) = self.swaps().await;
                self.reseal_from(*at.start()).await;
                (what, self.seen_from(*at.start()))
            }
            Trick::Reinsert => self.reinserts().await,
            Trick::Insert => self.inserts().await,
            Trick::FlipATile => self.flips_a_tile().await,
            Trick::DeleteATile => self.deletes_a_tile().await,
            Trick::Rename => self.renames().await,
            Trick::FlipAHead => self.flips_a_head().await,
            Trick::Rewrite => self.rewrites().await,
            Trick::RewriteHeads => {
                let (what, at) = self.rewrites().await;
                self.rebuild_heads(|_, root, checkpoint| under_old_signature(root, checkpoint)).await;
                (what, at)
            }
        };
        Deed { what: format!("{trick:?}: {what}"), at }
    }

    /// Where another leaf at a position is seen: by its tile, or where there is none yet by the next head.
    fn seen_from(&self, position: i64) -> RangeInclusive<i64> {
        if position <= self.tiles * TILE {
            return position..=position;
        }
        let (before, after) = self.heads_around(position);
        before + 1..=after
    }

    /// The sizes of the last head that does not cover a position and of the first one that does.
    fn heads_around(&self, position: i64) -> (i64, i64) {
        let before = self.heads.iter().rev().find(|size| **size < position);
        let after = self.heads.iter().find(|size| **size >= position);
        (before.copied().unwrap_or(0), after.copied().expect("the last head covers all"))
    }

    async fn edits(&mut self) -> (String, RangeInclusive<i64>) {
        loop {
            let (position, other) = (self.any(), self.any());
            let sql = "update events e set payload = o.payload from events o \
                       where e.position = $1 and o.position = $2 and e.payload <> o.payload";
            let done = sqlx::query(sql).bind(position).bind(other).execute(&mut self.database).await;
            if done.expect("an edit").rows_affected() == 1 {
                return (format!("{position} says what {other} says"), position..=position);
            }
        }
    }

    async fn flips(&mut self, columns: &[&str]) -> (String, RangeInclusive<i64>) {
        loop {
            let (position, column) = (self.any(), *self.random.pick(columns));
            let nth = self.random.next();
            // What the table refuses (a version of 0, a position that is taken) is tried elsewhere.
            if self.flip(position, column, nth).await.unwrap_or(false) {
                return (format!("{column} of {position}"), position..=position);
            }
        }
    }

    /// Flips one bit; `false` where there is none.
    async fn flip(&mut self, position: i64, column: &str, nth: u64) -> Result<bool, sqlx::Error> {
        let bit = |bits: u64| u32::try_from(nth % bits).expect("small");
        let integer = |bits: u64| {
            let kind = if bits > 32 {
                "bigint"
            } else if bits > 16 {
                "int"
            } else {
                "smallint"
            };
            format!("{column} # {}::{kind}", 1_i64 << bit(bits))
        };
        let database = &mut self.database;
        let read = AssertSqlSafe(format!("select {column} from events where position = $1"));
        let write = |value: &str| AssertSqlSafe(format!("update events set {column} = {value} where position = $1"));
        let written = match column {
            "position" => sqlx::query(write(&integer(63))).bind(position),
            "tenant" | "version" => sqlx::query(write(&integer(31))).bind(position),
            "category" | "type" | "schema_version" => sqlx::query(write(&integer(15))).bind(position),
            "occurred_at" | "recorded_at" => {
                let at: DateTime<Utc> = sqlx::query_scalar(read).bind(position).fetch_one(&mut *database).await?;
                let at = DateTime::from_timestamp_micros(at.timestamp_micros() ^ (1 << bit(50)));
                sqlx::query(write("$2")).bind(position).bind(at)
            }
            "metadata" | "payload" => {
                let text: String = sqlx::query_scalar(read).bind(position).fetch_one(&mut *database).await?;
                let Some(text) = with_a_bit_flipped(text, nth) else { return Ok(false) };
                sqlx::query(write("$2")).bind(position).bind(text)
            }
            "personal" | "leaf_hash" => {
                let bytes: Option<Vec<u8>> = sqlx::query_scalar(read).bind(position).fetch_one(&mut *database).await?;
                let Some(mut bytes) = bytes else { return Ok(false) };
                let at = bit(bytes.len() as u64 * 8);
                bytes[(at / 8) as usize] ^= 1 << (at % 8);
                sqlx::query(write("$2")).bind(position).bind(bytes)
            }
            _ => {
                let id: Option<Uuid> = sqlx::query_scalar(read).bind(position).fetch_one(&mut *database).await?;
                let Some(id) = id else { return Ok(false) };
                sqlx::query(write("$2")).bind(position).bind(Uuid::from_u128(id.as_u128() ^ (1 << bit(128))))
            }
        };
        Ok(written.execute(database).await?.rows_affected() == 1)
    }

    async fn flips_and_reseals(&mut self) -> (String, RangeInclusive<i64>) {
        // Codes without a name have no leaf, and an event at another position is found by its absence.
        let columns: Vec<&str> = COLUMNS
            .into_iter()
            .filter(|column| !["position", "category", "type", "leaf_hash"].contains(column))
            .collect();
        let (what, at) = self.flips(&columns).await;
        self.reseal_from(*at.start()).await;
        (what, self.seen_from(*at.start()))
    }

    async fn deletes(&mut self) -> (String, RangeInclusive<i64>) {
        let position = self.any();
        self.says(&format!("delete from events where position = {position}")).await;
        (format!("{position}"), position..=position)
    }

    async fn cuts_the_tail(&mut self) -> (String, RangeInclusive<i64>) {
        let position = self.between(self.head / 2, self.head);
        self.says(&format!("delete from events where position >= {position}")).await;
        (format!("from {position} on"), position..=position)
    }

    async fn deletes_and_closes(&mut self) -> (String, RangeInclusive<i64>) {
        let position = self.between(1, self.head - 1);
        self.says(&format!("delete from events where position = {position}")).await;
        self.move_from(position + 1, -1).await;
        self.reseal_from(position).await;
        (format!("{position}"), self.seen_from(position))
    }

    async fn swaps(&mut self) -> (String, RangeInclusive<i64>) {
        let first = self.between(1, self.head - 1);
        let second = self.between(first + 1, self.head);
        self.says(&format!("update events set position = -{first} where position = {first}")).await;
        self.says(&format!("update events set position = {first} where position = {second}")).await;
        self.says(&format!("update events set position = {second} where position = -{first}")).await;
        (format!("{first} and {second}"), first..=first)
    }

    async fn reinserts(&mut self) -> (String, RangeInclusive<i64>) {
        let (position, last) = (self.between(1, self.head - 1), self.head);
        self.says(&format!("update events set position = {last} + 1 where position = {position}")).await;
        self.move_from(position + 1, -1).await;
        self.reseal_from(position).await;
        (format!("{position}"), self.seen_from(position))
    }

    async fn inserts(&mut self) -> (String, RangeInclusive<i64>) {
        let (position, copied) = (self.any(), self.any());
        self.move_from(position, 1).await;
        let copied = if copied >= position { copied + 1 } else { copied };
        self.says(&format!(
            "insert into events select {position}, stream, null, null, subject_id, customer_id, occurred_at, recorded_at, \
             version + 1000000, tenant, category, type, schema_version, metadata, payload, personal, leaf_hash \
             from events where position = {copied}"
        ))
        .await;
        self.reseal_from(position).await;
        (format!("at {position}"), self.seen_from(position))
    }

    async fn flips_a_tile(&mut self) -> (String, RangeInclusive<i64>) {
        let (tile, bit) = (self.between(0, self.tiles - 1), self.between(0, TILE * 32 * 8 - 1));
        self.says(&format!(
            "update tree_tiles set hashes = set_bit(hashes, {bit}, 1 - get_bit(hashes, {bit})) where level = 0 and tile = {tile}"
        ))
        .await;
        let position = tile * TILE + bit / (32 * 8) + 1;
        (format!("bit {bit} of tile {tile}"), position..=position)
    }

    async fn deletes_a_tile(&mut self) -> (String, RangeInclusive<i64>) {
        let tile = self.between(0, self.tiles - 1);
        self.says(&format!("delete from tree_tiles where level = 0 and tile = {tile}")).await;
        (format!("{tile}"), 1..=(tile + 1) * TILE)
    }

    async fn renames(&mut self) -> (String, RangeInclusive<i64>) {
        let of = self.any();
        let sql = "update event_names n set name = name || 's' from events e \
                   where e.position = $1 and n.code in (e.type, e.category) returning n.code, n.name";
        let renamed: Vec<(i16, String)> =
            sqlx::query_as(sql).bind(of).fetch_all(&mut self.database).await.expect("a rename");
        let codes: Vec<i16> = renamed.iter().map(|(code, _)| *code).collect();
        let first: i64 =
            sqlx::query_scalar("select min(position) from events where type = any($1) or category = any($1)")
                .bind(codes)
                .fetch_one(&mut self.database)
                .await
                .expect("the first one");
        (format!("{renamed:?}"), first..=first)
    }

    async fn flips_a_head(&mut self) -> (String, RangeInclusive<i64>) {
        let size = *self.random.pick(&self.heads);
        let before = self.heads_around(size).0;
        let bit = self.between(0, 255);
        let sql = if self.random.chance(50) {
            format!("update tree_heads set root = set_bit(root, {bit}, 1 - get_bit(root, {bit})) where size = {size}")
        } else {
            // The last letters of a signature: one bit in one of 64 bytes.
            format!(
                "update tree_heads set checkpoint = overlay(checkpoint placing case substring(checkpoint from length(checkpoint) - 10 for 1) when 'A' then 'B' else 'A' end from length(checkpoint) - 10) where size = {size}"
            )
        };
        self.says(&sql).await;
        (format!("{size}: {sql}"), before + 1..=size)
    }

    /// As if the log had never been longer than a bit less than `size`.
    pub(crate) async fn shortens(&mut self, size: u64) -> Deed {
        let size = i64::try_from(size).expect("small");
        let last = self.between(size / 2, size - 1);
        self.says(&format!("delete from events where position > {last}; delete from tree_heads where size > {last}"))
            .await;
        self.rebuild_tiles().await;
        Deed { what: format!("all behind {last} goes, with tiles and heads"), at: last + 1..=size }
    }

    /// As if an event of the first `size` ones had always been another: nothing is left that was signed before.
    pub(crate) async fn rewrites_with_the_key(&mut self, size: u64, key: &LogKey) -> Deed {
        let size = i64::try_from(size).expect("small");
        let position = self.between(1, size);
        self.says(&format!("update events set payload = payload || ' ' where position = {position}")).await;
        self.reseal_from(position).await;
        self.rebuild_tiles().await;
        self.rebuild_heads(|size, root, _| key.sign(&format!("{}\n{size}\n{}\n", key.name(), tree::text(root)))).await;
        Deed { what: format!("{position} says something else, and all is signed anew"), at: 1..=size }
    }

    /// All that the forger can make agree without the key.
    async fn rewrites(&mut self) -> (String, RangeInclusive<i64>) {
        let (what, at) = self.edits().await;
        let position = *at.start();
        self.reseal_from(position).await;
        self.rebuild_tiles().await;
        let (before, after) = self.heads_around(position);
        (what, before + 1..=after)
    }
}

/// One bit of one letter, where it stays a letter.
fn with_a_bit_flipped(text: String, nth: u64) -> Option<String> {
    let mut bytes = text.into_bytes();
    let at = usize::try_from(nth % bytes.len() as u64).ok()?;
    let flipped = bytes[at] ^ (1 << ((nth >> 32) % 7));
    bytes[at] = Some(flipped).filter(|_| bytes[at].is_ascii() && flipped != 0)?;
    String::from_utf8(bytes).ok()
}

/// The text of a head with another root, and the signature that it had.
fn under_old_signature(root: &Hash, checkpoint: &str) -> String {
    let mut lines: Vec<&str> = checkpoint.split('\n').collect();
    let root = tree::text(root);
    lines[2] = &root;
    lines.join("\n")
}
