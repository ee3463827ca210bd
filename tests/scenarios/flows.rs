//! The flows of the till, from the first word to the receipt.

use crate::support::World;
use futures::future::join_all;
use serde_json::{Value, json};

/// A customer says a telephone number; the till finds them.
async fn found_by_phone(world: &World, phone: &str, position: Option<i64>) -> Value {
    let position = position.expect("a command answers with its position");
    let found = world.get(&format!("/v1/customers?phone={phone}&min_position={position}")).await;
    assert_eq!(found.status, 200, "{}", found.body);
    found.body["items"][0].clone()
}

async fn member_with_phone(world: &World, phone: &str) -> (String, Option<i64>) {
    let body = json!({"name": "Ana Torres", "phones": [phone], "loyalty": {"currency": "EUR"}});
    let registered = world.post("/v1/customers", body).await;
    assert_eq!(registered.status, 201, "{}", registered.body);
    (registered.body["customer_id"].as_str().expect("an id").to_owned(), registered.position)
}

#[tokio::test]
async fn flow_1_purchase_with_points() {
    let world = World::start().await;
    let (customer, position) = member_with_phone(&world, "+34612345678").await;
    let found = found_by_phone(&world, "%2B34612345678", position).await;
    assert_eq!((&found["customer_id"], &found["name"]), (&json!(customer), &json!("Ana Torres")), "{found}");

    let first = world.buys(&customer, "order-1", "24.99").await;
    assert_eq!((first.status, &first.body["points_earned"], &first.body["balance"]), (201, &json!(24), &json!(24)));
    assert_eq!(first.body["tier"], "bronze");

    let large = world.buys(&customer, "order-2", "1000.00").await;
    assert_eq!((&large.body["tier_upgraded"], &large.body["balance"]), (&json!("silver"), &json!(1_024)));
    let (_, told) = told_types(&world, &customer, large.position).await;
    assert!(told.contains(&"loyalty.tier.upgraded".to_owned()), "who sends messages hears of it: {told:?}");

    let again = world.buys(&customer, "order-2", "1000.00").await;
    assert_eq!((again.status, &again.body["repeated"]), (200, &json!(true)), "a till that asks again is told the same");
    let account = world.loyalty_at(&customer, large.position).await;
    assert_eq!((&account["balance"], &account["tier"]), (&json!(1_024), &json!("silver")));
    let unknown = world.get("/v1/customers?phone=%2B34600000000").await;
    assert_eq!((unknown.status, &unknown.body["items"]), (200, &json!([])));
}

#[tokio::test]
async fn flow_2_redemption() {
    let world = World::start().await;
    let (customer, _) = member_with_phone(&world, "+34612345679").await;
    let earned = world.buys(&customer, "order-1", "350.00").await;
    assert_eq!(world.loyalty_at(&customer, earned.position).await["balance"], 350);

    let holds = format!("/v1/customers/{customer}/loyalty/holds");
    let too_many = world.post(&holds, json!({"order_id": "order-2", "points": 400})).await;
    assert_eq!((too_many.status, &too_many.body["available"]), (422, &json!(350)), "{}", too_many.body);
    let held = world.post(&holds, json!({"order_id": "order-2", "points": 300})).await;
    assert_eq!((held.status, &held.body["discount"], &held.body["balance"]), (201, &json!("3.00"), &json!(50)));

    let sale = world.buys(&customer, "order-2", "17.00").await;
    assert_eq!((sale.status, &sale.body["points_earned"]), (201, &json!(17)), "of what was paid: {}", sale.body);
    let capture = format!("{holds}/{}/capture", held.body["hold_id"].as_str().expect("an id"));
    let captured = world.post(&capture, json!({"order_id": "order-2"})).await;
    assert_eq!((captured.status, &captured.body["discount"]), (201, &json!("3.00")), "{}", captured.body);
    let twice = world.post(&capture, json!({"order_id": "order-2"})).await;
    assert_eq!((twice.status, &twice.body["discount"]), (200, &json!("3.00")), "captured once: {}", twice.body);
    let account = world.loyalty_at(&customer, captured.position).await;
    assert_eq!((&account["balance"], &account["held"], &account["redeemed"]), (&json!(67), &json!(0), &json!(300)));
}

#[tokio::test]
async fn sixty_four_tills_spend_no_more_than_there_is() {
    let world = World::start().await;
    let (customer, _) = member_with_phone(&world, "+34612345670").await;
    world.buys(&customer, "order-0", "1000.00").await;
    let redeem = format!("/v1/customers/{customer}/loyalty/redeem");
    let tills = (1..=64).map(|till| {
        let (world, redeem) = (&world, &redeem);
        async move { world.post(redeem, json!({"order_id": format!("order-{till}"), "points": 100})).await }
    });
    let answers = join_all(tills).await;
    let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(201), with(422)), (10, 54));
    let last = answers.iter().filter_map(|answer| answer.position).max();
    let account = world.loyalty_at(&customer, last).await;
    assert_eq!((&account["balance"], &account["redeemed"]), (&json!(0), &json!(1_000)));
}

async fn told_types(world: &World, customer: &str, position: Option<i64>) -> (i64, Vec<String>) {
    let position = position.expect("a position");
    let told = world.get(&format!("/v1/customers/{customer}/timeline?min_position={position}")).await;
    let items = told.body["items"].as_array().expect("a list");
    (position, items.iter().filter_map(|item| item["type"].as_str().map(str::to_owned)).collect())
}
