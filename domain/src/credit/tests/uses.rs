//! Orders that are bought on credit.

use super::*;
use crate::credit::credit_line::{USES_MAX, Verdict};
use crate::credit::reasons::Bound;

fn exceeded(order_id: &str, amount: &str, available: &str) -> CreditEvent {
    let (order, amount, available, on) = (order(order_id), eur(amount), eur(available), day("2026-01-21"));
    CreditEvent::LimitExceeded { order, amount, available, bound: Bound::Line, on }
}

#[test]
fn an_order_uses_credit_and_is_due_after_the_term() {
    let bought = used("order-1", "400.00", "2026-01-20");
    let state = given::<CreditLine>(open("1000.00")).when(buy("order-1", "400.00", "2026-01-20")).then([bought]);
    let line = line(&state);
    assert_eq!((line.outstanding(), line.available(day("2026-01-20"))), (eur("400.00"), eur("600.00")));
    assert_eq!(line.uses()[&order("order-1")].due_on(), day("2026-02-19"));
}

#[test]
fn the_same_order_is_charged_only_once() {
    let history = with(open("1000.00"), [used("order-1", "400.00", "2026-01-20")]);
    given::<CreditLine>(history.clone()).when(buy("order-1", "400.00", "2026-01-21")).then([]);
    let (order, amount) = (order("order-1"), eur("400.00"));
    given::<CreditLine>(history)
        .when(buy("order-1", "399.99", "2026-01-21"))
        .then_refused(CreditError::OrderAlreadyCharged { order, amount });
}

#[test]
fn up_to_the_limit_is_used_and_not_a_cent_more() {
    let history = with(open("1000.00"), [used("order-1", "400.00", "2026-01-20")]);
    given::<CreditLine>(history.clone()).when(buy("order-2", "600.00", "2026-01-21")).then([used(
        "order-2",
        "600.00",
        "2026-01-21",
    )]);
    given::<CreditLine>(history)
        .when(buy("order-2", "600.01", "2026-01-21"))
        .then([exceeded("order-2", "600.01", "600.00")]);
}

#[test]
fn each_try_that_does_not_fit_is_told() {
    let history = with(open("1000.00"), [exceeded("order-2", "1000.01", "1000.00")]);
    let again = given::<CreditLine>(history).when(buy("order-2", "1000.01", "2026-01-21"));
    again.then([exceeded("order-2", "1000.01", "1000.00")]);
}

#[test]
fn the_tolerance_is_part_of_what_may_be_used_and_rounds_down() {
    let policy = Policy { tolerance_percent: 3, ..Policy::default_in(code("EUR")) };
    let history = || open_with("99.99", policy.clone());
    assert_eq!(line(&given::<CreditLine>(history()).state()).ceiling(day("2026-01-21")), eur("102.98"));
    given::<CreditLine>(history()).when(buy("order-1", "102.98", "2026-01-21")).then([used(
        "order-1",
        "102.98",
        "2026-01-21",
    )]);
    given::<CreditLine>(history())
        .when(buy("order-1", "102.99", "2026-01-21"))
        .then([exceeded("order-1", "102.99", "102.98")]);
}

#[test]
fn only_amounts_of_the_currency_and_above_nothing_are_used() {
    let euros = given::<CreditLine>(open("1000.00"));
    let amount = usd("1.00");
    euros.when(buy_as(Charge { amount, ..charge("order-1", "1.00") }, "2026-01-21")).then_refused(mismatch());
    for amount in ["0.00", "-1.00"] {
        given::<CreditLine>(open("1000.00"))
            .when(buy("order-1", amount, "2026-01-21"))
            .then_refused(CreditError::AmountNotPositive { amount: eur(amount) });
    }
}

#[test]
fn nothing_is_bought_on_a_suspended_line() {
    let history = with(open("1000.00"), [suspended(SuspensionCause::ByHand, "2026-01-20")]);
    given::<CreditLine>(history)
        .when(buy("order-1", "1.00", "2026-01-21"))
        .then_refused(CreditError::Suspended { causes: vec![SuspensionCause::ByHand] });
}

#[test]
fn overdue_beyond_grace_stops_orders_and_within_it_does_not() {
    let history = || with(open("1000.00"), [used("order-1", "400.00", "2026-01-20")]);
    // Due on 2026-02-19; five days of grace.
    given::<CreditLine>(history()).when(buy("order-2", "1.00", "2026-02-24")).then([used(
        "order-2",
        "1.00",
        "2026-02-24",
    )]);
    given::<CreditLine>(history())
        .when(buy("order-2", "1.00", "2026-02-25"))
        .then_refused(CreditError::Overdue { overdue: eur("400.00") });
}

