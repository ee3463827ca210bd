//! Two accounts whose customers turned out to be one: one takes over all that the other had, down to the orders that may still be
//! given back, and the days that count for the tier.
//!
//! An order that both know was told of both, and the customer knows one copy of it from then on, its own: that one is given back, once. What the
//! duplicate's copy earned stays, since nothing can take it back any more: points, pending ones too, which vest by it, stamps, and what who
//! sent it was given. What was spent on either copy was spent on one order, and comes back with it.
//!
//! Lots keep their order and dates under numbers behind those of the account that takes over, so that what is told of a lot later needs no
//! table of two names.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    EarnedOrder, Lot, LoyaltyAccount, Member, POINTS_MAX, RedeemedOrder, after, after_due, settled, stamping, sum_of,
    vesting,
};
use crate::calendar::Moment;
use crate::ids::{CustomerId, OrderId};
use crate::loyalty::commands::LoyaltyError;
use crate::loyalty::events::{LoyaltyEvent, MovedLot};
use crate::loyalty::flags::{FlagKind, GivenBackDay};
use crate::loyalty::loyalty_programme::LoyaltyProgramme;
use crate::loyalty::merging::{AbsorbedCard, AbsorbedEarning, AbsorbedLot, AbsorbedRedemption};
use crate::loyalty::programme::{Programme, Tier};
use crate::loyalty::referrals::RewardedReferral;
use crate::loyalty::windows;
use crate::money::Money;

/// The most orders that an account hands over.
pub const ABSORBED_ORDERS_MAX: usize = 8_000;
/// So many of them are told in one event.
const ORDERS_IN_A_PART: usize = 500;

/// What comes first at the account of a duplicate: what is due, and what vests because the account that takes over knows the order, too.
pub(super) fn settle_before_merge(
    state: &LoyaltyAccount,
    with: Option<&Member>,
    programme: &LoyaltyProgramme,
    now: Moment,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    let vested = |member: &Member| with.map(|other| vesting::vest_told_twice(member, other, programme, now));
    after_due(state, now, |member| Ok(vested(member).unwrap_or_default()))
}

/// What becomes of the account of a duplicate. Held points are promised to a sale that is being made: it comes first.
pub(super) fn merge_into(
    state: &LoyaltyAccount,
    into: CustomerId,
    now: Moment,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    let on = now.today;
    match state {
        LoyaltyAccount::Merged { into: before, currency } => {
            let follows = LoyaltyEvent::Merged { into, points: 0, currency: *currency, on };
            Ok((*before != into).then_some(follows).into_iter().collect())
        }
        LoyaltyAccount::NotEnrolled | LoyaltyAccount::Closed | LoyaltyAccount::Member(_) => {
            after_due(state, now, |member| match member.holds.last() {
                Some(hold) => Err(LoyaltyError::HoldsOpen { lapses_at: hold.lapses.at }),
                None => {
                    let (points, currency) = (member.available(), member.currency);
                    Ok(vec![LoyaltyEvent::Merged { into, points, currency, on }])
                }
            })
        }
    }
}

/// What becomes of the account that takes over; what is due comes first here as well.
pub(super) fn absorb(
    state: &LoyaltyAccount,
    duplicate: CustomerId,
    other: &Member,
    programme: &LoyaltyProgramme,
    now: Moment,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    let (mut events, member) = match state {
        LoyaltyAccount::NotEnrolled => (vec![], Member::new(other.currency, other.enrolled_on)),
        LoyaltyAccount::Member(_) | LoyaltyAccount::Closed | LoyaltyAccount::Merged { .. } => {
            let (events, member) = settled(state.member()?, now);
            (events, member.into_owned())
        }
    };
    if other.currency != member.currency {
        return Err(LoyaltyError::DuplicateCurrency { expected: member.currency, given: other.currency });
    }
    // Of an account that was settled before, nothing more vests.
    let other = &*after(other, &vesting::vest_told_twice(other, &member, programme, now));
    if other.available().saturating_add(member.available()).saturating_add(member.held()) > POINTS_MAX {
        return Err(LoyaltyError::MergedPointsLimit { limit: POINTS_MAX });
    }
    let orders = [other.earned.len(), other.redeemed.len(), other.stamps.orders()];
    if orders.into_iter().fold(0, usize::saturating_add) > ABSORBED_ORDERS_MAX {
        return Err(LoyaltyError::MergeTooManyOrders { limit: ABSORBED_ORDERS_MAX });
    }
    let absorbed = parts(&member, duplicate, other, now.today);
    let joined = absorbed.iter().fold(member, Member::evolve);
    events.extend(absorbed);
    let rules = programme.on(now.today).rules;
    events.extend(higher_tier(&joined, other.tier, &rules, now.today));
    events.extend(stamping::joined(&joined, &rules, now.today));
    Ok(events)
}

