//! The verdict on a company: its name, its value added tax number, and whether the e-mail address could be one of its own.

use crate::country::Country;
use crate::text::{CompanyName, folded};
use crate::validators::{Check, Checks, vat};

/// What is known of a company.
#[derive(Debug, Clone, Copy, Default)]
pub struct Business<'a> {
    /// Its name as people write it.
    pub company_name: Option<&'a str>,
    /// Its value added tax number.
    pub vat_number: Option<&'a str>,
    /// The domain of the e-mail address, as people write it.
    pub email_domain: Option<&'a str>,
    /// Where it is.
    pub country: Option<Country>,
}

/// What can be said of a company without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessVerdict {
    /// Whether there can be such a company.
    pub valid: bool,
    /// `company_name`, `vat_number` and `email_domain`.
    pub checks: Checks,
}

/// Looks at a company.
pub fn validate(business: &Business<'_>) -> BusinessVerdict {
    let checks = vec![
        ("company_name", Some(name_check(business.company_name))),
        ("vat_number", Some(vat_check(business.vat_number, business.country))),
        ("email_domain", Some(domain_check(business.email_domain, business.company_name))),
    ];
    let valid = !checks.iter().any(|(_, check)| check.as_ref().is_some_and(Check::has_failed));
    BusinessVerdict { valid, checks }
}

fn name_check(name: Option<&str>) -> Check {
    match name.map(CompanyName::parse) {
        None => Check::skipped("no company is named"),
        Some(Err(error)) => Check::failed(error.to_string()),
        Some(Ok(name)) if !name.as_str().chars().any(char::is_alphanumeric) => {
            Check::failed("must have letters or digits")
        }
        Some(Ok(_)) => Check::passed("the name can be one of a company"),
    }
}

fn vat_check(number: Option<&str>, country: Option<Country>) -> Check {
    let Some(number) = number else { return Check::skipped("no tax number is given") };
    match vat::read(number, country.as_ref().map(Country::as_str)) {
        Ok(_) => Check::passed("the number can be one of the European Union"),
        Err(vat::VatError::UnknownCountry) => Check::warning("numbers of this country are not known"),
        Err(vat::VatError::Malformed) => Check::failed("it is not of the form of the country's numbers"),
        Err(vat::VatError::WrongControl) => Check::failed("the check digits do not fit"),
    }
}

fn domain_check(domain: Option<&str>, name: Option<&str>) -> Check {
    match (domain, name) {
        (Some(domain), Some(name)) if matches(domain, name) => Check::passed("the domain is like the company's name"),
        (Some(_), Some(name)) if name.len() <= LENGTH_MAX && said(name).is_empty() => {
            Check::skipped("the name has no word of its own")
        }
        (Some(_), Some(_)) => Check::warning(MISMATCH),
        (None, _) => Check::skipped("there is no domain"),
        (_, None) => Check::skipped("no company is named"),
    }
}

/// What is said of a domain that is not like the company's name.
pub(super) const MISMATCH: &str = "Email domain doesn't match company name";

/// Whether a domain is like the name of a company: a word of the name stands in it, it is the words' beginnings, or its own name
/// stands in the name. The name's legal form and words of two letters say nothing.
pub fn matches(domain: &str, company: &str) -> bool {
    if company.len() > LENGTH_MAX {
        return false;
    }
    let said = said(company);
    let together: String = said.iter().map(String::as_str).collect();
    let initials: String = said.iter().filter_map(|word| word.chars().next()).collect();
    own_labels(domain).into_iter().any(|label| {
        let label: String = folded(label).filter(|character| character.is_alphanumeric()).collect();
        let is_named = |word: &String| word.chars().count() >= WORD_MIN && label.contains(word.as_str());
        let is_part = label.chars().count() >= WORD_MIN && together.contains(&label);
        said.iter().any(is_named) || is_part || (said.len() > 1 && label == initials)
    })
}

/// The words of a name but for its legal form.
fn said(company: &str) -> Vec<String> {
    words(company).into_iter().filter(|word| !LEGAL_FORMS.contains(&word.as_str())).collect()
}

/// Longer names are of nobody (as [`CompanyName`], in bytes).
const LENGTH_MAX: usize = CompanyName::MAX * 4;
/// Shorter words stand in too many names.
const WORD_MIN: usize = 3;

