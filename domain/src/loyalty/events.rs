//! What happens to a loyalty account, stored for ever.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::event::upcast::Upcaster;
use crate::event::{Clear, Personal, clear_values, events};
use crate::ids::{
    AdjustmentId, CampaignId, CustomerId, HoldId, OrderId, ReasonCode, RefundId, RehearsalId, RewardCode,
    StampCardCode, TransferId,
};
use crate::loyalty::adjustments::{AdjustmentNote, AdjustmentReason};
use crate::loyalty::campaigns::{CampaignName, CampaignPoints, CampaignRules};
use crate::loyalty::flags::{FlagKind, GivenBackDay};
use crate::loyalty::merging::{
    AbsorbedCard, AbsorbedLot, AbsorbedPending, AbsorbedRedemption, AbsorbedReward, AbsorbedStamps,
};
use crate::loyalty::programme::{Programme, Tier};
use crate::loyalty::referrals::{ReferralStatus, RewardedReferral};
use crate::money::{Currency, Money};

/// Points out of one lot. Written down with each use, so that the order of use may change without rewriting history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LotPoints {
    /// The number of the lot.
    pub lot: u32,
    /// How many of its points.
    pub points: i64,
}

impl Clear for LotPoints {}

clear_values! {
    /// Points out of one lot that come to another account, or back to theirs, with the dates they had: the lot may not be known there.
    pub struct MovedLot {
        /// The number of the lot in the account that the event is of.
        pub lot: u32,
        /// How many of its points.
        pub points: i64,
        /// The business date on which they were earned.
        pub earned_on: NaiveDate,
        /// The first day on which they are gone.
        pub expires_on: NaiveDate,
    }
}

impl MovedLot {
    /// Without the dates.
    pub const fn drawn(&self) -> LotPoints {
        LotPoints { lot: self.lot, points: self.points }
    }
}

clear_values! {
    /// Stamps for articles of one line of a purchase.
    #[derive(Copy)]
    #[serde(deny_unknown_fields)]
    pub struct StampedLine {
        /// The index of the line in the purchase, from zero.
        pub line: u32,
        /// How many stamps: one for each article.
        pub stamps: u32,
    }
}

/// Why held points came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    /// Somebody asked for it: the order came to nothing.
    Cancelled,
    /// Nobody captured them in time.
    Lapsed,
}

impl ReleaseReason {
    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Lapsed => "lapsed",
        }
    }
}

impl Clear for ReleaseReason {}

