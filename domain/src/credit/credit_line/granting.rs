//! Credit for some time, because of a case: somebody says that a payment was made, and it is looked for.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::dunning::CASES_MAX;
use super::{Line, sum_of};
use crate::credit::commands::CreditError;
use crate::credit::events::CreditEvent;
use crate::ids::CaseId;
use crate::money::Money;

/// What a case has granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Temporary {
    /// How much, in the smallest unit of the line's currency.
    amount: i64,
    /// The first day on which it is gone.
    expires_on: NaiveDate,
    /// None as long as it lives.
    remembered_until: Option<NaiveDate>,
}

impl Temporary {
    /// How much, in the smallest unit of the line's currency.
    pub const fn amount_minor(&self) -> i64 {
        self.amount
    }

    /// The first day on which it is gone.
    pub const fn expires_on(&self) -> NaiveDate {
        self.expires_on
    }

    /// Whether it adds to what may be used on a business date.
    pub fn lives_on(&self, today: NaiveDate) -> bool {
        self.remembered_until.is_none() && today < self.expires_on
    }

    pub(super) fn is_remembered(&self, on: NaiveDate) -> bool {
        self.remembered_until.is_none_or(|until| on < until)
    }
}

impl Line {
    /// What cases have granted, as far as it is remembered.
    pub const fn temporary(&self) -> &std::collections::BTreeMap<CaseId, Temporary> {
        &self.temporary
    }

    pub(super) fn temporary_on(&self, today: NaiveDate) -> i64 {
        let living = self.temporary.values().filter(|temporary| temporary.lives_on(today));
        sum_of(living.map(|temporary| temporary.amount))
    }

    pub(super) fn change_temporary(&mut self, event: &CreditEvent) {
        match event {
            CreditEvent::TemporaryGranted { case, amount, expires_on, on } => {
                self.see(*on);
                let (amount, expires_on) = (amount.minor(), *expires_on);
                self.temporary.insert(case.clone(), Temporary { amount, expires_on, remembered_until: None });
            }
            CreditEvent::TemporarySettled { case, on } | CreditEvent::TemporaryExpired { case, on } => {
                self.see(*on);
                let until = self.remembered_until(*on);
                if let Some(temporary) = self.temporary.get_mut(case) {
                    temporary.remembered_until = Some(until);
                }
            }
            _ => {} // no other is passed
        }
    }
}

/// What is gone by now.
pub(super) fn expire(line: &Line, today: NaiveDate) -> Vec<CreditEvent> {
    let is_due = |temporary: &Temporary| temporary.remembered_until.is_none() && temporary.expires_on <= today;
    let due = line.temporary.iter().filter(|(_, temporary)| is_due(temporary));
    due.map(|(case, temporary)| CreditEvent::TemporaryExpired { case: case.clone(), on: temporary.expires_on })
        .collect()
}

pub(super) fn grant(
    line: &Line,
    case: CaseId,
    amount: Money,
    expires_on: NaiveDate,
    on: NaiveDate,
) -> Result<Vec<CreditEvent>, CreditError> {
    if let Some(granted) = line.temporary.get(&case) {
        let (known, until) = (line.money(granted.amount), granted.expires_on);
        let conflict = CreditError::TemporaryAlreadyGranted { case, amount: known, expires_on: until };
        return if known == amount && until == expires_on { Ok(vec![]) } else { Err(conflict) };
    }
    line.require(amount)?;
    if expires_on <= on {
        return Err(CreditError::ExpiryNotAhead { expires_on });
    }
    let living = line.temporary.values().filter(|temporary| temporary.lives_on(on)).count();
    if living >= CASES_MAX {
        return Err(CreditError::TooManyCases { limit: CASES_MAX });
    }
    Ok(vec![CreditEvent::TemporaryGranted { case, amount, expires_on, on }])
}

/// Settled once; what has expired is as good as settled.
pub(super) fn settle(line: &Line, case: CaseId, on: NaiveDate) -> Result<Vec<CreditEvent>, CreditError> {
    let Some(granted) = line.temporary.get(&case) else { return Err(CreditError::TemporaryNotFound { case }) };
    let lives = granted.remembered_until.is_none();
    Ok(lives.then_some(CreditEvent::TemporarySettled { case, on }).into_iter().collect())
}
