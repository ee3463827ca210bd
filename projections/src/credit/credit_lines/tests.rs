//! The row against the domain's own line, over any history; what each event makes of it; and what the query makes of it.

use super::{CreditLineRow, CreditLines, CreditStanding, Status};
use crate::credit::stories::{
    any_command, any_moment, any_policy, approve, authorise, buy, cancel, capture, change_limit, change_policy,
    change_terms, close, customer, day, decided, dun, eur, go_on, grant, group, join, leave, money, noon, note_overdue,
    opened, opened_with, pause, pay, pay_out, policies, reject, request, resume, reverse, settle, settle_case, suspend,
    void,
};
use crate::folding::{folded, recorded};
use crate::read_model::ReadModel;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::credit::commands::{CreditCommand, CreditError};
use domain::credit::credit_line::{CreditLine, Verdict};
use domain::credit::events::CreditEvent;
use domain::credit::policy::Policy;
use domain::credit::reasons::{Bound, SuspensionCause};
use domain::ids::{CaseId, OrderId};
use domain::{Decider, Event, Moment};
use proptest::prelude::*;
use uuid::Uuid;

fn row_of(events: Vec<CreditEvent>) -> CreditLineRow {
    folded::<CreditLines>(&Uuid::from_u128(1), events.into_iter().map(Event::from)).unwrap()
}

fn sums(row: &CreditLineRow) -> (i64, i64, i64) {
    (row.used_minor, row.held_minor, row.unapplied_minor)
}

fn usual() -> Policy {
    Policy::default_in(eur())
}

#[test]
fn a_line_is_asked_for_and_given_or_not() {
    let asked = [request(150_000, "2026-01-05")];
    let row = row_of(decided(asked.clone()));
    assert_eq!((row.status, row.customer, row.requested_minor), (Status::Requested, customer().as_uuid(), 150_000));
    assert_eq!((row.requested_by.as_str(), row.requested_on, row.limit_minor), ("key:1", day("2026-01-05"), None));
    let row = row_of(opened([]));
    assert_eq!((row.status, row.limit_minor, row.term_days), (Status::Active, Some(100_000), Some(30)));
    assert_eq!((row.approved_by.as_deref(), row.approved_on), (Some("key:2"), Some(day("2026-01-10"))));
    assert_eq!(row.policy, Some(usual()));
    let row = row_of(decided(asked.into_iter().chain([reject("2026-01-06")])));
    assert_eq!((row.status, row.rejected_by.as_deref()), (Status::Rejected, Some("key:2")));
    assert_eq!((row.rejected_for.unwrap().as_str(), row.rejected_on), ("incomplete", Some(day("2026-01-06"))));
}

#[test]
fn a_line_that_is_asked_for_again_shows_nothing_of_what_was_decided_before() {
    let closed = [close("2026-02-01"), request(90_000, "2026-03-01")];
    let row = row_of(opened(closed.clone()));
    assert_eq!(
        (row.status, row.limit_minor, row.closed_on, row.approved_by.clone()),
        (Status::Requested, None, None, None)
    );
    let again = row_of(opened(closed.into_iter().chain([approve(80_000, usual(), "2026-03-02")])));
    assert_eq!(
        (again.status, again.limit_minor, again.created_position),
        (Status::Active, Some(80_000), row.created_position)
    );
    let row = row_of(opened([close("2026-02-01")]));
    assert_eq!(
        (row.status, row.closed_on, row.closed_for.as_deref()),
        (Status::Closed, Some(day("2026-02-01")), Some("left"))
    );
}

#[test]
fn limit_terms_and_rules_are_as_they_were_changed_last() {
    let policy = policies()[1].clone();
    let row = row_of(opened([
        change_limit(70_000, "2026-02-01"),
        change_terms(14, "2026-02-01"),
        change_policy(policy.clone(), "2026-02-02"),
    ]));
    assert_eq!((row.limit_minor, row.term_days, row.review_on), (Some(70_000), Some(14), policy.review_on));
    assert_eq!(row.at(noon("2026-02-02"), None).ceiling_minor, 74_900, "7 % more");
}

