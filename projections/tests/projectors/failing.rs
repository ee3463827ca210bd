//! What cannot be digested stops its projector, in sight of all, and nobody else.

use crate::world::{PATIENCE, SHOP, World, bought, enrolled, hasty, key_created, nonsense, registered, stored};
use domain::Event;
use projections::customers::customers;
use projections::read_model::{ChangeOf, Rows};
use projections::rebuild::{Progress, Purpose};
use projections::tables::Writer;
use projections::{Projector, ProjectorState, ReadModel, Recorded, projectors};
use sqlx::PgConnection;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use store::contract::fresh_id;
use store::{Position, StreamId};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_makes_no_sense_stops_its_projector_in_sight_of_all_nodes() {
    let world = World::start().await;
    let ana = fresh_id();
    let before = world.append(SHOP, ana, [registered("ana", "+34600000001"), bought(1)]).await;
    let stream = StreamId { category: "customer", id: fresh_id() };
    let poison = world.append_stored(SHOP, stream, vec![nonsense("customer.purchase.recorded")]).await;
    let last = world.append(SHOP, ana, [bought(2), bought(3)]).await;

    let node = world.node_with(&projectors(), hasty()).await;
    let status = node.is("customers", ProjectorState::Failed).await;
    assert_eq!((status.position, status.lag), (before, last.0 - before.0));
    let error = status.error.unwrap();
    assert_eq!((error.position, error.event_id), (poison, Some(format!("{stream}/1"))));
    node.sees("loyalty_balances", last).await;
    let found = customers::find(&node.pools, SHOP, ana).await.unwrap().unwrap();
    assert_eq!((found.value.purchase_count, found.position), (1, before), "what came before is there, nothing after");

    let other = world.node().await;
    for node in [&node, &other] {
        let begun = Instant::now();
        let behind = node.projections.wait_for(&["customers"], last, PATIENCE).await.unwrap_err();
        assert!(behind.failed && begun.elapsed() < Duration::from_secs(5), "{behind:?} {:?}", begun.elapsed());
        node.projections.wait_for(&["customers"], before, PATIENCE).await.unwrap();
    }
    // Each leaves it to the other, which cannot get past it either.
    other.is("customers", ProjectorState::Failed).await;
    node.is("customers", ProjectorState::Failed).await;
}

/// Panics at purchases while told to.
struct Moody;

static PANICS: AtomicBool = AtomicBool::new(true);

