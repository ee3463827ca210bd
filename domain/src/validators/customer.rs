//! The verdict on all that a new customer says of itself: each part, and how suspicious it is as a whole.

use crate::country::Country;
use crate::text::PersonName;
use crate::validators::business::{self, Business, BusinessVerdict};
use crate::validators::document::{self, DocumentVerdict, NumberKind};
use crate::validators::email::{self, EmailVerdict, MailServers};
use crate::validators::phone::{self, PhoneVerdict};
use crate::validators::risk::{Risk, RiskFactor, RiskWeights};
use crate::validators::{Check, Checks, Status};

/// What a new customer says of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claims<'a> {
    /// Where mail reaches it.
    pub email: Option<&'a str>,
    /// Names of the person.
    pub first_name: Option<&'a str>,
    /// Names of the person.
    pub last_name: Option<&'a str>,
    /// The company that the person works for.
    pub company_name: Option<&'a str>,
    /// The company's tax number.
    pub vat_number: Option<&'a str>,
    /// Where it is called.
    pub phone: Option<&'a str>,
    /// Where it is at home.
    pub country: Option<Country>,
    /// A document: kind, number, and who gave it out where that is another country than its home.
    pub document: Option<(NumberKind, &'a str, Option<Country>)>,
}

/// What others know of it. False, too, where nobody looked.
#[derive(Debug, Clone, Copy, Default)]
pub struct RiskFacts {
    /// It is a customer already.
    pub duplicate: bool,
    /// Many of the same origin came within a day.
    pub velocity: bool,
    /// It is on the list of those who are not wanted.
    pub blocked: bool,
    /// Whether the domain of its address takes mail.
    pub mail_servers: MailServers,
}

/// By what rules it is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// Whether a document with a wrong control letter is invalid.
    pub strict_documents: bool,
    /// How much each suspicious thing counts.
    pub weights: RiskWeights,
}

/// All verdicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerVerdict {
    /// Whether nothing is wrong.
    pub valid: bool,
    /// What is wrong, in words.
    pub errors: Vec<String>,
    /// What somebody should look at, in words.
    pub warnings: Vec<String>,
    /// The parts; none where nothing was said of it. The e-mail address is never missing.
    pub email: EmailVerdict,
    /// Of the names.
    pub names: Checks,
    /// Of the number.
    pub phone: Option<PhoneVerdict>,
    /// Of the document.
    pub document: Option<DocumentVerdict>,
    /// Of the company.
    pub business: BusinessVerdict,
    /// How suspicious it is.
    pub risk: Risk,
}

