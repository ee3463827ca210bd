//! Money that comes in, what it pays, and what becomes of that when the money turns out not to be there.

use std::collections::{BTreeMap, HashSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Line, with_consequences};
use crate::credit::commands::CreditError;
use crate::credit::events::{CreditEvent, RestoredUse};
use crate::credit::reasons::ReleaseCause;
use crate::ids::{OrderId, PaymentId, ReasonCode};
use crate::money::Money;

/// A payment names at most so many orders.
pub const ORDERS_MAX: usize = 1_000;

/// A payment. Amounts are in the smallest unit of the line's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    amount: i64,
    /// The orders that it named.
    orders: Vec<OrderId>,
    /// What it paid, by the order.
    paid: BTreeMap<OrderId, i64>,
    is_reversed: bool,
    remembered_until: NaiveDate,
}

impl Payment {
    /// How much it was, in the smallest unit of the line's currency.
    pub const fn amount_minor(&self) -> i64 {
        self.amount
    }

    /// Whether it turned out to be none.
    pub const fn is_reversed(&self) -> bool {
        self.is_reversed
    }

    pub(super) fn is_remembered(&self, on: NaiveDate) -> bool {
        on < self.remembered_until
    }
}

/// A payment that is told.
pub(super) struct Received {
    pub(super) payment: PaymentId,
    pub(super) amount: Money,
    pub(super) orders: Vec<OrderId>,
    pub(super) received_on: NaiveDate,
}

/// What is paid of an order, and what is left to be paid of it then.
struct Paid {
    order: OrderId,
    amount: i64,
    outstanding: i64,
}

impl Line {
    /// The payments that it remembers.
    pub const fn payments(&self) -> &BTreeMap<PaymentId, Payment> {
        &self.payments
    }

    pub(super) fn add_payment(&mut self, event: &CreditEvent) {
        let CreditEvent::PaymentApplied { payment, amount, unapplied, orders, on, .. } = event else { return };
        self.see(*on);
        self.unapplied = self.unapplied.saturating_add(unapplied.minor());
        let applied = Payment {
            amount: amount.minor(),
            orders: orders.clone(),
            paid: BTreeMap::new(),
            is_reversed: false,
            remembered_until: self.remembered_until(*on),
        };
        self.payments.insert(payment.clone(), applied);
    }

    pub(super) fn add_paid(&mut self, payment: &PaymentId, order: &OrderId, minor: i64) {
        if let Some(payment) = self.payments.get_mut(payment) {
            let paid = payment.paid.entry(order.clone()).or_default();
            *paid = paid.saturating_add(minor);
        }
    }

    /// A payment is none: what it paid is outstanding again, and nobody bears with that.
    pub(super) fn restore(&mut self, event: &CreditEvent) {
        let CreditEvent::PaymentReversed { payment, restored, from_unapplied, on, .. } = event else { return };
        self.unapplied = self.unapplied.saturating_sub(from_unapplied.minor());
        let reversed = self.payments.get_mut(payment);
        let paid = reversed.map(|payment| {
            payment.is_reversed = true;
            std::mem::take(&mut payment.paid)
        });
        let paid = paid.unwrap_or_default();
        for RestoredUse { order, amount } in restored {
            let Some(used) = self.uses.get_mut(order) else { continue };
            let others = amount.minor().saturating_sub(paid.get(order).copied().unwrap_or(0)).max(0);
            used.from_unapplied = used.from_unapplied.saturating_sub(others).max(0);
            used.outstanding = used.outstanding.saturating_add(amount.minor());
            used.is_borne = false;
            used.remembered_until = None;
        }
        self.see(*on);
    }

    /// The orders that are to be paid: those named, or the oldest due first.
    fn to_pay(&self, named: &[OrderId]) -> Result<Vec<(&OrderId, i64)>, CreditError> {
        if named.is_empty() {
            return Ok(self.open_uses().into_iter().map(|(order, used)| (order, used.outstanding)).collect());
        }
        require_names(named)?;
        // The names are the caller's; what is answered is the line's.
        let own = named.iter().map(|order| {
            let own = self.uses.get_key_value(order).map(|(order, used)| (order, used.outstanding));
            own.ok_or_else(|| CreditError::UnknownOrder { order: order.clone() })
        });
        own.collect()
    }
}

fn require_names(named: &[OrderId]) -> Result<(), CreditError> {
    if named.len() > ORDERS_MAX {
        return Err(CreditError::TooManyOrders { limit: ORDERS_MAX });
    }
    let mut seen = HashSet::new();
    match named.iter().find(|order| !seen.insert(*order)) {
        Some(twice) => Err(CreditError::OrderNamedTwice { order: twice.clone() }),
        None => Ok(()),
    }
}

pub(super) fn apply(line: &Line, received: Received, on: NaiveDate) -> Result<Vec<CreditEvent>, CreditError> {
    let Received { payment, amount, orders, received_on } = received;
    if let Some(applied) = line.payments.get(&payment) {
        let known = line.money(applied.amount);
        let is_same = known == amount && applied.orders == orders;
        let conflict = CreditError::PaymentAlreadyApplied { payment, amount: known };
        return if is_same { Ok(vec![]) } else { Err(conflict) };
    }
    let minor = line.require(amount)?;
    let to_pay = line.to_pay(&orders)?;
    if let Some((settled, _)) = to_pay.iter().find(|(_, outstanding)| *outstanding == 0) {
        return Err(CreditError::OrderSettled { order: (*settled).clone() });
    }
    let (paid, left) = pay(&to_pay, minor);
    let released = paid.iter().map(|paid| {
        let cause = ReleaseCause::Payment { payment: payment.clone() };
        released(line, paid, cause, on)
    });
    let released: Vec<_> = released.collect();
    let unapplied = line.money(left);
    let applied = CreditEvent::PaymentApplied { payment, amount, unapplied, orders, received_on, on };
    Ok(with_consequences(line, std::iter::once(applied).chain(released).collect(), on))
}

