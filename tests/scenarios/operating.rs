//! Projections from the operator's chair: list, pause, resume, skip.

use crate::support::World;
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use std::time::{Duration, Instant};

fn shown(world: &World, name: &str) -> Value {
    let list = world.run_json(&["projections", "list", "--json"]);
    let items = list["items"].as_array().expect("items");
    items.iter().find(|item| item["name"] == name).expect("it is listed").clone()
}

pub(crate) fn comes_to_show(world: &World, name: &str, state: &str) -> Value {
    let begun = Instant::now();
    loop {
        let item = shown(world, name);
        if item["state"] == state {
            return item;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{item}: {}", world.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Makes an event unreadable, as only somebody can who owns the whole database.
async fn spoil(world: &World, position: i64) {
    let mut admin = PgConnection::connect(&world.database_url("postgres")).await.expect("the superuser logs in");
    admin.execute("set session_replication_role = replica").await.expect("set");
    let spoiled = sqlx::query("update events set payload = '{\"nonsense\":true}' where position = $1")
        .bind(position)
        .execute(&mut admin)
        .await
        .expect("spoiled");
    assert_eq!(spoiled.rows_affected(), 1);
}

fn told(world: &World, words: &[&str]) -> String {
    let output = world.run(words);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_rests_fails_and_goes_on_as_its_operator_says() {
    let mut world = World::start().await;
    let member = world.member("ana@example.com").await;
    let paused = world.run_json(&["projections", "pause", "customers", "--json"]);
    assert_eq!(paused, json!({"projection": "customers", "paused": true}));
    assert_eq!(comes_to_show(&world, "customers", "paused")["pause"]["by"].as_str().map(|by| &by[..4]), Some("key:"));
    world.end(Signal::SIGTERM);
    world.serve(&[]);
    comes_to_show(&world, "customers", "paused");
    let rests = world.get("/health").await;
    assert_eq!((rests.status, &rests.body["status"]), (200, &json!("degraded")), "{}", rests.body);

    let spoiled = world.buys(&member, "order-1", "10.00").await.position.expect("a position");
    world.loyalty_at(&member, Some(spoiled)).await;
    let begun = Instant::now();
    while shown(&world, "customer_timeline")["position"].as_i64() < Some(spoiled)
        || shown(&world, "audit_trail")["position"].as_i64() < Some(spoiled)
    {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", world.log());
    }
    spoil(&world, spoiled - 1).await;
    let other = world.member("ben@example.com").await;
    let last = world.buys(&other, "order-2", "20.00").await.position.expect("a position");
    assert_eq!(world.run_json(&["projections", "resume", "customers", "--json"])["paused"], false);

    let failed = comes_to_show(&world, "customers", "failed");
    assert_eq!((&failed["error"]["position"], &failed["skipped"]), (&json!(spoiled - 1), &json!([])));
    assert!(failed["error"]["event_id"].as_str().is_some_and(|id| id.contains(&member)), "{failed}");
    let list = world.run(&["projections", "list"]);
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.contains(&format!("customers: cannot get past position {}, event customer-", spoiled - 1)), "{list}");

    let health = world.get("/health").await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("degraded")), "{}", health.body);
    let ready = world.ask_as(None, Method::GET, "/health/ready", None).await;
    assert_eq!(ready.status, 200, "the others go on, and commands work: {}", ready.body);
    let figures = async || world.open(None, "/metrics", None).await.text().await.expect("text");
    assert!(figures().await.contains("projector_failed{projector=\"customers\"} 1"), "{}", figures().await);

    let wrong = told(&world, &["projections", "skip", "customers", "--position", "1", "--reason", "a guess"]);
    assert!(wrong.contains(&format!("has failed at position {}, not at 1", spoiled - 1)), "{wrong}");
    let well = told(&world, &["projections", "skip", "loyalty_balances", "--position", "1", "--reason", "a guess"]);
    assert!(well.contains("409 projection_not_failed"), "{well}");
    let at = (spoiled - 1).to_string();
    let words = ["projections", "skip", "customers", "--position", &at, "--reason", "the disk bit", "--json"];
    let skipped = world.run_json(&words);
    assert_eq!(skipped, json!({"projection": "customers", "position": spoiled - 1, "skipped": true}));
    comes_to_show(&world, "customers", "live");
    let seen = world.get(&format!("/v1/customers/{other}?min_position={last}")).await;
    assert_eq!((seen.status, &seen.body["purchase_count"]), (200, &json!(1)), "{}", seen.body);
    assert_eq!(comes_to_show(&world, "customers", "live")["skipped"], json!([spoiled - 1]));
    world.run_json(&words);
    assert!(figures().await.contains("projector_failed{projector=\"customers\"} 0"), "{}", figures().await);

    let audited = world.get("/v1/audit/events?type=access.projection.skipped").await.body;
    assert_eq!(audited["items"].as_array().map(Vec::len), Some(1), "{audited}");
    assert!(audited["items"][0]["actor"].as_str().is_some_and(|actor| actor.starts_with("key:")), "{audited}");
    let checked = world.run(&["check", "customers"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success() && said.contains(&format!("skipped: the events at {at}")), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_wrongly_is_refused_with_what_there_is() {
    let world = World::start().await;
    let unknown = told(&world, &["projections", "pause", "balances"]);
    assert!(unknown.contains("there is no such projection; the projections are: customers, "), "{unknown}");
    assert_eq!(world.run(&["projections", "pause", "../x"]).status.code(), Some(2));
    let path = "/v1/projections/customers/skip";
    for (body, pointer) in [
        (json!({"position": 1}), "/reason"),
        (json!({"position": 1, "reason": "  "}), "/reason"),
        (json!({"position": 1, "reason": "a".repeat(501)}), "/reason"),
        (json!({"position": "one", "reason": "a"}), "/position"),
        (json!({"position": 1, "reason": "a", "force": true}), "/force"),
    ] {
        let refused = world.ask_as(Some(world.key()), Method::POST, path, Some(body)).await;
        assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!(pointer)), "{}", refused.body);
    }
    let till = world.run_json(&["key", "create", "till", "--scope", "customers:read", "--json"]);
    let refused = world.ask_as(till["key"].as_str(), Method::GET, "/v1/projections", None).await;
    assert_eq!((refused.status, &refused.body["scope"]), (403, &json!("operations")));

    let tenant = world.run_json(&["tenant", "create", "acme", "--time-zone", "UTC", "--json"])["tenant"].to_string();
    let words = ["key", "create", "theirs", "--scope", "admin", "--tenant", &tenant, "--json"];
    let theirs = world.run_json(&words);
    let theirs = theirs["key"].as_str();
    let pause = "/v1/projections/customers/pause";
    let skip = json!({"position": 1, "reason": "a"});
    for (method, path, body) in [
        (Method::GET, "/v1/projections", None),
        (Method::POST, pause, None),
        (Method::POST, "/v1/projections/customers/resume", None),
        (Method::POST, path, Some(skip)),
    ] {
        let refused = world.ask_as(theirs, method, path, body).await;
        assert_eq!(refused.refusal(), "403 operators_only", "{path}");
    }
    let seen = world.ask_as(theirs, Method::GET, "/health", None).await;
    assert_eq!((seen.status, &seen.body["components"]), (200, &Value::Null), "{}", seen.body);
}

/// Asks in SQL as the analyst, with the program that analysts use.
fn asked_in_sql(analyst: &Value, password: &str, sql: &str) -> std::process::Output {
    let psql = analyst["psql"].as_str().expect("a command");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("{psql} -X -A -t -q -c \"$0\""), sql]).env("PGPASSWORD", password);
    command.output().expect("psql runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_analyst_asks_in_sql() {
    let world = World::embedded();
    let member = world.member("ana@example.com").await;
    let bought = world.buys(&member, "order-1", "10.00").await;
    world.loyalty_at(&member, bought.position).await;
    world.run_json(&["tenant", "create", "second", "--json"]);
    let name = world.run_json(&["tenant", "list", "--json"])[0]["name"].as_str().expect("a name").to_owned();
    let analyst = world.run_json(&["tenant", "analyst", &name, "--json"]);
    let second = world.run_json(&["tenant", "analyst", "second", "--json"]);
    let password = |analyst: &Value| analyst["password"].as_str().expect("a password").to_owned();
    let rows = asked_in_sql(
        &analyst,
        &password(&analyst),
        "set app.tenant = '2'; select account, available from loyalty_balances",
    );
    assert_eq!(String::from_utf8_lossy(&rows.stdout), format!("{member}|10\n"), "{rows:?}");
    let rows = asked_in_sql(&second, &password(&second), "set app.tenant = '1'; select count(*) from loyalty_balances");
    assert_eq!(String::from_utf8_lossy(&rows.stdout), "0\n", "{rows:?}");
    let events = asked_in_sql(&analyst, &password(&analyst), "select * from public.events");
    assert!(String::from_utf8_lossy(&events.stderr).contains("permission denied"), "{events:?}");

    let twice = told(&world, &["tenant", "analyst", &name]);
    assert!(twice.contains("is there already: --rotate gives it another password"), "{twice}");
    let unknown = told(&world, &["tenant", "analyst", "third"]);
    assert!(unknown.contains(&format!("there is no tenant third; the tenants are: {name}, second")), "{unknown}");
    let renewed = world.run_json(&["tenant", "analyst", &name, "--rotate", "--json"]);
    assert!(!asked_in_sql(&analyst, &password(&analyst), "select 1").status.success(), "the old password");
    assert!(asked_in_sql(&analyst, &password(&renewed), "select 1").status.success());
    let removed = world.run_json(&["tenant", "analyst", &name, "--remove", "--json"]);
    assert_eq!((&removed["login"], &removed["removed"]), (&analyst["login"], &json!(true)));
    assert!(!asked_in_sql(&analyst, &password(&renewed), "select 1").status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_login_that_may_make_no_logins_is_told_what_it_lacks() {
    let world = World::start().await;
    let name = world.run_json(&["tenant", "list", "--json"])[0]["name"].as_str().expect("a name").to_owned();
    let refused = told(&world, &["tenant", "analyst", &name]);
    assert!(refused.contains("may not create roles: set DATABASE_URL to one with CREATEROLE"), "{refused}");
    assert_eq!(world.run(&["tenant", "analyst", &name, "--remove", "--rotate"]).status.code(), Some(2));
    let found = world.run_json(&["doctor", "--json"]);
    let analysts =
        found.as_array().and_then(|all| all.iter().find(|one| one["part"] == "analysts")).expect("a finding");
    assert!(analysts["says"].as_str().is_some_and(|says| says.contains("CREATEROLE")), "{analysts}");
}
