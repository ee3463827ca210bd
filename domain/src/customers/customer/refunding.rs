//! Purchases given back: whole, in part by an amount, or by their lines.
//!
//! What lowered the price of a whole purchase lowers what its lines give back, in proportion; what was paid beside the lines, as for
//! carriage, comes back only when it is asked for. Parts are rounded so that the last of them gives the rest.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{ActiveCustomer, LINES_MAX, Order, RecordedRefund, at_most, hash};
use crate::customers::commands::{CustomerError, RefundLine};
use crate::customers::events::{CustomerEvent, PurchaseLine, RefundedLine};
use crate::customers::merging::AbsorbedLine;
use crate::ids::{OrderId, RefundId, Sku};
use crate::money::Money;
use crate::purchase::LineGivenBack;

/// A line of an order, as far as giving it back needs it. Of the article a hash: a customer has many orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u32, i64, u32)", into = "(u64, u32, i64, u32)")]
pub(in crate::customers) struct BoughtLine {
    sku: u64,
    quantity: u32,
    /// What the line cost.
    minor: i64,
    /// How many were given back.
    refunded: u32,
}

impl From<(u64, u32, i64, u32)> for BoughtLine {
    fn from((sku, quantity, minor, refunded): (u64, u32, i64, u32)) -> Self {
        Self { sku, quantity, minor, refunded }
    }
}

impl From<BoughtLine> for (u64, u32, i64, u32) {
    fn from(line: BoughtLine) -> Self {
        (line.sku, line.quantity, line.minor, line.refunded)
    }
}

impl From<AbsorbedLine> for BoughtLine {
    fn from(AbsorbedLine { article: sku, quantity, minor, refunded }: AbsorbedLine) -> Self {
        Self { sku, quantity, minor, refunded }
    }
}

impl From<BoughtLine> for AbsorbedLine {
    fn from(BoughtLine { sku: article, quantity, minor, refunded }: BoughtLine) -> Self {
        Self { article, quantity, minor, refunded }
    }
}

impl BoughtLine {
    pub(super) fn of(line: &PurchaseLine) -> Self {
        let PurchaseLine { sku, quantity, amount, .. } = line;
        Self { sku: hash(sku.as_str().as_bytes()), quantity: *quantity, minor: amount.minor(), refunded: 0 }
    }

    const fn left(&self) -> u32 {
        self.quantity.saturating_sub(self.refunded)
    }

    /// What all that was given back of it cost.
    fn refunded_minor(&self) -> i128 {
        i128::from(self.minor) * i128::from(self.refunded) / i128::from(self.quantity.max(1))
    }
}

/// A refund that is to be made.
pub(super) struct Refund {
    pub(super) refund: RefundId,
    pub(super) order: OrderId,
    pub(super) amount: Option<Money>,
    pub(super) lines: Vec<RefundLine>,
    pub(super) on: NaiveDate,
    pub(super) today: NaiveDate,
}

impl ActiveCustomer {
    /// Whether the refund of the order is remembered.
    pub fn has_refunded(&self, order: &OrderId, refund: &RefundId) -> bool {
        self.refunds.get(refund).is_some_and(|recorded| recorded.order == *order)
    }

    pub(super) fn with_refund(mut self, event: &CustomerEvent) -> Self {
        let CustomerEvent::PurchaseRefunded { order, refund, amount, refunded, remaining, lines, on } = event else {
            return self;
        };
        if let Some(bought) = self.orders.get_mut(order) {
            bought.give_back(*refunded, lines);
            let (order, amount, completed) = (order.clone(), *amount, remaining.is_zero());
            let lines = articles(lines.iter().map(|line| (&line.sku, line.quantity)));
            self.refunds.insert(refund.clone(), RecordedRefund { order, amount, completed, lines });
        }
        self.seen(*on)
    }
}

