//! Each checker finds a fault that was put in on purpose, and nothing in a history that is right.

use super::{anomalies, gaps, not_exactly_once, not_linearizable, not_recorded, not_the_log};
use crate::intents::{Answer, Deed, Intent};
use crate::log::LogEvent;
use serde_json::{Value, json};
use uuid::Uuid;

const ANA: Uuid = Uuid::from_u128(0xA);

fn event(position: i64, stream: Uuid, version: i32, kind: &str, payload: Value) -> LogEvent {
    LogEvent { position, category: "loyalty".to_owned(), stream, version, kind: kind.to_owned(), payload }
}

pub(crate) fn on_credit(position: i64, kind: &str, payload: Value) -> LogEvent {
    let version = i32::try_from(position).expect("small");
    LogEvent { category: "credit".to_owned(), ..event(position, ANA, version, kind, payload) }
}

pub(crate) fn enrolled(position: i64, account: Uuid, version: i32) -> LogEvent {
    event(position, account, version, "loyalty.account.enrolled", json!({}))
}

pub(crate) fn earned(position: i64, account: Uuid, version: i32, points: i64, balance: i64) -> LogEvent {
    let payload = json!({"order": format!("order-{position}"), "points": points, "balance": balance});
    event(position, account, version, "loyalty.points.earned", payload)
}

pub(crate) fn redeemed(position: i64, account: Uuid, version: i32, points: i64, balance: i64) -> LogEvent {
    let payload = json!({"order": format!("order-{position}"), "points": points, "balance": balance});
    event(position, account, version, "loyalty.points.redeemed", payload)
}

fn earn(position: i64, (invoked, answered): (u64, u64)) -> Intent {
    let deed = Deed::Earn { customer: ANA, order: format!("order-{position}"), units: 100 };
    Intent { deed, invoked, answered, answer: Answer::Done { position, made: None } }
}

fn redeem(position: i64, points: i64, (invoked, answered): (u64, u64)) -> Intent {
    let deed = Deed::Redeem { customer: ANA, order: format!("order-{position}"), points };
    Intent { deed, invoked, answered, answer: Answer::Done { position, made: None } }
}

fn refused(available: i64, span: (u64, u64)) -> Intent {
    let answer = Answer::Refused { code: "insufficient_points".to_owned(), available: Some(available) };
    Intent { answer, ..redeem(i64::try_from(span.0).expect("small"), 300, span) }
}

/// Enrolled, 100 earned, 100 earned, 100 redeemed.
fn log() -> Vec<LogEvent> {
    vec![enrolled(1, ANA, 1), earned(2, ANA, 2, 100, 100), earned(3, ANA, 3, 100, 200), redeemed(4, ANA, 4, 100, 100)]
}

fn history() -> Vec<Intent> {
    vec![earn(2, (10, 20)), earn(3, (15, 30)), redeem(4, 100, (40, 50))]
}

#[test]
fn the_checkers_find_nothing_in_a_history_that_is_right() {
    let mut intents = history();
    intents.extend([refused(0, (5, 12)), refused(200, (31, 39)), refused(200, (41, 45)), refused(100, (42, 60))]);
    assert_eq!(anomalies(&intents, &log()), Vec::<String>::new());
}

#[test]
fn the_checker_sees_a_lost_event() {
    let mut log = log();
    log.remove(2);
    assert!(!gaps(&log).is_empty());
    let told = not_exactly_once(&history(), &log);
    assert!(told.iter().any(|anomaly| anomaly.contains("earned happened at []")), "{told:?}");
    let tail = &super::tests::log()[..3]; // lost at the end there is no gap: only the caller knows
    assert!(gaps(tail).is_empty());
    assert_eq!(not_exactly_once(&history(), tail).len(), 1);
}

#[test]
fn the_checker_sees_an_effect_that_happened_twice() {
    let mut log = log();
    let again = LogEvent { position: 5, version: 5, ..log[2].clone() };
    log.push(again);
    assert_eq!(not_exactly_once(&history(), &log).len(), 1);
}

#[test]
fn the_checker_sees_an_effect_that_nobody_wanted() {
    let intents = &history()[..2];
    assert!(not_exactly_once(intents, &log())[0].contains("nobody wanted it"));
}

#[test]
fn the_checker_sees_an_effect_of_a_refused_request() {
    let mut intents = history();
    intents[2].answer = Answer::Refused { code: "insufficient_points".to_owned(), available: Some(0) };
    assert_eq!(not_exactly_once(&intents, &log()).len(), 1);
}

