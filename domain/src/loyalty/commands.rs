//! What may be asked of a loyalty account, and how it may be refused.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use crate::calendar::Moment;
use crate::ids::{
    AdjustmentId, CampaignId, CustomerId, HoldId, OrderId, ReasonCode, RefundId, RehearsalId, TransferId,
};
use crate::loyalty::adjustments::{AdjustmentNote, AdjustmentReason};
use crate::loyalty::campaigns::{CampaignDraft, CampaignFault};
use crate::loyalty::events::{MovedLot, RehearsalOutcome};
use crate::loyalty::flags::FlagKind;
use crate::loyalty::loyalty_account::{HoldEnd, Member};
use crate::loyalty::loyalty_programme::LoyaltyProgramme;
use crate::loyalty::programme::{Programme, ProgrammeFault, Tier};
use crate::loyalty::sale::{Sale, SaleRefund};
use crate::money::{Currency, Money};
use crate::refusal::{Refusal, RefusalKind};

/// A request to a loyalty account. What is due by `now` lapses or expires first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoyaltyCommand {
    /// Make the customer a member.
    Enrol {
        /// The only currency in which the account earns.
        currency: Currency,
        /// The business date.
        on: NaiveDate,
    },
    /// Earn points with a purchase.
    Earn {
        /// The purchase; its order earns once.
        sale: Sale,
        /// The rules; those of the date hold.
        programme: LoyaltyProgramme,
        /// When it is asked.
        now: Moment,
    },
    /// Spend points on a discount.
    Redeem {
        /// How many.
        points: i64,
        /// The order that is discounted; redeems once.
        order: OrderId,
        /// The rules; those of today hold.
        programme: LoyaltyProgramme,
        /// When it is asked.
        now: Moment,
    },
    /// Take back what a purchase earned, because it was refunded.
    Reverse {
        /// The refund; it reverses once.
        refunded: SaleRefund,
        /// The rules; those hold by which the order earned.
        programme: LoyaltyProgramme,
        /// When it is asked.
        now: Moment,
    },
    /// Keep points for an order until it is paid, so that the discount that was promised is there.
    PlaceHold {
        /// The hold, under a new id.
        hold: HoldId,
        /// How many points.
        points: i64,
        /// The order that they are for; has one open hold at most.
        order: OrderId,
        /// From when on the hold is over by itself.
        lapses: Moment,
        /// The rules; those of today hold.
        programme: LoyaltyProgramme,
        /// When it is asked.
        now: Moment,
    },
    /// Spend the points of a hold.
    CaptureHold {
        /// The hold.
        hold: HoldId,
        /// The order that is discounted: the one they are held for.
        order: OrderId,
        /// When it is asked.
        now: Moment,
    },
    /// Give the points of a hold back, because the order came to nothing.
    ReleaseHold {
        /// The hold.
        hold: HoldId,
        /// When it is asked.
        now: Moment,
    },
    /// Give back an order that only the account knows: take back what the rest of it would not have earned, and give back what was
    /// spent for it.
    RefundOrder {
        /// What is given back.
        refunded: SaleRefund,
        /// The programme.
        programme: LoyaltyProgramme,
        /// When it is asked.
        now: Moment,
    },
    /// Give back what was redeemed for a purchase, because it was refunded, as far as it was.
    Return {
        /// The order.
        order: OrderId,
        /// The refund; gives back once.
        refund: RefundId,
        /// How much of the order has been refunded, as a part and the whole.
        share: (i64, i64),
        /// The business date of the refund.
        on: NaiveDate,
        /// When it is asked.
        now: Moment,
    },
    /// Give or take points by hand.
    Adjust {
        /// The adjustment; made once.
        adjustment: AdjustmentId,
        /// How many points to give; below zero to take.
        points: i64,
        /// Why.
        reason: AdjustmentReason,
        /// What is said about it.
        note: AdjustmentNote,
        /// The rules; those of today hold.
        programme: LoyaltyProgramme,
        /// When it is asked.
        now: Moment,
    },
    /// Give points to another account.
    SendTransfer {
        /// The transfer.
        transfer: TransferId,
        /// Whose account they go to.
        to: CustomerId,
        /// How many.
        points: i64,
        /// Why.
        reason: Option<ReasonCode>,
        /// The rules; those of the day on which points vest hold.
        programme: LoyaltyProgramme,
        /// When it is asked.
        now: Moment,
    },
    /// Take points from another account.
    ReceiveTransfer {
        /// The transfer.
        transfer: TransferId,
        /// Whose account they come from.
        from: CustomerId,
        /// The lots they come from.
        lots: Vec<MovedLot>,
        /// Why.
        reason: Option<ReasonCode>,
        /// The currency of the account that they come from.
        currency: Currency,
        /// When it is asked.
        now: Moment,
    },
    /// Stamp what a purchase has for stamp cards.
    Stamp {
        /// The purchase; its order is stamped once.
        sale: Sale,
        /// The rules; those of the date of the purchase hold.
        programme: LoyaltyProgramme,
        /// When it is asked.
        now: Moment,
    },
    /// Take back the stamps of what was given back.
    TakeStampsBack {
        /// The refund; it takes them back once.
        refunded: SaleRefund,
        /// When it is asked.
        now: Moment,
    },
    /// Remember what who sent the customer is given for its first purchase.
    NoteReferral {
        /// The purchase, with who sent the customer.
        sale: Sale,
        /// The tier before it, if that is another one by now.
        tier: Option<Tier>,
        /// The campaigns; those of the date of the purchase hold.
        programme: LoyaltyProgramme,
        /// When it is asked.
        now: Moment,
    },
    /// Have it that nothing more is due to who sent the customer, when nothing is left of that purchase.
    GiveReferralBack {
        /// The refund.
        refunded: SaleRefund,
        /// When it is asked.
        now: Moment,
    },
    /// Hand a reward over.
    RedeemReward {
        /// Its number.
        reward: u32,
        /// The order with which it is handed over.
        order: OrderId,
        /// When it is asked.
        now: Moment,
    },
    /// Tell that the customer turned out to be one with who had sent it.
    FlagSelfReferral {
        /// When it is asked.
        now: Moment,
    },
    /// Tell that somebody has looked at what was flagged.
    ClearFlag {
        /// What was flagged.
        flag: FlagKind,
        /// What came of it.
        reason: Option<ReasonCode>,
        /// When it is asked.
        now: Moment,
    },
    /// Let lapse and expire what is due, because the customer turned out to be another one, and vest what is pending of orders that both know.
    SettleBeforeMerge {
        /// The account that takes over, if there is one yet.
        with: Option<Box<Member>>,
        /// The rules.
        programme: LoyaltyProgramme,
        /// When it is asked.
        now: Moment,
    },
    /// Hand over all to the account of the customer that this one turned out to be.
    MergeInto {
        /// Whose account takes over.
        into: CustomerId,
        /// When it is asked.
        now: Moment,
    },
    /// Take over all that the account of a duplicate has.
    Absorb {
        /// Whose account it is.
        duplicate: CustomerId,
        /// As it is once what is due has lapsed and expired.
        account: Box<Member>,
        /// The rules.
        programme: LoyaltyProgramme,
        /// When it is asked.
        now: Moment,
    },
    /// Let points vest: those that are due, and those of an order, because what was waited for has happened.
    Vest {
        /// The order.
        order: Option<OrderId>,
        /// The rules; those by which the points were earned tell when they expire.
        programme: LoyaltyProgramme,
        /// When it is asked.
        now: Moment,
    },
    /// Let lapse and expire what is due.
    Settle {
        /// When it is asked.
        now: Moment,
    },
    /// Review the tier, if a review is due.
    Review {
        /// The rules; those of the day of the review hold.
        programme: LoyaltyProgramme,
        /// When it is asked.
        now: Moment,
    },
    /// End the account for good.
    Close {
        /// When it is asked.
        now: Moment,
    },
}

