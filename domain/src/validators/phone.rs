//! Telephone numbers by the metadata of libphonenumber: whether a number is possible and assigned, where, and of what kind.
//!
//! Extensions are dropped. Whether somebody answers is not asked.

use rlibphonenumber::enums::Region;
use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberFormat, PhoneNumberType};

use crate::validators::{Check, Checks};

/// Why a text cannot be read as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneFault {
    /// The region is not a two-letter country code that has telephone numbers.
    #[error("the country must be an ISO 3166-1 code of two letters")]
    UnknownRegion,
    /// No country is known: write the number with + and the country code.
    #[error("has no country code that exists; write the number with + and the country code")]
    UnknownCountryCode,
    /// Not digits with what people write between them.
    #[error("is not a telephone number")]
    NoNumber,
    /// Fewer digits than any number.
    #[error("is too short")]
    TooShort,
    /// More digits than any number.
    #[error("is too long")]
    TooLong,
}

/// Declares the kinds of numbers with their wire names once.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $wire:literal,)*) => {
        /// What kind of number it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum PhoneKind {$( $(#[$doc])* $kind, )*}

        impl PhoneKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The wire name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $wire,)* }
            }
        }
    };
}

kinds! {
    /// Of a place.
    FixedLine = "fixed_line",
    /// Of a telephone that moves.
    Mobile = "mobile",
    /// One or the other: the country does not tell them apart.
    FixedLineOrMobile = "fixed_line_or_mobile",
    /// Costs the caller nothing.
    TollFree = "toll_free",
    /// Costs the caller more.
    PremiumRate = "premium_rate",
    /// Both sides pay.
    SharedCost = "shared_cost",
    /// Of the internet.
    Voip = "voip",
    /// Of a person wherever they are.
    PersonalNumber = "personal_number",
    /// Of a pager.
    Pager = "pager",
    /// Of a company wherever it is.
    Uan = "uan",
    /// Of a mailbox for messages.
    Voicemail = "voicemail",
}

impl PhoneKind {
    const fn of(kind: PhoneNumberType) -> Option<Self> {
        Some(match kind {
            PhoneNumberType::FixedLine => Self::FixedLine,
            PhoneNumberType::Mobile => Self::Mobile,
            PhoneNumberType::FixedLineOrMobile => Self::FixedLineOrMobile,
            PhoneNumberType::TollFree => Self::TollFree,
            PhoneNumberType::PremiumRate => Self::PremiumRate,
            PhoneNumberType::SharedCost => Self::SharedCost,
            PhoneNumberType::VoIP => Self::Voip,
            PhoneNumberType::PersonalNumber => Self::PersonalNumber,
            PhoneNumberType::Pager => Self::Pager,
            PhoneNumberType::UAN => Self::Uan,
            PhoneNumberType::VoiceMail => Self::Voicemail,
            PhoneNumberType::Unknown => return None,
        })
    }
}

/// A text that was read as a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneReading {
    /// The number as E.164.
    pub e164: String,
    /// Whether it has as many digits as numbers of its country have.
    pub possible: bool,
    /// Whether it can be assigned.
    pub valid: bool,
    /// Where: a country of ISO 3166-1, or 001 where it belongs to none. Only of valid numbers.
    pub country: Option<String>,
    /// Of what kind. Only of valid numbers.
    pub kind: Option<PhoneKind>,
}

/// Reads a number as people write it; without `+` it is one of the given region (ISO 3166-1, two letters).
///
/// # Errors
/// When the region is unknown or the text cannot be a number.
pub fn read(text: &str, region: Option<&str>) -> Result<PhoneReading, PhoneFault> {
    let region = region.map(known_region).transpose()?;
    let number = PhoneNumber::parse(text, region).map_err(|error| fault(&error))?;
    let country = number.get_region_code();
    let kind = PhoneKind::of(number.get_type());
    // A number is valid when it is of a kind in a country that has its code: the library would look for both once more.
    let valid = country.is_some() && kind.is_some();
    Ok(PhoneReading {
        possible: number.is_possible_with_reason().is_ok(),
        e164: number.format_as(PhoneNumberFormat::E164).into_owned(),
        valid,
        country: country.filter(|_| valid).map(|country| country.to_string()),
        kind: kind.filter(|_| valid),
    })
}

fn fault(error: &ParseError) -> PhoneFault {
    match error {
        ParseError::InvalidCountryCode => PhoneFault::UnknownCountryCode,
        ParseError::NotANumber(_) => PhoneFault::NoNumber,
        ParseError::TooShortAfterIdd | ParseError::TooShortNsn => PhoneFault::TooShort,
        ParseError::TooLongNsn => PhoneFault::TooLong,
    }
}

fn known_region(code: &str) -> Result<Region, PhoneFault> {
    let region = Region::from_code(code).map_err(|_| PhoneFault::UnknownRegion)?;
    PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| region).ok_or(PhoneFault::UnknownRegion)
}

