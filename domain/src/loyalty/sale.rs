//! What was sold to a member, and what of it came back: the facts that the rules look at.

use chrono::NaiveDate;

use crate::ids::{Channel, OrderId, RefundId};
use crate::money::Money;
use crate::purchase::{LineGivenBack, PurchaseLine, RefundedLine};

/// A purchase that may earn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// The order; earns once.
    pub order: OrderId,
    /// Where it was sold.
    pub channel: Option<Channel>,
    /// What was bought; none where only the total was told.
    pub lines: Vec<PurchaseLine>,
    /// What was paid.
    pub total: Money,
    /// The business date.
    pub on: NaiveDate,
}

impl Sale {
    /// One of which only the total was told.
    #[must_use]
    pub const fn of_total(order: OrderId, total: Money, on: NaiveDate) -> Self {
        Self { order, channel: None, lines: Vec::new(), total, on }
    }
}

/// What was given back of a purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleRefund {
    /// The order.
    pub order: OrderId,
    /// The refund; takes back once.
    pub refund: RefundId,
    /// What it gave back of which line; none where it was told by an amount only.
    pub lines: Vec<RefundedLine>,
    /// What of which line has been given back by now, if the account asks for it.
    pub given_back: Vec<LineGivenBack>,
    /// What of the order's total has not been refunded.
    pub remaining_total: Money,
    /// The business date.
    pub on: NaiveDate,
}

impl SaleRefund {
    /// One that was told by what remains.
    #[must_use]
    pub const fn remaining(order: OrderId, refund: RefundId, remaining_total: Money, on: NaiveDate) -> Self {
        Self { order, refund, lines: Vec::new(), given_back: Vec::new(), remaining_total, on }
    }
}
