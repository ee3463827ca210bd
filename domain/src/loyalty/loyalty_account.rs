//! A loyalty account: lots of points, the debt if any, the open holds, the tier, and the orders that may still matter.
//!
//! The state forgets: an order when its points could no longer be alive, 24 months after the latest business date at which
//! it came; a day's earnings when no window can count them any more. So it does not grow for ever; that an order counts
//! once beyond that is the log's to know.

mod absorbing;
mod adjusting;
mod campaigning;
mod earning;
mod flagging;
mod holding;
mod moving;
mod referring;
mod refunding;
mod rehearsing;
mod returning;
mod stamping;
mod tiers;
mod vesting;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::calendar::Moment;
use crate::decider::Decider;
use crate::ids::{CustomerId, HoldId, OrderId, RefundId};
use crate::loyalty::campaigns::GivenWithOrder;
use crate::loyalty::commands::{LoyaltyCommand, LoyaltyError};
use crate::loyalty::events::{LotPoints, LoyaltyEvent, MovedLot};
use crate::loyalty::flags::{FlagKind, GivenBackDay};
use crate::loyalty::holds::GivenBack;
use crate::loyalty::loyalty_programme::LoyaltyProgramme;
use crate::loyalty::programme::{Programme, Tier};
use crate::loyalty::referrals::RewardedReferral;
use crate::loyalty::sale::SaleRefund;
use crate::loyalty::windows;
use crate::money::{Currency, Money};

pub use absorbing::ABSORBED_ORDERS_MAX;
pub use adjusting::ADJUSTMENT_MAX;
pub use holding::{Hold, HoldEnd};
pub use stamping::Reward;

/// The most points that an account may hold, or a purchase earn: so far from the largest number that no sum reaches it.
pub const POINTS_MAX: i64 = 1_000_000_000_000_000;

/// A loyalty account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoyaltyAccount {
    /// The customer is not a member.
    NotEnrolled,
    /// The customer is one.
    Member(Box<Member>),
    /// The customer turned out to be another one, whose account took over.
    Merged {
        /// Whose account that is.
        into: CustomerId,
        /// The currency in which this one earned.
        currency: Currency,
    },
    /// The customer was one, and nobody knows any more who it was.
    Closed,
}

/// The account of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    currency: Currency,
    enrolled_on: NaiveDate,
    tier: Tier,
    /// When the tier is reviewed next; none while it is the lowest.
    review_on: Option<NaiveDate>,
    lots: Vec<Lot>,
    debt: i64,
    holds: Vec<Hold>,
    over: Vec<holding::Over>,
    next_lot: u32,
    /// The latest day whose lots are recorded as expired.
    expired_until: Option<NaiveDate>,
    earned: BTreeMap<OrderId, EarnedOrder>,
    /// What has not vested, of orders that are among the earned ones too.
    pending: BTreeMap<OrderId, vesting::PendingPoints>,
    redeemed: BTreeMap<OrderId, RedeemedOrder>,
    adjustments: Vec<adjusting::Adjustment>,
    transfers: Vec<moving::RecordedTransfer>,
    stamps: stamping::Stamps,
    /// What who sent the customer is given.
    referrals: Vec<RewardedReferral>,
    /// What a person is to look at.
    flags: BTreeSet<FlagKind>,
    /// The orders that were given back whole of late, by day.
    given_back: Vec<GivenBackDay>,
    earned_by_day: BTreeMap<NaiveDate, i64>,
    latest_earned_on: Option<NaiveDate>,
    latest: NaiveDate,
}

