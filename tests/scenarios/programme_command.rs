//! The loyalty programme on the command line: shown, rehearsed, published, and refused with the field that is wrong.

use crate::support::World;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};

const PROGRAMME: &str = "/v1/loyalty/programme";

/// The rules that hold as a file, with twice the points above 50 and a lower threshold of silver.
fn other_rules(world: &World) -> Value {
    let mut shown = world.run_json(&["programme", "show", "--json"]);
    let rules = &mut shown["rules"];
    rules["earn"].as_array_mut().expect("bands").push(json!({"above": 50, "points_per_unit": 2}));
    rules["tiers"][1]["from_points"] = json!(500);
    write(world, "rules.json", &shown.to_string());
    shown
}

fn write(world: &World, name: &str, text: &str) {
    fs::write(world.folder().join(name), text).expect("written");
}

/// What a subcommand that succeeds prints.
fn told(world: &World, words: &[&str]) -> String {
    let output = world.run(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Why a subcommand fails, in one line.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.lines().find(|line| line.starts_with("clientela: ")).expect("a reason").to_owned()
}

/// Hands a text to a subcommand.
fn piped(world: &World, words: &[&str], text: &str) -> Output {
    let mut command = world.command();
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("it starts");
    process.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("written");
    process.wait_with_output().expect("it ends")
}

#[tokio::test]
async fn rules_are_shown_rehearsed_and_published_with_what_came_of_it() {
    let world = World::start().await;
    let (ana, eva) = (world.member("ana@example.com").await, world.member("eva@example.com").await);
    world.buys(&ana, "order-1", "300.00").await;
    world.buys(&eva, "order-2", "40.00").await;
    insta::assert_snapshot!(told(&world, &["programme", "show"]), @r"
    the standard rules

    TOTALS ABOVE  POINTS A UNIT  OF
    0             1              what lies above

    TIER      FROM POINTS  MULTIPLIER  BENEFITS
    bronze    0            100 %
    silver    1,000        125 %
    gold      5,000        150 %
    platinum  20,000       200 %

    redeemed  100 points a unit, multiples of 100, 100 at least
    expire    after 24 months
    ");
    let rules = other_rules(&world);

    let output = piped(&world, &["programme", "rehearse", "-", "--json"], &rules["rules"].to_string());
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON in each line")).collect();
    let changed: Vec<_> = lines.iter().filter_map(|line| line["customer"]["customer_id"].as_str()).collect();
    assert_eq!(changed, [ana.as_str()]);
    let sums = &lines.last().expect("an end")["rehearsal"];
    let rehearsal = sums["rehearsal_id"].as_str().expect("an id");

    let summary = told(&world, &["programme", "rehearse", "rules.json"]);
    let id = summary.rsplit(' ').next().expect("an id").trim();
    assert_ne!(id, rehearsal, "each has an id of its own");
    let position = format!("up to position {};", sums["recorded_position"]);
    let summary =
        summary.replace(id, "<rehearsal>").replace(&ana, "<ana>").replace(&position, "up to position <position>;");
    insta::assert_snapshot!(summary, @r"
    2 purchases of 2 members, up to position <position>; 1 would have another tier or other points

    MEMBER                                TIER             POINTS     WORTH
    <ana>  bronze → silver  300 → 550  3.00 → 5.50 EUR

    1 would be of a higher tier, 0 of a lower one: bronze → silver 1

               NOW   REHEARSED  DIFFERENCE
    points     340   590        +250
    worth EUR  3.40  5.90       +2.50

    rehearsal <rehearsal>; to publish these rules: clientela programme publish rules.json --from DATE --rehearsal <rehearsal>
    ");
    let sums_only = told(&world, &["programme", "rehearse", "rules.json", "--limit", "0"]);
    assert!(!sums_only.contains(&ana), "{sums_only}");

    let publish = ["programme", "publish", "rules.json", "--from", "2026-01-01", "--rehearsal", rehearsal];
    insta::assert_snapshot!(told(&world, &publish), @"version 1 holds from 2026-01-01 on");
    insta::assert_snapshot!(told(&world, &publish), @"nothing changes: these rules hold from 2026-01-01 on already");
    let shown = told(&world, &["programme", "show"]);
    assert!(shown.starts_with("version 1, since 2026-01-01\n"), "{shown}");
    let versions = told(&world, &["programme", "versions"]);
    assert!(
        versions.lines().nth(1).is_some_and(|line| line.starts_with("1 ") && line.ends_with(rehearsal)),
        "{versions}"
    );
    assert_eq!(world.buys(&eva, "order-3", "60.00").await.body["points_earned"], 70);
}

#[tokio::test]
async fn a_version_that_begins_earlier_takes_the_place_of_one_that_was_published_before() {
    let world = World::start().await;
    let mut older = other_rules(&world);
    insta::assert_snapshot!(told(&world, &["programme", "publish", "rules.json", "--from", "2026-01-01"]), @"version 1 holds from 2026-01-01 on");
    older["rules"]["expiry_months"] = json!(12);
    write(&world, "older.json", &older.to_string());
    let publish = ["programme", "publish", "older.json", "--from", "2025-07-01"];
    insta::assert_snapshot!(told(&world, &publish), @"version 2 holds from 2025-07-01 on, in place of version 1 (from 2026-01-01)");
    let versions = told(&world, &["programme", "versions"]);
    let holds: Vec<_> = versions.lines().skip(1).map(|line| &line[9..43]).map(str::trim).collect();
    assert_eq!(holds, ["2026-01-01  replaced by version 2", "2025-07-01  until another one does"], "{versions}");
}

#[tokio::test]
async fn rules_that_make_no_programme_are_refused_with_the_field_and_nothing_happens() {
    let world = World::start().await;
    let mut rules = other_rules(&world);
    rules["from"].take();
    let head = world.head().await;
    let faults = [
        ("/rules/earn/0/above", json!(10), "gap: /rules/earn/0/above: the first one must begin at 0"),
        (
            "/rules/tiers/1/multiplier_percent",
            json!(-150),
            "out_of_range: /rules/tiers/1/multiplier_percent: must lie between 0 and 10000",
        ),
        (
            "/rules/tiers/2/from_points",
            json!(400),
            "out_of_order: /rules/tiers/2/from_points: must be more than in the one before",
        ),
        (
            "/rules/expiry_months",
            json!("12"),
            "validation_failed: /rules/expiry_months: must be a whole number from 0 to 4294967295",
        ),
        (
            "/rules/redeem",
            json!({"points": 1}),
            "validation_failed: /rules/redeem/points: unknown field `points`, expected one of `points_per_unit`, `multiple_of`, `minimum`",
        ),
    ];
    for (pointer, value, told) in faults {
        let mut faulty = rules.clone();
        *faulty.pointer_mut(pointer).expect("a field of the rules") = value;
        write(&world, "faulty.json", &faulty.to_string());
        for words in [&["rehearse", "faulty.json"][..], &["publish", "faulty.json", "--from", "2026-01-01"]] {
            let output = world.run(&[&["programme"], words].concat());
            assert_eq!(refused(&output), format!("clientela: the server answered 422 {told}"));
        }
    }
    let asked = |words: &[&str]| refused(&world.run(&[&["programme"], words].concat()));
    insta::assert_snapshot!(asked(&["rehearse", "rules.json", "--now", "soon"]), @"clientela: the server answered 422 validation_failed: /now: must be a time of RFC 3339 or a date such as 2026-03-01");
    insta::assert_snapshot!(asked(&["rehearse", "nowhere.json"]), @"clientela: nowhere.json cannot be read: No such file or directory (os error 2)");
    insta::assert_snapshot!(refused(&piped(&world, &["programme", "rehearse", "-"], "{\"earn\": [}")), @"clientela: standard input is not valid JSON: expected value at line 1 column 11");
    let part = piped(&world, &["programme", "rehearse", "-"], "{\"earn\": []}");
    insta::assert_snapshot!(refused(&part), @"clientela: standard input has no `redeem`: a file of rules holds all of them; begin with what `clientela programme show --json` prints");
    let unknown = "018f0000-0000-7000-8000-000000000009";
    insta::assert_snapshot!(asked(&["publish", "rules.json", "--from", "2026-01-01", "--rehearsal", unknown]), @"clientela: the server answered 422 rehearsal_not_found: /rehearsal_id: rehearsal 018f0000-0000-7000-8000-000000000009 is not known");
    for words in [&["publish", "rules.json"][..], &["publish", "rules.json", "--from", "soon"]] {
        let output = world.run(&[&["programme"], words].concat());
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stderr).contains("--from <DATE>"));
    }
    assert_eq!(world.head().await, head, "nothing was recorded");
    assert_eq!(world.get(PROGRAMME).await.body["version"], Value::Null);
}

#[tokio::test]
async fn who_is_no_admin_sees_the_rules_and_neither_rehearses_nor_publishes() {
    let world = World::start().await;
    other_rules(&world);
    let made = world.run_json(&["key", "create", "reader", "--scope", "loyalty:read", "--json"]);
    let key = made["key"].as_str().expect("it is told once");
    assert!(told(&world, &["programme", "show", "--key", key]).starts_with("the standard rules\n"));
    for words in [&["rehearse", "rules.json"][..], &["publish", "rules.json", "--from", "2026-01-01"]] {
        let output = world.run(&[&["programme"], words, &["--key", key]].concat());
        let told = "clientela: the server answered 403 scope_missing: this operation needs the scope admin";
        assert_eq!(refused(&output), told);
    }
}
