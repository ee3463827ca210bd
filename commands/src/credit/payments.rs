//! Money that comes in, and such as turns out not to.

use super::lines::{Ask, execute};
use super::{paid_once, refunded_once, reversed_once};
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use chrono::{DateTime, Utc};
use domain::Money;
use domain::credit::commands::CreditCommand;
use domain::credit::credit_line::{CreditLine, Payment};
use domain::ids::{CreditLineId, OrderId, PaymentId, ReasonCode, RefundId};
use serde::Serialize;

/// A payment that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApplyPayment {
    /// On this line.
    pub line: CreditLineId,
    /// The payment; applied once.
    pub payment: PaymentId,
    /// How much.
    pub amount: Money,
    /// The orders that it is for, in this order; none: the oldest due first.
    pub orders: Vec<OrderId>,
    /// When it came; now if not given.
    pub received_at: Option<DateTime<Utc>>,
}

/// A payment that turned out to be none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReversePayment {
    /// On this line.
    pub line: CreditLineId,
    /// The payment.
    pub payment: PaymentId,
    /// Why.
    pub reason: ReasonCode,
}

/// Money that came in before, to pay what is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApplyUnapplied {
    /// On this line.
    pub line: CreditLineId,
    /// The orders, in this order; none: the oldest due first.
    pub orders: Vec<OrderId>,
}

/// Money that came in before and is paid out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefundUnapplied {
    /// On this line.
    pub line: CreditLineId,
    /// The refund; made once.
    pub refund: RefundId,
    /// How much.
    pub amount: Money,
    /// Why.
    pub reason: ReasonCode,
}

/// Pays what is owed. What is left of the money stays unapplied.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn apply(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: ApplyPayment,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditWrite)?;
    caller.require_business_time("/received_at", request.received_at)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let ApplyPayment { line, payment, amount, orders, received_at } = request;
    let (once, received_on) = (paid_once(line, &payment), caller.business_date(received_at.unwrap_or(caller.now)));
    let command = CreditCommand::ApplyPayment { payment, amount, orders, received_on, now };
    execute(commands, caller, Ask::new("credit.pay", line, command, content).once(once).keyed(key)).await
}

/// Takes a payment back, all of it: what it paid is outstanding again.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn reverse(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: ReversePayment,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditWrite)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let ReversePayment { line, payment, reason } = request;
    let once = reversed_once(line, &payment);
    let command = CreditCommand::ReversePayment { payment, reason, now };
    execute(commands, caller, Ask::new("credit.reverse_payment", line, command, content).once(once).keyed(key)).await
}

/// Pays what is owed with money that came in before.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn apply_unapplied(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: ApplyUnapplied,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditWrite)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let command = CreditCommand::ApplyUnapplied { orders: request.orders, now };
    let ask = Ask::new("credit.apply_unapplied", request.line, command, content);
    execute(commands, caller, ask.keyed(key)).await
}

/// Pays out money that came in before and paid nothing.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn refund(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: RefundUnapplied,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditWrite)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let RefundUnapplied { line, refund, amount, reason } = request;
    let once = refunded_once(line, &refund);
    let command = CreditCommand::RefundUnapplied { refund, amount, reason, now };
    execute(commands, caller, Ask::new("credit.refund_unapplied", line, command, content).once(once).keyed(key)).await
}

/// Whether a payment turned out to be none since, for who told it once more and is answered as if it held.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn is_reversed(
    commands: &Commands,
    caller: &Caller,
    line: CreditLineId,
    payment: PaymentId,
) -> Result<bool, CommandError> {
    caller.require(Scope::CreditWrite)?;
    let see = move |line: &CreditLine| {
        line.owing().is_ok_and(|line| line.payments().get(&payment).is_some_and(Payment::is_reversed))
    };
    commands.look(caller, line.as_uuid(), see).await
}