/// What is left of the points of one purchase; never nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// The number, from one.
    pub number: u32,
    /// The points left.
    pub points: i64,
    /// The business date of the purchase.
    pub earned_on: NaiveDate,
    /// The first day on which the points are gone.
    pub expires_on: NaiveDate,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct EarnedOrder {
    lot: u32,
    points: i64,
    programme: Option<u32>,
    multiplier_percent: i64,
    /// What was paid, in the smallest unit of the account's currency; not known of an order that a duplicate handed over before that
    /// was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paid: Option<i64>,
    /// What of that the latest refund has left that only the account knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<Box<refunding::Left>>,
    /// What campaigns gave with it, as far as it has not been taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given: Option<Box<GivenWithOrder>>,
    reversed: i64,
    refunds: BTreeSet<RefundId>,
    earned_on: NaiveDate,
    /// The business date of the purchase, when its points were pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending_since: Option<NaiveDate>,
    expires_on: NaiveDate,
    expired: bool,
    remembered_until: NaiveDate,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RedeemedOrder {
    points: i64,
    hold: Option<HoldId>,
    /// How many of them have come back.
    returned: i64,
    /// The lots of the others.
    lots: Vec<Lot>,
    remembered_until: NaiveDate,
}

impl Decider for LoyaltyAccount {
    type Command = LoyaltyCommand;
    type Event = LoyaltyEvent;
    type Refusal = LoyaltyError;

    fn initial() -> Self {
        Self::NotEnrolled
    }

    fn decide(state: &Self, command: LoyaltyCommand) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
        match command {
            LoyaltyCommand::Enrol { currency, on } => enrol(state, currency, on),
            LoyaltyCommand::Earn { sale, programme, now } => {
                after_vested(state, &programme, now, |member| earning::earn(member, sale, &programme, now.today))
            }
            LoyaltyCommand::Redeem { points, order, programme, now } => {
                let rules = programme.on(now.today).rules;
                after_vested(state, &programme, now, |member| redeem(member, points, order, &rules, now.today))
            }
            LoyaltyCommand::Reverse { refunded, programme, now } => {
                after_vested(state, &programme, now, |member| reverse(member, refunded, &programme, now.today))
            }
            LoyaltyCommand::RefundOrder { refunded, programme, now } => {
                after_vested(state, &programme, now, |member| refunding::refund(member, refunded, &programme, now))
            }
            LoyaltyCommand::PlaceHold { hold, points, order, lapses, programme, now } => {
                let rules = programme.on(now.today).rules;
                let asked = holding::Asked { hold, order, points, lapses };
                after_vested(state, &programme, now, |member| holding::place(member, asked, &rules, now))
            }
            LoyaltyCommand::CaptureHold { hold, order, now } => {
                after_due(state, now, |member| holding::capture(member, hold, order, now))
            }
            LoyaltyCommand::ReleaseHold { hold, now } => {
                after_due(state, now, |member| holding::release(member, hold, now))
            }
            LoyaltyCommand::Return { order, refund, share, on, now } => {
                let wanted = returning::Return { order, refund, share, on };
                after_due(state, now, |member| Ok(returning::give_back(member, &wanted, now)))
            }
            LoyaltyCommand::Adjust { adjustment: id, points, reason, note, programme, now } => {
                let wanted = adjusting::Adjustment { id, points, reason, note: note.into() };
                let rules = programme.on(now.today).rules;
                after_vested(state, &programme, now, |member| adjusting::adjust(member, wanted, &rules, now))
            }
            LoyaltyCommand::SendTransfer { transfer, to, points, reason, programme, now } => {
                let sent = |member: &Member| moving::send(member, (transfer, to), points, reason, now.today);
                after_vested(state, &programme, now, sent)
            }
            LoyaltyCommand::ReceiveTransfer { transfer, from, lots, reason, currency, now } => {
                moving::open_to_receive(state)?;
                after_due(state, now, |member| {
                    moving::receive(member, (transfer, from), &lots, (reason, currency), now.today)
                })
            }
            command @ (LoyaltyCommand::Stamp { .. }
            | LoyaltyCommand::TakeStampsBack { .. }
            | LoyaltyCommand::NoteReferral { .. }
            | LoyaltyCommand::GiveReferralBack { .. }
            | LoyaltyCommand::RedeemReward { .. }
            | LoyaltyCommand::FlagSelfReferral { .. }
            | LoyaltyCommand::ClearFlag { .. }) => beside_points(state, command),
            LoyaltyCommand::SettleBeforeMerge { with, programme, now } => {
                absorbing::settle_before_merge(state, with.as_deref(), &programme, now)
            }
            LoyaltyCommand::MergeInto { into, now } => absorbing::merge_into(state, into, now),
            LoyaltyCommand::Absorb { duplicate, account, programme, now } => {
                absorbing::absorb(state, duplicate, &account, &programme, now)
            }
            LoyaltyCommand::Vest { order, programme, now } => {
                after_vested(state, &programme, now, |member| vesting::vest(member, order.as_ref(), &programme, now))
            }
            LoyaltyCommand::Settle { now } => after_due(state, now, |_| Ok(vec![])),
            LoyaltyCommand::Review { programme, now } => {
                after_vested(state, &programme, now, |member| Ok(tiers::review(member, &programme, now)))
            }
            LoyaltyCommand::Close { now } => close(state, now),
        }
    }

    fn evolve(state: Self, event: &LoyaltyEvent) -> Self {
        use LoyaltyEvent as E;
        match (state, event) {
            (_, E::Enrolled { currency, on }) => Self::Member(Box::new(Member::new(*currency, *on))),
            (_, E::Closed { .. }) => Self::Closed,
            (_, E::Merged { into, currency, .. }) => Self::Merged { into: *into, currency: *currency },
            (Self::NotEnrolled, E::Absorbed { currency, enrolled_on, .. }) => {
                Self::Member(Box::new(Member::new(*currency, *enrolled_on).evolve(event)))
            }
            (Self::Member(member), event) => Self::Member(Box::new(member.evolve(event))),
            (
                state @ (Self::NotEnrolled | Self::Merged { .. } | Self::Closed),
                E::PointsPending { .. }
                | E::PointsEarned { .. }
                | E::TierUpgraded { .. }
                | E::TierDowngraded { .. }
                | E::TierKept { .. }
                | E::HoldPlaced { .. }
                | E::HoldReleased { .. }
                | E::PointsRedeemed { .. }
                | E::PointsReversed { .. }
                | E::OrderRefunded { .. }
                | E::PointsAdjusted { .. }
                | E::PointsReturned { .. }
                | E::PointsExpired { .. }
                | E::TransferSent { .. }
                | E::TransferReceived { .. }
                | E::StampAdded { .. }
                | E::StampRemoved { .. }
                | E::RewardEarned { .. }
                | E::RewardWithdrawn { .. }
                | E::RewardRedeemed { .. }
                | E::RewardReturned { .. }
                | E::RewardExpired { .. }
                | E::ReferralChanged { .. }
                | E::FlagRaised { .. }
                | E::FlagCleared { .. }
                | E::Absorbed { .. },
            ) => state,
        }
    }
}

