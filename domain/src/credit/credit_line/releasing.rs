//! Credit that comes free: because it was paid, or because what was bought came to nothing, or to less.

use chrono::NaiveDate;

use super::{Line, with_consequences};
use crate::credit::commands::CreditError;
use crate::credit::events::CreditEvent;
use crate::credit::reasons::ReleaseCause;
use crate::ids::{OrderId, ReasonCode, ReleaseId};
use crate::money::Money;

impl Line {
    pub(super) fn release(&mut self, event: &CreditEvent) {
        let CreditEvent::Released { order, amount, outstanding, cause, on } = event else { return };
        if let ReleaseCause::Payment { payment } = cause {
            self.add_paid(payment, order, amount.minor());
        }
        let remembered_until = self.remembered_until(*on);
        if let Some(used) = self.uses.get_mut(order) {
            used.outstanding = outstanding.minor();
            used.remembered_until = (used.outstanding == 0).then_some(remembered_until);
            match cause {
                ReleaseCause::Payment { .. } => {}
                ReleaseCause::Unapplied {} => used.from_unapplied = used.from_unapplied.saturating_add(amount.minor()),
                ReleaseCause::Cancelled { release, .. } => {
                    used.cancelled = used.cancelled.saturating_add(amount.minor());
                    used.releases.insert(release.clone(), amount.minor());
                }
            }
        }
        let gained = match cause {
            ReleaseCause::Payment { .. } => 0,
            ReleaseCause::Unapplied {} => amount.minor().saturating_neg(),
            ReleaseCause::Cancelled { unapplied, .. } => unapplied.minor(),
        };
        self.unapplied = self.unapplied.saturating_add(gained);
        self.start_dunning_over();
        self.see(*on);
    }
}

/// Gives back what an order used. What of it was paid already is unapplied then.
pub(super) fn release(
    line: &Line,
    (release, reason): (ReleaseId, ReasonCode),
    order: OrderId,
    amount: Money,
    on: NaiveDate,
) -> Result<Vec<CreditEvent>, CreditError> {
    if let Some((of, made)) = line.released_by(&release) {
        let is_same = *of == order && line.money(made) == amount;
        return if is_same { Ok(vec![]) } else { Err(CreditError::ReleaseAlreadyMade { release }) };
    }
    let Some(used) = line.uses.get(&order) else {
        let held = line.hold_for(&order).map(|hold| hold.conflict(line));
        return Err(held.unwrap_or(CreditError::UnknownOrder { order }));
    };
    let (minor, remaining) = (line.require(amount)?, used.amount.saturating_sub(used.cancelled));
    if minor > remaining {
        return Err(CreditError::ReleaseExceedsUse { order, remaining: line.money(remaining) });
    }
    let unpaid = minor.min(used.outstanding);
    let (outstanding, unapplied) = (line.money(used.outstanding - unpaid), line.money(minor - unpaid));
    let cause = ReleaseCause::Cancelled { release, reason, unapplied };
    Ok(with_consequences(line, vec![CreditEvent::Released { order, amount, outstanding, cause, on }], on))
}

impl Line {
    fn released_by(&self, release: &ReleaseId) -> Option<(&OrderId, i64)> {
        self.uses.iter().find_map(|(order, used)| used.releases.get(release).map(|minor| (order, *minor)))
    }
}
