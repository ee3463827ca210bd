//! Exact amounts of money: whole minor units and an ISO 4217 currency. Currencies never mix, nothing is rounded.
//!
//! No conversion between currencies and no percentages: whoever needs them says how to round, in their own rule.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::event::Clear;
use crate::refusal::InvalidValue;

/// Why a text is not taken as an amount or a currency, or an operation has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a code of ISO 4217, or one without minor units, such as gold.
    #[error("is not a currency of ISO 4217 in which one can pay")]
    UnknownCurrency,
    /// Not a plain decimal number.
    #[error("must be a decimal number such as 12.34")]
    NotADecimal,
    /// More decimals than the currency has; nothing is rounded.
    #[error("{currency} has {digits} decimals")]
    TooManyDecimals {
        /// The currency.
        currency: Currency,
        /// How many decimals it has.
        digits: u8,
    },
    /// Beyond [`Money::LIMIT`].
    #[error("is beyond the largest amount, 10^15 minor units")]
    OutOfRange,
    /// Two amounts of different currencies.
    #[error("{left} and {right} do not mix")]
    CurrencyMismatch {
        /// The currency on the left.
        left: Currency,
        /// The currency on the right.
        right: Currency,
    },
}

impl InvalidValue for MoneyError {
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownCurrency => "unknown_currency",
            Self::NotADecimal => "not_a_decimal",
            Self::TooManyDecimals { .. } => "too_many_decimals",
            Self::OutOfRange => "amount_out_of_range",
            Self::CurrencyMismatch { .. } => "currency_mismatch",
        }
    }
}

/// A currency in which one can pay, by its alphabetic code of ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency {
    code: [u8; 3],
    digits: u8,
}

impl Currency {
    /// Reads a code of three capital letters.
    ///
    /// # Errors
    /// When ISO 4217 does not list it with minor units.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| MoneyError::UnknownCurrency)?;
        let digits = *DIGITS.get(&code).ok_or(MoneyError::UnknownCurrency)?;
        Ok(Self { code, digits })
    }

    /// All of them, in no order.
    pub fn all() -> impl Iterator<Item = Self> {
        DIGITS.iter().map(|(code, digits)| Self { code: *code, digits: *digits })
    }

    /// The alphabetic code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or_default()
    }

    /// How many decimals an amount has.
    pub const fn digits(&self) -> u8 {
        self.digits
    }

    /// How many minor units make one major unit.
    pub const fn minor_per_major(&self) -> i64 {
        10_i64.pow(self.digits as u32)
    }
}

/// The digits of each currency, from the table of ISO 4217 in `data/currencies.csv` (public domain).
static DIGITS: LazyLock<HashMap<[u8; 3], u8>> =
    LazyLock::new(|| include_str!("../data/currencies.csv").lines().filter_map(row).collect());

/// A row `code,numeric,minor_units,name`; none for the header and for what has no minor units.
fn row(line: &str) -> Option<([u8; 3], u8)> {
    let mut columns = line.split(',');
    let code = columns.next()?.as_bytes().try_into().ok()?;
    let digits = columns.nth(1)?.parse().ok()?;
    Some((code, digits))
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

/// An amount in whole minor units of its currency; on the wire `{"amount":"12.34","currency":"USD"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// How an amount is written.
#[derive(Serialize, Deserialize)]
struct Written {
    amount: String,
    currency: Currency,
}

impl Money {
    /// The largest amount either side of zero, in minor units.
    pub const LIMIT: i64 = 1_000_000_000_000_000;

    /// An amount of so many minor units.
    ///
    /// # Errors
    /// When it is beyond [`Self::LIMIT`].
    pub const fn from_minor(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if minor >= -Self::LIMIT && minor <= Self::LIMIT {
            Ok(Self { minor, currency })
        } else {
            Err(MoneyError::OutOfRange)
        }
    }

    /// Nothing.
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// Reads a decimal string such as `12.34`, `-0.5` or `7`, exactly; no exponent, no thousands separators, no plus.
    ///
    /// # Errors
    /// When it is not a decimal, has more decimals than the currency, or is beyond [`Self::LIMIT`].
    pub fn parse(amount: &str, currency: Currency) -> Result<Self, MoneyError> {
        let (negative, unsigned) = amount.strip_prefix('-').map_or((false, amount), |rest| (true, rest));
        let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        if !is_digits(whole) || !is_digits(decimals) {
            return Err(MoneyError::NotADecimal);
        }
        let decimals = if unsigned.contains('.') { decimals } else { "" };
        let missing = (currency.digits as usize)
            .checked_sub(decimals.len())
            .ok_or(MoneyError::TooManyDecimals { currency, digits: currency.digits })?;
        let digits = format!("{whole}{decimals}{}", "0".repeat(missing));
        let minor: i64 = digits.parse().map_err(|_| MoneyError::OutOfRange)?;
        Self::from_minor(if negative { -minor } else { minor }, currency)
    }

    /// The amount in minor units.
    pub const fn minor(&self) -> i64 {
        self.minor
    }

    /// The currency.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// Whole major units, rounded down.
    pub const fn whole_units(&self) -> i64 {
        self.minor.div_euclid(self.currency.minor_per_major())
    }

    /// Whether it is exactly nothing.
    pub const fn is_zero(&self) -> bool {
        self.minor == 0
    }

    /// Whether it is below zero.
    pub const fn is_negative(&self) -> bool {
        self.minor < 0
    }

    /// The sum.
    ///
    /// # Errors
    /// When the currencies differ or the sum is beyond [`Self::LIMIT`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::from_minor(self.minor + other.minor, self.currency)
    }

    /// The difference.
    ///
    /// # Errors
    /// When the currencies differ or the difference is beyond [`Self::LIMIT`].
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::from_minor(self.minor - other.minor, self.currency)
    }

    /// The amount without its currency, as a decimal string with all of the currency's decimals.
    pub fn amount(&self) -> String {
        let sign = if self.minor < 0 { "-" } else { "" };
        let scale = self.currency.minor_per_major();
        let (whole, rest) = (self.minor.abs() / scale, self.minor.abs() % scale);
        match self.currency.digits {
            0 => format!("{sign}{whole}"),
            digits => format!("{sign}{whole}.{rest:0width$}", width = digits as usize),
        }
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(MoneyError::CurrencyMismatch { left: self.currency, right: other.currency })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Amounts of different currencies have no order.
impl PartialOrd for Money {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (self.currency == other.currency).then(|| self.minor.cmp(&other.minor))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency)
    }
}