impl LoyaltyAccount {
    /// The member's account.
    ///
    /// # Errors
    /// When the customer is not a member.
    pub fn member(&self) -> Result<&Member, LoyaltyError> {
        match self {
            Self::NotEnrolled => Err(LoyaltyError::NotAMember),
            Self::Member(member) => Ok(member),
            Self::Merged { into, .. } => Err(LoyaltyError::AccountMerged { survivor: *into }),
            Self::Closed => Err(LoyaltyError::AccountClosed),
        }
    }
}

impl Member {
    /// What may be redeemed; below zero when points are owed. Held points are not in it. Lots whose time is up count until
    /// their expiry is recorded.
    pub fn available(&self) -> i64 {
        sum_of(self.lots.iter().map(|lot| lot.points)).saturating_sub(self.debt)
    }

    /// The tier.
    pub const fn tier(&self) -> Tier {
        self.tier
    }

    /// When the tier is reviewed next; none while it is the lowest.
    pub const fn review_on(&self) -> Option<NaiveDate> {
        self.review_on
    }

    /// The lots that have points left, in the order in which they expire.
    pub fn lots(&self) -> &[Lot] {
        &self.lots
    }

    /// Points taken back that were already spent, to be paid by the next ones earned.
    pub const fn debt(&self) -> i64 {
        self.debt
    }

    /// The only currency in which the account earns.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// Since when the customer is a member.
    pub const fn enrolled_on(&self) -> NaiveDate {
        self.enrolled_on
    }

