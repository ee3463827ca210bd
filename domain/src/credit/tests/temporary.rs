//! More credit for some time, because of a case.

use super::*;
use crate::credit::credit_line::CASES_MAX;

fn grant(case_id: &str, amount: &str, expires_on: &str) -> CreditCommand {
    let (case, amount, expires_on) = (case(case_id), eur(amount), day(expires_on));
    CreditCommand::GrantTemporary { case, amount, expires_on, now: noon("2026-01-20") }
}

fn settle_case(case_id: &str, today: &str) -> CreditCommand {
    CreditCommand::SettleTemporary { case: case(case_id), now: noon(today) }
}

fn with_grant() -> Vec<CreditEvent> {
    with(open("1000.00"), [granted("case-1", "500.00", "2026-02-01", "2026-01-20")])
}

fn settled(on: &str) -> CreditEvent {
    CreditEvent::TemporarySettled { case: case("case-1"), on: day(on) }
}

fn expired() -> CreditEvent {
    CreditEvent::TemporaryExpired { case: case("case-1"), on: day("2026-02-01") }
}

#[test]
fn it_adds_to_what_may_be_used_as_long_as_it_lives() {
    let state = given::<CreditLine>(open("1000.00")).when(grant("case-1", "500.00", "2026-02-01")).then([granted(
        "case-1",
        "500.00",
        "2026-02-01",
        "2026-01-20",
    )]);
    let available = |today| line(&state).available(day(today));
    assert_eq!((available("2026-01-31"), available("2026-02-01")), (eur("1500.00"), eur("1000.00")));
    given::<CreditLine>(with_grant()).when(buy("order-1", "1500.00", "2026-01-31")).then([used(
        "order-1",
        "1500.00",
        "2026-01-31",
    )]);
}

#[test]
fn it_is_granted_once_for_a_case() {
    given::<CreditLine>(with_grant()).when(grant("case-1", "500.00", "2026-02-01")).then([]);
    given::<CreditLine>(with_grant()).when(grant("case-1", "500.01", "2026-02-01")).then_refused(
        CreditError::TemporaryAlreadyGranted {
            case: case("case-1"),
            amount: eur("500.00"),
            expires_on: day("2026-02-01"),
        },
    );
    let over = with(with_grant(), [settled("2026-01-21")]);
    given::<CreditLine>(over).when(grant("case-1", "500.00", "2026-02-01")).then([]);
}

#[test]
fn it_is_of_something_that_lasts_a_day_on_a_line_that_is_there() {
    given::<CreditLine>(open("1000.00"))
        .when(grant("case-1", "500.00", "2026-01-20"))
        .then_refused(CreditError::ExpiryNotAhead { expires_on: day("2026-01-20") });
    given::<CreditLine>(open("1000.00"))
        .when(grant("case-1", "0.00", "2026-02-01"))
        .then_refused(CreditError::AmountNotPositive { amount: eur("0.00") });
    given::<CreditLine>([requested()])
        .when(grant("case-1", "500.00", "2026-02-01"))
        .then_refused(CreditError::NotApproved);
}

#[test]
fn it_ends_once_with_its_case() {
    let on = "2026-01-25";
    let state = given::<CreditLine>(with_grant()).when(settle_case("case-1", on)).then([settled(on)]);
    assert_eq!(line(&state).available(day(on)), eur("1000.00"));
    given::<CreditLine>(with(with_grant(), [settled(on)])).when(settle_case("case-1", on)).then([]);
    given::<CreditLine>(with_grant())
        .when(settle_case("case-2", on))
        .then_refused(CreditError::TemporaryNotFound { case: case("case-2") });
}

#[test]
fn it_expires_by_itself_before_anything_else_happens() {
    given::<CreditLine>(with_grant()).when(settle("2026-01-31")).then([]);
    given::<CreditLine>(with_grant()).when(settle("2026-02-03")).then([expired()]);
    given::<CreditLine>(with_grant())
        .when(buy("order-1", "1000.00", "2026-02-03"))
        .then([expired(), used("order-1", "1000.00", "2026-02-03")]);
    given::<CreditLine>(with(with_grant(), [expired()])).when(settle("2026-02-04")).then([]);
    given::<CreditLine>(with_grant()).when(settle_case("case-1", "2026-02-03")).then([expired()]);
}

#[test]
fn a_line_has_so_many_cases_at_once() {
    let many = |count| {
        let cases = (1..=count).map(|number| granted(&format!("case-{number}"), "0.01", "2026-02-01", "2026-01-20"));
        with(open("1000.00"), cases)
    };
    given::<CreditLine>(many(CASES_MAX - 1)).when(grant("another", "0.01", "2026-02-01")).then([granted(
        "another",
        "0.01",
        "2026-02-01",
        "2026-01-20",
    )]);
    given::<CreditLine>(many(CASES_MAX))
        .when(grant("another", "0.01", "2026-02-01"))
        .then_refused(CreditError::TooManyCases { limit: CASES_MAX });
}
