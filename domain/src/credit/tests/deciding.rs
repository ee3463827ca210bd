//! Credit is asked for, given or not, and asked for again.

use super::*;
use crate::credit::reasons::RejectReason;

fn request(amount: Money, by: &str) -> CreditCommand {
    let (customer, requested_by, financials) = (customer(), actor(by), Box::new(financials()));
    CreditCommand::Request { customer, amount, requested_by, financials, now: noon("2026-01-05") }
}

fn approve(limit: Money, by: &str) -> CreditCommand {
    CreditCommand::Approve {
        limit,
        terms: days(30),
        policy: Box::new(Policy::default_in(code("EUR"))),
        approved_by: actor(by),
        note: CreditNote::default(),
        now: noon("2026-01-10"),
    }
}

fn reject(reason: RejectReason) -> CreditCommand {
    let (rejected_by, note) = (actor("key:2"), CreditNote::default());
    CreditCommand::Reject { reason, rejected_by, note, now: noon("2026-01-10") }
}

fn rejected(reason: RejectReason) -> CreditEvent {
    CreditEvent::Rejected { reason, rejected_by: actor("key:2"), on: day("2026-01-10"), personal: note() }
}

fn approved(limit: &str) -> CreditEvent {
    approved_with(limit, Policy::default_in(code("EUR")))
}

#[test]
fn credit_is_requested_once_and_for_something() {
    given::<CreditLine>([]).when(request(eur("10000.00"), "key:1")).then([requested()]);
    given::<CreditLine>([requested()]).when(request(eur("10000.00"), "key:1")).then([]);
    given::<CreditLine>([requested()])
        .when(request(eur("5000.00"), "key:1"))
        .then_refused(CreditError::AlreadyRequested { amount: eur("10000.00") });
    given::<CreditLine>([])
        .when(request(eur("0.00"), "key:1"))
        .then_refused(CreditError::AmountNotPositive { amount: eur("0.00") });
    given::<CreditLine>(open("5000.00"))
        .when(request(eur("10000.00"), "key:1"))
        .then_refused(CreditError::AlreadyOpen { limit: eur("5000.00") });
}

#[test]
fn it_is_approved_once_by_somebody_else_than_who_requested_it() {
    let state = given::<CreditLine>([requested()]).when(approve(eur("5000.00"), "key:2")).then([approved("5000.00")]);
    assert_eq!(line(&state).available(day("2026-01-10")), eur("5000.00"));
    assert_eq!((state.customer(), line(&state).customer()), (Some(customer()), customer()));
    given::<CreditLine>(open("5000.00")).when(approve(eur("5000.00"), "key:2")).then([]);
    given::<CreditLine>(open("5000.00"))
        .when(approve(eur("6000.00"), "key:2"))
        .then_refused(CreditError::AlreadyApproved { limit: eur("5000.00") });
    given::<CreditLine>([requested()])
        .when(approve(eur("5000.00"), "key:1"))
        .then_refused(CreditError::ApproverIsRequester);
    given::<CreditLine>([]).when(approve(eur("5000.00"), "key:2")).then_refused(CreditError::NotRequested);
}

#[test]
fn a_limit_is_more_than_nothing_and_in_the_currency_that_was_requested() {
    let in_dollars = given::<CreditLine>([requested()]).when(approve(usd("5000.00"), "key:2"));
    in_dollars.then_refused(mismatch());
    given::<CreditLine>([requested()])
        .when(approve(eur("-1.00"), "key:2"))
        .then_refused(CreditError::LimitNotPositive { limit: eur("-1.00") });
}

#[test]
fn it_is_rejected_once_and_may_be_requested_again() {
    let reason = RejectReason::Score;
    given::<CreditLine>([requested()]).when(reject(reason)).then([rejected(reason)]);
    given::<CreditLine>([requested(), rejected(reason)]).when(reject(reason)).then([]);
    given::<CreditLine>([requested(), rejected(reason)])
        .when(reject(RejectReason::Other))
        .then_refused(CreditError::Rejected);
    given::<CreditLine>([requested(), rejected(reason)])
        .when(approve(eur("5000.00"), "key:2"))
        .then_refused(CreditError::Rejected);
    given::<CreditLine>([]).when(reject(reason)).then_refused(CreditError::NotRequested);
    given::<CreditLine>(open("1.00"))
        .when(reject(reason))
        .then_refused(CreditError::AlreadyApproved { limit: eur("1.00") });
    given::<CreditLine>([requested(), rejected(reason)]).when(request(eur("10000.00"), "key:1")).then([requested()]);
}

#[test]
fn nothing_is_used_before_it_is_approved() {
    let on = "2026-01-11";
    given::<CreditLine>([]).when(buy("order-1", "1.00", on)).then_refused(CreditError::NotRequested);
    given::<CreditLine>([requested()]).when(buy("order-1", "1.00", on)).then_refused(CreditError::NotApproved);
    let refused = [requested(), rejected(RejectReason::Other)];
    given::<CreditLine>(refused).when(buy("order-1", "1.00", on)).then_refused(CreditError::Rejected);
}

#[test]
fn a_line_that_is_opened_again_knows_what_was_charged_on_the_one_before() {
    let closed = CreditEvent::Closed { reason: reason("moved"), on: day("2026-03-01"), personal: note() };
    let paid = [received("payment-1", "100.00", "0.00", "2026-02-01")];
    let paid = with(paid.to_vec(), [paid_by("payment-1", "order-1", "100.00", "0.00", "2026-02-01"), closed]);
    let over = with(with(open("5000.00"), [used("order-1", "100.00", "2026-01-20")]), paid);
    given::<CreditLine>(over.clone()).when(buy("order-2", "1.00", "2026-03-02")).then_refused(CreditError::Closed);
    let dollars = given::<CreditLine>(over.clone()).when(request(usd("1.00"), "key:1"));
    dollars.then_refused(mismatch());
    let again = with(over, [requested(), approved("5000.00")]);
    given::<CreditLine>(again.clone()).when(buy("order-1", "100.00", "2026-03-02")).then([]);
    given::<CreditLine>(again.clone()).when(pay("payment-1", "100.00", "2026-03-02")).then([]);
    given::<CreditLine>(again).when(buy("order-2", "1.00", "2026-03-02")).then([used("order-2", "1.00", "2026-03-02")]);
}

#[test]
fn refusals_tell_their_kind_code_and_field() {
    let refusal = Refusal::from(CreditError::ApproverIsRequester);
    assert_eq!((refusal.kind, refusal.code.as_str()), (RefusalKind::Invalid, "approver_is_requester"));
    let refusal = Refusal::from(CreditError::AmountNotPositive { amount: eur("0.00") });
    assert_eq!((refusal.kind, refusal.field.as_deref()), (RefusalKind::Invalid, Some("/amount")));
    let refusal = Refusal::from(CreditError::Suspended { causes: vec![SuspensionCause::ByHand] });
    assert_eq!((refusal.kind, refusal.facts["causes"][0].as_str()), (RefusalKind::Conflict, Some("by_hand")));
    assert_eq!(refusal.message, "the line of credit is suspended: by_hand");
    assert_eq!(Refusal::from(CreditError::NotRequested).kind, RefusalKind::NotFound);
}