#[test]
fn a_line_is_suspended_as_long_as_one_cause_is_left() {
    let late = [buy(1, 40_000, "2026-02-01"), note_overdue("2026-03-09"), suspend("2026-03-10")];
    let row = row_of(opened(late.clone()));
    let causes: Vec<_> = row.suspended_for.iter().copied().collect();
    assert_eq!((row.status, causes), (Status::Suspended, vec![SuspensionCause::ByHand, SuspensionCause::Overdue]));
    let resumed = resume(SuspensionCause::ByHand, "2026-03-11");
    let row = row_of(opened(late.clone().into_iter().chain([resumed.clone()])));
    assert_eq!((row.status, row.suspended_for.len()), (Status::Suspended, 1));
    let row = row_of(opened(late.into_iter().chain([resumed, pay(1, 40_000, "2026-03-12")])));
    assert_eq!((row.status, row.used_minor), (Status::Active, 0));
}

#[test]
fn what_is_held_comes_free_or_is_used() {
    let row = row_of(opened([authorise(1, 30_000, "2026-02-01")]));
    assert_eq!((sums(&row), row.holds.len()), ((0, 30_000, 0), 1));
    let lapses_at: DateTime<Utc> = "2026-02-08T12:00:00Z".parse().unwrap();
    assert_eq!((row.next_lapse_at, row.holds[0].lapses_on), (Some(lapses_at), day("2026-02-08")));
    let row = row_of(opened([authorise(1, 30_000, "2026-02-01"), void(1, "2026-02-02")]));
    assert_eq!((sums(&row), row.next_lapse_at), ((0, 0, 0), None));
    let row = row_of(opened([authorise(1, 30_000, "2026-02-01"), capture(1, 25_000, "2026-02-02")]));
    assert_eq!((sums(&row), row.holds.len()), ((25_000, 0, 0), 0));
    assert_eq!((row.uses[0].order.as_str(), row.uses[0].due_on), ("order-1", day("2026-03-04")));
}

#[test]
fn a_hold_is_over_by_itself_although_no_job_recorded_it() {
    let row = row_of(opened([authorise(1, 30_000, "2026-02-01")]));
    let shown = |now| {
        let standing = row.clone().at(now, None);
        (standing.line.held_minor, standing.available_minor)
    };
    let Moment { at, today } = noon("2026-02-08");
    assert_eq!(shown(Moment { at: at - TimeDelta::seconds(1), today }), (30_000, 70_000));
    assert_eq!(shown(Moment { at, today }), (0, 100_000));
    let settled = row_of(opened([authorise(1, 30_000, "2026-02-01"), settle("2026-02-09")]));
    assert_eq!((sums(&settled), settled.next_lapse_at), ((0, 0, 0), None));
}

#[test]
fn an_order_that_did_not_fit_changes_nothing_but_the_version() {
    let before = row_of(opened([buy(1, 40_000, "2026-02-01")]));
    let after = row_of(opened([buy(1, 40_000, "2026-02-01"), buy(2, 70_000, "2026-02-02")]));
    assert_eq!((sums(&after), after.uses.clone(), after.version), (sums(&before), before.uses, before.version + 1));
}

#[test]
fn money_pays_and_what_is_left_of_it_is_kept() {
    let bought = [buy(1, 40_000, "2026-02-01"), buy(2, 30_000, "2026-02-02")];
    let row = row_of(opened(bought.clone().into_iter().chain([pay(1, 50_000, "2026-02-10")])));
    assert_eq!((sums(&row), row.uses.len(), row.paid.len()), ((20_000, 0, 0), 1, 1));
    let row = row_of(opened(bought.clone().into_iter().chain([pay(1, 80_000, "2026-02-10")])));
    assert_eq!(sums(&row), (0, 0, 10_000));
    assert_eq!(row.at(noon("2026-02-10"), None).available_minor, 110_000);
    let next = [pay(1, 80_000, "2026-02-10"), buy(3, 15_000, "2026-02-11")];
    let row = row_of(opened(bought.into_iter().chain(next)));
    assert_eq!((sums(&row), row.uses[0].outstanding_minor), ((5000, 0, 0), 5000));
}

#[test]
fn what_is_paid_out_is_gone_and_owed_when_its_payment_was_none() {
    let row = row_of(opened([pay(1, 50_000, "2026-02-10"), pay_out(1, 20_000, "2026-02-11")]));
    assert_eq!(sums(&row), (0, 0, 30_000));
    let bounced = [pay(1, 50_000, "2026-02-10"), pay_out(1, 20_000, "2026-02-11"), reverse(1, "2026-02-12")];
    let row = row_of(opened(bounced));
    assert_eq!((sums(&row), row.at(noon("2026-02-12"), None).available_minor), ((0, 0, -20_000), 80_000));
}

