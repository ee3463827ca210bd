//! Several nodes on one database: each projector has exactly one owner.

use crate::world::{PATIENCE, SHOP, World, bought, registered};
use projections::ProjectorState;
use projections::customers::customers;
use std::time::{Duration, Instant};
use store::Position;
use store::consumer::{self, LEASE_TTL};
use store::contract::fresh_id;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_writes_and_the_other_answers_as_well() {
    let world = World::start().await;
    let (first, second) = (world.node().await, world.node().await);
    let ana = fresh_id();
    let mut last = world.append(SHOP, ana, [registered("ana", "+34600000001")]).await;
    for number in 1..=20 {
        last = world.append(SHOP, ana, [bought(number)]).await;
        for node in [&first, &second] {
            node.sees("customers", last).await;
            let found = customers::find(&node.pools, SHOP, ana).await.unwrap().unwrap();
            assert!(found.position >= last);
            assert_eq!(found.value.purchase_count, i64::from(number));
        }
    }
    let owner = first.status_of("customers").await.owner;
    assert!([Some(first.id), Some(second.id)].contains(&owner));
    let (here, there) = if owner == Some(first.id) { (&first, &second) } else { (&second, &first) };
    here.is("customers", ProjectorState::Live).await;
    let standby = there.is("customers", ProjectorState::Standby).await;
    assert_eq!((standby.owner, standby.position), (owner, last));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_hands_over_at_once() {
    let world = World::start().await;
    let first = world.node().await;
    first.is("customers", ProjectorState::Live).await;
    let second = world.node().await;
    second.is("customers", ProjectorState::Standby).await;
    let begun = Instant::now();
    first.projections.stop().await;
    second.is("customers", ProjectorState::Live).await;
    assert!(begun.elapsed() < LEASE_TTL, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_work_of_a_dead_node_is_taken_over() {
    let world = World::start().await;
    let (ana, first) = (fresh_id(), world.node().await);
    let before = world.append(SHOP, ana, [registered("ana", "+34600000001")]).await;
    first.sees("customers", before).await;
    let second = world.node().await;
    let begun = Instant::now();
    drop(first);
    let last = world.append(SHOP, ana, [bought(1)]).await;
    second.sees("customers", last).await;
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(second.status_of("customers").await.owner, Some(second.id));
    let found = customers::find(&second.pools, SHOP, ana).await.unwrap().unwrap().value;
    assert_eq!(found.purchase_count, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_lease_cannot_write() {
    let world = World::start().await;
    let mut conn = world.pools.engine.acquire().await.unwrap();
    consumer::lock(&mut conn, "sums").await.unwrap();
    let old = consumer::take_over(&mut conn, "sums", 1, 4).await.unwrap().unwrap();
    assert!(consumer::advance(&mut conn, "sums", &old, Position(10)).await.unwrap());
    let new = consumer::take_over(&mut conn, "sums", 1, 5).await.unwrap().unwrap();
    assert_eq!((new.epoch, new.position), (5, Position(10)));
    let old = consumer::Checkpoint { position: Position(10), ..old };
    assert!(!consumer::advance(&mut conn, "sums", &old, Position(20)).await.unwrap(), "an old owner wrote");
    assert!(consumer::advance(&mut conn, "sums", &new, Position(20)).await.unwrap());
    assert!(!consumer::advance(&mut conn, "sums", &new, Position(30)).await.unwrap(), "from a position of the past");
    assert_eq!(consumer::take_over(&mut conn, "sums", 1, 4).await.unwrap(), None);
    let newest = consumer::newest(&mut conn, "sums", 1).await.unwrap().unwrap();
    assert_eq!(consumer::prune(&mut conn, "sums", &newest).await.unwrap(), 3);
    assert_eq!(consumer::newest(&mut conn, "sums", 1).await.unwrap(), Some(newest));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_has_one_owner_until_it_is_given_back_or_runs_out() {
    let world = World::start().await;
    let pool = &world.pools.engine;
    let (first, second) = (fresh_id(), fresh_id());
    let held = |owner, ttl| consumer::hold_leases(pool, owner, &["sums"], ttl);
    let epoch = async |owner, ttl| held(owner, ttl).await.unwrap().get("sums").copied();
    let ttl = Duration::from_secs(60);
    assert_eq!(epoch(first, ttl).await, Some(1));
    assert_eq!(epoch(second, ttl).await, None);
    assert_eq!(epoch(first, ttl).await, Some(1), "renewed");
    consumer::release_leases(pool, first, &["sums"]).await.unwrap();
    assert_eq!(epoch(second, Duration::from_millis(1)).await, Some(2));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(epoch(first, ttl).await, Some(3), "run out");
    sqlx::query("update leases set expires_at = now() + interval '1 hour'").execute(pool).await.unwrap();
    assert_eq!(epoch(second, ttl).await, Some(4), "the clock was set back: no lease is that long");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_comes_later_knows_the_position_at_once() {
    let world = World::start().await;
    let first = world.node().await;
    let last = world.append(SHOP, fresh_id(), [registered("ana", "+34600000001")]).await;
    first.sees("customers", last).await;
    let second = world.node().await;
    second.projections.wait_for(&["customers"], last, PATIENCE).await.unwrap();
    assert_eq!(second.status_of("customers").await.position, last);
}