#[test]
fn a_limit_that_was_to_be_reviewed_is_not_used() {
    let policy = Policy { review_on: Some(day("2026-06-30")), ..Policy::default_in(code("EUR")) };
    given::<CreditLine>(open_with("1000.00", policy.clone())).when(buy("order-1", "1.00", "2026-06-30")).then([used(
        "order-1",
        "1.00",
        "2026-06-30",
    )]);
    given::<CreditLine>(open_with("1000.00", policy))
        .when(buy("order-1", "1.00", "2026-07-01"))
        .then_refused(CreditError::ReviewDue { review_on: day("2026-06-30") });
}

#[test]
fn who_may_lets_an_order_pass_in_spite_of_all_that_and_the_event_says_so() {
    let stopped = [suspended(SuspensionCause::ByHand, "2026-01-20")];
    for history in [open("1000.00"), with(open("9000.00"), stopped)] {
        let overridden = Some(by_who_may());
        let passed = given::<CreditLine>(history)
            .when(buy_as(Charge { overridden, ..charge("order-1", "1500.00") }, "2026-01-21"))
            .then([released_by_hand(used("order-1", "1500.00", "2026-01-21"))]);
        assert_eq!(line(&passed).outstanding(), eur("1500.00"));
    }
    // Where nothing stops it, nobody lets it pass.
    let overridden = Some(by_who_may());
    given::<CreditLine>(open("1000.00"))
        .when(buy_as(Charge { overridden: overridden.clone(), ..charge("order-1", "1.00") }, "2026-01-21"))
        .then([used("order-1", "1.00", "2026-01-21")]);
    let nothing = given::<CreditLine>(open("1000.00"));
    nothing
        .when(buy_as(Charge { overridden, ..charge("order-1", "0.00") }, "2026-01-21"))
        .then_refused(CreditError::AmountNotPositive { amount: eur("0.00") });
}

fn released_by_hand(mut event: CreditEvent) -> CreditEvent {
    if let CreditEvent::Used { overridden, .. } = &mut event {
        *overridden = Some(by_who_may());
    }
    event
}

#[test]
fn a_verdict_tells_what_would_come_of_an_order_once_what_is_due_has_lapsed() {
    let history = with(open("1000.00"), [placed(1, "order-1", "400.00", "2026-01-20T12:00:00Z")]);
    let state = given::<CreditLine>(history).state();
    let asked = |amount, at| state.verdict(eur(amount), None, moment(at));
    let exceeds = Verdict::Exceeds { available: eur("600.00"), bound: Bound::Line };
    assert_eq!(asked("600.00", "2026-01-21T12:00:00Z"), Verdict::Passes);
    assert_eq!(asked("600.01", "2026-01-27T11:59:59Z"), exceeds);
    assert_eq!(asked("1000.00", "2026-01-27T12:00:00Z"), Verdict::Passes);
    let none = given::<CreditLine>([]).state();
    assert_eq!(none.verdict(eur("1.00"), None, noon("2026-01-21")), Verdict::Refused(CreditError::NotRequested));
}

#[test]
fn of_a_group_it_takes_no_more_than_is_left_there() {
    let joined = CreditEvent::GroupJoined { group: group(1), on: day("2026-01-10") };
    let history = || with(open("1000.00"), [joined.clone()]);
    let asked = |group_available: Option<&str>, amount| {
        buy_as(Charge { group_available: group_available.map(eur), ..charge("order-1", amount) }, "2026-01-21")
    };
    let of_group = |amount, available| {
        let (order, amount, available, on) = (order("order-1"), eur(amount), eur(available), day("2026-01-21"));
        CreditEvent::LimitExceeded { order, amount, available, bound: Bound::Group, on }
    };
    let bought = used("order-1", "300.00", "2026-01-21");
    given::<CreditLine>(history()).when(asked(Some("300.00"), "300.00")).then([bought]);
    given::<CreditLine>(history()).when(asked(Some("300.00"), "300.01")).then([of_group("300.01", "300.00")]);
    given::<CreditLine>(history()).when(asked(Some("-5.00"), "1.00")).then([of_group("1.00", "0.00")]);
    given::<CreditLine>(history()).when(asked(None, "1.00")).then([of_group("1.00", "0.00")]);
    let own = given::<CreditLine>(history()).when(asked(Some("9000.00"), "1000.01"));
    own.then([exceeded("order-1", "1000.01", "1000.00")]);
    // Money that came in before is the customer's own.
    let paid = with(history(), [received("payment-1", "50.00", "50.00", "2026-01-20")]);
    let bought =
        [used("order-1", "350.00", "2026-01-21"), paid_from_unapplied("order-1", "50.00", "300.00", "2026-01-21")];
    given::<CreditLine>(paid).when(asked(Some("300.00"), "350.00")).then(bought);
}

