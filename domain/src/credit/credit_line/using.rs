//! Orders that are bought on credit, and whether there is enough of it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Line, paying, sum_of};
use crate::credit::aging::{Aging, aging};
use crate::credit::commands::{Charge, CreditError};
use crate::credit::events::CreditEvent;
use crate::credit::reasons::{Bound, Override};
use crate::ids::{HoldId, InvoiceId, OrderId, ReleaseId};
use crate::money::Money;

/// A line has at most so many orders at once that are not paid or held: what a payment does to them is one append.
pub const USES_MAX: usize = 5_000;

/// An order that was bought on credit. Amounts are in the smallest unit of the line's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The how manieth it is, from one.
    pub(super) number: u32,
    pub(super) amount: i64,
    /// What is to be paid still.
    pub(super) outstanding: i64,
    /// What was given back.
    pub(super) cancelled: i64,
    /// What was paid with money that had come in before.
    pub(super) from_unapplied: i64,
    pub(super) hold: Option<HoldId>,
    pub(super) invoice: Option<InvoiceId>,
    pub(super) used_on: NaiveDate,
    pub(super) due_on: NaiveDate,
    /// Whether it was told to be overdue, which happens once.
    pub(super) is_overdue: bool,
    /// Whether somebody bears with its being overdue: then it blocks nothing.
    pub(super) is_borne: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) releases: BTreeMap<ReleaseId, i64>,
    /// None as long as it is not paid.
    pub(super) remembered_until: Option<NaiveDate>,
}

/// What would come of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It would be bought.
    Passes,
    /// It does not fit.
    Exceeds {
        /// How much there is; not below nothing.
        available: Money,
        /// Whose limit it is.
        bound: Bound,
    },
    /// Nothing would be bought at all.
    Refused(CreditError),
}

impl Use {
    /// The hold that had kept it.
    pub const fn hold(&self) -> Option<HoldId> {
        self.hold
    }

    /// The invoice.
    pub const fn invoice(&self) -> Option<&InvoiceId> {
        self.invoice.as_ref()
    }

    /// When it was bought.
    pub const fn used_on(&self) -> NaiveDate {
        self.used_on
    }

    /// The last day on which it is paid in time.
    pub const fn due_on(&self) -> NaiveDate {
        self.due_on
    }

    /// How much it was, in the smallest unit of the line's currency.
    pub const fn amount_minor(&self) -> i64 {
        self.amount
    }

    /// What is to be paid still, in the smallest unit of the line's currency.
    pub const fn outstanding_minor(&self) -> i64 {
        self.outstanding
    }

    pub(super) fn is_remembered(&self, on: NaiveDate) -> bool {
        self.remembered_until.is_none_or(|until| on < until)
    }

    /// What has been paid of it and was not given back.
    pub(super) const fn paid(&self) -> i64 {
        self.amount.saturating_sub(self.cancelled).saturating_sub(self.outstanding)
    }
}

impl Line {
    /// The orders that it remembers, by their names.
    pub const fn uses(&self) -> &BTreeMap<OrderId, Use> {
        &self.uses
    }

    /// What is to be paid.
    pub fn outstanding(&self) -> Money {
        self.money(self.outstanding_minor())
    }

    /// What is to be paid, by how old it is.
    pub fn aging(&self, today: NaiveDate) -> Aging {
        let outstanding = self.uses.values().map(|used| (used.due_on, used.outstanding));
        aging(outstanding, self.currency, today)
    }

    /// What would come of an order.
    pub fn verdict(&self, amount: Money, group_available: Option<Money>, today: NaiveDate) -> Verdict {
        let minor = match self.require(amount) {
            Ok(minor) => minor,
            Err(error) => return Verdict::Refused(error),
        };
        if let Some(obstacle) = self.obstacle(today) {
            return Verdict::Refused(obstacle);
        }
        let (bound, available) = self.room(group_available, today);
        match minor > available {
            true => Verdict::Exceeds { available: self.money(available.max(0)), bound },
            false => Verdict::Passes,
        }
    }

    /// How much an order may take at most, as far as that is a matter of limits; not below nothing.
    pub fn available_to_an_order(&self, group_available: Option<Money>, today: NaiveDate) -> Money {
        self.money(self.room(group_available, today).1.max(0))
    }

    /// Why nothing new is bought, however little.
    fn obstacle(&self, today: NaiveDate) -> Option<CreditError> {
        if !self.suspended.is_empty() {
            return Some(CreditError::Suspended { causes: self.suspended.iter().copied().collect() });
        }
        if let Some(overdue) = self.blocking(today) {
            return Some(CreditError::Overdue { overdue: self.money(overdue) });
        }
        self.policy.review_overdue(today).map(|review_on| CreditError::ReviewDue { review_on })
    }

