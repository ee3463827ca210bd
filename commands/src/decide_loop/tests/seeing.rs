//! Streams that commands only look at: they rest on them and keep nobody waiting.

use super::world::{World, code, new_account, order, redeem, settle};
use crate::changes::Changes;
use crate::execute::Request;
use crate::states::States;
use domain::Decider;
use domain::loyalty::commands::LoyaltyCommand;
use domain::loyalty::loyalty_account::{LoyaltyAccount, Member};
use domain::loyalty::loyalty_programme::LoyaltyProgramme;
use store::StreamId;

/// Redeems as many points of an account as are available on another.
fn redeem_as_said(account: StreamId, rule: StreamId, for_order: &str) -> Request {
    let order = order(for_order);
    let decide = move |states: &States<'_>| {
        let rule = states.get::<LoyaltyAccount>(rule.id);
        let points = rule.member().map_or(100, Member::available);
        let command = LoyaltyCommand::Redeem {
            points,
            order: order.clone(),
            programme: LoyaltyProgramme::default(),
            now: super::world::now(),
        };
        Ok(Changes::of(account, LoyaltyAccount::decide(states.get::<LoyaltyAccount>(account.id), command)?))
    };
    Request::new("test.redeem_as_said", super::caller().now, [account], decide).seeing([rule])
}

#[tokio::test]
async fn who_only_looks_at_a_stream_keeps_nobody_waiting() {
    let world = World::start();
    let (slow, fast, rule) = (world.account_with(500), world.account_with(500), world.account_with(200));
    world.store.hold_reading();
    let waits = world.ask(redeem_as_said(slow, rule, "order-1"));
    let passes = world.ask(redeem_as_said(fast, rule, "order-2"));
    settle().await;
    world.store.release_reading_of(rule);
    world.store.release_reading_of(fast);
    assert_eq!(code(&passes.await.unwrap()), "done");
    assert!(!waits.is_finished());
    let change = world.ask(redeem(rule, 100, "order-3"));
    assert_eq!(code(&change.await.unwrap()), "done", "nor him who changes it");
    world.store.release_reading();
    assert_eq!(code(&waits.await.unwrap()), "done");
    assert_eq!((world.available(slow), world.available(fast)), (400, 300));
}

#[tokio::test]
async fn who_looks_sees_what_was_asked_before() {
    let world = World::start();
    let (one, other, rule) = (world.account_with(500), world.account_with(500), world.account_with(400));
    for account in [one, other, rule] {
        world.answer(redeem(account, 100, "order-0")).await.unwrap();
    }
    world.store.hold_judging();
    let before = world.ask(redeem_as_said(one, rule, "order-1"));
    let change = world.ask(redeem(rule, 100, "order-2"));
    let after = world.ask(redeem_as_said(other, rule, "order-3"));
    settle().await;
    world.store.release();
    for asked in [before, change, after] {
        assert_eq!(code(&asked.await.unwrap()), "done");
    }
    assert_eq!((world.available(one), world.available(other)), (100, 200));
}

#[tokio::test]
async fn what_rests_on_a_look_is_decided_again_when_others_changed_it() {
    let world = World::start();
    let (account, rule) = (world.account_with(500), world.account_with(300));
    world.store.hold_judging();
    let looks = world.ask(redeem_as_said(account, rule, "order-1"));
    settle().await;
    world.redeem_elsewhere(rule, 100);
    world.store.release();
    assert_eq!(code(&looks.await.unwrap()), "done");
    assert_eq!(world.available(account), 300);
}

#[tokio::test]
async fn what_rests_on_a_lost_change_is_decided_again() {
    let world = World::start();
    let (account, rule) = (world.account_with(500), world.account_with(300));
    world.store.hold_judging();
    let lost = world.ask(redeem(rule, 200, "order-1"));
    let looks = world.ask(redeem_as_said(account, rule, "order-2"));
    settle().await;
    world.redeem_elsewhere(rule, 200);
    world.store.release();
    assert_eq!(code(&lost.await.unwrap()), "insufficient_points");
    assert_eq!(code(&looks.await.unwrap()), "done");
    assert_eq!(world.available(account), 400);
}

#[tokio::test]
async fn those_who_wait_for_the_same_stream_keep_their_order() {
    let world = World::start();
    let (one, other, rule) = (world.account_with(900), world.account_with(900), world.account_with(100));
    let names: Vec<String> = (0..8).map(|number| format!("order-{number}")).collect();
    world.store.hold_reading();
    let asked: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(number, name)| {
            let account = if number % 2 == 0 { one } else { other };
            world.ask(redeem_as_said(account, rule, name))
        })
        .collect();
    settle().await;
    world.store.release_reading_of(one);
    world.store.release_reading_of(other);
    settle().await;
    world.store.release_reading();
    let mut positions = Vec::new();
    for asked in asked {
        positions.push(asked.await.unwrap().unwrap().position);
    }
    assert!(positions.is_sorted(), "{positions:?}");
}

#[tokio::test]
async fn a_stream_that_is_not_there_yet_is_seen_when_it_is() {
    let world = World::start();
    let (account, rule) = (world.account_with(500), new_account());
    assert_eq!(code(&world.answer(redeem_as_said(account, rule, "order-1")).await), "done");
    assert_eq!(world.available(account), 400);
    world.store.append_elsewhere(super::world::TENANT, rule, &super::encoded(rule, &super::history(200)));
    assert_eq!(code(&world.answer(redeem_as_said(account, rule, "order-2")).await), "done");
    assert_eq!(world.available(account), 200);
}
