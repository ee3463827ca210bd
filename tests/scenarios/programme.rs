//! The rules of the loyalty programme: published in versions, each purchase by those of its day.

use crate::support::{World, http};
use serde_json::{Value, json};

fn rules() -> Value {
    json!({
        "earn": [{"above": 0, "points_per_unit": 1}, {"above": 50, "points_per_unit": 2}],
        "redeem": {"points_per_unit": 50, "multiple_of": 50, "minimum": 100},
        "expiry_months": 12,
        "tiers": [
            {"tier": "bronze", "from_points": 0, "multiplier_percent": 100},
            {"tier": "silver", "from_points": 500, "multiplier_percent": 150, "benefits": ["free_shipping"]},
            {"tier": "gold", "from_points": 5000, "multiplier_percent": 150},
            {"tier": "platinum", "from_points": 20000, "multiplier_percent": 200},
        ],
    })
}

const VERSIONS: &str = "/v1/loyalty/programme/versions";

#[tokio::test]
async fn published_rules_hold_from_their_day_and_change_nothing_that_has_happened() {
    let world = World::start().await;
    let customer = world.member("rules@example.com").await;
    world.buys(&customer, "order-1", "100.00").await;
    let standard = world.get("/v1/loyalty/programme").await;
    assert_eq!((&standard.body["version"], &standard.body["rules"]["expiry_months"]), (&Value::Null, &json!(24)));

    let published = world.post(VERSIONS, json!({"rules": rules()})).await;
    assert_eq!((published.status, &published.body["version"]), (201, &json!(1)), "{}", published.body);
    let again = world.post(VERSIONS, json!({"rules": rules()})).await;
    assert_eq!((again.status, &again.body["version"]), (200, &Value::Null), "{}", again.body);
    let shown =
        world.get(&format!("/v1/loyalty/programme?min_position={}", published.position.expect("a position"))).await;
    assert_eq!((&shown.body["version"], &shown.body["rules"]["earn"][1]["points_per_unit"]), (&json!(1), &json!(2)));

    let account = world.loyalty_at(&customer, published.position).await;
    assert_eq!((&account["balance"], &account["points_to_next_tier"]), (&json!(100), &json!(400)));
    let bought = world.buys(&customer, "order-2", "100.00").await;
    assert_eq!(bought.body["points_earned"], 150);
    let returned = json!({"order_id": "order-1", "refund_id": "r-1", "amount": "50.00", "currency": "EUR"});
    let refunded = world.post(&format!("/v1/customers/{customer}/refunds"), returned).await;
    assert_eq!(refunded.body["points_reversed"], 50, "by the rules that it earned by: {}", refunded.body);
    let redeem = format!("/v1/customers/{customer}/loyalty/redeem");
    let redeemed = world.post(&redeem, json!({"order_id": "order-3", "points": 150})).await;
    assert_eq!((redeemed.status, &redeemed.body["discount"]), (201, &json!("3.00")), "{}", redeemed.body);

    let silver = world.buys(&customer, "order-4", "500.00").await;
    assert_eq!(silver.body["tier_upgraded"], "silver");
    let account = world.loyalty_at(&customer, silver.position).await;
    assert_eq!((&account["benefits"], &account["next_tier"]), (&json!(["free_shipping"]), &json!("gold")));
    let versions = world.get(VERSIONS).await;
    assert_eq!(versions.body["versions"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn rules_that_make_no_programme_are_refused_where_they_are_wrong() {
    let world = World::start().await;
    let head = world.head().await;
    let faulty = |pointer: &str, value: Value| {
        let mut body = json!({"rules": rules()});
        *body.pointer_mut(pointer).expect("a field of the rules") = value;
        body
    };
    let faults = [
        ("/rules/earn/1/above", json!(0), "out_of_order"),
        ("/rules/earn/0/above", json!(10), "gap"),
        ("/rules/earn/0/points_per_unit", json!(-1), "out_of_range"),
        ("/rules/redeem/points_per_unit", json!(0), "out_of_range"),
        ("/rules/redeem/minimum", json!(75), "not_a_multiple"),
        ("/rules/expiry_months", json!(0), "out_of_range"),
        ("/rules/tiers/1/multiplier_percent", json!(-150), "out_of_range"),
        ("/rules/tiers/2/from_points", json!(500), "out_of_order"),
        ("/rules/tiers/1/benefits/0", json!("Free shipping!"), "invalid_character"),
    ];
    for (pointer, value, code) in faults {
        let refused = world.post(VERSIONS, faulty(pointer, value)).await;
        assert_eq!(refused.status, 422, "{pointer}: {}", refused.body);
        let error = &refused.body["errors"][0];
        assert_eq!((&error["pointer"], &error["code"]), (&json!(pointer), &json!(code)), "{}", refused.body);
    }
    let missing = world.post(VERSIONS, faulty("/rules/tiers", json!([]))).await;
    assert_eq!(
        (missing.status, missing.refusal()),
        (422, "422 tiers_required /rules/tiers tiers_required".to_owned()),
        "{}",
        missing.body
    );
    let unknown = json!({"rules": rules(), "rehearsal_id": "018f0000-0000-7000-8000-000000000009"});
    let unknown = world.post(VERSIONS, unknown).await;
    assert_eq!((unknown.status, &unknown.body["code"]), (422, &json!("rehearsal_not_found")), "{}", unknown.body);
    let day = world.post(VERSIONS, json!({"rules": rules(), "from": "soon"})).await;
    assert_eq!((day.status, &day.body["errors"][0]["pointer"]), (422, &json!("/from")), "{}", day.body);
    assert_eq!(world.head().await, head);
}

const REHEARSALS: &str = "/v1/loyalty/programme/rehearsals";

/// The lines of a rehearsal.
async fn rehearsed(world: &World, body: &Value) -> Vec<Value> {
    let request = http().build().expect("a client").post(format!("http://{}{REHEARSALS}", world.host()));
    let answer = request.bearer_auth(world.key()).json(body).send().await.expect("an answer");
    assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"] == "application/x-ndjson"), (200, true));
    let text = answer.text().await.expect("all of it");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON in each line")).collect()
}

#[tokio::test]
async fn rules_are_rehearsed_over_what_has_happened_and_published_with_what_came_of_it() {
    let world = World::start().await;
    let (ana, eva) = (world.member("ana@example.com").await, world.member("eva@example.com").await);
    world.buys(&ana, "order-1", "300.00").await;
    world.buys(&eva, "order-2", "40.00").await;
    let lines = rehearsed(&world, &json!({"rules": rules()})).await;
    assert!(lines[0]["progress"]["of"].is_i64(), "{lines:?}");
    let changed: Vec<_> = lines.iter().filter(|line| line["customer"].is_object()).collect();
    let [changed] = changed.as_slice() else { panic!("one customer: {lines:?}") };
    assert_eq!(changed["customer"]["customer_id"], ana.as_str());
    assert_eq!(changed["customer"]["points"], json!({"now": 300, "rehearsed": 550}));
    assert_eq!(changed["customer"]["tier"], json!({"now": "bronze", "rehearsed": "silver"}));
    let sums = &lines.last().expect("an end")["rehearsal"];
    assert_eq!((&sums["members"], &sums["purchases"], &sums["upgraded"]), (&json!(2), &json!(2), &json!(1)));
    assert_eq!(sums["liabilities"], json!([{"currency": "EUR", "now": "3.40", "rehearsed": "11.80"}]));

    let listed = world.get(&format!("{REHEARSALS}?min_position={}", sums["recorded_position"])).await;
    assert_eq!(listed.body["rehearsals"], json!([sums]), "{}", listed.body);

    let mut others = json!({"rules": rules(), "rehearsal_id": sums["rehearsal_id"]});
    others["rules"]["expiry_months"] = json!(13);
    let refused = world.post(VERSIONS, others).await;
    assert_eq!((refused.status, &refused.body["code"]), (422, &json!("rehearsal_of_other_rules")), "{}", refused.body);
    let unknown = json!({"rules": rules(), "rehearsal_id": "018f0000-0000-7000-8000-000000000009"});
    let refused = world.post(VERSIONS, unknown).await;
    assert_eq!((refused.status, &refused.body["code"]), (422, &json!("rehearsal_not_found")), "{}", refused.body);
    let publish = json!({"rules": rules(), "rehearsal_id": sums["rehearsal_id"]});
    let published = world.post(VERSIONS, publish).await;
    assert_eq!((published.status, &published.body["version"]), (201, &json!(1)), "{}", published.body);
    assert_eq!(world.buys(&eva, "order-3", "60.00").await.body["points_earned"], 70);

    let head = world.head().await;
    let mut faulty = json!({"rules": rules()});
    faulty["rules"]["earn"][1]["above"] = json!(0);
    let refused = world.post(REHEARSALS, faulty).await;
    assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!("/rules/earn/1/above")));
    let reader = world.run_json(&["key", "create", "r", "--scope", "loyalty:read", "--json"]);
    let key = reader["key"].as_str().expect("a key");
    let forbidden = world.ask_as(Some(key), reqwest::Method::POST, REHEARSALS, Some(json!({"rules": rules()}))).await;
    assert_eq!(forbidden.status, 403, "{}", forbidden.body);
    assert!(world.head().await <= head + 1, "nothing but the key was recorded");
}
