//! What holds whatever is asked, in whatever order, on dates that may go back.

use proptest::prelude::*;

use super::*;
use crate::credit::policy::Counts;
use crate::credit::reasons::RejectReason;

proptest! {
    #[test]
    fn any_history_keeps_the_rules(
        begun in prop::sample::select(vec![open("1000.00"), closed_after_payments()]),
        commands in prop::collection::vec(any_command(), 0..80),
    ) {
        let mut state = given::<CreditLine>(begun).state();
        for command in commands {
            let Ok(events) = CreditLine::decide(&state, command.clone()) else { continue };
            let before = state.clone();
            for event in &events {
                state = checked(state, event)?;
            }
            is_within_bounds(&state, &command, &events)?;
            adds_up(&before, &events)?;
            // What is forgotten by then is the log's to know.
            let is_remembered = command.now().today < day("2028-01-10");
            let is_told_anew = events.iter().any(|event| matches!(event, CreditEvent::LimitExceeded { .. }));
            if is_remembered && !is_told_anew {
                prop_assert_eq!(CreditLine::decide(&state, command), Ok(vec![]), "decided twice");
            }
        }
    }

    /// What is owed on a line that was closed is owed on, whatever is asked for, given and not given since.
    #[test]
    fn what_is_owed_outlives_the_line(commands in prop::collection::vec(any_command(), 0..80)) {
        let mut state = given::<CreditLine>(closed_after_payments()).state();
        for command in commands {
            for event in CreditLine::decide(&state, command).unwrap_or_default() {
                let owed = |state: &CreditLine| {
                    let line = state.owing().unwrap();
                    (line.outstanding().minor(), line.unapplied().minor(), line.dunning_level())
                };
                let before = owed(&state);
                state = CreditLine::evolve(state, &event);
                if matches!(event, CreditEvent::Requested { .. } | CreditEvent::Approved { .. } | CreditEvent::Rejected { .. }) {
                    prop_assert_eq!(owed(&state), before, "{:?}", event);
                }
            }
        }
    }

    /// Where nobody overrides, lowers a limit, changes rules, takes payments back or pays out, no more is ever taken than may be.
    #[test]
    fn used_and_held_never_exceed_what_may_be(commands in prop::collection::vec(any_command(), 0..80)) {
        let policy = Policy { tolerance_percent: 7, ..lenient() };
        let mut state = given::<CreditLine>(open_with("1000.00", policy)).state();
        for command in commands.into_iter().filter(keeps_the_ceiling) {
            let events = CreditLine::decide(&state, command.clone()).unwrap_or_default();
            state = CreditLine::fold(state, &events);
            let line = line(&state);
            let taken = line.outstanding().minor() + line.held().minor();
            prop_assert!(taken <= 107_000 + line.unapplied().minor(), "{} is taken", taken);
        }
    }

    /// What a command makes happen does not depend on when a job let lapse and expire what was due.
    #[test]
    fn is_the_same_however_late_the_job_ran(
        commands in prop::collection::vec(any_command(), 1..40),
        jobs in prop::collection::vec(any_moment(), 0..20),
    ) {
        let jobs = jobs.into_iter().map(|now| CreditCommand::Settle { now });
        let punctual = told(in_time(commands.iter().cloned().chain(jobs).collect()));
        prop_assert_eq!(punctual, told(in_time(commands)));
    }

    /// What is not named goes to the oldest due first, however it is paid.
    #[test]
    fn money_pays_the_oldest_due_first(commands in prop::collection::vec(any_command(), 0..80), minor in 1_i64..90_000) {
        let mut state = given::<CreditLine>(open_with("9000.00", lenient())).state();
        for command in commands {
            let events = CreditLine::decide(&state, command).unwrap_or_default();
            state = CreditLine::fold(state, &events);
        }
        let Ok(line) = state.owing() else { return Ok(()) };
        let mut owed: Vec<_> = line.uses().iter().filter(|(_, used)| used.outstanding_minor() > 0).collect();
        owed.sort_by_key(|(_, used)| used.due_on());
        let now = noon("2027-06-01");
        let (payment, amount) = (payment("last"), Money::from_minor(minor, code("EUR")).unwrap());
        let last = CreditCommand::ApplyPayment { payment, amount, orders: vec![], received_on: now.today, now };
        let events = CreditLine::decide(&state, last).unwrap();
        let paid: Vec<_> = events.iter().filter_map(paid_order).collect();
        let mut due = owed.iter().map(|(_, used)| used.due_on());
        prop_assert!(paid.iter().all(|(order, _)| due.next() == Some(line.uses()[*order].due_on())));
        let whole = paid.len().saturating_sub(1);
        prop_assert!(paid[..whole].iter().all(|(_, outstanding)| outstanding.is_zero()), "paid in part before the last");
        let all: i64 = owed.iter().map(|(_, used)| used.outstanding_minor()).sum();
        prop_assert!(paid.len() == owed.len() || minor < all, "something is owed and money is left");
    }
}