impl Order {
    /// How much of the order has been given back, as a part and the whole: by what was paid, or by its lines where nothing was.
    pub fn share_given_back(&self) -> (i64, i64) {
        if self.is_over {
            return (1, 1);
        }
        if !self.total.is_zero() {
            return (self.refunded.minor(), self.total.minor());
        }
        let cost = |line: &&BoughtLine| line.minor > 0;
        let whole: i128 = self.lines.iter().filter(cost).map(|line| i128::from(line.minor)).sum();
        let part: i128 = self.lines.iter().filter(cost).map(BoughtLine::refunded_minor).sum();
        (i64::try_from(part).unwrap_or(0), i64::try_from(whole).unwrap_or(i64::MAX))
    }

    /// What of which line has been given back by now; nothing is known of lines any more when nothing is left.
    pub fn lines_given_back(&self) -> Vec<LineGivenBack> {
        let numbered = (0..).zip(&self.lines).filter(|(_, line)| line.refunded > 0);
        let given_back = numbered.map(|(line, bought)| LineGivenBack {
            line,
            quantity: bought.refunded,
            minor: i64::try_from(bought.refunded_minor()).unwrap_or(bought.minor),
        });
        given_back.collect()
    }

    fn give_back(&mut self, refunded: Money, lines: &[RefundedLine]) {
        self.refunded = refunded;
        self.take_lines(lines);
        let is_paid_back = self.remaining().is_zero() && !self.total.is_zero();
        let is_whole = lines.is_empty() || self.lines.iter().all(|line| line.left() == 0);
        self.is_over = is_paid_back || self.remaining().is_zero() && is_whole;
        if self.is_over {
            self.lines = Vec::new();
        }
    }

    fn take_lines(&mut self, lines: &[RefundedLine]) {
        for given in lines {
            let place = usize::try_from(given.line).unwrap_or(usize::MAX);
            if let Some(line) = self.lines.get_mut(place) {
                line.refunded = line.refunded.saturating_add(given.quantity);
            }
        }
    }

    /// The lines that are given back: of each article the line that was written first, as far as it goes.
    fn lines_of(&self, asked: &[RefundLine]) -> Result<Vec<RefundedLine>, CustomerError> {
        let (mut lines, mut given) = (self.lines.clone(), Vec::new());
        for (line, RefundLine { sku, quantity }) in asked.iter().enumerate() {
            if *quantity == 0 {
                return Err(CustomerError::LineQuantity { line });
            }
            let article = hash(sku.as_str().as_bytes());
            if !lines.iter().any(|line| line.sku == article) {
                return Err(CustomerError::LineNotBought { line, sku: sku.clone() });
            }
            let of_it = lines.iter_mut().enumerate().filter(|(_, line)| line.sku == article);
            let mut missing = *quantity;
            for (place, bought) in of_it {
                let quantity = missing.min(bought.left());
                missing -= quantity;
                given.extend(bought.give(place, sku, quantity, self.total));
            }
            if missing > 0 {
                let remaining = *quantity - missing;
                return Err(CustomerError::LineExceedsPurchase { line, sku: sku.clone(), remaining });
            }
        }
        Ok(given)
    }

    /// What was paid for all that was given back by lines, once these are.
    fn paid_for(&self, lines: &[RefundedLine]) -> i128 {
        let mut after = self.clone();
        after.take_lines(lines);
        let whole: i128 = after.lines.iter().map(|line| i128::from(line.minor)).sum();
        let part: i128 = after.lines.iter().map(BoughtLine::refunded_minor).sum();
        let total = i128::from(self.total.minor());
        if whole > total { part * total / whole } else { part }
    }

    /// What was paid for lines: the price of the lines, lowered as that of the whole purchase was.
    fn amount_of(&self, lines: &[RefundedLine]) -> Result<Money, CustomerError> {
        let exceeds = || CustomerError::RefundExceedsPurchase { remaining: self.remaining() };
        let minor = self.paid_for(lines) - self.paid_for(&[]);
        let minor = i64::try_from(minor).map_err(|_| exceeds())?;
        Money::from_minor(minor, self.total.currency()).map_err(|_| exceeds())
    }
}