#[test]
fn what_a_payment_paid_that_is_none_is_outstanding_again() {
    let paid = [buy(1, 40_000, "2026-02-01"), pay(1, 50_000, "2026-02-10")];
    let row = row_of(opened(paid.into_iter().chain([reverse(1, "2026-02-20")])));
    assert_eq!((sums(&row), row.paid.len()), ((40_000, 0, 0), 0));
    assert_eq!((row.uses[0].due_on, row.uses[0].outstanding_minor), (day("2026-03-03"), 40_000));
}

#[test]
fn what_is_cancelled_is_not_to_be_paid_and_what_was_paid_of_it_is_kept() {
    let row = row_of(opened([buy(1, 40_000, "2026-02-01"), cancel(1, 10_000, "2026-02-03")]));
    assert_eq!(sums(&row), (30_000, 0, 0));
    let paid = [buy(1, 40_000, "2026-02-01"), pay(1, 40_000, "2026-02-02"), cancel(1, 10_000, "2026-02-03")];
    assert_eq!(sums(&row_of(opened(paid))), (0, 0, 10_000));
}

#[test]
fn an_order_that_is_paid_is_forgotten_when_its_payment_is() {
    let paid = [buy(1, 40_000, "2026-02-01"), pay(1, 40_000, "2026-02-02")];
    let row = row_of(opened(paid.clone().into_iter().chain([change_limit(90_000, "2028-02-01")])));
    assert_eq!(row.paid.len(), 1);
    let row = row_of(opened(paid.into_iter().chain([change_limit(90_000, "2028-02-02")])));
    assert_eq!(row.paid.len(), 0);
}

#[test]
fn temporary_credit_adds_to_what_may_be_used_while_it_lives() {
    let granted = [grant(1, 20_000, "2026-02-20", "2026-02-01")];
    let row = row_of(opened(granted.clone()));
    assert_eq!((row.temporary.len(), row.next_expiry_on), (1, Some(day("2026-02-20"))));
    let ceiling = |row: &CreditLineRow, on| row.clone().at(noon(on), None).ceiling_minor;
    assert_eq!((ceiling(&row, "2026-02-19"), ceiling(&row, "2026-02-20")), (120_000, 100_000));
    for over in [settle_case(1, "2026-02-05"), settle("2026-02-20")] {
        let row = row_of(opened(granted.clone().into_iter().chain([over])));
        assert_eq!((row.temporary.len(), row.next_expiry_on, ceiling(&row, "2026-02-05")), (0, None, 100_000));
    }
}

#[test]
fn jobs_are_told_when_something_is_overdue_and_when_the_line_is_suspended_for_it() {
    let bought = [buy(1, 40_000, "2026-02-01")];
    let row = row_of(opened(bought.clone()));
    assert_eq!((row.next_overdue_on, row.next_dunning_on), (Some(day("2026-03-04")), Some(day("2026-03-04"))));
    let noted = [note_overdue("2026-03-04")];
    let row = row_of(opened(bought.clone().into_iter().chain(noted.clone())));
    assert_eq!((row.next_overdue_on, row.uses[0].is_overdue), (Some(day("2026-03-09")), true), "five days of grace");
    let suspended = [note_overdue("2026-03-04"), note_overdue("2026-03-09")];
    let row = row_of(opened(bought.clone().into_iter().chain(suspended.clone())));
    assert_eq!((row.next_overdue_on, row.status), (None, Status::Suspended));
    let borne = suspended.into_iter().chain([resume(SuspensionCause::Overdue, "2026-03-10")]);
    let row = row_of(opened(bought.into_iter().chain(borne)));
    assert_eq!((row.next_overdue_on, row.status, row.uses[0].is_borne), (None, Status::Active, true));
    let standing = row.at(noon("2026-05-01"), None);
    assert_eq!((standing.overdue_minor, standing.blocking_minor), (40_000, 0));
}