/// The higher tier of the two, or what both have earned together reaches. It is reached today, so nobody loses it by a review that was
/// near.
fn higher_tier(joined: &Member, other: Tier, rules: &Programme, today: NaiveDate) -> Option<LoyaltyEvent> {
    let earned_12_months = joined.earned_last_12_months(today);
    let (from, to) = (joined.tier, other.max(rules.tier_for(earned_12_months)));
    (to > from).then(|| LoyaltyEvent::TierUpgraded { from, to, earned_12_months, on: joined.reference(today) })
}

fn parts(member: &Member, duplicate: CustomerId, other: &Member, on: NaiveDate) -> Vec<LoyaltyEvent> {
    let (lots, redeemed) = (other.handed_over(member), redemptions(member, other));
    let pending = other.pending_handed_over(member);
    let (rewards, stamped) = (other.rewards_handed_over(member), other.stamps_handed_over(member));
    let lengths = [lots.len(), redeemed.len(), pending.len(), rewards.len(), stamped.len()];
    let parts = lengths.into_iter().fold(1, usize::max).div_ceil(ORDERS_IN_A_PART);
    let (mut lots, mut redeemed) = (lots.chunks(ORDERS_IN_A_PART), redeemed.chunks(ORDERS_IN_A_PART));
    let mut pending = pending.chunks(ORDERS_IN_A_PART);
    let (mut rewards, mut stamped) = (rewards.chunks(ORDERS_IN_A_PART), stamped.chunks(ORDERS_IN_A_PART));
    let (mut owed, mut balance) = (member.debt, member.available());
    let of_part = |part: usize| {
        let besides = if part == 0 { Besides::of(other) } else { Besides::default() };
        let Besides { debt, stamp_cards, referrals, flags, given_back } = besides;
        let (lots, redeemed) = (lots.next().unwrap_or_default(), redeemed.next().unwrap_or_default());
        let left = sum_of(lots.iter().map(|lot| lot.points));
        let paid_debt = owed.min(left);
        owed -= paid_debt;
        balance = balance.saturating_add(left).saturating_sub(debt);
        LoyaltyEvent::Absorbed {
            duplicate,
            part: u32::try_from(part).unwrap_or(u32::MAX).saturating_add(1),
            parts: u32::try_from(parts).unwrap_or(u32::MAX),
            currency: member.currency,
            enrolled_on: member.enrolled_on,
            points: left.saturating_sub(debt),
            debt,
            debt_from: member.draw(debt, None),
            lots: lots.to_vec(),
            paid_debt,
            redeemed: redeemed.to_vec(),
            pending: pending.next().unwrap_or_default().to_vec(),
            stamp_cards,
            rewards: rewards.next().unwrap_or_default().to_vec(),
            stamped: stamped.next().unwrap_or_default().to_vec(),
            referrals,
            flags,
            given_back,
            latest_earned_on: other.latest_earned_on,
            on,
            balance,
        }
    };
    (0..parts).map(of_part).collect()
}

/// What is told once, in the first part.
#[derive(Default)]
struct Besides {
    debt: i64,
    stamp_cards: Vec<AbsorbedCard>,
    referrals: Vec<RewardedReferral>,
    flags: Vec<FlagKind>,
    given_back: Vec<GivenBackDay>,
}

