//! What a read model is: pure functions from events to rows, and two statements that load and write rows.
//!
//! Nothing here runs: [`crate::runner`] follows the log, folds batches and commits rows and checkpoint together. A
//! rebuild uses the same functions, so it cannot come to another result. No clock: a row depends on its events only.

use crate::tables::Writer;
use chrono::{DateTime, Utc};
use domain::Event;
use serde::Deserialize;
use sqlx::PgConnection;
use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;
use store::{Position, StreamId, TenantId, Version};
use uuid::Uuid;

/// A decoded event with its place in the log.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// What happened.
    pub event: Event,
    /// Whose event.
    pub tenant: TenantId,
    /// The stream it stands in.
    pub stream: StreamId,
    /// Its version in the stream.
    pub version: Version,
    /// Its place in the log.
    pub position: Position,
    /// On whose timeline it stands.
    pub customer_id: Option<Uuid>,
    /// Business time.
    pub occurred_at: DateTime<Utc>,
    /// When it was appended.
    pub recorded_at: DateTime<Utc>,
    /// Who caused it, and on which occasion; empty where [`ReadModel::TELLS_OCCASION`] does not ask for it.
    pub occasion: Occasion,
}

/// Who caused an event, and on which occasion: ids only, never who somebody is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Occasion {
    /// Who acted: `key:<id>`, `job:<name>`, `cli`, ….
    pub actor: String,
    /// Id of the request that carried the command.
    pub request_id: Option<String>,
    /// Id shared by all that one outside occasion set off.
    pub correlation_id: Option<String>,
    /// What directly caused it: the id of an event.
    pub causation_id: Option<String>,
    /// The door that the command came in by.
    pub via: Option<String>,
}

/// Rows by key.
pub type Rows<M> = HashMap<<M as ReadModel>::Key, <M as ReadModel>::Row>;

/// What a batch makes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<K, R> {
    /// Its key.
    pub key: K,
    /// As it was loaded.
    pub before: Option<R>,
    /// As it shall be written; none removes it.
    pub after: Option<R>,
}

/// Puts together what an earlier and a later stretch of the log make of a row.
pub type Combine<R> = fn(R, R) -> R;

/// A change to a row of a read model.
pub type ChangeOf<M> = Change<<M as ReadModel>::Key, <M as ReadModel>::Row>;

/// The rows that changes make.
pub(crate) fn made<K, R>(changes: &[Change<K, R>]) -> impl Iterator<Item = &R> {
    changes.iter().filter_map(|change| change.after.as_ref())
}

/// A table (with the child tables that are written with it) made from events.
pub trait ReadModel: Send + Sync + 'static {
    /// Name of the projector. It is stored with the checkpoint and never changes.
    const NAME: &'static str;
    /// Version of the fold. Another one than the rows were made by asks for a rebuild.
    const VERSION: i32;
    /// Tables it owns. Each has a column `tenant`.
    const TABLES: &'static [&'static str];
    /// Makes the tables, and says in comments what their columns mean.
    const TABLES_SQL: &'static str;
    /// Makes their indexes; apart, because full tables are indexed faster.
    const INDEXES_SQL: &'static str;
    /// Columns that hold what identifies a person: not shown to operators, and nothing of them in the planner's statistics.
    const PERSONAL: &'static [&'static str];
    /// Event types it handles: exactly, where a type that it does not know cannot change its rows; else by prefix, so that a
    /// type of a newer build stops it rather than be left out.
    const HANDLES: &'static [&'static str];
    /// Whether it needs the personal part of events.
    const REVEALS: bool;
    /// Whether its rows tell who caused an event and on which occasion: otherwise [`Recorded::occasion`] is empty.
    const TELLS_OCCASION: bool = false;
    /// Whether every event makes rows of its own, which no later event touches. Then [`Self::apply`] never sees a row: none is
    /// loaded, and a rebuild forgets those that it has written.
    const APPEND_ONLY: bool = false;

    /// What names a row.
    type Key: Clone + Debug + Eq + Ord + Hash + Send + Sync + 'static;
    /// A row.
    type Row: Clone + Debug + PartialEq + Send + Sync + 'static;

    /// Keys of the rows that an event may change. Pure.
    fn keys(recorded: &Recorded) -> Vec<Self::Key>;

    /// What an event makes of one of the rows it touches. Pure.
    fn apply(key: &Self::Key, row: Option<Self::Row>, recorded: &Recorded) -> Option<Self::Row>;

    /// Puts together what two stretches of the log, one behind the other, make of a row apart. Where it is given, a rebuild folds
    /// stretches side by side, each as if nothing had been before. Associative; for every cut of a history, it has to come to what
    /// [`Self::apply`] comes to. Pure.
    const COMBINE: Option<Combine<Self::Row>> = None;

    /// Loads the rows that exist, set-based.
    fn load(
        conn: &mut PgConnection,
        keys: &[Self::Key],
    ) -> impl Future<Output = Result<Rows<Self>, sqlx::Error>> + Send
    where
        Self: Sized;

    /// Writes changed rows, set-based, each row of each table once. Written again, they are as they were.
    fn write(
        writer: &mut Writer<'_>,
        changes: &[ChangeOf<Self>],
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send
    where
        Self: Sized;
}
