//! Limits, terms, suspensions, and the end of a line.

use super::*;

fn change_limit(limit: Money) -> CreditCommand {
    let (reason, changed_by, note) = (reason("review"), actor("key:2"), CreditNote::default());
    CreditCommand::ChangeLimit { limit, reason, changed_by, note, now: noon("2026-02-01") }
}

fn limit_changed(from: &str, to: &str) -> CreditEvent {
    CreditEvent::LimitChanged {
        from: eur(from),
        to: eur(to),
        reason: reason("review"),
        changed_by: actor("key:2"),
        on: day("2026-02-01"),
        personal: note(),
    }
}

fn change_terms(days_now: u16) -> CreditCommand {
    let (reason, note) = (reason("review"), CreditNote::default());
    CreditCommand::ChangeTerms { terms: days(days_now), reason, note, now: noon("2026-02-01") }
}

fn suspend() -> CreditCommand {
    CreditCommand::Suspend { note: CreditNote::default(), now: noon("2026-02-01") }
}

fn resume(cause: SuspensionCause) -> CreditCommand {
    CreditCommand::Resume { cause, resumed_by: actor("key:3"), note: CreditNote::default(), now: noon("2026-02-01") }
}

fn resumed_by_hand(cause: SuspensionCause) -> CreditEvent {
    CreditEvent::Resumed { cause, resumed_by: Some(actor("key:3")), on: day("2026-02-01"), personal: note() }
}

fn close() -> CreditCommand {
    CreditCommand::Close { reason: reason("moved"), note: CreditNote::default(), now: noon("2026-02-01") }
}

#[test]
fn a_limit_below_what_is_used_stops_new_uses_until_enough_is_paid() {
    let history = with(open("1000.00"), [used("order-1", "800.00", "2026-01-20")]);
    let state =
        given::<CreditLine>(history).when(change_limit(eur("500.00"))).then([limit_changed("1000.00", "500.00")]);
    assert_eq!(line(&state).available(day("2026-02-01")), eur("-300.00"));
    let told = CreditLine::decide(&state, buy("order-2", "1.00", "2026-02-02")).unwrap();
    assert!(matches!(told[..], [CreditEvent::LimitExceeded { available, .. }] if available == eur("0.00")));
    given::<CreditLine>(open("1000.00")).when(change_limit(eur("1000.00"))).then([]);
    given::<CreditLine>(open("1000.00"))
        .when(change_limit(eur("0.00")))
        .then_refused(CreditError::LimitNotPositive { limit: eur("0.00") });
    given::<CreditLine>(open("1000.00")).when(change_limit(usd("1.00"))).then_refused(mismatch());
}

#[test]
fn other_terms_hold_for_what_is_bought_from_then_on() {
    let (from, to, reason, on) = (days(30), days(60), reason("review"), day("2026-02-01"));
    let changed = CreditEvent::TermsChanged { from, to, reason, on, personal: note() };
    let history = with(open("1000.00"), [used("order-1", "1.00", "2026-01-20")]);
    let state = given::<CreditLine>(history).when(change_terms(60)).then([changed]);
    let told = CreditLine::decide(&state, buy("order-2", "1.00", "2026-02-01")).unwrap();
    assert!(matches!(told[..], [CreditEvent::Used { due_on, .. }] if due_on == day("2026-04-02")));
    assert_eq!(line(&state).uses()[&order("order-1")].due_on(), day("2026-02-19"));
    given::<CreditLine>(open("1000.00")).when(change_terms(30)).then([]);
}

#[test]
fn a_line_is_suspended_and_resumed_once() {
    let by_hand = SuspensionCause::ByHand;
    given::<CreditLine>(open("1000.00")).when(suspend()).then([suspended(by_hand, "2026-02-01")]);
    let stopped = with(open("1000.00"), [suspended(by_hand, "2026-02-01")]);
    given::<CreditLine>(stopped.clone()).when(suspend()).then([]);
    let state = given::<CreditLine>(stopped).when(resume(by_hand)).then([resumed_by_hand(by_hand)]);
    assert!(line(&state).suspended().is_empty());
    given::<CreditLine>(open("1000.00")).when(resume(by_hand)).then([]);
}

#[test]
fn each_cause_of_a_suspension_ends_for_itself() {
    let causes = [SuspensionCause::ByHand, SuspensionCause::Overdue].map(|cause| suspended(cause, "2026-02-01"));
    let state = given::<CreditLine>(with(open("1000.00"), causes))
        .when(resume(SuspensionCause::ByHand))
        .then([resumed_by_hand(SuspensionCause::ByHand)]);
    assert!(line(&state).suspended().iter().eq(&[SuspensionCause::Overdue]));
}

#[test]
fn a_suspension_for_a_review_ends_with_the_review() {
    let review = SuspensionCause::ReviewDue;
    let policy = Policy { review_on: Some(day("2026-01-15")), ..Policy::default_in(code("EUR")) };
    let history = || open_with("1000.00", policy.clone());
    given::<CreditLine>(history()).when(note_overdue("2026-01-15")).then([]);
    given::<CreditLine>(history()).when(note_overdue("2026-02-01")).then([suspended(review, "2026-02-01")]);
    let stopped = || with(history(), [suspended(review, "2026-02-01")]);
    given::<CreditLine>(stopped()).when(note_overdue("2026-02-02")).then([]);
    given::<CreditLine>(stopped()).when(resume(review)).then_refused(CreditError::ReviewFirst);
    let policy = Policy { review_on: Some(day("2027-01-15")), ..policy.clone() };
    let reviewed = CreditCommand::ChangePolicy { policy: Box::new(policy.clone()), now: noon("2026-02-01") };
    given::<CreditLine>(stopped())
        .when(reviewed)
        .then([CreditEvent::PolicyChanged { policy, on: day("2026-02-01") }, resumed(review, "2026-02-01")]);
}

#[test]
fn a_line_is_closed_once_and_only_when_nothing_is_left_on_it() {
    let closed = CreditEvent::Closed { reason: reason("moved"), on: day("2026-02-01"), personal: note() };
    let stopped = with(open("1000.00"), [suspended(SuspensionCause::ByHand, "2026-01-20")]);
    given::<CreditLine>(stopped).when(close()).then([closed.clone()]);
    given::<CreditLine>(with(open("1000.00"), [closed])).when(close()).then([]);
    let left = |[outstanding, held, temporary, unapplied]: [&str; 4]| CreditError::StillInUse {
        outstanding: eur(outstanding),
        held: eur(held),
        temporary: eur(temporary),
        unapplied: eur(unapplied),
    };
    for (event, left) in [
        (used("order-1", "1.00", "2026-01-20"), left(["1.00", "0.00", "0.00", "0.00"])),
        (placed(1, "order-1", "2.00", "2026-01-30T12:00:00Z"), left(["0.00", "2.00", "0.00", "0.00"])),
        (granted("case-1", "3.00", "2026-03-01", "2026-01-20"), left(["0.00", "0.00", "3.00", "0.00"])),
        (received("payment-1", "4.00", "4.00", "2026-01-20"), left(["0.00", "0.00", "0.00", "4.00"])),
    ] {
        given::<CreditLine>(with(open("1000.00"), [event])).when(close()).then_refused(left);
    }
    let joined = CreditEvent::GroupJoined { group: group(1), on: day("2026-01-20") };
    given::<CreditLine>(with(open("1000.00"), [joined]))
        .when(close())
        .then_refused(CreditError::InGroup { group: group(1) });
    given::<CreditLine>([]).when(close()).then_refused(CreditError::NotRequested);
}
