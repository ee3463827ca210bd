//! The write-ahead log: what was written before the tables were written anew goes.
//!
//! PostgreSQL removes segments after a checkpoint, but most of them it renames, content and all, for later use. So for the time of a scrub
//! that is switched off, the log is moved on past every segment that is there, and a checkpoint lets all of them go.

use sqlx::{Executor, PgConnection};
use std::collections::BTreeSet;
use std::time::Duration;

/// After a setting was changed, the checkpointer needs a moment to see it.
const SEEN_AFTER: Duration = Duration::from_millis(300);
/// Between two segments: committing stands still while one is filled up.
const SWITCH_PAUSE: Duration = Duration::from_millis(20);
/// More than any sensible `max_wal_size` holds; who writes so fast meanwhile is left with a remark.
const SWITCHES_MAX: u32 = 4_096;
/// How often a checkpoint is tried.
const CHECKPOINTS_MAX: u32 = 20;
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(500);

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Recycled {
    pub(super) removed: u64,
    pub(super) remains: Vec<String>,
}

/// Lets go of all that was written until now. Needs a superuser.
pub(super) async fn recycle(
    admin: &mut PgConnection,
    tell: &(dyn Fn(String) + Send + Sync),
) -> Result<Recycled, sqlx::Error> {
    admin.execute("alter system set wal_recycle = off").await?;
    admin.execute("select pg_reload_conf()").await?;
    tokio::time::sleep(SEEN_AFTER).await;
    let recycled = let_go(admin, tell).await;
    usual(admin).await?;
    recycled
}

/// Back to the settings of always.
pub(super) async fn usual(admin: &mut PgConnection) -> Result<(), sqlx::Error> {
    admin.execute("alter system reset wal_recycle").await?;
    admin.execute("select pg_reload_conf()").await.map(drop)
}

async fn let_go(admin: &mut PgConnection, tell: &(dyn Fn(String) + Send + Sync)) -> Result<Recycled, sqlx::Error> {
    admin.execute("checkpoint").await?;
    let old = segments(admin).await?;
    let Some(newest) = old.last().cloned() else { return Ok(Recycled::default()) };
    for _ in 0..SWITCHES_MAX {
        let current: String =
            sqlx::query_scalar("select pg_walfile_name(pg_current_wal_insert_lsn())").fetch_one(&mut *admin).await?;
        if place(&current) > place(&newest) {
            break;
        }
        tell(format!("write-ahead log, segment {current} of {newest}"));
        // A segment in which nothing was written is not left.
        admin.execute("select pg_logical_emit_message(false, 'clientela', 'scrub'); select pg_switch_wal()").await?;
        tokio::time::sleep(SWITCH_PAUSE).await;
    }
    let mut left = old.clone();
    for _ in 0..CHECKPOINTS_MAX {
        admin.execute("checkpoint").await?;
        let there = segments(admin).await?;
        left.retain(|segment| there.contains(segment));
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(CHECKPOINT_PAUSE).await;
    }
    let removed = (old.len() - left.len()) as u64;
    let remains = left.first().map(|first| kept_back(first, left.len()));
    Ok(Recycled { removed, remains: remains.into_iter().collect() })
}

fn kept_back(first: &str, count: usize) -> String {
    format!(
        "{count} segments of the write-ahead log from {first} on, which a replication slot, wal_keep_size or the archiver keeps: \
         see pg_replication_slots and pg_stat_archiver, then scrub again"
    )
}

/// The segments that are there, future ones too.
async fn segments(admin: &mut PgConnection) -> Result<BTreeSet<String>, sqlx::Error> {
    let names: Vec<String> =
        sqlx::query_scalar("select name from pg_ls_waldir() where name ~ '^[0-9A-F]{24}'").fetch_all(admin).await?;
    Ok(names.into_iter().collect())
}

/// A segment's place, on whatever timeline.
fn place(segment: &str) -> &str {
    segment.get(8..24).unwrap_or_default()
}

/// What is left to the operator of a cluster that is not ours.
pub(super) async fn of_others(login: &mut PgConnection) -> Result<String, sqlx::Error> {
    // Allowed to superusers and members of pg_checkpoint: it lets the files of removed tables go.
    let is_checked = login.execute("checkpoint").await.is_ok();
    let until: String = sqlx::query_scalar("select pg_walfile_name(pg_current_wal_lsn())").fetch_one(login).await?;
    let files = if is_checked { "" } else { "files of tables that were removed, until the next checkpoint, and " };
    Ok(format!(
        "{files}the write-ahead log up to segment {until}: as a superuser run `ALTER SYSTEM SET wal_recycle = off; SELECT pg_reload_conf();`, \
         then `SELECT pg_logical_emit_message(false, 'clientela', 'scrub'); SELECT pg_switch_wal(); CHECKPOINT;` again and again until \
         `SELECT name FROM pg_ls_waldir() ORDER BY name` has none that was there before, then `ALTER SYSTEM RESET wal_recycle; SELECT pg_reload_conf();`; \
         archives of the write-ahead log, backups and replicas are yours, too"
    ))
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn segments_of_several_timelines_stand_in_one_order() {
        assert!(place("000000010000000000000003") < place("0000000100000000000000A1"));
        assert!(place("000000020000000000000003") < place("000000010000000000000004"));
    }
}
