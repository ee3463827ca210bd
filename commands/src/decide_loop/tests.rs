//! The loop against a store whose every step is held, disturbed or made to fail.

mod schedules;
mod seeing;
mod world;

use crate::changes::Changes;
use crate::execute::{Config, Request, Series};
use crate::ids::new_id;
use crate::states::States;
use crate::testing::fake_store::Fault;
use domain::loyalty::loyalty_account::LoyaltyAccount;
use futures::future::join_all;
use std::time::Duration;
use store::{AppendError, NewEvent, Position, TenantId};
use uuid::Uuid;
use world::{
    World, ask, caller, claim, claiming, code, earn, encoded, history, key, new_account, redeem, settle, transfer,
};

#[tokio::test]
async fn what_is_decided_is_appended_and_told() {
    let world = World::start();
    let account = world.account_with(500);
    let head = world.store.head_now();

    let committed = world.answer(redeem(account, 200, "order-1")).await.unwrap();

    assert_eq!((committed.first, committed.position), (Position(head.0 + 1), Position(head.0 + 1)));
    assert_eq!(committed.events[0].version, world.store.events_of(account).last().unwrap().version);
    assert!(!committed.repeated);
    assert_eq!(world.available(account), 300);
}

#[tokio::test]
async fn no_answer_before_the_verdict() {
    let world = World::start();
    let account = world.account_with(500);
    world.store.hold_judging();
    let done = world.ask(redeem(account, 300, "order-1"));
    let refused = world.ask(redeem(account, 300, "order-2"));
    let unchanged = world.ask(redeem(account, 300, "order-1"));
    settle().await;
    assert_eq!(world.store.unjudged(), 3);
    assert!(!done.is_finished() && !refused.is_finished() && !unchanged.is_finished());

    world.store.judge(1);
    settle().await;
    assert!(done.is_finished() && !refused.is_finished() && !unchanged.is_finished());

    world.store.release();
    assert_eq!(code(&done.await.unwrap()), "done");
    assert_eq!(code(&refused.await.unwrap()), "insufficient_points");
    assert_eq!(code(&unchanged.await.unwrap()), "unchanged");
}

#[tokio::test]
async fn commands_on_one_account_are_decided_on_what_is_still_pending() {
    let world = World::start();
    let account = world.account_with(1_000);
    world.store.hold_judging();
    let asked: Vec<_> = (0..15).map(|n| world.ask(redeem(account, 100, &format!("order-{n}")))).collect();
    settle().await;
    assert_eq!(world.store.unjudged(), 15);
    world.store.release();
    let answers: Vec<_> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
    assert!(answers[10..].iter().all(|answer| code(answer) == "insufficient_points"));
    assert_eq!(world.store.reads(), [account]);
}

#[tokio::test]
async fn a_conflict_is_decided_again_on_what_happened_meanwhile() {
    let world = World::start();
    let account = world.account_with(500);
    world.store.hold_judging();
    let asked = world.ask(redeem(account, 300, "order-1"));
    settle().await;
    world.redeem_elsewhere(account, 300);
    world.store.release();
    assert_eq!(code(&asked.await.unwrap()), "insufficient_points");
    assert_eq!(world.available(account), 200);
}

#[tokio::test]
async fn a_refusal_decided_on_an_old_state_is_decided_again() {
    let world = World::start();
    let account = world.account_with(200);
    world.store.hold_judging();
    let asked = world.ask(redeem(account, 500, "order-1"));
    settle().await;
    let more = history(1_000).split_off(1);
    world.store.append_elsewhere(caller().tenant, account, &encoded(account, &more));
    world.store.release();
    assert_eq!(code(&asked.await.unwrap()), "done");
}

#[tokio::test]
async fn what_rested_on_a_refused_request_is_decided_again() {
    let world = World::start();
    let account = world.account_with(500);
    world.store.claim_elsewhere(caller().tenant, claim("a"), new_id());
    world.store.hold_judging();
    let claims = world.ask(claiming(redeem(account, 300, "order-1"), claim("a"), account.id));
    let rests = world.ask(redeem(account, 300, "order-2"));
    let refused = world.ask(redeem(account, 300, "order-3"));
    settle().await;
    world.store.release();
    assert_eq!(code(&claims.await.unwrap()), "email_taken");
    assert_eq!(code(&rests.await.unwrap()), "done");
    assert_eq!(code(&refused.await.unwrap()), "insufficient_points");
    assert_eq!(world.redeemed_orders(account), ["order-2"]);
}

