//! What lines of credit may do, as given / when / then.

use chrono::{DateTime, Days, NaiveDate, Utc};

use crate::calendar::Moment;
use crate::credit::commands::{Charge, CreditCommand, CreditError};
use crate::credit::credit_line::{CreditLine, Line};
use crate::credit::events::CreditEvent;
use crate::credit::financials::{CreditNote, Financials};
use crate::credit::policy::{HOLD_DAYS, Policy};
use crate::credit::reasons::{HoldRelease, Override, ReleaseCause, SuspensionCause};
use crate::credit::terms::Terms;
use crate::decider::Decider;
use crate::ids::{
    Actor, CaseId, CreditGroupId, CustomerId, HoldId, OrderId, PaymentId, ReasonCode, RefundId, ReleaseId,
};
use crate::money::{Currency, Money};
use crate::refusal::{Refusal, RefusalKind};
use crate::testing::given;

mod deciding;
mod dunning;
mod endings;
mod groups;
mod holds;
mod overdue;
mod payments;
mod policies;
mod properties;
mod refunds;
mod releases;
mod standing;
mod temporary;
mod uses;

pub(crate) use properties::any_command;

/// A line of so much, of 30 days, approved on 2026-01-10 by the usual rules.
pub(crate) fn open(limit: &str) -> Vec<CreditEvent> {
    open_with(limit, Policy::default_in(code("EUR")))
}

fn open_with(limit: &str, policy: Policy) -> Vec<CreditEvent> {
    vec![requested(), approved_with(limit, policy)]
}

fn with(history: Vec<CreditEvent>, more: impl IntoIterator<Item = CreditEvent>) -> Vec<CreditEvent> {
    history.into_iter().chain(more).collect()
}

fn requested() -> CreditEvent {
    CreditEvent::Requested {
        customer: customer(),
        amount: eur("10000.00"),
        requested_by: actor("key:1"),
        on: day("2026-01-05"),
        personal: financials().into(),
    }
}

fn approved_with(limit: &str, policy: Policy) -> CreditEvent {
    let (limit, terms, approved_by) = (eur(limit), days(30), actor("key:2"));
    CreditEvent::Approved { limit, terms, policy, approved_by, on: day("2026-01-10"), personal: note() }
}

/// Used on a day, due 30 days later.
fn used(order_id: &str, amount: &str, on: &str) -> CreditEvent {
    CreditEvent::Used {
        order: order(order_id),
        amount: eur(amount),
        hold: None,
        invoice: None,
        on: day(on),
        due_on: day(on) + Days::new(30),
        overridden: None,
    }
}

fn paid_by(payment_id: &str, order_id: &str, amount: &str, outstanding: &str, on: &str) -> CreditEvent {
    let cause = ReleaseCause::Payment { payment: payment(payment_id) };
    let (order, amount, outstanding) = (order(order_id), eur(amount), eur(outstanding));
    CreditEvent::Released { order, amount, outstanding, cause, on: day(on) }
}

fn paid_from_unapplied(order_id: &str, amount: &str, outstanding: &str, on: &str) -> CreditEvent {
    let (order, amount, outstanding) = (order(order_id), eur(amount), eur(outstanding));
    CreditEvent::Released { order, amount, outstanding, cause: ReleaseCause::Unapplied {}, on: day(on) }
}

fn received(payment_id: &str, amount: &str, unapplied: &str, on: &str) -> CreditEvent {
    CreditEvent::PaymentApplied {
        payment: payment(payment_id),
        amount: eur(amount),
        unapplied: eur(unapplied),
        orders: vec![],
        received_on: day(on),
        on: day(on),
    }
}

fn placed(number: u128, order_id: &str, amount: &str, at: &str) -> CreditEvent {
    let (placed, lapses) = (moment(at), lapses(moment(at)));
    CreditEvent::HoldPlaced {
        hold: hold(number),
        order: order(order_id),
        amount: eur(amount),
        on: placed.today,
        lapses_at: lapses.at,
        lapses_on: lapses.today,
        overridden: None,
    }
}

fn hold_released(number: u128, order_id: &str, amount: &str, cause: HoldRelease, on: &str) -> CreditEvent {
    CreditEvent::HoldReleased { hold: hold(number), order: order(order_id), amount: eur(amount), cause, on: day(on) }
}

fn suspended(cause: SuspensionCause, on: &str) -> CreditEvent {
    CreditEvent::Suspended { cause, on: day(on), personal: note() }
}

fn resumed(cause: SuspensionCause, on: &str) -> CreditEvent {
    CreditEvent::Resumed { cause, resumed_by: None, on: day(on), personal: note() }
}

