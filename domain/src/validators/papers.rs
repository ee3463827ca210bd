//! What passports, identity cards and tax numbers of countries look like, where the country's documents have one form that is known.
//! A table to extend: `A` stands for a letter, `9` for a digit, `X` for either.

use crate::document::DocumentKind::{self, NationalId, Passport, TaxId};

/// Kind, country, all forms that are in use.
const FORMS: &[(DocumentKind, &str, &[&str])] = &[
    (Passport, "AR", &["AAA999999"]),
    (Passport, "AU", &["A9999999", "AA9999999"]),
    (Passport, "BE", &["AA999999"]),
    (Passport, "BR", &["AA999999"]),
    (Passport, "CA", &["AA999999", "A999999AA"]),
    (Passport, "CH", &["A9999999", "X9999999"]),
    (Passport, "DE", &["XXXXXXXXX"]),
    (Passport, "ES", &["AAA999999", "AA999999", "A999999"]),
    (Passport, "FR", &["99AA99999"]),
    (Passport, "GB", &["999999999"]),
    (Passport, "IE", &["AA9999999", "A9999999", "XA9999999"]),
    (Passport, "IN", &["A9999999"]),
    (Passport, "IT", &["AA9999999", "A999999"]),
    (Passport, "JP", &["AA9999999"]),
    (Passport, "MX", &["A99999999", "99999999999"]),
    (Passport, "NL", &["AAXXXXXX9"]),
    (Passport, "PL", &["AA9999999"]),
    (Passport, "PT", &["AA999999", "A999999"]),
    (Passport, "US", &["999999999", "A99999999"]),
    (NationalId, "AR", &["99999999", "9999999"]),
    (NationalId, "BE", &["999999999999"]),
    (NationalId, "CL", &["99999999X", "9999999X"]),
    (NationalId, "DE", &["XXXXXXXXX"]),
    (NationalId, "FR", &["999999999999", "XXXXXXXXX"]),
    (NationalId, "IT", &["AA99999AA", "AA9999999"]),
    (NationalId, "MX", &["AAAA999999AAAAAAX9"]),
    (NationalId, "PL", &["AAA999999"]),
    (NationalId, "PT", &["999999999AA9", "999999999", "99999999"]),
    (TaxId, "AR", &["99999999999"]),
    (TaxId, "BR", &["99999999999", "99999999999999"]),
    (TaxId, "CL", &["99999999X", "9999999X"]),
    (TaxId, "MX", &["AAAA999999XXX", "AAA999999XXX"]),
    (TaxId, "US", &["999999999"]),
];

/// Whether a number has one of the forms of its country; none when no form is known.
pub fn has_known_form(kind: DocumentKind, country: &str, number: &str) -> Option<bool> {
    let (_, _, forms) = FORMS.iter().find(|(known, of, _)| *known == kind && *of == country)?;
    Some(forms.iter().any(|form| fits(number, form)))
}

fn fits(number: &str, form: &str) -> bool {
    number.len() == form.len()
        && number.bytes().zip(form.bytes()).all(|(byte, symbol)| match symbol {
            b'A' => byte.is_ascii_uppercase(),
            b'9' => byte.is_ascii_digit(),
            _ => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::{FORMS, has_known_form};
    use crate::country::Country;
    use crate::document::DocumentKind as K;

    #[test]
    fn documents_have_the_forms_of_their_country() {
        for (kind, country, number, expected) in [
            (K::Passport, "ES", "PAB123456", Some(true)),
            (K::Passport, "ES", "123456789", Some(false)),
            (K::Passport, "FR", "12AB34567", Some(true)),
            (K::Passport, "US", "A12345678", Some(true)),
            (K::NationalId, "MX", "GODE561231HDFRRN09", Some(true)),
            (K::TaxId, "MX", "GODE561231GR8", Some(true)),
            (K::Passport, "KE", "whatever", None),
        ] {
            assert_eq!(has_known_form(kind, country, number), expected, "{country} {number}");
        }
    }

    #[test]
    fn forms_are_of_countries_that_exist_and_stand_once() {
        for (place, (kind, country, forms)) in FORMS.iter().enumerate() {
            assert!(Country::parse(country).is_ok(), "{country}");
            assert!(!forms.is_empty() && !kind.is_spanish());
            assert!(!FORMS[place + 1..].iter().any(|(other, of, _)| other == kind && of == country), "{country} twice");
        }
    }
}
