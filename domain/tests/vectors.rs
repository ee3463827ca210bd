//! Verdicts of other libraries on published and altered values, compared with ours.
//!
//! The files are not part of this repository: `CLIENTELA_VALIDATOR_DATA=folder` names where they are. Without it the tests say so and pass.

use std::collections::HashMap;
use std::path::PathBuf;

use domain::validators::document::{self, NumberKind};
use domain::validators::{disposable, email, phone};

/// A row of a file by the names of its columns.
type Row = HashMap<String, String>;

/// The rows of a file; none, and a word about it, where there is none.
fn rows(file: &str) -> Option<Vec<Row>> {
    let Some(folder) = std::env::var_os("CLIENTELA_VALIDATOR_DATA").filter(|folder| !folder.is_empty()) else {
        println!("skipped: CLIENTELA_VALIDATOR_DATA does not name the folder of the verdicts");
        return None;
    };
    let mut reader = csv::Reader::from_path(PathBuf::from(folder).join(file)).expect("the file of verdicts");
    Some(reader.deserialize().map(|row| row.expect("a row")).collect())
}

/// Fails when more than so many rows differ; tells them all.
fn compare(file: &str, rows: &[Row], most: usize, differs: impl Fn(&Row) -> Option<String>) {
    let wrong: Vec<_> =
        rows.iter().filter_map(|row| differs(row).map(|ours| format!("{ours} instead of {row:?}"))).collect();
    println!("{file}: {} of {} rows equal", rows.len() - wrong.len(), rows.len());
    wrong.iter().for_each(|line| println!("  {line}"));
    assert!(wrong.len() <= most, "{} rows of {file} differ", wrong.len());
}

#[test]
fn identifiers_are_judged_alike() {
    let Some(rows) = rows("identifiers.csv") else { return };
    compare("identifiers.csv", &rows, 0, |row| {
        let kind = match row["kind"].as_str() {
            "es_ccc" => NumberKind::Ccc,
            "eu_vat" => NumberKind::Vat,
            other => NumberKind::parse(other).expect("a kind"),
        };
        let verdict = document::validate(kind, &row["value"], None, true);
        let ours = (verdict.valid, if verdict.valid { verdict.number.unwrap_or_default() } else { String::new() });
        let theirs = (row["valid"] == "true", row["compact"].clone());
        (ours != theirs).then(|| format!("{ours:?}"))
    });
}

/// What differs is of newer metadata: named, so that another one fails.
#[test]
fn telephone_numbers_are_judged_alike() {
    let Some(rows) = rows("phone_numbers.csv") else { return };
    compare("phone_numbers.csv", &rows, 0, |row| {
        let region = Some(row["region"].as_str()).filter(|region| !region.is_empty());
        let ours = match phone::read(&row["input"], region) {
            Ok(read) => (
                read.possible,
                read.valid,
                read.e164,
                read.country.unwrap_or_default(),
                read.kind.map(phone::PhoneKind::as_str).unwrap_or_default().to_uppercase(),
            ),
            Err(_) => (false, false, String::new(), String::new(), String::new()),
        };
        let flag = |name: &str| row[name] == "true";
        let text = |name: &str| row[name].clone();
        let theirs = (flag("possible"), flag("valid"), text("e164"), text("number_region"), text("type"));
        (ours != theirs).then(|| format!("{ours:?}"))
    });
}

#[test]
fn addresses_are_judged_alike() {
    let Some(rows) = rows("email_addresses.csv") else { return };
    // Of a hundred addresses one may be judged otherwise.
    compare("email_addresses.csv", &rows, rows.len() / 100, |row| {
        let address = if row["written"] == "json" {
            serde_json::from_str(&format!("\"{}\"", row["address"])).unwrap_or_else(|_| row["address"].clone())
        } else {
            row["address"].clone()
        };
        let verdict = email::validate(&address);
        let only_valid = |text: Option<String>| text.filter(|_| verdict.valid).unwrap_or_default();
        let ours = (verdict.valid, only_valid(verdict.email.clone()), only_valid(verdict.ascii_domain.clone()));
        let theirs = (row["valid"] == "true", row["normalized"].clone(), row["ascii_domain"].clone());
        (ours != theirs).then(|| format!("{ours:?}, {:?}", verdict.checks))
    });
}

#[test]
fn mailboxes_for_minutes_are_found_alike() {
    let Some(rows) = rows("disposable_lookups.csv") else { return };
    compare("disposable_lookups.csv", &rows, 0, |row| {
        let listed = disposable::listed(&row["domain"]);
        let exactly = listed.is_some_and(|listed| row["domain"].trim_end_matches('.').eq_ignore_ascii_case(listed));
        let ours = (exactly, listed.is_some());
        let theirs = (row["listed_exactly"] == "true", row["listed_or_under_listed"] == "true");
        (ours != theirs).then(|| format!("{ours:?}"))
    });
}
