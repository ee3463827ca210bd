//! What becomes of sales, points and names when customers turn out to be one, while tills go on selling.

use crate::support::World;
use commands::loyalty::holds::{self, PlaceHold};
use domain::ids::{CustomerId, OrderId};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

async fn merges(world: &World, survivor: &str, duplicate: &str) -> crate::support::world::Answer {
    world.post(&format!("/v1/customers/{survivor}/merges"), json!({"duplicate_id": duplicate})).await
}

fn cups(refund: &str, quantity: u32) -> Value {
    json!({"order_id": "order-2", "refund_id": refund, "lines": [{"sku": "cup", "quantity": quantity}]})
}

/// A member who spent 300 points on `order-2`, of three cups, one of which came back.
async fn with_an_order(world: &World, email: &str) -> String {
    let customer = world.member(email).await;
    world.buys(&customer, "order-1", "400.00").await;
    let redeem = json!({"order_id": "order-2", "points": 300});
    assert_eq!(world.post(&format!("/v1/customers/{customer}/loyalty/redeem"), redeem).await.status, 201);
    let lines = json!([{"sku": "cup", "quantity": 3, "amount": "30.00"}]);
    let purchase = json!({"order_id": "order-2", "total": "30.00", "currency": "EUR", "lines": lines});
    assert_eq!(world.post(&format!("/v1/customers/{customer}/purchases"), purchase).await.status, 201);
    let cup = world.post(&format!("/v1/customers/{customer}/refunds"), cups("r-1", 1)).await;
    assert_eq!(
        (cup.status, &cup.body["points_reversed"], &cup.body["points_returned"]),
        (201, &json!(10), &json!(100))
    );
    customer
}

#[tokio::test]
async fn lines_of_the_duplicates_order_are_given_back_and_points_spent_on_it_come_back() {
    let world = World::start().await;
    let (ana, double) = (world.member("ana@example.com").await, with_an_order(&world, "double@example.com").await);
    world.buys(&ana, "order-9", "50.00").await;
    let merged = merges(&world, &ana, &double).await;
    assert_eq!((merged.status, &merged.body["balance"]), (201, &json!(270)), "{}", merged.body);
    let refunds = format!("/v1/customers/{ana}/refunds");
    assert_eq!(world.post(&refunds, cups("r-1", 1)).await.status, 200, "told again of the survivor");
    assert_eq!(world.post(&refunds, cups("r-1", 2)).await.refusal(), "409 refund_already_recorded");
    let more = world.post(&refunds, cups("r-2", 3)).await;
    assert_eq!((more.status, &more.body["remaining"]), (422, &json!(2)), "{}", more.body);
    let gone = world.post(&format!("/v1/customers/{double}/refunds"), cups("r-2", 2)).await;
    assert_eq!((gone.refusal().as_str(), &gone.body["survivor"]), ("409 customer_merged", &json!(ana)));
    let rest = world.post(&refunds, cups("r-2", 2)).await;
    assert_eq!((rest.status, &rest.body["amount"], &rest.body["remaining"]), (201, &json!("20.00"), &json!("0.00")));
    assert_eq!((&rest.body["points_reversed"], &rest.body["points_returned"]), (&json!(20), &json!(200)));
    assert_eq!(rest.body["balance"], 450, "the 400 and the 50 that were earned: {}", rest.body);
    assert_eq!(world.post(&refunds, cups("r-3", 1)).await.status, 422, "nothing is left of it");
    let seen = world.loyalty_at(&ana, rest.position).await;
    assert_eq!((&seen["balance"], &seen["returned"]), (&json!(450), &json!(200)), "{seen}");
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn no_merge_leads_in_a_circle_over_two_or_to_somebody_elses() {
    let world = World::start().await;
    let [first, second, third] = ["first@example.com", "second@example.com", "third@example.com"];
    let (first, second, third) = (world.member(first).await, world.member(second).await, world.member(third).await);
    world.buys(&first, "order-1", "10.00").await;
    assert_eq!(merges(&world, &second, &first).await.status, 201);
    assert_eq!(merges(&world, &first, &second).await.refusal(), "409 customer_merged", "no circle");
    let last = merges(&world, &third, &second).await;
    assert_eq!((last.status, &last.body["balance"]), (201, &json!(10)), "{}", last.body);
    for (survivor, duplicate, refusal) in [
        (&first, &third, "409 customer_merged"),
        (&second, &third, "409 customer_merged"),
        (&second, &first, "409 customer_merged"),
        (&third, &third, "422 merge_with_itself /duplicate_id merge_with_itself"),
    ] {
        assert_eq!(merges(&world, survivor, duplicate).await.refusal(), refusal);
    }
    let again = merges(&world, &third, &first).await;
    assert_eq!((again.status, &again.body["repeated"]), (200, &json!(true)), "it is in there: {}", again.body);
    let position = last.position.expect("a position");
    for (id, email) in [(&first, "first"), (&second, "second")] {
        let seen = world.get(&format!("/v1/customers/{id}?min_position={position}")).await.body;
        assert_eq!((&seen["status"], &seen["merged_into"]), (&json!("merged"), &json!(third)));
        let found = world.get(&format!("/v1/customers?email={email}@example.com&min_position={position}")).await.body;
        assert_eq!(found["items"][0]["customer_id"], json!(third), "{found}");
        assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found}");
    }
    let tenant = world.run_json(&["tenant", "create", "acme", "--json"])["tenant"].to_string();
    let theirs = world.run_json(&["key", "create", "a", "--scope", "admin", "--tenant", &tenant, "--json"]);
    let ask =
        async |path: &str, body: Value| world.ask_as(theirs["key"].as_str(), Method::POST, path, Some(body)).await;
    let registered = ask("/v1/customers", json!({"emails": ["theirs@example.com"]})).await;
    let their_own = text(&registered.body["customer_id"]).to_owned();
    let other = world.member("other@example.com").await;
    let path = |survivor: &str| format!("/v1/customers/{survivor}/merges");
    let unknown = ask(&path(&other), json!({"duplicate_id": their_own})).await;
    assert_eq!(unknown.refusal(), "404 customer_not_found");
    let unknown = ask(&path(&their_own), json!({"duplicate_id": other})).await;
    assert_eq!(unknown.refusal(), "422 duplicate_not_found /duplicate_id duplicate_not_found");
}

