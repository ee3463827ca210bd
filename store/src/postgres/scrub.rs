//! Scrubbing: of whoever was erased no byte is left in the files of the database.
//!
//! An erasure changes and removes rows. PostgreSQL keeps the bytes of the old ones: in pages (also after VACUUM), in its statistics,
//! in the write-ahead log. A scrub writes the tables that can hold them anew, then lets the log of changes go:
//!
//! 1. [`Scrub::begin`]: alone, with the position up to which whoever was erased is to be scrubbed.
//! 2. [`Scrub::wait_for_old_snapshots`]: what somebody may still see would be copied along.
//! 3. Read models are made again by their owner, who is not here; [`Scrub::rewrite`] does the tables beside the log.
//! 4. [`Scrub::end`]: statistics, files that nobody owns, the write-ahead log; then it is written down.
//!
//! The log itself holds only boxes whose key is gone, and is never rewritten. Killed anywhere, nothing is lost: the next scrub begins
//! from the start.

mod orphans;
mod tables;
mod wal;

pub use tables::{LEFT, REWRITTEN, unknown_tables};

use super::database::{Database, Role};
use crate::Position;
use crate::scrubs::{self, ScrubRecord};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Connection, Executor, PgConnection};
use std::time::{Duration, Instant};

/// How long a table is waited for, in pieces so short that nobody has to queue behind the wait.
const LOCK_TIMEOUT: &str = "50ms";
const LOCK_RETRY: Duration = Duration::from_millis(100);
const LOCK_PATIENCE: Duration = Duration::from_secs(300);
/// How long transactions that may still see who was erased are waited for.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(120);
const SNAPSHOT_RETRY: Duration = Duration::from_millis(200);

/// Why a scrub did not come to its end. It can be begun again.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    /// Another one is at work.
    #[error("another scrub is under way")]
    UnderWay,
    /// A table was never free.
    #[error("{0} is in use without a pause: end what reads it for so long, or try again later")]
    TableInUse(String),
    /// Somebody has a transaction open that began before.
    #[error("{0} may still see who was erased: end it, or try again later")]
    SeenByOthers(String),
    /// The database refuses or is away.
    #[error("the database refuses or is away")]
    Database(#[from] sqlx::Error),
}

/// A table that was written anew.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rewritten {
    /// Its name.
    pub table: String,
    /// For how long nobody could use it.
    pub locked_ms: f64,
}

/// What came of a scrub.
#[derive(Debug, Clone, PartialEq)]
pub struct Scrubbed {
    /// What was written down.
    pub record: ScrubRecord,
    /// For how long the statistics were locked, and with them whoever plans a statement.
    pub statistics: Option<Rewritten>,
    /// Segments of the write-ahead log that were removed.
    pub segments: u64,
    /// Files that no table owned.
    pub orphans: u64,
}

/// A scrub at work. Others are kept out for as long as this lives.
#[derive(Debug)]
pub struct Scrub {
    database: Database,
    /// Whether the cluster is ours, superuser and all.
    is_private: bool,
    /// Holds the lock that keeps others out, sees and writes down.
    engine: PgConnection,
    owner: PgConnection,
    up_to: Position,
    began_at: DateTime<Utc>,
    remains: Vec<String>,
}