/// Two orders, each paid by a payment that may bounce, and closed.
fn closed_after_payments() -> Vec<CreditEvent> {
    with(
        open("1000.00"),
        [
            used("order-1", "300.00", "2026-01-10"),
            received("payment-1", "350.00", "50.00", "2026-01-10"),
            paid_by("payment-1", "order-1", "300.00", "0.00", "2026-01-10"),
            used("order-2", "50.00", "2026-01-10"),
            paid_from_unapplied("order-2", "50.00", "0.00", "2026-01-10"),
            CreditEvent::Closed { reason: reason("moved"), on: day("2026-01-10"), personal: note() },
        ],
    )
}

fn paid_order(event: &CreditEvent) -> Option<(&OrderId, Money)> {
    match event {
        CreditEvent::Released { order, outstanding, .. } => Some((order, *outstanding)),
        _ => None,
    }
}

/// Evolves by one event and checks what must hold after each.
fn checked(state: CreditLine, event: &CreditEvent) -> Result<CreditLine, TestCaseError> {
    let before = state.clone();
    let state = CreditLine::evolve(state, event);
    let (Ok(before), Ok(after)) = (before.owing(), state.owing()) else { return Ok(state) };
    let owed = |line: &Line| line.outstanding().minor() - line.unapplied().minor();
    prop_assert_eq!(owed(after) - owed(before), moved(event), "{:?}", event);
    prop_assert_eq!(after.held().minor() - before.held().minor(), held(before, event), "{:?}", event);
    let paid_out = if matches!(event, CreditEvent::PaymentReversed { .. }) { before.refunded() } else { 0 };
    let least = before.unapplied().minor().min(-paid_out);
    prop_assert!(
        after.unapplied().minor() >= least,
        "more is gone of what was unapplied than there was, or was paid out"
    );
    let is_sound = |line: &Line| {
        let mut uses = line.uses().values();
        uses.all(|used| used.outstanding_minor() >= 0 && used.outstanding_minor() <= used.amount_minor())
    };
    prop_assert!(is_sound(after), "more is outstanding than was used, or less than nothing");
    prop_assert!(after.holds().is_sorted_by_key(|hold| (hold.lapses.at, hold.id)));
    Ok(state)
}

/// What an event adds to what the customer owes in all: what is outstanding, less what came in and paid nothing yet.
fn moved(event: &CreditEvent) -> i64 {
    match event {
        CreditEvent::Used { amount, .. } => amount.minor(),
        CreditEvent::PaymentApplied { unapplied, .. } => -unapplied.minor(),
        CreditEvent::Released { amount, cause, .. } => match cause {
            ReleaseCause::Payment { .. } | ReleaseCause::Cancelled { .. } => -amount.minor(),
            ReleaseCause::Unapplied {} => 0,
        },
        CreditEvent::PaymentReversed { amount, .. } | CreditEvent::UnappliedRefunded { amount, .. } => amount.minor(),
        _ => 0,
    }
}

fn held(before: &Line, event: &CreditEvent) -> i64 {
    match event {
        CreditEvent::HoldPlaced { amount, .. } => amount.minor(),
        CreditEvent::HoldReleased { amount, .. } => -amount.minor(),
        CreditEvent::Used { hold: Some(id), .. } => {
            before.holds().iter().filter(|hold| hold.id == *id).map(|hold| -hold.amount_minor).sum()
        }
        _ => 0,
    }
}

/// What was bought or promised by itself fits, and the line that allowed it was in order.
fn is_within_bounds(state: &CreditLine, command: &CreditCommand, events: &[CreditEvent]) -> Result<(), TestCaseError> {
    let is_own = |event: &CreditEvent| match event {
        CreditEvent::Used { hold, overridden, .. } => hold.is_none() && overridden.is_none(),
        CreditEvent::HoldPlaced { overridden, .. } => overridden.is_none(),
        _ => false,
    };
    if events.iter().any(is_own) {
        let (line, today) = (line(state), command.now().today);
        prop_assert!(line.available(today).minor() >= 0, "more was taken than there was");
        prop_assert!(line.suspended().is_empty());
    }
    Ok(())
}

