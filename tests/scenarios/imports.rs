//! Imports: a file with everything that files have, once and again, and a batch over HTTP.

use crate::support::World;
use crate::support::expected::{self, Expected, Purchase, TIERS};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// 226 rows that can be taken, among them equal ones and totals of nothing, and 10 that cannot.
const ROWS: u64 = 236;
const REJECTED: u64 = 10;

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/purchases.csv")
}

/// Imports the file; the summary, and the exit code.
fn import(world: &World, flags: &[&str]) -> (Value, Option<i32>) {
    let path = file();
    let words =
        [&["import", "purchases", path.to_str().expect("text"), "--now", "1998-06-30", "--json"], flags].concat();
    let output = world.run(&words);
    let summary = serde_json::from_slice(&output.stdout);
    (summary.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))), output.status.code())
}

/// What the file must leave: lines of four fields, each of which can be read.
fn expected_customers() -> BTreeMap<String, Expected> {
    let bytes = fs::read(file()).expect("the file is there");
    let purchase = |line: &[u8]| {
        let line = std::str::from_utf8(line).ok()?;
        let fields: Vec<&str> = line.split(',').collect();
        let [customer, on, _, total] = fields.as_slice() else { return None };
        let is_date = on.len() == 10 && expected::day(on).is_some_and(|day| day.1 <= 12 && day != (1997, 2, 30));
        let (on, cents) = (expected::day(on).filter(|_| is_date)?, expected::cents(total)?);
        Some(Purchase { customer: (*customer).to_owned(), on, cents }).filter(|row| !row.customer.is_empty())
    };
    let purchases: Vec<Purchase> = bytes.split(|byte| *byte == b'\n').skip(1).filter_map(purchase).collect();
    assert_eq!(purchases.len() as u64, ROWS - REJECTED);
    expected::from_purchases(&purchases)
}

/// The customers of the import as callers see them.
async fn seen(world: &World, names: impl Iterator<Item = &String>) -> BTreeMap<String, (i64, i64, String)> {
    let mut seen = BTreeMap::new();
    let head = world.head().await;
    for name in names {
        let found = world.get(&format!("/v1/customers?reference=import:{name}&min_position={head}")).await;
        let customer = &found.body["items"][0];
        let id = customer["customer_id"].as_str().unwrap_or_else(|| panic!("{name} is not there: {}", found.body));
        let loyalty = world.loyalty_at(id, Some(head)).await;
        let tier = loyalty["tier"].as_str().expect("a tier").to_owned();
        let counts = (customer["purchase_count"].as_i64().expect("a count"), loyalty["lifetime_earned"].as_i64());
        seen.insert(name.clone(), (counts.0, counts.1.expect("a sum"), tier));
    }
    seen
}

#[tokio::test]
async fn a_file_is_imported_once_however_often_it_is_imported() {
    let world = World::start().await;
    let expected = expected_customers();
    let (summary, code) = import(&world, &["--batch", "20"]);
    assert_eq!(code, Some(3), "there were rejected rows");
    let count = |name: &str| summary[name].as_u64().expect("a count");
    assert_eq!((count("rows"), count("recorded"), count("rejected")), (ROWS, ROWS - REJECTED, REJECTED));
    assert_eq!(count("customers"), expected.len() as u64);
    let wanted: BTreeMap<_, _> = expected
        .iter()
        .map(|(name, customer)| (name.clone(), (customer.purchases, customer.earned, TIERS[customer.tier].to_owned())))
        .collect();
    assert_eq!(seen(&world, expected.keys()).await, wanted);

    let head = world.head().await;
    let (again, code) = import(&world, &["--lanes", "3"]);
    assert_eq!(code, Some(3));
    assert_eq!((&again["recorded"], &again["already_there"]), (&json!(0), &json!(ROWS - REJECTED)));
    assert_eq!(world.head().await, head, "nothing was written");
}

/// No state remembers orders of that age.
#[tokio::test]
async fn a_file_that_is_imported_again_after_a_merge_records_nothing() {
    let world = World::start().await;
    import(&world, &[]);
    let names: Vec<_> = expected_customers().into_keys().take(3).collect();
    let mut ids = Vec::new();
    for name in &names {
        let found =
            world.get(&format!("/v1/customers?reference=import:{name}&min_position={}", world.head().await)).await;
        ids.push(found.body["items"][0]["customer_id"].as_str().expect("an id").to_owned());
    }
    for (survivor, duplicate) in [(&ids[0], &ids[1]), (&ids[2], &ids[0])] {
        let body = json!({"duplicate_id": duplicate});
        let merged = world.post(&format!("/v1/customers/{survivor}/merges"), body).await;
        assert_eq!(merged.status, 201, "{}", merged.body);
    }
    let head = world.head().await;
    let (again, _) = import(&world, &[]);
    assert_eq!((&again["recorded"], &again["already_there"]), (&json!(0), &json!(ROWS - REJECTED)), "{again}");
    assert_eq!(world.head().await, head, "nothing was written");
}

