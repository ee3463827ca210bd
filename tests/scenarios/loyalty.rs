//! Points: redeemed, never overdrawn.

use crate::support::World;
use serde_json::{Value, json};
use std::sync::Arc;

#[tokio::test]
async fn points_become_a_discount_once_for_each_order() {
    let world = World::start().await;
    let customer = world.member("redeem@example.com").await;
    world.buys(&customer, "order-1", "350.00").await;
    let redeem = format!("/v1/customers/{customer}/loyalty/redeem");
    let order = json!({"order_id": "order-2", "points": 200});
    let redeemed = world.post(&redeem, order.clone()).await;
    assert_eq!((redeemed.status, &redeemed.body["discount"]), (201, &json!("2.00")));
    assert_eq!(redeemed.body["balance"], 150);
    let again = world.post(&redeem, order).await;
    assert_eq!((again.status, &again.body["discount"]), (200, &json!("2.00")));
    let otherwise = world.post(&redeem, json!({"order_id": "order-2", "points": 100})).await;
    assert_eq!(otherwise.status, 409, "{}", otherwise.body);
    assert_eq!(world.loyalty_at(&customer, redeemed.position).await["balance"], 150);
}

#[tokio::test]
async fn more_than_there_is_and_odd_numbers_are_refused() {
    let world = World::start().await;
    let customer = world.member("few@example.com").await;
    world.buys(&customer, "order-1", "150.00").await;
    let head = world.head().await;
    let redeem = format!("/v1/customers/{customer}/loyalty/redeem");
    let too_many = world.post(&redeem, json!({"order_id": "order-2", "points": 200})).await;
    assert_eq!((too_many.status, &too_many.body["available"]), (422, &json!(150)), "{}", too_many.body);
    for points in [0, -100, 50, 101] {
        let refused = world.post(&redeem, json!({"order_id": "order-2", "points": points})).await;
        assert_eq!(refused.status, 422, "{points}: {}", refused.body);
        assert_eq!(refused.body["errors"][0]["pointer"], "/points");
    }
    assert_eq!(world.head().await, head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_tills_redeem_exactly_what_the_account_has() {
    let world = Arc::new(World::start().await);
    let customer = world.member("crowd@example.com").await;
    world.buys(&customer, "order-1", "10000.00").await;
    let mut tills = tokio::task::JoinSet::new();
    for till in 0..64 {
        let (world, customer) = (Arc::clone(&world), customer.clone());
        tills.spawn(async move {
            let mut answers = Vec::new();
            // 160 orders among 64 tills.
            for order in (till..160).step_by(64) {
                let body = json!({"order_id": format!("crowd-{order}"), "points": 100});
                answers.push(world.post(&format!("/v1/customers/{customer}/loyalty/redeem"), body).await);
            }
            answers
        });
    }
    let answers: Vec<_> = tills.join_all().await.into_iter().flatten().collect();
    let succeeded: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 422).collect();
    assert_eq!((succeeded.len(), refused.len()), (100, 60));
    for answer in refused {
        assert_eq!(answer.refusal(), "422 insufficient_points /points insufficient_points");
        assert_eq!(answer.body["available"], 0);
    }
    let last = succeeded.iter().filter_map(|answer| answer.position).max();
    let loyalty = world.loyalty_at(&customer, last).await;
    assert_eq!((&loyalty["balance"], &loyalty["redeemed"]), (&json!(0), &json!(10_000)));
    let redeemed = redeemed_in_history(&world, &customer).await;
    let expected: Vec<i64> = (0..100).map(|nth| 9_900 - 100 * nth).collect();
    assert_eq!(redeemed, expected, "the history shows each redemption with the balance that it left");
}

async fn redeemed_in_history(world: &World, customer: &str) -> Vec<i64> {
    let mut balances = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.get(&format!("/v1/customers/{customer}/events?limit=100{cursor}")).await;
        let events = page.body["events"].as_array().expect("events").clone();
        let redeemed = events.iter().filter(|event| event["type"] == "loyalty.points.redeemed");
        balances.extend(redeemed.filter_map(|event| event["payload"]["balance"].as_i64()));
        match &page.body["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return balances,
        }
    }
}
