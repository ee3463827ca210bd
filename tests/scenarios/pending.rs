//! Points that vest before they can be spent, and caps on what purchases earn.

use crate::support::World;
use chrono::{Days, NaiveDate, Utc};
use domain::ids::{CustomerId, OrderId};
use domain::{Currency, Money};
use serde_json::{Value, json};

const VERSIONS: &str = "/v1/loyalty/programme/versions";
const DAY: i64 = 24 * 60;

fn rules(more: &[(&str, Value)]) -> Value {
    let mut rules = json!({
        "earn": [{"points_per_unit": 1}],
        "redeem": {"points_per_unit": 100, "multiple_of": 100, "minimum": 100},
        "expiry_months": 24,
        "tiers": [
            {"tier": "bronze", "from_points": 0, "multiplier_percent": 100},
            {"tier": "silver", "from_points": 1000, "multiplier_percent": 125},
            {"tier": "gold", "from_points": 5000, "multiplier_percent": 150},
            {"tier": "platinum", "from_points": 20000, "multiplier_percent": 200},
        ],
    });
    for (field, value) in more {
        rules[field] = value.clone();
    }
    json!({"rules": rules, "from": "2020-01-01"})
}

async fn publish(world: &World, more: &[(&str, Value)]) {
    let published = world.post(VERSIONS, rules(more)).await;
    assert_eq!(published.status, 201, "{}", published.body);
}

async fn vest(world: &World, customer: &str, order: &str) -> (u16, Value) {
    let answer = world.post(&format!("/v1/customers/{customer}/loyalty/vest"), json!({"order_id": order})).await;
    (answer.status, answer.body)
}

#[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's, so the test needs it too")]
fn today() -> NaiveDate {
    Utc::now().date_naive()
}

#[tokio::test]
async fn points_are_pending_until_they_vest_and_a_refund_takes_them_back_before() {
    let world = World::start().await;
    publish(&world, &[("pending", json!({"vest_after_days": 14}))]).await;
    let customer = world.member("pending@example.com").await;
    let bought = world.buys(&customer, "order-1", "1200.00").await;
    let told = |field: &str| bought.body[field].clone();
    assert_eq!((told("points_earned"), told("points_pending")), (json!(0), json!(1200)), "{}", bought.body);
    assert_eq!((told("balance"), told("tier_upgraded")), (json!(0), Value::Null), "{}", bought.body);
    let account = world.loyalty_at(&customer, bought.position).await;
    assert_eq!((&account["balance"], &account["pending"]), (&json!(0), &json!(1200)));
    let vests_on = today() + Days::new(14);
    assert_eq!(
        account["pending_points"],
        json!([{"order_id": "order-1", "points": 1200, "pending_on": today(), "vests_on": vests_on}])
    );
    let redeem = format!("/v1/customers/{customer}/loyalty/redeem");
    let refused = world.post(&redeem, json!({"order_id": "order-2", "points": 100})).await;
    assert_eq!((refused.status, &refused.body["code"]), (422, &json!("insufficient_points")), "{}", refused.body);

    let back = json!({"order_id": "order-1", "refund_id": "r-1", "amount": "200.00", "currency": "EUR"});
    let refunded = world.post(&format!("/v1/customers/{customer}/refunds"), back).await;
    assert_eq!((&refunded.body["points_reversed"], &refunded.body["balance"]), (&json!(200), &json!(0)));
    assert_eq!(world.loyalty_at(&customer, refunded.position).await["pending"], 1000);

    let (status, vested) = vest(&world, &customer, "order-1").await;
    assert_eq!((status, &vested["points_vested"]), (201, &json!(1000)), "{vested}");
    assert_eq!((&vested["balance"], &vested["tier_upgraded"]), (&json!(1000), &json!("silver")));
    let account = world.loyalty_at(&customer, vested["position"].as_i64()).await;
    assert_eq!((&account["balance"], &account["pending"]), (&json!(1000), &json!(0)));
    assert_eq!((&account["reversed"], &account["lifetime_earned"]), (&json!(0), &json!(1000)), "{account}");
    let (status, again) = vest(&world, &customer, "order-1").await;
    assert_eq!((status, &again["points_vested"]), (200, &json!(1000)), "{again}");
    let (status, unknown) = vest(&world, &customer, "order-9").await;
    assert_eq!((status, &unknown["code"]), (404, &json!("points_not_pending")), "{unknown}");
    let (status, wrong) = vest(&world, &customer, "order 9").await;
    assert_eq!((status, &wrong["errors"][0]["pointer"]), (422, &json!("/order_id")), "{wrong}");
    let spent = world.post(&redeem, json!({"order_id": "order-2", "points": 100})).await;
    assert_eq!((spent.status, &spent.body["balance"]), (201, &json!(900)), "{}", spent.body);
}

