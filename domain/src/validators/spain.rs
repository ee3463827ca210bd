//! The numbers of Spain and what their control characters must be: DNI, NIE, CIF, NIF and bank accounts (CCC).
//!
//! They are read in capital letters and without separators.

use crate::validators::Control;

/// The letter of a number, by its remainder (Ministerio del Interior).
const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

/// Eight digits and their letter. None: it has not that form.
pub fn dni(number: &str) -> Option<Control> {
    let (digits, letter) = split(number, 8)?;
    letter_control(digits, letter)
}

/// X, Y or Z for 0, 1 or 2, seven digits and the letter of all eight.
pub fn nie(number: &str) -> Option<Control> {
    let first = b"XYZ".iter().position(|letter| number.as_bytes().first() == Some(letter))?;
    dni(&format!("{first}{}", number.get(1..)?))
}

/// The letter of the kind of organisation, seven digits, and a control that is a digit or the letter for it.
pub fn cif(number: &str) -> Option<Control> {
    let (kind, rest) = number.split_at_checked(1)?;
    let (digits, control) = split(rest, 7)?;
    if !"ABCDEFGHJNPQRSUVW".contains(kind) || !(control.is_ascii_digit() || (b'A'..=b'J').contains(&control)) {
        return None;
    }
    let digit = luhn(digits);
    let (digit, letter) = (b'0' + digit, b"JABCDEFGHI"[usize::from(digit)]);
    Some(Control::of(control == digit || control == letter, || {
        format!("{} or {}", char::from(digit), char::from(letter))
    }))
}

/// That of a person, of a foreigner, of an organisation, or of one who has no other: K, L or M, seven digits, their letter.
pub fn nif(number: &str) -> Option<Control> {
    match number.as_bytes().first()? {
        b'K' | b'L' | b'M' => {
            let (digits, letter) = split(&number[1..], 7)?;
            letter_control(digits, letter)
        }
        b'X' | b'Y' | b'Z' => nie(number),
        b'0'..=b'9' => dni(number),
        _ => cif(number),
    }
}

/// A bank account: bank, office, two control digits, ten digits.
pub fn ccc(number: &str) -> Option<Control> {
    if number.len() != 20 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let expected = format!("{}{}", account_digit(&format!("00{}", &number[..8])), account_digit(&number[10..]));
    Some(Control::of(number[8..10] == expected, || expected))
}

/// The digit that ten digits of an account are controlled by: their powers of two, by eleven.
fn account_digit(digits: &str) -> u32 {
    let weighted = |(place, digit): (usize, u8)| u32::from(digit - b'0') << place;
    let rest = digits.bytes().enumerate().map(weighted).sum::<u32>() % 11;
    if rest < 2 { rest } else { 11 - rest }
}

/// So many digits, and the one character that follows them.
fn split(number: &str, digits: usize) -> Option<(&str, u8)> {
    let (digits, last) = number.split_at_checked(digits)?;
    let [last] = last.as_bytes() else { return None };
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some((digits, *last))
}

fn letter_control(digits: &str, letter: u8) -> Option<Control> {
    let number: usize = digits.parse().ok()?;
    let expected = LETTERS[number % LETTERS.len()];
    letter.is_ascii_uppercase().then(|| Control::of(letter == expected, || char::from(expected).to_string()))
}

/// The check digit of Luhn: every second digit is doubled, beginning with the last.
pub(super) fn luhn(digits: &str) -> u8 {
    let doubled = |(place, digit): (usize, u8)| if place % 2 == 1 { digit } else { digit * 2 / 10 + digit * 2 % 10 };
    let sum: u32 =
        digits.bytes().rev().map(|byte| byte - b'0').enumerate().map(|digit| u32::from(doubled(digit))).sum();
    ((10 - sum % 10) % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::{ccc, cif, dni, nie, nif};
    use crate::validators::Control;

    fn expected(control: Option<Control>) -> String {
        match control {
            None => "malformed".to_owned(),
            Some(Control::Right) => "right".to_owned(),
            Some(Control::Wrong { expected }) => expected,
        }
    }

    #[test]
    fn what_stands_at_the_end_is_told() {
        assert_eq!(expected(dni("12345678Z")), "right");
        assert_eq!(expected(dni("12345678A")), "Z");
        assert_eq!(expected(nie("X1234567A")), "L");
        assert_eq!(expected(cif("A58818502")), "1 or A");
        assert_eq!(expected(nif("M1234567A")), "L");
        assert_eq!(expected(ccc("12341234161234567890")), "right");
        assert_eq!(expected(ccc("12341234171234567890")), "16");
        for number in ["", "1", "X", "K", "ñ", "Xñ123456A", "123456789", "12345678ñ", "１２３４５６７８Z"] {
            for read in [dni, nie, cif, nif, ccc] {
                assert_eq!(expected(read(number)), "malformed", "{number}");
            }
        }
    }
}