impl ReadModel for Moody {
    const NAME: &'static str = "moody";
    const VERSION: i32 = 1;
    const TABLES: &'static [&'static str] = &[];
    const TABLES_SQL: &'static str = "";
    const INDEXES_SQL: &'static str = "";
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = &["customer.*"];
    const REVEALS: bool = false;
    type Key = Uuid;
    type Row = i64;

    fn keys(recorded: &Recorded) -> Vec<Uuid> {
        vec![recorded.stream.id]
    }

    fn apply(_: &Uuid, row: Option<i64>, recorded: &Recorded) -> Option<i64> {
        let bought = matches!(&recorded.event, Event::Customer(event) if event.event_type().contains("purchase"));
        assert!(!(bought && PANICS.load(Ordering::SeqCst)), "not in the mood");
        Some(row.unwrap_or_default() + 1)
    }

    async fn load(_: &mut PgConnection, _: &[Uuid]) -> Result<Rows<Self>, sqlx::Error> {
        Ok(HashMap::new())
    }

    async fn write(_: &mut Writer<'_>, _: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_survived_and_a_failed_projector_goes_on_when_it_can() {
    let world = World::start().await;
    let ana = fresh_id();
    let before = world.append(SHOP, ana, [registered("ana", "+34600000001")]).await;
    let last = world.append(SHOP, ana, [bought(1), bought(2)]).await;
    let node = world.node_with(&[Projector::of::<Moody>()], hasty()).await;
    let status = node.is("moody", ProjectorState::Failed).await;
    assert_eq!((status.position, status.error.unwrap().position), (before, Position(before.0 + 1)));
    PANICS.store(false, Ordering::SeqCst);
    let status = node.is("moody", ProjectorState::Live).await;
    assert_eq!((status.position, status.error), (last, None));
    let failures: i64 =
        sqlx::query_scalar("select count(*) from projection_failures").fetch_one(&world.pools.engine).await.unwrap();
    assert_eq!(failures, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_row_the_database_refuses_is_found_within_its_batch() {
    let world = World::start().await;
    let mut positions = vec![];
    for digest in [1, 2, 3, 2, 4] {
        let key = fresh_id();
        positions.push(world.append(SHOP, key, [key_created(key, [digest; 32])]).await);
    }
    let node = world.node_with(&projectors(), hasty()).await;
    let status = node.is("api_keys", ProjectorState::Failed).await;
    let error = status.error.unwrap();
    assert_eq!((status.position, error.position), (positions[2], positions[3]));
    assert!(error.reason.contains("23505") && error.event_id.is_some(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_later_log_are_refused() {
    let world = World::start().await;
    let node = world.node().await;
    let last = world.append(SHOP, fresh_id(), [enrolled()]).await;
    node.sees("loyalty_balances", last).await;
    node.projections.stop().await;
    sqlx::query(
        "update projection_checkpoints set position = 1000 where projector = 'loyalty_balances' and position = $1",
    )
    .bind(last.0)
    .execute(&world.pools.engine)
    .await
    .unwrap();
    let node = world.node_with(&projectors(), hasty()).await;
    let status = node.is("loyalty_balances", ProjectorState::Failed).await;
    let reason = status.error.unwrap().reason;
    assert!(reason.contains("1000") && reason.contains("beyond the head"), "{reason}");
    node.sees("customers", last).await;
    let projector = projectors().into_iter().find(|projector| projector.name == "loyalty_balances").unwrap();
    let tell = Arc::new(|_: Progress| {});
    let made = projector.rebuild(&world.database, world.store.clone(), Purpose::Swap, tell).await.unwrap();
    assert_eq!((made.position, made.swapped, made.agrees()), (last, true, true), "{made:#?}");
    node.is("loyalty_balances", ProjectorState::Live).await;
    let next = world.append(SHOP, fresh_id(), [enrolled()]).await;
    node.sees("loyalty_balances", next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_another_version_are_left_alone_until_they_are_made_again() {
    let world = World::start().await;
    let before = world.append(SHOP, fresh_id(), [registered("ana", "+34600000001")]).await;
    let node = world.node_with(&projectors(), hasty()).await;
    node.sees("customers", before).await;
    for (version, state) in [(0, ProjectorState::Outdated), (1_000, ProjectorState::Overtaken)] {
        let other = "update projection_generations set version = $1 where projector = 'customers' and live";
        sqlx::query(other).bind(version).execute(&world.pools.engine).await.unwrap();
        let status = node.is("customers", state).await;
        assert_eq!((status.position, status.error), (before, None), "{version}");
        assert!(node.comes_to_show("customers", state).await.lease.is_none(), "others may have it");
        // What was there is read as ever.
        node.projections.wait_for(&["customers"], before, Duration::from_secs(1)).await.unwrap();
        let outdated = projections::outdated(&world.database).await.unwrap();
        assert_eq!(outdated.len(), usize::from(version == 0), "rows of a newer version are not made old again");
    }
    let last = world.append(SHOP, fresh_id(), [registered("eva", "+34600000002")]).await;
    let behind = node.projections.wait_for(&["customers"], last, Duration::from_millis(200)).await.unwrap_err();
    assert_eq!((behind.reached, behind.failed), (before, false));
    let projector = projectors().into_iter().find(|projector| projector.name == "customers").unwrap();
    let tell = Arc::new(|_: Progress| {});
    projector.rebuild(&world.database, world.store.clone(), Purpose::Swap, tell).await.unwrap();
    node.sees("customers", last).await;
    node.is("customers", ProjectorState::Live).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_restored_and_has_grown_again_is_not_the_one_that_was_followed() {
    let world = World::start().await;
    let ana = fresh_id();
    let last = world.append(SHOP, ana, [registered("ana", "+34600000001"), bought(1)]).await;
    let node = world.node_with(&projectors(), hasty()).await;
    node.sees("customers", last).await;
    node.projections.stop().await;
    // As if another event had come to stand where the rows have come to.
    let other = "update projection_checkpoints set leaf_hash = decode(repeat('07', 32), 'hex') \
                 where projector = 'customers' and position = $1";
    sqlx::query(other).bind(last.0).execute(&world.pools.engine).await.unwrap();
    let node = world.node_with(&projectors(), hasty()).await;
    let reason = node.is("customers", ProjectorState::Failed).await.error.unwrap().reason;
    assert!(reason.contains("restored to an older point; rebuild it"), "{reason}");
    let projector = projectors().into_iter().find(|projector| projector.name == "customers").unwrap();
    let tell = Arc::new(|_: Progress| {});
    projector.rebuild(&world.database, world.store.clone(), Purpose::Swap, tell).await.unwrap();
    node.is("customers", ProjectorState::Live).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_for_a_moment_stops_nothing_for_good() {
    let world = World::start().await;
    let node = world.node_with(&projectors(), hasty()).await;
    let ana = fresh_id();
    let mut last = world.append(SHOP, ana, [registered("ana", "+34600000001")]).await;
    node.sees("customers", last).await;
    for number in 1..=5 {
        cut_all_sessions(&world).await;
        last = loop {
            // The store's own sessions were cut as well: it may have to be asked again.
            let stream = StreamId { category: "customer", id: ana };
            if let Ok(position) = world.try_append(SHOP, stream, vec![stored(ana, &bought(number))]).await {
                break position;
            }
        };
        node.sees("customers", last).await;
    }
    let found = customers::find(&node.pools, SHOP, ana).await.unwrap().unwrap().value;
    assert_eq!(i64::from(found.version), found.purchase_count + 1);
    assert!(found.purchase_count >= 5);
}

async fn cut_all_sessions(world: &World) {
    let sessions = "select pg_terminate_backend(pid) from pg_stat_activity \
                    where datname = current_database() and usename = 'clientela_engine'";
    sqlx::query(sessions).execute(&mut world.as_admin().await).await.unwrap();
}
