//! Bad input: a clear error that names the field, and nothing is changed.

use crate::support::World;
use serde_json::{Value, json};

/// Sends a body; tells the answer, and fails if the log grew.
async fn refused(world: &World, path: &str, body: Value) -> String {
    let head = world.head().await;
    let answer = world.post(path, body).await;
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{}", answer.body);
    assert!(answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{}", answer.body);
    assert_eq!(world.head().await, head, "nothing may be written");
    answer.refusal()
}

#[tokio::test]
async fn a_body_that_is_no_json_or_not_the_right_one() {
    let world = World::start().await;
    let customer = world.member("body@example.com").await;
    let purchases = format!("/v1/customers/{customer}/purchases");
    let head = world.head().await;
    for (bytes, expected) in [
        (&b"{\"order_id\": "[..], "400 malformed_json"),
        (b"", "400 malformed_json"),
        (b"{\"order_id\": \"\xff\"}", "400 malformed_json"),
        (b"[]", "422 validation_failed"),
    ] {
        let answer = world.post_bytes(&purchases, bytes).await;
        assert!(answer.refusal().starts_with(expected), "{}", answer.refusal());
    }
    assert_eq!(world.head().await, head);
    let whole = json!({"order_id": "order-1", "total": "10.00", "currency": "EUR"});
    let with = |name: &str, value: Value| {
        let mut body = whole.clone();
        body[name] = value;
        body
    };
    let cases = [
        (with("tax", json!(1)), "422 validation_failed /tax unknown_field"),
        (with("order_id", json!(7)), "422 validation_failed /order_id wrong_type"),
        (with("lines", json!("none")), "422 validation_failed /lines wrong_type"),
        (json!({"total": "1.00", "currency": "EUR"}), "422 validation_failed /order_id missing_field"),
    ];
    for (body, expected) in cases {
        assert_eq!(refused(&world, &purchases, body).await, expected);
    }
}

#[tokio::test]
async fn amounts_currencies_and_texts_that_cannot_be() {
    let world = World::start().await;
    let customer = world.member("amounts@example.com").await;
    let purchases = format!("/v1/customers/{customer}/purchases");
    let purchase =
        |order: &str, total: Value, currency: &str| json!({"order_id": order, "total": total, "currency": currency});
    let cases = [
        (purchase("o-1", json!("-0.01"), "EUR"), "422 negative_total /total negative_total"),
        (purchase("o-1", json!("10000000000000.01"), "EUR"), "422 validation_failed /total amount_out_of_range"),
        (purchase("o-1", json!("1e300"), "EUR"), "422 validation_failed /total not_a_decimal"),
        (purchase("o-1", json!("9".repeat(500)), "EUR"), "422 validation_failed /total amount_out_of_range"),
        (purchase("o-1", json!("1.001"), "EUR"), "422 validation_failed /total too_many_decimals"),
        (purchase("o-1", json!("NaN"), "EUR"), "422 validation_failed /total not_a_decimal"),
        (purchase("o-1", json!("1.00"), "XXQ"), "422 validation_failed /currency unknown_currency"),
        (purchase(&"o".repeat(65), json!("1.00"), "EUR"), "422 validation_failed /order_id too_long"),
        (purchase("a b", json!("1.00"), "EUR"), "422 validation_failed /order_id invalid_character"),
        (purchase("", json!("1.00"), "EUR"), "422 validation_failed /order_id empty"),
    ];
    for (body, expected) in cases {
        assert_eq!(refused(&world, &purchases, body.clone()).await, expected, "{body}");
    }
    let earn = format!("/v1/customers/{customer}/loyalty/earn");
    let dollars = refused(&world, &earn, purchase("o-1", json!("1.00"), "USD")).await;
    assert!(dollars.starts_with("422 currency_mismatch"), "{dollars}");
    let redeem = format!("/v1/customers/{customer}/loyalty/redeem");
    let absurd = json!({"order_id": "o-2", "points": 9_223_372_036_854_775_807_i64 / 100 * 100});
    assert!(refused(&world, &redeem, absurd).await.starts_with("422 "));
    let beyond = world.post_bytes(&redeem, br#"{"order_id": "o-2", "points": 99999999999999999999}"#).await;
    assert!(beyond.refusal().starts_with("422 validation_failed /points"), "{}", beyond.refusal());
}

#[tokio::test]
async fn contacts_that_cannot_be() {
    let world = World::start().await;
    let cases = [
        (json!({"emails": ["no-at.example.com"]}), "/emails/0"),
        (json!({"emails": ["a@example.com", "b@"]}), "/emails/1"),
        (json!({"phones": ["+1"]}), "/phones/0"),
        (json!({"phones": ["612 345 678"]}), "/phones/0"),
        (json!({"name": "x".repeat(201), "emails": ["a@example.com"]}), "/name"),
        (json!({"name": "a\u{0}b", "emails": ["a@example.com"]}), "/name"),
        (json!({"references": [{"system": "ERP!", "reference": "1"}]}), "/references/0/system"),
        (json!({"kind": "robot", "emails": ["a@example.com"]}), "/kind"),
        (json!({"kind": "business", "emails": ["a@example.com"]}), "/company"),
        (json!({"emails": ["a@example.com"], "loyalty": true}), "/currency"),
    ];
    for (body, place) in cases {
        let answer = refused(&world, "/v1/customers", body.clone()).await;
        assert!(answer.starts_with("422 ") && answer.contains(&format!(" {place} ")), "{body}: {answer}");
    }
    assert_eq!(refused(&world, "/v1/customers", json!({"name": "Nobody"})).await, "422 contact_required");
}

#[tokio::test]
async fn positions_and_parameters_that_cannot_be() {
    let world = World::start().await;
    let customer = world.member("positions@example.com").await;
    let loyalty = format!("/v1/customers/{customer}/loyalty");
    let head = world.head().await;
    let beyond = world.get(&format!("{loyalty}?min_position={}", head + 1_000)).await;
    assert_eq!(beyond.refusal(), "400 position_beyond_head");
    assert_eq!(beyond.body["head"], head);
    let history = world.get(&format!("/v1/customers/{customer}/events?min_position={}", head + 1_000)).await;
    assert_eq!(history.refusal(), "400 position_beyond_head");
    let odd = world.get(&format!("{loyalty}?min_position=many")).await;
    assert_eq!(odd.refusal(), "400 invalid_position min_position invalid_position");
    let unknown = world.get("/v1/customers?telephone=1").await;
    assert!(unknown.refusal().starts_with("400 invalid_parameter telephone"), "{}", unknown.refusal());
    let cursor = world.get(&format!("/v1/customers/{customer}/events?cursor=made-up")).await;
    assert_eq!(cursor.refusal(), "400 invalid_cursor cursor invalid_cursor");
    assert_eq!(world.get("/v1/customers/not-an-id").await.refusal(), "400 invalid_id id invalid_id");
    assert_eq!(world.get("/v1/nothing").await.refusal(), "404 no_such_route");
    let nobody = "/v1/customers/00000000-0000-7000-8000-000000000000";
    assert_eq!(world.get(nobody).await.refusal(), "404 customer_not_found");
    let bought = world.buys("00000000-0000-7000-8000-000000000000", "o-1", "1.00").await;
    assert_eq!(bought.refusal(), "404 customer_not_found");
    assert_eq!(world.head().await, head);
}