    /// The points earned, less those reversed, in the twelve calendar months that end on a day, or on the latest day on
    /// which the account has earned if that is later.
    pub fn earned_last_12_months(&self, on: NaiveDate) -> i64 {
        self.earned_within(self.reference(on))
    }

    /// The points earned, less those reversed, in the twelve calendar months that end on a day.
    fn earned_within(&self, last: NaiveDate) -> i64 {
        let before = windows::before_window(last);
        let counted = self.earned_by_day.iter().filter(|(day, _)| **day > before && **day <= last);
        sum_of(counted.map(|(_, points)| *points))
    }

    /// Whether an order is remembered to have earned.
    pub fn has_earned(&self, order: &OrderId) -> bool {
        self.earned.contains_key(order)
    }

    /// An order that has earned is told with the total by which it did.
    ///
    /// # Errors
    /// When it was another one.
    pub fn require_total(&self, order: &OrderId, told: Money) -> Result<(), LoyaltyError> {
        let paid = self.earned.get(order).and_then(|earned| earned.paid);
        let known = paid.and_then(|minor| Money::from_minor(minor, self.currency).ok());
        match known.filter(|total| *total != told) {
            Some(total) => Err(LoyaltyError::OrderAlreadyEarned { order: order.clone(), total }),
            None => Ok(()),
        }
    }

    fn reference(&self, on: NaiveDate) -> NaiveDate {
        self.latest_earned_on.map_or(on, |latest| latest.max(on))
    }

    /// Where so many points come from: one lot first, if it is named, then the oldest.
    fn draw(&self, points: i64, first: Option<u32>) -> Vec<LotPoints> {
        let (mut left, mut from) = (points, Vec::new());
        let (own, others): (Vec<&Lot>, Vec<&Lot>) = self.lots.iter().partition(|lot| Some(lot.number) == first);
        for lot in own.into_iter().chain(others) {
            let taken = left.min(lot.points);
            if taken > 0 {
                from.push(LotPoints { lot: lot.number, points: taken });
                left -= taken;
            }
        }
        from
    }

    fn require_currency(&self, given: Currency) -> Result<(), LoyaltyError> {
        if given == self.currency {
            Ok(())
        } else {
            Err(LoyaltyError::CurrencyMismatch { expected: self.currency, given })
        }
    }
}

/// How an event changes a member's account.
impl Member {
    const fn new(currency: Currency, on: NaiveDate) -> Self {
        Self {
            currency,
            enrolled_on: on,
            tier: Tier::Bronze,
            review_on: None,
            lots: Vec::new(),
            debt: 0,
            holds: Vec::new(),
            over: Vec::new(),
            next_lot: 1,
            expired_until: None,
            earned: BTreeMap::new(),
            pending: BTreeMap::new(),
            redeemed: BTreeMap::new(),
            adjustments: Vec::new(),
            transfers: Vec::new(),
            stamps: stamping::Stamps::new(),
            referrals: Vec::new(),
            flags: BTreeSet::new(),
            given_back: Vec::new(),
            earned_by_day: BTreeMap::new(),
            latest_earned_on: None,
            latest: on,
        }
    }

