//! An order may come to an account by two doors: as a recorded purchase, and as points without one. It counts once, whichever was first.

use crate::support::world::Answer;
use crate::support::{World, http};
use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Value, json};

async fn capped(world: &World, points_per_day: i64) {
    let mut rules = world.get("/v1/loyalty/programme").await.body["rules"].take();
    rules["caps"] = json!({"points_per_day": points_per_day});
    let published = world.post("/v1/loyalty/programme/versions", json!({"rules": rules, "from": "2020-01-01"})).await;
    assert_eq!(published.status, 201, "{}", published.body);
}

async fn earns(world: &World, customer: &str, order: &str, total: &str, on: Option<&str>) -> Answer {
    let mut body = json!({"order_id": order, "total": total, "currency": "EUR"});
    if let Some(on) = on {
        body["occurred_at"] = json!(on);
    }
    world.post(&format!("/v1/customers/{customer}/loyalty/earn"), body).await
}

async fn gives_back(world: &World, customer: &str, body: Value) -> Answer {
    world.post(&format!("/v1/customers/{customer}/loyalty/refunds"), body).await
}

async fn balance(world: &World, customer: &str) -> Value {
    world.loyalty_at(customer, Some(world.head().await)).await["balance"].clone()
}

#[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's, so the test needs it too")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

#[tokio::test]
async fn an_answer_tells_the_balance_as_of_its_own_position() {
    let world = World::start().await;
    for number in 0..10 {
        let customer = world.member(&format!("c{number}@example.com")).await;
        world.buys(&customer, "order-1", "1100.00").await;
        let small = world.buys(&customer, "order-2", "0.50").await;
        assert_eq!((&small.body["balance"], &small.body["tier"]), (&json!(1_100), &json!("silver")), "{}", small.body);
        let again = earns(&world, &customer, "order-1", "1100.00", None).await;
        assert_eq!((again.status, &again.body["balance"]), (200, &json!(1_100)), "{}", again.body);
    }
}

#[tokio::test]
async fn what_was_given_back_earns_nothing_by_the_other_door() {
    let world = World::start().await;
    let contact = json!({"kind": "individual", "emails": ["late@example.com"]});
    let known = world.post("/v1/customers", contact).await;
    let customer = known.body["customer_id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/customers/{customer}");
    for order in ["whole", "part"] {
        world.buys(&customer, order, "400.00").await;
    }
    let back = |order: &str, amount: Value| json!({"order_id": order, "refund_id": format!("r-{order}"), "amount": amount, "currency": "EUR"});
    assert_eq!(world.post(&format!("{path}/refunds"), back("whole", json!("400.00"))).await.status, 201);
    assert_eq!(world.post(&format!("{path}/refunds"), back("part", json!("300.00"))).await.status, 201);
    assert_eq!(world.post(&format!("{path}/loyalty"), json!({"currency": "EUR"})).await.status, 201);
    let whole = earns(&world, &customer, "whole", "400.00", None).await;
    assert_eq!((whole.status, &whole.body["points_earned"]), (200, &json!(0)), "{}", whole.body);
    let part = earns(&world, &customer, "part", "400.00", None).await;
    assert_eq!((part.status, &part.body["points_earned"]), (201, &json!(100)), "{}", part.body);
    let rest = world.post(&format!("{path}/refunds"), json!({"order_id": "part", "refund_id": "r-rest"})).await;
    assert_eq!((&rest.body["points_reversed"], &rest.body["balance"]), (&json!(100), &json!(0)), "{}", rest.body);
}

