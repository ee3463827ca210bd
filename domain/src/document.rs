//! Identity documents: a kind, a number and the country that issued it.
//!
//! A document is two things: its form, without which there is none, and its control character, which Spain's documents have and which
//! may be wrong: people mistype it, and the shop decides whether it takes such a document. Of other countries only the form is known.
//!
//! Nobody is asked whether the document exists, and nothing is said of whom it belongs to. What the numbers must look like is
//! said once, in [`crate::validators`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::country::Country;
use crate::refusal::InvalidValue;
use crate::validators::Control;
use crate::validators::compact::compact;
use crate::validators::spain;

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
    /// Spain's documents have kinds of their own, so that one is not registered as two.
    #[error("a {kind} is of another country: Spain's documents are of the kinds dni, nie, cif and nif")]
    OwnKinds {
        /// The kind.
        kind: DocumentKind,
    },
}

impl InvalidValue for DocumentError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong { .. } => "too_long",
            Self::Malformed { .. } => "invalid_document",
            Self::WrongControl => "wrong_control_character",
            Self::OtherCountry { .. } | Self::OwnKinds { .. } => "wrong_country",
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
    pub(crate) const fn is_spanish(self) -> bool {
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

    /// Reads a number as people write it. Its control character may be wrong: see [`Self::control`].
    ///
    /// # Errors
    /// When no document of the kind has a number of such a form.
    pub fn parse(kind: DocumentKind, number: &str, country: Country) -> Result<Self, DocumentError> {
        let (number, _) = judged(kind, number, country)?;
        Ok(Self { kind, number: StoredNumber(number), country })
    }

    /// A document as it was once taken, whatever today's rules say of it.
    ///
    /// # Errors
    /// When there is no number.
    pub fn stored(kind: DocumentKind, number: String, country: Country) -> Result<Self, DocumentError> {
        Ok(Self { kind, number: number.try_into()?, country })
    }

    /// What its control character says. Right, too, where there is none.
    pub fn control(&self) -> Control {
        // What was taken by other rules has no such form today: then there is nothing to say.
        judged(self.kind, self.number(), self.country).map_or(Control::Right, |(_, control)| control)
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
    let number = compact(number, SEPARATORS);
    let nif = Document::parse(DocumentKind::Nif, &number, Country::ES).ok().map(|nif| nif.number.0);
    nif.filter(|nif| *nif != number).into_iter().chain([number]).collect()
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

/// What may stand between the characters, besides white space and dashes.
const SEPARATORS: &str = "./";
/// Shorter numbers are typing errors in any country.
const GENERIC_MIN: usize = 4;

/// The number without separators, and what its control character says; of other countries' documents only the form is known.
/// A tax number of Spain stands without the country that may be written before it.
///
/// # Errors
/// When no document of the kind has such a form.
pub(crate) fn judged(kind: DocumentKind, number: &str, country: Country) -> Result<(String, Control), DocumentError> {
    let malformed = DocumentError::Malformed { kind };
    if kind.is_spanish() && country != Country::ES {
        return Err(DocumentError::OtherCountry { kind, country: Country::ES });
    }
    if matches!(kind, DocumentKind::NationalId | DocumentKind::TaxId) && country == Country::ES {
        return Err(DocumentError::OwnKinds { kind });
    }
    // Nobody writes those of Spain with dots: what has some is another number.
    let mut number = compact(number, if kind.is_spanish() { "" } else { SEPARATORS });
    if number.is_empty() {
        return Err(DocumentError::Empty);
    }
    if number.chars().count() > Document::MAX {
        return Err(DocumentError::TooLong { max: Document::MAX });
    }
    if !number.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(malformed);
    }
    if kind == DocumentKind::Nif && number.starts_with("ES") {
        number.drain(..2);
    }
    let control = match kind {
        DocumentKind::Dni => spain::dni(&number),
        DocumentKind::Nie => spain::nie(&number),
        DocumentKind::Cif => spain::cif(&number),
        DocumentKind::Nif => spain::nif(&number),
        DocumentKind::Passport | DocumentKind::NationalId | DocumentKind::TaxId => {
            (number.len() >= GENERIC_MIN).then_some(Control::Right)
        }
    };
    control.map(|control| (number, control)).ok_or(malformed)
}

#[cfg(test)]
mod tests {
    use super::{Document, DocumentError, DocumentKind as K, kept_as};
    use crate::country::Country;
    use crate::validators::Control;

    fn spanish(kind: K, number: &str) -> Result<String, DocumentError> {
        let document = Document::parse(kind, number, Country::ES)?;
        if document.control() == Control::Right {
            Ok(document.number().to_owned())
        } else {
            Err(DocumentError::WrongControl)
        }
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
            let document = Document::parse(kind, number, Country::ES).unwrap();
            assert_eq!((document.number(), spanish(kind, number)), (number, Err(DocumentError::WrongControl)));
        }
        let mistyped = Document::parse(K::Dni, "12345678-a", Country::ES).unwrap();
        assert_eq!(mistyped.control(), Control::Wrong { expected: "Z".to_owned() });
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
    fn spains_documents_are_of_its_own_kinds_and_what_was_taken_as_another_stays_readable() {
        for kind in [K::TaxId, K::NationalId] {
            let refused = Document::parse(kind, "B58378431", Country::ES);
            assert_eq!(refused, Err(DocumentError::OwnKinds { kind }));
            let message = refused.unwrap_err().to_string();
            assert!(message.ends_with("Spain's documents are of the kinds dni, nie, cif and nif"), "{message}");
            assert!(Document::parse(kind, "B58378431", Country::parse("PT").unwrap()).is_ok());
            let text = format!(r#"{{"kind":"{kind}","number":"B58378431","country":"ES"}}"#);
            let stored: Document = serde_json::from_str(&text).unwrap();
            assert_eq!(Document::stored(kind, "B58378431".to_owned(), Country::ES), Ok(stored.clone()));
            assert_eq!((stored.identity(), stored.control()), (format!("ES:{kind}:B58378431"), Control::Right));
        }
        assert!(Document::parse(K::Passport, "PAB123456", Country::ES).is_ok());
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
        assert_eq!(kept_as("ES12345678A"), ["12345678A", "ES12345678A"], "it may have been taken so");
        assert_eq!(kept_as("ES1234"), ["ES1234"], "it is no tax number of Spain");
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
