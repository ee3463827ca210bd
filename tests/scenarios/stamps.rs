//! Stamp cards at the till: articles are stamped, a full card is a reward, a reward is handed over with an order.

use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};

fn rules_with_a_card() -> Value {
    json!({
        "from": "2020-01-01",
        "rules": {
            "earn": [{"points_per_unit": 1}],
            "redeem": {"points_per_unit": 100, "multiple_of": 100, "minimum": 100},
            "expiry_months": 24,
            "tiers": [
                {"tier": "bronze", "from_points": 0, "multiplier_percent": 100},
                {"tier": "silver", "from_points": 1000, "multiplier_percent": 125},
                {"tier": "gold", "from_points": 5000, "multiplier_percent": 150},
                {"tier": "platinum", "from_points": 20000, "multiplier_percent": 200},
            ],
            "stamp_cards": [{"code": "coffee", "categories": ["coffee"], "products": ["beans-1kg"], "stamps": 10,
                             "reward": "free_coffee", "reward_expiry_months": 6}],
        },
    })
}

async fn with_a_card() -> World {
    let world = World::start().await;
    let published = world.post("/v1/loyalty/programme/versions", rules_with_a_card()).await;
    assert_eq!(published.status, 201, "{}", published.body);
    world
}

async fn drinks(world: &World, customer: &str, order: &str, coffees: u32) -> (Option<i64>, Value) {
    let total = format!("{}.00", coffees * 3 + 4);
    let lines = json!([
        {"sku": "cake-1", "category": "cake", "quantity": 1, "amount": "4.00"},
        {"sku": "latte-1", "category": "coffee", "quantity": coffees, "amount": format!("{}.00", coffees * 3)},
    ]);
    let bought = json!({"order_id": order, "total": total, "currency": "EUR", "lines": lines});
    let answer = world.post(&format!("/v1/customers/{customer}/purchases"), bought).await;
    assert!([200, 201].contains(&answer.status), "{}", answer.body);
    (answer.position, answer.body)
}

async fn refund(world: &World, customer: &str, refund: Value) -> (Option<i64>, Value) {
    let answer = world.post(&format!("/v1/customers/{customer}/refunds"), refund).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    (answer.position, answer.body)
}

