//! Refunds: by lines and in part, and what becomes of the points that were redeemed for the order.

use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn lines(refund: &str, lines: &[(&str, u32)]) -> Value {
    let lines: Vec<_> = lines.iter().map(|(sku, quantity)| json!({"sku": sku, "quantity": quantity})).collect();
    json!({"order_id": "order-2", "refund_id": refund, "lines": lines})
}

/// A member with 300 points spent on `order-2`: three cups for 30.00 and a plate for 15.00, 3.00 off.
async fn bought(world: &World, email: &str) -> String {
    let customer = world.member(email).await;
    world.buys(&customer, "order-1", "400.00").await;
    let redeem = json!({"order_id": "order-2", "points": 300});
    assert_eq!(world.post(&format!("/v1/customers/{customer}/loyalty/redeem"), redeem).await.status, 201);
    let purchase = json!({
        "order_id": "order-2", "total": "42.00", "currency": "EUR",
        "lines": [
            {"sku": "cup", "quantity": 3, "amount": "30.00"},
            {"sku": "plate", "quantity": 1, "amount": "15.00"},
        ],
    });
    let recorded = world.post(&format!("/v1/customers/{customer}/purchases"), purchase).await;
    assert_eq!((recorded.status, &recorded.body["balance"]), (201, &json!(142)), "{}", recorded.body);
    customer
}

#[tokio::test]
async fn lines_are_given_back_and_redeemed_points_come_back_in_proportion() {
    let world = World::start().await;
    let customer = bought(&world, "lines@example.com").await;
    let refunds = format!("/v1/customers/{customer}/refunds");
    let cup = world.post_keyed(&refunds, "desk-1", lines("r-1", &[("cup", 1)])).await;
    assert_eq!((cup.status, &cup.body["amount"], &cup.body["remaining"]), (201, &json!("9.33"), &json!("32.67")));
    // 42 were earned, of which 32 remain; 300 were redeemed, of which 9.33 of 42.00 come back.
    assert_eq!((&cup.body["points_reversed"], &cup.body["points_returned"]), (&json!(10), &json!(66)));
    assert_eq!(cup.body["balance"], 198);
    let again = world.post_keyed(&refunds, "desk-1", lines("r-1", &[("cup", 1)])).await;
    assert_eq!((again.status, again.position, &again.body["points_returned"]), (200, cup.position, &json!(66)));
    let otherwise = world.post(&refunds, lines("r-1", &[("cup", 2)])).await;
    assert_eq!(otherwise.refusal(), "409 refund_already_recorded");
    let rest = world.post(&refunds, lines("r-2", &[("plate", 1), ("cup", 2)])).await;
    assert_eq!((rest.status, &rest.body["amount"], &rest.body["remaining"]), (201, &json!("32.67"), &json!("0.00")));
    assert_eq!((&rest.body["points_reversed"], &rest.body["points_returned"]), (&json!(32), &json!(234)));

    let seen = world.loyalty_at(&customer, rest.position).await;
    assert_eq!((&seen["balance"], &seen["redeemed"], &seen["returned"]), (&json!(400), &json!(300), &json!(300)));
    assert_eq!(seen["expiries"].as_array().map(Vec::len), Some(1), "with the expiry they had: {seen}");
    let position = rest.position.expect("a position");
    let ledger = world.get(&format!("/v1/customers/{customer}/loyalty/ledger?min_position={position}")).await;
    let rows = ledger.body["items"].as_array().expect("rows").clone();
    let told: Vec<_> = rows.iter().take(2).map(|row| (text(&row["kind"]), row["points"].as_i64())).collect();
    assert_eq!(told, [("returned", Some(234)), ("reversed", Some(-32))]);
    assert_eq!((&rows[0]["order_id"], &rows[0]["refund_id"]), (&json!("order-2"), &json!("r-2")));
    let kpis = world.get(&format!("/v1/loyalty/kpis?min_position={position}")).await.body;
    assert_eq!((&kpis["points_redeemed"], &kpis["points_returned"]), (&json!(300), &json!(300)));
    assert_eq!((&kpis["redemption_ratio"], &kpis["outstanding_points"]), (&json!("0.0000"), &json!(400)));
    assert_eq!(kpis["outstanding"][0]["worth"], "4.00");
}

