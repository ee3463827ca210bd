//! What happened to a line of credit, in words to whom it is of.

use super::{spoken, words};
use domain::credit::events::CreditEvent;
use domain::credit::reasons::{HoldRelease, ReleaseCause, SuspensionCause};

pub(super) fn sentence(event: &CreditEvent) -> String {
    use CreditEvent as E;
    match event {
        E::Requested { amount, .. } => format!("You asked for credit of {}", spoken(*amount)),
        E::Approved { limit, terms, .. } => {
            format!("You were given credit of {}, to be paid within {} days", spoken(*limit), terms.days())
        }
        E::Rejected { reason, .. } => format!("You were given no credit ({})", reason.as_str().replace('_', " ")),
        E::LimitChanged { from, to, .. } => {
            format!("Your credit was changed from {} to {}", spoken(*from), spoken(*to))
        }
        E::TermsChanged { to, .. } => format!("What you buy on credit is to be paid within {} days", to.days()),
        E::PolicyChanged { .. } => "The rules of your credit were changed".to_owned(),
        E::Suspended { cause, .. } => format!("Your credit was suspended ({})", cause_of(*cause)),
        E::Resumed { cause, .. } => format!("Your credit is not suspended any more ({})", cause_of(*cause)),
        E::Closed { .. } => "Your credit was closed".to_owned(),
        E::GroupJoined { .. } => "Your credit has a limit in common with others".to_owned(),
        E::GroupLeft { .. } => "Your credit has no limit in common with others any more".to_owned(),
        E::HoldPlaced { .. }
        | E::HoldReleased { .. }
        | E::Used { .. }
        | E::LimitExceeded { .. }
        | E::Released { .. }
        | E::Overdue { .. } => of_order(event),
        E::PaymentApplied { amount, payment, .. } => format!("You paid {} ({payment})", spoken(*amount)),
        E::PaymentReversed { amount, payment, .. } => {
            format!("Your payment of {} turned out to be none ({payment})", spoken(*amount))
        }
        E::UnappliedRefunded { amount, refund, .. } => format!("{} was paid back to you ({refund})", spoken(*amount)),
        E::DunningSent { overdue, .. } => format!("You were reminded that {} is overdue", spoken(*overdue)),
        E::DunningPaused { case, .. } => format!("You are not reminded while case {case} is open"),
        E::DunningResumed { case, .. } => format!("Case {case} is over, and you may be reminded again"),
        E::TemporaryGranted { case, amount, expires_on, .. } => {
            format!("Your credit is {} higher until {expires_on}, because of case {case}", spoken(*amount))
        }
        E::TemporarySettled { case, .. } => format!("Case {case} is over, and your credit is as before"),
        E::TemporaryExpired { .. } => "The time is over for which your credit was higher".to_owned(),
    }
}

const fn cause_of(cause: SuspensionCause) -> &'static str {
    match cause {
        SuspensionCause::ByHand => "somebody decided so",
        SuspensionCause::Overdue => "something is overdue",
        SuspensionCause::ReviewDue => "it is to be reviewed",
    }
}

/// What orders did with the credit.
fn of_order(event: &CreditEvent) -> String {
    use CreditEvent as E;
    match event {
        E::HoldPlaced { order, amount, .. } => format!("{} of your credit is kept for order {order}", spoken(*amount)),
        E::HoldReleased { order, amount, cause: HoldRelease::Voided, .. } => {
            format!("{} of your credit is not kept for order {order} any more", spoken(*amount))
        }
        E::HoldReleased { order, amount, cause: HoldRelease::Lapsed, .. } => {
            format!("{} of your credit had been kept for order {order} for too long", spoken(*amount))
        }
        E::Used { order, amount, due_on, .. } => {
            format!("You bought order {order} on credit for {}, to be paid by {due_on}", spoken(*amount))
        }
        E::LimitExceeded { order, amount, .. } => {
            format!("Order {order} of {} was more than your credit", spoken(*amount))
        }
        E::Released { order, amount, cause: ReleaseCause::Payment { payment }, .. } => {
            format!("{} of order {order} was paid by {payment}", spoken(*amount))
        }
        E::Released { order, amount, cause: ReleaseCause::Unapplied {}, .. } => {
            format!("{} of order {order} was paid with what you had paid before", spoken(*amount))
        }
        E::Released { order, amount, cause: ReleaseCause::Cancelled { .. }, .. } => {
            format!("{} of order {order} does not have to be paid", spoken(*amount))
        }
        E::Overdue { order, outstanding, due_on, .. } => {
            format!("{} of order {order} was not paid by {due_on}", spoken(*outstanding))
        }
        event => words(event.event_type()),
    }
}
