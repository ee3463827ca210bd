//! What is owed on a line that is over.

use super::payments::{apply_unapplied, reverse, reversed};
use super::*;
use crate::credit::reasons::RejectReason;

/// Paid in full on 2026-01-25, and closed.
fn closed() -> Vec<CreditEvent> {
    let paid = [
        used("order-1", "300.00", "2026-01-20"),
        received("payment-1", "300.00", "0.00", "2026-01-25"),
        paid_by("payment-1", "order-1", "300.00", "0.00", "2026-01-25"),
        CreditEvent::Closed { reason: reason("moved"), on: day("2026-01-26"), personal: note() },
    ];
    with(open("1000.00"), paid)
}

/// The payment bounced after that.
fn owing() -> Vec<CreditEvent> {
    with(closed(), [bounced()])
}

fn bounced() -> CreditEvent {
    reversed("payment-1", "300.00", &[("order-1", "300.00")], "0.00", "2026-01-28")
}

fn rejected() -> CreditEvent {
    let (reason, rejected_by) = (RejectReason::PaymentHistory, actor("key:2"));
    CreditEvent::Rejected { reason, rejected_by, on: day("2026-02-02"), personal: note() }
}

fn dun(today: &str) -> CreditCommand {
    CreditCommand::Dun { now: noon(today) }
}

#[test]
fn a_payment_that_bounces_after_the_end_is_owed_again_and_paid() {
    let state = given::<CreditLine>(closed()).when(reverse("payment-1", "2026-01-28")).then([bounced()]);
    assert!(matches!(state, CreditLine::Closed(_)));
    assert_eq!(state.owing().unwrap().outstanding(), eur("300.00"));
    let on = "2026-02-01";
    let state = given::<CreditLine>(owing())
        .when(pay("payment-2", "310.00", on))
        .then([received("payment-2", "310.00", "10.00", on), paid_by("payment-2", "order-1", "300.00", "0.00", on)]);
    let line = state.owing().unwrap();
    assert_eq!((line.outstanding(), line.unapplied()), (eur("0.00"), eur("10.00")));
}

#[test]
fn money_goods_and_what_was_kept_come_back_to_a_line_that_is_over() {
    let on = "2026-01-26";
    let kept = with(owing(), [received("payment-2", "50.00", "50.00", "2026-01-28")]);
    given::<CreditLine>(kept)
        .when(apply_unapplied(&[], on))
        .then([paid_from_unapplied("order-1", "50.00", "250.00", on)]);
    let state = given::<CreditLine>(closed())
        .when(releases::release("return-1", "order-1", "120.00"))
        .then([releases::cancelled("return-1", "120.00", "0.00", "120.00")]);
    assert_eq!(state.owing().unwrap().unapplied(), eur("120.00"));
}

#[test]
fn nothing_is_bought_on_it_and_nothing_else_about_it_changes() {
    for refused in [
        buy("order-2", "1.00", "2026-01-28"),
        authorise(1, "order-2", "1.00", "2026-01-28T12:00:00Z"),
        CreditCommand::Suspend { note: CreditNote::default(), now: noon("2026-01-28") },
        settle("2026-01-28"),
    ] {
        given::<CreditLine>(owing()).when(refused).then_refused(CreditError::Closed);
    }
}

#[test]
fn what_is_late_on_it_is_told_and_reminded_of_and_suspends_nothing() {
    let late = late("order-1", "300.00", "2026-02-19", "2026-03-01");
    let sent = |level, on: &str| dunning::sent_of(level, "300.00", on);
    given::<CreditLine>(owing()).when(note_overdue("2026-03-01")).then([late.clone()]);
    given::<CreditLine>(owing()).when(dun("2026-03-01")).then([late.clone(), sent(1, "2026-03-01")]);
    let again = with(owing(), [late, sent(1, "2026-03-01"), requested()]);
    given::<CreditLine>(again.clone()).when(dun("2026-03-15")).then([sent(2, "2026-03-15")]);
    let pause = CreditCommand::PauseDunning { case: case("case-1"), now: noon("2026-03-02") };
    let paused = CreditEvent::DunningPaused { case: case("case-1"), on: day("2026-03-02") };
    given::<CreditLine>(again.clone()).when(pause).then([paused.clone()]);
    given::<CreditLine>(with(again, [paused])).when(dun("2026-03-15")).then([]);
}

#[test]
fn asked_for_again_it_is_owed_and_paid_whether_or_not_it_is_given() {
    let on = "2026-02-03";
    let paid = || [received("payment-2", "300.00", "0.00", on), paid_by("payment-2", "order-1", "300.00", "0.00", on)];
    let asked = with(owing(), [requested()]);
    given::<CreditLine>(asked.clone()).when(pay("payment-2", "300.00", on)).then(paid());
    given::<CreditLine>(with(asked.clone(), [rejected()])).when(pay("payment-2", "300.00", on)).then(paid());
    let twice = with(asked.clone(), [rejected(), requested()]);
    let state = given::<CreditLine>(with(twice, paid())).state();
    assert_eq!(state.owing().unwrap().outstanding(), eur("0.00"));
    let given_again = with(asked, [approved_with("500.00", Policy::default_in(code("EUR")))]);
    let state =
        given::<CreditLine>(given_again).when(buy("order-2", "200.01", on)).then([CreditEvent::LimitExceeded {
            order: order("order-2"),
            amount: eur("200.01"),
            available: eur("200.00"),
            bound: crate::credit::reasons::Bound::Line,
            on: day(on),
        }]);
    assert_eq!(line(&state).outstanding(), eur("300.00"));
}

#[test]
fn of_a_line_that_was_never_given_nothing_is_paid() {
    let on = "2026-02-03";
    given::<CreditLine>([]).when(pay("payment-1", "1.00", on)).then_refused(CreditError::NotRequested);
    given::<CreditLine>([requested()]).when(pay("payment-1", "1.00", on)).then_refused(CreditError::NotApproved);
    given::<CreditLine>([requested(), rejected()])
        .when(pay("payment-1", "1.00", on))
        .then_refused(CreditError::Rejected);
}