/// The one who rests on a refused request believes a version that the stream then reaches in another way.
#[tokio::test]
async fn a_version_that_agrees_by_coincidence_deceives_nobody() {
    let world = World::start();
    let account = world.account_with(500);
    world.store.claim_elsewhere(caller().tenant, claim("a"), new_id());
    world.store.hold_judging();
    let claims = world.ask(claiming(redeem(account, 100, "order-1"), claim("a"), account.id));
    let rests = world.ask(redeem(account, 400, "order-2"));
    settle().await;
    world.store.judge(1);
    world.redeem_elsewhere(account, 300);
    world.store.release();
    assert_eq!(code(&claims.await.unwrap()), "email_taken");
    assert_eq!(code(&rests.await.unwrap()), "insufficient_points");
    assert_eq!(world.available(account), 200);
}

/// The same across streams: the second request only read the stream on which the first one is lost.
#[tokio::test]
async fn who_only_read_a_lost_state_is_decided_again_too() {
    let world = World::start();
    let (giver, taker) = (world.account_with(500), world.account_with(0));
    world.store.claim_elsewhere(caller().tenant, claim("a"), new_id());
    world.store.hold_judging();
    let lost = world.ask(claiming(transfer(giver, taker, 500, "order-1"), claim("a"), giver.id));
    let spends = world.ask(redeem(taker, 500, "order-2"));
    let depends = world.ask(redeem(taker, 100, "order-3"));
    settle().await;
    world.store.release();
    assert_eq!(code(&lost.await.unwrap()), "email_taken");
    assert_eq!(code(&spends.await.unwrap()), "insufficient_points");
    assert_eq!(code(&depends.await.unwrap()), "insufficient_points");
    assert_eq!((world.available(giver), world.available(taker)), (500, 0));
}

#[tokio::test]
async fn what_is_decided_again_keeps_its_place() {
    let world = World::start();
    let account = world.account_with(1_000);
    world.store.hold_judging();
    world.store.hold_telling();
    let first = world.ask(redeem(account, 100, "order-1"));
    let second = world.ask(redeem(account, 100, "order-2"));
    settle().await;
    world.redeem_elsewhere(account, 100);
    world.store.judge(2);
    world.store.tell(1);
    settle().await;
    let third = world.ask(redeem(account, 100, "order-3"));
    settle().await;
    world.store.release();
    for asked in [first, second, third] {
        assert_eq!(code(&asked.await.unwrap()), "done");
    }
    assert_eq!(world.redeemed_orders(account)[1..], ["order-1", "order-2", "order-3"]);
}

#[tokio::test]
async fn a_stream_is_not_loaded_while_its_requests_await_their_verdict() {
    let world = World::start();
    let account = world.account_with(1_000);
    world.store.hold_judging();
    world.store.hold_telling();
    let first = world.ask(redeem(account, 100, "order-1"));
    let second = world.ask(redeem(account, 100, "order-2"));
    settle().await;
    world.redeem_elsewhere(account, 100);
    world.store.judge(2);
    world.store.tell(1);
    settle().await;
    assert_eq!(world.store.reads().len(), 1);
    world.store.release();
    assert_eq!((code(&first.await.unwrap()), code(&second.await.unwrap())), ("done", "done"));
    assert_eq!(world.store.reads().len(), 2);
}

#[tokio::test]
async fn streams_that_load_in_another_order_change_nobodys_turn() {
    let world = World::start();
    let (one, two) = (world.account_with(500), world.account_with(500));
    world.store.hold_reading();
    let both = world.ask(transfer(one, two, 500, "order-1"));
    let after = world.ask(redeem(two, 1_000, "order-2"));
    let free = world.ask(redeem(two, 100, "order-3"));
    settle().await;
    world.store.release_reading_of(two);
    settle().await;
    assert!(!after.is_finished() && !free.is_finished(), "they wait behind the one that waits for the other stream");
    world.store.release_reading_of(one);
    assert_eq!(code(&both.await.unwrap()), "done");
    assert_eq!(code(&after.await.unwrap()), "done");
    assert_eq!(code(&free.await.unwrap()), "insufficient_points");
}

