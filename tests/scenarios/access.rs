//! Keys and tenants: who may do what, and that nobody sees another tenant's customers.

use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};

/// Makes a key on the command line.
fn key(world: &World, flags: &[&str]) -> Value {
    let words = [&["key", "create", "test", "--json"], flags].concat();
    world.run_json(&words)
}

fn secret(key: &Value) -> String {
    key["key"].as_str().expect("the key is told once").to_owned()
}

#[tokio::test]
async fn without_a_key_that_holds_nothing_is_told() {
    let world = World::start().await;
    let customer = world.member("locked@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let refusal = async |key: Option<&str>| world.ask_as(key, Method::GET, &path, None).await.refusal();
    assert_eq!(refusal(None).await, "401 key_missing");
    assert_eq!(refusal(Some("clk_made_up")).await, "401 key_unknown");
    let terse = world.ask_as(None, Method::GET, "/health", None).await;
    assert_eq!((terse.status, terse.body), (200, json!({"status": "ok"})));
}

#[tokio::test]
async fn a_key_may_do_what_its_scopes_say_and_sees_no_names_without_the_right_one() {
    let world = World::start().await;
    let customer = world.member("scopes@example.com").await;
    let reader = secret(&key(&world, &["--scope", "customers:read"]));
    let path = format!("/v1/customers/{customer}");
    let seen = world.ask_as(Some(&reader), Method::GET, &path, None).await;
    assert_eq!((seen.status, &seen.body["masked"]), (200, &json!(true)));
    assert!(!seen.body.to_string().contains("scopes@example.com") && !seen.body.to_string().contains("Torres"));
    let body = json!({"order_id": "o-1", "total": "1.00", "currency": "EUR"});
    let bought = world.ask_as(Some(&reader), Method::POST, &format!("{path}/purchases"), Some(body)).await;
    assert_eq!((bought.refusal().as_str(), &bought.body["scope"]), ("403 scope_missing", &json!("customers:write")));
    let loyalty = world.ask_as(Some(&reader), Method::GET, &format!("{path}/loyalty"), None).await;
    assert_eq!(loyalty.refusal(), "403 scope_missing");
}

#[tokio::test]
async fn a_key_that_has_expired_or_was_revoked_works_no_more() {
    let world = World::start().await;
    // The past is refused on the command line, so the end has to come while the test runs.
    let past = world.run(&["key", "create", "old", "--scope", "admin", "--expires", "2020-01-01"]);
    assert!(!past.status.success());
    let soon = (chrono::DateTime::from(std::time::SystemTime::UNIX_EPOCH + since_epoch())
        + chrono::TimeDelta::seconds(3)) as chrono::DateTime<chrono::Utc>;
    let brief = secret(&key(&world, &["--scope", "admin", "--expires", &soon.to_rfc3339()]));
    let last = loop {
        let answer = world.ask_as(Some(&brief), Method::GET, "/v1/customers?email=a@example.com", None).await;
        if answer.status == 401 {
            break answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_eq!(last.refusal(), "401 key_expired");

    let revoked = key(&world, &["--scope", "admin"]);
    let id = revoked["id"].as_str().expect("an id");
    world.run_json(&["key", "revoke", id, "--json"]);
    let answer = world.ask_as(Some(&secret(&revoked)), Method::GET, "/v1/customers?email=a@example.com", None).await;
    assert_eq!(answer.refusal(), "401 key_revoked");
    let listed = world.run_json(&["key", "list", "--json"]);
    let of_it = listed.as_array().expect("a list").iter().find(|row| row["id"] == id).expect("it is listed").clone();
    assert!(of_it["revoked_at"].is_string(), "{of_it}");
}

#[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's, so the test needs it too")]
pub(crate) fn since_epoch() -> std::time::Duration {
    std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).expect("after 1970")
}

#[tokio::test]
async fn another_tenants_customer_does_not_exist() {
    let world = World::start().await;
    let customer = world.member("ours@example.com").await;
    world.buys(&customer, "order-1", "500.00").await;
    let tenant = world.run_json(&["tenant", "create", "acme", "--time-zone", "Europe/Madrid", "--json"]);
    let number = tenant["tenant"].to_string();
    let theirs = secret(&key(&world, &["--scope", "admin", "--tenant", &number]));
    let head = world.head().await;
    let path = format!("/v1/customers/{customer}");
    let purchase = json!({"order_id": "o-1", "total": "1.00", "currency": "EUR"});
    let cases = [
        (Method::GET, path.clone(), None),
        (Method::GET, format!("{path}/loyalty"), None),
        (Method::GET, format!("{path}/events"), None),
        (Method::GET, format!("{path}/events?cursor=1.0"), None),
        (Method::POST, format!("{path}/purchases"), Some(purchase.clone())),
        (Method::POST, format!("{path}/refunds"), Some(json!({"order_id": "order-1", "refund_id": "r-1"}))),
        (Method::POST, format!("{path}/loyalty"), Some(json!({"currency": "EUR"}))),
        (Method::POST, format!("{path}/loyalty/earn"), Some(purchase)),
        (Method::POST, format!("{path}/loyalty/redeem"), Some(json!({"order_id": "o-2", "points": 100}))),
    ];
    for (method, path, body) in cases {
        let answer = world.ask_as(Some(&theirs), method.clone(), &path, body).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.body);
    }
    let found = world.ask_as(Some(&theirs), Method::GET, "/v1/customers?email=ours@example.com", None).await;
    assert_eq!((found.status, &found.body["items"]), (200, &json!([])));
    assert_eq!(world.head().await, head);
    // What is unique within a tenant is free in another.
    let body = json!({"name": "Eva", "emails": ["ours@example.com"]});
    assert_eq!(world.ask_as(Some(&theirs), Method::POST, "/v1/customers", Some(body)).await.status, 201);
}
