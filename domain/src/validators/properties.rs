//! What holds of all texts, not only of examples.

use proptest::prelude::*;
use std::time::Duration;

use crate::country::Country;
use crate::document::{Document, DocumentKind};
use crate::email::Email;
use crate::phone::Phone;
use crate::validators::compact::compact;
use crate::validators::customer::{self, Claims, RiskFacts, Rules};
use crate::validators::document::{self, NumberKind};
use crate::validators::mod97::{check_digits, lei};
use crate::validators::{Control, address, business, disposable, email, iban, mail_domain, phone, spain, vat};

/// The letter that makes eight digits a DNI: tried out, so that the rule under test is not asked.
fn letter_of(digits: &str, read: fn(&str) -> Option<Control>) -> String {
    let right: Vec<_> = ('A'..='Z')
        .map(|letter| format!("{digits}{letter}"))
        .filter(|number| read(number) == Some(Control::Right))
        .collect();
    assert_eq!(right.len(), 1, "{right:?}");
    right[0].clone()
}

fn is_wrong(control: Option<&Control>) -> bool {
    matches!(control, Some(Control::Wrong { .. }))
}

/// The number with the digit at a place moved on by so many.
fn changed(number: &str, place: usize, by: u8) -> String {
    let mut bytes = number.as_bytes().to_vec();
    bytes[place] = b'0' + (bytes[place] - b'0' + by) % 10;
    String::from_utf8(bytes).unwrap()
}

/// Texts that look like what is expected, and any others.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,40}",
        "[A-Za-z0-9@.+_ -]{0,40}",
        "\\PC{0,10}@\\PC{0,20}",
        "[a-zß-öø-ÿА-я\u{300}-\u{310}。.-]{1,10}@[a-zß-öø-ÿА-яa-z。.-]{1,12}\\.(es|com|рф|xn--p1ai)",
        "\\+?[0-9 ().-]{0,25}",
        "(AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|EU|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK|XI)[0-9A-Z+*]{0,13}",
        "[A-Z]{2}[0-9]{2}[A-Z0-9]{0,32}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn one_other_digit_makes_a_number_of_spain_wrong(digits in "[0-9]{8}", place in 0_usize..8, by in 1_u8..10) {
        let dni = letter_of(&digits, spain::dni);
        prop_assert!(is_wrong(spain::dni(&changed(&dni, place, by)).as_ref()));
        let nie = letter_of(&format!("Y{}", &digits[1..]), spain::nie);
        let place = place.max(1);
        prop_assert!(is_wrong(spain::nie(&changed(&nie, place, by)).as_ref()));
    }

    #[test]
    fn one_other_digit_makes_an_account_or_an_entity_wrong(account in "[0-9]{18}", place in 0_usize..20, by in 1_u8..10) {
        let german = format!("DE{}{account}", check_digits(account.bytes().chain(*b"DE")).unwrap());
        prop_assert_eq!(iban::iban(&german), Some(Control::Right));
        prop_assert!(is_wrong(iban::iban(&changed(&german, place + 2, by)).as_ref()));
        let entity = format!("{account}{}", check_digits(account.bytes()).unwrap());
        prop_assert_eq!(lei(&entity), Some(Control::Right));
        prop_assert!(is_wrong(lei(&changed(&entity, place, by)).as_ref()));
    }

    #[test]
    fn a_control_character_that_was_told_fits(number in "[ABCDEFGHJNPQRSUVW][0-9]{7}[0-9A-J]|[0-9]{8}[A-Z]|[KLMXYZ][0-9]{7}[A-Z]") {
        if let Some(Control::Wrong { expected }) = spain::nif(&number) {
            for control in expected.split(" or ") {
                let put_right = format!("{}{control}", &number[..8]);
                prop_assert_eq!(spain::nif(&put_right), Some(Control::Right));
            }
        }
    }

    #[test]
    fn what_was_read_is_read_as_itself(text in texts()) {
        prop_assert_eq!(compact(&compact(&text, "./"), "./"), compact(&text, "./"));
        if let Ok(email) = Email::parse(&text) {
            prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
            prop_assert_eq!(Email::try_from(email.as_str().to_owned()), Ok(email));
        }
        if let Ok(read) = address::Address::parse(&text) {
            let normalized = read.normalized();
            prop_assert_eq!(address::Address::parse(&normalized).map(|again| again.normalized()), Ok(normalized));
        }
        if let Ok(phone) = Phone::parse(&text, Some("ES")) {
            prop_assert_eq!(Phone::parse(phone.as_str(), None), Ok(phone));
        }
        for kind in DocumentKind::ALL {
            if let Ok(document) = Document::parse(kind, &text, Country::ES) {
                prop_assert_eq!(Document::parse(kind, document.number(), Country::ES), Ok(document));
            }
        }
        if let Ok(number) = vat::read(&text, None) {
            prop_assert_eq!(vat::read(&number, None), Ok(number.clone()));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in texts(), other in texts()) {
        for kind in NumberKind::all() {
            for country in [None, Some(Country::ES), Country::parse("IE").ok()] {
                document::validate(kind, &text, country, true);
            }
        }
        phone::validate(&text, Some(&other));
        business::matches(&text, &other);
        disposable::listed(&text);
        let claims = Claims {
            email: Some(&text),
            first_name: Some(&other),
            last_name: None,
            company_name: Some(&other),
            vat_number: Some(&text),
            phone: Some(&text),
            country: Some(Country::ES),
            document: Some((NumberKind::Vat, &other, None)),
        };
        let verdict = customer::validate(&claims, RiskFacts::default(), &Rules::default());
        prop_assert_eq!(verdict.valid, verdict.errors.is_empty());
        prop_assert_eq!(verdict.email, email::validate(&text));
    }
}

/// If the time went with the square of the length, it would be a thousand times as long.
#[test]
fn long_texts_take_no_longer_than_they_are() {
    const BYTES: usize = 400_000;
    let patterns = ["a", "@", ".", "1", " ", "-", "a.", "é", "xn--", "+1 ", "ES", "..@", "\u{301}", "0-"];
    for pattern in patterns {
        let text = pattern.repeat(BYTES / pattern.len());
        for (name, look) in LOOKS {
            let least = (0..5).map(|_| took(|| look(&text))).min().expect("five times");
            assert!(least < Duration::from_millis(200), "{name} of {pattern:?}: {least:?}");
        }
    }
}

type Look = fn(&str);

const LOOKS: [(&str, Look); 7] = [
    ("email", |text| drop(email::validate(text))),
    ("domain", |text| drop(mail_domain::MailDomain::parse(text))),
    ("phone", |text| drop(phone::validate(text, Some("ES")))),
    ("document", |text| drop(document::validate(NumberKind::Iban, text, None, true))),
    ("vat", |text| drop(vat::read(text, Some("ES")))),
    ("disposable", |text| assert_eq!(disposable::listed(text), None)),
    ("business", |text| assert!(!business::matches(text, text))),
];

fn took(look: impl Fn()) -> Duration {
    let begun = std::time::Instant::now();
    look();
    begun.elapsed()
}