#[tokio::test]
async fn who_is_first_on_one_stream_waits_for_its_turn_on_the_other() {
    let world = World::start();
    let (one, two, three) = (world.account_with(500), world.account_with(500), world.account_with(500));
    world.store.hold_reading();
    let earlier = world.ask(transfer(three, two, 100, "order-1"));
    let later = world.ask(transfer(one, two, 100, "order-2"));
    settle().await;
    world.store.release_reading_of(one);
    world.store.release_reading_of(two);
    settle().await;
    assert!(!later.is_finished());
    world.store.release_reading();
    let (earlier, later) = (earlier.await.unwrap().unwrap(), later.await.unwrap().unwrap());
    assert!(earlier.position < later.position);
}

#[tokio::test]
async fn an_equal_request_in_flight_waits_for_the_first() {
    let world = World::start();
    let account = world.account_with(500);
    world.store.hold_judging();
    let first = world.ask(redeem(account, 300, "order-1").keyed(key("k")));
    let second = world.ask(redeem(account, 300, "order-1").keyed(key("k")));
    let other = world.ask(redeem(account, 200, "order-2").keyed(key("k")));
    settle().await;
    assert_eq!(world.store.unjudged(), 1);
    world.store.release();
    let (first, second) = (first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
    assert_eq!((first.repeated, second.repeated), (false, true));
    assert_eq!((first.events, first.position), (second.events, second.position));
    assert_eq!(code(&other.await.unwrap()), "key_reused");
    assert_eq!(world.available(account), 200);
}

#[tokio::test]
async fn a_repeated_request_is_answered_as_the_first_time_also_by_another_node() {
    let world = World::start();
    let account = world.account_with(500);
    let request = || redeem(account, 300, "order-1").keyed(key("k"));
    let first = world.answer(request()).await.unwrap();
    world.answer(redeem(account, 200, "order-2")).await.unwrap();
    for commands in [world.commands.clone(), world.another_node()] {
        let again = commands.execute(&caller(), request()).await.unwrap();
        assert_eq!((again.events, again.repeated), (first.events.clone(), true));
    }
    assert_eq!(world.available(account), 0);
}

#[tokio::test]
async fn a_keyed_refusal_stays_the_answer() {
    let world = World::start();
    let account = world.account_with(100);
    let request = || redeem(account, 300, "order-1").keyed(key("k"));
    let first = world.answer(request()).await;
    world.answer(earn(account, 900, "order-2")).await.unwrap();
    let again = world.answer(request()).await;
    assert_eq!((code(&first), code(&again)), ("insufficient_points", "insufficient_points"));
    assert_eq!(first.unwrap_err().refusal(), again.unwrap_err().refusal());
    assert_eq!(code(&world.answer(redeem(account, 300, "order-1")).await), "done");
}

#[tokio::test]
async fn a_keyed_claim_that_was_taken_stays_refused() {
    let world = World::start();
    let account = world.account_with(100);
    world.store.claim_elsewhere(caller().tenant, claim("a"), new_id());
    let request = || claiming(redeem(account, 100, "order-1"), claim("a"), account.id).keyed(key("k"));
    assert_eq!(code(&world.answer(request()).await), "email_taken");
    world.store.claim_elsewhere(caller().tenant, claim("a"), account.id);
    assert_eq!(code(&world.answer(request()).await), "email_taken");
}

#[tokio::test]
async fn a_keyed_answer_without_events_stays_the_answer() {
    let world = World::start();
    let account = world.account_with(500);
    world.answer(redeem(account, 300, "order-1")).await.unwrap();
    let request = || redeem(account, 300, "order-1").keyed(key("k"));
    assert_eq!(code(&world.answer(request()).await), "unchanged");
    let again = world.answer(request()).await.unwrap();
    assert!(again.repeated && again.events.is_empty());
    assert_eq!(again.position, world.store.head_now());
}

#[tokio::test]
async fn a_key_used_for_another_request_is_refused() {
    let world = World::start();
    let account = world.account_with(500);
    world.answer(redeem(account, 300, "order-1").keyed(key("k"))).await.unwrap();
    assert_eq!(code(&world.answer(redeem(account, 200, "order-1").keyed(key("k"))).await), "key_reused");
}

#[tokio::test]
async fn a_once_only_fact_happens_once() {
    let world = World::start();
    let account = world.account_with(0);
    assert_eq!(code(&world.answer(earn(account, 700, "order-1")).await), "done");
    assert_eq!(code(&world.answer(earn(account, 700, "order-1")).await), "repeated");
    assert_eq!(code(&world.answer(earn(account, 800, "order-1")).await), "unchanged");
    assert_eq!(world.available(account), 700);
}

#[tokio::test]
async fn who_insists_on_what_has_happened_is_refused() {
    let world = World::start();
    let account = world.account_with(0);
    world.answer(earn(account, 700, "order-1")).await.unwrap();
    let again = earn(account, 800, "order-1");
    let once_id = again.once.as_ref().unwrap().id(caller().tenant);
    let other = earn(account, 800, "order-2");
    let insist = move |states: &States<'_>| {
        let mut changes = (other.decide)(states)?;
        changes.events.iter_mut().for_each(|change| change.once_id = Some(once_id));
        changes.events.truncate(1);
        Ok(changes)
    };
    let answer = world.answer(Request { decide: Box::new(insist), ..again }).await;
    assert_eq!(code(&answer), "already_happened");
    assert_eq!(world.available(account), 700);
}

