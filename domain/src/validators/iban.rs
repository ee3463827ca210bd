//! International bank account numbers (ISO 13616): the form that each country registered with SWIFT, the check digits of all, and
//! the countries' own where a rule is known.

use crate::validators::mod97::{check_digits, remainder};
use crate::validators::{Control, spain};

/// The most characters any has.
pub const MAX: usize = 34;

/// Country and form of what follows the check digits: so many digits (n), capital letters (a) or either (c). Release 101 of the
/// registry.
const FORMS: &[(&str, &str)] = &[
    ("AD", "8n12c"),
    ("AE", "19n"),
    ("AL", "8n16c"),
    ("AT", "16n"),
    ("AZ", "4a20c"),
    ("BA", "16n"),
    ("BE", "12n"),
    ("BG", "4a6n8c"),
    ("BH", "4a14c"),
    ("BI", "23n"),
    ("BR", "23n1a1c"),
    ("BY", "4c4n16c"),
    ("CH", "5n12c"),
    ("CR", "18n"),
    ("CY", "8n16c"),
    ("CZ", "20n"),
    ("DE", "18n"),
    ("DJ", "23n"),
    ("DK", "14n"),
    ("DO", "4c20n"),
    ("EE", "16n"),
    ("EG", "25n"),
    ("ES", "20n"),
    ("FI", "14n"),
    ("FK", "2a12n"),
    ("FO", "14n"),
    ("FR", "10n11c2n"),
    ("GB", "4a14n"),
    ("GE", "2a16n"),
    ("GI", "4a15c"),
    ("GL", "14n"),
    ("GR", "7n16c"),
    ("GT", "24c"),
    ("HN", "4a20n"),
    ("HR", "17n"),
    ("HU", "24n"),
    ("IE", "4a14n"),
    ("IL", "19n"),
    ("IQ", "4a15n"),
    ("IS", "22n"),
    ("IT", "1a10n12c"),
    ("JO", "4a4n18c"),
    ("KW", "4a22c"),
    ("KZ", "3n13c"),
    ("LB", "4n20c"),
    ("LC", "4a24c"),
    ("LI", "5n12c"),
    ("LT", "16n"),
    ("LU", "3n13c"),
    ("LV", "4a13c"),
    ("LY", "21n"),
    ("MC", "10n11c2n"),
    ("MD", "20c"),
    ("ME", "18n"),
    ("MK", "3n10c2n"),
    ("MN", "16n"),
    ("MR", "23n"),
    ("MT", "4a5n18c"),
    ("MU", "4a19n3a"),
    ("NI", "4a20n"),
    ("NL", "4a10n"),
    ("NO", "11n"),
    ("OM", "3n16c"),
    ("PK", "4a16c"),
    ("PL", "24n"),
    ("PS", "4a21c"),
    ("PT", "21n"),
    ("QA", "4a21c"),
    ("RO", "4a16c"),
    ("RS", "18n"),
    ("RU", "14n15c"),
    ("SA", "2n18c"),
    ("SC", "4a20n3a"),
    ("SD", "14n"),
    ("SE", "20n"),
    ("SI", "15n"),
    ("SK", "20n"),
    ("SM", "1a10n12c"),
    ("SO", "19n"),
    ("ST", "21n"),
    ("SV", "4a20n"),
    ("TL", "19n"),
    ("TN", "20n"),
    ("TR", "6n16c"),
    ("UA", "6n19c"),
    ("VA", "18n"),
    ("VG", "4a16n"),
    ("XK", "16n"),
    ("YE", "4a4n18c"),
];

/// Reads an IBAN in capital letters and without separators. None: no country has such a form.
pub fn iban(number: &str) -> Option<Control> {
    let (country, account) = (number.get(..2)?, number.get(4..)?);
    let (_, form) = FORMS.iter().find(|(known, _)| *known == country)?;
    let check = number.get(2..4).filter(|check| check.bytes().all(|byte| byte.is_ascii_digit()))?;
    if !has_form(account, form) {
        return None;
    }
    let moved = || account.bytes().chain(country.bytes());
    let right = remainder(moved().chain(check.bytes()))? == 1;
    if !right {
        return check_digits(moved()).map(|expected| Control::Wrong { expected });
    }
    national(country, account)
}

