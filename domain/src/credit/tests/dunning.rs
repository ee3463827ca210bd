//! The customer is reminded of what is overdue.

use super::*;
use crate::credit::policy::DunningChannel;

/// Due on 2026-02-19; told to be overdue, and nothing suspended for it.
fn overdue_line() -> Vec<CreditEvent> {
    let policy = Policy { suspend_when_overdue: false, ..Policy::default_in(code("EUR")) };
    let late = late("order-1", "400.00", "2026-02-19", "2026-02-20");
    with(open_with("1000.00", policy), [used("order-1", "400.00", "2026-01-20"), late])
}

fn dun(today: &str) -> CreditCommand {
    CreditCommand::Dun { now: noon(today) }
}

fn sent(level: u8, on: &str) -> CreditEvent {
    sent_of(level, "400.00", on)
}

pub(super) fn sent_of(level: u8, overdue: &str, on: &str) -> CreditEvent {
    let channels = match level {
        3 => vec![DunningChannel::Email, DunningChannel::Letter],
        _ => vec![DunningChannel::Email],
    };
    CreditEvent::DunningSent { level, channels, overdue: eur(overdue), oldest_due_on: day("2026-02-19"), on: day(on) }
}

#[test]
fn each_level_is_sent_once_when_its_day_has_come() {
    let history = overdue_line();
    given::<CreditLine>(history.clone()).when(dun("2026-02-20")).then([sent(1, "2026-02-20")]);
    let once = with(history, [sent(1, "2026-02-20")]);
    given::<CreditLine>(once.clone()).when(dun("2026-02-20")).then([]);
    given::<CreditLine>(once.clone()).when(dun("2026-03-05")).then([]);
    given::<CreditLine>(once.clone()).when(dun("2026-03-06")).then([sent(2, "2026-03-06")]);
    let all = with(once, [sent(2, "2026-03-06"), sent(3, "2026-03-21")]);
    given::<CreditLine>(all).when(dun("2026-12-01")).then([]);
}

#[test]
fn who_is_noticed_late_is_reminded_as_gently_as_others() {
    let once = with(overdue_line(), [sent(1, "2026-04-01")]);
    given::<CreditLine>(overdue_line()).when(dun("2026-04-01")).then([sent(1, "2026-04-01")]);
    given::<CreditLine>(once.clone()).when(dun("2026-04-14")).then([]);
    given::<CreditLine>(once).when(dun("2026-04-15")).then([sent(2, "2026-04-15")]);
}

#[test]
fn what_is_overdue_is_told_before_it_is_reminded_of() {
    let history = with(open("1000.00"), [used("order-1", "400.00", "2026-01-20")]);
    given::<CreditLine>(history.clone()).when(dun("2026-02-19")).then([]);
    let late = late("order-1", "400.00", "2026-02-19", "2026-02-20");
    given::<CreditLine>(history).when(dun("2026-02-20")).then([late, sent(1, "2026-02-20")]);
}

#[test]
fn nobody_is_reminded_of_less_than_the_minimum() {
    let mut policy = Policy { suspend_when_overdue: false, ..Policy::default_in(code("EUR")) };
    policy.dunning[0].minimum = eur("400.01");
    let late = late("order-1", "400.00", "2026-02-19", "2026-02-20");
    let history = with(open_with("1000.00", policy), [used("order-1", "400.00", "2026-01-20"), late]);
    given::<CreditLine>(history).when(dun("2026-02-20")).then([]);
}

#[test]
fn it_pauses_as_long_as_a_case_is_open() {
    let pause = |id: &str| CreditCommand::PauseDunning { case: case(id), now: noon("2026-02-20") };
    let resume = |id: &str| CreditCommand::ResumeDunning { case: case(id), now: noon("2026-02-20") };
    let paused = |id: &str| CreditEvent::DunningPaused { case: case(id), on: day("2026-02-20") };
    let resumed = |id: &str| CreditEvent::DunningResumed { case: case(id), on: day("2026-02-20") };
    given::<CreditLine>(overdue_line()).when(pause("case-1")).then([paused("case-1")]);
    let two = with(overdue_line(), [paused("case-1"), paused("case-2")]);
    given::<CreditLine>(two.clone()).when(pause("case-1")).then([]);
    given::<CreditLine>(two.clone()).when(dun("2026-02-20")).then([]);
    given::<CreditLine>(two.clone()).when(resume("case-1")).then([resumed("case-1")]);
    let one = with(two, [resumed("case-1")]);
    given::<CreditLine>(one.clone()).when(resume("case-1")).then([]);
    given::<CreditLine>(one.clone()).when(dun("2026-02-20")).then([]);
    given::<CreditLine>(with(one, [resumed("case-2")])).when(dun("2026-02-20")).then([sent(1, "2026-02-20")]);
}

#[test]
fn once_nothing_is_overdue_it_starts_with_the_first_level_again() {
    let paid = [
        received("payment-1", "400.00", "0.00", "2026-02-21"),
        paid_by("payment-1", "order-1", "400.00", "0.00", "2026-02-21"),
    ];
    let history = with(with(overdue_line(), [sent(1, "2026-02-20")]), paid);
    let state = given::<CreditLine>(history).state();
    assert_eq!(line(&state).dunning_level(), 0);
    assert_eq!(CreditLine::decide(&state, dun("2026-03-30")), Ok(vec![]));
    let partly = [
        received("payment-1", "399.00", "0.00", "2026-02-21"),
        paid_by("payment-1", "order-1", "399.00", "1.00", "2026-02-21"),
    ];
    let state = given::<CreditLine>(with(with(overdue_line(), [sent(1, "2026-02-20")]), partly)).state();
    assert_eq!(line(&state).dunning_level(), 1);
}