events! {
    /// An event of a loyalty account. A `balance` is what is available after the event; below zero only by reversal.
    pub enum LoyaltyEvent {
        /// The customer became a member.
        #[serde(rename = "loyalty.account.enrolled")]
        Enrolled {
            /// The only currency in which the account earns.
            currency: Currency,
            /// The business date.
            on: NaiveDate,
        },
        /// A purchase earned points that are to vest first: until then they cannot be spent, and count for no tier.
        #[serde(rename = "loyalty.points.pending")]
        PointsPending {
            /// The order.
            order: OrderId,
            /// What was paid.
            total: Money,
            /// The version of the programme whose rules were applied; none: the standard rules.
            programme: Option<u32>,
            /// The tier before the purchase.
            tier: Tier,
            /// The points before the multiplier.
            base_points: i64,
            /// The multiplier of the tier.
            multiplier_percent: i64,
            /// The points that are pending.
            points: i64,
            /// The number of the lot that they will be, from one.
            lot: u32,
            /// The business date of the purchase.
            pending_on: NaiveDate,
            /// The business date on which they vest by themselves.
            vests_on: Option<NaiveDate>,
            /// The first day on which they are gone, if they vest then.
            expires_on: Option<NaiveDate>,
            /// What of the points campaigns gave.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            campaigns: Vec<CampaignPoints>,
            /// How many more it would have been without caps.
            capped: i64,
            /// All that is pending afterwards.
            pending: i64,
            /// Available, which it does not change.
            balance: i64,
        },
        /// A purchase earned points.
        #[serde(rename = "loyalty.points.earned")]
        PointsEarned {
            /// The order.
            order: OrderId,
            /// What was paid.
            total: Money,
            /// The version of the programme whose rules were applied; none: the standard rules.
            programme: Option<u32>,
            /// The tier before the purchase; in the first version told by the multiplier.
            tier: Tier,
            /// The points before the multiplier.
            base_points: i64,
            /// The multiplier of the tier.
            multiplier_percent: i64,
            /// The points earned.
            points: i64,
            /// The number of the lot, from one.
            lot: u32,
            /// The business date of the purchase; of points that were pending the one on which they vested.
            earned_on: NaiveDate,
            /// The first day on which the points are gone.
            expires_on: NaiveDate,
            /// How many of them paid points that were owed; the others can be redeemed.
            paid_debt: i64,
            /// What of the points campaigns gave; the first two versions know none.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            campaigns: Vec<CampaignPoints>,
            /// How many more it would have been without caps.
            capped: i64,
            /// The business date of the purchase, when its points were pending until they vested.
            pending_since: Option<NaiveDate>,
            /// Available afterwards.
            balance: i64,
        },
        /// The points earned of late reached a higher tier.
        #[serde(rename = "loyalty.tier.upgraded")]
        TierUpgraded {
            /// The tier before.
            from: Tier,
            /// The tier from now on.
            to: Tier,
            /// The points earned in the twelve calendar months that end on the date.
            earned_12_months: i64,
            /// The business date: the latest on which the account has earned.
            on: NaiveDate,
        },
        /// The yearly review found too few points for the tier.
        #[serde(rename = "loyalty.tier.downgraded")]
        TierDowngraded {
            /// The tier before.
            from: Tier,
            /// The tier from now on.
            to: Tier,
            /// The points that were counted.
            earned_12_months: i64,
            /// The business date of the review: an anniversary of the enrolment, whenever it was made.
            on: NaiveDate,
        },
        /// The yearly review found enough points for the tier.
        #[serde(rename = "loyalty.tier.kept")]
        TierKept {
            /// The tier.
            tier: Tier,
            /// The points that were counted.
            earned_12_months: i64,
            /// The business date of the review: an anniversary of the enrolment, whenever it was made.
            on: NaiveDate,
        },
        /// Points were set aside for an order, so that the discount that was promised is there when it is paid.
        #[serde(rename = "loyalty.hold.placed")]
        HoldPlaced {
            /// The hold.
            hold: HoldId,
            /// The order that they are for.
            order: OrderId,
            /// The points set aside.
            points: i64,
            /// What they will be worth.
            discount: Money,
            /// The lots they come from.
            from: Vec<LotPoints>,
            /// The business date.
            placed_on: NaiveDate,
            /// From when on the hold is over by itself.
            lapses_at: DateTime<Utc>,
            /// The business date of that moment.
            lapses_on: NaiveDate,
            /// Available afterwards.
            balance: i64,
        },
        /// Points that were set aside came back.
        #[serde(rename = "loyalty.hold.released")]
        HoldReleased {
            /// The hold.
            hold: HoldId,
            /// The order that they were for.
            order: OrderId,
            /// The points that came back.
            points: i64,
            /// Why.
            reason: ReleaseReason,
            /// How many of them paid points that were owed; the others can be redeemed.
            paid_debt: i64,
            /// The lots to which the others went.
            returned: Vec<LotPoints>,
            /// When; of a hold that lapsed the moment when it did, whenever that was noticed.
            released_at: DateTime<Utc>,
            /// The business date of that moment.
            released_on: NaiveDate,
            /// Available afterwards.
            balance: i64,
        },
        /// Points became a discount.
        #[serde(rename = "loyalty.points.redeemed")]
        PointsRedeemed {
            /// The order that is discounted.
            order: OrderId,
            /// The points spent.
            points: i64,
            /// What they were worth.
            discount: Money,
            /// The lots they came from.
            from: Vec<LotPoints>,
            /// The hold that had set them aside.
            hold: Option<HoldId>,
            /// The business date.
            redeemed_on: NaiveDate,
            /// Available afterwards.
            balance: i64,
        },
        /// Points were taken back because the purchase was.
        #[serde(rename = "loyalty.points.reversed")]
        PointsReversed {
            /// The order that had earned them.
            order: OrderId,
            /// The refund.
            refund: RefundId,
            /// The lot of the order.
            lot: u32,
            /// The points taken back.
            points: i64,
            /// The lots they came from; what is missing is owed.
            from: Vec<LotPoints>,
            /// The business date of the refund.
            reversed_on: NaiveDate,
            /// The account's currency; the first version does not tell it.
            currency: Option<Currency>,
            /// Whether they were still pending: then nothing was available of them, and nothing is owed.
            pending: bool,
            /// How much less campaigns gave by it, before the caps of the programme.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            campaigns: Vec<CampaignPoints>,
            /// Available afterwards.
            balance: i64,
        },
        /// An order that only the account knows was given back, whole or in part: what follows for its points stands behind it.
        #[serde(rename = "loyalty.order.refunded")]
        OrderRefunded {
            /// The order.
            order: OrderId,
            /// The refund.
            refund: RefundId,
            /// What of its total has not been given back.
            remaining: Money,
            /// The business date of the refund.
            refunded_on: NaiveDate,
        },
        /// Points that had become a discount came back, because the order was given back.
        #[serde(rename = "loyalty.points.returned")]
        PointsReturned {
            /// The order that had been discounted.
            order: OrderId,
            /// The refund.
            refund: RefundId,
            /// The points that came back.
            points: i64,
            /// The lots to which they went, but for those that paid points that were owed.
            returned: Vec<MovedLot>,
            /// How many of them paid points that were owed; the others can be redeemed.
            paid_debt: i64,
            /// The business date of the refund.
            returned_on: NaiveDate,
            /// The account's currency.
            currency: Currency,
            /// Available afterwards.
            balance: i64,
        },
        /// Somebody gave or took points by hand.
        #[serde(rename = "loyalty.points.adjusted")]
        PointsAdjusted {
            /// The adjustment.
            adjustment: AdjustmentId,
            /// The points given; below zero those taken.
            points: i64,
            /// Why.
            reason: AdjustmentReason,
            /// The number of the lot that points given make.
            lot: Option<u32>,
            /// The first day on which points given are gone.
            expires_on: Option<NaiveDate>,
            /// The lots that points taken come from.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            from: Vec<LotPoints>,
            /// How many of the points given paid points that were owed; the others can be redeemed.
            paid_debt: i64,
            /// The business date.
            adjusted_on: NaiveDate,
            /// The account's currency.
            currency: Currency,
            /// Available afterwards.
            balance: i64,
            /// What was said about it.
            personal: Personal<AdjustmentNote>,
        },
        /// What was left of a lot grew too old, or what came back to a lot that was too old by then: from a hold, or with a refund.
        #[serde(rename = "loyalty.points.expired")]
        PointsExpired {
            /// The number of the lot.
            lot: u32,
            /// The points lost.
            points: i64,
            /// The first day on which the points of the lot are gone.
            expires_on: NaiveDate,
            /// The hold that had kept them.
            hold: Option<HoldId>,
            /// The order for which they had been redeemed.
            order: Option<OrderId>,
            /// The refund that had brought them back.
            refund: Option<RefundId>,
            /// The account's currency; the first two versions do not tell it.
            currency: Option<Currency>,
            /// Available afterwards.
            balance: i64,
        },
        /// Points went to another account. They count for the tier of this one as before.
        #[serde(rename = "loyalty.transfer.sent")]
        TransferSent {
            /// The transfer.
            transfer: TransferId,
            /// Whose account they went to.
            to: CustomerId,
            /// How many.
            points: i64,
            /// The lots they came from, oldest first.
            lots: Vec<MovedLot>,
            /// Why.
            reason: Option<ReasonCode>,
            /// The currency of both accounts.
            currency: Currency,
            /// The business date.
            sent_on: NaiveDate,
            /// Available afterwards.
            balance: i64,
        },
        /// Points came from another account. They do not count for the tier of this one.
        #[serde(rename = "loyalty.transfer.received")]
        TransferReceived {
            /// The transfer.
            transfer: TransferId,
            /// Whose account they came from.
            from: CustomerId,
            /// How many.
            points: i64,
            /// The lots they became, oldest first: those of the same dates are one.
            lots: Vec<MovedLot>,
            /// How many of them paid points that were owed, the oldest; the others can be redeemed.
            paid_debt: i64,
            /// Why.
            reason: Option<ReasonCode>,
            /// The currency of both accounts.
            currency: Currency,
            /// The business date.
            received_on: NaiveDate,
            /// Available afterwards.
            balance: i64,
        },
        /// Articles of a purchase were stamped on a card.
        #[serde(rename = "loyalty.stamp.added")]
        StampAdded {
            /// The order.
            order: OrderId,
            /// The card.
            card: StampCardCode,
            /// The version of the programme that has it.
            programme: Option<u32>,
            /// How many stamps.
            stamps: u32,
            /// For which lines of the purchase.
            lines: Vec<StampedLine>,
            /// The business date of the purchase.
            stamped_on: NaiveDate,
            /// The stamps on the card afterwards, before it earns a reward.
            on_card: i64,
        },
        /// Stamps were taken back, because the articles were given back.
        #[serde(rename = "loyalty.stamp.removed")]
        StampRemoved {
            /// The order.
            order: OrderId,
            /// The refund.
            refund: RefundId,
            /// The card.
            card: StampCardCode,
            /// How many stamps.
            stamps: u32,
            /// Of which lines of the purchase.
            lines: Vec<StampedLine>,
            /// The business date of the refund.
            removed_on: NaiveDate,
            /// The stamps on the card afterwards; below zero when they had earned a reward that is spent.
            on_card: i64,
        },
        /// A card was full.
        #[serde(rename = "loyalty.reward.earned")]
        RewardEarned {
            /// The number of the reward in the account, from one.
            reward: u32,
            /// The card.
            card: StampCardCode,
            /// What it is.
            code: RewardCode,
            /// How many stamps it took.
            stamps: u32,
            /// The order that made the card full; none when two cards became one.
            order: Option<OrderId>,
            /// The business date.
            earned_on: NaiveDate,
            /// The first day on which it is gone; none: never.
            expires_on: Option<NaiveDate>,
            /// The stamps on the card afterwards.
            on_card: i64,
        },
        /// A reward is no more, because the stamps that had earned it were taken back, or are owed otherwise. Its other stamps are on the
        /// card again.
        #[serde(rename = "loyalty.reward.withdrawn")]
        RewardWithdrawn {
            /// The reward.
            reward: u32,
            /// The card.
            card: StampCardCode,
            /// What it was.
            code: RewardCode,
            /// How many stamps it had taken.
            stamps: u32,
            /// The order that was given back; none when two cards became one, of which one owed stamps.
            order: Option<OrderId>,
            /// The refund.
            refund: Option<RefundId>,
            /// The business date of the refund, or on which the cards became one.
            withdrawn_on: NaiveDate,
            /// The stamps on the card afterwards.
            on_card: i64,
        },
        /// A reward was handed over.
        #[serde(rename = "loyalty.reward.redeemed")]
        RewardRedeemed {
            /// The reward.
            reward: u32,
            /// The card that had earned it.
            card: StampCardCode,
            /// What it was.
            code: RewardCode,
            /// The order with which it was.
            order: OrderId,
            /// The business date.
            redeemed_on: NaiveDate,
        },
        /// A reward came back, because the order with which it was redeemed was given back whole.
        #[serde(rename = "loyalty.reward.returned")]
        RewardReturned {
            /// The number of the reward from now on.
            reward: u32,
            /// The number under which it was redeemed.
            redeemed: u32,
            /// The card that had earned it.
            card: StampCardCode,
            /// What it is.
            code: RewardCode,
            /// How many stamps it took.
            stamps: u32,
            /// The order.
            order: OrderId,
            /// The refund.
            refund: RefundId,
            /// The business date on which it was earned.
            earned_on: NaiveDate,
            /// The first day on which it is gone, as before.
            expires_on: Option<NaiveDate>,
            /// The business date of the refund.
            returned_on: NaiveDate,
        },
        /// A reward grew too old.
        #[serde(rename = "loyalty.reward.expired")]
        RewardExpired {
            /// The reward.
            reward: u32,
            /// The card that had earned it.
            card: StampCardCode,
            /// What it was.
            code: RewardCode,
            /// The first day on which it is gone.
            expires_on: NaiveDate,
        },
        /// Another customer had sent this one, and is given points for its first purchase; or no more.
        #[serde(rename = "loyalty.referral.changed")]
        ReferralChanged {
            /// Who was sent, as it was called then.
            customer: CustomerId,
            /// Its first purchase.
            order: OrderId,
            /// Who sent it, as it was called then.
            referrer: CustomerId,
            /// How many points.
            points: i64,
            /// The campaigns that give them.
            campaigns: Vec<CampaignPoints>,
            /// What has become of it.
            status: ReferralStatus,
            /// The business date.
            on: NaiveDate,
        },
        /// Something about the account is to be looked at by a person. Nothing is refused because of it.
        #[serde(rename = "loyalty.flag.raised")]
        FlagRaised {
            /// What.
            flag: FlagKind,
            /// How many orders it is about: those that were bought and given back, or the first purchase.
            orders: u32,
            /// The business date of the first of them.
            since: NaiveDate,
            /// The business date.
            raised_on: NaiveDate,
        },
        /// A person has looked at it.
        #[serde(rename = "loyalty.flag.cleared")]
        FlagCleared {
            /// What.
            flag: FlagKind,
            /// What came of it.
            reason: Option<ReasonCode>,
            /// The business date.
            cleared_on: NaiveDate,
        },
        /// The account is over, because its customer turned out to be another one, whose account took over what it had. Told once more when
        /// that one turns out to be a third.
        #[serde(rename = "loyalty.account.merged")]
        Merged {
            /// Whose account took over.
            into: CustomerId,
            /// What was available; below zero when points were owed.
            points: i64,
            /// The account's currency.
            currency: Currency,
            /// The business date.
            on: NaiveDate,
        },
        /// A part of what the account of a duplicate had. A customer that was no member becomes one by it.
        #[serde(rename = "loyalty.account.absorbed")]
        Absorbed {
            /// Whose account it was.
            duplicate: CustomerId,
            /// Which part, from one; all are of one append.
            part: u32,
            /// How many parts.
            parts: u32,
            /// The currency of both accounts.
            currency: Currency,
            /// Since when the customer counts as a member.
            enrolled_on: NaiveDate,
            /// What was available in this part; below zero when points were owed.
            points: i64,
            /// The points that were owed there.
            debt: i64,
            /// The lots that paid them here; what is missing is owed.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            debt_from: Vec<LotPoints>,
            /// The lots of this part, and what counts for the tier, oldest first.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            lots: Vec<AbsorbedLot>,
            /// How many of their points paid points that were owed here, the oldest; the others can be redeemed.
            paid_debt: i64,
            /// The orders that were discounted.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            redeemed: Vec<AbsorbedRedemption>,
            /// The points that have not vested.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pending: Vec<AbsorbedPending>,
            /// What was on the stamp cards, to be added.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            stamp_cards: Vec<AbsorbedCard>,
            /// The rewards that can be redeemed, and those whose orders may be given back.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            rewards: Vec<AbsorbedReward>,
            /// The orders whose stamps may be taken back.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            stamped: Vec<AbsorbedStamps>,
            /// What who sent it is given for its first purchase.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            referrals: Vec<RewardedReferral>,
            /// What was to be looked at.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            flags: Vec<FlagKind>,
            /// The orders that were bought and given back of late.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            given_back: Vec<GivenBackDay>,
            /// The latest business date on which the other account had earned.
            latest_earned_on: Option<NaiveDate>,
            /// The business date.
            on: NaiveDate,
            /// Available afterwards.
            balance: i64,
        },
        /// The account is over, because nobody knows any more whose it was. What was left on it is lost, what was owed is forgiven.
        #[serde(rename = "loyalty.account.closed")]
        Closed {
            /// What was available; below zero when points were owed.
            points: i64,
            /// What was held.
            held: i64,
            /// The account's currency.
            currency: Currency,
            /// The business date.
            on: NaiveDate,
        },
    }
}