/// Looks at all of it.
pub fn validate(claims: &Claims<'_>, facts: RiskFacts, rules: &Rules) -> CustomerVerdict {
    let email = email::validate(claims.email.unwrap_or_default()).with_mail_servers(facts.mail_servers);
    let country = claims.country.as_ref().map(Country::as_str);
    let phone = claims.phone.map(|phone| phone::validate(phone, country));
    let document = claims.document.map(|(kind, number, issuer)| {
        document::validate(kind, number, issuer.or(claims.country), rules.strict_documents)
    });
    let business = business::validate(&Business {
        company_name: claims.company_name,
        vat_number: claims.vat_number,
        email_domain: email.domain.as_deref(),
        country: claims.country,
    });
    let names =
        vec![("first_name", claims.first_name.map(name_check)), ("last_name", claims.last_name.map(name_check))];
    let risk = Risk::of(
        |factor| match factor {
            RiskFactor::TemporaryDomain => email.is_temporary(),
            RiskFactor::InvalidEmail => claims.email.is_some() && email.email.is_none(),
            RiskFactor::InvalidPhone => phone.as_ref().is_some_and(|phone| phone.phone.is_none()),
            RiskFactor::InvalidDocument => {
                document.as_ref().is_some_and(|document| !document.valid && !document.has_wrong_control())
            }
            RiskFactor::NoMail => facts.mail_servers.take_nothing(),
            RiskFactor::DomainMismatch => is_warning(&business.checks, "email_domain"),
            RiskFactor::PhoneCountry => phone.as_ref().is_some_and(|phone| is_warning(&phone.checks, "country_format")),
            RiskFactor::DocumentControl => document.as_ref().is_some_and(DocumentVerdict::has_wrong_control),
            RiskFactor::Duplicate => facts.duplicate,
            RiskFactor::Velocity => facts.velocity,
            RiskFactor::Blocked => facts.blocked,
        },
        &rules.weights,
    );
    let parts = [
        ("email", Some(&email.checks)),
        ("name", Some(&names)),
        ("phone", phone.as_ref().map(|phone| &phone.checks)),
        ("document", document.as_ref().map(|document| &document.checks)),
        ("business", Some(&business.checks)),
    ];
    let is_lenient = document.as_ref().is_some_and(|document| document.valid);
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for (part, checks) in parts {
        for (name, check) in checks.into_iter().flatten() {
            let Some(Check { status, message }) = check else { continue };
            match status {
                Status::Failed if part == "document" && is_lenient => {
                    warnings.push(format!("{part} {name}: {message}"))
                }
                Status::Failed => errors.push(format!("{part} {name}: {message}")),
                Status::Warning => warnings.push(format!("{part} {name}: {message}")),
                Status::Passed | Status::Skipped => {}
            }
        }
    }
    CustomerVerdict { valid: errors.is_empty(), errors, warnings, email, names, phone, document, business, risk }
}

fn name_check(name: &str) -> Check {
    match PersonName::parse(name) {
        Ok(_) => Check::passed("the name can be one of a person"),
        Err(error) => Check::failed(error.to_string()),
    }
}

fn is_warning(checks: &Checks, name: &str) -> bool {
    super::check(checks, name).is_some_and(|check| check.status == Status::Warning)
}

#[cfg(test)]
mod tests {
    use super::{Claims, CustomerVerdict, RiskFacts, Rules, validate};
    use crate::country::Country;
    use crate::validators::document::NumberKind;
    use crate::validators::email::MailServers;
    use crate::validators::risk::{RiskLevel, RiskWeights};

    fn verdict(claims: &Claims<'_>) -> CustomerVerdict {
        validate(claims, RiskFacts::default(), &Rules::default())
    }

