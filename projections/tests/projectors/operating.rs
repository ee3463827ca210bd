//! What operators tell projectors, and what they are shown.

use crate::world::{Node, PATIENCE, SHOP, World, bought, earned, enrolled, hasty, nonsense, registered};
use projections::customers::customers;
use projections::rebuild::{Progress, Purpose, RebuildError, Rebuilt};
use projections::{ProjectionOverview, ProjectorState, ReadModel, SkipError, projectors};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::consumer::{self, Checkpoint};
use store::contract::fresh_id;
use store::postgres::Role;
use store::{Position, StreamId};
use uuid::Uuid;

impl Node {
    async fn shows(&self, projector: &str) -> ProjectionOverview {
        let (_, all) = self.projections.overview().await.unwrap();
        all.into_iter().find(|found| found.name == projector).unwrap()
    }

    async fn skips(&self, projector: &str, position: Position) -> Result<(), SkipError<Infallible>> {
        self.projections.skip(projector, position, async { Ok(()) }).await
    }

    pub(crate) async fn comes_to_show(&self, projector: &str, state: ProjectorState) -> ProjectionOverview {
        let begun = Instant::now();
        loop {
            let shown = self.shows(projector).await;
            if shown.state == state {
                return shown;
            }
            assert!(begun.elapsed() < PATIENCE, "{shown:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// One event of nonsense between two purchases of Ana; its position, and the last one.
async fn poisoned(world: &World) -> (Uuid, Position, Position) {
    let ana = fresh_id();
    world.append(SHOP, ana, [registered("ana", "+34600000001"), bought(1)]).await;
    let stream = StreamId { category: "customer", id: fresh_id() };
    let poison = world.append_stored(SHOP, stream, vec![nonsense("customer.purchase.recorded")]).await;
    let last = world.append(SHOP, ana, [bought(2), bought(3)]).await;
    (ana, poison, last)
}

async fn rebuild(world: &World, projector: &str, purpose: Purpose) -> Result<Rebuilt, RebuildError> {
    let projector = projectors().into_iter().find(|found| found.name == projector).unwrap();
    projector.rebuild(&world.database, world.store.clone(), purpose, Arc::new(|_: Progress| {})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_event_at_which_a_projector_has_failed_is_skipped_and_no_other_live_and_in_rebuilds() {
    let world = World::start().await;
    let (ana, poison, last) = poisoned(&world).await;
    let node = world.node_with(&projectors(), hasty()).await;
    node.is("customers", ProjectorState::Failed).await;

    for wrong in [poison.0 - 1, poison.0 + 1, 0, -1, i64::MAX] {
        let refused = node.skips("customers", Position(wrong)).await.unwrap_err();
        let SkipError::Elsewhere { asked, failed_at } = refused else { panic!("{refused:?}") };
        assert_eq!((asked, failed_at), (Position(wrong), poison));
    }
    let untold = node.projections.skip("customers", poison, async { Err::<(), _>("no log") }).await.unwrap_err();
    assert!(matches!(untold, SkipError::Act("no log")), "{untold:?}");
    assert_eq!(node.shows("customers").await.skipped, [], "what is not written down does not happen");

    node.skips("customers", poison).await.unwrap();
    node.is("customers", ProjectorState::Live).await;
    node.sees("customers", last).await;
    let found = customers::find(&node.pools, SHOP, ana).await.unwrap().unwrap().value;
    assert_eq!(found.purchase_count, 3, "it has gone on");
    let shown = node.comes_to_show("customers", ProjectorState::Live).await;
    assert_eq!((shown.skipped, shown.error, shown.lag), (vec![poison], None, 0));
    node.skips("customers", poison).await.unwrap();
    // A skip is for one projector. The other one may not have come so far yet, and tries again now and then.
    node.comes_to_show("audit_trail", ProjectorState::Failed).await;

    for purpose in [Purpose::Check, Purpose::Swap] {
        let made = rebuild(&world, "customers", purpose).await.unwrap();
        assert!(made.agrees(), "{made:#?}");
        assert_eq!(made.skipped, [poison]);
    }
    let after = world.append(SHOP, ana, [bought(4)]).await;
    node.sees("customers", after).await;
    assert!(rebuild(&world, "customers", Purpose::Check).await.unwrap().agrees());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_that_has_not_failed_at_an_event_skips_nothing() {
    let world = World::start().await;
    let (_, poison, last) = poisoned(&world).await;
    let node = world.node_with(&projectors(), hasty()).await;
    node.sees("loyalty_balances", last).await;
    assert!(matches!(node.skips("loyalty_balances", poison).await, Err(SkipError::NotFailed)));
    node.projections.stop().await;
    // A failure of which the projector has got past, and one that is no event's fault.
    let failure =
        "insert into projection_failures (projector, generation, position, event_id, error) values ($1, 1, $2, $3, '')";
    let failed = async |projector: &str, position: i64, event_id: Option<&str>| {
        let insert = sqlx::query(failure).bind(projector).bind(position).bind(event_id);
        insert.execute(&world.pools.engine).await.unwrap();
    };
    failed("loyalty_balances", last.0, Some("a/1")).await;
    assert!(matches!(node.skips("loyalty_balances", last).await, Err(SkipError::NotFailed)));
    // A failure at an event that the log has not got any more, because it was restored to an older point: another event may have its place.
    failed("loyalty_kpis", last.0 + 1, Some("loyalty-1/7")).await;
    let next = world.append(SHOP, fresh_id(), [enrolled()]).await;
    assert!(matches!(node.skips("loyalty_kpis", next).await, Err(SkipError::NotFailed)));
    failed("loyalty_ledger", last.0 + 1, None).await;
    assert!(matches!(node.skips("loyalty_ledger", Position(last.0 + 1)).await, Err(SkipError::NoEvent)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_commits_past_a_skip_that_he_did_not_know_of() {
    let world = World::start().await;
    sqlx::query("insert into projection_skips (projector, position, event_id) values ('customers', 3, 'customer/1')")
        .execute(&world.pools.engine)
        .await
        .unwrap();
    let mut conn = world.as_role(Role::Engine).await;
    let from = consumer::take_over(&mut conn, "customers", 1, 1).await.unwrap().unwrap();
    assert!(!consumer::advance(&mut conn, "customers", &from, Position(3)).await.unwrap());
    assert!(consumer::advance(&mut conn, "customers", &from, Position(2)).await.unwrap());
    let from = Checkpoint { position: Position(2), ..from };
    assert!(!consumer::advance(&mut conn, "customers", &from, Position(7)).await.unwrap());
    let known = consumer::skipped(&mut conn, "customers", Position(0)).await.unwrap();
    assert!(consumer::advance_without(&mut conn, "customers", &from, Position(7), &known).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_before_a_skip_is_not_gone_on_with() {
    let world = World::start().await;
    let node = world.node().await;
    let ana = fresh_id();
    let last = world.append(SHOP, ana, [registered("ana", "+34600000001"), bought(1)]).await;
    node.sees("customers", last).await;
    let kept = rebuild(&world, "customers", Purpose::Keep).await.unwrap();
    let again = rebuild(&world, "customers", Purpose::Keep).await.unwrap();
    assert_eq!((kept.generation, again.generation, again.resumed_from), (2, 2, last));
    sqlx::query("insert into projection_skips (projector, position, event_id) values ('customers', $1, 'customer/1')")
        .bind(last.0)
        .execute(&world.pools.engine)
        .await
        .unwrap();
    let made = rebuild(&world, "customers", Purpose::Check).await.unwrap();
    assert_eq!(
        (made.resumed_from, made.skipped.as_slice(), made.agrees()),
        (Position(0), &[last][..], false),
        "{made:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rest_holds_on_all_nodes_and_over_restarts() {
    let world = World::start().await;
    let (first, second) = (world.node().await, world.node().await);
    let ana = fresh_id();
    let before = world.append(SHOP, ana, [registered("ana", "+34600000001")]).await;
    first.sees("customers", before).await;
    // The one that does not run it is told as well as the other.
    let owner = first.status_of("customers").await.owner;
    let (here, there) = if owner == Some(first.id) { (&first, &second) } else { (&second, &first) };
    there.projections.pause_projector("customers", "key:7").await.unwrap();
    there.projections.pause_projector("customers", "key:8").await.unwrap();
    here.is("customers", ProjectorState::Paused).await;
    let paused = there.shows("customers").await;
    assert_eq!((paused.state, paused.pause.unwrap().by.as_str()), (ProjectorState::Paused, "key:7"));
    let last = world.append(SHOP, ana, [enrolled(), earned(1)]).await;
    let last = last.max(world.append(SHOP, ana, [bought(1)]).await);
    here.sees("loyalty_balances", last).await;
    let shown = here.shows("customers").await;
    assert_eq!((shown.position, shown.lag), (before, last.0 - before.0), "others are not concerned");

    first.projections.stop().await;
    second.projections.stop().await;
    let third = world.node().await;
    third.sees("loyalty_balances", last).await;
    third.is("customers", ProjectorState::Paused).await;
    assert_eq!(third.shows("customers").await.position, before);
    third.projections.resume_projector("customers").await.unwrap();
    third.sees("customers", last).await;
    let shown = third.comes_to_show("customers", ProjectorState::Live).await;
    assert_eq!((shown.pause, shown.lease.map(|lease| lease.owner)), (None, Some(third.id)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_beside_the_live_rows_is_shown_while_it_is_made() {
    let world = World::start().await;
    let node = world.node().await;
    let last = world.append(SHOP, fresh_id(), [registered("ana", "+34600000001")]).await;
    node.sees("customers", last).await;
    assert_eq!(node.shows("customers").await.rebuilding, None);
    let mut hold = world.as_role(Role::Engine).await;
    sqlx::query("begin").execute(&mut hold).await.unwrap();
    consumer::lock(&mut hold, "customers").await.unwrap();
    let making = rebuild(&world, "customers", Purpose::Swap);
    let watching = async {
        let begun = Instant::now();
        let made = loop {
            if let Some(made) = node.shows("customers").await.rebuilding.filter(|made| made.position == last) {
                break made;
            }
            assert!(begun.elapsed() < PATIENCE);
        };
        sqlx::query("rollback").execute(&mut hold).await.unwrap();
        made
    };
    let (made, seen) = tokio::join!(making, watching);
    assert_eq!((seen.generation, made.unwrap().swapped), (Some(2), true));
    let begun = Instant::now();
    // The session that held the lock of the rebuild ends a moment later.
    while node.shows("customers").await.rebuilding.is_some() {
        assert!(begun.elapsed() < PATIENCE);
    }
    let shown = node.shows("customers").await;
    assert_eq!((shown.generation, shown.version), (2, customers::Customers::VERSION));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_another_history_of_the_log_is_not_used() {
    let world = World::start().await;
    let node = world.node().await;
    let last = world.append(SHOP, fresh_id(), [registered("ana", "+34600000001"), bought(1)]).await;
    node.sees("customers", last).await;
    let leaf_of_another = "values ('customers', $1, 'customer/1', '\\x00')";
    let skip = format!("insert into projection_skips (projector, position, event_id, leaf_hash) {leaf_of_another}");
    sqlx::query(sqlx::AssertSqlSafe(skip)).bind(last.0).execute(&world.pools.engine).await.unwrap();
    let kept = rebuild(&world, "customers", Purpose::Keep).await.unwrap();
    assert_eq!((kept.skipped.as_slice(), kept.agrees()), (&[][..], true), "another event has that position");

    let other =
        "update projection_checkpoints set leaf_hash = '\\x00' where projector = 'customers' and generation = $1";
    let mut admin = world.as_admin().await;
    sqlx::query(other).bind(kept.generation).execute(&mut admin).await.unwrap();
    let made = rebuild(&world, "customers", Purpose::Check).await.unwrap();
    assert_eq!((made.resumed_from, made.agrees()), (Position(0), true), "rows of events that are gone");
}