/// What the duplicate did stands in the log under its own name; no state remembers all of it.
#[tokio::test]
async fn what_was_told_of_the_duplicate_is_told_again_of_the_survivor_and_counts_once() {
    let world = World::start().await;
    let (ana, double) = (world.member("ana@example.com").await, world.member("double@example.com").await);
    let (third, bea) = (world.member("third@example.com").await, world.member("bea@example.com").await);
    world.buys(&double, "order-2", "900.00").await;
    let hold = json!({"order_id": "order-4", "points": 100});
    let held = world.post(&format!("/v1/customers/{double}/loyalty/holds"), hold).await;
    let capture = format!("loyalty/holds/{}/capture", text(&held.body["hold_id"]));
    let old = |total: &str| {
        let at = "2020-03-01T12:00:00Z";
        json!({"order_id": "order-1", "total": total, "currency": "EUR", "occurred_at": at})
    };
    let given = |points: i64| json!({"adjustment_id": "case-1", "points": points, "reason": "goodwill"});
    let sent = |points: i64| json!({"transfer_id": "t-1", "to": bea, "points": points});
    let told = [
        ("purchases", old("70.00")),
        ("loyalty/redeem", json!({"order_id": "order-3", "points": 200})),
        (&capture, json!({"order_id": "order-4"})),
        ("loyalty/adjustments", given(50)),
        ("loyalty/transfers", sent(100)),
    ];
    let tell = async |customer: &str, path: &str, body: &Value| {
        let mut answer = world.post(&format!("/v1/customers/{customer}/{path}"), body.clone()).await;
        let of_whom = answer.body.as_object_mut().expect("an object");
        let (whose, repeated) = (of_whom.remove("customer_id"), of_whom.remove("repeated"));
        assert_eq!((whose, answer.status == 200), (Some(json!(customer)), repeated == Some(json!(true))), "{path}");
        (answer.status, answer.position, answer.body)
    };
    let mut first = Vec::new();
    for (path, body) in &told {
        let (status, position, answer) = tell(&double, path, body).await;
        assert_eq!(status, 201, "{path}: {answer}");
        first.push((position, answer));
    }
    assert_eq!(merges(&world, &ana, &double).await.status, 201);
    let merged = merges(&world, &third, &ana).await;
    assert_eq!((merged.status, &merged.body["balance"]), (201, &json!(550)), "{}", merged.body);

    for ((path, body), (position, answer)) in told.iter().zip(first) {
        assert_eq!(tell(&third, path, body).await, (200, position, answer), "{path}: as it was told then");
    }
    for (path, body, refusal) in [
        ("purchases", old("71.00"), "409 order_already_recorded"),
        ("loyalty/adjustments", given(51), "409 already_happened"),
        ("loyalty/transfers", sent(101), "409 transfer_already_made"),
    ] {
        let refused = world.post(&format!("/v1/customers/{third}/{path}"), body).await;
        assert!(refused.refusal().starts_with(refusal), "{path}: {}", refused.body);
    }
    let earned = world.post(&format!("/v1/customers/{third}/loyalty/earn"), old("70.00")).await;
    assert_eq!((earned.status, &earned.body["points_earned"]), (200, &json!(0)), "{}", earned.body);
    let head = world.head().await;
    assert_eq!(world.loyalty_at(&third, Some(head)).await["balance"], 550);
    let seen = world.get(&format!("/v1/customers/{third}?min_position={head}")).await.body;
    assert_eq!(seen["purchase_count"], 2, "{seen}");
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn who_is_blocked_does_not_go_free_by_a_merge() {
    let world = World::start().await;
    let (ana, double) = (world.member("ana@example.com").await, world.member("double@example.com").await);
    world.buys(&ana, "order-1", "200.00").await;
    let block = async |id: &str, method: Method| {
        let body = (method == Method::PUT).then(|| json!({"reason": "fraud"}));
        world.ask_as(Some(world.key()), method, &format!("/v1/customers/{id}/block"), body).await.status
    };
    assert_eq!(block(&double, Method::PUT).await, 200);
    assert_eq!(merges(&world, &ana, &double).await.refusal(), "409 duplicate_blocked /duplicate_id duplicate_blocked");
    assert_eq!(block(&double, Method::DELETE).await, 200);
    assert_eq!(block(&ana, Method::PUT).await, 200);
    assert_eq!(merges(&world, &ana, &double).await.status, 201);
    let redeem = json!({"order_id": "order-3", "points": 100});
    let refused = world.post(&format!("/v1/customers/{ana}/loyalty/redeem"), redeem).await;
    assert_eq!(refused.refusal(), "409 customer_blocked", "it stays as it was");
}

#[tokio::test]
async fn a_held_sale_comes_before_a_merge_and_the_survivors_goes_on() {
    let world = World::start().await;
    let (ana, double) = (world.member("ana@example.com").await, world.member("double@example.com").await);
    world.buys(&ana, "order-1", "200.00").await;
    world.buys(&double, "order-2", "300.00").await;
    let hold = async |id: &str, order: &str| {
        let asked = json!({"order_id": order, "points": 100});
        let held = world.post(&format!("/v1/customers/{id}/loyalty/holds"), asked).await;
        text(&held.body["hold_id"]).to_owned()
    };
    let (own, other) = (hold(&ana, "order-3").await, hold(&double, "order-4").await);
    let refused = merges(&world, &ana, &double).await;
    assert_eq!(refused.refusal(), "409 holds_open /duplicate_id holds_open");
    let capture = |id: &str, hold: &str| format!("/v1/customers/{id}/loyalty/holds/{hold}/capture");
    let captured = world.post(&capture(&double, &other), json!({"order_id": "order-4"})).await;
    assert_eq!(captured.status, 201, "{}", captured.body);
    let merged = merges(&world, &ana, &double).await;
    assert_eq!((merged.status, &merged.body["balance"]), (201, &json!(300)), "{}", merged.body);
    let again = world.post(&capture(&double, &other), json!({"order_id": "order-4"})).await;
    assert_eq!((again.status, again.position), (200, captured.position), "a till that asks again is told the same");
    let another = json!({"order_id": "order-5", "points": 100});
    let late = world.post(&format!("/v1/customers/{double}/loyalty/holds"), another).await;
    assert_eq!((late.refusal().as_str(), &late.body["survivor"]), ("409 customer_merged", &json!(ana)));
    let captured = world.post(&capture(&ana, &own), json!({"order_id": "order-3"})).await;
    assert_eq!((captured.status, &captured.body["balance"]), (201, &json!(300)), "{}", captured.body);
    let again = world.post(&capture(&ana, &own), json!({"order_id": "order-3"})).await;
    assert_eq!((again.status, &again.body["balance"]), (200, &json!(300)), "captured once: {}", again.body);
    let redeemed = json!({"order_id": "order-4", "points": 100});
    let again = world.post(&format!("/v1/customers/{ana}/loyalty/redeem"), redeemed).await;
    assert_eq!(again.refusal(), "409 order_already_redeemed", "its order is discounted once");
    assert_eq!(world.loyalty_at(&ana, captured.position).await["balance"], 300);
}

#[tokio::test]
async fn a_hold_is_captured_in_time_by_who_placed_it() {
    let world = World::start().await;
    let customer = world.member("late@example.com").await;
    world.buys(&customer, "order-1", "350.00").await;
    let id = CustomerId::new(customer.parse().expect("an id"));
    let (till, caller) = world.till_ago(16).await;
    let order = OrderId::parse("order-2").expect("an id");
    let held = holds::place(&till, &caller, None, PlaceHold { customer: id, points: 200, order }).await.expect("held");
    let seen = world.get(&format!("/v1/customers/{customer}/loyalty/ledger?min_position={}", held.position.0)).await;
    let hold = text(&seen.body["items"][0]["hold_id"]).to_owned();
    let capture = format!("/v1/customers/{customer}/loyalty/holds/{hold}/capture");
    let late = world.post(&capture, json!({"order_id": "order-2"})).await;
    assert_eq!((late.refusal().as_str(), &late.body["ended"]), ("409 hold_over", &json!("lapsed")), "{}", late.body);
    let placed = json!({"order_id": "order-3", "points": 200});
    let placed = world.post(&format!("/v1/customers/{customer}/loyalty/holds"), placed).await;
    let capture = format!("/v1/customers/{customer}/loyalty/holds/{}/capture", text(&placed.body["hold_id"]));
    let tenant = world.run_json(&["tenant", "create", "acme", "--json"])["tenant"].to_string();
    let theirs = world.run_json(&["key", "create", "a", "--scope", "admin", "--tenant", &tenant, "--json"]);
    let body = json!({"order_id": "order-3"});
    let unknown = world.ask_as(theirs["key"].as_str(), Method::POST, &capture, Some(body.clone())).await;
    assert_eq!(unknown.refusal(), "404 not_a_member");
    assert_eq!(world.post(&capture, body.clone()).await.status, 201);
    let twice = world.post(&capture, body).await;
    assert_eq!((twice.status, &twice.body["balance"]), (200, &json!(150)), "{}", twice.body);
}

#[tokio::test]
async fn two_debts_are_one_and_the_next_points_pay_it() {
    let world = World::start().await;
    let mut both = Vec::new();
    for email in ["ana@example.com", "double@example.com"] {
        let customer = world.member(email).await;
        world.buys(&customer, "order-1", "100.00").await;
        let redeem = json!({"order_id": "order-2", "points": 100});
        world.post(&format!("/v1/customers/{customer}/loyalty/redeem"), redeem).await;
        let back = json!({"order_id": "order-1", "refund_id": "refund-1"});
        let owing = world.post(&format!("/v1/customers/{customer}/refunds"), back).await;
        assert_eq!(owing.body["balance"], -100, "{}", owing.body);
        both.push(customer);
    }
    let merged = merges(&world, &both[0], &both[1]).await;
    assert_eq!((merged.status, &merged.body["balance"]), (201, &json!(-200)), "{}", merged.body);
    let paid = world.buys(&both[0], "order-3", "250.00").await;
    assert_eq!((&paid.body["points_earned"], &paid.body["balance"]), (&json!(250), &json!(50)));
    let seen = world.loyalty_at(&both[0], paid.position).await;
    assert_eq!(seen["balance"], 50, "{seen}");
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn nobody_else_takes_what_the_duplicate_was_known_by() {
    let world = World::start().await;
    let (ana, double) = (world.member("ana@example.com").await, world.member("double@example.com").await);
    let third = world.member("third@example.com").await;
    let merged = merges(&world, &ana, &double).await;
    let taken = world.post("/v1/customers", json!({"emails": ["double@example.com"]})).await;
    assert_eq!(taken.refusal(), "409 email_taken /emails/0 email_taken");
    let third = format!("/v1/customers/{third}");
    let emails = |emails: &[&str]| json!({"emails": emails});
    let taken = world.patch(&third, None, emails(&["third@example.com", "double@example.com"])).await;
    assert_eq!(taken.refusal(), "409 email_taken /emails/1 email_taken");
    let refused = world.patch(&format!("/v1/customers/{double}"), None, emails(&["new@example.com"])).await;
    assert_eq!((refused.refusal().as_str(), &refused.body["survivor"]), ("409 customer_merged", &json!(ana)));
    let position = merged.position.expect("a position");
    let seen = world.get(&format!("/v1/customers/{ana}/contacts?min_position={position}")).await.body;
    assert!(seen.to_string().contains("double@example.com"), "{seen}");
    let given_up = world.patch(&format!("/v1/customers/{ana}"), None, emails(&["ana@example.com"])).await;
    assert_eq!(given_up.status, 200, "{}", given_up.body);
    let free = world.patch(&third, None, emails(&["third@example.com", "double@example.com"])).await;
    assert_eq!(free.status, 200, "{}", free.body);
}

/// Eight tills sell to both while a clerk merges them; who is told `customer_merged` sells to the survivor.
#[tokio::test]
async fn while_eight_tills_sell_to_both_no_sale_is_lost_and_none_counts_twice() {
    let world = World::start().await;
    let (ana, double) = (world.member("ana@example.com").await, world.member("double@example.com").await);
    world.buys(&double, "order-0", "100.00").await;
    let both = [&ana, &double];
    let sells = (0..8).map(|till| {
        let world = &world;
        async move {
            let mut redirected = 0;
            for sale in 0..20 {
                let (customer, order) = (both[(till + sale) % 2], format!("order-{till}-{sale}"));
                let mut sold = world.buys(customer, &order, "5.00").await;
                if sold.status == 409 {
                    assert_eq!(sold.body["code"], "customer_merged", "{}", sold.body);
                    redirected += 1;
                    sold = world.buys(text(&sold.body["survivor"]), &order, "5.00").await;
                }
                assert!([200, 201].contains(&sold.status), "{}", sold.body);
            }
            redirected
        }
    });
    let clerk = async {
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        merges(&world, &ana, &double).await
    };
    let (redirected, merged) = futures::join!(join_all(sells), clerk);
    assert_eq!(merged.status, 201, "{}", merged.body);
    assert!(redirected.iter().sum::<i32>() > 0, "the merge came while they were selling");
    // Whoever lost an answer tells all of it again.
    let again = join_all((0..8).map(|till| {
        let (world, ana) = (&world, &ana);
        async move { world.buys(ana, &format!("order-{till}-7"), "5.00").await }
    }));
    for told in again.await {
        assert_eq!((told.status, &told.body["repeated"]), (200, &json!(true)), "{}", told.body);
    }
    let head = world.head().await;
    let (kept, gone) = (world.loyalty_at(&ana, Some(head)).await, world.loyalty_at(&double, Some(head)).await);
    let sold = 100 + 8 * 20 * 5;
    assert_eq!((&kept["balance"], &kept["earned_last_12_months"]), (&json!(sold), &json!(sold)), "{kept}");
    assert_eq!(gone["balance"], 0, "{gone}");
    let seen = world.get(&format!("/v1/customers/{ana}?min_position={head}")).await.body;
    assert_eq!(seen["purchase_count"], 161, "{seen}");
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
