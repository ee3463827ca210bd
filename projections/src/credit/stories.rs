//! Histories of a line as the domain decides them, for the tests of the folds.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use domain::credit::commands::{Charge, CreditCommand};
use domain::credit::credit_line::CreditLine;
use domain::credit::events::CreditEvent;
use domain::credit::financials::{CreditNote, Financials};
use domain::credit::policy::{Counts, HOLD_DAYS, Policy};
use domain::credit::reasons::{Override, RejectReason, SuspensionCause};
use domain::credit::terms::Terms;
use domain::ids::{
    Actor, CaseId, CreditGroupId, CustomerId, HoldId, InvoiceId, OrderId, PaymentId, ReasonCode, RefundId, ReleaseId,
};
use domain::{Currency, Decider, Moment, Money};
use proptest::prelude::*;
use uuid::Uuid;

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(crate) fn noon(date: &str) -> Moment {
    utc(day(date).and_hms_opt(12, 0, 0).unwrap().and_utc())
}

/// Where it is never another day than in Greenwich.
pub(crate) fn utc(at: DateTime<Utc>) -> Moment {
    Moment { at, today: at.date_naive() }
}

pub(crate) fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

pub(crate) fn money(minor: i64) -> Money {
    Money::from_minor(minor, eur()).unwrap()
}

pub(crate) fn customer() -> CustomerId {
    CustomerId::new(Uuid::from_u128(7))
}

pub(crate) fn order(number: u8) -> OrderId {
    OrderId::parse(&format!("order-{number}")).unwrap()
}

pub(crate) fn hold(number: u8) -> HoldId {
    HoldId::new(Uuid::from_u128(number.into()))
}

pub(crate) fn group() -> CreditGroupId {
    CreditGroupId::new(Uuid::from_u128(99))
}

fn payment(number: u8) -> PaymentId {
    PaymentId::parse(&format!("payment-{number}")).unwrap()
}

fn case(number: u8) -> CaseId {
    CaseId::parse(&format!("case-{number}")).unwrap()
}

fn actor(text: &str) -> Actor {
    Actor::parse(text).unwrap()
}

fn reason(text: &str) -> ReasonCode {
    ReasonCode::parse(text).unwrap()
}

/// What a new line makes of some commands.
pub(crate) fn decided(commands: impl IntoIterator<Item = CreditCommand>) -> Vec<CreditEvent> {
    let mut state = CreditLine::initial();
    let mut history = vec![];
    for command in commands {
        let events = CreditLine::decide(&state, command).unwrap();
        state = CreditLine::fold(state, &events);
        history.extend(events);
    }
    history
}

/// A line of 1000.00, of 30 days, asked for and given by these rules; then what else is asked.
pub(crate) fn opened_with(policy: Policy, more: impl IntoIterator<Item = CreditCommand>) -> Vec<CreditEvent> {
    decided([request(150_000, "2026-01-05"), approve(100_000, policy, "2026-01-10")].into_iter().chain(more))
}

/// The same by the usual rules.
pub(crate) fn opened(more: impl IntoIterator<Item = CreditCommand>) -> Vec<CreditEvent> {
    opened_with(Policy::default_in(eur()), more)
}

pub(crate) fn request(minor: i64, on: &str) -> CreditCommand {
    let (customer, requested_by, financials) = (customer(), actor("key:1"), Box::new(Financials::default()));
    CreditCommand::Request { customer, amount: money(minor), requested_by, financials, now: noon(on) }
}

pub(crate) fn approve(minor: i64, policy: Policy, on: &str) -> CreditCommand {
    let (limit, terms, policy) = (money(minor), Terms::of_days(30).unwrap(), Box::new(policy));
    CreditCommand::Approve { limit, terms, policy, approved_by: actor("key:2"), note: note(), now: noon(on) }
}

pub(crate) fn reject(on: &str) -> CreditCommand {
    let (reason, rejected_by) = (RejectReason::Incomplete, actor("key:2"));
    CreditCommand::Reject { reason, rejected_by, note: note(), now: noon(on) }
}

pub(crate) fn change_limit(minor: i64, on: &str) -> CreditCommand {
    let (limit, reason, changed_by) = (money(minor), reason("review"), actor("key:2"));
    CreditCommand::ChangeLimit { limit, reason, changed_by, note: note(), now: noon(on) }
}

pub(crate) fn change_terms(days: u16, on: &str) -> CreditCommand {
    let (terms, reason) = (Terms::of_days(days).unwrap(), reason("review"));
    CreditCommand::ChangeTerms { terms, reason, note: note(), now: noon(on) }
}

pub(crate) fn change_policy(policy: Policy, on: &str) -> CreditCommand {
    CreditCommand::ChangePolicy { policy: Box::new(policy), now: noon(on) }
}

pub(crate) fn suspend(on: &str) -> CreditCommand {
    CreditCommand::Suspend { note: note(), now: noon(on) }
}