/// A payment is what it pays and what is kept of it; taken back, it is what is owed again and what is gone of what was kept.
fn adds_up(before: &CreditLine, events: &[CreditEvent]) -> Result<(), TestCaseError> {
    for event in events {
        match event {
            CreditEvent::PaymentApplied { payment, amount, unapplied, .. } => {
                let paid = events.iter().filter_map(|event| match event {
                    CreditEvent::Released { amount, cause: ReleaseCause::Payment { payment: by }, .. } => {
                        Some((by, amount.minor()))
                    }
                    _ => None,
                });
                let (by, paid): (Vec<_>, Vec<_>) = paid.unzip();
                prop_assert!(by.iter().all(|by| *by == payment));
                prop_assert_eq!(amount.minor(), unapplied.minor() + paid.iter().sum::<i64>());
            }
            CreditEvent::PaymentReversed { payment, amount, restored, from_unapplied, .. } => {
                let restored: i64 = restored.iter().map(|restored| restored.amount.minor()).sum();
                prop_assert_eq!(amount.minor(), restored + from_unapplied.minor());
                prop_assert_eq!(before.owing().unwrap().payments()[payment].amount_minor(), amount.minor());
            }
            _ => {}
        }
    }
    Ok(())
}

const fn keeps_the_ceiling(command: &CreditCommand) -> bool {
    use CreditCommand as C;
    match command {
        C::Use { charge, .. } | C::Authorise { charge, .. } => charge.overridden.is_none(),
        C::ChangeLimit { .. }
        | C::ChangePolicy { .. }
        | C::ReversePayment { .. }
        | C::RefundUnapplied { .. }
        | C::GrantTemporary { .. }
        | C::Close { .. } => false,
        _ => true,
    }
}

/// Rules that let orders pass that others would stop, so that more happens.
fn lenient() -> Policy {
    let mut policy = Policy { suspend_when_overdue: false, ..Policy::default_in(code("EUR")) };
    policy.overdue_block.grace_days = 365;
    policy
}

/// In the order in which they are asked; the job's turn comes before what is asked at the same moment.
fn in_time(mut commands: Vec<CreditCommand>) -> Vec<CreditCommand> {
    commands.sort_by_key(|command| (command.now(), !matches!(command, CreditCommand::Settle { .. })));
    commands
}

/// What each command but the job's made happen beside what was due.
fn told(commands: Vec<CreditCommand>) -> Vec<Result<Vec<CreditEvent>, CreditError>> {
    let mut state = given::<CreditLine>(open("1000.00")).state();
    let mut told = vec![];
    for command in commands {
        let is_job = matches!(command, CreditCommand::Settle { .. });
        let decided = CreditLine::decide(&state, command);
        state = CreditLine::fold(state, decided.as_deref().unwrap_or_default());
        if !is_job {
            told.push(decided.map(|events| events.into_iter().filter(|event| !was_due(event)).collect()));
        }
    }
    told
}

const fn was_due(event: &CreditEvent) -> bool {
    let is_lapsed = matches!(event, CreditEvent::HoldReleased { cause: HoldRelease::Lapsed, .. });
    is_lapsed || matches!(event, CreditEvent::TemporaryExpired { .. })
}

fn any_moment() -> impl Strategy<Value = Moment> + Clone {
    let first = noon("2026-01-10").at;
    // Within some months, so that much becomes overdue, or within years, so that some of it is forgotten.
    let hours = prop_oneof![9 => 0_i64..24 * 250, 1 => 24 * 600..24 * 1_200_i64];
    hours.prop_map(move |hours| utc(first + chrono::TimeDelta::hours(hours)))
}

fn any_amount() -> impl Strategy<Value = Money> + Clone {
    (1_i64..60_000).prop_map(|minor| Money::from_minor(minor, code("EUR")).unwrap())
}

fn any_order() -> impl Strategy<Value = OrderId> + Clone {
    (1..10).prop_map(|number| order(&format!("order-{number}")))
}

/// Anything that may be asked of a line, of few orders, payments and cases, so that they meet.
pub(crate) fn any_command() -> impl Strategy<Value = CreditCommand> {
    prop_oneof![12 => any_charge(), 8 => any_money(), 4 => any_decision(), 4 => any_case()]
}