impl Scrub {
    /// Begins, unless another one is at work.
    ///
    /// # Errors
    /// As [`ScrubError`] says.
    pub async fn begin(database: &Database, is_private: bool) -> Result<Self, ScrubError> {
        let mut engine = session(database, Role::Engine).await?;
        let is_alone: bool = sqlx::query_scalar("select pg_try_advisory_lock(hashtext('clientela.scrub'))")
            .fetch_one(&mut engine)
            .await?;
        if !is_alone {
            return Err(ScrubError::UnderWay);
        }
        let began_at = sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut engine).await?;
        let head = sqlx::query_scalar("select coalesce(max(position), 0) from events").fetch_one(&mut engine).await?;
        let owner = session(database, Role::Owner).await?;
        let (database, up_to) = (database.clone(), Position(head));
        Ok(Self { database, is_private, engine, owner, up_to, began_at, remains: Vec::new() })
    }

    /// Whoever was erased up to this position is scrubbed.
    #[must_use]
    pub const fn up_to(&self) -> Position {
        self.up_to
    }

    /// Notes something that is out of reach.
    pub fn leaves(&mut self, what: String) {
        self.remains.push(what);
    }

    /// Waits until no transaction can see any more what was removed before: rewriting keeps what may be seen.
    ///
    /// # Errors
    /// When one does not end in time.
    pub async fn wait_for_old_snapshots(&mut self) -> Result<(), ScrubError> {
        let now: String =
            sqlx::query_scalar("select pg_current_xact_id()::xid::text").fetch_one(&mut self.engine).await?;
        let until = Instant::now() + SNAPSHOT_PATIENCE;
        loop {
            let who: Option<String> = sqlx::query_scalar(include_str!("scrub/older_snapshot.sql"))
                .bind(&now)
                .fetch_optional(&mut self.engine)
                .await?;
            match who {
                None => return Ok(()),
                Some(who) if Instant::now() > until => return Err(ScrubError::SeenByOthers(who)),
                Some(_) => tokio::time::sleep(SNAPSHOT_RETRY).await,
            }
        }
    }

    /// Writes a table beside the log anew, with its indexes and statistics.
    ///
    /// # Errors
    /// As [`ScrubError`] says.
    pub async fn rewrite(&mut self, table: &str) -> Result<Rewritten, ScrubError> {
        tables::rewrite(&mut self.owner, table).await
    }

    /// Lets go of what is left outside of tables, and writes down what was done.
    ///
    /// # Errors
    /// As [`ScrubError`] says.
    pub async fn end(mut self, tell: &(dyn Fn(String) + Send + Sync)) -> Result<Scrubbed, ScrubError> {
        for table in unknown_tables(&mut self.engine).await? {
            self.leaves(format!("the table {table}, which this version of the program does not know"));
        }
        let mut admin = PgConnection::connect_with(&self.database.admin_options()).await?;
        prepare(&mut admin).await?;
        tell("statistics".to_owned());
        let statistics = self.rewrite_statistics(&mut admin).await?;
        let (orphans, segments) = match self.is_private {
            true => {
                let (removed, failed) = orphans::remove(&mut admin).await?;
                self.remains.extend(failed);
                let recycled = wal::recycle(&mut admin, tell).await?;
                self.remains.extend(recycled.remains);
                (removed, recycled.removed)
            }
            false => {
                let left = wal::of_others(&mut admin).await?;
                self.leaves(left);
                (0, 0)
            }
        };
        admin.close().await?;
        let record = scrubs::keep(&mut self.engine, (self.up_to, self.began_at), &self.remains).await?;
        self.owner.close().await?;
        // The end of the session would do it a moment later, when somebody may already ask for the next one.
        self.engine.execute("select pg_advisory_unlock_all()").await?;
        self.engine.close().await?;
        Ok(Scrubbed { record, statistics, segments, orphans })
    }

    /// PostgreSQL keeps frequent and typical values of each column.
    async fn rewrite_statistics(&mut self, admin: &mut PgConnection) -> Result<Option<Rewritten>, ScrubError> {
        const STATISTICS: &str = "pg_catalog.pg_statistic";
        self.wait_for_old_snapshots().await?;
        let before = tables::file_of(admin, STATISTICS).await?;
        let rewritten = tables::vacuum_full(admin, STATISTICS).await?;
        if tables::file_of(admin, STATISTICS).await? == before {
            self.leaves(
                "the statistics of tables: run `VACUUM FULL pg_catalog.pg_statistic` as the database's owner or a superuser"
                    .to_owned(),
            );
            return Ok(None);
        }
        Ok(Some(rewritten))
    }
}

/// Ends what an interrupted scrub has left in the settings of a private cluster.
///
/// # Errors
/// When the database refuses or is away.
pub async fn clear_up(private: &Database) -> Result<(), sqlx::Error> {
    let mut admin = PgConnection::connect_with(&private.admin_options()).await?;
    wal::usual(&mut admin).await?;
    admin.close().await
}

async fn session(database: &Database, role: Role) -> Result<PgConnection, sqlx::Error> {
    let mut session = PgConnection::connect_with(&database.options(role)).await?;
    prepare(&mut session).await?;
    Ok(session)
}

async fn prepare(session: &mut PgConnection) -> Result<(), sqlx::Error> {
    // Indexes are made while the table is locked: in memory that is quicker.
    let settings =
        format!("set statement_timeout = 0; set lock_timeout = '{LOCK_TIMEOUT}'; set maintenance_work_mem = '256MB'");
    session.execute(sqlx::AssertSqlSafe(settings)).await.map(drop)
}
