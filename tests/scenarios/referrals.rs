//! Customers that others sent.

use crate::support::World;
use crate::support::world::Answer;
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
