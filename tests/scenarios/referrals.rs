//! Customers that others sent, and what campaigns give to both.

use crate::reactors::settled;
use crate::support::World;
use crate::support::world::Answer;
use futures::future::join_all;
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};

const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

async fn put(world: &World, path: &str, body: Value) -> Answer {
    world.ask_as(Some(world.key()), Method::PUT, path, Some(body)).await
}

async fn refer(world: &World, customer: &str, referrer: &str) -> Answer {
    put(world, &format!("/v1/customers/{customer}/referrer"), json!({"referrer_id": referrer})).await
}

/// A customer's row as it is after a command.
async fn seen(world: &World, customer: &str, after: &Answer) -> Value {
    assert!(after.status < 300, "{}", after.body);
    let position = after.position.expect("a command answers with its position");
    world.get(&format!("/v1/customers/{customer}?min_position={position}")).await.body
}

async fn sent_entries(world: &World, customer: &str) -> Value {
    let head = world.head().await;
    let path = format!("/v1/customers/{customer}/timeline?type=customer.referred&min_position={head}");
    world.get(&path).await.body["items"].clone()
}

#[tokio::test]
async fn a_customer_is_sent_by_another_one_once_before_it_buys() {
    let world = World::start().await;
    let (ana, eva) = (world.member("ana@example.com").await, world.member("eva@example.com").await);
    let third = world.member("third@example.com").await;
    let referred = refer(&world, &eva, &ana).await;
    assert_eq!((referred.status, &referred.body["changed"], referred.etag()), (200, &json!(true), Some("\"2\"")));
    assert_eq!(seen(&world, &eva, &referred).await["referrer_id"], json!(ana));
    assert_eq!(seen(&world, &ana, &referred).await["referrer_id"], Value::Null);
    let again = refer(&world, &eva, &ana).await;
    assert_eq!((again.status, &again.body["changed"]), (200, &json!(false)), "{}", again.body);
    let other = refer(&world, &eva, &third).await;
    assert_eq!((other.refusal(), &other.body["referrer"]), ("409 already_referred".to_owned(), &json!(ana)));
    let entry = &sent_entries(&world, &eva).await[0]["facts"];
    // Members of the tests have all one name.
    assert_eq!((&entry["referrer_id"], &entry["looks_alike"]), (&json!(ana), &json!(true)), "{entry}");

    let bought = world.buys(&third, "order-1", "10.00").await;
    assert_eq!(bought.status, 201, "{}", bought.body);
    assert_eq!(refer(&world, &third, &ana).await.refusal(), "409 already_bought");
    assert_eq!(refer(&world, &ana, &eva).await.refusal(), "409 circular_referral /referrer_id circular_referral");
    assert_eq!(refer(&world, &ana, &ana).await.refusal(), "422 self_referral /referrer_id self_referral");
    assert_eq!(refer(&world, &ana, NOBODY).await.refusal(), "422 referrer_not_found /referrer_id referrer_not_found");
    assert_eq!(refer(&world, NOBODY, &ana).await.refusal(), "404 customer_not_found");
    assert_eq!(refer(&world, &ana, "ana").await.refusal(), "422 validation_failed /referrer_id not_a_uuid");
    let path = format!("/v1/customers/{ana}/referrer");
    let nothing = put(&world, &path, json!({})).await;
    assert_eq!(nothing.refusal(), "422 validation_failed /referrer_id missing_field");
    let reader = world.run_json(&["key", "create", "reader", "--scope", "customers:read", "--json"]);
    let body = Some(json!({"referrer_id": third}));
    let refused = world.ask_as(Some(text(&reader["key"])), Method::PUT, &path, body).await;
    assert_eq!(refused.refusal(), "403 scope_missing");
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn who_registers_says_who_sent_it() {
    let world = World::start().await;
    let ana = world.member("ana@example.com").await;
    let body = |email: &str, referrer: &str| json!({"name": "Eva Ruiz", "emails": [email], "referrer_id": referrer});
    let registered = world.post("/v1/customers", body("eva@example.com", &ana)).await;
    assert_eq!(registered.status, 201, "{}", registered.body);
    let eva = text(&registered.body["customer_id"]).to_owned();
    assert_eq!(seen(&world, &eva, &registered).await["referrer_id"], json!(ana));
    let entry = &sent_entries(&world, &eva).await[0]["facts"];
    assert_eq!(entry["looks_alike"], json!(false), "{entry}");
    let unknown = world.post("/v1/customers", body("other@example.com", NOBODY)).await;
    assert_eq!(unknown.refusal(), "422 referrer_not_found /referrer_id referrer_not_found");
    let wrong = world.post("/v1/customers", body("other@example.com", "ana")).await;
    assert_eq!(wrong.refusal(), "422 validation_failed /referrer_id not_a_uuid");
    let free = world.post("/v1/customers", json!({"emails": ["other@example.com"]})).await;
    assert_eq!(free.status, 201, "nothing of it was kept: {}", free.body);
}

#[tokio::test]
async fn a_referrer_is_a_customer_of_ones_own_that_is_there() {
    let world = World::start().await;
    let (ana, eva) = (world.member("ana@example.com").await, world.member("eva@example.com").await);
    let tenant = world.run_json(&["tenant", "create", "other", "--json"])["tenant"].to_string();
    let key = world.run_json(&["key", "create", "other", "--scope", "admin", "--tenant", &tenant, "--json"]);
    let stranger = json!({"emails": ["stranger@example.com"]});
    let stranger = world.ask_as(Some(text(&key["key"])), Method::POST, "/v1/customers", Some(stranger)).await;
    let refused = refer(&world, &eva, text(&stranger.body["customer_id"])).await;
    assert_eq!(refused.refusal(), "422 referrer_not_found /referrer_id referrer_not_found");

    let referrer = format!("/v1/customers/{ana}");
    let blocked = put(&world, &format!("{referrer}/block"), json!({"reason": "abuse"})).await;
    assert_eq!(blocked.status, 200, "{}", blocked.body);
    assert_eq!(refer(&world, &eva, &ana).await.refusal(), "409 referrer_blocked /referrer_id referrer_blocked");
    let asked = async |method: Method, path: &str| world.ask_as(Some(world.key()), method, path, None).await;
    assert_eq!(asked(Method::DELETE, &format!("{referrer}/block")).await.status, 200);
    assert_eq!(asked(Method::DELETE, &referrer).await.status, 200);
    assert_eq!(refer(&world, &eva, &ana).await.refusal(), "409 referrer_deleted /referrer_id referrer_deleted");
    assert_eq!(asked(Method::POST, &format!("{referrer}/restore")).await.status, 200);

    let survivor = world.member("survivor@example.com").await;
    let merged = world.post(&format!("/v1/customers/{survivor}/merges"), json!({"duplicate_id": ana})).await;
    assert_eq!(merged.status, 201, "{}", merged.body);
    let refused = refer(&world, &eva, &ana).await;
    assert_eq!(refused.refusal(), "409 referrer_merged /referrer_id referrer_merged");
    assert_eq!(refused.body["survivor"], json!(survivor), "{}", refused.body);
    let erased = world.post(&format!("/v1/customers/{survivor}/erase"), json!({})).await;
    assert_eq!(erased.status, 200, "{}", erased.body);
    assert_eq!(refer(&world, &eva, &survivor).await.refusal(), "409 referrer_erased /referrer_id referrer_erased");
}

#[tokio::test]
async fn a_merge_keeps_who_sent_whom_and_nobody_has_sent_itself() {
    let world = World::start().await;
    let (ana, eva) = (world.member("ana@example.com").await, world.member("eva@example.com").await);
    let double = world.member("double@example.com").await;
    assert_eq!(refer(&world, &double, &ana).await.status, 200);
    let merged = world.post(&format!("/v1/customers/{eva}/merges"), json!({"duplicate_id": double})).await;
    assert_eq!(seen(&world, &eva, &merged).await["referrer_id"], json!(ana));
    let merged = world.post(&format!("/v1/customers/{eva}/merges"), json!({"duplicate_id": ana})).await;
    assert_eq!(seen(&world, &eva, &merged).await["referrer_id"], Value::Null);
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn of_who_was_erased_nobody_sees_who_sent_it() {
    let world = World::start().await;
    let (ana, eva) = (world.member("ana@example.com").await, world.member("eva@example.com").await);
    let referred = refer(&world, &eva, &ana).await;
    assert_eq!(seen(&world, &eva, &referred).await["referrer_id"], json!(ana));
    let told = world.get(&format!("/v1/customers/{eva}/export")).await.body;
    assert!(told.to_string().contains("customer.referred"), "{told}");
    let page = world.open(None, &format!("/v1/customers/{eva}/export?format=html"), None).await;
    let page = page.text().await.expect("a page");
    assert!(page.contains("another customer had sent you"), "{page}");
    let erased = world.post(&format!("/v1/customers/{eva}/erase"), json!({})).await;
    let blank = seen(&world, &eva, &erased).await;
    assert_eq!((&blank["status"], &blank["referrer_id"]), (&json!("erased"), &Value::Null), "{blank}");
    let third = world.member("third@example.com").await;
    assert_eq!(refer(&world, &third, &ana).await.status, 200, "the other one is there");
}

/// A campaign that gives 50 points to who was sent and 200 to who sent it.
async fn publish(world: &World) -> String {
    let rules = json!({"referred": true, "bonus_points": 50, "referrer_points": 200});
    let published = world.post("/v1/loyalty/campaigns", json!({"name": "Bring a friend", "rules": rules})).await;
    assert_eq!(published.status, 201, "{}", published.body);
    text(&published.body["campaign_id"]).to_owned()
}

/// Two members, of whom the first sent the second, under a campaign.
async fn two(world: &World) -> (String, String) {
    publish(world).await;
    let (ana, eva) = (world.member("ana@example.com").await, world.member("eva@example.com").await);
    assert_eq!(refer(world, &eva, &ana).await.status, 200);
    (ana, eva)
}

async fn balance(world: &World, customer: &str) -> i64 {
    let head = settled(world).await;
    world.loyalty_at(customer, Some(head)).await["balance"].as_i64().expect("a balance")
}

async fn gives_back(world: &World, customer: &str, order: &str) -> Answer {
    let refund = json!({"order_id": order, "refund_id": format!("of-{order}")});
    world.post(&format!("/v1/customers/{customer}/refunds"), refund).await
}

/// What became of what is given for a customer, the newest first.
async fn told(world: &World, customer: &str) -> Vec<String> {
    let head = settled(world).await;
    let path = format!("/v1/customers/{customer}/timeline?type=loyalty.referral.changed&min_position={head}");
    let items = world.get(&path).await.body["items"].clone();
    let status = |item: &Value| text(&item["facts"]["status"]).to_owned();
    items.as_array().expect("a list").iter().map(status).collect()
}

async fn nothing_is_parked(world: &World) {
    settled(world).await;
    assert_eq!(world.get("/v1/reactors/referral_bonus/parked").await.body, json!({"items": []}));
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn a_friend_that_buys_first_gives_points_to_both_and_takes_them_back_with_the_purchase() {
    let mut world = World::with_background().await;
    let (ana, eva) = two(&world).await;
    let bought = world.buys(&eva, "order-1", "10.00").await;
    assert_eq!((bought.status, &bought.body["points_earned"]), (201, &json!(60)), "{}", bought.body);
    assert_eq!((balance(&world, &ana).await, balance(&world, &eva).await), (200, 60));
    assert_eq!(world.buys(&eva, "order-1", "10.00").await.status, 200, "told again");
    let second = world.buys(&eva, "order-2", "10.00").await;
    assert_eq!(second.body["points_earned"], 10, "only the first: {}", second.body);
    world.end(Signal::SIGTERM);
    let restarted = world.run(&["reactors", "restart", "referral_bonus"]);
    assert!(restarted.status.success(), "{}", String::from_utf8_lossy(&restarted.stderr));
    world.serve(&[]);
    assert_eq!(balance(&world, &ana).await, 200, "once, whoever tells it again");
    let head = settled(&world).await;
    let rows = world.get(&format!("/v1/customers/{ana}/loyalty/ledger?min_position={head}")).await.body;
    assert_eq!((&rows["items"][0]["kind"], &rows["items"][0]["points"]), (&json!("adjusted"), &json!(200)), "{rows}");
    let page = world.open(None, &format!("/v1/customers/{ana}/export?format=html"), None).await;
    let page = page.text().await.expect("a page");
    assert!(page.contains("because a customer whom you had sent bought"), "{page}");

    let part = json!({"order_id": "order-1", "refund_id": "r-0", "amount": "1.00", "currency": "EUR"});
    assert_eq!(world.post(&format!("/v1/customers/{eva}/refunds"), part).await.status, 201);
    assert_eq!(balance(&world, &ana).await, 200, "something is left");
    assert_eq!(gives_back(&world, &eva, "order-1").await.status, 201);
    assert_eq!((balance(&world, &ana).await, balance(&world, &eva).await), (0, 10));
    assert_eq!(told(&world, &eva).await, ["reversed", "earned"]);
    nothing_is_parked(&world).await;
}

#[tokio::test]
async fn only_as_many_points_are_taken_back_as_are_there() {
    let world = World::with_background().await;
    let (ana, eva) = two(&world).await;
    world.buys(&eva, "order-1", "10.00").await;
    assert_eq!(balance(&world, &ana).await, 200);
    let spent =
        world.post(&format!("/v1/customers/{ana}/loyalty/redeem"), json!({"order_id": "o-9", "points": 100})).await;
    assert_eq!(spent.status, 201, "{}", spent.body);
    assert_eq!(gives_back(&world, &eva, "order-1").await.status, 201);
    assert_eq!(balance(&world, &ana).await, 0, "nothing is owed");
    nothing_is_parked(&world).await;
}

#[tokio::test]
async fn points_that_are_held_go_back_and_what_was_never_given_changes_nothing() {
    let world = World::with_background().await;
    let (ana, eva) = two(&world).await;
    world.buys(&eva, "order-1", "10.00").await;
    assert_eq!(balance(&world, &ana).await, 200);
    let holds = format!("/v1/customers/{ana}/loyalty/holds");
    let held = world.post(&holds, json!({"order_id": "o-9", "points": 200})).await;
    assert_eq!(held.status, 201, "{}", held.body);
    assert_eq!(gives_back(&world, &eva, "order-1").await.status, 201);
    assert_eq!(balance(&world, &ana).await, -200);
    let release = format!("{holds}/{}/release", text(&held.body["hold_id"]));
    assert!(world.post(&release, json!({})).await.status < 300);
    assert_eq!(balance(&world, &ana).await, 0);

    // Who was no member when the friend bought, and owes points since.
    let late = world.post("/v1/customers", json!({"kind": "individual", "emails": ["late@example.com"]})).await;
    let late = text(&late.body["customer_id"]).to_owned();
    let friend = world.member("friend@example.com").await;
    assert_eq!(refer(&world, &friend, &late).await.status, 200);
    world.buys(&friend, "order-1", "10.00").await;
    settled(&world).await;
    assert_eq!(world.post(&format!("/v1/customers/{late}/loyalty"), json!({"currency": "EUR"})).await.status, 201);
    world.buys(&late, "a", "100.00").await;
    let redeem = json!({"order_id": "o-1", "points": 100});
    assert_eq!(world.post(&format!("/v1/customers/{late}/loyalty/redeem"), redeem).await.status, 201);
    assert_eq!(gives_back(&world, &late, "a").await.status, 201);
    assert_eq!(balance(&world, &late).await, -100);
    assert_eq!(gives_back(&world, &friend, "order-1").await.status, 201);
    assert_eq!(balance(&world, &late).await, -100, "nothing pays what it owes");
    nothing_is_parked(&world).await;
}

#[tokio::test]
async fn of_many_first_purchases_at_once_one_is_the_first() {
    let world = World::with_background().await;
    let (ana, eva) = two(&world).await;
    let buys = (0..64).map(|nth| {
        let (world, eva) = (&world, eva.clone());
        async move { world.buys(&eva, &format!("order-{nth}"), "10.00").await.status }
    });
    let answers = join_all(buys).await;
    assert!(answers.iter().all(|status| *status == 201), "{answers:?}");
    assert_eq!((balance(&world, &ana).await, balance(&world, &eva).await), (200, 64 * 10 + 50));
    assert_eq!(told(&world, &eva).await, ["earned"]);
    nothing_is_parked(&world).await;
}

#[tokio::test]
async fn points_wait_for_both_until_the_purchase_cannot_be_given_back() {
    let world = World::with_background().await;
    let rules = world.get("/v1/loyalty/programme").await.body["rules"].clone();
    let mut rules = rules;
    rules["pending"] = json!({"vest_after_days": 14});
    let published = world.post("/v1/loyalty/programme/versions", json!({"rules": rules})).await;
    assert_eq!(published.status, 201, "{}", published.body);
    let (ana, eva) = two(&world).await;
    world.buys(&eva, "order-1", "10.00").await;
    assert_eq!((balance(&world, &ana).await, told(&world, &eva).await), (0, vec!["pending".to_owned()]));
    let vested = world.post(&format!("/v1/customers/{eva}/loyalty/vest"), json!({"order_id": "order-1"})).await;
    assert!(vested.status < 300, "{}", vested.body);
    assert_eq!((balance(&world, &ana).await, balance(&world, &eva).await), (200, 60));
    let third = world.member("third@example.com").await;
    assert_eq!(refer(&world, &third, &ana).await.status, 200);
    world.buys(&third, "order-2", "10.00").await;
    assert_eq!(gives_back(&world, &third, "order-2").await.status, 201);
    assert_eq!(told(&world, &third).await, ["cancelled", "pending"]);
    assert_eq!(balance(&world, &ana).await, 200);
    nothing_is_parked(&world).await;
}

#[tokio::test]
async fn a_referrer_that_was_merged_is_followed_and_nobody_is_rewarded_for_itself() {
    let world = World::with_background().await;
    let (ana, eva) = two(&world).await;
    let survivor = world.member("survivor@example.com").await;
    let merge = async |survivor: &str, duplicate: &str| {
        let merged = world.post(&format!("/v1/customers/{survivor}/merges"), json!({"duplicate_id": duplicate})).await;
        assert_eq!(merged.status, 201, "{}", merged.body);
    };
    merge(&survivor, &ana).await;
    world.buys(&eva, "order-1", "10.00").await;
    assert_eq!(balance(&world, &survivor).await, 200);
    let last = world.member("last@example.com").await;
    merge(&last, &survivor).await;
    assert_eq!(gives_back(&world, &eva, "order-1").await.status, 201);
    assert_eq!(balance(&world, &last).await, 0, "what was given to the first is taken back from the last");

    let friend = world.member("friend@example.com").await;
    assert_eq!(refer(&world, &friend, &last).await.status, 200);
    merge(&friend, &last).await;
    let bought = world.buys(&friend, "order-2", "10.00").await;
    assert_eq!(bought.body["points_earned"], 10, "sent by nobody: {}", bought.body);
    assert_eq!(balance(&world, &friend).await, 10);
    nothing_is_parked(&world).await;
}

#[tokio::test]
async fn of_a_first_purchase_that_both_made_with_one_order_only_who_sent_the_survivor_loses_by_its_refund() {
    let world = World::with_background().await;
    let (ana, eva) = two(&world).await;
    let (bea, double) = (world.member("bea@example.com").await, world.member("double@example.com").await);
    assert_eq!(refer(&world, &double, &bea).await.status, 200);
    for customer in [&eva, &double] {
        assert_eq!(world.buys(customer, "order-1", "10.00").await.body["points_earned"], 60);
    }
    assert_eq!((balance(&world, &ana).await, balance(&world, &bea).await), (200, 200));
    let merged = world.post(&format!("/v1/customers/{eva}/merges"), json!({"duplicate_id": double})).await;
    assert_eq!((merged.status, &merged.body["balance"]), (201, &json!(120)), "{}", merged.body);
    assert_eq!(gives_back(&world, &eva, "order-1").await.status, 201);
    assert_eq!((balance(&world, &ana).await, balance(&world, &bea).await), (0, 200));
    assert_eq!(balance(&world, &eva).await, 60, "what the other copy earned stays");
    nothing_is_parked(&world).await;
}

#[tokio::test]
async fn who_is_no_member_or_is_gone_or_blocked_is_given_nothing_and_nobody_waits() {
    let world = World::with_background().await;
    publish(&world).await;
    let ask = async |method: Method, path: String, body: Option<Value>| {
        let answer = world.ask_as(Some(world.key()), method, &path, body).await;
        assert!(answer.status < 300, "{}", answer.body);
        answer
    };
    let nobody = world.post("/v1/customers", json!({"emails": ["no-member@example.com"]})).await;
    let nobody = text(&nobody.body["customer_id"]).to_owned();
    let mut referrers = vec![nobody.clone()];
    for name in ["blocked", "deleted", "erased"] {
        referrers.push(world.member(&format!("{name}@example.com")).await);
    }
    let mut friends = Vec::new();
    for (nth, referrer) in referrers.iter().enumerate() {
        friends.push(world.member(&format!("friend-{nth}@example.com")).await);
        assert_eq!(refer(&world, &friends[nth], referrer).await.status, 200);
    }
    ask(Method::PUT, format!("/v1/customers/{}/block", referrers[1]), Some(json!({"reason": "abuse"}))).await;
    ask(Method::DELETE, format!("/v1/customers/{}", referrers[2]), None).await;
    ask(Method::POST, format!("/v1/customers/{}/erase", referrers[3]), Some(json!({}))).await;
    for (nth, friend) in friends.iter().enumerate() {
        let bought = world.buys(friend, &format!("order-{nth}"), "10.00").await;
        assert_eq!(bought.body["points_earned"], 60, "{}", bought.body);
        assert_eq!(told(&world, friend).await, ["earned"]);
    }
    assert_eq!(balance(&world, &referrers[1]).await, 0);
    nothing_is_parked(&world).await;
    // Nothing was given, so nothing is taken, though there are points now.
    ask(Method::POST, format!("/v1/customers/{nobody}/loyalty"), Some(json!({"currency": "EUR"}))).await;
    world.buys(&nobody, "order-9", "30.00").await;
    assert_eq!(gives_back(&world, &friends[0], "order-0").await.status, 201);
    assert_eq!(balance(&world, &nobody).await, 30);
    nothing_is_parked(&world).await;
}

/// What is to be looked at, by whose account it is about.
async fn flagged(world: &World) -> Vec<(String, String)> {
    let head = world.head().await;
    let flags = world.get(&format!("/v1/loyalty/flags?min_position={head}")).await.body["items"].clone();
    let told = |flag: &Value| (text(&flag["customer_id"]).to_owned(), text(&flag["flag"]).to_owned());
    flags.as_array().expect("a list").iter().map(told).collect()
}

#[tokio::test]
async fn who_may_have_sent_itself_is_looked_at_by_a_person() {
    let world = World::start().await;
    // Members of the tests have all one name.
    let (ana, eva) = two(&world).await;
    assert_eq!(flagged(&world).await, []);
    let bought = world.buys(&eva, "order-1", "10.00").await;
    assert_eq!((bought.status, &bought.body["points_earned"]), (201, &json!(60)), "nothing is refused");
    let flag = |customer: &str| (customer.to_owned(), "self_referral".to_owned());
    assert_eq!(flagged(&world).await, [flag(&eva)]);
    let clear = format!("/v1/customers/{eva}/loyalty/flags/self_referral/clear");
    let cleared = world.post(&clear, json!({"reason": "twins"})).await;
    assert_eq!((cleared.status, &cleared.body["flag"]), (201, &json!("self_referral")), "{}", cleared.body);
    assert_eq!(world.post(&clear, json!({})).await.refusal(), "404 not_flagged");
    assert_eq!(flagged(&world).await, []);

    let merged = world.post(&format!("/v1/customers/{ana}/merges"), json!({"duplicate_id": eva})).await;
    assert_eq!(merged.status, 201, "{}", merged.body);
    assert_eq!(flagged(&world).await, [flag(&ana)], "they are one");
    let stranger = json!({"name": "Luis Ruiz", "emails": ["luis@example.com"], "loyalty": {"currency": "EUR"}});
    let stranger = world.post("/v1/customers", stranger).await;
    let stranger = text(&stranger.body["customer_id"]).to_owned();
    assert_eq!(refer(&world, &stranger, &ana).await.status, 200);
    world.buys(&stranger, "order-2", "10.00").await;
    assert_eq!(flagged(&world).await, [flag(&ana)], "they look like two");
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn points_without_a_purchase_are_no_first_purchase() {
    let world = World::with_background().await;
    let (ana, eva) = two(&world).await;
    let earn = json!({"order_id": "order-1", "total": "10.00", "currency": "EUR"});
    let earned = world.post(&format!("/v1/customers/{eva}/loyalty/earn"), earn).await;
    assert_eq!(earned.body["points_earned"], 10, "{}", earned.body);
    assert_eq!(balance(&world, &ana).await, 0);
    world.buys(&eva, "order-1", "10.00").await;
    assert_eq!((balance(&world, &ana).await, balance(&world, &eva).await), (200, 10), "it is one as it is recorded");
    nothing_is_parked(&world).await;
}

#[tokio::test]
async fn a_campaign_gives_to_who_sent_a_customer_only_if_it_is_for_such_customers() {
    let world = World::start().await;
    let refused = async |rules: Value| {
        world.post("/v1/loyalty/campaigns", json!({"name": "Bring a friend", "rules": rules})).await.refusal()
    };
    let field = "/rules/referrer_points";
    let answer = refused(json!({"referrer_points": 200})).await;
    assert_eq!(answer, format!("422 referred_required {field} referred_required"));
    let answer = refused(json!({"referred": true, "referrer_points": 0})).await;
    assert_eq!(answer, format!("422 out_of_range {field} out_of_range"));
    assert_eq!(refused(json!({"referred": true})).await, "422 nothing_given /rules nothing_given");
    let campaign = publish(&world).await;
    let head = world.head().await;
    let told = world.get(&format!("/v1/loyalty/campaigns/{campaign}?min_position={head}")).await.body;
    assert!(told.to_string().contains("\"referrer_points\":200"), "{told}");
    let member = world.member("ana@example.com").await;
    let by_hand = json!({"adjustment_id": "a-1", "points": 5, "reason": "referral"});
    let refused = world.post(&format!("/v1/customers/{member}/loyalty/adjustments"), by_hand).await;
    assert_eq!(refused.refusal(), "422 validation_failed /reason unknown_reason");
}
