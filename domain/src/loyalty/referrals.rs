//! What who sent a customer is given for its first purchase: promised while that may still be given back, earned, or lost.

use serde::{Deserialize, Serialize};

use crate::event::{Clear, clear_values};
use crate::ids::{CustomerId, OrderId};
use crate::loyalty::campaigns::CampaignPoints;

/// What has become of a referral.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferralStatus {
    /// The points of the purchase are pending, and so is what the referrer is given.
    Pending,
    /// The referrer is given its points.
    Earned,
    /// The purchase was given back before the referrer was given anything.
    Cancelled,
    /// The purchase was given back afterwards: so is what the referrer was given.
    Reversed,
}

impl ReferralStatus {
    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Earned => "earned",
            Self::Cancelled => "cancelled",
            Self::Reversed => "reversed",
        }
    }
}

impl Clear for ReferralStatus {}

clear_values! {
    /// A referral that was rewarded, or will be.
    pub struct RewardedReferral {
        /// Who was sent, as it was called then.
        pub customer: CustomerId,
        /// Its first purchase.
        pub order: OrderId,
        /// Who sent it, as it was called then.
        pub referrer: CustomerId,
        /// How many points the referrer is given.
        pub points: i64,
        /// The campaigns that give them.
        pub campaigns: Vec<CampaignPoints>,
        /// Whether the points of the purchase have not vested.
        pub is_pending: bool,
    }
}
