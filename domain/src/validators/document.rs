//! The verdict on a number that identifies somebody or something: identity documents, tax numbers, bank accounts, legal entities.
//!
//! Of identity documents of Spain the verdict is about the form: a control letter that does not fit makes them invalid only where
//! documents are taken strictly, because people mistype them and show the document later. All others are wrong with wrong digits.

use std::fmt;

use crate::country::Country;
use crate::document::{self, DocumentKind};
use crate::validators::compact::compact;
use crate::validators::vat::{self, VatError};
use crate::validators::{Check, Checks, Control, iban, mod97, papers, spain};

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// An identity document or a tax number, of those that customers have.
    Document(DocumentKind),
    /// A value added tax number of the European Union.
    Vat,
    /// An international bank account number.
    Iban,
    /// A bank account of Spain.
    Ccc,
    /// A legal entity's identifier.
    Lei,
}

impl NumberKind {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        DocumentKind::ALL.into_iter().map(Self::Document).chain([Self::Vat, Self::Iban, Self::Ccc, Self::Lei])
    }

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Document(kind) => kind.as_str(),
            Self::Vat => "vat",
            Self::Iban => "iban",
            Self::Ccc => "ccc",
            Self::Lei => "lei",
        }
    }

    /// Reads a wire name, in whatever letters: callers write DNI.
    pub fn parse(text: &str) -> Option<Self> {
        Self::all().find(|kind| kind.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

impl fmt::Display for NumberKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What can be said of a number without asking who gave it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentVerdict {
    /// Whether there are such numbers.
    pub valid: bool,
    /// What kind it is said to be.
    pub kind: NumberKind,
    /// The number without separators, in capital letters; none when it has not the form.
    pub number: Option<String>,
    /// `format`; `control_letter` of Spain's documents or `check_digits` of others; `country_format` of other countries' documents.
    pub checks: Checks,
}

/// The checks of control characters by their names.
const CONTROLS: [&str; 2] = ["control_letter", "check_digits"];

impl DocumentVerdict {
    /// Whether the number has the form but its control characters do not fit.
    pub fn has_wrong_control(&self) -> bool {
        let is_wrong = |(name, check): &(&str, Option<Check>)| {
            CONTROLS.contains(name) && check.as_ref().is_some_and(Check::has_failed)
        };
        self.checks.iter().any(is_wrong)
    }
}

/// Looks at a number as people write it. The country is who gave it out, where numbers of the kind are given out by many.
pub fn validate(kind: NumberKind, number: &str, country: Option<Country>, strict: bool) -> DocumentVerdict {
    match kind {
        NumberKind::Document(document) => of_document(document, number, country, strict),
        NumberKind::Vat => of_vat(number, country),
        NumberKind::Iban => controlled(kind, number, ".", iban::iban),
        NumberKind::Ccc => controlled(kind, number, "", spain::ccc),
        NumberKind::Lei => controlled(kind, number, "", mod97::lei),
    }
}

fn of_document(kind: DocumentKind, number: &str, country: Option<Country>, strict: bool) -> DocumentVerdict {
    let control_name = if kind.is_spanish() { Some(CONTROLS[0]) } else { None };
    let own = NumberKind::Document(kind);
    let Some(country) = country.or(kind.only_in()) else {
        return malformed(own, "it must be told which country gave it out", control_name);
    };
    let (number, control) = match document::judged(kind, number, country) {
        Ok(judged) => judged,
        Err(error) => return malformed(own, error.to_string(), control_name),
    };
    let format = ("format", Some(Check::passed("it is of the form of such documents")));
    if let Some(name) = control_name {
        let valid = control == Control::Right || !strict;
        return DocumentVerdict {
            valid,
            kind: own,
            number: Some(number),
            checks: vec![format, (name, Some(control_check(control)))],
        };
    }
    let known = papers::has_known_form(kind, country.as_str(), &number);
    let country_format = match known {
        Some(true) => Check::passed("such documents are given out by the country"),
        Some(false) => Check::failed("the country gives out no such documents"),
        None => Check::skipped("the forms of the country are not known"),
    };
    let checks = vec![format, ("country_format", Some(country_format))];
    DocumentVerdict { valid: known != Some(false), kind: own, number: Some(number), checks }
}

fn of_vat(number: &str, country: Option<Country>) -> DocumentVerdict {
    let kind = NumberKind::Vat;
    let format = || ("format", Some(Check::passed("it is of the form of the country's numbers")));
    match vat::read(number, country.as_ref().map(Country::as_str)) {
        Ok(number) => {
            let control = Check::passed("the check digits fit");
            DocumentVerdict {
                valid: true,
                kind,
                number: Some(number),
                checks: vec![format(), (CONTROLS[1], Some(control))],
            }
        }
        Err(VatError::WrongControl) => {
            let control = Check::failed("the check digits do not fit");
            DocumentVerdict { valid: false, kind, number: None, checks: vec![format(), (CONTROLS[1], Some(control))] }
        }
        Err(VatError::UnknownCountry) => {
            malformed(kind, "it must begin with a country of the European Union", Some(CONTROLS[1]))
        }
        Err(VatError::Malformed) => {
            malformed(kind, "it is not of the form of the country's numbers", Some(CONTROLS[1]))
        }
    }
}

/// Numbers that have nothing but a form and check digits.
fn controlled(kind: NumberKind, number: &str, separators: &str, judge: fn(&str) -> Option<Control>) -> DocumentVerdict {
    let number = compact(number, separators);
    let judged = if number.len() <= iban::MAX { judge(&number) } else { None };
    let Some(control) = judged else {
        return malformed(kind, "it is not of the form of such numbers", Some(CONTROLS[1]));
    };
    let format = ("format", Some(Check::passed("it is of the form of such numbers")));
    let valid = control == Control::Right;
    DocumentVerdict {
        valid,
        kind,
        number: Some(number),
        checks: vec![format, (CONTROLS[1], Some(control_check(control)))],
    }
}

fn control_check(control: Control) -> Check {
    match control {
        Control::Right => Check::passed("it fits the rest"),
        Control::Wrong { expected } => Check::failed(format!("it does not fit the rest: expected {expected}")),
    }
}

fn malformed(kind: NumberKind, message: impl Into<String>, control: Option<&'static str>) -> DocumentVerdict {
    let not_looked_at = |name| (name, Some(Check::skipped("the number is not well formed")));
    let format = ("format", Some(Check::failed(message.into())));
    let checks = std::iter::once(format).chain(control.map(not_looked_at)).collect();
    DocumentVerdict { valid: false, kind, number: None, checks }
}

#[cfg(test)]
mod tests {
    use super::{NumberKind, validate};
    use crate::country::Country;
    use crate::validators::{Status, check};

    fn verdict(kind: &str, number: &str, country: Option<&str>, strict: bool) -> (bool, String) {
        let country = country.map(|code| Country::parse(code).unwrap());
        let verdict = validate(NumberKind::parse(kind).unwrap(), number, country, strict);
        let statuses: Vec<_> = verdict
            .checks
            .iter()
            .map(|(name, check)| format!("{name} {}", check.as_ref().map_or("none", |check| check.status.as_str())))
            .collect();
        (verdict.valid, statuses.join(", "))
    }

    #[test]
    fn a_wrong_control_letter_is_told_and_counts_only_where_documents_are_taken_strictly() {
        for (kind, number, letter) in
            [("DNI", "12345678A", "Z"), ("NIE", "X1234567A", "L"), ("nif", "es12345678a", "Z")]
        {
            let failed = "format passed, control_letter failed".to_owned();
            assert_eq!(verdict(kind, number, Some("ES"), false), (true, failed.clone()));
            assert_eq!(verdict(kind, number, None, true), (false, failed));
            let lenient = validate(NumberKind::parse(kind).unwrap(), number, Some(Country::ES), false);
            let control = check(&lenient.checks, "control_letter").unwrap();
            assert!(control.message.ends_with(&format!("expected {letter}")) && lenient.has_wrong_control());
        }
        assert_eq!(verdict("CIF", "B-58378431", None, true), (true, "format passed, control_letter passed".to_owned()));
        assert_eq!(
            verdict("CIF", "58378431", None, false),
            (false, "format failed, control_letter skipped".to_owned())
        );
        assert!(!verdict("DNI", "12345678Z", Some("MX"), false).0);
    }

    #[test]
    fn documents_of_other_countries_have_the_form_of_their_country() {
        assert_eq!(
            verdict("passport", "pab-123456", Some("ES"), true),
            (true, "format passed, country_format passed".to_owned())
        );
        assert_eq!(
            verdict("passport", "123456789", Some("ES"), false),
            (false, "format passed, country_format failed".to_owned())
        );
        assert_eq!(
            verdict("passport", "AK123456", Some("KE"), true),
            (true, "format passed, country_format skipped".to_owned())
        );
        assert_eq!(verdict("passport", "AK123456", None, true), (false, "format failed".to_owned()));
    }

    #[test]
    fn other_numbers_are_wrong_with_wrong_digits() {
        for (kind, right, wrong) in [
            ("IBAN", "es91 2100 0418 4502 0005 1332", "ES92 2100 0418 4502 0005 1332"),
            ("CCC", "2100-0418-45-0200051332", "2100-0418-46-0200051332"),
            ("LEI", "213800KUD8LAJWSQ9D15", "213800KUD8LAJWSQ9D25"),
            ("VAT", "ESB58378431", "ESB58378432"),
        ] {
            assert_eq!(
                verdict(kind, right, None, false),
                (true, "format passed, check_digits passed".to_owned()),
                "{kind}"
            );
            assert_eq!(
                verdict(kind, wrong, None, false),
                (false, "format passed, check_digits failed".to_owned()),
                "{kind}"
            );
            assert_eq!(
                verdict(kind, "?", None, false),
                (false, "format failed, check_digits skipped".to_owned()),
                "{kind}"
            );
        }
        assert!(verdict("vat", "B58378431", Some("ES"), false).0);
    }

    #[test]
    fn a_kind_is_read_in_whatever_letters() {
        assert!(NumberKind::all().all(|kind| NumberKind::parse(&kind.to_string().to_uppercase()) == Some(kind)));
        assert_eq!(NumberKind::parse("driving_licence"), None);
        assert_eq!(Status::ALL.map(Status::as_str), ["passed", "failed", "warning", "skipped"]);
    }
}