#[tokio::test]
async fn a_cap_is_told_and_not_escaped_by_the_other_door() {
    let world = World::start().await;
    capped(&world, 100).await;
    let customer = world.member("capped@example.com").await;
    let first = world.buys(&customer, "order-1", "80.00").await;
    assert_eq!((&first.body["points_earned"], first.body.get("points_capped")), (&json!(80), None));
    let second = world.buys(&customer, "order-2", "80.00").await;
    assert_eq!((&second.body["points_earned"], &second.body["points_capped"]), (&json!(20), &json!(60)));
    let third = world.buys(&customer, "order-3", "80.00").await;
    assert_eq!((&third.body["points_earned"], &third.body["points_capped"]), (&json!(0), &json!(80)), "{}", third.body);
    let other_door = earns(&world, &customer, "order-3", "80.00", Some("2026-03-01")).await;
    assert_eq!((other_door.status, &other_door.body["points_earned"]), (200, &json!(0)), "{}", other_door.body);
    let gone = world
        .post(&format!("/v1/customers/{customer}/refunds"), json!({"order_id": "order-3", "refund_id": "r-3"}))
        .await;
    assert_eq!((gone.status, &gone.body["balance"]), (201, &json!(100)), "{}", gone.body);
    assert_eq!(balance(&world, &customer).await, json!(100));
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn an_order_that_only_the_account_knows_is_given_back_there() {
    let world = World::start().await;
    let customer = world.member("elsewhere@example.com").await;
    assert_eq!(earns(&world, &customer, "web-1", "500.00", None).await.body["points_earned"], 500);
    let other = earns(&world, &customer, "web-1", "600.00", None).await;
    assert_eq!(other.refusal(), "409 order_already_earned", "{}", other.body);
    assert_eq!(earns(&world, &customer, "web-1", "500.00", None).await.status, 200);

    let part = json!({"order_id": "web-1", "refund_id": "r-1", "remaining": "200.00", "currency": "EUR"});
    let first = gives_back(&world, &customer, part.clone()).await;
    assert_eq!((first.status, &first.body["points_reversed"]), (201, &json!(300)), "{}", first.body);
    assert_eq!(first.body["balance"], 200);
    let again = gives_back(&world, &customer, part).await;
    assert_eq!((again.status, &again.body["repeated"], &again.body["balance"]), (200, &json!(true), &json!(200)));
    let other = json!({"order_id": "web-1", "refund_id": "r-1", "remaining": "0.00", "currency": "EUR"});
    assert_eq!(
        gives_back(&world, &customer, other).await.refusal(),
        "409 refund_already_recorded /refund_id refund_already_recorded"
    );
    let more = json!({"order_id": "web-1", "refund_id": "r-2", "remaining": "300.00", "currency": "EUR"});
    let more = gives_back(&world, &customer, more).await;
    assert_eq!(more.refusal(), "422 nothing_given_back /remaining nothing_given_back");
    let rest = gives_back(&world, &customer, json!({"order_id": "web-1", "refund_id": "r-2"})).await;
    assert_eq!((&rest.body["points_reversed"], &rest.body["balance"]), (&json!(200), &json!(0)), "{}", rest.body);

    // A discount for an order that came to nothing.
    world.buys(&customer, "shop-1", "500.00").await;
    let redeem = json!({"order_id": "web-2", "points": 300});
    assert_eq!(world.post(&format!("/v1/customers/{customer}/loyalty/redeem"), redeem).await.body["balance"], 200);
    let part = json!({"order_id": "web-2", "refund_id": "r-3", "remaining": "1.00", "currency": "EUR"});
    let part = gives_back(&world, &customer, part).await;
    assert_eq!(part.refusal(), "422 total_not_known /remaining total_not_known");
    let returned = gives_back(&world, &customer, json!({"order_id": "web-2", "refund_id": "r-3"})).await;
    assert_eq!(
        (&returned.body["points_returned"], &returned.body["balance"]),
        (&json!(300), &json!(500)),
        "{}",
        returned.body
    );

    let recorded = gives_back(&world, &customer, json!({"order_id": "shop-1", "refund_id": "r-4"})).await;
    assert_eq!(recorded.refusal(), "409 order_recorded");
    assert_eq!(
        gives_back(&world, &customer, json!({"order_id": "none", "refund_id": "r-5"})).await.refusal(),
        "404 order_not_known"
    );
    let minus = json!({"order_id": "web-1", "refund_id": "r-6", "remaining": "-1.00", "currency": "EUR"});
    assert_eq!(gives_back(&world, &customer, minus).await.refusal(), "422 validation_failed /remaining negative_total");
    let dollars = json!({"order_id": "web-1", "refund_id": "r-7", "remaining": "1.00", "currency": "USD"});
    assert_eq!(
        gives_back(&world, &customer, dollars).await.refusal(),
        "422 currency_mismatch /currency currency_mismatch"
    );
    assert_eq!(balance(&world, &customer).await, json!(500));
    let standard = world.get("/v1/loyalty/programme").await.body["rules"].clone();
    let lines = world.post("/v1/loyalty/programme/rehearsals", json!({"rules": standard})).await;
    let end = lines.body.as_str().and_then(|lines| lines.lines().last()).expect("a line").to_owned();
    let rehearsed = serde_json::from_str::<Value>(&end).expect("JSON")["rehearsal"].take();
    assert_eq!((&rehearsed["points"], &rehearsed["rehearsed_points"]), (&json!(500), &json!(500)), "{end}");
}

#[tokio::test]
async fn what_was_told_in_two_currencies_is_given_back_in_part_and_whole() {
    let world = World::start().await;
    let customer = world.member("abroad@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let bought = async |order: &str| {
        let body = json!({"order_id": order, "total": "110.00", "currency": "USD"});
        assert_eq!(world.post(&format!("{path}/purchases"), body).await.status, 201);
    };
    let refund = async |order: &str, refund: &str, amount: &str| {
        let body = json!({"order_id": order, "refund_id": refund, "amount": amount, "currency": "USD"});
        world.post(&format!("{path}/refunds"), body).await
    };
    assert_eq!(earns(&world, &customer, "order-1", "100.00", None).await.status, 201);
    bought("order-1").await;
    bought("order-2").await;
    assert_eq!(earns(&world, &customer, "order-2", "100.00", None).await.status, 201);
    for order in ["order-1", "order-2"] {
        let part = refund(order, &format!("{order}-part"), "55.00").await;
        assert_eq!((part.status, &part.body["points_reversed"]), (201, &json!(50)), "{}", part.body);
        let rest = refund(order, &format!("{order}-rest"), "55.00").await;
        assert_eq!((rest.status, &rest.body["points_reversed"]), (201, &json!(50)), "{}", rest.body);
    }
    assert_eq!(balance(&world, &customer).await, json!(0));
    let standard = world.get("/v1/loyalty/programme").await.body["rules"].clone();
    let lines = world.post("/v1/loyalty/programme/rehearsals", json!({"rules": standard})).await;
    let end = lines.body.as_str().and_then(|lines| lines.lines().last()).expect("a line").to_owned();
    let rehearsed = serde_json::from_str::<Value>(&end).expect("JSON")["rehearsal"].take();
    assert_eq!((&rehearsed["points"], &rehearsed["rehearsed_points"]), (&json!(0), &json!(0)), "{end}");
}

#[tokio::test]
async fn a_merge_changes_nothing_about_an_order_that_only_the_account_knows() {
    let world = World::start().await;
    let (ana, double) = (world.member("ana@example.com").await, world.member("double@example.com").await);
    world.buys(&double, "shop-1", "300.00").await;
    assert_eq!(earns(&world, &double, "web-1", "500.00", None).await.status, 201);
    let redeem = json!({"order_id": "web-1", "points": 300});
    assert_eq!(world.post(&format!("/v1/customers/{double}/loyalty/redeem"), redeem).await.status, 201);
    let merged = world.post(&format!("/v1/customers/{ana}/merges"), json!({"duplicate_id": double})).await;
    assert_eq!((merged.status, &merged.body["balance"]), (201, &json!(500)), "{}", merged.body);
    let other = earns(&world, &ana, "web-1", "600.00", None).await;
    assert_eq!(other.refusal(), "409 order_already_earned", "{}", other.body);
    assert_eq!(earns(&world, &ana, "web-1", "500.00", None).await.status, 200, "told again");

    let back = |refund: &str, remaining: &str| json!({"order_id": "web-1", "refund_id": refund, "remaining": remaining, "currency": "EUR"});
    let half = gives_back(&world, &ana, back("r-1", "250.00")).await;
    let points = |answer: &Answer| (answer.body["points_reversed"].clone(), answer.body["points_returned"].clone());
    assert_eq!((half.status, points(&half)), (201, (json!(250), json!(150))), "{}", half.body);
    let rest = gives_back(&world, &ana, back("r-2", "0.00")).await;
    assert_eq!((points(&rest), &rest.body["balance"]), ((json!(250), json!(150)), &json!(300)), "{}", rest.body);
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn a_member_buys_in_another_currency_and_earns_nothing_with_it() {
    let world = World::start().await;
    let customer = world.member("abroad@example.com").await;
    let dollars = json!({"order_id": "order-1", "total": "50.00", "currency": "USD"});
    let bought = world.post(&format!("/v1/customers/{customer}/purchases"), dollars).await;
    assert_eq!(
        (bought.status, &bought.body["points_earned"], &bought.body["balance"]),
        (201, &json!(0), &json!(0)),
        "{}",
        bought.body
    );
    let back = world
        .post(&format!("/v1/customers/{customer}/refunds"), json!({"order_id": "order-1", "refund_id": "r-1"}))
        .await;
    assert_eq!((back.status, &back.body["currency"]), (201, &json!("USD")), "{}", back.body);
    let earned = json!({"order_id": "order-2", "total": "50.00", "currency": "USD"});
    let earned = world.post(&format!("/v1/customers/{customer}/loyalty/earn"), earned).await;
    assert_eq!(earned.refusal(), "422 currency_mismatch /currency currency_mismatch");
}

#[tokio::test]
async fn nothing_is_given_back_before_it_was_bought() {
    let world = World::start().await;
    let customer = world.member("before@example.com").await;
    world.buys(&customer, "order-1", "100.00").await;
    let before = (now() - chrono::TimeDelta::days(2)).to_rfc3339();
    let refund = json!({"order_id": "order-1", "refund_id": "r-1", "occurred_at": before});
    let refused = world.post(&format!("/v1/customers/{customer}/refunds"), refund).await;
    assert_eq!(refused.refusal(), "422 refund_before_purchase /occurred_at refund_before_purchase");
    assert_eq!(balance(&world, &customer).await, json!(100));
}

#[tokio::test]
async fn points_leave_nobody_who_is_blocked_and_come_to_nobody_who_is_deleted() {
    let world = World::start().await;
    let (ana, bea) = (world.member("ana@example.com").await, world.member("bea@example.com").await);
    world.buys(&ana, "order-1", "500.00").await;
    let transfer = |id: &str, to: &str| json!({"transfer_id": id, "to": to, "points": 100});
    let transfers = format!("/v1/customers/{ana}/loyalty/transfers");
    let block = format!("/v1/customers/{ana}/block");
    let blocked = world.ask_as(Some(world.key()), Method::PUT, &block, Some(json!({"reason": "fraud"}))).await;
    assert_eq!(blocked.status, 200, "{}", blocked.body);
    assert_eq!(world.post(&transfers, transfer("t-1", &bea)).await.refusal(), "409 customer_blocked");
    let unblocked = world.ask_as(Some(world.key()), Method::DELETE, &block, None).await;
    assert_eq!(unblocked.status, 200, "{}", unblocked.body);
    let gone = world.ask_as(Some(world.key()), Method::DELETE, &format!("/v1/customers/{bea}"), None).await;
    assert_eq!(gone.status, 200, "{}", gone.body);
    assert_eq!(
        world.post(&transfers, transfer("t-2", &bea)).await.refusal(),
        "422 receiver_deleted /to receiver_deleted"
    );
    let adjust = json!({"adjustment_id": "a-1", "points": 50, "reason": "goodwill"});
    let adjusted = world.post(&format!("/v1/customers/{bea}/loyalty/adjustments"), adjust).await;
    assert_eq!(adjusted.refusal(), "409 customer_deleted");
    assert_eq!(balance(&world, &ana).await, json!(500));
    assert_eq!(
        world.post(&transfers, transfer("t-3", &ana)).await.refusal(),
        "422 transfer_to_itself /to transfer_to_itself"
    );
}

#[tokio::test]
async fn a_campaign_that_says_the_same_is_published_once() {
    let world = World::start().await;
    let campaign = json!({"name": "Double", "from": "2026-01-01", "rules": {"multiplier_percent": 200}});
    let first = world.post("/v1/loyalty/campaigns", campaign.clone()).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let second = world.post("/v1/loyalty/campaigns", campaign.clone()).await;
    assert_eq!(second.refusal(), "409 campaign_exists");
    let id = first.body["campaign_id"].as_str().expect("an id");
    assert!(second.body["detail"].as_str().is_some_and(|detail| detail.contains(id)), "{}", second.body);
    let mut other = campaign;
    other["name"] = json!("Double again");
    assert_eq!(world.post("/v1/loyalty/campaigns", other).await.status, 201);
}

/// Most clients of the world ask for it: an answer that is written while it is read has to end when it is compressed, too.
#[tokio::test]
async fn long_answers_arrive_whole_when_they_are_compressed() {
    let world = World::start().await;
    let customer = world.member("zip@example.com").await;
    world.buys(&customer, "order-1", "500.00").await;
    let rules = world.get("/v1/loyalty/programme").await.body["rules"].clone();
    let client = http().build().expect("a client");
    let address = |path: &str| format!("http://{}{path}", world.host());
    let asked = [
        client.post(address("/v1/loyalty/programme/rehearsals")).json(&json!({"rules": rules})),
        client.get(address(&format!("/v1/customers/{customer}/export"))),
        client.get(address(&format!("/v1/customers/{customer}/export?format=html"))),
    ];
    for request in asked {
        let answer =
            request.bearer_auth(world.key()).header("accept-encoding", "gzip").send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        let path = answer.url().path().to_owned();
        let bytes = answer.bytes().await.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(bytes.len() > 100, "{path}");
    }
    assert!(!world.log().contains("panicked"), "{}", world.log());
}
