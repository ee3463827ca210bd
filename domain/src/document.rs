//! Identity documents: a kind, a number and the country that issued it. Those of Spain are checked to their control character;
//! of others only the form is known.
//!
//! Nobody is asked whether the document exists, and nothing is said of whom it belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::country::Country;
use crate::refusal::InvalidValue;

/// Why a number is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Nothing but separators.
    #[error("must not be empty")]
    Empty,
    /// More characters than any document has.
    #[error("must not have more than {max} characters")]
    TooLong {
        /// The most characters allowed.
        max: usize,
    },
    /// Not of the form that documents of this kind have.
    #[error("is not of the form of a {kind}")]
    Malformed {
        /// The kind.
        kind: DocumentKind,
    },
    /// Of the right form, with a control character that does not fit the rest.
    #[error("does not end as it should: the control character is wrong")]
    WrongControl,
    /// A document of one country, said to be another's.
    #[error("a {kind} is issued in {country}")]
    OtherCountry {
        /// The kind.
        kind: DocumentKind,
        /// Where such documents come from.
        country: Country,
    },
}

impl InvalidValue for DocumentError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong { .. } => "too_long",
            Self::Malformed { .. } => "invalid_document",
            Self::WrongControl => "wrong_control_character",
            Self::OtherCountry { .. } => "wrong_country",
        }
    }
}

/// What kind of document it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// Identity card of Spain.
    Dni,
    /// Number of a foreigner in Spain.
    Nie,
    /// Tax number of an organisation in Spain.
    Cif,
    /// Tax number in Spain: of a person, a foreigner or an organisation.
    Nif,
    /// Passport of any country.
    Passport,
    /// Identity card of another country.
    NationalId,
    /// Tax number of another country.
    TaxId,
}

impl DocumentKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Dni, Self::Nie, Self::Cif, Self::Nif, Self::Passport, Self::NationalId, Self::TaxId];

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dni => "dni",
            Self::Nie => "nie",
            Self::Cif => "cif",
            Self::Nif => "nif",
            Self::Passport => "passport",
            Self::NationalId => "national_id",
            Self::TaxId => "tax_id",
        }
    }

    /// The country that issues such documents, if it is one only.
    pub const fn only_in(self) -> Option<Country> {
        if self.is_spanish() { Some(Country::ES) } else { None }
    }

    /// Whether it is a tax number of Spain: a DNI and a NIE are their holder's.
    const fn is_spanish(self) -> bool {
        match self {
            Self::Dni | Self::Nie | Self::Cif | Self::Nif => true,
            Self::Passport | Self::NationalId | Self::TaxId => false,
        }
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A document. Its number stands without separators, in capital letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Document {
    kind: DocumentKind,
    number: StoredNumber,
    country: Country,
}

impl Document {
    /// The most characters a number may have, without separators.
    pub const MAX: usize = 32;

    /// Reads a number as people write it.
    ///
    /// # Errors
    /// When no document of the kind has such a number.
    pub fn parse(kind: DocumentKind, number: &str, country: Country) -> Result<Self, DocumentError> {
        if kind.is_spanish() && country != Country::ES {
            return Err(DocumentError::OtherCountry { kind, country: Country::ES });
        }
        let is_dotted = kind.is_spanish() && number.contains(['.', '/']);
        let number = normalized(number);
        if is_dotted {
            return Err(DocumentError::Malformed { kind });
        }
        if number.is_empty() {
            return Err(DocumentError::Empty);
        }
        if number.chars().count() > Self::MAX {
            return Err(DocumentError::TooLong { max: Self::MAX });
        }
        let number = checked(kind, number)?;
        Ok(Self { kind, number: StoredNumber(number), country })
    }

    /// What kind of document it is.
    pub const fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// The number, normalised.
    pub fn number(&self) -> &str {
        &self.number.0
    }

    /// The country that issued it.
    pub const fn country(&self) -> Country {
        self.country
    }

    /// What no two customers have. The tax numbers of Spain are one series, by whatever name they are told.
    pub fn identity(&self) -> String {
        let kind = if self.kind.is_spanish() { DocumentKind::Nif } else { self.kind };
        format!("{}:{kind}:{}", self.country, self.number())
    }
}

/// The numbers as which a document may be kept that is asked for by this one, whatever its kind: tax numbers of Spain stand without
/// the country before them.
pub fn kept_as(number: &str) -> Vec<String> {
    let number = normalized(number);
    let nif = Document::parse(DocumentKind::Nif, &number, Country::ES).ok().map(|nif| nif.number.0);
    nif.filter(|nif| *nif != number).into_iter().chain([number]).collect()
}

/// A number without separators, in capital letters, full-width forms as usual ones.
fn normalized(number: &str) -> String {
    let kept = number.chars().filter(|character| !character.is_whitespace() && !"-./".contains(*character));
    kept.map(usual_width).flat_map(char::to_uppercase).collect()
}

/// The forms that East Asian keyboards make of ASCII stand in the same order (U+FF01 to U+FF5E).
fn usual_width(character: char) -> char {
    let shifted = u32::from(character).checked_sub(0xFEE0).filter(|code| (0x21..=0x7E).contains(code));
    shifted.and_then(char::from_u32).unwrap_or(character)
}

/// What serde reads a stored number through: only the shape is checked, because the rules of countries change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct StoredNumber(String);

impl TryFrom<String> for StoredNumber {
    type Error = DocumentError;

    fn try_from(text: String) -> Result<Self, DocumentError> {
        if text.is_empty() { Err(DocumentError::Empty) } else { Ok(Self(text)) }
    }
}

impl From<StoredNumber> for String {
    fn from(number: StoredNumber) -> Self {
        number.0
    }
}

/// The number, without the country where it may stand before it.
fn checked(kind: DocumentKind, number: String) -> Result<String, DocumentError> {
    let malformed = DocumentError::Malformed { kind };
    if !number.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(malformed);
    }
    let control = match kind {
        DocumentKind::Dni => dni(&number),
        DocumentKind::Nie => nie(&number),
        DocumentKind::Cif => cif(&number),
        DocumentKind::Nif => {
            let number = number.strip_prefix("ES").map_or(number.clone(), str::to_owned);
            return judged(nif(&number), malformed).map(|()| number);
        }
        DocumentKind::Passport | DocumentKind::NationalId | DocumentKind::TaxId => {
            return if number.len() < GENERIC_MIN { Err(malformed) } else { Ok(number) };
        }
    };
    judged(control, malformed).map(|()| number)
}

