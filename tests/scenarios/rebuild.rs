//! `rebuild` and `check` from the operator's chair.

use crate::support::World;
use sqlx::{Connection, Executor, PgConnection};

async fn some_history(world: &World) -> String {
    let member = world.member("ana@example.com").await;
    let answer = world.buys(&member, "order-1", "120.00").await;
    let position = answer.position.expect("a command answers with its position");
    world.loyalty_at(&member, Some(position)).await;
    let seen = world.get(&format!("/v1/customers/{member}?min_position={position}")).await;
    assert_eq!(seen.body["purchase_count"], 1, "{}", seen.body);
    member
}

async fn available(world: &World, member: &str) -> i64 {
    world.get(&format!("/v1/customers/{member}/loyalty")).await.body["balance"].as_i64().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_finds_what_was_changed_by_hand_and_rebuild_puts_it_right() {
    let world = World::start().await;
    let member = some_history(&world).await;
    let well = world.run(&["check", "--all"]);
    let said = String::from_utf8_lossy(&well.stdout).into_owned();
    assert!(well.status.success() && said.contains("all is what the events say (1 row)"), "{said}");

    let mut admin = PgConnection::connect(&world.database_url("postgres")).await.expect("the superuser logs in");
    admin
        .execute("update loyalty_balances_g1.loyalty_balances set available = available + 1000")
        .await
        .expect("changed");
    let wrong = world.run(&["check", "loyalty_balances"]);
    let said = String::from_utf8_lossy(&wrong.stdout).into_owned();
    assert_eq!(wrong.status.code(), Some(4), "{said}");
    assert!(said.contains("available 1120 → 120") && said.contains(&member), "{said}");

    let kept = world.run_json(&["rebuild", "loyalty_balances", "--no-swap", "--json"]);
    assert_eq!((kept[0]["swapped"].as_bool(), &kept[0]["differences"][0]["changed"]), (Some(false), &1.into()));
    assert_eq!(available(&world, &member).await, 1_120, "nothing was swapped");
    let swapped = world.run_json(&["rebuild", "loyalty_balances", "--json"]);
    assert_eq!((swapped[0]["swapped"].as_bool(), &swapped[0]["generation"]), (Some(true), &2.into()));
    assert_eq!(available(&world, &member).await, 120);

    let after = world.buys(&member, "order-2", "30.00").await;
    assert_eq!(world.loyalty_at(&member, after.position).await["balance"], 150);
    assert!(world.run(&["check", "--all"]).status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_there_is_not_and_what_is_under_way_is_said() {
    let world = World::start().await;
    let unknown = world.run(&["rebuild", "balances"]);
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(
        !unknown.status.success() && said.contains("there is no projection balances; the projections are: customers"),
        "{said}"
    );
    let unknown = world.run(&["check", "balances"]);
    assert!(!unknown.status.success() && String::from_utf8_lossy(&unknown.stderr).contains("there is no projection"));
    assert_eq!(world.run(&["check"]).status.code(), Some(2));
    let mut other = PgConnection::connect(&world.database_url("postgres")).await.expect("the superuser logs in");
    other
        .execute("select pg_advisory_lock(hashtext('clientela.rebuild'), hashtext('customers'))")
        .await
        .expect("locked");
    let busy = world.run(&["rebuild", "customers"]);
    let said = String::from_utf8_lossy(&busy.stderr).into_owned();
    assert!(!busy.status.success() && said.contains("under way already"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_another_version_are_made_again_at_the_start() {
    let mut world = World::start().await;
    let member = some_history(&world).await;
    world.end(nix::sys::signal::Signal::SIGTERM);
    let mut admin = PgConnection::connect(&world.database_url("postgres")).await.expect("the superuser logs in");
    admin.execute("update projection_generations set version = 0 where projector = 'customers'").await.expect("aged");
    let refused = world.command().args(["serve", "--port", "0"]).env("CLIENTELA_REBUILD_ON_START", "false").output();
    let said = String::from_utf8_lossy(&refused.expect("it runs").stderr).into_owned();
    assert!(said.contains("clientela rebuild customers"), "{said}");

    world.serve(&[]);
    let begun = std::time::Instant::now();
    let sql = "select version from projection_generations where projector = 'customers' and live";
    while sqlx::query_scalar::<_, i32>(sql).fetch_one(&mut admin).await.expect("a version") == 0 {
        assert!(begun.elapsed().as_secs() < 60, "{}", world.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(world.get(&format!("/v1/customers/{member}")).await.body["purchase_count"], 1);

    becomes_ready(&world, 200).await;
    admin.execute(AGED).await.expect("aged");
    becomes(&world, "degraded").await;
    becomes_ready(&world, 200).await; // there is no other server that would do better
    // Aged again each time: the server looks too, and may have made them again by itself.
    let answer = asked_until(&world, 503, async || {
        admin.execute(AGED).await.expect("aged");
        admin.execute(RUN_BY_ANOTHER).await.expect("an older server runs it");
    });
    assert_eq!(answer.await["status"], "outdated");
    assert!(world.run(&["rebuild", "tenants"]).status.success());
    becomes_ready(&world, 200).await;
}

/// Asks how it is until it says so.
async fn becomes(world: &World, status: &str) {
    let begun = std::time::Instant::now();
    while world.get("/health").await.body["status"] != status {
        assert!(begun.elapsed().as_secs() < 60, "{}", world.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

const AGED: &str = "update projection_generations set version = 0 where projector = 'tenants' and live";

const RUN_BY_ANOTHER: &str = "insert into leases (consumer, owner, epoch, expires_at) \
    values ('tenants', gen_random_uuid(), 1, clock_timestamp() + interval '10 min') on conflict (consumer) \
    do update set owner = excluded.owner, epoch = leases.epoch + 1, expires_at = excluded.expires_at";

/// Asks whether it is ready until that is answered with this status.
async fn becomes_ready(world: &World, status: u16) -> serde_json::Value {
    asked_until(world, status, async || ()).await
}

/// The same, and does something before each question.
async fn asked_until(world: &World, status: u16, mut before: impl AsyncFnMut()) -> serde_json::Value {
    let begun = std::time::Instant::now();
    loop {
        before().await;
        let answer = world.get("/health/ready").await;
        if answer.status == status {
            return answer.body;
        }
        assert!(begun.elapsed().as_secs() < 60, "{}", answer.body);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_rule_shows_what_it_means_to_the_business_before_it_is_live() {
    let world = World::start().await;
    let member = some_history(&world).await;
    // The program with its next version's rule: points count twice.
    let changed = |words: &[&str]| {
        let output = world.command().args(words).env("CLIENTELA_CHANGED_RULE", "1").output().expect("it runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let earned = async || world.get(&format!("/v1/customers/{member}/loyalty")).await.body["lifetime_earned"].clone();
    let said = changed(&["rebuild", "loyalty_balances", "--no-swap"]);
    assert!(said.contains("of 1 live row 1 would change and 0 would go; 0 would be added"), "{said}");
    assert!(said.contains("lifetime_earned: in 1 row, in sum from 120 to 240"), "{said}");
    assert!(said.contains("lifetime_earned 120 → 240") && said.contains("is kept beside the live one"), "{said}");
    assert_eq!(earned().await, 120, "nothing is live yet");

    let swapped: serde_json::Value =
        serde_json::from_str(&changed(&["rebuild", "loyalty_balances", "--json"])).expect("JSON");
    let difference = &swapped[0]["differences"][0];
    assert_eq!((&swapped[0]["swapped"], &difference["changed"]), (&true.into(), &1.into()), "{swapped}");
    let told = changed(&["check", "loyalty_balances"]);
    assert!(told.contains("all is what the events say (1 row)"), "{told}");
    assert_eq!(earned().await, 240);
    // The running server is of the version before, and leaves the rows alone instead of mixing the two.
    let begun = std::time::Instant::now();
    loop {
        let status: serde_json::Value = world.run_json(&["projections", "list", "--json"]);
        let items = status["items"].as_array().expect("items");
        let found = items.iter().find(|item| item["name"] == "loyalty_balances").expect("it is listed");
        if found["state"] == "overtaken" {
            break;
        }
        assert!(begun.elapsed().as_secs() < 60, "{found}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let bought = world.buys(&member, "order-2", "1.00").await;
    assert_eq!(bought.status, 201, "{}", bought.body);
    assert_eq!(earned().await, 240);
    assert_eq!(world.get("/health").await.body["status"], "degraded", "no node goes on with these rows");
    assert_eq!(world.get("/health/ready").await.status, 200, "it does its work as before");
}