#[test]
fn a_line_is_of_one_group_at_most() {
    let now = noon("2026-01-21");
    let join = |number| CreditCommand::JoinGroup { group: group(number), now };
    let leave = |number| CreditCommand::LeaveGroup { group: group(number), now };
    let joined = CreditEvent::GroupJoined { group: group(1), on: now.today };
    let left = CreditEvent::GroupLeft { group: group(1), on: now.today };
    let member = with(open("1000.00"), [joined.clone()]);
    given::<CreditLine>(open("1000.00")).when(join(1)).then([joined]);
    given::<CreditLine>(member.clone()).when(join(1)).then([]);
    given::<CreditLine>(member.clone()).when(join(2)).then_refused(CreditError::InGroup { group: group(1) });
    given::<CreditLine>(member.clone()).when(leave(2)).then_refused(CreditError::InGroup { group: group(1) });
    let state = given::<CreditLine>(member).when(leave(1)).then([left]);
    assert_eq!(line(&state).group(), None);
    given::<CreditLine>(open("1000.00")).when(leave(1)).then([]);
}

#[test]
fn a_line_has_so_many_orders_at_once_that_are_not_paid() {
    let many = |count| (1..=count).map(|number| used(&format!("order-{number}"), "0.01", "2026-01-20"));
    let bought = [used("another", "0.01", "2026-01-21")];
    given::<CreditLine>(with(open("1000.00"), many(USES_MAX - 1)))
        .when(buy("another", "0.01", "2026-01-21"))
        .then(bought);
    given::<CreditLine>(with(open("1000.00"), many(USES_MAX)))
        .when(buy("another", "0.01", "2026-01-21"))
        .then_refused(CreditError::TooManyUses { limit: USES_MAX });
    let held = |count| with(open("1000.00"), many(count).chain([placed(1, "held", "0.01", "2026-01-20T12:00:00Z")]));
    let hold = authorise(2, "another", "0.01", "2026-01-21T12:00:00Z");
    for one_more in [hold.clone(), buy("another", "0.01", "2026-01-21")] {
        given::<CreditLine>(held(USES_MAX - 1))
            .when(one_more)
            .then_refused(CreditError::TooManyUses { limit: USES_MAX });
    }
    given::<CreditLine>(held(USES_MAX - 2)).when(hold).then([placed(2, "another", "0.01", "2026-01-21T12:00:00Z")]);
    let mut captured = used("held", "0.01", "2026-01-21");
    if let CreditEvent::Used { hold: by, .. } = &mut captured {
        *by = Some(super::hold(1));
    }
    given::<CreditLine>(held(USES_MAX)).when(capture(1, "held", "0.01", "2026-01-21T12:00:00Z")).then([captured]);
}

#[test]
fn what_is_paid_is_forgotten_after_two_years_and_what_is_owed_never() {
    let paid = [
        used("order-1", "400.00", "2026-01-20"),
        used("order-2", "10.00", "2026-01-20"),
        received("payment-1", "400.00", "0.00", "2026-02-01"),
        paid_by("payment-1", "order-1", "400.00", "0.00", "2026-02-01"),
    ];
    let known = |today| {
        let later = CreditEvent::DunningPaused { case: case("case-1"), on: day(today) };
        let state = given::<CreditLine>(with(with(open("1000.00"), paid.clone()), [later])).state();
        (line(&state).uses().len(), line(&state).payments().len(), line(&state).outstanding())
    };
    assert_eq!(known("2028-01-31"), (2, 1, eur("10.00")));
    assert_eq!(known("2028-02-01"), (1, 0, eur("10.00")));
}

#[test]
fn a_payment_that_bounces_on_the_day_it_would_be_forgotten_leaves_its_order_open() {
    let paid = [
        used("order-1", "400.00", "2026-01-20"),
        received("payment-1", "400.00", "0.00", "2026-02-01"),
        paid_by("payment-1", "order-1", "400.00", "0.00", "2026-02-01"),
    ];
    let reverse = CreditCommand::ReversePayment {
        payment: payment("payment-1"),
        reason: reason("bounced"),
        now: noon("2028-02-01"),
    };
    let state = given::<CreditLine>(with(open("1000.00"), paid)).state();
    let events = CreditLine::decide(&state, reverse).unwrap();
    assert_eq!(line(&CreditLine::fold(state, &events)).outstanding(), eur("400.00"));
}
