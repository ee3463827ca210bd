//! The twelve months that a tier counts, and when it is reviewed: the same for every programme, because accounts and read models
//! forget what no window needs any more.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use crate::calendar::{anniversary_after, months_after, months_before};
use crate::loyalty::programme::Tier;

/// A tier counts the points earned within so many calendar months.
pub const TIER_WINDOW_MONTHS: u32 = 12;
/// An order is remembered for so many calendar months at least, to tell its repeats and to take back what it earned.
pub const REMEMBERED_MONTHS: u32 = 24;
/// A hold is over by itself after so many minutes.
pub const HOLD_MINUTES: u32 = 15;
/// An account has at most so many holds at once.
pub const HOLDS_MAX: usize = 32;

/// The first moment at which a hold is over.
pub fn lapses_at(placed_at: DateTime<Utc>) -> DateTime<Utc> {
    let lapses_at = placed_at.checked_add_signed(TimeDelta::minutes(HOLD_MINUTES.into()));
    lapses_at.unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The first day on which an order of a day is not remembered any more.
pub fn remembered_until(on: NaiveDate) -> NaiveDate {
    months_after(on, REMEMBERED_MONTHS)
}

/// When the tier of a member is reviewed next, after a day on which a tier was reached or reviewed. The lowest tier is not
/// reviewed: nobody can lose it.
pub fn review_after(on: NaiveDate, enrolled_on: NaiveDate, tier: Tier) -> Option<NaiveDate> {
    (tier != Tier::Bronze).then(|| anniversary_after(enrolled_on, on))
}

/// The last day of which no window needs the earnings any more: neither the one that ends on `reference` nor that of the next
/// review, which may come late. Nothing is kept for a review that is more than a window late.
pub fn before_counted(reference: NaiveDate, review_on: Option<NaiveDate>) -> NaiveDate {
    let before = before_window(reference);
    let before_review = review_on.map_or(before, before_window);
    before.min(before_review.max(before_window(before)))
}

/// The last day before the window that ends on a day: what was earned after it counts.
pub fn before_window(reference: NaiveDate) -> NaiveDate {
    months_before(reference, TIER_WINDOW_MONTHS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_of_a_month_stands_for_a_missing_one() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(before_window(day("2024-02-29")), day("2023-02-28"));
    }
}