    fn evolve(mut self, event: &LoyaltyEvent) -> Self {
        use LoyaltyEvent as E;
        match event {
            E::Enrolled { currency, on } => return Self::new(*currency, *on),
            E::PointsPending { .. } => self.add_pending(event),
            E::PointsEarned { .. } => self.add_earned_points(event),
            E::TierUpgraded { to: tier, on, .. }
            | E::TierDowngraded { to: tier, on, .. }
            | E::TierKept { tier, on, .. } => {
                self.tier = *tier;
                self.review_on = windows::review_after(*on, self.enrolled_on, *tier);
            }
            E::HoldPlaced { hold, order, points, discount, from, placed_on, lapses_at, lapses_on, .. } => {
                self.see(*placed_on);
                let lapses = Moment { at: *lapses_at, today: *lapses_on };
                let (id, order, points, discount, lots) = (*hold, order.clone(), *points, *discount, Vec::new());
                self.add_hold(Hold { id, order, points, discount, lapses, lots }, from);
            }
            E::HoldReleased { hold, reason, paid_debt, returned, .. } => {
                let back = GivenBack { paid_debt: *paid_debt, returned: returned.clone() };
                self.release_hold(*hold, &back, (*reason).into());
            }
            E::PointsRedeemed { .. } => self.add_redeemed(event),
            E::PointsReversed { order, refund, points, reversed_on, pending: true, campaigns, .. } => {
                self.take_from_campaigns(order, campaigns);
                self.take_back_pending(order, refund, *points, *reversed_on);
            }
            E::PointsReversed { order, refund, points, from, reversed_on, pending: false, campaigns, .. } => {
                self.take_from_campaigns(order, campaigns);
                self.add_reversed(order, refund, *points, *reversed_on);
                self.take(from);
                let drawn = sum_of(from.iter().map(|used| used.points));
                self.debt = self.debt.saturating_add(points.saturating_sub(drawn));
            }
            E::OrderRefunded { .. } => self.note_left(event),
            E::PointsAdjusted { .. } => self.add_adjusted(event),
            E::PointsReturned { .. } => self.add_returned(event),
            E::PointsExpired { lot, points, expires_on, hold, refund, .. } => {
                self.add_expired(*lot, *expires_on);
                match hold.is_some() || refund.is_some() {
                    true => self.take(&[LotPoints { lot: *lot, points: *points }]),
                    false => self.lots.retain(|other| other.number != *lot),
                }
            }
            E::TransferSent { transfer, to, points, lots, sent_on, .. } => {
                self.add_transfer((transfer.clone(), moving::Other::To(*to)), *points, *sent_on);
                self.take(&lots.iter().map(MovedLot::drawn).collect::<Vec<_>>());
            }
            E::TransferReceived { transfer, from, points, lots, paid_debt, received_on, .. } => {
                self.add_transfer((transfer.clone(), moving::Other::From(*from)), *points, *received_on);
                self.add_moved(lots, *paid_debt);
            }
            E::StampAdded { .. } => self.add_stamps(event),
            E::StampRemoved { .. } => self.remove_stamps(event),
            E::RewardEarned { .. } | E::RewardReturned { .. } => self.add_reward(event),
            E::RewardWithdrawn { reward, card, on_card, .. } => self.withdraw_reward(*reward, card, *on_card),
            E::RewardRedeemed { reward, order, redeemed_on, .. } => {
                self.hand_reward_over(*reward, order, *redeemed_on);
            }
            E::RewardExpired { reward, .. } => self.lose_reward(*reward),
            E::ReferralChanged { .. } => self.change_referral(event),
            E::FlagRaised { flag, .. } => {
                self.flags.insert(*flag);
            }
            E::FlagCleared { flag, .. } => self.clear_flag(*flag),
            E::Absorbed { .. } => return self.absorbing(event),
            E::Merged { .. } | E::Closed { .. } => {} // accounts of their own kinds
        }
        self
    }

    /// Puts a lot in its place in the order of expiry, unless nothing of it is left.
    fn add_lot(&mut self, lot: Lot) {
        if lot.points > 0 {
            let place =
                self.lots.partition_point(|other| (other.expires_on, other.number) < (lot.expires_on, lot.number));
            self.lots.insert(place, lot);
        }
    }

    fn add_redeemed(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::PointsRedeemed { order, points, redeemed_on, from, hold, .. } = event else { return };
        self.see(*redeemed_on);
        self.remember_redeemed(order, *points, *hold, self.lots_of(from, *hold));
        match hold {
            Some(hold) => self.capture_hold(*hold),
            None => self.take(from),
        }
    }

    fn remember_redeemed(&mut self, order: &OrderId, points: i64, hold: Option<HoldId>, lots: Vec<Lot>) {
        // The order is paid for within a month, and can be given back for as long as points live.
        let remembered_until =
            windows::remembered_until(self.latest).checked_add_days(Days::new(31)).unwrap_or(NaiveDate::MAX);
        let redeemed = RedeemedOrder { points, hold, returned: 0, lots, remembered_until };
        self.redeemed.insert(order.clone(), redeemed);
    }