/// Why a loyalty account's command is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum LoyaltyError {
    /// The customer is not a member.
    #[error("the customer is not a member of the loyalty programme")]
    NotAMember,
    /// The account was closed.
    #[error("the loyalty account was closed")]
    AccountClosed,
    /// The customer turned out to be another one, whose account took over.
    #[error("the account was merged into that of {survivor}")]
    AccountMerged {
        /// Whose account it is.
        survivor: CustomerId,
    },
    /// The customer was deleted.
    #[error("the customer was deleted: restore it first")]
    CustomerDeleted,
    /// The account of a duplicate holds points for a sale that is being made.
    #[error("points of the duplicate are held until {lapses_at}: capture or release them first")]
    HoldsOpen {
        /// When the last hold is over by itself.
        lapses_at: DateTime<Utc>,
    },
    /// The account of a duplicate earns in another currency.
    #[error("the account is in {expected}, that of the duplicate in {given}")]
    DuplicateCurrency {
        /// The account's currency.
        expected: Currency,
        /// That of the duplicate's.
        given: Currency,
    },
    /// More points together than an account may hold.
    #[error("together the accounts would hold more than {limit} points")]
    MergedPointsLimit {
        /// The most that an account may hold.
        limit: i64,
    },
    /// More orders than an account hands over.
    #[error("the account of the duplicate knows more than {limit} orders")]
    MergeTooManyOrders {
        /// The most that it hands over.
        limit: usize,
    },
    /// The account earns in another currency.
    #[error("the account is in {expected}, not in {given}")]
    CurrencyMismatch {
        /// The account's currency.
        expected: Currency,
        /// The currency of the command.
        given: Currency,
    },
    /// A total below zero.
    #[error("the total must not be negative")]
    NegativeTotal {
        /// The total.
        total: Money,
    },
    /// Fewer points than the minimum, or a broken multiple.
    #[error("points are redeemed in multiples of {multiple_of}, at least {minimum}")]
    PointsNotRedeemable {
        /// The points asked for.
        points: i64,
        /// The multiple.
        multiple_of: i64,
        /// The minimum.
        minimum: i64,
    },
    /// More points than are available.
    #[error("{}", said_of(*available))]
    InsufficientPoints {
        /// The points asked for.
        points: i64,
        /// What is available; below zero when points are owed.
        available: i64,
    },
    /// More points than an account may hold.
    #[error("an account holds at most {limit} points")]
    PointsLimit {
        /// What is available; below zero when points are owed.
        available: i64,
        /// The points that would be earned.
        points: i64,
        /// The most that an account may hold.
        limit: i64,
    },
    /// An adjustment of nothing.
    #[error("an adjustment gives or takes at least a point")]
    AdjustmentOfNothing,
    /// More points than are given or taken at once by hand.
    #[error("an adjustment gives or takes at most {limit} points")]
    AdjustmentLimit {
        /// The points asked for.
        points: i64,
        /// The most at once.
        limit: i64,
    },
    /// More points than an account may hold, given by hand.
    #[error("an account holds at most {limit} points")]
    AdjustedPointsLimit {
        /// What is available; below zero when points are owed.
        available: i64,
        /// The points asked for.
        points: i64,
        /// The most that an account may hold.
        limit: i64,
    },
    /// Another adjustment has the id.
    #[error("adjustment {adjustment} was made already, of {points} points")]
    AdjustmentAlreadyMade {
        /// The adjustment.
        adjustment: AdjustmentId,
        /// What it gave; below zero what it took.
        points: i64,
    },
    /// A transfer of nothing or less.
    #[error("at least one point is transferred")]
    PointsNotPositive {
        /// The points asked for.
        points: i64,
    },
    /// A transfer from an account to the same.
    #[error("points are transferred to another account than they come from")]
    TransferToItself,
    /// The transfer was made, with other content.
    #[error("transfer {transfer} was made already, with other content")]
    TransferAlreadyMade {
        /// The transfer.
        transfer: TransferId,
    },
    /// Who is to receive points is not a member.
    #[error("who is to receive the points is not a member of the loyalty programme")]
    ReceiverNotAMember,
    /// Who is to receive points has no account any more.
    #[error("the account that is to receive the points was closed")]
    ReceiverClosed,
    /// Who is to receive points was deleted.
    #[error("who is to receive the points was deleted: restore the customer first")]
    ReceiverDeleted,
    /// The account that is to receive points was merged into another one.
    #[error("the account that is to receive the points was merged into that of {survivor}")]
    ReceiverMerged {
        /// Whose account it is.
        survivor: CustomerId,
    },
    /// The account that is to receive points earns in another currency.
    #[error("the account that is to receive the points is in {expected}, not in {given}")]
    ReceiverCurrency {
        /// The currency of the account that is to receive them.
        expected: Currency,
        /// The currency of the account that they come from.
        given: Currency,
    },
    /// More points than the account that is to receive them may hold.
    #[error("the account that is to receive the points would hold more than {limit}")]
    ReceiverLimit {
        /// The most that an account may hold.
        limit: i64,
    },
    /// The order has redeemed another number of points.
    #[error("order {order} has already redeemed {points} points")]
    OrderAlreadyRedeemed {
        /// The order.
        order: OrderId,
        /// What it has redeemed.
        points: i64,
    },
    /// The order has earned by another total.
    #[error("order {order} has already earned, by a total of {total}")]
    OrderAlreadyEarned {
        /// The order.
        order: OrderId,
        /// What was told of it.
        total: Money,
    },
    /// The order is a recorded purchase, which is given back as such.
    #[error("order {order} is a recorded purchase: its refund gives its points back, too")]
    OrderRecorded {
        /// The order.
        order: OrderId,
    },
    /// The account has neither earned nor spent anything with the order.
    #[error("the account has neither earned nor spent anything with order {order}")]
    OrderNotKnown {
        /// The order.
        order: OrderId,
    },
    /// Not less of the order remains than before.
    #[error("{left} of order {order} were left before: after a refund less remains")]
    NothingGivenBack {
        /// The order.
        order: OrderId,
        /// What was left of its total.
        left: Money,
    },
    /// The account was never told what was paid for the order.
    #[error("what was paid for order {order} is not known here: it can be given back whole only")]
    TotalNotKnown {
        /// The order.
        order: OrderId,
    },
    /// The refund was made before, of another order or with another rest.
    #[error("refund {refund} of order {order} was made before, and something else remained of it")]
    RefundAlreadyRecorded {
        /// The order.
        order: OrderId,
        /// The refund.
        refund: RefundId,
    },
    /// Points are held for the order already: other ones than asked for, or they were to be spent beside the hold.
    #[error("{points} points are held for order {order}: capture or release hold {hold} first")]
    OrderAlreadyHeld {
        /// The order.
        order: OrderId,
        /// The hold.
        hold: HoldId,
        /// How many points it holds.
        points: i64,
    },
    /// More holds than an account may have at once.
    #[error("an account has at most {limit} holds at once")]
    TooManyHolds {
        /// The most that an account may have.
        limit: usize,
    },
    /// More orders with pending points than an account may have at once.
    #[error("the points of at most {limit} orders are pending at once")]
    TooManyPending {
        /// The most that an account may have.
        limit: usize,
    },
    /// The order has no pending points.
    #[error("no points of order {order} are pending")]
    PointsNotPending {
        /// The order.
        order: OrderId,
    },
    /// There is no such reward, or it has expired.
    #[error("the account has no reward {reward}")]
    RewardNotFound {
        /// Its number.
        reward: u32,
    },
    /// The reward was redeemed with another order.
    #[error("reward {reward} was redeemed with order {with}")]
    RewardAlreadyRedeemed {
        /// Its number.
        reward: u32,
        /// The order.
        with: OrderId,
    },
    /// Nothing of the kind is to be looked at.
    #[error("the account has no flag {flag}")]
    NotFlagged {
        /// What.
        flag: FlagKind,
    },
    /// There is no such hold, or it ended long ago.
    #[error("the account has no hold {hold}")]
    HoldNotFound {
        /// The hold.
        hold: HoldId,
    },
    /// The hold is over.
    #[error("hold {hold} is over: it {ended}")]
    HoldOver {
        /// The hold.
        hold: HoldId,
        /// How it ended.
        ended: HoldEnd,
    },
    /// The hold is for another order.
    #[error("hold {hold} is for order {order}")]
    HoldOfAnotherOrder {
        /// The hold.
        hold: HoldId,
        /// The order that it is for.
        order: OrderId,
    },
}