fn any_charge() -> impl Strategy<Value = CreditCommand> {
    let overridden = prop::option::weighted(0.1, Just(by_who_may()));
    let asked = (any_order(), any_amount(), overridden).prop_map(|(order, amount, overridden)| Charge {
        order,
        amount,
        overridden,
        group_available: None,
    });
    let buy = (asked, any_moment()).prop_map(|(charge, now)| CreditCommand::Use { charge, invoice: None, now });
    // An id of its own for each order: two holds never have the same.
    let authorise = (1_u128..10, any_amount(), any_moment()).prop_map(|(number, amount, now)| {
        let charge = Charge { amount, ..super::charge(&format!("order-{number}"), "1.00") };
        CreditCommand::Authorise { hold: hold(number), charge, lapses: lapses(now), now }
    });
    let capture = (1_u128..10, any_amount(), any_moment()).prop_map(|(number, amount, now)| {
        let order = order(&format!("order-{number}"));
        CreditCommand::Capture { hold: hold(number), order, amount, invoice: None, now }
    });
    let void = (1_u128..10, any_moment()).prop_map(|(number, now)| CreditCommand::Void { hold: hold(number), now });
    prop_oneof![5 => buy, 3 => authorise, 3 => capture, 1 => void]
}

fn any_money() -> impl Strategy<Value = CreditCommand> {
    let payment = (1..6).prop_map(|number| payment(&format!("payment-{number}")));
    let named = prop::collection::vec(any_order(), 0..3);
    let named = prop_oneof![2 => Just(vec![]), 1 => named];
    let pay =
        (payment.clone(), any_amount(), named.clone(), any_moment()).prop_map(|(payment, amount, orders, now)| {
            CreditCommand::ApplyPayment { payment, amount, orders, received_on: now.today, now }
        });
    let reverse = (payment, any_moment()).prop_map(|(payment, now)| CreditCommand::ReversePayment {
        payment,
        reason: reason("bounced"),
        now,
    });
    let unapplied = (named, any_moment()).prop_map(|(orders, now)| CreditCommand::ApplyUnapplied { orders, now });
    let release = (1..5, any_order(), any_amount(), any_moment()).prop_map(|(number, order, amount, now)| {
        let release = release_id(&format!("return-{number}"));
        CreditCommand::Release { release, order, amount, reason: reason("returned"), now }
    });
    let refund = (1..4, any_amount(), any_moment()).prop_map(|(number, amount, now)| {
        let refund = refund_id(&format!("refund-{number}"));
        CreditCommand::RefundUnapplied { refund, amount, reason: reason("overpaid"), now }
    });
    prop_oneof![4 => pay, 2 => reverse, 1 => unapplied, 3 => release, 2 => refund]
}

fn any_decision() -> impl Strategy<Value = CreditCommand> {
    let policies = [Policy::default_in(code("EUR")), lenient(), Policy { counts: Counts::Invoices, ..lenient() }];
    let choice = (0..10, any_amount(), prop::sample::select(policies.to_vec()), any_moment());
    choice.prop_map(|(which, amount, policy, now)| {
        let (note, reason, by) = (CreditNote::default(), reason("review"), actor("key:2"));
        match which {
            0 => CreditCommand::ChangeLimit { limit: amount, reason, changed_by: by, note, now },
            1 => CreditCommand::ChangeTerms { terms: days(14), reason, note, now },
            2 => CreditCommand::ChangePolicy { policy: Box::new(policy), now },
            3 => CreditCommand::Suspend { note, now },
            4 => CreditCommand::Resume { cause: SuspensionCause::ByHand, resumed_by: by, note, now },
            5 => CreditCommand::Resume { cause: SuspensionCause::Overdue, resumed_by: by, note, now },
            6 => CreditCommand::Close { reason, note, now },
            7 => {
                let (customer, requested_by, financials) = (customer(), actor("key:1"), Box::new(financials()));
                CreditCommand::Request { customer, amount, requested_by, financials, now }
            }
            8 => {
                let (terms, policy) = (days(30), Box::new(policy));
                CreditCommand::Approve { limit: amount, terms, policy, approved_by: by, note, now }
            }
            _ => CreditCommand::Reject { reason: RejectReason::Other, rejected_by: by, note, now },
        }
    })
}

fn any_case() -> impl Strategy<Value = CreditCommand> {
    (0..7, 1..4, any_amount(), any_moment()).prop_map(|(which, number, amount, now)| {
        let case = case(&format!("case-{number}"));
        match which {
            0 => CreditCommand::GrantTemporary { case, amount, expires_on: now.today + Days::new(20), now },
            1 => CreditCommand::SettleTemporary { case, now },
            2 => CreditCommand::PauseDunning { case, now },
            3 => CreditCommand::ResumeDunning { case, now },
            4 => CreditCommand::NoteOverdue { now },
            5 => CreditCommand::Settle { now },
            _ => CreditCommand::Dun { now },
        }
    })
}