impl BoughtLine {
    /// Gives so many of it back, and says so.
    fn give(&mut self, place: usize, sku: &Sku, quantity: u32, total: Money) -> Option<RefundedLine> {
        let before = self.refunded_minor();
        self.refunded = self.refunded.saturating_add(quantity);
        let minor = i64::try_from(self.refunded_minor() - before).ok()?;
        let amount = Money::from_minor(minor, total.currency()).ok()?;
        (quantity > 0).then(|| RefundedLine {
            line: u32::try_from(place).unwrap_or(u32::MAX),
            sku: sku.clone(),
            quantity,
            amount,
        })
    }
}

pub(super) fn refund(customer: &ActiveCustomer, wanted: Refund) -> Result<Vec<CustomerEvent>, CustomerError> {
    if let Some(recorded) = customer.refunds.get(&wanted.refund) {
        return repeated(recorded, wanted);
    }
    let Refund { refund, order, amount: asked, lines, on, today } = wanted;
    let bought = match customer.orders.get(&order) {
        Some(bought) if today < bought.refundable_until() => bought,
        Some(_) | None => return Err(CustomerError::OrderNotRefundable { order }),
    };
    if on < bought.on {
        return Err(CustomerError::RefundBeforePurchase { order, bought_on: bought.on });
    }
    let remaining = bought.remaining();
    if bought.is_over {
        return Err(CustomerError::RefundExceedsPurchase { remaining });
    }
    at_most("lines", LINES_MAX, lines.len())?;
    let lines = bought.lines_of(&lines)?;
    let amount = match asked {
        Some(amount) => amount,
        None if lines.is_empty() => remaining,
        None => bought.amount_of(&lines)?,
    };
    let may_be_nothing = remaining.is_zero() || asked.is_none() && !lines.is_empty();
    check(amount, remaining, may_be_nothing)?;
    let exceeds = |_| CustomerError::RefundExceedsPurchase { remaining };
    let refunded = bought.refunded.checked_add(amount).map_err(exceeds)?;
    let remaining = remaining.checked_sub(amount).map_err(exceeds)?;
    Ok(vec![CustomerEvent::PurchaseRefunded { order, refund, amount, refunded, remaining, lines, on }])
}

/// A refund that is recorded: the same once more, or another under its id. One of all that remained is the same as the one
/// that left nothing.
fn repeated(recorded: &RecordedRefund, wanted: Refund) -> Result<Vec<CustomerEvent>, CustomerError> {
    let Refund { refund, order, amount, lines, .. } = wanted;
    let same_amount = amount.map_or(recorded.completed || !lines.is_empty(), |amount| amount == recorded.amount);
    let same_lines = recorded.lines == articles(lines.iter().map(|line| (&line.sku, line.quantity)));
    if recorded.order == order && same_amount && same_lines {
        return Ok(vec![]);
    }
    Err(CustomerError::RefundAlreadyRecorded { refund, order: recorded.order.clone(), amount: recorded.amount })
}

/// Tells apart which articles are given back, in whatever order they are named; zero for none.
fn articles<'a>(lines: impl Iterator<Item = (&'a Sku, u32)>) -> u64 {
    let mut articles = BTreeMap::<&str, u64>::new();
    for (sku, quantity) in lines {
        *articles.entry(sku.as_str()).or_default() += u64::from(quantity);
    }
    if articles.is_empty() { 0 } else { hash(&serde_json::to_vec(&articles).unwrap_or_default()) }
}

fn check(amount: Money, remaining: Money, may_be_nothing: bool) -> Result<(), CustomerError> {
    if amount.currency() != remaining.currency() {
        return Err(CustomerError::RefundCurrency { expected: remaining.currency(), given: amount.currency() });
    }
    if amount > remaining {
        return Err(CustomerError::RefundExceedsPurchase { remaining });
    }
    if amount.is_negative() || amount.is_zero() && !may_be_nothing {
        return Err(CustomerError::RefundNotPositive);
    }
    Ok(())
}