events! {
    /// An event of a tenant's loyalty programme.
    pub enum ProgrammeEvent {
        /// Another version of the rules was published. It holds from its date on, until a later version does.
        #[serde(rename = "loyalty.programme.published")]
        Published {
            /// The number of the version, from one.
            version: u32,
            /// The first business date for which the rules hold.
            from: NaiveDate,
            /// The rules.
            rules: Programme,
            /// The rehearsal that showed what they would have done.
            rehearsal: Option<RehearsalId>,
            /// The business date.
            published_on: NaiveDate,
        },
        /// It was worked out what rules would have done, had they held all the time.
        #[serde(rename = "loyalty.programme.rehearsed")]
        Rehearsed {
            /// The rehearsal.
            rehearsal: RehearsalId,
            /// The rules.
            rules: Programme,
            /// What they would have changed.
            outcome: RehearsalOutcome,
            /// The business date.
            rehearsed_on: NaiveDate,
        },
        /// A campaign was published, or another version of it. Of a business date that version holds which was published last of
        /// those whose date has come.
        #[serde(rename = "loyalty.campaign.published")]
        CampaignPublished {
            /// The campaign.
            campaign: CampaignId,
            /// The number of the version, from one.
            version: u32,
            /// What it is called.
            name: CampaignName,
            /// What it gives.
            rules: CampaignRules,
            /// The first business date for which the version holds.
            from: NaiveDate,
            /// The last business date on which it gives anything; none: until the campaign is ended.
            until: Option<NaiveDate>,
            /// The business date.
            published_on: NaiveDate,
        },
        /// A campaign gives nothing any more. Told once more when its end is brought forward.
        #[serde(rename = "loyalty.campaign.ended")]
        CampaignEnded {
            /// The campaign.
            campaign: CampaignId,
            /// The first business date on which it gives nothing.
            on: NaiveDate,
            /// The business date of the decision.
            ended_on: NaiveDate,
        },
    }
}

