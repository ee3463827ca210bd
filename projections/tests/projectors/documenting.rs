//! The page on read models: what the tables say of themselves. `GOLDEN=write` writes it.

use crate::world::World;
use projections::{Projector, of_person, projectors};
use sqlx::{PgConnection, Row};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const TOP: &str = "# Read models

Made from the tables by a test, not by hand: `make golden` writes this page again. Queries read the views of the same names in
the schema `read_models`; a request sees the rows of its tenant only. Positions are those of the log. Columns marked *personal*
say who somebody is.
";

#[tokio::test]
async fn the_page_on_read_models_is_what_the_tables_say() {
    let world = World::start().await;
    let made = page(&mut world.as_admin().await).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/read-models.md");
    if std::env::var("GOLDEN").as_deref() == Ok("write") {
        fs::write(&path, &made).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == made, "docs/read-models.md is stale: `make golden` writes it");
}

#[tokio::test]
async fn every_table_and_column_says_what_it_means() {
    let world = World::start().await;
    let silent: Vec<String> = sqlx::query_scalar(
        "select c.relname || coalesce('.' || a.attname, '') from pg_class c \
         join pg_namespace n on n.oid = c.relnamespace and n.nspname like '%\\_g1' \
         left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 \
         where c.relkind = 'r' and (obj_description(c.oid) is null or col_description(c.oid, a.attnum) is null) \
         order by 1",
    )
    .fetch_all(&mut world.as_admin().await)
    .await
    .unwrap();
    assert_eq!(silent, Vec::<String>::new());
}

#[tokio::test]
async fn every_table_is_said_to_hold_something_of_a_person_or_nothing() {
    let world = World::start().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public' \
         where c.relkind in ('r', 'p') and not c.relispartition order by 1",
    )
    .fetch_all(&mut world.as_admin().await)
    .await
    .unwrap();
    let named: BTreeSet<&str> =
        of_person::OTHERS.iter().chain(of_person::READ_MODELS).map(|(table, _)| *table).collect();
    let unnamed: Vec<_> = tables.iter().filter(|table| !named.contains(table.as_str())).collect();
    assert!(unnamed.is_empty(), "say in of_person.rs what these hold of a person: {unnamed:?}");
}

async fn page(conn: &mut PgConnection) -> String {
    let mut page = TOP.to_owned();
    for projector in projectors() {
        let handled: Vec<String> = projector.handles.iter().map(|handled| format!("`{handled}`")).collect();
        let Projector { name, version, tables, .. } = projector;
        writeln!(page, "\n## {name}\n\nVersion {version}, made from {}.", handled.join(", ")).unwrap();
        for table in tables {
            let oid: i32 = sqlx::query_scalar("select $1::regclass::oid::int")
                .bind(format!("{name}_g1.{table}"))
                .fetch_one(&mut *conn)
                .await
                .unwrap();
            page += &described(conn, table, oid).await;
            page += &columns(conn, &projector, oid).await;
            page += &indexes(conn, oid).await;
        }
    }
    page
}

async fn described(conn: &mut PgConnection, table: &str, oid: i32) -> String {
    let comment: String =
        sqlx::query_scalar("select obj_description($1::oid)").bind(oid).fetch_one(conn).await.unwrap();
    format!("\n### Table `{table}`\n\n{comment}\n\n| column | type | meaning |\n| --- | --- | --- |\n")
}

async fn columns(conn: &mut PgConnection, projector: &Projector, oid: i32) -> String {
    let rows = sqlx::query(
        "select attname::text, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum) \
         from pg_attribute where attrelid = $1::oid and attnum > 0 and not attisdropped order by attnum",
    )
    .bind(oid)
    .fetch_all(conn)
    .await
    .unwrap();
    let line = |row: &sqlx::postgres::PgRow| {
        let (name, kind, required): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
        let optional = if required { "" } else { ", may be null" };
        let personal = if projector.personal.contains(&name.as_str()) { "*Personal.* " } else { "" };
        let comment = row.get::<Option<String>, _>(3).unwrap_or_default().replace('|', "\\|");
        format!("| `{name}` | {kind}{optional} | {personal}{comment} |\n")
    };
    rows.iter().map(line).collect()
}

async fn indexes(conn: &mut PgConnection, oid: i32) -> String {
    let rows = sqlx::query(
        "select c.relname::text, i.indisprimary, i.indisunique, pg_get_indexdef(i.indexrelid) from pg_index i \
         join pg_class c on c.oid = i.indexrelid where i.indrelid = $1::oid order by not i.indisprimary, 1",
    )
    .bind(oid)
    .fetch_all(conn)
    .await
    .unwrap();
    let line = |row: &sqlx::postgres::PgRow| {
        let (name, definition): (String, String) = (row.get(0), row.get(3));
        let (_, method) = definition.split_once(" USING ").unwrap();
        let kind = match (row.get(1), row.get(2)) {
            (true, _) => "primary key, ",
            (false, true) => "unique, ",
            (false, false) => "",
        };
        format!("- `{name}`: {kind}{method}\n")
    };
    rows.iter().fold("\n".to_owned(), |list, row| list + &line(row))
}