fn said_of(available: i64) -> String {
    match available {
        ..0 => format!("no points are available: {} are owed", available.unsigned_abs()),
        _ => format!("{available} points are available"),
    }
}

impl LoyaltyError {
    /// Stable, `snake_case`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAMember => "not_a_member",
            Self::AccountClosed => "account_closed",
            Self::AccountMerged { .. } => "customer_merged",
            Self::CustomerDeleted => "customer_deleted",
            Self::HoldsOpen { .. } => "holds_open",
            Self::DuplicateCurrency { .. } => "currency_mismatch",
            Self::MergedPointsLimit { .. } => "points_limit",
            Self::MergeTooManyOrders { .. } => "too_many",
            Self::ReceiverMerged { .. } => "receiver_merged",
            Self::CurrencyMismatch { .. } => "currency_mismatch",
            Self::NegativeTotal { .. } => "negative_total",
            Self::PointsNotRedeemable { .. } => "points_not_redeemable",
            Self::InsufficientPoints { .. } => "insufficient_points",
            Self::PointsLimit { .. } => "points_limit",
            Self::AdjustmentOfNothing => "adjustment_of_nothing",
            Self::AdjustmentLimit { .. } => "adjustment_limit",
            Self::AdjustedPointsLimit { .. } => "points_limit",
            Self::AdjustmentAlreadyMade { .. } => "adjustment_already_made",
            Self::PointsNotPositive { .. } => "points_not_positive",
            Self::TransferToItself => "transfer_to_itself",
            Self::TransferAlreadyMade { .. } => "transfer_already_made",
            Self::ReceiverNotAMember => "receiver_not_a_member",
            Self::ReceiverClosed => "receiver_closed",
            Self::ReceiverDeleted => "receiver_deleted",
            Self::ReceiverCurrency { .. } => "currency_mismatch",
            Self::ReceiverLimit { .. } => "points_limit",
            Self::OrderAlreadyRedeemed { .. } => "order_already_redeemed",
            Self::OrderAlreadyEarned { .. } => "order_already_earned",
            Self::OrderRecorded { .. } => "order_recorded",
            Self::OrderNotKnown { .. } => "order_not_known",
            Self::NothingGivenBack { .. } => "nothing_given_back",
            Self::TotalNotKnown { .. } => "total_not_known",
            Self::RefundAlreadyRecorded { .. } => "refund_already_recorded",
            Self::OrderAlreadyHeld { .. } => "order_already_held",
            Self::TooManyHolds { .. } => "too_many_holds",
            Self::TooManyPending { .. } => "too_many_pending",
            Self::PointsNotPending { .. } => "points_not_pending",
            Self::RewardNotFound { .. } => "reward_not_found",
            Self::RewardAlreadyRedeemed { .. } => "reward_already_redeemed",
            Self::NotFlagged { .. } => "not_flagged",
            Self::HoldNotFound { .. } => "hold_not_found",
            Self::HoldOver { .. } => "hold_over",
            Self::HoldOfAnotherOrder { .. } => "hold_of_another_order",
        }
    }
}

