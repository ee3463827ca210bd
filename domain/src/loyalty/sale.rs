//! What was sold to a member, and what of it came back: the facts that the rules look at.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::birth_date::BirthDate;
use crate::ids::{CampaignId, Channel, CustomerId, OrderId, RefundId};
use crate::money::Money;
use crate::purchase::{LineGivenBack, PurchaseLine, RefundedLine};
use crate::segment::{Segment, Segmented};

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
    /// Who bought.
    pub buyer: Buyer,
}

/// What campaigns ask of who buys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Buyer {
    /// Somebody who is known.
    Known(KnownBuyer),
    /// Somebody in a history in which nobody's data are opened: whom a campaign was for is told by what it gave.
    AsRecorded {
        /// The campaigns that gave something.
        campaigns: BTreeSet<CampaignId>,
    },
}

/// What is known of who buys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownBuyer {
    /// The day of birth.
    pub birth_date: Option<BirthDate>,
    /// Which kind of buyer it is.
    pub segmented: Segmented,
    /// Who sent it; with the first purchase only.
    pub referred: Option<Referred>,
}

/// A customer that another one sent, as it buys for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Referred {
    /// Who was sent.
    pub customer: CustomerId,
    /// Who sent it.
    pub by: CustomerId,
    /// Whether the two may be one person.
    pub looks_alike: bool,
}

impl Buyer {
    /// Whether a campaign for birthdays is for a purchase of this date.
    pub(in crate::loyalty) fn has_birthday(&self, campaign: CampaignId, within_days: u32, on: NaiveDate) -> bool {
        match self {
            Self::Known(KnownBuyer { birth_date, .. }) => {
                birth_date.is_some_and(|born| born.is_birthday_within(within_days, on))
            }
            Self::AsRecorded { campaigns } => campaigns.contains(&campaign),
        }
    }
}

impl Buyer {
    /// Whether a campaign for these segments is for this purchase.
    pub(in crate::loyalty) fn is_of(&self, campaign: CampaignId, segments: &[Segment]) -> bool {
        match self {
            Self::Known(known) => known.segmented.segment.is_some_and(|segment| segments.contains(&segment)),
            Self::AsRecorded { campaigns } => campaigns.contains(&campaign),
        }
    }

    /// Whether a campaign for the few for whom most is done is for this purchase.
    pub(in crate::loyalty) fn is_vip(&self, campaign: CampaignId) -> bool {
        match self {
            Self::Known(known) => known.segmented.is_vip,
            Self::AsRecorded { campaigns } => campaigns.contains(&campaign),
        }
    }

    /// Whether a campaign for referred customers is for this purchase.
    pub(in crate::loyalty) fn is_referred(&self, campaign: CampaignId) -> bool {
        match self {
            Self::Known(known) => known.referred.is_some(),
            Self::AsRecorded { campaigns } => campaigns.contains(&campaign),
        }
    }

    /// Who sent the buyer, if this is its first purchase. A history tells it by events of its own.
    pub const fn referred(&self) -> Option<Referred> {
        match self {
            Self::Known(known) => known.referred,
            Self::AsRecorded { .. } => None,
        }
    }
}

impl Default for Buyer {
    fn default() -> Self {
        Self::Known(KnownBuyer::default())
    }
}

impl Sale {
    /// One of which only the total was told.
    #[must_use]
    pub const fn of_total(order: OrderId, total: Money, on: NaiveDate) -> Self {
        let segmented = Segmented { segment: None, is_vip: false };
        let buyer = Buyer::Known(KnownBuyer { birth_date: None, segmented, referred: None });
        Self { order, channel: None, lines: Vec::new(), total, on, buyer }
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
    /// What was paid for the order, where that may be in another currency than the account is told of.
    pub total: Option<Money>,
    /// What of the order's total has not been refunded.
    pub remaining_total: Money,
    /// The business date.
    pub on: NaiveDate,
}

impl SaleRefund {
    /// One that was told by what remains.
    #[must_use]
    pub const fn remaining(order: OrderId, refund: RefundId, remaining_total: Money, on: NaiveDate) -> Self {
        Self { order, refund, lines: Vec::new(), given_back: Vec::new(), total: None, remaining_total, on }
    }
}
