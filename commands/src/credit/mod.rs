//! Commands on lines of credit and their groups: who may, on which streams, with which facts. The rules are the domain's.
//!
//! A line is asked for by customer and currency, and from then on by its own id; whose it is, and which group it shares a limit with, is
//! looked up in its state and compared when the command is decided. What a line of a group takes of the shared limit is appended with it:
//! neither limit is exceeded, however many ask at once.
//!
//! What may happen once only is named so that the log holds it once: an order is charged once, a payment applied once and reversed once,
//! what was used is given back once by each release, money is paid out once by each refund, a hold ends once, an order is told once to be overdue, a case grants once.
//!
//! - `credit:write` is needed to request, use, authorise, capture, void, pay, pay out and give back, and to pause dunning.
//! - `credit:approve` is needed to approve, reject, change limit, terms and policy, suspend, resume and close; for temporary credit, for
//!   groups, and to let an order pass in spite of a limit.

pub mod availability;
pub mod deciding;
pub mod due;
pub mod dunning;
pub mod groups;
pub mod jobs;
mod lines;
pub mod orders;
pub mod owned;
pub mod payments;
pub mod standing;
pub mod temporary;
#[cfg(test)]
mod tests;

use crate::caller::Caller;
use crate::error::CommandError;
use crate::execute::Committed;
use crate::identity::Once;
use crate::states::stream_of;
use domain::credit::credit_group::CreditGroup;
use domain::credit::credit_line::CreditLine;
use domain::credit::events::CreditEvent;
use domain::credit::reasons::Bound;
use domain::ids::{Actor, CaseId, CreditGroupId, CreditLineId, HoldId, OrderId, PaymentId, RefundId, ReleaseId};
use domain::{Event, Money, Refusal, RefusalKind};
use serde_json::json;
use store::StreamId;

/// The stream of a line of credit.
#[must_use]
pub fn line_stream(line: CreditLineId) -> StreamId {
    stream_of::<CreditLine>(line.as_uuid())
}

/// The stream of a group of lines.
#[must_use]
pub fn group_stream(group: CreditGroupId) -> StreamId {
    stream_of::<CreditGroup>(group.as_uuid())
}

/// An order that did not fit, as an event tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// The order.
    pub order: OrderId,
    /// How much it would have taken.
    pub amount: Money,
    /// How much there was.
    pub available: Money,
    /// Whose limit it was.
    pub bound: Bound,
}

impl Committed {
    /// The answer to who asked for credit: that there is not enough is an event, and a refusal for whoever asked. Made from the
    /// events, so that a repeat reads the same.
    ///
    /// # Errors
    /// `credit_limit_exceeded`, with what is available.
    pub fn within_the_limit(self) -> Result<Self, Refusal> {
        match self.credit_exceeded() {
            Some(exceeded) => Err(exceeded.into()),
            None => Ok(self),
        }
    }

    /// The order that did not fit, if that is what came of the command.
    #[must_use]
    pub fn credit_exceeded(&self) -> Option<Exceeded> {
        self.credit_events().find_map(|event| match event {
            CreditEvent::LimitExceeded { order, amount, available, bound, .. } => {
                Some(Exceeded { order: order.clone(), amount: *amount, available: *available, bound: *bound })
            }
            _ => None,
        })
    }

    /// What happened to lines of credit.
    pub fn credit_events(&self) -> impl Iterator<Item = &CreditEvent> {
        self.events.iter().filter_map(|recorded| match &recorded.event {
            Event::Credit(event) => Some(event),
            Event::Customer(_) | Event::Loyalty(_) | Event::Programme(_) | Event::CreditGroup(_) | Event::Access(_) => {
                None
            }
        })
    }
}

impl From<Exceeded> for Refusal {
    fn from(Exceeded { order, amount, available, bound }: Exceeded) -> Self {
        let facts = [
            ("order", json!(order)),
            ("amount", json!(amount)),
            ("available", json!(available)),
            ("bound", json!(bound)),
        ];
        Self {
            kind: RefusalKind::Invalid,
            code: "credit_limit_exceeded".to_owned(),
            message: format!("order {order} would take {amount}; {available} is available"),
            field: Some("/amount".to_owned()),
            facts: facts.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect(),
        }
    }
}

/// Who acts, as events tell it.
fn actor_of(caller: &Caller) -> Result<Actor, CommandError> {
    Actor::parse(&caller.actor).map_err(CommandError::internal)
}

/// An order is bought on credit, held before or not.
fn charged_once(line: CreditLineId, order: &OrderId) -> Once {
    Once::new(line_stream(line), "charge", order.as_str())
}

/// A hold ends without a use.
fn ended_once(line: CreditLineId, hold: HoldId) -> Once {
    Once::new(line_stream(line), "end_hold", hold.to_string())
}

/// A payment comes in.
fn paid_once(line: CreditLineId, payment: &PaymentId) -> Once {
    Once::new(line_stream(line), "pay", payment.as_str())
}

/// A payment turns out to be none.
fn reversed_once(line: CreditLineId, payment: &PaymentId) -> Once {
    Once::new(line_stream(line), "reverse_payment", payment.as_str())
}

/// Money that paid nothing is paid out.
fn refunded_once(line: CreditLineId, refund: &RefundId) -> Once {
    Once::new(line_stream(line), "refund_unapplied", refund.as_str())
}

/// What was used is given back.
fn released_once(line: CreditLineId, release: &ReleaseId) -> Once {
    Once::new(line_stream(line), "release", release.as_str())
}

/// An order is told to be overdue.
fn overdue_once(line: CreditLineId, order: &OrderId) -> Once {
    Once::new(line_stream(line), "note_overdue", order.as_str())
}

/// A case grants credit for some time.
fn granted_once(line: CreditLineId, case: &CaseId) -> Once {
    Once::new(line_stream(line), "grant_temporary", case.as_str())
}

/// Such credit ends, because the case is over or its time.
fn temporary_ended_once(line: CreditLineId, case: &CaseId) -> Once {
    Once::new(line_stream(line), "end_temporary", case.as_str())
}
