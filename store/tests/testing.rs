//! The PostgreSQL that the other tests share.

use sqlx::{Connection, Executor, PgConnection};
use store::postgres::testing::{create_database, ensure_template, test_server};

#[tokio::test]
async fn each_test_has_its_own_database() {
    let (one, other) = (create_database(None).await, create_database(None).await);
    for database in [&one, &other] {
        let mut connection = PgConnection::connect_with(&database.admin_options()).await.unwrap();
        connection.execute("CREATE TABLE same_name (id int)").await.unwrap();
    }
    assert_ne!(one.name(), other.name());
}

#[tokio::test]
async fn a_database_goes_with_its_test_even_while_in_use() {
    let database = create_database(None).await;
    let name = database.name().to_owned();
    let _in_use = PgConnection::connect_with(&database.admin_options()).await.unwrap();
    drop(database);
    assert!(!exists(&name).await);
}

#[tokio::test]
async fn a_template_is_built_once_and_copied() {
    let name = "a_template_of_this_test";
    for attempt in 0..2 {
        ensure_template(name, |options| async move {
            let mut connection = PgConnection::connect_with(&options).await.unwrap();
            connection.execute("CREATE TABLE built (times int); INSERT INTO built VALUES (1)").await.unwrap();
        })
        .await;
        let copy = create_database(Some(name)).await;
        let mut connection = PgConnection::connect_with(&copy.admin_options()).await.unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM built").fetch_one(&mut connection).await.unwrap();
        assert_eq!(rows, 1, "attempt {attempt}");
    }
}

async fn exists(name: &str) -> bool {
    let mut admin = PgConnection::connect_with(&test_server().await.admin_options()).await.expect("a connection");
    let query = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)").bind(name);
    query.fetch_one(&mut admin).await.expect("an answer")
}
