//! Movements: what each event adds, and that they come to what the domain's line says.

use super::{CreditMovements, Movement, MovementRow};
use crate::credit::stories::{
    any_command, any_policy, approve, authorise, buy, cancel, capture, day, opened, pay, pay_out, request, reverse,
};
use crate::folding::recorded;
use crate::read_model::ReadModel;
use domain::Decider;
use domain::credit::credit_line::CreditLine;
use domain::credit::events::CreditEvent;
use proptest::prelude::*;

fn rows_of(events: Vec<CreditEvent>) -> Vec<MovementRow> {
    let recorded = events.into_iter().zip(1..).map(|(event, nth)| recorded(event, nth));
    recorded.filter_map(|recorded| row_of(&recorded)).collect()
}

fn row_of(recorded: &crate::Recorded) -> Option<MovementRow> {
    let keys = CreditMovements::keys(recorded);
    keys.first().and_then(|key| CreditMovements::apply(key, None, recorded))
}

fn told(rows: &[MovementRow]) -> Vec<(Movement, i64, i64, i64)> {
    rows.iter().map(|row| (row.kind, row.amount.minor(), row.outstanding_minor, row.unapplied_minor)).collect()
}

#[test]
fn an_order_is_owed_until_money_that_came_in_pays_it() {
    let rows =
        rows_of(opened([buy(1, 40_000, "2026-02-01"), pay(1, 50_000, "2026-02-10"), buy(2, 5000, "2026-02-11")]));
    assert_eq!(
        told(&rows),
        [
            (Movement::Used, 40_000, 40_000, 0),
            (Movement::Received, 50_000, 0, 50_000),
            (Movement::Paid, 40_000, -40_000, -40_000),
            (Movement::Used, 5000, 5000, 0),
            (Movement::PaidFromUnapplied, 5000, -5000, -5000),
        ]
    );
    assert_eq!((rows[0].order.as_deref(), rows[0].invoice.as_deref()), (Some("order-1"), Some("invoice-1")));
    assert_eq!((rows[0].due_on, rows[0].moved_on), (Some(day("2026-03-03")), day("2026-02-01")));
    assert_eq!((rows[1].payment.as_deref(), rows[1].received_on), (Some("payment-1"), Some(day("2026-02-10"))));
    assert_eq!((rows[2].order.as_deref(), rows[2].payment.as_deref()), (Some("order-1"), Some("payment-1")));
}

#[test]
fn a_hold_moves_nothing_until_it_is_captured() {
    let rows = rows_of(opened([authorise(1, 30_000, "2026-02-01"), capture(1, 25_000, "2026-02-02")]));
    assert_eq!(told(&rows), [(Movement::Used, 25_000, 25_000, 0)]);
    assert!(rows[0].hold.is_some());
}

#[test]
fn what_was_paid_of_an_order_that_is_cancelled_is_good() {
    let paid = [buy(1, 40_000, "2026-02-01"), pay(1, 30_000, "2026-02-02"), cancel(1, 20_000, "2026-02-03")];
    let rows = rows_of(opened(paid));
    assert_eq!(told(&rows)[3], (Movement::Cancelled, 20_000, -10_000, 10_000));
    assert_eq!((rows[3].release.as_deref(), rows[3].reason.as_deref()), (Some("return-1"), Some("returned")));
}

#[test]
fn money_that_was_none_is_owed_again() {
    let paid = [buy(1, 40_000, "2026-02-01"), pay(1, 50_000, "2026-02-10"), reverse(1, "2026-02-20")];
    let rows = rows_of(opened(paid));
    assert_eq!(told(&rows)[3], (Movement::Reversed, 50_000, 40_000, -10_000));
    assert_eq!((rows[3].payment.as_deref(), rows[3].reason.as_deref()), (Some("payment-1"), Some("bounced")));
}

#[test]
fn what_is_paid_out_is_not_good_any_more() {
    let paid = [pay(1, 50_000, "2026-02-10"), pay_out(1, 20_000, "2026-02-11")];
    let rows = rows_of(opened(paid.clone()));
    assert_eq!(told(&rows)[1], (Movement::Refunded, 20_000, 0, -20_000));
    assert_eq!((rows[1].refund.as_deref(), rows[1].reason.as_deref()), (Some("refund-1"), Some("overpaid")));
    let bounced = rows_of(opened(paid.into_iter().chain([reverse(1, "2026-02-20")])));
    assert_eq!(told(&bounced)[2], (Movement::Reversed, 50_000, 0, -50_000));
}

proptest! {
    /// After each command of any history, movements come to what is outstanding, and to what paid nothing yet.
    #[test]
    fn movements_come_to_what_the_line_says(
        commands in prop::collection::vec(any_command(), 0..80),
        policy in any_policy(),
    ) {
        let opening = [request(150_000, "2026-01-05"), approve(100_000, policy, "2026-01-10")];
        let (mut state, mut nth, mut sums) = (CreditLine::initial(), 0, (0, 0));
        for command in opening.into_iter().chain(commands) {
            for event in CreditLine::decide(&state, command).unwrap_or_default() {
                nth += 1;
                state = CreditLine::evolve(state, &event);
                if let Some(row) = row_of(&recorded(event, nth)) {
                    sums = (sums.0 + row.outstanding_minor, sums.1 + row.unapplied_minor);
                }
            }
            if let Ok(line) = state.owing() {
                prop_assert_eq!(sums, (line.outstanding().minor(), line.unapplied().minor()));
            }
        }
    }
}
