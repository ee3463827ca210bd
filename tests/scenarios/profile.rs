//! What is known of a customer, and how it changes.

use crate::support::World;
use crate::support::world::Answer;
use reqwest::Method;
use serde_json::{Value, json};

/// The answer once it reflects the position of a command.
async fn seen(world: &World, path: &str, after: &Answer) -> Answer {
    assert!(after.status < 300, "{}", after.body);
    let position = after.position.expect("a command answers with its position");
    let joint = if path.contains('?') { '&' } else { '?' };
    let answer = world.get(&format!("{path}{joint}min_position={position}")).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer
}

/// A key made on the command line.
fn key(world: &World, flags: &[&str]) -> String {
    let key = world.run_json(&[&["key", "create", "test", "--json"], flags].concat());
    key["key"].as_str().expect("it is told once").to_owned()
}

#[tokio::test]
async fn a_customer_changes_and_is_found_by_what_is_new() {
    let world = World::start().await;
    let customer = world.member("ana@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let patch = json!({
        "name": "Ana Núñez", "emails": ["New@Example.com"], "phones": ["+34612345678"], "language": "es", "currency": null
    });
    let changed = world.patch(&path, None, patch.clone()).await;
    assert_eq!((changed.status, changed.etag()), (200, Some("\"2\"")), "{}", changed.body);
    assert_eq!(changed.body["changed"], json!(["name", "emails", "phones", "language", "currency"]));

    let now = seen(&world, &path, &changed).await;
    assert_eq!((now.etag(), &now.body["version"]), (Some("\"2\""), &json!(2)));
    let told = ["name", "email", "phone", "language", "currency"].map(|field| now.body[field].clone());
    assert_eq!(told, [json!("Ana Núñez"), json!("new@example.com"), json!("+34612345678"), json!("es"), Value::Null]);
    for (search, count) in [("phone=%2B34612345678", 1), ("email=NEW@example.com", 1), ("email=ana@example.com", 0)] {
        let found = world.get(&format!("/v1/customers?{search}")).await;
        assert_eq!(found.body["items"].as_array().map(Vec::len), Some(count), "{search}");
    }
    assert_eq!(world.post("/v1/customers", json!({"emails": ["ana@example.com"]})).await.status, 201, "it is free");
    let taken = world.patch(&path, None, json!({"emails": ["ana@example.com"]})).await;
    assert_eq!(taken.refusal(), "409 email_taken");

    let head = world.head().await;
    let again = world.patch(&path, None, patch).await;
    assert_eq!((again.status, &again.body["changed"], again.etag()), (200, &json!([]), None));
    assert_eq!(world.head().await, head, "what changes nothing is not written");

    let timeline = seen(&world, &format!("{path}/timeline?type=customer.updated"), &changed).await.body;
    assert_eq!(timeline["items"][0]["facts"]["changed"], changed.body["changed"]);
    assert!(!timeline.to_string().contains("example.com") && !timeline.to_string().contains("Ana"), "{timeline}");
    let audited = seen(&world, &format!("/v1/audit/events?customer={customer}&type=customer.updated"), &changed).await;
    assert_eq!(audited.body["items"][0]["id"], format!("customer-{customer}/2"));
}

