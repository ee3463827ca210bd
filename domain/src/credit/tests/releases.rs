//! What was bought comes to nothing, or to less.

use super::*;

pub(super) fn release(id: &str, order_id: &str, amount: &str) -> CreditCommand {
    let (release, reason, now) = (release_id(id), reason("returned"), noon("2026-01-26"));
    CreditCommand::Release { release, order: order(order_id), amount: eur(amount), reason, now }
}

pub(super) fn cancelled(id: &str, amount: &str, outstanding: &str, unapplied: &str) -> CreditEvent {
    let (release, reason, unapplied) = (release_id(id), reason("returned"), eur(unapplied));
    CreditEvent::Released {
        order: order("order-1"),
        amount: eur(amount),
        outstanding: eur(outstanding),
        cause: ReleaseCause::Cancelled { release, reason, unapplied },
        on: day("2026-01-26"),
    }
}

fn bought() -> Vec<CreditEvent> {
    with(open("1000.00"), [used("order-1", "300.00", "2026-01-20")])
}

#[test]
fn credit_comes_free_once_when_what_was_bought_is_given_back() {
    let state = given::<CreditLine>(bought())
        .when(release("return-1", "order-1", "100.00"))
        .then([cancelled("return-1", "100.00", "200.00", "0.00")]);
    assert_eq!(line(&state).available(day("2026-01-26")), eur("800.00"));
    let history = with(bought(), [cancelled("return-1", "100.00", "200.00", "0.00")]);
    given::<CreditLine>(history.clone()).when(release("return-1", "order-1", "100.00")).then([]);
    given::<CreditLine>(history)
        .when(release("return-1", "order-1", "90.00"))
        .then_refused(CreditError::ReleaseAlreadyMade { release: release_id("return-1") });
}

#[test]
fn what_was_paid_already_becomes_unapplied() {
    let paid = [
        received("payment-1", "250.00", "0.00", "2026-01-25"),
        paid_by("payment-1", "order-1", "250.00", "50.00", "2026-01-25"),
    ];
    let state = given::<CreditLine>(with(bought(), paid))
        .when(release("return-1", "order-1", "120.00"))
        .then([cancelled("return-1", "120.00", "0.00", "70.00")]);
    assert_eq!((line(&state).outstanding(), line(&state).unapplied()), (eur("0.00"), eur("70.00")));
}

#[test]
fn no_more_is_given_back_than_was_used() {
    let remaining = |amount| CreditError::ReleaseExceedsUse { order: order("order-1"), remaining: eur(amount) };
    given::<CreditLine>(bought()).when(release("return-1", "order-1", "300.01")).then_refused(remaining("300.00"));
    let history = with(bought(), [cancelled("return-1", "100.00", "200.00", "0.00")]);
    given::<CreditLine>(history).when(release("return-2", "order-1", "200.01")).then_refused(remaining("200.00"));
    given::<CreditLine>(bought())
        .when(release("return-1", "order-1", "0.00"))
        .then_refused(CreditError::AmountNotPositive { amount: eur("0.00") });
}

#[test]
fn an_order_that_used_nothing_gives_nothing_back_and_one_that_is_held_is_voided() {
    given::<CreditLine>(bought())
        .when(release("return-1", "order-2", "1.00"))
        .then_refused(CreditError::UnknownOrder { order: order("order-2") });
    let held = with(bought(), [placed(1, "order-2", "10.00", "2026-01-25T12:00:00Z")]);
    given::<CreditLine>(held).when(release("return-1", "order-2", "1.00")).then_refused(CreditError::OrderHeld {
        order: order("order-2"),
        hold: hold(1),
        amount: eur("10.00"),
    });
}