impl From<LoyaltyError> for Refusal {
    fn from(error: LoyaltyError) -> Self {
        let (kind, field) = match &error {
            LoyaltyError::NotAMember
            | LoyaltyError::HoldNotFound { .. }
            | LoyaltyError::RewardNotFound { .. }
            | LoyaltyError::NotFlagged { .. }
            | LoyaltyError::OrderNotKnown { .. }
            | LoyaltyError::PointsNotPending { .. } => (RefusalKind::NotFound, None),
            LoyaltyError::CurrencyMismatch { .. } => (RefusalKind::Invalid, Some("/currency")),
            LoyaltyError::NegativeTotal { .. } | LoyaltyError::PointsLimit { .. } => {
                (RefusalKind::Invalid, Some("/total"))
            }
            LoyaltyError::PointsNotRedeemable { .. }
            | LoyaltyError::InsufficientPoints { .. }
            | LoyaltyError::AdjustmentOfNothing
            | LoyaltyError::AdjustmentLimit { .. }
            | LoyaltyError::AdjustedPointsLimit { .. }
            | LoyaltyError::PointsNotPositive { .. }
            | LoyaltyError::ReceiverLimit { .. } => (RefusalKind::Invalid, Some("/points")),
            LoyaltyError::TransferToItself
            | LoyaltyError::ReceiverNotAMember
            | LoyaltyError::ReceiverClosed
            | LoyaltyError::ReceiverDeleted
            | LoyaltyError::ReceiverMerged { .. }
            | LoyaltyError::ReceiverCurrency { .. } => (RefusalKind::Invalid, Some("/to")),
            LoyaltyError::AdjustmentAlreadyMade { .. } => (RefusalKind::Conflict, Some("/adjustment_id")),
            LoyaltyError::TransferAlreadyMade { .. } => (RefusalKind::Conflict, Some("/transfer_id")),
            LoyaltyError::NothingGivenBack { .. } | LoyaltyError::TotalNotKnown { .. } => {
                (RefusalKind::Invalid, Some("/remaining"))
            }
            LoyaltyError::RefundAlreadyRecorded { .. } => (RefusalKind::Conflict, Some("/refund_id")),
            LoyaltyError::HoldOfAnotherOrder { .. } => (RefusalKind::Conflict, Some("/order_id")),
            LoyaltyError::HoldsOpen { .. } => (RefusalKind::Conflict, Some("/duplicate_id")),
            LoyaltyError::DuplicateCurrency { .. }
            | LoyaltyError::MergedPointsLimit { .. }
            | LoyaltyError::MergeTooManyOrders { .. } => (RefusalKind::Invalid, Some("/duplicate_id")),
            LoyaltyError::AccountClosed
            | LoyaltyError::AccountMerged { .. }
            | LoyaltyError::CustomerDeleted
            | LoyaltyError::OrderAlreadyRedeemed { .. }
            | LoyaltyError::OrderAlreadyEarned { .. }
            | LoyaltyError::OrderRecorded { .. }
            | LoyaltyError::OrderAlreadyHeld { .. }
            | LoyaltyError::TooManyHolds { .. }
            | LoyaltyError::TooManyPending { .. }
            | LoyaltyError::RewardAlreadyRedeemed { .. }
            | LoyaltyError::HoldOver { .. } => (RefusalKind::Conflict, None),
        };
        Self::of(kind, error.code(), field.map(str::to_owned), &error)
    }
}

