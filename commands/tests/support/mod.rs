//! What several test programs of this crate do.

use sqlx::{Connection, Executor, PgConnection};
use store::postgres::testing::TestDatabase;

/// Has all accounts hold what a build would write that is newer by so many versions, as only somebody can who owns the whole database.
pub(crate) async fn newer_by(versions: i16, test: &TestDatabase) {
    let mut admin = PgConnection::connect_with(&test.admin_options()).await.unwrap();
    admin.execute("set session_replication_role = replica").await.unwrap();
    let written = "update events set schema_version = schema_version + $1 \
                   where type in (select code from event_names where name like 'loyalty.%')";
    let written = sqlx::query(written).bind(versions).execute(&mut admin).await.unwrap();
    assert!(written.rows_affected() > 0);
}
