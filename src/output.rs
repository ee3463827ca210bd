//! How results reach a person or a program.

use anyhow::Context;
use serde::Serialize;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

/// An import that went through with rejected rows.
pub(crate) const ROWS_REJECTED: u8 = 3;
/// Something was looked at and does not work.
pub(crate) const NOT_WELL: u8 = 4;

/// Prints a value as JSON.
pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    say!("{}", json_text(value)?)
}

fn json_text(value: &impl Serialize) -> anyhow::Result<String> {
    serde_json::to_string_pretty(value).context("the result cannot be written as JSON")
}

/// Prints a line. Who has closed the other end (`| head`) has seen enough: what was asked for is done all the same.
pub(crate) fn print_line(line: fmt::Arguments<'_>) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("the result cannot be written"),
        _ => Ok(()),
    }
}

/// Prints what is shown only once: it is an error when nobody reads it.
pub(crate) fn hand_over(secret: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{secret}").context("nobody has read what is shown only once")
}

/// The same as JSON.
pub(crate) fn hand_over_json(value: &impl Serialize) -> anyhow::Result<()> {
    hand_over(&json_text(value)?)
}

/// [`print_line`], written as `println!`.
macro_rules! say {
    ($($line:tt)*) => { $crate::output::print_line(format_args!($($line)*)) };
}
pub(crate) use say;

/// Several failures as one that says them all; none when nothing failed.
pub(crate) fn joined(failures: Vec<anyhow::Error>) -> Option<anyhow::Error> {
    failures.into_iter().reduce(|first, next| first.context(format!("{next:#}")))
}

/// Success, or the code that says that something does not work.
pub(crate) fn well_or(is_well: bool, code: u8) -> ExitCode {
    if is_well { ExitCode::SUCCESS } else { ExitCode::from(code) }
}

/// A number with its thousands apart: `47,797`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let places = digits.len();
    let mut text = String::with_capacity(places + places / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (places - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something that has a regular plural: `1 row`, `47,797 rows`.
pub(crate) fn counted(number: u64, one: &str) -> String {
    format!("{} {one}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// How many of something there were in a second; nothing can be said of less than a second.
pub(crate) fn rate(number: u64, took: Duration) -> Option<u64> {
    let milliseconds = took.as_millis();
    let rate = u128::from(number) * 1_000 / milliseconds.max(1);
    if milliseconds < 1_000 { None } else { u64::try_from(rate).ok() }
}

/// Rows as columns of the width of their longest cell.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{counted, rate, table, thousands};
    use std::time::Duration;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(
            [0, 7, 999, 1_000, 47_797, 1_234_567].map(thousands),
            ["0", "7", "999", "1,000", "47,797", "1,234,567"]
        );
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 1_234].map(|number| counted(number, "row")), ["0 rows", "1 row", "1,234 rows"]);
    }

    #[test]
    fn a_moment_has_no_rate() {
        assert_eq!(rate(7, Duration::from_millis(999)), None);
        assert_eq!(rate(7, Duration::from_secs(2)), Some(3));
    }

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let rows = vec![vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned(), "d".to_owned()]];
        assert_eq!(table(&rows), "a    bb\nccc  d");
    }
}