#[tokio::test]
async fn rejected_rows_are_named_with_their_reasons_and_kept_as_they_were() {
    let world = World::start().await;
    let (summary, _) = import(&world, &[]);
    let path = world.folder().join(summary["rejects_file"].as_str().expect("a file"));
    let bytes = fs::read(&path).expect("the file of rejected rows");
    let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
    let mut rejected: Vec<_> = rows.byte_records().map(|row| row.expect("a row")).collect();
    rejected.sort_by_key(|row| String::from_utf8_lossy(&row[0]).parse::<u64>().expect("a number"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lines: Vec<_> = rejected.iter().map(|row| format!("{}: {}", text(&row[2]), text(&row[3]))).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    invalid_date: date: `1997-02-30` is no date of the form %Y-%m-%d
    too_many_decimals: value: USD has 2 decimals
    not_a_decimal: value: must be a decimal number such as 12.34
    wrong_number_of_fields: 3 fields instead of 4
    wrong_number_of_fields: 5 fields instead of 4
    invalid_utf8: customer_id: `C-��` is not UTF-8
    empty: customer_id: must not be empty
    invalid_date: date: `01/03/1997` is no date of the form %Y-%m-%d
    not_a_decimal: value: must be a decimal number such as 12.34
    negative_total: the total must not be negative
    "#);
    assert!(rejected.iter().any(|row| row.iter().any(|field| field == b"C-\xe9\xe8")), "bytes are kept as they were");
    let source = fs::read(file()).expect("the file is there");
    let lines: Vec<&[u8]> = source.split(|byte| *byte == b'\n').collect();
    for row in &rejected {
        let line: usize = text(&row[1]).parse().expect("a line");
        let fields: Vec<&[u8]> = row.iter().skip(4).collect();
        assert_eq!(fields.join(&b','), lines[line - 1], "line {line} is named and kept");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_told_in_one_line() {
    let world = World::start().await;
    let path = world.folder().join("wrong.csv");
    fs::write(&path, "kunde;datum;betrag\n1;1997-01-01;5.00\n").expect("written");
    let told = |words: &[&str]| {
        let output = world.run(words);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).trim().replace(&world.folder().display().to_string(), "")
    };
    let wrong = told(&["import", "purchases", "wrong.csv"]);
    insta::assert_snapshot!(wrong, @"clientela: wrong.csv does not fit: there is no column `customer_id` (--customer-column); the columns are: kunde;datum;betrag; is it the --delimiter?");
    insta::assert_snapshot!(told(&["import", "purchases", "missing.csv"]), @"clientela: missing.csv cannot be read: No such file or directory (os error 2)");
    let away = told(&["import", "purchases", file().to_str().expect("text"), "--url", "http://127.0.0.1:1"]);
    insta::assert_snapshot!(away, @"clientela: no server answers at http://127.0.0.1:1: start it with `clientela serve`, or name another with --url (Connection refused (os error 111))");
    fs::write(&path, [0x1f, 0x8b, 8, 0, 1, 2, 3]).expect("written");
    assert!(told(&["import", "purchases", "wrong.csv"]).contains("cannot be read"));
}

/// The address of a server that records row 1 and fails at all others; below `/odd` it answers something else.
#[expect(clippy::disallowed_methods, reason = "not a server of ours")]
async fn failing_server() -> String {
    let answer = async |Json(body): Json<Value>| {
        let outcome = |row: &Value| match row["row"].as_u64() {
            Some(1) => json!({"row": 1, "outcome": "recorded"}),
            _ => json!({"row": row["row"], "outcome": "failed", "code": "unavailable", "detail": "out of order"}),
        };
        let results: Vec<Value> = body["rows"].as_array().expect("rows").iter().map(outcome).collect();
        Json(json!({"results": results, "position": 0}))
    };
    let routes = Router::new()
        .route("/v1/imports/purchases", post(answer))
        .route("/odd/v1/imports/purchases", post(async || "hello"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(axum::serve(listener, routes).into_future());
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_never_succeeds_ends_the_import_and_is_named() {
    let world = World::start().await;
    let url = failing_server().await;
    let rows = "customer_id,date,value\n1,1997-01-01,5.00\n1,1997-01-02,5.00\n1,1997-01-03,5.00\n";
    fs::write(world.folder().join("rows.csv"), rows).expect("written");
    let told = |url: &str| {
        let output = world.run(&["import", "purchases", "rows.csv", "--patience", "0", "--json", "--url", url]);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).trim().to_owned()
    };
    insta::assert_snapshot!(told(&url), @"clientela: row 2 (line 3) fails each time: unavailable: out of order; confirmed: 1 row; start the same command again to go on from there");
    let odd = told(&format!("{url}/odd"));
    assert!(odd.starts_with("clientela: the server's answer cannot be understood: "), "{odd}");
}

#[tokio::test]
async fn a_batch_answers_for_each_row_and_one_bad_row_stops_no_other() {
    let world = World::start().await;
    let row = |number: u64, customer: &str, total: &str| json!({"row": number, "customer": customer, "key": format!("k-{number}"), "total": total, "on": "1998-01-01"});
    let rows = [row(1, "a", "10.00"), row(2, "a", "1.001"), row(3, "a", "-1.00"), row(4, "b", "0.00")];
    let body = json!({"system": "till", "currency": "EUR", "rows": rows, "now": "1998-06-30"});
    let answer = world.post("/v1/imports/purchases", body.clone()).await;
    let outcome = |result: &Value| format!("{} {} {}", result["row"], result["outcome"], result["code"]);
    let outcomes = |answer: &Value| -> Vec<String> {
        answer["results"].as_array().expect("results").iter().map(outcome).collect()
    };
    assert_eq!(
        outcomes(&answer.body),
        [
            "1 \"recorded\" null",
            "2 \"refused\" \"too_many_decimals\"",
            "3 \"refused\" \"negative_total\"",
            "4 \"recorded\" null"
        ]
    );
    let again = world.post("/v1/imports/purchases", body).await;
    assert_eq!(outcomes(&again.body)[3], "4 \"repeated\" null");
    assert_eq!(world.head().await, answer.position.expect("a position"));
}
