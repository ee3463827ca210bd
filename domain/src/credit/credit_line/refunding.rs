//! Money that came in, paid nothing, and is paid out.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Line, sum_of};
use crate::credit::commands::CreditError;
use crate::credit::events::CreditEvent;
use crate::ids::{ReasonCode, RefundId};
use crate::money::Money;

/// A refund, to tell its repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refund {
    amount: i64,
    remembered_until: NaiveDate,
}

impl Refund {
    pub(super) fn is_remembered(&self, on: NaiveDate) -> bool {
        on < self.remembered_until
    }
}

impl Line {
    pub(super) fn refund(&mut self, event: &CreditEvent) {
        let CreditEvent::UnappliedRefunded { refund, amount, on, .. } = event else { return };
        self.see(*on);
        self.unapplied = self.unapplied.saturating_sub(amount.minor());
        let made = Refund { amount: amount.minor(), remembered_until: self.remembered_until(*on) };
        self.refunds.insert(refund.clone(), made);
    }

    /// What was paid out, as far as it is remembered: at least as long as the payments that it came from.
    pub(in crate::credit) fn refunded(&self) -> i64 {
        sum_of(self.refunds.values().map(|refund| refund.amount))
    }
}

/// Pays out once, and no more than there is. That the customer owes something on other orders is for who pays out to weigh.
pub(super) fn refund(
    line: &Line,
    refund: RefundId,
    amount: Money,
    reason: ReasonCode,
    on: NaiveDate,
) -> Result<Vec<CreditEvent>, CreditError> {
    if let Some(made) = line.refunds.get(&refund) {
        let known = line.money(made.amount);
        return if known == amount {
            Ok(vec![])
        } else {
            Err(CreditError::RefundAlreadyMade { refund, amount: known })
        };
    }
    let minor = line.require(amount)?;
    if minor > line.unapplied {
        return Err(CreditError::RefundExceedsUnapplied { unapplied: line.money(line.unapplied.max(0)) });
    }
    let unapplied = line.money(line.unapplied - minor);
    Ok(vec![CreditEvent::UnappliedRefunded { refund, amount, unapplied, reason, on }])
}
