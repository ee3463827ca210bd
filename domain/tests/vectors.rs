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

/// A file of verdicts: how many rows it has, and what is looked at in each.
struct Verdicts {
    file: &'static str,
    count: usize,
    looked_at: &'static str,
}

/// Fails when a row differs, other than those that are explained, and when one of those does not; tells them all.
fn compare(verdicts: &Verdicts, explained: &[(String, &str)], differs: impl Fn(&Row) -> Option<String>) {
    let Verdicts { file, count, looked_at } = verdicts;
    let Some(rows) = rows(file) else { return };
    assert_eq!(rows.len(), *count, "rows of {file}");
    let different: Vec<_> = rows.iter().filter_map(|row| Some((&row[*looked_at], differs(row)?, row))).collect();
    println!("{file}: {} of {count} rows equal", rows.len() - different.len());
    let why = |what: &String| explained.iter().find(|(known, _)| known == what).map(|(_, why)| why);
    different.iter().for_each(|(what, ours, row)| println!("  {ours} instead of {row:?}: {:?}", why(what)));
    let unexplained: Vec<_> = different.iter().filter(|(what, ..)| why(what).is_none()).collect();
    assert!(unexplained.is_empty(), "{} rows of {file} differ: {unexplained:#?}", unexplained.len());
    let alike: Vec<_> =
        explained.iter().filter(|(known, _)| different.iter().all(|(what, ..)| *what != known)).collect();
    assert!(alike.is_empty(), "no difference any more in {file}: {alike:?}");
}

#[test]
fn identifiers_are_judged_alike() {
    let verdicts = Verdicts { file: "identifiers.csv", count: 2_061, looked_at: "value" };
    compare(&verdicts, &[], |row| {
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

/// Metadata of another version may differ in some rows; today none does.
#[test]
fn telephone_numbers_are_judged_alike() {
    let verdicts = Verdicts { file: "phone_numbers.csv", count: 3_058, looked_at: "input" };
    compare(&verdicts, &[], |row| {
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
    let verdicts = Verdicts { file: "email_addresses.csv", count: 575, looked_at: "address" };
    // The other library takes them, and by RFC 5321 (4.5.3.1.1) no more than 64 bytes stand before the at sign.
    let too_long = |domain: &str| (format!("{}@{domain}", "a".repeat(65)), "65 bytes before the at sign");
    compare(&verdicts, &["ejemplo.es", "mail.empresa.io"].map(too_long), |row| {
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
    let verdicts = Verdicts { file: "disposable_lookups.csv", count: 555, looked_at: "domain" };
    compare(&verdicts, &[], |row| {
        let listed = disposable::listed(&row["domain"]);
        let exactly = listed.is_some_and(|listed| row["domain"].trim_end_matches('.').eq_ignore_ascii_case(listed));
        let ours = (exactly, listed.is_some());
        let theirs = (row["listed_exactly"] == "true", row["listed_or_under_listed"] == "true");
        (ours != theirs).then(|| format!("{ours:?}"))
    });
}
