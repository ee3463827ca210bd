//! Money that comes in, and money that turns out not to have.

use super::*;
use crate::credit::credit_line::ORDERS_MAX;
use crate::credit::events::RestoredUse;

/// Two orders: the later one is due first, because the terms were shorter then.
fn two_orders() -> Vec<CreditEvent> {
    let mut second = used("order-2", "200.00", "2026-01-21");
    if let CreditEvent::Used { due_on, .. } = &mut second {
        *due_on = day("2026-02-01");
    }
    with(open("1000.00"), [used("order-1", "300.00", "2026-01-20"), second])
}

pub(super) fn reverse(payment_id: &str, today: &str) -> CreditCommand {
    CreditCommand::ReversePayment { payment: payment(payment_id), reason: reason("bounced"), now: noon(today) }
}

pub(super) fn reversed(
    payment_id: &str,
    amount: &str,
    restored: &[(&str, &str)],
    from_unapplied: &str,
    on: &str,
) -> CreditEvent {
    let restored = restored.iter().map(|(text, amount)| RestoredUse { order: order(text), amount: eur(amount) });
    CreditEvent::PaymentReversed {
        payment: payment(payment_id),
        amount: eur(amount),
        restored: restored.collect(),
        from_unapplied: eur(from_unapplied),
        reason: reason("bounced"),
        on: day(on),
    }
}

pub(super) fn apply_unapplied(orders: &[&str], today: &str) -> CreditCommand {
    let orders = orders.iter().map(|text| order(text)).collect();
    CreditCommand::ApplyUnapplied { orders, now: noon(today) }
}

fn naming(orders: &[&str], mut event: CreditEvent) -> CreditEvent {
    if let CreditEvent::PaymentApplied { orders: named, .. } = &mut event {
        *named = orders.iter().map(|text| order(text)).collect();
    }
    event
}

#[test]
fn a_payment_pays_the_oldest_due_first() {
    let on = "2026-01-25";
    let state = given::<CreditLine>(two_orders()).when(pay("payment-1", "250.00", on)).then([
        received("payment-1", "250.00", "0.00", on),
        paid_by("payment-1", "order-2", "200.00", "0.00", on),
        paid_by("payment-1", "order-1", "50.00", "250.00", on),
    ]);
    assert_eq!(line(&state).available(day(on)), eur("750.00"));
}

#[test]
fn of_orders_due_on_one_day_the_first_used_is_paid_first() {
    let on = "2026-01-25";
    // By their names it would be the other way round.
    let history = [used("order-9", "100.00", "2026-01-20"), used("order-1", "100.00", "2026-01-20")];
    given::<CreditLine>(with(open("1000.00"), history))
        .when(pay("payment-1", "60.00", on))
        .then([received("payment-1", "60.00", "0.00", on), paid_by("payment-1", "order-9", "60.00", "40.00", on)]);
}

#[test]
fn a_payment_pays_the_orders_that_it_names_in_that_order_and_keeps_the_rest() {
    let on = "2026-01-25";
    given::<CreditLine>(two_orders()).when(pay_for("payment-1", "350.00", &["order-1"], on)).then([
        naming(&["order-1"], received("payment-1", "350.00", "50.00", on)),
        paid_by("payment-1", "order-1", "300.00", "0.00", on),
    ]);
    given::<CreditLine>(two_orders())
        .when(pay_for("payment-1", "350.00", &["order-1", "order-3"], on))
        .then_refused(CreditError::UnknownOrder { order: order("order-3") });
    let paid = [received("payment-1", "200.00", "0.00", on), paid_by("payment-1", "order-2", "200.00", "0.00", on)];
    given::<CreditLine>(with(two_orders(), paid))
        .when(pay_for("payment-2", "10.00", &["order-2"], on))
        .then_refused(CreditError::OrderSettled { order: order("order-2") });
}

