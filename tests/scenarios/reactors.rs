//! Reactors: what follows from what happened follows once, whoever is killed, and never from a rebuild.

use crate::support::World;
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until the reactors have dealt with the whole log and nothing more follows.
pub(crate) async fn settled(world: &World) -> i64 {
    let began = Instant::now();
    loop {
        // The head last: what a reactor adds stands in the log before the reactor has passed what it follows from.
        let reactors = world.get("/v1/reactors").await.body;
        let head = world.known_head().await;
        let is_there = |reactor: &Value| reactor["position"].as_i64() == head && reactor["state"] == "live";
        if reactors["items"].as_array().is_some_and(|items| !items.is_empty() && items.iter().all(is_there)) {
            return head.expect("it was compared");
        }
        assert!(began.elapsed() < PATIENCE, "{reactors:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What was recorded of a customer's stages, the newest first.
async fn stages(world: &World, customer: &str) -> Vec<String> {
    let path = format!("/v1/customers/{customer}/timeline?type=customer.lifecycle.changed&min_position=");
    let answer = world.get(&format!("{path}{}", settled(world).await)).await;
    let items = answer.body["items"].as_array().cloned().unwrap_or_else(|| panic!("{}", answer.body));
    items.iter().map(|item| format!("{} → {}", item["from"].as_str().unwrap_or("?"), item["to"])).collect()
}

#[tokio::test]
async fn a_customer_comes_to_the_next_stage_by_buying_once_whoever_is_killed() {
    let mut world = World::with_background().await;
    let customer = world.member("stages@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let head = settled(&world).await;
    assert_eq!(world.get(&format!("{path}?min_position={head}")).await.body["lifecycle"], "prospect");
    world.buys(&customer, "order-1", "10.00").await;
    let head = settled(&world).await;
    let seen = world.get(&format!("{path}?min_position={head}")).await.body;
    assert_eq!((&seen["lifecycle"], seen["lifecycle_since"].is_string()), (&json!("new"), true), "{seen}");
    world.buys(&customer, "order-2", "10.00").await;
    world.end(Signal::SIGKILL);
    world.serve(&[]);
    world.buys(&customer, "order-3", "10.00").await;
    let stages = stages(&world, &customer).await;
    assert_eq!(stages.len(), 2, "{stages:?}");

    let audit = world.get("/v1/audit/events?actor=reactor:customer_lifecycle").await.body;
    let made: Vec<_> = audit["items"].as_array().expect("a list").iter().map(|event| &event["type"]).collect();
    assert_eq!(made, ["customer.lifecycle.changed", "customer.lifecycle.changed"]);
    let health = world.get("/health").await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("ok")), "{}", health.body);
    assert_eq!(health.body["components"]["reactors"][0]["name"], "customer_lifecycle");
    let listed = world.run_json(&["reactors", "list", "--json"]);
    assert_eq!((&listed["items"][0]["state"], &listed["items"][0]["parked"]), (&json!("live"), &json!(0)));
    let status = world.run(&["status"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("customer_lifecycle"), "{status:?}");
}

#[tokio::test]
async fn nothing_follows_from_a_rebuild() {
    let world = World::with_background().await;
    let customer = world.member("rebuild@example.com").await;
    for order in ["order-1", "order-2"] {
        world.buys(&customer, order, "10.00").await;
    }
    let before = settled(&world).await;
    let rebuilt = world.run(&["rebuild", "--all", "--json"]);
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    assert_eq!(settled(&world).await, before);
    let seen = world.get(&format!("/v1/customers/{customer}?min_position={before}")).await.body;
    assert_eq!(seen["lifecycle"], "active", "{seen}");
}

#[tokio::test]
async fn nothing_is_put_aside_because_a_customer_was_erased() {
    let mut world = World::with_background().await;
    let customer = world.member("forgotten@example.com").await;
    for order in ["order-1", "order-2", "order-3"] {
        world.buys(&customer, order, "10.00").await;
    }
    settled(&world).await;
    let erased = world.post(&format!("/v1/customers/{customer}/erase"), json!({})).await;
    assert_eq!(erased.status, 200, "{}", erased.body);
    let head = settled(&world).await;
    // From the first event on: the third purchase changed no stage, so nothing remembers that it was looked at.
    world.end(Signal::SIGTERM);
    let restarted = world.run(&["reactors", "restart", "customer_lifecycle"]);
    assert!(restarted.status.success(), "{}", String::from_utf8_lossy(&restarted.stderr));
    world.serve(&[]);
    assert_eq!(settled(&world).await, head);
    assert_eq!(world.get("/v1/reactors/customer_lifecycle/parked").await.body, json!({"items": []}));
}

#[tokio::test]
async fn reactors_are_for_operators_and_named_right() {
    let world = World::with_background().await;
    let key = world.run_json(&["key", "create", "till", "--scope", "customers:read", "--json"]);
    let till = key["key"].as_str().expect("a key").to_owned();
    let parked = "/v1/reactors/customer_lifecycle/parked";
    let retry = format!("{parked}/retry");
    for (method, path) in [(Method::GET, "/v1/reactors"), (Method::GET, parked), (Method::POST, retry.as_str())] {
        let refused = world.ask_as(Some(&till), method.clone(), path, None).await;
        assert_eq!(refused.refusal(), "403 scope_missing", "{path}");
        assert_eq!(world.ask_as(None, method, path, None).await.refusal(), "401 key_missing", "{path}");
    }
    let tenant = world.run_json(&["tenant", "create", "branch", "--json"])["tenant"].to_string();
    let branch = world.run_json(&["key", "create", "ops", "--tenant", &tenant, "--scope", "operations", "--json"]);
    let branch = branch["key"].as_str().expect("a key");
    let refused = world.ask_as(Some(branch), Method::GET, "/v1/reactors", None).await;
    assert_eq!(refused.refusal(), "403 operators_only", "it tells of all tenants");
    assert_eq!(world.ask_as(Some(branch), Method::GET, parked, None).await.body, json!({"items": []}), "of its own");
    assert_eq!(world.get(parked).await.body, json!({"items": []}));
    assert_eq!(world.ask_as(Some(world.key()), Method::POST, &retry, None).await.body, json!({"streams": 0}));
    for unknown in ["/v1/reactors/nobody/parked", "/v1/reactors/%FF/parked"] {
        assert_eq!(world.get(unknown).await.refusal(), "404 reactor_not_found", "{unknown}");
    }
    for (query, refusal) in [
        ("limit=0", "400 invalid_parameter limit invalid_parameter"),
        ("cursor=garbage", "400 invalid_cursor cursor invalid_cursor"),
        ("since=1", "400 invalid_parameter since invalid_parameter"),
    ] {
        assert_eq!(world.get(&format!("{parked}?{query}")).await.refusal(), refusal, "{query}");
    }
    let unknown = world.run(&["reactors", "parked", "nobody"]);
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(!unknown.status.success() && said.contains("404 reactor_not_found"), "{said}");
}

#[tokio::test]
async fn a_reactor_that_followed_another_log_stops_until_it_is_told_where_to_begin() {
    let mut world = World::with_background().await;
    let customer = world.member("restored@example.com").await;
    world.buys(&customer, "order-1", "10.00").await;
    let head = settled(&world).await;
    world.end(Signal::SIGTERM);
    // As if another event had come to stand where the reactor has come to.
    let mut admin = PgConnection::connect(&world.database_url("postgres")).await.expect("the superuser logs in");
    let other = "update projection_checkpoints set leaf_hash = decode(repeat('07', 32), 'hex') \
                 where projector = 'reactor:customer_lifecycle' and leaf_hash is not null";
    admin.execute(other).await.expect("another history");
    world.serve(&[]);
    let began = Instant::now();
    loop {
        let reactors = world.get("/v1/reactors").await.body;
        let reactor = &reactors["items"][0];
        if reactor["state"] == "failed" {
            let error = reactor["error"].as_str().unwrap_or_default();
            assert!(error.contains("clientela reactors restart NAME"), "{error}");
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{reactors:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for words in
        [&["reactors", "restart", "nobody"][..], &["reactors", "restart", "customer_lifecycle", "--after", "999"]]
    {
        let refused = world.run(words);
        assert!(!refused.status.success(), "{words:?}");
    }
    let restarted = world.run(&["reactors", "restart", "customer_lifecycle"]);
    assert!(restarted.status.success(), "{}", String::from_utf8_lossy(&restarted.stderr));
    world.end(Signal::SIGTERM);
    world.serve(&[]);
    assert_eq!(settled(&world).await, head, "what it did is not done twice");
    world.buys(&customer, "order-2", "10.00").await;
    assert_eq!(stages(&world, &customer).await.len(), 2);
}
