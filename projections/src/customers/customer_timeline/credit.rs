//! What a person at the desk needs to know of what happened to a line of credit.

use chrono::NaiveDate;
use domain::Money;
use domain::credit::events::CreditEvent;
use domain::credit::reasons::ReleaseCause;
use serde_json::{Value, json};

/// The facts of an event; what it does not say is null.
pub(super) fn facts(event: &CreditEvent) -> Value {
    use CreditEvent as E;
    match event {
        E::HoldPlaced { .. }
        | E::HoldReleased { .. }
        | E::Used { .. }
        | E::LimitExceeded { .. }
        | E::Released { .. }
        | E::Overdue { .. } => of_order(event),
        E::PaymentApplied { .. } | E::PaymentReversed { .. } | E::UnappliedRefunded { .. } => of_payment(event),
        E::DunningSent { level, channels, overdue, oldest_due_on, on } => json!({
            "level": level, "channels": channels, "overdue": overdue.amount(), "currency": overdue.currency(),
            "oldest_due_on": oldest_due_on, "on": on,
        }),
        E::DunningPaused { case, on }
        | E::DunningResumed { case, on }
        | E::TemporarySettled { case, on }
        | E::TemporaryExpired { case, on } => json!({"case_id": case, "on": on}),
        E::TemporaryGranted { case, amount, expires_on, on } => json!({
            "case_id": case, "amount": amount.amount(), "currency": amount.currency(), "expires_on": expires_on, "on": on,
        }),
        E::GroupJoined { group, on } | E::GroupLeft { group, on } => json!({"group_id": group, "on": on}),
        E::Requested { .. }
        | E::Approved { .. }
        | E::Rejected { .. }
        | E::LimitChanged { .. }
        | E::TermsChanged { .. }
        | E::PolicyChanged { .. }
        | E::Suspended { .. }
        | E::Resumed { .. }
        | E::Closed { .. } => of_standing(event),
    }
}

/// What was decided about the line; all others say nothing of it.
fn of_standing(event: &CreditEvent) -> Value {
    use CreditEvent as E;
    match event {
        E::Requested { customer: _, amount, requested_by, on, personal: _ } => json!({
            "amount": amount.amount(), "currency": amount.currency(), "requested_by": requested_by, "on": on,
        }),
        E::Approved { limit, terms, policy: _, approved_by, on, personal: _ } => json!({
            "limit": limit.amount(), "currency": limit.currency(), "days": terms.days(), "approved_by": approved_by,
            "on": on,
        }),
        E::Rejected { reason, rejected_by, on, personal: _ } => {
            json!({"reason": reason, "rejected_by": rejected_by, "on": on})
        }
        E::LimitChanged { from, to, reason, changed_by, on, personal: _ } => json!({
            "from": from.amount(), "to": to.amount(), "currency": to.currency(), "reason": reason,
            "changed_by": changed_by, "on": on,
        }),
        E::TermsChanged { from, to, reason, on, personal: _ } => {
            json!({"from": from.days(), "to": to.days(), "reason": reason, "on": on})
        }
        E::PolicyChanged { policy: _, on } => json!({"on": on}),
        E::Suspended { cause, on, personal: _ } => json!({"cause": cause, "on": on}),
        E::Resumed { cause, resumed_by, on, personal: _ } => {
            json!({"cause": cause, "resumed_by": resumed_by, "on": on})
        }
        E::Closed { reason, on, personal: _ } => json!({"reason": reason, "on": on}),
        _ => json!({}),
    }
}

/// What orders did with the credit; all others say nothing of it.
fn of_order(event: &CreditEvent) -> Value {
    use CreditEvent as E;
    match event {
        E::HoldPlaced { hold, order, amount, on, lapses_at, lapses_on: _, overridden } => json!({
            "hold_id": hold, "order_id": order, "amount": amount.amount(), "currency": amount.currency(),
            "lapses_at": lapses_at, "override": overridden, "on": on,
        }),
        E::HoldReleased { hold, order, amount, cause, on } => json!({
            "hold_id": hold, "order_id": order, "amount": amount.amount(), "currency": amount.currency(),
            "cause": cause, "on": on,
        }),
        E::Used { order, amount, hold, invoice, on, due_on, overridden } => json!({
            "order_id": order, "amount": amount.amount(), "currency": amount.currency(), "hold_id": hold,
            "invoice_id": invoice, "due_on": due_on, "override": overridden, "on": on,
        }),
        E::LimitExceeded { order, amount, available, bound, on } => json!({
            "order_id": order, "amount": amount.amount(), "available": available.amount(),
            "currency": amount.currency(), "bound": bound, "on": on,
        }),
        E::Released { order, amount, outstanding, cause, on } => {
            released(order.as_str(), *amount, *outstanding, cause, *on)
        }
        E::Overdue { order, outstanding, due_on, on } => json!({
            "order_id": order, "outstanding": outstanding.amount(), "currency": outstanding.currency(),
            "due_on": due_on, "on": on,
        }),
        _ => json!({}),
    }
}

fn released(order: &str, amount: Money, outstanding: Money, cause: &ReleaseCause, on: NaiveDate) -> Value {
    let (payment, release, reason, unapplied) = match cause {
        ReleaseCause::Payment { payment } => (Some(payment), None, None, None),
        ReleaseCause::Unapplied {} => (None, None, None, None),
        ReleaseCause::Cancelled { release, reason, unapplied } => {
            (None, Some(release), Some(reason), Some(unapplied.amount()))
        }
    };
    json!({
        "order_id": order, "amount": amount.amount(), "outstanding": outstanding.amount(), "currency": amount.currency(),
        "cause": cause.as_str(), "payment_id": payment, "release_id": release, "reason": reason, "unapplied": unapplied,
        "on": on,
    })
}

/// What payments did; all others say nothing of it.
fn of_payment(event: &CreditEvent) -> Value {
    use CreditEvent as E;
    match event {
        E::PaymentApplied { payment, amount, unapplied, orders: _, received_on, on } => json!({
            "payment_id": payment, "amount": amount.amount(), "unapplied": unapplied.amount(),
            "currency": amount.currency(), "received_on": received_on, "on": on,
        }),
        E::PaymentReversed { payment, amount, restored, from_unapplied, reason, on } => json!({
            "payment_id": payment, "amount": amount.amount(), "orders": restored.len(),
            "from_unapplied": from_unapplied.amount(), "currency": amount.currency(), "reason": reason, "on": on,
        }),
        E::UnappliedRefunded { refund, amount, unapplied, reason, on } => json!({
            "refund_id": refund, "amount": amount.amount(), "unapplied": unapplied.amount(),
            "currency": amount.currency(), "reason": reason, "on": on,
        }),
        _ => json!({}),
    }
}