    fn add_reversed(&mut self, order: &OrderId, refund: &RefundId, points: i64, on: NaiveDate) {
        let earned_on = self.take_from_order(order, refund, points, on);
        if let Some(day) = earned_on.and_then(|earned_on| self.earned_by_day.get_mut(&earned_on)) {
            *day = day.saturating_sub(points);
        }
        self.see(on);
    }

    /// A refund leaves an order so many points less; one that is given back whole is counted. Tells the day on which it had earned.
    fn take_from_order(&mut self, order: &OrderId, refund: &RefundId, points: i64, on: NaiveDate) -> Option<NaiveDate> {
        let earned = self.earned.get_mut(order)?;
        earned.reversed = earned.reversed.saturating_add(points);
        earned.refunds.insert(refund.clone());
        let (earned_on, is_whole) = (earned.earned_on, earned.reversed >= earned.points);
        if is_whole {
            self.count_given_back(GivenBackDay { on, orders: 1 });
        }
        Some(earned_on)
    }

    fn add_expired(&mut self, lot: u32, on: NaiveDate) {
        self.expired_until = Some(self.expired_until.map_or(on, |latest| latest.max(on)));
        if let Some(earned) = self.earned.values_mut().find(|earned| earned.lot == lot) {
            earned.expired = true;
        }
    }

    /// Takes points out of lots.
    fn take(&mut self, from: &[LotPoints]) {
        for used in from {
            if let Some(lot) = self.lots.iter_mut().find(|lot| lot.number == used.lot) {
                lot.points = lot.points.saturating_sub(used.points);
            }
        }
        self.lots.retain(|lot| lot.points > 0);
    }

    /// Moves to the latest business date and forgets what cannot matter from then on.
    fn see(&mut self, on: NaiveDate) {
        if on > self.latest {
            self.latest = on;
            let pending = &self.pending;
            self.earned.retain(|order, earned| on < earned.remembered_until || pending.contains_key(order));
            self.redeemed.retain(|_, redeemed| on < redeemed.remembered_until);
            self.transfers.retain(|transfer| on < transfer.remembered_until);
            self.stamps.see(on);
        }
    }
}

/// Stamps and rewards, what who sent the customer is given, and what a person is to look at; nothing is asked of it by others.
fn beside_points(state: &LoyaltyAccount, command: LoyaltyCommand) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    match command {
        LoyaltyCommand::Stamp { sale, programme, now } => {
            after_due(state, now, |member| Ok(stamping::stamp(member, &sale, &programme, now.today)))
        }
        LoyaltyCommand::TakeStampsBack { refunded, now } => {
            after_due(state, now, |member| Ok(stamping::take_back(member, &refunded)))
        }
        LoyaltyCommand::NoteReferral { sale, tier, programme, now } => {
            after_due(state, now, |member| Ok(referring::note(member, &sale, tier, &programme, now.today)))
        }
        LoyaltyCommand::GiveReferralBack { refunded, now } => {
            after_due(state, now, |member| Ok(referring::give_back(member, &refunded, now.today)))
        }
        LoyaltyCommand::RedeemReward { reward, order, now } => {
            after_due(state, now, |member| stamping::redeem(member, reward, order, now.today))
        }
        LoyaltyCommand::FlagSelfReferral { now } => after_due(state, now, |member| {
            Ok(flagging::raise_self_referral(member, (0, now.today), now.today).into_iter().collect())
        }),
        LoyaltyCommand::ClearFlag { flag, reason, now } => {
            after_due(state, now, |member| flagging::clear(member, flag, reason, now.today))
        }
        _ => Ok(vec![]),
    }
}

fn enrol(state: &LoyaltyAccount, currency: Currency, on: NaiveDate) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    match state {
        LoyaltyAccount::NotEnrolled => Ok(vec![LoyaltyEvent::Enrolled { currency, on }]),
        LoyaltyAccount::Member(member) => member.require_currency(currency).map(|()| vec![]),
        LoyaltyAccount::Merged { into, .. } => Err(LoyaltyError::AccountMerged { survivor: *into }),
        LoyaltyAccount::Closed => Err(LoyaltyError::AccountClosed),
    }
}

