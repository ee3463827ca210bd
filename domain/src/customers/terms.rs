//! On which terms a business buys, for those who price and invoice. Nothing is priced here.

use serde::{Deserialize, Serialize};

use crate::customers::commands::CustomerError;
use crate::customers::customer::at_most;
use crate::customers::events::CustomerKind;
use crate::event::{Clear, clear_values};
use crate::ids::DiscountCode;
use crate::money::Money;
use crate::patch::Patch;
use crate::refusal::InvalidValue;

/// The most steps of a volume discount.
pub const STEPS_MAX: usize = 20;
/// The most days in which an invoice is to be paid.
pub const PAYMENT_DAYS_MAX: u16 = 365;

clear_values! {
    /// The terms of a business; perhaps the same as everybody's.
    #[derive(Default)]
    pub struct Terms {
        /// What it pays less for buying more.
        pub volume_discount: Option<VolumeDiscount>,
        /// In how many days its invoices are to be paid.
        pub payment_days: Option<u16>,
    }

    /// From an amount on, so much is taken off.
    pub struct DiscountStep {
        /// The amount.
        pub from: Money,
        /// How much is taken off.
        pub percent: Percent,
    }
}

/// What is paid less for buying more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeDiscount {
    /// As a table says that the pricing system keeps.
    Code(DiscountCode),
    /// In steps, the smallest amount first.
    Steps(Vec<DiscountStep>),
}

impl Clear for VolumeDiscount {}

/// More than nothing, up to all of it, to the hundredth of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Percent(u16);

impl Clear for Percent {}

/// Why a text is no percentage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be more than 0 and at most 100, with two decimals at most")]
pub struct PercentError;

impl InvalidValue for PercentError {
    fn code(&self) -> &'static str {
        "invalid_percent"
    }
}

impl Percent {
    const WHOLE: u16 = 10_000;

    /// Reads a decimal number such as `2.5`.
    ///
    /// # Errors
    /// When it is none, or out of range.
    pub fn parse(text: &str) -> Result<Self, PercentError> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let is_written =
            |digits: &str, most| (1..=most).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if !is_written(whole, 3) || !is_written(decimals, 2) {
            return Err(PercentError);
        }
        let hundredths: u16 = format!("{decimals:0<2}").parse().map_err(|_| PercentError)?;
        let whole: u16 = whole.parse().map_err(|_| PercentError)?;
        Self::try_from(whole * 100 + hundredths)
    }

    /// In hundredths of a percent.
    pub const fn hundredths(self) -> u16 {
        self.0
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl TryFrom<u16> for Percent {
    type Error = PercentError;

    fn try_from(hundredths: u16) -> Result<Self, PercentError> {
        if (1..=Self::WHOLE).contains(&hundredths) { Ok(Self(hundredths)) } else { Err(PercentError) }
    }
}

impl From<Percent> for u16 {
    fn from(percent: Percent) -> Self {
        percent.0
    }
}

/// What is to become of the terms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TermsPatch {
    /// What it pays less for buying more.
    pub volume_discount: Patch<VolumeDiscount>,
    /// In how many days its invoices are to be paid.
    pub payment_days: Patch<u16>,
}

impl Terms {
    /// With what of another customer's it lacks.
    pub(super) fn joined(&self, other: &Self) -> Self {
        Self {
            volume_discount: self.volume_discount.clone().or_else(|| other.volume_discount.clone()),
            payment_days: self.payment_days.or(other.payment_days),
        }
    }
}

impl TermsPatch {
    pub(super) fn applied(&self, before: &Terms) -> Terms {
        Terms {
            volume_discount: self.volume_discount.applied(before.volume_discount.as_ref()),
            payment_days: self.payment_days.applied(before.payment_days.as_ref()),
        }
    }
}

pub(super) fn check(kind: CustomerKind, terms: &Terms) -> Result<(), CustomerError> {
    if kind != CustomerKind::Business && *terms != Terms::default() {
        return Err(CustomerError::BusinessOnly);
    }
    if terms.payment_days.is_some_and(|days| days > PAYMENT_DAYS_MAX) {
        return Err(CustomerError::PaymentDays { limit: PAYMENT_DAYS_MAX });
    }
    match &terms.volume_discount {
        Some(VolumeDiscount::Steps(steps)) => check_steps(steps),
        Some(VolumeDiscount::Code(_)) | None => Ok(()),
    }
}

/// Who buys more pays less of each unit, never more.
fn check_steps(steps: &[DiscountStep]) -> Result<(), CustomerError> {
    at_most("terms/volume_discount/steps", STEPS_MAX, steps.len())?;
    let Some(first) = steps.first() else { return Err(CustomerError::StepRequired) };
    if first.from.is_negative() {
        return Err(CustomerError::StepOrder { step: 0 });
    }
    for (step, (smaller, larger)) in steps.iter().zip(&steps[1..]).enumerate() {
        let is_same = smaller.from.currency() == larger.from.currency();
        if !is_same || smaller.from >= larger.from || smaller.percent >= larger.percent {
            return Err(CustomerError::StepOrder { step: step + 1 });
        }
    }
    Ok(())
}