/// Shorter numbers are typing errors in any country.
const GENERIC_MIN: usize = 4;

/// Whether the control character fits; none when the form does not.
fn judged(control: Option<bool>, malformed: DocumentError) -> Result<(), DocumentError> {
    match control {
        Some(true) => Ok(()),
        Some(false) => Err(DocumentError::WrongControl),
        None => Err(malformed),
    }
}

/// The letter of a number, by its remainder (Ministerio del Interior).
const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

/// Eight digits and their letter.
fn dni(number: &str) -> Option<bool> {
    let (digits, letter) = split(number, 8)?;
    letter.is_ascii_uppercase().then(|| letter_of(digits) == Some(letter))
}

/// X, Y or Z for 0, 1 or 2, seven digits and the letter of all eight.
fn nie(number: &str) -> Option<bool> {
    let first = b"XYZ".iter().position(|letter| number.as_bytes().first() == Some(letter))?;
    dni(&format!("{first}{}", &number[1..]))
}

/// The letter of the kind of organisation, seven digits, and a control that is a digit or the letter for it.
fn cif(number: &str) -> Option<bool> {
    let (kind, rest) = number.split_at_checked(1)?;
    let (digits, control) = split(rest, 7)?;
    if !"ABCDEFGHJNPQRSUVW".contains(kind) || !(control.is_ascii_digit() || (b'A'..=b'J').contains(&control)) {
        return None;
    }
    let digit = luhn(digits);
    Some(control == b'0' + digit || control == b"JABCDEFGHI"[usize::from(digit)])
}

/// That of a person, of a foreigner, of an organisation, or of one who has no other: K, L or M, seven digits, their letter.
fn nif(number: &str) -> Option<bool> {
    match number.as_bytes().first()? {
        b'K' | b'L' | b'M' => {
            let (digits, letter) = split(&number[1..], 7)?;
            letter.is_ascii_uppercase().then(|| letter_of(digits) == Some(letter))
        }
        b'X' | b'Y' | b'Z' => nie(number),
        b'0'..=b'9' => dni(number),
        _ => cif(number),
    }
}

/// So many digits, and the one character that follows them.
fn split(number: &str, digits: usize) -> Option<(&str, u8)> {
    let (digits, last) = number.split_at_checked(digits)?;
    let [last] = last.as_bytes() else { return None };
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some((digits, *last))
}

fn letter_of(digits: &str) -> Option<u8> {
    let number: usize = digits.parse().ok()?;
    Some(LETTERS[number % LETTERS.len()])
}