#[test]
fn nobody_bears_with_an_order_any_more_whose_payment_was_none() {
    let late = [buy(1, 40_000, "2026-02-01"), note_overdue("2026-03-09")];
    let borne = late.into_iter().chain([resume(SuspensionCause::Overdue, "2026-03-10")]);
    let back = borne.chain([pay(1, 40_000, "2026-03-11"), reverse(1, "2026-03-12")]);
    let row = row_of(opened(back));
    assert_eq!((row.uses[0].is_borne, row.next_overdue_on), (false, Some(day("2026-03-09"))));
    assert_eq!(row.at(noon("2026-03-12"), None).blocking_minor, 40_000);
}

#[test]
fn jobs_are_told_when_the_next_reminder_is_due_and_not_while_a_case_pauses_it() {
    let late = [buy(1, 40_000, "2026-02-01"), dun("2026-03-04")];
    let row = row_of(opened(late.clone()));
    assert_eq!(
        (row.dunning_level, row.dunned_on, row.next_dunning_on),
        (1, Some(day("2026-03-04")), Some(day("2026-03-18")))
    );
    let paused = late.into_iter().chain([pause(1, "2026-03-05")]);
    let row = row_of(opened(paused.clone()));
    assert_eq!((row.next_dunning_on, row.dunning_paused_by.len()), (None, 1));
    let gone_on = paused.chain([go_on(1, "2026-03-30"), dun("2026-03-30")]);
    let row = row_of(opened(gone_on.clone()));
    assert_eq!((row.dunning_level, row.next_dunning_on), (2, Some(day("2026-04-14"))), "fifteen days later at least");
    let row = row_of(opened(gone_on.chain([pay(1, 40_000, "2026-03-31")])));
    assert_eq!((row.dunning_level, row.dunned_on, row.next_dunning_on), (0, None, None));
}

#[test]
fn jobs_are_told_when_a_limit_should_have_been_looked_at() {
    let reviewed = Policy { review_on: Some(day("2026-06-01")), ..usual() };
    let row = row_of(opened_with(reviewed.clone(), []));
    assert_eq!((row.review_on, row.next_review_on), (Some(day("2026-06-01")), Some(day("2026-06-02"))));
    let row = row_of(opened_with(reviewed, [note_overdue("2026-06-02")]));
    assert_eq!((row.next_review_on, row.status), (None, Status::Suspended));
}

#[test]
fn a_line_in_a_group_may_use_no_more_than_the_group_has_left() {
    let row = row_of(opened([join("2026-02-01"), buy(1, 10_000, "2026-02-02")]));
    assert_eq!(row.group, Some(group().as_uuid()));
    let verdict = |left| row.clone().at(noon("2026-02-03"), left).verdict(money(50_000));
    assert_eq!(verdict(Some(50_000)), Verdict::Passes);
    assert_eq!(verdict(Some(49_999)), Verdict::Exceeds { available: money(49_999), bound: Bound::Group });
    assert_eq!(verdict(None), Verdict::Exceeds { available: money(0), bound: Bound::Group });
    let row = row_of(opened([join("2026-02-01"), leave("2026-02-02")]));
    assert_eq!((row.group, row.at(noon("2026-02-03"), Some(0)).verdict(money(100_000))), (None, Verdict::Passes));
}

#[test]
fn a_line_that_is_not_open_takes_nothing() {
    let asked = decided([request(150_000, "2026-01-05")]);
    let standing = row_of(asked).at(noon("2026-01-06"), None);
    assert_eq!(standing.verdict(money(1)), Verdict::Refused(CreditError::NotApproved));
    assert_eq!((standing.ceiling_minor, standing.available_minor), (0, 0));
    let standing = row_of(opened([close("2026-02-01")])).at(noon("2026-02-01"), None);
    assert_eq!(standing.verdict(money(1)), Verdict::Refused(CreditError::Closed));
}

#[test]
fn what_is_outstanding_is_told_by_its_age() {
    let row = row_of(opened([buy(1, 10_000, "2026-02-01"), buy(2, 20_000, "2026-03-01")]));
    let classes = |on| row.aging(day(on)).classes().map(|money| money.minor());
    assert_eq!(classes("2026-03-03"), [30_000, 0, 0, 0, 0]);
    assert_eq!(classes("2026-03-04"), [20_000, 10_000, 0, 0, 0]);
    assert_eq!(classes("2026-06-02"), [0, 0, 0, 20_000, 10_000]);
}