/// What is due lapses and expires as ever; the rest is lost. Once more changes nothing.
fn close(state: &LoyaltyAccount, now: Moment) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    if matches!(state, LoyaltyAccount::Closed) {
        return Ok(vec![]);
    }
    after_due(state, now, |member| {
        let held = sum_of(member.holds.iter().map(|hold| hold.points));
        let (points, currency) = (member.available(), member.currency);
        Ok(vec![LoyaltyEvent::Closed { points, held, currency, on: now.today }])
    })
}

/// Decides on the account as it is once what is due by now has lapsed and expired; that happens first.
fn after_due(
    state: &LoyaltyAccount,
    now: Moment,
    decide: impl FnOnce(&Member) -> Result<Vec<LoyaltyEvent>, LoyaltyError>,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    let (mut events, member) = settled(state.member()?, now);
    events.extend(decide(&member)?);
    Ok(events)
}

/// What is due by now lapses and expires, and the account as it is then.
fn settled(member: &Member, now: Moment) -> (Vec<LoyaltyEvent>, Cow<'_, Member>) {
    let mut events = holding::lapse(member, now);
    let lapsed = after(member, &events);
    let mut expired = expire(&lapsed, now.today);
    expired.extend(stamping::expire(&lapsed, now.today));
    if expired.is_empty() {
        return (events, lapsed);
    }
    let member = expired.iter().fold(lapsed.into_owned(), Member::evolve);
    events.extend(expired);
    (events, Cow::Owned(member))
}

/// As [`after_due`]; what has vested by now is earned before, too.
fn after_vested(
    state: &LoyaltyAccount,
    programme: &LoyaltyProgramme,
    now: Moment,
    decide: impl FnOnce(&Member) -> Result<Vec<LoyaltyEvent>, LoyaltyError>,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    let (mut events, member) = settled(state.member()?, now);
    let vested = vesting::vest_due(&member, programme, now);
    let decided = decide(&after(&member, &vested))?;
    events.extend(vested);
    events.extend(decided);
    Ok(events)
}

fn after<'m>(member: &'m Member, events: &[LoyaltyEvent]) -> Cow<'m, Member> {
    match events.is_empty() {
        true => Cow::Borrowed(member),
        false => Cow::Owned(events.iter().fold(member.clone(), Member::evolve)),
    }
}

fn expire(member: &Member, today: NaiveDate) -> Vec<LoyaltyEvent> {
    let mut balance = member.available();
    let due = member.lots.iter().take_while(|lot| lot.expires_on <= today);
    due.map(|lot| {
        balance = balance.saturating_sub(lot.points);
        expired(lot, member.currency, balance)
    })
    .collect()
}

/// What is left of a lot grew too old.
fn expired(lot: &Lot, currency: Currency, balance: i64) -> LoyaltyEvent {
    let Lot { number: lot, points, expires_on, .. } = *lot;
    let (hold, order, refund, currency) = (None, None, None, Some(currency));
    LoyaltyEvent::PointsExpired { lot, points, expires_on, hold, order, refund, currency, balance }
}

fn redeem(
    member: &Member,
    points: i64,
    order: OrderId,
    rules: &Programme,
    today: NaiveDate,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    if let Some(redeemed) = member.redeemed.get(&order) {
        let conflict = LoyaltyError::OrderAlreadyRedeemed { order, points: redeemed.points };
        // What a hold promised was told when it was captured.
        let is_same = redeemed.points == points && redeemed.hold.is_none();
        return if is_same { Ok(vec![]) } else { Err(conflict) };
    }
    if let Some(held) = member.hold_for(&order) {
        return Err(LoyaltyError::OrderAlreadyHeld { order, hold: held.id, points: held.points });
    }
    let discount = discount_of(member, rules, points)?;
    let (from, hold, balance) = (member.draw(points, None), None, member.available() - points);
    Ok(vec![LoyaltyEvent::PointsRedeemed { order, points, discount, from, hold, redeemed_on: today, balance }])
}

