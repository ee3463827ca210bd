//! Two steps: credit is promised to an order, and used or given back.

use super::*;
use crate::credit::credit_line::{HOLDS_MAX, HoldEnd};
use crate::credit::policy::Counts;
use crate::credit::reasons::Bound;

const NOON: &str = "2026-01-20T12:00:00Z";
const SOON: &str = "2026-01-27T11:59:59Z";
const TOO_LATE: &str = "2026-01-27T12:00:00Z";

fn held(order_id: &str, amount: &str) -> Vec<CreditEvent> {
    with(open("1000.00"), [placed(1, order_id, amount, NOON)])
}

fn captured(number: u128, mut event: CreditEvent) -> CreditEvent {
    if let CreditEvent::Used { hold, .. } = &mut event {
        *hold = Some(self::hold(number));
    }
    event
}

#[test]
fn what_is_promised_is_not_available_to_others_and_is_used_when_it_is_captured() {
    let state = given::<CreditLine>(open("1000.00"))
        .when(authorise(1, "order-1", "400.00", NOON))
        .then([placed(1, "order-1", "400.00", NOON)]);
    assert_eq!((line(&state).held(), line(&state).available(day("2026-01-20"))), (eur("400.00"), eur("600.00")));
    let state = given::<CreditLine>(held("order-1", "400.00"))
        .when(capture(1, "order-1", "400.00", SOON))
        .then([captured(1, used("order-1", "400.00", "2026-01-27"))]);
    assert_eq!((line(&state).held(), line(&state).outstanding()), (eur("0.00"), eur("400.00")));
}

#[test]
fn less_than_was_promised_may_be_captured_and_the_rest_comes_free() {
    let state = given::<CreditLine>(held("order-1", "400.00"))
        .when(capture(1, "order-1", "150.00", SOON))
        .then([captured(1, used("order-1", "150.00", "2026-01-27"))]);
    assert_eq!(line(&state).available(day("2026-01-27")), eur("850.00"));
    given::<CreditLine>(held("order-1", "400.00"))
        .when(capture(1, "order-1", "400.01", SOON))
        .then_refused(CreditError::CaptureExceedsHold { held: eur("400.00") });
    given::<CreditLine>(held("order-1", "400.00"))
        .when(capture(1, "order-1", "0.00", SOON))
        .then_refused(CreditError::AmountNotPositive { amount: eur("0.00") });
}

#[test]
fn a_hold_is_placed_captured_and_voided_only_once() {
    given::<CreditLine>(held("order-1", "400.00")).when(authorise(2, "order-1", "400.00", SOON)).then([]);
    let spent = with(held("order-1", "400.00"), [captured(1, used("order-1", "150.00", "2026-01-20"))]);
    given::<CreditLine>(spent.clone()).when(capture(1, "order-1", "150.00", SOON)).then([]);
    let charged = || CreditError::OrderAlreadyCharged { order: order("order-1"), amount: eur("150.00") };
    given::<CreditLine>(spent.clone()).when(capture(1, "order-1", "400.00", SOON)).then_refused(charged());
    given::<CreditLine>(spent.clone()).when(authorise(2, "order-1", "150.00", SOON)).then_refused(charged());
    given::<CreditLine>(spent)
        .when(void(1, SOON))
        .then_refused(CreditError::HoldOver { hold: hold(1), ended: HoldEnd::Captured });
    let freed = hold_released(1, "order-1", "400.00", HoldRelease::Voided, "2026-01-27");
    given::<CreditLine>(held("order-1", "400.00")).when(void(1, SOON)).then([freed.clone()]);
    let back = with(held("order-1", "400.00"), [freed]);
    given::<CreditLine>(back.clone()).when(void(1, SOON)).then([]);
    given::<CreditLine>(back)
        .when(capture(1, "order-1", "400.00", SOON))
        .then_refused(CreditError::HoldOver { hold: hold(1), ended: HoldEnd::Voided });
}

#[test]
fn an_order_has_one_hold_and_is_not_used_beside_it() {
    let conflict = CreditError::OrderHeld { order: order("order-1"), hold: hold(1), amount: eur("400.00") };
    let history = || held("order-1", "400.00");
    given::<CreditLine>(history()).when(authorise(2, "order-1", "1.00", SOON)).then_refused(conflict.clone());
    given::<CreditLine>(history()).when(buy("order-1", "400.00", "2026-01-21")).then_refused(conflict);
    given::<CreditLine>(history())
        .when(capture(1, "order-2", "1.00", SOON))
        .then_refused(CreditError::HoldOfAnotherOrder { hold: hold(1), order: order("order-1") });
    let unknown = || CreditError::HoldNotFound { hold: hold(9) };
    given::<CreditLine>(history()).when(capture(9, "order-1", "1.00", SOON)).then_refused(unknown());
    given::<CreditLine>(history()).when(void(9, SOON)).then_refused(unknown());
}