async fn hand_over(world: &World, customer: &str, reward: &str, order: &str) -> (u16, Value) {
    let path = format!("/v1/customers/{customer}/loyalty/rewards/{reward}/redeem");
    let answer = world.post(&path, json!({"order_id": order})).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn ten_coffees_earn_one_that_is_handed_over_once() {
    let world = with_a_card().await;
    let customer = world.member("coffee@example.com").await;
    let (position, bought) = drinks(&world, &customer, "order-1", 7).await;
    assert_eq!(bought["stamps"], json!([{"card": "coffee", "stamps": 7, "on_card": 7}]), "{bought}");
    assert_eq!(bought["points_earned"], 25);
    let account = world.loyalty_at(&customer, position).await;
    let card = |stamps: i64| json!([{"card": "coffee", "stamps": stamps, "of": 10, "reward": "free_coffee"}]);
    assert_eq!((&account["stamp_cards"], &account["rewards"]), (&card(7), &json!([])));

    let (_, again) = drinks(&world, &customer, "order-1", 7).await;
    assert_eq!(again["repeated"], true, "{again}");
    let (position, full) = drinks(&world, &customer, "order-2", 5).await;
    assert_eq!(full["stamps"], json!([{"card": "coffee", "stamps": 5, "on_card": 2}]), "{full}");
    assert_eq!(
        (&full["rewards_earned"][0]["reward"], &full["rewards_earned"][0]["code"]),
        (&json!(1), &json!("free_coffee"))
    );
    let account = world.loyalty_at(&customer, position).await;
    assert_eq!((&account["stamp_cards"], &account["rewards"]), (&card(2), &full["rewards_earned"]));
    assert!(account["rewards"][0]["expires_on"].is_string(), "{account}");

    let (status, unknown) = hand_over(&world, &customer, "2", "order-3").await;
    assert_eq!((status, &unknown["code"]), (404, &json!("reward_not_found")), "{unknown}");
    let (status, wrong) = hand_over(&world, &customer, "first", "order-3").await;
    assert_eq!((status, &wrong["code"]), (400, &json!("invalid_parameter")), "{wrong}");
    let (status, wrong) = hand_over(&world, &customer, "1", "order 3").await;
    assert_eq!((status, &wrong["errors"][0]["pointer"]), (422, &json!("/order_id")), "{wrong}");
    let path = format!("/v1/customers/{customer}/block");
    let block = world.ask_as(Some(world.key()), Method::PUT, &path, Some(json!({"reason": "fraud"}))).await;
    assert_eq!(block.status, 200, "{}", block.body);
    let (status, blocked) = hand_over(&world, &customer, "1", "order-3").await;
    assert_eq!((status, &blocked["code"]), (409, &json!("customer_blocked")), "{blocked}");
    assert_eq!(world.ask_as(Some(world.key()), Method::DELETE, &path, None).await.status, 200);

    let (status, given) = hand_over(&world, &customer, "1", "order-3").await;
    assert_eq!((status, &given["code"], &given["repeated"]), (201, &json!("free_coffee"), &json!(false)), "{given}");
    let account = world.loyalty_at(&customer, given["position"].as_i64()).await;
    assert_eq!(account["rewards"], json!([]));
    let (status, again) = hand_over(&world, &customer, "1", "order-3").await;
    assert_eq!((status, &again["code"], &again["repeated"]), (200, &json!("free_coffee"), &json!(true)), "{again}");
    let (status, other) = hand_over(&world, &customer, "1", "order-4").await;
    assert_eq!((status, &other["code"]), (409, &json!("reward_already_redeemed")), "{other}");
}

#[tokio::test]
async fn a_refund_takes_stamps_back_and_what_was_handed_over_with_it_comes_back() {
    let world = with_a_card().await;
    let customer = world.member("refund@example.com").await;
    drinks(&world, &customer, "order-1", 12).await;
    let lines = json!({"order_id": "order-1", "refund_id": "r-1", "lines": [{"sku": "latte-1", "quantity": 3}]});
    let (position, back) = refund(&world, &customer, lines).await;
    assert_eq!(back["stamps"], json!([{"card": "coffee", "stamps": -3, "on_card": 9}]), "{back}");
    assert_eq!(back["rewards_withdrawn"], json!([1]), "{back}");
    let account = world.loyalty_at(&customer, position).await;
    assert_eq!((&account["stamp_cards"][0]["stamps"], &account["rewards"]), (&json!(9), &json!([])));

    drinks(&world, &customer, "order-2", 1).await;
    drinks(&world, &customer, "order-3", 1).await;
    let (status, given) = hand_over(&world, &customer, "2", "order-3").await;
    assert_eq!(status, 201, "{given}");
    let (position, back) = refund(&world, &customer, json!({"order_id": "order-3", "refund_id": "r-2"})).await;
    assert_eq!(
        (&back["rewards_returned"][0]["reward"], &back["rewards_returned"][0]["code"]),
        (&json!(3), &json!("free_coffee"))
    );
    let account = world.loyalty_at(&customer, position).await;
    assert_eq!((&account["stamp_cards"][0]["stamps"], &account["rewards"]), (&json!(0), &back["rewards_returned"]));
    let path = format!("/v1/customers/{customer}/timeline?type=loyalty.reward.*&min_position={}", world.head().await);
    let timeline = world.get(&path).await.body;
    let types: Vec<_> = timeline["items"].as_array().expect("items").iter().map(|item| item["type"].clone()).collect();
    assert_eq!(
        json!(types),
        json!([
            "loyalty.reward.returned",
            "loyalty.reward.redeemed",
            "loyalty.reward.earned",
            "loyalty.reward.withdrawn",
            "loyalty.reward.earned"
        ])
    );
}

#[tokio::test]
async fn cards_come_along_when_a_duplicate_is_merged() {
    let world = with_a_card().await;
    let customer = world.member("survivor@example.com").await;
    let duplicate = world.member("duplicate@example.com").await;
    drinks(&world, &customer, "order-1", 6).await;
    drinks(&world, &duplicate, "order-2", 17).await;
    let merged = world.post(&format!("/v1/customers/{customer}/merges"), json!({"duplicate_id": duplicate})).await;
    assert_eq!(merged.status, 201, "{}", merged.body);
    let account = world.loyalty_at(&customer, merged.position).await;
    assert_eq!(account["stamp_cards"][0]["stamps"], 3, "6 and 7 make a card full: {account}");
    assert_eq!(account["rewards"].as_array().map(Vec::len), Some(2), "{account}");
    let (_, back) = refund(&world, &customer, json!({"order_id": "order-2", "refund_id": "r-1"})).await;
    assert_eq!(back["stamps"], json!([{"card": "coffee", "stamps": -17, "on_card": 6}]), "{back}");
}

/// A member who had a reward by `order-1` with `order-2`.
async fn had_a_reward(world: &World, email: &str) -> String {
    let customer = world.member(email).await;
    drinks(world, &customer, "order-1", 10).await;
    assert_eq!(hand_over(world, &customer, "1", "order-2").await.0, 201);
    customer
}

async fn seen(world: &World, customer: &str) -> (Value, Value) {
    let account = world.loyalty_at(customer, Some(world.head().await)).await;
    (account["stamp_cards"][0]["stamps"].clone(), account["rewards"].clone())
}

#[tokio::test]
async fn nothing_is_left_over_whichever_of_two_orders_is_given_back_first() {
    let world = with_a_card().await;
    let bought = json!({"order_id": "order-1", "refund_id": "r-1"});
    let given_back = async |customer: &str| {
        let (path, body) =
            (format!("/v1/customers/{customer}/loyalty/refunds"), json!({"order_id": "order-2", "refund_id": "r-2"}));
        let answer = world.post(&path, body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body
    };
    let first = had_a_reward(&world, "first@example.com").await;
    refund(&world, &first, bought.clone()).await;
    assert_eq!(seen(&world, &first).await, (json!(-10), json!([])));
    let paid = given_back(&first).await;
    assert_eq!(
        (paid.get("rewards_returned"), paid.get("rewards_withdrawn")),
        (None, None),
        "none to hand over: {paid}"
    );
    assert_eq!(paid["stamps"], json!([{"card": "coffee", "stamps": 0, "on_card": 0}]), "{paid}");
    let second = had_a_reward(&world, "second@example.com").await;
    assert_eq!(given_back(&second).await["rewards_returned"][0]["reward"], 2);
    refund(&world, &second, bought).await;
    for customer in [&first, &second] {
        assert_eq!(seen(&world, customer).await, (json!(0), json!([])));
        let (status, gone) = hand_over(&world, customer, "2", "order-3").await;
        assert_eq!((status, &gone["code"]), (404, &json!("reward_not_found")), "{gone}");
    }
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn a_reward_of_one_pays_what_the_card_of_the_other_owes_when_they_are_merged() {
    let world = with_a_card().await;
    let owing = had_a_reward(&world, "owing@example.com").await;
    refund(&world, &owing, json!({"order_id": "order-1", "refund_id": "r-1"})).await;
    let rich = world.member("rich@example.com").await;
    drinks(&world, &rich, "order-5", 12).await;
    let merged = world.post(&format!("/v1/customers/{rich}/merges"), json!({"duplicate_id": owing})).await;
    assert_eq!(merged.status, 201, "{}", merged.body);
    assert_eq!(seen(&world, &rich).await, (json!(2), json!([])));
    let path =
        format!("/v1/customers/{rich}/timeline?type=loyalty.reward.withdrawn&min_position={}", world.head().await);
    let facts = world.get(&path).await.body["items"][0]["facts"].clone();
    assert_eq!((&facts["reward"], &facts["on_card"], facts.get("order_id")), (&json!(1), &json!(2), None), "{facts}");
    let page = world.open(None, &format!("/v1/customers/{rich}/export?format=html"), None).await;
    let page = page.text().await.expect("a page");
    assert!(page.contains("because stamps were missing on your other card"), "{page}");
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn orders_that_are_bought_and_given_back_again_and_again_are_looked_at() {
    let world = World::start().await;
    let customer = world.member("loop@example.com").await;
    let mut position = None;
    for number in 1..=5 {
        let order = format!("order-{number}");
        world.buys(&customer, &order, "20.00").await;
        (position, _) = refund(&world, &customer, json!({"order_id": order, "refund_id": format!("r-{number}")})).await;
    }
    let listed = |with: &'static str, position: Option<i64>| {
        let path = format!("/v1/loyalty/flags?min_position={}{with}", position.unwrap_or_default());
        let world = &world;
        async move { world.get(&path).await.body["items"].clone() }
    };
    let flags = listed("", position).await;
    assert_eq!((&flags[0]["customer_id"], &flags[0]["flag"]), (&json!(customer), &json!("buy_refund_loop")), "{flags}");
    assert_eq!((&flags[0]["orders"], &flags[0]["cleared_on"]), (&json!(5), &Value::Null));
    let of = |customer: &str| format!("/v1/loyalty/flags?customer={customer}");
    assert_eq!(world.get(&of(&customer)).await.body["items"], flags);
    assert_eq!(world.get(&of("018f0000-0000-7000-8000-000000000009")).await.body["items"], json!([]));

    let clear = format!("/v1/customers/{customer}/loyalty/flags/buy_refund_loop/clear");
    let till = world.run_json(&["key", "create", "till", "--scope", "loyalty:write,loyalty:read", "--json"]);
    let refused = world.ask_as(till["key"].as_str(), Method::POST, &clear, Some(json!({}))).await;
    assert_eq!(refused.refusal(), "403 scope_missing");
    let unknown = world.post(&clear.replace("buy_refund_loop", "bad_mood"), json!({})).await;
    assert_eq!((unknown.status, &unknown.body["code"]), (400, &json!("invalid_parameter")), "{}", unknown.body);
    let cleared = world.post(&clear, json!({"reason": "talked-to"})).await;
    assert_eq!(cleared.status, 201, "{}", cleared.body);
    assert_eq!(listed("", cleared.position).await, json!([]));
    let all = listed("&cleared=true", cleared.position).await;
    assert_eq!((&all[0]["reason"], all[0]["cleared_on"].is_string()), (&json!("talked-to"), true), "{all}");
    let again = world.post(&clear, json!({})).await;
    assert_eq!((again.status, &again.body["code"]), (404, &json!("not_flagged")), "{}", again.body);
}