impl Besides {
    fn of(other: &Member) -> Self {
        let (flags, given_back) = (other.flags().collect(), other.given_back.clone());
        let (stamp_cards, referrals) = (other.cards_handed_over(), other.referrals.clone());
        Self { debt: other.debt, stamp_cards, referrals, flags, given_back }
    }
}

fn redemptions(member: &Member, other: &Member) -> Vec<AbsorbedRedemption> {
    let absorbed = other.redeemed.iter().map(|(order, redeemed)| AbsorbedRedemption {
        order: order.clone(),
        points: redeemed.points,
        hold: redeemed.hold,
        returned: redeemed.returned,
        lots: redeemed.lots.iter().map(|lot| spent(*lot, member.lots_before())).collect(),
        remembered_until: redeemed.remembered_until,
    });
    absorbed.collect()
}

impl Member {
    /// All lots, and all that counts for the tier, under the numbers of the account that takes over, oldest first.
    fn handed_over(&self, to: &Self) -> Vec<AbsorbedLot> {
        let offset = to.lots_before();
        let mut lots: BTreeMap<u32, AbsorbedLot> = self.lots.iter().map(|lot| (lot.number, unearned(*lot))).collect();
        for (order, earned) in self.vested() {
            let EarnedOrder { lot: number, earned_on, expires_on, .. } = *earned;
            let empty = Lot { number, points: 0, earned_on, expires_on };
            let lot = lots.entry(number).or_insert_with(|| unearned(empty));
            lot.counted = earned.points.saturating_sub(earned.reversed);
            // An order that both accounts know was told twice: its points stay, and it is given back once.
            lot.order = (!to.earned.contains_key(order)).then(|| AbsorbedEarning {
                order: order.clone(),
                points: earned.points,
                programme: earned.programme,
                multiplier_percent: earned.multiplier_percent,
                paid: earned.paid.and_then(|minor| Money::from_minor(minor, self.currency).ok()),
                given: earned.given.as_deref().cloned(),
                reversed: earned.reversed,
                refunds: earned.refunds.iter().cloned().collect(),
                expired: earned.expired,
                remembered_until: earned.remembered_until,
            });
        }
        let told = lots.into_values().chain(self.counted_besides()).collect::<Vec<_>>();
        let mut told: Vec<_> =
            told.into_iter().map(|lot| AbsorbedLot { lot: lot.lot.saturating_add(offset), ..lot }).collect();
        told.sort_by_key(|lot| (lot.expires_on, lot.lot));
        told
    }

    /// What counts for the tier by orders that are forgotten: lots of nothing, one for each day.
    fn counted_besides(&self) -> Vec<AbsorbedLot> {
        let besides = self.earned_by_day.iter().filter_map(|(day, points)| {
            let of_day = self.vested().filter(|(_, earned)| earned.earned_on == *day);
            let known = sum_of(of_day.map(|(_, earned)| earned.points.saturating_sub(earned.reversed)));
            Some((*day, points.saturating_sub(known))).filter(|(_, counted)| *counted != 0)
        });
        let numbers = (0..).map(|nth| self.next_lot.saturating_add(nth));
        let lots = numbers.zip(besides).map(|(number, (day, counted))| {
            let lot = Lot { number, points: 0, earned_on: day, expires_on: day };
            AbsorbedLot { counted, ..unearned(lot) }
        });
        lots.collect()
    }

    /// The account after a part of what another one had.
    pub(super) fn absorbing(mut self, event: &LoyaltyEvent) -> Self {
        let LoyaltyEvent::Absorbed {
            debt,
            debt_from,
            lots,
            paid_debt,
            redeemed,
            pending,
            referrals,
            latest_earned_on,
            on,
            ..
        } = event
        else {
            return self;
        };
        self.see(*on);
        self.absorb_referrals(referrals);
        for lot in lots {
            self.absorb_earning(lot);
        }
        self.add_moved(&lots.iter().map(AbsorbedLot::moved).collect::<Vec<MovedLot>>(), *paid_debt);
        self.take(debt_from);
        let drawn = sum_of(debt_from.iter().map(|used| used.points));
        self.debt = self.debt.saturating_add(debt.saturating_sub(drawn));
        for redemption in redeemed {
            self.absorb_redemption(redemption);
        }
        for pending in pending {
            self.absorb_pending(pending);
        }
        self.absorb_besides(event);
        self.latest_earned_on = self.latest_earned_on.max(*latest_earned_on);
        if let Some(latest) = self.latest_earned_on {
            let before = windows::before_counted(latest, self.review_on);
            self.earned_by_day.retain(|day, _| *day > before);
        }
        self
    }

