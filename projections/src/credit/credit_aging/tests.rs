//! What is outstanding of each order, against the domain's own line.

use super::{CreditAging, UseRow, sums};
use crate::credit::stories::{
    any_command, any_policy, approve, buy, cancel, day, note_overdue, opened, pay, request, reverse,
};
use crate::folding::{TENANT, recorded};
use crate::read_model::{ReadModel, Recorded};
use domain::credit::credit_line::CreditLine;
use domain::credit::events::CreditEvent;
use domain::{Currency, Decider, Money};
use proptest::prelude::*;
use std::collections::BTreeMap;
use store::Position;
use uuid::Uuid;

type Rows = BTreeMap<(Uuid, String), UseRow>;

fn rows_of(events: Vec<CreditEvent>) -> Vec<UseRow> {
    let recorded = events.into_iter().zip(1..).map(|(event, nth)| recorded(event, nth));
    recorded.fold(Rows::new(), |rows, recorded| told(rows, &recorded)).into_values().collect()
}

fn told(mut rows: Rows, recorded: &Recorded) -> Rows {
    for key in CreditAging::keys(recorded) {
        if let Some(row) = CreditAging::apply(&key, rows.remove(&key), recorded) {
            rows.insert(key, row);
        }
    }
    rows
}

#[test]
fn an_order_is_outstanding_until_it_is_paid_or_cancelled() {
    let bought = [buy(1, 40_000, "2026-02-01"), buy(2, 30_000, "2026-02-02")];
    let row = &rows_of(opened(bought.clone()))[0];
    assert_eq!(
        (row.order.as_str(), row.invoice.as_deref(), row.outstanding_minor),
        ("order-1", Some("invoice-1"), 40_000)
    );
    assert_eq!((row.used_on, row.due_on, row.overdue_noted_on), (day("2026-02-01"), day("2026-03-03"), None));
    let paid = bought.into_iter().chain([pay(1, 50_000, "2026-02-10"), cancel(2, 5000, "2026-02-11")]);
    let outstanding: Vec<_> = rows_of(opened(paid)).iter().map(|row| row.outstanding_minor).collect();
    assert_eq!(outstanding, [0, 15_000]);
}

#[test]
fn an_order_comes_back_when_its_payment_was_none_and_is_told_once_to_be_overdue() {
    let late = [buy(1, 40_000, "2026-02-01"), note_overdue("2026-03-04"), pay(1, 40_000, "2026-03-05")];
    let row = &rows_of(opened(late.into_iter().chain([reverse(1, "2026-03-10"), note_overdue("2026-03-11")])))[0];
    assert_eq!((row.outstanding_minor, row.overdue_noted_on), (40_000, Some(day("2026-03-04"))));
}

#[test]
fn sums_are_told_for_each_currency() {
    let used = |number: u8, code: &str, due_on: &str| UseRow {
        line: Uuid::from_u128(1),
        order: format!("order-{number}"),
        tenant: TENANT,
        customer: None,
        amount: Money::from_minor(10, Currency::parse(code).unwrap()).unwrap(),
        outstanding_minor: number.into(),
        invoice: None,
        used_on: day("2026-01-01"),
        due_on: day(due_on),
        overdue_noted_on: None,
        position: Position(number.into()),
    };
    let uses = [used(1, "USD", "2026-03-01"), used(2, "EUR", "2026-03-01"), used(4, "USD", "2026-05-01")];
    let sums = sums(&uses, day("2026-05-01"));
    let told: Vec<_> = sums
        .iter()
        .map(|sum| (sum.currency.code(), sum.orders, sum.aging.days_61_to_90.minor(), sum.aging.current.minor()))
        .collect();
    assert_eq!(told, [("EUR", 1, 2, 0), ("USD", 2, 1, 4)]);
}

proptest! {
    /// After any history, what is outstanding of each order is what the line says, as far as it remembers.
    #[test]
    fn the_rows_are_the_uses_of_the_line(
        commands in prop::collection::vec(any_command(), 0..80),
        policy in any_policy(),
    ) {
        let opening = [request(150_000, "2026-01-05"), approve(100_000, policy, "2026-01-10")];
        let (mut state, mut nth, mut rows) = (CreditLine::initial(), 0, Rows::new());
        for command in opening.into_iter().chain(commands) {
            for event in CreditLine::decide(&state, command).unwrap_or_default() {
                nth += 1;
                state = CreditLine::evolve(state, &event);
                rows = told(rows, &recorded(event, nth));
            }
        }
        let Ok(line) = state.owing() else { return Ok(()) };
        for (order, used) in line.uses() {
            let row = &rows[&(Uuid::from_u128(1), order.as_str().to_owned())];
            prop_assert_eq!((row.outstanding_minor, row.amount.minor()), (used.outstanding_minor(), used.amount_minor()));
            prop_assert_eq!((row.used_on, row.due_on), (used.used_on(), used.due_on()));
        }
        let outstanding: i64 = rows.values().map(|row| row.outstanding_minor).sum();
        prop_assert_eq!(outstanding, line.outstanding().minor(), "and nothing else is");
    }
}