/// Orders that are paid already are left out: asked again, there is nothing to do.
pub(super) fn apply_unapplied(line: &Line, orders: &[OrderId], on: NaiveDate) -> Result<Vec<CreditEvent>, CreditError> {
    let (paid, _) = pay(&line.to_pay(orders)?, line.unapplied);
    let released = paid.iter().map(|paid| released(line, paid, ReleaseCause::Unapplied {}, on));
    Ok(with_consequences(line, released.collect(), on))
}

/// What money that came in before pays of an order of so much that is being bought.
pub(super) fn from_unapplied(line: &Line, order: &OrderId, amount: i64, on: NaiveDate) -> Option<CreditEvent> {
    let (paid, _) = pay(&[(order, amount)], line.unapplied);
    paid.first().map(|paid| released(line, paid, ReleaseCause::Unapplied {}, on))
}

/// Pays one after the other, as far as it goes, and what is left.
fn pay(to_pay: &[(&OrderId, i64)], money: i64) -> (Vec<Paid>, i64) {
    let (mut left, mut paid) = (money, Vec::new());
    for (order, outstanding) in to_pay {
        let amount = left.min(*outstanding);
        if amount > 0 {
            left -= amount;
            paid.push(Paid { order: (*order).clone(), amount, outstanding: outstanding - amount });
        }
    }
    (paid, left)
}

fn released(
    line: &Line,
    Paid { order, amount, outstanding }: &Paid,
    cause: ReleaseCause,
    on: NaiveDate,
) -> CreditEvent {
    let (order, amount, outstanding) = (order.clone(), line.money(*amount), line.money(*outstanding));
    CreditEvent::Released { order, amount, outstanding, cause, on }
}

/// Takes a payment back, all of it. What it paid is outstanding again; what of it was unapplied is gone; and where that was spent, or what
/// it paid was given back meanwhile, the orders are outstanding again that money paid which had come in before, the latest due first. What
/// was paid out of it is owed: less than nothing is unapplied then.
pub(super) fn reverse(
    line: &Line,
    payment: PaymentId,
    reason: ReasonCode,
    on: NaiveDate,
) -> Result<Vec<CreditEvent>, CreditError> {
    let Some(applied) = line.payments.get(&payment) else { return Err(CreditError::PaymentNotFound { payment }) };
    if applied.is_reversed {
        return Ok(vec![]);
    }
    let mut taken = TakenBack { line, left: applied.amount, restored: BTreeMap::new() };
    for (order, paid) in &applied.paid {
        taken.take(order, *paid);
    }
    let from_unapplied = taken.left.min(line.unapplied).max(0);
    taken.left -= from_unapplied;
    let mut latest: Vec<_> = line.uses.iter().filter(|(_, used)| used.paid() > 0).collect();
    latest.sort_by_key(|(_, used)| std::cmp::Reverse((used.due_on, used.number)));
    for (order, used) in &latest {
        taken.take(order, used.from_unapplied);
    }
    // What others paid is taken only where orders that they paid, too, were given back meanwhile.
    for (order, used) in &latest {
        taken.take(order, used.paid());
    }
    // What was paid out of it is owed without an order. More than that is missing only where an order is forgotten.
    let paid_out = taken.left.min(line.refunded().saturating_add(line.unapplied.min(0))).max(0);
    if taken.left > paid_out {
        return Err(CreditError::PaymentTooOld { payment });
    }
    let (amount, from_unapplied) = (line.money(applied.amount), line.money(from_unapplied + paid_out));
    let restored = taken.in_order_of_due();
    Ok(vec![CreditEvent::PaymentReversed { payment, amount, restored, from_unapplied, reason, on }])
}

/// What is taken back of what was paid.
struct TakenBack<'l> {
    line: &'l Line,
    left: i64,
    restored: BTreeMap<OrderId, i64>,
}

impl TakenBack<'_> {
    /// So much at most, and no more than was paid of an order.
    fn take(&mut self, order: &OrderId, most: i64) {
        let taken = self.restored.get(order).copied().unwrap_or(0);
        let paid = self.line.uses.get(order).map_or(0, |used| used.paid().saturating_sub(taken));
        let minor = self.left.min(paid).min(most);
        if minor > 0 {
            self.left -= minor;
            self.restored.insert(order.clone(), taken.saturating_add(minor));
        }
    }

    fn in_order_of_due(self) -> Vec<RestoredUse> {
        let mut restored: Vec<_> = self.restored.into_iter().collect();
        restored.sort_by_key(|(order, _)| self.line.uses.get(order).map(|used| (used.due_on, used.number)));
        let money = |(order, minor)| RestoredUse { order, amount: self.line.money(minor) };
        restored.into_iter().map(money).collect()
    }
}