/// What companies are by law, in the countries of our customers; it follows the name.
const LEGAL_FORMS: &[&str] = &[
    "ab",
    "ag",
    "aps",
    "as",
    "bv",
    "cia",
    "co",
    "company",
    "coop",
    "corp",
    "corporation",
    "cv",
    "eirl",
    "gmbh",
    "group",
    "grupo",
    "holding",
    "inc",
    "kg",
    "lda",
    "limited",
    "llc",
    "llp",
    "lp",
    "ltd",
    "ltda",
    "nv",
    "oy",
    "plc",
    "pty",
    "sa",
    "sarl",
    "sas",
    "sau",
    "sc",
    "scl",
    "sl",
    "sll",
    "slne",
    "slp",
    "slu",
    "snc",
    "sociedad",
    "spa",
    "srl",
    "the",
    "ug",
];

/// The words of a name in small letters without accents. `S.L.` is one word.
fn words(name: &str) -> Vec<String> {
    let joined: String = folded(name).filter(|character| !matches!(character, '.' | '\'' | '’')).collect();
    joined
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The labels that somebody chose: neither the top-level domain, nor what countries put before it for all.
fn own_labels(domain: &str) -> Vec<&str> {
    const FOR_ALL: &[&str] = &["ac", "co", "com", "edu", "gob", "gov", "gub", "net", "nom", "org"];
    let mut labels: Vec<&str> = domain.split('.').collect();
    labels.pop();
    if labels.last().is_some_and(|label| FOR_ALL.contains(label)) {
        labels.pop();
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::{Business, LEGAL_FORMS, matches, validate};
    use crate::country::Country;
    use crate::validators::{Status, check};

    #[test]
    fn a_domain_is_like_the_name_or_not() {
        for (domain, company) in [
            ("empresa.com", "Empresa ABC"),
            ("nueva-empresa.es", "Nueva Empresa SL"),
            ("mail.acme.com.mx", "ACME, S.A. de C.V."),
            ("ibm.com", "International Business Machines"),
            ("panaderia.es", "Panadería Núñez S.L."),
            ("coca-cola.com", "Coca Cola Company"),
            ("münchen.de", "Munchen GmbH"),
            ("acme.co.uk", "Acme Ltd"),
        ] {
            assert!(matches(domain, company), "{domain} {company}");
        }
        for (domain, company) in [
            ("10minutemail.com", "Test Corp"),
            ("gmail.com", "Empresa ABC"),
            ("corp.com", "Test Corp"),
            ("com.es", "Comercial SL"),
            ("example.com", "S.L."),
            ("a.com", "Acme"),
            ("", ""),
        ] {
            assert!(!matches(domain, company), "{domain} {company}");
        }
        assert!(LEGAL_FORMS.is_sorted());
    }

    #[test]
    fn a_company_is_valid_when_nothing_failed() {
        let statuses = |business: &Business<'_>| {
            let verdict = validate(business);
            let status = |name| check(&verdict.checks, name).unwrap().status;
            (verdict.valid, status("company_name"), status("vat_number"), status("email_domain"))
        };
        use Status::{Failed, Passed, Skipped, Warning};
        let spanish = Business { country: Some(Country::ES), ..Business::default() };
        assert_eq!(statuses(&spanish), (true, Skipped, Skipped, Skipped));
        let known = Business {
            company_name: Some("Empresa ABC"),
            vat_number: Some("B58378431"),
            email_domain: Some("empresa.com"),
            ..spanish
        };
        assert_eq!(statuses(&known), (true, Passed, Passed, Passed));
        let wrong = Business {
            company_name: Some("..."),
            vat_number: Some("B58378432"),
            email_domain: Some("gmail.com"),
            ..spanish
        };
        assert_eq!(statuses(&wrong), (false, Failed, Failed, Skipped));
        let other = Business { company_name: Some("Acme"), email_domain: Some("gmail.com"), ..spanish };
        assert_eq!(statuses(&other), (true, Passed, Skipped, Warning));
        let far = Business { vat_number: Some("12345"), country: Country::parse("MX").ok(), ..Business::default() };
        assert_eq!(statuses(&far), (true, Skipped, Warning, Skipped));
    }
}
