//! Rebuild and check, beside projectors that go on.

use crate::world::{Node, PATIENCE, SHOP, World, bought, earned, enrolled, preferring, registered};
use projections::customers::customers;
use projections::customers::customers::by_name::{NameQuery, find_by_name};
use projections::rebuild::{Progress, Purpose, RebuildError, Rebuilt};
use projections::{Projector, ReadModel, Recorded, projectors};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::contract::fresh_id;
use store::postgres::Role;
use store::{EventStore, Position};
use uuid::Uuid;

fn named(name: &str) -> Projector {
    projectors().into_iter().find(|projector| projector.name == name).unwrap()
}

async fn rebuild(world: &World, projector: &Projector, purpose: Purpose) -> Result<Rebuilt, RebuildError> {
    projector.rebuild(&world.database, world.store.clone(), purpose, Arc::new(|_: Progress| {})).await
}

/// Some customers with purchases; the last position.
async fn some_customers(world: &World, count: u32) -> (Vec<Uuid>, Position) {
    let mut last = Position(0);
    let mut customers = Vec::new();
    for number in 0..count {
        let customer = fresh_id();
        let phone = format!("+346{number:08}");
        let events = [registered(&format!("ana{number}"), &phone), bought(1), bought(2)];
        world.append(SHOP, customer, events).await;
        last = world.append(SHOP, customer, [preferring("shop", r#"no "nuts", \o/ {at all}"#)]).await;
        world.append(SHOP, customer, [enrolled(), earned(1)]).await;
        customers.push(customer);
    }
    (customers, last)
}

async fn generations(world: &World, projector: &str) -> Vec<(i32, bool)> {
    let rows = sqlx::query("select generation, live from projection_generations where projector = $1 order by 1")
        .bind(projector)
        .fetch_all(&mut world.as_role(Role::Rebuild).await)
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_comes_to_the_same_rows_and_takes_the_place_of_the_old_ones() {
    let world = World::start().await;
    let node = world.node().await;
    let (all, last) = some_customers(&world, 30).await;
    node.sees("customers", last).await;
    for projector in projectors() {
        let rebuilt = rebuild(&world, &projector, Purpose::Swap).await.unwrap();
        assert!(rebuilt.agrees() && rebuilt.swapped, "{rebuilt:#?}");
        assert_eq!(generations(&world, projector.name).await, [(2, true)]);
    }
    let (one, two) = (all[0], fresh_id());
    world.append(SHOP, one, [bought(3)]).await;
    let last = world.append(SHOP, two, [registered("ben", "+34611111111")]).await;
    node.sees("customers", last).await;
    let found = customers::find(&node.pools, SHOP, one).await.unwrap().unwrap();
    assert_eq!(found.value.purchase_count, 3, "the live projector goes on in the new tables");
    assert!(customers::find(&node.pools, SHOP, two).await.unwrap().is_some());
    for projector in projectors() {
        let checked = rebuild(&world, &projector, Purpose::Check).await.unwrap();
        assert!(checked.agrees() && !checked.swapped, "{checked:#?}");
        assert_eq!(generations(&world, projector.name).await, [(2, true)], "a check leaves nothing behind");
    }
}

/// As a rebuild leaves it that is killed after its first step: some rows, no keys, no walls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_was_killed_goes_on_in_tables_without_keys() {
    let world = World::start().await;
    let node = world.node().await;
    let (all, last) = some_customers(&world, 10).await;
    node.sees("customers", last).await;
    for projector in projectors() {
        let kept = rebuild(&world, &projector, Purpose::Keep).await.unwrap();
        for table in projector.tables {
            let table = format!("{}_g2.{table}", projector.name);
            let undone = format!(
                "alter table {table} disable row level security, no force row level security; \
                 update projection_generations set ready_at = null where projector = '{0}' and generation = 2; \
                 do $$ declare name text; begin for name in select conname from pg_constraint \
                 where conrelid = '{table}'::regclass and contype in ('p', 'u') \
                 loop execute format('alter table {table} drop constraint %I', name); end loop; end $$; \
                 do $$ declare name text; begin for name in select indexrelid::regclass from pg_index \
                 where indrelid = '{table}'::regclass loop execute format('drop index %s', name); end loop; end $$; \
                 do $$ declare name text; begin for name in select polname from pg_policy \
                 where polrelid = '{table}'::regclass loop execute format('drop policy %I on {table}', name); end loop; end $$",
                projector.name
            );
            world.as_role(Role::Rebuild).await.execute(AssertSqlSafe(undone)).await.unwrap();
        }
        assert!(kept.agrees(), "{kept:#?}");
    }
    let (others, last) = some_customers(&world, 5).await;
    world.append(SHOP, all[0], [bought(3), preferring("web", "nothing")]).await;
    world.append(SHOP, all[1], [earned(2)]).await;
    node.sees("customers", last).await;
    for projector in projectors() {
        let swapped = rebuild(&world, &projector, Purpose::Swap).await.unwrap();
        assert!(swapped.agrees() && swapped.resumed_from > Position(0), "{swapped:#?}");
        assert_eq!(swapped.generation, 2);
    }
    let found = customers::find(&node.pools, SHOP, others[4]).await.unwrap().unwrap();
    assert_eq!(found.value.purchase_count, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_build_that_had_other_tables_and_columns_are_made_again() {
    let world = World::start().await;
    let node = world.node().await;
    let (_, last) = some_customers(&world, 3).await;
    node.sees("customers", last).await;
    node.projections.stop().await;
    // A table less, and a column less between others.
    let older = "drop view read_models.customer_words; drop table customers_g1.customer_words; \
                 alter table customers_g1.customers drop column language cascade; \
                 create view read_models.customers with (security_invoker = true) as select * from customers_g1.customers; \
                 update projection_generations set version = 0 where projector = 'customers'";
    world.as_role(Role::Rebuild).await.execute(older).await.unwrap();
    let rebuilt = rebuild(&world, &named("customers"), Purpose::Swap).await.unwrap();
    let differences: Vec<_> = rebuilt.differences.iter().map(|table| (table.table, table.rows, table.added)).collect();
    assert!(rebuilt.swapped, "{rebuilt:#?}");
    for difference in [("customers", 3, 0), ("customer_words", 0, 3)] {
        assert!(differences.contains(&difference), "{differences:?}");
    }
    let node = world.node().await;
    node.sees("customers", last).await;
    let found = find_by_name(&node.pools, SHOP, &NameQuery::parse("ana1").unwrap(), None, 5).await.unwrap();
    assert_eq!((found.value.rows.len(), found.value.rows[0].language.as_deref()), (1, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_writers_notice_nothing() {
    let world = World::start().await;
    let node = world.node().await;
    let (all, last) = some_customers(&world, 20).await;
    node.sees("customers", last).await;
    let done = Arc::new(AtomicBool::new(false));
    let reading = tokio::spawn(read_until(Arc::clone(&done), node, all.clone()));
    let rebuilding = async {
        for _ in 0..3 {
            let rebuilt = rebuild(&world, &named("customers"), Purpose::Swap).await.unwrap();
            assert!(rebuilt.agrees(), "{rebuilt:#?}");
            assert!(rebuilt.swap_ms.unwrap() < 1_000.0, "{rebuilt:#?}");
        }
        done.store(true, Ordering::Relaxed);
    };
    let writing = async {
        let mut number = 100;
        while !done.load(Ordering::Relaxed) {
            number += 1;
            world.append(SHOP, all[number as usize % all.len()], [bought(number)]).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::join!(rebuilding, writing);
    let (node, reads) = reading.await.unwrap();
    assert!(reads > 100, "{reads}");
    node.sees("customers", world.store.head().await.unwrap()).await;
    let checked = rebuild(&world, &named("customers"), Purpose::Check).await.unwrap();
    assert!(checked.agrees(), "{checked:#?}");
}

/// Reads all the time; a row that was there is never missing and never older than before.
async fn read_until(done: Arc<AtomicBool>, node: Node, all: Vec<Uuid>) -> (Node, u64) {
    let (mut reads, mut seen) = (0, vec![0; all.len()]);
    while !done.load(Ordering::Relaxed) {
        for (customer, seen) in all.iter().zip(&mut seen) {
            let found = customers::find(&node.pools, SHOP, *customer).await.unwrap().expect("it is there");
            assert!(found.value.purchase_count >= *seen);
            *seen = found.value.purchase_count;
            reads += 1;
        }
    }
    (node, reads)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_changed_by_hand_is_found_and_put_right() {
    let world = World::start().await;
    let node = world.node().await;
    let (all, last) = some_customers(&world, 5).await;
    node.sees("customers", last).await;
    let mut engine = world.as_role(Role::Engine).await;
    let change = "update customers_g1.customers set purchase_count = 7, name = 'Mallory' where id = ";
    engine.execute(AssertSqlSafe(format!("{change} '{}'", all[0]))).await.unwrap();
    engine.execute(AssertSqlSafe(format!("delete from customers_g1.customers where id = '{}'", all[1]))).await.unwrap();
    let checked = rebuild(&world, &named("customers"), Purpose::Check).await.unwrap();
    let difference = &checked.differences[0];
    assert_eq!((difference.rows, difference.added, difference.gone, difference.changed), (4, 1, 0, 1));
    let columns: Vec<_> = difference.columns.iter().map(|column| (column.column.as_str(), &column.sums)).collect();
    assert_eq!(columns, [("name", &None), ("purchase_count", &Some(("7".to_owned(), "2".to_owned())))]);
    let told = serde_json::to_string(&difference.examples).unwrap();
    assert!(told.contains(&all[0].to_string()) && told.contains("(personal)"), "{told}");
    assert!(!told.contains("Mallory") && !told.contains("ana0"), "{told}");

    assert!(rebuild(&world, &named("customers"), Purpose::Swap).await.unwrap().swapped);
    assert!(rebuild(&world, &named("customers"), Purpose::Check).await.unwrap().agrees());
    node.sees("customers", last).await;
    assert_eq!(customers::find(&node.pools, SHOP, all[0]).await.unwrap().unwrap().value.purchase_count, 2);
}

/// More rows than are kept in memory, so they are written in steps and forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_is_made_again_in_steps_and_a_row_changed_by_hand_is_put_right() {
    let world = World::start().await;
    let node = world.node().await;
    let (ana, mut last) = (fresh_id(), Position(0));
    world.append(SHOP, ana, [enrolled()]).await;
    for chunk in (1..=25_000).collect::<Vec<u32>>().chunks(2_500) {
        last = world.append(SHOP, ana, chunk.iter().copied().map(earned)).await;
    }
    node.sees("loyalty_ledger", last).await;
    let mut engine = world.as_role(Role::Engine).await;
    engine.execute("update loyalty_ledger_g1.loyalty_ledger set points = 7 where lot = 3").await.unwrap();
    engine.execute("delete from loyalty_ledger_g1.loyalty_ledger where lot = 24990").await.unwrap();
    let swapped = rebuild(&world, &named("loyalty_ledger"), Purpose::Swap).await.unwrap();
    let difference = &swapped.differences[0];
    assert_eq!((difference.rows, difference.added, difference.gone, difference.changed), (24_999, 1, 0, 1));
    assert_eq!(difference.columns[0].sums, Some(("7".to_owned(), "24".to_owned())));
    assert!(rebuild(&world, &named("loyalty_ledger"), Purpose::Check).await.unwrap().agrees());
}

/// The rule changed: each purchase counts twice.
struct Doubled;

impl ReadModel for Doubled {
    const NAME: &'static str = customers::Customers::NAME;
    const VERSION: i32 = customers::Customers::VERSION + 1;
    const TABLES: &'static [&'static str] = customers::Customers::TABLES;
    const TABLES_SQL: &'static str = customers::Customers::TABLES_SQL;
    const INDEXES_SQL: &'static str = customers::Customers::INDEXES_SQL;
    const PERSONAL: &'static [&'static str] = customers::Customers::PERSONAL;
    const HANDLES: &'static [&'static str] = customers::Customers::HANDLES;
    const REVEALS: bool = customers::Customers::REVEALS;
    type Key = <customers::Customers as ReadModel>::Key;
    type Row = <customers::Customers as ReadModel>::Row;

    fn keys(recorded: &Recorded) -> Vec<Self::Key> {
        customers::Customers::keys(recorded)
    }

    fn apply(key: &Self::Key, row: Option<Self::Row>, recorded: &Recorded) -> Option<Self::Row> {
        let before = row.as_ref().map_or(0, |row| row.purchase_count);
        let mut after = customers::Customers::apply(key, row, recorded)?;
        after.purchase_count += after.purchase_count - before;
        Some(after)
    }

    async fn load(
        conn: &mut PgConnection,
        keys: &[Self::Key],
    ) -> Result<projections::read_model::Rows<Self>, sqlx::Error> {
        customers::Customers::load(conn, keys).await
    }

    async fn write(
        writer: &mut projections::tables::Writer<'_>,
        changes: &[projections::read_model::ChangeOf<Self>],
    ) -> Result<(), sqlx::Error> {
        customers::Customers::write(writer, changes).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_rule_shows_what_it_changes_before_it_is_live() {
    let world = World::start().await;
    let node = world.node().await;
    let (all, last) = some_customers(&world, 5).await;
    node.sees("customers", last).await;
    let kept = rebuild(&world, &Projector::of::<Doubled>(), Purpose::Keep).await.unwrap();
    let column = &kept.differences[0].columns[0];
    assert_eq!((column.column.as_str(), column.rows), ("purchase_count", 5));
    assert_eq!(column.sums, Some(("10".to_owned(), "20".to_owned())));
    assert_eq!(customers::find(&node.pools, SHOP, all[0]).await.unwrap().unwrap().value.purchase_count, 2);

    world.append(SHOP, all[0], [bought(3)]).await;
    let checked = rebuild(&world, &Projector::of::<Doubled>(), Purpose::Check).await.unwrap();
    assert_eq!(checked.generation, kept.generation);
    let swapped = rebuild(&world, &Projector::of::<Doubled>(), Purpose::Swap).await.unwrap();
    assert_eq!(swapped.generation, kept.generation, "a check throws nothing away that was kept");
    assert!(swapped.swapped && swapped.resumed_from >= last && swapped.events < 10, "it goes on: {swapped:#?}");
    let seen = customers::find(&node.pools, SHOP, all[0]).await.unwrap().unwrap();
    assert_eq!(seen.value.purchase_count, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_rebuild_is_gone_on_with_and_two_at_once_are_refused() {
    let world = World::start().await;
    let node = world.node().await;
    let (_, last) = some_customers(&world, 50).await;
    node.sees("customers", last).await;
    let (started, holding) = (Arc::new(tokio::sync::Notify::new()), Arc::clone(&world.store));
    let told = Arc::clone(&started);
    let projector = named("customers");
    let tell = Arc::new(move |_: Progress| told.notify_one());
    let database = world.database.clone();
    let first = tokio::spawn(async move { projector.rebuild(&database, holding, Purpose::Keep, tell).await });
    started.notified().await;
    first.abort();
    let _ended = first.await;
    let swapped = loop {
        match rebuild(&world, &named("customers"), Purpose::Swap).await {
            Err(RebuildError::UnderWay(name)) => assert_eq!(name, "customers"), // its session has not ended yet
            swapped => break swapped.unwrap(),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(swapped.agrees() && swapped.generation == 2, "{swapped:#?}");
    let mut other = world.as_role(Role::Rebuild).await;
    other.execute("select pg_advisory_lock(hashtext('clientela.rebuild'), hashtext('customers'))").await.unwrap();
    let refused = rebuild(&world, &named("customers"), Purpose::Check).await;
    assert!(matches!(refused, Err(RebuildError::UnderWay("customers"))));
    node.projections.wait_for(&["customers"], last, PATIENCE).await.unwrap();
}