/// An order that was paid by a payment which bounced when the line was closed.
fn owing(more: impl IntoIterator<Item = CreditCommand>) -> CreditLineRow {
    let paid = [buy(1, 40_000, "2026-02-01"), pay(1, 40_000, "2026-02-02")];
    let bounced = [close("2026-02-03"), reverse(1, "2026-02-10")];
    row_of(opened(paid.into_iter().chain(bounced).chain(more)))
}

#[test]
fn what_is_owed_on_a_line_that_is_over_is_told_late_and_reminded_of() {
    let row = owing([]);
    assert_eq!((row.status, sums(&row), row.review_on), (Status::Closed, (40_000, 0, 0), None));
    assert_eq!((row.next_overdue_on, row.next_dunning_on), (Some(day("2026-03-04")), Some(day("2026-03-04"))));
    assert_eq!(row.at(noon("2026-03-04"), None).overdue_minor, 40_000);
    let row = owing([dun("2026-03-10")]);
    assert_eq!((row.status, row.next_overdue_on, row.next_dunning_on), (Status::Closed, None, Some(day("2026-03-24"))));
    let row = owing([dun("2026-03-10"), pay(2, 50_000, "2026-03-11")]);
    assert_eq!((row.status, sums(&row), row.next_dunning_on), (Status::Closed, (0, 0, 10_000), None));
}

#[test]
fn who_asks_again_owes_what_was_owed() {
    let again = [dun("2026-03-10"), request(90_000, "2026-03-11")];
    let row = owing(again.clone());
    assert_eq!((row.status, sums(&row), row.limit_minor), (Status::Requested, (40_000, 0, 0), None));
    assert_eq!((row.dunning_level, row.next_dunning_on), (1, Some(day("2026-03-24"))));
    let row = owing(again.clone().into_iter().chain([reject("2026-03-12"), dun("2026-03-24")]));
    assert_eq!((row.status, row.dunning_level, sums(&row)), (Status::Rejected, 2, (40_000, 0, 0)));
    let row = owing(again.into_iter().chain([approve(60_000, usual(), "2026-03-12")]));
    assert_eq!((row.status, row.dunning_level, row.next_overdue_on), (Status::Active, 1, Some(day("2026-03-09"))));
    assert_eq!(row.at(noon("2026-03-12"), None).available_minor, 20_000);
}

proptest! {
    /// After each event of any history, the row says what the domain's line says.
    #[test]
    fn the_row_is_the_line(
        commands in prop::collection::vec(any_command(), 0..80),
        policy in any_policy(),
        (asked, amount) in (any_moment(), 1_i64..60_000),
        group_left in prop::option::of(-10_000_i64..100_000),
    ) {
        let opening = [request(150_000, "2026-01-05"), approve(100_000, policy, "2026-01-10")];
        let (mut state, mut row) = (CreditLine::initial(), None);
        let mut nth = 0;
        for command in opening.into_iter().chain(commands) {
            for event in CreditLine::decide(&state, command).unwrap_or_default() {
                nth += 1;
                state = CreditLine::evolve(state, &event);
                row = CreditLines::apply(&Uuid::from_u128(1), row, &recorded(event, nth));
            }
            let row = row.clone().unwrap();
            is_line(&row, &state, asked)?;
            let verdict = state.verdict(money(amount), group_left.map(money), asked);
            prop_assert_eq!(row.at(asked, group_left).verdict(money(amount)), verdict);
        }
    }

    /// Jobs are told of a line on the first day on which they have something to do for it.
    #[test]
    fn a_line_is_due_when_its_jobs_have_something_to_do(
        commands in prop::collection::vec(any_command(), 0..60),
        policy in any_policy(),
        day in any_moment(),
    ) {
        let opening = [request(150_000, "2026-01-05"), approve(100_000, policy, "2026-01-10")];
        let mut state = CreditLine::initial();
        let mut history = vec![];
        for command in opening.into_iter().chain(commands) {
            let events = CreditLine::decide(&state, command).unwrap_or_default();
            state = CreditLine::fold(state, &events);
            history.extend(events);
        }
        let row = row_of(history);
        let Moment { at, today } = day;
        let is_due = |on: Option<NaiveDate>| on.is_some_and(|on| on <= today);
        let told = |command| CreditLine::decide(&state, command).unwrap_or_default();
        let settled = told(CreditCommand::Settle { now: day });
        let lapses = settled.iter().any(|event| matches!(event, CreditEvent::HoldReleased { .. }));
        prop_assert_eq!(row.next_lapse_at.is_some_and(|lapses_at| lapses_at <= at), lapses);
        let expires = settled.iter().any(|event| matches!(event, CreditEvent::TemporaryExpired { .. }));
        prop_assert_eq!(is_due(row.next_expiry_on), expires);
        let reminded = told(CreditCommand::Dun { now: day });
        let reminds = reminded.iter().any(|event| matches!(event, CreditEvent::DunningSent { .. }));
        prop_assert_eq!(is_due(row.next_dunning_on), reminds);
        let noted = told(CreditCommand::NoteOverdue { now: day });
        let reviews = noted.iter().any(|event| matches!(event, CreditEvent::Suspended { cause: SuspensionCause::ReviewDue, .. }));
        prop_assert_eq!(is_due(row.next_review_on), reviews);
        prop_assert_eq!(is_due(row.next_overdue_on), noted.iter().any(tells_overdue));
    }
}