/// The check digit of Luhn: every second digit is doubled, beginning with the last.
fn luhn(digits: &str) -> u8 {
    let sum: u8 = digits
        .bytes()
        .rev()
        .map(|byte| byte - b'0')
        .enumerate()
        .map(|(place, digit)| if place % 2 == 1 { digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use super::{Document, DocumentError, DocumentKind as K, kept_as};
    use crate::country::Country;

    fn spanish(kind: K, number: &str) -> Result<String, DocumentError> {
        Document::parse(kind, number, Country::ES).map(|document| document.number().to_owned())
    }

    #[test]
    fn the_documents_of_spain_are_known_by_their_control_character() {
        for number in ["54362315K", "11111111H", "00000000T", "12345678Z", "99999999R"] {
            assert_eq!(spanish(K::Dni, number).as_deref(), Ok(number));
            assert_eq!(spanish(K::Nif, number).as_deref(), Ok(number));
        }
        for number in ["X2482300W", "X5253868R", "X1111111G", "X0000000T", "Y0000000Z", "Z0000000M", "X1234567L"] {
            assert_eq!(spanish(K::Nie, number).as_deref(), Ok(number));
            assert_eq!(spanish(K::Nif, number).as_deref(), Ok(number));
        }
        for number in ["A11111119", "A58818501", "B64717838", "J99216582", "P2807900B", "Q2876031B", "B58378431"] {
            assert_eq!(spanish(K::Cif, number).as_deref(), Ok(number));
            assert_eq!(spanish(K::Nif, number).as_deref(), Ok(number));
        }
        for number in ["M1234567L", "L1111111G", "K1234567L"] {
            assert_eq!(spanish(K::Nif, number).as_deref(), Ok(number));
        }
    }

    #[test]
    fn a_number_is_kept_without_separators_and_in_capital_letters() {
        assert_eq!(spanish(K::Dni, " 54362 315-k ").as_deref(), Ok("54362315K"));
        assert_eq!(spanish(K::Dni, "１２３４５６７８z").as_deref(), Ok("12345678Z"));
        assert_eq!(spanish(K::Nif, "ES 12345678Z").as_deref(), Ok("12345678Z"));
    }

    #[test]
    fn a_wrong_control_character_is_told_from_a_wrong_form() {
        for (kind, number) in [
            (K::Dni, "12345678A"),
            (K::Nie, "X1234567A"),
            (K::Cif, "A58818502"),
            (K::Cif, "A5881850C"),
            (K::Nif, "M1234567A"),
        ] {
            assert_eq!(spanish(kind, number), Err(DocumentError::WrongControl), "{number}");
        }
        for (kind, number) in [
            (K::Dni, "1234567L"),
            (K::Dni, "123456789"),
            (K::Dni, "X1234567L"),
            (K::Dni, "12.345.678-Z"),
            (K::Nie, "12345678Z"),
            (K::Cif, "12345678Z"),
            (K::Cif, "I58818501"),
            (K::Nif, "ñ"),
            (K::Nif, "K"),
            (K::Nif, "ES"),
        ] {
            assert!(spanish(kind, number).is_err_and(|error| error != DocumentError::WrongControl), "{number}");
        }
    }

    #[test]
    fn of_other_countries_only_the_form_is_known() {
        let mexico = Country::parse("MX").unwrap();
        let parse = |kind, number: &str| Document::parse(kind, number, mexico);
        assert_eq!(parse(K::TaxId, "gode-561231-gr8").unwrap().number(), "GODE561231GR8");
        assert_eq!(parse(K::NationalId, "12.345.678/9").unwrap().number(), "123456789");
        assert_eq!(parse(K::Passport, "G12"), Err(DocumentError::Malformed { kind: K::Passport }));
        assert_eq!(parse(K::Passport, "G12_45678"), Err(DocumentError::Malformed { kind: K::Passport }));
        assert_eq!(parse(K::Passport, " - "), Err(DocumentError::Empty));
        assert!(parse(K::Passport, &"7".repeat(32)).is_ok());
        assert_eq!(parse(K::Passport, &"7".repeat(33)), Err(DocumentError::TooLong { max: 32 }));
        assert_eq!(parse(K::Dni, "12345678Z"), Err(DocumentError::OtherCountry { kind: K::Dni, country: Country::ES }));
    }

    #[test]
    fn a_card_and_a_tax_number_of_one_person_are_one_identity() {
        let identity = |kind| Document::parse(kind, "12345678-Z", Country::ES).unwrap().identity();
        assert_eq!(identity(K::Dni), "ES:nif:12345678Z");
        assert_eq!(identity(K::Dni), identity(K::Nif));
        assert_ne!(identity(K::Dni), identity(K::Passport));
    }

    #[test]
    fn a_number_is_looked_for_as_registration_reads_it_whatever_the_kind() {
        assert_eq!(
            kept_as("es-12345678-z"),
            ["12345678Z", "ES12345678Z"],
            "a passport may begin with these letters, too"
        );
        assert_eq!(kept_as("12345678-z"), ["12345678Z"]);
        assert_eq!(kept_as("ES12345678A"), ["ES12345678A"], "it is no tax number of Spain");
        assert_eq!(kept_as("g 1234"), ["G1234"]);
        assert_eq!(kept_as(" - "), [""]);
    }

    #[test]
    fn a_stored_document_needs_only_its_shape() {
        let stored = r#"{"kind":"dni","number":"12345678A","country":"ES"}"#;
        let document: Document = serde_json::from_str(stored).unwrap();
        assert_eq!((document.kind(), serde_json::to_string(&document).unwrap().as_str()), (K::Dni, stored));
        assert!(serde_json::from_str::<Document>(r#"{"kind":"dni","number":"","country":"ES"}"#).is_err());
    }
}
