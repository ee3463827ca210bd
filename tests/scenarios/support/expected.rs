//! What a file of purchases must leave, computed from the rules of the programme and nothing else.
//!
//! This is written from the specification, in integers, and shares no code with the server. The rules:
//!
//! - Rows count in the order of the file; of purchases of one customer on one day, the first in the file is the first. A
//!   row that is there twice is two purchases.
//! - A purchase has one point for each whole unit of its total, and `floor(points × multiplier)` of them are earned, with
//!   the multiplier of the tier that the customer has *before* the purchase: bronze 1, silver 1.25, gold 1.5, platinum 2.
//! - Points that are not none make a lot, dated by the day of the purchase.
//! - The tier follows the points earned in the twelve calendar months that end on the latest day on which the account has
//!   earned, the purchase at hand included: the days in `(r − 12 months, r]`. It rises at 1,000, 5,000 and 20,000 and never
//!   falls by a purchase.
//! - A lot is gone on the day 24 calendar months after the purchase; where that month has no such day, on its last.

use std::collections::BTreeMap;

/// A day as year, month, day: compares as dates do.
pub(crate) type Day = (i32, u32, u32);

/// What one customer must have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) purchases: i64,
    pub(crate) earned: i64,
    /// 0 bronze, 1 silver, 2 gold, 3 platinum.
    pub(crate) tier: usize,
    /// Day of the purchase and points, in the order in which they were earned.
    pub(crate) lots: Vec<(Day, i64)>,
}

pub(crate) const TIERS: [&str; 4] = ["bronze", "silver", "gold", "platinum"];
const THRESHOLDS: [i64; 4] = [0, 1_000, 5_000, 20_000];
const MULTIPLIERS_PERCENT: [i64; 4] = [100, 125, 150, 200];

/// One purchase, as the file has it.
#[derive(Debug, Clone)]
pub(crate) struct Purchase {
    pub(crate) customer: String,
    pub(crate) on: Day,
    pub(crate) cents: i64,
}

/// What all purchases together must leave, by customer.
pub(crate) fn from_purchases(purchases: &[Purchase]) -> BTreeMap<String, Expected> {
    let mut customers: BTreeMap<String, Expected> = BTreeMap::new();
    for purchase in purchases {
        customers.entry(purchase.customer.clone()).or_default().buys(purchase);
    }
    customers
}

impl Expected {
    fn buys(&mut self, purchase: &Purchase) {
        self.purchases += 1;
        let points = purchase.cents / 100 * MULTIPLIERS_PERCENT[self.tier] / 100;
        if points == 0 {
            return;
        }
        self.earned += points;
        self.lots.push((purchase.on, points));
        let counted = self.earned_last_12_months(purchase.on);
        let reached = THRESHOLDS.iter().rposition(|threshold| counted >= *threshold).unwrap_or(0);
        self.tier = self.tier.max(reached);
    }

    /// Points earned in the twelve months that end on a day, or on the latest day on which any were if that is later.
    pub(crate) fn earned_last_12_months(&self, on: Day) -> i64 {
        let latest = self.lots.iter().map(|(day, _)| *day).chain([on]).max().unwrap_or(on);
        let before = months_later(latest, -12);
        self.lots.iter().filter(|(day, _)| *day > before).map(|(_, points)| points).sum()
    }
}

/// The same day some months later or earlier, or the last one of a shorter month.
pub(crate) fn months_later((year, month, day): Day, months: i32) -> Day {
    let count = year * 12 + i32::try_from(month).unwrap_or_default() - 1 + months;
    let (year, month) = (count.div_euclid(12), count.rem_euclid(12).unsigned_abs() + 1);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (year, month, day.min(last))
}

/// Reads `1997-01-31`.
pub(crate) fn day(text: &str) -> Option<Day> {
    let mut parts = text.split('-');
    let day = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(day).filter(|_| parts.next().is_none())
}

/// Reads `12.34` as 1234.
pub(crate) fn cents(text: &str) -> Option<i64> {
    let (units, cents) = text.split_once('.')?;
    let is_plain = cents.len() == 2 && [units, cents].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if is_plain { format!("{units}{cents}").parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{Expected, Purchase, from_purchases, months_later};

    fn bought(purchases: &[(&str, &str)]) -> Expected {
        let purchase = |(on, total): &(&str, &str)| Purchase {
            customer: "1".to_owned(),
            on: super::day(on).unwrap(),
            cents: super::cents(total).unwrap(),
        };
        from_purchases(&purchases.iter().map(purchase).collect::<Vec<_>>()).remove("1").unwrap()
    }

    #[test]
    fn months_end_where_the_shorter_one_does() {
        assert_eq!(months_later((1997, 1, 31), 24), (1999, 1, 31));
        assert_eq!(months_later((1996, 2, 29), 24), (1998, 2, 28));
        assert_eq!(months_later((1998, 2, 28), -12), (1997, 2, 28));
        assert_eq!(months_later((1998, 12, 31), 2), (1999, 2, 28));
    }

    #[test]
    fn the_multiplier_is_that_of_the_tier_before() {
        let customer = bought(&[("1997-01-01", "999.99"), ("1997-01-02", "1.00"), ("1997-01-03", "3.99")]);
        assert_eq!((customer.tier, customer.earned, customer.lots[2].1), (1, 1_003, 3));
        let customer = bought(&[("1997-01-01", "1000.00"), ("1997-01-02", "19.00")]);
        assert_eq!(customer.lots[1].1, 23);
    }

    #[test]
    fn points_of_the_day_a_year_ago_count_no_more() {
        assert_eq!(bought(&[("1997-01-01", "999.00"), ("1998-01-01", "1.00")]).tier, 0);
        assert_eq!(bought(&[("1997-01-02", "999.00"), ("1998-01-01", "1.00")]).tier, 1);
    }

    #[test]
    fn nothing_is_earned_with_less_than_a_unit() {
        let customer = bought(&[("1997-01-01", "0.00"), ("1997-01-01", "0.99")]);
        assert_eq!((customer.purchases, customer.lots.len()), (2, 0));
    }
}