/// A request to a tenant's loyalty programme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgrammeCommand {
    /// Let rules hold from a date on.
    Publish {
        /// The rules.
        rules: Programme,
        /// The first business date for which they hold.
        from: NaiveDate,
        /// The rehearsal that showed what they would have done.
        rehearsal: Option<RehearsalId>,
        /// The business date.
        on: NaiveDate,
    },
    /// Remember what rules would have done.
    RecordRehearsal {
        /// The rehearsal, under a new id.
        rehearsal: RehearsalId,
        /// The rules.
        rules: Programme,
        /// What they would have changed.
        outcome: RehearsalOutcome,
        /// The business date.
        on: NaiveDate,
    },
    /// Publish a campaign.
    BeginCampaign {
        /// The campaign, under a new id.
        campaign: CampaignId,
        /// Its first version.
        draft: CampaignDraft,
        /// The business date.
        on: NaiveDate,
    },
    /// Publish another version of a campaign.
    ChangeCampaign {
        /// The campaign.
        campaign: CampaignId,
        /// The version.
        draft: CampaignDraft,
        /// The business date.
        on: NaiveDate,
    },
    /// End a campaign.
    EndCampaign {
        /// The campaign.
        campaign: CampaignId,
        /// The first business date on which it gives nothing.
        from: NaiveDate,
        /// The business date.
        on: NaiveDate,
    },
}