/// Whether a text is of a form such as `4n1a`.
fn has_form(text: &str, form: &str) -> bool {
    let (mut rest, mut count) = (text.as_bytes(), 0_usize);
    for symbol in form.bytes() {
        if symbol.is_ascii_digit() {
            count = count * 10 + usize::from(symbol - b'0');
            continue;
        }
        let Some((part, others)) = rest.split_at_checked(count) else { return false };
        let fits = |byte: &u8| match symbol {
            b'n' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_uppercase(),
            _ => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
        };
        if !part.iter().all(fits) {
            return false;
        }
        (rest, count) = (others, 0);
    }
    rest.is_empty()
}

/// What the account itself says, in countries whose rule is known.
fn national(country: &str, account: &str) -> Option<Control> {
    match country {
        "ES" => spain::ccc(account),
        "BE" => belgian(account),
        "ME" => {
            let right = remainder(account.bytes())? == 1;
            Some(Control::of(right, || check_digits(account[..16].bytes()).unwrap_or_default()))
        }
        "NO" => norwegian(account),
        _ => Some(Control::Right),
    }
}

/// The last two digits are the others' remainder of 97, which is never written as 00.
fn belgian(account: &str) -> Option<Control> {
    let number: u64 = account.get(..10)?.parse().ok()?;
    let rest = number % 97;
    let expected = format!("{:02}", if rest == 0 { 97 } else { rest });
    Some(Control::of(account[10..] == expected, || expected))
}

/// The last digit is controlled by eleven; an account that would need a ten is never given out.
fn norwegian(account: &str) -> Option<Control> {
    let weights = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2];
    let sum: u32 = account.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let expected = (11 - sum % 11) % 11;
    let last = account.bytes().last().map(|digit| u32::from(digit - b'0'));
    Some(Control::of(last == Some(expected), || if expected < 10 { expected.to_string() } else { "none".to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::{FORMS, MAX, has_form, iban};
    use crate::validators::Control;

    fn expected(number: &str) -> String {
        match iban(number) {
            None => "malformed".to_owned(),
            Some(Control::Right) => "right".to_owned(),
            Some(Control::Wrong { expected }) => expected,
        }
    }

    #[test]
    fn accounts_of_the_registry_are_right() {
        for number in [
            "ES9121000418450200051332",
            "GB29NWBK60161331926819",
            "DE89370400440532013000",
            "FR1420041010050500013M02606",
            "BE68539007547034",
            "NO9386011117947",
            "NL91ABNA0417164300",
            "PT50000201231234567890154",
            "IT60X0542811101000000123456",
        ] {
            assert_eq!(expected(number), "right", "{number}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_from_what_is_no_account() {
        assert_eq!(expected("ES9221000418450200051332"), "91");
        assert_eq!(expected("ES2121000418460200051332"), "29");
        for number in
            ["", "ES", "ES91", "XX9121000418450200051332", "ES912100041845020005133", "ESñ", "DE8937040044053201300X"]
        {
            assert_eq!(expected(number), "malformed", "{number}");
        }
    }

    #[test]
    fn a_spanish_account_has_digits_of_its_own() {
        let account = "21000418460200051332";
        let check = crate::validators::mod97::check_digits(account.bytes().chain(*b"ES")).unwrap();
        assert_eq!(expected(&format!("ES{check}{account}")), "45");
    }

    #[test]
    fn forms_are_of_three_kinds_and_fit_into_the_longest() {
        for (country, form) in FORMS {
            let lengths = form.split(['n', 'a', 'c']).filter(|count| !count.is_empty());
            let length: usize = lengths.map(|count| count.parse::<usize>().unwrap()).sum();
            assert!((11..=MAX - 4).contains(&length), "{country}");
        }
        assert!(has_form("12AB9Z", "2n2a2c") && !has_form("12AB9", "2n2a2c") && !has_form("12AB9ZZ", "2n2a2c"));
    }
}
