//! Rehearsals of the loyalty programme beside each other, and given up.

use crate::support::{World, http};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

const PROGRAMME: &str = "/v1/loyalty/programme";
const REHEARSALS: &str = "/v1/loyalty/programme/rehearsals";

/// The rules that hold, and twice the points above 50.
async fn rules(world: &World) -> Value {
    let mut rules = world.get(PROGRAMME).await.body["rules"].take();
    rules["earn"].as_array_mut().expect("bands").push(json!({"above": 50, "points_per_unit": 2, "of": "part"}));
    rules
}

/// Begins a rehearsal, whose lines are still to come.
async fn begun(world: &World, rules: &Value) -> reqwest::Response {
    let request = http().build().expect("a client").post(format!("http://{}{REHEARSALS}", world.host()));
    let answer = request.bearer_auth(world.key()).json(&json!({"rules": rules})).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer
}

/// Until this is dropped nobody learns the names of events, so a rehearsal does not get through its first page.
async fn held_up(world: &World) -> PgConnection {
    let mut admin = PgConnection::connect(&world.database_url("postgres")).await.expect("the superuser logs in");
    admin.execute("begin; lock table event_names in access exclusive mode").await.expect("locked");
    admin
}

async fn ids(world: &World) -> Vec<Value> {
    let head = world.head().await;
    let listed = world.get(&format!("{REHEARSALS}?min_position={head}")).await;
    let rehearsals = listed.body["rehearsals"].as_array().expect("a list");
    rehearsals.iter().map(|rehearsal| rehearsal["rehearsal_id"].clone()).collect()
}

fn last_of(text: &str) -> Value {
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

#[tokio::test]
async fn a_second_rehearsal_of_a_tenant_is_turned_away_while_the_first_goes_on() {
    let world = World::start().await;
    let ana = world.member("ana@example.com").await;
    world.buys(&ana, "order-1", "300.00").await;
    let rules = rules(&world).await;
    let lock = held_up(&world).await;
    let first = begun(&world, &rules).await;
    let second = world.post(REHEARSALS, json!({"rules": rules})).await;
    assert_eq!((second.status, &second.body["code"]), (503, &json!("busy")), "{}", second.body);
    assert!(second.headers.contains_key("retry-after"), "{:?}", second.headers);
    std::fs::write(world.folder().join("rules.json"), rules.to_string()).expect("written");
    let command = world.run(&["programme", "rehearse", "rules.json"]);
    let told = String::from_utf8_lossy(&command.stderr).into_owned();
    let told = told.split(" (request ").next().expect("a line");
    insta::assert_snapshot!(told, @"clientela: the server answered 503 busy: a rehearsal of this tenant is under way, or as many of others as this server carries out; ask again when it has ended");
    assert_eq!(command.status.code(), Some(1));
    lock.close().await.expect("unlocked");
    let rehearsed = last_of(&first.text().await.expect("all of it"));
    assert_eq!(ids(&world).await, [rehearsed["rehearsal"]["rehearsal_id"].clone()]);
    let again = last_of(&begun(&world, &rules).await.text().await.expect("all of it"));
    assert!(again["rehearsal"].is_object(), "the place is free again: {again}");
}

#[tokio::test]
async fn who_goes_away_has_ended_the_rehearsal_and_left_the_place() {
    let world = World::start().await;
    let ana = world.member("ana@example.com").await;
    world.buys(&ana, "order-1", "300.00").await;
    let rules = rules(&world).await;
    let lock = held_up(&world).await;
    drop(begun(&world, &rules).await);
    for _ in 0..10 {
        // Each is a way there and back, on which the server learns that nobody listens any more.
        assert_eq!(world.post(REHEARSALS, json!({"rules": rules})).await.status, 503);
    }
    lock.close().await.expect("unlocked");
    let answer = loop {
        let answer = world.post(REHEARSALS, json!({"rules": rules})).await;
        if answer.status != 503 {
            break answer;
        }
    };
    let rehearsed = last_of(answer.body.as_str().expect("lines"));
    let rehearsed = &rehearsed["rehearsal"]["rehearsal_id"];
    assert!(rehearsed.is_string(), "{}", answer.body);
    assert_eq!(ids(&world).await, std::slice::from_ref(rehearsed), "nothing was recorded of the one that was left");
}
