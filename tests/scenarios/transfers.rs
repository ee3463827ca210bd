//! Points that go from one member to another.

use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};

async fn ledger(world: &World, customer: &str, position: i64) -> Vec<Value> {
    let page = world.get(&format!("/v1/customers/{customer}/loyalty/ledger?min_position={position}")).await;
    page.body["items"].as_array().expect("rows").clone()
}

#[tokio::test]
async fn points_go_to_another_member_with_their_dates_once() {
    let world = World::start().await;
    let (ana, bea) = (world.member("gives@example.com").await, world.member("takes@example.com").await);
    world.buys(&ana, "order-1", "1350.00").await;
    let transfers = format!("/v1/customers/{ana}/loyalty/transfers");
    let body = json!({"transfer_id": "t-1", "to": bea, "points": 1200, "reason": "family-pool"});
    let made = world.post(&transfers, body.clone()).await;
    assert_eq!(
        (made.status, &made.body["balance"], &made.body["to"]),
        (201, &json!(150), &json!(bea)),
        "{}",
        made.body
    );
    let again = world.post(&transfers, body.clone()).await;
    assert_eq!((again.status, again.position, &again.body["repeated"]), (200, made.position, &json!(true)));
    let keyed = world.post_keyed(&transfers, "desk-1", body).await;
    assert_eq!((keyed.status, keyed.position), (200, made.position));

    let giver = world.loyalty_at(&ana, made.position).await;
    let taker = world.loyalty_at(&bea, made.position).await;
    assert_eq!(
        (&giver["balance"], &giver["transferred_out"], &giver["tier"]),
        (&json!(150), &json!(1200), &json!("silver"))
    );
    assert_eq!(
        (&taker["balance"], &taker["transferred_in"], &taker["tier"]),
        (&json!(1200), &json!(1200), &json!("bronze"))
    );
    assert_eq!((&taker["lifetime_earned"], &taker["earned_last_12_months"]), (&json!(0), &json!(0)));
    assert_eq!(giver["expiries"][0]["expires_on"], taker["expiries"][0]["expires_on"]);

    let position = made.position.expect("a position");
    let (given, taken) = (ledger(&world, &ana, position).await, ledger(&world, &bea, position).await);
    let told =
        |row: &Value| json!([row["kind"], row["points"], row["balance"], row["transfer_id"], row["other_customer_id"]]);
    assert_eq!(told(&given[0]), json!(["transferred_out", -1200, 150, "t-1", bea]));
    assert_eq!(told(&taken[0]), json!(["transferred_in", 1200, 1200, "t-1", ana]));
    let kpis = world.get(&format!("/v1/loyalty/kpis?min_position={position}")).await;
    assert_eq!(kpis.body["outstanding_points"], 1350, "{}", kpis.body);
    let redeemed =
        world.post(&format!("/v1/customers/{bea}/loyalty/redeem"), json!({"order_id": "o", "points": 1200})).await;
    assert_eq!(redeemed.status, 201, "{}", redeemed.body);
}

#[tokio::test]
async fn what_is_no_transfer_is_refused() {
    let world = World::start().await;
    let (ana, bea) = (world.member("gives@example.com").await, world.member("takes@example.com").await);
    world.buys(&ana, "order-1", "350.00").await;
    world.post(&format!("/v1/customers/{ana}/loyalty/holds"), json!({"order_id": "order-2", "points": 300})).await;
    let transfers = format!("/v1/customers/{ana}/loyalty/transfers");
    let nobody = "018f0000-0000-7000-8000-000000000001";
    let head = world.head().await;
    for (body, refusal) in [
        (json!({"transfer_id": "t", "to": bea, "points": 51}), "422 insufficient_points /points insufficient_points"),
        (json!({"transfer_id": "t", "to": bea, "points": 0}), "422 points_not_positive /points points_not_positive"),
        (json!({"transfer_id": "t", "to": ana, "points": 1}), "422 transfer_to_itself /to transfer_to_itself"),
        (json!({"transfer_id": "t", "to": nobody, "points": 1}), "422 receiver_not_a_member /to receiver_not_a_member"),
        (json!({"transfer_id": "t", "to": "bea", "points": 1}), "422 validation_failed /to not_a_uuid"),
        (json!({"transfer_id": "t 1", "to": bea, "points": 1}), "422 validation_failed /transfer_id invalid_character"),
        (
            json!({"transfer_id": "t", "to": bea, "points": 1, "reason": "A gift"}),
            "422 validation_failed /reason invalid_character",
        ),
    ] {
        assert_eq!(world.post(&transfers, body.clone()).await.refusal(), refusal, "{body}");
    }
    let body = json!({"transfer_id": "t", "to": bea, "points": 50});
    let unknown = world.post(&format!("/v1/customers/{nobody}/loyalty/transfers"), body.clone()).await;
    assert_eq!((unknown.status, &unknown.body["code"]), (404, &json!("not_a_member")));
    let till = world.run_json(&["key", "create", "till", "--scope", "loyalty:write", "--json"]);
    let as_till = world.ask_as(till["key"].as_str(), Method::POST, &transfers, Some(body.clone())).await;
    assert_eq!(as_till.refusal(), "403 scope_missing");
    assert_eq!(world.head().await, head + 1, "only the key was made");
    assert_eq!(world.post(&transfers, body).await.status, 201);
    let otherwise = world.post(&transfers, json!({"transfer_id": "t", "to": bea, "points": 1})).await;
    assert_eq!((otherwise.status, &otherwise.body["code"]), (409, &json!("transfer_already_made")));
}