pub(crate) fn resume(cause: SuspensionCause, on: &str) -> CreditCommand {
    CreditCommand::Resume { cause, resumed_by: actor("key:2"), note: note(), now: noon(on) }
}

pub(crate) fn close(on: &str) -> CreditCommand {
    CreditCommand::Close { reason: reason("left"), note: note(), now: noon(on) }
}

pub(crate) fn buy(number: u8, minor: i64, on: &str) -> CreditCommand {
    let invoice = Some(InvoiceId::parse(&format!("invoice-{number}")).unwrap());
    CreditCommand::Use { charge: charge(number, minor), invoice, now: noon(on) }
}

pub(crate) fn authorise(number: u8, minor: i64, on: &str) -> CreditCommand {
    authorise_at(number, minor, noon(on))
}

fn authorise_at(number: u8, minor: i64, now: Moment) -> CreditCommand {
    let lapses = utc(now.at + Days::new(HOLD_DAYS.into()));
    CreditCommand::Authorise { hold: hold(number), charge: charge(number, minor), lapses, now }
}

pub(crate) fn capture(number: u8, minor: i64, on: &str) -> CreditCommand {
    let (hold, order, amount) = (hold(number), order(number), money(minor));
    CreditCommand::Capture { hold, order, amount, invoice: None, now: noon(on) }
}

pub(crate) fn void(number: u8, on: &str) -> CreditCommand {
    CreditCommand::Void { hold: hold(number), now: noon(on) }
}

pub(crate) fn pay(number: u8, minor: i64, on: &str) -> CreditCommand {
    let now = noon(on);
    let (payment, amount) = (payment(number), money(minor));
    CreditCommand::ApplyPayment { payment, amount, orders: vec![], received_on: now.today, now }
}

pub(crate) fn reverse(number: u8, on: &str) -> CreditCommand {
    CreditCommand::ReversePayment { payment: payment(number), reason: reason("bounced"), now: noon(on) }
}

pub(crate) fn pay_out(number: u8, minor: i64, on: &str) -> CreditCommand {
    pay_out_at(number, minor, noon(on))
}

fn pay_out_at(number: u8, minor: i64, now: Moment) -> CreditCommand {
    let refund = RefundId::parse(&format!("refund-{number}")).unwrap();
    CreditCommand::RefundUnapplied { refund, amount: money(minor), reason: reason("overpaid"), now }
}

pub(crate) fn cancel(number: u8, minor: i64, on: &str) -> CreditCommand {
    let release = ReleaseId::parse(&format!("return-{number}")).unwrap();
    CreditCommand::Release {
        release,
        order: order(number),
        amount: money(minor),
        reason: reason("returned"),
        now: noon(on),
    }
}

pub(crate) fn grant(number: u8, minor: i64, expires_on: &str, on: &str) -> CreditCommand {
    let (case, amount, expires_on) = (case(number), money(minor), day(expires_on));
    CreditCommand::GrantTemporary { case, amount, expires_on, now: noon(on) }
}

pub(crate) fn settle_case(number: u8, on: &str) -> CreditCommand {
    CreditCommand::SettleTemporary { case: case(number), now: noon(on) }
}

pub(crate) fn pause(number: u8, on: &str) -> CreditCommand {
    CreditCommand::PauseDunning { case: case(number), now: noon(on) }
}

pub(crate) fn go_on(number: u8, on: &str) -> CreditCommand {
    CreditCommand::ResumeDunning { case: case(number), now: noon(on) }
}

pub(crate) fn join(on: &str) -> CreditCommand {
    CreditCommand::JoinGroup { group: group(), now: noon(on) }
}

pub(crate) fn leave(on: &str) -> CreditCommand {
    CreditCommand::LeaveGroup { group: group(), now: noon(on) }
}

pub(crate) fn settle(on: &str) -> CreditCommand {
    CreditCommand::Settle { now: noon(on) }
}

pub(crate) fn note_overdue(on: &str) -> CreditCommand {
    CreditCommand::NoteOverdue { now: noon(on) }
}

pub(crate) fn dun(on: &str) -> CreditCommand {
    CreditCommand::Dun { now: noon(on) }
}

fn note() -> CreditNote {
    CreditNote::default()
}

fn charge(number: u8, minor: i64) -> Charge {
    Charge { order: order(number), amount: money(minor), overridden: None, group_available: Some(money(1_000_000)) }
}

/// Rules that differ in all that matters to the fold.
pub(crate) fn policies() -> Vec<Policy> {
    let usual = Policy::default_in(eur());
    let mut strict = Policy { tolerance_percent: 7, review_on: Some(day("2026-06-01")), ..usual.clone() };
    strict.overdue_block.minimum = money(20_000);
    strict.dunning[0].minimum = money(15_000);
    let mut lenient = Policy { suspend_when_overdue: false, counts: Counts::Invoices, ..usual.clone() };
    lenient.overdue_block.grace_days = 365;
    lenient.dunning.truncate(1);
    vec![usual, strict, lenient]
}

