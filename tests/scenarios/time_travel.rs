//! Customers and accounts as they were: by business time, by what was known, by version.

use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};

async fn buys_on(world: &World, customer: &str, order: &str, total: &str, day: &str) -> i64 {
    let body = json!({"order_id": order, "total": total, "currency": "EUR", "occurred_at": day});
    let bought = world.post(&format!("/v1/customers/{customer}/purchases"), body).await;
    assert_eq!(bought.status, 201, "{}", bought.body);
    bought.position.expect("a command answers with its position")
}

/// When the events of a type were written into the log.
async fn recorded_at(world: &World, customer: &str, kind: &str) -> Vec<String> {
    let events = world.get(&format!("/v1/customers/{customer}/events?limit=200")).await;
    let events = events.body["events"].as_array().expect("events").clone();
    let of_kind = events.iter().filter(|event| event["type"] == kind);
    of_kind.map(|event| event["recorded_at"].as_str().expect("a time").to_owned()).collect()
}

async fn balance(world: &World, customer: &str, at: &str) -> Value {
    let loyalty = world.get(&format!("/v1/customers/{customer}/loyalty?{at}")).await;
    assert_eq!(loyalty.status, 200, "{at}: {}", loyalty.body);
    loyalty.body["balance"].clone()
}

#[tokio::test]
async fn a_customer_and_an_account_are_seen_as_they_were() {
    let world = World::start().await;
    let customer = world.member("ana@example.com").await;
    world.buys(&customer, "order-1", "50.00").await;
    let last = world.buys(&customer, "order-2", "70.00").await.position.expect("a position");

    let path = format!("/v1/customers/{customer}");
    let first = world.get(&format!("{path}?at_version=1")).await;
    assert_eq!((&first.body["purchase_count"], &first.body["version"]), (&json!(0), &json!(1)), "{}", first.body);
    assert_eq!((first.position, first.headers.get("etag")), (Some(last), None));
    let now = world.get(&format!("{path}?min_position={last}")).await;
    let third = world.get(&format!("{path}?at_version=3&min_position={last}")).await;
    assert_eq!(third.body, now.body, "the last version is what there is now");

    for (version, points) in [(1, 0), (2, 50), (3, 120)] {
        assert_eq!(balance(&world, &customer, &format!("at_version={version}")).await, points);
    }
    let earned = recorded_at(&world, &customer, "loyalty.points.earned").await;
    assert_eq!(balance(&world, &customer, &format!("as_recorded_at={}", earned[0])).await, 50);
    assert_eq!(balance(&world, &customer, &format!("as_recorded_at={}", earned[1])).await, 120);
    assert_eq!(balance(&world, &customer, &format!("as_of={}&as_recorded_at={}", earned[1], earned[0])).await, 50);
}

#[tokio::test]
async fn business_time_tells_what_happened_by_then_and_not_what_was_known() {
    let world = World::start().await;
    let customer = world.member("late@example.com").await;
    buys_on(&world, &customer, "order-1", "70.00", "2020-05-05").await;
    let registered = recorded_at(&world, &customer, "customer.created").await;
    let path = format!("/v1/customers/{customer}");
    // The registration happened today: there was no customer in 2020, whatever was told of then.
    let then = world.get(&format!("{path}?as_of=2020-06-01")).await;
    assert_eq!(then.refusal(), "404 not_known_then");
    let now = world.get(&format!("{path}?as_of={}", registered[0])).await;
    assert_eq!((now.status, &now.body["purchase_count"]), (200, &json!(1)), "{}", now.body);
    let known = world.get(&format!("{path}?as_recorded_at={}", registered[0])).await;
    assert_eq!((known.status, &known.body["purchase_count"]), (200, &json!(0)), "{}", known.body);
}

#[tokio::test]
async fn what_is_no_past_is_refused_and_says_why() {
    let world = World::start().await;
    let customer = world.member("past@example.com").await;
    for path in [format!("/v1/customers/{customer}"), format!("/v1/customers/{customer}/loyalty")] {
        for (asked, refusal) in [
            ("as_of=yesterday", "400 invalid_parameter as_of invalid_parameter"),
            ("as_of=", "400 invalid_parameter as_of invalid_parameter"),
            ("as_of=2999-01-01", "400 in_the_future as_of in_the_future"),
            ("as_recorded_at=2999-01-01T00:00:00Z", "400 in_the_future as_recorded_at in_the_future"),
            ("as_of=1999-01-01", "404 not_known_then"),
            ("as_recorded_at=1999-01-01", "404 not_known_then"),
            ("at_version=0", "400 invalid_parameter at_version invalid_parameter"),
            ("at_version=-1", "400 invalid_parameter at_version invalid_parameter"),
            ("at_version=first", "400 invalid_parameter at_version invalid_parameter"),
            ("at_version=99999999999", "400 invalid_parameter at_version invalid_parameter"),
            ("at_version=7", "400 version_beyond_head at_version version_beyond_head"),
            ("at_version=1&as_of=2020-01-01", "400 invalid_parameter at_version invalid_parameter"),
            ("at_position=7", "400 invalid_parameter at_position invalid_parameter"),
            ("at_version=1&min_position=999999", "400 position_beyond_head"),
        ] {
            assert_eq!(world.get(&format!("{path}?{asked}")).await.refusal(), refusal, "{path}?{asked}");
        }
    }
}

#[tokio::test]
async fn the_past_has_the_walls_and_the_masks_of_the_present() {
    let world = World::start().await;
    let customer = world.member("walls@example.com").await;
    let key = |flags: &[&str]| {
        let key = world.run_json(&[&["key", "create", "test", "--json"], flags].concat());
        key["key"].as_str().expect("it is told once").to_owned()
    };
    let tenant = world.run_json(&["tenant", "create", "acme", "--time-zone", "Europe/Madrid", "--json"]);
    let theirs = key(&["--scope", "admin", "--tenant", &tenant["tenant"].to_string()]);
    let till = key(&["--scope", "customers:read"]);
    let (profile, loyalty) =
        (format!("/v1/customers/{customer}?at_version=1"), format!("/v1/customers/{customer}/loyalty?at_version=1"));
    let ask = async |key: &str, path: &str| world.ask_as(Some(key), Method::GET, path, None).await;
    assert_eq!(ask(&theirs, &profile).await.refusal(), "404 customer_not_found");
    assert_eq!(ask(&theirs, &loyalty).await.refusal(), "404 not_a_member");
    assert_eq!(ask(&till, &profile).await.body["name"], "A***");
    assert_eq!(ask(&till, &loyalty).await.refusal(), "403 scope_missing");
}

#[tokio::test]
async fn who_was_renamed_is_found_by_the_new_name_and_was_called_by_the_old_one() {
    let world = World::start().await;
    let customer = world.member("ana@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let changed = world.patch(&path, None, json!({"name": "Eva Núñez"})).await;
    let position = changed.position.expect("a command answers with its position");
    for (name, count) in [("nunez", 1), ("ana", 0)] {
        let found = world.get(&format!("/v1/customers?name={name}&min_position={position}")).await;
        assert_eq!(found.body["items"].as_array().map(Vec::len), Some(count), "{name}: {}", found.body);
    }
    let created = recorded_at(&world, &customer, "customer.created").await;
    for (asked, name) in [
        ("at_version=1".to_owned(), "Ana Torres"),
        (format!("as_recorded_at={}", created[0]), "Ana Torres"),
        ("at_version=2".to_owned(), "Eva Núñez"),
    ] {
        assert_eq!(world.get(&format!("{path}?{asked}")).await.body["name"], name, "{asked}");
    }
}
