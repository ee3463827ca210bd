//! What bodies are made of: fields read into values of the domain, every wrong one named at once.

use crate::amount::AmountText;
use crate::problem::{FieldError, Place, Problem};
use chrono::{DateTime, NaiveDate, Utc};
use commands::Caller;
use commands::caller::beginning_of;
use domain::{Currency, InvalidValue, Money, Patch};

/// Reads fields one after the other and remembers what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<FieldError>);

impl Fields {
    /// Keeps a value, or remembers why there is none.
    pub(crate) fn keep<T, E: InvalidValue>(&mut self, pointer: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.blame(pointer, error.code(), &error.to_string())).ok()
    }

    /// Keeps the value of a field that may be absent: the outer option is none when it is wrong.
    pub(crate) fn keep_optional<T, E: InvalidValue>(
        &mut self,
        pointer: &str,
        text: Option<&String>,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match text {
            None => Some(None),
            Some(text) => self.keep(pointer, read(text)).map(Some),
        }
    }

    /// Keeps one of a few words, in whatever letters.
    pub(crate) fn keep_word<T: Copy>(
        &mut self,
        pointer: &str,
        text: &str,
        words: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Option<T> {
        let written = text.trim();
        let found = words.iter().copied().find(|word| name(*word).eq_ignore_ascii_case(written));
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|word| name(*word)).collect();
            self.blame(pointer, "invalid_value", &format!("must be one of {}", known.join(", ")));
        }
        found
    }

    /// Keeps what is to become of a field: none when its new value is wrong.
    pub(crate) fn keep_patch<S, T>(
        &mut self,
        patch: &Patch<S>,
        read: impl FnOnce(&mut Self, &S) -> Option<T>,
    ) -> Option<Patch<T>> {
        match patch {
            Patch::Keep => Some(Patch::Keep),
            Patch::Remove => Some(Patch::Remove),
            Patch::Set(value) => read(self, value).map(Patch::Set),
        }
    }

    /// The same of a field that is a text.
    pub(crate) fn keep_patched_text<T, E: InvalidValue>(
        &mut self,
        pointer: &str,
        patch: &Patch<String>,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Patch<T>> {
        self.keep_patch(patch, |fields, text| fields.keep(pointer, read(text)))
    }

    /// Keeps what is to become of a field that cannot be taken away: the inner option is none when it stays.
    pub(crate) fn keep_needed<S, T>(
        &mut self,
        pointer: &str,
        patch: &Patch<S>,
        read: impl FnOnce(&mut Self, &S) -> Option<T>,
    ) -> Option<Option<T>> {
        match patch {
            Patch::Keep => Some(None),
            Patch::Remove => {
                self.blame(pointer, "missing_field", "cannot be taken away");
                None
            }
            Patch::Set(value) => read(self, value).map(Some),
        }
    }

    /// Keeps what is made of each body of a list, each under its own pointer.
    pub(crate) fn keep_each<B, T>(
        &mut self,
        pointer: &str,
        bodies: &[B],
        read: impl Fn(&B, &str, &mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let kept: Vec<_> =
            bodies.iter().enumerate().map(|(index, body)| read(body, &format!("{pointer}/{index}"), self)).collect();
        kept.into_iter().collect()
    }

    /// Keeps the values of a list, each under its own pointer.
    pub(crate) fn keep_all<T, E: InvalidValue>(
        &mut self,
        pointer: &str,
        texts: &[String],
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let kept: Vec<_> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| self.keep(&format!("{pointer}/{index}"), read(text)))
            .collect();
        kept.into_iter().collect()
    }

    /// Reads an amount whose currency stands in another field.
    pub(crate) fn money(&mut self, pointer: &str, amount: &AmountText, currency: Option<Currency>) -> Option<Money> {
        self.keep(pointer, Money::parse(amount.as_str(), currency?))
    }

    /// Reads an amount that need not be there, with its currency beside it in `/currency`.
    pub(crate) fn optional_money(
        &mut self,
        pointer: &str,
        amount: Option<&AmountText>,
        currency: Option<&String>,
    ) -> Option<Option<Money>> {
        let currency = self.keep_optional("/currency", currency, Currency::parse)?;
        match (amount, currency) {
            (None, _) => Some(None),
            (Some(_), None) => {
                self.blame("/currency", "missing_field", "an amount needs its currency");
                None
            }
            (Some(amount), currency) => self.money(pointer, amount, currency).map(Some),
        }
    }

    /// Reads a time or a date.
    pub(crate) fn when(&mut self, pointer: &str, text: Option<&String>) -> Option<Option<When>> {
        let Some(text) = text else { return Some(None) };
        let read = When::parse(text);
        if read.is_none() {
            self.blame(pointer, "invalid_time", "must be a time of RFC 3339 or a date such as 2026-03-01");
        }
        read.map(Some)
    }

    /// Reads a date.
    pub(crate) fn day(&mut self, pointer: &str, text: Option<&String>) -> Option<Option<NaiveDate>> {
        let Some(text) = text else { return Some(None) };
        let read = date_as_written(text);
        if read.is_none() {
            self.blame(pointer, "invalid_date", "must be a date such as 2026-03-01");
        }
        read.map(Some)
    }

    pub(crate) fn blame(&mut self, pointer: &str, code: &'static str, detail: &str) {
        self.0.push(FieldError {
            place: Place::Pointer(pointer.to_owned()),
            code: code.into(),
            detail: format!("{pointer}: {detail}"),
        });
    }

    /// What was read, or the problem that names all that is wrong.
    pub(crate) fn end<T>(self, read: Option<T>) -> Result<T, Problem> {
        match read {
            Some(value) if self.0.is_empty() => Ok(value),
            Some(_) | None => Err(Problem::invalid(self.0)),
        }
    }
}