/// Why a programme's command is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ProgrammeError {
    /// The rules make no programme.
    #[error(transparent)]
    Faulty(ProgrammeFault),
    /// There is no such rehearsal, or it was long ago.
    #[error("rehearsal {rehearsal} is not known")]
    RehearsalNotFound {
        /// The rehearsal.
        rehearsal: RehearsalId,
    },
    /// The rehearsal was of other rules.
    #[error("rehearsal {rehearsal} was of other rules")]
    RehearsalOfOtherRules {
        /// The rehearsal.
        rehearsal: RehearsalId,
    },
    /// More versions than a programme may have.
    #[error("a programme has at most {limit} versions")]
    TooManyVersions {
        /// How many.
        limit: usize,
    },
    /// The rules make no campaign.
    #[error(transparent)]
    FaultyCampaign(CampaignFault),
    /// There is no such campaign.
    #[error("there is no campaign {campaign}")]
    CampaignNotFound {
        /// The campaign.
        campaign: CampaignId,
    },
    /// There is one that says the same.
    #[error("campaign {campaign} gives the same for the same time, under the same name")]
    CampaignExists {
        /// The other one.
        campaign: CampaignId,
    },
    /// The campaign was ended.
    #[error("campaign {campaign} was ended: it gives nothing from {on} on")]
    CampaignEnded {
        /// The campaign.
        campaign: CampaignId,
        /// The first business date on which it gives nothing.
        on: NaiveDate,
    },
    /// More campaigns than may run or be planned at once.
    #[error("at most {limit} campaigns run or are planned at once")]
    TooManyCampaigns {
        /// How many.
        limit: usize,
    },
    /// More versions than campaigns may have.
    #[error("all campaigns together have at most {limit} versions")]
    TooManyCampaignVersions {
        /// How many.
        limit: usize,
    },
}

