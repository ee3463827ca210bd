//! In how many days what was bought on credit is to be paid.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::event::Clear;
use crate::refusal::InvalidValue;

/// The most days.
pub const TERM_DAYS_MAX: u16 = 365;

/// On which terms credit is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Terms {
    days: u16,
}

/// How terms are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    days: u16,
}

impl Clear for Terms {}

/// No such terms are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {TERM_DAYS_MAX} days")]
pub struct TermsError;

impl InvalidValue for TermsError {
    fn code(&self) -> &'static str {
        "invalid_term"
    }
}

impl Terms {
    /// So many days.
    ///
    /// # Errors
    /// When it is none, or more than [`TERM_DAYS_MAX`].
    pub const fn of_days(days: u16) -> Result<Self, TermsError> {
        if days >= 1 && days <= TERM_DAYS_MAX { Ok(Self { days }) } else { Err(TermsError) }
    }

    /// How many days.
    pub const fn days(self) -> u16 {
        self.days
    }

    /// The last day on which something used on a business date is paid in time.
    pub fn due(self, on: NaiveDate) -> NaiveDate {
        on.checked_add_days(Days::new(self.days.into())).unwrap_or(NaiveDate::MAX)
    }
}

impl TryFrom<Written> for Terms {
    type Error = TermsError;

    fn try_from(written: Written) -> Result<Self, TermsError> {
        Self::of_days(written.days)
    }
}

impl From<Terms> for Written {
    fn from(terms: Terms) -> Self {
        Self { days: terms.days }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_a_day_at_least_and_a_year_at_most_also_when_read() {
        for days in [0, 366] {
            assert_eq!(Terms::of_days(days), Err(TermsError));
            assert!(serde_json::from_str::<Terms>(&format!("{{\"days\":{days}}}")).is_err());
        }
        assert_eq!(serde_json::from_str::<Terms>("{\"days\":45}").unwrap(), Terms::of_days(45).unwrap());
        assert_eq!(TermsError.code(), "invalid_term");
    }

    #[test]
    fn what_is_used_on_a_day_is_due_so_many_days_later() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(Terms::of_days(30).unwrap().due(day("2026-01-10")), day("2026-02-09"));
        assert_eq!(Terms::of_days(1).unwrap().due(NaiveDate::MAX), NaiveDate::MAX);
    }
}