/// An import that is run again: each row rests on the one before, and all are repeats.
#[tokio::test]
async fn a_long_row_of_repeats_is_settled_at_once() {
    let world = World::start();
    let account = world.account_with(0);
    let rows = |commands: &crate::Commands| -> Vec<_> {
        (0..200).map(|n| ask(commands, earn(account, 10, &format!("order-{n}")))).collect()
    };
    for answer in join_all(rows(&world.commands)).await {
        assert_eq!(code(&answer.unwrap()), "done");
    }
    let other = world.another_node();
    let mut again = rows(&other);
    again.push(ask(&other, earn(account, 10, "new")));
    let answers: Vec<_> = join_all(again).await.into_iter().map(Result::unwrap).collect();
    assert!(answers[..200].iter().all(|answer| code(answer) == "repeated"));
    assert_eq!(code(&answers[200]), "done");
    assert!(world.store.reads().len() < 10, "{} loads", world.store.reads().len());
}

#[tokio::test]
async fn a_store_that_is_away_is_said_to_be_and_nothing_is_believed_of_it() {
    let world = World::start();
    let account = world.account_with(500);
    world.store.hold_judging();
    let first = world.ask(redeem(account, 300, "order-1"));
    let second = world.ask(redeem(account, 200, "order-2"));
    settle().await;
    world.store.add_fault(Fault::Refuse(AppendError::Unavailable("away".into())));
    world.store.release();
    assert_eq!(code(&first.await.unwrap()), "unavailable");
    assert_eq!(code(&second.await.unwrap()), "done");
    assert_eq!(world.available(account), 300);
}

#[tokio::test]
async fn in_a_series_nothing_overtakes_what_has_to_come_again() {
    let world = World::start();
    let account = world.account_with(500);
    let series = Series::default();
    world.store.hold_judging();
    let orders = ["order-1", "order-2", "order-3"];
    let asked: Vec<_> =
        orders.into_iter().map(|order| world.ask(redeem(account, 100, order).in_series(&series))).collect();
    let other = world.ask(redeem(account, 100, "order-4"));
    settle().await;
    world.store.judge(1);
    world.store.add_fault(Fault::Refuse(AppendError::Unavailable("away".into())));
    world.store.release();
    let answers: Vec<_> = join_all(asked).await.into_iter().map(|answer| code(&answer.unwrap()).to_owned()).collect();
    assert_eq!(answers, ["done", "unavailable", "unavailable"]);
    assert_eq!(code(&other.await.unwrap()), "done");
    assert_eq!(code(&world.answer(redeem(account, 100, "order-5").in_series(&series)).await), "unavailable");
    assert_eq!(world.available(account), 300);
}

