//! `verify`: recomputes the whole log straight from its table and says the first place where it is not what was written.
//!
//! Whoever may do everything to the database may have dropped triggers, constraints and indexes, and written what they liked: nothing is
//! taken for granted here. [`stretch`] reads and hashes ranges of positions, several at a time; [`tree`] puts their roots together and
//! compares tiles and heads; [`heads`] reads heads, stored ones and those that were kept elsewhere. Roots are made of the events' columns
//! alone, never of hashes that are stored.

mod findings;
mod heads;
mod stretch;
#[cfg(test)]
mod tests;
mod tree;

pub use findings::{Finding, Kind, Report};
pub use heads::{HeadFile, MalformedHeads};

use super::Database;
use super::database::{Role, unavailable};
use super::names::Names;
use crate::StoreError;
use crate::merkle::{TILE_WIDTH, Tile};
use crate::signed_note::VerifierKey;
use findings::Findings;
use futures::{StreamExt, TryStreamExt};
use heads::Heads;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use std::collections::BTreeMap;
use std::sync::Arc;
use stretch::Reading;
use tree::Growing;

/// Positions that are read at a time: whole tiles.
const STRETCH: u64 = 16 * TILE_WIDTH;

/// What is to be verified against, beside what the database itself holds.
#[derive(Debug, Clone, Default)]
pub struct Against {
    /// Heads that were kept elsewhere.
    pub files: Vec<HeadFile>,
    /// The keys that may have signed; none: those that the database names.
    pub keys: Vec<VerifierKey>,
}

/// How far it has come: so many events of so many.
pub type Tell<'a> = dyn Fn(u64, u64) + Send + Sync + 'a;

/// Verifies the log of a database, also while it is written to: as far as it reaches at the beginning.
///
/// # Errors
/// When the database is away; what is wrong with the log is in the report.
pub async fn verify(database: &Database, against: &Against, tell: &Tell<'_>) -> Result<Report, StoreError> {
    let readers = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    let pool = PgPoolOptions::new()
        .max_connections(readers as u32 + 2)
        // Without an index each stretch reads the whole table: that may take long.
        .connect_with(database.options(Role::Engine).options([("statement_timeout", "0")]))
        .await
        .map_err(unavailable)?;
    let report = Verification { pool: pool.clone(), readers, findings: Findings::default() }.run(against, tell).await;
    pool.close().await;
    report
}

struct Verification {
    pool: PgPool,
    readers: usize,
    findings: Findings,
}

impl Verification {
    async fn run(mut self, against: &Against, tell: &Tell<'_>) -> Result<Report, StoreError> {
        // What stands over the log is read before its end is: the log only grows.
        let heads = Heads::read(&self.pool, against, &mut self.findings).await?;
        let (tiles, built) = (self.tiles().await?, self.built().await?);
        let end = self.end().await?;
        let names = Arc::new(Names::default());
        names.load(&self.pool).await.map_err(unavailable)?;
        self.beyond(&heads, &tiles, end);
        let sizes: Arc<[u64]> = heads.sizes().filter(|size| *size <= end).collect();
        let stretches = (0..end).step_by(STRETCH as usize).map(|start| {
            let (pool, names, sizes) = (self.pool.clone(), Arc::clone(&names), Arc::clone(&sizes));
            let reading = Reading { pool, names, sizes, range: start..end.min(start + STRETCH) };
            // In a task of its own, so that they are on all processors.
            let reading = tokio::spawn(reading.read());
            async move { reading.await.map_err(|error| StoreError::Unavailable(Box::new(error)))? }
        });
        let mut read = futures::stream::iter(stretches).buffered(self.readers);
        let mut growing = Growing::new(self.pool.clone(), heads, tiles, built);
        while let Some(stretch) = read.try_next().await? {
            growing.take(stretch, &mut self.findings).await?;
            tell(growing.events(), end);
            if self.findings.are_too_many() {
                break;
            }
        }
        drop(read);
        Ok(growing.report(end, self.findings))
    }

    /// The last position, and what is wrong at the beginning.
    async fn end(&mut self) -> Result<u64, StoreError> {
        let (last, below): (i64, i64) = sqlx::query_as(
            "select coalesce((select max(position) from events), 0), (select count(*) from events where position < 1)",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(unavailable)?;
        if below > 0 {
            self.findings.add(0, Kind::Duplicate, format!("{below} events stand at positions before the first one"));
        }
        Ok(u64::try_from(last).unwrap_or(0))
    }

    /// The last tile of each level.
    async fn tiles(&self) -> Result<BTreeMap<u8, u64>, StoreError> {
        let rows: Vec<(i16, i64)> = sqlx::query_as("select level, max(tile) from tree_tiles group by level")
            .fetch_all(&self.pool)
            .await
            .map_err(unavailable)?;
        Ok(rows
            .iter()
            .filter_map(|(level, last)| Some((u8::try_from(*level).ok()?, u64::try_from(*last).ok()?)))
            .collect())
    }

    /// How many tiles of level 0 there were when heads were signed.
    async fn built(&self) -> Result<u64, StoreError> {
        let built: Option<i64> =
            sqlx::query_scalar("select max(built) from tree_heads").fetch_one(&self.pool).await.map_err(unavailable)?;
        Ok(u64::try_from(built.unwrap_or(0)).unwrap_or(0) / TILE_WIDTH)
    }

    /// Tiles and heads over events that are not there.
    fn beyond(&mut self, heads: &Heads, tiles: &BTreeMap<u8, u64>, end: u64) {
        for (level, last) in tiles {
            if *last >= Tile::count(*level, end) {
                let says = format!(
                    "the log ends at {end}, but the tree has tile {last} of level {level}: the log was shortened"
                );
                self.findings.add(end + 1, Kind::Shortened, says);
            }
        }
        for head in heads.beyond(end) {
            let says = format!("the log ends at {end}, but {head} was signed: the log was shortened");
            self.findings.add(end + 1, Kind::Shortened, says);
        }
    }
}