/// Whether telephones have numbers in a country, given by its code.
pub(crate) fn has_telephones(code: &str) -> bool {
    known_region(code).is_ok()
}

/// What can be said of a number without calling it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneVerdict {
    /// Whether it can be assigned.
    pub valid: bool,
    /// The number as E.164; none when the text cannot be read.
    pub phone: Option<String>,
    /// Where it is assigned.
    pub country: Option<String>,
    /// Of what kind it is.
    pub kind: Option<PhoneKind>,
    /// Whether it has as many digits as numbers of its country have.
    pub possible: bool,
    /// `length` and `country_format`.
    pub checks: Checks,
}

/// Looks at a number; the country is where it is thought to be from, and whose number it is when it has no `+`.
pub fn validate(text: &str, country: Option<&str>) -> PhoneVerdict {
    match read(text.trim(), country) {
        Ok(reading) => of_reading(reading, country),
        Err(fault) => {
            let message = fault.to_string();
            let length = match fault {
                PhoneFault::TooShort | PhoneFault::TooLong => Check::failed(message.clone()),
                PhoneFault::UnknownRegion | PhoneFault::UnknownCountryCode | PhoneFault::NoNumber => {
                    Check::skipped("the number cannot be read")
                }
            };
            let checks = vec![("length", Some(length)), ("country_format", Some(Check::failed(message)))];
            PhoneVerdict { valid: false, phone: None, country: None, kind: None, possible: false, checks }
        }
    }
}

fn of_reading(reading: PhoneReading, asked: Option<&str>) -> PhoneVerdict {
    let length = if reading.possible {
        Check::passed("it has as many digits as numbers of its country")
    } else {
        Check::failed("it has not as many digits as numbers of its country")
    };
    let country_format = match (&reading.country, asked) {
        (None, _) => Check::failed("no such number is assigned in its country"),
        (Some(country), Some(asked)) if !country.eq_ignore_ascii_case(asked) => {
            Check::warning(format!("it is a number of {country}, not of {asked}"))
        }
        (Some(_), _) => Check::passed("such numbers are assigned in its country"),
    };
    PhoneVerdict {
        valid: reading.valid,
        phone: Some(reading.e164),
        country: reading.country,
        kind: reading.kind,
        possible: reading.possible,
        checks: vec![("length", Some(length)), ("country_format", Some(country_format))],
    }
}

#[cfg(test)]
mod tests {
    use super::{PhoneFault, PhoneKind, read, validate};
    use crate::validators::{Status, check};

    #[test]
    fn a_number_has_a_country_and_a_kind() {
        for (text, region, e164, country, kind) in [
            ("612345678", Some("ES"), "+34612345678", "ES", PhoneKind::Mobile),
            ("912345678", Some("ES"), "+34912345678", "ES", PhoneKind::FixedLine),
            ("512345678", Some("ES"), "+34512345678", "ES", PhoneKind::Uan),
            ("+12025550143", None, "+12025550143", "US", PhoneKind::FixedLineOrMobile),
            ("+447911123456", None, "+447911123456", "GG", PhoneKind::Mobile),
            ("+33612345678", Some("ES"), "+33612345678", "FR", PhoneKind::Mobile),
            ("+80012345678", None, "+80012345678", "001", PhoneKind::TollFree),
            ("٦٠٠٠٠٠٠٠٠", Some("ES"), "+34600000000", "ES", PhoneKind::Mobile),
        ] {
            let reading = read(text, region).unwrap();
            assert!(reading.valid && reading.possible, "{text}");
            assert_eq!(
                (reading.e164.as_str(), reading.country.as_deref(), reading.kind),
                (e164, Some(country), Some(kind)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (text, region, fault) in [
            ("600123456", None, PhoneFault::UnknownCountryCode),
            ("+999 1234567", None, PhoneFault::UnknownCountryCode),
            ("call me", Some("ES"), PhoneFault::NoNumber),
            ("", Some("ES"), PhoneFault::NoNumber),
            ("+34 9", None, PhoneFault::TooShort),
            ("+34600123456789012345", None, PhoneFault::TooLong),
            ("600123456", Some("XX"), PhoneFault::UnknownRegion),
            ("600123456", Some("001"), PhoneFault::UnknownRegion),
        ] {
            assert_eq!(read(text, region), Err(fault), "{text}");
        }
    }

    #[test]
    fn a_number_of_another_country_is_valid_with_a_warning() {
        let verdict = validate("+34612345678", Some("FR"));
        let status = check(&verdict.checks, "country_format").unwrap().status;
        assert_eq!((verdict.valid, verdict.country.as_deref(), status), (true, Some("ES"), Status::Warning));
        let short = validate("+1234567890", None);
        assert_eq!((short.valid, short.possible, short.phone.as_deref()), (false, false, Some("+1234567890")));
    }
}