fn late(order_id: &str, outstanding: &str, due_on: &str, on: &str) -> CreditEvent {
    let (order, outstanding) = (order(order_id), eur(outstanding));
    CreditEvent::Overdue { order, outstanding, due_on: day(due_on), on: day(on) }
}

fn granted(case_id: &str, amount: &str, expires_on: &str, on: &str) -> CreditEvent {
    let (case, amount) = (case(case_id), eur(amount));
    CreditEvent::TemporaryGranted { case, amount, expires_on: day(expires_on), on: day(on) }
}

fn charge(order_id: &str, amount: &str) -> Charge {
    Charge { order: order(order_id), amount: eur(amount), overridden: None, group_available: None }
}

fn buy(order_id: &str, amount: &str, today: &str) -> CreditCommand {
    buy_as(charge(order_id, amount), today)
}

fn buy_as(charge: Charge, today: &str) -> CreditCommand {
    CreditCommand::Use { charge, invoice: None, now: noon(today) }
}

fn authorise(number: u128, order_id: &str, amount: &str, at: &str) -> CreditCommand {
    let now = moment(at);
    CreditCommand::Authorise { hold: hold(number), charge: charge(order_id, amount), lapses: lapses(now), now }
}

fn capture(number: u128, order_id: &str, amount: &str, at: &str) -> CreditCommand {
    let (hold, order, amount) = (hold(number), order(order_id), eur(amount));
    CreditCommand::Capture { hold, order, amount, invoice: None, now: moment(at) }
}

fn void(number: u128, at: &str) -> CreditCommand {
    CreditCommand::Void { hold: hold(number), now: moment(at) }
}

fn pay(payment_id: &str, amount: &str, today: &str) -> CreditCommand {
    pay_for(payment_id, amount, &[], today)
}

fn pay_for(payment_id: &str, amount: &str, orders: &[&str], today: &str) -> CreditCommand {
    let now = noon(today);
    CreditCommand::ApplyPayment {
        payment: payment(payment_id),
        amount: eur(amount),
        orders: orders.iter().map(|text| order(text)).collect(),
        received_on: now.today,
        now,
    }
}

fn note_overdue(today: &str) -> CreditCommand {
    CreditCommand::NoteOverdue { now: noon(today) }
}

fn settle(today: &str) -> CreditCommand {
    CreditCommand::Settle { now: noon(today) }
}

fn by_who_may() -> Override {
    Override { released_by: actor("key:3"), reason: reason("good-customer") }
}

fn line(state: &CreditLine) -> &Line {
    state.open().unwrap()
}

fn lapses(placed: Moment) -> Moment {
    utc(placed.at + Days::new(HOLD_DAYS.into()))
}

fn note() -> crate::event::Personal<CreditNote> {
    CreditNote::default().into()
}

fn financials() -> Financials {
    Financials { employees: Some(7), ..Financials::default() }
}

fn customer() -> CustomerId {
    CustomerId::new(uuid::Uuid::from_u128(7))
}

fn group(number: u128) -> CreditGroupId {
    CreditGroupId::new(uuid::Uuid::from_u128(number))
}

fn hold(number: u128) -> HoldId {
    HoldId::new(uuid::Uuid::from_u128(number))
}

fn actor(text: &str) -> Actor {
    Actor::parse(text).unwrap()
}

fn order(text: &str) -> OrderId {
    OrderId::parse(text).unwrap()
}

fn payment(text: &str) -> PaymentId {
    PaymentId::parse(text).unwrap()
}

fn refund_id(text: &str) -> RefundId {
    RefundId::parse(text).unwrap()
}

fn case(text: &str) -> CaseId {
    CaseId::parse(text).unwrap()
}

fn release_id(text: &str) -> ReleaseId {
    ReleaseId::parse(text).unwrap()
}

fn reason(text: &str) -> ReasonCode {
    ReasonCode::parse(text).unwrap()
}

fn days(days: u16) -> Terms {
    Terms::of_days(days).unwrap()
}

fn eur(amount: &str) -> Money {
    Money::parse(amount, code("EUR")).unwrap()
}

fn usd(amount: &str) -> Money {
    Money::parse(amount, code("USD")).unwrap()
}

fn code(currency: &str) -> Currency {
    Currency::parse(currency).unwrap()
}

fn mismatch() -> CreditError {
    CreditError::CurrencyMismatch { expected: code("EUR"), given: code("USD") }
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Where it is never another day than in Greenwich.
fn utc(at: DateTime<Utc>) -> Moment {
    Moment { at, today: at.date_naive() }
}

fn moment(at: &str) -> Moment {
    utc(at.parse().unwrap())
}

fn noon(date: &str) -> Moment {
    moment(&format!("{date}T12:00:00Z"))
}