#[tokio::test]
async fn points_vest_on_their_day_by_a_job_and_can_be_spent_although_none_ran() {
    let world = World::with_background().await;
    publish(&world, &[("pending", json!({"vest_after_days": 14}))]).await;
    let customers = [world.member("job@example.com").await, world.member("till@example.com").await];
    let (till, caller) = world.till_ago(14 * DAY).await;
    let mut position = None;
    for customer in &customers {
        let earn = commands::loyalty::Earn {
            customer: CustomerId::new(customer.parse().expect("an id")),
            order: OrderId::parse("order-1").expect("an order"),
            total: Money::parse("300.00", Currency::parse("EUR").expect("a currency")).expect("an amount"),
            at: None,
        };
        let earned = commands::loyalty::earn(&till, &caller, None, earn).await.expect("it earns");
        position = Some(earned.position.0);
    }
    let [job, spender] = customers;
    let account = world.loyalty_at(&spender, position).await;
    assert_eq!((&account["balance"], &account["pending"]), (&json!(300), &json!(0)), "its day has come: {account}");
    // No event says so yet, and what is owed is what the accounts have all the same.
    let owed = async |position: Option<i64>| {
        let kpis = world.get(&format!("/v1/loyalty/kpis?min_position={}", position.expect("a position"))).await.body;
        let outstanding = &kpis["outstanding"][0];
        [&kpis["points_earned"], &kpis["outstanding_points"], &outstanding["vested_points"], &outstanding["worth"]]
            .map(Value::clone)
    };
    assert_eq!(owed(position).await, [json!(0), json!(600), json!(600), json!("6.00")]);
    let redeem = format!("/v1/customers/{spender}/loyalty/redeem");
    let spent = world.post(&redeem, json!({"order_id": "order-2", "points": 100})).await;
    assert_eq!((spent.status, &spent.body["balance"]), (201, &json!(200)), "{}", spent.body);
    assert_eq!(owed(spent.position).await, [json!(300), json!(500), json!(300), json!("5.00")]);

    world.loyalty_at(&job, spent.position).await;
    let run = world.run_json(&["jobs", "run", "loyalty_vesting", "--json"]);
    assert_eq!((&run["status"], &run["changed"], &run["refused"]), (&json!("done"), &json!(1), &json!(0)), "{run}");
    let head = Some(world.head().await);
    let account = world.loyalty_at(&job, head).await;
    assert_eq!((&account["balance"], &account["lifetime_earned"]), (&json!(300), &json!(300)), "{account}");
    assert_eq!(owed(head).await, [json!(600), json!(500), json!(0), json!("5.00")]);
    let again = world.run_json(&["jobs", "run", "loyalty_vesting", "--json"]);
    assert_eq!((&again["status"], &again["changed"]), (&json!("done"), &json!(0)), "{again}");
}

#[tokio::test]
async fn an_order_and_a_day_earn_no_more_than_their_caps() {
    let world = World::start().await;
    publish(&world, &[("caps", json!({"points_per_order": 500, "points_per_day": 700}))]).await;
    let customer = world.member("caps@example.com").await;
    let earned =
        async |order: &str, total: &str| world.buys(&customer, order, total).await.body["points_earned"].clone();
    assert_eq!(earned("order-1", "600.00").await, 500);
    assert_eq!(earned("order-2", "300.00").await, 200);
    assert_eq!(earned("order-3", "300.00").await, 0);
    let whole = json!({"order_id": "order-1", "refund_id": "r-1"});
    let refunded = world.post(&format!("/v1/customers/{customer}/refunds"), whole).await;
    assert_eq!((&refunded.body["points_reversed"], &refunded.body["balance"]), (&json!(500), &json!(200)));
}

#[tokio::test]
async fn rules_of_pending_points_caps_and_stamp_cards_are_refused_where_they_are_wrong() {
    let world = World::start().await;
    let card = json!({"code": "coffee", "categories": ["hot-drinks"], "stamps": 10, "reward": "free_coffee"});
    let mut empty = card.clone();
    empty["categories"] = json!([]);
    let faults = [
        ("pending", json!({"vest_after_days": 0}), "out_of_range", "/rules/pending/vest_after_days"),
        ("caps", json!({"points_per_order": -1}), "out_of_range", "/rules/caps/points_per_order"),
        ("caps", json!({"points_per_day": 0}), "out_of_range", "/rules/caps/points_per_day"),
        ("stamp_cards", json!([card, card]), "twice", "/rules/stamp_cards/1/code"),
        ("stamp_cards", json!([empty]), "articles_required", "/rules/stamp_cards/0"),
    ];
    for (field, value, code, pointer) in faults {
        let refused = world.post(VERSIONS, rules(&[(field, value)])).await;
        assert_eq!(refused.refusal(), format!("422 {code} {pointer} {code}"), "{}", refused.body);
    }
    publish(&world, &[("stamp_cards", json!([card]))]).await;
    let shown = world.get(&format!("/v1/loyalty/programme?min_position={}", world.head().await)).await;
    assert_eq!(shown.body["rules"]["stamp_cards"][0]["reward"], "free_coffee", "{}", shown.body);
}