#[tokio::test]
async fn a_busy_store_undermines_what_rests_on_it() {
    let world = World::start();
    let account = world.account_with(500);
    world.store.hold_judging();
    let first = world.ask(redeem(account, 100, "order-1"));
    let second = world.ask(redeem(account, 500, "order-2"));
    settle().await;
    world.store.add_fault(Fault::Refuse(AppendError::Busy));
    world.store.release();
    assert_eq!(code(&first.await.unwrap()), "unavailable");
    assert_eq!(code(&second.await.unwrap()), "done");
}

#[tokio::test]
async fn an_unknown_outcome_is_known_to_the_retry() {
    let world = World::start();
    let account = world.account_with(500);
    world.store.add_fault(Fault::Forget);
    let request = || redeem(account, 300, "order-1").keyed(key("k"));
    assert_eq!(code(&world.answer(request()).await), "unavailable");
    assert_eq!(code(&world.answer(request()).await), "repeated");
    assert_eq!(world.available(account), 200);
}

#[tokio::test]
async fn a_stream_that_cannot_be_read_fails_its_commands_and_no_others() {
    let world = World::start();
    let (account, other) = (world.account_with(500), world.account_with(500));
    world.answer(redeem(other, 100, "order-1")).await.unwrap();
    world.store.hold_reading();
    let needs_both = world.ask(transfer(other, account, 100, "order-2"));
    let behind = world.ask(redeem(other, 100, "order-3"));
    settle().await;
    world.store.let_reading_fail(true);
    world.store.release_reading();
    assert_eq!(code(&needs_both.await.unwrap()), "unavailable");
    assert_eq!(code(&behind.await.unwrap()), "done");
    world.store.let_reading_fail(false);
    assert_eq!(code(&world.answer(redeem(account, 100, "order-4")).await), "done");
}

#[tokio::test]
async fn newer_events_stop_their_stream_only() {
    let world = World::start();
    let (account, other) = (world.account_with(500), world.account_with(500));
    let known = encoded(account, &history(0)).remove(0);
    let newer = NewEvent { event_type: "loyalty.points.teleported", ..known.clone() };
    world.store.append_elsewhere(caller().tenant, account, &[newer]);
    let answer = world.answer(redeem(account, 100, "order-1")).await;
    assert!(answer.as_ref().is_err_and(|error| format!("{:?}", error).contains("loyalty.points.teleported")));
    assert_eq!(code(&answer), "newer");
    assert_eq!(code(&world.answer(redeem(other, 100, "order-1")).await), "done");
}

#[tokio::test]
async fn a_decision_that_panics_stops_nothing() {
    let world = World::start();
    let account = world.account_with(500);
    let mistaken = Request::new("test.mistake", caller().now, [account], |states: &States<'_>| {
        let _ = states.get::<LoyaltyAccount>(Uuid::nil());
        Ok(Changes::none())
    });
    assert_eq!(code(&world.answer(mistaken).await), "internal");
    assert_eq!(code(&world.answer(redeem(account, 100, "order-1")).await), "done");
}

#[tokio::test]
async fn an_event_outside_the_scope_is_a_bug_and_changes_nothing() {
    let world = World::start();
    let (account, other) = (world.account_with(500), world.account_with(500));
    let request = Request { scope: vec![other], ..redeem(account, 100, "order-1") };
    let scoped = move |states: &States<'_>| {
        let _ = states.version(&other);
        Ok(Changes::of(account, history(0)))
    };
    assert_eq!(code(&world.answer(Request { decide: Box::new(scoped), ..request }).await), "internal");
    assert_eq!(world.available(account), 500);
}

#[tokio::test]
async fn a_full_pipeline_is_busy_and_lets_in_again() {
    let world = World::with(Config { commands_max: 2, ..Config::default() });
    let account = world.account_with(500);
    world.store.hold_judging();
    let one = world.ask(redeem(account, 100, "order-1"));
    let two = world.ask(redeem(account, 100, "order-2"));
    settle().await;
    assert_eq!(code(&world.answer(redeem(account, 100, "order-3")).await), "busy");
    world.store.release();
    assert_eq!((code(&one.await.unwrap()), code(&two.await.unwrap())), ("done", "done"));
    assert_eq!(code(&world.answer(redeem(account, 100, "order-3")).await), "done");
}