clear_values! {
    /// What rules would have changed, in sum.
    #[derive(Default)]
    #[serde(deny_unknown_fields)]
    pub struct RehearsalOutcome {
        /// The position of the log up to which it was replayed.
        pub position: i64,
        /// The members.
        pub members: i64,
        /// The purchases of members.
        pub purchases: i64,
        /// The members who would be of a higher tier.
        pub upgraded: i64,
        /// The members who would be of a lower tier.
        pub downgraded: i64,
        /// The points that are available and held today.
        pub points: i64,
        /// The points that would be.
        pub rehearsed_points: i64,
        /// What they are worth today, by currency.
        pub liabilities: Vec<Money>,
        /// What they would be worth.
        pub rehearsed_liabilities: Vec<Money>,
    }
}

/// The upcasters of old versions.
pub(crate) const UPCASTERS: &[Upcaster] = &[
    // Before programmes had versions: the standard rules, which have another multiplier for each tier.
    Upcaster {
        event_type: "loyalty.points.earned",
        from: 1,
        lift: |fields| {
            let percent = fields.payload.get("multiplier_percent").and_then(serde_json::Value::as_i64);
            let tier = match percent {
                Some(125) => Tier::Silver,
                Some(150) => Tier::Gold,
                Some(200) => Tier::Platinum,
                Some(_) | None => Tier::Bronze,
            };
            fields.payload.insert("tier".to_owned(), tier.as_str().into());
        },
    },
    // Before campaigns, caps and pending points.
    Upcaster {
        event_type: "loyalty.points.earned",
        from: 2,
        lift: |fields| {
            fields.payload.insert("capped".to_owned(), 0.into());
        },
    },
    // Before programmes had caps, pending points and stamp cards.
    Upcaster { event_type: "loyalty.programme.published", from: 1, lift: |_| {} },
    Upcaster { event_type: "loyalty.programme.rehearsed", from: 1, lift: |_| {} },
    // Before campaigns could be for birthdays.
    Upcaster { event_type: "loyalty.campaign.published", from: 1, lift: |_| {} },
    // Before campaigns told for which lines they gave.
    Upcaster { event_type: "loyalty.points.earned", from: 3, lift: |_| {} },
    Upcaster { event_type: "loyalty.points.pending", from: 1, lift: |_| {} },
    Upcaster { event_type: "loyalty.points.reversed", from: 3, lift: |_| {} },
    Upcaster { event_type: "loyalty.account.absorbed", from: 3, lift: |_| {} },
    // Before campaigns could be for segments.
    Upcaster { event_type: "loyalty.campaign.published", from: 3, lift: |_| {} },
    // Before customers sent others.
    Upcaster { event_type: "loyalty.points.adjusted", from: 1, lift: |_| {} },
    Upcaster { event_type: "loyalty.account.absorbed", from: 4, lift: |_| {} },
    Upcaster { event_type: "loyalty.campaign.published", from: 2, lift: |_| {} },
    Upcaster { event_type: "loyalty.flag.raised", from: 1, lift: |_| {} },
    Upcaster { event_type: "loyalty.flag.cleared", from: 1, lift: |_| {} },
    // Before duplicates handed over what was paid for their orders.
    Upcaster { event_type: "loyalty.account.absorbed", from: 5, lift: |_| {} },
    // Before a merge set off what one card owed.
    Upcaster { event_type: "loyalty.reward.withdrawn", from: 1, lift: |_| {} },
    // Before there were holds.
    Upcaster { event_type: "loyalty.points.redeemed", from: 1, lift: |_| {} },
    Upcaster { event_type: "loyalty.points.expired", from: 1, lift: |_| {} },
    // Before what is owed was summed up by currency.
    Upcaster { event_type: "loyalty.points.expired", from: 2, lift: |_| {} },
    Upcaster { event_type: "loyalty.points.reversed", from: 1, lift: |_| {} },
    // Before points could be pending.
    Upcaster {
        event_type: "loyalty.points.reversed",
        from: 2,
        lift: |fields| {
            fields.payload.insert("pending".to_owned(), false.into());
        },
    },
    // Before points could be pending.
    Upcaster { event_type: "loyalty.account.absorbed", from: 1, lift: |_| {} },
    // Before stamp cards.
    Upcaster { event_type: "loyalty.account.absorbed", from: 2, lift: |_| {} },
    // Before refunds gave redeemed points back.
    Upcaster { event_type: "loyalty.points.expired", from: 3, lift: |_| {} },
];
