//! The day on which a person was born. Personal as a whole.

use std::fmt;

use chrono::{Datelike, Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::refusal::InvalidValue;

/// Nobody alive was born before.
const EARLIEST_YEAR: i32 = 1900;

/// Why a text is no date of birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BirthDateError {
    /// Not a date.
    #[error("must be a date as YYYY-MM-DD")]
    NotADate,
    /// Before anybody alive was born.
    #[error("must not be before 1900")]
    TooLongAgo,
}

impl InvalidValue for BirthDateError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotADate => "invalid_date",
            Self::TooLongAgo => "too_long_ago",
        }
    }
}

/// The day on which a person was born.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BirthDate(NaiveDate);

impl BirthDate {
    /// Reads a date as YYYY-MM-DD.
    ///
    /// # Errors
    /// When it is none, or of before 1900.
    pub fn parse(text: &str) -> Result<Self, BirthDateError> {
        let is_written_out = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let date = text.parse::<NaiveDate>().ok().filter(|_| is_written_out).ok_or(BirthDateError::NotADate)?;
        if date.year() < EARLIEST_YEAR { Err(BirthDateError::TooLongAgo) } else { Ok(Self(date)) }
    }

    /// The date.
    #[must_use]
    pub const fn date(self) -> NaiveDate {
        self.0
    }

    /// Whether a day lies at most so many days from a birthday, before or after it. Who was born on the 29th of February has it on the
    /// 28th in other years.
    #[must_use]
    pub fn is_birthday_within(self, days: u32, on: NaiveDate) -> bool {
        let (from, to) = (on.checked_sub_days(Days::new(days.into())), on.checked_add_days(Days::new(days.into())));
        let (Some(from), Some(to)) = (from, to) else { return false };
        (from.year()..=to.year()).any(|year| self.birthday_in(year).is_some_and(|day| from <= day && day <= to))
    }

    fn birthday_in(self, year: i32) -> Option<NaiveDate> {
        self.0.with_year(year).or_else(|| NaiveDate::from_ymd_opt(year, 2, 28)).filter(|day| *day > self.0)
    }
}

impl fmt::Display for BirthDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn born(text: &str) -> BirthDate {
        BirthDate::parse(text).unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_date_is_written_out_and_of_somebody_alive() {
        assert_eq!(born("1984-02-29").date(), day("1984-02-29"));
        for wrong in ["", "1984-2-9", "29.02.1984", "1985-02-29", "+1984-02-09", "1984-02-09T00:00"] {
            assert_eq!(BirthDate::parse(wrong), Err(BirthDateError::NotADate), "{wrong}");
        }
        assert_eq!(BirthDate::parse("1899-12-31"), Err(BirthDateError::TooLongAgo));
    }

    #[test]
    fn a_birthday_is_near_over_the_turn_of_the_year_and_in_every_year() {
        let near = |born_on, days, on| born(born_on).is_birthday_within(days, day(on));
        assert!(near("1990-06-15", 0, "2026-06-15") && !near("1990-06-15", 0, "2026-06-16"));
        assert!(near("1990-06-15", 3, "2026-06-12") && near("1990-06-15", 3, "2026-06-18"));
        assert!(!near("1990-06-15", 3, "2026-06-19") && !near("1990-06-15", 3, "2026-06-11"));
        assert!(near("1990-01-01", 2, "2026-12-30") && near("1990-12-31", 2, "2026-01-02"));
        assert!(near("1984-02-29", 0, "2026-02-28") && near("1984-02-29", 0, "2028-02-29"));
        assert!(!near("2026-06-15", 3, "2026-06-15"), "nobody buys on the day of their birth");
    }
}
