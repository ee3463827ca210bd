//! Money that paid nothing is paid out.

use super::payments::{reverse, reversed};
use super::*;

const ON: &str = "2026-01-25";

fn refund(id: &str, amount: &str) -> CreditCommand {
    let (refund, reason) = (refund_id(id), reason("overpaid"));
    CreditCommand::RefundUnapplied { refund, amount: eur(amount), reason, now: noon(ON) }
}

fn refunded(id: &str, amount: &str, unapplied: &str) -> CreditEvent {
    let (refund, reason) = (refund_id(id), reason("overpaid"));
    CreditEvent::UnappliedRefunded { refund, amount: eur(amount), unapplied: eur(unapplied), reason, on: day(ON) }
}

/// A hundred too many came in.
fn overpaid() -> Vec<CreditEvent> {
    with(open("1000.00"), [received("payment-1", "100.00", "100.00", "2026-01-20")])
}

#[test]
fn it_is_paid_out_once_and_the_line_can_be_closed_then() {
    let state = given::<CreditLine>(overpaid())
        .when(refund("refund-1", "40.00"))
        .then([refunded("refund-1", "40.00", "60.00")]);
    assert_eq!((line(&state).unapplied(), line(&state).available(day(ON))), (eur("60.00"), eur("1060.00")));
    let history = with(overpaid(), [refunded("refund-1", "40.00", "60.00")]);
    given::<CreditLine>(history.clone()).when(refund("refund-1", "40.00")).then([]);
    let otherwise = CreditError::RefundAlreadyMade { refund: refund_id("refund-1"), amount: eur("40.00") };
    given::<CreditLine>(history.clone()).when(refund("refund-1", "40.01")).then_refused(otherwise.clone());
    let history = with(history, [refunded("refund-2", "60.00", "0.00")]);
    let close = CreditCommand::Close { reason: reason("moved"), note: CreditNote::default(), now: noon(ON) };
    let state = given::<CreditLine>(history).when(close).then([CreditEvent::Closed {
        reason: reason("moved"),
        on: day(ON),
        personal: note(),
    }]);
    assert_eq!(CreditLine::decide(&state, refund("refund-1", "40.00")), Ok(vec![]), "also when it is closed");
    let Refusal { kind, code, field, .. } = otherwise.into();
    assert_eq!(
        (kind, code.as_str(), field.as_deref()),
        (RefusalKind::Conflict, "refund_already_made", Some("/refund_id"))
    );
}

#[test]
fn no_more_is_paid_out_than_paid_nothing() {
    let too_much = CreditError::RefundExceedsUnapplied { unapplied: eur("100.00") };
    given::<CreditLine>(overpaid()).when(refund("refund-1", "100.01")).then_refused(too_much.clone());
    given::<CreditLine>(overpaid())
        .when(refund("refund-1", "0.00"))
        .then_refused(CreditError::AmountNotPositive { amount: eur("0.00") });
    let mut dollars = refund("refund-1", "1.00");
    if let CreditCommand::RefundUnapplied { amount, .. } = &mut dollars {
        *amount = usd("1.00");
    }
    given::<CreditLine>(overpaid()).when(dollars).then_refused(mismatch());
    let Refusal { kind, code, field, facts, .. } = too_much.into();
    let told = (kind, code.as_str(), field.as_deref(), facts["unapplied"]["amount"].as_str());
    assert_eq!(told, (RefusalKind::Invalid, "refund_exceeds_unapplied", Some("/amount"), Some("100.00")));
}

#[test]
fn a_payment_that_bounces_after_it_was_paid_out_is_owed_without_an_order() {
    let history = with(overpaid(), [refunded("refund-1", "70.00", "30.00")]);
    let bounced = || reversed("payment-1", "100.00", &[], "100.00", "2026-01-28");
    let state = given::<CreditLine>(history.clone()).when(reverse("payment-1", "2026-01-28")).then([bounced()]);
    let owed = line(&state);
    assert_eq!((owed.unapplied(), owed.available(day("2026-01-28"))), (eur("-70.00"), eur("930.00")));
    let nothing = CreditError::RefundExceedsUnapplied { unapplied: eur("0.00") };
    assert_eq!(CreditLine::decide(&state, refund("refund-2", "1.00")), Err(nothing));
    let state = given::<CreditLine>(with(history, [bounced()]))
        .when(pay("payment-2", "80.00", "2026-02-01"))
        .then([received("payment-2", "80.00", "80.00", "2026-02-01")]);
    assert_eq!(line(&state).unapplied(), eur("10.00"));
    let state = CreditLine::fold(state, &[refunded("refund-2", "10.00", "0.00")]);
    let again = CreditLine::decide(&state, reverse("payment-2", "2026-02-02"));
    assert_eq!(again, Ok(vec![reversed("payment-2", "80.00", &[], "80.00", "2026-02-02")]));
}