#[test]
fn the_checker_sees_a_gap_and_a_version_that_is_not_the_next() {
    let mut log = log();
    log[3].position = 5;
    assert_eq!(gaps(&log).len(), 1);
    log[3].version = 3;
    assert_eq!(gaps(&log).len(), 2);
}

#[test]
fn the_checker_sees_an_order_that_contradicts_real_time() {
    let mut intents = history();
    intents[1] = earn(3, (1, 5)); // acknowledged before the one at position 2 was asked for
    assert_eq!(not_linearizable(&intents, &log()).len(), 1);
}

#[test]
fn the_checker_sees_a_refusal_with_a_balance_from_before_the_question() {
    let mut intents = history();
    intents.push(refused(100, (31, 39))); // 200 had been acknowledged at 30
    assert_eq!(not_linearizable(&intents, &log()).len(), 1);
}

#[test]
fn the_checker_sees_a_refusal_with_a_balance_that_never_was() {
    let mut intents = history();
    intents.push(refused(150, (5, 60)));
    assert_eq!(not_linearizable(&intents, &log()).len(), 1);
}

#[test]
fn the_checker_sees_a_refusal_though_there_was_enough() {
    let mut intents = history();
    let enough = Intent { deed: redeem(9, 100, (0, 0)).deed, ..refused(200, (31, 39)) };
    intents.push(enough);
    assert_eq!(not_linearizable(&intents, &log()).len(), 1);
}

#[test]
fn the_checker_sees_two_refusals_in_an_order_that_nobody_could_have_seen() {
    let intents =
        [earn(2, (10, 90)), earn(3, (10, 95)), redeem(4, 100, (96, 99)), refused(100, (20, 30)), refused(0, (40, 50))];
    assert_eq!(not_linearizable(&intents, &log()).len(), 1);
}

#[test]
fn the_checker_sees_a_customer_who_was_registered_twice() {
    let registered = |customer: u128, position| Intent {
        deed: Deed::Register { email: "ana@example.com".to_owned() },
        answer: Answer::Done { position, made: Some(Uuid::from_u128(customer)) },
        invoked: 1,
        answered: 2,
    };
    let created = |position, customer| LogEvent {
        category: "customer".to_owned(),
        ..event(position, Uuid::from_u128(customer), 1, "customer.created", json!({}))
    };
    let log = [created(1, 0xA), created(2, 0xB)];
    assert!(not_exactly_once(&[registered(0xA, 1)], &log)[0].contains("nobody wanted it"));
}

#[test]
fn the_checker_sees_a_refusal_that_is_not_recorded_and_a_record_of_none() {
    let exceeded = |position, available: &str| {
        on_credit(
            position,
            "credit.limit.exceeded",
            json!({"order": "o-1", "available": {"amount": available, "currency": "EUR"}}),
        )
    };
    let refused = |available| Intent {
        deed: Deed::Use { line: ANA, order: "o-1".to_owned(), units: 10 },
        invoked: 1,
        answered: 2,
        answer: Answer::Refused { code: "credit_limit_exceeded".to_owned(), available: Some(available) },
    };
    let found = |intents: &[Intent], log: &[LogEvent]| not_recorded(intents, log).len();
    assert_eq!(found(&[refused(500)], &[exceeded(1, "5.00")]), 0);
    assert_eq!(found(&[refused(500), refused(400)], &[exceeded(1, "5.00"), exceeded(2, "4.00")]), 0);
    assert_eq!(found(&[refused(500)], &[]), 1);
    assert_eq!(found(&[refused(500)], &[exceeded(1, "4.00")]), 1);
    assert_eq!(found(&[refused(500)], &[exceeded(1, "5.00"), exceeded(2, "5.00")]), 1);
    assert_eq!(found(&[], &[exceeded(1, "5.00")]), 1);
}

#[test]
fn a_follower_that_misses_repeats_swaps_or_changes_an_event_is_found() {
    let told = |position: i64| {
        let kind = log()[usize::try_from(position - 1).expect("small")].kind.clone();
        (position, format!("loyalty-{ANA}/{position}"), kind)
    };
    let right: Vec<_> = (1..=4).map(told).collect();
    assert_eq!(not_the_log(&right, &log()), Vec::<String>::new());
    let changed = (4, format!("loyalty-{ANA}/3"), told(4).2);
    let wrong = [
        vec![told(1), told(2), told(3)],
        vec![told(1), told(3), told(4)],
        vec![told(1), told(2), told(2), told(3), told(4)],
        vec![told(1), told(3), told(2), told(4)],
        vec![told(1), told(2), told(3), changed],
        Vec::new(),
    ];
    for told in wrong {
        assert!(!not_the_log(&told, &log()).is_empty(), "{told:?}");
    }
}
