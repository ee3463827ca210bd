//! Numbers of persons that serve as their tax numbers: each begins with a date of birth that must exist.

use super::states::{digits, weighted};
use chrono::NaiveDate;

fn exists(year: u32, month: u32, day: u32) -> bool {
    i32::try_from(year).is_ok_and(|year| NaiveDate::from_ymd_opt(year, month, day).is_some())
}

fn two(digits: &[u32], from: usize) -> u32 {
    digits[from] * 10 + digits[from + 1]
}

/// The month tells the century: twenty is added before 1900, forty after 2000.
pub(super) fn bulgarian(all: &[u32; 10]) -> bool {
    let (year, day) = (two(all, 0), two(all, 4));
    let (century, month) = match two(all, 2) {
        month @ 41.. => (2000, month - 40),
        month @ 21.. => (1800, month - 20),
        month => (1900, month),
    };
    let check = weighted(&all[..9], &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10;
    exists(century + year, month, day) && check == all[9]
}

/// Also of Slovakia. Nine digits until 1953, then ten; fifty is added to the month of women, twenty where numbers ran out.
pub(super) fn czech(text: &str) -> Option<bool> {
    let all: Vec<u32> = digits::<9>(text).map(Vec::from).or_else(|| digits::<10>(text).map(Vec::from))?;
    let (written, month, day) = (two(&all, 0), two(&all, 2) % 50 % 20, two(&all, 4));
    let year = match (all.len(), written) {
        (9, 80..) => 1800 + written,
        (9, 54..) => return None,
        (10, ..54) => 2000 + written,
        _ => 1900 + written,
    };
    if !exists(year, month, day) {
        return None;
    }
    let rest = all[..9].iter().fold(0, |rest, digit| (rest * 10 + digit) % 11);
    Some(all.get(9).is_none_or(|last| rest % 10 == *last))
}

/// Day, month, year and a digit for the century; those given out since 2017 begin with 32 and tell no date.
pub(super) fn latvian(all: &[u32; 11]) -> Option<bool> {
    let has_date = two(all, 0) == 32 || exists(1800 + all[6] * 100 + two(all, 4), two(all, 2), two(all, 0));
    let check = (1 + weighted(&all[..10], &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9])) % 11 % 10;
    has_date.then_some(check == all[10])
}

/// A digit for century and sex, the date, the county.
pub(super) fn romanian(text: &str) -> Option<bool> {
    let all = digits::<13>(text)?;
    let century = match all[0] {
        0 => return None,
        3 | 4 => 1800,
        5 | 6 => 2000,
        _ => 1900,
    };
    let county = two(&all, 7);
    let is_formed =
        exists(century + two(&all, 1), two(&all, 3), two(&all, 5)) && matches!(county, 1..=48 | 51 | 52 | 70 | 80..=83);
    let check = match weighted(&all[..12], &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11 {
        10 => 1,
        rest => rest,
    };
    is_formed.then_some(check == all[12])
}