    fn messages(verdict: &CustomerVerdict) -> Vec<&'static str> {
        verdict.risk.factors.iter().map(|factor| factor.message()).collect()
    }

    /// The two examples of the requirements.
    #[test]
    fn a_customer_of_a_company_is_valid_and_one_of_ten_minutes_is_reviewed() {
        let usual = Claims {
            email: Some("cliente@empresa.com"),
            first_name: Some("Juan"),
            last_name: Some("Pérez"),
            company_name: Some("Empresa ABC"),
            phone: Some("+34612345678"),
            country: Some(Country::ES),
            ..Claims::default()
        };
        let usual = verdict(&usual);
        assert_eq!((usual.valid, usual.errors.len(), usual.warnings.len(), usual.risk.score), (true, 0, 0, 0));
        let odd = Claims {
            email: Some("test@10minutemail.com"),
            company_name: Some("Test Corp"),
            phone: Some("+1234567890"),
            ..Claims::default()
        };
        let odd = verdict(&odd);
        assert_eq!((odd.risk.score, odd.risk.level), (35, RiskLevel::Medium));
        assert_eq!(messages(&odd), ["Temporary email domain detected", "Email domain doesn't match company name"]);
    }

    /// A number that is merely too short is not: the example of the requirements has one.
    #[test]
    fn what_is_no_address_no_number_and_no_document_is_suspicious() {
        let risk = |claims: Claims<'_>| {
            let verdict = verdict(&claims);
            (verdict.risk.score, messages(&verdict))
        };
        let email = |text| Claims { email: Some(text), ..Claims::default() };
        assert_eq!(risk(email("ana")), (30, vec!["Email address is not valid"]));
        assert_eq!(
            risk(email("x@10minutemail.com.")).1,
            ["Temporary email domain detected", "Email address is not valid"]
        );
        assert_eq!(
            risk(Claims { phone: Some("call me"), ..email("ana@example.com") }),
            (30, vec!["Phone is not a telephone number"])
        );
        let document = |number| {
            let document = Some((NumberKind::parse("DNI").unwrap(), number, None));
            Claims { document, country: Some(Country::ES), ..email("ana@example.com") }
        };
        assert_eq!(risk(document("12")), (30, vec!["Document is not valid"]));
        assert_eq!(risk(document("12345678A")).1, ["Document control letter is wrong"], "once");
        assert_eq!(risk(Claims::default()).0, 0, "what is not given is not held against it");
        for company in ["S.L.", "", "  ", "..."] {
            assert_eq!(risk(Claims { company_name: Some(company), ..email("ana@example.com") }).0, 0, "{company}");
        }
    }

    #[test]
    fn a_wrong_control_letter_is_suspicious_and_wrong_only_where_documents_are_taken_strictly() {
        let document = Some((NumberKind::parse("DNI").unwrap(), "12345678A", None));
        let claims =
            Claims { email: Some("ana@example.com"), country: Some(Country::ES), document, ..Claims::default() };
        let lenient = verdict(&claims);
        assert_eq!((lenient.valid, lenient.errors.len(), lenient.warnings.len(), lenient.risk.score), (true, 0, 1, 20));
        let rules =
            Rules { strict_documents: true, weights: RiskWeights { document_control: 40, ..RiskWeights::default() } };
        let strict = validate(&claims, RiskFacts::default(), &rules);
        assert_eq!((strict.valid, strict.errors.len(), strict.risk.score), (false, 1, 40));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let claims = Claims {
            email: Some("ana"),
            first_name: Some(" "),
            company_name: Some(""),
            vat_number: Some("ESB58378432"),
            phone: Some("call me"),
            document: Some((NumberKind::Iban, "ES92", None)),
            ..Claims::default()
        };
        let verdict = verdict(&claims);
        let beginnings: Vec<_> = verdict.errors.iter().filter_map(|error| error.split(':').next()).collect();
        let expected = [
            "email syntax",
            "name first_name",
            "phone country_format",
            "document format",
            "business company_name",
            "business vat_number",
        ];
        assert_eq!((verdict.valid, beginnings), (false, expected.to_vec()));
    }

    #[test]
    fn a_number_of_another_country_and_what_others_know_is_suspicious() {
        let france = Country::parse("FR").ok();
        let claims = Claims {
            email: Some("ana@example.com"),
            phone: Some("+34612345678"),
            country: france,
            ..Claims::default()
        };
        let facts = RiskFacts { duplicate: true, velocity: true, blocked: true, ..RiskFacts::default() };
        let verdict = validate(&claims, facts, &Rules::default());
        assert_eq!((verdict.valid, verdict.warnings.len(), verdict.risk.score), (true, 1, 100));
        assert_eq!(validate(&claims, RiskFacts::default(), &Rules::default()).risk.score, 10);
    }

    #[test]
    fn a_domain_that_takes_no_mail_is_wrong_and_suspicious_and_one_that_does_not_answer_is_to_be_looked_at() {
        let claims = Claims { email: Some("ana@example.com"), ..Claims::default() };
        let of = |mail_servers| {
            let facts = RiskFacts { mail_servers, ..RiskFacts::default() };
            let verdict = validate(&claims, facts, &Rules::default());
            (verdict.valid, verdict.errors.len(), verdict.warnings.len(), verdict.risk.score)
        };
        assert_eq!(of(MailServers::Found), (true, 0, 0, 0));
        assert_eq!(of(MailServers::NoDomain), (false, 1, 0, 25));
        assert_eq!(of(MailServers::Unanswered), (true, 0, 1, 0));
    }
}