#[tokio::test]
async fn lines_that_cannot_come_back_are_refused_by_their_place() {
    let world = World::start().await;
    let customer = bought(&world, "places@example.com").await;
    let refunds = format!("/v1/customers/{customer}/refunds");
    let head = world.head().await;
    for (body, refusal) in [
        (lines("r-1", &[("cup", 1), ("fork", 1)]), "422 line_not_bought /lines/1/sku line_not_bought"),
        (lines("r-1", &[("cup", 4)]), "422 line_exceeds_purchase /lines/0/quantity line_exceeds_purchase"),
        (lines("r-1", &[("cup", 0)]), "422 quantity_required /lines/0/quantity quantity_required"),
        (lines("r-1", &[]), "422 validation_failed /lines empty"),
        (lines("r-1", &[("a cup", 1)]), "422 validation_failed /lines/0/sku invalid_character"),
    ] {
        assert_eq!(world.post(&refunds, body).await.refusal(), refusal);
    }
    let mut dear = lines("r-1", &[("cup", 1)]);
    (dear["amount"], dear["currency"]) = (json!("42.01"), json!("EUR"));
    assert_eq!(
        world.post(&refunds, dear).await.refusal(),
        "422 refund_exceeds_purchase /amount refund_exceeds_purchase"
    );
    assert_eq!(world.head().await, head);
    let reader = world.run_json(&["key", "create", "r", "--scope", "customers:read", "--json"]);
    let forbidden =
        world.ask_as(Some(text(&reader["key"])), Method::POST, &refunds, Some(lines("r-1", &[("cup", 1)]))).await;
    assert_eq!(forbidden.refusal(), "403 scope_missing");
    let tenant = world.run_json(&["tenant", "create", "acme", "--json"])["tenant"].to_string();
    let theirs = world.run_json(&["key", "create", "a", "--scope", "admin", "--tenant", &tenant, "--json"]);
    let unknown =
        world.ask_as(Some(text(&theirs["key"])), Method::POST, &refunds, Some(lines("r-1", &[("cup", 1)]))).await;
    assert_eq!(unknown.refusal(), "404 customer_not_found");
    let two = world.post(&refunds, lines("r-1", &[("cup", 2)])).await;
    assert_eq!(two.status, 201, "{}", two.body);
    let third = world.post(&refunds, lines("r-2", &[("cup", 2)])).await;
    assert_eq!((third.status, &third.body["remaining"]), (422, &json!(1)), "{}", third.body);
}

#[tokio::test]
async fn a_hold_for_an_order_that_is_given_back_whole_is_released_with_it() {
    let world = World::start().await;
    let customer = world.member("held@example.com").await;
    world.buys(&customer, "order-1", "400.00").await;
    let holds = format!("/v1/customers/{customer}/loyalty/holds");
    let placed = world.post(&holds, json!({"order_id": "order-2", "points": 300})).await;
    world.buys(&customer, "order-2", "10.00").await;
    let refunds = format!("/v1/customers/{customer}/refunds");
    let given = world.post(&refunds, json!({"order_id": "order-2", "refund_id": "r-1"})).await;
    assert_eq!((given.status, &given.body["balance"]), (201, &json!(400)), "{}", given.body);
    let late =
        world.post(&format!("{holds}/{}/capture", text(&placed.body["hold_id"])), json!({"order_id": "order-2"})).await;
    assert_eq!((late.refusal().as_str(), &late.body["ended"]), ("409 hold_over", &json!("cancelled")));
}