    /// How much an order may take at most, and by whose limit. Money that came in before pays it without the group.
    fn room(&self, group_available: Option<Money>, today: NaiveDate) -> (Bound, i64) {
        let own = self.available_minor(today);
        let in_group = self.group.map(|_| {
            let left = group_available.filter(|left| left.currency() == self.currency).map_or(0, |left| left.minor());
            left.saturating_add(self.taken().saturating_neg().max(0))
        });
        match in_group {
            Some(in_group) if in_group < own => (Bound::Group, in_group),
            Some(_) | None => (Bound::Line, own),
        }
    }

    pub(super) fn outstanding_minor(&self) -> i64 {
        sum_of(self.uses.values().map(|used| used.outstanding))
    }

    /// What is to be paid, the oldest due first.
    pub(super) fn open_uses(&self) -> Vec<(&OrderId, &Use)> {
        let mut open: Vec<_> = self.uses.iter().filter(|(_, used)| used.outstanding > 0).collect();
        open.sort_by_key(|(_, used)| (used.due_on, used.number));
        open
    }

    pub(super) fn add_use(&mut self, event: &CreditEvent) {
        let CreditEvent::Used { order, amount, hold, invoice, on, due_on, .. } = event else { return };
        self.see(*on);
        if let Some(hold) = hold {
            self.capture_hold(*hold);
        }
        let used = Use {
            number: self.next_use,
            amount: amount.minor(),
            outstanding: amount.minor(),
            cancelled: 0,
            from_unapplied: 0,
            hold: *hold,
            invoice: invoice.clone(),
            used_on: *on,
            due_on: *due_on,
            is_overdue: false,
            is_borne: false,
            releases: BTreeMap::new(),
            remembered_until: None,
        };
        self.next_use = self.next_use.saturating_add(1);
        self.uses.insert(order.clone(), used);
    }
}

pub(super) fn charge(
    line: &Line,
    charge: Charge,
    invoice: Option<InvoiceId>,
    today: NaiveDate,
) -> Result<Vec<CreditEvent>, CreditError> {
    if let Some(charged) = line.charged(&charge.order, charge.amount)? {
        return Ok(charged);
    }
    if let Some(hold) = line.hold_for(&charge.order) {
        return Err(hold.conflict(line));
    }
    let overridden = match admit(line, &charge, today)? {
        Ok(overridden) => overridden,
        Err(exceeded) => return Ok(vec![exceeded]),
    };
    line.require_place()?;
    let Charge { order, amount, .. } = charge;
    let (on, due_on) = (today, line.terms.due(today));
    Ok(paid_at_once(line, CreditEvent::Used { order, amount, hold: None, invoice, on, due_on, overridden }))
}

impl Line {
    /// A place for one more order. What is held has one already: what was shipped is invoiced.
    pub(super) fn require_place(&self) -> Result<(), CreditError> {
        let taken = self.uses.values().filter(|used| used.outstanding > 0).count() + self.holds.len();
        if taken < USES_MAX { Ok(()) } else { Err(CreditError::TooManyUses { limit: USES_MAX }) }
    }

    /// That an order was charged with the same amount before, which changes nothing.
    pub(super) fn charged(&self, order: &OrderId, amount: Money) -> Result<Option<Vec<CreditEvent>>, CreditError> {
        let Some(used) = self.uses.get(order) else { return Ok(None) };
        match self.money(used.amount) {
            charged if charged == amount => Ok(Some(vec![])),
            charged => Err(CreditError::OrderAlreadyCharged { order: order.clone(), amount: charged }),
        }
    }
}

/// Whether an order may be bought, and who let it pass if it might not; or that it does not fit.
pub(super) fn admit(
    line: &Line,
    charge: &Charge,
    today: NaiveDate,
) -> Result<Result<Option<Override>, CreditEvent>, CreditError> {
    let Charge { order, amount, overridden, group_available } = charge;
    line.require(*amount)?;
    match (line.verdict(*amount, *group_available, today), overridden) {
        (Verdict::Passes, _) => Ok(Ok(None)),
        (Verdict::Exceeds { .. } | Verdict::Refused(_), Some(overridden)) => Ok(Ok(Some(overridden.clone()))),
        (Verdict::Refused(error), None) => Err(error),
        (Verdict::Exceeds { available, bound }, None) => {
            let (order, amount) = (order.clone(), *amount);
            Ok(Err(CreditEvent::LimitExceeded { order, amount, available, bound, on: today }))
        }
    }
}

/// A use, and what money that came in before pays of it.
pub(super) fn paid_at_once(line: &Line, used: CreditEvent) -> Vec<CreditEvent> {
    let CreditEvent::Used { order, amount, on, .. } = &used else { return vec![used] };
    let paid = paying::from_unapplied(line, order, amount.minor(), *on);
    std::iter::once(used).chain(paid).collect()
}