pub(crate) fn any_policy() -> impl Strategy<Value = Policy> + Clone {
    prop::sample::select(policies())
}

/// Within some months, so that much becomes overdue, or within years, so that some of it is forgotten.
pub(crate) fn any_moment() -> impl Strategy<Value = Moment> + Clone {
    let first = noon("2026-01-10").at;
    let hours = prop_oneof![9 => 0_i64..24 * 250, 1 => 24 * 600..24 * 1_200_i64];
    hours.prop_map(move |hours| utc(first + TimeDelta::hours(hours)))
}

fn any_amount() -> impl Strategy<Value = i64> + Clone {
    1_i64..60_000
}

/// Anything that may be asked of a line, of few orders, payments and cases, so that they meet; also on dates that go back.
pub(crate) fn any_command() -> impl Strategy<Value = CreditCommand> {
    prop_oneof![12 => any_charge(), 8 => any_money(), 3 => any_decision(), 6 => any_case()]
}

fn any_charge() -> impl Strategy<Value = CreditCommand> {
    let released = Override { released_by: actor("key:3"), reason: reason("good-customer") };
    let overridden = prop::option::weighted(0.1, Just(released));
    (0..10, 1_u8..10, any_amount(), overridden, any_moment()).prop_map(|(which, number, minor, overridden, now)| {
        let charge = Charge { overridden, ..charge(number, minor) };
        match which {
            0..5 => CreditCommand::Use { charge, invoice: None, now },
            5..8 => authorise_at(number, minor, now),
            8 => CreditCommand::Void { hold: hold(number), now },
            _ => {
                let (hold, order, amount) = (hold(number), order(number), money(minor));
                CreditCommand::Capture { hold, order, amount, invoice: None, now }
            }
        }
    })
}

fn any_money() -> impl Strategy<Value = CreditCommand> {
    let named = prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec((1_u8..10).prop_map(order), 0..3)];
    (0..11, 1_u8..6, 1_u8..10, any_amount(), named, any_moment()).prop_map(|(which, number, of, minor, orders, now)| {
        let (payment, amount, reason) = (payment(number), money(minor), reason("bounced"));
        match which {
            0..4 => CreditCommand::ApplyPayment { payment, amount, orders, received_on: now.today, now },
            4..6 => CreditCommand::ReversePayment { payment, reason, now },
            6 => CreditCommand::ApplyUnapplied { orders, now },
            7 => pay_out_at(number, minor, now),
            _ => {
                let release = ReleaseId::parse(&format!("return-{number}")).unwrap();
                CreditCommand::Release { release, order: order(of), amount, reason, now }
            }
        }
    })
}

fn any_decision() -> impl Strategy<Value = CreditCommand> {
    (0..12, any_amount(), any_policy(), any_moment()).prop_map(|(which, minor, policy, now)| {
        let (note, reason, by, limit) = (note(), reason("review"), actor("key:2"), money(minor));
        match which {
            0 => CreditCommand::ChangeLimit { limit, reason, changed_by: by, note, now },
            1 => CreditCommand::ChangeTerms { terms: Terms::of_days(14).unwrap(), reason, note, now },
            2 => CreditCommand::ChangePolicy { policy: Box::new(policy), now },
            3 => CreditCommand::Suspend { note, now },
            4 => CreditCommand::Resume { cause: SuspensionCause::ByHand, resumed_by: by, note, now },
            5 => CreditCommand::Resume { cause: SuspensionCause::Overdue, resumed_by: by, note, now },
            6 => CreditCommand::Close { reason, note, now },
            7 => {
                let (requested_by, financials) = (actor("key:1"), Box::new(Financials::default()));
                CreditCommand::Request { customer: customer(), amount: limit, requested_by, financials, now }
            }
            8 | 9 => {
                let (terms, policy) = (Terms::of_days(30).unwrap(), Box::new(policy));
                CreditCommand::Approve { limit, terms, policy, approved_by: by, note, now }
            }
            10 => CreditCommand::Reject { reason: RejectReason::Other, rejected_by: by, note, now },
            _ => CreditCommand::JoinGroup { group: group(), now },
        }
    })
}

fn any_case() -> impl Strategy<Value = CreditCommand> {
    (0..10, 1_u8..4, any_amount(), any_moment()).prop_map(|(which, number, minor, now)| match which {
        0 => {
            let (case, amount, expires_on) = (case(number), money(minor), now.today + Days::new(20));
            CreditCommand::GrantTemporary { case, amount, expires_on, now }
        }
        1 => CreditCommand::SettleTemporary { case: case(number), now },
        2 => CreditCommand::PauseDunning { case: case(number), now },
        3 => CreditCommand::ResumeDunning { case: case(number), now },
        4..6 => CreditCommand::NoteOverdue { now },
        6 => CreditCommand::Settle { now },
        7 => CreditCommand::LeaveGroup { group: group(), now },
        _ => CreditCommand::Dun { now },
    })
}
