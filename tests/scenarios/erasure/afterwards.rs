//! Who may erase, and what comes after an erasure: the same person again, requests from before, rows of an import.

use super::{PLANTED, assert_nothing_planted, person};
use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};

fn key(world: &World, flags: &[&str]) -> String {
    let key = world.run_json(&[&["key", "create", "desk", "--json"], flags].concat());
    key["key"].as_str().expect("it is told once").to_owned()
}

async fn erases(world: &World, id: &str) {
    let erased = world.post(&format!("/v1/customers/{id}/erase"), json!({})).await;
    assert_eq!((erased.status, &erased.body["pending"]), (200, &json!([])), "{}", erased.body);
}

#[tokio::test]
async fn nobody_is_erased_by_who_may_not() {
    let world = World::start().await;
    let id = person(&world).await;
    let path = format!("/v1/customers/{id}/erase");
    let all_but_this =
        ["customers:write", "customers:read", "customers:pii", "loyalty:write", "audit:read", "operations"];
    let flags: Vec<&str> = all_but_this.iter().flat_map(|scope| ["--scope", *scope]).collect();
    let tenant = world.run_json(&["tenant", "create", "acme", "--json"])["tenant"].to_string();
    let theirs = key(&world, &["--scope", "admin", "--tenant", &tenant]);
    let desk = key(&world, &flags);
    let head = world.head().await;
    for (key, path, body, refusal) in [
        (Some(desk.as_str()), path.as_str(), json!({}), "403 scope_missing"),
        (None, path.as_str(), json!({}), "401 key_missing"),
        (Some(theirs.as_str()), path.as_str(), json!({}), "404 customer_not_found"),
        (Some(world.key()), "/v1/customers/ana/erase", json!({}), "400 invalid_id id invalid_id"),
    ] {
        let refused = world.ask_as(key, Method::POST, path, Some(body)).await;
        assert_eq!(refused.refusal(), refusal);
    }
    for body in [json!({"ground": "restored"}), json!({"ground": "because"}), json!({"why": "request"}), json!([])] {
        let refused = world.post(&path, body.clone()).await;
        assert!(refused.status == 400 || refused.status == 422, "{body}: {}", refused.body);
    }
    assert_eq!(world.head().await, head, "nothing was done");
    let theirs_path = format!("/v1/customers/{id}/erasure");
    let receipt = async |key: &str| world.ask_as(Some(key), Method::GET, &theirs_path, None).await.refusal();
    assert_eq!(receipt(world.key()).await, "404 not_erased");
    erases(&world, &id).await;
    assert_eq!(receipt(&theirs).await, "404 not_erased", "another tenant is told nothing");
}

#[tokio::test]
async fn the_same_person_comes_again_as_another_customer() {
    let world = World::start().await;
    let id = person(&world).await;
    erases(&world, &id).await;
    // All that only one may have, at once.
    let again = person(&world).await;
    assert_ne!(again, id);
    let head = world.head().await;
    for search in
        ["email=planted-quixote@example.org", "phone=%2B34600987654", "reference=erp:PLANTEDREF77", "name=planted"]
    {
        let found = world.get(&format!("/v1/customers?{search}&min_position={head}")).await.body;
        let found: Vec<&Value> =
            found["items"].as_array().expect("a list").iter().map(|item| &item["customer_id"]).collect();
        assert_eq!(found, [&json!(again)], "{search}");
    }
    let once_more = world.post(&format!("/v1/customers/{id}/erase"), json!({})).await;
    assert_eq!(once_more.body["repeated"], true);
    let contacts = world.get(&format!("/v1/customers/{again}/contacts")).await.body;
    assert_eq!(contacts["items"].as_array().map(Vec::len), Some(2), "who came again is another one: {contacts}");
    erases(&world, &again).await;
    assert!(world.run(&["check", "--all"]).status.success());
}

#[tokio::test]
async fn what_was_asked_before_and_comes_again_tells_nothing() {
    let world = World::start().await;
    let register = json!({"name": PLANTED[0], "emails": [PLANTED[1]], "loyalty": {"currency": "EUR"}});
    let registered = world.post_keyed("/v1/customers", "planted-key-1", register.clone()).await;
    let id = registered.body["customer_id"].as_str().expect("an id").to_owned();
    let own = |path: &str| format!("/v1/customers/{id}/{path}");
    let address = json!({"kind": "shipping", "line1": PLANTED[5], "city": PLANTED[6], "country": "ES"});
    let bought = json!({"order_id": "order-1", "total": "250.00", "currency": "EUR"});
    let taken = json!({"emails": [PLANTED[1]], "name": PLANTED[0]});
    let requests = [
        ("/v1/customers".to_owned(), "planted-key-1", register),
        (own("addresses"), "planted-key-2", address),
        (own("purchases"), "planted-key-3", bought),
        ("/v1/customers".to_owned(), "planted-key-4", taken.clone()),
        (own("erase"), "planted-key-5", json!({})),
    ];
    let mut before = Vec::new();
    for (path, key, body) in &requests {
        before.push(world.post_keyed(path, key, body.clone()).await);
    }
    assert_eq!(before[3].refusal(), "409 email_taken /emails/0 email_taken");
    let head = world.head().await;
    for ((path, key, body), before) in requests.iter().zip(&before) {
        let after = world.post_keyed(path, key, body.clone()).await;
        let is_repeat = before.status < 300 && after.status < 300 && after.body["repeated"] == true;
        assert!(is_repeat || after.refusal() == before.refusal(), "{path}: {}", after.body);
        assert_eq!(after.position, before.position, "{path}: {}", after.body);
        assert_nothing_planted(path, &after.body.to_string());
    }
    for (path, key, _) in &requests[..3] {
        let other = world.post_keyed(path, key, taken.clone()).await;
        assert!((400..500).contains(&other.status), "{path}: {}", other.body);
    }
    assert_eq!(world.head().await, head, "nothing happened");
    // Under a new key it is another request; the address is free now.
    assert_eq!(world.post_keyed("/v1/customers", "planted-key-6", taken).await.status, 201);
}

#[tokio::test]
async fn a_row_of_an_import_for_an_erased_customer_makes_another() {
    let world = World::start().await;
    let import = async |key: &str| {
        let row = json!({"row": 1, "customer": PLANTED[3], "key": key, "total": "12.00", "on": "2026-01-10"});
        let imported =
            world.post("/v1/imports/purchases", json!({"system": "erp", "currency": "EUR", "rows": [row]})).await;
        assert_eq!(imported.status, 200, "{}", imported.body);
        let result = &imported.body["results"][0];
        (result["outcome"].clone(), result["customer_id"].as_str().expect("an id").to_owned())
    };
    let (_, first) = import("k-1").await;
    assert_eq!(import("k-1").await, (json!("repeated"), first.clone()));
    erases(&world, &first).await;
    // The file does not know that it was erased: what it says is somebody new.
    let (outcome, second) = import("k-1").await;
    assert_eq!(outcome, "recorded");
    assert_ne!(second, first);
    assert_eq!(import("k-2").await, (json!("recorded"), second));
    let blank = world.get(&format!("/v1/customers/{first}")).await.body;
    assert_eq!((&blank["status"], &blank["purchase_count"]), (&json!("erased"), &json!(1)));
}