    /// Stamp cards, and what is to be looked at.
    fn absorb_besides(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::Absorbed { stamp_cards, rewards, stamped, flags, given_back, .. } = event else {
            return;
        };
        self.absorb_stamps(stamp_cards, rewards, stamped);
        self.flags.extend(flags);
        given_back.iter().for_each(|day| self.count_given_back(*day));
    }

    /// Whether an order is remembered to have been bought: what another account has of it is of another copy.
    pub(super) fn knows(&self, order: &OrderId) -> bool {
        self.has_earned(order) || self.has_stamps_of(order) || self.has_referral_with(order)
    }

    /// The number of the last lot: those of another account come behind it.
    pub(super) const fn lots_before(&self) -> u32 {
        self.next_lot.saturating_sub(1)
    }

    fn absorb_redemption(&mut self, redemption: &AbsorbedRedemption) {
        let AbsorbedRedemption { order, points, hold, returned, lots, remembered_until } = redemption;
        // Points may come back to a lot of which nothing is left: its number is taken.
        let last = lots.iter().map(|lot| lot.lot).max().unwrap_or_default();
        self.next_lot = self.next_lot.max(last.saturating_add(1));
        let lots = lots.iter().map(came_from);
        match self.redeemed.get_mut(order) {
            // What has come back of the other copy is no part of this one's.
            Some(own) => {
                own.points = own.points.saturating_add(points.saturating_sub(*returned));
                own.lots.extend(lots);
                own.remembered_until = own.remembered_until.max(*remembered_until);
            }
            None => {
                let (points, hold, returned, lots) = (*points, *hold, *returned, lots.collect());
                let remembered_until = *remembered_until;
                self.redeemed.insert(order.clone(), RedeemedOrder { points, hold, returned, lots, remembered_until });
            }
        }
    }

    fn absorb_earning(&mut self, lot: &AbsorbedLot) {
        if lot.counted != 0 {
            let of_day = self.earned_by_day.entry(lot.earned_on).or_default();
            *of_day = of_day.saturating_add(lot.counted);
        }
        let Some(earning) = &lot.order else { return };
        self.earned.entry(earning.order.clone()).or_insert_with(|| EarnedOrder {
            lot: lot.lot,
            points: earning.points,
            programme: earning.programme,
            multiplier_percent: earning.multiplier_percent,
            paid: earning.paid.or(earning.given.as_ref().map(|given| given.total)).map(|total| total.minor()),
            left: None,
            given: earning.given.clone().map(Box::new),
            reversed: earning.reversed,
            refunds: earning.refunds.iter().cloned().collect(),
            earned_on: lot.earned_on,
            pending_since: None,
            expires_on: lot.expires_on,
            expired: earning.expired,
            remembered_until: earning.remembered_until,
        });
    }
}

/// A lot that points were spent from, under its number in the account that takes over.
const fn spent(lot: Lot, offset: u32) -> MovedLot {
    let Lot { number, points, earned_on, expires_on } = lot;
    MovedLot { lot: number.saturating_add(offset), points, earned_on, expires_on }
}

const fn came_from(lot: &MovedLot) -> Lot {
    let MovedLot { lot: number, points, earned_on, expires_on } = *lot;
    Lot { number, points, earned_on, expires_on }
}

/// A lot that no order is known to have earned.
const fn unearned(lot: Lot) -> AbsorbedLot {
    let Lot { number: lot, points, earned_on, expires_on } = lot;
    AbsorbedLot { lot, points, counted: 0, earned_on, expires_on, order: None }
}
