//! For tests: a database of one's own in which everything is prepared.

use sqlx::{Connection, Executor, PgConnection};
use std::hash::{DefaultHasher, Hash, Hasher};
use store::postgres::Database;
use store::postgres::testing::{TestDatabase, create_database, ensure_template};

/// A database of its own for one test: migrated, with the tables of all read models, analysed.
///
/// # Panics
/// When it cannot be made.
pub async fn prepared_database() -> (TestDatabase, Database) {
    let template = format!("prepared_{}_{:x}", Database::schema_fingerprint(), tables_fingerprint());
    ensure_template(&template, |options| async move {
        let database = Database::with_role_logins(options.clone());
        database.migrate().await.expect("the migrations run");
        crate::prepare(&database, &crate::projectors()).await.expect("the tables are made");
        let mut admin = PgConnection::connect_with(&options).await.expect("a connection");
        admin.execute("analyze").await.expect("analysed");
        admin.close().await.expect("a clean end");
    })
    .await;
    let test = create_database(Some(&template)).await;
    // A copy has the objects of its template, but not the grants on the database itself.
    let mut admin = PgConnection::connect_with(&test.admin_options()).await.expect("a connection");
    let name = test.name();
    let grant = format!(
        "grant create on database {name} to clientela_rebuild; revoke temporary on database {name} from public"
    );
    admin.execute(sqlx::AssertSqlSafe(grant)).await.expect("granted");
    admin.close().await.expect("a clean end");
    let database = Database::with_role_logins(test.admin_options());
    (test, database)
}

/// Changes with the tables of any read model.
fn tables_fingerprint() -> u64 {
    let mut hasher = DefaultHasher::new();
    for projector in crate::projectors() {
        (projector.name, projector.version, projector.tables_sql, projector.indexes_sql).hash(&mut hasher);
    }
    hasher.finish()
}