#[test]
fn a_payment_names_each_order_once_and_not_too_many_of_them() {
    let on = "2026-01-25";
    let twice = CreditError::OrderNamedTwice { order: order("order-1") };
    given::<CreditLine>(two_orders())
        .when(pay_for("payment-1", "350.00", &["order-1", "order-2", "order-1"], on))
        .then_refused(twice.clone());
    given::<CreditLine>(two_orders()).when(apply_unapplied(&["order-1", "order-1"], on)).then_refused(twice.clone());
    let names: Vec<_> = (0..=ORDERS_MAX).map(|number| format!("order-{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let too_many = CreditError::TooManyOrders { limit: ORDERS_MAX };
    given::<CreditLine>(two_orders()).when(pay_for("payment-1", "1.00", &names, on)).then_refused(too_many.clone());
    given::<CreditLine>(two_orders())
        .when(pay_for("payment-1", "1.00", &names[1..], on))
        .then_refused(CreditError::UnknownOrder { order: order("order-3") });
    for (error, code) in [(twice, "order_named_twice"), (too_many, "too_many_orders")] {
        let Refusal { kind, code: told, field, .. } = error.into();
        assert_eq!((kind, told.as_str(), field.as_deref()), (RefusalKind::Invalid, code, Some("/order_ids")));
    }
}

#[test]
fn a_payment_is_applied_once_and_only_as_it_was() {
    let on = "2026-01-25";
    let paid = [received("payment-1", "200.00", "0.00", on), paid_by("payment-1", "order-2", "200.00", "0.00", on)];
    let history = with(two_orders(), paid);
    given::<CreditLine>(history.clone()).when(pay("payment-1", "200.00", on)).then([]);
    let conflict = || CreditError::PaymentAlreadyApplied { payment: payment("payment-1"), amount: eur("200.00") };
    given::<CreditLine>(history.clone()).when(pay("payment-1", "200.01", on)).then_refused(conflict());
    given::<CreditLine>(history).when(pay_for("payment-1", "200.00", &["order-1"], on)).then_refused(conflict());
}

#[test]
fn a_payment_is_of_something_in_the_currency() {
    given::<CreditLine>(two_orders())
        .when(pay("payment-1", "0.00", "2026-01-25"))
        .then_refused(CreditError::AmountNotPositive { amount: eur("0.00") });
    let mut dollars = pay("payment-1", "1.00", "2026-01-25");
    if let CreditCommand::ApplyPayment { amount, .. } = &mut dollars {
        *amount = usd("1.00");
    }
    given::<CreditLine>(two_orders()).when(dollars).then_refused(mismatch());
}

#[test]
fn what_is_paid_too_much_pays_the_next_order_at_once() {
    let on = "2026-01-25";
    let history = with(open("1000.00"), [received("payment-1", "50.00", "50.00", "2026-01-20")]);
    assert_eq!(line(&given::<CreditLine>(history.clone()).state()).available(day(on)), eur("1050.00"));
    let state = given::<CreditLine>(history)
        .when(buy("order-1", "1050.00", on))
        .then([used("order-1", "1050.00", on), paid_from_unapplied("order-1", "50.00", "1000.00", on)]);
    assert_eq!((line(&state).unapplied(), line(&state).available(day(on))), (eur("0.00"), eur("0.00")));
}

#[test]
fn what_was_not_applied_pays_what_is_owed_when_it_is_asked_to() {
    let on = "2026-01-25";
    let history = || with(two_orders(), [naming(&["order-9"], received("payment-1", "250.00", "250.00", on))]);
    let oldest =
        [paid_from_unapplied("order-2", "200.00", "0.00", on), paid_from_unapplied("order-1", "50.00", "250.00", on)];
    let state = given::<CreditLine>(history()).when(apply_unapplied(&[], on)).then(oldest);
    assert_eq!(CreditLine::decide(&state, apply_unapplied(&[], on)), Ok(vec![]));
    let state = given::<CreditLine>(history())
        .when(apply_unapplied(&["order-2"], on))
        .then([paid_from_unapplied("order-2", "200.00", "0.00", on)]);
    assert_eq!(CreditLine::decide(&state, apply_unapplied(&["order-2"], on)), Ok(vec![]));
    given::<CreditLine>(history())
        .when(apply_unapplied(&["order-9"], on))
        .then_refused(CreditError::UnknownOrder { order: order("order-9") });
    given::<CreditLine>(two_orders()).when(apply_unapplied(&[], on)).then([]);
}

#[test]
fn a_payment_that_bounces_leaves_open_again_what_it_had_paid() {
    let on = "2026-01-25";
    let paid = [
        received("payment-1", "550.00", "50.00", on),
        paid_by("payment-1", "order-2", "200.00", "0.00", on),
        paid_by("payment-1", "order-1", "300.00", "0.00", on),
    ];
    let history = with(two_orders(), paid);
    let bounced =
        reversed("payment-1", "550.00", &[("order-2", "200.00"), ("order-1", "300.00")], "50.00", "2026-01-28");
    let state = given::<CreditLine>(history.clone()).when(reverse("payment-1", "2026-01-28")).then([bounced.clone()]);
    assert_eq!((line(&state).outstanding(), line(&state).unapplied()), (eur("500.00"), eur("0.00")));
    given::<CreditLine>(with(history, [bounced])).when(reverse("payment-1", "2026-01-29")).then([]);
    given::<CreditLine>(two_orders())
        .when(reverse("payment-1", on))
        .then_refused(CreditError::PaymentNotFound { payment: payment("payment-1") });
}

#[test]
fn where_its_rest_was_spent_the_order_that_it_paid_is_open_again() {
    let history = with(
        open("1000.00"),
        [
            received("payment-1", "80.00", "80.00", "2026-01-20"),
            used("order-1", "50.00", "2026-01-21"),
            paid_from_unapplied("order-1", "50.00", "0.00", "2026-01-21"),
        ],
    );
    let state = given::<CreditLine>(history).when(reverse("payment-1", "2026-01-28")).then([reversed(
        "payment-1",
        "80.00",
        &[("order-1", "50.00")],
        "30.00",
        "2026-01-28",
    )]);
    assert_eq!((line(&state).outstanding(), line(&state).unapplied()), (eur("50.00"), eur("0.00")));
}

#[test]
fn what_was_given_back_meanwhile_is_not_owed_again() {
    let cause = ReleaseCause::Cancelled {
        release: release_id("return-1"),
        reason: reason("returned"),
        unapplied: eur("120.00"),
    };
    let (amount, outstanding, on) = (eur("120.00"), eur("0.00"), day("2026-01-26"));
    let given_back = CreditEvent::Released { order: order("order-2"), amount, outstanding, cause, on };
    let paid = [
        received("payment-1", "200.00", "0.00", "2026-01-25"),
        paid_by("payment-1", "order-2", "200.00", "0.00", "2026-01-25"),
        given_back,
    ];
    let state = given::<CreditLine>(with(two_orders(), paid))
        .when(reverse("payment-1", "2026-01-28"))
        .then([reversed("payment-1", "200.00", &[("order-2", "80.00")], "120.00", "2026-01-28")]);
    assert_eq!((line(&state).outstanding(), line(&state).unapplied()), (eur("380.00"), eur("0.00")));
}

/// The order that a payment paid in the end is forgotten, although the payment is not.
#[test]
fn a_payment_is_not_taken_back_when_nobody_knows_any_more_what_it_paid() {
    let swapped = with(
        open("1000.00"),
        [
            received("payment-1", "100.00", "100.00", "2026-01-20"),
            used("order-1", "100.00", "2026-01-21"),
            paid_from_unapplied("order-1", "100.00", "0.00", "2026-01-21"),
            received("payment-2", "100.00", "100.00", "2026-02-25"),
            reversed("payment-1", "100.00", &[], "100.00", "2026-02-26"),
        ],
    );
    let seen_on = |on: &str| {
        let (order, amount, available) = (order("order-2"), eur("2000.00"), eur("1000.00"));
        let bound = crate::credit::reasons::Bound::Line;
        with(swapped.clone(), [CreditEvent::LimitExceeded { order, amount, available, bound, on: day(on) }])
    };
    given::<CreditLine>(seen_on("2028-01-20")).when(reverse("payment-2", "2028-01-22")).then([reversed(
        "payment-2",
        "100.00",
        &[("order-1", "100.00")],
        "0.00",
        "2028-01-22",
    )]);
    let too_old = CreditError::PaymentTooOld { payment: payment("payment-2") };
    given::<CreditLine>(seen_on("2028-01-21")).when(reverse("payment-2", "2028-01-22")).then_refused(too_old.clone());
    let Refusal { kind, code, .. } = too_old.into();
    assert_eq!((kind, code.as_str()), (RefusalKind::Conflict, "payment_too_old"));
}