const fn tells_overdue(event: &CreditEvent) -> bool {
    matches!(event, CreditEvent::Overdue { .. } | CreditEvent::Suspended { cause: SuspensionCause::Overdue, .. })
}

fn is_line(row: &CreditLineRow, state: &CreditLine, asked: Moment) -> Result<(), TestCaseError> {
    let status = match state {
        CreditLine::NotRequested => None,
        CreditLine::Requested(_) => Some(Status::Requested),
        CreditLine::Rejected(_) => Some(Status::Rejected),
        CreditLine::Open(line) if line.suspended().is_empty() => Some(Status::Active),
        CreditLine::Open(_) => Some(Status::Suspended),
        CreditLine::Closed(_) => Some(Status::Closed),
    };
    prop_assert_eq!(Some(row.status), status);
    let Ok(line) = state.owing() else { return Ok(()) };
    let minor = [line.outstanding(), line.held(), line.unapplied()].map(|money| money.minor());
    prop_assert_eq!([row.used_minor, row.held_minor, row.unapplied_minor], minor);
    prop_assert_eq!(row.policy.as_ref(), Some(line.policy()));
    prop_assert_eq!(row.group, line.group().map(|group| group.as_uuid()));
    prop_assert_eq!(row.dunning_level, i32::from(line.dunning_level()));
    let paused = line.dunning_paused().iter().map(CaseId::as_str);
    prop_assert!(row.dunning_paused_by.iter().map(String::as_str).eq(paused));
    let uses = |is_open: bool| line.uses().iter().filter(move |(_, used)| (used.outstanding_minor() > 0) == is_open);
    prop_assert_eq!((row.uses.len(), row.paid.len()), (uses(true).count(), uses(false).count()));
    for used in &row.uses {
        let known = &line.uses()[&OrderId::parse(&used.order).unwrap()];
        prop_assert_eq!((used.amount_minor, used.outstanding_minor), (known.amount_minor(), known.outstanding_minor()));
        prop_assert_eq!((used.used_on, used.due_on), (known.used_on(), known.due_on()));
    }
    prop_assert!(row.uses.is_sorted_by_key(|used| used.due_on));
    prop_assert_eq!(row.aging(asked.today), line.aging(asked.today));
    let Ok(line) = state.open() else { return Ok(()) };
    prop_assert_eq!((row.limit_minor, &row.suspended_for), (Some(line.limit().minor()), line.suspended()));
    // As it is once what is due by then is recorded.
    let settled = CreditLine::decide(state, CreditCommand::Settle { now: asked }).unwrap();
    let settled = CreditLine::fold(state.clone(), &settled);
    let (line, today) = (settled.open().unwrap(), asked.today);
    let CreditStanding { line: shown, ceiling_minor, available_minor, overdue_minor, aging, .. } =
        row.clone().at(asked, None);
    let found = [shown.held_minor, ceiling_minor, available_minor, overdue_minor];
    prop_assert_eq!(
        found,
        [line.held(), line.ceiling(today), line.available(today), line.overdue(today)].map(|money| money.minor())
    );
    prop_assert_eq!(aging, line.aging(today));
    Ok(())
}
