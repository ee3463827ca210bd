//! Time travel: what a customer and an account were, from events alone.

use crate::world::{OTHER_SHOP, SHOP, World, at, bought, earned, enrolled, noon, registered, stored, upgraded};
use chrono::{DateTime, Utc};
use domain::Event;
use domain::loyalty::programme::Programme;
use domain::loyalty::programme::Tier;
use projections::customers::customers;
use projections::loyalty::loyalty_balances::{self, LoyaltyBalanceRow};
use projections::time_travel::{EVENTS_MAX, TimeTravelError, Until};
use store::contract::fresh_id;
use store::{StreamId, TenantId};
use uuid::Uuid;

const DAY: i64 = 86_400;
const BEGIN: i64 = 1_800_000_000;

/// Appends what happened on some day, counted from the first one.
async fn happens(world: &World, id: Uuid, event: Event, on_day: i64) {
    let mut told = stored(id, &event);
    told.occurred_at = at(BEGIN + on_day * DAY);
    let stream = StreamId { category: event.category(), id };
    world.append_stored(SHOP, stream, vec![told]).await;
}

/// Up to the end of a day.
fn day_end(on_day: i64) -> Option<DateTime<Utc>> {
    Some(at(BEGIN + (on_day + 1) * DAY))
}

async fn account(world: &World, tenant: TenantId, id: Uuid, until: Until) -> Result<LoyaltyBalanceRow, String> {
    let found = loyalty_balances::find_past(&*world.store, tenant, id, until).await;
    found.map_err(|error| match error {
        TimeTravelError::VersionBeyondHead { asked, head } => format!("{asked} beyond {head}"),
        other => format!("{other:?}"),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_of_an_account_is_what_its_first_events_say_and_the_last_one_is_the_live_row() {
    let world = World::start().await;
    let node = world.node().await;
    let ana = fresh_id();
    let last = world.append(SHOP, ana, [enrolled(), earned(1), earned(2), earned(3)]).await;
    for (version, balance) in [(1, 0), (2, 24), (3, 48), (4, 72)] {
        let past = account(&world, SHOP, ana, Until { version: Some(version), ..Until::default() }).await.unwrap();
        assert_eq!((past.version, past.available), (version, balance));
    }
    node.sees("loyalty_balances", last).await;
    let now = noon("2026-03-01");
    let live = loyalty_balances::find(&node.pools, SHOP, ana, now).await.unwrap().unwrap().value;
    assert_eq!(account(&world, SHOP, ana, Until::default()).await.unwrap().at(now, &Programme::standard()), live);

    let beyond = Until { version: Some(5), ..Until::default() };
    assert_eq!(account(&world, SHOP, ana, beyond).await.unwrap_err(), "5 beyond 4");
    assert_eq!(account(&world, OTHER_SHOP, ana, Until::default()).await.unwrap_err(), "Unknown");
    assert_eq!(account(&world, OTHER_SHOP, ana, beyond).await.unwrap_err(), "Unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_by_a_day_counts_whenever_it_was_told_and_what_happened_later_does_not() {
    let world = World::start().await;
    let ana = fresh_id();
    // The third purchase happened before the second one and was told after it.
    for (event, on_day) in [(enrolled(), 0), (earned(1), 10), (earned(2), 40), (earned(3), 20)] {
        happens(&world, ana, event, on_day).await;
    }
    let as_of =
        async |on_day| account(&world, SHOP, ana, Until { occurred_before: day_end(on_day), ..Until::default() }).await;
    for (on_day, balance, lots) in
        [(0, 0, &[][..]), (10, 24, &[1]), (19, 24, &[1]), (20, 48, &[1, 3]), (39, 48, &[1, 3]), (40, 72, &[1, 2, 3])]
    {
        let past = as_of(on_day).await.unwrap();
        let mut found: Vec<u32> = past.lots.iter().map(|lot| lot.lot).collect();
        found.sort_unstable();
        assert_eq!((past.available, found.as_slice()), (balance, lots), "day {on_day}");
    }
    assert_eq!(as_of(-1).await.unwrap_err(), "NotYet");
    // The second purchase reached the tier with the third one, on its own day, whenever that was told.
    happens(&world, ana, upgraded("2026-02-09"), 40).await;
    assert_eq!((as_of(39).await.unwrap().tier, as_of(40).await.unwrap().tier), (Tier::Bronze, Tier::Silver));

    let recorded = async |recorded_before| {
        account(&world, SHOP, ana, Until { recorded_before: Some(recorded_before), ..Until::default() }).await
    };
    assert_eq!(recorded(at(BEGIN / 2)).await.unwrap_err(), "NotYet");
    assert_eq!(recorded(DateTime::<Utc>::MAX_UTC).await.unwrap().available, 72);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_is_seen_as_it_was_known() {
    let world = World::start().await;
    let ana = fresh_id();
    for (event, on_day) in [(registered("ana", "+34600000001"), 0), (bought(1), 10), (bought(2), 5)] {
        happens(&world, ana, event, on_day).await;
    }
    let past = async |until| customers::find_past(&*world.store, SHOP, ana, until).await;
    for (version, purchases) in [(1, 0), (2, 1), (3, 2)] {
        let past = past(Until { version: Some(version), ..Until::default() }).await.unwrap();
        let seen = (past.version, past.purchase_count, past.name.as_deref());
        assert_eq!(seen, (version, purchases, Some("ana")), "personal data is opened");
    }
    let by_day_5 = past(Until { occurred_before: day_end(5), ..Until::default() }).await.unwrap();
    assert_eq!((by_day_5.version, by_day_5.purchase_count), (3, 1), "the one told late is in it");
    let beyond = past(Until { version: Some(4), ..Until::default() }).await.unwrap_err();
    assert!(matches!(beyond, TimeTravelError::VersionBeyondHead { asked: 4, head: 3 }), "{beyond:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_events_are_read_than_a_query_may_take() {
    let world = World::start().await;
    let ana = fresh_id();
    world.append(SHOP, ana, [registered("ana", "+34600000001")]).await;
    for thousand in 0..EVENTS_MAX / 1_000 {
        let orders = (1..=1_000).map(|order| bought(u32::try_from(thousand * 1_000 + order).unwrap()));
        world.append(SHOP, ana, orders).await;
    }
    let most = i32::try_from(EVENTS_MAX).unwrap();
    let until = |version| Until { version: Some(version), ..Until::default() };
    let past = async |until| customers::find_past(&*world.store, SHOP, ana, until).await;
    assert_eq!(past(until(most)).await.unwrap().purchase_count, i64::from(most) - 1);
    for too_much in [until(most + 1), until(i32::MAX), Until { occurred_before: day_end(9), ..Until::default() }] {
        let refused = past(too_much).await.unwrap_err();
        assert!(matches!(refused, TimeTravelError::TooLong), "{too_much:?}: {refused:?}");
    }
}
