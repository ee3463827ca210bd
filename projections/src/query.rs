//! What all queries share: an answer that says which position it reflects, and rows that make no sense named as such.

use sqlx::postgres::PgRow;
use sqlx::{ColumnIndex, Decode, Postgres, Row, Type};
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};

/// An answer, and the position of the log that it reflects: both are of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsOf<T> {
    /// The answer.
    pub value: T,
    /// All events up to here are in it, and none after.
    pub position: Position,
}

impl<T> AsOf<T> {
    /// The same position with another value.
    pub fn map<U>(self, made: impl FnOnce(T) -> U) -> AsOf<U> {
        AsOf { value: made(self.value), position: self.position }
    }
}

/// Which part of a list that goes back in time is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Back {
    /// Only what stands before this position.
    pub before: Position,
    /// At most so many rows.
    pub limit: usize,
}

impl Back {
    /// From the newest row on.
    #[must_use]
    pub const fn newest(limit: usize) -> Self {
        Self { before: Position(i64::MAX), limit }
    }

    /// One row more than is shown says whether there are more.
    pub(crate) fn fetched(self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1)
    }
}

/// A part of a list; of one that goes back in time, unless `N` says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, N = Position> {
    /// Its rows, in the order of the list: the newest first.
    pub rows: Vec<T>,
    /// What to ask for next stands behind this place; none at the end of the list.
    pub next: Option<N>,
}

/// A stored value that is not what its column promises.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Nonsense(pub(crate) &'static str);

/// A column whose text must be one of a few words.
pub(crate) fn word<T>(row: &PgRow, column: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<T, sqlx::Error> {
    let text: &str = row.try_get(column)?;
    parse(text).ok_or_else(|| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: Box::new(Nonsense("not one of the known words")),
    })
}

/// Reads `as_of` beside the columns of a row.
pub(crate) fn as_of<T>(row: &PgRow, value: T) -> Result<AsOf<T>, sqlx::Error> {
    Ok(AsOf { value, position: Position(get(row, "as_of")?) })
}

/// Reads a page of a list that goes back in time.
pub(crate) fn page<T>(
    found: &[PgRow],
    back: Back,
    read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
) -> Result<AsOf<Page<T>>, sqlx::Error> {
    listed(found, back.limit, read, |row| Ok(Position(get(row, "position")?)))
}

/// Reads a page. Each row carries `as_of`; without a position it stands for that alone, because there is nothing to list.
pub(crate) fn listed<T, N>(
    found: &[PgRow],
    limit: usize,
    read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
    place: impl Fn(&PgRow) -> Result<N, sqlx::Error>,
) -> Result<AsOf<Page<T, N>>, sqlx::Error> {
    let Some(first) = found.first() else {
        return Ok(AsOf { value: Page { rows: Vec::new(), next: None }, position: Position(0) });
    };
    let is_empty = get::<Option<i64>>(first, "position")?.is_none();
    let shown = if is_empty { &[] } else { &found[..found.len().min(limit)] };
    let rows = shown.iter().map(read).collect::<Result<_, _>>()?;
    let last = shown.last().filter(|_| found.len() > shown.len());
    as_of(first, Page { rows, next: last.map(place).transpose()? })
}

/// The position that all of these projections have reached. Of rows read afterwards it says the least.
///
/// # Errors
/// When the database is away.
pub async fn lowest_position(
    pools: &Pools,
    tenant: TenantId,
    projectors: &[&'static str],
) -> Result<Position, StoreError> {
    let sql = "select coalesce(min(position), 0) as position from projection_positions where projector = any($1)";
    let found = pools.request.fetch_optional(tenant, sqlx::query(sql).bind(projectors)).await;
    let row = found.map_err(failed("projection_positions"))?;
    row.map_or(Ok(Position(0)), |row| get(&row, "position").map(Position)).map_err(failed("projection_positions"))
}

pub(crate) fn get<'r, T>(row: &'r PgRow, column: &'static str) -> Result<T, sqlx::Error>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
    &'static str: ColumnIndex<PgRow>,
{
    row.try_get(column)
}

/// A failure of a query: either the database is away, or a row of `table` makes no sense.
pub(crate) fn failed(table: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| match error {
        sqlx::Error::ColumnDecode { index, source } => {
            tracing::error!(table, column = index, error = %source, "a row makes no sense");
            StoreError::Corrupt { table, column: "", row: index, reason: source.to_string() }
        }
        error => store::postgres::unavailable(error),
    }
}