/// What points are worth that are asked for, if so many may be spent at once and are available.
fn discount_of(member: &Member, rules: &Programme, points: i64) -> Result<Money, LoyaltyError> {
    let (multiple_of, minimum) = (rules.redeem.multiple_of, rules.redeem.minimum);
    let not_redeemable = LoyaltyError::PointsNotRedeemable { points, multiple_of, minimum };
    if !rules.redeemable(points) {
        return Err(not_redeemable);
    }
    let available = member.available();
    if points > available {
        return Err(LoyaltyError::InsufficientPoints { points, available });
    }
    rules.discount(points, member.currency).ok_or(not_redeemable)
}

/// Takes back `earned − already reversed − what the remaining total would have earned by the same rules at the same multiplier`, and with
/// the same campaigns.
/// Points that have expired are not taken twice. It is of the day of the refund, whenever that is told, and finds the lots as they
/// are now.
fn reverse(
    member: &Member,
    refunded: SaleRefund,
    programme: &LoyaltyProgramme,
    today: NaiveDate,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    let Some(earned) = member.earned.get(&refunded.order) else {
        member.require_currency(refunded.remaining_total.currency())?;
        return Ok(vec![]);
    };
    let Some(remaining_total) = remaining_here(member, earned, &refunded)? else {
        return Ok(vec![]);
    };
    let refunded = SaleRefund { remaining_total, ..refunded };
    let pending = member.pending.contains_key(&refunded.order);
    let is_gone = !pending && (earned.expired || earned.expires_on <= today);
    if earned.refunds.contains(&refunded.refund) || is_gone {
        return Ok(vec![]);
    }
    let rules = programme.version(earned.programme).rules;
    let kept_of_campaigns = campaigning::kept(earned, &refunded, &rules, programme);
    let SaleRefund { order, refund, remaining_total, on: reversed_on, .. } = refunded;
    let by_total = rules.points(rules.base_points(remaining_total), earned.multiplier_percent);
    let kept = rules.caps.of_order(by_total.saturating_add(campaigning::points_of(&kept_of_campaigns)));
    let points = earned.points.saturating_sub(earned.reversed).saturating_sub(kept);
    if points <= 0 {
        return Ok(vec![]);
    }
    let (lot, currency, available) = (earned.lot, Some(member.currency), member.available());
    let (from, balance) = match pending {
        true => (vec![], available),
        false => (member.draw(points, Some(lot)), available.saturating_sub(points)),
    };
    let campaigns = earned.taken_from_campaigns(&kept_of_campaigns);
    let mut events = vec![LoyaltyEvent::PointsReversed {
        order,
        refund,
        lot,
        points,
        from,
        reversed_on,
        currency,
        pending,
        campaigns,
        balance,
    }];
    if kept == 0 {
        let flagged = flagging::raise(&after(member, &events), reversed_on);
        events.extend(flagged);
    }
    Ok(events)
}

/// What remains of an order in the account's currency. What was bought in another one may have been told the account in its own: then
/// the same share remains of that. None where nobody told what was paid in it.
fn remaining_here(member: &Member, earned: &EarnedOrder, refunded: &SaleRefund) -> Result<Option<Money>, LoyaltyError> {
    let remaining = refunded.remaining_total;
    let Some(total) = refunded.total.filter(|_| remaining.currency() != member.currency) else {
        return member.require_currency(remaining.currency()).map(|()| Some(remaining));
    };
    if remaining.is_zero() {
        return Ok(Some(Money::zero(member.currency)));
    }
    let share = |paid: i64| (i128::from(paid) * i128::from(remaining.minor())).checked_div(i128::from(total.minor()));
    let here = earned.paid.and_then(share).and_then(|here| i64::try_from(here).ok());
    Ok(here.and_then(|here| Money::from_minor(here, member.currency).ok()))
}

/// Stored for ever, events are taken as they are: a sum stops at the largest number rather than fail.
fn sum_of(points: impl Iterator<Item = i64>) -> i64 {
    points.fold(0, i64::saturating_add)
}
