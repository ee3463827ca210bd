//! Files of the database that no table owns: PostgreSQL leaves them behind when it is killed while a table is loaded or written anew.
//! They hold rows, perhaps of somebody who was erased since.
//!
//! A file is taken for one only if no table names it and it was last written well before any open transaction began: whoever is
//! making a table just now has written its file since.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// So much older than all open transactions.
const MARGIN: TimeDelta = TimeDelta::minutes(10);

/// Removes them. How many, and what could not be removed.
pub(super) async fn remove(admin: &mut PgConnection) -> Result<(u64, Vec<String>), sqlx::Error> {
    let (mut removed, mut failed) = (0, Vec::new());
    for path in find(admin).await? {
        match std::fs::remove_file(&path) {
            Ok(()) => removed += 1,
            Err(error) => failed.push(format!("the file {}, which no table owns: {error}", path.display())),
        }
    }
    Ok((removed, failed))
}

/// The order counts: a table that is committed after the files were listed is known when tables are asked for.
async fn find(admin: &mut PgConnection) -> Result<Vec<PathBuf>, sqlx::Error> {
    let (cluster, folder): (String, String) = sqlx::query_as(
        "select current_setting('data_directory'), 'base/' || oid from pg_database where datname = current_database()",
    )
    .fetch_one(&mut *admin)
    .await?;
    let files: Vec<(String, DateTime<Utc>)> = sqlx::query_as(
        "select name, found.modification from pg_ls_dir($1) name, pg_stat_file($1 || '/' || name, true) found \
         where found.size > 0 and name ~ '^[0-9]+(_[a-z]+)?([.][0-9]+)?$'",
    )
    .bind(&folder)
    .fetch_all(&mut *admin)
    .await?;
    let oldest: DateTime<Utc> = sqlx::query_scalar(
        "select least(min(xact_start), (select min(prepared) from pg_prepared_xacts), clock_timestamp()) from pg_stat_activity",
    )
    .fetch_one(&mut *admin)
    .await?;
    let owned: Vec<i64> = sqlx::query_scalar(
        "select pg_relation_filenode(oid)::bigint from pg_class where pg_relation_filenode(oid) is not null",
    )
    .fetch_all(admin)
    .await?;
    let owned: BTreeSet<i64> = owned.into_iter().collect();
    let is_nobodys = |(name, written): &(String, DateTime<Utc>)| {
        number(name).is_some_and(|number| !owned.contains(&number)) && *written < oldest - MARGIN
    };
    let folder = Path::new(&cluster).join(folder);
    Ok(files.iter().filter(|file| is_nobodys(file)).map(|(name, _)| folder.join(name)).collect())
}

/// `16384_vm.1` → 16384.
fn number(name: &str) -> Option<i64> {
    name.split(['_', '.']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_file_is_known_by_the_number_it_begins_with() {
        assert_eq!(["16384", "16384.1", "16384_fsm", "16384_vm.2"].map(number), [Some(16_384); 4]);
        assert_eq!([number("pg_filenode.map"), number("PG_VERSION")], [None, None]);
    }
}
