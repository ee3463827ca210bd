//! Rows follow the log, once, from where they stood.

use crate::world::{PATIENCE, SHOP, World, bought, earned, enrolled, noon, registered};
use projections::customers::customers;
use projections::loyalty::loyalty_balances;
use projections::{Behind, ProjectorState, projectors};
use std::time::Duration;
use store::Position;
use store::contract::fresh_id;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_after_waiting_sees_the_position() {
    let world = World::start().await;
    let node = world.node().await;
    let ana = fresh_id();
    world.append(SHOP, ana, [registered("ana", "+34600000001")]).await;
    for number in 1..=50 {
        let position = world.append(SHOP, ana, [bought(number)]).await;
        node.sees("customers", position).await;
        let found = customers::find(&node.pools, SHOP, ana).await.unwrap().unwrap();
        assert!(found.position >= position, "{found:?} before {position}");
        assert_eq!((found.value.purchase_count, found.value.position), (i64::from(number), position));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_before_the_start_is_caught_up_in_batches() {
    let world = World::start().await;
    let (ana, mut last) = (fresh_id(), Position(0));
    world.append(SHOP, ana, [enrolled()]).await;
    for chunk in (1..=5_000).collect::<Vec<u32>>().chunks(1_000) {
        last = world.append(SHOP, ana, chunk.iter().copied().map(earned)).await;
    }
    let node = world.node().await;
    node.sees("loyalty_balances", last).await;
    let balance = loyalty_balances::find(&node.pools, SHOP, ana, noon("2026-02-09")).await.unwrap().unwrap();
    assert_eq!((balance.value.available, balance.value.lifetime_earned), (120_000, 120_000));
    assert_eq!(balance.value.expiries.len(), 1);
    let due = loyalty_balances::find(&node.pools, SHOP, ana, noon("2028-02-09")).await.unwrap().unwrap();
    assert_eq!((due.value.available, due.value.expired), (0, 120_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_where_the_rows_stand_and_counts_nothing_twice() {
    let world = World::start().await;
    let ana = fresh_id();
    let mut last = world.append(SHOP, ana, [registered("ana", "+34600000001")]).await;
    for round in 0..4 {
        let node = world.node().await;
        for number in 1..=25 {
            last = world.append(SHOP, ana, [bought(round * 25 + number)]).await;
        }
        if round % 2 == 0 {
            node.sees("customers", last).await;
            node.projections.stop().await;
        } // else it is cut off wherever it stands
    }
    let node = world.node().await;
    node.sees("customers", last).await;
    let found = customers::find(&node.pools, SHOP, ana).await.unwrap().unwrap().value;
    assert_eq!((found.purchase_count, found.version), (100, 101));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_moves_over_events_that_are_not_its_own() {
    let world = World::start().await;
    let node = world.node().await;
    let last = world.append(SHOP, fresh_id(), [registered("ana", "+34600000001"), bought(1)]).await;
    let all: Vec<&str> = projectors().iter().map(|projector| projector.name).collect();
    node.projections.wait_for(&all, last, PATIENCE).await.unwrap();
    for name in all {
        let status = node.is(name, ProjectorState::Live).await;
        assert_eq!((status.position, status.head, status.lag), (last, last, 0), "{name}");
        assert_eq!((status.owner, status.error), (Some(node.id), None), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_do_not_pile_up() {
    let world = World::start().await;
    let node = world.node().await;
    let ana = fresh_id();
    world.append(SHOP, ana, [registered("ana", "+34600000001")]).await;
    for number in 1..=600 {
        let last = world.append(SHOP, ana, [bought(number)]).await;
        node.sees("customers", last).await;
    }
    let kept: i64 = sqlx::query_scalar("select count(*) from projection_checkpoints where projector = 'customers'")
        .fetch_one(&world.pools.engine)
        .await
        .unwrap();
    assert!(kept < 300, "{kept} checkpoints");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_paused_projector_is_told_how_far_it_is() {
    let world = World::start().await;
    let node = world.node().await;
    let ana = fresh_id();
    let before = world.append(SHOP, ana, [registered("ana", "+34600000001")]).await;
    node.sees("customers", before).await;
    node.projections.pause();
    node.is("customers", ProjectorState::Paused).await;
    let asked = world.append(SHOP, ana, [bought(1)]).await;
    let behind = node.projections.wait_for(&["customers"], asked, Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(behind, Behind { projector: "customers".to_owned(), asked, reached: before, failed: true });
    node.projections.resume();
    node.sees("customers", asked).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_projector_is_never_waited_for() {
    let world = World::start().await;
    let node = world.node().await;
    let behind = node.projections.wait_for(&["nothing"], Position(1), PATIENCE).await.unwrap_err();
    assert!(behind.failed);
}
