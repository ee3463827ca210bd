//! What was not paid in time.

use super::*;

const OVERDUE: SuspensionCause = SuspensionCause::Overdue;

/// Due on 2026-02-19.
fn bought() -> Vec<CreditEvent> {
    with(open("1000.00"), [used("order-1", "400.00", "2026-01-20")])
}

fn late_order(on: &str) -> CreditEvent {
    late("order-1", "400.00", "2026-02-19", on)
}

#[test]
fn a_use_is_overdue_once_from_the_day_after_its_due_date() {
    given::<CreditLine>(bought()).when(note_overdue("2026-02-19")).then([]);
    given::<CreditLine>(bought()).when(note_overdue("2026-02-20")).then([late_order("2026-02-20")]);
    let noted = with(bought(), [late_order("2026-02-20")]);
    given::<CreditLine>(noted).when(note_overdue("2026-02-21")).then([]);
}

#[test]
fn the_line_is_suspended_once_grace_is_over_if_the_policy_says_so() {
    let on = "2026-02-25";
    given::<CreditLine>(bought()).when(note_overdue(on)).then([late_order(on), suspended(OVERDUE, on)]);
    let stopped = with(bought(), [late_order(on), suspended(OVERDUE, on)]);
    given::<CreditLine>(stopped).when(note_overdue("2026-02-26")).then([]);
    let policy = Policy { suspend_when_overdue: false, ..Policy::default_in(code("EUR")) };
    let history = with(open_with("1000.00", policy), [used("order-1", "400.00", "2026-01-20")]);
    given::<CreditLine>(history.clone()).when(note_overdue(on)).then([late_order(on)]);
    given::<CreditLine>(history)
        .when(buy("order-2", "1.00", on))
        .then_refused(CreditError::Overdue { overdue: eur("400.00") });
}

#[test]
fn less_than_the_minimum_blocks_nothing() {
    let mut policy = Policy::default_in(code("EUR"));
    policy.overdue_block.minimum = eur("400.01");
    let history = with(open_with("1000.00", policy), [used("order-1", "400.00", "2026-01-20")]);
    given::<CreditLine>(history.clone()).when(note_overdue("2026-03-01")).then([late_order("2026-03-01")]);
    given::<CreditLine>(history).when(buy("order-2", "1.00", "2026-03-01")).then([used(
        "order-2",
        "1.00",
        "2026-03-01",
    )]);
}

#[test]
fn the_suspension_ends_when_what_was_overdue_is_paid() {
    let on = "2026-02-26";
    let stopped = || with(bought(), [late_order("2026-02-25"), suspended(OVERDUE, "2026-02-25")]);
    given::<CreditLine>(stopped())
        .when(pay("payment-1", "399.00", on))
        .then([received("payment-1", "399.00", "0.00", on), paid_by("payment-1", "order-1", "399.00", "1.00", on)]);
    given::<CreditLine>(stopped()).when(pay("payment-1", "400.00", on)).then([
        received("payment-1", "400.00", "0.00", on),
        paid_by("payment-1", "order-1", "400.00", "0.00", on),
        resumed(OVERDUE, on),
    ]);
    let by_hand = with(stopped(), [suspended(SuspensionCause::ByHand, "2026-02-25")]);
    let state = given::<CreditLine>(by_hand).when(pay("payment-1", "400.00", on)).then([
        received("payment-1", "400.00", "0.00", on),
        paid_by("payment-1", "order-1", "400.00", "0.00", on),
        resumed(OVERDUE, on),
    ]);
    assert!(line(&state).suspended().iter().eq(&[SuspensionCause::ByHand]));
}

#[test]
fn who_resumes_it_bears_with_what_is_overdue_and_with_nothing_that_comes_later() {
    let (on, personal) = (day("2026-02-26"), note());
    let borne = CreditEvent::Resumed { cause: OVERDUE, resumed_by: Some(actor("key:3")), on, personal };
    let second = used("order-2", "10.00", "2026-02-10"); // due on 2026-03-12
    let history = with(bought(), [second, late_order("2026-02-25"), suspended(OVERDUE, "2026-02-25"), borne]);
    given::<CreditLine>(history.clone()).when(note_overdue("2026-02-27")).then([]);
    given::<CreditLine>(history.clone()).when(buy("order-3", "1.00", "2026-02-27")).then([used(
        "order-3",
        "1.00",
        "2026-02-27",
    )]);
    let later = [late("order-2", "10.00", "2026-03-12", "2026-03-18"), suspended(OVERDUE, "2026-03-18")];
    given::<CreditLine>(history).when(note_overdue("2026-03-18")).then(later);
}

#[test]
fn what_is_outstanding_is_told_by_its_age() {
    let history = with(bought(), [used("order-2", "10.00", "2026-03-01")]);
    let state = given::<CreditLine>(history).state();
    let classes = |today| line(&state).aging(day(today)).classes().map(|money| money.amount());
    assert_eq!(classes("2026-02-19"), ["410.00", "0.00", "0.00", "0.00", "0.00"]);
    assert_eq!(classes("2026-03-21"), ["10.00", "400.00", "0.00", "0.00", "0.00"]);
    assert_eq!(classes("2026-06-29"), ["0.00", "0.00", "0.00", "10.00", "400.00"]);
    assert_eq!(line(&state).overdue(day("2026-03-21")), eur("400.00"));
}