impl TryFrom<Written> for Money {
    type Error = MoneyError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        Self::parse(&written.amount, written.currency)
    }
}

impl From<Money> for Written {
    fn from(money: Money) -> Self {
        Self { amount: money.amount(), currency: money.currency }
    }
}

impl Clear for Currency {}
impl Clear for Money {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    #[test]
    fn each_currency_has_its_own_decimals() {
        for (code, text, minor) in
            [("USD", "12.34", 1234), ("JPY", "1234", 1234), ("KWD", "1.234", 1234), ("CLF", "0.1234", 1234)]
        {
            let money = Money::parse(text, currency(code)).unwrap();
            assert_eq!((money.minor(), money.amount().as_str()), (minor, text));
        }
    }

    #[test]
    fn fewer_decimals_are_filled_and_more_are_refused_not_rounded() {
        let usd = currency("USD");
        assert_eq!(Money::parse("7", usd).unwrap().minor(), 700);
        assert_eq!(Money::parse("-0.5", usd).unwrap().amount(), "-0.50");
        assert_eq!(Money::parse("1.230", usd), Err(MoneyError::TooManyDecimals { currency: usd, digits: 2 }));
        assert_eq!(
            Money::parse("1.0", currency("JPY")),
            Err(MoneyError::TooManyDecimals { currency: currency("JPY"), digits: 0 })
        );
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in ["", "-", ".", "1.", ".5", "1e3", "+1", "1,5", " 1", "--1", "٣", "NaN"] {
            assert_eq!(Money::parse(text, currency("USD")), Err(MoneyError::NotADecimal), "{text}");
        }
    }

    #[test]
    fn an_amount_has_a_limit_either_side_of_zero() {
        let usd = currency("USD");
        assert!(Money::parse("10000000000000.00", usd).is_ok());
        assert_eq!(Money::parse("10000000000000.01", usd), Err(MoneyError::OutOfRange));
        assert_eq!(Money::parse("-10000000000000.01", usd), Err(MoneyError::OutOfRange));
        assert_eq!(Money::parse(&"9".repeat(400), usd), Err(MoneyError::OutOfRange));
        let most = Money::from_minor(Money::LIMIT, usd).unwrap();
        assert_eq!(most.checked_add(most), Err(MoneyError::OutOfRange));
    }

    #[test]
    fn gold_the_unknown_and_lower_case_are_no_currencies() {
        for code in ["XAU", "XXX", "ABC", "usd", "US", "", "code"] {
            assert_eq!(Currency::parse(code), Err(MoneyError::UnknownCurrency), "{code}");
        }
    }

    #[test]
    fn currencies_never_mix() {
        let (dollar, euro) =
            (Money::from_minor(1, currency("USD")).unwrap(), Money::from_minor(1, currency("EUR")).unwrap());
        assert!(matches!(dollar.checked_add(euro), Err(MoneyError::CurrencyMismatch { .. })));
        assert_eq!(dollar.partial_cmp(&euro), None);
    }

    #[test]
    fn the_wire_form_is_a_decimal_string_and_a_code() {
        let money = Money::parse("12.34", currency("USD")).unwrap();
        let json = r#"{"amount":"12.34","currency":"USD"}"#;
        assert_eq!(serde_json::to_string(&money).unwrap(), json);
        assert_eq!(serde_json::from_str::<Money>(json).unwrap(), money);
        assert!(serde_json::from_str::<Money>(r#"{"amount":"1.234","currency":"USD"}"#).is_err());
    }

    proptest! {
        #[test]
        fn writing_and_reading_an_amount_loses_nothing(minor in -Money::LIMIT..=Money::LIMIT, code in prop::sample::select(vec!["USD", "JPY", "KWD", "CLF"])) {
            let money = Money::from_minor(minor, currency(code)).unwrap();
            prop_assert_eq!(Money::parse(&money.amount(), money.currency()), Ok(money));
        }
    }
}
