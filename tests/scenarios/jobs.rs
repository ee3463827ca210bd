//! Jobs: what the clock asks for happens once, whoever is killed, and can be asked for.

use crate::support::World;
use commands::loyalty::holds::{self, PlaceHold};
use domain::ids::{CustomerId, OrderId};
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// So many customers who bought long ago, as of then: their points are due by now, and nobody has noticed.
async fn import(world: &World, customers: u64) -> i64 {
    let row = |n: u64| {
        let customer = format!("c-{}", n % customers);
        json!({"row": n, "customer": customer, "key": format!("k-{n}"), "total": "7.00", "on": "1998-01-01"})
    };
    let mut position = None;
    for part in (1..=customers).collect::<Vec<_>>().chunks(1_000) {
        let rows: Vec<Value> = part.iter().map(|n| row(*n)).collect();
        let body = json!({"system": "till", "currency": "EUR", "rows": rows, "now": "1998-06-30"});
        let answer = world.post("/v1/imports/purchases", body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        position = answer.position.max(position);
    }
    position.expect("a position")
}

async fn ended(world: &World, path: &str, run: &Value) -> Value {
    let began = Instant::now();
    loop {
        let seen = world.get(&format!("{path}/{}", run["run_id"].as_str().expect("an id"))).await.body;
        if seen["ended_at"].is_string() {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "{seen}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Movements of points that are recorded as expired.
async fn expired(world: &World) -> Value {
    let path = format!("/v1/loyalty/kpis?from=2000-01-01&to=2000-12-31&min_position={}", world.head().await);
    world.get(&path).await.body["movements"]["expired"].clone()
}

#[tokio::test]
async fn points_expire_by_a_job_that_is_asked_for_and_the_second_time_nothing_is_due() {
    let world = World::with_background().await;
    let position = import(&world, 20).await;
    world.get(&format!("/v1/loyalty/kpis?min_position={position}")).await;
    assert_eq!(expired(&world).await, json!(0));
    let run = world.run_json(&["jobs", "run", "loyalty_expiry", "--json"]);
    assert_eq!((&run["status"], &run["changed"], &run["refused"]), (&json!("done"), &json!(20), &json!(0)), "{run}");
    assert_eq!(expired(&world).await, json!(20));
    let again = world.run_json(&["jobs", "run", "loyalty_expiry", "--json"]);
    assert_eq!((&again["status"], &again["changed"]), (&json!("done"), &json!(0)), "{again}");
    assert_eq!(expired(&world).await, json!(20));

    let jobs = world.run_json(&["jobs", "list", "--json"]);
    let names: Vec<_> = jobs["items"].as_array().expect("a list").iter().map(|job| &job["name"]).collect();
    let of_loyalty = ["loyalty_vesting", "loyalty_expiry", "loyalty_hold_lapse", "loyalty_review"];
    let of_credit =
        ["credit_hold_lapse", "credit_temporary_expiry", "credit_overdue", "credit_review", "credit_dunning"];
    assert_eq!(names, [&of_loyalty[..], &of_credit[..]].concat());
    let expiry = &jobs["items"][1];
    assert_eq!((&expiry["schedule"], &expiry["time_zone"]), (&json!("5 0 * * *"), &json!("UTC")), "{expiry}");
    assert_eq!(expiry["last_run"]["run_id"], again["run_id"]);
    let runs = world.get("/v1/jobs/loyalty_expiry/runs?limit=1").await.body;
    assert_eq!(runs["items"][0]["run_id"], again["run_id"]);
    let cursor = runs["next_cursor"].as_str().expect("there is one more");
    let rest = world.get(&format!("/v1/jobs/loyalty_expiry/runs?limit=1&cursor={cursor}")).await.body;
    assert_eq!(rest["items"][0]["run_id"], run["run_id"]);
    let run_id = run["run_id"].as_str().expect("an id");
    let of_run = world.get(&format!("/v1/audit/events?correlation={run_id}&via=job&limit=200")).await.body;
    assert_eq!(of_run["items"].as_array().map(Vec::len), Some(20), "all that a run did is found by its id");
    let audit = world.get("/v1/audit/events?actor=job:loyalty_expiry&limit=200").await.body;
    assert_eq!(audit["items"].as_array().map(Vec::len), Some(20));
    let status = String::from_utf8_lossy(&world.run(&["status"]).stdout).into_owned();
    assert!(status.contains("loyalty_expiry"), "{status}");
}

#[tokio::test]
async fn points_that_were_held_too_long_come_back_by_a_job() {
    let world = World::with_background().await;
    let customer = world.member("late@example.com").await;
    world.buys(&customer, "order-1", "350.00").await;
    let (till, caller) = world.till_ago(16).await;
    let (id, order) = (CustomerId::new(customer.parse().expect("an id")), OrderId::parse("order-2").expect("an id"));
    let hold = PlaceHold { customer: id, points: 200, order };
    let held = holds::place(&till, &caller, None, hold).await.expect("points are held");
    // Its time is over whether or not that is recorded.
    assert_eq!(world.loyalty_at(&customer, Some(held.position.0)).await["balance"], json!(350));
    let run = world.run_json(&["jobs", "run", "loyalty_hold_lapse", "--json"]);
    assert_eq!(run["status"], "done", "{run}");
    let again = world.run_json(&["jobs", "run", "loyalty_hold_lapse", "--json"]);
    assert_eq!((&again["status"], &again["changed"]), (&json!("done"), &json!(0)), "{again}");
    // The job may have run by itself in between: each minute.
    let head = world.head().await;
    let path = format!("/v1/audit/events?actor=job:loyalty_hold_lapse&min_position={head}");
    let audit = world.get(&path).await.body;
    let types: Vec<_> = audit["items"].as_array().expect("a list").iter().map(|item| &item["type"]).collect();
    assert_eq!(types, ["loyalty.hold.released"], "{audit}");
    let shown = world.loyalty_at(&customer, Some(head)).await;
    assert_eq!((&shown["balance"], &shown["held"], &shown["holds"]), (&json!(350), &json!(0), &json!([])));
}

#[tokio::test]
async fn a_tier_is_reviewed_when_its_year_is_over_by_a_job() {
    let world = World::with_background().await;
    let row = json!({"row": 1, "customer": "c-1", "key": "k-1", "total": "1500.00", "on": "1998-01-01"});
    let body = json!({"system": "till", "currency": "EUR", "rows": [row], "now": "1998-06-30"});
    let imported = world.post("/v1/imports/purchases", body).await;
    let found = world.get(&format!("/v1/customers?reference=till:c-1&min_position={}", world.head().await)).await.body;
    let customer = found["items"][0]["customer_id"].as_str().unwrap_or_else(|| panic!("{found}")).to_owned();
    assert_eq!(world.loyalty_at(&customer, imported.position).await["tier"], "silver");
    let run = world.run_json(&["jobs", "run", "loyalty_review", "--json"]);
    assert_eq!((&run["status"], &run["changed"]), (&json!("done"), &json!(1)), "{run}");
    assert_eq!(world.loyalty_at(&customer, Some(world.head().await)).await["tier"], "bronze");
    let again = world.run_json(&["jobs", "run", "loyalty_review", "--json"]);
    assert_eq!((&again["status"], &again["changed"]), (&json!("done"), &json!(0)), "{again}");
}

#[tokio::test]
async fn a_job_that_is_killed_goes_on_and_nothing_happens_twice() {
    let mut world = World::with_background().await;
    let position = import(&world, 1_000).await;
    world.get(&format!("/v1/loyalty/kpis?min_position={position}")).await;
    let path = "/v1/jobs/loyalty_expiry/runs";
    let run = world.post_keyed(path, "tonight", json!({})).await;
    assert_eq!(
        (run.status, run.headers["location"].to_str().ok()),
        (202, run.body["run_id"].as_str().map(|id| format!("{path}/{id}")).as_deref())
    );
    let began = Instant::now();
    while world.get(&format!("{path}/{}", run.body["run_id"].as_str().expect("an id"))).await.body["changed"] == 0 {
        assert!(began.elapsed() < PATIENCE, "it does not begin");
    }
    world.end(Signal::SIGKILL);
    world.serve(&[]);
    let again = world.post_keyed(path, "tonight", json!({})).await;
    assert_eq!(again.body["run_id"], run.body["run_id"]);
    let ended = ended(&world, path, &run.body).await;
    assert_eq!((&ended["status"], &ended["attempts"]), (&json!("done"), &json!(2)), "{ended}");
    assert_eq!(expired(&world).await, json!(1_000));
}

#[tokio::test]
async fn jobs_are_for_operators_and_their_runs_for_their_own_tenant() {
    let world = World::with_background().await;
    let runs = "/v1/jobs/loyalty_expiry/runs";
    let run = world.post(runs, json!({})).await;
    let one = format!("{runs}/{}", run.body["run_id"].as_str().expect("an id"));
    let key = world.run_json(&["key", "create", "till", "--scope", "loyalty:write", "--json"]);
    let till = key["key"].as_str().expect("a key").to_owned();
    for (method, path) in
        [(Method::GET, "/v1/jobs"), (Method::GET, runs), (Method::POST, runs), (Method::GET, one.as_str())]
    {
        let refused = world.ask_as(Some(&till), method.clone(), path, None).await;
        assert_eq!(refused.refusal(), "403 scope_missing", "{path}");
        assert_eq!(world.ask_as(None, method, path, None).await.refusal(), "401 key_missing", "{path}");
    }
    let tenant = world.run_json(&["tenant", "create", "acme", "--time-zone", "Asia/Tokyo", "--json"]);
    let theirs = world.run_json(&[
        "key",
        "create",
        "theirs",
        "--scope",
        "admin",
        "--tenant",
        &tenant["tenant"].to_string(),
        "--json",
    ]);
    let theirs = theirs["key"].as_str().expect("a key").to_owned();
    assert_eq!(world.ask_as(Some(&theirs), Method::GET, &one, None).await.refusal(), "404 job_run_not_found");
    assert_eq!(world.ask_as(Some(&theirs), Method::GET, runs, None).await.body, json!({"items": []}));
    let listed = world.ask_as(Some(&theirs), Method::GET, "/v1/jobs", None).await.body;
    assert_eq!(listed["items"][0]["time_zone"], "Asia/Tokyo");
    assert!(listed["items"][0]["next_run_at"].as_str().expect("a time").ends_with("T15:02:00Z"), "{listed}");

    for (path, refusal) in [
        ("/v1/jobs/nothing/runs", "404 job_not_found"),
        ("/v1/jobs/%FF/runs", "404 job_not_found"),
        ("/v1/jobs/loyalty_expiry/runs/7", "404 job_run_not_found"),
        ("/v1/jobs/loyalty_expiry/runs?limit=0", "400 invalid_parameter limit invalid_parameter"),
        ("/v1/jobs/loyalty_expiry/runs?cursor=x", "400 invalid_cursor cursor invalid_cursor"),
    ] {
        assert_eq!(world.get(path).await.refusal(), refusal, "{path}");
    }
    assert_eq!(world.post("/v1/jobs/nothing/runs", json!({})).await.refusal(), "404 job_not_found");
    let unknown = world.run(&["jobs", "run", "nothing"]);
    assert!(!unknown.status.success() && String::from_utf8_lossy(&unknown.stderr).contains("404 job_not_found"));
}
