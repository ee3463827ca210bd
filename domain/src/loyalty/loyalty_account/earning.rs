//! What purchases earn: at once, or when their points vest.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::{EarnedOrder, Lot, Member, POINTS_MAX, campaigning, expired, sum_of, tiers, vesting};
use crate::ids::OrderId;
use crate::loyalty::campaigns::CampaignPoints;
use crate::loyalty::commands::LoyaltyError;
use crate::loyalty::events::LoyaltyEvent;
use crate::loyalty::loyalty_programme::{InForce, LoyaltyProgramme};
use crate::loyalty::programme::{Programme, Tier};
use crate::loyalty::sale::Sale;
use crate::loyalty::windows;
use crate::money::Money;

/// What a purchase is worth, and by which rules.
pub(super) struct Earning {
    pub(super) order: OrderId,
    pub(super) total: Money,
    pub(super) programme: Option<u32>,
    pub(super) tier: Tier,
    pub(super) base_points: i64,
    pub(super) multiplier_percent: i64,
    pub(super) campaigns: Vec<CampaignPoints>,
    /// How many more points it would be without caps.
    pub(super) capped: i64,
    pub(super) points: i64,
}

/// The lot that points become.
#[derive(Clone, Copy)]
pub(super) struct NewLot {
    pub(super) number: u32,
    pub(super) earned_on: NaiveDate,
    pub(super) expires_on: NaiveDate,
    /// The business date of the purchase, when the points were pending.
    pub(super) pending_since: Option<NaiveDate>,
}

pub(super) fn earn(
    member: &Member,
    sale: Sale,
    programme: &LoyaltyProgramme,
    today: NaiveDate,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    let on = sale.on;
    member.require_currency(sale.total.currency())?;
    if sale.total.is_negative() {
        return Err(LoyaltyError::NegativeTotal { total: sale.total });
    }
    if member.has_earned(&sale.order) {
        return Ok(vec![]); // once per order, whoever tells of it
    }
    let in_force = programme.on(on);
    let earning = worth(member, sale, &in_force, programme);
    // What a cap has cut to nothing is told: else the order could earn on another day.
    if earning.points == 0 && earning.capped == 0 {
        return Ok(vec![]);
    }
    let (available, points, limit) = (member.available(), earning.points, POINTS_MAX);
    let together = available.saturating_add(points).saturating_add(member.held()).saturating_add(member.pending());
    if points.max(together) > limit {
        return Err(LoyaltyError::PointsLimit { available, points, limit });
    }
    let rules = &in_force.rules;
    if let Some(rule) = rules.pending.filter(|_| earning.points > 0) {
        return vesting::set_pending(member, earning, (on, rule), programme, today);
    }
    let lot = NewLot { number: member.next_lot, earned_on: on, expires_on: rules.expires_on(on), pending_since: None };
    Ok(credit(member, earning, lot, rules, today))
}

fn worth(member: &Member, sale: Sale, in_force: &InForce, programme: &LoyaltyProgramme) -> Earning {
    let InForce { version, rules } = in_force;
    let (tier, base_points) = (member.tier, rules.base_points(sale.total));
    let multiplier_percent = rules.multiplier_percent(tier);
    let campaigns = campaigning::given(member, &sale, (rules, multiplier_percent), programme);
    let Sale { order, total, on, .. } = sale;
    let by_total = rules.points(base_points, multiplier_percent);
    let uncapped = by_total.saturating_add(campaigning::points_of(&campaigns));
    let points = rules.caps.of_day(rules.caps.of_order(uncapped), member.earned_with_sales_of(on));
    let (capped, programme) = (uncapped.saturating_sub(points), *version);
    Earning { order, total, programme, tier, base_points, multiplier_percent, campaigns, capped, points }
}

/// Points become a lot, which pays what is owed; a higher tier is reached at once. What is told late may have expired already.
pub(super) fn credit(
    member: &Member,
    earning: Earning,
    lot: NewLot,
    rules: &Programme,
    today: NaiveDate,
) -> Vec<LoyaltyEvent> {
    let Earning { order, total, programme, tier, base_points, multiplier_percent, campaigns, capped, points } = earning;
    let NewLot { number: lot, earned_on, expires_on, pending_since } = lot;
    let (paid_debt, balance) = (member.debt.min(points), member.available().saturating_add(points));
    let earned = LoyaltyEvent::PointsEarned {
        order,
        total,
        programme,
        tier,
        base_points,
        multiplier_percent,
        points,
        lot,
        earned_on,
        expires_on,
        paid_debt,
        campaigns,
        capped,
        pending_since,
        balance,
    };
    let upgraded = tiers::upgrade(member, rules, points, earned_on);
    let left = points - paid_debt;
    let expired = (expires_on <= today && left > 0)
        .then(|| expired(&Lot { number: lot, points: left, earned_on, expires_on }, member.currency, balance - left));
    [Some(earned), upgraded, expired].into_iter().flatten().collect()
}

impl EarnedOrder {
    /// The business date of the purchase.
    pub(super) fn bought_on(&self) -> NaiveDate {
        self.pending_since.unwrap_or(self.earned_on)
    }
}

impl Member {
    /// What the purchases of a business date earn, less what was taken back.
    fn earned_with_sales_of(&self, on: NaiveDate) -> i64 {
        let of_day = self.earned.values().filter(|earned| earned.bought_on() == on);
        sum_of(of_day.map(|earned| earned.points.saturating_sub(earned.reversed)))
    }

    pub(super) fn add_earned_points(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::PointsEarned { order, points, lot, earned_on, expires_on, paid_debt, pending_since, .. } =
            event
        else {
            return;
        };
        let lot = Lot { number: *lot, points: *points, earned_on: *earned_on, expires_on: *expires_on };
        match pending_since {
            None => self.remember_earned(order, lot, event),
            Some(_) => self.remember_vested(order, lot),
        }
        self.count_earned(*earned_on, *points);
        self.debt = self.debt.saturating_sub(*paid_debt);
        self.add_lot(Lot { points: points.saturating_sub(*paid_debt), ..lot });
    }

    fn remember_earned(&mut self, order: &OrderId, lot: Lot, event: &LoyaltyEvent) {
        let LoyaltyEvent::PointsEarned { programme, multiplier_percent, total, campaigns, .. } = event else { return };
        let Lot { number, points, earned_on, expires_on } = lot;
        self.see(earned_on);
        let remembered_until = windows::remembered_until(self.latest).max(expires_on);
        let earned = EarnedOrder {
            lot: number,
            points,
            programme: *programme,
            multiplier_percent: *multiplier_percent,
            paid: Some(total.minor()),
            left: None,
            given: campaigning::remembered(*total, campaigns),
            reversed: 0,
            refunds: BTreeSet::new(),
            earned_on,
            pending_since: None,
            expires_on,
            expired: false,
            remembered_until,
        };
        self.remember_order(order, earned);
    }

    /// Remembers an order for its repeats and refunds.
    pub(super) fn remember_order(&mut self, order: &OrderId, earned: EarnedOrder) {
        self.next_lot = self.next_lot.max(earned.lot.saturating_add(1));
        self.earned.insert(order.clone(), earned);
    }

    /// Counts points for the tier.
    fn count_earned(&mut self, on: NaiveDate, points: i64) {
        self.latest_earned_on = Some(self.reference(on));
        let before = windows::before_counted(self.reference(on), self.review_on);
        let of_day = self.earned_by_day.entry(on).or_default();
        *of_day = of_day.saturating_add(points);
        self.earned_by_day.retain(|day, _| *day > before);
    }
}
