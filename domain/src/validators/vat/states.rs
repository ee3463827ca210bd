//! The states, each with the rule of its numbers, which come without the state before them.
//!
//! None: no number of the state has that form. Some: whether the check digits fit.

use super::persons;
use crate::validators::mod97::remainder;
use crate::validators::{Control, spain};

/// Exactly so many digits.
pub(super) fn digits<const N: usize>(text: &str) -> Option<[u32; N]> {
    let bytes: [u8; N] = text.as_bytes().try_into().ok()?;
    bytes.iter().all(u8::is_ascii_digit).then(|| bytes.map(|byte| u32::from(byte - b'0')))
}

/// The sum of digits, each as often as its weight says.
pub(super) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// The weights `from`, `from - 1` … that most sums go by.
fn falling(digits: &[u32], from: u32) -> u32 {
    digits.iter().zip((1..=from).rev()).map(|(digit, weight)| digit * weight).sum()
}

fn luhn_holds(text: &str) -> bool {
    let (rest, last) = text.split_at(text.len() - 1);
    last.as_bytes() == [b'0' + spain::luhn(rest)]
}

/// ISO 7064, MOD 11,10: the last digit is the check digit.
fn mod_11_10(digits: &[u32]) -> bool {
    let Some((last, rest)) = digits.split_last() else { return false };
    let product = rest.iter().fold(10, |product, digit| {
        let sum = (product + digit) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == *last
}

/// Two digits as a number.
fn pair(digits: &[u32]) -> u32 {
    digits.iter().fold(0, |number, digit| number * 10 + digit)
}

pub(super) fn austrian(text: &str) -> Option<bool> {
    let text = text.strip_prefix('U')?;
    let [rest @ .., last] = digits::<8>(text)?;
    let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
    let sum: u32 = rest.iter().enumerate().map(|(place, &d)| if place % 2 == 1 { doubled(d) } else { d }).sum();
    Some((96 - sum) % 10 == last)
}

pub(super) fn belgian(text: &str) -> Option<bool> {
    let all = digits::<10>(text).filter(|all| all[0] < 2 && all.iter().any(|digit| *digit > 0))?;
    Some((pair(&all[..8]) + pair(&all[8..])).is_multiple_of(97))
}

pub(super) fn bulgarian(text: &str) -> Option<bool> {
    if let Some([rest @ .., last]) = digits::<9>(text) {
        let first = weighted(&rest, &[1, 2, 3, 4, 5, 6, 7, 8]) % 11;
        let check = if first == 10 { weighted(&rest, &[3, 4, 5, 6, 7, 8, 9, 10]) % 11 } else { first };
        return Some(check % 10 == last);
    }
    let all @ [rest @ .., last] = digits::<10>(text)?;
    let foreigner = weighted(&rest, &[21, 19, 17, 13, 11, 9, 7, 3, 1]) % 10 == last;
    let other = (11 - weighted(&rest, &[4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11 == last;
    Some(foreigner || other || persons::bulgarian(&all))
}

pub(super) fn cypriot(text: &str) -> Option<bool> {
    const ODD_PLACES: [u32; 10] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21];
    let (number, letter) = text.split_at_checked(8)?;
    let all = digits::<8>(number).filter(|_| !number.starts_with("12"))?;
    let [letter @ b'A'..=b'Z'] = letter.as_bytes() else { return None };
    let value = |(place, digit): (usize, &u32)| if place % 2 == 0 { ODD_PLACES[*digit as usize] } else { *digit };
    let sum: u32 = all.iter().enumerate().map(value).sum();
    Some(u32::from(letter - b'A') == sum % 26)
}

pub(super) fn czech(text: &str) -> Option<bool> {
    if let Some([rest @ .., last]) = digits::<8>(text) {
        let check = (11 - falling(&rest, 8) % 11) % 11;
        return (rest[0] != 9).then_some(if check == 0 { 1 } else { check % 10 } == last);
    }
    if let Some([6, rest @ .., last]) = digits::<9>(text) {
        return Some((8 + falling(&rest, 8) % 11) % 10 == last);
    }
    persons::czech(text)
}

pub(super) fn german(text: &str) -> Option<bool> {
    digits::<9>(text).filter(|all| all[0] > 0).map(|all| mod_11_10(&all))
}

pub(super) fn danish(text: &str) -> Option<bool> {
    let all = digits::<8>(text).filter(|all| all[0] > 0)?;
    Some(weighted(&all, &[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11))
}

pub(super) fn estonian(text: &str) -> Option<bool> {
    Some(weighted(&digits::<9>(text)?, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10))
}

pub(super) fn greek(text: &str) -> Option<bool> {
    let [rest @ .., last] = digits::<9>(text)?;
    let sum = rest.iter().fold(0, |sum, digit| sum * 2 + digit) * 2;
    Some(sum % 11 % 10 == last)
}

pub(super) fn spanish(text: &str) -> Option<bool> {
    spain::nif(text).map(|control| control == Control::Right)
}

/// Of the one-stop shop: the member state by its number (ISO 3166-1), six digits.
pub(super) fn one_stop_shop(text: &str) -> Option<bool> {
    const MEMBERS: [u32; 27] = [
        40, 56, 100, 191, 196, 203, 208, 233, 246, 250, 276, 300, 348, 372, 380, 428, 440, 442, 470, 528, 616, 620,
        642, 703, 705, 724, 752,
    ];
    let all = digits::<9>(text)?;
    MEMBERS.contains(&pair(&all[..3])).then_some(true)
}

pub(super) fn finnish(text: &str) -> Option<bool> {
    Some(weighted(&digits::<8>(text)?, &[7, 9, 10, 5, 8, 4, 2, 1]).is_multiple_of(11))
}

/// Two characters that control a SIREN; those of Monaco are none.
pub(super) fn french(text: &str) -> Option<bool> {
    const ALPHABET: &[u8; 34] = b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let (key, siren) = text.split_at_checked(2)?;
    let number = pair(&digits::<9>(siren)?);
    let value = |byte: u8| ALPHABET.iter().position(|known| *known == byte).and_then(|place| u32::try_from(place).ok());
    let [first, second] = key.as_bytes() else { return None };
    let (first_value, second_value) = (value(*first)?, value(*second)?);
    if !siren.starts_with("000") && !luhn_holds(siren) {
        return Some(false);
    }
    if first.is_ascii_digit() && second.is_ascii_digit() {
        let expected = (u64::from(number) * 100 + 12) % 97;
        return Some(u64::from(first_value * 10 + second_value) == expected);
    }
    let check = if first.is_ascii_digit() {
        first_value * 24 + second_value - 10
    } else {
        first_value * 34 + second_value - 100
    };
    Some((number + 1 + check / 11) % 11 == check % 11)
}

pub(super) fn croatian(text: &str) -> Option<bool> {
    digits::<11>(text).map(|all| mod_11_10(&all))
}

pub(super) fn hungarian(text: &str) -> Option<bool> {
    Some(weighted(&digits::<8>(text)?, &[9, 7, 3, 1, 9, 7, 3, 1]).is_multiple_of(10))
}

/// Seven digits and one or two letters; in old numbers the second character is no digit.
pub(super) fn irish(text: &str) -> Option<bool> {
    const LETTERS: &[u8; 23] = b"WABCDEFGHIJKLMNOPQRSTUV";
    let value = |byte: u8| LETTERS.iter().position(|known| *known == byte);
    let (number, letters) = text.split_at_checked(7)?;
    let values: Vec<usize> = letters.bytes().map(value).collect::<Option<_>>()?;
    let (&check, more) = values.split_first().filter(|(_, more)| more.len() < 2)?;
    let more = more.first().copied().unwrap_or_default();
    let sum = |all: [u32; 7]| falling(&all, 8) as usize + 9 * more;
    if let Some(all) = digits::<7>(number) {
        return Some(sum(all) % 23 == check);
    }
    let bytes = number.as_bytes();
    let is_old = values.len() == 1 && (bytes[1].is_ascii_uppercase() || matches!(bytes[1], b'+' | b'*'));
    let rearranged = format!("0{}{}", number.get(2..)?, char::from(bytes[0]));
    digits::<7>(&rearranged).filter(|_| is_old).map(|all| sum(all) % 23 == check)
}

pub(super) fn italian(text: &str) -> Option<bool> {
    let all = digits::<11>(text)?;
    let office = pair(&all[7..10]);
    let is_formed = all[..7].iter().any(|digit| *digit > 0) && matches!(office, 1..=100 | 120 | 121 | 888 | 999);
    is_formed.then(|| luhn_holds(text))
}

pub(super) fn lithuanian(text: &str) -> Option<bool> {
    let all: Vec<u32> = digits::<9>(text).map(Vec::from).or_else(|| digits::<12>(text).map(Vec::from))?;
    let (last, rest) = all.split_last()?;
    let sum = |shift: u32| -> u32 {
        rest.iter().zip(shift..).map(|(digit, place)| digit * (1 + place % 9)).sum::<u32>() % 11
    };
    let check = if sum(0) == 10 { sum(2) % 10 } else { sum(0) };
    (rest.last() == Some(&1)).then_some(check == *last)
}

pub(super) fn luxembourgish(text: &str) -> Option<bool> {
    let all = digits::<8>(text)?;
    Some(pair(&all[..6]) % 89 == pair(&all[6..]))
}

pub(super) fn latvian(text: &str) -> Option<bool> {
    let all = digits::<11>(text)?;
    if all[0] > 3 {
        return Some(weighted(&all, &[9, 1, 4, 8, 3, 10, 2, 5, 7, 6, 1]) % 11 == 3);
    }
    persons::latvian(&all)
}

pub(super) fn maltese(text: &str) -> Option<bool> {
    let all = digits::<8>(text).filter(|all| all[0] > 0)?;
    Some(weighted(&all, &[3, 4, 6, 7, 8, 9, 10, 1]).is_multiple_of(37))
}

/// A person's number, or since 2020 one controlled as a whole.
pub(super) fn dutch(text: &str) -> Option<bool> {
    let (number, rest) = text.split_at_checked(9)?;
    let all @ [first @ .., last] = digits::<9>(number)?;
    let branch = digits::<2>(rest.strip_prefix('B')?)?;
    if pair(&all) == 0 || pair(&branch) == 0 {
        return None;
    }
    let is_person = falling(&first, 9) % 11 == last;
    Some(is_person || remainder(b"NL".iter().copied().chain(text.bytes())) == Some(1))
}

pub(super) fn polish(text: &str) -> Option<bool> {
    let [rest @ .., last] = digits::<10>(text)?;
    Some(weighted(&rest, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == last)
}

pub(super) fn portuguese(text: &str) -> Option<bool> {
    let [rest @ .., last] = digits::<9>(text).filter(|all| all[0] > 0)?;
    Some((11 - falling(&rest, 9) % 11) % 11 % 10 == last)
}

/// Of companies; persons have their own number.
pub(super) fn romanian(text: &str) -> Option<bool> {
    if text.len() == 13 {
        return persons::romanian(text);
    }
    if !(2..=10).contains(&text.len()) || text.starts_with('0') {
        return None;
    }
    let [rest @ .., last] = digits::<10>(&format!("{text:0>10}"))?;
    Some(weighted(&rest, &[7, 5, 3, 2, 1, 7, 5, 3, 2]) * 10 % 11 % 10 == last)
}

pub(super) fn swedish(text: &str) -> Option<bool> {
    let number = text.strip_suffix("01")?;
    digits::<10>(number).map(|_| luhn_holds(number))
}

pub(super) fn slovene(text: &str) -> Option<bool> {
    let [rest @ .., last] = digits::<8>(text).filter(|all| all[0] > 0)?;
    let check = 11 - falling(&rest, 8) % 11;
    Some(if check == 10 { last == 0 } else { last == check })
}

pub(super) fn slovak(text: &str) -> Option<bool> {
    let all = digits::<10>(text)?;
    if persons::czech(text) == Some(true) {
        return Some(true);
    }
    let is_formed = all[0] > 0 && matches!(all[2], 2 | 3 | 4 | 7 | 8 | 9);
    is_formed.then(|| text.parse::<u64>().is_ok_and(|number| number % 11 == 0))
}

/// Those of the United Kingdom: of traders, of their branches, of government departments and health authorities.
pub(super) fn northern_irish(text: &str) -> Option<bool> {
    if let Some((kind @ ("GD" | "HA"), number)) = text.split_at_checked(2) {
        let number = pair(&digits::<3>(number)?);
        return ((kind == "GD") == (number < 500)).then_some(true);
    }
    let branch = text.get(9..)?;
    let is_formed = branch.is_empty() || digits::<3>(branch).is_some();
    let all = digits::<9>(&text[..9]).filter(|_| is_formed)?;
    let sum = weighted(&all, &[8, 7, 6, 5, 4, 3, 2, 10, 1]) % 97;
    Some(sum == 0 || (all[0] > 0 && matches!(sum, 42 | 55)))
}
