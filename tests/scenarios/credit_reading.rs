//! What is known of commercial credit, as callers read it: what there is not, what is over, what was, what is to be changed.

use crate::credit::{business, delete, line, put, uses};
use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};

const NOWHERE: &str = "00000000-0000-7000-8000-000000000000";

/// A query that sees all that there is by now.
async fn seen(world: &World, path: &str) -> Value {
    let sign = if path.contains('?') { '&' } else { '?' };
    let answer = world.get(&format!("{path}{sign}min_position={}", world.head().await)).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

#[tokio::test]
async fn of_a_line_that_is_none_nothing_is_told() {
    let world = World::start().await;
    let (_, line) = line(&world, "shop", "100.00").await;
    let tenant = world.run_json(&["tenant", "create", "acme", "--json"])["tenant"].to_string();
    let theirs = world.run_json(&["key", "create", "theirs", "--scope", "admin", "--tenant", &tenant, "--json"]);
    let theirs = theirs["key"].as_str().expect("a key");
    for part in ["", "/movements", "/aging", "/statement?from=2026-01-01&to=2026-02-01"] {
        let nowhere = world.get(&format!("/v1/credit-lines/{NOWHERE}{part}")).await;
        assert_eq!(nowhere.refusal(), "404 credit_not_requested", "{part}");
        let own = world.open(None, &format!("{line}{part}"), None).await;
        assert_eq!(own.status(), 200, "of a line that nothing has moved, {part}");
        let foreign = world.ask_as(Some(theirs), Method::GET, &format!("{line}{part}"), None).await;
        assert_eq!(foreign.refusal(), "404 credit_not_requested", "{part}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_name() {
    let world = World::start().await;
    let (customer, line) = line(&world, "shop", "100.00").await;
    let lines = format!("/v1/customers/{customer}/credit-lines");
    let group = format!("/v1/credit-groups/{NOWHERE}");
    for path in ["/v1/credit/aging", &lines, &format!("{line}/aging"), &group] {
        let refused = world.get(&format!("{path}?colour=red")).await;
        assert_eq!(refused.refusal(), "400 invalid_parameter colour invalid_parameter", "{path}");
    }
    let period = [("10000-01-01", "10000-02-01", "from"), ("-0001-01-01", "-0001-02-01", "from")];
    let period = period.into_iter().chain([("0000-01-01", "0000-02-01", "from"), ("2026-01-01", "2026-1-31", "to")]);
    for (from, to, name) in period.chain([("262143-01-01", "262143-01-02", "from"), ("2025-01-01", "2026-02-06", "to")])
    {
        let refused = world.get(&format!("{line}/statement?from={from}&to={to}")).await;
        assert_eq!(refused.refusal(), format!("400 invalid_parameter {name} invalid_parameter"), "{from} to {to}");
    }
    let farthest = world.open(None, &format!("{line}/statement?from=9999-01-01&to=9999-12-31"), None).await;
    assert_eq!(farthest.status(), 200);
}

#[tokio::test]
async fn what_is_made_says_where_it_is_and_a_dissolved_group_that_it_is_over() {
    let world = World::start().await;
    let shop = business(&world, "parent").await;
    let asked = json!({"amount": "90.00", "currency": "USD"});
    let asked = world.post(&format!("/v1/customers/{shop}/credit-lines"), asked).await;
    let at = asked.headers["location"].to_str().expect("text").to_owned();
    assert_eq!(seen(&world, &at).await["line_id"], asked.body["line_id"]);

    let (parent, line) = line(&world, "branch", "60.00").await;
    let formed =
        world.post("/v1/credit-groups", json!({"parent_id": parent, "limit": "90.00", "currency": "EUR"})).await;
    let group = formed.headers["location"].to_str().expect("text").to_owned();
    let member = format!("{group}/members/{}", line.rsplit('/').next().expect("an id"));
    assert_eq!(put(&world, &member, None).await.status, 200);
    assert_eq!(uses(&world, &line, "order-1", "30.00").await.status, 201);
    let living = seen(&world, &group).await;
    assert_eq!((&living["available"], &living["dissolved_on"]), (&json!("60.00"), &Value::Null), "{living}");
    let shown = seen(&world, &line).await;
    assert_eq!(shown["group_available"], "60.00");
    let past = seen(&world, &format!("{line}?at_version={}", shown["version"])).await;
    assert_eq!(
        (&past["group_id"], &past["group_available"]),
        (&shown["group_id"], &Value::Null),
        "nobody knows: {past}"
    );

    assert_eq!(delete(&world, &member).await.status, 200);
    assert_eq!(delete(&world, &group).await.status, 200);
    let over = seen(&world, &group).await;
    assert_eq!((&over["available"], &over["members"]), (&json!("0.00"), &json!([])), "{over}");
    assert_eq!(over["dissolved_on"], over["formed_on"], "on the same day: {over}");
}
