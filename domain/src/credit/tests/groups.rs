//! Groups of lines that share a limit.

use super::*;
use crate::credit::commands::{CreditGroupCommand, CreditGroupError};
use crate::credit::credit_group::CreditGroup;
use crate::credit::events::CreditGroupEvent;
use crate::ids::CreditLineId;

fn on() -> NaiveDate {
    day("2026-01-20")
}

fn a_line(number: u128) -> CreditLineId {
    CreditLineId::new(uuid::Uuid::from_u128(number))
}

fn formed() -> CreditGroupEvent {
    CreditGroupEvent::Formed { parent: customer(), limit: eur("1000.00"), on: on() }
}

fn form(limit: Money) -> CreditGroupCommand {
    CreditGroupCommand::Form { parent: customer(), limit, on: on() }
}

fn added(number: u128, exposure: &str) -> CreditGroupEvent {
    let (line, customer, exposure, on) = (a_line(number), customer(), eur(exposure), on());
    CreditGroupEvent::MemberAdded { line, customer, exposure, on }
}

fn add(number: u128, exposure: Money) -> CreditGroupCommand {
    CreditGroupCommand::AddMember { line: a_line(number), customer: customer(), exposure, on: on() }
}

fn exposure(number: u128, exposure: &str) -> CreditGroupCommand {
    CreditGroupCommand::ChangeExposure { line: a_line(number), exposure: eur(exposure) }
}

fn remove(number: u128) -> CreditGroupCommand {
    CreditGroupCommand::RemoveMember { line: a_line(number), on: on() }
}

const DISSOLVE: fn() -> CreditGroupCommand = || CreditGroupCommand::Dissolve { on: on() };

#[test]
fn a_group_is_formed_once() {
    given::<CreditGroup>([]).when(form(eur("1000.00"))).then([formed()]);
    given::<CreditGroup>([formed()]).when(form(eur("1000.00"))).then([]);
    given::<CreditGroup>([formed()]).when(form(eur("1.00"))).then_refused(CreditGroupError::AlreadyFormed);
    let limit = eur("0.00");
    given::<CreditGroup>([]).when(form(limit)).then_refused(CreditGroupError::LimitNotPositive { limit });
    given::<CreditGroup>([]).when(add(1, eur("0.00"))).then_refused(CreditGroupError::NotFound);
}

#[test]
fn what_its_lines_take_is_not_left_for_others() {
    let history = [formed(), added(1, "300.00")];
    let state = given::<CreditGroup>(history.clone()).when(add(2, eur("200.00"))).then([added(2, "200.00")]);
    assert_eq!(state.formed().unwrap().available(), eur("500.00"));
    given::<CreditGroup>(history.clone()).when(add(1, eur("300.00"))).then([]);
    let changed = CreditGroupEvent::ExposureChanged { line: a_line(1), exposure: eur("1200.00") };
    let state = given::<CreditGroup>(history.clone()).when(exposure(1, "1200.00")).then([changed]);
    assert_eq!(state.formed().unwrap().available(), eur("-200.00"));
    given::<CreditGroup>(history.clone()).when(exposure(1, "300.00")).then([]);
    given::<CreditGroup>(history.clone())
        .when(exposure(2, "1.00"))
        .then_refused(CreditGroupError::MemberNotFound { line: a_line(2) });
    let (expected, given_in) = (code("EUR"), code("USD"));
    given::<CreditGroup>(history)
        .when(add(2, usd("1.00")))
        .then_refused(CreditGroupError::CurrencyMismatch { expected, given: given_in });
}

#[test]
fn its_limit_may_be_lower_than_what_is_taken() {
    let change = |limit| CreditGroupCommand::ChangeLimit { limit, reason: reason("risk"), on: on() };
    let (from, to) = (eur("1000.00"), eur("100.00"));
    let state = given::<CreditGroup>([formed(), added(1, "300.00")])
        .when(change(to))
        .then([CreditGroupEvent::LimitChanged { from, to, reason: reason("risk"), on: on() }]);
    assert_eq!(state.formed().unwrap().available(), eur("-200.00"));
    given::<CreditGroup>([formed()]).when(change(from)).then([]);
    let limit = eur("-1.00");
    given::<CreditGroup>([formed()]).when(change(limit)).then_refused(CreditGroupError::LimitNotPositive { limit });
}

#[test]
fn it_is_dissolved_once_and_without_members() {
    let removed = CreditGroupEvent::MemberRemoved { line: a_line(1), on: on() };
    given::<CreditGroup>([formed(), added(1, "300.00")])
        .when(DISSOLVE())
        .then_refused(CreditGroupError::HasMembers { members: 1 });
    let state = given::<CreditGroup>([formed(), added(1, "300.00")]).when(remove(1)).then([removed]);
    assert_eq!(state.formed().unwrap().available(), eur("1000.00"));
    given::<CreditGroup>([formed()]).when(remove(1)).then([]);
    let dissolved = CreditGroupEvent::Dissolved { on: on() };
    given::<CreditGroup>([formed()]).when(DISSOLVE()).then([dissolved.clone()]);
    given::<CreditGroup>([formed(), dissolved.clone()]).when(DISSOLVE()).then([]);
    given::<CreditGroup>([formed(), dissolved]).when(form(eur("1000.00"))).then_refused(CreditGroupError::Dissolved);
    given::<CreditGroup>([]).when(DISSOLVE()).then_refused(CreditGroupError::NotFound);
    let refusal = Refusal::from(CreditGroupError::HasMembers { members: 1 });
    assert_eq!((refusal.kind, refusal.code.as_str()), (RefusalKind::Conflict, "credit_group_has_members"));
}
