//! Points given and taken by hand.

use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};

fn adjustment(id: &str, points: i64) -> Value {
    json!({"adjustment_id": id, "points": points, "reason": "goodwill", "note": "A broken cup"})
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test]
async fn points_are_given_and_taken_once_and_stand_in_ledger_and_figures() {
    let world = World::start().await;
    let customer = world.member("adjusted@example.com").await;
    world.buys(&customer, "order-1", "50.00").await;
    let path = format!("/v1/customers/{customer}/loyalty/adjustments");
    let given = world.post_keyed(&path, "desk-1", adjustment("case-1", 5_000)).await;
    assert_eq!((given.status, &given.body["balance"]), (201, &json!(5_050)), "{}", given.body);
    assert!(given.body["expires_on"].is_string(), "{}", given.body);
    let again = world.post_keyed(&path, "desk-1", adjustment("case-1", 5_000)).await;
    assert_eq!((again.status, again.position, &again.body["balance"]), (200, given.position, &json!(5_050)));
    let told_again = world.post(&path, adjustment("case-1", 5_000)).await;
    assert_eq!((told_again.status, told_again.position), (200, given.position), "{}", told_again.body);
    let otherwise = world.post(&path, adjustment("case-1", 6_000)).await;
    assert_eq!(otherwise.refusal(), "409 adjustment_already_made /adjustment_id adjustment_already_made");
    let taken = world.post(&path, json!({"adjustment_id": "case-2", "points": -50, "reason": "correction"})).await;
    assert_eq!((taken.status, &taken.body["balance"], &taken.body["expires_on"]), (201, &json!(5_000), &Value::Null));

    let seen = world.loyalty_at(&customer, taken.position).await;
    assert_eq!(
        (&seen["balance"], &seen["adjusted"], &seen["lifetime_earned"]),
        (&json!(5_000), &json!(4_950), &json!(50))
    );
    assert_eq!((&seen["tier"], &seen["earned_last_12_months"]), (&json!("bronze"), &json!(50)));
    let before = world.get(&format!("/v1/customers/{customer}/loyalty?at_version=3")).await;
    assert_eq!((&before.body["balance"], &before.body["adjusted"]), (&json!(5_050), &json!(5_000)));
    let position = taken.position.expect("a position");
    let ledger = world.get(&format!("/v1/customers/{customer}/loyalty/ledger?min_position={position}")).await;
    let rows = ledger.body["items"].as_array().expect("rows").clone();
    let told: Vec<_> = rows.iter().map(|row| (text(&row["kind"]), row["points"].as_i64(), &row["reason"])).collect();
    let expected = [
        ("adjusted", Some(-50), &json!("correction")),
        ("adjusted", Some(5_000), &json!("goodwill")),
        ("earned", Some(50), &Value::Null),
    ];
    assert_eq!(told, expected);
    assert_eq!(rows[0]["adjustment_id"], "case-2");
    let kpis = world.get(&format!("/v1/loyalty/kpis?min_position={position}")).await.body;
    assert_eq!((&kpis["points_adjusted"], &kpis["movements"]["adjusted"]), (&json!(4_950), &json!(2)));
    assert_eq!((&kpis["outstanding_points"], &kpis["outstanding"][0]["worth"]), (&json!(5_000), &json!("50.00")));
}

#[tokio::test]
async fn what_is_not_there_is_not_taken_and_what_is_wrong_is_named() {
    let world = World::start().await;
    let customer = world.member("refused@example.com").await;
    world.buys(&customer, "order-1", "50.00").await;
    let head = world.head().await;
    let path = format!("/v1/customers/{customer}/loyalty/adjustments");
    for (body, refusal) in [
        (adjustment("case-1", -51), "422 insufficient_points /points insufficient_points"),
        (adjustment("case-1", 0), "422 adjustment_of_nothing /points adjustment_of_nothing"),
        (adjustment("case-1", 1_000_001), "422 adjustment_limit /points adjustment_limit"),
        (adjustment("case 1", 1), "422 validation_failed /adjustment_id invalid_character"),
        (
            json!({"adjustment_id": "case-1", "points": 1, "reason": "because", "note": " "}),
            "422 validation_failed /reason unknown_reason, /note empty",
        ),
        (
            json!({"adjustment_id": "case-1", "points": 1, "reason": "fraud", "counts": true}),
            "422 validation_failed /counts unknown_field",
        ),
    ] {
        assert_eq!(world.post(&path, body).await.refusal(), refusal);
    }
    let writer = world.run_json(&["key", "create", "till", "--scope", "loyalty:write", "--json"]);
    let forbidden = world.ask_as(Some(text(&writer["key"])), Method::POST, &path, Some(adjustment("case-1", 1))).await;
    assert_eq!(
        (forbidden.refusal().as_str(), &forbidden.body["scope"]),
        ("403 scope_missing", &json!("loyalty:adjust"))
    );
    let tenant = world.run_json(&["tenant", "create", "acme", "--json"])["tenant"].to_string();
    let theirs = world.run_json(&["key", "create", "a", "--scope", "admin", "--tenant", &tenant, "--json"]);
    let unknown = world.ask_as(Some(text(&theirs["key"])), Method::POST, &path, Some(adjustment("case-1", 1))).await;
    assert_eq!(unknown.status, 404, "{}", unknown.body);
    let seen = world.loyalty_at(&customer, Some(head)).await;
    assert_eq!((&seen["balance"], &seen["adjusted"]), (&json!(50), &json!(0)));
}

#[tokio::test]
async fn what_was_said_is_told_to_the_customer_and_to_nobody_without_the_right() {
    let world = World::start().await;
    let customer = world.member("noted@example.com").await;
    let path = format!("/v1/customers/{customer}/loyalty/adjustments");
    assert_eq!(world.post(&path, adjustment("case-1", 10)).await.status, 201);
    let export = world.get(&format!("/v1/customers/{customer}/export")).await;
    assert!(export.body.to_string().contains("A broken cup"), "{}", export.body);
    let scopes = "customers:read,loyalty:read,audit:read";
    let reader = world.run_json(&["key", "create", "r", "--scope", scopes, "--json"]);
    for path in ["events", "timeline", "loyalty/ledger"] {
        let path = format!("/v1/customers/{customer}/{path}");
        let seen = world.ask_as(Some(text(&reader["key"])), Method::GET, &path, None).await;
        assert_eq!(seen.status, 200, "{path}: {}", seen.body);
        assert!(!seen.body.to_string().contains("broken"), "{path}: {}", seen.body);
        assert!(seen.body.to_string().contains("goodwill"), "{path}: {}", seen.body);
    }
    let erased = world.post(&format!("/v1/customers/{customer}/erase"), json!({})).await;
    assert_eq!(erased.status, 200, "{}", erased.body);
    let events = world.get(&format!("/v1/customers/{customer}/events")).await;
    assert!(!events.body.to_string().contains("broken"), "{}", events.body);
}