#[tokio::test]
async fn who_has_seen_an_old_version_changes_nothing() {
    let world = World::start().await;
    let customer = world.member("seen@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let first = world.get(&format!("{path}?min_position={}", world.head().await)).await;
    assert_eq!(first.etag(), Some("\"1\""));
    let changed = world.patch(&path, first.etag(), json!({"name": "Ana"})).await;
    assert_eq!((changed.status, changed.etag()), (200, Some("\"2\"")));

    let head = world.head().await;
    let stale = world.patch(&path, first.etag(), json!({"name": "Eva"})).await;
    assert_eq!(stale.refusal(), "412 version_changed If-Match version_changed");
    assert_eq!((&stale.body["expected_version"], &stale.body["version"]), (&json!(1), &json!(2)));
    for odd in ["2", "W/\"2\"", "\"two\"", "\"1\", \"2\""] {
        let refused = world.patch(&path, Some(odd), json!({"name": "Eva"})).await;
        assert_eq!(refused.refusal(), "400 invalid_if_match If-Match invalid_if_match", "{odd}");
    }
    assert_eq!(world.head().await, head);
    assert_eq!(world.patch(&path, Some("*"), json!({"name": "Eva"})).await.etag(), Some("\"3\""));
    let bought = world.buys(&customer, "order-1", "10.00").await;
    assert_eq!(seen(&world, &path, &bought).await.etag(), Some("\"4\""), "a purchase is a change too");
}

#[tokio::test]
async fn changes_that_cannot_be() {
    let world = World::start().await;
    let customer = world.member("odd@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let head = world.head().await;
    for (body, refusal) in [
        (json!({"nickname": "Ana"}), "422 validation_failed /nickname unknown_field"),
        (json!({"kind": "business"}), "422 validation_failed /kind unknown_field"),
        (json!({"references": []}), "422 validation_failed /references unknown_field"),
        (json!({"name": 7}), "422 validation_failed /name wrong_type"),
        (json!({"name": ""}), "422 validation_failed /name empty"),
        (json!({"name": "x".repeat(201)}), "422 validation_failed /name too_long"),
        (json!({"company": "a\u{0}b"}), "422 validation_failed /company control_character"),
        (json!({"emails": "ana@example.com"}), "422 validation_failed /emails wrong_type"),
        (json!({"emails": ["ana@example.com", null]}), "422 validation_failed /emails/1 wrong_type"),
        (json!({"emails": ["ana@example.com", "b@"]}), "422 validation_failed /emails/1 invalid_email"),
        (json!({"phones": ["+1"]}), "422 validation_failed /phones/0 invalid_phone"),
        (json!({"language": "es_MX"}), "422 validation_failed /language invalid_character"),
        (json!({"currency": "XXQ"}), "422 validation_failed /currency unknown_currency"),
        (json!({"emails": null}), "422 contact_required"),
        (json!({"emails": []}), "422 contact_required"),
        (json!([]), "422 validation_failed  wrong_type"),
    ] {
        assert_eq!(world.patch(&path, None, body.clone()).await.refusal(), refusal, "{body}");
    }
    let many: Vec<_> = (0..11).map(|n| format!("ana{n}@example.com")).collect();
    assert_eq!(world.patch(&path, None, json!({"emails": many})).await.refusal(), "422 too_many /emails too_many");
    let nobody = "/v1/customers/00000000-0000-7000-8000-000000000000";
    assert_eq!(world.patch(nobody, None, json!({"name": "Ana"})).await.refusal(), "404 customer_not_found");
    assert_eq!(world.patch(nobody, Some("\"1\""), json!({"name": "Ana"})).await.refusal(), "404 customer_not_found");
    assert_eq!(world.patch("/v1/customers/ana", None, json!({})).await.refusal(), "400 invalid_id id invalid_id");
    assert_eq!(world.head().await, head);
}

#[tokio::test]
async fn only_who_may_changes_a_customer_and_only_its_own_tenants() {
    let world = World::start().await;
    let customer = world.member("mine@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let tenant = world.run_json(&["tenant", "create", "acme", "--time-zone", "Europe/Madrid", "--json"]);
    let theirs = key(&world, &["--scope", "admin", "--tenant", &tenant["tenant"].to_string()]);
    let reader = key(&world, &["--scope", "customers:read", "--scope", "customers:pii"]);
    let head = world.head().await;
    let ask = async |key: &str| world.ask_as(Some(key), Method::PATCH, &path, Some(json!({"name": "Eva"}))).await;
    assert_eq!(ask(&theirs).await.refusal(), "404 customer_not_found");
    let refused = ask(&reader).await;
    assert_eq!((refused.refusal().as_str(), &refused.body["scope"]), ("403 scope_missing", &json!("customers:write")));
    assert_eq!(world.head().await, head);
}
