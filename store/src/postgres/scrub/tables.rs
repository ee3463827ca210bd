//! Which tables are written anew, and how.

use super::{LOCK_PATIENCE, LOCK_RETRY, Rewritten, ScrubError};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use std::time::Instant;

/// The tables beside the log from whose pages something of an erased person has to go.
pub const REWRITTEN: &[&str] = &["subject_keys", "claims", "snapshots"];

/// All others that are no read models, each with the reason why nothing of an erased person is in its pages.
pub const LEFT: &[(&str, &str)] = &[
    ("events", "what is personal is sealed under a key that is gone; never changed, so nothing old is in its pages"),
    ("event_names", "words of the program"),
    ("subject_links", "which ids are one person; the log says the same"),
    ("erasures", "receipts that name ids, written after the person was gone"),
    ("erasures_again", "the same, of those whom a backup had brought back"),
    ("scrubs", "positions and times"),
    (
        "command_outcomes",
        "codes of refusals under keyed hashes, which an erasure does not remove; gone after some months",
    ),
    ("parked_events", "positions, ids and codes"),
    ("job_runs", "counts, codes and an account's id"),
    ("key_checks", "values that tell a wrong key of the installation"),
    ("tree_tiles", "hashes of whole events"),
    ("tree_heads", "signed hashes"),
    ("projection_generations", "numbers and times"),
    ("projection_checkpoints", "positions and hashes of whole events"),
    ("projection_failures", "positions and reasons, without personal data"),
    ("projection_pauses", "names of projectors and who lets them rest"),
    ("projection_skips", "positions"),
    ("leases", "nodes"),
    ("analyst_logins", "logins of the database"),
    ("_sqlx_migrations", "versions of the schema"),
];

/// Tables of the database that are on neither list, and belong to no read model that is known to `projection_generations`.
///
/// # Errors
/// When the database refuses or is away.
pub async fn unknown_tables(conn: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let known: Vec<&str> = REWRITTEN.iter().copied().chain(LEFT.iter().map(|(table, _)| *table)).collect();
    sqlx::query_scalar(include_str!("unknown_tables.sql")).bind(known).fetch_all(conn).await
}

/// Writes a table anew: live rows only, in new files, with new indexes; then its statistics.
pub(super) async fn rewrite(owner: &mut PgConnection, table: &str) -> Result<Rewritten, ScrubError> {
    let before = file_of(owner, table).await?;
    let rewritten = vacuum_full(owner, table).await?;
    // PostgreSQL only warns when a login may not.
    if file_of(owner, table).await? == before {
        return Err(sqlx::Error::Protocol(format!("{table} was not written anew: it is not the owner's")).into());
    }
    patiently(owner, &format!("analyze {table}"), table).await?;
    Ok(rewritten)
}

/// Only the rewriting, without statistics.
pub(super) async fn vacuum_full(conn: &mut PgConnection, table: &str) -> Result<Rewritten, ScrubError> {
    let locked_ms = patiently(conn, &format!("vacuum full {table}"), table).await?;
    Ok(Rewritten { table: table.to_owned(), locked_ms })
}

/// The file that holds a table now.
pub(super) async fn file_of(conn: &mut PgConnection, table: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("select pg_relation_filenode($1::regclass)::bigint").bind(table).fetch_one(conn).await
}

/// Runs a statement that locks a table, when the table is free; the milliseconds that it took then. Whoever comes while it waits has to queue
/// behind it, so it waits for a moment only and comes back.
async fn patiently(conn: &mut PgConnection, statement: &str, table: &str) -> Result<f64, ScrubError> {
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        let begun = Instant::now();
        match conn.execute(AssertSqlSafe(statement.to_owned())).await {
            Ok(_) => return Ok(begun.elapsed().as_secs_f64() * 1e3),
            Err(error) if !is_lock_timeout(&error) => return Err(error.into()),
            Err(_) if Instant::now() > until => return Err(ScrubError::TableInUse(table.to_owned())),
            Err(_) => tokio::time::sleep(LOCK_RETRY).await,
        }
    }
}

/// A lock that was not free, or that somebody waited for in a circle.
fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| code == "55P03" || code == "40P01")
}