#[test]
fn a_hold_lapses_by_itself_before_anything_else_happens() {
    let lapsed = || hold_released(1, "order-1", "900.00", HoldRelease::Lapsed, "2026-01-27");
    let history = || held("order-1", "900.00");
    given::<CreditLine>(history()).when(settle("2026-01-26")).then([]);
    given::<CreditLine>(history()).when(settle("2026-01-30")).then([lapsed()]);
    given::<CreditLine>(history())
        .when(buy("order-2", "1000.00", "2026-01-30"))
        .then([lapsed(), used("order-2", "1000.00", "2026-01-30")]);
    given::<CreditLine>(history())
        .when(capture(1, "order-1", "900.00", TOO_LATE))
        .then_refused(CreditError::HoldOver { hold: hold(1), ended: HoldEnd::Lapsed });
    given::<CreditLine>(history())
        .when(authorise(2, "order-1", "900.00", TOO_LATE))
        .then([lapsed(), placed(2, "order-1", "900.00", TOO_LATE)]);
}

#[test]
fn what_was_shipped_is_invoiced_whatever_became_of_the_line() {
    let lowered = CreditEvent::LimitChanged {
        from: eur("1000.00"),
        to: eur("1.00"),
        reason: reason("risk"),
        changed_by: actor("key:2"),
        on: day("2026-01-21"),
        personal: note(),
    };
    let worse = with(held("order-1", "400.00"), [suspended(SuspensionCause::ByHand, "2026-01-21"), lowered]);
    let state = given::<CreditLine>(worse)
        .when(capture(1, "order-1", "400.00", SOON))
        .then([captured(1, used("order-1", "400.00", "2026-01-27"))]);
    assert_eq!(line(&state).available(day("2026-01-27")), eur("-399.00"));
}

#[test]
fn nothing_is_promised_where_nothing_could_be_bought() {
    let stopped = with(open("1000.00"), [suspended(SuspensionCause::ByHand, "2026-01-19")]);
    given::<CreditLine>(stopped)
        .when(authorise(1, "order-1", "1.00", NOON))
        .then_refused(CreditError::Suspended { causes: vec![SuspensionCause::ByHand] });
    let (order, amount, available) = (order("order-2"), eur("600.01"), eur("600.00"));
    given::<CreditLine>(held("order-1", "400.00"))
        .when(authorise(2, "order-2", "600.01", NOON))
        .then([CreditEvent::LimitExceeded { order, amount, available, bound: Bound::Line, on: day("2026-01-20") }]);
}

#[test]
fn who_counts_invoices_only_lets_orders_be_promised_beside_each_other() {
    let policy = Policy { counts: Counts::Invoices, ..Policy::default_in(code("EUR")) };
    let history = with(open_with("1000.00", policy), [placed(1, "order-1", "900.00", NOON)]);
    let state = given::<CreditLine>(history)
        .when(authorise(2, "order-2", "1000.00", NOON))
        .then([placed(2, "order-2", "1000.00", NOON)]);
    assert_eq!(line(&state).exposure(), eur("0.00"));
}

#[test]
fn a_line_has_so_many_holds_at_once() {
    let many = (1..=HOLDS_MAX).map(|number| {
        let id = u128::try_from(number).unwrap();
        placed(id, &format!("order-{number}"), "0.01", NOON)
    });
    let (last, first): (Vec<_>, Vec<_>) = many.rev().enumerate().partition(|(nth, _)| *nth == 0);
    let history = |events: Vec<(usize, CreditEvent)>| with(open("1000.00"), events.into_iter().map(|(_, event)| event));
    let room = history(first.clone());
    given::<CreditLine>(room)
        .when(authorise(9_999, "another", "0.01", NOON))
        .then([placed(9_999, "another", "0.01", NOON)]);
    given::<CreditLine>(history([first, last].concat()))
        .when(authorise(9_999, "another", "0.01", NOON))
        .then_refused(CreditError::TooManyHolds { limit: HOLDS_MAX });
}
