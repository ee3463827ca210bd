//! How old what is outstanding is, in the five classes in which accountants look at it.

use chrono::NaiveDate;

use crate::money::{Currency, Money};

/// What is outstanding, by how many days ago it was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aging {
    /// Not due yet, or due today.
    pub current: Money,
    /// Due 1 to 30 days ago.
    pub days_1_to_30: Money,
    /// Due 31 to 60 days ago.
    pub days_31_to_60: Money,
    /// Due 61 to 90 days ago.
    pub days_61_to_90: Money,
    /// Due longer ago.
    pub over_90_days: Money,
}

impl Aging {
    /// The classes from the youngest on.
    pub const fn classes(&self) -> [Money; 5] {
        [self.current, self.days_1_to_30, self.days_31_to_60, self.days_61_to_90, self.over_90_days]
    }
}

/// Sums up what is outstanding, given with its due date in the smallest unit of a currency, as it is on a business date.
pub fn aging(uses: impl IntoIterator<Item = (NaiveDate, i64)>, currency: Currency, today: NaiveDate) -> Aging {
    let mut minor = [0_i64; 5];
    for (due_on, outstanding) in uses {
        let class = class_of(today.signed_duration_since(due_on).num_days());
        minor[class] = minor[class].saturating_add(outstanding);
    }
    let [current, days_1_to_30, days_31_to_60, days_61_to_90, over_90_days] =
        minor.map(|minor| within_limits(minor, currency));
    Aging { current, days_1_to_30, days_31_to_60, days_61_to_90, over_90_days }
}

const fn class_of(days: i64) -> usize {
    match days {
        ..=0 => 0,
        1..=30 => 1,
        31..=60 => 2,
        61..=90 => 3,
        91.. => 4,
    }
}

/// So much money; what is beyond the largest amount, which no sum of real orders is, becomes that.
pub fn within_limits(minor: i64, currency: Currency) -> Money {
    Money::from_minor(minor.clamp(-Money::LIMIT, Money::LIMIT), currency).unwrap_or(Money::zero(currency))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_begins_and_ends_on_its_day() {
        let currency = Currency::parse("EUR").unwrap();
        let today: NaiveDate = "2026-06-30".parse().unwrap();
        let days_ago = |days: i64| today - chrono::TimeDelta::days(days);
        let uses = [(-9, 1), (0, 2), (1, 10), (30, 20), (31, 100), (60, 200), (61, 1_000), (90, 2_000), (91, 10_000)];
        let aged = aging(uses.map(|(days, minor)| (days_ago(days), minor)), currency, today);
        assert_eq!(aged.classes().map(|money| money.minor()), [3, 30, 300, 3_000, 10_000]);
        assert_eq!(aging([], currency, today).classes().map(|money| money.minor()), [0; 5]);
    }
}
