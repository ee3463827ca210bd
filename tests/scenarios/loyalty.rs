//! Points: held, redeemed, never overdrawn.

use crate::support::World;
use reqwest::Method;
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

#[tokio::test]
async fn points_are_held_for_an_order_and_become_its_discount() {
    let world = World::start().await;
    let customer = world.member("hold@example.com").await;
    world.buys(&customer, "order-1", "350.00").await;
    let holds = format!("/v1/customers/{customer}/loyalty/holds");
    let placed = world.post(&holds, json!({"order_id": "order-2", "points": 200})).await;
    assert_eq!((placed.status, &placed.body["discount"], &placed.body["balance"]), (201, &json!("2.00"), &json!(150)));
    let again = world.post(&holds, json!({"order_id": "order-2", "points": 200})).await;
    assert_eq!((again.status, &again.body["hold_id"]), (200, &placed.body["hold_id"]), "{}", again.body);
    let shown = world.loyalty_at(&customer, placed.position).await;
    assert_eq!(
        (&shown["balance"], &shown["held"], &shown["holds"][0]["points"]),
        (&json!(150), &json!(200), &json!(200))
    );
    for field in ["hold_id", "lapses_at"] {
        assert_eq!(shown["holds"][0][field], placed.body[field], "{field}");
    }
    let more = world.post(&holds, json!({"order_id": "order-3", "points": 200})).await;
    assert_eq!(
        (more.refusal(), &more.body["available"]),
        ("422 insufficient_points /points insufficient_points".to_owned(), &json!(150))
    );
    let redeem = format!("/v1/customers/{customer}/loyalty/redeem");
    let beside = world.post(&redeem, json!({"order_id": "order-2", "points": 100})).await;
    assert_eq!(beside.body["code"], "order_already_held");

    let capture = format!("{holds}/{}/capture", text(&placed.body["hold_id"]));
    let other_order = world.post(&capture, json!({"order_id": "order-3"})).await;
    assert_eq!((other_order.status, &other_order.body["code"]), (409, &json!("hold_of_another_order")));
    let captured = world.post(&capture, json!({"order_id": "order-2"})).await;
    assert_eq!(
        (captured.status, &captured.body["discount"], &captured.body["balance"]),
        (201, &json!("2.00"), &json!(150))
    );
    let again = world.post(&capture, json!({"order_id": "order-2"})).await;
    assert_eq!((again.status, &again.body["discount"], again.position), (200, &json!("2.00"), captured.position));
    let shown = world.loyalty_at(&customer, captured.position).await;
    assert_eq!((&shown["balance"], &shown["held"], &shown["redeemed"]), (&json!(150), &json!(0), &json!(200)));
    let position = captured.position.expect("a position");
    let ledger = world.get(&format!("/v1/customers/{customer}/loyalty/ledger?min_position={position}")).await;
    let rows = ledger.body["items"].as_array().expect("rows").clone();
    let told: Vec<_> =
        rows.iter().map(|row| (text(&row["kind"]), row["points"].as_i64(), row["held"].as_i64())).collect();
    assert_eq!(
        told,
        [("redeemed", Some(0), Some(-200)), ("held", Some(-200), Some(200)), ("earned", Some(350), Some(0))]
    );
}

#[tokio::test]
async fn what_a_hold_became_is_not_redeemed_again() {
    let world = World::start().await;
    let customer = world.member("hold@example.com").await;
    world.buys(&customer, "order-1", "500.00").await;
    let loyalty = format!("/v1/customers/{customer}/loyalty");
    let placed = world.post(&format!("{loyalty}/holds"), json!({"order_id": "order-2", "points": 200})).await;
    let capture = format!("{loyalty}/holds/{}/capture", text(&placed.body["hold_id"]));
    assert_eq!(world.post(&capture, json!({"order_id": "order-2"})).await.status, 201);
    let again = world.post(&format!("{loyalty}/redeem"), json!({"order_id": "order-2", "points": 200})).await;
    assert_eq!((again.status, &again.body["code"]), (409, &json!("order_already_redeemed")), "{}", again.body);
}

#[tokio::test]
async fn held_points_come_back_and_what_is_no_hold_is_refused() {
    let world = World::start().await;
    let customer = world.member("release@example.com").await;
    let other = world.member("other@example.com").await;
    world.buys(&customer, "order-1", "350.00").await;
    let holds = format!("/v1/customers/{customer}/loyalty/holds");
    let placed = world.post(&holds, json!({"order_id": "order-2", "points": 200})).await;
    let hold = text(&placed.body["hold_id"]).to_owned();
    let theirs = world.post(&format!("/v1/customers/{other}/loyalty/holds/{hold}/release"), json!({})).await;
    assert_eq!((theirs.status, &theirs.body["code"]), (404, &json!("hold_not_found")));
    let release = format!("{holds}/{hold}/release");
    let released = world.post(&release, json!({})).await;
    assert_eq!((released.status, &released.body["balance"]), (201, &json!(350)), "{}", released.body);
    let again = world.post(&release, json!({})).await;
    assert_eq!((again.status, again.position), (200, released.position));
    let late = world.post(&format!("{holds}/{hold}/capture"), json!({"order_id": "order-2"})).await;
    assert_eq!((late.status, &late.body["code"], &late.body["ended"]), (409, &json!("hold_over"), &json!("cancelled")));
    for (path, body, refusal) in [
        (holds.clone(), json!({"order_id": "order-3", "points": 150}), "422 points_not_redeemable"),
        (holds.clone(), json!({"order_id": "order 3", "points": 100}), "422 validation_failed"),
        (holds.clone(), json!({"order_id": "order-3", "points": 100, "minutes": 60}), "422 validation_failed"),
        (format!("{holds}/nonsense/capture"), json!({"order_id": "order-3"}), "400 invalid_id"),
        (format!("{holds}/{hold}/capture"), json!({}), "422 validation_failed"),
    ] {
        let refused = world.post(&path, body).await;
        assert!(refused.refusal().starts_with(refusal), "{path}: {}", refused.body);
    }
    let reader = world.run_json(&["key", "create", "reader", "--scope", "loyalty:read", "--json"]);
    let paths = [holds.clone(), release, format!("{holds}/{hold}/capture")];
    for (path, body) in paths.iter().zip([json!({"order_id": "o", "points": 100}), json!({}), json!({"order_id": "o"})])
    {
        let forbidden = world.ask_as(Some(text(&reader["key"])), Method::POST, path, Some(body)).await;
        assert_eq!(forbidden.refusal(), "403 scope_missing", "{path}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
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
