//! Calendar months on business dates, and the moment that a decision is made at. A day that the target month lacks becomes
//! its last one.

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

const MONTHS_PER_YEAR: u32 = 12;

/// A moment, and the business date that it is then where the tenant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    /// The moment.
    pub at: DateTime<Utc>,
    /// The business date.
    pub today: NaiveDate,
}

/// The same day so many months later.
pub fn months_after(date: NaiveDate, months: u32) -> NaiveDate {
    date.checked_add_months(Months::new(months)).unwrap_or(NaiveDate::MAX)
}

/// The same day so many months earlier.
pub(crate) fn months_before(date: NaiveDate, months: u32) -> NaiveDate {
    date.checked_sub_months(Months::new(months)).unwrap_or(NaiveDate::MIN)
}

/// The first anniversary of a day that lies after another one.
pub(crate) fn anniversary_after(first: NaiveDate, other: NaiveDate) -> NaiveDate {
    let years = u32::try_from(other.year().saturating_sub(first.year())).unwrap_or(0).max(1);
    let anniversaries = [years, years + 1].map(|years| months_after(first, years * MONTHS_PER_YEAR));
    anniversaries.into_iter().find(|anniversary| *anniversary > other).unwrap_or(NaiveDate::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn an_anniversary_comes_a_year_later_at_the_earliest_and_strictly_after_the_other_day() {
        let after = |first, other| anniversary_after(day(first), day(other)).to_string();
        assert_eq!(after("2026-03-10", "2026-03-10"), "2027-03-10");
        assert_eq!(after("2026-03-10", "2020-01-01"), "2027-03-10");
        assert_eq!(after("2026-03-10", "2027-03-09"), "2027-03-10");
        assert_eq!(after("2026-03-10", "2027-03-10"), "2028-03-10");
        assert_eq!(after("2026-03-10", "2027-12-31"), "2028-03-10");
        assert_eq!(after("2024-02-29", "2024-12-31"), "2025-02-28");
        assert_eq!(after("2024-02-29", "2027-03-01"), "2028-02-29");
        assert_eq!(anniversary_after(day("2026-03-10"), NaiveDate::MAX), NaiveDate::MAX);
    }
}