impl ProgrammeError {
    /// Stable, `snake_case`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Faulty(fault) => fault.code(),
            Self::RehearsalNotFound { .. } => "rehearsal_not_found",
            Self::RehearsalOfOtherRules { .. } => "rehearsal_of_other_rules",
            Self::TooManyVersions { .. } | Self::TooManyCampaignVersions { .. } => "too_many_versions",
            Self::FaultyCampaign(fault) => fault.code(),
            Self::CampaignNotFound { .. } => "campaign_not_found",
            Self::CampaignExists { .. } => "campaign_exists",
            Self::CampaignEnded { .. } => "campaign_ended",
            Self::TooManyCampaigns { .. } => "too_many_campaigns",
        }
    }
}

impl From<ProgrammeError> for Refusal {
    fn from(error: ProgrammeError) -> Self {
        let field = match &error {
            ProgrammeError::Faulty(fault) => Some(format!("/rules{}", fault.at())),
            ProgrammeError::RehearsalNotFound { .. } | ProgrammeError::RehearsalOfOtherRules { .. } => {
                Some("/rehearsal_id".to_owned())
            }
            ProgrammeError::FaultyCampaign(fault) => Some(fault.at().to_owned()),
            ProgrammeError::TooManyVersions { .. }
            | ProgrammeError::CampaignNotFound { .. }
            | ProgrammeError::CampaignExists { .. }
            | ProgrammeError::CampaignEnded { .. }
            | ProgrammeError::TooManyCampaigns { .. }
            | ProgrammeError::TooManyCampaignVersions { .. } => None,
        };
        let kind = match &error {
            ProgrammeError::CampaignNotFound { .. } => RefusalKind::NotFound,
            ProgrammeError::CampaignExists { .. } | ProgrammeError::CampaignEnded { .. } => RefusalKind::Conflict,
            ProgrammeError::Faulty(fault) => return Self::of(RefusalKind::Invalid, error.code(), field, fault),
            ProgrammeError::FaultyCampaign(fault) => return Self::of(RefusalKind::Invalid, error.code(), field, fault),
            ProgrammeError::RehearsalNotFound { .. }
            | ProgrammeError::RehearsalOfOtherRules { .. }
            | ProgrammeError::TooManyVersions { .. }
            | ProgrammeError::TooManyCampaigns { .. }
            | ProgrammeError::TooManyCampaignVersions { .. } => RefusalKind::Invalid,
        };
        Self::of(kind, error.code(), field, &error)
    }
}