/// A business time: a moment, or the day it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// A moment.
    At(DateTime<Utc>),
    /// A day where the tenant is.
    On(NaiveDate),
}

impl When {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let date = date_as_written(text).map(Self::On);
        date.or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|time| Self::At(time.with_timezone(&Utc))))
    }

    /// The moment; of a day its beginning.
    pub(crate) fn moment(self, caller: &Caller) -> DateTime<Utc> {
        match self {
            Self::At(time) => time,
            Self::On(date) => beginning_of(date, caller.zone),
        }
    }

    /// The moment before which a range ends that goes up to this: a day belongs to it as a whole.
    pub(crate) fn end(self, caller: &Caller) -> DateTime<Utc> {
        match self {
            Self::At(time) => time,
            Self::On(date) => beginning_of(date.succ_opt().unwrap_or(date), caller.zone),
        }
    }
}

/// A date written YYYY-MM-DD and not otherwise: chrono would take signs, spaces and years of any length, too.
pub(crate) fn date_as_written(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|date| text.len() == 10 && date.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::{Fields, When, date_as_written};
    use domain::Currency;

    fn refused(total: &str, currency: &str) -> String {
        let mut fields = Fields::default();
        let total = crate::body::parse(total.as_bytes()).expect("it is an amount");
        let currency = fields.keep("/currency", Currency::parse(currency));
        let money = fields.money("/total", &total, currency);
        let problem = fields.end(money).expect_err("it should be refused");
        serde_json::to_string(problem.errors()).expect("it is plain data")
    }

    #[test]
    fn amounts_are_exact_or_refused() {
        insta::assert_snapshot!(refused("12.345", "USD"), @r#"[{"pointer":"/total","code":"too_many_decimals","detail":"/total: USD has 2 decimals"}]"#);
        insta::assert_snapshot!(refused("\"1e3\"", "USD"), @r#"[{"pointer":"/total","code":"not_a_decimal","detail":"/total: must be a decimal number such as 12.34"}]"#);
        insta::assert_snapshot!(refused("1e3", "USD"), @r#"[{"pointer":"/total","code":"not_a_decimal","detail":"/total: must be a decimal number such as 12.34"}]"#);
        insta::assert_snapshot!(refused("10000000000000.01", "USD"), @r#"[{"pointer":"/total","code":"amount_out_of_range","detail":"/total: is beyond the largest amount, 10^15 minor units"}]"#);
        insta::assert_snapshot!(refused("1", "usd"), @r#"[{"pointer":"/currency","code":"unknown_currency","detail":"/currency: is not a currency of ISO 4217 in which one can pay"}]"#);
    }

    #[test]
    fn a_time_is_a_moment_or_a_day() {
        assert!(matches!(When::parse("1998-06-30"), Some(When::On(_))));
        assert!(matches!(When::parse("1998-06-30T12:00:00+02:00"), Some(When::At(_))));
        assert_eq!(When::parse("30/06/1998"), None);
        assert_eq!(When::parse("1998-6-30"), None);
    }

    #[test]
    fn a_date_is_ten_characters_with_a_year_of_four_digits() {
        assert_eq!(date_as_written("1998-06-30").map(|date| date.to_string()).as_deref(), Some("1998-06-30"));
        for text in [
            "-5000-01-01",
            "-500-01-01",
            "+1998-6-30",
            "+1998-06-30",
            "10000-01-01",
            "98-06-30",
            " 998-06-30",
            "1998-06- 1",
        ] {
            assert_eq!(date_as_written(text), None, "{text}");
        }
    }
}