#[tokio::test]
async fn only_so_many_requests_await_their_verdict() {
    let world = World::with(Config { undecided_max: 3, ..Config::default() });
    let account = world.account_with(1_000);
    world.store.hold_judging();
    let asked: Vec<_> = (0..10).map(|n| world.ask(redeem(account, 100, &format!("order-{n}")))).collect();
    settle().await;
    assert_eq!(world.store.unjudged(), 3);
    world.store.release();
    for answer in join_all(asked).await {
        assert_eq!(code(&answer.unwrap()), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_is_answered_by_its_deadline() {
    let world = World::with(Config { deadline: Duration::from_secs(10), ..Config::default() });
    let account = world.account_with(500);
    world.store.hold_judging();
    let late = world.ask(redeem(account, 100, "order-1"));
    assert_eq!(code(&late.await.unwrap()), "unavailable");
    world.store.release();
    settle().await;
    assert_eq!(world.available(account), 400, "what was submitted may still happen");
}

#[tokio::test]
async fn after_too_many_conflicts_the_caller_is_told() {
    let world = World::with(Config { attempts_max: 4, ..Config::default() });
    let account = world.account_with(1_000);
    world.store.hold_judging();
    let asked = world.ask(redeem(account, 100, "order-1"));
    for _ in 0..4 {
        settle().await;
        world.redeem_elsewhere(account, 100);
        world.store.judge(1);
    }
    assert_eq!(code(&asked.await.unwrap()), "conflict");
    assert_eq!(world.available(account), 600);
}

#[tokio::test]
async fn another_tenants_stream_reads_as_empty_and_nobody_is_told_that_it_exists() {
    let world = World::start();
    let foreign = new_account();
    world.store.append_elsewhere(TenantId(2), foreign, &encoded(foreign, &history(500)));
    let (theirs, nobodys) =
        (world.answer(redeem(foreign, 100, "order-1")).await, redeem(new_account(), 100, "order-1"));
    assert_eq!(code(&theirs), "not_a_member");
    assert_eq!(code(&world.answer(nobodys).await), "not_a_member");
}

#[tokio::test]
async fn a_stream_that_came_into_being_meanwhile_is_seen() {
    let world = World::start();
    let account = new_account();
    world.store.hold_judging();
    let asked = world.ask(redeem(account, 100, "order-1"));
    settle().await;
    world.store.append_elsewhere(caller().tenant, account, &encoded(account, &history(500)));
    world.store.release();
    assert_eq!(code(&asked.await.unwrap()), "done");
}

#[tokio::test]
async fn a_snapshot_is_kept_of_what_is_committed_and_used() {
    let world = World::with(Config { snapshot_every: 10, ..Config::default() });
    let account = world.account_with(0);
    for n in 0..12 {
        world.answer(earn(account, 10, &format!("order-{n}"))).await.unwrap();
    }
    settle().await;
    let snapshot = world.store.snapshot_of(caller().tenant, account).unwrap();
    assert_eq!((snapshot.stream_version, snapshot.subject_id), (10, Some(account.id)));
    let other = world.another_node();
    assert_eq!(code(&other.execute(&caller(), redeem(account, 100, "order-20")).await), "done");
    assert_eq!(world.available(account), 20);
}

#[tokio::test]
async fn no_snapshot_is_kept_of_what_was_refused() {
    let world = World::with(Config { snapshot_every: 4, ..Config::default() });
    let account = world.account_with(500);
    world.store.claim_elsewhere(caller().tenant, claim("a"), new_id());
    world.store.hold_judging();
    let fine = world.ask(redeem(account, 100, "order-1"));
    let lost = world.ask(claiming(redeem(account, 100, "order-2"), claim("a"), account.id));
    settle().await;
    world.store.release();
    assert_eq!((code(&fine.await.unwrap()), code(&lost.await.unwrap())), ("done", "email_taken"));
    settle().await;
    assert_eq!(world.store.snapshot_of(caller().tenant, account), None);
}

#[tokio::test]
async fn a_small_cache_forgets_and_reads_again() {
    let world = World::with(Config { cache_entries_max: 1, ..Config::default() });
    let (one, two) = (world.account_with(500), world.account_with(500));
    for (n, account) in [one, one, two, two, one].into_iter().enumerate() {
        assert_eq!(code(&world.answer(redeem(account, 100, &format!("order-{n}"))).await), "done");
    }
    assert_eq!(world.store.reads(), [one, two, one]);
}
